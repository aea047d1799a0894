"""Who may do what by the API, and that refusals are recorded."""

import pytest
from conftest import PLANTED
from server_support import Client, Server, audit
from support import ALGORITHM, needs_root, store, empty  # noqa: F401

pytestmark = needs_root
VALUE = PLANTED.decode()


@pytest.fixture
def server(store):
    store.does("algorithm", "create", "nlp/Other")
    store.does("algorithm", "create", "vision/Captions")
    return Server(store)


@pytest.fixture
def admin(server):
    return Client(server, "admin", "admin")


def names(client) -> set[str]:
    return {f"{found['owner']}/{found['name']}" for found in client.ask("GET", "/v1/algorithms").json["results"]}


def test_who_may_not_see_an_algorithm_is_answered_as_if_it_were_not_there(server, admin):
    collaborator = Client(server, "carol", f"collaborator:{ALGORITHM}")
    nobody = Client(server, "nora")
    made = admin.create("A", VALUE)
    assert names(admin) == {ALGORITHM, "nlp/Other", "vision/Captions"}
    assert names(collaborator) == {ALGORITHM} and names(nobody) == set()
    other, missing = admin.id("nlp/Other"), "00000000-0000-4000-8000-000000000000"

    def answers(client, algorithm, name):
        paths = [("GET", f"/v1/algorithms/{name}", None), ("GET", f"/v1/algorithms/{algorithm}/secrets", None),
                 ("PUT", f"/v1/algorithms/{algorithm}/secrets/{made['id']}", {"secret_value": VALUE})]
        found = [client.ask(*path) for path in paths]
        return [(answer.status, answer.code, answer.json["error"]["message"].replace(name, "NAME").replace(algorithm, "ID")) for answer in found]

    assert answers(collaborator, other, "nlp/Other") == answers(collaborator, missing, "nlp/Nothing")
    assert answers(nobody, admin.id(), ALGORITHM) == answers(nobody, missing, "nlp/Nothing")


def test_each_role_may_do_what_it_says(server, admin):
    viewer, owner = Client(server, "vera", "viewer"), Client(server, "olga", "owner:nlp")
    collaborator = Client(server, "carol", f"collaborator:{ALGORITHM}")
    read_only = Client(server, "rita", "admin", options=("--read-only",))
    body = {"short_name": "A", "secret_key": "A", "secret_value": VALUE}
    secrets = admin.secrets()
    for client in (viewer, read_only):
        assert client.ask("GET", secrets).status == 200
        client.ask("POST", secrets, body).refused(403, 2001)
    for client in (admin, owner, collaborator):
        made = client.ask("POST", secrets, body)
        assert made.status == 200
        viewer.ask("PUT", f"{secrets}/{made.json['id']}", {"secret_value": "x"}).refused(403, 2001)
        viewer.ask("DELETE", f"{secrets}/{made.json['id']}").refused(403, 2001)
        viewer.ask("POST", f"{secrets}/{made.json['id']}/rollback", {"version": 1}).refused(403, 2001)
        assert client.ask("DELETE", f"{secrets}/{made.json['id']}").status == 204
    for client, status in ((admin, 200), (owner, 200), (collaborator, 403), (viewer, 403)):
        answer = client.ask("POST", "/v1/algorithms/nlp", {"name": "New"})
        assert answer.status == status
        if status == 200:
            assert admin.ask("DELETE", "/v1/algorithms/nlp/New").status == 204
    owner.ask("POST", "/v1/algorithms/vision", {"name": "New"}).refused(403, 2001)
    collaborator.ask("DELETE", f"/v1/algorithms/{ALGORITHM}").refused(403, 2001)
    for client, status in ((admin, 200), (viewer, 200), (owner, 403), (collaborator, 403)):
        assert client.ask("GET", "/metrics").status == status
        assert client.ask("GET", "/v1/admin/secret-provider").status == status
        assert client.ask("GET", "/v1/secret-provider").status == 200
    assert owner.ask("GET", "/v1/audit?owner=nlp").status == 200
    owner.ask("GET", "/v1/audit").refused(403, 2001)
    owner.ask("GET", "/v1/audit?owner=vision").refused(403, 2001)


def test_a_secret_of_an_owner_is_granted_to_algorithms(server, admin, store):
    owner = Client(server, "olga", "owner:nlp")
    path = "/v1/owners/nlp/secrets"
    made = owner.ask("POST", path, {"short_name": "Shared", "secret_key": "SHARED", "secret_value": VALUE}).json
    assert (made["owner_type"], made["owner_id"]) == ("organization", "nlp")
    grants = f"{path}/{made['id']}/grants"
    assert owner.ask("GET", grants).json == {"grants": []}
    mount = store.mount()
    assert not (mount / "SHARED").exists()
    assert owner.ask("PUT", grants, {"grants": [ALGORITHM, "nlp/*"]}).json == {"grants": ["nlp/*", ALGORITHM]}
    assert (mount / "SHARED").read_text() == VALUE
    owner.ask("PUT", grants, {"grants": ["vision/Captions"]}).refused(403, 2001)
    admin.ask("PUT", grants, {"grants": ["vision/*"]}).refused(400, 8001)
    admin.ask("PUT", grants, {"grants": ["nlp/Nothing"]}).refused(404, 1009)
    assert admin.ask("PUT", grants, {"grants": ["vision/Captions"]}).status == 200
    assert not (mount / "SHARED").exists()
    stranger = Client(server, "sam", "owner:vision")
    stranger.ask("GET", path).refused(404, 1009)


def test_history_and_rollback(admin, store):
    made = admin.create("A", VALUE + "1")
    one = f"{admin.secrets()}/{made['id']}"
    admin.ask("PUT", one, {"secret_value": VALUE + "2"})
    versions = admin.ask("GET", f"{one}/versions").json["results"]
    assert [version["version"] for version in versions] == [2, 1]
    assert versions[1]["id"] == made["default_secret_value_id"] and versions[0]["created_by"] == "user admin"
    rolled = admin.ask("POST", f"{one}/rollback", {"version": 1}).json
    assert rolled["default_secret_value_id"] not in {version["id"] for version in versions}
    assert (store.mount() / "A").read_text() == VALUE + "1"
    admin.ask("POST", f"{one}/rollback", {"version": 9}).refused(404, 8008)
    for body in ({}, {"version": 0}, {"version": "1"}, {"version": 1.5}, {"version": 2**40}):
        admin.ask("POST", f"{one}/rollback", body).refused(400, 8000)


# > Every change and every refusal is in the audit log with the user, the address and the request's id — docs/API.md#audit
def test_changes_and_refusals_are_recorded_with_the_user_the_address_and_the_request(server, admin, store):
    viewer = Client(server, "vera", "viewer")
    made = admin.create("A", VALUE)
    created = audit(store, "--action", "secret.create")[-1]
    assert (created["user"], created["address"], created["secret"]) == ("admin", "127.0.0.1", "A")
    denied = viewer.ask("PUT", f"{admin.secrets()}/{made['id']}", {"secret_value": "x"})
    denied.refused(403, 2001)
    line = audit(store, "--outcome", "denied")[-1]
    assert (line["action"], line["user"], line["algorithm"]) == ("api.request", "vera", ALGORITHM)
    assert line["request"] == denied.json["error"]["id"] and line["detail"].startswith("PUT /v1/algorithms/{algorithmId}")
    assert f'"request":"{line["request"]}"' in server.log
    for _ in range(50):
        server.ask("GET", "/v1/algorithms", "not-a-key")
        viewer.ask("POST", admin.secrets(), {"short_name": "A", "secret_key": "A", "secret_value": "x"})
    lines = audit(store, "--outcome", "denied")
    assert len(lines) < 10, "whoever is refused can fill the log"
    assert any("not a valid key" in line["detail"] for line in lines)
    assert server.stop() == 0
    counts = [line["detail"] for line in audit(store, "--action", "api.request")]
    assert any("more of vera" in detail for detail in counts), counts
    store.does("audit", "verify")


def test_the_audit_log_is_read_from_its_end_page_by_page(admin, store):
    for number in range(30):
        admin.create(f"KEY_{number}", VALUE)
    whole = admin.ask("GET", "/v1/audit?limit=1000").json
    assert whole["next"] is None
    sequences = [line["sequence"] for line in whole["results"]]
    assert sequences == sorted(sequences, reverse=True) and sequences[-1] == 1
    pages, before = [], ""
    while True:
        page = admin.ask("GET", f"/v1/audit?limit=7{before}").json
        pages += page["results"]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert pages == whole["results"]
    created = admin.ask("GET", f"/v1/audit?action=secret.create&algorithm={ALGORITHM}&user=admin").json["results"]
    assert len(created) == 30 and created[0]["secret"] == "KEY_29"
    assert not admin.ask("GET", "/v1/audit?until=2001-01-01").json["results"]
    for query in ("limit=0", "limit=x", "action=x", "since=90d", "owner=a&algorithm=a/b", "limit=1&limit=2", "x=1", "outcome=%ff"):
        assert admin.ask("GET", f"/v1/audit?{query}").status == 400


def test_a_key_that_is_revoked_or_expired_and_a_user_who_is_disabled_are_refused_at_once(server, admin, store):
    assert admin.ask("GET", "/v1/algorithms").status == 200
    identity = store.json("api-key", "list", "admin")[0]["id"]
    store.does("user", "update", "admin", "--disable")
    admin.ask("GET", "/v1/algorithms").refused(401, 2002)
    store.does("user", "update", "admin", "--enable")
    assert admin.ask("GET", "/v1/algorithms").status == 200
    store.does("api-key", "revoke", identity)
    admin.ask("GET", "/v1/algorithms").refused(401, 2002)
