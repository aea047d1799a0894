"""What the rows have in common: the table of rows, stores and mounts that end with them, and times."""

import atexit
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ENTRIES = 20
VALUE = "x" * 32
rows = {}


def row(what, against, aim):
    def register(measure):
        rows[measure.__name__] = (what, against, aim, measure)
        return measure

    return register


def run(*command, **options):
    options = {"check": True, "text": True, "stdout": subprocess.PIPE, **options}
    return subprocess.run([str(part) for part in command], **options).stdout


@contextmanager
def folder(where="/dev/shm"):
    path = Path(tempfile.mkdtemp(prefix="secretfs-bench-", dir=where))
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", *map(str, path.glob("m*"))], stderr=subprocess.DEVNULL)
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def store(where="/dev/shm"):
    """A store in a folder of its own, whose agent ends with it."""
    with folder(where) as path:
        os.environ["SECRETFS_STATE"] = str(path / "state")
        run("secretfs", "init")
        try:
            yield path
        finally:
            run("secretfs", "agent", "--stop", check=False)


def algorithm(name, entries=ENTRIES):
    run("secretfs", "algorithm", "create", name)
    lines = "".join(f"ENTRY_{number}={VALUE}\n" for number in range(entries))
    run("secretfs", "import", name, "-", input=lines)


def mount(name, path):
    path.mkdir()
    run("secretfs", "mount", name, path)


def in_turn(rounds, *commands):
    """Medians in microseconds."""
    arguments = []
    for command in commands:
        arguments += (["--next"] if arguments else []) + [str(part) for part in command]
    lines = run("run-in-turn", rounds, *arguments).splitlines()
    return [int(line.split()[0]) / 1000 for line in lines]


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def agent_pid():
    return json.loads(run("secretfs", "status", "--json"))["agent"]["pid"]


def seconds(*command):
    """How long a program takes, from its start to its end."""
    start = time.monotonic()
    run(*command)
    return time.monotonic() - start


def nanoseconds(lines, part):
    """The p50 or p99 of each line of open-read-close."""
    found = []
    for line in lines:
        words = line.split()
        found.append(int(words[words.index(part) + 1]))
    return found


million_state = None


def million():
    """The state of a store of 1,000,000 secrets in 100,000 algorithms, made once, on tmpfs."""
    global million_state
    if million_state is None:
        path = Path(tempfile.mkdtemp(prefix="secretfs-bench-", dir="/dev/shm"))
        atexit.register(shutil.rmtree, path, ignore_errors=True)
        million_state = path / "state"
        run("secretfs", "init", env={**os.environ, "SECRETFS_STATE": str(million_state)})
        run("StoreBench", "fill", million_state, 100_000, 10)
    return million_state
