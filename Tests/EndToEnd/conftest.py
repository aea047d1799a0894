"""What the end-to-end tests share: the built binaries, and the shim with directories to run it on.

The binaries come from $SECRETFS_BIN, else from .build/release, else from .build/debug.
"""

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# Every value that must never show begins with this.
PLANTED = b"planted-7f3a"
# The tests also run programs as other users, who cannot enter a home folder: a Python from root's own comes last.
os.environ["PATH"] = os.pathsep.join(["/usr/sbin", "/usr/bin", "/sbin", "/bin", os.environ["PATH"]])
# Prints its environment byte by byte.
ENV = ["/usr/bin/env", "-0"]


@pytest.fixture(scope="session")
def binaries() -> Path:
    """The directory with `secretfs` and `secretfs-env`."""
    given = os.environ.get("SECRETFS_BIN")
    places = [Path(given)] if given else [REPOSITORY / ".build/release", REPOSITORY / ".build/debug"]
    for place in places:
        if (place / "secretfs-env").exists():
            return place.resolve()
    pytest.fail(f"no secretfs-env in {', '.join(map(str, places))}: run swift build first")


class Duplicates:
    """An environment that may hold a name twice; subprocess only asks for its items."""

    def __init__(self, *items):
        self.pairs = items

    def items(self):
        return self.pairs


class Outcome:
    def __init__(self, process: subprocess.CompletedProcess):
        self.status = process.returncode
        self.output = process.stdout
        self.errors = process.stderr.decode()

    @property
    def strings(self) -> list[bytes]:
        """The environment that `env -0` printed."""
        assert self.status == 0, self.errors
        return self.output.split(b"\0")[:-1]

    @property
    def variables(self) -> dict[bytes, bytes]:
        pairs = [string.split(b"=", 1) for string in self.strings]
        assert len({name for name, _ in pairs}) == len(pairs), "a name twice"
        return dict(pairs)

    def refused(self, *words: str, status: int = 125) -> str:
        """Checks a refusal by the shim that says `words`, and answers what it said."""
        assert self.status == status, (self.status, self.errors, self.output)
        lines = self.errors.splitlines()
        assert lines and lines[0].startswith("secretfs-env: error: "), self.errors
        assert all(line.startswith("secretfs-env: hint: ") for line in lines[1:]), self.errors
        for word in words:
            assert word in self.errors, (word, self.errors)
        assert self.output == b"", "the program ran"
        return self.errors


class Shim:
    """Runs `secretfs-env`; each run has a deadline and may not show a planted value."""

    def __init__(self, binary: Path):
        self.binary = binary

    def run(self, *arguments, env=None, **options) -> Outcome:
        process = subprocess.run(
            [self.binary, *arguments],
            env={} if env is None else env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            timeout=60,
            **options,
        )
        assert PLANTED not in process.stderr, "a value was printed"
        return Outcome(process)

    def environment(self, directory, *options, env=None, **more) -> Outcome:
        """What environment a program gets."""
        return self.run(*options, directory, "--", *ENV, env=env, **more)


@pytest.fixture(scope="session")
def shim(binaries) -> Shim:
    return Shim(binaries / "secretfs-env")


@pytest.fixture
def environ(tmp_path):
    """Makes a directory with an `.environ` of raw bytes, or of pairs."""

    def make(content, name="mount") -> Path:
        if not isinstance(content, bytes):
            pairs = content.items() if isinstance(content, dict) else content
            content = b"".join(key + b"=" + value + b"\0" for key, value in pairs)
        directory = tmp_path / name
        directory.mkdir()
        (directory / ".environ").write_bytes(content)
        return directory

    return make


@pytest.fixture
def plain(tmp_path):
    """Makes a directory with one file per entry."""

    def make(entries, name="plain") -> Path:
        directory = tmp_path / name
        directory.mkdir()
        for key, value in entries.items():
            (directory / os.fsdecode(key)).write_bytes(value)
        return directory

    return make
