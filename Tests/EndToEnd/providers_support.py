"""A real OpenBao for tests of external providers, and servers that misbehave."""

import contextlib
import http.client
import http.server
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

    def call(self, method: str, path: str, body=None, token=ROOT, wrap=None):
        headers = {"X-Vault-Token": token, **({"X-Vault-Wrap-TTL": wrap} if wrap else {})}
        request = urllib.request.Request(
            f"{self.address}/v1/{path}", method=method, headers=headers,
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


class RaftBao(OpenBao):
    """With raft storage: sealed when it starts, and what it had is there after a restart."""

    key = None

    def start(self):
        storage = self.folder / "raft"
        storage.mkdir(exist_ok=True)
        config = self.folder / "bao.hcl"
        config.write_text(f"""
            storage "raft" {{ path = "{storage}" node_id = "one" }}
            listener "tcp" {{ address = "127.0.0.1:{self.port}" tls_disable = true }}
            api_addr = "{self.address}"
            cluster_addr = "http://127.0.0.1:{self.port + 1 if self.port < 65535 else 1024}"
            disable_mlock = true
        """)
        log = open(self.folder / "bao.log", "ab")
        self.process = subprocess.Popen([BAO, "server", f"-config={config}"], env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}, stdout=log, stderr=log)
        self.wait(lambda: "initialized" in self.call("GET", "sys/seal-status"))
        if not self.key:
            made = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
            self.key, self.token_of_root = made["keys"][0], made["root_token"]
            self.unseal()
            self.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
            self.wait(lambda: self.put("started", a="1") or True)

    def wait(self, holds):
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                if holds():
                    return
            assert time.monotonic() < end, "OpenBao does not get ready"
            time.sleep(0.2)

    def call(self, method, path, body=None, token=None):
        return super().call(method, path, body, token or getattr(self, "token_of_root", ROOT))

    def seal(self):
        self.call("PUT", "sys/seal", {})

    def unseal(self):
        self.call("PUT", "sys/unseal", {"key": self.key})
        self.wait(lambda: not self.call("GET", "sys/seal-status")["sealed"] and self.call("GET", "sys/leader").get("leader_address"))


@pytest.fixture
def raft(tmp_path):
    server = RaftBao(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def bao(tmp_path):
    server = OpenBao(tmp_path)
    yield server
    server.stop()


class Counting:
    """Passes everything on to an OpenBao, and keeps the paths that were asked for. `pause`: seconds until the answer to a
    write that was passed on."""

    def __init__(self, bao: OpenBao, pause=0.0):
        self.paths: list[str] = []
        self.pause = pause
        paths, target, counting = self.paths, bao.port, self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                paths.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                there = http.client.HTTPConnection("127.0.0.1", target, timeout=10)
                there.request(self.command, self.path, body, dict(self.headers))
                answer = there.getresponse()
                content = answer.read()
                if self.command != "GET" and "/secret/" in self.path:
                    time.sleep(counting.pause)
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                there.close()

            do_GET = do_POST = do_PUT = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Moto:
    """A moto server for its scope."""

    def __init__(self, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        log = open(folder / "moto.log", "ab")
        self.process = subprocess.Popen([BAO.parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)], env={"PATH": "/usr/bin:/bin"}, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.address}/moto-api/", timeout=5).read()
                return
            assert time.monotonic() < end, "moto does not start"
            time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


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
