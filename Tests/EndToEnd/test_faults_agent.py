"""The agent: how it starts, ends, dies and hangs, and what its mounts do then."""

import errno
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import (  # noqa: F401 (fixtures)
    ALGORITHM,
    COMMAND_DEADLINE,
    change,
    empty,
    generation,
    mount_points,
    needs_root,
    notify_socket,
    store,
    wait_until,
)

EXISTS, UNAVAILABLE, RETRY = 73, 69, 75


def ended(pid: int, seconds=30) -> bool:
    """Waits for the end of a process that is not our child, and of all its threads: the first one can be a zombie while
    others still hold what the process had open."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            process = Path(f"/proc/{pid}")
            is_zombie = (process / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
            if is_zombie and os.listdir(process / "task") == [str(pid)]:
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def mount(store):
    store.create("A", b"value")
    return store.mount()


# Killed


def test_readers_of_a_killed_agent_get_a_prompt_error(store, mount):
    file = os.open(mount / "A", os.O_RDONLY)
    os.kill(store.agent, signal.SIGKILL)
    try:
        for action in [
            lambda: os.pread(file, 10, 0),
            lambda: os.open(mount / "A", os.O_RDONLY),
            lambda: os.listdir(mount),
            # Not stat: the kernel may answer that from what it was told.
        ]:
            deadline = time.monotonic() + 20
            while True:
                # Until the kernel has taken the dead process apart, requests wait; none is answered.
                with pytest.raises(OSError) as refusal:
                    action()
                if refusal.value.errno == errno.ENOTCONN:
                    break
                assert refusal.value.errno == errno.ECONNABORTED and time.monotonic() < deadline
    finally:
        os.close(file)


def test_the_shim_fails_where_the_agent_died(store, mount):
    agent = store.agent
    os.kill(agent, signal.SIGKILL)
    assert ended(agent)
    outcome = subprocess.run([store.shim, mount, "--", "echo", "ran"], capture_output=True, timeout=60)
    assert outcome.returncode == 125 and outcome.stdout == b""
    assert outcome.stderr.startswith(b"secretfs-env: error: ")


def test_a_dead_mount_is_listed_unmounted_and_mounted_again(store, mount):
    agent = store.agent
    os.kill(agent, signal.SIGKILL)
    assert ended(agent)
    assert "agent" not in store.json("status")
    row = next(row for row in store.json("mounts") if row["mountPoint"] == str(mount))
    assert row == {"mountPoint": str(mount), "state": "dead"}
    store.run("mount", ALGORITHM, mount).failed(EXISTS, "is a mount point already", "secretfs unmount")
    store.does("unmount", mount)
    assert os.listdir(mount) == []
    store.does("mount", ALGORITHM, mount)
    assert (mount / "A").read_bytes() == b"value"
    assert store.agents != [agent]


def test_a_mount_that_dies_while_it_is_looked_at_is_dead(store, mount):
    """The kernel then says ECONNABORTED, not ENOTCONN."""
    agent = store.agent
    os.kill(agent, signal.SIGKILL)
    assert ended(agent)
    aborted = ["strace", "-f", "-o", store.root / "trace", "-P", mount, "-e", "trace=statfs",
               "-e", "inject=statfs:error=ECONNABORTED"]
    done = store.does("mounts", "--json", before=aborted)
    assert "(INJECTED)" in (store.root / "trace").read_text()
    assert {"mountPoint": str(mount), "state": "dead"} in json.loads(done.output)


def test_a_new_agent_starts_beside_the_dead_mounts_of_the_last(store, mount):
    os.kill(store.agent, signal.SIGKILL)
    second = store.mount(name="second")
    assert (second / "A").read_bytes() == b"value"
    store.does("unmount", mount)
    assert store.mounts == [str(second)]


def test_a_killed_agent_loses_no_write(store, mount):
    os.kill(store.agent, signal.SIGKILL)
    store.update("A", b"after")
    assert store.json("secret", "show", ALGORITHM, "A")["version"] == 2
    second = store.mount(name="second")
    assert (second / "A").read_bytes() == b"after"


# Stopped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_agent_that_is_told_to_end_unmounts_everything(store, mount, number):
    second = store.mount(name="second")
    agent = store.agent
    with open(mount / "A", "rb", buffering=0) as file:
        os.kill(agent, number)
        assert ended(agent)
        assert store.mounts == []
        assert os.listdir(mount) == os.listdir(second) == []
        # What was open is cut off: no plaintext is served without an agent.
        with pytest.raises(OSError) as refusal:
            file.read()
        assert refusal.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)


def test_stop_ends_the_agent_and_says_so(store, mount):
    agent = store.agent
    assert store.does("agent", "--stop").output == "Stopped the agent.\n"
    assert ended(agent) and store.mounts == []
    assert store.does("agent", "--stop").output == f"No agent runs for {store.state}.\n"


def test_one_store_has_one_agent(store):
    first = store.agent_in_foreground()
    store.run("agent").failed(EXISTS, f"an agent for {store.state} runs", "secretfs agent --stop")
    assert first.poll() is None
    store.does("agent", "--stop")
    assert first.wait(timeout=60) == 0


@needs_root
def test_a_hanging_agent_holds_up_no_command_for_ever(store, mount):
    """A command that needs the agent gives up within its deadline and leaves nothing; others do their work."""
    agent = store.agent
    os.kill(agent, signal.SIGSTOP)
    folder = store.folder("second")
    try:
        outcome = store.run("mount", ALGORITHM, folder, timeout=50)
        assert outcome.status in (UNAVAILABLE, RETRY), outcome
        outcome.failed(outcome.status, "the agent")
        assert str(folder) not in mount_points()
        store.create("B", b"1")
        assert store.names() == ["A", "B"]
    finally:
        os.kill(agent, signal.SIGCONT)
    wait_until(mount, lambda: (mount / "B").exists())
    assert (mount / "A").read_bytes() == b"value"
    store.does("mount", ALGORITHM, folder)


# Started


def test_an_agent_in_the_foreground_serves_until_it_is_told_to_end(store):
    store.create("A", b"value")
    process = store.agent_in_foreground()
    mount = store.mount()
    assert store.agent == process.pid
    assert (mount / "A").read_bytes() == b"value"
    process.terminate()
    assert process.wait(timeout=60) == 0
    assert store.mounts == []


def test_systemd_is_told_when_the_agent_serves_and_when_it_stops(store):
    with notify_socket(store.root) as (path, receive):
        process = store.start("agent", env={"NOTIFY_SOCKET": path}, stderr=subprocess.DEVNULL)
        assert receive() == b"READY=1"
        # Ready is true: the first command is served.
        assert store.agent == process.pid
        process.terminate()
        assert receive() == b"STOPPING=1"
        assert process.wait(timeout=60) == 0


def test_an_agent_of_a_passphrase_store_reads_the_passphrase_once(empty):
    (empty.root / "passphrase").write_text("correct horse battery staple")
    options = ["--passphrase-file", "passphrase"]
    empty.does("init", "--passphrase", *options)
    empty.does("algorithm", "create", ALGORITHM, *options)
    empty.does("secret", "create", ALGORITHM, "A", *options, input=b"value")
    # A relative path, which must still be found: the agent leaves the folder in which it was started.
    empty.agent_in_foreground(*options)
    (empty.root / "passphrase").unlink()
    mount = empty.mount()
    assert (mount / "A").read_bytes() == b"value"


def test_an_agent_without_mounts_ends_by_itself(store):
    process = store.agent_in_foreground("--exit-when-idle", "1")
    assert process.wait(timeout=COMMAND_DEADLINE) == 0
    assert "agent" not in store.json("status")


def test_an_agent_with_mounts_stays_and_ends_after_the_last(store):
    store.create("A", b"value")
    process = store.agent_in_foreground("--exit-when-idle", "1")
    mount = store.mount()
    time.sleep(2)
    assert process.poll() is None and (mount / "A").read_bytes() == b"value"
    store.does("unmount", mount)
    assert process.wait(timeout=COMMAND_DEADLINE) == 0


def test_a_background_agent_belongs_to_no_terminal_and_no_folder(store, mount):
    process = Path(f"/proc/{store.agent}")
    fields = process.joinpath("stat").read_text().rsplit(")", 1)[1].split()
    assert fields[3] == str(store.agent), "it leads no session of its own"
    assert os.readlink(process / "cwd") == "/"
    assert os.readlink(process / "fd/0") == os.readlink(process / "fd/1") == "/dev/null"
    assert os.readlink(process / "fd/2") == str(store.state / "agent.log")


def test_an_agent_that_cannot_start_says_why_to_the_command(store):
    # Its socket's place is taken by a folder, which it does not delete.
    (store.state / "agent.sock").mkdir()
    outcome = store.run("mount", ALGORITHM, store.folder())
    assert outcome.status != 0 and "agent.sock" in outcome.errors, outcome
    outcome.failed(outcome.status)
    assert not store.mounts and not store.agents


def test_the_log_has_the_mounts_and_no_value(store, mount):
    planted = b"planted-7f3a"
    with change(mount):
        store.update("A", planted)
    assert (mount / "A").read_bytes() == planted
    store.does("unmount", mount)
    store.does("agent", "--stop")
    log = (store.state / "agent.log").read_bytes()
    assert ALGORITHM.encode() in log and str(mount).encode() in log
    assert planted not in log


def test_a_log_that_is_full_is_moved_aside_and_goes_on_in_a_new_file(store):
    log = store.state / "agent.log"
    log.write_bytes(b"x" * (1 << 20))
    store.create("A", b"value")
    store.mount()
    assert (store.state / "agent.log.1").stat().st_size == 1 << 20
    assert b"mounted" in log.read_bytes() and log.stat().st_mode & 0o777 == 0o600
    assert log.stat().st_size < 1 << 16


def test_strangers_on_the_socket_do_not_disturb_the_agent(store, mount):
    import socket

    for message in [b"", b"x", b"\xff" * 1000, b"{}", b"\0\0\0\5hello", os.urandom(60_000)]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.connect(str(store.state / "agent.sock"))
            if message:
                stranger.send(message)
    silent = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(20)]
    for stranger in silent:
        stranger.connect(str(store.state / "agent.sock"))
    try:
        assert store.json("status")["agent"]["mounts"] == 1
        assert (mount / "A").read_bytes() == b"value"
    finally:
        for stranger in silent:
            stranger.close()
