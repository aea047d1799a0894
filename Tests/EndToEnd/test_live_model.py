"""Random sequences of commands and file operations, against a model small enough to be obviously right."""

import os
import random
import shutil

import pytest
from support import ALGORITHM, Store, empty, entries, parse_environ, store, value_file, wait_until  # noqa: F401 (fixtures)

SEEDS = [1, 2, 3]
# Each runs at most one command.
STEPS = 90
NAMES = ["A", "B", "C", "LONG_NAME_WITH_1", "a"]


class Model:
    """What an algorithm's mount must show: values and versions by name, and what open files were opened on."""

    def __init__(self):
        self.values: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}
        self.open: dict[int, bytes] = {}

    def set(self, name: str, value: bytes):
        self.versions[name] = self.versions.get(name, 0) + 1
        self.values[name] = value

    def delete(self, name: str):
        del self.values[name], self.versions[name]

    @property
    def environ(self) -> dict[str, bytes]:
        return {name: value for name, value in self.values.items() if b"\0" not in value}


def check(folder, values: dict[str, bytes], variables: dict[str, bytes]):
    """Whether `folder` shows `values`, in every way in which it shows them."""
    assert sorted(os.listdir(folder)) == sorted([".environ", ".generation", *values])
    for name, value in values.items():
        path = os.path.join(folder, name)
        assert os.stat(path).st_size == len(value), name
        with open(path, "rb") as file:
            assert file.read() == value, name
    with open(os.path.join(folder, ".environ"), "rb") as file:
        content = file.read()
    assert parse_environ(content) == variables
    assert list(parse_environ(content)) == sorted(variables), "not in the order of names"


class Run:
    """One sequence. Every operation is done on the store and on the model, then both are compared."""

    def __init__(self, store: Store, seed: int):
        self.store = store
        self.random = random.Random(seed)
        self.model = Model()
        self.mount = store.mount()

    def value(self) -> bytes:
        kind = self.random.randrange(5)
        if kind == 0:
            return b""
        if kind == 1:
            return self.random.randbytes(self.random.randrange(1, 70_000)).replace(b"\0", b"\1")
        if kind == 2:
            return self.random.randbytes(self.random.randrange(1, 50)) + b"\0"
        return b"value %d" % self.random.randrange(1_000_000)

    def step(self):
        actions = [self.create, self.update, self.delete, self.put, self.open, self.open, self.read, self.read, self.close]
        self.random.choice(actions)()

    def pick(self) -> str | None:
        return self.random.choice(sorted(self.model.values)) if self.model.values else None

    def create(self):
        name, value = self.random.choice(NAMES), self.value()
        delivery = "file" if b"\0" in value else "env"
        outcome = self.store.run("secret", "create", ALGORITHM, name, "--value-file", value_file(value), "--delivery", delivery, input=value)
        assert outcome.status == (73 if name in self.model.values else 0), outcome
        if outcome.status == 0:
            self.model.set(name, value)

    def update(self):
        name, value = self.random.choice(NAMES), self.value()
        delivery = "file" if b"\0" in value else "env"
        outcome = self.store.run("secret", "update", ALGORITHM, name, "--value-file", value_file(value), "--delivery", delivery, input=value)
        assert outcome.status == (0 if name in self.model.values else 66), outcome
        if outcome.status == 0:
            self.model.set(name, value)

    def delete(self):
        name = self.random.choice(NAMES)
        outcome = self.store.run("secret", "delete", ALGORITHM, name, "--yes")
        assert outcome.status == (0 if name in self.model.values else 66), outcome
        if outcome.status == 0:
            self.model.delete(name)

    def put(self):
        values = {name: b"import %d" % self.random.randrange(1_000) for name in self.random.sample(NAMES, 3)}
        # An import keeps the delivery of a secret that exists: a file stays a file.
        values = {name: value for name, value in values.items() if b"\0" not in self.model.values.get(name, b"")}
        if values:
            self.store.put(values)
            for name, value in values.items():
                self.model.set(name, value)

    def open(self):
        self.settle()
        if name := self.pick():
            self.model.open[os.open(self.mount / name, os.O_RDONLY)] = self.model.values[name]

    def read(self):
        for descriptor, value in self.model.open.items():
            offset, count = self.random.randrange(len(value) + 10), self.random.randrange(1, 80_000)
            assert os.pread(descriptor, count, offset) == value[offset : offset + count]
            assert os.fstat(descriptor).st_size == len(value)

    def close(self):
        if self.model.open:
            descriptor = self.random.choice(sorted(self.model.open))
            os.close(descriptor)
            del self.model.open[descriptor]

    def settle(self):
        """Waits until the mount has heard of the last command, then compares everything."""

        def versions():
            return {name: int(os.getxattr(self.mount / name, "user.secretfs.version")) for name in entries(self.mount)}

        def has_settled():
            try:
                return versions() == self.model.versions and environ_names() == sorted(self.model.environ)
            except FileNotFoundError:
                return False

        def environ_names():
            return list(parse_environ((self.mount / ".environ").read_bytes()))

        wait_until(self.mount, has_settled)
        check(self.mount, self.model.values, self.model.environ)

    def end(self):
        self.settle()
        self.read()
        for descriptor in self.model.open:
            os.close(descriptor)
        listed = {secret["name"]: secret["version"] for secret in self.store.json("secret", "list", ALGORITHM)}
        assert listed == self.model.versions


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mount_behaves_like_the_model(store, seed):
    run = Run(store, seed)
    for _ in range(STEPS):
        run.step()
    run.end()


# The alarm


def drop_a_name(folder):
    (folder / "B").unlink()


def add_a_name(folder):
    (folder / "C").write_bytes(b"")


def change_a_byte(folder):
    content = bytearray((folder / "A").read_bytes())
    content[3] ^= 1
    (folder / "A").write_bytes(content)


def cut_a_value(folder):
    (folder / "A").write_bytes((folder / "A").read_bytes()[:-1])


def empty_a_value(folder):
    (folder / "A").write_bytes(b"")


def lag_in_environ(folder):
    (folder / ".environ").write_bytes(b"A=older\0B=second\0")


def drop_from_environ(folder):
    (folder / ".environ").write_bytes(b"A=first\0")


def turn_environ_around(folder):
    (folder / ".environ").write_bytes(b"B=second\0A=first\0")


def cut_environ(folder):
    (folder / ".environ").write_bytes(b"A=first\0B=second")


def keep(folder):
    pass


FAULTS = [
    drop_a_name, add_a_name, change_a_byte, cut_a_value, empty_a_value, lag_in_environ, drop_from_environ,
    turn_environ_around, cut_environ,
]  # fmt: skip


@pytest.mark.parametrize("fault", [keep, *FAULTS], ids=lambda fault: fault.__name__)
def test_the_model_notices_a_broken_tree(store, tmp_path, fault):
    values = {"A": b"first", "B": b"second"}
    store.put(values)
    shutil.copytree(store.mount(), tmp_path / "copy", copy_function=shutil.copyfile)
    copy = tmp_path / "copy"
    copy.chmod(0o700)
    fault(copy)
    if fault is keep:
        check(copy, values, values)
    else:
        with pytest.raises(AssertionError):
            check(copy, values, values)
