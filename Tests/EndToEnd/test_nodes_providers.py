"""Secrets whose values are at an OpenBao, on another machine: its server asks, and the node sees no difference."""

import errno
import os
import signal
import time

import pytest
from conftest import PLANTED
from nodes_support import NodeServer, connection, machine, reads, shows  # noqa: F401
from providers_support import Counting, bao  # noqa: F401 (fixtures)
from server_support import audit, wait_for
from support import ALGORITHM, entries, environ, needs_root, store, empty  # noqa: F401
from test_providers import FROM, connect, refer

pytestmark = needs_root


@pytest.fixture
def server(store, bao):
    bao.put("nlp/db", password=PLANTED.decode())
    connect(store, bao)
    refer(store)
    store.create("OWN", b"own")
    return NodeServer(store)


@pytest.fixture
def node(server, machine):
    return server.enroll(machine)


def test_a_node_shows_what_a_provider_gives_and_its_changes(store, bao, server, node):
    """> The server asks, for as long as a node shows such a secret — docs/NODES.md"""
    mount = node.mount("--wait", "20s")
    assert reads(mount / "DB_PASSWORD") == PLANTED
    assert environ(mount) == {"DB_PASSWORD": PLANTED, "OWN": b"own"}
    assert os.getxattr(mount / "DB_PASSWORD", "user.secretfs.provider") == b"vault"
    bao.put("nlp/db", password="changed")
    assert shows(mount / "DB_PASSWORD", b"changed") < 8
    bao.delete("nlp/db")
    shows(mount / "DB_PASSWORD", errno.ENOENT)
    assert environ(mount) == {"OWN": b"own"}
    bao.put("nlp/db", password="again")
    shows(mount / "DB_PASSWORD", b"again")
    sent = [line for line in audit(store) if line["action"] == "node.send" and line["secret"] == "DB_PASSWORD"]
    assert len(sent) == 3, "each value is recorded before it leaves, and none twice"


def test_what_its_provider_has_not_given_does_not_open_on_a_node_and_status_says_so(store, bao, server, node):
    bao.stop()
    mount = node.mount()
    assert sorted(entries(mount)) == ["DB_PASSWORD", "OWN"]
    assert reads(mount / "DB_PASSWORD") == errno.EIO and reads(mount / ".environ") == errno.EIO
    assert reads(mount / "OWN") == b"own"
    [trouble] = node.json("status")["agent"]["external"]
    assert trouble["provider"] == "vault" and "server has no value" in trouble["reason"]
    failed = node.run("run", "--wait", "1s", ALGORITHM, "--", "/bin/echo", "started")
    assert failed.status != 0 and "provider test vault, on the server" in failed.errors and "started" not in failed.output
    wait_for(lambda: '"a provider does not give a value"' in server.log)
    assert PLANTED.decode() not in server.log


def test_a_node_goes_on_opening_it_while_the_provider_or_the_server_is_down(store, bao, server, node):
    mount = node.mount("--wait", "20s")
    bao.stop()
    time.sleep(6)
    assert reads(mount / "DB_PASSWORD") == PLANTED
    server.stop(signal.SIGKILL)
    wait_for(lambda: not connection(node)["connected"], 40)
    assert reads(mount / "DB_PASSWORD") == PLANTED


def test_a_server_that_starts_again_counts_anew_and_the_node_notices_every_change(store, bao, server, node):
    mount = node.mount("--wait", "20s")
    before = int((mount / ".generation").read_bytes())
    server.stop()
    bao.put("nlp/db", password="meanwhile")
    server.restart()
    shows(mount / "DB_PASSWORD", b"meanwhile", 40)
    assert int((mount / ".generation").read_bytes()) > before


def test_the_server_asks_once_for_many_nodes_and_not_at_all_without_one(store, bao, binaries, machine):
    from support import temporary_store

    counting = Counting(bao)
    try:
        bao.put("nlp/db", password=PLANTED.decode())
        token = bao.token()
        store.does(
            "provider", "create", "vault", "--kind", "vault", "--set", f"vault_addr={counting.address}", "--secret", "vault_token",
            "--interval", "5s", input=token.encode())
        refer(store)
        server = NodeServer(store)
        time.sleep(1)
        assert counting.paths == [], "nobody shows it"
        with temporary_store(binaries) as second:
            nodes = [server.enroll(machine, "first"), server.enroll(second, "second")]
            mounts = [node.mount("--wait", "20s") for node in nodes]
            assert [reads(mount / "DB_PASSWORD") for mount in mounts] == [PLANTED] * 2
            assert len([path for path in counting.paths if "secret/data/nlp/db" in path]) == 1
            store.does("node", "disallow", "first", "nlp/*")
            shows(mounts[0] / "DB_PASSWORD", errno.EIO)
            assert reads(mounts[1] / "DB_PASSWORD") == PLANTED
            store.does("node", "revoke", "second")
            shows(mounts[1] / "DB_PASSWORD", errno.EIO)
        time.sleep(1)
        asked = len(counting.paths)
        time.sleep(7)
        assert len(counting.paths) == asked, "no node may have it any more"
    finally:
        counting.close()


def test_a_sealed_server_forgets_what_providers_gave(store, bao, server, node):
    mount = node.mount("--wait", "20s")
    store.does("seal")
    time.sleep(1)
    bao.put("nlp/db", password="later")
    time.sleep(7)
    assert reads(mount / "DB_PASSWORD") != b"later"
    store.does("unseal")
    shows(mount / "DB_PASSWORD", b"later", 40)
