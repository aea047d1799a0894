"""What the tests on real mounts share: a store of their own with its agent and mounts, and how to wait for changes.

Everything a test starts has a deadline and is gone after it. A test that hangs in the file system is freed by its
watchdog, which kills the store's agent and aborts its connections: the waiting call then ends with an error.
"""

import contextlib
import ctypes
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from conftest import PLANTED

ALGORITHM = "nlp/Summarizer"
# Seconds that one test may take before its file system is taken from under it.
TEST_DEADLINE = 300
# Seconds that one command may take.
COMMAND_DEADLINE = 60
MNT_DETACH = 2
MS_REMOUNT = 32
OTHER_UID = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
libc = ctypes.CDLL(None, use_errno=True)


class Outcome:
    """What a finished command said."""

    def __init__(self, status: int, output: bytes, errors: bytes):
        self.status = status
        self.output = output.decode(errors="surrogateescape")
        self.errors = errors.decode(errors="surrogateescape")

    def __repr__(self):
        return f"status {self.status}\n{self.output}\n{self.errors}"

    def failed(self, status: int, *words: str) -> str:
        """Checks a failure's form: one error, then hints, and nothing else on stderr. Answers what it said."""
        assert self.status == status, self
        lines = self.errors.splitlines()
        assert lines and lines[0].startswith("secretfs: error: "), self
        assert all(line.startswith("secretfs: hint: ") for line in lines[1:]), self
        for word in words:
            assert word in self.errors, (word, self)
        return self.errors


def value_file(value: bytes) -> str:
    """Empty standard input is refused, since it is mostly an accident."""
    return "-" if value else "/dev/null"


class Store:
    """One store in a state folder of its own, and the program."""

    def __init__(self, binary: Path, root: Path):
        self.binary = binary
        self.shim = binary.parent / "secretfs-env"
        self.root = root
        self.state = root / "state"
        self.started: list[subprocess.Popen] = []

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "MALLOC_PERTURB_") if name in os.environ}
        return {**kept, "HOME": str(self.root), "SECRETFS_STATE": str(self.state)}

    # Commands

    def run(self, *arguments, input=b"", env=None, timeout=COMMAND_DEADLINE, before=()) -> Outcome:
        """Runs a command to its end, whatever that is. `before` is put before the program, for example setpriv."""
        process = subprocess.run(
            [*before, self.binary, *map(str, arguments)],
            input=input,
            env={**self.environment, **(env or {})},
            cwd=self.root,
            capture_output=True,
            timeout=timeout,
        )
        assert PLANTED not in process.stdout + process.stderr, "a value was printed"
        return Outcome(process.returncode, process.stdout, process.stderr)

    def does(self, *arguments, **options) -> Outcome:
        """Runs a command that must succeed."""
        outcome = self.run(*arguments, **options)
        assert outcome.status == 0, outcome
        return outcome

    def json(self, *arguments, **options):
        return json.loads(self.does(*arguments, "--json", **options).output)

    def start(self, *arguments, before=(), **options) -> subprocess.Popen:
        """Starts a command that is ended with the test. `before` as in `run`."""
        process = subprocess.Popen(
            [*before, self.binary, *map(str, arguments)],
            env={**self.environment, **options.pop("env", {})},
            cwd=self.root,
            **options,
        )
        self.started.append(process)
        return process

    # What tests do all the time

    def init(self) -> "Store":
        self.does("init")
        self.does("algorithm", "create", ALGORITHM)
        return self

    def create(self, name: str, value: bytes, *options, of=ALGORITHM):
        self.does("secret", "create", of, name, "--value-file", value_file(value), *options, input=value)

    def update(self, name: str, value: bytes, *options, of=ALGORITHM):
        self.does("secret", "update", of, name, "--value-file", value_file(value), *options, input=value)

    def delete(self, name: str, of=ALGORITHM):
        self.does("secret", "delete", of, name, "--yes")

    def put(self, values: dict[str, bytes], *options, of=ALGORITHM):
        """Creates or replaces all of `values` in one transaction."""
        lines = [name.encode() + b"='" + value + b"'\n" for name, value in values.items()]
        self.does("import", of, "-", "--update", "--yes", *options, input=b"".join(lines))

    def names(self, of=ALGORITHM) -> list[str]:
        return [secret["name"] for secret in self.json("secret", "list", of)]

    def folder(self, name="mount") -> Path:
        path = self.root / name
        path.mkdir(exist_ok=True)
        return path

    def mount(self, *options, name="mount", of=ALGORITHM) -> Path:
        path = self.folder(name)
        self.does("mount", of, path, *options)
        return path

    # The agent

    @property
    def agents(self) -> list[int]:
        """The processes that run an agent for this store."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                environ = b"SECRETFS_STATE=" + os.fsencode(self.state)
                mine = os.fsencode(self.state) in arguments or environ in (entry / "environ").read_bytes().split(b"\0")
                if mine and b"agent" in arguments and arguments[0].endswith(b"secretfs"):
                    found.append(int(entry.name))
        return found

    @property
    def agent(self) -> int:
        """The agent's process id, as the agent tells it."""
        return self.json("status")["agent"]["pid"]

    def agent_in_foreground(self, *options, **more) -> subprocess.Popen:
        """Starts an agent as systemd does, and returns when it serves."""
        with notify_socket(self.root) as (path, receive):
            process = self.start("agent", *options, env={"NOTIFY_SOCKET": path}, stderr=subprocess.DEVNULL, **more)
            assert receive() == b"READY=1"
        return process

    # The end

    @property
    def mounts(self) -> list[str]:
        """Mount points in this store's folder, the deepest first."""
        return sorted((point for point in mount_points() if point.startswith(f"{self.root}/")), reverse=True)

    def free(self):
        """Ends whatever waits for this store's file systems."""
        for pid in self.agents:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for number in connections(f"{self.root}/"):
            with contextlib.suppress(OSError):
                Path(f"/sys/fs/fuse/connections/{number}/abort").write_text("1")

    def close(self):
        """Ends everything of this store."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=COMMAND_DEADLINE)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        for point in self.mounts:
            libc.umount2(os.fsencode(point), MNT_DETACH)
        if self.agents:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("agent", "--stop", timeout=10)
            self.free()
        deadline = time.monotonic() + 20
        while self.agents and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not self.agents, "an agent is left"
        assert not self.mounts, "a mount is left"


@contextlib.contextmanager
def temporary_store(binaries: Path):
    """A store that ends with its scope, however that ends."""
    root = Path(tempfile.mkdtemp(prefix="secretfs-e2e-"))
    # Others must reach the mount points; the state folder is closed by itself.
    root.chmod(0o755)
    store = Store(binaries / "secretfs", root)
    watchdog = threading.Timer(TEST_DEADLINE, store.free)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield store
    finally:
        watchdog.cancel()
        try:
            store.close()
        finally:
            shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def empty(binaries):
    """A state folder in which nothing was made yet."""
    with temporary_store(binaries) as store:
        yield store


@pytest.fixture
def store(empty):
    """A store with one algorithm."""
    return empty.init()


# Mounts


def mount_table() -> list[list[str]]:
    """The fields of /proc/self/mountinfo, line by line; 2 is the device, 4 the mount point."""
    return [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def mount_points() -> list[str]:
    return [fields[4] for fields in mount_table()]


def connections(prefix: str) -> list[int]:
    """The FUSE connections whose mount points start with `prefix`."""
    ours = [fields for fields in mount_table() if fields[4].startswith(prefix) and "fuse.secretfs" in fields]
    return [int(fields[2].split(":")[1]) for fields in ours]


def generation(mount: Path) -> int:
    return int((mount / ".generation").read_bytes())


def entries(mount: Path) -> list[str]:
    """The names of entries, in the order of the listing."""
    return [name for name in os.listdir(mount) if not name.startswith(".")]


def environ(mount: Path) -> dict[str, bytes]:
    return parse_environ((mount / ".environ").read_bytes())


def parse_environ(content: bytes) -> dict[str, bytes]:
    assert content == b"" or content.endswith(b"\0"), "no NUL at the end"
    pairs = [string.split(b"=", 1) for string in content.split(b"\0")[:-1]]
    assert len({name for name, _ in pairs}) == len(pairs), "a name twice"
    return {name.decode(): value for name, value in pairs}


def wait_until(mount: Path, holds, seconds=30):
    """Waits for `holds()`, looking after each change of the mount. Wakes by poll(2), so that a change that wakes
    nobody fails the test instead of being found by chance."""
    deadline = time.monotonic() + seconds
    with open(mount / ".generation", "rb", buffering=0) as file:
        poller = select.poll()
        poller.register(file, select.POLLIN | select.POLLPRI)
        while True:
            os.pread(file.fileno(), 32, 0)
            if holds():
                return
            left = deadline - time.monotonic()
            assert left > 0 and poller.poll(left * 1000), "no change came"


def forgotten(shows, seconds=20):
    """Waits until the kernel has dropped what it kept, `shows()`: it is told so a moment after pollers are woken."""
    deadline = time.monotonic() + seconds
    while shows():
        assert time.monotonic() < deadline, "the kernel still shows what has gone"
        time.sleep(0.01)


def wait_for_generation(mount: Path, after: int) -> int:
    """Waits until the mount shows a generation newer than `after`, and answers it."""
    wait_until(mount, lambda: generation(mount) > after)
    return generation(mount)


@contextlib.contextmanager
def change(mount: Path):
    """What its scope changes is visible in `mount` at its end."""
    before = generation(mount)
    yield
    wait_for_generation(mount, before)


# Processes


@contextlib.contextmanager
def notify_socket(folder: Path):
    """systemd's end of sd_notify(3): its path, and a function that waits for one message."""
    import socket

    path = folder / "notify"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(COMMAND_DEADLINE)
        yield str(path), lambda: receiver.recv(4096)
    path.unlink(missing_ok=True)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, store: Store, *arguments):
        self.master, slave = pty.openpty()
        self.shown = b""
        self.process = store.start(*arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        # Kept open to look at the terminal's state when the command has ended.
        self.slave = slave

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.slave)
        os.close(self.master)

    def _read(self, deadline: float):
        ready, _, _ = select.select([self.master], [], [], max(0, min(0.05, deadline - time.monotonic())))
        if ready:
            self.shown += os.read(self.master, 65536)

    def expect(self, text: bytes):
        """Waits until the terminal shows `text`."""
        deadline = time.monotonic() + COMMAND_DEADLINE
        while text not in self.shown:
            assert time.monotonic() < deadline and self.process.poll() is None, (text, self.shown)
            self._read(deadline)

    def type(self, text: bytes):
        os.write(self.master, text)

    def end(self) -> int:
        """Waits for the command's end, and answers its exit status."""
        deadline = time.monotonic() + COMMAND_DEADLINE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            self._read(deadline)
        while select.select([self.master], [], [], 0.05)[0]:
            self.shown += os.read(self.master, 65536)
        return self.process.returncode
