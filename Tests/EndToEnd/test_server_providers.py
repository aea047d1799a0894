"""External secret stores by API: set up by administrators, used by who makes secrets."""

import re

import pytest
from conftest import PLANTED
from providers_support import ROOT, bao, silent  # noqa: F401 (fixtures)
from server_support import Client
from support import ALGORITHM, empty, store, wait_until  # noqa: F401 (fixtures)
from test_providers import opens
from web_support import SECRETS, Visitor
from test_server_contract import admin, server  # noqa: F401 (fixtures)

ADMIN = "/v1/admin/secret-provider"
WRITER = 'path "secret/*" { capabilities = ["create", "read", "update", "delete"] }'


def new(bao, **more):
    return {
        "name": "vault", "description": "ours", "moduleName": "secretfs.vault", "isEnabled": True,
        "configuration": {"vault_addr": bao.address, "vault_token": bao.token(WRITER)}, **more,
    }


@pytest.fixture
def provider(admin, bao):
    answer = admin.ask("POST", ADMIN, new(bao))
    assert answer.status == 200, answer
    return answer.json


def test_a_provider_is_made_shown_changed_made_the_default_and_deleted(admin, bao, store):
    token = new(bao, isDefault=False)["configuration"]["vault_token"]
    made = admin.ask("POST", ADMIN, new(bao, interval=5)).json
    assert made["name"] == "vault" and made["settings"] == ["vault_addr", "vault_token"] and made["interval"] == 5
    path = f"{ADMIN}/{made['id']}"
    assert admin.ask("GET", path).json == made
    listed = admin.ask("GET", "/v1/secret-provider")
    assert [one["name"] for one in listed.json] == ["algorithmia_internal_secret_provider", "vault"]
    assert token.encode() not in listed.body
    assert admin.ask("POST", path, {"description": "changed", "configuration": {"role_id": "x"}}).json["settings"] == ["role_id", "vault_addr", "vault_token"]
    assert admin.ask("POST", f"/v1/admin/plugins/secret-provider/{made['id']}/default").status == 204
    assert [one["isDefault"] for one in admin.ask("GET", "/v1/secret-provider").json] == [True, False]
    assert admin.ask("GET", "/v1/secret-provider").json[0]["name"] == "vault", "the default is the first"
    admin.ask("DELETE", path).refused(400, 8013)
    internal = admin.ask("GET", "/v1/secret-provider").json[1]
    assert admin.ask("POST", f"/v1/admin/plugins/secret-provider/{internal['id']}/default").status == 204
    assert admin.ask("DELETE", path).status == 204
    admin.ask("GET", path).refused(404, 8006)
    assert store.json("provider", "list") == []


def test_what_cannot_be_right_is_refused(admin, bao, provider):
    admin.ask("POST", ADMIN, new(bao)).refused(400, 8001, "there is a provider vault")
    admin.ask("POST", ADMIN, new(bao, name="A b")).refused(400, 8001, "provider name")
    admin.ask("POST", ADMIN, new(bao, name="b", moduleName="other")).refused(400, 8009, "secretfs.vault")
    admin.ask("POST", ADMIN, new(bao, name="b", isEnabled=False)).refused(400, 8001, "disabled")
    admin.ask("POST", ADMIN, new(bao, name="b", interval=1)).refused(400, 8001, "interval")
    admin.ask("POST", ADMIN, new(bao, name="b", configuration={})).refused(400, 8001, "vault_addr")
    admin.ask("POST", ADMIN, new(bao, name="b", configuration={"x": PLANTED.decode()})).refused(400, 8001, "settings")
    admin.ask("POST", ADMIN, {"name": "b"}).refused(400, 8000)
    path = f"{ADMIN}/{provider['id']}"
    admin.ask("POST", path, {"name": "other"}).refused(400, 8001, "never changes")


def test_no_file_of_the_machine_is_named_by_api(admin, bao, provider):
    """Else an administrator of the API could have the root key sent to an address of their choice."""
    settings = {"vault_addr": "https://elsewhere.example.org", "login": "jwt", "jwt_file": "/var/lib/secretfs/root.key"}
    admin.ask("POST", ADMIN, new(bao, name="b", configuration=settings)).refused(400, 8001, "command line")
    admin.ask("POST", f"{ADMIN}/{provider['id']}", {"configuration": settings}).refused(400, 8001, "command line")
    for login in ("kubernetes", "jwt"):
        admin.ask("POST", f"{ADMIN}/{provider['id']}", {"configuration": {"login": login}}).refused(400, 8001, f"login {login}")
    azure = {"vault_url": "https://a.vault.azure.net", "authority_host": "https://elsewhere.example.org", "tenant_id": "t", "client_id": "c"}
    for login in ("workload_identity", "managed_identity"):
        body = {"name": "b", "moduleName": "secretfs.azure-key-vault", "configuration": {**azure, "login": login}}
        admin.ask("POST", ADMIN, body).refused(400, 8001, f"login {login}")
    for login in ("instance", "container", "web_identity"):
        body = {"name": "b", "moduleName": "secretfs.aws-secrets-manager", "configuration": {"region": "x", "endpoint": "https://elsewhere.example.org", "login": login}}
        admin.ask("POST", ADMIN, body).refused(400, 8001, f"login {login}")


def test_credentials_do_not_follow_to_another_address(admin, bao, provider, store, silent):
    """> By API and on the pages an address is changed together with all credentials that would be sent there — docs/PROVIDERS.md"""
    path = f"{ADMIN}/{provider['id']}"
    for moved in ({"vault_addr": silent.address}, {"ca_certificate": "x"}, {"vault_addr": silent.address, "role_id": "r", "secret_id": "s"}):
        admin.ask("POST", path, {"configuration": moved}).refused(400, 8001, "says who is sent vault_token")
    # The same address is none.
    assert admin.ask("POST", path, {"configuration": {"vault_addr": bao.address, "role_id": "r"}}).status == 200
    assert admin.ask("POST", path, {"configuration": {"vault_addr": silent.address, "vault_token": "mine"}}).status == 200
    # On the command line it is, for whoever can read them anyway.
    store.does("provider", "update", "vault", "--set", f"vault_addr={bao.address}")
    store.does("provider", "update", "vault", "--set", "login=jwt", "--set", "role=r", "--set", "jwt_file=/etc/hostname", "--unset", "vault_token")
    admin.ask("POST", path, {"configuration": {"vault_addr": silent.address}}).refused(400, 8001, "command line only")
    assert not silent.taken


def test_a_test_says_what_is_found_and_what_is_wrong(admin, bao, provider):
    bao.put("db", password=PLANTED.decode())
    path = f"{ADMIN}/{provider['id']}/test"
    assert "read secret/data/db#password" in admin.ask("POST", path, {"reference": "secret/data/db#password"}).json["found"][1]
    admin.ask("POST", path, {"reference": "secret/data/none#x"}).refused(400, 8009, "absent")
    bao.stop()
    admin.ask("POST", path, {}).refused(400, 8009, "down")


def test_a_secret_is_written_to_the_provider_that_is_named_or_the_default(admin, bao, provider, store):
    body = {"short_name": "Token", "secret_key": "TOKEN", "secret_value": PLANTED.decode(), "provider_id": provider["id"]}
    made = admin.ask("POST", admin.secrets(), body).json
    assert made["provider_id"] == provider["id"] and made["reference"] == f"secret/data/{ALGORITHM}/TOKEN#value"
    assert bao.call("GET", f"secret/data/{ALGORITHM}/TOKEN")["data"]["data"] == {"value": PLANTED.decode()}
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "TOKEN") == PLANTED)
    path = f"{admin.secrets()}/{made['id']}"
    changed = admin.ask("PUT", path, {"secret_value": "second"}).json
    assert changed["default_secret_value_id"] != made["default_secret_value_id"]
    wait_until(mount, lambda: (mount / "TOKEN").read_bytes() == b"second")
    internal = admin.ask("GET", "/v1/secret-provider").json[0]["id"]
    admin.ask("PUT", path, {"provider_id": internal}).refused(400, 8001, "never changes")
    admin.ask("DELETE", f"{ADMIN}/{provider['id']}").refused(400, 8001, f"TOKEN of {ALGORITHM}")
    assert admin.ask("DELETE", path).status == 204
    with pytest.raises(OSError):
        bao.call("GET", f"secret/data/{ALGORITHM}/TOKEN")
    admin.ask("POST", f"/v1/admin/plugins/secret-provider/{provider['id']}/default")
    assert admin.ask("POST", admin.secrets(), {key: value for key, value in body.items() if key != "provider_id"}).json["provider_id"] == provider["id"]


def test_a_provider_that_is_down_refuses_and_nothing_is_changed(admin, bao, provider, store):
    bao.stop()
    body = {"short_name": "Token", "secret_key": "TOKEN", "secret_value": "x", "provider_id": provider["id"]}
    admin.ask("POST", admin.secrets(), body).refused(400, 8009, "down")
    assert store.names() == []


def test_on_the_pages_a_new_secret_goes_to_the_provider_that_is_chosen(admin, server, bao, provider, store):
    user = Visitor(server, "boss", "admin")
    form = user.get(f"{SECRETS}/new").body.decode()
    options = re.findall(r'<option value="([0-9a-f-]{36})"( selected)?>([^<]*)</option>', form)
    assert [name for _, _, name in options] == ["algorithmia_internal_secret_provider (default)", "vault"]
    assert options[0][1] and options[1][0] == provider["id"]
    fields = {"short_name": "Token", "secret_key": "TOKEN", "secret_value": PLANTED.decode(), "provider_id": provider["id"]}
    assert user.send(f"{SECRETS}/new", fields).status == 303
    assert bao.call("GET", f"secret/data/{ALGORITHM}/TOKEN")["data"]["data"] == {"value": PLANTED.decode()}
    assert f"secret/data/{ALGORITHM}/TOKEN" in user.get(f"{SECRETS}/TOKEN").body.decode()
    rows = user.get("/providers").body.decode()
    assert "secretfs.vault" in rows and rows.count(">Default<") == 1
    bao.stop()
    answer = user.send(f"{SECRETS}/new", {**fields, "secret_key": "OTHER"})
    assert answer.status == 422 and "Nothing was changed" in answer.body.decode()
    assert store.names() == ["TOKEN"]


def test_who_may_refer_is_who_has_set_the_provider_up(admin, server, bao, provider, store):
    """Its credentials may read what is another algorithm's."""
    bao.put("other", password="of others")
    body = {"short_name": "DB", "secret_key": "DB", "provider_id": provider["id"], "reference": "secret/data/other#password"}
    carol = Client(server, "carol", f"collaborator:{ALGORITHM}")
    carol.ask("POST", admin.secrets(), body).refused(403, 2001)
    carol.ask("POST", ADMIN, new(bao, name="mine")).refused(403, 2001)
    carol.ask("POST", f"{ADMIN}/{provider['id']}/test", {}).refused(403, 2001)
    assert store.names() == []
    made = admin.ask("POST", admin.secrets(), body).json
    assert made["reference"] == "secret/data/other#password"
    admin.ask("PUT", f"{admin.secrets()}/{made['id']}", {"secret_value": "x"}).refused(400, 8001, "kept by the provider")
    admin.ask("POST", admin.secrets(), {**body, "secret_key": "B", "secret_value": "x"}).refused(400, 8001, "reference")
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "DB") == b"of others")


# Pages


@pytest.fixture
def boss(server):
    return Visitor(server, "boss", "admin")


def test_on_the_pages_an_administrator_lets_a_secret_refer_to_what_is_there(boss, server, bao, store):
    """> an administrator may name what is there already (*Reference*) — docs/WEB.md"""
    assert 'name="reference"' not in boss.get(f"{SECRETS}/new").body.decode(), "there is nothing to refer to"
    bao.put("other", password="of others")
    boss.send("/new-provider/vault", {"name": "vault", "vault_addr": bao.address, "vault_token": bao.token(WRITER), "interval": "5"})
    form = boss.get(f"{SECRETS}/new").body.decode()
    ids = {name: id for id, _, name in re.findall(r'<option value="([0-9a-f-]{36})"( selected)?>([^<]*)</option>', form)}
    good = {"short_name": "DB", "secret_key": "DB", "provider_id": ids["vault"], "reference": "secret/data/other#password"}
    internal = ids["algorithmia_internal_secret_provider (default)"]
    for change, words in [
        ({"provider_id": internal}, "Choose the external provider"), ({"secret_value": PLANTED.decode()}, "The value is at the provider"),
        ({"reference": "a\x01b"}, "reference-error"), ({"reference": " "}, "Type or paste the value"),
    ]:
        answer = boss.send(f"{SECRETS}/new", {**good, **change})
        assert answer.status == 422 and words in answer.body.decode(), (change, answer)
    assert store.names() == []
    assert boss.send(f"{SECRETS}/new", good).status == 303
    made = store.json("secret", "show", ALGORITHM, "DB")
    assert made["from"] == "secret/data/other#password"
    mount = store.mount()
    wait_until(mount, lambda: opens(mount / "DB") == b"of others")
    carol = Visitor(server, "carol", f"collaborator:{ALGORITHM}")
    assert 'name="reference"' not in carol.get(f"{SECRETS}/new").body.decode()
    assert carol.send(f"{SECRETS}/new", {**good, "secret_key": "MINE"}).status == 400
    assert store.names() == ["DB"]


def test_a_provider_is_made_tested_changed_and_removed_on_the_pages(boss, bao, store):
    token = bao.token(WRITER)
    assert "/new-provider/vault" in boss.get("/providers").body.decode()
    fields = {"name": "vault", "description": "ours", "vault_addr": bao.address, "vault_token": token, "interval": "5"}
    assert boss.send("/new-provider/vault", fields).status == 303
    shown = store.json("provider", "show", "vault")
    assert shown["settings"] == ["vault_addr", "vault_token"] and shown["interval"] == 5 and not shown["default"]
    page = boss.get("/providers").body.decode()
    assert "vault is made" in page and "secretfs.vault" in page
    form = {"form_token": re.search(r'name="form_token" value="([^"]+)"', page)[1]}
    assert boss.post("/providers/vault/test", form).status == 303
    assert "logged in to" in boss.get("/providers").body.decode()
    update = boss.get("/providers/vault/update").body.decode()
    assert token not in update and "It is set: leave it empty to keep it" in update
    assert boss.send("/providers/vault/update", {"description": "changed"}).status == 303
    shown = store.json("provider", "show", "vault")
    assert shown["description"] == "changed" and shown["settings"] == ["vault_addr", "vault_token"]
    answer = boss.send("/providers/vault/update", {"vault_addr": "https://elsewhere.example.org"})
    assert answer.status == 422 and "vault_addr says who is sent vault_token" in answer.body.decode()
    assert boss.post("/providers/vault/default", form).status == 303
    assert store.json("provider", "show", "vault")["default"]
    boss.send("/providers/vault/remove")
    assert "make another one the default first" in boss.get("/providers").body.decode()
    assert boss.post("/providers/internal/default", form).status == 303
    assert boss.send("/providers/vault/remove").status == 303
    assert "vault is removed" in boss.get("/providers").body.decode() and store.json("provider", "list") == []


def test_what_is_wrong_with_a_provider_is_said_at_its_field_and_a_credential_is_not_shown_again(boss, bao, store):
    good = {"name": "vault", "vault_addr": bao.address, "vault_token": PLANTED.decode()}
    for change, words in [
        ({"name": "A b"}, "name: "), ({"vault_addr": ""}, "vault_addr: It is needed"), ({"interval": "1"}, "5 to 86400"),
        ({"maximum_age": "x"}, "60 to 2592000"), ({"login": "kubernetes"}, "about the server"),
    ]:
        answer = boss.send("/new-provider/vault", {**good, **change})
        assert answer.status == 422 and words in answer.body.decode(), (change, answer)
    assert boss.send("/new-provider/vault", {**good, "jwt_file": "/etc/shadow"}).status == 400
    assert boss.get("/new-provider/other").status == 404 and boss.get("/providers/none/update").status == 404
    assert store.json("provider", "list") == []
    assert boss.send("/new-provider/vault", good).status == 303
    assert "There is a provider of this name already" in boss.send("/new-provider/vault", good).body.decode()


def test_a_viewer_sees_providers_and_no_buttons(server, boss, bao):
    boss.send("/new-provider/vault", {"name": "vault", "vault_addr": bao.address, "vault_token": "t"})
    viewer = Visitor(server, "viewer", "viewer")
    page = viewer.get("/providers").body.decode()
    assert "secretfs.vault" in page and "/new-provider" not in page and "/update" not in page and "<button" not in page.split("<table")[1]
    for path in ("/new-provider/vault", "/providers/vault/update", "/providers/vault/remove"):
        assert viewer.get(path).status == 403
