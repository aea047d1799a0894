"""Somebody else has a hand in a folder that secretfs uses: nothing of others is harmed, and nothing is given away."""

import contextlib
import os
import signal
import stat
import struct
import subprocess
import threading
import time

import pytest
from support import ALGORITHM, OTHER_UID, empty, mount_points, needs_root, store  # noqa: F401 (fixtures)

pytestmark = needs_root


def hot_journal(victim) -> bytes:
    """A rollback journal that names `victim` as its super-journal (sqlite.org/fileformat2.html, 3)."""
    name = os.fsencode(victim)
    header = bytes.fromhex("d9d505f920a163d7") + struct.pack(">IIIII", 0, 7, 5, 512, 4096)
    trailer = struct.pack(">I", 0x40000001) + name + struct.pack(">II", len(name), sum(name))
    return header.ljust(512, b"\0") + trailer + bytes.fromhex("d9d505f920a163d7")


def test_a_journal_that_somebody_put_beside_the_store_deletes_nothing(store):
    victim = store.root / "precious.conf"
    victim.write_text("precious")
    journal = store.state / "store.db-journal"
    journal.write_bytes(hot_journal(victim))
    for command in (["status"], ["secret", "list", ALGORITHM], ["doctor"]):
        outcome = store.run(*command)
        assert outcome.status != 0 and str(journal) in outcome.errors + outcome.output, outcome
    assert victim.read_text() == "precious"
    journal.unlink()
    assert store.names() == []


def test_a_journal_that_appears_between_two_looks_deletes_nothing_either(store):
    """While commands look again and again, the journal comes and goes."""
    victim = store.root / "precious.conf"
    victim.write_text("precious")
    journal = store.state / "store.db-journal"
    ended = threading.Event()

    def flicker():
        while not ended.is_set():
            journal.write_bytes(hot_journal(victim))
            with contextlib.suppress(FileNotFoundError):
                journal.unlink()

    thread = threading.Thread(target=flicker)
    thread.start()
    try:
        statuses = {store.run("status").status for _ in range(40)}
    finally:
        ended.set()
        thread.join()
    assert victim.read_text() == "precious" and 0 in statuses


def test_a_pipe_in_the_journals_place_does_not_hold_a_command(store):
    os.mkfifo(store.state / "store.db-journal")
    assert store.run("status", timeout=20).status != 0


@pytest.mark.parametrize("companion", ["store.db-wal", "store.db-shm"])
def test_a_companion_that_is_another_name_of_a_file_is_refused_and_not_written(store, companion):
    victim = store.root / "victim"
    victim.write_text("mine")
    victim.chmod(0o644)
    os.link(victim, store.state / companion)
    store.run("algorithm", "create", "q/q").failed(74, companion)
    assert victim.read_text() == "mine" and stat.S_IMODE(victim.stat().st_mode) == 0o644


def test_a_log_that_is_a_pipe_or_anothers_file_is_refused(store):
    store.create("A", b"1")
    os.mkfifo(store.state / "agent.log")
    store.run("mount", ALGORITHM, store.folder(), timeout=20).failed(74, "agent.log")
    (store.state / "agent.log").unlink()
    victim = store.root / "victim"
    victim.write_text("mine")
    os.link(victim, store.state / "agent.log")
    store.run("mount", ALGORITHM, store.folder(), timeout=20).failed(74, "agent.log")
    assert victim.read_text() == "mine" and not store.mounts


def test_a_copy_of_a_mount_elsewhere_ends_with_its_unmounting(store):
    """A process that keeps a copy in a mount namespace of its own sees no version after that."""
    store.create("A", b"old")
    mount = store.mount("--mode", "0444")
    keeper = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"cat {mount}/A; echo; read x; cat {mount}/A"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert keeper.stdout.readline() == b"old\n"
    store.does("unmount", mount)
    store.update("A", b"new")
    output, errors = keeper.communicate(b"\n", timeout=60)
    assert output == b"" and b"not connected" in errors, (output, errors)
    assert [row for row in store.json("mounts") if row["mountPoint"] == str(mount)] == []


def test_a_lazy_unmount_leaves_copies_alone(store):
    store.create("A", b"old")
    mount = store.mount("--mode", "0444")
    keeper = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"cat {mount}/A; echo; read x; cat {mount}/A"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert keeper.stdout.readline() == b"old\n"
    store.does("unmount", "--lazy", mount)
    assert keeper.communicate(b"\n", timeout=60)[0] == b"old"


def test_an_agent_that_stops_unmounts_nothing_but_its_own(store):
    """A user who owns a directory above a mount point leads its path elsewhere while the agent unmounts."""
    evil, target = store.root / "evil", store.root / "target"
    (evil / "a" / "victim").mkdir(parents=True)
    (target / "victim").mkdir(parents=True)
    store.root.chmod(0o755)
    for path in (evil, evil / "a"):
        os.chown(path, OTHER_UID, OTHER_UID)
    store.create("A", b"1")
    subprocess.run(["mount", "-t", "tmpfs", "bystander", target / "victim"], check=True)
    # The agent waits between looking and unmounting, which is all the time in the world for the user.
    slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=umount2", "-e", "inject=umount2:delay_enter=3000000"]
    agent = subprocess.Popen([*slow, store.binary, "agent"], env=store.environment, stderr=subprocess.DEVNULL)
    try:
        while not store.json("status").get("agent"):
            time.sleep(0.05)
        store.does("mount", ALGORITHM, evil / "a" / "victim")
        (pid,) = store.agents
        os.kill(pid, signal.SIGTERM)
        time.sleep(1)
        # From a mount namespace of its own, where nothing is mounted there, the user may rename it.
        swap = (
            f"umount -l {evil}/a/victim; exec setpriv --reuid={OTHER_UID} --regid={OTHER_UID} --clear-groups "
            f"sh -ec 'mv {evil}/a {evil}/b; ln -s {target} {evil}/a'"
        )
        subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", swap], check=True)
        agent.wait(60)
        assert str(target / "victim") in mount_points(), "a bystander's mount is gone"
    finally:
        agent.kill()
        for point in (target / "victim", evil / "b" / "victim", evil / "a" / "victim"):
            subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)


def test_init_makes_nothing_in_the_folder_of_somebody_else(empty):
    empty.state.mkdir(mode=0o700)
    os.chown(empty.state, OTHER_UID, OTHER_UID)
    empty.run("init").failed(77, str(OTHER_UID))
    assert os.listdir(empty.state) == []


def test_a_root_key_descriptor_that_names_a_device_does_not_open_it(store):
    key = store.root / "key"
    os.mknod(key, stat.S_IFCHR | 0o400, os.makedev(5, 2))
    outcome = store.run("status", "--root-key-file", key, before=["strace", "-f", "-e", "trace=openat", "-o", "trace"])
    assert "ordinary file" in outcome.output + outcome.errors
    opened = [line for line in (store.root / "trace").read_text().splitlines() if f'"{key}"' in line]
    assert opened and all("O_PATH" in line for line in opened), opened


def test_open_directories_do_not_keep_the_records_of_their_generations(store):
    store.put({f"BIG_{number}": b"v" * 100_000 for number in range(40)})
    store.create("A", b"0")
    mount = store.mount()
    (agent,) = store.agents

    def resident() -> int:
        with open(f"/proc/{agent}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    with contextlib.ExitStack() as kept:
        before = resident()
        for number in range(25):
            descriptor = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
            kept.callback(os.close, descriptor)
            os.listdir(descriptor)
            for name in ("A", ".environ"):
                kept.callback(os.close, os.open(mount / name, os.O_PATH))
            store.update("A", b"%d" % number)
            time.sleep(0.02)
        # 25 generations of 4 MB would be 100 MB. Of those that are kept for opens that a change overtook, what did not
        # change is there once; reading a generation takes some more.
        assert resident() - before < 30_000, (before, resident())


def test_no_root_key_is_made_where_it_would_be_refused_afterwards(store):
    theirs = store.root / "theirs"
    theirs.mkdir(mode=0o755)
    os.chown(theirs, OTHER_UID, OTHER_UID)
    key = theirs / "root.key"
    said = store.run("root-key", "change", "--root-key-file", key)
    assert said.status != 0 and f"belongs to user {OTHER_UID}" in said.errors, said
    assert not key.exists() and store.does("secret", "list", ALGORITHM)
    other = store.root / "other"
    said = store.run("init", "--state", other, "--root-key-file", key)
    assert said.status != 0 and f"belongs to user {OTHER_UID}" in said.errors, said
    assert not key.exists() and not (other / "store.db").exists()
