"""The OpenAPI document is true: schemathesis sends what it allows, and what it does not, and checks every answer."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PLANTED
from server_support import Client, Server
from support import needs_root, store, empty  # noqa: F401

pytestmark = needs_root
SECONDS = 60
# What a schema cannot say, so that what it allows may be refused: names that are taken, an id that must be the path's,
# two parameters that exclude each other, limits in bytes, providers that cannot be changed.
NOT_CHECKED = "positive_data_acceptance"


@pytest.fixture
def server(store):
    return Server(store)


def test_the_document_names_every_call_of_the_contract(server):
    document = server.ask("GET", "/openapi.json").json
    assert document["openapi"] == "3.1.0"
    calls = {(method, path) for path, methods in document["paths"].items() for method in methods}
    secrets, admin = "/v1/algorithms/{algorithmId}/secrets", "/v1/admin/secret-provider"
    assert calls >= {
        ("get", "/v1/algorithms/{owner}/{name}"), ("get", secrets), ("post", secrets), ("put", f"{secrets}/{{secretId}}"),
        ("delete", f"{secrets}/{{secretId}}"), ("get", "/v1/secret-provider"), ("get", admin), ("post", admin),
        ("get", f"{admin}/{{providerId}}"), ("post", f"{admin}/{{providerId}}"), ("delete", f"{admin}/{{providerId}}"),
        ("post", "/v1/admin/plugins/secret-provider/{providerId}/default"),
    }


# > It is true: schemathesis runs against it — docs/API.md
@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_every_answer_is_as_the_document_says(server, role):
    client = Client(server, role, role)
    program = Path(sys.executable).parent / "schemathesis"
    done = subprocess.run(
        [program, "run", f"{server.url}/openapi.json", "--tls-verify", server.certificate, "--header",
         f"Authorization: {client.key}", "--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1",
         "--max-time", str(SECONDS), "--exclude-checks", NOT_CHECKED, "--no-color"],
        capture_output=True, timeout=5 * SECONDS, cwd=server.store.root)
    assert done.returncode == 0, done.stdout.decode()[-6000:]
    assert b"generated" in done.stdout and server.process.poll() is None
    assert '"level":"error"' not in server.log
