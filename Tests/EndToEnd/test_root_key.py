"""The root key: another one at the same place, another place, and a command that is killed in between."""

import os
import shutil
import signal
import subprocess
import time

import pytest
from support import ALGORITHM, empty, environ, store  # noqa: F401 (fixtures)

USAGE, NOT_FOUND, EXISTS, SEALED, RETRY = 64, 66, 73, 78, 75
OLD, NEW = b"correct horse battery staple", b"another long passphrase"


def value(store, *options, env=None) -> bytes:
    """What a fresh agent gets out of the store."""
    store.does("agent", "--stop")
    mount = store.folder()
    store.does("mount", ALGORITHM, mount, *options, env=env)
    try:
        return (mount / "A").read_bytes()
    finally:
        store.does("unmount", mount)
        store.does("agent", "--stop")


def test_a_new_root_key_takes_the_place_of_the_old_one(store):
    store.create("A", b"value")
    mount = store.mount()
    key = store.state / "root.key"
    old = key.read_bytes()
    store.run("root-key", "rotate").failed(USAGE, "cannot be undone", "--yes")
    assert key.read_bytes() == old
    store.does("root-key", "rotate", "--keep-old", "old.key")
    assert key.read_bytes() != old and (store.root / "old.key").read_bytes() == old
    assert key.stat().st_mode & 0o7777 == 0o400
    assert not (store.state / "root.key.next").exists()
    store.run("secret", "list", ALGORITHM, "--root-key-file", "old.key").failed(SEALED, "not the one that sealed")
    # The agent was told: it follows changes, and can go on after the next rotation.
    store.update("A", b"new")
    store.does("key", "rotate")
    deadline = time.monotonic() + 20
    while (mount / "A").read_bytes() != b"new":
        assert time.monotonic() < deadline
    assert store.json("status")["agent"]["keysOutdated"] is False
    assert value(store) == b"new"


def test_a_file_elsewhere_is_replaced_there(empty):
    key = empty.folder("keys") / "root.key"
    empty.does("init", "--root-key-file", key)
    empty.does("algorithm", "create", ALGORITHM)
    empty.create("A", b"value")
    old = key.read_bytes()
    empty.does("root-key", "rotate", "--yes")
    assert key.read_bytes() != old and os.listdir(key.parent) == ["root.key"]
    assert value(empty) == b"value"


def test_a_moved_state_folder_gets_its_new_key_where_it_is(store):
    store.create("A", b"value")
    moved = store.root / "moved"
    store.state.rename(moved)
    store.state = moved
    store.does("root-key", "rotate", "--yes")
    assert store.json("status")["rootKey"] == f"the file {moved}/root.key"
    assert value(store) == b"value"


# Every way from one source to another


class Source:
    """How a store with this source is made, and opened."""

    def __init__(self, store, kind, name):
        self.store, self.kind = store, kind
        self.path = store.root / f"{name}.key"
        self.passphrase = store.root / f"{name}.passphrase"
        self.folder = store.folder(f"{name}.credentials")

    def target(self) -> list:
        """Options of init and of change."""
        if self.kind == "file":
            return ["--root-key-file", self.path]
        if self.kind == "passphrase":
            self.passphrase.write_bytes(os.urandom(12).hex().encode() + b"\n")
            return ["--passphrase", "--passphrase-file", self.passphrase]
        return ["--credential", "root", "--root-key-file", self.path]

    def provision(self):
        """What systemd does for a unit."""
        if self.kind == "credential":
            shutil.copy(self.path, self.folder / "root")

    @property
    def env(self) -> dict:
        return {"CREDENTIALS_DIRECTORY": str(self.folder)} if self.kind == "credential" else {}

    @property
    def open(self) -> list:
        return ["--passphrase-file", self.passphrase] if self.kind == "passphrase" else []

    @property
    def current(self) -> list:
        return ["--current-passphrase-file", self.passphrase] if self.kind == "passphrase" else []


KINDS = ["file", "passphrase", "credential"]


@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", KINDS)
def test_the_root_key_moves_from_every_source_to_every_other(empty, before, after):
    old, new = Source(empty, before, "old"), Source(empty, after, "new")
    empty.does("init", *old.target())
    old.provision()
    empty.does("algorithm", "create", ALGORITHM, *old.open, env=old.env)
    empty.does("secret", "create", ALGORITHM, "A", *old.open, input=b"value", env=old.env)
    said = empty.does("root-key", "change", *new.target(), *old.current, env=old.env).output
    assert "Backups made before open with the key before" in said
    places = {"file": "the file {0.path}.", "passphrase": "a passphrase", "credential": "the systemd credential"}
    first, second = said.splitlines()
    assert places[after].format(new).rstrip(".") in first and places[before].format(old) in second, said
    new.provision()
    assert value(empty, *new.open, env=new.env) == b"value"
    # What opened it before does not any more.
    options = ["--root-key-file", old.path] if before != "passphrase" else ["--passphrase-file", old.passphrase]
    if before == "passphrase" and after != "passphrase":
        # No passphrase opens it any more, so there is none to try.
        return
    empty.run("algorithm", "list", *options, env=new.env).failed(SEALED, "not the one that sealed the store")


def test_a_new_passphrase(empty):
    (empty.root / "old").write_bytes(OLD)
    (empty.root / "new").write_bytes(NEW)
    empty.does("init", "--passphrase", "--passphrase-file", "old")
    empty.does("algorithm", "create", ALGORITHM, "--passphrase-file", "old")
    empty.does("secret", "create", ALGORITHM, "A", "--passphrase-file", "old", input=b"value")
    rotate = ["root-key", "rotate", "--current-passphrase-file"]
    empty.run(*rotate, "new", "--passphrase-file", "old").failed(SEALED, "not the one that sealed the store")
    empty.does(*rotate, "old", "--passphrase-file", "new")
    empty.run("algorithm", "list", "--passphrase-file", "old").failed(SEALED, "not the one that sealed the store")
    assert value(empty, "--passphrase-file", "new") == b"value"


def test_a_credential_is_rotated_through_a_file(empty):
    source = Source(empty, "credential", "first")
    empty.does("init", *source.target())
    source.provision()
    empty.does("algorithm", "create", ALGORITHM, env=source.env)
    empty.run("root-key", "rotate", env=source.env).failed(USAGE, "cannot be written", "--root-key-file FILE")
    said = empty.does("root-key", "rotate", "--root-key-file", "new.key", env=source.env).output
    assert f"commands and the agent need {empty.root}/new.key as that credential" in said
    assert f"systemd-creds encrypt --name=root {empty.root}/new.key" in said and "LoadCredential=root:" in said
    assert "The old key opens nothing any more but backups made before" in said
    empty.run("algorithm", "list", env=source.env).failed(SEALED)
    os.replace(empty.root / "new.key", source.folder / "root")
    empty.does("algorithm", "list", env=source.env)


def test_the_same_place_is_no_change(store):
    key = store.state / "root.key"
    store.run("root-key", "change", "--root-key-file", key).failed(USAGE, "already", "root-key rotate")
    store.run("root-key", "change").failed(USAGE, "where should the root key be")
    store.run("root-key", "rotate", "--yes", "--root-key-file", "x").failed(USAGE, "root-key change")


def test_two_changes_at_once_leave_one_key_that_opens(store):
    store.create("A", b"value")
    rotations = [
        store.start("root-key", "rotate", "--yes", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(6)
    ]
    results = [rotation.wait(60) for rotation in rotations]
    assert set(results) <= {0, RETRY} and 0 in results
    assert value(store) == b"value"
    assert not (store.state / "root.key.next").exists()


# Killed in between

SYSTEM_CALLS = "openat,write,fsync,fdatasync,pwrite64,rename,unlink,fchmod"


def killed_at(store, number: int, *command) -> bool:
    """Runs a command that is killed before its `number`th system call that changes a file. Answers whether it was."""
    tracer = ["strace", "-f", "-o", store.root / "trace", "-e", f"trace={SYSTEM_CALLS}"]
    # The first calls load the program: they change nothing.
    inject = ["-e", f"inject={SYSTEM_CALLS}:signal=KILL:when={number}"]
    process = subprocess.run(
        [*tracer, *inject, store.binary, *command],
        env=store.environment, cwd=store.root, capture_output=True, timeout=60,
    )
    return process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)


# > so one that was killed in between leaves a store that opens — docs/CLI.md#the-root-key
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_a_root_key_rotation_that_is_killed_at_any_step_leaves_a_store_that_opens(store):
    store.create("A", b"value")
    number, kills, waiting = 30, 0, 0
    while killed_at(store, number, "root-key", "rotate", "--yes"):
        kills += 1
        waiting += (store.state / "root.key.next").exists()
        assert [secret["name"] for secret in store.json("secret", "list", ALGORITHM)] == ["A"], number
        number += 1
        assert number < 400
    assert kills > 10 and waiting > 2, (kills, waiting)
    assert value(store) == b"value"
    assert not (store.state / "root.key.next").exists()


def test_a_key_that_waits_in_next_is_found_and_put_in_its_place(store):
    """As after a kill between the commit and the rename."""
    store.create("A", b"value")
    key, waiting = store.state / "root.key", store.state / "root.key.next"
    old = key.read_bytes()
    store.does("root-key", "rotate", "--yes")
    key.rename(waiting)
    key.write_bytes(old)
    key.chmod(0o400)
    new = waiting.read_bytes()
    assert store.names() == ["A"]
    assert key.read_bytes() == new and not waiting.exists()
    # One that opens nothing is left alone, and in nobody's way.
    waiting.write_bytes(old)
    waiting.chmod(0o400)
    assert store.names() == ["A"] and key.read_bytes() == new and waiting.exists()
    store.does("root-key", "rotate", "--yes")
    assert not waiting.exists() and store.names() == ["A"]


def test_a_key_file_that_exists_and_a_folder_that_does_not_have_their_statuses(store):
    (store.root / "there").write_text("x")
    store.run("root-key", "rotate", "--yes", "--keep-old", "there").failed(EXISTS, "there exists already")
    store.run("root-key", "change", "--root-key-file", "no/root.key").failed(NOT_FOUND, "its folder does not exist")
    store.run("init", "--state", "other", "--root-key-file", store.root / "no/root.key").failed(NOT_FOUND, "its folder")
    assert (store.root / "there").read_text() == "x" and not (store.root / "no").exists()
    store.does("algorithm", "list")
