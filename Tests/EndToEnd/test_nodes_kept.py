"""What a node keeps in its state folder, so that its agent can start while the server is away."""

import contextlib
import errno
import fcntl
import os
import signal
import sqlite3
import time

import pytest
from conftest import PLANTED
from nodes_support import NodeServer, VALUE, connected, connection, machine, reads, shows, unconnected  # noqa: F401
from server_support import files, wait_for
from support import ALGORITHM, environ, needs_root, store, empty  # noqa: F401

pytestmark = needs_root


def kept(node, prefix="kept") -> list[str]:
    with sqlite3.connect(f"file:{node.state}/store.db?mode=ro", uri=True) as database:
        keys = [bytes(key).decode() for (key,) in database.execute("SELECT key FROM record ORDER BY key")]
    return [key for key in keys if key.startswith(prefix)]


@pytest.fixture
def server(store):
    store.create("KEY", VALUE)
    store.create("OTHER", b"")
    return NodeServer(store)


def enrolled(server, machine, *options):
    server.enroll(machine, "worker", *options)
    machine.agent_in_foreground()
    connected(machine)
    return machine


def ended(node, sign):
    """Until its lock is free: its arguments go before, and its first thread may end before others."""
    (agent,) = node.agents
    os.kill(agent, sign)

    def is_free() -> bool:
        with open(node.state / "agent.lock") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    wait_for(is_free)


def restarted(node, sign=signal.SIGTERM):
    """The agent ends, as a machine that starts anew has it, and another one begins."""
    ended(node, sign)
    node.free()
    node.agent_in_foreground()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_node_that_may_keep_what_it_has_starts_without_the_server(server, store, machine, sign):
    """> With `--keep`, what a node has is also in its state folder, sealed as it came — docs/NODES.md#without-the-server"""
    node = enrolled(server, machine, "--keep")
    mount = node.mount()
    assert (mount / "KEY").read_bytes() == VALUE
    store.update("OTHER", b"changed")
    shows(mount / "OTHER", b"changed")
    wait_for(lambda: len(kept(node, "kept-value/")) == 2)
    server.stop(signal.SIGKILL)
    restarted(node, sign)
    again = node.mount(name="again")
    assert environ(again) == {"KEY": VALUE, "OTHER": b"changed"}
    assert not connection(node)["connected"]
    # Then the server is back, and what it says counts.
    store.update("OTHER", b"newer")
    server.restart()
    shows(again / "OTHER", b"newer", seconds=40)
    assert (again / "KEY").read_bytes() == VALUE
    for path, content in files(node.state).items():
        assert PLANTED not in content, path


def test_a_node_that_may_not_keeps_nothing(server, store, machine):
    node = enrolled(server, machine)
    mount = node.mount()
    assert (mount / "KEY").read_bytes() == VALUE
    time.sleep(0.5)
    assert kept(node) == []
    server.stop(signal.SIGKILL)
    restarted(node)
    node.run("mount", ALGORITHM, node.folder("again")).failed(69, "has not sent")


def test_permission_to_keep_holds_at_once_and_is_taken_back_at_once(server, store, machine):
    node = enrolled(server, machine)
    mount = node.mount()
    assert (mount / "KEY").read_bytes() == VALUE
    assert store.json("node", "show", "worker")["keeps"] is False
    store.does("node", "set", "worker", "--keep")
    assert store.json("node", "show", "worker")["keeps"] is True
    assert store.json("node", "show", "worker")["maxStale"] == 86400
    wait_for(lambda: len(kept(node, "kept-value/")) == 2)
    store.does("node", "set", "worker", "--no-keep")
    wait_for(lambda: kept(node) == [])
    assert (mount / "KEY").read_bytes() == VALUE


@pytest.mark.parametrize("taken", ["disallow", "revoke", "delete secret"])
def test_what_is_taken_from_a_node_is_not_kept(server, store, machine, taken):
    node = enrolled(server, machine, "--keep")
    mount = node.mount()
    wait_for(lambda: len(kept(node, "kept-value/")) == 2)
    if taken == "disallow":
        store.does("node", "disallow", "worker", "nlp/*")
    elif taken == "revoke":
        store.does("node", "revoke", "worker")
    else:
        store.delete("KEY")
        wait_for(lambda: len(kept(node, "kept-value/")) == 1)
        shows(mount / "KEY", errno.ENOENT)
        return
    wait_for(lambda: kept(node) == [])


def test_what_is_kept_grows_too_old(server, store, machine):
    """By the time since the server was certain, not since the agent began."""
    node = enrolled(server, machine, "--keep", "--max-stale", "20s")
    node.mount()
    wait_for(lambda: len(kept(node, "kept-value/")) == 2)
    server.stop(signal.SIGKILL)
    cut = time.monotonic()
    unconnected(node)
    restarted(node)
    mount = node.mount(name="again")
    assert (mount / "KEY").read_bytes() == VALUE
    shows(mount / "KEY", errno.EIO, seconds=40)
    assert 18 < time.monotonic() - cut < 30
    restarted(node)
    node.run("mount", ALGORITHM, node.folder("third")).failed(69, "has not sent")
    wait_for(lambda: kept(node) == [])


def test_what_was_changed_on_the_disk_is_not_shown(server, store, machine):
    """Neither a view nor a moment nor a value that somebody else wrote, nor an older view with a newer moment."""
    node = enrolled(server, machine, "--keep")
    mount = node.mount()
    wait_for(lambda: len(kept(node, "kept-value/")) == 2)

    def records() -> dict[bytes, bytes]:
        with sqlite3.connect(node.state / "store.db") as database:
            return {
                bytes(key): bytes(content)
                for key, content in database.execute("SELECT key, bytes FROM record")
                if bytes(key).startswith(b"kept")
            }

    def write(key: bytes, content: bytes):
        with sqlite3.connect(node.state / "store.db") as database:
            database.execute("UPDATE record SET bytes = ? WHERE key = ?", (content, key))

    older = records()
    store.update("OTHER", b"changed")
    shows(mount / "OTHER", b"changed")
    wait_for(lambda: set(records()) != set(older))
    newer = records()
    server.stop(signal.SIGKILL)
    view, moment = f"kept/{ALGORITHM}".encode(), f"kept-moment/{ALGORITHM}".encode()
    flipped = lambda content: content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]  # noqa: E731
    for number, (key, content) in enumerate([(view, older[view]), (moment, flipped(newer[moment]))]):
        write(key, content)
        restarted(node)
        node.run("mount", ALGORITHM, node.folder(f"changed{number}")).failed(69, "has not sent")
        ended(node, signal.SIGKILL)
        write(key, newer[key])
        node.agent_in_foreground()
    value = next(key for key, content in newer.items() if key.startswith(b"kept-value/") and key in older)
    write(value, flipped(newer[value]))
    restarted(node)
    again = node.mount(name="again")
    assert sorted(reads(again / name) if isinstance(reads(again / name), int) else 0 for name in ("KEY", "OTHER")) == [0, errno.EIO]


def test_a_machine_that_becomes_another_node_has_nothing_of_the_one_before(server, store, machine):
    """With the same state folder: what was kept is sealed to a key that is gone."""
    node = enrolled(server, machine, "--keep")
    mount = node.mount()
    assert (mount / "KEY").read_bytes() == VALUE
    wait_for(lambda: len(kept(node, "kept-value/")) == 2)
    ended(node, signal.SIGTERM)
    node.free()
    store.does("node", "delete", "worker")
    server.enroll(machine, "worker", "--keep")
    assert kept(node) == []
    node.agent_in_foreground()
    connected(node)
    assert environ(node.mount(name="again")) == {"KEY": VALUE, "OTHER": b""}
