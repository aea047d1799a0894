"""A machine for tests: a real systemd as the first process of namespaces of its own, on this machine's programs.

Its root is in memory and ends with it; it cannot change settings of this machine's kernel. What `scripts/install` made
is its /usr/local.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import COMMAND_DEADLINE, mount_table

SYSTEMD = Path("/lib/systemd/systemd")
BOOT_DEADLINE = 90
# $1: where the root is made; $2: what becomes /usr/local. Runs in namespaces of its own.
BOOT = r"""
set -e
root=$1
mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$root"
cd "$root"
mkdir usr etc var run tmp proc sys dev root home opt old
for name in bin sbin lib lib32 lib64 libx32; do
    if [ -L /$name ]; then cp -a /$name .; elif [ -d /$name ]; then mkdir $name; mount --bind /$name $name; fi
done
mount --rbind /usr usr
mount --rbind /opt opt
mount --bind "$2" usr/local
for name in passwd group nsswitch.conf ld.so.cache ld.so.conf; do cp -a /etc/$name etc/; done
echo 5ec4e7f5000000000000000000000000 > etc/machine-id
mkdir -p etc/systemd/system var/lib var/log
mount -t proc none proc
# Most of what is set there would be this machine's.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro none sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 none dev
# Its own, whose modes it may change.
node() { mknod -m 666 "dev/$1" c "$2" "$3"; }
node null 1 3; node zero 1 5; node full 1 7; node random 1 8; node urandom 1 9; node tty 5 0; node fuse 10 229
ln -s /proc/self/fd dev/fd
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 none dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 none run
mount -t tmpfs none tmp
pivot_root . old
umount -l /old
# As a machine has it; systemd leaves that to a container.
mount --make-rshared /
exec env -i container=secretfs-test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --log-target=journal \
    --show-status=no --unit=multi-user.target
"""


class Machine:
    def __init__(self, first: int, log: Path):
        self.words = ["nsenter", "--target", str(first), "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--"]
        self.log = log

    def run(self, *arguments, input=b"", status: int | None = 0) -> str:
        """Runs a command in it that ends with `status`; None: with any."""
        done = subprocess.run(
            [*self.words, *map(str, arguments)], input=input, capture_output=True, timeout=COMMAND_DEADLINE,
            env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SECRETFS_STATE": "/var/lib/secretfs"})
        assert status in (None, done.returncode), (done, self.journal())
        return done.stdout.decode()

    def journal(self) -> str:
        """The last that its units and systemd said."""
        shown = subprocess.run(
            [*self.words, "journalctl", "--no-pager", "--lines=30", "--output=cat"], capture_output=True, timeout=COMMAND_DEADLINE)
        return shown.stdout.decode(errors="replace") + self.log.read_text(errors="replace")[-1000:]

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def until(self, unit: str, name: str, wanted: str):
        deadline = time.monotonic() + COMMAND_DEADLINE
        while (found := self.show(unit, name)) != wanted:
            assert time.monotonic() < deadline, (name, found, self.journal())
            time.sleep(0.1)


@contextlib.contextmanager
def control_group(root: Path):
    """A group of the cgroup v2 hierarchy in which systemd may make others."""
    point = next((Path(fields[4]) for fields in mount_table() if "cgroup2" in fields), None)
    if point is None or not os.access(point, os.W_OK):
        pytest.skip("no cgroup v2 hierarchy that can be written")
    group = point / f"secretfs-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        yield group
    finally:
        with contextlib.suppress(OSError):
            (group / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + COMMAND_DEADLINE
        while group.exists():
            for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    path.rmdir()
            with contextlib.suppress(OSError):
                group.rmdir()
            assert time.monotonic() < deadline, "a process of the machine is left"
            time.sleep(0.05)


@contextlib.contextmanager
def booted(root: Path, local: Path):
    """A running machine, whose /usr/local is `local`."""
    if not SYSTEMD.exists():
        pytest.skip("needs systemd")
    (root / "machine").mkdir()
    log = root / "machine.log"
    with control_group(root) as group, open(log, "wb") as output:
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--cgroup", "sh", "-c", BOOT, "boot",
                 str(root / "machine"), str(local)]
        enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        process = subprocess.Popen(
            ["sh", "-c", enter, "enter", *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            yield wait_for_boot(process, log)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=COMMAND_DEADLINE)


def wait_for_boot(process: subprocess.Popen, log: Path) -> Machine:
    deadline = time.monotonic() + BOOT_DEADLINE
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    state = ""
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
        first = children.read_text().split()
        if not first or Path(f"/proc/{first[0]}/comm").read_text() != "systemd\n":
            continue
        machine = Machine(int(first[0]), log)
        asked = subprocess.run(
            [*machine.words, "systemctl", "is-system-running"], capture_output=True, timeout=COMMAND_DEADLINE)
        state = asked.stdout.decode().strip()
        if state in ("running", "degraded"):
            return machine
    raise AssertionError((state, log.read_text(errors="replace")[-3000:]))
