"""Nodes on networks that fail: each machine is a network namespace of its own."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import PLANTED
from nodes_support import VALUE, NodeServer, connected, connection, machine, networks, reads, shows, unconnected  # noqa: F401
from server_support import Client, audit, wait_for
from support import ALGORITHM, needs_root, store, empty  # noqa: F401

pytestmark = needs_root
SERVER, NODE = 1, 2


class World:
    """A server and a node on machines of their own."""

    def __init__(self, store, machine, networks, *options):
        self.store, self.node, self.networks = store, machine, networks
        self.on_server = networks.add(SERVER)
        self.on_node = networks.add(NODE)
        self.address = f"10.77.0.{SERVER}:8444"
        self.server = NodeServer(
            store, "--name", f"10.77.0.{SERVER}", *options, nodes="0.0.0.0:8444", before=self.on_server)

    def enroll(self, *options) -> "World":
        self.server.enroll(self.node, "worker", *options, address=self.address, before=self.on_node)
        # The agent lives on the node's machine; later commands find it by its socket.
        self.agent = self.node.agent_in_foreground(before=self.on_node)
        connected(self.node)
        return self

    def mount(self):
        return self.node.mount()


@pytest.fixture
def world(store, machine, networks):
    return World(store, machine, networks)


def test_a_cut_link_loses_no_change(world):
    """> After a lost connection it connects again and catches up; no change is missed. — docs/NODES.md#without-the-server"""
    world.store.create("KEY", b"1")
    world.store.create("GONE", VALUE)
    world.enroll()
    mount = world.mount()
    assert (mount / "KEY").read_bytes() == b"1"
    world.networks.cut(NODE)
    world.store.update("KEY", b"2")
    world.store.delete("GONE")
    world.store.create("NEW", VALUE)
    found = unconnected(world.node, seconds=60)
    assert "silent" in found["reason"] or "reached" in found["reason"], found
    # Meanwhile what it has is opened.
    assert (mount / "KEY").read_bytes() == b"1" and (mount / "GONE").read_bytes() == VALUE
    world.networks.restore(NODE)
    shows(mount / "KEY", b"2", seconds=40)
    assert (mount / "NEW").read_bytes() == VALUE
    assert reads(mount / "GONE") == errno.ENOENT
    assert connected(world.node)


def test_a_short_cut_is_not_noticed(world):
    world.store.create("KEY", b"1")
    world.enroll()
    mount = world.mount()
    world.networks.cut(NODE)
    world.store.update("KEY", b"2")
    time.sleep(1)
    world.networks.restore(NODE)
    shows(mount / "KEY", b"2", seconds=40)


def test_a_server_that_is_killed_and_comes_back_is_found_again(world):
    world.store.create("KEY", b"1")
    world.enroll()
    mount = world.mount()
    world.server.stop(signal.SIGKILL)
    unconnected(world.node)
    world.store.update("KEY", b"2")
    assert (mount / "KEY").read_bytes() == b"1"
    NodeServer(world.store, "--name", f"10.77.0.{SERVER}", nodes="0.0.0.0:8444", before=world.on_server)
    shows(mount / "KEY", b"2", seconds=40)


def test_after_max_stale_nothing_is_opened_until_the_server_is_back(world):
    """> After that nothing is opened (EIO) until the server has confirmed it again. — docs/NODES.md#without-the-server"""
    world.store.create("KEY", VALUE)
    world.enroll("--max-stale", "20s")
    mount = world.mount()
    assert connected(world.node)["maxStale"] == 20
    # What is confirmed all the time is not old, whatever the limit.
    world.store.does("node", "set", "worker", "--max-stale", "0m")
    wait_for(lambda: connection(world.node)["maxStale"] == 0)
    for _ in range(40):
        assert (mount / "KEY").read_bytes() == VALUE
        time.sleep(0.05)
    world.store.does("node", "set", "worker", "--max-stale", "20s")
    wait_for(lambda: connection(world.node)["maxStale"] == 20)
    world.server.stop(signal.SIGKILL)
    cut = time.monotonic()
    unconnected(world.node)
    assert (mount / "KEY").read_bytes() == VALUE
    shows(mount / "KEY", errno.EIO, seconds=40)
    assert time.monotonic() - cut > 18
    world.node.run("mount", ALGORITHM, world.node.folder("again")).failed(69, "has not confirmed")
    NodeServer(world.store, "--name", f"10.77.0.{SERVER}", nodes="0.0.0.0:8444", before=world.on_server)
    shows(mount / "KEY", VALUE, seconds=40)


def test_a_node_whose_server_cannot_be_reached_says_so(world):
    world.enroll()
    world.server.stop(signal.SIGKILL)
    unconnected(world.node)
    world.node.run("mount", ALGORITHM, world.node.folder("mount")).failed(69, "10.77.0.1:8444")


def test_the_program_that_connects_is_started_again(world):
    world.store.create("KEY", b"1")
    world.enroll()
    mount = world.mount()
    children = subprocess.run(
        ["pgrep", "-P", str(world.agent.pid)], capture_output=True, text=True, check=True).stdout.split()
    assert len(children) == 1
    os.kill(int(children[0]), signal.SIGKILL)
    world.store.update("KEY", b"2")
    shows(mount / "KEY", b"2", seconds=40)


def test_an_agent_that_ends_takes_its_connection_with_it(world):
    world.enroll()
    children = subprocess.run(
        ["pgrep", "-P", str(world.agent.pid)], capture_output=True, text=True, check=True).stdout.split()
    world.agent.kill()
    world.agent.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{children[0]}/exe"))


def test_a_sealed_agent_of_a_node_has_no_keys_and_gets_them_again(world):
    world.store.create("KEY", VALUE)
    world.enroll()
    mount = world.mount()
    assert (mount / "KEY").read_bytes() == VALUE
    world.node.does("seal")
    assert reads(mount / "KEY") == errno.ENOKEY
    world.store.update("KEY", b"later")
    world.node.does("unseal")
    shows(mount / "KEY", b"later")


def test_certificates_are_renewed_before_they_end(store, machine, networks):
    """> It is renewed when two thirds of its time are over. — docs/NODES.md#certificates"""
    world = World(store, machine, networks, "--node-certificates", "1m").enroll()
    first = store.json("node", "show", "worker")["certificates"]
    store.create("KEY", b"1")
    mount = world.mount()
    renewed = wait_for(
        lambda: (found := store.json("node", "show", "worker")["certificates"]) != first and found, seconds=90)
    assert renewed[0] == first[0] and len(renewed) == 2
    time.sleep(max(0, 30))
    # The first one has ended by now; a new connection needs the second one.
    world.server.stop(signal.SIGKILL)
    world.server = NodeServer(
        store, "--name", f"10.77.0.{SERVER}", "--node-certificates", "1m", nodes="0.0.0.0:8444",
        before=world.on_server)
    store.update("KEY", b"2")
    shows(mount / "KEY", b"2", seconds=40)
    # It is kept: an agent that is started anew has it.
    world.agent.terminate()
    world.agent.wait(timeout=40)
    world.agent = world.node.agent_in_foreground(before=world.on_node)
    assert connected(world.node)


def test_inside_of_tls_there_is_no_value(world, tmp_path):
    """> Whoever ends TLS between the two sees names, sizes, times and rules, and no value. — SECURITY.md#nodes

    What `secretfs-node` passes on to the agent is what was inside of TLS, byte by byte."""
    world.store.create("KEY", b"first")
    world.enroll()
    mount = world.mount()
    child = subprocess.run(
        ["pgrep", "-P", str(world.agent.pid)], capture_output=True, text=True, check=True).stdout.strip()
    trace = tmp_path / "trace"
    strace = subprocess.Popen(
        ["strace", "-f", "-xx", "-s", "4000000", "-e", "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg",
         "-o", trace, "-p", child], stderr=subprocess.PIPE)
    try:
        assert b"attached" in strace.stderr.readline()
        world.store.update("KEY", VALUE)
        world.store.create("OTHER", VALUE * 1000)
        shows(mount / "KEY", VALUE)
        shows(mount / "OTHER", VALUE * 1000)
    finally:
        strace.terminate()
        strace.wait(timeout=20)
        strace.stderr.close()
    seen = trace.read_text()
    inside = lambda text: "".join(f"\\x{byte:02x}" for byte in text)
    assert inside(ALGORITHM.encode()) in seen and inside(b"OTHER") in seen, "the trace shows nothing of the link"
    assert inside(PLANTED) not in seen


def test_a_node_that_was_revoked_while_it_was_cut_off_opens_nothing_once_it_is_back(world):
    world.store.create("KEY", VALUE)
    world.enroll()
    mount = world.mount()
    world.networks.cut(NODE)
    world.store.does("node", "revoke", "worker")
    unconnected(world.node)
    assert (mount / "KEY").read_bytes() == VALUE
    world.networks.restore(NODE)
    shows(mount / "KEY", errno.EIO, seconds=40)
    assert connection(world.node)["revoked"]


def test_a_certificate_that_has_ended_is_named_and_the_node_is_enrolled_again(store, machine, networks):
    """> A clock that is too wrong is named in `secretfs status` and in the agent's log. — docs/NODES.md#certificates"""
    world = World(store, machine, networks, "--node-certificates", "1m").enroll()
    world.agent.terminate()
    world.agent.wait(timeout=40)
    time.sleep(62)
    world.agent = machine.agent_in_foreground(before=world.on_node)
    reason = wait_for(lambda: "certificate ended" in ((found := connection(machine))["reason"] or "") and found)["reason"]
    assert "set the clock, or enroll the node again" in reason
    world.agent.terminate()
    world.agent.wait(timeout=40)
    store.does("node", "delete", "worker")
    world.enroll()
    store.create("KEY", VALUE)
    assert (world.mount() / "KEY").read_bytes() == VALUE


def test_one_address_does_not_take_all_connections(store, networks):
    """Neither those of the API, nor those of nodes that have not shown who they are."""
    on_server, on_client = networks.add(SERVER), networks.add(NODE)
    address = f"10.77.0.{SERVER}"
    server = NodeServer(
        store, "--name", address, "--max-connections-per-client", "5", "--listen", "0.0.0.0:8443", nodes="0.0.0.0:8444",
        before=on_server)
    program = f"""
import socket, time
def held(port, count):
    sockets = [socket.create_connection(("{address}", port), timeout=10) for _ in range(count)]
    time.sleep(1)
    for one in sockets: one.setblocking(False)
    def is_open(one):
        try: return one.recv(1) != b""
        except BlockingIOError: return True
        except OSError: return False
    return sum(map(is_open, sockets))
print(held(8443, 12), held(8444, 30))
"""
    done = subprocess.run([*on_client, sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.stdout.split() == [b"5", b"16"], done
    client = Client(server, "admin", "admin")
    asked = ["curl", "-sk", "-H", f"Authorization: {client.key}", "https://127.0.0.1:8443/metrics"]
    metrics = subprocess.run([*on_server, *asked], capture_output=True, timeout=60).stdout
    assert b"secretfs_refused_connections_total 7\n" in metrics, metrics
    # Those have gone, and there is room again.
    assert subprocess.run([*on_client, sys.executable, "-c", program], capture_output=True, timeout=60).stdout.split() == [b"5", b"16"]


def test_more_strangers_than_there_is_room_for_are_turned_away(store, machine):
    """And the server goes on: 64 may be there that have not shown who they are. The oldest go first: nodes are not kept
    out by who says nothing."""
    server = NodeServer(store)
    strangers = [socket.create_connection(("127.0.0.1", server.node_port), timeout=10) for _ in range(80)]
    time.sleep(1)

    def is_open(one) -> bool:
        one.setblocking(False)
        try:
            return one.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    held = [is_open(one) for one in strangers]
    assert sum(held) == 64 and all(held[-32:]) and not any(held[:8])
    assert server.process.poll() is None
    begin = time.monotonic()
    server.enroll(machine)
    machine.mount()
    connected(machine)
    assert time.monotonic() - begin < 8, "there was only room when the strangers' time was over"
    wait_for(lambda: not any(map(is_open, strangers)), seconds=20)
    assert server.stop() == 0
