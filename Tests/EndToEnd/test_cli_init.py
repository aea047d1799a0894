"""Where the root key comes from, and what is said when the store cannot be opened."""

import os
import shutil
import sqlite3

import pytest
from support import ALGORITHM, Terminal, empty, needs_root, store  # noqa: F401 (fixtures)

BAD_INPUT, DAMAGED, SEALED = 65, 70, 78


def use(store, *options, env=None):
    """A store that opens with `options` does everything."""
    store.does("algorithm", "create", ALGORITHM, *options, env=env)
    store.does("secret", "create", ALGORITHM, "A", *options, input=b"value", env=env)
    mount = store.folder()
    store.does("mount", ALGORITHM, mount, *options, env=env)
    assert (mount / "A").read_bytes() == b"value"
    assert store.json("status", *options, env=env)["sealed"] is False


# Sources


def test_by_default_the_root_key_is_a_file_in_the_state_folder(empty):
    said = empty.does("init").output
    key = empty.state / "root.key"
    assert str(key) in said and "keep a copy" in said
    assert key.stat().st_mode & 0o7777 == 0o400
    use(empty)


def test_a_root_key_file_elsewhere_is_made_and_found_again(empty):
    key = empty.root / "keys" / "root.key"
    key.parent.mkdir()
    empty.does("init", "--root-key-file", "keys/root.key")
    assert key.stat().st_mode & 0o7777 == 0o400
    assert not (empty.state / "root.key").exists()
    use(empty)
    assert empty.json("status")["rootKey"] == f"the file {key}"


def test_a_root_key_that_is_there_is_taken(empty):
    empty.does("init", "--state", "first")
    key = empty.root / "first" / "root.key"
    before = key.read_bytes()
    empty.does("init", "--root-key-file", key)
    assert key.read_bytes() == before
    use(empty)


def test_a_state_folder_that_moved_has_its_key_with_it(store):
    store.create("A", b"1")
    moved = store.root / "moved"
    store.state.rename(moved)
    store.state = moved
    assert store.names() == ["A"]


def test_a_passphrase_from_a_file_opens_the_store(empty):
    (empty.root / "passphrase").write_text("correct horse battery staple\n")
    empty.does("init", "--passphrase", "--passphrase-file", "passphrase")
    assert not (empty.state / "root.key").exists()
    use(empty, "--passphrase-file", "passphrase")
    empty.does("algorithm", "list", "--passphrase-file", "-", input=b"correct horse battery staple")


def test_a_passphrase_is_typed_without_echo_and_twice(empty):
    typed = b"correct horse planted-7f3a"
    with Terminal(empty, "init", "--passphrase") as terminal:
        terminal.expect(b"New passphrase: ")
        terminal.type(typed + b"\n")
        terminal.expect(b"Once more: ")
        terminal.type(typed + b"\n")
        assert terminal.end() == 0
        assert typed not in terminal.shown
    with Terminal(empty, "algorithm", "create", ALGORITHM) as terminal:
        terminal.expect(b"Passphrase: ")
        terminal.type(typed + b"\n")
        assert terminal.end() == 0
        assert typed not in terminal.shown


def test_two_passphrases_that_differ_make_no_store(empty):
    with Terminal(empty, "init", "--passphrase") as terminal:
        terminal.expect(b"New passphrase: ")
        terminal.type(b"correct horse battery staple\n")
        terminal.expect(b"Once more: ")
        terminal.type(b"correct horse battery stable\n")
        assert terminal.end() == BAD_INPUT
        assert b"the two passphrases differ" in terminal.shown
    assert not (empty.state / "store.db").exists()


def test_a_short_passphrase_makes_no_store(empty):
    empty.run("init", "--passphrase", "--passphrase-file", "-", input=b"short\n").failed(BAD_INPUT, "shorter than")
    assert not (empty.state / "store.db").exists()


def credentials(store, name="secretfs-root-key", content=None):
    """A folder as systemd makes it for a unit."""
    folder = store.folder("credentials")
    path = folder / name
    path.write_bytes(content if content is not None else os.urandom(32))
    path.chmod(0o400)
    return {"CREDENTIALS_DIRECTORY": str(folder)}


@pytest.mark.parametrize("is_text", [False, True], ids=["32 bytes", "a root key file"])
def test_a_systemd_credential_opens_the_store(empty, is_text):
    content = None
    if is_text:
        empty.does("init", "--state", "other")
        content = (empty.root / "other/root.key").read_bytes()
    env = credentials(empty, content=content)
    empty.does("init", "--credential", "secretfs-root-key", env=env)
    use(empty, env=env)
    said = empty.run("algorithm", "list").failed(SEALED, "CREDENTIALS_DIRECTORY is not set")
    assert "LoadCredential" in said


def test_a_credential_can_be_made_on_the_way(empty):
    empty.does("init", "--credential", "secretfs-root-key", "--root-key-file", "root.key")
    env = credentials(empty, content=(empty.root / "root.key").read_bytes())
    use(empty, env=env)


def test_a_credential_that_is_not_there_makes_no_store(empty):
    empty.run("init", "--credential", "absent", env=credentials(empty)).failed(SEALED, "there is no root key at")
    empty.run("init", "--credential", "../etc/passwd", env=credentials(empty)).failed(BAD_INPUT, "is not the name of")
    assert not (empty.state / "store.db").exists()


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o666])
def test_a_root_key_that_others_may_use_is_refused(store, mode):
    key = store.state / "root.key"
    key.chmod(mode)
    said = store.run("algorithm", "list").failed(SEALED, f"{key} has mode 0{mode:o}")
    assert f"chmod 0400 {key}" in said
    key.chmod(0o400)
    store.does("algorithm", "list")


# Four different errors


def wrong_key(store):
    store.does("init", "--state", "other")
    shutil.copy(store.root / "other/root.key", store.root / "wrong.key")
    (store.state / "root.key").unlink()
    shutil.copy(store.root / "wrong.key", store.state / "root.key")


def missing_key(store):
    (store.state / "root.key").unlink()


def newer_format(store):
    with sqlite3.connect(store.state / "store.db") as database:
        database.execute("PRAGMA user_version = 2")
    database.close()


def corrupt_file(store):
    with open(store.state / "store.db", "r+b") as file:
        file.seek(0)
        file.write(b"\xa5" * 4096)


FAULTS = {
    wrong_key: (SEALED, "root key"),
    missing_key: (SEALED, "there is no root key at"),
    newer_format: (SEALED, "has format 2; this program knows 1"),
    corrupt_file: (DAMAGED, "is not a usable store"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_store_that_cannot_be_opened_says_why_and_serves_nothing(store, fault):
    store.create("A", b"1")
    mount = store.folder()
    fault(store)
    status, words = FAULTS[fault]
    for command in [
        ["algorithm", "list"],
        ["secret", "list", ALGORITHM],
        ["secret", "update", ALGORITHM, "A"],
        ["mount", ALGORITHM, mount],
        ["run", ALGORITHM, "--", "true"],
        ["agent"],
    ]:
        said = store.run(*command, input=b"2").failed(status, words)
        assert "secretfs: hint: " in said
    assert not store.agents and not store.mounts


def test_the_four_errors_are_different(binaries):
    from support import temporary_store

    said = set()
    for fault in FAULTS:
        with temporary_store(binaries) as store:
            store.init()
            fault(store)
            said.add(store.run("algorithm", "list").errors.replace(str(store.root), ""))
    assert len(said) == len(FAULTS), said


def test_a_sealed_store_says_how_to_open_it_and_serves_nothing(empty):
    (empty.root / "passphrase").write_text("correct horse battery staple")
    empty.does("init", "--passphrase", "--passphrase-file", "passphrase")
    empty.does("algorithm", "create", ALGORITHM, "--passphrase-file", "passphrase")
    report = empty.json("status")
    assert report["sealed"] is True and "passphrase" in report["sealedBecause"]
    assert (report["algorithms"], report["secrets"]) == (1, 0)
    for command in [["algorithm", "list"], ["mount", ALGORITHM, empty.folder()], ["run", ALGORITHM, "--", "true"], ["agent"]]:
        empty.run(*command).failed(SEALED, "--passphrase-file FILE")
    wrong = empty.run("algorithm", "list", "--passphrase-file", "-", input=b"incorrect horse battery staple")
    wrong.failed(SEALED)
    assert not empty.agents and not empty.mounts


def test_a_damaged_record_is_an_error_and_never_a_value(store):
    store.create("A", b"first value")
    store.create("B", b"other value")
    mount = store.mount()
    store.does("agent", "--stop")
    with sqlite3.connect(store.state / "store.db") as database:
        rows = database.execute("SELECT rowid, bytes FROM record WHERE length(bytes) BETWEEN 40 AND 90").fetchall()
        for row, content in rows:
            database.execute("UPDATE record SET bytes = ? WHERE rowid = ?", (content[:-1] + bytes([content[-1] ^ 1]), row))
    database.close()
    assert rows
    outcome = store.run("mount", ALGORITHM, mount)
    if outcome.status == 0:
        for name in ["A", "B"]:
            with pytest.raises(OSError) as refusal:
                (mount / name).read_bytes()
            assert refusal.value.errno == 5
    else:
        outcome.failed(DAMAGED, "is damaged")
