"""The pages, byte by byte: who may open them, what a form must bring, what no answer has."""

import concurrent.futures
import os
import re
import time
from pathlib import Path

import pytest
from conftest import PLANTED
from server_support import Client, Server, audit, files, wait_for
from support import ALGORITHM, needs_root, store, empty  # noqa: F401
from test_hygiene_memory import places
from web_support import COOKIE, PASSWORD, SECRETS, SETTINGS, Visitor, user

pytestmark = needs_root
VALUE = PLANTED.decode()
POLICY = ("default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
          "frame-ancestors 'none'; base-uri 'none'")


@pytest.fixture
def server(store):
    store.does("algorithm", "create", "nlp/Other")
    store.does("algorithm", "create", "vision/Captions")
    return Server(store)


@pytest.fixture
def admin(server):
    return Visitor(server, "admin", "admin")


def made(store, name="A", value=VALUE, of=ALGORITHM, *options):
    store.does("secret", "create", of, name, *options, "--value-file", "-", input=value.encode())


# MARK: Headers


# > No inline script or style, and nothing from anywhere else — docs/WEB.md
def test_pages_have_a_strict_policy_and_nothing_inline(admin, store):
    made(store)
    for path in ("/", SETTINGS, f"{SECRETS}/new", f"{SECRETS}/A", f"{SECRETS}/A/update", f"{SECRETS}/A/remove", "/audit", "/providers", "/help", "/nothing", "/sign-in"):
        answer = Visitor(admin.server).get(path) if path == "/sign-in" else admin.get(path)
        assert answer.headers["content-security-policy"] == POLICY, path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
        page = answer.body.decode()
        assert not re.search(r"<script(?! src=\"/assets/)|<style|\sstyle=|\son\w+=|https?://|javascript:", page), page
        assert re.findall(r"<(?:html|main|title|h1)", page).count("<h1") == 1, path


def test_files_of_the_pages_are_kept_by_browsers_until_they_change(admin):
    page = admin.get("/").body.decode()
    paths = re.findall(r'"(/assets/[^"]+)"', page)
    assert len(paths) == 3
    for path in paths:
        answer = Visitor(admin.server).get(path)
        assert answer.status == 200 and "immutable" in answer.headers["cache-control"], path
        assert Visitor(admin.server).get(path, if_none_match=answer.headers["etag"]).status == 304
        assert Visitor(admin.server).get(path.split("?")[0]).headers["cache-control"] == "no-cache"


# MARK: Sessions


# > `__Host-secretfs`, HttpOnly, Secure, SameSite=Strict — docs/WEB.md#sessions
def test_a_session_is_a_cookie_that_no_script_and_no_other_site_has(server):
    visitor = Visitor(server)
    user(server.store, "alice", "admin")
    visitor.cookie = "0" * 64
    answer = visitor.sign_in("alice")
    assert re.fullmatch(rf"{COOKIE}=[0-9a-f]{{64}}; Path=/; Secure; HttpOnly; SameSite=Strict", answer.headers["set-cookie"])
    first = visitor.cookie
    assert first != "0" * 64, "an id that somebody brings is not taken"
    visitor.sign_in("alice")
    assert visitor.cookie != first
    again = Visitor(server)
    again.cookie = first
    assert again.get("/").status == 303, "the session before has ended"
    assert visitor.get("/").status == 200
    kept = visitor.cookie
    token = re.search(r'name="form_token" value="(\w+)"', visitor.get("/").body.decode())[1]
    assert visitor.post("/sign-out", {"form_token": token}).headers["location"] == "/sign-in"
    visitor.cookie = kept
    assert visitor.get("/").status == 303


@pytest.mark.parametrize("change", [
    ("user", "update", "admin", "--disable"), ("user", "delete", "admin", "--yes"), ("user", "password", "admin", "--password-file", "-"),
])
def test_a_session_ends_at_once_with_its_user(admin, store, change):
    assert admin.get("/").status == 200
    store.does(*change, input=PASSWORD + b"-new")
    answer = admin.get(SETTINGS)
    assert (answer.status, answer.headers["location"]) == (303, f"/sign-in?next={SETTINGS}&ended=1")
    assert admin.cookie is None, "the browser forgets it"


def test_what_a_user_may_not_do_any_more_is_refused_at_the_next_request(store, server):
    visitor = Visitor(server, "carol", f"collaborator:{ALGORITHM}")
    assert visitor.get(SETTINGS).status == 200
    store.does("user", "update", "carol", "--remove-role", f"collaborator:{ALGORITHM}")
    assert visitor.get(SETTINGS).status == 404


# > A restart of the server signs everybody out — docs/WEB.md#sessions
def test_a_restart_signs_everybody_out(admin, store):
    admin.server.stop()
    admin.server = Server(store)
    assert admin.get("/").status == 303


def test_a_key_opens_no_page_and_a_session_no_call_of_the_api(admin, server):
    client = Client(server, "ci", "admin")
    visitor = Visitor(server)
    assert visitor.get("/", authorization=client.key).status == 303
    answer = server.ask("GET", "/v1/algorithms", headers={"Cookie": f"{COOKIE}={admin.cookie}"})
    answer.refused(401, 2002)


@pytest.mark.parametrize("path", ["//evil.example/", "https://evil.example/", "/\\evil.example", "/sign-out", "/a\r\nSet-Cookie: a=b", ""])
def test_signing_in_leads_to_pages_of_this_server_only(server, path):
    user(server.store, "alice", "admin")
    assert Visitor(server).sign_in("alice", next=path).headers["location"] == "/"
    assert Visitor(server).sign_in("alice", next=SETTINGS).headers["location"] == SETTINGS


# MARK: Passwords


def test_who_is_refused_is_not_told_why_and_it_takes_as_long(server):
    store = server.store
    user(store, "alice", "admin")
    store.does("user", "create", "ci", "--no-password")
    user(store, "dora")
    store.does("user", "update", "dora", "--disable")
    cases = {"alice": b"wrong-wrong-wrong", "nobody": PASSWORD, "ci": PASSWORD, "dora": PASSWORD, "No Name!": PASSWORD}
    pages, times = set(), {}
    for name, password in cases.items():
        start = time.monotonic()
        answer = Visitor(server).sign_in(name, password)
        times[name] = time.monotonic() - start
        assert answer.status == 422 and "set-cookie" not in answer.headers
        pages.add(re.sub(r' value="[^"]*"', "", answer.body.decode()))
    assert len(pages) == 1 and "The user or the password is not right" in pages.pop()
    assert min(times.values()) > max(times.values()) / 3, times
    lines = audit(store, "--action", "login", "--outcome", "denied")
    assert [line.get("user") for line in lines] == ["alice", None, "ci", "dora", None]
    assert all(line["address"] == "127.0.0.1" and line["request"] for line in lines)
    assert "No Name" not in store.does("audit", "--json").output, "it may have been a password"
    assert Visitor(server).sign_in("alice").status == 303
    assert audit(store, "--action", "login")[-1]["outcome"] == "ok"


# > After five tries that failed each further one has to wait twice as long — docs/WEB.md#passwords
@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_guessing_is_slowed_down_for_each_account(server, name):
    user(server.store, "alice", "admin")
    user(server.store, "bob", "admin")
    for _ in range(5):
        assert Visitor(server).sign_in(name, b"wrong-wrong-wrong").status == 422
    answer = Visitor(server).sign_in(name)
    assert answer.status == 429 and int(answer.headers["retry-after"]) >= 1, answer
    assert Visitor(server).sign_in("bob").status == 303, "others are not held up"
    if name == "alice":
        wait_for(lambda: Visitor(server).sign_in(name).status == 303)


# MARK: Forms


def test_a_form_without_its_token_or_from_elsewhere_is_refused_and_recorded(admin, store):
    made(store)
    path, before = f"{SECRETS}/A/remove", store.json("secret", "list", ALGORITHM)
    fields = admin.fields(path)
    other = Visitor(admin.server, "other", "admin")
    theirs = other.fields(path)["form_token"]
    for change in ({"form_token": ""}, {"form_token": theirs}, {"form_token": fields["form_token"][:-1]}):
        answer = admin.post(path, {**fields, **change})
        assert answer.status == 403 and "without the token" in answer.body.decode(), answer
    host = f"localhost:{admin.server.port}"
    for headers in (
        {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"sec_fetch_site": "none"},
        {"sec_fetch_site": None}, {"sec_fetch_site": None, "origin": "null"},
        {"sec_fetch_site": None, "origin": "https://evil.example"}, {"sec_fetch_site": None, "origin": f"https://{host}.evil.example"},
    ):
        answer = admin.post(path, fields, **headers)
        assert answer.status == 403 and "not from a page of this server" in answer.body.decode(), headers
        assert Visitor(admin.server).post("/sign-in", {"user": "admin", "password": PASSWORD, "next": "/"}, **headers).status == 403
    line = audit(store, "--action", "api.request", "--user", "admin")[-1]
    assert line["outcome"] == "denied" and "without the token of its form" in line["detail"]
    assert store.json("secret", "list", ALGORITHM) == before
    assert admin.post(path, fields, sec_fetch_site=None, origin=f"https://{host}").status == 303


@pytest.mark.parametrize("body, kind", [
    (b"a=1&a=2", None), (b"secret_value=%zz", None), (b"%66orm=1", None), (b"unknown=1", None), (b"short_name=%ff", None),
    (b"{}", "application/json"), (b"short_name=A", "text/plain"), (b"short_name=A", "multipart/form-data; boundary=a"),
])
def test_a_form_that_no_page_of_ours_sends_is_refused(admin, store, body, kind):
    token = admin.fields(f"{SECRETS}/new")["form_token"].encode()
    headers = {"content_type": kind} if kind else {}
    answer = admin.ask("POST", f"{SECRETS}/new", body + b"&form_token=" + token, **headers)
    assert answer.status in (400, 403, 415), answer
    assert not store.json("secret", "list", ALGORITHM)


# > Every byte but CR LF arrives as it was sent — docs/WEB.md#values
@pytest.mark.parametrize("sent, kept", [
    ("a\r\nb\r\n", "a\nb\n"), ("\r\n", "\n"), ("a\rb", "a\rb"), ("\n\n a\t", "\n\n a\t"), ("+ %2B&=é\u202e🔑", None), ("\r\r\n\n", "\r\n\n"),
])
def test_a_value_is_exact_but_for_line_ends(admin, store, sent, kept):
    assert admin.create("EXACT", VALUE + sent).status == 303
    assert (store.mount() / "EXACT").read_bytes() == (VALUE + (sent if kept is None else kept)).encode()


def test_a_value_of_a_mebibyte_is_taken_and_a_longer_one_is_not(admin, store):
    whole = VALUE + "é" * ((2**20 - len(VALUE)) // 2)
    whole += "x" * (2**20 - len(whole.encode()))
    assert admin.create("LONG", whole, delivery="file").status == 303
    assert (store.mount() / "LONG").read_bytes() == whole.encode()
    answer = admin.create("LONGER", whole + "x", delivery="file")
    assert answer.status == 422 and "1048576 bytes" in answer.body.decode()
    assert "No variable can hold this value" in admin.create("LONGER", whole).body.decode()
    # It is refused before it is read.
    assert admin.ask("POST", f"{SECRETS}/new", b"", content_length=str(2**23)).status == 413
    assert len(store.json("secret", "list", ALGORITHM)) == 1


@pytest.mark.parametrize("change, words", [
    ({"secret_key": "9A"}, "must start with a letter"), ({"secret_key": "LD_PRELOAD"}, "take this variable for code"),
    ({"secret_key": "TAKEN"}, "There is a secret of this name already"), ({"short_name": " "}, "it is empty"),
    ({"short_name": "x" * 129}, "at most 128"), ({"short_name": "a\u202eb"}, "control characters"),
    ({"description": "x" * 65_000}, "at most 1024"), ({"secret_value": ""}, "Type or paste the value"),
    ({"provider_id": "vault"}, "Choose a provider"), ({"delivery": "x"}, "Choose one of the two"),
    ({"secret_value": "a\0b"}, "it contains a NUL byte"),
])
def test_what_is_wrong_is_said_at_its_field(admin, store, change, words):
    made(store, "TAKEN")
    fields = {"short_name": "A", "secret_key": "A", "secret_value": VALUE, **change}
    answer = admin.send(f"{SECRETS}/new", fields)
    page = answer.body.decode()
    assert answer.status == 422 and words in page, page
    (field,) = set(change)
    assert re.search(rf'id="{field}"[^>]*aria-describedby="[^"]*{field}-error', page) and f'id="{field}-error"' in page
    assert len(store.json("secret", "list", ALGORITHM)) == 1


def test_a_form_of_a_secret_that_was_made_again_meanwhile_changes_nothing(admin, store):
    made(store)
    forms = {path: admin.fields(f"{SECRETS}/A/{path}") for path in ("update", "remove")}
    store.does("secret", "delete", ALGORITHM, "A", "--yes")
    made(store, "A", VALUE + "-other")
    for path, fields in forms.items():
        answer = admin.post(f"{SECRETS}/A/{path}", fields)
        assert answer.status == 409 and "deleted and made again" in answer.body.decode()
    assert (store.mount() / "A").read_text() == VALUE + "-other"


def test_an_update_without_a_value_keeps_it_and_makes_no_version(admin, store):
    made(store)
    assert admin.send(f"{SECRETS}/A/update", {"description": "New words"}).status == 303
    assert "its value is as it was" in admin.get(SETTINGS).body.decode()
    (secret,) = store.json("secret", "list", ALGORITHM)
    assert len(store.json("secret", "history", ALGORITHM, "A")) == 1 and "New words" in str(store.json("secret", "show", ALGORITHM, "A"))
    before = len(audit(store))
    assert admin.send(f"{SECRETS}/A/update").status == 303
    assert "Nothing was different" in admin.get(SETTINGS).body.decode() and len(audit(store)) == before
    assert secret


# MARK: Who may see and do what


def test_what_a_user_may_not_see_is_like_what_is_not_there(server, store):
    made(store, of="nlp/Other")
    carol = Visitor(server, "carol", f"collaborator:{ALGORITHM}")
    assert f"/algorithms/{ALGORITHM}/settings" in carol.get("/").body.decode() and "Other" not in carol.get("/").body.decode()

    def seen(path):
        answer = carol.get(path)
        return answer.status, answer.body.decode().replace(answer.headers["x-request-id"], "ID")

    for page in ("settings", "secrets/new", "secrets/A", "secrets/A/update", "secrets/A/remove", "secrets/A/rollback?version=1"):
        assert seen(f"/algorithms/nlp/Other/{page}") == seen(f"/algorithms/nlp/Nothing/{page}")
        assert seen(f"/algorithms/nlp/Other/{page}")[0] == 404
    assert carol.get(f"{SECRETS}/NOTHING").status == 404
    assert carol.get("/audit").status == 403 and carol.get("/providers").status == 403
    page = carol.get("/").body.decode()
    assert "/audit" not in page and "/providers" not in page


def test_a_viewer_sees_no_button_and_is_refused_a_forged_form(admin, server, store):
    made(store)
    store.does("secret", "update", ALGORITHM, "A", "--value-file", "-", input=VALUE.encode())
    vera = Visitor(server, "vera", "viewer")
    for path in (SETTINGS, f"{SECRETS}/A", "/providers"):
        main = vera.get(path).body.decode().split("<main", 1)[1]
        assert not re.search(r"Update</|>Update<|>Remove<|New secret|Roll back<|<button[^>]*>(?!Search)", main), main
    token = re.search(r'name="form_token" value="(\w+)"', vera.get("/").body.decode())[1]
    before = store.json("secret", "history", ALGORITHM, "A")
    secret = admin.fields(f"{SECRETS}/A/remove")["secret_id"]
    for page in ("new", "A/update", "A/remove", "A/rollback?version=1"):
        assert vera.get(f"{SECRETS}/{page}").status == 403
        assert vera.post(f"{SECRETS}/{page}", {"form_token": token, "secret_id": secret}).status == 403
    assert store.json("secret", "history", ALGORITHM, "A") == before
    lines = audit(store, "--outcome", "denied", "--user", "vera")
    assert lines and lines[0]["algorithm"] == ALGORITHM


def test_an_owner_sees_the_audit_log_of_the_owner_only(server, store):
    made(store)
    made(store, "B", VALUE, "vision/Captions")
    olga = Visitor(server, "olga", "owner:nlp")
    page = olga.get("/audit").body.decode()
    records = page.split("<tbody", 1)[1]
    assert ALGORITHM in records and "vision" not in records and "server.start" not in records
    assert olga.get("/audit?owner=vision").status == 403
    assert olga.get("/audit?algorithm=vision/Captions").status == 403


# MARK: What pages tell


def test_the_page_tells_what_is_shared_and_why_and_what_is_marked(admin, store):
    made(store, "SOON", VALUE, ALGORITHM, "--expires", "3d")
    made(store, "FILE", VALUE, ALGORITHM, "--delivery", "file")
    made(store, "SHARED", VALUE, "nlp")
    store.does("grant", "nlp", "SHARED", "--to", "nlp/*")
    page = admin.get(SETTINGS).body.decode()
    for words in ("Expires in ", "File only", "Shared with this algorithm", "granted to <code>nlp/*</code>", "1-2 of 2"):
        assert words in page, words
    assert "1-1 of 1" in admin.get(f"{SETTINGS}?show=expiring").body.decode()
    assert "SOON" not in admin.get(f"{SETTINGS}?q=file").body.decode().split("<tbody")[1]
    assert "Nothing found" in admin.get(f"{SETTINGS}?q=nowhere").body.decode()


def test_what_a_program_read_is_told_on_the_page(admin, store):
    made(store, "READ")
    made(store, "OTHER", VALUE, ALGORITHM, "--delivery", "file")
    (store.mount() / "READ").read_bytes()

    def row(name):
        page = admin.get(SETTINGS).body.decode()
        return next(row for row in page.split("<tr ") if f"<code>{name}</code>" in row)

    wait_for(lambda: 'data-label="Last read"><time' in row("READ"))
    assert "Never" in row("OTHER")


def test_many_secrets_are_paged_and_searched(admin, store):
    lines = "".join(f"KEY_{number:04}={VALUE}\n" for number in range(120)).encode()
    store.does("import", ALGORITHM, "-", input=lines)
    page = admin.get(SETTINGS).body.decode()
    assert "1-50 of 120" in page and "KEY_0049" in page and "KEY_0050" not in page
    follow = re.search(r'rel="next" href="([^"]+)"', page)[1]
    page = admin.get(follow).body.decode()
    assert "51-100 of 120" in page and 'rel="prev"' in page
    assert "101-120 of 120" in admin.get(f"{SETTINGS}?page=999999999").body.decode()
    for number in ("0", "-1", "x", "9" * 40):
        assert "1-50 of 120" in admin.get(f"{SETTINGS}?page={number}").body.decode()
    assert "1-10 of 10" in admin.get(f"{SETTINGS}?q=key_001").body.decode()


def test_errors_are_pages_with_the_number_of_their_request(admin, server):
    for path, status in (("/nothing", 404), (f"{SECRETS}/A/rollback", 404), ("/?q=1&q=2", 400), ("/?q=%ff", 400)):
        answer = admin.get(path)
        assert answer.status == status and answer.headers["x-request-id"] in answer.body.decode(), answer
    assert admin.ask("PUT", "/").status == 405
    server.ask("GET", "/nothing").refused(404, 404)


# MARK: Nothing has a value


# > No page, header or line of a log ever has a value — docs/WEB.md#values
def test_nothing_that_is_answered_or_written_has_a_value(admin, server, store):
    answers = [admin.create("A", VALUE + "-1"), admin.create("A", VALUE + "-taken"), admin.create("9", VALUE + "-wrong")]
    answers += [admin.send(f"{SECRETS}/A/update", {"secret_value": VALUE + "-2"}), admin.post(f"{SECRETS}/new", {"secret_value": VALUE})]
    answers += [Visitor(server).post(f"{SECRETS}/new", {"secret_value": VALUE, "secret_key": "B"})]
    answers += [admin.ask("POST", f"{SECRETS}/new", f"secret_value={VALUE}%".encode())]
    for page in ("/", SETTINGS, f"{SECRETS}/new", f"{SECRETS}/A", f"{SECRETS}/A/update", f"{SECRETS}/A/rollback?version=1", f"{SECRETS}/A/remove", "/audit"):
        answers.append(admin.get(page))
    answers.append(admin.send(f"{SECRETS}/A/rollback?version=1"))
    # `Answer` looks into each of them.
    assert [answer.status for answer in answers[:7]] == [303, 422, 422, 303, 403, 303, 403]
    server.stop()
    assert PLANTED not in server.log.encode()
    assert not [path for path, content in files(store.root / "state").items() if PLANTED in content]


@pytest.mark.parametrize("size", [100, 300_000])
def test_no_value_and_no_password_is_left_in_the_servers_memory(server, size):
    password = os.urandom(40).hex()
    server.store.does("user", "create", "alice", "--role", "admin", "--password-file", "-", input=password.encode())
    visitor = Visitor(server)
    assert visitor.sign_in("alice", password.encode()).status == 303
    values = [os.urandom(size).hex()[:size] for _ in range(3)]
    assert visitor.create("A", values[0], delivery="file").status == 303
    assert visitor.send(f"{SECRETS}/A/update", {"secret_value": values[1]}).status == 303
    assert visitor.create("9", values[2]).status == 422
    for secret in [password, *values]:
        found = places(server.process.pid, secret.encode())
        assert not found, f"it is left at {[hex(place) for place in found]}"


# > The server takes 20 ms at most for a page of an algorithm with 1,000 secrets — docs/WEB.md#how-fast
def test_a_page_of_a_thousand_secrets_is_quick(admin, store):
    if "release" not in str(store.binary):
        pytest.skip("a debug build is not measured")
    lines = "".join(f"KEY_{number:04}={VALUE}\n" for number in range(1000)).encode()
    store.does("import", ALGORITHM, "-", input=lines)
    for path in (SETTINGS, f"{SETTINGS}?q=key_09", f"{SETTINGS}?page=20", "/"):
        for _ in range(20):
            assert admin.get(path).status == 200
        times = [float(time) for time in re.findall(r'"milliseconds":"([\d.]+)"', admin.server.log)[-20:]]
        # The quickest: what others do on the machine is not measured.
        assert min(times) <= 20, (path, times)
        print(f"{path}: {min(times)} ms at best, {sorted(times)[10]} ms mostly")


# > Two passwords are tried at once, 16 wait, and further ones are told to come again (503) — docs/WEB.md#passwords
def test_many_sign_ins_at_once_take_no_more_memory_than_two(server):
    user(server.store, "alice", "admin")
    pid = server.process.pid

    def peak() -> int:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) // 1024

    assert Visitor(server).sign_in("alice").status == 303
    before = peak()
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(lambda number: Visitor(server).sign_in(f"user{number}").status, range(40)))
    assert set(statuses) == {422, 503}, statuses
    assert peak() - before < 200, "one more of 128 MiB, and little else"
    assert Visitor(server).sign_in("alice").status == 303


def test_nothing_is_done_that_cannot_be_recorded(admin, server, store):
    made(store)
    log = store.state / "audit.log"
    log.rename(log.with_suffix(".away"))
    log.mkdir()
    assert Visitor(server).sign_in("admin").status == 500, "nobody signs in unrecorded"
    answer = admin.create("B", VALUE)
    assert answer.status == 500 and answer.headers["x-request-id"] in answer.body.decode()
    log.rmdir()
    log.with_suffix(".away").rename(log)
    assert len(store.json("secret", "list", ALGORITHM)) == 1
    assert admin.create("B", VALUE).status == 303
