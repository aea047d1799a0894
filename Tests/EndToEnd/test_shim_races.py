"""The shim on plain directories that change while it reads them."""

import shutil
import signal
import subprocess
import threading
import time

import pytest
from conftest import ENV, PLANTED, Outcome


class Volume:
    """A Kubernetes secret volume: `..data` leads to the present generation, entries lead through it."""

    def __init__(self, directory, names):
        self.directory = directory
        self.names = names
        self.generation = 0
        directory.mkdir()
        self.swap()
        for name in names:
            (directory / name).symlink_to(f"..data/{name}")

    def swap(self, delete=True):
        """As the kubelet does: a new directory, one rename of the link, then the old one goes."""
        previous = self.directory / f"..{self.generation}"
        self.generation += 1
        current = self.directory / f"..{self.generation}"
        current.mkdir()
        for name in self.names:
            (current / name).write_bytes(b"%d" % self.generation)
        link = self.directory / "..data_tmp"
        link.symlink_to(current.name)
        link.rename(self.directory / "..data")
        if delete:
            shutil.rmtree(previous, ignore_errors=True)


def test_a_volume_of_kubernetes(shim, tmp_path):
    Volume(tmp_path / "volume", ["USER", "PASSWORD"])
    assert shim.environment(tmp_path / "volume").variables == {b"USER": b"1", b"PASSWORD": b"1"}


def test_a_volume_with_a_file_that_cannot_be_a_variable(shim, tmp_path):
    Volume(tmp_path / "volume", ["USER", "tls.crt"])
    shim.environment(tmp_path / "volume").refused("“tls.crt” cannot be a variable")
    variables = shim.environment(tmp_path / "volume", "--rename", "CERTIFICATE=tls.crt").variables
    assert variables == {b"USER": b"1", b"CERTIFICATE": b"1"}


class Paused:
    """The shim, stopped where it enters a system call for the `count`th time."""

    def __init__(self, shim, trace, directory, call, count, *options):
        inject = ["strace", "-D", "-o", trace, "-e", f"trace={call}", "-e", f"inject={call}:signal=STOP:when={count}"]
        command = [*inject, shim.binary, *options, directory, "--", *ENV]
        self.process = subprocess.Popen(command, env={}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not trace.exists() or b"stopped by SIGSTOP" not in trace.read_bytes():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.process.kill()
                pytest.fail(f"the shim was not stopped: {self.process.communicate()}")
            time.sleep(0.005)

    def proceed(self) -> Outcome:
        try:
            self.process.send_signal(signal.SIGCONT)
            output, errors = self.process.communicate(timeout=60)
        finally:
            self.process.kill()
        return Outcome(subprocess.CompletedProcess([], self.process.returncode, output, errors))


NAMES = [f"KEY_{number}" for number in range(10)]


@pytest.mark.parametrize("call, count", [("getdents64", 1), ("getdents64", 2), ("openat", 6), ("pread64", 5)])
@pytest.mark.parametrize("deleted", [0, 5, 10, "all"])
def test_a_volume_that_is_swapped_half_way_is_read_again(shim, tmp_path, call, count, deleted):
    """The old generation may be whole, half deleted or gone by then."""
    volume = Volume(tmp_path / "volume", NAMES)
    paused = Paused(shim, tmp_path / "trace", volume.directory, call, count)
    if deleted == "all":
        volume.swap()
    else:
        volume.swap(delete=False)
        for name in NAMES[:deleted]:
            (volume.directory / "..1" / name).unlink()
    variables = paused.proceed().variables
    assert variables == {name.encode(): b"2" for name in NAMES}


def test_entries_replaced_half_way_are_read_again(shim, plain, tmp_path):
    directory = plain({name: b"old" for name in NAMES})
    paused = Paused(shim, tmp_path / "trace", directory, "pread64", 5)
    for name in NAMES:
        (tmp_path / "next").write_bytes(b"new")
        (tmp_path / "next").rename(directory / name)
    assert set(paused.proceed().variables.values()) == {b"new"}


@pytest.mark.parametrize("size", [0, 1, 99, 101, 5_000, 100_000])
@pytest.mark.parametrize("call, count", [("fstat", 2), ("pread64", 1)])
def test_a_file_that_changes_size_while_it_is_read_is_whole(shim, plain, tmp_path, size, call, count):
    directory = plain({"KEY": b"o" * 100})
    paused = Paused(shim, tmp_path / "trace", directory, call, count)
    (directory / "KEY").write_bytes(b"n" * size)
    assert paused.proceed().variables == {b"KEY": b"n" * size}


def test_a_file_that_grows_beyond_the_limit_while_it_is_read_is_refused(shim, plain, tmp_path):
    directory = plain({"KEY": b"o" * 100})
    paused = Paused(shim, tmp_path / "trace", directory, "pread64", 1)
    (directory / "KEY").write_bytes(PLANTED * 20_000)
    paused.proceed().refused("“KEY” has ", "at most")


def test_an_entry_that_is_deleted_half_way_is_gone(shim, plain, tmp_path):
    directory = plain({name: b"1" for name in NAMES})
    paused = Paused(shim, tmp_path / "trace", directory, "openat", 5)
    for name in NAMES[1:]:
        (directory / name).unlink()
    assert paused.proceed().variables == {b"KEY_0": b"1"}


def test_an_entry_to_rename_that_is_deleted_half_way_is_missed(shim, plain, tmp_path):
    directory = plain({name: b"1" for name in NAMES})
    paused = Paused(shim, tmp_path / "trace", directory, "getdents64", 2, "--rename", "NEW=KEY_5")
    (directory / "KEY_5").unlink()
    paused.proceed().refused("no entry “KEY_5”")


def test_a_mount_that_appears_half_way_is_read_as_a_mount(shim, plain, tmp_path):
    directory = plain({"KEY": PLANTED})
    paused = Paused(shim, tmp_path / "trace", directory, "getdents64", 1)
    (directory / ".environ").write_bytes(b"KEY=mounted\0")
    assert paused.proceed().variables == {b"KEY": b"mounted"}


def while_busy(work, check, rounds=150, different=10):
    """Runs `check` while `work` repeats in another thread: so often, and until it saw more than so many results."""
    stop = threading.Event()

    def repeat():
        while not stop.is_set():
            work()

    writer = threading.Thread(target=repeat)
    writer.start()
    deadline = time.monotonic() + 60
    seen = set()
    try:
        while rounds > 0 or len(seen) <= different:
            assert time.monotonic() < deadline, "the writer did not write"
            seen.add(check())
            rounds -= 1
    finally:
        stop.set()
        writer.join()


def test_generations_of_a_volume_are_never_mixed(shim, tmp_path):
    names = [f"KEY_{number}" for number in range(30)]
    volume = Volume(tmp_path / "volume", names)

    def work():
        volume.swap()
        time.sleep(0.002)

    def check():
        variables = shim.environment(volume.directory).variables
        assert len(variables) == len(names), "entries are missing"
        assert len(set(variables.values())) == 1, "two generations"
        return next(iter(variables.values()))

    while_busy(work, check)


def test_files_replaced_by_rename_are_of_one_moment(shim, plain, tmp_path):
    """A is replaced before B, so B may be older than A, by one at most, and never newer."""
    directory = plain({"A": b"0", "B": b"0"})
    counter = iter(range(1, 1_000_000))

    def work():
        value = next(counter)
        for name in ["A", "B"]:
            (tmp_path / "next").write_bytes(b"%d" % value)
            (tmp_path / "next").rename(directory / name)
        time.sleep(0.003)

    def check():
        variables = shim.environment(directory).variables
        first, second = int(variables[b"A"]), int(variables[b"B"])
        assert second <= first <= second + 1
        return first

    while_busy(work, check)


def test_a_file_that_grows_and_shrinks_overflows_nothing(shim, plain):
    """Written in place, a file can be caught half-written; what arrives is a beginning of what was written."""
    directory = plain({"KEY": b"x"})
    sizes = iter(range(1_000_000))

    def work():
        (directory / "KEY").write_bytes(b"x" * (next(sizes) * 7919 % 120_000))

    def check():
        outcome = shim.environment(directory)
        if outcome.status:
            outcome.refused("faster than it can be read")
            return None
        value = outcome.variables[b"KEY"]
        assert value.strip(b"x") == b""
        return len(value)

    while_busy(work, check)
