"""What others see of our processes, and what a program finds that secretfs run becomes (R1, R6)."""

import os
import re
import resource
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from box_support import (
    DEADLINE, NAME, Traces, folder, printable_bytes, random_bytes, store, wait_until,
)


def status(pid: int | str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def soft_core_limit(pid: int | str) -> str:
    return re.search(r"Max core file size +(\S+)", Path(f"/proc/{pid}/limits").read_text())[1]


class Watch:
    """Reads arguments and environment of all processes of ours, again and again, while commands run."""

    def __init__(self, store):
        self.binaries = {os.fsencode(store.binary), os.fsencode(store.shim)}
        self.seen: dict[bytes, bytes] = {}
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def watch(self):
        while not self.ending.is_set():
            for process in os.listdir(b"/proc"):
                if process.isdigit():
                    try:
                        self.look(b"/proc/" + process)
                    except OSError:
                        pass  # It has ended.

    def look(self, process: bytes):
        if os.readlink(process + b"/exe") not in self.binaries:
            return
        arguments = open(process + b"/cmdline", "rb").read()
        environment = open(process + b"/environ", "rb").read()
        # The program that it becomes has its secrets in its environment; that is what it is for.
        if os.readlink(process + b"/exe") in self.binaries:
            self.seen[process + arguments] = arguments + environment

    def found(self, *values: bytes) -> bool:
        return any(Traces(value).are_in(content) for value in values for content in self.seen.values())


def test_no_value_is_in_arguments_or_environments(store, folder):
    first, second, third = printable_bytes(), random_bytes(), printable_bytes()
    point = folder / "mount"
    point.mkdir()
    with Watch(store) as watch:
        store.init({"KEY": first}).mount(point)
        store.update("KEY", second)
        (folder / "value").write_bytes(third)
        store.update("KEY", b"", "--value-file", str(folder / "value"))
        store.run("import", NAME, "-", "--yes", value=b"OTHER=%s\n" % third)
        assert store.run("run", NAME, "--only", "OTHER", "--", "sh", "-c", "printf %s $OTHER") == third
        store.said = b""
        # Held while it reads: this one is seen for certain.
        with store.launch("secret", "create", NAME, "HELD") as held:
            held.stdin.write(first[:50])
            held.stdin.flush()
            wait_until(lambda: any(b"HELD" in key for key in watch.seen), "the command was not seen")
            held.communicate(first[50:], timeout=DEADLINE)
        assert held.returncode == 0
    assert any(b"\0--root-key-from-stdin" in key for key in watch.seen), "the agent was not seen"
    assert not watch.found(first, second, third)


def test_the_watch_sees_a_value_that_is_there(store):
    """The alarm rings."""
    value = printable_bytes()
    for plant in ("argument", "variable"):
        store.init() if plant == "argument" else None
        # An environment of a command that waits for a value; or what a careless caller put into a name.
        description = ["--description", value.decode()] if plant == "argument" else []
        store.env |= {"PLANTED": value.decode()} if plant == "variable" else {}
        with Watch(store) as watch, store.launch("secret", "create", NAME, "KEY", *description):
            wait_until(lambda: any(b"KEY" in key for key in watch.seen), "the command was not seen")
        assert watch.found(value), plant


def test_the_agent_is_closed_up(store, folder):
    point = folder / "mount"
    point.mkdir()
    store.init().mount(point)
    agent = store.agent
    said = status(agent)
    assert said["NoNewPrivs"] == "1"
    assert soft_core_limit(agent) == "0"
    # Everything is locked that is in memory.
    assert int(said["VmLck"].split()[0]) > 0 and said["VmSwap"].split()[0] == "0"
    # No handler of a crash: Swift's would print registers and memory. 0x4fc: QUIT to FPE and SEGV.
    assert int(said["SigCgt"], 16) & 0x4FC == 0
    # A folder that it holds cannot be unmounted.
    assert os.readlink(f"/proc/{agent}/cwd") == "/"


def test_lists_of_processes_name_the_agent(store, folder):
    point = folder / "mount"
    point.mkdir()
    store.init().mount(point)
    assert Path(f"/proc/{store.agent}/comm").read_text() == "secretfs-agent\n"


def test_a_command_is_closed_up(store):
    store.init()
    with store.launch("secret", "create", NAME, "KEY") as command:
        wait_until(lambda: soft_core_limit(command.pid) == "0", "a core file is possible")
        wait_until(lambda: int(status(command.pid)["SigCgt"], 16) & 0x4FC == 0, "a crash is reported")


def test_the_agent_keeps_nothing_of_the_command_that_starts_it(store, folder):
    """Who waits for the end of a pipe does not wait for the agent."""
    point = folder / "mount"
    point.mkdir()
    store.init()
    reader, writer = os.pipe()
    try:
        store.run("mount", NAME, str(point), pass_fds=[writer])
        os.close(writer)
        writer = None
        os.set_blocking(reader, False)
        assert os.read(reader, 1) == b"", "somebody still holds the pipe"
    finally:
        os.close(reader)
        if writer is not None:
            os.close(writer)


# What a program finds.

STATE = r"""
grep -E '^(Sig(Blk|Ign|Cgt)|NoNewPrivs|Umask|Seccomp|CapEff|Groups):' /proc/self/status
grep -E '^Max (core|locked|open)' /proc/self/limits
exec /usr/bin/python3 -I -c '
import ctypes, os
print("dumpable", ctypes.CDLL(None).prctl(3), os.listdir("/proc/self/fd"), os.getcwd(), os.getsid(0), os.getpgid(0))'
"""


def prepared(ignored, blocked):
    def prepare():
        # Python ignores it, and what it starts inherits that.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        os.umask(0o027)

    return prepare


@pytest.mark.parametrize("ignored", [[], [signal.SIGPIPE], [signal.SIGQUIT, signal.SIGUSR1]], ids=["none", "PIPE", "others"])
@pytest.mark.parametrize("agent", ["starts", "runs"])
def test_a_program_finds_everything_as_it_was(store, folder, ignored, agent):
    store.init({"KEY": random_bytes()})
    if agent == "runs":
        store.run("run", NAME, "--", "true")
    command = ["sh", "-c", STATE]
    options = {"preexec_fn": prepared(ignored, [signal.SIGUSR2]), "restore_signals": False, "cwd": folder}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    direct = subprocess.run(command, env=store.env, timeout=DEADLINE, check=True, **streams, **options).stdout
    with store.launch("run", NAME, "--", *command, stdin=subprocess.DEVNULL, **options) as process:
        output, errors = process.communicate(timeout=DEADLINE)
    assert output.decode() == direct.decode(), errors


def test_a_program_is_the_process_that_was_started(store):
    store.init({"KEY": random_bytes()})
    with store.launch("run", NAME, "--", "sh", "-c", "echo $$") as process:
        output, _ = process.communicate(timeout=DEADLINE)
    assert int(output) == process.pid


def test_a_program_can_be_dumped_and_traced_as_it_was(store):
    store.init({"KEY": random_bytes()})
    unlimited = lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with store.launch("run", NAME, "--", "sh", "-c", "echo; read line", preexec_fn=unlimited) as process:
        assert process.stdout.readline() == b"\n"
        assert soft_core_limit(process.pid) == "unlimited"


def test_the_table_of_mounts_has_no_value(store, folder):
    value = printable_bytes()
    point = folder / "mount"
    point.mkdir()
    store.init({"KEY": value}).mount(point)
    for table in ("mountinfo", "mounts", "mountstats"):
        content = Path(f"/proc/self/{table}").read_bytes()
        assert os.fsencode(point) in content and not Traces(value).are_in(content)
    names = b" ".join(
        name.encode() + b" " + os.getxattr(point / "KEY", name) for name in os.listxattr(point / "KEY"))
    assert b"user.secretfs.version" in names and not Traces(value).are_in(names)
