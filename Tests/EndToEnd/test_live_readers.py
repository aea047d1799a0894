"""Readers while values change: never a torn value, never a torn `.environ`, never an older version after a newer."""

import hashlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import ALGORITHM, empty, parse_environ, store, wait_until  # noqa: F401 (fixtures)

READERS = 64
UPDATES = 1_000
NAMES = [f"NAME_{number}" for number in range(6)]
# Longer than what one read gets, so that a value could be torn between reads.
LONG = "NAME_0"


def value(name: str, number: int) -> bytes:
    """A value that tells which update it is of, and whether it is whole."""
    head = b"%s %d " % (name.encode(), number)
    digest = hashlib.sha256(head).hexdigest().encode()
    return head + digest * (300 if name == LONG else 1)


def number_of(name: str, content: bytes) -> int:
    """Which update `content` is of; fails if it is torn."""
    number = int(content.split(b" ", 2)[1])
    assert content == value(name, number), f"{name} is torn at {number}"
    return number


def read(path: Path, piece: int) -> bytes:
    """A file as slow readers read it: by pieces, with its size beforehand."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        content = b"".join(iter(lambda: os.read(descriptor, piece), b""))
    finally:
        os.close(descriptor)
    assert len(content) == size, f"{path.name} has {len(content)} bytes, and fstat said {size}"
    return content


def check_environ(content: bytes) -> int:
    """The one update that all of `.environ` is of."""
    values = parse_environ(content)
    assert set(values) == set(NAMES), sorted(values)
    numbers = {number_of(name, values[name]) for name in NAMES}
    assert len(numbers) == 1, f"torn: {numbers}"
    return numbers.pop()


def watch(mount: Path, seed: int, last: int) -> int:
    """Reads until it has seen update `last` everywhere; answers how many reads that were.

    Between rounds it sleeps, one reader in four until something changes, so that the readers of a small machine leave
    it time to update; every other reader does so in the middle of a round, when some of what it read is old."""
    generation = os.open(mount / ".generation", os.O_RDONLY)
    poller = select.poll()
    poller.register(generation, select.POLLPRI)
    seen = dict.fromkeys([*NAMES, ".environ"], 0)
    pieces = [4_096, 65_536, 7_001, 1 << 20]
    reads = 0
    while min(seen.values()) < last:
        # Two of the small ones in turn: all of them each time would only measure this program.
        others = NAMES[1 + reads % 5], NAMES[1 + (reads + seed) % 5]
        for step, name in enumerate([others[0], LONG, ".environ", others[1]]):
            content = read(mount / name, pieces[(reads + seed) % len(pieces)])
            number = check_environ(content) if name == ".environ" else number_of(name, content)
            assert number >= seen[name], f"{name} went back from {seen[name]} to {number}"
            seen[name] = number
            reads += 1
            if step == seed % 2 + 2:
                if seed % 4 == 0:
                    poller.poll(100)
                    os.pread(generation, 32, 0)
                else:
                    time.sleep(0.1)
    return reads


def test_sixty_four_readers_see_a_thousand_updates_whole(store):
    store.put({name: value(name, 0) for name in NAMES})
    mount = store.mount()
    # Nice: the updates get the processor when they want it.
    command = ["nice", "-n", "15", sys.executable, __file__, str(mount)]
    readers = [subprocess.Popen([*command, str(seed), str(UPDATES)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for seed in range(READERS)]
    store.started += readers
    for number in range(1, UPDATES + 1):
        store.put({name: value(name, number) for name in NAMES})
        if number % 50 == 0:
            ended = [reader for reader in readers if reader.poll() is not None and number < UPDATES]
            assert not ended, ended[0].communicate()[1].decode()
    for reader in readers:
        said, problem = reader.communicate(timeout=120)
        assert reader.returncode == 0, problem.decode()
        assert int(said) > 0


@pytest.mark.parametrize("broken", ["torn value", "torn environ", "missing", "short"])
def test_a_torn_set_would_be_noticed(tmp_path, broken):
    for name in NAMES:
        (tmp_path / name).write_bytes(value(name, 7))
    values = {name: value(name, 7) for name in NAMES}
    if broken == "torn value":
        half = value(LONG, 7)[:10_000] + value(LONG, 8)[10_000:]
        with pytest.raises(AssertionError):
            number_of(LONG, half)
        return
    if broken == "torn environ":
        values["NAME_3"] = value("NAME_3", 8)
    if broken == "missing":
        del values["NAME_3"]
    if broken == "short":
        values["NAME_3"] = values["NAME_3"][:-1]
    with pytest.raises(AssertionError):
        check_environ(b"".join(name.encode() + b"=" + values[name] + b"\0" for name in values))


if __name__ == "__main__":
    print(watch(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
