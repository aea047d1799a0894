"""R8, with the commands themselves: what a command that ended with 0 stored is there, however many others were killed."""

import random
import signal
import sqlite3
import subprocess
import time

from support import ALGORITHM, empty, environ, store  # noqa: F401 (fixtures)

ROUNDS = 200


class Expected:
    """What may be there: one value for each name, or several where a killed command may or may not have come so far."""

    def __init__(self):
        self.values: dict[str, set[bytes | None]] = {}

    def of(self, name: str) -> set[bytes | None]:
        return self.values.setdefault(name, {None})

    def note(self, changes: dict[str, bytes | None], is_acknowledged: bool):
        for name, value in changes.items():
            if is_acknowledged:
                self.values[name] = {value}
            else:
                self.of(name).add(value)

    def check(self, found: dict[str, bytes]):
        for name in self.values.keys() | found.keys():
            assert found.get(name) in self.of(name), name


def command(chance: random.Random, number: int, expected: Expected, store):
    """A command, what it reads, and what it changes."""
    there = sorted(name for name, values in expected.values.items() if None not in values)
    kind = chance.choice(["create", "create", "update", "update", "import", "delete", "rotate"])
    value = b"value %d" % number
    if kind == "import":
        names = [f"IMPORTED_{number}_{part}" for part in range(20)]
        file = store.root / f"import-{number}"
        file.write_bytes(b"".join(b"%s=%s\n" % (name.encode(), value) for name in names))
        return ["import", ALGORITHM, str(file), "--yes"], b"", dict.fromkeys(names, value)
    if kind == "rotate":
        return ["key", "rotate"], b"", {}
    if kind == "create" or not there:
        return ["secret", "create", ALGORITHM, f"CREATED_{number}"], value, {f"CREATED_{number}": value}
    name = chance.choice(there)
    if kind == "delete":
        return ["secret", "delete", ALGORITHM, name, "--yes"], b"", {name: None}
    return ["secret", "update", ALGORITHM, name], value, {name: value}


def test_after_200_killed_commands_every_acknowledged_write_is_there(store):
    """Whatever was killed in the middle is there whole or not at all; every record opens, and the file is sound."""
    started = time.monotonic()
    store.create("FIRST", b"first")
    longest = (time.monotonic() - started) * 1.5
    mount = store.mount()
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    expected = Expected()
    expected.note({"FIRST": b"first"}, True)
    killed = acknowledged = number = 0
    while killed < ROUNDS:
        number += 1
        arguments, value, changes = command(chance, number, expected, store)
        process = store.start(*arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        process.stdin.write(value)
        process.stdin.close()
        process.stdin = None
        time.sleep(chance.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        errors = process.communicate(timeout=60)[1]
        assert process.returncode in (0, -signal.SIGKILL), (arguments, process.returncode, errors)
        killed += process.returncode != 0
        acknowledged += process.returncode == 0
        expected.note(changes, process.returncode == 0)
        if arguments[0] == "import":
            shown = environ(mount)
            assert len({shown.get(name) for name in changes}) == 1, "a half of an import is there"
        if killed % 20 == 0:
            expected.check(environ(mount))
    assert acknowledged > 10, "they were killed too early"
    with sqlite3.connect(store.state / "store.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store.does("key", "rotate", "--resume")
    status = store.json("key", "status")
    assert status["unreadable"] == 0 and status["left"] == 0
    store.does("audit", "verify")
    store.does("unmount", mount)
    store.does("agent", "--stop")
    expected.check(environ(store.mount(name="again")))
