"""What the tests of sandboxes, of users without privileges and of hygiene share.

A `Store` is a state folder with the commands on it; a `Namespace` is a private mount namespace, for what a
test changes about the machine; `Traces` finds a value wherever it could have been left.
"""

import base64
import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

DEADLINE = 60
NAME = "nlp/Summarizer"
# A user that the machine has no name for.
STRANGER = 54_321


def needs(program: str, package: str) -> str:
    """Where `program` is; scripts/test installs it."""
    path = shutil.which(program)
    if not path:
        pytest.fail(f"no {program}: apt-get install {package}")
    return path


def as_user(uid: int) -> list[str]:
    """Runs what follows as a user that is in no other group."""
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--"]


def wait_until(condition, what: str):
    """For what the kernel does in its own time: the answer of `condition` once it is true."""
    end = time.monotonic() + DEADLINE
    while not (answer := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return answer


class Process(subprocess.Popen):
    """Ends with its `with`, however that ends."""

    def __exit__(self, *error):
        self.kill()
        return super().__exit__(*error)


class Store:
    """A state folder, and the commands on it, as one user in one mount namespace."""

    def __init__(self, binaries: Path, state: Path, prefix=(), env=None):
        self.binary = binaries / "secretfs"
        self.shim = binaries / "secretfs-env"
        self.state = state
        self.prefix = list(prefix)
        self.env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **(env or {}), "SECRETFS_STATE": str(state)}
        # All that any command printed.
        self.said = b""

    def launch(self, *arguments, prefix=None, **options) -> Process:
        """Starts a command with pipes; use it in a `with`."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [*(self.prefix if prefix is None else prefix), self.binary, *arguments]
        return Process(command, env=self.env, **{**streams, **options})

    def attempt(self, *arguments, value=b"", **options) -> subprocess.CompletedProcess:
        """Runs a command to its end, whatever that is."""
        with self.launch(*arguments, **options) as process:
            output, errors = process.communicate(value, timeout=DEADLINE)
        self.said += (output or b"") + (errors or b"")
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def run(self, *arguments, value=b"", **options) -> bytes:
        """Runs a command that must succeed; answers what it printed."""
        done = self.attempt(*arguments, value=value, **options)
        assert done.returncode == 0, (arguments, done.returncode, done.stderr)
        return done.stdout

    def init(self, secrets=None) -> "Store":
        self.run("init")
        self.run("algorithm", "create", NAME)
        for name, value in (secrets or {}).items():
            self.create(name, value)
        return self

    def create(self, name, value: bytes, *options):
        self.run("secret", "create", NAME, name, "--value-file", "-" if value else "/dev/null", *options, value=value)

    def update(self, name, value: bytes, *options):
        self.run("secret", "update", NAME, name, "--value-file", "-" if value else "/dev/null", *options, value=value)

    def mount(self, directory: Path, *options) -> Path:
        self.run("mount", NAME, str(directory), *options)
        return directory

    @property
    def agent(self) -> int | None:
        """The agent's process."""
        status = json.loads(self.run("status", "--json"))
        return status["agent"]["pid"] if status.get("agent") else None

    @property
    def served(self) -> list[dict]:
        """The mounts that the agent serves."""
        return [mount for mount in json.loads(self.run("mounts", "--json")) if mount["state"] in ("served", "private")]

    def stop(self):
        self.attempt("agent", "--stop")
        end_processes(self.state)


def end_processes(state: Path):
    """Ends what still runs of this store: commands and agents with its folder in their environment or
    arguments, by process number."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if Path(os.readlink(process / "exe")).name not in ("secretfs", "secretfs-env"):
                continue
            said = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            if os.fsencode(str(state)) + b"\0" in said:
                os.kill(int(process.name), signal.SIGKILL)


def mounts_below(folder: Path, table="/proc/self/mountinfo") -> list[str]:
    """The mount points below `folder`, the innermost last."""
    points = [line.split()[4] for line in Path(table).read_text().splitlines()]
    points = [re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), point) for point in points]
    return [point for point in points if Path(point).is_relative_to(folder)]


@pytest.fixture
def folder():
    """A folder that every user may enter; tmp_path is closed to all but root."""
    path = Path(tempfile.mkdtemp(prefix="secretfs-test-"))
    path.chmod(0o755)
    yield path
    for point in reversed(mounts_below(path)):
        subprocess.run(["umount", "-l", point], timeout=DEADLINE, check=False)
    shutil.rmtree(path)


@pytest.fixture
def store(binaries, folder):
    made = Store(binaries, folder / "state")
    yield made
    made.stop()


def read_as(uid: int, path, prefix=()) -> subprocess.CompletedProcess:
    return subprocess.run([*prefix, *as_user(uid), "cat", path], capture_output=True, timeout=DEADLINE)


class Generation:
    """An open `.generation`: knows when the mount shows something newer."""

    def __init__(self, mount: Path):
        self.descriptor = os.open(mount / ".generation", os.O_RDONLY)
        os.read(self.descriptor, 32)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)

    def wait(self):
        """Returns when a newer generation is shown."""
        waiting = select.poll()
        waiting.register(self.descriptor, select.POLLPRI)
        assert waiting.poll(DEADLINE * 1000), "no change was shown"
        os.pread(self.descriptor, 32, 0)


class Namespace:
    """A private mount namespace, in which `script` has run. It ends with its last process."""

    def __init__(self, script: str):
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script + "\necho ready; exec cat"]
        self.holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n", "the namespace could not be made"
        self.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]
        self.table = f"/proc/{self.holder.pid}/mountinfo"

    def run(self, *command, **options) -> subprocess.CompletedProcess:
        return subprocess.run([*self.prefix, *command], capture_output=True, timeout=DEADLINE, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdin.close()
        self.holder.stdout.close()


class Traces:
    """Finds a value, whole or in pieces of 16 bytes, as it is, in hexadecimal and in base64."""

    def __init__(self, value: bytes):
        assert len(value) >= 32, "a shorter value may be anywhere by chance"
        starts = [(len(value) - 16) * part // 5 for part in range(6)]
        pieces = [value[start : start + 16] for start in starts]
        self.marks = set(pieces)
        self.marks |= {piece.hex().encode() for piece in pieces}
        self.marks |= {piece.hex().upper().encode() for piece in pieces}
        for shift in range(3):
            # The first and last characters depend on what stands beside the piece.
            encoded = base64.b64encode(value[shift : shift + 24])[4:-4]
            self.marks |= {encoded, encoded.replace(b"+", b"-").replace(b"/", b"_")}

    def are_in(self, content: bytes) -> bool:
        return any(mark in content for mark in self.marks)


def random_bytes() -> bytes:
    """A value that nothing else has: 100 bytes of any kind, without NUL."""
    return os.urandom(200).replace(b"\0", b"")[:100]


def printable_bytes() -> bytes:
    return base64.b64encode(os.urandom(72))
