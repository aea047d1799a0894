"""The shim on a directory with `.environ`."""

import os
import subprocess
import threading

import pytest
from conftest import ENV, PLANTED, Duplicates

VALUES = {
    "empty": b"",
    "one byte": b"x",
    "spaces": b"  two  ",
    "a newline at its end": b"line\n",
    "only newlines": b"\n\n",
    "carriage return": b"a\r\nb\r\n",
    "equals signs": b"=a=b==",
    "quotes and a dollar": b"\"'`$HOME\\ $(reboot)",
    "invalid UTF-8": b"\xff\xfe\xc3(",
    "every byte but NUL": bytes(range(1, 256)),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_bytes_are_exact(shim, environ, value):
    assert shim.environment(environ({b"A": b"1", b"KEY": value, b"Z": b"2"})).variables == {
        b"A": b"1",
        b"KEY": value,
        b"Z": b"2",
    }


@pytest.mark.parametrize("count", [0, 1, 20, 2_000])
def test_every_entry_arrives(shim, environ, count):
    entries = {b"NAME_%d" % number: b"%d" % (number * 7) for number in range(count)}
    assert shim.environment(environ(entries)).variables == entries


def test_ten_thousand_entries_arrive_where_the_stack_allows(shim, environ):
    entries = {b"NAME_%d" % number: b"v" * 10 for number in range(10_000)}
    assert shim.environment(environ(entries)).variables == entries


def test_a_variable_of_the_longest_length_arrives(shim, environ):
    value = b"v" * (131_072 - len(b"KEY=") - 1)
    assert shim.environment(environ({b"KEY": value})).variables == {b"KEY": value}


def test_a_longer_variable_is_refused_by_name_and_limit(shim, environ):
    value = PLANTED.ljust(131_072 - len(b"KEY="), b"v")
    shim.environment(environ({b"KEY": value})).refused("“KEY” has 131068 bytes", "at most 131067")


def test_a_longer_variable_fits_when_chomp_drops_its_newline(shim, environ):
    value = b"v" * (131_072 - len(b"KEY=") - 1)
    assert shim.environment(environ({b"KEY": value + b"\n"}), "--chomp").variables == {b"KEY": value}


@pytest.mark.parametrize(
    "value, chomped",
    [(b"x\n", b"x"), (b"x\n\n", b"x\n"), (b"\n", b""), (b"", b""), (b"x", b"x"), (b"\nx", b"\nx"), (b"x\r\n", b"x\r")],
)
def test_chomp_drops_one_newline(shim, environ, value, chomped):
    assert shim.environment(environ({b"KEY": value}), "--chomp").variables == {b"KEY": chomped}


def test_an_entry_replaces_all_inherited_variables_of_its_name(shim, environ):
    inherited = Duplicates(("KEY", "old"), ("KEEP", "1"), ("KEY", "older"), ("KEYS", "2"), ("KE", "3"))
    strings = shim.environment(environ({b"KEY": b"new"}), env=inherited).strings
    assert sorted(strings) == [b"KE=3", b"KEEP=1", b"KEY=new", b"KEYS=2"]


def test_keep_inherited_lets_inherited_variables_win(shim, environ):
    directory = environ({b"KEY": b"new", b"OTHER": b"entry"})
    inherited = Duplicates(("KEY", "old"), ("KEY", "older"))
    strings = shim.environment(directory, "--keep-inherited", env=inherited).strings
    assert strings == [b"KEY=old", b"KEY=older", b"OTHER=entry"]


MALFORMED = {
    "cut off in a value": (b"A=1\0KEY=%s" % PLANTED, "cut off"),
    "cut off in a name": (b"A=1\0KE", "cut off"),
    "no equals sign": (b"A=1\0%s\0" % PLANTED, "no ="),
    "empty string": (b"A=1\0\0", "no ="),
    "only a NUL": (b"\0", "no ="),
    "empty name": (b"=%s\0" % PLANTED, "entry number 1 does not begin with"),
    "digit first": (b"1A=%s\0" % PLANTED, "entry number 1 does not"),
    "space in a name": (b"A B=%s\0" % PLANTED, "entry number 1 does not"),
    "escape in a name": (b"A\x1b[2J=%s\0" % PLANTED, "entry number 1 does not"),
    "a piece of a value for a name": (b"A=1\0B=x\0%s-x=y\0" % PLANTED, "entry number 3 does not"),
    "a name twice": (b"A=%s\0B=2\0A=3\0" % PLANTED, "two entries “A”"),
}


@pytest.mark.parametrize("content, words", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("options", [[], ["--only", "B"]], ids=["all", "only another"])
def test_a_damaged_environ_is_refused(shim, environ, content, words, options):
    shim.environment(environ(content), *options).refused(".environ” is damaged", words)


def test_an_environ_without_entries_is_fine(shim, environ):
    assert shim.environment(environ(b""), env={"A": "1"}).variables == {b"A": b"1"}


def test_other_files_beside_environ_do_not_count(shim, environ):
    directory = environ({b"KEY": b"1"})
    (directory / "TLS_KEY").write_bytes(PLANTED)
    (directory / "not-a-name").write_bytes(PLANTED)
    assert shim.environment(directory).variables == {b"KEY": b"1"}


def test_a_fifo_called_environ_is_refused_and_does_not_block(shim, tmp_path):
    os.mkfifo(tmp_path / ".environ")
    shim.environment(tmp_path).refused(".environ” is not a file")


def test_a_directory_called_environ_is_refused(shim, tmp_path):
    (tmp_path / ".environ").mkdir()
    shim.environment(tmp_path).refused(".environ” is not a file")


def test_a_dangling_link_called_environ_is_no_plain_directory(shim, tmp_path):
    (tmp_path / ".environ").symlink_to("nowhere")
    (tmp_path / "KEY").write_bytes(PLANTED)
    shim.environment(tmp_path).refused(".environ” is a link that leads nowhere")


def test_an_environ_that_may_not_be_read_is_refused(shim, environ, tmp_path):
    directory = environ({b"KEY": PLANTED})
    (directory / ".environ").chmod(0o400)
    for parent in [tmp_path, *tmp_path.parents][:4]:
        parent.chmod(0o755)
    binary = tmp_path / "secretfs-env"
    binary.write_bytes(shim.binary.read_bytes())
    binary.chmod(0o755)
    other = type(shim)(binary)
    other.environment(directory, user=65534).refused("permission denied", "another user")


def test_a_size_that_tells_nothing_is_no_limit(shim, tmp_path):
    """procfs shows 0 as the size of what it makes up."""
    entries = {f"NAME_{number}": "v" * 100 for number in range(300)}
    with subprocess.Popen(["/bin/sleep", "60"], env=entries) as sleeper:
        try:
            (tmp_path / ".environ").symlink_to(f"/proc/{sleeper.pid}/environ")
            variables = shim.environment(tmp_path).variables
        finally:
            sleeper.kill()
    assert variables == {name.encode(): value.encode() for name, value in entries.items()}


def test_a_set_that_is_replaced_meanwhile_is_never_torn(shim, environ):
    """Each generation has its own number of entries, all with one value."""
    directory = environ({b"KEY_0": b"0"})
    stop = threading.Event()

    def replace():
        generation = 0
        while not stop.is_set():
            generation += 1
            content = b"".join(b"KEY_%d=%d\0" % (key, generation) for key in range(generation % 50 + 1))
            (directory / ".next").write_bytes(content)
            (directory / ".next").rename(directory / ".environ")

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        seen = set()
        for _ in range(200):
            values = list(shim.environment(directory).variables.values())
            assert len(set(values)) == 1 and len(values) == int(values[0]) % 50 + 1
            seen.add(values[0])
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 10, "the writer did not write"


def test_the_program_inherits_no_descriptor_of_ours(shim, environ):
    listing = shim.run(environ({b"KEY": b"1"}), "--", "/bin/ls", "/proc/self/fd").output.split()
    # 3 is the listing's own.
    assert listing == [b"0", b"1", b"2", b"3"]


def test_the_program_can_be_dumped_as_before(shim, environ):
    """The shim forbids dumps of itself only."""
    code = "import ctypes, resource; print(ctypes.CDLL(None).prctl(3), resource.getrlimit(resource.RLIMIT_CORE)[0])"
    direct = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, check=True, timeout=60).stdout
    assert shim.run(environ({b"KEY": b"1"}), "--", "/usr/bin/python3", "-c", code).output == direct


def test_environ_is_opened_once_and_read_once(shim, environ, tmp_path):
    trace = tmp_path / "trace"
    directory = environ({b"NAME_%d" % number: b"v" * 100 for number in range(20)})
    command = ["strace", "-o", trace, shim.binary, directory, "--", *ENV]
    subprocess.run(command, env={}, check=True, stdout=subprocess.DEVNULL, timeout=60)
    lines = trace.read_text().splitlines()
    program = next(index for index, line in enumerate(lines) if 'execve("/usr/bin/env"' in line)
    calls = [line.split("(")[0] for line in lines[:program]]
    assert calls.count("openat") == 1 and calls.count("read") == 1, calls
    # Dumps are off before a value is in memory, and not before the mount's agent has seen who opens.
    assert calls.index("openat") < calls.index("prctl") < calls.index("read"), calls
    assert any("PR_SET_DUMPABLE, SUID_DUMP_DISABLE" in line for line in lines[:program])
