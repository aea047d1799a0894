"""Nodes that follow an algorithm: each with a key, a certificate by the server's CA and a connection of its own.

They speak the link's protocol (docs/FORMAT.md#link) and open nothing: what is measured is when a change arrives.
"""

import os
import re
import selectors
import socket
import ssl
import struct
import subprocess
import time
from contextlib import ExitStack, contextmanager

from server_peers import ended, free_port
from stage import algorithm, run, store

ALPN = "secretfs-node/1"
ENROLL, HELLO, FOLLOW = 0x01, 0x02, 0x03
ENROLLED, WELCOME, VIEW = 0x41, 0x42, 0x46
BEAT = 0x7F
FORMAT = 1


def block(content):
    return struct.pack(">H", len(content)) + content


def frame(kind, body=b""):
    return struct.pack(">IBB", len(body) + 2, kind, FORMAT) + body


def context(certificate=None):
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
    found.set_alpn_protocols([ALPN])
    if certificate:
        found.load_cert_chain(certificate)
    return found


class Node:
    """One that is connected and follows `name`."""

    def __init__(self, port, folder, number, name):
        self.buffer = b""
        pem = self.enroll(port, folder, number)
        self.socket = self.connect(port, context(pem))
        self.socket.sendall(frame(HELLO))
        while self.take() != WELCOME:
            pass
        self.socket.sendall(frame(FOLLOW, block(name.encode()) + struct.pack(">I", 0)))
        while self.take() != VIEW:
            pass
        self.socket.setblocking(False)

    def connect(self, port, tls):
        return tls.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30))

    def enroll(self, port, folder, number):
        """Makes the node; answers the file with its key and certificate."""
        node = f"bench-{number}"
        token = run("secretfs", "node", "token", "create", node, "--allow", "bench/*", stderr=subprocess.DEVNULL).strip()
        _, identity, secret, _ = token.split("_")
        pem, request = folder / f"{node}.pem", folder / f"{node}.der"
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench",
            "-keyout", pem, "-outform", "DER", "-out", request, stderr=subprocess.DEVNULL)
        # A public key (X25519) whose private one nobody has: 32 random bytes.
        body = block(identity.encode()) + block(secret.encode()) + block(os.urandom(32)) + block(request.read_bytes())
        self.socket = self.connect(port, context())
        self.socket.sendall(frame(ENROLL, body))
        kind, answer = self.next()
        assert kind == ENROLLED, (kind, answer)
        self.socket.close()
        # The node's name, its id, how it goes on alone, the server's time; then its certificate.
        begin = 2 + struct.unpack_from(">H", answer)[0] + 16 + 4 + 12
        (count,) = struct.unpack_from(">H", answer, begin)
        certificate = ssl.DER_cert_to_PEM_cert(answer[begin + 2:begin + 2 + count])
        pem.write_text(pem.read_text() + certificate)
        self.buffer = b""
        return pem

    def next(self):
        """The kind and fields of the next frame; blocks as the socket does."""
        while True:
            if len(self.buffer) >= 4:
                (count,) = struct.unpack_from(">I", self.buffer)
                if len(self.buffer) >= 4 + count:
                    found, self.buffer = self.buffer[4:4 + count], self.buffer[4 + count:]
                    return found[0], found[2:]
            part = self.socket.recv(65536)
            assert part, "the server ended the connection"
            self.buffer += part

    def take(self):
        return self.next()[0]

    def beat(self):
        """Whoever says nothing for half a minute is dropped."""
        self.socket.sendall(frame(BEAT))

    def drain(self):
        """Takes what there is; answers whether a view was in it."""
        is_view = False
        try:
            while True:
                is_view |= self.take() == VIEW
        except ssl.SSLWantReadError:
            return is_view


def pushed(nodes, change):
    """Makes a change, and answers after how many seconds from its beginning each node had it."""
    with selectors.DefaultSelector() as selector:
        for node in nodes:
            node.beat()
            node.drain()
            selector.register(node.socket, selectors.EVENT_READ, node)
        begun = time.monotonic()
        command = change()
        times = []
        while len(times) < len(nodes):
            ready = selector.select(30)
            assert ready, f"{len(nodes) - len(times)} nodes were told of nothing"
            for key, _ in ready:
                if key.data.drain():
                    times.append(time.monotonic() - begun)
                    selector.unregister(key.fileobj)
        assert command.wait(timeout=30) == 0
        return times


@contextmanager
def followers(count, name="bench/Followed"):
    """So many nodes that follow `name`, of a server on a disk."""
    with store("/var/tmp") as path, ExitStack() as stack:
        algorithm(name)
        port, nodes = free_port(), free_port()
        log = stack.enter_context((path / "log").open("wb"))
        process = stack.enter_context(ended(subprocess.Popen(
            ["secretfs", "serve", "--listen", f"127.0.0.1:{port}", "--nodes", f"127.0.0.1:{nodes}"], stderr=log)))
        while not re.search(rb"listening for nodes", (path / "log").read_bytes()):
            assert process.poll() is None, (path / "log").read_text()
            time.sleep(0.02)
        found = []
        stack.callback(lambda: [node.socket.close() for node in found])
        for number in range(count):
            if number % 20 == 0:
                for node in found:
                    node.beat()
            found.append(Node(nodes, path, number, name))
        yield found
