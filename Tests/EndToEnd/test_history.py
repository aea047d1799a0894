"""Versions: who made them, how to get one back, how to get rid of one."""

import os

from support import ALGORITHM, change, empty, store  # noqa: F401 (fixtures)


def versions(store) -> list[int]:
    return [row["version"] for row in store.json("secret", "history", ALGORITHM, "A")]


def test_the_history_says_who_and_when_and_no_value(store):
    store.create("A", b"planted-7f3a")
    store.update("A", b"planted-7f3a again")
    rows = store.json("secret", "history", ALGORITHM, "A")
    assert [(row["version"], row["size"], row["by"]) for row in rows] == [
        (1, 12, f"uid {os.geteuid()}"), (2, 18, f"uid {os.geteuid()}"),
    ]  # fmt: skip
    table = store.does("secret", "history", ALGORITHM, "A").output.splitlines()
    assert table[1].startswith("2 (newest)") and table[2].startswith("1 ")


def test_a_rollback_shows_the_old_value_in_every_mount_as_a_new_version(store):
    store.create("A", b"first")
    mount = store.mount()
    with change(mount):
        store.update("A", b"second")
    with change(mount):
        outcome = store.does("secret", "rollback", ALGORITHM, "A", "--to", "1")
    assert "first" not in outcome.output and (mount / "A").read_bytes() == b"first"
    assert os.getxattr(mount / "A", "user.secretfs.version") == b"3"
    assert versions(store) == [1, 2, 3]


def test_a_destroyed_version_cannot_come_back(store):
    store.create("A", b"first")
    store.update("A", b"second")
    store.run("secret", "destroy", ALGORITHM, "A", "--version", "1").failed(64, "--yes")
    store.does("secret", "destroy", ALGORITHM, "A", "--version", "1", "--yes")
    assert versions(store) == [2]
    store.run("secret", "rollback", ALGORITHM, "A", "--to", "1").failed(66, "version 1")
    store.run("secret", "destroy", ALGORITHM, "A", "--version", "2", "--yes").failed(65, "newest")
    store.run("secret", "destroy", ALGORITHM, "A", "--version", "0", "--yes").failed(65, "from 1")


def test_only_as_many_versions_are_kept_as_was_said(store):
    store.create("A", b"0")
    for number in range(1, 15):
        store.update("A", b"%d" % number)
    assert versions(store) == list(range(6, 16))
    store.does("secret", "update", ALGORITHM, "A", "--metadata-only", "--keep", "2")
    assert versions(store) == [14, 15]
    store.run("secret", "update", ALGORITHM, "A", "--metadata-only", "--keep", "0").failed(65, "1 to 100")


def test_an_update_can_insist_on_the_version_it_knows(store):
    store.create("A", b"1")
    store.update("A", b"2", "--if-version", "1")
    outcome = store.run("secret", "update", ALGORITHM, "A", "--if-version", "1", "--value-file", "-", input=b"3")
    outcome.failed(75, "version 2, not 1", "history")
    assert versions(store) == [1, 2]
