"""A change holds for the next open once its command has returned, also where it cannot be read at once, and where it
forbids something (docs/SEMANTICS.md#changes-from-elsewhere)."""

import contextlib
import errno
import os
import resource
import signal
import sqlite3
import time

import pytest
from support import ALGORITHM, change, empty, entries, environ, generation, needs_root, store, wait_until  # noqa: F401 (fixtures)
from test_admin_mount import admin  # noqa: F401 (fixture)

OWNER = ALGORITHM.split("/")[0]
OTHER = f"{OWNER}/Other"
# Nobody who reads in these tests.
FORBIDDING = ("--uid", "4242")
ROUNDS = 40


def refusal(path) -> int:
    """Why a file does not open; 0 if it does."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return error.errno
    return 0


def becomes(expected, found, seconds=20):
    deadline = time.monotonic() + seconds
    while (now := found()) != expected:
        assert time.monotonic() < deadline, (now, expected)
        time.sleep(0.02)


def states(store) -> dict[str, str]:
    return {row["algorithm"]: row["state"] for row in store.json("mounts") if "algorithm" in row}


def log(store) -> str:
    return (store.state / "agent.log").read_text()


# In force when the command returns


# > A change is in force when the command that makes it returns: no later `open` is answered by what was before. — docs/SEMANTICS.md#changes-from-elsewhere
@needs_root
def test_no_open_succeeds_after_the_command_that_forbids_it(store):
    store.create("K", b"value")
    mount = store.mount()
    late = 0
    for _ in range(ROUNDS):
        store.does("callers", ALGORITHM, "K", *FORBIDDING)
        late += refusal(mount / "K") != errno.EACCES
        store.does("callers", ALGORITHM, "K", "--clear")
        late += refusal(mount / "K") != 0
    assert late == 0, f"{late} of {2 * ROUNDS} opens were answered by what was before"


def test_every_command_that_changes_what_is_shown_waits(store):
    store.create("OWN", b"1")
    store.create("TOKEN", b"1", of=OWNER)
    mount = store.mount()
    for round in range(10):
        store.does("grant", OWNER, "TOKEN", "--to", ALGORITHM)
        assert (mount / "TOKEN").read_bytes() == b"1"
        store.does("revoke", OWNER, "TOKEN", "--from", ALGORITHM)
        assert refusal(mount / "TOKEN") == errno.ENOENT
        store.update("OWN", b"%d" % round)
        assert (mount / "OWN").read_bytes() == b"%d" % round
        store.put({"NEW": b"new"})
        assert environ(mount)["NEW"] == b"new"
        store.delete("NEW")
        assert refusal(mount / "NEW") == errno.ENOENT
    store.does("algorithm", "delete", ALGORITHM, "--yes")
    assert refusal(mount / "OWN") == errno.ENOENT


# > What the admin mount changes is in force when its `close`, `fsync`, `unlink`, `rmdir`, `mkdir` or `rename` returns. — docs/SEMANTICS.md#changes-from-elsewhere
@needs_root
def test_no_open_succeeds_after_the_admin_mount_took_back_a_grant(admin):
    store = admin.store
    store.create("TOKEN", b"1", of=OWNER)
    grants = admin.root / "owners" / OWNER / "TOKEN" / "grants"
    late = 0
    for _ in range(ROUNDS):
        grants.write_bytes(ALGORITHM.encode() + b"\n")
        late += refusal(admin.mount / "TOKEN") != 0
        grants.write_bytes(b"\n")
        late += refusal(admin.mount / "TOKEN") != errno.ENOENT
    assert late == 0, f"{late} of {2 * ROUNDS} opens were answered by what was before"


@needs_root
def test_an_agent_that_does_not_answer_is_named_and_the_change_is_made(store):
    store.create("K", b"value")
    mount = store.mount()
    agent = store.agent
    os.kill(agent, signal.SIGSTOP)
    try:
        start = time.monotonic()
        outcome = store.does("callers", ALGORITHM, "K", *FORBIDDING)
        assert 1.5 < time.monotonic() - start < 8
        assert "secretfs: warning: the change is made" in outcome.errors and "agent" in outcome.errors
    finally:
        os.kill(agent, signal.SIGCONT)
    becomes(errno.EACCES, lambda: refusal(mount / "K"))


# What cannot be read


@pytest.fixture
def starved(store):
    """A store whose agent can be kept from locking memory, its mount, and how to do that."""
    store.create("K", b"value")
    agent = store.agent_in_foreground(before=["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", "--"])
    mount = store.mount()
    before = resource.prlimit(agent.pid, resource.RLIMIT_MEMLOCK)

    @contextlib.contextmanager
    def starve():
        resource.prlimit(agent.pid, resource.RLIMIT_MEMLOCK, (0, before[1]))
        try:
            yield
        finally:
            resource.prlimit(agent.pid, resource.RLIMIT_MEMLOCK, before)

    return store, mount, starve


def long_rule() -> list[str]:
    """A rule whose record needs more memory than is kept for small ones."""
    return [word for number in range(60) for word in ("--cgroup", f"/system.slice/{number:0200}")]


# > nothing of it is opened, since what it showed before may be what was just forbidden: `EIO`. — docs/SEMANTICS.md#what-cannot-be-read
@needs_root
def test_a_rule_that_cannot_be_read_opens_nothing_and_holds_as_soon_as_it_can_be_read(starved):
    store, mount, starve = starved
    with open(mount / "K", "rb") as held:
        with starve():
            store.does("callers", ALGORITHM, "K", *FORBIDDING, *long_rule())
            assert refusal(mount / "K") == errno.EIO, "the old rule still holds"
            assert refusal(mount / ".environ") == errno.EIO
            assert entries(mount) == ["K"]
            assert states(store) == {ALGORITHM: "withheld"}
            assert held.read() == b"value", "an open file stays"
        # Nobody does anything.
        becomes(errno.EACCES, lambda: refusal(mount / "K"))
    assert states(store) == {ALGORITHM: "served"}


@needs_root
def test_what_could_not_be_read_is_tried_again_at_the_next_change(starved):
    store, mount, starve = starved
    store.does("algorithm", "create", OTHER)
    with starve():
        store.does("callers", ALGORITHM, "K", *FORBIDDING, *long_rule())
        # So that the next try by itself is seconds away.
        time.sleep(4)
        assert refusal(mount / "K") == errno.EIO
    other = store.mount(of=OTHER, name="other")
    store.create("X", b"x", of=OTHER)
    assert (other / "X").read_bytes() == b"x" and refusal(mount / "K") == errno.EACCES


@contextlib.contextmanager
def damaged(store, key: str):
    """Within its scope a record is not what somebody sealed."""
    with contextlib.closing(sqlite3.connect(store.state / "store.db", isolation_level=None, timeout=20)) as database:
        (before,) = database.execute("SELECT bytes FROM record WHERE key = ?", (key.encode(),)).fetchone()
        put = "UPDATE record SET bytes = ? WHERE key = ?"
        database.execute(put, (before[:-1] + bytes([before[-1] ^ 1]), key.encode()))
        yield
        database.execute(put, (before, key.encode()))


# > It goes on hiding secrets of its name; the others do open. — docs/SEMANTICS.md#what-cannot-be-read
def test_damage_of_one_secret_is_none_of_the_others(store):
    store.create("A", b"1")
    store.create("B", b"2", "--delivery", "file")
    store.create("B", b"another's", of=OWNER)
    store.does("grant", OWNER, "B", "--to", ALGORITHM)
    mount = store.mount()
    with damaged(store, f"secret/{ALGORITHM}/B"):
        store.update("A", b"next")
        assert (mount / "A").read_bytes() == b"next"
        assert entries(mount) == ["A", "B"]
        assert refusal(mount / "B") == errno.EIO, "neither what it was nor what it hides"
        assert refusal(mount / ".environ") == errno.EIO, "nobody knows whether it is a variable"
        with pytest.raises(OSError) as error:
            os.getxattr(mount / "B", "user.secretfs.version")
        assert error.value.errno == errno.EIO
        second = store.mount(name="second")
        assert (second / "A").read_bytes() == b"next" and refusal(second / "B") == errno.EIO
        assert "the record of B does not open" in log(store)
    becomes(0, lambda: refusal(mount / "B"))
    assert (mount / "B").read_bytes() == b"2" and environ(mount) == {"A": b"next"}


# > If the record of the algorithm does not open, nothing of it opens — docs/SEMANTICS.md#what-cannot-be-read
def test_damage_of_an_algorithm_is_none_of_the_others(store):
    store.does("algorithm", "create", OTHER)
    store.create("A", b"1")
    store.create("A", b"2", of=OTHER)
    store.create("TOKEN", b"shared", of=OWNER)
    mount, other = store.mount(), store.mount(of=OTHER, name="other")
    with damaged(store, f"algorithm/{ALGORITHM}"):
        store.does("grant", OWNER, "TOKEN", "--to", f"{OWNER}/*")
        assert refusal(mount / "A") == errno.EIO and refusal(mount / ".environ") == errno.EIO
        assert generation(mount) > 0 and entries(mount) == ["A"]
        assert environ(other) == {"A": b"2", "TOKEN": b"shared"}
        assert states(store) == {ALGORITHM: "withheld", OTHER: "served"}
        assert f"algorithm/{ALGORITHM}" in log(store)
        store.run("mount", ALGORITHM, store.folder("second")).failed(70, "damaged")
    becomes(0, lambda: refusal(mount / "A"))
    assert environ(mount) == {"A": b"1", "TOKEN": b"shared"}
