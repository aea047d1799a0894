"""What the tests of rules about callers share."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import ALGORITHM, COMMAND_DEADLINE, MNT_DETACH, change, libc

CAT = os.path.realpath(shutil.which("cat"))
PYTHON = os.path.realpath("/usr/bin/python3")
VALUE = b"planted-7f3a-callers"


def read_by(path, *before, program=CAT, **options) -> bytes | None:
    """What `program` reads, run by the words `before`; None if it is denied."""
    done = subprocess.run(
        [*map(str, before), str(program), str(path)], capture_output=True, timeout=COMMAND_DEADLINE, **options
    )
    if done.returncode == 0:
        return done.stdout
    assert b"Permission denied" in done.stderr, done
    assert done.stdout == b"", "bytes and an error"
    return None


def user(uid: int) -> list[str]:
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--"]


@pytest.fixture
def mount(store):
    """A mount that the kernel lets everybody read."""
    store.create("KEY", VALUE)
    store.create("FREE", b"free")
    return store.mount("--mode", "0444")


def rule(store, mount, *options, secret="KEY"):
    """Changes a rule, and returns when the mount knows it."""
    with change(mount):
        store.does("callers", ALGORITHM, *([secret] if secret else []), *options)


@pytest.fixture
def copy_of_cat(store):
    """A program of the test's own, outside of any home folder."""
    path = store.root / "own-cat"
    shutil.copy(CAT, path)
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def cgroups(root: Path, *names: str):
    """Groups in the cgroup v2 hierarchy, which is mounted for the test where it is not."""
    point = root / "cgroup"
    point.mkdir()
    assert libc.mount(b"none", os.fsencode(point), b"cgroup2", 0, None) == 0, os.strerror(ctypes.get_errno())
    made = []
    try:
        for name in names:
            (point / name).mkdir()
            made.append(point / name)
        yield point
    finally:
        for path in reversed(made):
            path.rmdir()
        libc.umount2(os.fsencode(point), MNT_DETACH)
        point.rmdir()
