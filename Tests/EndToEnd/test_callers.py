"""Who may open: rules on users, programs and cgroups, through real mounts and real processes."""

import contextlib
import ctypes
import errno
import hashlib
import mmap
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from support import (  # noqa: F401 (fixtures)
    ALGORITHM,
    COMMAND_DEADLINE,
    MNT_DETACH,
    OTHER_UID,
    change,
    empty,
    environ,
    libc,
    needs_root,
    parse_environ,
    store,
)

pytestmark = needs_root
CAT = os.path.realpath(shutil.which("cat"))
PYTHON = os.path.realpath("/usr/bin/python3")
VALUE = b"planted-7f3a-callers"


def read_by(path, *before, program=CAT, **options) -> bytes | None:
    """What `program` reads, run by the words `before`; None if it is denied."""
    done = subprocess.run(
        [*map(str, before), str(program), str(path)], capture_output=True, timeout=COMMAND_DEADLINE, **options
    )
    if done.returncode == 0:
        return done.stdout
    assert b"Permission denied" in done.stderr, done
    assert done.stdout == b"", "bytes and an error"
    return None


def user(uid: int) -> list[str]:
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--"]


@pytest.fixture
def mount(store):
    """A mount that the kernel lets everybody read."""
    store.create("KEY", VALUE)
    store.create("FREE", b"free")
    return store.mount("--mode", "0444")


def rule(store, mount, *options, secret="KEY"):
    """Changes a rule, and returns when the mount knows it."""
    with change(mount):
        store.does("callers", ALGORITHM, *([secret] if secret else []), *options)


@pytest.fixture
def copy_of_cat(store):
    """A program of the test's own, outside of any home folder."""
    path = store.root / "own-cat"
    shutil.copy(CAT, path)
    path.chmod(0o755)
    return path


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


def test_root_of_a_user_namespace_is_the_user_who_made_it(store, mount):
    rule(store, mount, "--uid", "0")
    in_namespace = [*user(1000), "unshare", "--user", "--map-root-user"]
    assert read_by(mount / "KEY", *in_namespace) is None
    rule(store, mount, "--uid", "1000")
    assert read_by(mount / "KEY", *in_namespace) == VALUE
    assert read_by(mount / "KEY") is None


# Programs


def test_a_rule_on_a_program_lets_that_file_in_and_no_copy(store, mount, copy_of_cat):
    rule(store, mount, "--exe", CAT)
    assert read_by(mount / "KEY") == VALUE
    assert read_by(mount / "KEY", program=copy_of_cat) is None
    with pytest.raises(PermissionError):
        (mount / "KEY").read_bytes()


def test_a_program_that_is_bound_over_the_path_is_another(store, mount, copy_of_cat):
    """In a mount namespace of its own a process chooses what is at a path, and /proc shows the path."""
    rule(store, mount, "--exe", CAT)
    script = f"mount --bind {copy_of_cat} {CAT} && exec {CAT} {mount}/KEY"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=COMMAND_DEADLINE)
    assert done.returncode == 1 and b"Permission denied" in done.stderr and not done.stdout, done
    # The same program in a namespace of its own is the same file.
    assert read_by(mount / "KEY", "unshare", "-m") == VALUE


def test_a_rule_with_a_hash_asks_for_the_content(store, mount, copy_of_cat):
    digest = hashlib.sha256(copy_of_cat.read_bytes()).hexdigest()
    rule(store, mount, "--exe", f"{copy_of_cat}@sha256:{digest}")
    assert read_by(mount / "KEY", program=copy_of_cat) == VALUE
    assert read_by(mount / "KEY") is None
    # One byte more, at the end, which the loader does not look at.
    with open(copy_of_cat, "ab") as file:
        file.write(b"x")
    assert read_by(mount / "KEY", program=copy_of_cat) is None
    # And the old one again, as another file.
    copy_of_cat.unlink()
    shutil.copy(CAT, copy_of_cat)
    assert read_by(mount / "KEY", program=copy_of_cat) == VALUE


def test_a_program_that_was_deleted_or_replaced_is_nobody(store, mount, copy_of_cat):
    rule(store, mount, "--exe", str(copy_of_cat))
    read, write = os.pipe()
    # Runs on from the deleted file: opens when it is told to.
    with subprocess.Popen([copy_of_cat, "/dev/stdin", mount / "KEY"], stdin=read, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        os.close(read)
        os.write(write, b"x")
        assert process.stdout.read(1) == b"x"
        copy_of_cat.unlink()
        shutil.copy(CAT, copy_of_cat)
        os.close(write)
        output, errors = process.communicate(timeout=COMMAND_DEADLINE)
    assert output == b"" and b"Permission denied" in errors


# > In a user namespace other than the agent's no rule on programs matches — docs/SEMANTICS.md#callers
def test_in_a_user_namespace_no_rule_on_programs_matches(store, mount):
    """There the process is root, and can tell the kernel that it is another program."""
    rule(store, mount, "--exe", CAT)
    assert read_by(mount / "KEY", *user(1000)) == VALUE
    assert read_by(mount / "KEY", *user(1000), "unshare", "--user", "--map-root-user") is None


def test_any_thread_of_a_process_is_that_process(store, mount):
    rule(store, mount, "--exe", PYTHON, "--uid", "0")
    code = (
        "import sys, threading\n"
        "def read(): print(open(sys.argv[1]).read(), end='')\n"
        "thread = threading.Thread(target=read); thread.start(); thread.join()"
    )
    done = subprocess.run([PYTHON, "-c", code, mount / "KEY"], capture_output=True, timeout=COMMAND_DEADLINE)
    assert done.stdout == VALUE, done
    rule(store, mount, "--exe", CAT)
    done = subprocess.run([PYTHON, "-c", code, mount / "KEY"], capture_output=True, timeout=COMMAND_DEADLINE)
    assert b"PermissionError" in done.stderr and not done.stdout


# Cgroups


@contextlib.contextmanager
def cgroups(root: Path, *names: str):
    """Groups in the cgroup v2 hierarchy, which is mounted for the test where it is not."""
    point = root / "cgroup"
    point.mkdir()
    assert libc.mount(b"none", os.fsencode(point), b"cgroup2", 0, None) == 0, os.strerror(ctypes.get_errno())
    made = []
    try:
        for name in names:
            (point / name).mkdir()
            made.append(point / name)
        yield point
    finally:
        for path in reversed(made):
            path.rmdir()
        libc.umount2(os.fsencode(point), MNT_DETACH)
        point.rmdir()


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


# Races


def test_a_process_number_that_is_used_again_is_another_process(store, mount, copy_of_cat):
    """In a process namespace with 300 numbers two programs are started over and over; only one may read."""
    rule(store, mount, "--exe", CAT)
    script = f"""
    echo 301 > /proc/sys/kernel/pid_max || exit 9
    many() {{ for i in $(seq 400); do "$1" {mount}/KEY >> {store.root}/$2 2>> {store.root}/$2.errors; done; }}
    many {CAT} let & many {copy_of_cat} denied & many {CAT} let2 & many {copy_of_cat} denied2 &
    wait
    """
    before = Path("/proc/sys/kernel/pid_max").read_text()
    try:
        done = subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-c", script],
            capture_output=True, timeout=4 * COMMAND_DEADLINE)
    finally:
        # Before Linux 6.14 all namespaces have one limit.
        Path("/proc/sys/kernel/pid_max").write_text(before)
    assert done.returncode == 0, done
    for name in ("let", "let2"):
        said = (store.root / f"{name}.errors").read_text()
        read = (store.root / name).read_bytes()
        assert read == VALUE * 400, (len(read) / len(VALUE), said, done.stderr[-300:])
    for name in ("denied", "denied2"):
        assert (store.root / name).read_bytes() == b""
        assert (store.root / f"{name}.errors").read_text().count("Permission denied") == 400


# Opens as fast as it can in a thread, while its first thread becomes the program that may open.
EXEC_RACE = """
import os, sys, threading, time
path, report, program = sys.argv[1:]
descriptor = os.open(report, os.O_WRONLY | os.O_APPEND)
def opens():
    while True:
        try: os.open(path, os.O_RDONLY)
        except PermissionError: continue
        os.write(descriptor, b"opened")
threading.Thread(target=opens, daemon=True).start()
time.sleep(float(os.environ["PAUSE"]))
os.execv(program, [program, path])
"""


def test_an_exec_during_an_open_gives_nothing_to_the_program_before_it(store, mount):
    rule(store, mount, "--exe", CAT)
    report = store.root / "report"
    report.touch()
    for number in range(60):
        done = subprocess.run(
            [PYTHON, "-c", EXEC_RACE, mount / "KEY", report, CAT], capture_output=True, timeout=COMMAND_DEADLINE,
            env={"PAUSE": str(number % 7 / 500)})
        # The program that it became may read.
        assert done.stdout == VALUE, done
    assert report.read_bytes() == b"", "the program before it got a descriptor"


# > A descriptor that was given to another process can be read there: it is a capability. — docs/SEMANTICS.md#callers
def test_a_descriptor_that_was_given_away_stays_open(store, mount):
    rule(store, mount, "--uid", "0")
    with open(mount / "KEY", "rb") as file:
        assert read_by("/dev/stdin", *user(1000), program=CAT, stdin=file) is None, "a new open by name is denied"
        done = subprocess.run([*user(1000), CAT], stdin=file, capture_output=True, timeout=COMMAND_DEADLINE)
        assert done.stdout == VALUE, done


def test_a_process_outside_of_the_agents_process_namespace_is_denied_by_any_rule(store):
    store.create("KEY", VALUE)
    store.create("FREE", b"free")
    store.agent_in_foreground(before=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    mount = store.mount("--mode", "0444")
    assert read_by(mount / "KEY") == VALUE
    rule(store, mount, "--uid", "0")
    assert read_by(mount / "KEY") is None
    assert read_by(mount / "FREE") == b"free"
    assert environ(mount) == {"FREE": b"free"}


# > In a mount that was made in another one than the agent's, every rule denies. — docs/SEMANTICS.md#callers
def test_in_a_mount_of_another_process_namespace_every_rule_denies(store):
    """The kernel names callers by numbers of the namespace in which the mount was made: elsewhere they are others'."""
    store.create("KEY", VALUE)
    store.create("FREE", b"free")
    point = store.folder()
    store.agent_in_foreground()
    inside = ["unshare", "--pid", "--fork", "--kill-child"]
    store.does("mount", ALGORITHM, point, "--mode", "0444", before=inside)
    assert read_by(point / "KEY") == VALUE
    rule(store, point, "--uid", "0")
    assert read_by(point / "KEY") is None
    assert read_by(point / "KEY", *inside) is None
    rule(store, point, "--clear", "--exe", CAT)
    assert read_by(point / "KEY") is None
    assert read_by(point / "FREE") == b"free"
    assert environ(point) == {"FREE": b"free"}


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


# The command


def test_the_command_shows_what_was_said(store):
    store.create("KEY", VALUE)
    assert store.json("callers", ALGORITHM) == {
        "home": ALGORITHM, "anyone": True, "uids": [], "gids": [], "executables": [], "cgroups": []}
    digest = "AB" * 32
    store.does("callers", ALGORITHM, "KEY", "--uid", "root", "--uid", "0", "--gid", "7",
               "--exe", f"/opt/x@sha256:{digest}", "--exe", CAT, "--cgroup", "/a.slice/b c")
    shown = {"home": ALGORITHM, "secret": "KEY", "anyone": False, "uids": [0], "gids": [7],
             "executables": [{"path": "/opt/x", "sha256": digest.lower()}, {"path": CAT}],
             "cgroups": ["/a.slice/b c"]}
    assert store.json("callers", ALGORITHM, "KEY") == shown
    # Options replace their own kind.
    changed = store.json("callers", ALGORITHM, "KEY", "--uid", "5", "--uid", "6")
    assert changed == {**shown, "uids": [5, 6]}
    assert store.json("callers", ALGORITHM, "KEY", "--clear", "--gid", "8")["uids"] == []
    text = store.does("callers", ALGORITHM, "KEY").output
    assert text.splitlines() == [f"KEY of {ALGORITHM}: callers that match each of", "  gid         8"]
    store.does("callers", ALGORITHM, "KEY", "--clear")
    assert "anyone" in store.does("callers", ALGORITHM, "KEY").output


def test_a_shared_secret_has_its_rule_with_it(store):
    owner = ALGORITHM.split("/")[0]
    store.create("SHARED", VALUE, of=owner)
    store.does("callers", owner, "SHARED", "--uid", "1000")
    assert store.json("callers", owner, "SHARED")["uids"] == [1000]
    store.run("callers", owner).failed(64, "a secret of it must be named")
    store.run("callers", owner, "OTHER", "--uid", "1").failed(66, "OTHER")


def test_visible_says_who_may_open(store):
    owner = ALGORITHM.split("/")[0]
    store.create("KEY", VALUE)
    store.create("SHARED", VALUE, of=owner)
    store.does("grant", owner, "SHARED", "--to", ALGORITHM)
    store.does("callers", owner, "SHARED", "--uid", "1000")

    def rules():
        return {entry["name"]: [(rule["home"], rule.get("secret"), rule["uids"]) for rule in entry["callers"]]
                for entry in store.json("visible", ALGORITHM)}

    assert rules() == {"KEY": [], "SHARED": [(owner, "SHARED", [1000])]}
    lines = store.does("visible", ALGORITHM).output.splitlines()
    assert lines[1].endswith("anyone") and lines[2].endswith(f"as {owner} SHARED says")
    store.does("callers", ALGORITHM, "--uid", "1001")
    of_all = (ALGORITHM, None, [1001])
    assert rules() == {"KEY": [of_all], "SHARED": [of_all, (owner, "SHARED", [1000])]}


def test_the_rule_of_a_shared_secret_holds_in_every_mount(store):
    owner = ALGORITHM.split("/")[0]
    store.create("SHARED", VALUE, of=owner)
    store.does("grant", owner, "SHARED", "--to", f"{owner}/*")
    mount = store.mount("--mode", "0444")
    assert read_by(mount / "SHARED") == VALUE
    with change(mount):
        store.does("callers", owner, "SHARED", "--uid", "1000")
    assert read_by(mount / "SHARED") is None
    assert read_by(mount / "SHARED", *user(1000)) == VALUE


@pytest.mark.parametrize("options, words", [
    (["--uid", "nobody-has-this-name"], ["no user"]),
    (["--uid", "4294967295"], ["0 to 4294967294"]),
    (["--uid", "99999999999999999999"], ["0 to 4294967294"]),
    (["--gid", "-1"], ["no group"]),
    (["--exe", "relative"], ["does not begin with /"]),
    (["--exe", "/"], ["not a program"]),
    (["--exe", "/a//b"], ["//"]),
    (["--exe", "/a/../b"], [".."]),
    (["--exe", "/" + "x" * 4095], ["4096 bytes"]),
    (["--exe", "/a\nb"], ["control character"]),
    (["--exe", "/proc/self/exe"], ["symbolic link"]),
    (["--exe", "/a@sha256:12"], ["64 hexadecimal digits"]),
    (["--exe", "/a@sha256:" + "g" * 64], ["64 hexadecimal digits"]),
    (["--cgroup", "/sys/fs/cgroup/a"], ["leave /sys/fs/cgroup out"]),
    (["--cgroup", "/a/"], ["/ at its end"]),
    (sum((["--uid", str(uid)] for uid in range(65)), []), ["65 times", "at most 64"]),
])
def test_a_rule_that_could_match_nobody_is_refused(store, options, words):
    store.create("KEY", VALUE)
    before = store.json("callers", ALGORITHM, "KEY")
    options = [f"{options[index]}={options[index + 1]}" for index in range(0, len(options), 2)]
    store.run("callers", ALGORITHM, "KEY", *options).failed(65, *words)
    assert store.json("callers", ALGORITHM, "KEY") == before


def test_rules_are_changed_by_many_at_once_without_losing_one(store):
    store.create("KEY", VALUE)
    processes = [store.start("callers", ALGORITHM, "KEY", *words, stdout=subprocess.DEVNULL)
                 for words in (["--uid", "1"], ["--gid", "2"], ["--cgroup", "/c"], ["--exe", CAT])]
    assert [process.wait(COMMAND_DEADLINE) for process in processes] == [0, 0, 0, 0]
    shown = store.json("callers", ALGORITHM, "KEY")
    assert (shown["uids"], shown["gids"], shown["cgroups"], shown["executables"]) == ([1], [2], ["/c"], [{"path": CAT}])
