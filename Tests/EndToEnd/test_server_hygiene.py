"""No value is anywhere but in the store, sealed, and in an algorithm (R1, R6)."""

import json
import os

import pytest
from box_support import Traces
from conftest import PLANTED
from server_support import Client, Server, children, files
from support import needs_root, store, empty  # noqa: F401
from test_hygiene_memory import places

pytestmark = needs_root


@pytest.fixture
def server(store):
    return Server(store)


@pytest.fixture
def admin(server):
    return Client(server, "admin", "admin")


# > No answer, log line or file of the server ever has a value — SECURITY.md#the-server
def test_a_value_is_in_no_answer_log_file_argument_or_variable(admin, server, store):
    """`Answer` looks at every byte that comes back; here is the rest."""
    value, secrets = PLANTED.decode() + "-value", admin.secrets()
    made = admin.create("KEY", value)
    one = f"{secrets}/{made['id']}"
    admin.ask("PUT", one, {"secret_value": value + "2"})
    admin.ask("POST", f"{one}/rollback", {"version": 1})
    for path in (secrets, one, f"{one}/versions", "/v1/audit", "/metrics", "/openapi.json", "/v1/algorithms"):
        assert admin.ask("GET", path).status == 200
    # What goes wrong is where values slip out.
    for body in (
        {"short_name": value, "secret_key": value, "secret_value": value}, {"secret_value": value, "x": value}, [value],
        {"short_name": "A", "secret_key": "KEY", "secret_value": value}, {"short_name": "A", "secret_key": "NUL", "secret_value": value + "\0"},
    ):
        admin.ask("POST", secrets, body)
        admin.ask("PUT", one, body)
    admin.ask("POST", secrets, json.dumps({"secret_value": value}).encode()[:-1])
    server.ask("POST", secrets, "no-key", {"secret_value": value})
    server.ask("GET", f"/v1/algorithms?{value}")
    store.does("agent", "--stop")
    for name, content in files(store.root).items():
        assert PLANTED not in content, name
    for path in children(server.process.pid):
        assert PLANTED not in path.read_bytes(), path
    assert admin.key not in server.log


@pytest.mark.parametrize("size", [100, 3000, 300_000, 1_048_576])
def test_a_value_is_not_in_the_servers_memory_when_its_request_is_answered(admin, server, size):
    def draw() -> str:
        return os.urandom(size).hex()[:size]

    admin.create("WARM", "up", delivery="file")
    values = [draw(), draw()]
    made = admin.create("KEY", values[0], delivery="file")
    admin.ask("PUT", f"{admin.secrets()}/{made['id']}", {"secret_value": values[1]})
    for value in values:
        found = places(server.process.pid, value.encode())
        assert not found, f"a value is left at {[hex(place) for place in found]}"


def test_the_server_protects_itself_as_the_agent_does(server):
    """No core file, no tracing by its user, no more privileges, memory that is not swapped."""
    status = dict(line.split(":\t") for line in open(f"/proc/{server.process.pid}/status").read().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    limits = open(f"/proc/{server.process.pid}/limits").read()
    assert any(line.split()[4:6] == ["0", "0"] or line.split()[4] == "0" for line in limits.splitlines() if "core file" in line)
    assert os.stat(f"/proc/{server.process.pid}/mem").st_uid == 0
    # Locked, and not only the values.
    assert int(status["VmLck"].split()[0]) > 1000
    exe = os.readlink(f"/proc/{server.process.pid}/exe")
    assert exe.endswith("/secretfs-server")
