"""How the server is run: its start and end, certificates, health, metrics, logs."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from conftest import PLANTED
from server_support import Client, Server, audit, own_certificate, wait_for
from support import ALGORITHM, COMMAND_DEADLINE, needs_root, store, empty  # noqa: F401
from test_doctor import flip
from web_support import Visitor

pytestmark = needs_root
SECURITY_HEADERS = {
    "cache-control": "no-store", "x-content-type-options": "nosniff", "x-frame-options": "DENY",
    "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture
def server(store):
    return Server(store)


def test_health_is_for_anybody_and_metrics_are_not(server, store):
    assert server.ask("GET", "/healthz").json == {"status": "ok"}
    assert server.ask("GET", "/readyz").json == {"status": "ready"}
    assert server.ask("HEAD", "/healthz").status == 200
    server.ask("GET", "/metrics").refused(401, 2002)
    client = Client(server, "vera", "viewer")
    answer = client.ask("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    text = answer.body.decode()
    assert 'secretfs_http_requests_total{method="GET",route="/healthz",status="200"} 1' in text
    assert "secretfs_ready 1" in text and "secretfs_refused_keys_total 0" in text
    assert "Summarizer" not in text and "vera" not in text


def test_data_keys_that_are_rotated_are_taken(server, store):
    admin = Client(server, "admin", "admin")
    made = admin.create("KEY", "x")
    store.does("key", "rotate")
    assert server.ask("GET", "/readyz").status == 200
    assert admin.ask("PUT", f"{admin.secrets()}/{made['id']}", {"secret_value": "y"}).status == 200
    assert (store.mount() / "KEY").read_bytes() == b"y"


def test_every_answer_has_the_headers_that_protect_browsers(server):
    for method, path in (("GET", "/healthz"), ("GET", "/nothing"), ("PATCH", "/healthz"), ("GET", "/v1/algorithms"), ("POST", "/v1/algorithms/x")):
        answer = server.ask(method, path)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value, (method, path, answer)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["strict-transport-security"] and answer.headers["x-request-id"]
        assert "server" not in answer.headers
    server.ask("GET", "/nothing").refused(404, 404)
    refused = server.ask("PATCH", "/healthz")
    refused.refused(405, 405)
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_tls_is_1_3_with_a_certificate_by_the_stores_own_ca(server):
    context = server.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(socket.create_connection(("127.0.0.1", server.port)), server_hostname="localhost")
    with server.connect() as connection:
        assert connection.version() == "TLSv1.3"
        subject = connection.getpeercert()
        assert ("DNS", "localhost") in subject["subjectAltName"] and ("IP Address", "127.0.0.1") in subject["subjectAltName"]
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(
            socket.create_connection(("127.0.0.1", server.port)), server_hostname="localhost")
    checked = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", server.certificate, server.certificate],
        capture_output=True, timeout=COMMAND_DEADLINE)
    assert checked.returncode == 0, checked.stderr


def test_the_cas_key_is_sealed_and_stays_the_same(store):
    first = Server(store, "--name", "secrets.example.org")
    with first.connect() as connection:
        assert ("DNS", "secrets.example.org") in connection.getpeercert()["subjectAltName"]
    before = first.certificate.read_text()
    assert first.stop() == 0
    second = Server(store)
    assert second.certificate.read_text() == before
    assert len(audit(store, "--action", "ca.create")) == 1 and len(audit(store, "--action", "ca.issue")) == 2
    assert second.ask("GET", "/healthz").status == 200


def serial(server) -> str:
    pem = ssl.get_server_certificate(("127.0.0.1", server.port))
    return subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem.encode(), capture_output=True).stdout.decode()


def test_a_certificate_is_replaced_without_a_restart(store):
    first, key = own_certificate(store.root, "first")
    second, second_key = own_certificate(store.root, "second")
    server = Server(store, "--certificate", first, "--key", key)
    assert "first" in serial(server)
    with server.connect_unverified() as held:
        # The new pair, one file after the other, as tools do it.
        shutil.copy(second, first)
        time.sleep(2.5)
        assert "first" in serial(server), "a certificate without its key was taken"
        shutil.copy(second_key, key)
        wait_for(lambda: "second" in serial(server))
        held.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert held.recv(100).startswith(b"HTTP/1.1 200"), "a connection was lost"
    third, third_key = own_certificate(store.root, "third")
    os.replace(third_key, key)
    os.replace(third, first)
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "third" in serial(server))
    first.write_text("nothing")
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "cannot be used; the one before stays" in server.log.splitlines()[-1])
    assert "third" in serial(server) and server.process.poll() is None


def test_what_cannot_be_served_is_said_before_anything_is(store):
    certificate, key = own_certificate(store.root, "own")
    _, other = own_certificate(store.root, "other")
    store.run("serve", "--listen", "0.0.0.0:8443", "--insecure-http").failed(64, "in the clear", "--insecure-http")
    store.run("serve", "--listen", "example.org:8443").failed(64, "--listen")
    store.run("serve", "--certificate", certificate).failed(64, "go together")
    store.run("serve", "--certificate", certificate, "--key", key, "--insecure-http").failed(64)
    store.run("serve", "--certificate", store.root / "none", "--key", key).failed(66, "cannot be read")
    store.run("serve", "--certificate", key, "--key", key).failed(65, "no certificate")
    store.run("serve", "--certificate", certificate, "--key", certificate).failed(77, "everybody may read")
    store.run("serve", "--certificate", certificate, "--key", other).failed(65, "cannot be used together")
    store.run("serve", "--state", store.root / "none").failed(66, "no store")
    store.run("serve", "extra").failed(64)
    store.run("ca", "show").failed(66, "no certificate authority yet")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        store.run("serve", "--listen", f"127.0.0.1:{taken.getsockname()[1]}").failed(69, "cannot be listened on", "another program")


def test_a_missing_server_program_is_said_with_a_remedy(store, tmp_path):
    alone = tmp_path / "bin" / "secretfs"
    alone.parent.mkdir()
    shutil.copy(os.path.realpath(store.binary), alone)
    store.binary = alone
    store.run("serve").failed(69, "secretfs-server", "libexec/secretfs", "scripts/install")


# > Plain HTTP is for a loopback address only. — docs/API.md#tls
def test_plain_http_on_a_loopback_address(store):
    server = Server(store, "--insecure-http")
    answer = server.ask("GET", "/healthz")
    assert answer.status == 200 and "strict-transport-security" not in answer.headers
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert server.ask("GET", "/healthz").status == 200


# > At SIGTERM the server stops taking connections, answers what it was asked, and ends with status 0. — docs/API.md#operation
def test_a_stop_loses_no_request(server, store):
    admin = Client(server, "admin", "admin")
    secrets, statuses, end = admin.secrets(), [], threading.Event()

    def work(number):
        turn = 0
        while not end.is_set():
            turn += 1
            body = {"short_name": "A", "secret_key": f"KEY_{number}_{turn}", "secret_value": "x"}
            try:
                statuses.append((body["secret_key"], admin.ask("POST", secrets, body).status))
            except (ConnectionError, ssl.SSLError, OSError) as error:
                # Refused before it was taken, or the connection was idle and closed.
                statuses.append((body["secret_key"], type(error).__name__))
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(statuses) > 30)
    assert server.stop() == 0
    end.set()
    for thread in threads:
        thread.join(COMMAND_DEADLINE)
    done = {name for name, status in statuses if status == 200}
    assert done <= set(store.names())
    assert {status for _, status in statuses if isinstance(status, int)} == {200}
    assert [line["action"] for line in audit(store) if line["action"].startswith("server.")] == ["server.start", "server.stop"]
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert lines[-1]["message"] == "stopped" and all({"time", "level", "message"} <= set(line) for line in lines)


def test_an_idle_connection_does_not_keep_the_server_from_stopping(server):
    with server.connect() as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200")
        before = time.monotonic()
        assert server.stop(signal.SIGINT) == 0
        assert time.monotonic() - before < 10


def test_the_log_names_requests_and_nothing_of_what_is_in_them(server):
    client = Client(server, "admin", "admin")
    answer = client.ask("GET", "/v1/audit?secret=" + "NAME_IN_QUERY", headers={"X-Evil": "a\tb", "User-Agent": "{\"x\":1}"})
    assert answer.status == 200
    line = wait_for(lambda: [json.loads(line) for line in server.log.splitlines() if answer.headers["x-request-id"] in line])[0]
    assert line["route"] == "/v1/audit" and line["status"] == "200" and line["client"] == "127.0.0.1"
    assert "NAME_IN_QUERY" not in server.log and client.key not in server.log and "Evil" not in server.log


def test_a_damaged_record_hides_none_of_the_others(server, store):
    """Neither in the list nor on the page, and their ids lead to them."""
    client = Client(server, "alice", f"owner:{ALGORITHM.split('/')[0]}")
    made = {name: client.create(name, "value") for name in ("A", "B", "C")}
    flip(store, f"secret/{ALGORITHM}/B")
    listed = client.ask("GET", client.secrets()).json
    assert [secret["secret_key"] for secret in listed["results"]] == ["A", "C"]
    assert listed["unreadable"] == ["B"]
    assert client.ask("PUT", f"{client.secrets()}/{made['C']['id']}", {"secret_value": "new"}).status == 200
    client.ask("GET", f"{client.secrets()}/{made['B']['id']}").refused(404, 8008)
    page = Visitor(server, "bob", "admin").get(f"/algorithms/{ALGORITHM}/settings")
    assert page.status == 200, page
    text = page.body.decode()
    assert "Damaged in the store" in text and "<code>B</code>" in text
    assert f"/algorithms/{ALGORITHM}/secrets/A/update" in text
