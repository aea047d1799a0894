"""Who may open: rules on programs."""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from box_support import wait_until
from callers_support import CAT, PYTHON, VALUE, copy_of_cat, mount, read_by, rule, user  # noqa: F401 (fixtures)
from support import COMMAND_DEADLINE, empty, needs_root, store  # noqa: F401 (fixtures)

pytestmark = needs_root


def test_a_rule_on_a_program_lets_that_file_in_and_no_copy(store, mount, copy_of_cat):
    rule(store, mount, "--exe", CAT)
    assert read_by(mount / "KEY") == VALUE
    assert read_by(mount / "KEY", program=copy_of_cat) is None
    with pytest.raises(PermissionError):
        (mount / "KEY").read_bytes()


def test_a_program_that_is_bound_over_the_path_is_another(store, mount, copy_of_cat):
    """In a mount namespace of its own a process chooses what is at a path, and /proc shows the path."""
    rule(store, mount, "--exe", CAT)
    script = f"mount --bind {copy_of_cat} {CAT} && exec {CAT} {mount}/KEY"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=COMMAND_DEADLINE)
    assert done.returncode == 1 and b"Permission denied" in done.stderr and not done.stdout, done
    # The same program in a namespace of its own is the same file.
    assert read_by(mount / "KEY", "unshare", "-m") == VALUE


def test_a_rule_with_a_hash_asks_for_the_content(store, mount, copy_of_cat):
    digest = hashlib.sha256(copy_of_cat.read_bytes()).hexdigest()
    rule(store, mount, "--exe", f"{copy_of_cat}@sha256:{digest}")
    assert read_by(mount / "KEY", program=copy_of_cat) == VALUE
    assert read_by(mount / "KEY") is None
    # One byte more, at the end, which the loader does not look at.
    with open(copy_of_cat, "ab") as file:
        file.write(b"x")
    assert read_by(mount / "KEY", program=copy_of_cat) is None
    # And the old one again, as another file.
    copy_of_cat.unlink()
    shutil.copy(CAT, copy_of_cat)
    assert read_by(mount / "KEY", program=copy_of_cat) == VALUE


def test_a_program_that_was_deleted_or_replaced_is_nobody(store, mount, copy_of_cat):
    rule(store, mount, "--exe", str(copy_of_cat))
    read, write = os.pipe()
    # Runs on from the deleted file: opens when it is told to.
    with subprocess.Popen([copy_of_cat, "/dev/stdin", mount / "KEY"], stdin=read, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        os.close(read)
        os.write(write, b"x")
        assert process.stdout.read(1) == b"x"
        copy_of_cat.unlink()
        shutil.copy(CAT, copy_of_cat)
        os.close(write)
        output, errors = process.communicate(timeout=COMMAND_DEADLINE)
    assert output == b"" and b"Permission denied" in errors


@pytest.fixture
def served(store):
    """The program opener.c on a FUSE file system, and the process that serves that."""
    image, point, tree = (store.root / name for name in ("served.img", "served", "tree"))
    point.mkdir()
    tree.mkdir()
    source = Path(__file__).with_name("opener.c")
    subprocess.run(["cc", "-O", "-o", tree / "opener", source], check=True, timeout=60)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image, "16M"], check=True, timeout=60)
    server = subprocess.Popen(
        ["fuse2fs", "-f", "-o", "ro,allow_other", image, point], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: (point / "opener").exists(), "the file system is not mounted")
        yield point / "opener", server
    finally:
        server.send_signal(signal.SIGCONT)
        subprocess.run(["umount", "-l", point], timeout=COMMAND_DEADLINE, stderr=subprocess.DEVNULL)
        server.wait(COMMAND_DEADLINE)


def answer(process) -> bytes:
    output, errors = process.communicate(b"x", timeout=COMMAND_DEADLINE)
    return output.removeprefix(b"ready\n") + errors


# > whoever serves another one (FUSE, NFS, 9p) can show one program and run another — docs/SEMANTICS.md#callers
def test_a_program_on_a_served_file_system_matches_no_hash(store, mount, served):
    opener, _ = served
    digest = hashlib.sha256(opener.read_bytes()).hexdigest()
    rule(store, mount, "--exe", f"{opener}@sha256:{digest}")
    start = lambda program: subprocess.Popen(
        [program, mount / "KEY"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert answer(start(opener)) == b"Permission denied"
    # The same bytes at the same path, on a disk.
    subprocess.run(["umount", opener.parent], check=True, timeout=COMMAND_DEADLINE)
    shutil.copy(store.root / "tree" / "opener", opener)
    assert answer(start(opener)) == VALUE


def test_a_program_whose_file_system_does_not_answer_holds_nobody_up(store, mount, served):
    opener, server = served
    rule(store, mount, "--exe", str(opener))
    process = subprocess.Popen(
        [opener, mount / "KEY"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    server.send_signal(signal.SIGSTOP)
    # What the kernel knows of the file counts for a second.
    time.sleep(1.5)
    begin = time.monotonic()
    try:
        for _ in range(3):
            assert read_by(mount / "FREE") == b"free"
        # It cannot be seen whether that is still the program at the path.
        assert answer(process) == b"Permission denied"
        assert time.monotonic() - begin < 5
    finally:
        server.send_signal(signal.SIGCONT)


# > In a user namespace other than the agent's no rule on programs matches — docs/SEMANTICS.md#callers
def test_in_a_user_namespace_no_rule_on_programs_matches(store, mount):
    """There the process is root, and can tell the kernel that it is another program."""
    rule(store, mount, "--exe", CAT)
    assert read_by(mount / "KEY", *user(1000)) == VALUE
    assert read_by(mount / "KEY", *user(1000), "unshare", "--user", "--map-root-user") is None


def test_any_thread_of_a_process_is_that_process(store, mount):
    rule(store, mount, "--exe", PYTHON, "--uid", "0")
    code = (
        "import sys, threading\n"
        "def read(): print(open(sys.argv[1]).read(), end='')\n"
        "thread = threading.Thread(target=read); thread.start(); thread.join()"
    )
    done = subprocess.run([PYTHON, "-c", code, mount / "KEY"], capture_output=True, timeout=COMMAND_DEADLINE)
    assert done.stdout == VALUE, done
    rule(store, mount, "--exe", CAT)
    done = subprocess.run([PYTHON, "-c", code, mount / "KEY"], capture_output=True, timeout=COMMAND_DEADLINE)
    assert b"PermissionError" in done.stderr and not done.stdout
