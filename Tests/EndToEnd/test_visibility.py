"""What one algorithm sees of what others have: grants, and validities that begin and end."""

import os
import select
import time

import pytest
from support import ALGORITHM, change, empty, entries, environ, forgotten, generation, store, wait_until  # noqa: F401 (fixtures)

OWNER = ALGORITHM.split("/")[0]
SIBLING = f"{OWNER}/Sibling"
STRANGER = "vision/Captions"


def moment(seconds_from_now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_from_now))


@pytest.fixture
def shared(store):
    """A store with a secret of the owner that nobody was granted, and its algorithms."""
    store.does("algorithm", "create", SIBLING)
    store.does("algorithm", "create", STRANGER)
    store.create("OWN", b"own")
    store.create("TOKEN", b"shared", of=OWNER)
    return store


def test_nothing_of_an_owner_is_visible_without_a_grant(shared):
    mount = shared.mount()
    assert entries(mount) == ["OWN"] and environ(mount) == {"OWN": b"own"}
    with pytest.raises(FileNotFoundError):
        (mount / "TOKEN").read_bytes()


def test_a_grant_shows_at_once_and_a_revocation_hides_at_once(shared):
    mount = shared.mount()
    with change(mount):
        shared.does("grant", OWNER, "TOKEN", "--to", ALGORITHM)
    assert entries(mount) == ["OWN", "TOKEN"] and environ(mount) == {"OWN": b"own", "TOKEN": b"shared"}
    with open(mount / "TOKEN", "rb") as file:
        with change(mount):
            shared.does("revoke", OWNER, "TOKEN", "--from", ALGORITHM)
        with pytest.raises(FileNotFoundError):
            (mount / "TOKEN").read_bytes()
        assert file.read() == b"shared", "an open descriptor keeps what it opened"
    assert environ(mount) == {"OWN": b"own"}


def test_a_grant_to_one_shows_to_no_other(shared):
    mounts = {name: shared.mount(of=name, name=name.replace("/", "-")) for name in (ALGORITHM, SIBLING, STRANGER)}
    with change(mounts[SIBLING]):
        shared.does("grant", OWNER, "TOKEN", "--to", SIBLING)
    assert [entries(mount) for mount in mounts.values()] == [["OWN"], ["TOKEN"], []]
    with change(mounts[STRANGER]):
        shared.does("grant", OWNER, "TOKEN", "--to", STRANGER)
    assert [entries(mount) for mount in mounts.values()] == [["OWN"], ["TOKEN"], ["TOKEN"]]


def test_a_grant_to_all_of_the_owner_holds_for_later_algorithms_and_not_for_other_owners(shared):
    shared.does("grant", OWNER, "TOKEN", "--to", f"{OWNER}/*")
    later = f"{OWNER}/Later"
    shared.does("algorithm", "create", later)
    for name, expected in ((SIBLING, ["TOKEN"]), (later, ["TOKEN"]), (STRANGER, [])):
        assert entries(shared.mount(of=name, name=name.replace("/", "-"))) == expected
    outcome = shared.run("grant", OWNER, "TOKEN", "--to", "vision/*")
    outcome.failed(65, "vision/*", "another owner", "--to OWNER/NAME")


def test_an_own_secret_stands_before_a_shared_one(shared):
    shared.does("grant", OWNER, "TOKEN", "--to", ALGORITHM)
    mount = shared.mount()
    with change(mount):
        shared.create("TOKEN", b"mine")
    assert (mount / "TOKEN").read_bytes() == b"mine"
    rows = [(row["name"], row["from"], row["visible"], row["rule"]) for row in shared.json("visible", ALGORITHM)]
    assert rows == [
        ("OWN", ALGORITHM, True, "its own"),
        ("TOKEN", ALGORITHM, True, "its own"),
        ("TOKEN", OWNER, False, f"granted to {ALGORITHM}"),
    ]
    with change(mount):
        shared.delete("TOKEN")
    assert (mount / "TOKEN").read_bytes() == b"shared"


def test_an_update_of_a_shared_secret_shows_in_all_mounts_that_see_it(shared):
    shared.does("grant", OWNER, "TOKEN", "--to", ALGORITHM, "--to", STRANGER)
    mounts = [shared.mount(of=name, name=name.replace("/", "-")) for name in (ALGORITHM, STRANGER)]
    shared.update("TOKEN", b"next", of=OWNER)
    for mount in mounts:
        wait_until(mount, lambda: (mount / "TOKEN").read_bytes() == b"next")


def test_a_deleted_algorithm_takes_its_grants_with_it(shared):
    shared.does("grant", OWNER, "TOKEN", "--to", STRANGER, "--to", SIBLING)
    shared.does("algorithm", "delete", STRANGER, "--yes")
    assert shared.json("secret", "show", OWNER, "TOKEN")["grants"] == [SIBLING]
    shared.does("algorithm", "create", STRANGER)
    assert entries(shared.mount(of=STRANGER)) == []


def test_a_secret_appears_and_disappears_when_its_time_comes(store):
    store.create("LATER", b"1", "--not-before", moment(2))
    store.create("ENDS", b"2", "--expires", moment(4))
    store.create("ALWAYS", b"3")
    mount = store.mount()
    assert sorted(entries(mount)) == ["ALWAYS", "ENDS"]
    first = generation(mount)
    wait_until(mount, lambda: sorted(environ(mount)) == ["ALWAYS", "ENDS", "LATER"], seconds=10)
    second = generation(mount)
    wait_until(mount, lambda: sorted(environ(mount)) == ["ALWAYS", "LATER"], seconds=10)
    assert first < second < generation(mount)
    forgotten(lambda: (mount / "ENDS").exists())
    # Nothing was committed, so another agent counts the same.
    last = generation(mount)
    store.does("agent", "--stop")
    assert generation(store.mount()) >= last


def test_a_limit_can_be_taken_away(store):
    store.create("A", b"1", "--expires", moment(-5))
    mount = store.mount()
    assert entries(mount) == []
    assert store.json("visible", ALGORITHM)[0]["state"].startswith("expired ")
    with change(mount):
        store.does("secret", "update", ALGORITHM, "A", "--metadata-only", "--expires", "never")
    assert (mount / "A").read_bytes() == b"1"


@pytest.mark.parametrize("words", [
    ["--expires", "tomorrow"], ["--expires", "-1d"], ["--not-before", "2026-13-01"], ["--expires", "99999999999d"],
    ["--not-before", "2d", "--expires", "1d"],
])  # fmt: skip
def test_a_moment_that_makes_no_sense_is_refused(store, words):
    outcome = store.run("secret", "create", ALGORITHM, "A", *words, "--value-file", "-", input=b"x")
    assert outcome.status in (64, 65), outcome
    assert store.names() == []


def test_an_owner_without_algorithms_is_a_typing_error(store):
    outcome = store.run("secret", "create", "nlpp", "A", "--value-file", "-", input=b"x")
    outcome.failed(66, "nlpp", "secretfs algorithm create nlpp/NAME")


def test_what_was_not_granted_cannot_be_revoked(shared):
    shared.run("revoke", OWNER, "TOKEN", "--from", SIBLING).failed(66, "TOKEN", SIBLING)
    shared.run("grant", OWNER, "NONE", "--to", SIBLING).failed(66, "NONE")
    shared.run("grant", OWNER, "TOKEN", "--to", f"{OWNER}/None").failed(66, f"{OWNER}/None")


def test_an_import_can_fill_an_owner(shared):
    shared.put({"A": b"1", "B": b"2"}, of=OWNER)
    assert shared.names(of=OWNER) == ["A", "B", "TOKEN"]


def looks(mount) -> dict:
    """All that a reader can tell of a mount without opening a value."""
    names = [".", *os.listdir(mount)]
    status = {name: os.stat(mount / name) for name in names}
    return {"generation": generation(mount)} | {
        name: (of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns) for name, of in status.items()
    }


# > leaves no sign in the directory, `.environ` or `.generation` that it changed — docs/SEMANTICS.md#visibility
def test_what_is_not_visible_leaves_no_trace_in_the_mount(shared):
    for owner in (OWNER, "vision"):
        shared.create("HIDDEN", b"shared", of=owner)
    shared.create("HIDDEN", b"mine")
    shared.create("BOTH", b"shared", of=OWNER)
    shared.does("grant", OWNER, "BOTH", "--to", ALGORITHM)
    mount = shared.mount()
    with open(mount / ".generation", "rb", buffering=0) as file:
        file.read()
        poller = select.poll()
        poller.register(file, select.POLLPRI)
        before = looks(mount)

        def is_silent(what: str):
            assert looks(mount) == before and not poller.poll(0), what

        shared.update("TOKEN", b"something else", of=OWNER)
        shared.does("grant", OWNER, "TOKEN", "--to", SIBLING)
        shared.create("OTHER", b"x", of=SIBLING)
        is_silent("what others have")
        shared.does("grant", OWNER, "HIDDEN", "--to", ALGORITHM)
        shared.does("grant", "vision", "HIDDEN", "--to", ALGORITHM)
        is_silent("a grant of what an own secret hides")
        shared.update("HIDDEN", b"next", of=OWNER)
        shared.does("secret", "update", "vision", "HIDDEN", "--metadata-only", "--expires", moment(2))
        is_silent("an update of that")
        shared.create("LATER", b"1", "--not-before", moment(3600))
        shared.update("LATER", b"2")
        is_silent("what is not there yet")
        shared.create("SHORT", b"1", "--not-before", moment(3600), of=OWNER)
        shared.does("grant", OWNER, "SHORT", "--to", f"{OWNER}/*")
        is_silent("a grant of what is not there yet")
        shared.does("grant", OWNER, "BOTH", "--to", SIBLING)
        shared.does("callers", SIBLING, "--uid", "1")
        is_silent("who else sees what is visible here")
        time.sleep(2.5)
        is_silent("the end of a hidden one")
        shared.delete("LATER")
        shared.does("revoke", "vision", "HIDDEN", "--from", ALGORITHM)
        is_silent("the end of what was not there")
        # And what is visible does leave one.
        shared.update("BOTH", b"next", of=OWNER)
        after = looks(mount)
        changed = {name for name in after if after[name] != before[name]}
        assert changed == {"generation", ".", "BOTH", ".environ", ".generation"}
        assert after["."][2] > before["."][2] and poller.poll(0)


def test_what_goes_moves_the_time_of_the_folder(shared):
    mount = shared.mount()
    before = looks(mount)
    shared.delete("OWN")
    forgotten(lambda: looks(mount)["."] == before["."])
    assert looks(mount)["."][2] > before["."][2]
