"""What the tests of nodes share: a server of nodes, nodes of it, and networks between them."""

import contextlib
import os
import re
import select
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import PLANTED
from server_support import Server, wait_for
from support import ALGORITHM, COMMAND_DEADLINE, Store, temporary_store

OTHER = "vision/Detector"
VALUE = PLANTED + b"-of-node"


class NodeServer(Server):
    """A server with a port for nodes."""

    def __init__(self, store: Store, *options, nodes="127.0.0.1:0", before=()):
        super().__init__(store, "--nodes", nodes, *options, before=before)
        self.nodes = re.findall(r'"message":"listening for nodes","address":"([^"]*)"', self.log)[-1]
        self.node_port = int(self.nodes.rsplit(":", 1)[1])

    def token(self, name="worker", *options, allow=("nlp/*",)) -> str:
        allowed = [option for one in allow for option in ("--allow", one)]
        return self.store.does("node", "token", "create", name, *allowed, *options).output.strip()

    def enroll(self, node: Store, name="worker", *options, allow=("nlp/*",), address=None, before=()) -> Store:
        """Makes `node` a node."""
        token = self.token(name, *options, allow=allow)
        node.does(
            "node", "enroll", "--server", f"https://{address or self.nodes}", "--token-file", "-",
            input=token.encode() + b"\n", before=before,
        )
        return node

    def restart(self, *options, before=()) -> "NodeServer":
        """The same store's server, on the same port, after `stop` or `kill`."""
        return NodeServer(self.store, *options, nodes=self.nodes, before=before)


class Stalling:
    """Passes everything on to a server of nodes. What is long and comes from a node after its first seconds, which is a
    request for a certificate, makes it pass on nothing to the node for `stall` seconds; with `cut`, ever again."""

    def __init__(self, port: int, stall: float, cuts=0):
        self.port, self.stall, self.cuts, self.requests = port, stall, cuts, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                node, _ = self.listener.accept()
                threading.Thread(target=self.pass_on, args=(node,), daemon=True).start()

    def pass_on(self, node):
        began, silent = time.monotonic(), 0.0
        with node, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as server:
            while True:
                now = time.monotonic()
                ready = select.select([node] if now < silent else [node, server], [], [], 0.2)[0]
                for side, other in ((node, server), (server, node)):
                    if side not in ready:
                        continue
                    data = side.recv(65536)
                    if not data:
                        return
                    if side is node and now - began > 4 and len(data) > 200:
                        self.requests += 1
                        silent = now + self.stall
                        if self.cuts > 0:
                            self.cuts -= 1
                            other.sendall(data)
                            time.sleep(0.5)
                            return
                    other.sendall(data)

    def close(self):
        self.listener.close()


@pytest.fixture
def machine(binaries):
    """Another machine: a state folder without a store, and the programs."""
    with temporary_store(binaries) as store:
        yield store


def connection(node: Store) -> dict:
    """What the node's agent tells of its connection."""
    agent = node.json("status")["agent"]
    assert agent, "no agent runs"
    return agent["node"]


def connected(node: Store) -> dict:
    return wait_for(lambda: (found := connection(node))["connected"] and found)


def unconnected(node: Store, seconds=40) -> dict:
    return wait_for(lambda: not (found := connection(node))["connected"] and found, seconds)


def reads(path: Path) -> bytes | int:
    """The file's bytes, or the errno."""
    try:
        return path.read_bytes()
    except OSError as error:
        return error.errno


def shows(path: Path, expected, seconds=20) -> float:
    """Waits until reading `path` gives `expected`, bytes or an errno; answers after how many seconds."""
    begun = time.monotonic()
    while (found := reads(path)) != expected:
        assert time.monotonic() - begun < seconds, (path, found, expected)
        time.sleep(0.005)
    return time.monotonic() - begun


class Networks:
    """Network namespaces that are connected to one bridge of their own, each of them a machine."""

    def __init__(self):
        self.mark = f"sfs{os.getpid() % 100000}"
        self.names: list[str] = []

    def ip(self, *arguments, check=True):
        subprocess.run(["ip", *arguments], check=check, capture_output=True, timeout=COMMAND_DEADLINE)

    def add(self, number: int) -> list[str]:
        """A machine with address 10.77.0.`number`; answers what to put before a program that runs on it."""
        name = f"{self.mark}-{number}"
        if not self.names:
            self.hub = f"{self.mark}-hub"
            self.ip("netns", "add", self.hub)
            self.names.append(self.hub)
            self.ip("-n", self.hub, "link", "add", "bridge", "type", "bridge")
            self.ip("-n", self.hub, "link", "set", "bridge", "up")
        self.ip("netns", "add", name)
        self.names.append(name)
        self.ip("-n", name, "link", "set", "lo", "up")
        self.ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{number}", "netns", self.hub)
        self.ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        self.ip("-n", name, "link", "set", "eth0", "up")
        self.ip("-n", self.hub, "link", "set", f"port{number}", "master", "bridge", "up")
        return ["ip", "netns", "exec", name]

    def cut(self, number: int):
        self.ip("-n", self.hub, "link", "set", f"port{number}", "down")

    def restore(self, number: int):
        self.ip("-n", self.hub, "link", "set", f"port{number}", "up")

    def close(self):
        for name in reversed(self.names):
            self.ip("netns", "del", name, check=False)


@pytest.fixture
def networks():
    found = Networks()
    try:
        yield found
    finally:
        found.close()
