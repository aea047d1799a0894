"""A user without privileges: mounts by fusermount3, and programs in user namespaces."""

import os
import shutil
import signal
import stat
import subprocess

import pytest
from box_support import (
    DEADLINE, NAME, STRANGER, Namespace, Process, Store, as_user, folder, needs, random_bytes, read_as,
    wait_until,
)

UID = 12_345
# This machine's /dev/fuse may be root's only. In a namespace of its own the test has one for everybody, and a
# user database that knows the user: fusermount3 asks for its name.
SCRIPT = """
mount -t tmpfs -o mode=755 secretfs-test "$FOLDER/box"
mknod -m 0666 "$FOLDER/box/fuse" c 10 229
mount --bind "$FOLDER/box/fuse" /dev/fuse
cp /etc/passwd "$FOLDER/box/passwd"
echo "secretfs-test:x:12345:12345::/nonexistent:/bin/sh" >> "$FOLDER/box/passwd"
mount --bind "$FOLDER/box/passwd" /etc/passwd
"""


@pytest.fixture
def namespace(folder):
    needs("fusermount3", "fuse3")
    (folder / "box").mkdir()
    with Namespace(f"FOLDER='{folder}'\n{SCRIPT}") as made:
        yield made


@pytest.fixture
def store(binaries, namespace, folder):
    """The user's own store, found by its home folder like on any machine."""
    home = folder / "home"
    home.mkdir()
    os.chown(home, UID, UID)
    home.chmod(0o755)
    state = home / "state/secretfs"
    made = Store(binaries, state, [*namespace.prefix, *as_user(UID)])
    del made.env["SECRETFS_STATE"]
    made.env |= {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    made.values = {"KEY": random_bytes(), "OTHER": random_bytes()}
    made.init(made.values)
    yield made
    made.stop()


@pytest.fixture
def mount(store, folder):
    point = folder / "home/mount"
    point.mkdir()
    os.chown(point, UID, UID)
    return store.mount(point)


def read(namespace, path, uid=UID) -> subprocess.CompletedProcess:
    return read_as(uid, path, namespace.prefix)


def our_mounts(namespace) -> list[str]:
    lines = namespace.run("cat", "/proc/self/mountinfo").stdout.decode().splitlines()
    return [line for line in lines if " fuse.secretfs " in line and "/secretfs-test-" in line]


def test_a_whole_session(store, namespace, mount):
    (line,) = our_mounts(namespace)
    assert f"user_id={UID}" in line and "allow_other" not in line
    options = line.split()[5].split(",")
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(options)
    for name, value in store.values.items():
        done = read(namespace, mount / name)
        assert (done.returncode, done.stdout) == (0, value), done.stderr
    new = random_bytes()
    watcher = [*namespace.prefix, *as_user(UID), "python3", "-c", WATCHER, str(mount)]
    with Process(watcher, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        store.update("KEY", new)
        assert process.stdout.readline().decode() == new.hex() + "\n"
    assert store.served[0]["uid"] == UID and store.served[0]["mode"] == "0400"
    store.run("unmount", str(mount))
    assert our_mounts(namespace) == []
    wait_until(lambda: not store.served, "the agent still serves what is unmounted")
    assert store.agent, "the agent waits for the next mount"
    store.run("agent", "--stop")
    assert store.agent is None


WATCHER = """
import os, select, sys
generation = os.open(sys.argv[1] + "/.generation", os.O_RDONLY)
os.read(generation, 32)
waiting = select.poll()
waiting.register(generation, select.POLLPRI)
print("ready", flush=True)
assert waiting.poll(60_000)
with open(sys.argv[1] + "/KEY", "rb") as file:
    print(file.read().hex(), flush=True)
"""


def test_rules_on_programs_hold_without_privileges(store, namespace, mount, folder):
    """The agent may look at its own user's processes, and that is all it needs."""
    programs = [os.path.realpath(shutil.which(name)) for name in ("cat", "head")]

    def readers():
        done = [namespace.run(*as_user(UID), program, str(mount / "KEY")) for program in programs]
        assert all(one.returncode == 0 or b"Permission denied" in one.stderr for one in done), done
        return [one.returncode == 0 for one in done]

    for program, expected in [(programs[0], [True, False]), (programs[1], [False, True])]:
        store.run("callers", NAME, "KEY", "--exe", program)
        wait_until(lambda: readers() == expected, "the rule does not hold")
    # It is the shim that opens `.environ`, not the program that it becomes.
    refused = namespace.run(*as_user(UID), str(store.shim), "--only", "KEY", str(mount), "--", "env")
    assert refused.returncode == 0 and b"KEY=" not in refused.stdout, refused


def test_the_state_is_the_users_own(store):
    for path in [store.state, *store.state.iterdir()]:
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (UID, UID), path
        assert stat.S_IMODE(status.st_mode) & 0o077 == 0, path


def test_other_users_and_root_read_nothing(store, namespace, mount):
    """Without allow_other the kernel keeps out everybody else, also root."""
    for uid in (STRANGER, 0):
        for file in ("KEY", ".environ", "."):
            done = read(namespace, mount / file, uid)
            assert done.returncode != 0 and done.stdout == b"" and b"Permission denied" in done.stderr, (uid, file)


def test_the_agent_answers_its_user_and_root_only(store, binaries, namespace, mount):
    root = Store(binaries, store.state, namespace.prefix)
    assert len(root.served) == 1
    stranger = Store(binaries, store.state, [*namespace.prefix, *as_user(STRANGER)])
    for command in (["mounts"], ["status"], ["agent", "--stop"]):
        done = stranger.attempt(*command)
        assert done.returncode == 77, (command, done.stderr)
    assert read(namespace, mount / "KEY").returncode == 0, "the agent was stopped"


ASK = """
import os, socket, sys
os.chdir(sys.argv[1])
asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asking.settimeout(30)
asking.connect("agent.sock")
try:
    asking.send(b'{"mounts":{"skip":0}}')
    print(len(asking.recv(131_072)))
except (BrokenPipeError, ConnectionResetError):
    print(0)
"""


def test_the_agent_refuses_others_where_the_folder_was_opened_by_mistake(store, namespace, mount):
    store.state.chmod(0o755)
    (store.state / "agent.sock").chmod(0o666)
    (store.state.parent).chmod(0o755)

    def ask(uid):
        done = namespace.run(*as_user(uid), "python3", "-c", ASK, str(store.state))
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert ask(UID) > 50 and ask(0) > 50
    assert ask(STRANGER) == 0
    assert b"another user" in (store.state / "agent.log").read_bytes()


def test_the_mount_of_an_agent_that_is_killed_is_dead_and_can_be_replaced(store, namespace, mount):
    """fusermount3 unmounts it from libfuse 3.15 on, and unmount does before that (libfuse issue 586)."""
    for helper in helpers(mount):
        assert {"0", "1", "2", "3"} == set(os.listdir(f"/proc/{helper}/fd")), "fusermount3 inherited a descriptor"
    os.kill(store.agent, signal.SIGKILL)
    wait_until(lambda: read(namespace, mount / "KEY").returncode != 0, "the mount is still served")
    assert read(namespace, mount / "KEY").stdout == b""
    wait_until(lambda: not helpers(mount), "fusermount3 is still there")
    if our_mounts(namespace):
        store.run("unmount", str(mount))
    assert our_mounts(namespace) == [] and namespace.run("ls", "-A", mount).stdout == b""
    store.mount(mount)
    assert read(namespace, mount / "KEY").stdout == store.values["KEY"]


def test_unmount_cleans_up_where_fusermount_was_killed_too(store, namespace, mount):
    agent, killed = store.agent, helpers(mount)
    assert killed, "fusermount3 is not there"
    for helper in killed:
        os.kill(helper, signal.SIGKILL)
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: b"not connected" in read(namespace, mount / "KEY").stderr, "the mount is still served")
    assert len(our_mounts(namespace)) == 1
    store.run("unmount", str(mount))
    assert our_mounts(namespace) == []


def helpers(mount) -> list[int]:
    """fusermount3 of this mount; it stays for auto_unmount."""
    found = []
    for process in [entry for entry in os.listdir("/proc") if entry.isdigit()]:
        try:
            arguments = open(f"/proc/{process}/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        if arguments[0].endswith(b"fusermount3") and os.fsencode(str(mount)) in arguments:
            found.append(int(process))
    return found


@pytest.mark.parametrize("agent", ["starts", "runs"])
def test_run_gives_a_program_its_secrets_in_a_user_namespace(store, namespace, folder, agent):
    if agent == "runs":
        other = folder / "home/other"
        other.mkdir()
        os.chown(other, UID, UID)
        store.mount(other)
        store.run("unmount", str(other))
    assert (store.agent is not None) == (agent == "runs")
    script = 'printf %s "$KEY" | od -An -v -tx1; od -An -v -tx1 "$SECRETFS_DIRECTORY/OTHER"; id -u; exit 42'
    done = store.attempt("run", NAME, "--", "sh", "-c", script)
    assert done.returncode == 42, done.stderr
    *values, uid = done.stdout.decode().splitlines()
    assert bytes.fromhex("".join(values)) == store.values["KEY"] + store.values["OTHER"]
    assert int(uid) == UID
    assert our_mounts(namespace) == [], "the program's mount was seen outside"
    wait_until(lambda: not store.served, "the mount outlived the program")


def test_a_program_of_run_cannot_be_entered_by_others(store, namespace):
    with store.launch("run", NAME, "--", "sh", "-c", "echo $SECRETFS_DIRECTORY; cat") as process:
        directory = process.stdout.readline().decode().strip()
        assert directory.startswith("/"), process.stderr.read()
        seen = f"/proc/{process.pid}/root{directory}/KEY"
        for uid in (STRANGER, 0):
            done = read(namespace, seen, uid)
            assert done.returncode != 0 and done.stdout == b"", uid
        process.communicate(b"", timeout=DEADLINE)


def test_the_store_of_this_user_is_closed_to_others(store, namespace):
    for file in ("store.db", "root.key", "agent.log", "agent.sock"):
        assert b"Permission denied" in read(namespace, store.state / file, STRANGER).stderr


def test_a_mount_over_anothers_folder_is_refused(store, namespace, folder):
    theirs = folder / "theirs"
    theirs.mkdir(mode=0o755)
    done = store.attempt("mount", NAME, str(theirs))
    assert done.returncode == 77 and our_mounts(namespace) == [], done
    assert b"secretfs: error: mounting at " in done.stderr and b"a directory that you own" in done.stderr


def test_a_user_who_may_not_open_the_device_is_told_so(store, namespace, folder):
    namespace.run("chmod", "0600", "/dev/fuse")
    point = folder / "home/mount"
    point.mkdir()
    os.chown(point, UID, UID)
    done = store.attempt("mount", NAME, str(point))
    assert done.returncode == 77 and b"/dev/fuse" in done.stderr and b"hint: " in done.stderr, done.stderr
    assert our_mounts(namespace) == []


def test_a_user_who_may_not_make_namespaces_is_told_so(store, namespace):
    """As in containers whose seccomp rules or limits forbid user namespaces."""
    bwrap = [needs("bwrap", "bubblewrap"), "--unshare-user", "--disable-userns", "--bind", "/", "/"]
    prefix = [*store.prefix, *bwrap, "--dev-bind", "/dev", "/dev"]
    done = store.attempt("run", NAME, "--", "true", prefix=prefix)
    assert done.returncode == 77, done.stderr
    assert b"user namespace" in done.stderr and b"secretfs-env" in done.stderr


def test_run_mounts_nowhere_that_others_can_change(store, namespace, folder):
    """A runtime folder that is open to all, as where a container has it in /tmp, is not used."""
    public = folder / "public"
    public.mkdir()
    public.chmod(0o1777)
    prefix = [*store.prefix, "env", f"XDG_RUNTIME_DIR={public}"]
    done = store.attempt("run", NAME, "--", "sh", "-c", "echo $SECRETFS_DIRECTORY", prefix=prefix)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().startswith(str(store.state)) and os.listdir(public) == []


def test_the_agents_user_administers_the_store_as_files(store, namespace, folder):
    point = folder / "home/admin"
    point.mkdir()
    os.chown(point, UID, UID)
    store.run("mount", "--admin", str(point))
    (line,) = our_mounts(namespace)
    assert f"user_id={UID}" in line and line.split()[5].split(",")[0] == "rw"
    home = point / "algorithms" / NAME

    def sh(script, uid=UID):
        return namespace.run(*as_user(uid), "sh", "-c", script, "sh", str(home))

    done = sh('set -e; cd "$1"; mkdir TOKEN; printf %s first > TOKEN/value; printf %s second > TOKEN/value; cat TOKEN/version TOKEN/modified_by')
    assert done.returncode == 0 and done.stdout.decode() == f"2\nuid {UID}\n", done
    refused = sh('cat "$1/TOKEN/value"')
    assert refused.returncode != 0 and b"Permission denied" in refused.stderr
    for uid in (STRANGER, 0):
        assert sh('ls "$1"', uid).returncode != 0
    # One open is one version also here, where the agent may look at its own user's processes only.
    done = sh('cd "$1/TOKEN"; { /bin/echo -n th; /bin/echo -n ird; } > value; cat version')
    assert done.stdout == b"3\n", done
    done = store.attempt("run", NAME, "--", "sh", "-c", "printf %s $TOKEN")
    assert done.stdout == b"third", done
    store.run("unmount", str(point))
    assert our_mounts(namespace) == []
