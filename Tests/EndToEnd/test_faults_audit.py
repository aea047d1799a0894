"""No record, no value and no change: the audit log on a disk that is full, read-only, slow, or away."""

import contextlib
import errno
import json
import os
import subprocess
import threading
import time

import pytest
from support import ALGORITHM, COMMAND_DEADLINE, empty, needs_root, store, wait_until  # noqa: F401 (fixtures)
from test_faults_disk import fill, read_only, small_disk

IO = 74


def refused(path) -> bool:
    """Whether an open of `path` fails with EIO; any other failure is one of the test."""
    try:
        with open(path, "rb") as file:
            assert file.read() is not None
            return False
    except OSError as error:
        assert error.errno == errno.EIO, error
        return True


def opens(store) -> int:
    lines = store.does("audit", "--json").output.splitlines()
    return sum(json.loads(line)["action"] in ("open", "environ") for line in lines)


@needs_root
def test_on_a_full_disk_nothing_is_released_until_there_is_room(empty):
    with small_disk(empty) as disk:
        empty.init()
        empty.create("A", b"1")
        mount = empty.mount()
        fill(disk)
        before, released = opens(empty), 0
        # What is left of the last block takes some lines.
        while not refused(mount / "A") and released < 200:
            released += 1
        assert released < 200, "the disk was never full, so nothing is tested here"
        assert refused(mount / ".environ") and refused(mount / "A")
        assert os.listdir(mount) and os.stat(mount / "A").st_size == 1
        assert (mount / ".generation").read_bytes()
        assert opens(empty) == before + released
        empty.run("secret", "update", ALGORITHM, "A", input=b"2").failed(IO, "no space is left", "nothing was changed")
        (disk / "ballast").unlink()
        assert (mount / "A").read_bytes() == b"1"
        empty.update("A", b"2")
        wait_until(mount, lambda: (mount / "A").read_bytes() == b"2")
        empty.does("audit", "verify")


@needs_root
def test_on_a_read_only_file_system_nothing_is_released_until_it_is_writable(store):
    store.create("A", b"1")
    mount = store.mount()
    with read_only(store.state):
        assert refused(mount / "A") and refused(mount / ".environ")
        assert sorted(os.listdir(mount)) == [".environ", ".generation", "A"]
        store.run("secret", "delete", ALGORITHM, "A", "--yes").failed(IO, "read-only")
    assert (mount / "A").read_bytes() == b"1"
    store.does("audit", "verify")


@pytest.mark.parametrize("how", ["removed", "moved away", "emptied", "replaced by an older copy"])
def test_a_log_that_is_taken_away_under_the_agent_is_noticed_by_the_next_open(store, how):
    store.create("A", b"1")
    mount = store.mount()
    log = store.state / "audit.log"
    older = log.read_bytes()
    assert (mount / "A").read_bytes() == b"1"
    if how == "removed":
        log.unlink()
    elif how == "moved away":
        log.rename(store.state / "audit.elsewhere")
    elif how == "emptied":
        os.truncate(log, 0)
    else:
        log.unlink()
        log.write_bytes(older)
    assert refused(mount / "A")
    # Nobody has to do anything: what was lost is written down, and it goes on.
    assert (mount / "A").read_bytes() == b"1"
    store.update("A", b"2")
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert "log.lost" in [line["action"] for line in lines]
    assert [line["action"] for line in lines][-1] == "secret.update"
    store.run("audit", "verify").failed(70, "removed")


def test_a_log_that_is_no_file_refuses_everything(store):
    store.create("A", b"1")
    mount = store.mount()
    log = store.state / "audit.log"
    log.rename(store.state / "kept")
    log.mkdir()
    assert refused(mount / "A") and refused(mount / "A")
    store.run("secret", "create", ALGORITHM, "B", input=b"2").failed(IO, "audit.log")
    store.run("mount", ALGORITHM, store.folder("other")).failed(IO, "audit.log")
    assert not os.path.ismount(store.folder("other"))
    log.rmdir()
    (store.state / "kept").rename(log)
    # The agent may have met the folder when it last told the disk to keep the log; it tries again.
    until(lambda: not refused(mount / "A"))
    assert (mount / "A").read_bytes() == b"1"
    assert store.names() == ["A"]
    store.does("audit", "verify")


def test_an_agent_that_cannot_record_its_start_does_not_start(store):
    (store.state / "audit.log").unlink()
    (store.state / "audit.log").mkdir()
    store.run("agent").failed(IO, "audit.log")


@contextlib.contextmanager
def failing_fsync(store):
    """The disk does not take what the agent wrote to its audit log; everything else it takes."""
    log = store.state / "audit.log"
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(store.agent), "-P", log, "-o", store.root / "trace",
         "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"], stderr=subprocess.PIPE)
    try:
        # It says so for each thread, and traces from the first one on.
        assert b"attached" in tracer.stderr.readline()
        time.sleep(0.3)
        yield
    finally:
        tracer.terminate()
        tracer.wait(timeout=COMMAND_DEADLINE)
        tracer.stderr.close()
    assert "(INJECTED)" in (store.root / "trace").read_text(), "no fsync failed, so nothing was tested"


def until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# > What the disk did not take is tried again each half second; until it is taken, no open succeeds. — docs/SEMANTICS.md#audit
@needs_root
@pytest.mark.parametrize("sync", ["batch", "always"])
def test_what_the_disk_does_not_take_refuses_opens_until_it_does(store, sync):
    store.does("audit", "settings", "--audit-sync", sync)
    store.create("A", b"1")
    mount = store.mount()
    assert not refused(mount / "A")
    held = open(mount / "A", "rb", buffering=0)
    with failing_fsync(store):
        if sync == "batch":
            # What was released before the disk said no is what a power cut may lose.
            until(lambda: refused(mount / "A"))
        for _ in range(5):
            assert refused(mount / "A") and refused(mount / ".environ")
            time.sleep(0.3)
        # What needs no record goes on.
        assert sorted(os.listdir(mount)) == [".environ", ".generation", "A"] and held.read() == b"1"
        assert ("audit.log" if sync == "batch" else "unaudited") in (store.state / "agent.log").read_text()
    held.close()
    # Nobody has to do anything.
    until(lambda: not refused(mount / "A"))
    assert not refused(mount / ".environ")
    store.does("audit", "verify")
    store.update("A", b"2")
    wait_until(mount, lambda: (mount / "A").read_bytes() == b"2")


@needs_root
def test_a_change_by_the_admin_mount_that_the_disk_does_not_record_is_not_made(store):
    store.does("audit", "settings", "--audit-sync", "always")
    store.create("A", b"1")
    root = store.folder("admin")
    store.does("mount", "--admin", root)
    value = root / "algorithms" / ALGORITHM / "A" / "value"
    with failing_fsync(store):
        descriptor = os.open(value, os.O_WRONLY)
        os.write(descriptor, b"2")
        with pytest.raises(OSError) as error:
            os.close(descriptor)
        assert error.value.errno == errno.EIO
    assert store.json("secret", "show", ALGORITHM, "A")["version"] == 1
    value.write_bytes(b"3")
    assert store.json("secret", "show", ALGORITHM, "A")["version"] == 2
    store.does("audit", "verify")


@needs_root
def test_a_command_whose_record_the_disk_does_not_take_changes_nothing(store):
    store.create("A", b"1")
    before = ["strace", "-f", "-P", store.state / "audit.log", "-o", store.root / "trace",
              "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"]
    store.run("secret", "update", ALGORITHM, "A", input=b"2", before=before).failed(IO, "audit.log", "nothing was changed")
    assert "(INJECTED)" in (store.root / "trace").read_text()
    assert store.json("secret", "show", ALGORITHM, "A")["version"] == 1
    store.update("A", b"3")
    store.does("audit", "verify")


SLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>
// A disk that takes its time with the audit log: with fsync while the file SLOW_FLAG exists, and with each write
// while SLOW_FLAG-write does.
static void take_time(int file, const char *flag) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long count = readlink(link, path, sizeof path - 1);
    if (count > 0) { path[count] = 0; if (strstr(path, "audit.log") && access(flag, F_OK) == 0) sleep(3); }
}
int fdatasync(int file) {
    take_time(file, SLOW_FLAG);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
ssize_t write(int file, const void *bytes, size_t count) {
    take_time(file, SLOW_FLAG "-write");
    return ((ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(file, bytes, count);
}
"""


@pytest.fixture
def slow(store):
    """A store whose agent's disk is slow while the file that this answers exists."""
    flag = store.root / "slow"
    source, library = store.root / "slow.c", store.root / "slow.so"
    source.write_text(SLOW.replace("SLOW_FLAG", f'"{flag}"'))
    subprocess.run(["cc", "-shared", "-fPIC", "-O", "-o", library, source, "-ldl"], check=True, timeout=60)
    store.slow_environment = {"LD_PRELOAD": str(library)}
    return flag


def start_slow_agent(store):
    from support import notify_socket

    with notify_socket(store.root) as (path, receive):
        environment = {"NOTIFY_SOCKET": path, **store.slow_environment}
        store.start("agent", env=environment, stderr=subprocess.DEVNULL)
        assert receive() == b"READY=1"


def timed(function) -> float:
    start = time.monotonic()
    function()
    return time.monotonic() - start


# > While an open waits for the disk, everything else in all mounts is answered. — docs/SEMANTICS.md#audit
def test_with_always_a_slow_disk_holds_up_opens_and_nothing_else(store, slow):
    store.does("audit", "settings", "--audit-sync", "always")
    store.create("A", b"1")
    start_slow_agent(store)
    mounts = [store.mount(name=f"mount{number}") for number in range(4)]
    held = [open(mount / "A", "rb", buffering=0) for mount in mounts]
    slow.touch()
    waiting = [threading.Thread(target=lambda mount=mount: (mount / "A").read_bytes()) for mount in mounts]
    started = time.monotonic()
    for thread in waiting:
        thread.start()
    time.sleep(0.3)
    for mount, file in zip(mounts, held, strict=True):
        assert timed(lambda mount=mount: os.listdir(mount)) < 1.5
        assert timed(lambda mount=mount: os.stat(mount / "A")) < 1.5
        assert timed(lambda file=file: os.pread(file.fileno(), 10, 0)) < 1.5
        assert timed(lambda mount=mount: (mount / ".generation").read_bytes()) < 1.5
    assert all(thread.is_alive() for thread in waiting), "an open did not wait for its record"
    for thread in waiting:
        thread.join(30)
    # Those that waited together shared the disk: not one after the other.
    assert time.monotonic() - started < 3 * 3
    slow.unlink()
    for file in held:
        file.close()
    store.does("audit", "verify")


def test_with_batch_opens_do_not_wait_for_a_slow_disk(store, slow):
    store.create("A", b"1")
    start_slow_agent(store)
    mount = store.mount()
    slow.touch()
    started = time.monotonic()
    count = 0
    while time.monotonic() - started < 8:
        assert timed((mount / "A").read_bytes) < 1.5
        count += 1
        time.sleep(0.005)
    slow.unlink()
    store.does("audit", "verify")
    assert opens(store) == count


# > only the first slow write holds them up — docs/SEMANTICS.md#a-slow-disk
def test_a_disk_on_which_writes_hang_holds_up_other_mounts_once(store, slow):
    store.create("A", b"1")
    start_slow_agent(store)
    mount = store.mount()
    (mount / "A").read_bytes()
    hang = slow.with_name(slow.name + "-write")
    hang.touch()
    assert timed((mount / "A").read_bytes) > 2, "the disk was not slow, so nothing is tested here"
    for _ in range(2):
        # Longer than after one slow write.
        time.sleep(1.5)
        waiting = threading.Thread(target=(mount / "A").read_bytes)
        waiting.start()
        time.sleep(0.3)
        assert timed((mount / ".generation").read_bytes) < 1
        assert waiting.is_alive(), "the open did not wait for its record"
        waiting.join(30)
    hang.unlink()
    # The first finds out that the disk is well, and the others write for themselves again.
    for _ in range(3):
        assert timed((mount / "A").read_bytes) < 1
    store.does("audit", "verify")


def test_a_mount_that_ends_while_an_open_waits_leaves_nothing(store, slow):
    store.does("audit", "settings", "--audit-sync", "always")
    store.create("A", b"1")
    start_slow_agent(store)
    gone, stays = store.mount(name="gone"), store.mount(name="stays")
    slow.touch()
    failures = []

    def read():
        try:
            (gone / "A").read_bytes()
        except OSError as error:
            failures.append(error.errno)

    readers = [threading.Thread(target=read) for _ in range(5)]
    for reader in readers:
        reader.start()
    time.sleep(0.2)
    subprocess.run(["umount", "-l", gone], check=True, timeout=30)
    number = os.stat(stays).st_dev
    assert number
    for reader in readers:
        reader.join(30)
        assert not reader.is_alive()
    slow.unlink()
    assert (stays / "A").read_bytes() == b"1"
    store.does("audit", "verify")
