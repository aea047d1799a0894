"""Machines that have their entries from a server: enrolling, what they may have, what they see and when."""

import errno
import json
import os
import socket
import ssl
import time

import pytest
from conftest import PLANTED
from nodes_support import OTHER, VALUE, NodeServer, Stalling, connected, connection, machine, reads, shows, unconnected  # noqa: F401
from server_support import audit, files, wait_for
from support import ALGORITHM, entries, environ, needs_root, store, empty  # noqa: F401

pytestmark = needs_root


@pytest.fixture
def server(store):
    return NodeServer(store)


@pytest.fixture
def node(server, machine):
    return server.enroll(machine)


def test_a_node_shows_what_the_servers_store_lets_it_see(store, server, node):
    store.create("MYSQL_PASSWORD", VALUE)
    store.create("TLS_KEY", b"\0\xff" + VALUE, "--delivery", "file")
    mount = node.mount()
    assert (mount / "MYSQL_PASSWORD").read_bytes() == VALUE
    assert (mount / "TLS_KEY").read_bytes() == b"\0\xff" + VALUE
    assert environ(mount) == {"MYSQL_PASSWORD": VALUE}
    assert os.getxattr(mount / "MYSQL_PASSWORD", "user.secretfs.version") == b"1"
    assert connection(node)["connected"] and connection(node)["name"] == "worker"


def test_run_gives_a_program_its_variables_on_a_node(store, server, node):
    store.create("TOKEN", b"from afar")
    assert node.does("run", ALGORITHM, "--", "/bin/sh", "-c", 'test "$TOKEN" = "from afar" && echo yes').output == "yes\n"


def test_changes_are_pushed_to_a_node(store, server, node):
    """> A change is in a connected node's mounts within milliseconds after it is durable. — docs/NODES.md#changes"""
    store.create("KEY", b"1")
    mount = node.mount()
    assert (mount / "KEY").read_bytes() == b"1"
    for number in range(2, 12):
        store.update("KEY", b"%d" % number)
        assert shows(mount / "KEY", b"%d" % number) < 1
    store.create("NEW", VALUE)
    shows(mount / "NEW", VALUE)
    store.delete("KEY")
    shows(mount / "KEY", errno.ENOENT)
    assert entries(mount) == ["NEW"]
    with open(mount / "NEW", "rb") as held:
        store.update("NEW", b"later")
        shows(mount / "NEW", b"later")
        assert held.read() == VALUE, "a handle keeps its version"


def test_grants_of_owners_and_validities_hold_on_a_node(store, server, node):
    store.does("secret", "create", "nlp", "SHARED", "--value-file", "-", input=VALUE)
    mount = node.mount()
    assert entries(mount) == []
    store.does("grant", "nlp", "SHARED", "--to", ALGORITHM)
    shows(mount / "SHARED", VALUE)
    store.does("revoke", "nlp", "SHARED", "--from", ALGORITHM)
    shows(mount / "SHARED", errno.ENOENT)


def test_values_of_a_million_bytes_and_of_none_arrive(store, server, node):
    large = os.urandom(1 << 20)
    store.create("LARGE", large, "--delivery", "file")
    store.create("EMPTY", b"")
    mount = node.mount()
    assert (mount / "LARGE").read_bytes() == large and (mount / "EMPTY").read_bytes() == b""


def test_caller_rules_are_decided_on_the_node(store, server, node):
    store.create("KEY", VALUE)
    store.does("callers", ALGORITHM, "--uid", "4242")
    mount = node.mount()
    assert reads(mount / "KEY") == errno.EACCES
    store.does("callers", ALGORITHM, "--clear")
    shows(mount / "KEY", VALUE)


def test_a_node_records_each_open_in_a_log_of_its_own(store, server, node):
    store.create("KEY", VALUE)
    (node.mount() / "KEY").read_bytes()
    opened = [line for line in audit(node) if line["action"] == "open"]
    assert [(line["algorithm"], line["secret"], line["version"], line["outcome"]) for line in opened] == [
        (ALGORITHM, "KEY", 1, "ok")]
    node.does("audit", "verify")
    sent = [line for line in audit(store) if line["action"] == "node.send"]
    assert [(line["algorithm"], line["secret"], line["version"], line["user"]) for line in sent] == [
        (ALGORITHM, "KEY", 1, "node worker")]
    store.does("audit", "verify")


def test_an_algorithm_that_is_not_assigned_does_not_exist_for_the_node(store, server, node):
    """> A node gets only what it is allowed; each attempt to get more is denied and recorded. — docs/NODES.md#allowing"""
    store.does("algorithm", "create", OTHER)
    store.create("KEY", VALUE, of=OTHER)
    said = node.run("mount", OTHER, node.folder("other")).failed(77, OTHER)
    missing = node.run("mount", "vision/Missing", node.folder("missing")).failed(77, "vision/Missing")
    assert said.replace(OTHER, "X") == missing.replace("vision/Missing", "X"), "it tells what exists"
    denied = [line for line in audit(store) if (line["action"], line["outcome"]) == ("node.follow", "denied")]
    assert [line["algorithm"] for line in denied] == [OTHER, "vision/Missing"]
    # Nor do changes of it: nothing is said, and nothing recorded.
    store.update("KEY", b"another", of=OTHER)
    time.sleep(1)
    assert denied == [line for line in audit(store) if (line["action"], line["outcome"]) == ("node.follow", "denied")]
    store.update("KEY", VALUE, of=OTHER)
    store.does("node", "allow", "worker", OTHER)
    assert (node.mount(name="other", of=OTHER) / "KEY").read_bytes() == VALUE


def test_what_is_taken_from_a_node_opens_nothing_any_more(store, server, node):
    store.create("KEY", VALUE)
    mount = node.mount()
    assert (mount / "KEY").read_bytes() == VALUE
    store.does("node", "disallow", "worker", "nlp/*")
    shows(mount / "KEY", errno.EIO)
    store.does("node", "allow", "worker", ALGORITHM)
    shows(mount / "KEY", VALUE)


def test_an_algorithm_that_is_deleted_is_empty_on_the_node(store, server, node):
    store.create("KEY", VALUE)
    mount = node.mount()
    store.does("algorithm", "delete", ALGORITHM, "--yes")
    shows(mount / "KEY", errno.ENOENT)
    node.run("mount", ALGORITHM, node.folder("again")).failed(66, ALGORITHM)


def test_doctor_says_how_a_node_and_its_server_are(store, server, node):
    def said():
        return [one for one in json.loads(node.run("doctor", "--json").output) if one["check"] == "node"]

    node.mount()
    connected(node)
    [found] = said()
    assert found["level"] == "ok" and "worker of" in found["finding"]
    asking = ["---completion", "node", "show", "--", "positional@0", "3", "1", "secretfs", "node", "show", "w"]
    assert store.run(*asking, env={"SAP_SHELL": "bash"}).output.split() == ["worker"]
    store.does("node", "revoke", "worker")
    unconnected(node)
    [found] = said()
    assert found["level"] == "problem" and "revoked" in found["finding"] and "enroll" in found["remedy"]


def test_a_revoked_node_is_cut_off_at_once(store, server, node):
    """> A revocation ends the node's connection at once, and its mounts open nothing any more. — docs/NODES.md#revoking"""
    store.create("KEY", VALUE)
    mount = node.mount()
    assert (mount / "KEY").read_bytes() == VALUE
    store.does("node", "revoke", "worker")
    assert shows(mount / "KEY", errno.EIO) < 2
    found = unconnected(node)
    assert found["revoked"]
    node.run("mount", ALGORITHM, node.folder("again")).failed(77, "revoked")
    store.update("KEY", b"later")
    time.sleep(0.3)
    assert reads(mount / "KEY") == errno.EIO
    assert store.json("node", "show", "worker")["revoked"]


def test_a_deleted_node_is_cut_off_and_its_name_is_free(store, server, node, binaries, tmp_path):
    mount = node.mount()
    store.does("node", "delete", "worker")
    assert unconnected(node)["revoked"]
    assert store.json("node", "list") == []
    node.does("unmount", mount)
    node.does("agent", "--stop")
    server.enroll(node)
    store.create("KEY", VALUE)
    assert (node.mount() / "KEY").read_bytes() == VALUE


# Tokens


def enrolls(server, machine, token: str, address=None):
    return machine.run("node", "enroll", "--server", address or server.nodes, "--token-file", "-", input=token.encode())


def test_a_token_holds_once(server, machine, empty, binaries):
    """> A token makes one machine a node, once. — docs/NODES.md#tokens"""
    token = server.token()
    assert enrolls(server, machine, token).status == 0
    machine.run("agent", "--stop")
    enrolls(server, machine, token).failed(77, "not valid")
    denied = [line for line in audit(server.store) if line["action"] == "node.enroll"]
    assert [line["outcome"] for line in denied] == ["ok", "denied"]


# > A new token for a name takes the place of those before — docs/NODES.md#tokens
def test_tokens_of_a_name_are_listed_replaced_and_taken_back(server, store, machine):
    enroll = lambda token: machine.run(
        "node", "enroll", "--server", f"https://{server.nodes}", "--token-file", "-", input=token.encode())
    first, second = server.token(), server.token()
    server.token("other")
    listed = store.json("node", "token", "list")
    assert [one["node"] for one in listed] == ["other", "worker"] and listed[1]["allowed"] == ["nlp/*"]
    assert first not in str(listed) and "other" in store.does("node", "token", "list").output
    enroll(first).failed(77, "token")
    store.does("node", "token", "delete", "other")
    store.run("node", "token", "delete", "other").failed(66, "no token", "node token list")
    assert enroll(second).status == 0
    # Who is refused does not come back by a token that is still about.
    store.does("node", "delete", "worker")
    third = server.token()
    with pytest.raises(AssertionError):
        store.does("node", "delete", "worker")
    assert enroll(third).status == 0


def test_a_renewal_whose_answer_is_lost_does_not_end_a_node(store, machine):
    """Neither where it is late nor where the connection ends before it comes, again and again."""
    server = NodeServer(store, "--node-certificates", "1m")
    store.create("KEY", VALUE)
    between = Stalling(server.node_port, stall=8, cuts=2)
    node = server.enroll(machine, address=between.address)
    mount = node.mount()
    first = store.json("node", "show", "worker")["certificates"]
    wait_for(lambda: between.requests >= 3, seconds=80)
    time.sleep(12)
    assert reads(mount / "KEY") == VALUE and not connection(node)["revoked"]
    wait_for(lambda: first[0] not in store.json("node", "show", "worker")["certificates"], seconds=150)
    store.update("KEY", b"later")
    shows(mount / "KEY", b"later", seconds=20)
    between.close()


def test_a_token_whose_time_is_over_is_refused(server, machine):
    store = server.store
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    token = server.token("worker", "--expires", moment)
    time.sleep(2.5)
    enrolls(server, machine, token).failed(77, "not valid")
    assert store.json("node", "list") == []


def test_a_token_that_is_changed_is_refused_and_guessing_is_slowed_down(server, machine):
    token = server.token()
    head, key, secret, pin = token.split("_")
    other = "a" if secret[0] != "a" else "b"
    guess = "_".join([head, key, other + secret[1:], pin])
    for _ in range(10):
        enrolls(server, machine, guess).failed(77, "not valid")
    enrolls(server, machine, guess).failed(75, "too many")
    enrolls(server, machine, "sfn_short").failed(65, "not one, by its form")


def test_a_token_is_not_sent_to_another_server(server, machine):
    """> The token is sent to the server whose CA it names, and to nobody else. — docs/NODES.md#tokens"""
    head, key, secret, pin = server.token().split("_")
    forged = "_".join([head, key, secret, "0" * 64])
    enrolls(server, machine, forged).failed(69, "nothing was sent")
    assert not [line for line in audit(server.store) if line["action"] == "node.enroll"]
    assert enrolls(server, machine, "_".join([head, key, secret, pin])).status == 0


def test_a_store_with_algorithms_does_not_become_a_node(server, store):
    token = server.token()
    enrolls(server, store, token).failed(73, "algorithms of its own")


def test_a_node_keeps_no_secrets_of_its_own(server, node):
    for command in (["algorithm", "create", "nlp/X"], ["secret", "list", ALGORITHM], ["user", "list"], ["node", "list"]):
        node.run(*command).failed(65, "node", server.nodes)
    node.run("mount", "--admin", node.folder("admin")).failed(65, "node")


# The port


def test_who_shows_no_certificate_or_a_foreign_one_gets_nothing(server, store, node):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    hello = b"\0\0\0\2\2\1"
    with socket.create_connection(("127.0.0.1", server.node_port), timeout=20) as plain:
        with context.wrap_socket(plain) as connection:
            assert connection.version() == "TLSv1.3"
            connection.sendall(hello)
            answer = connection.recv(100)
            assert answer == b"\0\0\0\3\x43\1\3", answer
            assert connection.recv(100) == b""
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\2\x99\1", b"\0\0\0\1\1"):
        with socket.create_connection(("127.0.0.1", server.node_port), timeout=20) as plain:
            with context.wrap_socket(plain) as connection:
                connection.sendall(garbage)
                assert PLANTED not in connection.recv(1000)
    store.create("KEY", VALUE)
    assert (node.mount() / "KEY").read_bytes() == VALUE, "others are served all the same"


def test_what_a_node_keeps_on_disk_has_no_value(store, server, node):
    store.create("KEY", VALUE)
    assert (node.mount() / "KEY").read_bytes() == VALUE
    for path, content in files(node.root).items():
        assert PLANTED not in content or "/mount/" in path, path
    assert PLANTED not in server.log.encode()
