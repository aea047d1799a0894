"""Users of the server and their API keys, as the commands make them: what is kept, what is shown, and what is refused."""

import json
import os
import re
import subprocess
import time

import pytest
from box_support import Traces
from conftest import PLANTED
from support import ALGORITHM, Terminal, empty, store  # noqa: F401 (fixtures)
from test_doctor import flip, records

PASSWORD = PLANTED + b"-correct-horse-battery"
KEY = re.compile(r"sfs_([a-z2-7]{10})_[a-z2-7]{52}")


def create(store, name, *roles, password=PASSWORD):
    options = [word for role in roles for word in ("--role", role)]
    return store.does("user", "create", name, *options, "--password-file", "-", input=password)


def key(store, name, *options):
    """Makes an API key: its ID, and its text."""
    outcome = store.does("api-key", "create", name, *options)
    match = KEY.fullmatch(outcome.output.removesuffix("\n"))
    assert match and outcome.output.endswith("\n"), "the key is alone on standard output"
    (line,) = outcome.errors.splitlines()
    assert line.startswith(f"secretfs: made API key {match[1]} of {name}") and match[0] not in line
    return match[1], match[0]


def audit(store, *options):
    return [json.loads(line) for line in store.does("audit", "--json", *options).output.splitlines()]


def files(store) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.state.rglob("*") if path.is_file()}


def left(store, secret: bytes) -> list[str]:
    """The files of the state folder that have anything of `secret`."""
    return [path for path, content in files(store).items() if Traces(secret).are_in(content)]


def test_users_are_made_listed_shown_changed_and_deleted(store):
    outcome = create(store, "alice", "owner:nlp", "viewer")
    assert outcome.output == "Created user alice: owner:nlp, viewer.\n" and outcome.errors == ""
    outcome = store.does("user", "create", "ci", "--no-password")
    assert "hint: give it a role" in outcome.errors
    users = store.json("user", "list")
    assert [(user["name"], user["roles"], user["password"], user["disabled"]) for user in users] == [
        ("alice", ["owner:nlp", "viewer"], True, False),
        ("ci", [], False, False),
    ]
    table = store.does("user", "list").output.splitlines()
    assert re.fullmatch(r"alice +enabled +set +\S+ +owner:nlp, viewer", table[1])
    assert re.fullmatch(r"ci +enabled +none +\S+ +no role", table[2])

    changes = ["--add-role", f"collaborator:{ALGORITHM}", "--remove-role", "viewer", "--disable"]
    assert store.does("user", "update", "alice", *changes).output.endswith("owner:nlp. Disabled.\n")
    identity, _ = key(store, "alice", "--label", "laptop", "--expires", "90d", "--read-only")
    alice = store.json("user", "show", "alice")
    assert alice["roles"] == [f"collaborator:{ALGORITHM}", "owner:nlp"] and alice["disabled"]
    assert alice["id"] == users[0]["id"] and alice["modified"] > alice["created"]
    (made,) = alice["apiKeys"]
    assert (made["id"], made["user"], made["label"], made["readOnly"], made["expired"]) == (identity, "alice", "laptop", True, False)
    assert "State     disabled" in store.does("user", "show", "alice").output

    store.does("user", "update", "alice", "--enable")
    assert store.does("user", "password", "alice", "--no-password").output == "alice has no password.\n"
    assert not store.json("user", "show", "alice")["password"]
    assert store.does("user", "delete", "alice", "--yes").output == "Deleted user alice.\n"
    assert [user["name"] for user in store.json("user", "list")] == ["ci"]
    assert store.json("api-key", "list") == []


# > `api-key create` prints the key alone on standard output, this once — docs/CLI.md#users
def test_a_key_is_shown_once_and_kept_nowhere(store):
    create(store, "alice", "admin")
    identity, text = key(store, "alice")
    other = store.does("api-key", "create", "alice", "--json", "--label", 'with "quotes" \\ and ü')
    report = json.loads(other.output)
    assert KEY.fullmatch(report["key"])[1] == report["id"] and report["label"] == 'with "quotes" \\ and ü'
    assert set(report) == {"key", "id", "user", "label", "readOnly", "created", "expired"}
    for secret in (text, report["key"]):
        secret = secret[15:].encode()
        assert left(store, secret) == []
        for command in (["user", "list"], ["user", "show", "alice"], ["api-key", "list"], ["api-key", "list", "alice"]):
            for form in ([], ["--json"]):
                outcome = store.does(*command, *form)
                assert not Traces(secret).are_in((outcome.output + outcome.errors).encode())
    assert {made["id"] for made in store.json("api-key", "list")} == {identity, report["id"]}


def test_the_search_finds_a_key_that_is_there(store):
    """The alarm rings."""
    create(store, "alice", "admin")
    _, text = key(store, "alice")
    (store.state / "agent.log").write_bytes(b"x" + text.encode())
    assert left(store, text[15:].encode()) == [str(store.state / "agent.log")]


def in_a_file(store, *command):
    (store.root / "password").write_bytes(PASSWORD + b"\n")
    store.does(*command, "--password-file", store.root / "password")
    (store.root / "password").unlink()


def by_standard_input(store, *command):
    store.does(*command, input=PASSWORD)


def on_a_terminal(store, *command):
    with Terminal(store, *command) as terminal:
        terminal.expect(b"New password of ")
        terminal.type(PASSWORD + b"\n")
        terminal.expect(b"Once more: ")
        terminal.type(PASSWORD + b"\n")
        assert terminal.end() == 0, terminal.shown
        assert PASSWORD not in terminal.shown, "it was echoed"


@pytest.mark.parametrize("give", [in_a_file, by_standard_input, on_a_terminal])
def test_a_password_is_kept_nowhere(store, give):
    give(store, "user", "create", "alice", "--role", "admin")
    before = store.json("user", "show", "alice")
    assert before["password"]
    give(store, "user", "password", "alice")
    assert store.json("user", "show", "alice")["modified"] > before["modified"]
    assert left(store, PASSWORD) == []


def test_neither_is_in_arguments_or_variables(store):
    """Each is held while the command waits for the rest of its input."""
    process = store.start("user", "create", "alice", "--role", "admin", stdin=subprocess.PIPE)
    process.stdin.write(PASSWORD[:20])
    process.stdin.flush()
    time.sleep(0.5)
    seen = b"".join(open(f"/proc/{process.pid}/{name}", "rb").read() for name in ("cmdline", "environ"))
    assert b"alice" in seen and PASSWORD[:20] not in seen
    process.stdin.write(PASSWORD[20:])
    process.stdin.close()
    assert process.wait(timeout=60) == 0


def test_two_passwords_that_differ_change_nothing(store):
    with Terminal(store, "user", "create", "alice", "--role", "admin") as terminal:
        terminal.expect(b"New password of alice: ")
        terminal.type(PASSWORD + b"\n")
        terminal.expect(b"Once more: ")
        terminal.type(PASSWORD + b"x\n")
        assert terminal.end() == 65 and b"differ" in terminal.shown
    assert store.json("user", "list") == []


# > A password has 12 to 1,024 bytes, and nothing else is asked of it. — docs/CLI.md#users
@pytest.mark.parametrize("password, status", [(b"x" * 11, 65), (b"x" * 12, 0), (b"x" * 1024, 0), (b"x" * 1025, 65), (b"x" * 5000, 65), (b"", 65), (b"\n", 65)])
def test_a_passwords_length_is_all_that_counts(store, password, status):
    for command in (["create", "alice", "--role", "viewer"], ["password", "bob"]):
        if command[0] == "password":
            store.does("user", "create", "bob", "--no-password")
        outcome = store.run("user", *command, input=password)
        assert outcome.status == status, outcome
        if status:
            outcome.failed(status)
            assert password.strip() == b"" or password.strip().decode() not in outcome.errors
    assert [user["name"] for user in store.json("user", "list")] == (["bob"] if status else ["alice", "bob"])
    newline = store.run("user", "create", "carol", input=password + b"\n")
    assert newline.status == status, "a newline at the end is not counted"


@pytest.mark.parametrize(
    "status, words, command",
    [
        (65, "small letter", ["user", "create", "Alice", "--no-password"]),
        (65, "small letters, digits", ["user", "create", "a b", "--no-password"]),
        (65, "collaborator:OWNER/NAME", ["user", "create", "bob", "--role", "root", "--no-password"]),
        (65, "OWNER/NAME", ["user", "create", "bob", "--role", "collaborator:nlp", "--no-password"]),
        (73, "there is a user alice", ["user", "create", "alice", "--no-password"]),
        (64, "contradict", ["user", "create", "bob", "--no-password", "--password-file", "x"]),
        (66, "cannot be read", ["user", "create", "bob", "--password-file", "none"]),
        (66, "no user bob", ["user", "show", "bob"]),
        (66, "no user bob", ["user", "update", "bob", "--disable"]),
        (66, "no user bob", ["user", "password", "bob"]),
        (66, "no user bob", ["user", "delete", "bob", "--yes"]),
        (66, "no user bob", ["api-key", "create", "bob"]),
        (66, "no user bob", ["api-key", "list", "bob"]),
        (64, "nothing to change", ["user", "update", "alice"]),
        (64, "contradict", ["user", "update", "alice", "--disable", "--enable"]),
        (64, "given and taken", ["user", "update", "alice", "--add-role", "admin", "--remove-role", "admin"]),
        (66, "does not have the role viewer", ["user", "update", "alice", "--remove-role", "viewer"]),
        (64, "--yes", ["user", "delete", "alice"]),
        (65, "in the past", ["api-key", "create", "alice", "--expires", "2020-01-01"]),
        (65, "--expires", ["api-key", "create", "alice", "--expires", "soon"]),
        (65, "line breaks", ["api-key", "create", "alice", "--label", "a\nb"]),
        (65, "at most 128", ["api-key", "create", "alice", "--label", "x" * 129]),
        (66, "no API key aaaaaaaaaa", ["api-key", "revoke", "aaaaaaaaaa"]),
        (65, "10 letters and digits", ["api-key", "revoke", "sfs_aaaaaaaaaa_" + "a" * 52]),
        (64, "create, list, show, update, password, delete", ["user", "add", "bob"]),
    ],
)
def test_wrong_input_is_named_and_changes_nothing(store, status, words, command):
    create(store, "alice", "admin")
    before = store.json("user", "list")
    said = store.run(*command).failed(status, words)
    assert "a" * 52 not in said
    assert store.json("user", "list") == before and store.json("api-key", "list") == []


def test_a_role_for_what_is_not_there_is_given_with_a_warning(store):
    outcome = store.does("user", "create", "bob", "--role", "owner:npl", "--role", "collaborator:nlp/No", "--no-password")
    assert outcome.errors.splitlines() == [
        "secretfs: warning: owner:npl: there is no algorithm of owner npl",
        "secretfs: warning: collaborator:nlp/No: there is no algorithm nlp/No",
    ]
    assert create(store, "alice", "owner:nlp", f"collaborator:{ALGORITHM}").errors == ""


def test_a_key_that_nobody_could_read_is_revoked(store):
    create(store, "alice", "admin")
    with open("/dev/full", "wb") as full:
        process = store.start("api-key", "create", "alice", stdout=full, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 74 and b"it was revoked" in errors, errors
    assert store.json("api-key", "list") == []
    assert [line["action"] for line in audit(store)][-2:] == ["api-key.create", "api-key.revoke"]


def test_the_audit_log_has_every_change_before_it_is_made(store):
    create(store, "alice", "viewer")
    store.does("user", "update", "alice", "--add-role", "owner:nlp", "--disable")
    store.does("user", "password", "alice", "--no-password")
    identity, text = key(store, "alice")
    store.does("api-key", "revoke", identity)
    store.does("user", "delete", "alice", "--yes")
    lines = [line for line in audit(store) if line["action"].startswith(("user.", "api-key."))]
    assert [(line["action"], line["detail"]) for line in lines] == [
        ("user.create", "alice +viewer"),
        ("user.update", "alice +owner:nlp disabled"),
        ("user.update", "alice no password"),
        ("api-key.create", f"alice {identity}"),
        ("api-key.revoke", f"alice {identity}"),
        ("user.delete", "alice"),
    ]
    assert {(line["outcome"], line["uid"]) for line in lines} == {("ok", os.geteuid())}
    assert len(audit(store, "--action", "user.update")) == 2
    assert audit(store, "--user", "alice") == [], "root did it, not alice"
    store.does("audit", "verify")


def test_nothing_changes_where_no_audit_record_can_be_written(store):
    create(store, "alice", "viewer")
    identity, _ = key(store, "alice")
    log = store.state / "audit.log"
    log.rename(store.root / "away")
    log.mkdir()
    for command in (
        ["user", "create", "bob", "--no-password"], ["user", "update", "alice", "--add-role", "admin"], ["user", "delete", "alice", "--yes"],
        ["user", "password", "alice", "--no-password"], ["api-key", "create", "alice"], ["api-key", "revoke", identity],
    ):  # fmt: skip
        outcome = store.run(*command)
        assert outcome.status not in (0, 64, 65, 66) and outcome.output == "", (command, outcome)
    log.rmdir()
    (store.root / "away").rename(log)
    (alice,) = store.json("user", "list")
    assert alice["roles"] == ["viewer"] and alice["password"]
    assert [made["id"] for made in store.json("api-key", "list")] == [identity]


def test_they_survive_new_keys_a_backup_and_the_doctor(store):
    create(store, "alice", "owner:nlp")
    identity, _ = key(store, "alice", "--label", "kept")
    before = store.json("user", "show", "alice")
    store.does("key", "rotate")
    store.does("root-key", "rotate", "--yes")
    assert store.json("user", "show", "alice") == before
    (finding,) = records(store)
    assert finding["level"] == "ok" and finding["finding"].startswith("all ")
    store.does("backup", store.root / "copy")
    root_key = store.state / "root.key"
    restored = store.root / "other"
    store.does("restore", store.root / "copy", "--state", restored, "--root-key-file", root_key)
    after = store.json("user", "show", "alice", "--state", restored, "--root-key-file", root_key)
    assert after == before and after["apiKeys"][0]["id"] == identity


def test_a_changed_record_is_found_and_named(store):
    create(store, "alice", "owner:nlp")
    identity, _ = key(store, "alice")
    assert [flip(store, prefix) for prefix in ("user/", "api-key/")] == ["user/alice", f"api-key/{identity}"]
    store.run("user", "show", "alice").failed(70, "user/alice")
    store.run("api-key", "list").failed(70, f"api-key/{identity}")
    said = " ".join(finding["finding"] for finding in records(store, status=69))
    assert "user/alice" in said and f"api-key/{identity}" in said
    # What does not open lets nobody in, and can be taken away.
    store.does("api-key", "revoke", identity)
    store.does("user", "delete", "alice", "--yes")
    assert store.json("user", "list") == [] and store.json("api-key", "list") == []


def asked(store, *words, command, argument):
    """What a shell's script asks for the last of `words`, and hears."""
    asking = ["---completion", *command, "--", argument, str(len(words) - 1), str(len(words[-1])), *words]
    return store.does(*asking, env={"SAP_SHELL": "bash"}).output.split()


def test_shells_complete_users_keys_and_roles(store):
    create(store, "alice", "admin")
    store.does("user", "create", "albert", "--no-password")
    identity, _ = key(store, "alice")
    (store.state / "root.key").rename(store.root / "away")
    assert asked(store, "secretfs", "user", "show", "al", command=["user", "show"], argument="positional@0") == ["albert", "alice"]
    assert asked(store, "secretfs", "api-key", "create", "ali", command=["api-key", "create"], argument="positional@0") == ["alice"]
    assert asked(store, "secretfs", "api-key", "revoke", "", command=["api-key", "revoke"], argument="positional@0") == [identity]
    roles = ["admin", "viewer", "owner:nlp", f"collaborator:{ALGORITHM}"]
    for command, option in (("create", "--role"), ("update", "--add-role"), ("update", "--remove-role")):
        assert asked(store, "secretfs", "user", command, option, "", command=["user", command], argument=option) == roles
