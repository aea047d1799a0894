"""The admin mount when things go wrong: killed writers and agents, full disks, many writers, memory."""

import errno
import json
import os
import signal
import subprocess
import threading
import time

import pytest
from conftest import PLANTED
from support import ALGORITHM, COMMAND_DEADLINE, empty, needs_root, store, wait_until  # noqa: F401 (fixtures)
from test_admin_mount import SECRET, Admin, admin, secret  # noqa: F401 (fixtures)
from test_faults_disk import fill, small_disk
from test_hygiene_memory import flags, places

pytestmark = needs_root
WRITER = """
import os, sys
descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
os.write(descriptor, b"half a value")
print("written", flush=True)
sys.stdin.read()
os.close(descriptor)
print("closed", flush=True)
"""


def start_writer(path) -> subprocess.Popen:
    """A program that wrote half, and closes when its standard input ends."""
    writer = subprocess.Popen(
        ["python3", "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout.readline() == b"written\n"
    return writer


def end(writer: subprocess.Popen) -> tuple[bytes, bytes]:
    return writer.communicate(timeout=COMMAND_DEADLINE)


def test_a_killed_writer_changes_nothing(secret):
    writer = start_writer(secret.secret / "value")
    writer.send_signal(signal.SIGKILL)
    end(writer)
    assert secret.versions == 1
    assert "was killed before it closed it; nothing was changed" in secret.log
    secret.sh("(exec 5>value; printf half >&5; kill -9 $BASHPID)", status=137, shell="bash")
    assert secret.versions == 1


def test_a_killed_agent_leaves_the_old_version(secret):
    writer = start_writer(secret.secret / "value")
    os.kill(secret.store.agent, signal.SIGKILL)
    output, errors = end(writer)
    assert b"closed" not in output and b"Error: [Errno" in errors
    assert secret.versions == 1


@pytest.mark.parametrize("ending", [("agent", "--stop"), ("unmount", "--lazy")])
def test_a_mount_that_ends_stores_no_half_of_a_value(secret, ending):
    writer = start_writer(secret.secret / "value")
    secret.store.does(*ending, *([secret.root] if ending[0] == "unmount" else []))
    if ending[0] == "unmount":
        # The mount lives on until the last program lets go of it.
        assert b"closed" in end(writer)[0]
        assert secret.versions == 2
    else:
        assert b"closed" not in end(writer)[0]
        assert secret.versions == 1


def test_a_sealed_agent_takes_no_value_until_it_is_unsealed(secret):
    descriptor = os.open(secret.secret / "value", os.O_WRONLY)
    os.write(descriptor, b"second")
    secret.store.does("seal")
    with pytest.raises(OSError) as caught:
        os.close(descriptor)
    assert caught.value.errno == errno.ENOKEY
    secret.store.does("unseal")
    assert secret.versions == 1
    (secret.secret / "value").write_bytes(b"third")
    secret.shows(b"third")


def test_every_change_is_audited_with_who_made_it(secret):
    (secret.secret / "description").write_text("audited\n")
    with pytest.raises(PermissionError):
        open(secret.secret / "value", "rb")
    subprocess.run(["tee", secret.secret / "value"], input=b"by tee", check=True, stdout=subprocess.DEVNULL)
    secret.secret.rmdir()
    shown = secret.store.does("audit", "--json", "--secret", SECRET).output
    lines = [json.loads(line) for line in shown.splitlines()]
    # Without what the algorithm's mount gave to this test.
    lines = [line for line in lines if (line["action"], line["outcome"]) != ("open", "ok")]
    told = [(line["action"], line["outcome"], os.path.basename(line["executable"])) for line in lines]
    python = os.path.basename(os.path.realpath("/proc/self/exe"))
    assert told == [
        ("secret.create", "ok", python), ("secret.update", "ok", python), ("open", "denied", python),
        ("secret.update", "ok", "tee"), ("secret.delete", "ok", python),
    ], told
    assert all(line["uid"] == 0 for line in lines)
    assert b"for administration" in (secret.store.state / "audit.log").read_bytes()


def test_no_audit_no_change(secret):
    log = secret.store.state / "audit.log"
    log.unlink()
    log.mkdir()
    descriptor = os.open(secret.secret / "value", os.O_WRONLY)
    os.write(descriptor, b"second")
    with pytest.raises(OSError):
        os.close(descriptor)
    assert (secret.secret / "version").read_text() == "1\n"
    log.rmdir()


def test_a_full_disk_is_what_close_says(empty):
    with small_disk(empty) as disk:
        admin = Admin(empty.init())
        admin.secret.mkdir()
        (admin.secret / "delivery").write_text("file\n")
        (admin.secret / "value").write_bytes(b"first")
        fill(disk)
        refused = None
        for _ in range(40):
            before = admin.versions
            descriptor = os.open(admin.secret / "value", os.O_WRONLY | os.O_TRUNC)
            os.write(descriptor, os.urandom(500_000))
            try:
                os.close(descriptor)
            except OSError as error:
                refused = error.errno
                break
        assert refused == errno.ENOSPC
        assert admin.versions == before
        (disk / "ballast").unlink()
        (admin.secret / "value").write_bytes(b"last")
        assert admin.versions == before + 1
        admin.shows(b"last")


@pytest.mark.parametrize("is_new", [False, True])
def test_a_hundred_writers_leave_as_many_versions_as_succeeded(admin, is_new):
    admin.secret.mkdir()
    (admin.secret / "kept").write_text("100\n")
    if not is_new:
        (admin.secret / "value").write_bytes(b"first")
    succeeded, failed = [], []

    def write(number: int):
        try:
            descriptor = os.open(admin.secret / "value", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for part in (b"value ", b"of writer ", b"%d" % number):
                os.write(descriptor, part)
            os.close(descriptor)
            succeeded.append(b"value of writer %d" % number)
        except OSError as error:
            failed.append(error.errno)

    # Processes that fork while they have the file open: the child closes copies of its parent's descriptors.
    def fork(number: int):
        code = (
            "import os, sys\n"
            "d = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)\n"
            "for part in ('value ', 'of writer ', sys.argv[2]): os.write(d, part.encode())\n"
            "os.close(d)\n")
        process = subprocess.run(["python3", "-c", code, admin.secret / "value", str(number)], capture_output=True, timeout=120)
        if process.returncode == 0:
            succeeded.append(b"value of writer %d" % number)
        else:
            failed.append(process.stderr)

    threads = [threading.Thread(target=write if number % 2 else fork, args=[number]) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=200)
    assert len(succeeded) + len(failed) == 100
    assert not failed, failed
    assert admin.versions == len(succeeded) + (0 if is_new else 1)
    assert len((admin.secret / "versions").read_text().splitlines()) == 100
    wait_until(admin.mount, lambda: (admin.mount / SECRET).read_bytes() in succeeded)
    # A line for each version, in a chain that holds, and a store in which all is well.
    changes = [json.loads(line) for line in admin.store.does("audit", "--json", "--secret", SECRET).output.splitlines()]
    versions = [line["version"] for line in changes if line["action"].startswith("secret.") and "version" in line]
    assert sorted(versions) == list(range(1, admin.versions + 1))
    admin.store.does("audit", "verify")
    assert admin.store.run("doctor").status == 0, admin.store.run("doctor")


def test_a_written_value_is_in_no_memory_after_its_close(secret):
    agent = secret.store.agent
    for size in (100, 70_000, 1_000_000):
        (secret.secret / "delivery").write_text("file\n")
        value = PLANTED + os.urandom(size)
        descriptor = os.open(secret.secret / "value", os.O_WRONLY | os.O_TRUNC)
        for start in range(0, len(value), 60_000):
            os.write(descriptor, value[start : start + 60_000])
        found = places(agent, value)
        assert found, "the search finds nothing"
        for place in found:
            # Locked, not dumped, not handed to a child.
            assert {"lo", "dd", "wf"} <= flags(agent, place), hex(place)
        os.close(descriptor)
        gone(agent, value)
        # Neither in what an editor kept beside it, nor in what a program did not finish.
        temporary = secret.secret / ".value.swp"
        temporary.write_bytes(value)
        assert places(agent, value)
        temporary.unlink()
        gone(agent, value)
    assert PLANTED.decode() not in secret.log


def gone(agent: int, value: bytes):
    deadline = time.monotonic() + 20
    while places(agent, value):
        assert time.monotonic() < deadline, "a value stays in memory"
        time.sleep(0.05)


def test_a_slow_store_stops_the_admin_mount_and_no_other(secret):
    """A commit that waits for another process's transaction holds up its own mount only."""
    import sqlite3

    other = sqlite3.connect(secret.store.state / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    writer = subprocess.Popen(["python3", "-c", "import sys; open(sys.argv[1], 'w').write('slow')", secret.secret / "value"])
    slowest = 0.0
    while time.monotonic() < started + 2:
        before = time.monotonic()
        assert (secret.mount / SECRET).read_bytes() == b"first"
        slowest = max(slowest, time.monotonic() - before)
    assert writer.poll() is None, "the writer does not wait, so nothing is tested here"
    other.execute("ROLLBACK")
    other.close()
    assert writer.wait(timeout=COMMAND_DEADLINE) == 0
    assert slowest < 1
    secret.shows(b"slow")
