"""A state folder on a disk that is full or read-only: a clear error, and nothing lost."""

import contextlib
import os
import shutil
import subprocess

import pytest
from support import ALGORITHM, empty, needs_root, store, wait_until  # noqa: F401 (fixtures)

IO = 74
pytestmark = needs_root


@contextlib.contextmanager
def small_disk(store, mebibytes=12):
    """A file system of its own for the state folder."""
    image = store.root / "disk.img"
    with open(image, "wb") as file:
        file.truncate(mebibytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True, timeout=60)
    disk = store.folder("disk")
    subprocess.run(["mount", "-o", "loop", image, disk], check=True, timeout=60)
    store.state = disk / "state"
    try:
        yield disk
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            store.run("agent", "--stop", timeout=20)
        subprocess.run(["umount", "--lazy", disk], check=True, timeout=60)


def fill(disk):
    """Takes what is left of the disk, to the last block."""
    with open(disk / "ballast", "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
        with contextlib.suppress(OSError):
            os.fsync(file.fileno())


def test_a_full_disk_refuses_a_write_and_loses_nothing(empty):
    with small_disk(empty) as disk:
        empty.init()
        kept = {f"NAME_{number}": os.urandom(2_000).replace(b"\0", b"\1") for number in range(20)}
        for name, value in kept.items():
            empty.create(name, value)
        mount = empty.mount()
        fill(disk)
        failures = 0
        for number in range(40):
            outcome = empty.run("secret", "create", ALGORITHM, f"MORE_{number}", input=b"m" * 100_000)
            if outcome.status == 0:
                # What was acknowledged must be there.
                kept[f"MORE_{number}"] = b"m" * 100_000
                continue
            outcome.failed(IO, "no space is left", "nothing was changed", "free space")
            failures += 1
            if failures == 3:
                break
        assert failures, "the disk was never full, so nothing is tested here"
        empty.run("import", ALGORITHM, "-", "--yes", input=b"A=1\nB=" + b"x" * 130_000).failed(IO, "no space is left")
        assert empty.names() == sorted(kept)
        # Listing goes on; opening only as long as there is room for its record (test_faults_audit.py).
        wait_until(mount, lambda: len(os.listdir(mount)) == len(kept) + 2)
        assert empty.json("status")["secrets"] == len(kept)
        # A place for the write-ahead log is all that is needed.
        (disk / "ballast").unlink()
        empty.create("AFTER", b"after")
        kept["AFTER"] = b"after"
        wait_until(mount, lambda: (mount / "AFTER").exists())
        assert {name: (mount / name).read_bytes() for name in kept} == kept
        assert empty.names() == sorted(kept)


def test_a_store_is_not_half_made_on_a_full_disk(empty):
    with small_disk(empty) as disk:
        fill(disk)
        empty.run("init").failed(IO, "space")
        assert not (empty.state / "store.db").exists()
        (disk / "ballast").unlink()
        empty.init()
        empty.create("A", b"1")


@contextlib.contextmanager
def read_only(folder):
    subprocess.run(["mount", "--bind", folder, folder], check=True, timeout=60)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True, timeout=60)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, timeout=60)


def test_a_read_only_state_folder_refuses_writes_and_says_so(store):
    store.create("A", b"1")
    with read_only(store.state):
        for command in [
            ["secret", "create", ALGORITHM, "B"],
            ["secret", "update", ALGORITHM, "A"],
            ["secret", "delete", ALGORITHM, "A", "--yes"],
            ["algorithm", "create", "a/b"],
        ]:
            said = store.run(*command, input=b"2").failed(IO, str(store.state))
            assert "read-only" in said or "Read-only" in said, said
    assert store.names() == ["A"]
    store.create("B", b"2")


def test_what_is_open_stays_readable_on_a_read_only_folder(store):
    store.create("A", b"1")
    mount = store.mount()
    with open(mount / "A", "rb", buffering=0) as file, read_only(store.state):
        assert file.read() == b"1" and os.listdir(mount)
        store.run("secret", "update", ALGORITHM, "A", input=b"2").failed(IO)
    store.update("A", b"2")
    wait_until(mount, lambda: (mount / "A").read_bytes() == b"2")


def test_a_state_folder_that_is_a_file_is_said(empty):
    empty.state.write_bytes(b"x")
    outcome = empty.run("init")
    assert outcome.status in (IO, 66, 78), outcome
    outcome.failed(outcome.status, str(empty.state))
    assert empty.state.read_bytes() == b"x"


def test_a_store_that_is_gone_is_missed_and_its_mount_goes_on(store):
    """Somebody deletes the state folder below a running agent: what is open stays readable, commands say why, and
    nothing is opened that could not be recorded."""
    store.create("A", b"1")
    mount = store.mount()
    agent = store.agent
    with open(mount / "A", "rb", buffering=0) as file:
        shutil.rmtree(store.state)
        store.run("secret", "list", ALGORITHM).failed(66, "there is no store in")
        assert file.read() == b"1" and "A" in os.listdir(mount)
    with pytest.raises(OSError, match="Input/output error"):
        (mount / "A").read_bytes()
    store.does("unmount", mount)
    os.kill(agent, 15)
