"""What the tests of the server share: a server of a store of its own, and clients of it."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from conftest import PLANTED
from support import ALGORITHM, COMMAND_DEADLINE, Store, notify_socket

START_DEADLINE = 30


class Answer:
    """What the server said; no byte of it may be a planted value's."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes):
        self.status, self.headers, self.body = status, headers, body
        whole = json.dumps(headers).encode() + body
        assert PLANTED not in whole, "a value was answered"

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self) -> int:
        return self.json["error"]["code"]

    def refused(self, status: int, code: int, *words: str) -> str:
        """Checks a refusal's form: the contract's, with a message that has `words`."""
        assert (self.status, self.code) == (status, code), self
        error = self.json["error"]
        assert set(error) == {"id", "code", "message"} and set(self.json) == {"error"}, self
        assert error["id"] == self.headers["x-request-id"], self
        for word in words:
            assert word in error["message"], (word, self)
        return error["message"]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body!r}"


class Server:
    """`secretfs serve` for a store."""

    def __init__(self, store: Store, *options, before=()):
        self.store = store
        self.log_path = store.root / "server.log"
        with notify_socket(store.state) as (path, receive), open(self.log_path, "ab") as log:
            self.process = store.start(
                "serve", "--listen", "127.0.0.1:0", *options, env={"NOTIFY_SOCKET": path}, stderr=log,
                stdin=subprocess.DEVNULL, before=before,
            )
            assert receive() == b"READY=1"
        self.port = int(re.findall(r'"message":"listening","address":"[^"]*:(\d+)"', self.log)[-1])
        self.is_secure = "--insecure-http" not in options
        self.certificate = store.root / "ca.pem"
        if self.is_secure and "--certificate" not in options:
            self.certificate.write_text(store.does("ca", "show").output)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def url(self) -> str:
        return f"http{'s' if self.is_secure else ''}://localhost:{self.port}"

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def connect(self, timeout=COMMAND_DEADLINE) -> socket.socket:
        """A connection for bytes of one's own making."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        return self.context().wrap_socket(plain, server_hostname="localhost") if self.is_secure else plain

    def connect_unverified(self) -> socket.socket:
        """For certificates that change under the connection."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=COMMAND_DEADLINE))

    def raw(self, sent: bytes, timeout=COMMAND_DEADLINE) -> bytes:
        """All that is answered to `sent`, until the server closes."""
        with self.connect(timeout) as connection:
            connection.sendall(sent)
            answered = b""
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                while piece := connection.recv(65536):
                    answered += piece
        assert PLANTED not in answered, "a value was answered"
        return answered

    def ask(self, method: str, path: str, key=None, body=None, headers=None, authorization=None) -> Answer:
        """One request. A body that is not bytes is sent as JSON."""
        if self.is_secure:
            connection = http.client.HTTPSConnection(
                "localhost", self.port, timeout=COMMAND_DEADLINE, context=self.context())
        else:
            connection = http.client.HTTPConnection("localhost", self.port, timeout=COMMAND_DEADLINE)
        sent = {} if headers is None else dict(headers)
        if authorization or key:
            sent["Authorization"] = authorization or key
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read())

    def stop(self, number=signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=COMMAND_DEADLINE)


class Client:
    """A user with a key, and the store's one algorithm."""

    def __init__(self, server: Server, name: str, *roles: str, options=()):
        self.server = server
        store = server.store
        store.does("user", "create", name, "--no-password", *[f"--role={role}" for role in roles])
        self.key = store.does("api-key", "create", name, *options).output.strip()

    def ask(self, method: str, path: str, body=None, **more) -> Answer:
        return self.server.ask(method, path, self.key, body, **more)

    def id(self, of=ALGORITHM) -> str:
        answer = self.ask("GET", f"/v1/algorithms/{of}")
        assert answer.status == 200, answer
        return answer.json["id"]

    def secrets(self, of=ALGORITHM) -> str:
        return f"/v1/algorithms/{self.id(of)}/secrets"

    def create(self, name: str, value: str, **more) -> dict:
        body = {"short_name": name.title(), "secret_key": name, "secret_value": value, **more}
        answer = self.ask("POST", self.secrets(), body)
        assert answer.status == 200, answer
        return answer.json


def files(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, whole."""
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                found[str(path)] = path.read_bytes()
    return found


def wait_for(holds, seconds=20):
    """Waits until `holds()` is true, and answers what it is then."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return found


def audit(store: Store, *options) -> list[dict]:
    lines = store.does("audit", "--json", *options).output.splitlines()
    return [json.loads(line) for line in lines]


def children(pid: int) -> list[Path]:
    return [Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ")]


def own_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key,
         "-out", certificate],
        check=True, capture_output=True, timeout=COMMAND_DEADLINE,
    )
    os.chmod(key, 0o600)
    return certificate, key
