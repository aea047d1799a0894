"""The server under what its systemd unit takes away."""

import subprocess

import pytest
from conftest import REPOSITORY
from server_support import Client, Server
from support import needs_root, store, empty  # noqa: F401

pytestmark = needs_root
UNIT = REPOSITORY / "scripts/install.d/secretfs-server.service.in"
SANDBOX = REPOSITORY / "Tests/EndToEnd/unit_sandbox.py"


def test_the_server_serves_under_what_the_unit_takes_away(store, tmp_path):
    unit = tmp_path / "unit"
    unit.write_text(UNIT.read_text())
    before = ["unshare", "--mount", "/usr/bin/python3", SANDBOX, unit, store.state, "--"]
    server = Server(store, "--state", store.state, before=before)
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{server.process.pid}/status").read().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert int(status["CapEff"], 16) == 1 << 10 | 1 << 14
    assert int(status["VmLck"].split()[0]) > 1000, "memory is not locked"
    admin = Client(server, "admin", "admin")
    made = admin.create("KEY", "x")
    assert admin.ask("PUT", f"{admin.secrets()}/{made['id']}", {"secret_value": "y" * 1000}).status == 200
    assert server.stop() == 0


def test_with_too_little_it_does_not_start(store, tmp_path):
    """Shows that the sandbox holds."""
    unit = tmp_path / "unit"
    unit.write_text(UNIT.read_text().replace("@system-service", "@basic-io"))
    command = ["unshare", "--mount", "/usr/bin/python3", SANDBOX, unit, store.state, "--", store.binary, "serve", "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, env=store.environment, capture_output=True, timeout=60)
    assert done.returncode != 0


def test_systemd_reads_the_unit(tmp_path, binaries):
    unit = tmp_path / "secretfs-server.service"
    unit.write_text(UNIT.read_text().replace("@bindir@", str(binaries)))
    checked = subprocess.run(["systemd-analyze", "verify", "--man=false", unit], capture_output=True, text=True, timeout=60)
    assert "secretfs-server.service" not in checked.stderr, checked.stderr
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit], capture_output=True, text=True, timeout=60).stdout
    exposure = float(said.split("Overall exposure level for secretfs-server.service: ")[1].split()[0])
    assert exposure < 3, said
