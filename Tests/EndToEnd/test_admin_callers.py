"""The admin mount: who may open, as files (docs/SEMANTICS.md#the-admin-mount)."""

import errno
import json
import os
import subprocess

import pytest
from support import ALGORITHM, COMMAND_DEADLINE, OTHER_UID, change, empty, needs_root, store  # noqa: F401 (fixtures)
from test_admin_mount import SECRET, Admin, admin, fails, secret  # noqa: F401 (fixtures)

pytestmark = needs_root
HASH = "5a" * 32
LONG = "/opt/" + "x" * 200 + "/a tool"
RULE = f"uid 0\nuid 1000\ngid 27\nexecutable /usr/bin/cat\nexecutable {LONG}@sha256:{HASH}\ncgroup /system.slice/a b\n"


@pytest.fixture(params=["secret", "algorithm"])
def subject(request, secret):
    """The file of a rule, what `secretfs callers` calls its subject, and the mount."""
    if request.param == "secret":
        return secret.secret / "callers", [ALGORITHM, SECRET], secret
    return secret.home / ".callers", [ALGORITHM], secret


def shown(admin, words) -> dict:
    return admin.store.json("callers", *words)


def test_a_rule_is_written_a_line_for_each_thing_and_read_back(subject):
    path, words, admin = subject
    assert path.read_text() == ""
    with change(admin.mount):
        path.write_text(RULE)
    assert path.read_text() == RULE and path.stat().st_size == len(RULE)
    rule = shown(admin, words)
    assert (rule["uids"], rule["gids"], rule["cgroups"]) == ([0, 1000], [27], ["/system.slice/a b"])
    assert rule["executables"] == [{"path": "/usr/bin/cat"}, {"path": LONG, "sha256": HASH}]
    # What a command changes shows, and an empty text is a rule for everybody.
    admin.store.does("callers", *words, "--clear", "--uid", "7")
    assert path.read_text() == "uid 7\n"
    path.write_text("\n")
    assert path.read_text() == "" and shown(admin, words)["anyone"] is True


def test_users_by_name_and_the_lines_that_the_command_shows_are_understood(subject):
    path, words, admin = subject
    path.write_text("  uid         root\n  or          1000\n\n  exe  /usr/bin/cat\n\tgid\troot\nuid 0\n")
    assert path.read_text() == "uid 0\nuid 1000\ngid 0\nexecutable /usr/bin/cat\n"
    lines = admin.store.does("callers", *words).output.splitlines()[1:]
    before = path.read_text()
    path.write_text("\n")
    path.write_text("\n".join(lines) + "\n")
    assert path.read_text() == before


# > Writing back what was read changes nothing. — docs/SEMANTICS.md#callers-and-grants
def test_writing_back_what_was_read_changes_nothing(subject):
    path, words, admin = subject
    with change(admin.mount):
        path.write_text(RULE)
    log = (admin.store.state / "audit.log").read_bytes()
    number = (admin.mount / ".generation").read_bytes()
    path.write_text(path.read_text())
    assert path.read_text() == RULE
    assert (admin.store.state / "audit.log").read_bytes() == log
    assert (admin.mount / ".generation").read_bytes() == number


@pytest.mark.parametrize("bad, reason", [
    ("planted-7f3a-value", "line 1 begins with no kind of rule"),
    ("uid 0\nuid planted-7f3a", "line 2 is not a user"),
    ("gid 4294967295", "line 1 is not a group"),
    ("uid", "line 1 is not a user"),
    ("or 5", "line 1 begins with no kind of rule"),
    ("executable planted-7f3a", "line 1 is not /path or"),
    ("executable /a@sha256:12", "line 1 is not /path or"),
    ("executable /a/../b", "line 1 is not /path or"),
    ("cgroup /sys/fs/cgroup/a", "line 1 is not the path of a cgroup"),
    ("uid 0\r\nuid 1", "line 1 is not a user"),
    ("\n".join(f"uid {number}" for number in range(65)), "line 65 is one more than the 64"),
    ("uid 0\0", "line 1 is not a user"),
    (b"uid 0\n\xff", "not UTF-8"),
])
def test_a_bad_line_refuses_the_whole_rule(subject, bad, reason):
    path, words, admin = subject
    path.write_text("uid 5\n")
    before = admin.store.does("callers", *words, "--json").output
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    os.write(descriptor, bad if isinstance(bad, bytes) else bad.encode())
    fails(errno.EINVAL, lambda: os.close(descriptor))
    assert path.read_text() == "uid 5\n"
    assert admin.store.does("callers", *words, "--json").output == before
    # Why, and never what was written: it may be a value that went to the wrong file.
    assert reason in admin.log and "planted-7f3a" not in admin.log


def test_a_rule_that_was_written_holds_and_is_audited_with_the_writer(subject):
    path, words, admin = subject
    admin.store.does("unmount", admin.root)
    admin.store.does("mount", "--admin", admin.root, "--uid", str(OTHER_UID), "--gid", str(OTHER_UID))
    script = f"echo uid {OTHER_UID} > {path}"
    writer = ["setpriv", "--reuid", str(OTHER_UID), "--regid", str(OTHER_UID), "--clear-groups", "sh", "-c", script]
    with change(admin.mount):
        subprocess.run(writer, check=True, timeout=COMMAND_DEADLINE)
    fails(errno.EACCES, lambda: os.open(admin.mount / SECRET, os.O_RDONLY))
    lines = [json.loads(line) for line in admin.store.does("audit", "--json").output.splitlines()]
    told = [line for line in lines if line["action"] == ("secret.update" if len(words) == 2 else "algorithm.update")]
    assert [(line["uid"], line["outcome"]) for line in told] == [(OTHER_UID, "ok")], told
    assert told[0]["executable"].endswith("sh")


def test_a_secret_is_made_with_its_rule_and_its_grants(admin):
    admin.store.does("algorithm", "create", "vision/Captions")
    shared = admin.root / "owners/nlp/SHARED_TOKEN"
    shared.mkdir()
    (shared / "callers").write_text("uid 0\n")
    (shared / "grants").write_text(f"{ALGORITHM}\nvision/Captions\n")
    assert (shared / "callers").read_text() == "uid 0\n"
    # Never without its rule: both are in the change that makes it.
    (shared / "value").write_bytes(b"shared")
    assert shown(admin, ["nlp", "SHARED_TOKEN"])["uids"] == [0]
    assert (shared / "grants").read_text() == f"{ALGORITHM}\nvision/Captions\n"
    lines = [json.loads(line) for line in admin.store.does("audit", "--json", "--secret", "SHARED_TOKEN").output.splitlines()]
    assert [line["action"] for line in lines] == ["secret.create", "secret.grant", "secret.grant"]
    # One that cannot be granted so is not made.
    other = admin.root / "owners/nlp/OTHER"
    other.mkdir()
    (other / "grants").write_text("vision/*\n")
    descriptor = os.open(other / "value", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"x")
    fails(errno.EINVAL, lambda: os.close(descriptor))
    assert admin.store.names("nlp") == ["SHARED_TOKEN"]


def test_the_rule_of_an_algorithm_is_no_secret_and_stays(secret):
    rule = secret.home / ".callers"
    rule.write_text("uid 0\n")
    assert sorted(os.listdir(secret.home)) == [".callers", SECRET]
    assert secret.sh("cd ..; echo *") == f"{SECRET}\n"
    fails(errno.EPERM, lambda: os.rename(rule, secret.home / "callers"))
    fails(errno.EEXIST, lambda: os.mkdir(rule))
    # `rm -r` unlinks it on its way; the rule is there as long as the algorithm.
    rule.unlink()
    assert not rule.exists() and shown(secret, [ALGORITHM])["uids"] == [0]
    assert ".callers" in os.listdir(secret.home) and rule.read_text() == "uid 0\n"
    secret.sh("cd ../..; rm -r Summarizer; mkdir Summarizer")
    assert rule.read_text() == ""
