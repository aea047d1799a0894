"""No value is in the state folder, in what commands print, or in what they write anywhere (R1, R5)."""

import base64
import os
import pty
import re
import select
import socket
import subprocess
import time

import pytest
from box_support import (
    DEADLINE, NAME, Generation, Traces, folder, needs, printable_bytes, random_bytes, store, wait_until,
)

KINDS = {"raw": random_bytes, "printable": printable_bytes}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def value(request) -> bytes:
    return request.param()


def everything(folder) -> bytes:
    """All bytes of all files below `folder`, and their names."""
    content = b""
    for path in sorted(folder.rglob("*")):
        content += os.fsencode(path) + b"\0"
        if path.is_file():
            content += path.read_bytes() + b"\0"
    return content


def nothing_is_left_of(store, *values):
    """Looks with an agent that runs (database, write-ahead log, shared memory), and after it has ended."""
    for value in values:
        assert not Traces(value).are_in(everything(store.state)), "a value is in the state folder"
        assert not Traces(value).are_in(store.said), "a value was printed"


def by_standard_input(store, folder, name, value, command):
    store.run("secret", command, NAME, name, "--delivery", "env", value=value)


def by_file(store, folder, name, value, command):
    source = folder / "value"
    source.write_bytes(value)
    store.run("secret", command, NAME, name, "--value-file", str(source))
    source.unlink()


def by_terminal(store, folder, name, value, command):
    value = base64.b64encode(value)
    shown = on_terminal([store.binary, "secret", command, NAME, name], store.env, value + b"\n", b"Value of")
    assert not Traces(value).are_in(shown) and not Traces(base64.b64decode(value)).are_in(shown), "the value was echoed"


def by_import(store, folder, name, value, command):
    source = folder / ".env"
    quoted = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    source.write_bytes(b"# comment\nexport %s=\"%s\"\n" % (name.encode(), quoted))
    store.run("import", NAME, str(source), "--yes", *(["--update"] if command == "update" else []))
    source.unlink()


def by_import_of_standard_input(store, folder, name, value, command):
    line = b"%s='%s'\n" % (name.encode(), value.replace(b"'", b"-"))
    store.run("import", NAME, "-", "--yes", *(["--update"] if command == "update" else []), value=line)


WAYS = [by_standard_input, by_file, by_terminal, by_import, by_import_of_standard_input]


def on_terminal(command, env, answer, prompt) -> bytes:
    """Runs `command` on a terminal of its own, answers its prompt, and returns all that the terminal shows."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], [os.fspath(part) for part in command], env)
    shown, end = b"", time.monotonic() + DEADLINE
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            shown += piece
            if answer and prompt in shown and shown.endswith(b": "):
                os.write(terminal, answer)
                answer = None
        _, status = os.waitpid(process, 0)
    finally:
        os.close(terminal)
    assert answer is None and os.waitstatus_to_exitcode(status) == 0, shown
    return shown


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_no_way_in_leaves_the_value_behind(store, folder, value, way):
    point = folder / "mount"
    point.mkdir()
    store.init().mount(point)
    newer = value[::-1]
    with Generation(point) as generation:
        way(store, folder, "KEY", value, "create")
        generation.wait()
        assert (point / "KEY").read_bytes()
        nothing_is_left_of(store, value)
        way(store, folder, "KEY", newer, "update")
        generation.wait()
        assert (point / ".environ").read_bytes().startswith(b"KEY=")
        nothing_is_left_of(store, value, newer)
        for command in (["list"], ["list", "--json"], ["show", "KEY"], ["show", "KEY", "--json"]):
            store.run("secret", command[0], NAME, *command[1:])
        store.run("algorithm", "show", NAME)
        store.run("secret", "delete", NAME, "KEY", "--yes")
        generation.wait()
    nothing_is_left_of(store, value, newer)
    store.run("agent", "--stop")
    nothing_is_left_of(store, value, newer)


def test_the_search_finds_a_value_that_is_there(store, value):
    """The alarm rings."""
    store.init()
    for planted in (value[10:50], value.hex().encode(), base64.b64encode(b"?" + value), base64.b64encode(b"??" + value)):
        (store.state / "agent.log").write_bytes(b"x" * 1000 + planted)
        with pytest.raises(AssertionError, match="in the state folder"):
            nothing_is_left_of(store, value)


BROKEN = {
    "no equals sign": b"%s\n",
    "a name before it": b"KEY %s\n",
    "a quote that stays open": b"KEY='%s\n",
    "more after a quote": b"KEY='a' %s\n",
    "a second line without quotes": b"KEY=a\n%s\n",
    "a name twice": b"KEY=%s\nKEY=b\n",
    "a bad name later": b"KEY=%s\n1BAD=x\n",
    "a dangerous name": b"LD_PRELOAD=%s\n",
    "a NUL": b"KEY='%s\0'\n",
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN.keys())
def test_no_error_about_an_import_shows_a_value(store, line):
    # Not a name by chance.
    value = b"-" + printable_bytes().replace(b"=", b"-")
    store.init()
    done = store.attempt("import", NAME, "-", "--yes", value=line % value)
    assert done.returncode == 65, done.stderr
    nothing_is_left_of(store, value)


REFUSED = {
    "a NUL": lambda value: value + b"\0",
    "too long": lambda value: value * 20_000,
    "too long for a variable": lambda value: value * 2_000,
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_no_error_about_a_value_shows_it(store, value, make):
    store.init()
    done = store.attempt("secret", "create", NAME, "KEY", value=make(value))
    assert done.returncode == 65 and (b"KEY" in done.stderr or b"the input" in done.stderr), done.stderr
    done = store.attempt("secret", "create", "no/Such", "KEY", value=value)
    assert done.returncode == 66
    nothing_is_left_of(store, value)


def test_a_passphrase_leaves_nothing_behind(store, folder):
    passphrase = printable_bytes()
    source = folder / "passphrase"
    source.write_bytes(passphrase + b"\n")
    options = ["--passphrase-file", str(source)]
    store.run("init", "--passphrase", *options)
    store.run("algorithm", "create", NAME, *options)
    point = folder / "mount"
    point.mkdir()
    store.mount(point, *options)
    done = store.attempt("algorithm", "list", "--passphrase-file", "-", value=passphrase[::-1])
    assert done.returncode == 78
    nothing_is_left_of(store, passphrase, passphrase[::-1])


HOSTILE = {
    "not JSON": b"%s",
    "another request": b'{"%s":{}}',
    "an algorithm's name": b'{"serve":{"_0":{"algorithm":"%s","mountPoint":"/x","uid":0,"gid":0,"fileMode":256,"isPrivate":false}}}',
    "a mount point": b'{"serve":{"_0":{"algorithm":"nlp/Summarizer","mountPoint":"%s","uid":0,"gid":0,"fileMode":256,"isPrivate":false}}}',
    "a number": b'{"mounts":{"skip":"%s"}}',
}


@pytest.mark.parametrize("request_", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_requests_leave_nothing_in_the_log(store, folder, request_):
    """Somebody who may talk to the agent sends it a value by mistake."""
    value = printable_bytes()
    point = folder / "mount"
    point.mkdir()
    store.init({"KEY": value}).mount(point)
    for message in (request_ % value, (request_ % value)[:-3], (request_ % value) * 1000):
        asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asking.settimeout(DEADLINE)
        with asking:
            asking.connect(str(store.state / "agent.sock"))
            try:
                asking.send(message)
                store.said += asking.recv(131_072)
            except OSError:
                pass  # Too long, or the agent has closed it.
    assert (point / "KEY").read_bytes() == value
    assert not Traces(value).are_in((store.state / "agent.log").read_bytes())
    nothing_is_left_of(store, value)


def strace(folder, *options) -> list:
    trace = folder / "trace"
    return [needs("strace", "strace"), "-f", "-yy", "-xx", "-s", "2000000", "-o", str(trace), *options]


def calls(folder, value) -> list[str]:
    """The traced system calls that carried `value`, or a piece of it."""
    found = []
    for line in (folder / "trace").read_text().splitlines():
        content = b"".join(bytes.fromhex(part.replace("\\x", "")) for part in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', line))
        if Traces(value).are_in(content):
            found.append(line)
    return found


@pytest.mark.parametrize("command", ["create", "update"])
def test_a_command_writes_the_value_nowhere(store, folder, command):
    value = random_bytes()
    store.init({"KEY": random_bytes()})
    name = "KEY" if command == "update" else "NEW"
    store.run("secret", command, NAME, name, value=value, prefix=strace(folder))
    carried = calls(folder, value)
    assert carried, "the trace shows nothing"
    for call in carried:
        # Only as it comes in.
        assert re.match(r"\d+ +read\(0<", call), call[:200]


def test_the_agent_hands_values_to_the_kernels_device_only(store, folder):
    value = random_bytes()
    point = folder / "mount"
    point.mkdir()
    store.init({"KEY": value}).mount(point)
    with subprocess.Popen([*strace(folder), "-p", str(store.agent)], stderr=subprocess.PIPE) as tracer:
        try:
            assert b"attached" in tracer.stderr.readline()
            assert (point / "KEY").read_bytes() == value
            assert value in (point / ".environ").read_bytes()
            store.update("KEY", value[::-1])
            wait_until(lambda: (point / "KEY").read_bytes() == value[::-1], "the change does not show")
        finally:
            tracer.terminate()
            tracer.wait(timeout=DEADLINE)
    for version in (value, value[::-1]):
        carried = calls(folder, version)
        assert carried, "the trace shows nothing"
        for call in carried:
            # PROCESS CALL(DESCRIPTOR<PATH…>…; strace shows the path in hexadecimal, too.
            name, path = re.match(r"\d+ +(\w+)\(\d+<([^<>]*)", call).groups()
            assert name in ("write", "writev") and unescaped(path).startswith(b"/dev/fuse"), call[:200]


def unescaped(path: str) -> bytes:
    return bytes.fromhex(path.replace("\\x", "")) if path.startswith("\\x") else path.encode()
