"""The server's keys: it is sealed and unsealed as the agent is, and follows every change of keys without a restart."""

import pytest
from server_support import Client, Server, audit
from support import needs_root, store, empty  # noqa: F401

pytestmark = needs_root


@pytest.fixture
def server(store):
    return Server(store)


# > A server that is sealed answers 503 to whatever needs the store, until `unseal`. — docs/CLI.md#the-server
def test_a_server_that_is_sealed_answers_nothing_from_the_store_until_unseal(server, store):
    admin = Client(server, "admin", "admin")
    made = admin.create("KEY", "x")
    place = admin.secrets()
    assert "Sealed the server." in store.does("seal").output
    assert server.ask("GET", "/healthz").status == 200
    assert server.ask("GET", "/readyz").status == 503
    assert admin.ask("GET", place).status == 503
    assert admin.ask("PUT", f"{place}/{made['id']}", {"secret_value": "y"}).status == 503
    # Commands have the root key.
    store.update("KEY", b"from the command line")
    assert "Unsealed the server." in store.does("unseal").output
    assert server.ask("GET", "/readyz").status == 200
    assert admin.ask("PUT", f"{place}/{made['id']}", {"secret_value": "z"}).status == 200
    assert (store.mount() / "KEY").read_bytes() == b"z"
    actions = [line["action"] for line in audit(store)]
    assert "seal" in actions and "unseal" in actions


def test_unseal_takes_no_other_root_key(server, store):
    admin = Client(server, "admin", "admin")
    store.does("seal")
    other = store.root / "other.key"
    other.write_bytes((store.state / "root.key").read_bytes())
    other.chmod(0o400)
    store.does("root-key", "rotate", "--yes")
    store.run("unseal", "--root-key-file", other).failed(78, "not the one that sealed")
    assert admin.ask("GET", "/v1/algorithms").status == 503
    store.does("unseal")
    assert admin.ask("GET", "/v1/algorithms").status == 200


# > A rotation of data keys and a change of the root key reach it while it runs — docs/CLI.md#the-server
def test_a_change_of_the_root_key_and_of_data_keys_needs_no_restart(server, store):
    admin = Client(server, "admin", "admin")
    made = admin.create("KEY", "x")
    for value, change in (("1", ("root-key", "rotate", "--yes")), ("2", ("key", "rotate")), ("3", ("root-key", "rotate", "--yes"))):
        store.does(*change)
        assert server.ask("GET", "/readyz").status == 200, change
        assert admin.ask("PUT", f"{admin.secrets()}/{made['id']}", {"secret_value": value}).status == 200
    assert (store.mount() / "KEY").read_bytes() == b"3"


def test_one_server_serves_a_store(server, store):
    store.run("serve", "--listen", "127.0.0.1:0").failed(73, "runs")
    server.stop()
    assert Server(store).ask("GET", "/readyz").status == 200


def test_what_an_agent_shows_survives_that_the_agent_is_another_one(server, store):
    """The server keeps its connection to the agent; one that has ended is not asked again."""
    admin = Client(server, "admin", "admin")
    made = admin.create("KEY", "0")
    place = f"{admin.secrets()}/{made['id']}"
    for value in ("1", "2", "3"):
        mounted = store.mount()
        for step in ("a", "b"):
            assert admin.ask("PUT", place, {"secret_value": value + step}).status == 200
            assert (mounted / "KEY").read_bytes() == (value + step).encode()
        store.does("agent", "--stop")
    assert "has not said" not in server.log
