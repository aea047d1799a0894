"""Mounts in OCI containers that runc makes, in an image that has no libc: the shim, and busybox linked statically."""

import contextlib
import json
import os
import shutil
import subprocess

import pytest
from box_support import DEADLINE, NAME, Generation, Process, folder, needs, random_bytes, store, wait_until

UID = 4242
# User 1000 of a container whose users begin at this one of the host.
FIRST = 100_000
# A bind mount may not lose in a user namespace what it has: runc 1.1 asks for all of it again.
BIND = ["bind", "ro", "nosuid", "nodev", "noexec"]


class Bundle:
    """An OCI bundle, and the containers made of it."""

    def __init__(self, folder, shim):
        self.runc = [needs("runc", "runc"), "--root", str(folder / "runc")]
        self.folder = folder / "bundle"
        programs = self.folder / "rootfs/bin"
        programs.mkdir(parents=True)
        shutil.copy(shim, programs)
        shutil.copy(needs("busybox", "busybox-static"), programs)
        subprocess.run([*self.runc, "spec"], cwd=self.folder, check=True, timeout=DEADLINE)
        self.config = json.loads((self.folder / "config.json").read_text())
        self.config["process"]["terminal"] = False
        # Without a cgroup file system of its own it runs with systemd and without, on every layout of cgroups.
        self.config["mounts"] = [mount for mount in self.config["mounts"] if "cgroup" not in mount["type"]]
        # Root of a user namespace may not make them.
        for place in ("proc", "dev", "sys", "secrets", "volume"):
            (self.folder / "rootfs" / place).mkdir()
        self.names = []

    def bind(self, source, target, options):
        self.config["mounts"].append(
            {"destination": target, "type": "bind", "source": str(source), "options": options})

    def user(self, uid, first=None):
        """Runs as `uid`, in a user namespace whose users begin at `first` of the host."""
        self.config["process"]["user"] = {"uid": uid, "gid": uid}
        if first is not None:
            mappings = [{"containerID": 0, "hostID": first, "size": 65536}]
            self.config["linux"] |= {"uidMappings": mappings, "gidMappings": mappings}
            self.config["linux"]["namespaces"].append({"type": "user"})

    def start(self, *arguments, **options) -> Process:
        self.config["process"]["args"] = list(arguments)
        # Whole at each moment: another container of this bundle may be about to read it.
        (self.folder / "config.new").write_text(json.dumps(self.config))
        (self.folder / "config.new").rename(self.folder / "config.json")
        self.names.append(f"secretfs-test-{os.getpid()}-{len(self.names)}")
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [*self.runc, "run", self.names[-1]]
        return Process(command, cwd=self.folder, **{**streams, **options})

    def run(self, *arguments) -> subprocess.CompletedProcess:
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=DEADLINE)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def close(self):
        for name in self.names:
            subprocess.run([*self.runc, "delete", "--force", name], capture_output=True, timeout=DEADLINE, check=False)


@pytest.fixture
def bundle(store, folder):
    made = Bundle(folder, store.shim)
    yield made
    made.close()


@pytest.fixture
def mount(store, folder):
    store.values = {"KEY": random_bytes(), "OTHER": random_bytes()}
    point = folder / "mount"
    point.mkdir()
    store.init(store.values)
    return point


def entrypoint(script: str) -> list[str]:
    return ["/bin/secretfs-env", "/secrets", "--", "/bin/busybox", "sh", "-c", script]


PRINT = "busybox printf %s \"$KEY\" | busybox xxd -p; busybox xxd -p /secrets/OTHER; exit 42"
KINDS = {
    "another user": (UID, None, UID),
    "root": (0, None, 0),
    "a user namespace": (1000, FIRST, FIRST + 1000),
    "root of a user namespace": (0, FIRST, FIRST),
}


@pytest.mark.parametrize("inside, first, outside", KINDS.values(), ids=KINDS.keys())
def test_the_shim_is_the_entrypoint_of_an_image_without_a_libc(store, bundle, mount, inside, first, outside):
    store.mount(mount, "--uid", str(outside), "--gid", str(outside))
    bundle.bind(mount, "/secrets", BIND)
    bundle.user(inside, first)
    assert sorted(os.listdir(bundle.folder / "rootfs/bin")) == ["busybox", "secretfs-env"]
    done = bundle.run(*entrypoint(PRINT))
    assert done.returncode == 42, done.stderr
    assert bytes.fromhex(done.stdout.decode()) == store.values["KEY"] + store.values["OTHER"]


STRANGERS = {
    "another user": (UID + 1, None, UID),
    # As root, but without CAP_DAC_READ_SEARCH, as containers are.
    "root": (0, None, UID),
    "a user namespace": (1001, FIRST, FIRST + 1000),
    "root of a user namespace": (0, FIRST, FIRST + 1000),
    "the same number in a user namespace": (1000, FIRST, 1000),
}


@pytest.mark.parametrize("inside, first, outside", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_container_of_another_user_gets_nothing(store, bundle, mount, inside, first, outside):
    store.mount(mount, "--uid", str(outside), "--gid", str(outside))
    bundle.bind(mount, "/secrets", BIND)
    bundle.user(inside, first)
    done = bundle.run(*entrypoint("busybox echo ran"))
    assert (done.returncode, done.stdout) == (125, b""), done.stderr
    assert b"/secrets/.environ" in done.stderr and b"permission denied" in done.stderr
    done = bundle.run("/bin/busybox", "sh", "-c", "busybox cat /secrets/KEY; busybox ls -A /secrets")
    assert done.returncode != 0 and done.stdout == b""


def test_the_program_is_the_containers_first_process_and_gets_its_signals(store, bundle, mount):
    store.mount(mount, "--uid", str(UID), "--gid", str(UID))
    bundle.bind(mount, "/secrets", BIND)
    bundle.user(UID)
    script = "trap 'busybox echo caught; exit 3' TERM; busybox echo $$; while :; do busybox sleep 0.05; done"
    with bundle.start(*entrypoint(script)) as process:
        assert process.stdout.readline() == b"1\n", process.stderr.read()
        subprocess.run([*bundle.runc, "kill", bundle.names[-1], "TERM"], check=True, timeout=DEADLINE)
        output, _ = process.communicate(timeout=DEADLINE)
    assert (process.returncode, output) == (3, b"caught\n")


@pytest.mark.parametrize("inside, first", [(UID, None), (1000, FIRST)], ids=["another user", "a user namespace"])
def test_a_change_shows_in_a_container_that_runs(store, bundle, mount, inside, first):
    outside = str(inside + (first or 0))
    store.mount(mount, "--uid", outside, "--gid", outside)
    bundle.bind(mount, "/secrets", BIND)
    bundle.user(inside, first)
    script = "while busybox xxd -p -c 256 /secrets/KEY; do read line || exit 0; done"
    with bundle.start(*entrypoint(script)) as process, Generation(mount) as generation:
        assert bytes.fromhex(process.stdout.readline().decode()) == store.values["KEY"]
        for value in [random_bytes(), random_bytes()]:
            store.update("KEY", value)
            generation.wait()
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert bytes.fromhex(process.stdout.readline().decode()) == value
        process.communicate(timeout=DEADLINE)


@contextlib.contextmanager
def volume(folder):
    """A shared mount with an empty directory in it, as the kubelet gives a pod."""
    path = folder / "volume"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "secretfs-test", path], check=True, timeout=DEADLINE)
    subprocess.run(["mount", "--make-shared", path], check=True, timeout=DEADLINE)
    (path / "secrets").mkdir()
    yield path
    subprocess.run(["umount", "-lR", path], check=True, timeout=DEADLINE)


def test_a_mount_that_is_made_later_appears_in_a_container_that_runs(store, bundle, mount, folder):
    """mountPropagation: HostToContainer."""
    with volume(folder) as shared:
        bundle.bind(shared, "/volume", ["rbind", "rslave", "ro"])
        bundle.user(UID)
        script = "busybox ls -A /volume/secrets | busybox wc -l; while read line; do busybox xxd -p -c 256 /volume/secrets/KEY || busybox echo gone; done"
        with bundle.start("/bin/busybox", "sh", "-c", script) as process:
            assert process.stdout.readline() == b"0\n", process.stderr.read()
            store.mount(shared / "secrets", "--uid", str(UID), "--gid", str(UID))
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert bytes.fromhex(process.stdout.readline().decode()) == store.values["KEY"]
            # It goes from there, too.
            store.run("unmount", str(shared / "secrets"))
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"gone\n"
            process.communicate(timeout=DEADLINE)
    wait_until(lambda: not store.served, "the mount is still served")


def test_two_containers_share_one_mount(store, bundle, mount):
    """The sidecar and the program of one pod."""
    store.mount(mount, "--uid", str(UID), "--gid", str(UID))
    bundle.bind(mount, "/secrets", BIND)
    bundle.user(UID)
    wait = "busybox xxd -p -c 256 /secrets/KEY; read line"
    with bundle.start(*entrypoint(wait)) as one, bundle.start(*entrypoint(wait)) as two:
        try:
            for process in (one, two):
                assert bytes.fromhex(process.stdout.readline().decode()) == store.values["KEY"]
            assert len(store.served) == 1
        finally:
            for process in (one, two):
                process.communicate(b"\n", timeout=DEADLINE)
    assert (one.returncode, two.returncode) == (0, 0)


def test_an_algorithm_without_secrets_runs_in_a_container(store, bundle, mount):
    for name in store.values:
        store.run("secret", "delete", NAME, name, "--yes")
    store.mount(mount, "--uid", str(UID), "--gid", str(UID))
    bundle.bind(mount, "/secrets", BIND)
    bundle.user(UID)
    done = bundle.run(*entrypoint("busybox env | busybox grep -c KEY; busybox echo ran"))
    assert (done.returncode, done.stdout) == (0, b"0\nran\n"), done.stderr
