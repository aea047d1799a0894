"""Administrators that the store lists: the admin mount through the agent's public socket."""

import os
import stat
import subprocess

import pytest
from box_support import DEADLINE, NAME, folder, wait_until  # noqa: F401 (fixture)
from mounters_support import ALICE, BOB, namespace, world  # noqa: F401 (fixtures)
from support import needs_root
from test_mounters import CONNECT, FUSE

pytestmark = needs_root


@pytest.fixture
def admin(world):
    world.root.run("admin", "add", "alice-test")
    return world


def mounted(world):
    point = world.alice.point()
    world.alice.says("mount", "--admin", str(point))
    return point


def test_a_listed_administrator_changes_the_store_in_their_own_name(admin):
    point = mounted(admin)
    home = point / "algorithms" / NAME
    script = 'cd "$1" && mkdir TOKEN && printf %s told > TOKEN/value && echo "A token" > TOKEN/name && cat TOKEN/modified_by && ls'
    done = admin.alice.sh(script, home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split("\n") == [f"uid {ALICE}", "KEY", "OTHER", "TOKEN", ""]
    shown = lambda: admin.namespace.run("cat", admin.kept / "TOKEN").stdout
    wait_until(lambda: shown() == b"told", "it was not stored")
    refused = admin.alice.sh('cat "$1"', home / "KEY/value")
    assert refused.returncode != 0 and b"Permission denied" in refused.stderr
    made = [line for line in admin.audit("--algorithm", NAME, "--secret", "TOKEN") if line["action"].startswith("secret.")]
    assert {line["uid"] for line in made} == {ALICE} and {line["action"] for line in made} == {"secret.create", "secret.update"}
    assert all(line["pid"] > 0 and line["executable"] for line in made)
    (row,) = admin.alice.mounts
    assert (row["state"], row["uid"], row["listed"]) == ("admin", ALICE, True)
    admin.alice.says("unmount", str(point))
    wait_until(lambda: not admin.served, "it is still served")


def test_whoever_is_not_listed_is_refused_also_a_mounter(admin):
    admin.allow(admin.bob)
    text = admin.bob.refused("mount", "--admin", str(admin.bob.point()))
    assert f"user {BOB} is not listed as an administrator" in text and f"secretfs admin add {BOB}" in text
    # And an administrator is not a mounter.
    admin.alice.refused("mount", NAME, str(admin.alice.point()))
    (denied,) = [line for line in admin.audit("--action", "mount", "--actor", str(BOB)) if line["outcome"] == "denied"]
    assert denied["detail"] == "for administration"


# > Who is taken off the list loses the mounts at once — docs/SEMANTICS.md#listed-users
def test_removal_ends_the_mount_and_what_was_not_closed_is_not_stored(admin):
    point = mounted(admin)
    value = point / "algorithms" / NAME / "KEY/value"
    script = 'exec 5>"$1" && printf lost >&5 && echo ready && read x; printf more >&5'
    with admin.alice.store.launch(prefix=[*admin.alice.prefix, "sh", "-c", script, "sh", str(value)]) as process:
        assert process.stdout.readline() == b"ready\n"
        admin.root.run("admin", "remove", str(ALICE))
        wait_until(lambda: not admin.served, "it is still served")
        process.communicate(b"\n", timeout=DEADLINE)
    assert admin.alice.sh('ls "$1"/algorithms', point).returncode != 0
    assert admin.namespace.run("cat", admin.kept / "KEY").stdout == admin.values["KEY"]
    admin.alice.refused("mount", "--admin", str(admin.alice.point()))
    assert '"uids" : [\n\n  ]' in admin.root.run("admin", "list", "--json").decode()


LET_IN = CONNECT + """
import subprocess
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
os.set_inheritable(theirs.fileno(), True)
command = ["fusermount3", "-o", "rw,allow_other,fsname=secretfs,subtype=secretfs", "--", sys.argv[2]]
subprocess.run(command, check=True, pass_fds=[theirs.fileno()], env={"_FUSE_COMMFD": str(theirs.fileno()), "PATH": os.environ["PATH"]})
_, (device,), _, _ = socket.recv_fds(ours, 1, 1)
print(ask(connect(), {"administer": {"mountPoint": sys.argv[2]}}, device))
"""


def test_where_an_administrator_lets_others_in_they_change_nothing(admin):
    point = admin.alice.point()
    assert admin.alice.python(LET_IN, admin.socket, point) == "{'done': {}}\n"
    home = point / "algorithms" / NAME
    for prefix, uid in ((admin.bob.prefix, BOB), (admin.namespace.prefix, 0)):
        for script in ('mkdir "$1/NEW"', 'printf x > "$1/KEY/value"', 'printf x > "$1/KEY/beside"', 'rmdir "$1/KEY"', 'rm "$1/KEY/name"',
                       'mv "$1/KEY/name" "$1/KEY/name~"', 'truncate -s 0 "$1/KEY/value"', 'ls "$1"', 'cat "$1/KEY/name"'):
            done = subprocess.run([*prefix, "sh", "-c", script, "sh", home], capture_output=True, timeout=DEADLINE)
            assert done.returncode != 0 and b"Permission denied" in done.stderr, (uid, script, done)
    assert admin.alice.sh('ls "$1"', home).stdout == b"KEY\nOTHER\n"
    assert admin.namespace.run("cat", admin.kept / "KEY").stdout == admin.values["KEY"]
    denied = [line["uid"] for line in admin.audit("--action", "open") if line["outcome"] == "denied"]
    assert set(denied) == {BOB, 0}


FORGED = CONNECT + FUSE + """
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
if os.fork() == 0:
    ours.close()
    message, descriptors, _, _ = socket.recv_fds(theirs, 10, 1)
    theirs.send(json.dumps(ask(connect(), {"administer": {"mountPoint": "/x"}}, descriptors[0])).encode())
    os._exit(0)
theirs.close()
own_namespace()
point = os.environ["HOME"] + "/forged"
os.mkdir(point)
device = fuse(point)
socket.send_fds(ours, [b"x"], [device])
print(ours.recv(65536).decode(), os.getuid())
os.close(device)
os.mkdir(point + "/algorithms/" + sys.argv[2] + "/FORGED")
open(point + "/algorithms/" + sys.argv[2] + "/FORGED/value", "w").write("x")
print(open(point + "/algorithms/" + sys.argv[2] + "/FORGED/modified_by").read())
"""


def test_in_a_namespace_of_their_own_they_are_recorded_as_who_they_are(admin):
    said = admin.alice.python(FORGED, admin.socket, NAME)
    assert said.split("\n")[:2] == [f'{{"done": {{}}}} {ALICE}', f"uid {ALICE}"]
    (line,) = [line for line in admin.audit("--secret", "FORGED") if line["action"] == "secret.create"]
    assert line["uid"] == ALICE


def test_the_list_is_kept_shown_and_recorded(admin):
    admin.root.run("admin", "add", "root", str(BOB))
    shown = admin.root.run("admin", "list").decode()
    assert "12345  alice-test" in shown and "12346  bob-test" in shown and "0  root" in shown
    lines = admin.audit("--action", "admin.update")
    assert [line["detail"] for line in lines] == [f"administrators +{ALICE}", f"administrators +0 +{BOB}"]
    admin.allow(admin.alice)
    admin.disallow(admin.alice)
    lines = admin.audit("--action", "algorithm.update")
    assert [line["detail"] for line in lines] == [f"mounters +{ALICE}", f"mounters -{ALICE}"]
    for bad in ("nobody-of-this-name", "4294967295", "1,,2", "-1"):
        assert admin.root.attempt("mounters", NAME, f"--add={bad}").returncode == 65, bad
    admin.root.run("mounters", NAME, "--add", ",".join(map(str, range(1000, 1256))))
    refused = admin.root.attempt("mounters", NAME, "--add", "1")
    assert refused.returncode == 65 and b"more than 256" in refused.stderr
    assert admin.root.attempt("mounters", "no/No").returncode == 66


def test_eight_mounts_of_one_administrator(admin):
    for _ in range(8):
        mounted(admin)
    assert "has 8 mounts" in admin.alice.refused("mount", "--admin", str(admin.alice.point()), status=71)
