"""A real OpenBao for tests of external providers, and servers that misbehave."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = "root-token-of-a-test"
BAO = Path(os.environ.get("SECRETFS_BAO") or Path(__file__).parents[2] / ".build-python/bin/bao")
POLICY = 'path "secret/data/nlp/*" { capabilities = ["read"] }\npath "secret/metadata/nlp/*" { capabilities = ["read"] }'


class OpenBao:
    """In development mode, in memory; `stop` and `start` lose what it had."""

    def __init__(self, folder: Path):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None
        self.start()

    def start(self):
        log = open(self.folder / "bao.log", "ab")
        self.process = subprocess.Popen(
            [BAO, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT}", f"-dev-listen-address=127.0.0.1:{self.port}"],
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}, stdout=log, stderr=log,
        )
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                self.call("GET", "sys/health")
                return
            time.sleep(0.1)
        raise AssertionError("OpenBao does not start")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def call(self, method: str, path: str, body=None, token=ROOT):
        request = urllib.request.Request(
            f"{self.address}/v1/{path}", method=method, headers={"X-Vault-Token": token},
            data=json.dumps(body).encode() if body is not None else None,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def put(self, path: str, **fields):
        self.call("POST", f"secret/data/{path}", {"data": fields})

    def delete(self, path: str):
        self.call("DELETE", f"secret/metadata/{path}")

    def token(self, policy=POLICY, **options) -> str:
        self.call("PUT", "sys/policies/acl/reader", {"policy": policy})
        body = {"policies": ["reader"], "no_parent": True, **options}
        return self.call("POST", "auth/token/create", body)["auth"]["client_token"]

    def revoke(self, token: str):
        self.call("POST", "auth/token/revoke", {"token": token})


@pytest.fixture
def bao(tmp_path):
    server = OpenBao(tmp_path)
    yield server
    server.stop()


class Silent:
    """Accepts and never answers."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.taken: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.taken.append(self.socket.accept()[0])

    def close(self):
        self.socket.close()
        for one in self.taken:
            one.close()


@pytest.fixture
def silent():
    server = Silent()
    yield server
    server.close()
