"""Who may open, where processes change, end or live in other namespaces while they ask."""

import os
import subprocess
from pathlib import Path

import pytest
from callers_support import CAT, PYTHON, VALUE, copy_of_cat, mount, read_by, rule, user  # noqa: F401 (fixtures)
from support import ALGORITHM, COMMAND_DEADLINE, empty, environ, needs_root, store  # noqa: F401 (fixtures)

pytestmark = needs_root


@pytest.fixture
def inside(store):
    """A process namespace with the agent and a mount in it, whose numbers a test may give out again: the words before
    a program that make it run there."""
    store.create("KEY", VALUE)
    store.does("callers", ALGORITHM, "KEY", "--exe", CAT)
    agent = store.agent_in_foreground(before=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    first = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()[0]
    words = ["nsenter", "--target", first, "--pid", "--mount", "--"]
    store.does("mount", ALGORITHM, store.folder(), before=words)
    return words


# ns_last_pid is the namespace's own: the next process gets the number after it, or the next free one.
NEXT = "echo {} > /proc/sys/kernel/ns_last_pid"


def test_a_process_number_that_is_used_again_at_once_is_another_process(store, inside, copy_of_cat):
    """Two programs take turns under one number; only one may read."""
    turns = [CAT, copy_of_cat] * 100
    script = "\n".join(
        f"{NEXT.format(4999)}; sh -c 'echo $$ >> {store.root}/numbers; exec {program} {store.root}/mount/KEY'"
        f" && echo ' let' || echo ' denied'"
        for program in turns)
    done = subprocess.run([*inside, "sh", "-c", script], capture_output=True, timeout=4 * COMMAND_DEADLINE)
    assert set((store.root / "numbers").read_text().split()) == {"5000"}, "no number was used again"
    said = done.stdout.decode().splitlines()
    assert said == [VALUE.decode() + " let", " denied"] * 100
    assert done.stderr.count(b"Permission denied") == 100


def test_a_process_number_that_is_used_again_while_many_open_is_another_process(store, inside, copy_of_cat):
    script = f"""
    many() {{
        for i in $(seq 100); do
            {NEXT.format(4999)}
            sh -c "echo \\$\\$ >> {store.root}/numbers; exec $1 {store.root}/mount/KEY" >> {store.root}/$2 2>> {store.root}/$2.errors
        done
    }}
    many {CAT} let & many {copy_of_cat} denied & many {CAT} let2 & many {copy_of_cat} denied2 &
    wait
    """
    done = subprocess.run([*inside, "bash", "-c", script], capture_output=True, timeout=4 * COMMAND_DEADLINE)
    assert done.returncode == 0 and done.stderr == b"", done
    numbers = (store.root / "numbers").read_text().split()
    assert len(numbers) == 400 and len(set(numbers)) < 100, "too few numbers were used again"
    for name in ("let", "let2"):
        said = (store.root / f"{name}.errors").read_text()
        assert ((store.root / name).read_bytes(), said) == (VALUE * 100, "")
    for name in ("denied", "denied2"):
        assert (store.root / name).read_bytes() == b""
        assert (store.root / f"{name}.errors").read_text().count("Permission denied") == 100


# Opens as fast as it can in a thread, while its first thread becomes the program that may open.
EXEC_RACE = """
import os, sys, threading, time
path, report, program = sys.argv[1:]
descriptor = os.open(report, os.O_WRONLY | os.O_APPEND)
def opens():
    while True:
        try: os.open(path, os.O_RDONLY)
        except PermissionError: continue
        os.write(descriptor, b"opened")
threading.Thread(target=opens, daemon=True).start()
time.sleep(float(os.environ["PAUSE"]))
os.execv(program, [program, path])
"""


def test_an_exec_during_an_open_gives_nothing_to_the_program_before_it(store, mount):
    rule(store, mount, "--exe", CAT)
    report = store.root / "report"
    report.touch()
    for number in range(60):
        done = subprocess.run(
            [PYTHON, "-c", EXEC_RACE, mount / "KEY", report, CAT], capture_output=True, timeout=COMMAND_DEADLINE,
            env={"PAUSE": str(number % 7 / 500)})
        # The program that it became may read.
        assert done.stdout == VALUE, done
    assert report.read_bytes() == b"", "the program before it got a descriptor"


# > A descriptor that was given to another process can be read there: it is a capability. — docs/SEMANTICS.md#callers
def test_a_descriptor_that_was_given_away_stays_open(store, mount):
    rule(store, mount, "--uid", "0")
    with open(mount / "KEY", "rb") as file:
        assert read_by("/dev/stdin", *user(1000), program=CAT, stdin=file) is None, "a new open by name is denied"
        done = subprocess.run([*user(1000), CAT], stdin=file, capture_output=True, timeout=COMMAND_DEADLINE)
        assert done.stdout == VALUE, done


def test_a_process_outside_of_the_agents_process_namespace_is_denied_by_any_rule(store):
    store.create("KEY", VALUE)
    store.create("FREE", b"free")
    store.agent_in_foreground(before=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    mount = store.mount("--mode", "0444")
    assert read_by(mount / "KEY") == VALUE
    rule(store, mount, "--uid", "0")
    assert read_by(mount / "KEY") is None
    assert read_by(mount / "FREE") == b"free"
    assert environ(mount) == {"FREE": b"free"}


# > In a mount that was made in another one than the agent's, every rule denies. — docs/SEMANTICS.md#callers
def test_in_a_mount_of_another_process_namespace_every_rule_denies(store):
    """The kernel names callers by numbers of the namespace in which the mount was made: elsewhere they are others'."""
    store.create("KEY", VALUE)
    store.create("FREE", b"free")
    point = store.folder()
    store.agent_in_foreground()
    inside = ["unshare", "--pid", "--fork", "--kill-child"]
    store.does("mount", ALGORITHM, point, "--mode", "0444", before=inside)
    assert read_by(point / "KEY") == VALUE
    rule(store, point, "--uid", "0")
    assert read_by(point / "KEY") is None
    assert read_by(point / "KEY", *inside) is None
    rule(store, point, "--clear", "--exe", CAT)
    assert read_by(point / "KEY") is None
    assert read_by(point / "FREE") == b"free"
    assert environ(point) == {"FREE": b"free"}
