"""Random sequences of file operations on a real admin mount, against a model small enough to be obviously right, and
against what the commands say of the store."""

import errno
import os
import random
import shutil

import pytest
from support import empty, needs_root, store, wait_until  # noqa: F401 (fixtures)

pytestmark = needs_root
SEEDS = [1, 2, 3, 4]
STEPS = 400
OWNER = "walk"
ALGORITHMS = ["A", "B"]
SECRETS = ["S", "T"]
BESIDE = ["beside1", "beside2"]
TOLD = ["created", "modified", "modified_by", "provider", "version", "versions"]
TEXTS = {"name": "S", "description": "", "delivery": "env", "not_before": "never", "expires": "never", "callers": None}
# What each file may be given: mostly what it can hold.
CONTENTS = {
    "value": [b"", b"x", b"a value\n", b"NUL \0 in it", b"long" * 30_000],
    "name": [b"A name\n", b"x", b"two\nlines", b""],
    "description": [b"text", b"\n", b"x" * 1024, b"x" * 1025],
    "delivery": [b"env", b"file\n", b"file\n", b"both"],
    "not_before": [b"2020-01-01T00:00:00.000Z\n", b"never\n", b"soon"],
    "expires": [b"2040-01-01T00:00:00.000Z\n", b"never\n", b"soon"],
    "callers": [b"uid 5\n", b"uid 5\nuid 6\n", b"\n", b"nobody\n", b"cgroup /a b\nuid 1\n"],
    "version": [b"9\n"],
    "beside1": [b"beside"],
    "beside2": [b"uid 7\n", b"a value that was kept beside"],
}


class Refused(Exception):
    def __init__(self, number):
        super().__init__(errno.errorcode[number])
        self.number = number


class Secret:
    def __init__(self, name):
        self.values: list[bytes] = []
        self.texts = {**TEXTS, "name": name}
        self.beside: dict[str, bytes] = {}
        self.hidden: set[str] = set()

    def text(self, name) -> bytes:
        """As the file shows it."""
        text = self.texts[name]
        if name == "callers":
            return b"".join(line + b"\n" for line in text or [])
        return text.encode() + b"\n"

    @property
    def names(self) -> set[str]:
        return {*self.texts, "kept", "value", *(TOLD if self.values else [])}

    def put(self, name, content: bytes):
        """What the whole content makes of a file, or why not."""
        if name in self.beside:
            self.beside[name] = content
        elif name == "value":
            if self.texts["delivery"] == "env" and (b"\0" in content or len(content) > 131_000):
                raise Refused(errno.EINVAL)
            self.values.append(content)
        elif name == "callers":
            # In the order in which the mount shows the kinds.
            lines = [line for line in content.split(b"\n") if line]
            if any(not line.startswith((b"uid ", b"cgroup ")) for line in lines):
                raise Refused(errno.EINVAL)
            self.texts[name] = sorted(lines, key=lambda line: line.startswith(b"cgroup"))
        else:
            text = content.decode().removesuffix("\n")
            limit = {"name": 128, "description": 1024}.get(name, 99)
            good = len(text) <= limit and "\n" not in text and (text or name == "description")
            if name == "delivery":
                good = text in ("env", "file") and not (text == "env" and self.values and b"\0" in self.values[-1])
            if name in ("not_before", "expires"):
                text = text or "never"
                good = text in ("never", "2020-01-01T00:00:00.000Z", "2040-01-01T00:00:00.000Z")
            if not good:
                raise Refused(errno.EINVAL)
            self.texts[name] = text


class Walk:
    def __init__(self, store, seed):
        self.store = store
        self.random = random.Random(seed)
        self.root = store.folder("admin")
        store.does("mount", "--admin", self.root)
        self.home = self.root / "algorithms" / OWNER
        self.home.mkdir()
        self.model: dict[str, dict[str, Secret]] = {}

    def both(self, what, real, expected):
        """Does it, and compares: with what the model says, or with its errno."""
        try:
            should = expected()
        except Refused as refused:
            should = refused.number
        try:
            found = real()
        except OSError as error:
            found = error.errno
        assert found == should, (what, found, should)

    def find(self, algorithm, name) -> Secret:
        secret = self.model.get(algorithm, {}).get(name)
        if not secret:
            raise Refused(errno.ENOENT)
        return secret

    # One step

    def step(self):
        choose = self.random.choice
        algorithm, name, file = choose(ALGORITHMS), choose(SECRETS), choose([*CONTENTS, "value", "value"])
        path = self.home / algorithm / name
        what = self.random.randrange(100)
        if what < 5:
            self.both(("mkdir", algorithm), lambda: self.make(path.parent), lambda: self.model_algorithm(algorithm))
        elif what < 20:
            self.both(("mkdir", path), lambda: self.make(path), lambda: self.model_secret(algorithm, name))
        elif what < 57:
            self.write(algorithm, name, file)
        elif what < 63:
            size = choose([0, 0, 1, 5])
            self.both(("truncate", path / file, size), lambda: os.truncate(path / file, size),
                      lambda: self.model_truncate(algorithm, name, file, size))
        elif what < 73:
            source, target = choose(BESIDE), choose([*CONTENTS, "value"])
            self.both(("rename", path, source, target), lambda: os.rename(path / source, path / target),
                      lambda: self.model_rename(algorithm, name, source, target))
        elif what < 78:
            self.both(("unlink", path / file), lambda: os.unlink(path / file), lambda: self.model_unlink(algorithm, name, file))
        elif what < 80:
            self.both(("rmdir", path), lambda: os.rmdir(path), lambda: self.model_rmdir(algorithm, name))
        elif what < 81:
            self.both(("rm -r", path), lambda: shutil.rmtree(path), lambda: self.model_remove(algorithm, name))
        elif what < 82:
            self.both(("rmdir", path.parent), lambda: os.rmdir(path.parent), lambda: self.model_remove_algorithm(algorithm))
        elif what < 92:
            self.both(("read", path / file), (path / file).read_bytes, lambda: self.model_read(algorithm, name, file))
        else:
            self.both(("list", path), lambda: set(os.listdir(path)), lambda: self.model_list(algorithm, name))

    def make(self, path):
        path.mkdir()
        # For who made it, it is empty until it is listed.
        os.listdir(path)

    def write(self, algorithm, name, file):
        path = self.home / algorithm / name / file
        content = self.random.choice(CONTENTS[file])
        flags = os.O_WRONLY | os.O_CREAT | self.random.choice([os.O_TRUNC, os.O_TRUNC, os.O_TRUNC, 0, os.O_APPEND])
        size = self.random.choice([len(content) or 1, 3 if len(content) < 1000 else 40_000])
        pieces = [(start, content[start : start + size]) for start in range(0, len(content), size)]
        if len(pieces) > 1 and self.random.randrange(8) == 0:
            # A hole, or over what was written.
            start, last = pieces[-1]
            pieces[-1] = (start + self.random.choice([-1, 1]), last)

        def real():
            descriptor = os.open(path, flags)
            try:
                for start, piece in pieces:
                    assert os.pwrite(descriptor, piece, start) == len(piece)
            except OSError:
                try:
                    os.close(descriptor)
                except OSError:
                    pass
                raise
            os.close(descriptor)

        self.both(("write", path, flags, [start for start, _ in pieces]), real,
                  lambda: self.model_write(algorithm, name, file, pieces, flags))

    # What should come of it

    def model_algorithm(self, algorithm):
        if algorithm in self.model:
            raise Refused(errno.EEXIST)
        self.model[algorithm] = {}

    def model_secret(self, algorithm, name):
        if algorithm not in self.model:
            raise Refused(errno.ENOENT)
        if name in self.model[algorithm]:
            raise Refused(errno.EEXIST)
        self.model[algorithm][name] = Secret(name)

    def model_write(self, algorithm, name, file, pieces, flags):
        secret = self.find(algorithm, name)
        if file in TOLD:
            raise Refused(errno.EACCES)
        if flags & os.O_APPEND:
            raise Refused(errno.EOPNOTSUPP)
        if file in BESIDE:
            old = secret.beside.get(file, b"")
        else:
            # Made again after it was unlinked, it begins empty.
            old = b"" if file == "value" or file in secret.hidden else secret.text(file)
        content = bytearray(b"" if flags & os.O_TRUNC else old)
        if file in BESIDE:
            secret.beside[file] = bytes(content)
        else:
            secret.hidden.discard(file)
        for start, piece in pieces:
            if start > len(content):
                raise Refused(errno.EINVAL)
            content[start : start + len(piece)] = piece
            if file in BESIDE:
                secret.beside[file] = bytes(content)
        if pieces and file not in BESIDE:
            secret.put(file, bytes(content))

    def model_truncate(self, algorithm, name, file, size):
        secret = self.find(algorithm, name)
        self.is_there(secret, file)
        if file in TOLD:
            raise Refused(errno.EACCES)
        content = secret.beside[file] if file in BESIDE else b"" if file == "value" else secret.text(file)
        if size > len(content):
            raise Refused(errno.EINVAL)
        secret.put(file, content[:size])

    def is_there(self, secret, file):
        if file in secret.beside:
            return
        if file not in secret.names or file in secret.hidden:
            raise Refused(errno.ENOENT)

    def model_rename(self, algorithm, name, source, target):
        secret = self.find(algorithm, name)
        self.is_there(secret, source)
        if source == target:
            return
        if target in TOLD:
            raise Refused(errno.EACCES)
        content = secret.beside[source]
        if target in BESIDE:
            secret.beside[target] = content
        else:
            secret.put(target, content)
            secret.hidden.discard(target)
        del secret.beside[source]

    def model_unlink(self, algorithm, name, file):
        secret = self.find(algorithm, name)
        self.is_there(secret, file)
        if secret.beside.pop(file, None) is None:
            secret.hidden.add(file)

    def model_rmdir(self, algorithm, name):
        if self.find(algorithm, name).beside:
            raise Refused(errno.ENOTEMPTY)
        del self.model[algorithm][name]

    def model_remove(self, algorithm, name):
        self.find(algorithm, name)
        del self.model[algorithm][name]

    def model_remove_algorithm(self, algorithm):
        if algorithm not in self.model:
            raise Refused(errno.ENOENT)
        if self.model[algorithm]:
            raise Refused(errno.ENOTEMPTY)
        del self.model[algorithm]

    def model_read(self, algorithm, name, file):
        secret = self.find(algorithm, name)
        self.is_there(secret, file)
        if file == "value":
            raise Refused(errno.EACCES)
        if file == "version":
            return b"%d\n" % len(secret.values)
        return secret.beside[file] if file in secret.beside else secret.text(file)

    def model_list(self, algorithm, name):
        secret = self.find(algorithm, name)
        secret.hidden.clear()
        return {*secret.names, *secret.beside}

    # The store, as the commands see it

    def compare(self):
        for algorithm in ALGORITHMS:
            if algorithm not in self.model:
                self.store.run("secret", "list", f"{OWNER}/{algorithm}").failed(66)
                continue
            rows = self.store.json("secret", "list", f"{OWNER}/{algorithm}")
            found = {row["name"]: (row["version"], row["displayName"], row["description"], row["delivery"]) for row in rows}
            assert found == {
                name: (len(secret.values), *(secret.texts[file] for file in ("name", "description", "delivery")))
                for name, secret in self.model[algorithm].items() if secret.values}

    def check_values(self):
        for algorithm, secrets in self.model.items():
            for name in secrets:
                if secrets[name].values:
                    self.store.does("callers", f"{OWNER}/{algorithm}", name, "--clear")
                    for limit in ("not_before", "expires"):
                        (self.home / algorithm / name / limit).write_text("never\n")
            mount = self.store.mount(name=f"shown-{algorithm}", of=f"{OWNER}/{algorithm}")
            for name, secret in secrets.items():
                if secret.values:
                    assert (mount / name).read_bytes() == secret.values[-1], (algorithm, name)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_admin_mount_behaves_like_the_model(store, seed):
    walk = Walk(store, seed)
    stored = 0
    for step in range(STEPS):
        try:
            walk.step()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, step {step}") from error
        if step % 25 == 24:
            walk.compare()
        stored = max(stored, sum(len(secret.values) for secrets in walk.model.values() for secret in secrets.values()))
    assert stored > 3, "the walk went nowhere"
    walk.compare()
    walk.check_values()
    store.does("audit", "verify")
