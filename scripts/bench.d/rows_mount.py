"""What programs meet: the shim, opens, changes, the agent's memory."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from stage import (
    ENTRIES, VALUE, agent_pid, algorithm, in_turn, mount, nanoseconds, percentile, row, run, store)


@row("`secretfs-env` on a mount with 20 entries, running `/bin/true`",
     "daemontools `envdir` on tmpfs with the same 20", "ratio ≤ 1.0")
def shim():
    with store() as path:
        algorithm("bench/Shim")
        mount("bench/Shim", path / "m")
        plain = path / "plain"
        plain.mkdir()
        for number in range(ENTRIES):
            (plain / f"ENTRY_{number}").write_text(VALUE)
        ours, peer = in_turn(2000, ["secretfs-env", path / "m", "--", "/bin/true"], ["envdir", plain, "/bin/true"])
        ratio = ours / peer
        return f"{ours:.0f} µs against {peer:.0f} µs: ratio {ratio:.2f}", ratio <= 1.0


@row("the same", "`sops exec-env` with 20 entries (age key)", "≥ 15 times faster")
def sops():
    with store() as path:
        algorithm("bench/Shim")
        mount("bench/Shim", path / "m")
        key = path / "age.key"
        run("age-keygen", "-o", key, stderr=subprocess.DEVNULL)
        public = run("age-keygen", "-y", key).strip()
        clear, sealed = path / "clear.env", path / "sealed.env"
        clear.write_text("".join(f"ENTRY_{number}={VALUE}\n" for number in range(ENTRIES)))
        sealed.write_text(run("sops", "encrypt", "--age", public, clear))
        os.environ["SOPS_AGE_KEY_FILE"] = str(key)
        ours, peer = in_turn(
            200, ["secretfs-env", path / "m", "--", "/bin/true"], ["sops", "exec-env", sealed, "/bin/true"])
        return f"{ours:.0f} µs against {peer:.0f} µs: {peer / ours:.0f} times faster", peer / ours >= 15


def against_peer(path, mount_point):
    """p50 in microseconds of an entry of ours, of the C program's, and of a file on tmpfs; by kind of run."""
    peer_point = path / "mpeer"
    peer_point.mkdir()
    peer = subprocess.Popen(["fuse-peer", peer_point])
    tmpfs = path / "constant"
    tmpfs.write_text(VALUE)
    try:
        while not os.path.ismount(peer_point):
            time.sleep(0.05)
        files = [mount_point / "ENTRY_7", peer_point / "ENTRY_7", tmpfs]
        found = {}
        for label, options in (("free", []), ("pinned to one processor", ["-c", "0"]), ("300 µs pauses", ["-g", "300"])):
            lines = run("open-read-close", *options, 5 if "-g" in options else 20, *files).splitlines()
            found[label] = [time / 1000 for time in nanoseconds(lines, "p50")]
        return found
    finally:
        run("umount", "-l", peer_point)
        peer.wait(10)


def compared(found, aim):
    ours, theirs, scale = found["free"]
    text = f"{ours:.1f} µs against {theirs:.1f} µs (tmpfs {scale:.1f} µs): ratio {ours / theirs:.2f}"
    for label in list(found)[1:]:
        text += f"; {label}: {found[label][0]:.1f} against {found[label][1]:.1f}"
    return text, ours / theirs <= aim


@row("open+read+close of one entry, p50; no rule, audit on",
     "a C program on libfuse's low-level API (direct_io, constants, its multi-threaded loop), and tmpfs for scale",
     "≤ 0.8 of the C program")
def open_read_close():
    with store() as path:
        algorithm("bench/Open")
        mount("bench/Open", path / "m")
        return compared(against_peer(path, path / "m"), 0.8)


@row("the same with a rule on uid, executable and cgroup", "the same", "≤ 1.0 of the C program")
def guarded():
    with store() as path:
        algorithm("bench/Open")
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        cgroup = next(line for line in lines if line.startswith("0::"))[3:]
        reader = os.path.realpath(shutil.which("open-read-close"))
        run("secretfs", "callers", "bench/Open", "--uid", os.getuid(), "--exe", reader, "--cgroup", cgroup)
        mount("bench/Open", path / "m")
        return compared(against_peer(path, path / "m"), 1.0)


@row("change → visible in an open mount, p99, 100 mounts", "the original's one minute", "≤ 50 ms")
def change():
    mounts, rounds = 100, 200
    with store("/var/tmp") as path:
        run("StoreBench", "fill", path / "state", 1, ENTRIES)
        for number in range(mounts):
            mount("bench/A0", path / f"m{number}")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        points = [path / f"m{number}" for number in range(mounts)]
        with (subprocess.Popen(["StoreBench", "update", path / "state"], **pipes) as writer,
              subprocess.Popen(["change-watch", "S0", *points], **pipes) as watcher):
            delays = []
            for number in range(rounds):
                watcher.stdin.write(f"value-{number}\n")
                watcher.stdout.readline()
                # It is in poll(2) before the change.
                time.sleep(0.002)
                writer.stdin.write(f"value-{number}\n")
                committed = int(writer.stdout.readline())
                delays += [(int(seen) - committed) / 1e6 for seen in watcher.stdout.readline().split()]
            writer.stdin.close()
            watcher.stdin.close()
        assert len(delays) == mounts * rounds
        p50, p99 = percentile(delays, 0.5), percentile(delays, 0.99)
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, from the commit to the new bytes read", p99 <= 50


@row("agent's resident memory, 1,000 mounts of 20 entries", "", "≤ 64 MiB")
def memory():
    with store() as path:
        run("StoreBench", "fill", path / "state", 1000, ENTRIES)
        for number in range(1000):
            mount(f"bench/A{number}", path / f"m{number}")
        for number in range(1000):
            (path / f"m{number}" / "S0").read_bytes()
        status = Path(f"/proc/{agent_pid()}/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
        return f"{resident:.0f} MiB", resident <= 64
