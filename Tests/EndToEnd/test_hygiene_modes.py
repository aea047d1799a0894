"""Modes of what is made, whatever the umask of who makes it."""

import os
import stat
import subprocess

import pytest
from box_support import DEADLINE, NAME, STRANGER, Namespace, Store, as_user, folder, random_bytes, read_as, store

UMASKS = [0o000, 0o022, 0o077]


@pytest.fixture(params=UMASKS, ids=[f"{umask:03o}" for umask in UMASKS])
def umask(request, store):
    """Runs the store's commands under this umask."""
    store.prefix = ["sh", "-c", f'umask {request.param:03o}; exec "$@"', "sh"]
    return request.param


def mode(path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_the_state_is_closed_to_others(store, folder, umask):
    point = folder / "mount"
    point.mkdir()
    store.init({"KEY": random_bytes()}).mount(point)
    assert mode(store.state) == 0o700
    modes = {path.name: mode(path) for path in store.state.iterdir()}
    assert {"store.db", "root.key", "agent.sock", "agent.log", "agent.lock", "store.db-wal"} <= set(modes)
    assert modes.pop("root.key") == 0o400
    assert set(modes.values()) == {0o600}, modes


def test_the_files_of_a_mount_have_the_mode_that_was_asked_for(store, folder, umask):
    store.init({"KEY": random_bytes()})
    for number, (options, file, directory) in enumerate(
        [([], 0o400, 0o500), (["--mode", "0440"], 0o440, 0o550), (["--mode", "0444"], 0o444, 0o555)]
    ):
        point = folder / f"mount{number}"
        point.mkdir()
        store.mount(point, *options)
        assert mode(point) == directory
        assert {mode(path) for path in point.iterdir()} == {file}


def test_an_empty_folder_that_others_may_enter_is_closed(store, umask):
    store.state.mkdir()
    store.state.chmod(0o755)
    store.init()
    assert mode(store.state) == 0o700 and mode(store.state / "root.key") == 0o400


def test_a_folder_that_others_use_is_refused_and_no_key_is_left_in_it(store, umask):
    store.state.mkdir()
    store.state.chmod(0o755)
    (store.state / "theirs").touch()
    done = store.attempt("init")
    assert done.returncode == 74 and b"0700" in done.stderr, done.stderr
    assert [path.name for path in store.state.iterdir()] == ["theirs"] and mode(store.state) == 0o755


def test_a_root_key_elsewhere_is_closed_to_others(store, folder, umask):
    store.run("init", "--root-key-file", str(folder / "root.key"))
    assert mode(folder / "root.key") == 0o400


@pytest.mark.parametrize("wide", [0o440, 0o404, 0o600 | 0o020])
def test_a_root_key_that_others_may_read_is_refused(store, wide):
    store.init()
    (store.state / "root.key").chmod(wide)
    done = store.attempt("algorithm", "list")
    assert done.returncode == 78 and b"root.key" in done.stderr and b"hint: " in done.stderr, done.stderr


def test_another_user_can_enter_the_mounts_below_run_secretfs(binaries, folder):
    """A mount for another user is of no use if the folders above it are closed."""
    with Namespace("mount -t tmpfs -o mode=755 secretfs-test /run") as namespace:
        for number, umask in enumerate(UMASKS):
            state = folder / f"state{number}"
            store = Store(binaries, state, [*namespace.prefix, "sh", "-c", f'umask {umask:03o}; exec "$@"', "sh"])
            point = f"/run/secretfs/base{number}/mount"
            value = random_bytes()
            store.init({"KEY": value})
            try:
                store.run("mount", NAME, point, "--uid", str(STRANGER), "--gid", str(STRANGER))
                done = read_as(STRANGER, f"{point}/KEY", namespace.prefix)
                assert (done.returncode, done.stdout) == (0, value), (f"{umask:03o}", done.stderr)
                namespace.run("umount", "-l", point)
                namespace.run("rm", "-r", "/run/secretfs")
            finally:
                store.stop()
