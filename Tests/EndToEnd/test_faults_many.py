"""Many mounts, one after the other and at the same time: nothing leaks, and a few threads do."""

import concurrent.futures
import os
import time
from pathlib import Path

import pytest
from support import ALGORITHM, empty, generation, store, wait_until  # noqa: F401 (fixtures)

COUNT = 1_000
WORKERS = 4


def use(pid: int) -> dict[str, int]:
    """What a process holds: descriptors, threads, resident KiB, memory maps."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    return {
        "descriptors": len(os.listdir(process / "fd")),
        "threads": len(os.listdir(process / "task")),
        "resident": int(status["VmRSS"].split()[0]),
        "locked": int(status["VmLck"].split()[0]),
    }


def at_once(job, items):
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(job, items))


def settled(store, mounts: int):
    """Waits until the agent has noticed how many of its mounts are left."""
    deadline = time.monotonic() + 60
    while store.json("status")["agent"]["mounts"] != mounts:
        assert time.monotonic() < deadline, "the agent holds on to mounts that are gone"
        time.sleep(0.1)


def test_a_thousand_mounts_after_each_other_leave_nothing(store, record_property):
    store.put({f"NAME_{number:02}": b"value %d" % number for number in range(20)})
    store.agent_in_foreground()
    agent = store.agent
    folders = [store.folder(f"mount-{number}") for number in range(WORKERS)]

    def cycle(worker):
        folder = folders[worker % WORKERS]
        for _ in range(COUNT // WORKERS // 10):
            store.does("mount", ALGORITHM, folder)
            assert (folder / "NAME_07").read_bytes() == b"value 7"
            assert (folder / ".environ").stat().st_size > 0
            generation(folder)
            store.does("unmount", folder)

    # The first rounds fill what every later one uses again.
    at_once(cycle, range(WORKERS))
    settled(store, 0)
    before = use(agent)
    for _ in range(9):
        at_once(cycle, range(WORKERS))
    settled(store, 0)
    after = use(agent)
    record_property("before", before)
    record_property("after", after)
    assert store.mounts == []
    # Two for each of the 64 threads that it knows; each round has other threads.
    assert after["descriptors"] <= before["descriptors"] + 2 * 64 + 2 < COUNT, (before, after)
    assert after["threads"] <= before["threads"] + 4, (before, after)
    assert after["resident"] <= before["resident"] + 6_000, (before, after)
    assert store.json("mounts") == [row for row in store.json("mounts") if row["state"] in ("other", "dead")]


def test_a_thousand_mounts_at_once_are_served_by_a_few_threads(store, record_property):
    store.put({f"NAME_{number:02}": b"value %d" % number for number in range(20)})
    store.agent_in_foreground()
    agent = store.agent
    before = use(agent)
    folders = [store.folder(f"mount-{number:04}") for number in range(COUNT)]
    at_once(lambda folder: store.does("mount", ALGORITHM, folder), folders)
    assert store.json("status")["agent"]["mounts"] == COUNT
    mounted = [row["mountPoint"] for row in store.json("mounts") if row["state"] == "served"]
    assert mounted == sorted(str(folder) for folder in folders)
    for folder in folders:
        assert (folder / "NAME_19").read_bytes() == b"value 19"
        assert (folder / ".environ").stat().st_size == 20 * (len("NAME_00") + 2) + 10 * 7 + 10 * 8
    used = use(agent)
    record_property("before", before)
    record_property("used", used)
    print(f"agent with {COUNT} mounts of 20 entries: {used}")
    assert used["threads"] <= before["threads"] + 16, (before, used)
    # One descriptor for each mount, and some of its own.
    assert used["descriptors"] <= COUNT + before["descriptors"] + 16, (before, used)
    # A change shows in each of them.
    store.update("NAME_19", b"new")
    for folder in folders:
        wait_until(folder, lambda: (folder / "NAME_19").read_bytes() == b"new")
    # One command ends them all.
    store.does("agent", "--stop")
    assert store.mounts == []
