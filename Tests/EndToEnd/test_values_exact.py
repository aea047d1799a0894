"""Values come out as they went in, byte by byte, however they are read."""

import hashlib
import os
import subprocess
import sys

import pytest
from support import ALGORITHM, empty, environ, store  # noqa: F401 (fixtures)

PLANTED = b"planted-7f3a"
LIMIT = 131_072
MEBIBYTE = 1 << 20


def pattern(size: int) -> bytes:
    """Bytes of which no two stretches are alike, so that a read from a wrong place shows."""
    blocks = (hashlib.sha256(b"%d" % number).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


VALUES = {
    "EMPTY": b"",
    "ONE_BYTE": b"x",
    "NUL": b"\0",
    "NULS": b"a\0\0b\0",
    "ALL_BYTES": bytes(range(256)),
    "ALL_BYTES_BACK": bytes(reversed(range(256))),
    "INVALID_UTF8": b"\xff\xfe\x80\xc0\xaf\xed\xa0\x80",
    "NEWLINE": b"\n",
    "NEWLINES": b"\n\r\n\na\nb\n",
    "QUOTES": b"'\"`\\'\"",
    "EQUALS": b"=a==b=",
    "BLANKS": b"  \t ",
    "SHELL_WORDS": b"$(id) `id` ${HOME} %s %n",
    "LIMIT_MINUS_1": pattern(LIMIT - 1),
    "LIMIT": pattern(LIMIT),
    "LIMIT_PLUS_1": pattern(LIMIT + 1),
    "PAGE": pattern(4096),
    "PAGE_PLUS_1": pattern(4097),
    "MEBIBYTE_MINUS_1": pattern(MEBIBYTE - 1),
    "MEBIBYTE": pattern(MEBIBYTE),
}
# What `.environ` can hold.
VARIABLES = {name: value for name, value in VALUES.items() if b"\0" not in value and len(name) + len(value) + 2 <= LIMIT}


def fill(store):
    for name, value in VALUES.items():
        store.create(name, value, "--delivery", "env" if name in VARIABLES else "file")


@pytest.fixture
def mount(store):
    fill(store)
    return store.mount()


def test_every_value_has_its_size_and_its_bytes(mount):
    for name, value in VALUES.items():
        path = mount / name
        assert path.stat().st_size == len(value), name
        assert path.read_bytes() == value, name
    assert environ(mount) == VARIABLES


def test_environ_is_exactly_the_variables_in_the_order_of_their_names(mount):
    expected = b"".join(name.encode() + b"=" + VARIABLES[name] + b"\0" for name in sorted(VARIABLES))
    assert (mount / ".environ").stat().st_size == len(expected)
    assert (mount / ".environ").read_bytes() == expected


def test_reads_at_odd_offsets_and_past_the_end(mount):
    for name in ["ALL_BYTES", "LIMIT_PLUS_1", "MEBIBYTE", "EMPTY", ".environ"]:
        value = VALUES[name] if name in VALUES else (mount / name).read_bytes()
        size = len(value)
        descriptor = os.open(mount / name, os.O_RDONLY)
        try:
            for offset in [0, 1, 3, 255, 256, 4095, 4096, 4097, 65_535, 131_071, 131_072, size - 1, size, size + 1, size + 4096]:
                for count in [0, 1, 7, 511, 4096, 4097, 131_073]:
                    if offset >= 0:
                        assert os.pread(descriptor, count, offset) == value[offset : offset + count], (name, offset, count)
            assert os.pread(descriptor, 10, 1 << 40) == b""
            assert os.pread(descriptor, 10, (1 << 63) - 4096) == b""
        finally:
            os.close(descriptor)


def test_one_byte_at_a_time(mount):
    for name in ["ALL_BYTES", "PAGE_PLUS_1", "QUOTES", "EMPTY"]:
        with open(mount / name, "rb", buffering=0) as file:
            assert b"".join(iter(lambda: file.read(1), b"")) == VALUES[name]
            assert file.read(1) == b""


def test_seeking_as_in_every_file(mount):
    with open(mount / "LIMIT", "rb", buffering=0) as file:
        assert file.seek(0, os.SEEK_END) == LIMIT
        assert file.read(1) == b""
        assert file.seek(-3, os.SEEK_END) == LIMIT - 3
        assert file.read() == VALUES["LIMIT"][-3:]
        file.seek(77)
        assert file.read(5) == VALUES["LIMIT"][77:82]


def test_a_private_map_shows_the_value(mount):
    # In a process of its own: a page fault that waits cannot be interrupted here.
    program = """
import hashlib, mmap, os, sys
with open(sys.argv[1], "rb") as file:
    with mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as map:
        print(len(map), hashlib.sha256(map).hexdigest())
"""
    for name in ["ALL_BYTES", "LIMIT_PLUS_1", "MEBIBYTE", ".environ"]:
        value = VALUES[name] if name in VALUES else (mount / name).read_bytes()
        said = subprocess.check_output([sys.executable, "-c", program, mount / name], timeout=60)
        assert said.decode().split() == [str(len(value)), hashlib.sha256(value).hexdigest()], name


@pytest.mark.parametrize(
    "command",
    [["cat"], ["dd", "bs=7", "status=none", "if=/dev/stdin"], ["head", "-c", "2000000"], ["cp", "/dev/stdin", "/dev/stdout"]],
    ids=lambda command: command[0],
)
def test_programs_of_the_shell_read_values(mount, command):
    for name in ["ALL_BYTES", "PAGE_PLUS_1"]:
        with open(mount / name, "rb") as file:
            assert subprocess.check_output(command, stdin=file, timeout=60) == VALUES[name]


def test_sendfile_and_copies_work(mount, tmp_path):
    subprocess.run(["cp", mount / "MEBIBYTE", tmp_path / "copy"], check=True, timeout=60)
    assert (tmp_path / "copy").read_bytes() == VALUES["MEBIBYTE"]
    source = os.open(mount / "LIMIT_PLUS_1", os.O_RDONLY)
    target = os.open(tmp_path / "sent", os.O_WRONLY | os.O_CREAT)
    try:
        sent = 0
        while sent < LIMIT + 1:
            count = os.sendfile(target, source, sent, LIMIT + 1 - sent)
            assert count > 0
            sent += count
    finally:
        os.close(source)
        os.close(target)
    assert (tmp_path / "sent").read_bytes() == VALUES["LIMIT_PLUS_1"]


def test_the_values_survive_the_agent_and_come_from_the_store(mount, store):
    store.does("agent", "--stop")
    store.mount()
    assert {name: (mount / name).read_bytes() for name in VALUES} == VALUES


# How many


def test_no_entry_at_all(store):
    mount = store.mount()
    assert sorted(os.listdir(mount)) == [".environ", ".generation"]
    assert (mount / ".environ").read_bytes() == b""
    assert (mount / ".environ").stat().st_size == 0
    command = [store.shim, "--clear", mount, "--", "/usr/bin/env", "-0"]
    assert subprocess.check_output(command, timeout=60) == b""


def test_one_entry(store):
    store.create("A", b"1")
    mount = store.mount()
    assert sorted(os.listdir(mount)) == [".environ", ".generation", "A"]
    assert (mount / ".environ").read_bytes() == b"A=1\0"


def test_an_environ_that_no_program_could_take_is_refused(store):
    """More than 6 MiB of variables: execve(2) would refuse them, so they are never put together."""
    store.put({f"NAME_{number:02}": b"v" * 131_000 for number in range(49)})
    mount = store.mount()
    assert (mount / "NAME_48").read_bytes() == b"v" * 131_000
    with pytest.raises(OSError) as refusal:
        (mount / ".environ").read_bytes()
    assert refusal.value.errno == 27  # EFBIG
    outcome = store.run("run", ALGORITHM, "--", "true")
    assert outcome.status == 125 and outcome.errors.startswith("secretfs-env: error: "), outcome


def test_who_opens_what_cannot_be_opened_does_not_fill_the_log(store):
    store.put({f"NAME_{number:02}": b"v" * 131_000 for number in range(49)})
    mount = store.mount()
    for _ in range(1000):
        with pytest.raises(OSError):
            (mount / ".environ").read_bytes()
    told = (store.state / "agent.log").read_bytes().count(b"cannot be opened")
    # Once a minute.
    assert 1 <= told <= 2, told
