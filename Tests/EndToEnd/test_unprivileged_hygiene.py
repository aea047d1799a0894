"""What a user cannot do to its own agent: no debugger, no memory, no environment, no core file (R6)."""

import os
import re
import signal
import subprocess

import pytest
from box_support import (
    DEADLINE, NAME, Process, as_user, folder, needs, random_bytes, wait_until,
)
from test_unprivileged_session import UID, mount, namespace, store

# Asks the kernel for 16 bytes of another process, as process_vm_readv(2) and ptrace(2) do it.
INTRUDER = r"""
import ctypes, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def refused(what, call):
    try:
        result = call()
    except OSError as error:
        print(what, error.errno)
    else:
        print(what, "allowed" if result >= 0 else ctypes.get_errno())
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
buffer = ctypes.create_string_buffer(16)
local, remote = Part(ctypes.addressof(buffer), 16), Part(ctypes.addressof(buffer), 16)
for file in ("mem", "maps", "environ", "auxv", "stack", "syscall"):
    refused(file, lambda: len(open(f"/proc/{pid}/{file}", "rb", 0).read(0) or b""))
refused("exe", lambda: len(os.readlink(f"/proc/{pid}/exe")))
refused("fd", lambda: len(os.listdir(f"/proc/{pid}/fd")))
refused("process_vm_readv", lambda: libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0))
refused("ptrace", lambda: libc.ptrace(0x4206, pid, None, None))
"""
ALLOWED = {"fd": "allowed", "exe": "allowed"}


def intrude(namespace, pid: int, uid=UID) -> dict[str, str]:
    """What `uid` may do to a process: `allowed`, or an errno."""
    done = namespace.run(*as_user(uid), "python3", "-c", INTRUDER, str(pid))
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.decode().splitlines())


def test_the_search_for_ways_in_finds_those_of_a_plain_process(store, namespace):
    """The alarm rings: the same user's sleep is open to it."""
    with Process([*namespace.prefix, *as_user(UID), "sleep", "60"]) as process:
        wait_until(lambda: open(f"/proc/{process.pid}/comm").read() == "sleep\n", "it does not sleep")
        ways = intrude(namespace, process.pid)
    assert ways["environ"] == ways["maps"] == ways["exe"] == ways["fd"] == ways["ptrace"] == "allowed"


def nothing_is_open(namespace, pid: int):
    ways = intrude(namespace, pid)
    # EPERM, EACCES; a file that opens must not be read: reading is checked, too.
    assert set(ways.values()) <= {"1", "13"}, ways
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0, "the kernel thinks that it may be dumped"
    assert "Uid:\t%d\t%d" % (UID, UID) in open(f"/proc/{pid}/status").read()


def test_the_agent_is_closed_to_its_own_user(store, namespace, mount):
    nothing_is_open(namespace, store.agent)


def test_a_command_that_holds_a_value_is_closed_to_its_own_user(store, namespace):
    with store.launch("secret", "create", NAME, "NEW") as command:
        command.stdin.write(random_bytes())
        command.stdin.flush()
        wait_until(lambda: os.stat(f"/proc/{command.pid}/mem").st_uid == 0, "it can be dumped")
        wait_until(lambda: "secretfs" in open(f"/proc/{command.pid}/comm").read(), "it does not run")
        nothing_is_open(namespace, command.pid)


def test_a_debugger_cannot_dump_the_agent(store, namespace, mount, folder):
    command = [needs("gdb", "gdb"), "-nx", "-batch", "-p", str(store.agent), "-ex", f"gcore {folder}/home/dump"]
    done = namespace.run(*as_user(UID), *command)
    assert not (folder / "home/dump").exists()
    assert b"ptrace: Operation not permitted" in done.stderr, done.stderr
    assert namespace.run(*as_user(UID), "cat", mount / "KEY").stdout == store.values["KEY"]


def test_a_program_that_run_starts_belongs_to_its_user_again(store, namespace):
    with store.launch("run", NAME, "--", "sh", "-c", "echo; read line") as program:
        assert program.stdout.readline() == b"\n", program.stderr.read()
        assert os.stat(f"/proc/{program.pid}/environ").st_uid == UID
        ways = intrude(namespace, program.pid)
        # As every process of this user; but not those of another one.
        assert ways["ptrace"] == ways["environ"] == "allowed", ways
        ways = intrude(namespace, program.pid, UID + 1)
        assert set(ways.values()) <= {"1", "13"}, ways
