"""`secretfs run`: one program, one private mount, and nothing left of either."""

import os
import signal
import subprocess
import sys
import time

import pytest
from support import ALGORITHM, change, empty, mount_points, needs_root, store, wait_until  # noqa: F401 (fixtures)

PLANTED = b"planted-7f3a"


@pytest.fixture(autouse=True)
def secrets(request):
    if "store" in request.fixturenames:
        request.getfixturevalue("store").put({"A": b"first", "B": b"second"})


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def runs(store, *command, options=(), **more):
    return store.does("run", ALGORITHM, *options, "--", *command, **more).output


def test_the_program_gets_variables_and_files(store):
    said = runs(store, *python("""
import os
folder = os.environ["SECRETFS_DIRECTORY"]
print(os.environ["A"], os.environ["B"], sorted(os.listdir(folder)), open(folder + "/A").read())
"""))
    assert said == "first second ['.environ', '.generation', 'A', 'B'] first\n"


def test_the_mount_is_seen_by_nobody_else(store):
    process = store.start("run", ALGORITHM, "--", *python("""
import os, sys
print(os.environ["SECRETFS_DIRECTORY"], flush=True)
sys.stdin.read()
"""), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    folder = process.stdout.readline().decode().strip()
    assert os.path.isdir(folder) and os.listdir(folder) == []
    assert folder not in mount_points()
    row = next(row for row in store.json("mounts") if row.get("algorithm") == ALGORITHM)
    assert (row["state"], row["mountPoint"], row["entries"]) == ("private", folder, 2)
    assert sorted(os.listdir(f"/proc/{process.pid}/root{folder}")) == [".environ", ".generation", "A", "B"]
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    deadline = time.monotonic() + 30
    while store.json("status")["agent"]["mounts"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert store.json("status")["agent"]["mounts"] == 0, "the mount outlives the program"


@pytest.mark.parametrize("status", [0, 1, 42, 125, 126, 127, 255])
def test_the_exit_status_is_the_programs(store, status):
    outcome = store.run("run", ALGORITHM, "--", "sh", "-c", f"exit {status}")
    assert (outcome.status, outcome.errors) == (status, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGUSR1, signal.SIGPIPE])
def test_signals_are_the_programs(store, number):
    process = store.start("run", ALGORITHM, "--", "sh", "-c", "echo ready; exec sleep 100", stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.wait(timeout=60) == -number


def test_the_process_is_the_program(store):
    process = store.start("run", ALGORITHM, "--", "sh", "-c", "echo $$", stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=60)
    assert int(output) == process.pid


def test_a_program_that_does_not_exist(store):
    outcome = store.run("run", ALGORITHM, "--", "no-such-program")
    assert outcome.status == 127 and outcome.errors.startswith("secretfs-env: error: "), outcome
    outcome = store.run("run", ALGORITHM, "--", "/etc/passwd")
    assert outcome.status == 126 and outcome.errors.startswith("secretfs-env: error: "), outcome


def test_standard_streams_are_the_programs(store):
    outcome = store.run("run", ALGORITHM, "--", "sh", "-c", "cat; echo problem >&2", input=b"through \0 it\n")
    assert outcome.output == "through \0 it\n" and outcome.errors == "problem\n"


def test_arguments_reach_the_program_as_they_are(store):
    arguments = ["", "--only", "-x", "a b", "ünïcode", "'", "--", "--help"]
    said = runs(store, *python("import sys; print(sys.argv[1:])"), *arguments)
    assert said == f"{arguments}\n"


def test_nothing_of_ours_is_open_in_the_program(store):
    said = runs(store, *python("""
import os
print(sorted(int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")))
"""))
    assert said == "[0, 1, 2]\n"


def test_limits_and_signals_of_the_program_are_those_of_the_caller(store):
    program = python("""
import resource, re
status = open("/proc/self/status").read()
print(resource.getrlimit(resource.RLIMIT_CORE), [re.search(name + ":\\\\s*(.*)", status)[1] for name in ["SigBlk", "NoNewPrivs"]])
""")
    limits = "ulimit -S -c unlimited 2>/dev/null || true; exec \"$@\""
    plain = subprocess.check_output(["sh", "-c", limits, "sh", *program], env=store.environment, timeout=60).decode()
    command = ["sh", "-c", limits, "sh", store.binary, "run", ALGORITHM, "--", *program]
    inside = subprocess.check_output(command, env=store.environment, timeout=60).decode()
    assert inside == plain


def test_the_options_of_the_shim_work(store):
    env = ["/usr/bin/env"]

    def variables(*options) -> list[str]:
        lines = runs(store, *env, options=["--clear", *options]).splitlines()
        # The program is always told where its files are.
        return sorted(line for line in lines if not line.startswith("SECRETFS_DIRECTORY="))

    assert variables("--only", "A") == ["A=first"]
    assert variables("--prefix", "X_", "--only", "B") == ["X_B=second"]
    assert variables("--only", "A", "--rename", "C=A") == ["C=first"]
    assert variables("--keep", "HOME", "--only", "A") == ["A=first", f"HOME={store.root}"]
    assert "A=mine" in runs(store, *env, options=["--keep-inherited"], env={"A": "mine"}).splitlines()
    outcome = store.run("run", ALGORITHM, "--require", "MISSING", "--", "echo", "ran")
    assert outcome.status == 125 and "MISSING" in outcome.errors and outcome.output == "", outcome


def test_updates_show_in_the_running_program(store):
    process = store.start("run", ALGORITHM, "--", *python("""
import os, select
folder = os.environ["SECRETFS_DIRECTORY"]
generation = os.open(folder + "/.generation", os.O_RDONLY)
os.pread(generation, 32, 0)
poller = select.poll()
poller.register(generation, select.POLLPRI)
print("ready", flush=True)
assert poller.poll(30_000)
print(open(folder + "/A").read(), os.environ["A"], flush=True)
"""), stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    store.update("A", b"new")
    assert process.stdout.readline() == b"new first\n"
    assert process.wait(timeout=60) == 0


def test_programs_at_once_have_their_own(store):
    store.does("algorithm", "create", "nlp/Other")
    store.create("A", b"other", of="nlp/Other")
    program = python("""
import os, sys, time
folder = os.environ["SECRETFS_DIRECTORY"]
print("ready", flush=True)
sys.stdin.read()
print(open(folder + "/A").read())
""")
    processes = [
        store.start("run", of, "--", *program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for of in [ALGORITHM, "nlp/Other"] * 3
    ]
    for process in processes:
        assert process.stdout.readline() == b"ready\n"
    assert store.json("status")["agent"]["mounts"] == 6
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert said == [b"first\n", b"other\n"] * 3


def test_children_that_outlive_the_program_keep_the_mount(store):
    file = store.root / "said"
    runs(store, "sh", "-c", f'(sleep 1; cat "$SECRETFS_DIRECTORY/A" > {file}.new; mv {file}.new {file}) >/dev/null 2>&1 & echo started')
    deadline = time.monotonic() + 30
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert file.read_bytes() == b"first"


@needs_root
def test_another_user_with_a_store_of_its_own_runs_a_program(empty):
    """Without privileges: in a user namespace, through the user's own agent, which this command starts."""
    home = empty.folder("home")
    os.chown(home, 65534, 65534)
    before = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    env = {"HOME": str(home), "SECRETFS_STATE": str(home / "state"), "XDG_RUNTIME_DIR": str(home)}
    empty.state = home / "state"
    outcome = empty.run("init", before=before, env=env)
    assert outcome.status == 0, outcome
    empty.does("algorithm", "create", ALGORITHM, before=before, env=env)
    empty.does("secret", "create", ALGORITHM, "A", before=before, env=env, input=b"value")
    # The device as it is on most machines, open to all, wherever this runs.
    device = f"mknod -m 0666 {empty.root}/fuse c 10 229; mount --bind {empty.root}/fuse /dev/fuse"
    namespace = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{device}; exec "$@"', "sh", *before]
    program = 'id -u; echo "$A"; cat "$SECRETFS_DIRECTORY/A"'
    try:
        outcome = empty.run("run", ALGORITHM, "--", "sh", "-c", program, before=namespace, env=env)
        assert (outcome.status, outcome.output) == (0, "65534\nvalue\nvalue"), outcome
    finally:
        empty.run("agent", "--stop", before=before, env=env)


def test_a_store_that_is_missing_starts_no_program(empty):
    outcome = empty.run("run", ALGORITHM, "--", "echo", "ran")
    assert outcome.status == 66 and outcome.output == "", outcome
