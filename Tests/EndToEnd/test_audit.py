"""The audit log: every open has its line, and nobody takes one away unseen."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest
from conftest import PLANTED
from support import ALGORITHM, OTHER_UID, change, empty, needs_root, store, wait_until  # noqa: F401 (fixtures)

DAMAGED = 70


def audit(store, *options):
    return [json.loads(line) for line in store.does("audit", "--json", *options).output.splitlines()]


def actions(store, *options):
    return [line["action"] for line in audit(store, *options)]


def test_what_happens_is_recorded_in_order_with_who_did_it(store):
    store.create("A", b"1")
    store.update("A", b"2")
    store.does("secret", "update", ALGORITHM, "A", "--metadata-only", "--description", "about")
    store.does("secret", "rollback", ALGORITHM, "A", "--to", "1")
    store.does("secret", "destroy", ALGORITHM, "A", "--version", "2", "--yes")
    mount = store.mount()
    (mount / "A").read_bytes()
    (mount / ".environ").read_bytes()
    store.does("unmount", mount)
    store.does("agent", "--stop")
    store.delete("A")
    store.does("algorithm", "delete", ALGORITHM, "--yes")
    lines = audit(store)
    assert [line["action"] for line in lines] == [
        "log.begin", "init", "algorithm.create", "secret.create", "secret.update", "secret.update", "secret.rollback",
        "secret.destroy", "agent.start", "unseal", "mount", "open", "environ", "unmount", "seal", "agent.stop",
        "secret.delete", "algorithm.delete",
    ]  # fmt: skip
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert all(line["outcome"] == "ok" and line["uid"] == os.geteuid() for line in lines)
    by_action = {line["action"]: line for line in lines}
    assert by_action["secret.create"]["version"] == 1 and by_action["secret.create"]["algorithm"] == ALGORITHM
    assert by_action["secret.create"]["executable"] == os.path.realpath(store.binary)
    assert by_action["open"]["secret"] == "A" and by_action["open"]["version"] == 3
    assert by_action["open"]["pid"] == os.getpid() and by_action["open"]["executable"] == os.path.realpath("/proc/self/exe")
    assert by_action["open"]["cgroup"].startswith("/") and by_action["environ"]["pid"] == os.getpid()
    assert by_action["environ"]["entries"] == 1 and by_action["environ"]["generation"] > 0
    assert by_action["mount"]["detail"] == str(mount) and by_action["mount"]["pid"] > 1
    store.does("audit", "verify")


# > Every open of a value and of `.environ` has exactly one line. — docs/SEMANTICS.md#audit
def test_every_open_has_exactly_one_line(store):
    names = [f"NAME_{number}" for number in range(5)]
    store.put({name: b"v" for name in names})
    mount = store.mount()
    opens = {name: 0 for name in [*names, ".environ"]}
    lock = threading.Lock()

    def read(worker):
        for number in range(60):
            name = [*names, ".environ"][(number * 7 + worker) % 6]
            with open(mount / name, "rb") as file:
                file.read()
            with lock:
                opens[name] += 1

    threads = [threading.Thread(target=read, args=[worker]) for worker in range(6)]
    for thread in threads:
        thread.start()
    # Changes meanwhile: an open that is sent to look its name up again is one open.
    for number in range(8):
        store.update(names[number % 5], b"w%d" % number)
    for thread in threads:
        thread.join(60)
    # What opens nothing has no line.
    os.stat(mount / names[0])
    os.listdir(mount)
    (mount / ".generation").read_bytes()
    found = {name: 0 for name in opens}
    for line in audit(store, "--algorithm", ALGORITHM):
        if line["action"] in ("open", "environ"):
            found[line.get("secret", ".environ")] += 1
    assert found == opens
    assert store.does("audit", "verify").output.endswith("The audit log is whole.\n")


def test_no_value_and_no_trace_of_one_is_in_the_log(store):
    value = PLANTED + b"-audit"
    store.create("A", value)
    mount = store.mount()
    assert (mount / "A").read_bytes() == value
    log = (store.state / "audit.log").read_bytes()
    assert PLANTED not in log and value.hex().encode() not in log
    assert b"size" not in log and b'"count"' not in log and b'"length"' not in log


def test_lines_are_found_by_who_what_and_when(store):
    store.create("A", b"1")
    store.create("B", b"1")
    store.does("algorithm", "create", "web/Shop")
    assert actions(store, "--secret", "B") == ["secret.create"]
    assert actions(store, "--algorithm", "web/Shop") == ["algorithm.create"]
    assert actions(store, "--action", "init") == ["init"]
    assert actions(store, "--actor", "4000000000") == []
    assert actions(store, "--since", "1h", "--limit", "2") == ["secret.create", "algorithm.create"]
    assert actions(store, "--limit", "0") == []
    assert actions(store, "--until", "1h") == []
    first = audit(store)[0]["time"]
    assert len(actions(store, "--since", first[:19] + "Z")) == 6
    store.run("audit", "--action", "opne").failed(65, "is not an action", "secret.create")
    people = store.does("audit", "--action", "secret.create").output.splitlines()
    assert len(people) == 2 and "nlp/Summarizer  A  version 1" in people[0]


def test_following_shows_new_lines_also_across_a_rotation(store):
    process = store.start("audit", "--follow", "--json", "--action", "secret.create", stdout=subprocess.PIPE)
    store.create("A", b"1")
    assert json.loads(process.stdout.readline())["secret"] == "A"
    store.does("audit", "rotate")
    store.create("B", b"1")
    assert json.loads(process.stdout.readline())["secret"] == "B"


def test_verify_names_the_first_bad_line(store):
    for name in "ABCD":
        store.create(name, b"1")
    log = store.state / "audit.log"
    whole = log.read_bytes().splitlines(keepends=True)

    def verdict(lines, *words):
        log.write_bytes(b"".join(lines))
        return store.run("audit", "verify").failed(DAMAGED, *words)

    verdict([*whole[:3], whole[3].replace(b'"uid":0', b'"uid":1'), *whole[4:]], "audit.log line 4", "changed")
    verdict([*whole[:3], *whole[4:]], "audit.log line 4", "removed", "line 4 is missing")
    verdict([*whole[:3], whole[4], whole[3], *whole[5:]], "audit.log line 4", "reordered")
    verdict([*whole[:4], *whole[3:]], "audit.log line 5", "repeated")
    verdict([*whole[1:]], "audit.log line 1", "removed")
    log.write_bytes(b"".join(whole))
    report = store.json("audit", "verify")
    assert report["whole"] and report["records"] == 7 and report["first"] == 1 and report["last"] == 7
    # The store knows of later lines: an agent told it.
    store.mount()
    store.does("agent", "--stop")
    verdict(whole, "truncated")
    assert json.loads(store.run("audit", "verify", "--json").output)["problem"]["kind"] == "truncated"


def test_hostile_lines_do_not_reach_the_terminal(store):
    with open(store.state / "audit.log", "ab") as log:
        log.write(b'{"seq":9,"time":"\x1b[2J","action":"open","outcome":"ok","mac":"0"}\n')
        text = b'{"seq":9,"time":"2026-01-01T00:00:00.000000Z","action":"\\u001b[2Jx","outcome":"ok","mac":"'
        log.write(text + b"0" * 64 + b'"}\n')
    for options in ([], ["--json"]):
        outcome = store.does("audit", *options)
        assert "\x1b" not in outcome.output + outcome.errors
        assert "1 line(s) are not of the audit log" in outcome.errors
    store.run("audit", "verify").failed(DAMAGED, "audit.log line 4")


def test_a_killed_agent_loses_no_line(store):
    store.create("A", b"1")
    for _ in range(5):
        mount = store.mount()
        for _ in range(20):
            (mount / "A").read_bytes()
        os.kill(store.agent, signal.SIGKILL)
        store.does("unmount", mount)
    assert len(actions(store, "--action", "open")) == 100
    store.does("audit", "verify")


def test_rotation_by_size_keeps_the_chain_and_what_is_kept(store):
    store.does("audit", "settings", "--max-mib", "1", "--keep", "1")
    assert store.json("audit", "settings") == {"sync": "batch", "maximumSize": 1 << 20, "keep": 1}
    store.create("A", b"1")
    mount = store.mount()
    deadline = time.monotonic() + 120
    while not (store.state / "audit.log.1").exists() and time.monotonic() < deadline:
        for _ in range(200):
            (mount / "A").read_bytes()
    assert (store.state / "audit.log.1").exists()
    assert store.json("audit", "verify")["first"] == 1
    store.does("audit", "rotate")
    store.does("audit", "rotate")
    assert not (store.state / "audit.log.2").exists()
    (mount / "A").read_bytes()
    report = store.json("audit", "verify")
    assert report["whole"] and report["first"] > 1000
    (store.state / "audit.log.1").unlink()
    store.run("audit", "verify").failed(DAMAGED, "removed")


def test_settings_are_checked(store):
    store.run("audit", "settings", "--audit-sync", "never").failed(65, "batch or always")
    store.run("audit", "settings", "--max-mib", "0").failed(65, "--max-mib")
    store.run("audit", "settings", "--keep=-1").failed(65, "--keep")
    assert "audit.settings" not in actions(store)


def test_unused_secrets_are_listed(store):
    store.create("READ", b"1")
    store.create("UNREAD", b"1", "--delivery", "file")
    assert store.json("audit", "unused") == []
    assert [secret["name"] for secret in store.json("audit", "unused", "--days", "0")] == ["READ", "UNREAD"]
    mount = store.mount()
    (mount / "READ").read_bytes()
    found = {secret["name"]: secret for secret in store.json("audit", "unused", "--days", "0")}
    assert found["READ"]["lastRead"] and "lastRead" not in found["UNREAD"]
    assert "earlier reads are not known" in store.does("audit", "unused").errors


@needs_root
def test_an_open_that_a_rule_denies_is_recorded_as_denied(store):
    store.create("A", b"1")
    store.does("callers", ALGORITHM, "--uid", "12345")
    mount = store.mount()
    for name in ("A", ".environ"):
        with pytest.raises(PermissionError):
            (mount / name).read_bytes()
    denied = [line for line in audit(store) if line["outcome"] == "denied"]
    assert [line["action"] for line in denied] == ["open", "environ"]
    assert all(line["uid"] == 0 and line["pid"] == os.getpid() for line in denied)


@needs_root
def test_a_command_of_another_user_is_recorded_as_denied(store):
    store.mount()
    os.chmod(store.state, 0o711)
    os.chmod(store.state / "agent.sock", 0o777)
    script = f"""
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect({str(store.state / "agent.sock")!r}); s.recv(1)
"""
    shim = ["setpriv", f"--reuid={OTHER_UID}", "--clear-groups", "/usr/bin/python3", "-c", script]
    subprocess.run(shim, timeout=30, check=False, capture_output=True)
    denied = [line for line in audit(store) if line["outcome"] == "denied"]
    assert [(line["action"], line["uid"]) for line in denied] == [("command", OTHER_UID)]


def test_a_store_that_is_made_anew_keeps_the_old_log_aside(store):
    for name in store.state.iterdir():
        if name.name != "audit.log":
            name.unlink()
    store.does("init")
    assert actions(store) == ["log.begin", "init"]
    assert [path.name.startswith("audit.log.left-") for path in store.state.glob("audit.log.*")] == [True]


# > `audit` shows the lines that are there, `audit verify` says what is missing. — docs/SEMANTICS.md#audit
def test_a_log_without_its_newest_file_is_read_and_found_wanting(store):
    store.create("A", b"1")
    store.does("audit", "rotate")
    store.create("B", b"2")
    older = len((store.state / "audit.log.1").read_text().splitlines())
    (store.state / "audit.log").unlink()
    outcome = store.does("audit", "--json")
    assert len(outcome.output.splitlines()) == older
    assert "warning: audit.log is not there" in outcome.errors
    said = store.run("audit", "verify").failed(DAMAGED, f"audit.log line 1: removed: the file is not there, with every line after {older}")
    assert "nothing was changed" not in said
    report = json.loads(store.run("audit", "verify", "--json").output)
    assert report["records"] == older and report["problem"]["kind"] == "removed"
    # They only read: the next command that writes begins a new file.
    assert not (store.state / "audit.log").exists()


def test_a_log_that_is_gone_is_told_from_one_that_is_empty(store):
    (store.state / "audit.log").unlink()
    store.run("audit").failed(66, "there is no audit log")
    store.run("audit", "verify").failed(DAMAGED, "audit.log line 1: removed: the file is not there, and there is no older one")


def test_keeping_no_older_file_is_said_to_delete_lines(store):
    assert "with --keep 0 all lines of a file are deleted" in store.does("audit", "settings", "--keep", "0").errors
    assert store.does("audit", "settings", "--keep", "1").errors == ""


@needs_root
def test_an_actor_is_named_by_name_or_number(store):
    assert audit(store, "--actor", "root") == audit(store, "--actor", "0") != []
    assert audit(store, "--actor", "nobody") == []
    store.run("audit", "--actor", "no-such-user").failed(65, "there is no user")


def test_a_copy_of_the_state_folder_verifies_on_its_own(store):
    store.create("A", b"1")
    copy = store.root / "copy"
    shutil.copytree(store.state, copy)
    store.does("audit", "verify", "--state", copy)


def test_the_chain_goes_on_when_keys_change_and_says_so(store):
    store.create("A", b"1")
    mount = store.mount()
    (mount / "A").read_bytes()
    store.does("key", "rotate")
    store.does("root-key", "rotate", "--yes")
    store.does("seal")
    with pytest.raises(OSError):
        (mount / "A").read_bytes()
    store.does("unseal")
    assert (mount / "A").read_bytes() == b"1"
    store.does("agent", "--stop")
    assert store.json("audit", "verify")["whole"]
    lines = [(line["action"], line["outcome"]) for line in audit(store)]
    opened = lines.index(("open", "ok"))
    assert lines[opened + 1 :] == [
        ("key.rotate", "ok"), ("key.rotate", "ok"), ("root-key.change", "ok"), ("seal", "ok"), ("open", "failed"),
        ("unseal", "ok"), ("open", "ok"), ("unmount", "ok"), ("seal", "ok"), ("agent.stop", "ok"),
    ]  # fmt: skip


def test_a_store_that_was_restored_without_its_log_begins_one_that_is_whole(store):
    store.create("A", b"1")
    store.does("backup", store.root / "backup")
    key = store.root / "key"
    shutil.copy(store.state / "root.key", key)
    other = store.root / "other"
    store.does("restore", store.root / "backup", "--state", other, "--root-key-file", key)
    report = store.json("audit", "verify", "--state", other, "--root-key-file", key)
    assert report["whole"] and report["first"] > 1 and report["records"] == 2
    lines = store.does("audit", "--json", "--state", other).output.splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["log.begin", "restore"]
    # Where the log is still there, it goes on.
    (store.state / "store.db").unlink()
    for name in ("store.db-wal", "store.db-shm"):
        (store.state / name).unlink(missing_ok=True)
    store.does("restore", store.root / "backup")
    assert actions(store)[-1] == "restore" and store.json("audit", "verify")["first"] == 1


def test_a_restored_store_whose_key_was_not_at_hand_works_and_says_what_is_missing(store):
    store.create("A", b"1")
    store.does("backup", store.root / "backup")
    other = store.root / "other"
    store.does("restore", store.root / "backup", "--state", other, "--sealed")
    shutil.copy2(store.state / "root.key", other / "root.key")
    store.does("secret", "update", ALGORITHM, "A", "--state", other, input=b"2")
    lines = [json.loads(line) for line in store.does("audit", "--json", "--state", other).output.splitlines()]
    assert [line["action"] for line in lines] == ["log.lost", "secret.update"]
    store.run("audit", "verify", "--state", other).failed(DAMAGED, "removed")


def test_a_log_that_was_cut_is_not_whole_because_its_anchor_was_deleted(store):
    """Whoever can write to storage, without any key, can delete a record."""
    store.create("KEY", PLANTED)
    subprocess.run(["sqlite3", store.state / "store.db", "DELETE FROM record WHERE CAST(key AS TEXT) = 'audit-anchor'"], check=True)
    log = store.state / "audit.log"
    log.write_bytes(b"".join(log.read_bytes().splitlines(True)[:2]))
    for command in (["audit", "verify"], ["secret", "list", ALGORITHM]):
        store.run(*command).failed(DAMAGED, "audit-anchor is damaged")
    store.run("audit", "show", "--limit", str(2**63 - 1)).failed(64, "--limit")


def test_a_denial_says_which_kinds_of_the_rule_did_not_match(store):
    store.create("A", b"1")
    mount = store.mount("--mode", "0444")

    def denial():
        assert subprocess.run(["cat", mount / "A"], capture_output=True, timeout=30).returncode == 1
        return audit(store, "--outcome", "denied")[-1]

    with change(mount):
        store.does("callers", ALGORITHM, "A", "--cgroup", "/nowhere.slice")
    with change(mount):
        store.does("callers", ALGORITHM, "--uid", OTHER_UID, "--exe", "/usr/bin/env")
    assert (denial()["detail"], denial()["uid"]) == ("not for this uid", 0)
    with change(mount):
        store.does("callers", ALGORITHM, "--clear", "--exe", "/usr/bin/env")
    assert denial()["detail"] == "not for this executable and this cgroup"
    said = store.does("audit", "--outcome", "denied", "--limit", "1").output
    assert "DENIED" in said and "not for this executable and this cgroup" in said and "cgroup /" in said
    assert not audit(store, "--outcome", "failed")


def test_a_change_of_settings_says_what_it_changed(store):
    store.create("A", b"1")
    store.does("callers", ALGORITHM, "A", "--uid", "5", "--exe", "/usr/bin/env")
    store.does("callers", ALGORITHM, "A", "--clear")
    store.does("callers", ALGORITHM, "--gid", "7")
    store.does("secret", "update", ALGORITHM, "A", "--metadata-only", "--description", "planted-text", "--keep", "3")
    details = [line.get("detail") for line in audit(store) if line["action"].endswith(".update")]
    assert details == [
        "callers uid 5, executable /usr/bin/env", "callers anyone", "callers gid 7", "description; keep 3",
    ]
    assert "planted-text" not in (store.state / "audit.log").read_text()


def test_a_program_whose_path_is_too_long_is_recorded_without_it(store):
    store.create("A", b"1")
    mount = store.mount()
    folder = store.root
    steps = ["x" * 250] * 18
    at = os.open(folder, os.O_RDONLY)
    for step in steps:
        os.mkdir(step, dir_fd=at)
        down = os.open(step, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = down
    with open("/bin/cat", "rb") as source, open(os.open("cat", os.O_CREAT | os.O_WRONLY, 0o755, dir_fd=at), "wb") as copy:
        copy.write(source.read())
    done = subprocess.run([f"/proc/self/fd/{at}/cat", mount / "A"], pass_fds=[at], capture_output=True, timeout=30)
    os.close(at)
    assert done.stdout == b"1", done
    line = audit(store, "--action", "open")[-1]
    assert line["pid"] and "cgroup" in line and "executable" not in line
