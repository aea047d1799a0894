"""The unit under a real systemd: started, ready, killed, stopped, and with a root key that systemd hands over."""

import os

import pytest
from machine_support import booted
from support import ALGORITHM, needs_root
from test_install import script

pytestmark = needs_root
UNIT = "secretfs-agent.service"
MOUNT = f"/run/secretfs/{ALGORITHM}"


@pytest.fixture(scope="module")
def machine(binaries, tmp_path_factory):
    folder = tmp_path_factory.mktemp("systemd")
    script("install", binaries, folder / "installed")
    with booted(folder, folder / "installed/usr/local") as machine:
        yield machine


@pytest.fixture
def store(machine):
    """A store where the unit looks for it, with one secret."""
    machine.run("secretfs", "init")
    machine.run("secretfs", "algorithm", "create", ALGORITHM)
    machine.run("secretfs", "secret", "create", ALGORITHM, "TOKEN", input=b"first")
    yield machine
    machine.run("systemctl", "stop", UNIT)
    machine.run("systemctl", "reset-failed")
    for point in machine.run("findmnt", "--list", "--noheadings", "--output", "TARGET", "--types", "fuse.secretfs", status=None).split():
        machine.run("umount", "--lazy", point)
    machine.run("sh", "-c", "rm -rf /var/lib/secretfs/* /etc/systemd/system/secretfs-agent.service.d /etc/secretfs; "
                            "systemctl daemon-reload")


def mounted(machine):
    machine.run("mkdir", "-p", MOUNT)
    machine.run("secretfs", "mount", ALGORITHM, MOUNT)
    return f"{MOUNT}/TOKEN"


def test_without_a_store_it_does_not_start_and_does_not_fail(machine):
    machine.run("test", "-d", "/var/lib/secretfs")
    machine.run("systemctl", "start", UNIT)
    assert machine.show(UNIT, "ActiveState") == "inactive"
    assert machine.show(UNIT, "ConditionResult") == "no"


def test_it_is_active_when_the_agent_serves(store):
    store.run("systemctl", "enable", "--now", UNIT)
    assert store.show(UNIT, "ActiveState") == "active"
    main = store.show(UNIT, "MainPID")
    assert f'"pid" : {main}' in store.run("secretfs", "status", "--json")
    token = mounted(store)
    assert store.run("cat", token) == "first"
    store.run("secretfs", "secret", "update", ALGORITHM, "TOKEN", input=b"second")
    # The very next open may come before the agent heard of it.
    store.run("sh", "-c", f"for i in $(seq 100); do grep -q second {token} && exit 0; sleep 0.1; done; exit 1")
    assert store.run("secretfs", "run", ALGORITHM, "--", "sh", "-c", "echo $TOKEN") == "second\n"
    # What the unit takes away is gone, and who asks can still be told.
    status = dict(line.split(":\t", 1) for line in store.run("cat", f"/proc/{main}/status").splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert int(status["CapBnd"], 16) == 1 << 2 | 1 << 14 | 1 << 19
    store.run("secretfs", "callers", ALGORITHM, "--exe", os.path.realpath("/usr/bin/cat"))
    store.run("sh", "-c", f"for i in $(seq 100); do head {token} || exit 0; sleep 0.1; done; exit 1")
    assert store.run("cat", token) == "second"
    # The admin mount too, by the same agent.
    store.run("mkdir", "-p", "/run/admin")
    store.run("secretfs", "mount", "--admin", "/run/admin")
    store.run("sh", "-c", f"echo uid root > /run/admin/algorithms/{ALGORITHM}/.callers")
    assert store.run("cat", f"/run/admin/algorithms/{ALGORITHM}/.callers") == "uid 0\n"
    store.run("systemctl", "stop", UNIT)
    assert store.show(UNIT, "Result") == "success"
    # ExecStop unmounted them outside of the unit's own namespace.
    assert "fuse.secretfs" not in store.run("findmnt", "--list", "--noheadings", "--output", "FSTYPE").split()


def test_an_agent_that_is_killed_is_started_again(store):
    store.run("systemctl", "start", UNIT)
    mounted(store)
    first = store.show(UNIT, "MainPID")
    store.run("systemctl", "kill", "--signal=KILL", UNIT)
    store.until(UNIT, "NRestarts", "1")
    store.until(UNIT, "ActiveState", "active")
    assert store.show(UNIT, "MainPID") not in ("0", first)
    store.run("secretfs", "unmount", MOUNT)
    assert store.run("cat", mounted(store)) == "first"


def test_it_stops_while_a_program_uses_a_mount(store):
    store.run("systemctl", "start", UNIT)
    token = mounted(store)
    store.run("systemd-run", "--unit=reader", "sh", "-c", f"exec 3<{token}; exec sleep 1000")
    store.until("reader.service", "ActiveState", "active")
    store.run("systemctl", "stop", UNIT)
    assert store.show(UNIT, "Result") == "success"
    assert store.run("ls", "-A", MOUNT) == ""
    store.run("systemctl", "stop", "reader.service")


def test_the_root_key_comes_from_a_credential(machine, store):
    """As the unit's comment says."""
    machine.run("sh", "-c", "rm -rf /var/lib/secretfs/*; mkdir -m 700 /etc/secretfs")
    machine.run("secretfs", "init", "--credential", "secretfs.root", "--root-key-file", "/etc/secretfs/root.key")
    key = ["--root-key-file", "/etc/secretfs/root.key"]
    machine.run("secretfs", "algorithm", "create", ALGORITHM, *key)
    machine.run("secretfs", "secret", "create", ALGORITHM, "TOKEN", *key, input=b"by credential")
    machine.run("systemctl", "start", UNIT, status=1)
    machine.run("systemctl", "stop", UNIT)
    machine.run("mkdir", "-p", f"/etc/systemd/system/{UNIT}.d")
    line = machine.run("grep", "-h", "^#LoadCredential=", f"/usr/local/lib/systemd/system/{UNIT}").strip()
    machine.run("tee", f"/etc/systemd/system/{UNIT}.d/key.conf", input=f"[Service]\n{line[1:]}\n".encode())
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", UNIT)
    assert machine.run("cat", mounted(machine)) == "by credential"


def test_a_listed_user_is_served_by_the_agent_of_the_unit(store):
    """With the unit's device rules, folders and capabilities."""
    store.run("systemctl", "start", UNIT)
    user = ["setpriv", "--reuid", "1", "--regid", "1", "--clear-groups", "env", "SECRETFS_STATE=/var/lib/secretfs",
            "secretfs", "run", ALGORITHM, "--", "sh", "-c", "echo $TOKEN"]
    store.run(*user, status=77)
    store.run("secretfs", "mounters", ALGORITHM, "--add", "1")
    assert store.run(*user) == "first\n"
