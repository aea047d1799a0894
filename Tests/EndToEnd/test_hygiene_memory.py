"""Plaintext is in the agent's memory only while a file is open, and never in a dump (R6)."""

import os
import re
import signal
import struct
import subprocess
import resource
from pathlib import Path

import pytest
from box_support import DEADLINE, NAME, Generation, Traces, folder, needs, random_bytes, store, wait_until

PAGE = 4096
SIZES = {"small": 100, "in a page": 3000, "of many pages": 300_000, "of 1 MiB": 1_048_576}


def mappings(pid: int) -> list[tuple[int, int]]:
    """The mappings of a process that it can have written to."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        area, permissions, _, _, inode, *_ = line.split(maxsplit=5)
        if "w" in permissions or (permissions[0] == "r" and inode == "0" and not line.endswith(("vvar]", "clock]", "call]"))):
            start, end = area.split("-")
            found.append((int(start, 16), int(end, 16)))
    return found


def resident(pid: int):
    """Addresses and contents of all memory that a process really has; untouched pages hold nothing."""
    with open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for start, end in mappings(pid):
            pagemap.seek(start // PAGE * 8)
            entries = pagemap.read((end - start) // PAGE * 8)
            # Bit 63: in memory, bit 62: swapped out.
            present = [bool(entry >> 62) for (entry,) in struct.iter_unpack("<Q", entries)]
            for run in re.finditer(b"\1+", bytes(present)):
                memory.seek(start + run.start() * PAGE)
                try:
                    yield start + run.start() * PAGE, memory.read((run.end() - run.start()) * PAGE)
                except OSError:
                    pass  # Unmapped meanwhile.


def places(pid: int, value: bytes) -> list[int]:
    """Where `value`, or a part of it, is in a process's memory."""
    traces = Traces(value)
    return [address + content.find(mark) for address, content in resident(pid) for mark in traces.marks if mark in content]


def flags(pid: int, address: int) -> set[str]:
    """The kernel's flags of the mapping at `address` (proc(5), VmFlags)."""
    inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if area := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(area[1], 16) <= address < int(area[2], 16)
        elif inside and line.startswith("VmFlags:"):
            return set(line.split()[1:])
    raise AssertionError("no such mapping")


@pytest.fixture
def mount(store, folder):
    point = folder / "mount"
    point.mkdir()
    store.init().mount(point)
    return point


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_a_value_is_in_the_agents_memory_only_while_it_is_open(store, mount, size):
    value = os.urandom(size)
    with Generation(mount) as generation:
        store.create("KEY", value, "--delivery", "file")
        generation.wait()
    agent = store.agent
    assert not places(agent, value), "a value is in memory before anybody opens it"
    with open(mount / "KEY", "rb", buffering=0) as file:
        assert file.read(size) == value and file.read(1) == b""
        found = places(agent, value)
        assert found, "the search finds nothing"
        for place in found:
            # Locked, not dumped, not handed to a child.
            assert {"lo", "dd", "wf"} <= flags(agent, place), hex(place)
    wait_until(lambda: not places(agent, value), "a value stays in memory")


def test_environ_is_in_memory_only_while_it_is_open(store, mount):
    values = {f"KEY_{number}": random_bytes() for number in range(5)}
    with Generation(mount) as generation:
        for name, value in values.items():
            store.create(name, value)
            generation.wait()
    agent = store.agent
    with open(mount / ".environ", "rb", buffering=0) as file:
        # A read in pieces; the last page is not full.
        content = b"".join(iter(lambda: file.read(77), b""))
        assert all(value in content for value in values.values())
        for value in values.values():
            found = places(agent, value)
            assert found and all({"lo", "dd", "wf"} <= flags(agent, place) for place in found)
    for value in values.values():
        wait_until(lambda: not places(agent, value), "a value stays in memory")


def test_many_readers_updates_and_deaths_leave_nothing_in_memory(store, mount):
    versions = [random_bytes() for _ in range(6)]
    store.create("KEY", versions[0])
    wait_until((mount / "KEY").exists, "the entry does not show")
    readers = "while cat KEY .environ; do :; done >/dev/null 2>&1"
    crowd = [subprocess.Popen(["sh", "-c", readers], cwd=mount, start_new_session=True) for _ in range(4)]
    try:
        with Generation(mount) as generation:
            for value in versions[1:]:
                store.update("KEY", value)
                generation.wait()
    finally:
        for process in crowd:
            # In the middle of a read.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    agent = store.agent
    for value in versions:
        wait_until(lambda: not places(agent, value), "a value stays in memory")
    assert (mount / "KEY").read_bytes() == versions[-1]


def test_a_handle_keeps_its_version_and_no_other_in_memory(store, mount):
    first, second = random_bytes(), random_bytes()
    with Generation(mount) as generation:
        store.create("KEY", first)
        generation.wait()
        with open(mount / "KEY", "rb", buffering=0) as file:
            file.read(10)
            store.update("KEY", second)
            generation.wait()
            assert places(store.agent, first) and not places(store.agent, second)
            assert os.pread(file.fileno(), 1000, 0) == first
    wait_until(lambda: not places(store.agent, first), "a value stays in memory")


def test_a_dump_by_root_has_no_value_even_of_an_open_file(store, mount, folder):
    """A debugger leaves out what is marked so, unless root insists."""
    value = random_bytes()
    with Generation(mount) as generation:
        store.create("KEY", value)
        generation.wait()
    agent = store.agent
    with open(mount / "KEY", "rb", buffering=0) as file:
        assert file.read(1000) == value
        assert places(agent, value), "the search finds nothing"
        # Symbols are of no use here, and reading them takes most of the time.
        command = [needs("gdb", "gdb"), "-nx", "-batch", "-iex", "set auto-solib-add off", "-p", str(agent)]
        command += ["-ex", f"gcore {folder}/dump"]
        done = subprocess.run(command, capture_output=True, timeout=2 * DEADLINE, env={"PATH": "/usr/bin"})
    dump = folder / "dump"
    assert dump.exists() and dump.stat().st_size > 1_000_000, done.stderr
    assert not Traces(value).are_in(dump.read_bytes()), "a value is in the dump"
    assert str(folder).encode() in dump.read_bytes(), "the dump holds nothing of the agent"
    assert (mount / "KEY").read_bytes() == value


@pytest.fixture
def core_files(folder):
    """Where core files go while a test runs."""
    setting = Path("/proc/sys/kernel/core_pattern")
    before = setting.read_text()
    if "secretfs-test" in before:
        before = "core"  # Left behind by a run that was killed.
    (folder / "cores").mkdir(mode=0o777)
    (folder / "cores").chmod(0o777)
    setting.write_text(f"{folder}/cores/core.%p")
    yield folder / "cores"
    setting.write_text(before)


def unlimited():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_this_machine_writes_core_files(core_files):
    """The alarm rings."""
    with subprocess.Popen(["sleep", "60"], preexec_fn=unlimited) as process:
        process.send_signal(signal.SIGABRT)
        process.wait(timeout=DEADLINE)
    assert len(list(core_files.iterdir())) == 1


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT])
@pytest.mark.parametrize("limit", ["its own", "lifted by root"])
def test_an_agent_that_crashes_leaves_no_core_file(store, folder, core_files, number, limit):
    value = random_bytes()
    point = folder / "mount"
    point.mkdir()
    store.init({"KEY": value})
    with store.launch("agent", preexec_fn=unlimited, stdin=subprocess.DEVNULL, cwd=core_files) as agent:
        wait_until(lambda: store.agent == agent.pid, "the agent does not run")
        store.mount(point)
        with open(point / "KEY", "rb", buffering=0) as file:
            assert file.read(10) == value[:10]
            if limit == "lifted by root":
                resource.prlimit(agent.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            agent.send_signal(number)
            agent.wait(timeout=DEADLINE)
            with pytest.raises(OSError):
                os.pread(file.fileno(), 10, 0)
        said = agent.stderr.read()
    assert agent.returncode == -number
    assert said.count(b"\n") <= 3 and b"racing" not in said, "a crash was reported with what is in memory"
    assert list(core_files.iterdir()) == []
    store.run("unmount", str(point))


@pytest.mark.parametrize("limit", ["its own", "lifted by root"])
def test_a_command_that_crashes_leaves_no_core_file(store, core_files, limit):
    value = random_bytes()
    store.init()
    with store.launch("secret", "create", NAME, "KEY", preexec_fn=unlimited, cwd=core_files) as command:
        command.stdin.write(value)
        command.stdin.flush()
        wait_until(lambda: places(command.pid, value), "the command does not read")
        found = places(command.pid, value)
        assert all({"lo", "dd", "wf"} <= flags(command.pid, place) for place in found)
        if limit == "lifted by root":
            resource.prlimit(command.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        command.send_signal(signal.SIGABRT)
        command.wait(timeout=DEADLINE)
    assert command.returncode == -signal.SIGABRT
    assert list(core_files.iterdir()) == []
    assert b"KEY" not in store.run("secret", "list", NAME)
