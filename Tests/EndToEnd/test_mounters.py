"""Users who are listed to mount an algorithm of root's store: they get that, and nothing else."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from box_support import DEADLINE, NAME, STRANGER, Store, as_user, folder, wait_until  # noqa: F401 (fixture)
from mounters_support import ALICE, BOB, User, namespace, world  # noqa: F401 (fixtures)
from support import needs_root

pytestmark = needs_root
SHOW = 'printf %s "$KEY" | od -An -v -tx1; od -An -v -tx1 "$SECRETFS_DIRECTORY/OTHER"; id -u; exit 42'


# > such a user mounts and runs this algorithm and no other — docs/SEMANTICS.md#listed-users
def test_a_listed_user_runs_a_program_with_the_secrets(world):
    world.allow(world.alice)
    done = world.alice.attempt("run", NAME, "--", "sh", "-c", SHOW)
    assert done.returncode == 42, done.stderr
    *values, uid = done.stdout.decode().splitlines()
    assert bytes.fromhex("".join(values)) == world.values["KEY"] + world.values["OTHER"]
    assert int(uid) == ALICE
    wait_until(lambda: not world.served, "the mount outlived the program")
    (line,) = [line for line in world.audit("--action", "environ") if line["uid"] == ALICE]
    assert line["outcome"] == "ok" and line["executable"].endswith("/secretfs-env") and line["pid"] > 0
    (line,) = [line for line in world.audit("--action", "mount") if line["uid"] == ALICE]
    assert line["outcome"] == "ok" and line["algorithm"] == NAME and line["executable"].endswith("/secretfs")


def test_a_listed_user_mounts_sees_changes_lists_and_unmounts(world):
    world.allow(world.alice)
    point = world.alice.mount()
    assert world.alice.reads(point / "KEY") == world.values["KEY"]
    (row,) = world.alice.mounts
    assert (row["mountPoint"], row["uid"], row["gid"], row["mode"], row["listed"]) == (str(point), ALICE, ALICE, "0400", True)
    assert [row["mountPoint"] for row in world.served] == [str(point)]
    world.root.update("KEY", b"another")
    wait_until(lambda: world.alice.reads(point / "KEY") == b"another", "the change was not shown")
    # Neither others nor root get in: the kernel keeps them out.
    assert world.bob.reads(point / "KEY") is None
    assert world.namespace.run("cat", point / "KEY").returncode != 0
    world.alice.says("unmount", str(point))
    wait_until(lambda: not world.alice.mounts, "it is still served")


def test_the_files_are_the_users_whatever_is_asked_for(world):
    world.allow(world.alice)
    point = world.alice.point()
    for options in (["--uid", "0"], ["--gid", "0"], ["--mode", "0444"]):
        assert "leave --uid" in world.alice.refused("mount", NAME, str(point), *options, status=64)
    assert world.served == []


# > A user who is not listed gets the same answer for an algorithm that exists and for one that does not — docs/SEMANTICS.md#listed-users
def test_an_unlisted_user_learns_nothing(world):
    world.allow(world.alice)
    said = {}
    for name in (NAME, "vision/Captions", "vision/Nothing", "nobody/Nothing"):
        for command in (["run", name, "--", "true"], ["mount", name, str(world.bob.point())]):
            text = world.bob.refused(*command)
            said[name] = text.replace(name, "NAME")
    assert len(set(said.values())) == 1, said
    (text,) = set(said.values())
    assert f"or user {BOB} is not listed" in text and "hint: " in text and "mounters NAME --add" in text
    # One who is listed elsewhere is no better.
    assert world.alice.refused("run", "vision/Captions", "--", "true").replace("vision/Captions", "NAME").replace(str(ALICE), str(BOB)) == text
    assert world.bob.refused("mount", "--admin", str(world.bob.point())) == world.bob.refused("mount", "--admin", str(world.bob.point()))
    assert world.served == []
    denied = [line for line in world.audit("--action", "mount") if line["outcome"] == "denied"]
    assert {(line["uid"], line.get("algorithm")) for line in denied} >= {(BOB, NAME)} and {line["uid"] for line in denied} == {ALICE, BOB}


def test_denials_take_as_long_for_what_exists_as_for_what_does_not(world):
    """Each leaves at a whole multiple of 100 ms after it was asked; the work takes a small part of that."""
    took = world.bob.python(ASK_TIMES, world.socket, NAME, "vision/Nothing")
    times = [float(word) for word in took.split()]
    assert all(0.09 < time for time in times), times
    spread = [min(time % 0.1, 0.1 - time % 0.1) for time in times]
    # On a busy machine some are late; most are not.
    assert sorted(spread)[len(spread) // 2] < 0.03, times


CONNECT = """
import fcntl, json, os, socket, struct, sys, time
def connect():
    while True:
        asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asking.settimeout(30)
        asking.connect(sys.argv[1])
        try:
            if asking.recv(64) == b"secretfs 1":
                return asking
        except ConnectionError:
            pass
        time.sleep(0.02)
def ask(asking, request, device=None):
    # The agent lends a device, which is made one of ours: FUSE_DEV_IOC_CLONE.
    asking.send(json.dumps(request).encode())
    message, lent, _, _ = socket.recv_fds(asking, 65536, 1)
    if message != b"device":
        return json.loads(message)
    if device is not None:
        fcntl.ioctl(lent[0], 0x8004E500, struct.pack("I", device))
    asking.send(b"attached")
    os.close(lent[0])
    return json.loads(asking.recv(65536))
def mount(name, device=None, point="/x"):
    try:
        return ask(connect(), {"mount": {"algorithm": name, "mountPoint": point, "isPrivate": False}}, device)
    except (ConnectionError, ValueError):
        return None
"""
ASK_TIMES = CONNECT + """
for _ in range(6):
    for name in sys.argv[2:]:
        begin = time.monotonic()
        answer = mount(name)
        assert answer["failure"]["status"] == 77, answer
        print(time.monotonic() - begin)
"""


def test_a_listed_user_cannot_do_anything_else(world):
    world.allow(world.alice)
    for command in (
        ["status"], ["agent", "--stop"], ["seal"], ["unseal"], ["algorithm", "list"], ["secret", "list", NAME],
        ["mounters", NAME, "--add", str(ALICE)], ["admin", "list"], ["admin", "add", str(ALICE)],
        ["secret", "delete", NAME, "KEY", "--yes"], ["key", "rotate"], ["backup", str(world.alice.home / "b")],
    ):
        world.alice.refused(*command)
    for request in OTHER_REQUESTS:
        assert world.alice.python(CONNECT + ASK_OTHER, world.socket, request) == "closed\n", request
    assert world.root.agent and world.kept.exists()
    assert world.namespace.run("cat", world.kept / "KEY").stdout == world.values["KEY"]


OTHER_REQUESTS = ['{"status":{}}', '{"stop":{}}', '{"seal":{}}', '{"unseal":{}}', '{"expect":{"keyring":""}}', '{"serve":{"_0":{}}}']
ASK_OTHER = """
asking = connect()
asking.send(sys.argv[2].encode())
try:
    print(asking.recv(65536) or "closed")
except ConnectionError:
    print("closed")
"""


# > Who is taken off the list loses the mounts at once — docs/SEMANTICS.md#listed-users
def test_removal_ends_the_mounts_and_only_those(world):
    world.allow(world.alice, world.bob)
    mine, theirs = world.alice.mount(), world.bob.mount()
    with world.alice.store.launch("run", NAME, "--", "sh", "-c", 'exec 5<"$SECRETFS_DIRECTORY/KEY"; echo ready; read x; cat "$SECRETFS_DIRECTORY/KEY"') as process:
        assert process.stdout.readline() == b"ready\n"
        world.disallow(world.alice)
        wait_until(lambda: [row["uid"] for row in world.served] == [BOB], "the mounts are still served")
        output, errors = process.communicate(b"\n", timeout=DEADLINE)
        assert output == b"" and b"not connected" in errors
    assert world.alice.reads(mine / "KEY") is None
    assert world.bob.reads(theirs / "KEY") == world.values["KEY"]
    world.alice.refused("mount", NAME, str(world.alice.point()))
    world.allow(world.alice)
    assert world.alice.reads(world.alice.mount() / "KEY") == world.values["KEY"]


@pytest.mark.parametrize("way", ["deleted", "while sealed"])
def test_so_do_deleting_the_algorithm_and_a_removal_that_a_sealed_agent_did_not_see(world, way):
    world.allow(world.alice)
    point = world.alice.mount()
    if way == "deleted":
        world.root.run("algorithm", "delete", NAME, "--yes")
    else:
        world.root.run("seal")
        assert world.alice.refused("mount", NAME, str(world.alice.point()), status=78) == world.bob.refused("mount", "no/No", str(world.bob.point()), status=78)
        world.disallow(world.alice)
        assert world.alice.reads(point / "KEY") is None
        world.root.run("unseal")
    wait_until(lambda: not world.served, "it is still served")
    assert world.alice.reads(point / "KEY") is None
    assert world.namespace.run("ls", world.kept).returncode == 0


def test_rules_about_callers_hold_in_listed_mounts(world):
    world.allow(world.alice)
    point = world.alice.mount()
    world.root.run("callers", NAME, "KEY", "--exe", os.path.realpath("/usr/bin/head"))
    read = lambda program: world.alice.sh(f'{program} "$1"', point / "KEY")
    wait_until(lambda: read("cat").returncode != 0, "the rule does not hold")
    assert read("head -c 1000").stdout == world.values["KEY"]
    world.root.run("callers", NAME, "KEY", "--clear", "--uid", str(BOB))
    wait_until(lambda: read("head -c 1000").returncode != 0, "the rule does not hold")
    world.root.run("callers", NAME, "KEY", "--clear", "--uid", str(ALICE), "--gid", str(ALICE))
    wait_until(lambda: read("cat").stdout == world.values["KEY"], "the rule does not hold")


def test_without_an_agent_a_user_is_told_who_can_help(world):
    world.allow(world.alice)
    world.root.run("agent", "--stop")
    text = world.alice.refused("run", NAME, "--", "true", status=69)
    assert "no agent answers other users" in text and "systemctl start secretfs-agent" in text
    assert not world.root.agent


def test_many_programs_at_once_wait_for_their_turn(world):
    world.allow(world.alice)
    commands = [world.alice.store.launch("run", NAME, "--", "sh", "-c", 'printf %s "$KEY"') for _ in range(20)]
    try:
        for command in commands:
            output, errors = command.communicate(timeout=DEADLINE)
            assert (command.returncode, output) == (0, world.values["KEY"]), errors
    finally:
        for command in commands:
            command.kill()


def test_a_user_has_64_mounts_and_then_is_told_so(world):
    world.allow(world.alice, world.bob)
    said = world.alice.python(CONNECT + MANY, world.socket, NAME)
    kinds = re.findall(r"done|has 64 mounts", said)
    assert kinds == ["done"] * 64 + ["has 64 mounts"], said
    assert world.bob.reads(world.bob.mount() / "KEY") == world.values["KEY"]


# In a user namespace of its own, where whoever makes it may mount.
FUSE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def own_namespace(inside=None):
    uid, gid = os.getuid(), os.getgid()
    assert libc.unshare(0x10020000) == 0, ctypes.get_errno()
    open("/proc/self/setgroups", "w").write("deny")
    open("/proc/self/uid_map", "w").write(f"{uid if inside is None else inside} {uid} 1")
    open("/proc/self/gid_map", "w").write(f"{gid if inside is None else inside} {gid} 1")
def fuse(point, options=""):
    device = os.open("/dev/fuse", os.O_RDWR)
    text = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}{options}"
    assert libc.mount(b"secretfs", point.encode(), b"fuse.secretfs", 0, text.encode()) == 0, ctypes.get_errno()
    return device
"""
MANY = FUSE + """
own_namespace()
base = os.environ["HOME"]
for number in range(65):
    os.mkdir(f"{base}/many-{number}")
    device = fuse(f"{base}/many-{number}")
    print(mount(sys.argv[2], device))
    os.close(device)
"""


# Forged namespaces


FORGED = CONNECT + FUSE + """
# A helper outside asks for us: the process that sends is not the one that mounted.
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
if os.fork() == 0:
    ours.close()
    message, descriptors, _, _ = socket.recv_fds(theirs, 10, 1)
    theirs.send(json.dumps(mount(sys.argv[2], descriptors[0])).encode())
    os._exit(0)
theirs.close()
own_namespace(0)
point = os.environ["HOME"] + "/forged"
os.mkdir(point)
device = fuse(point, ",allow_other")
socket.send_fds(ours, [b"x"], [device])
print(ours.recv(65536).decode())
os.close(device)
os.chdir(point)
def read(name):
    try:
        return open(name, "rb").read().hex()
    except OSError as error:
        return type(error).__name__
"""


def test_uid_0_of_a_namespace_of_their_own_is_only_the_user(world):
    """What is for uid 0 stays so; what is for the user is given to the process that the user is."""
    world.root.create("ROOTS", b"roots")
    world.root.run("callers", NAME, "ROOTS", "--uid", "0")
    world.root.run("callers", NAME, "KEY", "--uid", str(ALICE))
    world.allow(world.alice)
    answer, who, roots, key = world.alice.python(FORGED + 'print(os.getuid()); print(read("ROOTS")); print(read("KEY"))', world.socket, NAME).splitlines()
    assert answer == '{"done": {}}' and who == "0"
    assert roots == "PermissionError"
    assert key == world.values["KEY"].hex()
    lines = [line for line in world.audit("--action", "open") if line.get("secret") == "ROOTS"]
    assert [(line["outcome"], line["uid"]) for line in lines] == [("denied", ALICE)]


CHOSEN = """
import time
def with_number(number, body):
    # The next process of this process namespace has this number.
    open("/proc/sys/kernel/ns_last_pid", "w").write(str(number - 1))
    child = os.fork()
    if child == 0:
        assert os.getpid() == number, os.getpid()
        print(body(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize("of", ["root", "bob", "nobody"])
def test_a_number_of_somebody_elses_process_gets_nothing(world, of):
    """In a process namespace of their own a user chooses which number the kernel tells the agent."""
    world.allow(world.alice, world.bob)
    world.root.create("FOR_BOB", b"bobs")
    world.root.run("callers", NAME, "FOR_BOB", "--uid", str(BOB))
    prefix = {"root": world.namespace.prefix, "bob": world.bob.prefix, "nobody": world.namespace.prefix}[of]
    with subprocess.Popen([*prefix, "sleep", "1000"]) as victim:
        try:
            wait_until(lambda: b"sleep" in open(f"/proc/{victim.pid}/cmdline", "rb").read(), "it did not start")
            number = victim.pid
            if of == "nobody":
                victim.kill()
                victim.wait()
            said = world.alice.python(PID_NAMESPACE, world.socket, NAME, number)
        finally:
            victim.kill()
    answer, *results = said.splitlines()
    assert answer == '{"done": {}}', said
    assert results == [f"{number} PermissionError PermissionError PermissionError"], said
    denied = [line for line in world.audit("--action", "open") if line["outcome"] == "denied"]
    expected = {"root": 0, "bob": BOB, "nobody": None}[of]
    assert denied and {line.get("uid") for line in denied} == {expected}
    assert all(f"uid {ALICE}" in line["detail"] for line in denied)


PID_NAMESPACE = CONNECT + FUSE + CHOSEN + """
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
if os.fork() == 0:
    ours.close()
    message, descriptors, _, _ = socket.recv_fds(theirs, 10, 1)
    theirs.send(json.dumps(mount(sys.argv[2], descriptors[0])).encode())
    os._exit(0)
theirs.close()
uid, gid = os.getuid(), os.getgid()
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID = 0x10000000, 0x20000, 0x20000000
assert libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) == 0
open("/proc/self/setgroups", "w").write("deny")
open("/proc/self/uid_map", "w").write(f"0 {uid} 1")
open("/proc/self/gid_map", "w").write(f"0 {gid} 1")
# The first child is in the new process namespace, and mounts there.
child = os.fork()
if child == 0:
    assert libc.mount(b"proc", b"/proc", b"proc", 0, None) == 0, ctypes.get_errno()
    point = os.environ["HOME"] + "/forged"
    os.mkdir(point)
    device = fuse(point, ",allow_other")
    socket.send_fds(ours, [b"x"], [device])
    print(ours.recv(65536).decode(), flush=True)
    os.close(device)
    def read(name):
        try:
            return open(point + "/" + name, "rb").read().hex()
        except OSError as error:
            return type(error).__name__
    with_number(int(sys.argv[3]), lambda: f"{os.getpid()} {read('KEY')} {read('FOR_BOB')} {read('.environ')}")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


# > a user may pose as another process of their own — SECURITY.md#mounts-of-listed-users
def test_what_remains_is_posing_as_another_process_of_ones_own(world):
    """The documented limit: a rule on programs is no boundary between processes of one user."""
    world.allow(world.alice)
    program = os.path.realpath("/usr/bin/sleep")
    world.root.run("callers", NAME, "KEY", "--exe", program)
    with subprocess.Popen([*world.alice.prefix, program, "1000"]) as own:
        try:
            wait_until(lambda: b"sleep" in open(f"/proc/{own.pid}/cmdline", "rb").read(), "it did not start")
            said = world.alice.python(PID_NAMESPACE, world.socket, NAME, own.pid)
        finally:
            own.kill()
    assert f"{own.pid} {world.values['KEY'].hex()} " in said


def test_a_process_of_another_process_namespace_is_told_why_it_may_not_ask(world):
    world.allow(world.alice)
    script = CONNECT + "print(mount(sys.argv[2])['failure'])"
    said = world.alice.python(script, world.socket, NAME, before=["unshare", "-Urpf", "--mount-proc"])
    assert "another process namespace" in said and "77" in said
    (line,) = [line for line in world.audit("--action", "mount") if line["outcome"] == "denied"]
    assert line["uid"] == ALICE and "another process namespace" in line["detail"]


def test_where_a_user_lets_others_in_they_get_nothing(world):
    """The user chooses the mount's options; whom the agent answers is not among them."""
    world.allow(world.alice)
    point = world.alice.point()
    helper = world.alice.python(CONNECT + LET_IN, world.socket, NAME, point)
    assert helper == "{'done': {}}\n"
    assert world.alice.reads(point / "KEY") == world.values["KEY"]
    for prefix in (world.bob.prefix, world.namespace.prefix):
        done = subprocess.run([*prefix, "cat", point / "KEY"], capture_output=True, timeout=DEADLINE)
        assert done.returncode != 0 and done.stdout == b"" and b"Permission denied" in done.stderr
    denied = [line["uid"] for line in world.audit("--action", "open") if line["outcome"] == "denied"]
    assert denied == [BOB, 0]


# By fusermount3 itself, with allow_other and without default_permissions.
LET_IN = """
import subprocess
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
os.set_inheritable(theirs.fileno(), True)
command = ["fusermount3", "-o", "rw,allow_other,fsname=secretfs,subtype=secretfs", "--", sys.argv[3]]
subprocess.run(command, check=True, pass_fds=[theirs.fileno()], env={"_FUSE_COMMFD": str(theirs.fileno()), "PATH": os.environ["PATH"]})
_, (device,), _, _ = socket.recv_fds(ours, 1, 1)
print(mount(sys.argv[2], device, point=sys.argv[3]))
"""


@pytest.fixture
def service_folder():
    """Where root lets an agent of Alice's listen."""
    path = f"/run/secretfs/agents/{ALICE}"
    os.makedirs(path, mode=0o755, exist_ok=True)
    os.chmod(path, 0o755)
    os.chown(path, ALICE, ALICE)
    yield path
    shutil.rmtree(path)


# > An agent of another user has one only if there is a folder for it that is its own and that nobody else can write to. — docs/CLI.md#listed-users
@pytest.mark.parametrize("folder_is", ["its own", "open to others"])
def test_an_agent_without_privileges_serves_listed_users_too(world, service_folder, folder_is):
    if folder_is == "open to others":
        os.chmod(service_folder, 0o777)
    state = world.alice.home / "state"
    own = Store(world.binaries, state, world.alice.prefix, {"HOME": str(world.alice.home)})
    own.init({"KEY": b"of-alice"})
    try:
        own.run("mounters", NAME, "--add", str(BOB))
        kept = world.alice.point()
        own.mount(kept)
        bob = Store(world.binaries, state, world.bob.prefix, {"HOME": str(world.bob.home)})
        done = bob.attempt("run", NAME, "--", "sh", "-c", "printf %s $KEY")
        if folder_is == "open to others":
            assert done.returncode == 69 and b"no agent answers other users" in done.stderr
            return
        assert done.stdout == b"of-alice", done
        assert bob.attempt("run", "no/No", "--", "true").returncode == 77
        own.run("mounters", NAME, "--remove", str(BOB))
        assert bob.attempt("run", NAME, "--", "true").returncode == 77
    finally:
        own.stop()


# > too many requests for five seconds, or an agent that is stopped, 75 — docs/CLI.md#listed-users
def test_a_command_of_a_listed_user_does_not_wait_for_a_stopped_agent(world):
    world.allow(world.alice)
    agent = world.root.agent
    point = str(world.alice.point())
    os.kill(agent, signal.SIGSTOP)
    try:
        start = time.monotonic()
        assert "it is stopped" in world.alice.refused("mount", NAME, point, status=75)
        assert time.monotonic() - start < 20
    finally:
        os.kill(agent, signal.SIGCONT)
    assert world.alice.reads(world.alice.mount() / "KEY") == world.values["KEY"]
