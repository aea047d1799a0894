"""Half a value is never stored: writers that are killed, share a descriptor, or never close it (docs/SEMANTICS.md#values)."""

import ctypes
import errno
import mmap
import os
import resource
import signal
import struct
import subprocess
import time

import pytest
from support import COMMAND_DEADLINE, empty, needs_root, store, wait_until  # noqa: F401 (fixtures)
from test_admin_mount import SECRET, Admin, admin, secret  # noqa: F401 (fixtures)

pytestmark = needs_root
MANY = 17_000


def wait_for(condition):
    deadline = time.monotonic() + COMMAND_DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def in_child(body) -> int:
    """Runs `body` in a process of its own, which then exits with 0; returns its wait status."""
    child = os.fork()
    if child == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def start(secret, script: str) -> subprocess.Popen:
    """A shell whose output is `value`; whoever opened it for the shell has closed it again."""
    with open(secret.secret / "value", "wb", buffering=0) as file:
        return subprocess.Popen(["sh", "-c", script], stdout=file, cwd=secret.store.root, start_new_session=True)


# The first half is written by the shell itself, or by a program that it started; another program then ends.
@pytest.mark.parametrize("first", ["printf first-half-", "/bin/echo first-half-", "sh -c '/bin/echo first-half-; :'"])
def test_the_end_of_a_program_that_a_killed_shell_started_stores_nothing(secret, first):
    shell = start(secret, f"sleep 0.3; {first}; /bin/true; : > there; sleep 30; printf second-half")
    wait_for((secret.store.root / "there").exists)
    assert secret.versions == 1
    # It alone: what it started ends by itself then.
    os.kill(shell.pid, signal.SIGKILL)
    shell.wait(timeout=COMMAND_DEADLINE)
    os.killpg(shell.pid, signal.SIGTERM)
    wait_for(lambda: "nothing was changed" in secret.log)
    assert secret.versions == 1
    secret.shows(b"first")


@pytest.mark.parametrize("script", [
    "printf first-; /bin/true; sleep 0.3; printf second", "/bin/echo -n first-; sleep 0.3; /bin/echo -n second",
    "(/bin/echo -n first-; sleep 0.3); printf second",
])
def test_a_shell_that_has_its_output_from_another_program_writes_one_version(secret, script):
    shell = start(secret, "sleep 0.2; " + script)
    assert shell.wait(timeout=COMMAND_DEADLINE) == 0
    assert secret.versions == 2
    secret.shows(b"first-second")


def test_a_program_with_more_descriptors_than_are_looked_at_stores_no_half(secret):
    value = secret.secret / "value"

    def open_many() -> int:
        resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
        null = os.open("/dev/null", os.O_RDONLY)
        for _ in range(MANY):
            os.dup(null)
        return os.open(value, os.O_WRONLY)

    def be_killed():
        descriptor = open_many()
        os.write(descriptor, b"half")
        assert in_child(lambda: os.close(descriptor)) == 0
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(be_killed) == signal.SIGKILL
    assert secret.versions == 1

    def be_told():
        descriptor = open_many()
        os.write(descriptor, b"whole, for all it knows")
        try:
            os.close(descriptor)
        except OSError as error:
            os._exit(error.errno)

    assert os.waitstatus_to_exitcode(in_child(be_told)) == errno.EBUSY
    assert secret.versions == 1 and "more descriptors than are looked at" in secret.log


def test_a_program_with_some_thousand_descriptors_is_looked_at_to_the_end(secret):
    def write():
        resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
        null = os.open("/dev/null", os.O_RDONLY)
        for _ in range(5000):
            os.dup(null)
        descriptor = os.open(secret.secret / "value", os.O_WRONLY)
        os.write(descriptor, b"first-")
        assert in_child(lambda: os.close(descriptor)) == 0
        os.write(descriptor, b"second")
        os.close(descriptor)

    assert in_child(write) == 0
    assert secret.versions == 2
    secret.shows(b"first-second")


def write_by_uring(path, data: bytes):
    """Opens and writes a file that never gets a descriptor (IORING_OP_OPENAT into a slot; include/uapi/linux/io_uring.h)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    parameters = ctypes.create_string_buffer(120)
    ring = libc.syscall(425, 8, parameters)
    if ring < 0:
        os._exit(77)
    count, completions = struct.unpack_from("II", parameters)
    _, tail, _, _, _, _, array = struct.unpack_from("7I", parameters, 40)
    head, _, _, _, _, done = struct.unpack_from("6I", parameters, 80)
    submissions = mmap.mmap(ring, array + count * 4, offset=0)
    entries = mmap.mmap(ring, count * 64, offset=0x10000000)
    results = mmap.mmap(ring, done + completions * 16, offset=0x8000000)
    assert libc.syscall(427, ring, 2, struct.pack("4i", -1, -1, -1, -1), 4) == 0
    name, content = ctypes.create_string_buffer(os.fsencode(path)), ctypes.create_string_buffer(data)

    def submit(number: int, entry: bytes) -> int:
        entries[:64] = entry.ljust(64, b"\0")
        struct.pack_into("I", submissions, array + 4 * (number & (count - 1)), 0)
        struct.pack_into("I", submissions, tail, number + 1)
        assert libc.syscall(426, ring, 1, 1, 1, None, 0) == 1
        struct.pack_into("I", results, head, number + 1)
        return struct.unpack_from("i", results, done + 16 * number + 8)[0]

    # opcode, flags, priority, descriptor, offset, address, length, flags of open, user data, two numbers, slot
    layout = "BBHiQQIIQHHI"
    opened = submit(0, struct.pack(layout, 18, 0, 0, -100, 0, ctypes.addressof(name), 0, os.O_WRONLY, 0, 0, 0, 1))
    written = submit(1, struct.pack(layout, 23, 1, 0, 0, 0, ctypes.addressof(content), len(data), 0, 0, 0, 0, 0))
    assert (opened, written) == (0, len(data))


@pytest.mark.parametrize("ending", [signal.SIGKILL, None])
def test_what_was_never_closed_is_never_stored(secret, ending):
    def body():
        write_by_uring(secret.secret / "value", b"half")
        if ending:
            os.kill(os.getpid(), ending)

    status = in_child(body)
    if os.waitstatus_to_exitcode(status) == 77:
        pytest.skip("this kernel has no io_uring")
    assert status == (ending or 0)
    wait_for(lambda: "no program that wrote it closed it before all were gone; nothing was changed" in secret.log)
    assert secret.versions == 1


def test_copies_that_are_closed_while_the_opener_is_killed_store_nothing(secret):
    """Of a process that is ending /proc shows no descriptors: closes of copies fall into that moment now and then."""
    value = secret.secret / "value"

    def body():
        # Much to close before the value, so that ending takes a while.
        resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
        for _ in range(8_000):
            os.open("/dev/null", os.O_RDONLY)
        descriptor = os.open(value, os.O_WRONLY)
        os.write(descriptor, b"half")
        opener = os.getpid()
        if os.fork() == 0:
            copies = [os.dup(descriptor) for _ in range(300)]
            os.kill(opener, signal.SIGKILL)
            for copy in copies:
                try:
                    os.close(copy)
                except OSError:
                    pass
            os._exit(0)
        time.sleep(COMMAND_DEADLINE)

    for _ in range(5):
        assert in_child(body) == signal.SIGKILL
        assert secret.versions == 1
    wait_for(lambda: "was killed before it closed it; nothing was changed" in secret.log)


def test_a_child_that_was_killed_and_never_wrote_spoils_nothing(secret):
    secret.sh("exec 3> value; sleep 30 & echo x >&3; kill -9 $!; wait $! || :; exec 3>&-", shell="bash")
    assert secret.versions == 2
    secret.shows(b"x\n")


# The first thread ends; the process lives on in another one, which closes the file.
def test_a_program_whose_first_thread_has_ended_is_looked_at(secret):
    code = (
        "import ctypes, os, sys, threading, time\n"
        "def run():\n"
        "    time.sleep(.3)\n"
        "    d = os.open(sys.argv[1], os.O_WRONLY)\n"
        "    os.write(d, b'first-')\n"
        "    if os.fork() == 0: os.close(d); os._exit(0)\n"
        "    os.wait(); os.write(d, b'second'); os.close(d); os._exit(0)\n"
        "threading.Thread(target=run).start()\n"
        "ctypes.CDLL(None).syscall(60, 0)\n")
    writer = subprocess.Popen(["python3", "-c", code, secret.secret / "value"])
    # It is shown as a zombie until its last thread ends.
    assert writer.wait(timeout=COMMAND_DEADLINE) == 0
    assert secret.versions == 2
    secret.shows(b"first-second")


@pytest.mark.parametrize("script, expected", [
    ("printf %s x | tee value > /dev/null", b"x"),
    ("printf %s x | cat > value", b"x"),
    ("{ printf a; /bin/echo -n b; printf c | cat; } > value", b"abc"),
    ("exec 3> value; echo x >&3; exec 3>&-", b"x\n"),
    ("exec 3> value; /bin/echo x >&3; exec 3>&-", b"x\n"),
    ("exec 3> value; sleep 30 & echo x >&3; exec 3>&-; kill $!", b"x\n"),
    ("exec 3> value; echo x >&3", b"x\n"),
    ("sh -c 'echo x > /dev/stdout' > value", b"x\n"),
    ("sh -c 'printf a; exec /bin/echo -n b' > value", b"ab"),
    ("(printf a; sleep 0.2; printf b) > value", b"ab"),
])
@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_redirections_of_a_shell_are_one_version(secret, script, expected, shell):
    secret.sh(script, shell=shell)
    assert secret.versions == 2
    secret.shows(expected)
    assert "nothing was changed" not in secret.log
