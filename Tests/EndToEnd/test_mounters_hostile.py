"""Users who send the agent anything but what it asks for: it stays healthy, and nothing of theirs is left in it."""

import os
import subprocess
import time

import pytest
from box_support import DEADLINE, NAME, Process, folder, wait_until  # noqa: F401 (fixture)
from mounters_support import ALICE, BOB, namespace, world  # noqa: F401 (fixtures)
from support import needs_root
from test_mounters import CONNECT, FUSE

pytestmark = needs_root


def healthy(world):
    """Root's mount is read, root's command is answered, another user is served."""
    assert world.namespace.run("cat", world.kept / "KEY").stdout == world.values["KEY"]
    assert world.root.agent
    point = world.bob.mount()
    assert world.bob.reads(point / "KEY") == world.values["KEY"]
    world.bob.says("unmount", str(point))


@pytest.fixture
def calm(world):
    """Both are listed; at the end the agent has no more descriptors and threads than at the beginning."""
    world.allow(world.alice, world.bob)
    healthy(world)
    wait_until(lambda: not world.served, "it is still served")
    time.sleep(1)
    descriptors, threads = world.descriptors, world.threads
    yield world
    healthy(world)
    wait_until(lambda: world.descriptors <= descriptors, f"{world.descriptors} descriptors, {descriptors} before")
    wait_until(lambda: world.threads <= threads, f"{world.threads} threads, {threads} before")


SEND = CONNECT + """
def send(message, *descriptors):
    asking = connect()
    try:
        socket.send_fds(asking, [message], list(descriptors))
        return asking.recv(65536)
    except (ConnectionError, OSError):
        return b""
request = json.dumps({"mount": {"algorithm": sys.argv[2], "mountPoint": "/x", "isPrivate": False}}).encode()
"""

GARBAGE = SEND + """
import random
for message in [b"x", b"{", b"[" * 30000, b'{"mount":' * 3000, os.urandom(32768), os.urandom(60000), b"\\0" * 100, request[:-1], request[:20],
                b'{"mount":{}}', b'{"mounts":{"skip":-1}}'[:-2], b'{"mounts":{"skip":99999999999999999999999}}',
                request.replace(b"false", b"7"), request.replace(b'"/x"', b'"\\\\ud800"')]:
    assert send(message) == b"", message[:40]
for skip in (-9223372036854775808, 9223372036854775807):
    assert send(b'{"mounts":{"skip":%d}}' % skip) == b'{"mounts":{"_0":[]}}'
random.seed(7)
for _ in range(300):
    bad = bytearray(request)
    for _ in range(random.randint(1, 4)):
        bad[random.randrange(len(bad))] = random.randrange(256)
    assert b'"done"' not in send(bytes(bad))
for point in ("", "x", "/" + "x" * 4095, "/a\\nb", "/a\\x1b[2J", "/a\\u202eb", "/a\\x7f"):
    answer = mount(sys.argv[2], point=point)
    assert answer["failure"]["status"] == 65 and "mount point" in answer["failure"]["message"], answer
for name in ("", "x", "a/b/c", "../x", "a/" + "x" * 65, "a/b\\n"):
    assert mount(name)["failure"]["status"] == 65
"""


def test_garbage_is_not_answered(calm):
    calm.alice.python(GARBAGE, calm.socket, NAME)


DESCRIPTORS = SEND + """
null = os.open("/dev/null", os.O_RDWR)
reader, writer = os.pipe()
other, _ = socket.socketpair()
for descriptor in (null, reader, writer, other.fileno(), os.open("/", os.O_RDONLY), os.open("/dev/fuse", os.O_PATH), os.open("/dev/fuse", os.O_RDWR)):
    assert send(request, descriptor) == b""
for count in (2, 16, 17, 250, 253):
    assert send(request, *[null] * count) == b"", count
# With the answer about the device.
asking = connect()
asking.send(request)
assert socket.recv_fds(asking, 100, 1)[0] == b"device"
socket.send_fds(asking, [b"attached"], [null] * 250)
try:
    assert b"failure" in asking.recv(65536) or True
except ConnectionError:
    pass
"""


def test_no_descriptor_is_ever_taken(calm):
    calm.alice.python(DESCRIPTORS, calm.socket, NAME)
    assert calm.served == []


ATTACHED = SEND + """
# Nothing, or a device on which nothing is mounted.
fresh = os.open("/dev/fuse", os.O_RDWR)
failure = mount(sys.argv[2])["failure"]
assert failure["status"] == 65 and "nothing is mounted" in failure["message"], failure
try:
    mount(sys.argv[2], fresh)
    raise SystemExit("a device without a mount was attached")
except OSError as error:
    assert error.errno in (1, 22)
for reply in (b"x", b"attached ", b"x" * 64, os.urandom(64)):
    asking = connect()
    asking.send(request)
    assert socket.recv_fds(asking, 100, 1)[0] == b"device"
    asking.send(reply)
    assert json.loads(asking.recv(65536))["failure"]["status"] == 65
# Gone in the middle.
for _ in range(20):
    asking = connect()
    asking.send(request)
    asking.recv(100)
    asking.close()
"""


def test_a_connection_on_which_nothing_is_mounted_is_refused(calm):
    calm.alice.python(ATTACHED, calm.socket, NAME)
    assert calm.served == []


SILENT = CONNECT + """
idle = [connect() for _ in range(8)]
print("idle", flush=True)
# One more is not taken.
more = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
more.connect(sys.argv[1])
try:
    print("closed" if more.recv(64) == b"" else "taken", flush=True)
except ConnectionError:
    print("closed", flush=True)
sys.stdin.read()
begin = time.monotonic()
for one in idle:
    one.settimeout(30)
    assert one.recv(64) == b""
print("dropped", flush=True)
"""


def test_whoever_sends_nothing_holds_up_nobody_else_and_is_dropped(calm):
    with Process([*calm.alice.prefix, "/usr/bin/python3", "-c", SILENT, str(calm.socket)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as silent:
        assert silent.stdout.readline() == b"idle\n" and silent.stdout.readline() == b"closed\n"
        healthy(calm)
        output, _ = silent.communicate(b"", timeout=DEADLINE)
        assert output == b"dropped\n"


FLOOD = CONNECT + """
for number in range(200):
    answer = mount("nobody/Nothing")
    assert answer["failure"]["status"] == 77
"""


# > at most a line a minute for each user, and how many more there were — SECURITY.md#mounts-of-listed-users
def test_a_flood_of_questions_is_two_lines_in_the_log(calm):
    calm.disallow(calm.alice)
    started = [Process([*calm.alice.prefix, "/usr/bin/python3", "-c", FLOOD, str(calm.socket)]) for _ in range(4)]
    healthy(calm)
    for process in started:
        assert process.wait(timeout=DEADLINE * 3) == 0
    lines = lambda: [line for line in calm.audit("--action", "mount", "--actor", str(ALICE)) if line["outcome"] == "denied"]
    wait_until(lambda: sum(1 if "more" not in line.get("detail", "") else int(line["detail"].split()[0]) for line in lines()) == 800, "not all were counted")
    assert 2 <= len(lines()) <= 6, lines()
    calm.root.run("audit", "verify")


BLOCKING = CONNECT + FUSE + """
import threading
own_namespace()
point = os.environ["HOME"] + "/blocking"
os.mkdir(point)
device = fuse(point)
asking = connect()
asking.send(json.dumps({"mount": {"algorithm": sys.argv[2], "mountPoint": "/x", "isPrivate": False}}).encode())
_, (lent,), _, _ = socket.recv_fds(asking, 100, 1)
fcntl.ioctl(lent, 0x8004E500, struct.pack("I", device))
# The open files that this process has had, also the one that the agent lent, block.
for open_file in (device, lent):
    fcntl.fcntl(open_file, fcntl.F_SETFL, 0)
asking.send(b"attached")
assert b"done" in asking.recv(65536)
for _ in range(20):
    open(point + "/KEY", "rb").read()
# And they take requests away from it.
def steal(open_file):
    try:
        while True:
            os.read(open_file, 1 << 20)
    except OSError:
        pass
for number in range(4):
    threading.Thread(target=steal, args=[[device, lent][number % 2]], daemon=True).start()
def read():
    open(point + "/KEY", "rb").read()
for _ in range(20):
    threading.Thread(target=read, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def test_who_keeps_the_descriptor_and_makes_it_block_blocks_nobody(calm):
    with Process([*calm.alice.prefix, "/usr/bin/python3", "-c", BLOCKING, str(calm.socket), NAME], env=calm.alice.store.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        for _ in range(5):
            healthy(calm)
        calm.disallow(calm.alice)
        wait_until(lambda: not calm.served, "it is still served")
        process.communicate(b"", timeout=DEADLINE)
    wait_until(lambda: not calm.served, "it is still served")


# A file system of this user's that never answers a close (FUSE_FLUSH): who has its file cannot even be killed.
OWN_SERVER = SEND + FUSE + """
own_namespace()
point = os.environ["HOME"] + "/hanging"
os.mkdir(point)
device = fuse(point)
def reply(unique, body=b"", error=0):
    os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
def attributes(node):
    mode = 0o40755 if node == 1 else 0o100644
    return struct.pack("<QQQQQQIIIIIIIIII", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, os.getuid(), os.getgid(), 0, 4096, 0)
def serve():
    while True:
        data = os.read(device, 1 << 20)
        length, opcode, unique, node = struct.unpack_from("<IIQQ", data)
        if opcode == 26:  # INIT
            reply(unique, struct.pack("<IIIIHHI", 7, 31, 65536, 0, 16, 12, 65536).ljust(64, b"\\0"))
        elif opcode == 1:  # LOOKUP
            reply(unique, struct.pack("<QQQQII", 2, 0, 100, 100, 0, 0) + attributes(2))
        elif opcode == 3:  # GETATTR
            reply(unique, struct.pack("<QII", 100, 0, 0) + attributes(node))
        elif opcode in (14, 27):  # OPEN, OPENDIR
            reply(unique, struct.pack("<QII", 1, 0, 0))
        elif opcode == 25:  # FLUSH
            print("somebody waits for a close", flush=True)
        elif opcode not in (2, 42):  # FORGET
            reply(unique, error=-38)
# In a process of its own, which ends with this one: then nobody waits for it any more.
if os.fork() == 0:
    libc.prctl(1, 9)
    serve()
os.close(device)
file = os.open(point + "/file", os.O_RDONLY)
for _ in range(20):
    assert send(request, file) == b""
print("asked", flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def test_a_file_that_takes_for_ever_to_close_holds_up_nobody(calm):
    with Process([*calm.alice.prefix, "/usr/bin/python3", "-c", OWN_SERVER, str(calm.socket), NAME], env=calm.alice.store.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"asked\n"
            for _ in range(3):
                healthy(calm)
            # It can be stopped, which it could not if it had the file.
            calm.root.run("agent", "--stop")
            calm.root.mount(calm.kept)
        finally:
            process.kill()


def test_where_a_mount_is_said_to_be_unmounts_nothing_of_others(calm, folder):
    """Root's mount at the place that a user names stays when the user's ends, and when the agent is stopped by root."""
    other = type(calm.root)(calm.binaries, folder / "other-state", calm.namespace.prefix)
    other.init({"KEY": b"others"})
    place = folder / "place"
    place.mkdir()
    other.mount(place)
    try:
        said = calm.alice.python(CONNECT + FUSE + LIAR, calm.socket, NAME, place)
        assert said == "{'done': {}}\n"
        (row,) = calm.served
        assert row["mountPoint"] == str(place)
        # Root sees both.
        rows = [row["state"] for row in __import__("json").loads(calm.root.run("mounts", "--json")) if row["mountPoint"] == str(place)]
        assert sorted(rows) == ["other", "served"]
        calm.disallow(calm.alice)
        wait_until(lambda: not calm.served, "it is still served")
        assert calm.namespace.run("cat", place / "KEY").stdout == b"others"
        calm.allow(calm.alice)
        calm.alice.python(CONNECT + FUSE + LIAR, calm.socket, NAME, place)
        wait_until(lambda: calm.served, "it is not served")
        calm.root.run("agent", "--stop")
        assert calm.namespace.run("cat", place / "KEY").stdout == b"others"
        calm.root.mount(calm.kept)
    finally:
        other.stop()


# Stays mounted: a child keeps the namespace.
LIAR = """
import subprocess
own_namespace()
point = os.environ["HOME"] + f"/liar-{os.getpid()}"
os.mkdir(point)
device = fuse(point)
print(mount(sys.argv[2], device, point=sys.argv[3]), flush=True)
os.close(device)
subprocess.Popen(["sleep", "20"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""
