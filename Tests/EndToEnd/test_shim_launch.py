"""How the shim becomes the program."""

import os
import resource
import shutil
import signal
import subprocess
import time

import pytest
from conftest import ENV, PLANTED


@pytest.fixture
def mount(environ):
    return environ({b"KEY": b"1"})


@pytest.fixture
def program(tmp_path):
    """Makes an executable file."""

    def make(name, content=b"#!/bin/sh\necho ran $0\n", mode=0o755):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        return path

    return make


# The process


def test_the_process_stays_the_same(shim, mount):
    with subprocess.Popen([shim.binary, mount, "--", "/bin/sh", "-c", "echo $$"], stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(timeout=60)
    assert int(output) == process.pid


@pytest.mark.parametrize("status", [0, 1, 42, 125, 126, 127, 255])
def test_the_exit_status_is_the_programs(shim, mount, status):
    outcome = shim.run(mount, "--", "/bin/sh", "-c", f"exit {status}")
    assert (outcome.status, outcome.errors) == (status, "")


def test_a_signal_reaches_the_program(shim, mount):
    command = [shim.binary, mount, "--", "/bin/sh", "-c", "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert (output, process.returncode) == (b"caught\n", 3)


def test_death_by_a_signal_is_the_programs(shim, mount):
    assert shim.run(mount, "--", "/bin/sh", "-c", "kill -9 $$").status == -signal.SIGKILL


def test_ignored_and_blocked_signals_stay_so(shim, mount):
    def prepare():
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    fields = ["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
    direct = subprocess.run(fields, preexec_fn=prepare, stdout=subprocess.PIPE, timeout=60).stdout
    assert shim.run(mount, "--", *fields, preexec_fn=prepare).output == direct


def test_standard_streams_and_the_working_directory_are_the_programs(shim, mount, tmp_path):
    command = [shim.binary, mount, "--", "/bin/sh", "-c", "cat; pwd; echo problem >&2"]
    result = subprocess.run(command, input=b"input\n", capture_output=True, cwd=tmp_path, timeout=60)
    assert (result.stdout, result.stderr) == (b"input\n%s\n" % os.fsencode(tmp_path), b"problem\n")


def test_arguments_are_exact(shim, mount):
    arguments = ["", " a b ", "-n", "--", "'\"$HOME", b"\xff\xfe\n"]
    outcome = shim.run(mount, "--", "/usr/bin/printf", "%s|", *arguments)
    assert outcome.output == b"| a b |-n|--|'\"$HOME|\xff\xfe\n|"


# Where the program is


def test_the_program_is_found_in_the_inherited_path(shim, mount, program):
    program("first/other")
    found, _ = program("second/tool"), program("third/tool")
    path = ":".join(str(found.parents[1] / name) for name in ["none", "first", "second", "third"])
    assert shim.run(mount, "--", "tool", env={"PATH": path}).output == b"ran %s\n" % os.fsencode(found)


@pytest.mark.parametrize("path", ["", ":/none", "/none:", "/none::/none"])
def test_an_empty_part_of_path_is_the_working_directory(shim, mount, program, path):
    found = program("tool")
    assert shim.run(mount, "--", "tool", env={"PATH": path}, cwd=found.parent).output == b"ran ./tool\n"


def test_without_a_path_the_standard_places_are_searched(shim, mount):
    assert shim.run(mount, "--", "true").status == 0
    shim.run(mount, "--", "no-such-program").refused("in /bin and /usr/bin", "PATH is not set", status=127)


@pytest.mark.parametrize("options", [[], ["--clear"]])
def test_an_entry_called_path_never_changes_what_runs(shim, environ, program, options):
    right, wrong = program("right/tool", b"#!/bin/sh\necho $PATH\n"), program("wrong/tool")
    mount = environ({b"PATH": os.fsencode(wrong.parent)})
    outcome = shim.run(*options, "--allow-name", "PATH", mount, "--", "tool", env={"PATH": str(right.parent)})
    assert outcome.output == os.fsencode(wrong.parent) + b"\n"


def test_a_program_without_permission_is_passed_over(shim, mount, program):
    locked, found = program("one/tool", mode=0o644), program("two/tool")
    path = f"{locked.parent}:{found.parent}"
    assert shim.run(mount, "--", "tool", env={"PATH": path}).output == b"ran %s\n" % os.fsencode(found)


def test_a_program_that_is_nowhere_is_not_found(shim, mount):
    outcome = shim.run(mount, "--", "no-such-program", env={"PATH": "/bin:/none"})
    outcome.refused("no program “no-such-program” in PATH", "“/bin:/none”", status=127)
    shim.run(mount, "--", "/none/program").refused("no program “/none/program”", status=127)
    shim.run(mount, "--", "/etc/passwd/program").refused("no program", status=127)
    shim.run(mount, "--", "").refused("name is empty", status=127)


def test_a_program_that_cannot_be_executed(shim, mount, program, tmp_path):
    locked = program("one/tool", mode=0o644)
    shim.run(mount, "--", locked).refused("permission denied", status=126)
    shim.run(mount, "--", "tool", env={"PATH": str(locked.parent)}).refused(f"“{locked}”", "permission denied", status=126)
    shim.run(mount, "--", tmp_path).refused("permission denied", status=126)


def test_a_program_that_is_being_written(shim, mount, tmp_path):
    busy = tmp_path / "busy"
    shutil.copy("/bin/true", busy)
    with busy.open("ab"):
        shim.run(mount, "--", busy).refused("is being written", status=126)


@pytest.mark.parametrize("line", [b"#!/none/interpreter\n", b"#!/bin/sh\r\n"])
def test_a_script_whose_interpreter_is_missing_is_explained(shim, mount, program, line):
    script = program("script", line)
    shim.run(mount, "--", script).refused("is there, but", "#! line", status=127)
    shim.run(mount, "--", "script", env={"PATH": str(script.parent)}).refused("is there, but", status=127)


def test_a_script_without_a_first_line_is_run_by_the_shell(shim, mount, program):
    script = program("script", b'echo "$0|$1|$2|$KEY"; exit 7\n')
    for name, env in [(script, {}), ("script", {"PATH": str(script.parent)})]:
        outcome = shim.run(mount, "--", name, "a b", "-c", env=env)
        assert (outcome.status, outcome.output) == (7, b"%s|a b|-c|1\n" % os.fsencode(script))


def test_an_empty_script_does_nothing(shim, mount, program):
    assert shim.run(mount, "--", program("script", b"")).status == 0


def test_a_program_for_another_processor_is_not_given_to_the_shell(shim, mount, program):
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xff\x7f" + bytes(100) + b"\ntouch /tmp/x\n"
    shim.run(mount, "--", program("foreign", header)).refused("not a program for this machine", status=126)


# What the kernel accepts


def entries_of(total: int, program: str) -> dict:
    """Entries that, with `program` as path and only argument, make exactly `total` bytes for the kernel."""
    left = total - 2 * (len(program) + 1) - 8
    entries = {}
    while left:
        name = b"KEY_%03d" % len(entries)
        # Its pointer, its name, the = and the NUL.
        overhead = 8 + len(name) + 2
        size = min(left, 100_000)
        if 0 < left - size < 2 * overhead:
            size -= 2 * overhead
        entries[name] = b"v" * (size - overhead)
        left -= size
    return entries


def kernel_accepts(entries: dict, program: str, prepare) -> bool:
    try:
        subprocess.run([program], env=entries, preexec_fn=prepare, timeout=60, check=True)
    except OSError:
        return False
    return True


STACKS = [(256 << 10, 131_072), (8 << 20, 2 << 20), (16 << 20, 4 << 20), (64 << 20, 6 << 20), (resource.RLIM_INFINITY, 6 << 20)]


@pytest.mark.parametrize("stack, limit", STACKS)
def test_the_total_that_the_kernel_accepts_is_known_to_the_byte(shim, environ, stack, limit):
    def prepare():
        resource.setrlimit(resource.RLIMIT_STACK, (stack, resource.getrlimit(resource.RLIMIT_STACK)[1]))

    largest, larger = entries_of(limit, "/bin/true"), entries_of(limit + 1, "/bin/true")
    assert kernel_accepts(largest, "/bin/true", prepare) and not kernel_accepts(larger, "/bin/true", prepare)

    outcome = shim.run(environ(largest, "largest"), "--", "/bin/true", preexec_fn=prepare)
    assert outcome.status == 0, outcome.errors
    outcome = shim.run(environ(larger, "larger"), "--", "/bin/true", preexec_fn=prepare)
    outcome.refused(f"have {limit + 1} bytes; the kernel accepts {limit}", "largest entry is “KEY_", "--only")


def test_a_total_that_only_the_kernel_can_know_is_refused_alike(shim, environ):
    """Found in PATH, the program's path is longer than the name that was given."""
    entries = entries_of(2 << 20, "true")
    outcome = shim.run(environ(entries), "--", "true", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_STACK, (8 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1])))
    outcome.refused("too many bytes; the kernel accepts 2097152", "largest entry")


def test_only_makes_a_large_set_usable(shim, environ):
    entries = {b"KEY_%d" % number: PLANTED * 8_000 for number in range(100)}
    directory = environ(entries)
    shim.environment(directory).refused("the kernel accepts")
    assert shim.environment(directory, "--only", "KEY_7").variables == {b"KEY_7": PLANTED * 8_000}


def test_closed_standard_streams_do_no_harm(shim, mount):
    script = f"exec {shim.binary} {mount} -- /bin/sh -c 'exit 5' <&- >&- 2>&-"
    assert subprocess.run(["/bin/sh", "-c", script], timeout=60).returncode == 5


def test_a_refusal_into_a_closed_pipe_still_ends(shim):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = subprocess.run([shim.binary, "--", *ENV], stderr=writer, env={}, timeout=60)
    finally:
        os.close(writer)
    # The signal is what any program gets there.
    assert process.returncode in (125, -signal.SIGPIPE)


def test_no_memory_is_a_refusal(shim, environ):
    def prepare():
        resource.setrlimit(resource.RLIMIT_AS, (16 << 20, 16 << 20))

    directory = environ({b"KEY_%d" % number: PLANTED * 8_000 for number in range(300)})
    shim.run(directory, "--", *ENV, preexec_fn=prepare).refused("there is no memory")


def test_a_chain_of_shims_works(shim, environ):
    first, second = environ({b"A": b"1", b"B": b"1"}, "first"), environ({b"B": b"2"}, "second")
    assert shim.run(first, "--", shim.binary, second, "--", *ENV).variables == {b"A": b"1", b"B": b"2"}
