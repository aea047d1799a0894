"""Mounts in sandboxes that bubblewrap makes."""

import os
import shutil
import subprocess

import pytest
from box_support import (
    DEADLINE, NAME, STRANGER, Generation, Process, as_user, folder, needs, printable_bytes, random_bytes, store, wait_until,
)

SECRETS = "/tmp/secrets"
KINDS = {"user namespace": ["--unshare-user"], "all namespaces": ["--unshare-all"]}
# Opens .generation, says so, waits for a change with poll(2), and prints the value that it then reads.
WATCHER = f"""
import os, select, sys
generation = os.open("{SECRETS}/.generation", os.O_RDONLY)
os.read(generation, 32)
waiting = select.poll()
waiting.register(generation, select.POLLPRI)
for _ in range(int(sys.argv[1])):
    with open("{SECRETS}/KEY", "rb") as file:
        print(file.read().hex(), flush=True)
    assert waiting.poll(60_000), "nothing changed"
    os.pread(generation, 32, 0)
"""


def sandbox(mount, *options, uid=STRANGER) -> list[str]:
    """A sandbox of `uid` that sees the system, and `mount` at /tmp/secrets."""
    system = ["--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    return [*as_user(uid), needs("bwrap", "bubblewrap"), *options, *system, "--bind", str(mount), SECRETS]


def outcome(command, **options) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, timeout=DEADLINE, **options)


@pytest.fixture
def mount(store, folder):
    """A mount that belongs to another user than the one that mounts it."""
    values = {"KEY": random_bytes(), "OTHER": random_bytes()}
    point = folder / "mount"
    point.mkdir()
    store.init(values).mount(point, "--uid", str(STRANGER), "--gid", str(STRANGER))
    store.values = values
    return point


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS.keys())
def test_the_owner_reads_its_values_in_a_sandbox(store, mount, options):
    for name, value in store.values.items():
        done = outcome([*sandbox(mount, *options), "cat", f"{SECRETS}/{name}"])
        assert (done.returncode, done.stdout) == (0, value), done.stderr
    listing = outcome([*sandbox(mount, *options), "ls", "-A", SECRETS])
    assert listing.stdout.split() == [b".environ", b".generation", b"KEY", b"OTHER"]


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS.keys())
def test_another_user_reads_nothing_in_a_sandbox(mount, options):
    for file in ("KEY", ".environ", ".generation"):
        done = outcome([*sandbox(mount, *options, uid=STRANGER + 1), "cat", f"{SECRETS}/{file}"])
        assert done.returncode != 0 and done.stdout == b"" and b"Permission denied" in done.stderr
    listing = outcome([*sandbox(mount, *options, uid=STRANGER + 1), "ls", "-A", SECRETS])
    assert listing.stdout == b"" and b"Permission denied" in listing.stderr


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS.keys())
def test_root_of_a_user_namespace_is_only_the_user_that_it_is_outside(store, mount, options):
    inside = [*options, "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
    done = outcome([*sandbox(mount, *inside), "cat", f"{SECRETS}/KEY"])
    assert (done.returncode, done.stdout) == (0, store.values["KEY"]), done.stderr
    done = outcome([*sandbox(mount, *inside, uid=STRANGER + 1), "cat", f"{SECRETS}/KEY"])
    assert done.returncode != 0 and done.stdout == b""


@pytest.mark.parametrize("command", ["touch {}/NEW", "rm -f {}/KEY", "sh -c 'echo x > {}/KEY'", "chmod 0444 {}/KEY"])
def test_a_sandbox_changes_nothing(store, mount, command):
    done = outcome([*sandbox(mount, "--unshare-all"), "sh", "-c", command.format(SECRETS)])
    assert done.returncode != 0 and b"Read-only file system" in done.stderr
    assert (mount / "KEY").read_bytes() == store.values["KEY"]


def test_a_change_shows_in_a_sandbox_that_runs(store, mount):
    values = [store.values["KEY"], random_bytes(), random_bytes(), b""]
    command = [*sandbox(mount, "--unshare-all"), "python3", "-c", WATCHER, str(len(values))]
    with Process(command, stdout=subprocess.PIPE) as process:
        assert bytes.fromhex(process.stdout.readline().decode()) == values[0]
        for value in values[1:]:
            store.update("KEY", value)
            assert bytes.fromhex(process.stdout.readline().decode()) == value


def test_a_secret_that_is_deleted_leaves_a_sandbox_that_runs(store, mount):
    loop = f"cat {SECRETS}/KEY >/dev/null && echo there; read line; cat {SECRETS}/KEY; ls -A {SECRETS}"
    with Process(
        [*sandbox(mount, "--unshare-all"), "sh", "-c", loop], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"there\n"
        with Generation(mount) as generation:
            store.run("secret", "delete", NAME, "KEY", "--yes")
            generation.wait()
        output, errors = process.communicate(b"\n", timeout=DEADLINE)
    assert output.split() == [b".environ", b".generation", b"OTHER"] and b"No such file" in errors


def test_a_sandbox_keeps_the_mount_that_is_unmounted_lazily_outside(store, mount):
    with Process(
        [*sandbox(mount, "--unshare-all"), "sh", "-c", f"echo; read line; cat {SECRETS}/KEY"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"\n"
        store.run("unmount", "--lazy", str(mount))
        assert list(mount.iterdir()) == []
        before = store.served[0]["generation"]
        new = random_bytes()
        store.update("KEY", new)
        wait_until(lambda: store.served[0]["generation"] > before, "the agent has not seen the change")
        output, _ = process.communicate(b"\n", timeout=DEADLINE)
    assert output == new
    wait_until(lambda: not store.served, "the mount outlived its last sandbox")


def test_reads_in_a_sandbox_fail_at_once_when_the_agent_is_killed(store, mount):
    with Process(
        [*sandbox(mount, "--unshare-all"), "sh", "-c", f"echo; read line; cat {SECRETS}/KEY"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"\n"
        os.kill(store.agent, 9)
        output, errors = process.communicate(b"\n", timeout=DEADLINE)
    # ECONNABORTED for a request that the agent leaves behind, ENOTCONN for those after it.
    assert output == b"" and process.returncode != 0
    assert b"connection abort" in errors or b"not connected" in errors, errors


PROGRAMS = {
    "python": ["python3", "-c", "import os, sys; sys.stdout.buffer.write(os.environb[b'KEY'])"],
    "node": ["node", "-e", "process.stdout.write(process.env.KEY)"],
    "perl": ["perl", "-e", "print $ENV{KEY}"],
    "sh": ["sh", "-c", 'printf %s "$KEY"'],
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_the_shim_is_a_sandboxs_entrypoint(store, mount, folder, program):
    value = printable_bytes()
    with Generation(mount) as generation:
        store.update("KEY", value)
        generation.wait()
    needs(program[0], {"node": "nodejs"}.get(program[0], program[0]))
    # The folder of the build may be closed to this user.
    shim = shutil.copy(store.shim, folder)
    box = [*sandbox(mount, "--unshare-all"), "--ro-bind", shim, "/tmp/secretfs-env", "/tmp/secretfs-env"]
    done = outcome([*box, SECRETS, "--", *program])
    assert (done.returncode, done.stdout) == (0, value), done.stderr


def test_run_works_inside_a_sandbox(store, mount):
    """With /dev/fuse and the state folder in it, and the right to mount; the agent stays outside."""
    state, binaries = str(store.state), str(store.binary.parent)
    box = [
        needs("bwrap", "bubblewrap"), "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-net",
        "--cap-add", "CAP_SYS_ADMIN", "--ro-bind", "/", "/", "--dev", "/dev", "--dev-bind", "/dev/fuse", "/dev/fuse",
        "--proc", "/proc", "--tmpfs", "/run", "--bind", state, state,
    ]
    script = 'printf %s "$KEY" | od -An -v -tx1; cat "$SECRETFS_DIRECTORY/OTHER" | od -An -v -tx1'
    done = outcome([*box, f"{binaries}/secretfs", "run", NAME, "--", "sh", "-c", script], env=store.env)
    assert done.returncode == 0, done.stderr
    assert bytes.fromhex(done.stdout.decode()) == store.values["KEY"] + store.values["OTHER"]
    wait_until(lambda: len(store.served) == 1, "the sandbox's mount outlived it")
