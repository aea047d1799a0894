"""Requests that no good client sends."""

import random
import socket
import ssl
import threading
import time

import pytest
from conftest import PLANTED
from server_support import Client, Server, wait_for
from support import needs_root, store, empty  # noqa: F401

pytestmark = needs_root
VALUE = PLANTED.decode()
JSON = {"Content-Type": "application/json"}
BODY = 6 * 1_048_576 + 65_536


@pytest.fixture
def server(store):
    return Server(store)


@pytest.fixture
def admin(server):
    return Client(server, "admin", "admin")


def nested(depth: int) -> bytes:
    return b'{"short_name":' + b"[" * depth + b"]" * depth + b"}"


# > A name twice in an object, a member that is not known, what is not UTF-8, half of a surrogate pair, more than 16 levels or 10,000 values, and anything after the object are refused with code 8000. — docs/API.md#bodies
MALFORMED = {
    "nothing": b"", "blank": b" \n", "no object": b"[]", "a string": b'"x"', "null": b"null", "a number": b"1",
    "cut": b'{"short_name":"x"', "cut in a string": b'{"short_name":"x', "cut in an escape": b'{"short_name":"\\u00',
    "more behind": b'{"short_name":"x"} {}', "a name twice": b'{"short_name":"a","short_name":"b"}',
    "a name twice, escaped": b'{"short_name":"a","short\\u005fname":"b"}', "a comma too many": b'{"short_name":"x",}',
    "no comma": b'{"short_name":"x" "secret_key":"A"}', "no colon": b'{"short_name" "x"}', "no quotes": b"{short_name:1}",
    "single quotes": b"{'short_name':'x'}", "a comment": b'{"short_name":"x"/**/}', "NaN": b'{"short_name":NaN}',
    "a leading zero": b'{"short_name":01}', "a bare point": b'{"short_name":1.}', "a plus": b'{"short_name":+1}',
    "a control character": b'{"short_name":"a\nb"}', "a bad escape": b'{"short_name":"\\x41"}',
    "half a surrogate": b'{"short_name":"\\ud83d"}', "the other half": b'{"short_name":"\\ude00"}',
    "two first halves": b'{"short_name":"\\ud83d\\ud83d"}', "bad UTF-8": b'{"short_name":"\xff"}',
    "overlong UTF-8": b'{"short_name":"\xc0\xaf"}', "a surrogate in UTF-8": b'{"short_name":"\xed\xa0\x80"}',
    "beyond Unicode": b'{"short_name":"\xf4\x90\x80\x80"}', "a byte order mark": b'\xef\xbb\xbf{"short_name":"x"}',
    "UTF-16": '{"short_name":"x"}'.encode("utf-16"), "too deep": nested(17), "far too deep": nested(100_000),
    "too many": b'{"short_name":[' + b"0," * 10_000 + b"0]}", "a wrong type": b'{"short_name":1}',
    "null for a text": b'{"short_name":null}', "an object for a text": b'{"short_name":{"a":"b"}}',
    "an unknown member": b'{"shrot_name":"x"}', "a long name": b'{"' + b"a" * 2000 + b'":1}',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_that_is_not_as_it_should_be_is_refused_and_named(admin, name):
    message = admin.ask("POST", admin.secrets(), MALFORMED[name], headers=JSON).refused(400, 8000)
    assert "the body is not the JSON that is expected" in message


def test_a_value_in_a_wrong_place_is_not_repeated(admin, server):
    for body in (
        {"short_name": "A", "secret_key": VALUE + "!", "secret_value": "x"}, {"short_name": "A\n" + VALUE, "secret_key": "A"},
        {VALUE: "x"}, {"short_name": "A", "secret_key": "A", "secret_value": {VALUE: VALUE}}, VALUE, [VALUE],
        {"short_name": "A", "secret_key": "A", "secret_value": VALUE, "owner_id": VALUE},
        {"short_name": "A", "secret_key": "A", "secret_value": VALUE, "provider_id": VALUE},
        {"short_name": "A", "secret_key": "A", "secret_value": VALUE, "delivery": VALUE},
    ):
        assert admin.ask("POST", admin.secrets(), body).status == 400
    for path in (f"/v1/algorithms/nlp/{VALUE}!", f"/v1/{VALUE}", f"/v1/algorithms/{VALUE}/secrets", f"{admin.secrets()}/{VALUE}",
                 f"/v1/owners/{VALUE}!/secrets", f"/v1/audit?action={VALUE}", f"/v1/audit?{VALUE}=1", f"/healthz?a={VALUE}"):
        assert admin.ask("GET", path).status in (400, 404)
    assert VALUE not in server.log


# > A body has at most 6,356,992 bytes — docs/API.md#limits
def test_a_body_that_is_too_long_is_refused_before_it_is_read(admin, server):
    head = f"POST {admin.secrets()} HTTP/1.1\r\nHost: x\r\nAuthorization: {admin.key}\r\nContent-Type: application/json\r\n"
    for length in (BODY + 1, 10**12, 10**30):
        with server.connect() as connection:
            connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
            assert connection.recv(65536).split(b"\r\n")[0] in (b"HTTP/1.1 413 Content Too Large", b"HTTP/1.1 413 Payload Too Large", b"HTTP/1.1 400 Bad Request")
    with server.connect() as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"100000\r\n" + b" " * 1_048_576 + b"\r\n"
        sent = 0
        with pytest.raises((ConnectionError, ssl.SSLError, TimeoutError)):
            while sent < 100:
                connection.sendall(piece)
                sent += 1
        assert sent < 40, "it goes on taking what it refused"
    assert admin.ask("POST", admin.secrets(), b" " * (BODY - 2) + b"{}", headers=JSON).code == 8000
    admin.ask("POST", admin.secrets(), b" " * (BODY - 1) + b"{}", headers=JSON).refused(413, 8000)


def test_only_json_is_taken(admin):
    body = b'{"short_name":"A","secret_key":"A","secret_value":"x"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "json", ""):
        admin.ask("POST", admin.secrets(), body, headers={"Content-Type": kind}).refused(415, 8000)
    assert admin.ask("POST", admin.secrets(), body, headers={"Content-Type": "Application/JSON; charset=UTF-8"}).status == 200


RAW = {
    "no HTTP": b"hello\r\n\r\n", "HTTP/0.9": b"GET /healthz\r\n\r\n", "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk": b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "a NUL": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "a long header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(100)) + b"\r\n\r\n",
    "a long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a bad length": b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_bytes_that_are_no_good_request_are_no_harm(server, name):
    answered = server.raw(RAW[name] + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", timeout=10)
    # Refused, or taken for what it can only mean; then with a head of ours on every answer.
    for head in answered.split(b"HTTP/1.1 ")[1:]:
        assert b"x-content-type-options: nosniff" in head.lower(), answered
    assert server.ask("GET", "/healthz").status == 200


def test_random_bytes_are_no_harm(server):
    for seed in range(100):
        numbers = random.Random(seed)
        noise = numbers.randbytes(numbers.randrange(2000))
        for sent in (noise, b"GET /healthz HTTP/1.1\r\n" + noise, b"POST /v1/algorithms/x HTTP/1.1\r\nHost: x\r\n\r\n" + noise):
            with socket.create_connection(("127.0.0.1", server.port)) as plain:
                plain.sendall(sent)
            with server.connect() as connection:
                connection.sendall(sent)
    assert server.ask("GET", "/healthz").status == 200
    assert server.process.poll() is None


# > A client that takes more than 20 seconds for its headers is cut off, however it divides them. — docs/API.md#limits
def test_clients_that_are_slow_on_purpose_are_cut_off_and_hold_up_nobody(server, admin):
    def drip(connection, pieces) -> float:
        start = time.monotonic()
        try:
            for piece in pieces:
                connection.sendall(piece)
                connection.settimeout(1)
                try:
                    if connection.recv(1) == b"":
                        return time.monotonic() - start
                except (TimeoutError, ssl.SSLWantReadError):
                    continue
        except (ConnectionError, ssl.SSLError):
            pass
        return time.monotonic() - start

    lasted = {}
    head = f"GET /healthz HTTP/1.1\r\nHost: x\r\n{'A: b' * 200}".encode()
    body = f"POST {admin.secrets()} HTTP/1.1\r\nHost: x\r\nAuthorization: {admin.key}\r\nContent-Length: 1000\r\n\r\n".encode()

    def slow(name, connection, pieces):
        with connection:
            lasted[name] = drip(connection, pieces)

    plain = lambda: socket.create_connection(("127.0.0.1", server.port), timeout=60)
    threads = [
        threading.Thread(target=slow, args=("headers", server.connect(), [bytes([byte]) for byte in head])),
        threading.Thread(target=slow, args=("nothing", server.connect(), [b""] * 200)),
        threading.Thread(target=slow, args=("handshake", plain(), [b"\x16"] + [b"\x03"] * 200)),
        threading.Thread(target=slow, args=("body", server.connect(), [body] + [b"x"] * 200)),
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert server.ask("GET", "/healthz").status == 200
        time.sleep(0.5)
    for name in ("headers", "nothing", "handshake"):
        assert 15 < lasted[name] < 30, lasted
    assert 50 < lasted["body"] < 75, lasted


def test_more_clients_than_there_is_room_for_wait_and_are_served(store):
    server = Server(store, "--max-connections", "10")
    held = [server.connect() for _ in range(10)]
    late = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    time.sleep(0.3)
    for connection in held:
        connection.close()
    with server.context().wrap_socket(late, server_hostname="localhost") as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_many_clients_at_once_are_served_or_told_to_come_again(server, admin):
    statuses, secrets = [], admin.secrets()

    def client(number):
        for turn in range(10):
            body = {"short_name": "A", "secret_key": f"KEY_{number}_{turn}", "secret_value": VALUE}
            answer = admin.ask("POST", secrets, body)
            statuses.append(answer.status)
            assert answer.status == 200 or "retry-after" in answer.headers, answer

    threads = [threading.Thread(target=client, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(statuses) == 320 and set(statuses) <= {200, 503}
    assert len(admin.ask("GET", secrets).json["results"]) == statuses.count(200)


def test_large_bodies_of_strangers_cost_nothing(server):
    connections = []
    for _ in range(30):
        connection = server.connect()
        connection.sendall(
            b"POST /v1/algorithms/nlp HTTP/1.1\r\nHost: x\r\nAuthorization: nobody\r\nContent-Length: 6000000\r\n\r\n" + b"x" * 100_000)
        connections.append(connection)
    for connection in connections:
        assert connection.recv(100).startswith(b"HTTP/1.1 401")
        connection.close()


def test_bodies_that_are_read_at_one_moment_are_bounded(server, admin):
    """Each may be in locked memory."""
    connections, secrets = [], admin.secrets()
    head = f"POST {secrets} HTTP/1.1\r\nHost: x\r\nAuthorization: {admin.key}\r\nContent-Length: {BODY}\r\n\r\n".encode()
    body = {"short_name": "A", "secret_key": "A", "secret_value": "x"}

    def hold():
        connection = server.connect()
        connection.sendall(head)
        connections.append(connection)

    def refused_one():
        answer = admin.ask("POST", secrets, body)
        if answer.status == 503:
            return answer
        assert admin.ask("DELETE", f"{secrets}/{answer.json['id']}").status == 204
        # One of those that hold may have been refused itself, in favour of this one.
        hold()
        return None

    for _ in range(8):
        hold()
    refused = wait_for(refused_one)
    assert refused.headers["retry-after"] == "1"
    for connection in connections:
        connection.close()
    wait_for(lambda: admin.ask("POST", secrets, body).status == 200)
