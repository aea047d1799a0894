"""The calls of Algorithmia's secrets API, as its clients make them."""

import re
import subprocess
import sys
import textwrap
import uuid

import pytest
from conftest import PLANTED
from server_support import Client, Server
from support import ALGORITHM, change, entries, needs_root, store, empty  # noqa: F401

pytestmark = needs_root
VALUE = PLANTED.decode()
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FIELDS = {
    "id", "short_name", "description", "owner_type", "owner_id", "provider_id", "secret_key", "created", "modified",
    "default_secret_value_id", "delivery",
}


@pytest.fixture
def server(store):
    return Server(store)


@pytest.fixture
def admin(server):
    return Client(server, "admin", "admin")


def test_an_algorithm_is_found_by_its_name_and_has_an_id(admin, store):
    answer = admin.ask("GET", f"/v1/algorithms/{ALGORITHM}")
    assert answer.status == 200 and answer.json["name"] == "Summarizer"
    assert answer.json["id"] == store.json("algorithm", "show", ALGORITHM)["id"]


def test_a_secret_is_created_listed_updated_and_deleted(admin, store):
    owner = admin.id()
    provider = admin.ask("GET", "/v1/secret-provider").json[0]["id"]
    body = {
        "short_name": "MySQL password", "description": "of the reporting database", "owner_type": "algorithm",
        "owner_id": owner, "secret_key": "MYSQL_PASSWORD", "secret_value": VALUE, "provider_id": provider,
    }
    answer = admin.ask("POST", admin.secrets(), body)
    assert answer.status == 200
    made = answer.json
    assert set(made) == FIELDS
    assert {name: made[name] for name in body if name != "secret_value"} == {
        name: body[name] for name in body if name != "secret_value"}
    assert TIME.fullmatch(made["created"]) and made["modified"] == made["created"]

    listed = admin.ask("GET", admin.secrets()).json
    assert listed == {"results": [made], "secrets": [made]}
    one = f"{admin.secrets()}/{made['id']}"
    assert admin.ask("GET", one).json == made

    changed = admin.ask("PUT", one, {"secret_value": VALUE + "2", "short_name": "Password"}).json
    assert changed["default_secret_value_id"] != made["default_secret_value_id"]
    assert changed["short_name"] == "Password" and changed["created"] == made["created"] < changed["modified"]
    renamed = admin.ask("PUT", one, {"description": "another"}).json
    assert renamed["default_secret_value_id"] == changed["default_secret_value_id"]

    answer = admin.ask("DELETE", one)
    assert (answer.status, answer.body) == (204, b"") and answer.headers.get("content-type") is None
    assert admin.ask("GET", admin.secrets()).json == {"results": [], "secrets": []}
    assert store.names() == []
    admin.ask("GET", one).refused(404, 8008)


def test_what_the_api_changes_is_in_a_mount_when_it_answers(admin, store):
    mount = store.mount()
    made = admin.create("KEY", VALUE)
    assert (mount / "KEY").read_text() == VALUE
    one = f"{admin.secrets()}/{made['id']}"
    for number in range(20):
        assert admin.ask("PUT", one, {"secret_value": f"{VALUE}{number}"}).status == 200
        assert (mount / "KEY").read_text() == f"{VALUE}{number}"
    admin.ask("DELETE", one)
    assert entries(mount) == []


@pytest.mark.parametrize("value", ["", " ", "\n", "é\u2028😀", "\"\\/\b\f\n\r\t\u0001", "x" * 100_000, "💩" * 20_000])
def test_a_value_arrives_byte_for_byte(admin, store, value):
    for name, text in (("PLAIN", value), ("MARKED", VALUE + value)):
        admin.create(name, text)
        assert (store.mount(name=name) / name).read_bytes() == text.encode()


def test_a_value_of_1_mib_arrives_however_it_is_escaped(admin, store):
    value = "\u0001é" * (1_048_576 // 3) + "x"
    made = admin.create("BIG", value, delivery="file")
    mount = store.mount()
    assert (mount / "BIG").read_bytes() == value.encode()
    body = b'{"secret_value":"' + b"\\u0078" * 1_048_576 + b'"}'
    one = f"{admin.secrets()}/{made['id']}"
    assert admin.ask("PUT", one, body, headers={"Content-Type": "application/json"}).status == 200
    assert (mount / "BIG").read_bytes() == b"x" * 1_048_576
    admin.ask("PUT", one, {"secret_value": "x" * 1_048_577}).refused(400, 8001, "1048576")


def test_a_key_is_accepted_in_the_three_forms(admin, server):
    for authorization in (admin.key, f"Simple {admin.key}", f"Bearer {admin.key}", f"bearer {admin.key}"):
        answer = server.ask("GET", "/v1/secret-provider", authorization=authorization)
        assert answer.status == 200, authorization
    for authorization in ("", "x", f"Basic {admin.key}", f"Simple  {admin.key}", admin.key[:-1], f"{admin.key} x", "x" * 9000):
        server.ask("GET", "/v1/secret-provider", headers={"Authorization": authorization}).refused(401, 2002)
    server.ask("GET", "/v1/secret-provider").refused(401, 2002)


def test_the_internal_provider_is_the_default_and_stays_as_it_is(admin):
    listed = admin.ask("GET", "/v1/secret-provider").json
    assert isinstance(listed, list) and len(listed) == 1
    provider = listed[0]
    assert set(provider) == {
        "id", "name", "description", "moduleName", "factoryClassName", "interfaceVersion", "isEnabled", "isDefault",
        "created", "modified",
    }
    assert provider["name"] == "algorithmia_internal_secret_provider" and provider["isDefault"] is True
    path = f"/v1/admin/secret-provider/{provider['id']}"
    assert admin.ask("GET", "/v1/admin/secret-provider").json == listed
    assert admin.ask("GET", path).json == provider
    admin.ask("POST", "/v1/admin/secret-provider", {
        "name": "vault", "description": "", "moduleName": "vault", "factoryClassName": "Vault", "interfaceVersion": "1",
        "isEnabled": True, "isDefault": False, "configuration": {"vault_token": VALUE},
    }).refused(400, 8001, "vault_addr")
    admin.ask("POST", path, {"name": "mine"}).refused(400, 8005)
    admin.ask("DELETE", path).refused(400, 8013)
    default = f"/v1/admin/plugins/secret-provider/{provider['id']}/default"
    assert admin.ask("POST", default).status == 204
    for other in (path.replace(provider["id"], str(uuid.uuid4())), "/v1/admin/secret-provider/x"):
        admin.ask("GET", other).refused(404, 8006)
        admin.ask("DELETE", other).refused(404, 8006)


def test_refusals_have_the_codes_of_the_contract(admin):
    secrets, nobody = admin.secrets(), uuid.uuid4()
    good = {"short_name": "A", "secret_key": "A", "secret_value": VALUE}
    admin.ask("GET", f"/v1/algorithms/nlp/Nothing").refused(404, 1009)
    admin.ask("GET", f"/v1/algorithms/{nobody}/secrets").refused(404, 1009)
    admin.ask("GET", "/v1/algorithms/no-id/secrets").refused(404, 1009)
    admin.ask("POST", f"/v1/algorithms/{nobody}/secrets", good).refused(404, 1009)
    admin.ask("POST", secrets, {"short_name": "A", "secret_key": "A"}).refused(400, 8004)
    admin.ask("POST", secrets, {**good, "secret_key": "1A"}).refused(400, 8001, "must start with a letter")
    admin.ask("POST", secrets, {**good, "secret_key": "LD_PRELOAD"}).refused(400, 8001, "LD_PRELOAD")
    admin.ask("POST", secrets, {**good, "short_name": "a\nb"}).refused(400, 8001, "line breaks")
    admin.ask("POST", secrets, {**good, "provider_id": str(nobody)}).refused(400, 8006)
    admin.ask("POST", secrets, {**good, "owner_id": str(nobody)}).refused(400, 8001, "owner_id")
    admin.ask("POST", secrets, {**good, "owner_type": "organization"}).refused(400, 8001, "owner_type")
    admin.ask("POST", secrets, {**good, "delivery": "pigeon"}).refused(400, 8001, "delivery")
    admin.ask("POST", secrets, {**good, "secret_valeu": VALUE}).refused(400, 8000, "not known")
    made = admin.create("A", VALUE)
    admin.ask("POST", secrets, good).refused(400, 8001, "already has A")
    one = f"{secrets}/{made['id']}"
    admin.ask("PUT", one, {"secret_key": "B"}).refused(400, 8001, "never changes")
    assert admin.ask("PUT", one, {"secret_key": "A"}).json == made
    admin.ask("PUT", f"{secrets}/{nobody}", {"secret_value": VALUE}).refused(404, 8008)
    admin.ask("DELETE", f"{secrets}/{nobody}").refused(404, 8008)


def test_what_cannot_be_a_variable_says_so_and_is_stored_nowhere(admin, store):
    for value in (VALUE + "\0", VALUE + "x" * 131_072):
        body = {"short_name": "A", "secret_key": "A", "secret_value": value}
        admin.ask("POST", admin.secrets(), body).refused(400, 8001, '"delivery": "file"')
        assert store.names() == []
        assert admin.ask("POST", admin.secrets(), {**body, "delivery": "file"}).status == 200
        store.delete("A")


def test_an_id_is_found_again_after_a_secret_or_an_algorithm_was_made_anew(admin, store):
    first = admin.create("A", VALUE)
    store.delete("A")
    second = admin.create("A", VALUE)
    assert first["id"] != second["id"]
    admin.ask("PUT", f"{admin.secrets()}/{first['id']}", {"secret_value": VALUE}).refused(404, 8008)
    before = admin.secrets()
    store.does("algorithm", "delete", ALGORITHM, "--yes")
    admin.ask("GET", before).refused(404, 1009)
    store.does("algorithm", "create", ALGORITHM)
    admin.ask("GET", before).refused(404, 1009)
    assert admin.ask("GET", admin.secrets()).json["results"] == []


# > `algorithmia` 2.0.5 from PyPI works as it is. — docs/API.md#clients
def test_the_python_client_lists_creates_and_gets_providers(admin, server, store):
    pytest.importorskip("Algorithmia")
    program = textwrap.dedent(f"""
        import Algorithmia, sys
        key = sys.stdin.readline().strip()
        client = Algorithmia.client(api_key=key, api_address="{server.url}", ca_cert="{server.certificate}")
        algorithm = client.algo("{ALGORITHM}")
        assert algorithm.get_secrets()["secrets"] == []
        providers = client.get_secret_providers()
        assert providers[0]["name"] == "algorithmia_internal_secret_provider"
        made = algorithm.set_secret("Token", "TOKEN", "from-the-client")
        assert made["secret_key"] == "TOKEN" and made["provider_id"] == providers[0]["id"]
        assert made["description"] == ""
        listed = algorithm.get_secrets()
        assert listed["results"] == listed["secrets"] == [made]
        described = algorithm.set_secret("Other", "OTHER", "x", "what it is for")
        assert described["description"] == "what it is for"
        try:
            client.algo("nlp/Nothing").get_secrets()
            raise SystemExit("an algorithm that is not there has secrets")
        except Algorithmia.errors.AlgorithmException as error:
            assert "there is no algorithm" in str(error), error
        stranger = Algorithmia.client(api_key="nobody", api_address="{server.url}", ca_cert="{server.certificate}")
        try:
            stranger.get_secret_providers()
            raise SystemExit("a stranger was let in")
        except Algorithmia.errors.AlgorithmException as error:
            assert "no API key" in str(error), error
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], input=admin.key.encode(), capture_output=True, timeout=60,
        env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr.decode()
    assert (store.mount() / "TOKEN").read_bytes() == b"from-the-client"
