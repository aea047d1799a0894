"""Data keys: status, rotation while the store is in use, and what a rotation that was killed leaves."""

import os
import random
import signal
import sqlite3
import subprocess
import threading
import time

import pytest
from support import ALGORITHM, Terminal, empty, environ, generation, store, wait_until  # noqa: F401 (fixtures)

DAMAGED, SEALED = 70, 78


def records(store) -> dict[str, bytes]:
    with sqlite3.connect(f"file:{store.state}/store.db?mode=ro", uri=True) as database:
        return {bytes(key).decode(): bytes(value) for key, value in database.execute("SELECT key, bytes FROM record")}


def ids(store) -> set[str]:
    """The data keys that the headers of records name: bytes 1 to 4."""
    return {value[1:5].hex() for key, value in records(store).items() if key not in ("keyring", "root-key")}


def active(store) -> str:
    return store.json("key", "status")["keys"][-1]["id"]


def fill(store, count: int) -> dict[str, bytes]:
    values = {f"N{number}": b"value %d" % number for number in range(count)}
    store.put(values)
    return values


def test_key_status_counts_what_each_key_seals(store):
    fill(store, 20)
    status = store.json("key", "status")
    (key,) = status["keys"]
    assert key["state"] == "active" and key["records"] == 43 and key["ageDays"] == 0
    assert (status["generation"], status["left"], status["unreadable"], status["warnings"]) == (1, 0, 0, [])
    assert status["rootKey"] == f"the file {store.state}/root.key"
    said = store.does("key", "status").output
    assert key["id"] in said and "active" in said and "43" in said


def test_key_status_warns_of_records_that_no_key_opens(store):
    store.create("A", b"1")
    with sqlite3.connect(store.state / "store.db") as database:
        database.execute("INSERT INTO record VALUES (?, ?, 1, 1)", (b"secret/x/y/Z", b"\x01\xde\xad\xbe\xef" + b"0" * 60))
    status = store.json("key", "status")
    assert status["unreadable"] == 1
    assert [warning["kind"] for warning in status["warnings"]] == ["unreadable"]
    assert "warning: 1 record(s) are sealed by no key" in store.does("key", "status").output


def test_a_rotation_seals_everything_by_a_new_key_and_destroys_the_old_one(store):
    values = fill(store, 50)
    before = active(store)
    said = store.does("key", "rotate").output
    assert "Sealed 103 record(s) anew." in said and f"Destroyed data key {before}." in said
    assert ids(store) == {active(store)} != {before}
    assert store.json("key", "status")["generation"] == 3
    mount = store.mount()
    assert environ(mount) == values


def test_a_rotation_tells_how_far_it_is_on_a_terminal(store):
    fill(store, 50)
    with Terminal(store, "key", "rotate") as terminal:
        assert terminal.end() == 0
        assert b"\r103 of 103 records sealed anew" in terminal.shown


def rotate_during(store, work, times=4) -> list[int]:
    """Rotates while four threads do `work(index)` over and over; answers how often each did it. A fault of theirs is
    one of the test."""
    done, faults, counts = threading.Event(), [], [0] * 4

    def run(index):
        try:
            while not done.is_set():
                work(index)
                counts[index] += 1
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(times):
            store.does("key", "rotate")
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    assert not faults, faults
    return counts


def test_a_kept_key_stays_until_resume(store):
    fill(store, 5)
    before = active(store)
    store.does("key", "rotate", "--keep-old")
    status = store.json("key", "status")
    assert [(key["id"], key["records"]) for key in status["keys"]][0] == (before, 0)
    assert [warning["kind"] for warning in status["warnings"]] == ["unfinished"]
    assert f"Destroyed data key {before}." in store.does("key", "rotate", "--resume").output
    assert len(store.json("key", "status")["keys"]) == 1


# > A rotation of the data key or of the root key is no change: `.generation` stays, inodes stay, open files stay open, and nothing is interrupted. — docs/SEMANTICS.md#rotation-of-keys
def test_a_mount_serves_every_read_during_rotations_and_keeps_its_files_open(store):
    values = fill(store, 200)
    mount = store.mount()
    first = generation(mount)
    held = open(mount / "N7", "rb", buffering=0)
    inode = os.fstat(held.fileno()).st_ino

    def read(_):
        assert environ(mount) == values
        name = random.choice(list(values))
        assert (mount / name).read_bytes() == values[name]

    counts = rotate_during(store, read)
    assert all(counts)
    assert generation(mount) == first, "a rotation is no change of what the mount shows"
    assert held.read() == values["N7"] and os.stat(mount / "N7").st_ino == inode
    held.close()
    assert ids(store) == {active(store)}
    store.update("N7", b"new")
    wait_until(mount, lambda: (mount / "N7").read_bytes() == b"new")
    assert "not told" not in (store.state / "agent.log").read_text()


def test_writers_in_other_processes_lose_nothing(store):
    values = fill(store, 30)
    rounds = [0] * 4

    def write(number):
        store.update(f"N{number}", b"round %d" % rounds[number])
        values[f"N{number}"] = b"round %d" % rounds[number]
        rounds[number] += 1

    assert all(rotate_during(store, write))
    assert environ(store.mount()) == values
    assert ids(store) == {active(store)}


def test_two_rotations_at_once(store):
    values = fill(store, 300)
    rotations = [store.start("key", "rotate", stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [rotation.wait(60) for rotation in rotations] == [0, 0, 0]
    status = store.json("key", "status")
    assert len(status["keys"]) == 1 and status["generation"] == 7 and status["left"] == 0
    assert environ(store.mount()) == values


def test_a_rotation_that_is_killed_anywhere_is_finished_later(store):
    values = fill(store, 1500)
    mount = store.mount()
    started = time.monotonic()
    store.does("key", "rotate")
    whole = time.monotonic() - started
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    killed = 0
    for _ in range(50):
        process = store.start("key", "rotate", stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, whole * 1.1))
        process.send_signal(signal.SIGKILL)
        killed += process.wait(60) != 0
        name = chance.choice(list(values))
        assert (mount / name).read_bytes() == values[name]
        values[name] = b"after %d" % chance.randrange(1000)
        store.update(name, values[name])
        status = store.json("key", "status")
        assert status["unreadable"] == 0
        store.does("key", "rotate", "--resume")
        status = store.json("key", "status")
        assert status["left"] == 0 and len(status["keys"]) == 1
        assert ids(store) == {active(store)}
    assert killed > 10, "it was killed too late"
    wait_until(mount, lambda: environ(mount) == values)
    store.does("unmount", mount)
    assert environ(store.mount(name="again")) == values


def test_an_older_keyring_that_is_put_back_opens_nothing_newer(store):
    fill(store, 3)
    mount = store.mount()
    old = records(store)["keyring"]
    store.does("key", "rotate")
    with sqlite3.connect(store.state / "store.db") as database:
        database.execute("UPDATE record SET bytes = ?, modified = modified + 1 WHERE key = ?", (old, b"keyring"))
    store.run("secret", "list", ALGORITHM).failed(DAMAGED, "is sealed by data key", "an older keyring was put")
    assert (mount / "N1").read_bytes() == b"value 1", "the agent goes on with the keys that it has"
    store.does("agent", "--stop")
    store.run("mount", ALGORITHM, store.folder("third")).failed(DAMAGED)


def test_a_damaged_keyring_is_damage_and_no_missing_key(store):
    """A wrong key, a missing key, a newer format and a corrupt file are four different errors."""
    store.create("A", b"1")
    whole = records(store)["keyring"]
    for position in (len(whole) // 2, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        with sqlite3.connect(store.state / "store.db") as database:
            database.execute("UPDATE record SET bytes = ? WHERE key = ?", (bytes(damaged), b"keyring"))
        store.run("secret", "list", ALGORITHM).failed(DAMAGED, "the keyring is damaged", "backup")
        store.run("mount", ALGORITHM, store.folder("mount")).failed(DAMAGED, "the keyring is damaged")
    with sqlite3.connect(store.state / "store.db") as database:
        database.execute("UPDATE record SET bytes = ? WHERE key = ?", (whole, b"keyring"))
    store.does("secret", "list", ALGORITHM)


def test_large_values_are_sealed_anew(store):
    """More bytes than one page of the walk has."""
    big = {f"B{number}": os.urandom(512 * 1024).hex().encode() for number in range(6)}
    for name, value in big.items():
        store.create(name, value, "--delivery", "file")
    store.does("key", "rotate")
    assert ids(store) == {active(store)}
    mount = store.mount()
    for name, value in big.items():
        assert (mount / name).read_bytes() == value


# Sealing the agent


def test_seal_and_unseal(store):
    values = fill(store, 3)
    mount = store.mount()
    held = open(mount / "N0", "rb", buffering=0)
    before = generation(mount)
    assert store.json("status")["agent"]["sealed"] is False
    store.does("seal")
    assert store.json("status")["agent"]["sealed"] is True
    assert "sealed: its mounts open nothing" in store.does("status").output
    # > Names stay listed, with their sizes and times; opening a value or `.environ` fails with `ENOKEY` — docs/SEMANTICS.md#a-sealed-agent
    assert sorted(name for name in os.listdir(mount) if name[0] != ".") == sorted(values)
    for name in [*values, ".environ"]:
        with pytest.raises(OSError) as caught:
            open(mount / name, "rb").close()
        assert caught.value.errno == 126, name
    assert generation(mount) == before
    assert held.read() == values["N0"], "an open file keeps what it has"
    held.close()
    store.run("mount", ALGORITHM, store.folder("other")).failed(SEALED, "was sealed", "secretfs unseal")
    store.run("run", ALGORITHM, "--", "true").failed(SEALED, "secretfs unseal")
    # The command line has the root key; the mount shows it after unseal.
    store.update("N1", b"new")
    store.does("key", "rotate")
    with pytest.raises(OSError):
        open(mount / "N1", "rb").close()
    store.does("unseal")
    assert (mount / "N1").read_bytes() == b"new" and (mount / "N0").read_bytes() == values["N0"]
    assert store.json("status")["agent"]["sealed"] is False


def test_unseal_needs_the_root_key(store):
    fill(store, 1)
    mount = store.mount()
    store.does("seal")
    other = store.root / "other.key"
    store.does("init", "--state", "second", "--root-key-file", other)
    store.run("unseal", "--root-key-file", other).failed(SEALED, "not the one that sealed the store")
    with pytest.raises(OSError):
        open(mount / "N0", "rb").close()
    store.does("unseal")
    assert (mount / "N0").read_bytes() == b"value 0"


def test_without_an_agent_there_is_nothing_to_seal(store):
    assert "Nothing to seal: no agent and no server runs" in store.does("seal").output
    store.run("unseal").failed(69, "no agent runs")
