"""Who may open: rules on users and cgroups, when they hold, and what others see of it."""

import errno
import mmap
import os
import signal
import subprocess

import pytest
from callers_support import PYTHON, VALUE, cgroups, mount, read_by, rule, user  # noqa: F401 (fixtures)
from support import COMMAND_DEADLINE, OTHER_UID, empty, environ, needs_root, parse_environ, store  # noqa: F401 (fixtures)

pytestmark = needs_root


# Users and groups


def test_a_rule_on_users_holds_for_every_user_root_too(store, mount):
    rule(store, mount, "--uid", "1000", "--uid", str(OTHER_UID))
    assert read_by(mount / "KEY") is None
    assert read_by(mount / "KEY", *user(1000)) == VALUE
    assert read_by(mount / "KEY", *user(OTHER_UID)) == VALUE
    assert read_by(mount / "KEY", *user(1001)) is None
    assert read_by(mount / "FREE", *user(1001)) == b"free"


def test_a_rule_on_groups_asks_for_the_main_group(store, mount):
    rule(store, mount, "--gid", "1000")
    assert read_by(mount / "KEY", "setpriv", "--reuid", "5", "--regid", "1000", "--clear-groups", "--") == VALUE
    assert read_by(mount / "KEY", "setpriv", "--reuid", "5", "--regid", "6", "--groups", "1000", "--") is None


def test_the_rule_of_a_secret_narrows_that_of_its_algorithm(store, mount):
    rule(store, mount, "--uid", "1000", "--uid", "1001", secret=None)
    rule(store, mount, "--uid", "1001", "--uid", "1002")
    readers = [uid for uid in (0, 1000, 1001, 1002) if read_by(mount / "KEY", *user(uid)) is not None]
    assert readers == [1001]
    assert [uid for uid in (0, 1000, 1001, 1002) if read_by(mount / "FREE", *user(uid))] == [1000, 1001]


# > What a user is refused has a line each time, up to 60 of a kind in a minute — docs/SEMANTICS.md#audit
def test_a_flood_of_refused_opens_is_few_lines_in_the_log(store, mount):
    rule(store, mount, "--uid", "0")
    code = (
        "import sys\n"
        "for _ in range(2000):\n"
        "    try: open(sys.argv[1]); sys.exit(1)\n"
        "    except PermissionError: pass\n"
    )
    subprocess.run([*user(1000), PYTHON, "-c", code, mount / "KEY"], check=True, timeout=COMMAND_DEADLINE)
    def denied(uid):
        said = store.does("audit", "--json", "--outcome", "denied", "--actor", str(uid), "--limit", "5000").output
        return said.splitlines()

    assert len(denied(1000)) == 60
    # Another one's are told all the same, and what is allowed always.
    assert read_by(mount / "KEY", *user(1001)) is None
    assert len(denied(1001)) == 1
    store.does("agent", "--stop")
    rest = denied(1000)
    assert len(rest) == 61 and "1940 more" in str(rest)
    store.does("audit", "verify")


def test_root_of_a_user_namespace_is_the_user_who_made_it(store, mount):
    rule(store, mount, "--uid", "0")
    in_namespace = [*user(1000), "unshare", "--user", "--map-root-user"]
    assert read_by(mount / "KEY", *in_namespace) is None
    rule(store, mount, "--uid", "1000")
    assert read_by(mount / "KEY", *in_namespace) == VALUE
    assert read_by(mount / "KEY") is None


# Cgroups


def test_a_rule_on_a_cgroup_holds_for_all_below_it_and_nothing_beside_it(store, mount):
    name = f"secretfs-test-{os.getpid()}"
    names = [name, f"{name}/below", f"{name}x", f"{name}/below/a)b c"]
    with cgroups(store.root, *names) as point:
        rule(store, mount, "--cgroup", f"/{name}/below")

        def readers():
            into = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
            return [name for name in names if read_by(mount / "KEY", "sh", "-c", into, point / name)]

        assert readers() == [f"{name}/below", f"{name}/below/a)b c"]
        assert read_by(mount / "KEY") is None
        rule(store, mount, "--cgroup", f"/{name}")
        assert readers() == [name, f"{name}/below", f"{name}/below/a)b c"]


# Changes and what is shown


def test_a_rule_holds_for_the_next_open_of_the_same_mount(store, mount):
    with open(mount / "KEY", "rb") as opened:
        before = os.stat(mount / "KEY")
        rule(store, mount, "--uid", "1000")
        with pytest.raises(PermissionError):
            open(mount / "KEY", "rb")
        # The very inode that the kernel knows, without its name.
        with pytest.raises(PermissionError):
            open(f"/proc/self/fd/{opened.fileno()}", "rb")
        assert opened.read() == VALUE
        assert os.stat(mount / "KEY") == before
    rule(store, mount, "--clear")
    assert (mount / "KEY").read_bytes() == VALUE


# > Attributes, names and extended attributes are the same for every caller, whatever the rules say. — docs/SEMANTICS.md#callers
def test_attributes_are_the_same_for_every_caller(store, mount):
    rule(store, mount, "--uid", "1000")
    names = ["", "KEY", "FREE", ".environ", ".generation"]
    shown = {
        subprocess.run(
            [*user(uid), "stat", "-c", "%n %i %s %a %u %g %y %h", *(mount / name for name in names)],
            capture_output=True, timeout=COMMAND_DEADLINE, check=True).stdout
        for uid in (0, 1000, 1001)
    }
    assert len(shown) == 1
    listings = {
        subprocess.run([*user(uid), "ls", "-a", mount], capture_output=True, timeout=COMMAND_DEADLINE).stdout
        for uid in (0, 1000)
    }
    assert len(listings) == 1 and b"KEY" in listings.pop()


def test_environ_has_what_its_reader_may_open(store, mount):
    rule(store, mount, "--uid", "1000")
    size = (mount / ".environ").stat().st_size
    assert environ(mount) == {"FREE": b"free"}
    assert parse_environ(read_by(mount / ".environ", *user(1000))) == {"FREE": b"free", "KEY": VALUE}
    assert environ(mount) == {"FREE": b"free"}
    assert (mount / ".environ").stat().st_size == size == len(b"FREE=free\0KEY=\0" + VALUE)


def test_the_shim_gives_a_program_what_it_may_open(store, mount, binaries):
    rule(store, mount, "--uid", "1000")

    def variables(uid):
        done = subprocess.run(
            [*user(uid), binaries / "secretfs-env", mount, "--", "/usr/bin/env", "-0"],
            env={}, capture_output=True, timeout=COMMAND_DEADLINE)
        return done.returncode, done.stdout, done.stderr

    assert variables(1000) == (0, b"FREE=free\0KEY=" + VALUE + b"\0", b"")
    assert variables(1001) == (0, b"FREE=free\0", b"")
    rule(store, mount, "--uid", "1000", secret=None)
    status, output, errors = variables(1001)
    assert status == 125 and output == b"" and b"a rule denies this program" in errors


# > A `.environ` that differs by caller cannot be mapped: touching its pages is `SIGBUS` — docs/SEMANTICS.md#operations
def test_an_environ_that_differs_by_caller_cannot_be_mapped(store, mount):
    """Its pages would be in the cache of the inode, which all callers share."""
    def mapped():
        child = (
            "import mmap, os, sys; file = os.open(sys.argv[1], os.O_RDONLY); "
            "print(len(mmap.mmap(file, 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)[:]))"
        )
        done = subprocess.run([PYTHON, "-c", child, mount / ".environ"], capture_output=True, timeout=COMMAND_DEADLINE)
        return done.returncode or done.stdout

    size = (mount / ".environ").stat().st_size
    assert mapped() == b"%d\n" % size
    rule(store, mount, "--uid", "0")
    assert mapped() == -signal.SIGBUS
    # splice(2) goes through the same pages, and programs know what to do when it is refused.
    whole = (mount / ".environ").read_bytes()
    read, write = os.pipe()
    with open(mount / ".environ", "rb", buffering=0) as file:
        assert os.pread(file.fileno(), 5, 5) == whole[5:10]
        with pytest.raises(OSError) as refused:
            os.splice(file.fileno(), write, 1000, offset_src=0)
        assert refused.value.errno == errno.EINVAL
    os.close(read)
    os.close(write)
    subprocess.run(["cp", mount / ".environ", store.root / "copy"], check=True, timeout=COMMAND_DEADLINE)
    assert (store.root / "copy").read_bytes() == whole
    with open(mount / "KEY", "rb") as file, mmap.mmap(
            file.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE) as pages:
        assert pages[:] == VALUE
