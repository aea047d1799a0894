"""Backup of a store in use, and restore: checked, sealed, all or nothing."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest
from conftest import PLANTED
from support import ALGORITHM, Terminal, empty, needs_root, store  # noqa: F401 (fixtures)
from test_faults_disk import fill, small_disk

DAMAGED, EXISTS, IO, RETRY, USAGE, BAD_INPUT, NOT_FOUND, SEALED = 70, 73, 74, 75, 64, 65, 66, 78


def leftovers(folder):
    return [name for name in os.listdir(folder) if name.startswith(".secretfs-new-")]


def restored(store, backup, *options, name="other"):
    """Another state folder, restored from `backup`, with the key of the store."""
    state = store.root / name
    store.does("restore", backup, "--state", state, *options)
    if (store.state / "root.key").exists():
        shutil.copy(store.state / "root.key", state / "root.key")
    return state


def value(store, state, name):
    """What a program in a mount of `state` is given."""
    outcome = store.does("run", "--state", state, ALGORITHM, "--", "sh", "-c", f'cat "$SECRETFS_DIRECTORY/{name}" | sha256sum')
    store.does("agent", "--stop", "--state", state)
    return outcome.output.split()[0]


def sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def test_a_backup_is_one_file_of_its_own_user_and_brings_everything_back(store):
    store.create("A", PLANTED)
    store.update("A", PLANTED + b"2")
    said = store.does("backup", "backup").output
    assert "1 algorithm(s) and 1 secret(s)" in said and "Every record in it opens." in said
    assert (store.root / "backup").stat().st_mode & 0o7777 == 0o600
    assert PLANTED not in (store.root / "backup").read_bytes()
    assert leftovers(store.root) == []
    assert sorted(os.listdir(store.root)) == ["backup", "state"]
    state = restored(store, "backup")
    assert sorted(os.listdir(state)) == ["agent.lock", "audit.log", "root.key", "store.db"]
    assert (state / "store.db").stat().st_mode & 0o7777 == 0o600 and state.stat().st_mode & 0o7777 == 0o700
    assert store.json("secret", "list", ALGORITHM) == store.json("secret", "list", ALGORITHM, "--state", state)
    assert value(store, state, "A") == sha256(PLANTED + b"2")


def test_a_backup_needs_no_key_and_says_that_nothing_was_opened(empty):
    (empty.root / "passphrase").write_text("correct horse battery staple")
    empty.does("init", "--passphrase", "--passphrase-file", "passphrase")
    empty.does("algorithm", "create", ALGORITHM, "--passphrase-file", "passphrase")
    assert "were not opened" in empty.does("backup", "one").output
    assert "Every record in it opens." in empty.does("backup", "two", "--passphrase-file", "passphrase").output
    assert "were not opened" in empty.does("backup", "three", "--passphrase-file", "passphrase", "--sealed").output
    (empty.root / "wrong").write_text("incorrect horse battery staple")
    empty.run("backup", "four", "--passphrase-file", "wrong").failed(SEALED, "not the one that sealed")
    assert not (empty.root / "four").exists() and leftovers(empty.root) == []
    outcome = empty.does("restore", "one", "--state", "new")
    assert "It needs its root key, from a passphrase, which is not at hand" in outcome.output
    assert empty.json("algorithm", "list", "--state", "new", "--passphrase-file", "passphrase")[0]["name"] == ALGORITHM


def test_backups_of_a_store_in_use_are_each_one_moment(store):
    """Pairs are always written together: a backup with two halves of different age would be torn."""
    store.put({"LEFT": b"0", "RIGHT": b"0"})
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            store.put({"LEFT": str(number).encode(), "RIGHT": str(number).encode()})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(6):
            store.does("backup", f"backup-{number}")
    finally:
        stop.set()
        writer.join()
    versions = []
    for number in range(6):
        state = restored(store, f"backup-{number}", name=f"other-{number}")
        secrets = store.json("secret", "list", ALGORITHM, "--state", state)
        assert secrets[0]["version"] == secrets[1]["version"]
        versions.append(secrets[0]["version"])
    assert versions == sorted(versions) and versions[-1] > versions[0], versions


def test_a_backup_goes_through_a_pipe_and_comes_back(store):
    store.create("A", b"1")
    with open(store.root / "piped", "wb") as file:
        process = store.start("backup", "-", stdout=file, stderr=subprocess.PIPE)
        said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 0 and "to standard output" in said
    store.does("backup", "named")
    assert (store.root / "piped").read_bytes() == (store.root / "named").read_bytes()
    store.does("restore", "-", "--state", "new", input=(store.root / "piped").read_bytes())
    assert store.json("secret", "list", ALGORITHM, "--state", "new", "--root-key-file", store.state / "root.key")
    # A reader that leaves is an error and no success.
    process = store.start("backup", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(timeout=60) == IO
    with Terminal(store, "backup", "-") as terminal:
        assert terminal.end() == USAGE and b"not for a terminal" in terminal.shown


def test_a_file_is_replaced_only_with_force_and_only_by_a_good_backup(store):
    store.does("backup", "backup")
    before = (store.root / "backup").read_bytes()
    store.create("A", b"1")
    store.run("backup", "backup").failed(EXISTS, "backup exists", "--force")
    assert (store.root / "backup").read_bytes() == before
    store.does("backup", "backup", "--force")
    good = (store.root / "backup").read_bytes()
    assert good != before
    damage_a_record(store.state / "store.db")
    store.run("backup", "backup", "--force").failed(DAMAGED, "is damaged", "--sealed")
    assert (store.root / "backup").read_bytes() == good and leftovers(store.root) == []
    store.does("backup", "backup", "--force", "--sealed")


def damage_a_record(path):
    with sqlite3.connect(path) as database:
        row, content = database.execute("SELECT rowid, bytes FROM record WHERE CAST(key AS TEXT) LIKE 'secret/%'").fetchone()
        database.execute("UPDATE record SET bytes = ? WHERE rowid = ?", (content[:-1] + bytes([content[-1] ^ 1]), row))
    database.close()


def test_places_where_a_backup_would_do_harm_are_refused(store):
    store.run("backup", store.state / "store.db", "--force").failed(BAD_INPUT, "is lost with it")
    store.run("backup", store.state / "copy").failed(BAD_INPUT, "is lost with it")
    store.run("backup", "none/backup").failed(NOT_FOUND, "there is no folder")
    store.run("backup", "", "--force").failed(USAGE)
    store.run("backup", "/dev/null", "--force").failed(BAD_INPUT, "not a plain file")
    (store.root / "link").symlink_to("elsewhere")
    store.run("backup", "link", "--force").failed(BAD_INPUT, "not a plain file")
    (store.root / "busy").write_bytes(b"x")
    (store.root / "busy-wal").write_bytes(b"")
    store.run("backup", "busy", "--force").failed(BAD_INPUT, "is a database in use")
    shared = store.folder("shared")
    shared.chmod(0o777)
    store.run("backup", shared / "backup").failed(IO, "every user may replace files in it")
    shared.chmod(0o1777)
    store.does("backup", shared / "backup")


@needs_root
def test_a_full_disk_leaves_no_half_backup_and_no_half_store(empty):
    root = empty.root
    with small_disk(empty, 24) as disk:
        target, empty.state = disk, root / "state"
        empty.init()
        for number in range(4):
            empty.create(f"BIG_{number}", os.urandom(1_000_000).replace(b"\0", b"\1"), "--delivery", "file")
        empty.does("backup", target / "good")
        empty.does("backup", root / "elsewhere")
        fill(target)
        # Room for the beginning, so that it fails in the middle.
        os.truncate(target / "ballast", (target / "ballast").stat().st_size - (1 << 20))
        for command in [["backup", target / "bad"], ["restore", root / "elsewhere", "--state", target / "state"]]:
            empty.run(*command).failed(IO, "no space is left")
        assert sorted(os.listdir(target)) == ["ballast", "good", "lost+found"]
        (target / "ballast").unlink()
        empty.does("restore", target / "good", "--state", target / "state")


def test_an_interrupted_backup_leaves_nothing_and_a_killed_one_no_backup(store):
    for number in range(5):
        store.put({f"BIG_{number}_{index}": os.urandom(100_000).replace(b"\0", b"\1").replace(b"'", b"1") for index in range(50)}, "--delivery", "file")
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]:
        seen = 0
        for attempt in range(10):
            process = store.start("backup", f"backup-{number}-{attempt}", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not leftovers(store.root) and process.poll() is None:
                pass
            time.sleep(0.004 * attempt)
            process.send_signal(number)
            status = process.wait(timeout=60)
            is_whole = (store.root / f"backup-{number}-{attempt}").exists()
            assert status in (0, -number) and (status != 0 or is_whole)
            seen += status != 0 and not is_whole
            if is_whole:
                store.does("restore", f"backup-{number}-{attempt}", "--state", f"other-{number}-{attempt}")
            if number != signal.SIGKILL:
                assert leftovers(store.root) == []
            for name in leftovers(store.root):
                shutil.rmtree(store.root / name)
        assert seen, f"signal {number} came too late each time, so nothing was tested"


def test_an_interrupted_restore_leaves_nothing(store):
    """Of a build with optimisation, which releases what it can early, more than of others."""
    store.put({f"N{number}": b"v" for number in range(5000)})
    store.does("backup", "backup")
    state = store.root / "other"
    key = store.state / "root.key"
    for number in [signal.SIGINT, signal.SIGTERM]:
        seen = 0
        for attempt in range(12):
            shutil.rmtree(state, ignore_errors=True)
            # One that is there already is not taken away again.
            if attempt % 2:
                state.mkdir(mode=0o700)
            process = store.start("restore", "backup", "--state", state, "--root-key-file", key, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not (state.exists() and leftovers(state)) and process.poll() is None:
                pass
            time.sleep(0.01 * attempt)
            process.send_signal(number)
            status = process.wait(timeout=60)
            assert status in (0, -number), status
            is_whole = (state / "store.db").exists()
            assert status != 0 or is_whole
            seen += not is_whole
            if is_whole:
                assert leftovers(state) == []
            else:
                assert not state.exists() if attempt % 2 == 0 else os.listdir(state) == ["agent.lock"]
        assert seen, f"signal {number} came too late each time, so nothing was tested"


def test_a_restore_that_waits_for_a_silent_pipe_can_be_interrupted(store):
    process = store.start("restore", "-", "--state", "other", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while not ((store.root / "other").exists() and leftovers(store.root / "other")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == -signal.SIGINT
    assert not (store.root / "other").exists()


# Audit


def actions(store, *options):
    lines = [json.loads(line) for line in store.does("audit", "--json", *options).output.splitlines()]
    return [(line["action"], line["outcome"], line.get("detail", "")) for line in lines]


def test_backup_and_restore_are_in_the_audit_log(store):
    store.does("backup", "backup")
    assert actions(store)[-1] == ("backup", "ok", str(store.root / "backup"))
    state = restored(store, "backup")
    seen = actions(store, "--state", state)
    assert [action for action, _, _ in seen] == ["log.begin", "restore"] and seen[-1][2] == "backup", seen
    # Nothing is refused after that, and the log of the old machine goes on where it is still there.
    store.does("algorithm", "create", "a/b", "--state", state)
    for name in ["store.db", "store.db-wal", "store.db-shm"]:
        (store.state / name).unlink(missing_ok=True)
    store.does("restore", "backup")
    assert actions(store)[-2:] == [("backup", "ok", str(store.root / "backup")), ("restore", "ok", "backup")]
    store.does("audit", "verify")


def lose(store):
    for name in ["store.db", "store.db-wal", "store.db-shm"]:
        (store.state / name).unlink(missing_ok=True)


def test_the_log_of_a_store_that_was_made_in_between_is_kept_aside(store):
    """Somebody loses the store, makes a new one by mistake, and then restores."""
    store.does("backup", "backup")
    lose(store)
    store.does("init")
    store.does("algorithm", "create", "by/Mistake")
    store.does("audit", "rotate")
    strange = (store.state / "audit.log.1").read_bytes() + (store.state / "audit.log").read_bytes()
    lose(store)
    outcome = store.does("restore", "backup")
    assert "the audit log that was there is not of this store; it is kept as" in outcome.errors
    left = [line for line in sorted(outcome.errors.split("kept as ")[1].strip().split(", "))]
    assert all(name.startswith(f"{store.state}/audit.log.") and ".left-" in name for name in left), left
    assert sorted(open(name, "rb").read() for name in left) != [] and len(left) == 2
    assert b"".join(open(name, "rb").read() for name in sorted(left, key=lambda name: "log.1" not in name)) == strange
    assert [action for action, _, _ in actions(store)] == ["log.begin", "restore"]
    store.does("audit", "verify")
    store.create("A", b"1")
    store.does("audit", "verify")


def test_a_restore_that_fails_leaves_the_log_of_another_store_where_it_was(store):
    store.does("backup", "backup")
    lose(store)
    store.does("init")
    lose(store)
    before = {path.name: path.read_bytes() for path in store.state.glob("audit.log*")}
    # The first link makes the new log, the second one the store.
    trace = ["strace", "-f", "-o", str(store.root / "trace"), "-e", "trace=link,rename", "-e", "inject=link:error=EIO:when=2"]
    store.run("restore", "backup", before=trace).failed(IO)
    assert ".left-" in (store.root / "trace").read_text(), "the log was not set aside, so nothing was tested"
    assert not (store.state / "store.db").exists() and leftovers(store.state) == []
    assert {path.name: path.read_bytes() for path in store.state.glob("audit.log*")} == before


def test_a_backup_is_made_though_the_audit_log_cannot_be_written(store):
    (store.state / "audit.log").unlink()
    (store.state / "audit.log").mkdir()
    outcome = store.does("backup", "backup")
    assert "the audit log has no record of this backup" in outcome.errors
    assert (store.root / "backup").exists()


# Restore


def test_a_store_that_is_there_is_never_overwritten(store):
    store.does("backup", "backup")
    store.create("A", b"1")
    store.run("restore", "backup").failed(EXISTS, "there is a store in")
    assert store.names() == ["A"]
    log = store.root / "other/store.db-wal"
    log.parent.mkdir(mode=0o700)
    log.write_bytes(b"left")
    store.run("restore", "backup", "--state", "other").failed(IO, "left of a store that is gone")
    assert os.listdir(store.root / "other") == ["store.db-wal"]


def test_a_running_agent_keeps_a_restore_away(store):
    store.create("A", b"1")
    store.mount()
    store.does("backup", "backup")
    for name in ["store.db", "store.db-wal", "store.db-shm"]:
        (store.state / name).unlink()
    store.run("restore", "backup").failed(RETRY, "an agent for", "secretfs agent --stop")
    assert not (store.state / "store.db").exists() and leftovers(store.state) == []
    store.does("agent", "--stop")
    store.does("restore", "backup")
    assert store.names() == ["A"]


def hostile(kind, backup):
    content = backup.read_bytes()
    if kind == "empty":
        return b""
    if kind == "text":
        return b"not a store\n" * 1000
    if kind == "cut":
        return content[: len(content) // 2]
    if kind == "newer":
        return content[:60] + (7).to_bytes(4, "big") + content[64:]
    changes = {
        "trigger": "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM record; END",
        "view": "CREATE VIEW v AS SELECT * FROM record",
        "no keyring": "DELETE FROM record WHERE key = CAST('keyring' AS BLOB)",
        "no keys": "DELETE FROM record",
        "broken keyring": "UPDATE record SET bytes = zeroblob(length(bytes)) WHERE key = CAST('keyring' AS BLOB)",
        "broken root key": "UPDATE record SET bytes = zeroblob(80) WHERE key = CAST('root-key' AS BLOB)",
        "giant": "UPDATE record SET bytes = zeroblob(50000000) WHERE key = CAST('keyring' AS BLOB)",
        "no state": "DELETE FROM state",
    }
    with sqlite3.connect(backup) as database:
        database.execute(changes[kind])
    database.close()
    return backup.read_bytes()


@pytest.mark.parametrize(
    "kind",
    ["empty", "text", "cut", "newer", "trigger", "view", "no keyring", "no keys", "broken keyring", "broken root key", "giant", "no state"],
)
def test_a_hostile_backup_is_an_error_and_makes_no_store(store, kind):
    store.create("A", b"1")
    store.does("backup", "backup")
    (store.root / "hostile").write_bytes(hostile(kind, store.root / "backup"))
    outcome = store.run("restore", "hostile", "--state", "new")
    assert outcome.status in (DAMAGED, SEALED), outcome
    outcome.failed(outcome.status)
    assert ".secretfs-new" not in outcome.errors, outcome
    assert not (store.root / "new").exists()


def test_whatever_is_flipped_in_a_backup_is_noticed_or_harmless(store):
    store.create("A", PLANTED)
    store.does("backup", "backup")
    whole = (store.root / "backup").read_bytes()
    source = random.Random(7)
    for _ in range(40):
        broken = bytearray(whole)
        place = source.randrange(len(broken))
        broken[place] ^= 1 << source.randrange(8)
        (store.root / "broken").write_bytes(broken)
        outcome = store.run("restore", "broken", "--state", "new")
        assert outcome.status in (0, DAMAGED, SEALED), (place, outcome)
        if outcome.status == 0:
            assert store.names() == [secret["name"] for secret in store.json("secret", "list", ALGORITHM, "--state", "new", "--root-key-file", store.state / "root.key")]
            shutil.rmtree(store.root / "new")
        assert not (store.root / "new").exists()


def test_a_store_in_use_a_pipe_and_nothing_are_no_backups(store):
    store.create("A", b"1")
    store.mount()
    store.run("restore", store.state / "store.db", "--state", "new").failed(BAD_INPUT, "is a store in use")
    os.mkfifo(store.root / "pipe")
    store.run("restore", "pipe", "--state", "new").failed(BAD_INPUT, "not a plain file")
    store.run("restore", "none", "--state", "new").failed(NOT_FOUND, "none cannot be read")
    assert not (store.root / "new").exists()


def test_a_wrong_key_beside_is_said_and_one_that_is_given_is_refused(store):
    store.does("backup", "backup")
    store.does("init", "--state", "stranger")
    wrong = store.root / "stranger/root.key"
    store.run("restore", "backup", "--state", "new", "--root-key-file", wrong).failed(SEALED, "not the one that sealed")
    assert not (store.root / "new").exists()
    (store.state / "root.key").unlink()
    outcome = store.does("restore", "backup", "--state", "new")
    assert f"from the file {store.state}/root.key, which is not at hand" in outcome.output
    assert "there is no root key at" in outcome.errors
