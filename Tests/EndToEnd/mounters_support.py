"""Root's store and agent, and users of the machine who ask that agent for mounts."""

import contextlib
import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from box_support import (  # noqa: F401 (fixture)
    DEADLINE, NAME, Namespace, Store, as_user, folder, needs, random_bytes, wait_until,
)

ALICE, BOB = 12_345, 12_346
# As in test_unprivileged_session: a device for everybody, and a user database that knows the users.
SCRIPT = """
mount -t tmpfs -o mode=755 secretfs-test "$FOLDER/box"
mknod -m 0666 "$FOLDER/box/fuse" c 10 229
mount --bind "$FOLDER/box/fuse" /dev/fuse
cp /etc/passwd "$FOLDER/box/passwd"
echo "alice-test:x:12345:12345::/nonexistent:/bin/sh" >> "$FOLDER/box/passwd"
echo "bob-test:x:12346:12346::/nonexistent:/bin/sh" >> "$FOLDER/box/passwd"
mount --bind "$FOLDER/box/passwd" /etc/passwd
cp /etc/fuse.conf "$FOLDER/box/fuse.conf"
echo user_allow_other >> "$FOLDER/box/fuse.conf"
mount --bind "$FOLDER/box/fuse.conf" /etc/fuse.conf
"""


class User:
    """Somebody on the machine, who knows where root's store is."""

    def __init__(self, world: "World", uid: int):
        self.world = world
        self.uid = uid
        self.prefix = [*world.namespace.prefix, *as_user(uid)]
        self.store = Store(world.binaries, world.state, self.prefix)
        self.home = world.folder / f"home-{uid}"
        self.home.mkdir()
        os.chown(self.home, uid, uid)
        self.store.env["HOME"] = str(self.home)
        self.points = 0

    def attempt(self, *arguments, **options) -> subprocess.CompletedProcess:
        return self.store.attempt(*arguments, **options)

    def says(self, *arguments, **options) -> str:
        return self.store.run(*arguments, **options).decode()

    def refused(self, *arguments, status=77, **options) -> str:
        """What a command says that must fail."""
        done = self.attempt(*arguments, **options)
        assert done.returncode == status, (arguments, done)
        assert done.stdout == b"" and done.stderr.startswith(b"secretfs: error: "), done
        return done.stderr.decode()

    def point(self) -> Path:
        self.points += 1
        point = self.home / f"mount-{self.points}"
        point.mkdir()
        os.chown(point, self.uid, self.uid)
        return point

    def mount(self, algorithm=NAME) -> Path:
        point = self.point()
        self.says("mount", algorithm, str(point))
        return point

    def sh(self, script: str, *arguments, **options) -> subprocess.CompletedProcess:
        """A shell of this user."""
        command = [*self.prefix, "sh", "-c", script, "sh", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, timeout=DEADLINE, env=self.store.env, **options)

    def python(self, script: str, *arguments, before=(), timeout=DEADLINE) -> str:
        """What a program of this user prints."""
        command = [*self.prefix, *before, "/usr/bin/python3", "-c", script, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, timeout=timeout, env=self.store.env, cwd="/")
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def reads(self, path) -> bytes | None:
        """What is in a file; nil if it cannot be read."""
        done = self.sh('cat "$1"', path)
        return done.stdout if done.returncode == 0 else None

    @property
    def mounts(self) -> list[dict]:
        return [row for row in json.loads(self.says("mounts", "--json")) if row["state"] in ("served", "private", "admin")]


class World:
    """A machine with root's store, whose agent runs, and two users."""

    def __init__(self, binaries: Path, namespace: Namespace, folder: Path):
        self.binaries, self.namespace, self.folder = binaries, namespace, folder
        self.state = folder / "state"
        self.root = Store(binaries, self.state, namespace.prefix)
        self.values = {"KEY": random_bytes(), "OTHER": random_bytes()}
        self.root.init(self.values)
        self.root.run("algorithm", "create", "vision/Captions")
        self.alice, self.bob = User(self, ALICE), User(self, BOB)
        # A mount of root's keeps the agent.
        self.kept = folder / "kept"
        self.kept.mkdir()
        self.root.mount(self.kept)

    def allow(self, *users: User, of=NAME):
        self.root.run("mounters", of, "--add", ",".join(str(user.uid) for user in users))

    def disallow(self, *users: User, of=NAME):
        self.root.run("mounters", of, "--remove", ",".join(str(user.uid) for user in users))

    @property
    def socket(self) -> Path:
        """Where the agent listens for other users."""
        path = os.fsencode(os.path.realpath(self.state))
        return Path("/run/secretfs/agents/0") / f"{hashlib.sha256(path).hexdigest()[:32]}.sock"

    @property
    def descriptors(self) -> int:
        """How many the agent has, but for those by which it knows callers again, which are bounded by themselves."""
        folder = Path(f"/proc/{self.root.agent}/fd")
        links = []
        for number in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                links.append(os.readlink(folder / number))
        return len([link for link in links if not link.startswith("/proc/") and "pidfd" not in link])

    @property
    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.root.agent}/task"))

    @property
    def served(self) -> list[dict]:
        rows = json.loads(self.root.run("mounts", "--json"))
        return [row for row in rows if row.get("listed")]

    def audit(self, *options) -> list[dict]:
        return [json.loads(line) for line in self.root.run("audit", "--json", "--limit", "1000", *options).splitlines()]


@pytest.fixture
def namespace(folder):
    needs("fusermount3", "fuse3")
    (folder / "box").mkdir()
    with Namespace(f"FOLDER='{folder}'\n{SCRIPT}") as made:
        yield made


@pytest.fixture
def world(binaries, namespace, folder):
    made = World(binaries, namespace, folder)
    yield made
    made.root.stop()
