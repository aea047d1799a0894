"""Measures and writes docs/BENCHMARKS.md. Called by scripts/bench, which builds what it runs.

Each row is one function: it sets the stage, runs both sides in turn in one run, and returns what it found.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ENTRIES = 20
VALUE = "x" * 32
rows = {}


def row(what, against, aim):
    def register(measure):
        rows[measure.__name__] = (what, against, aim, measure)
        return measure

    return register


def run(*command, **options):
    options = {"check": True, "text": True, "stdout": subprocess.PIPE, **options}
    return subprocess.run([str(part) for part in command], **options).stdout


@contextmanager
def folder(where="/dev/shm"):
    path = Path(tempfile.mkdtemp(prefix="secretfs-bench-", dir=where))
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", *map(str, path.glob("m*"))], stderr=subprocess.DEVNULL)
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def store(where="/dev/shm"):
    """A store in a folder of its own, whose agent ends with it."""
    with folder(where) as path:
        os.environ["SECRETFS_STATE"] = str(path / "state")
        run("secretfs", "init")
        try:
            yield path
        finally:
            run("secretfs", "agent", "--stop", check=False)


def algorithm(name, entries=ENTRIES):
    run("secretfs", "algorithm", "create", name)
    lines = "".join(f"ENTRY_{number}={VALUE}\n" for number in range(entries))
    run("secretfs", "import", name, "-", input=lines)


def mount(name, path):
    path.mkdir()
    run("secretfs", "mount", name, path)


def in_turn(rounds, *commands):
    """Medians in microseconds."""
    arguments = []
    for command in commands:
        arguments += (["--next"] if arguments else []) + [str(part) for part in command]
    lines = run("run-in-turn", rounds, *arguments).splitlines()
    return [int(line.split()[0]) / 1000 for line in lines]


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def agent_pid():
    return json.loads(run("secretfs", "status", "--json"))["agent"]["pid"]


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


@row("open+read+close of one entry, p50",
     "a C program on libfuse's low-level API (direct_io, constants, its multi-threaded loop), and tmpfs for scale",
     "≤ 0.8 of the C program")
def open_read_close():
    with store() as path:
        algorithm("bench/Open")
        mount("bench/Open", path / "m")
        peer_point = path / "mpeer"
        peer_point.mkdir()
        peer = subprocess.Popen(["fuse-peer", peer_point])
        tmpfs = path / "constant"
        tmpfs.write_text(VALUE)
        try:
            while not os.path.ismount(peer_point):
                time.sleep(0.05)
            files = [path / "m" / "ENTRY_7", peer_point / "ENTRY_7", tmpfs]
            found = {}
            for label, options in (("free", []), ("pinned to one processor", ["-c", "0"]), ("300 µs pauses", ["-g", "300"])):
                lines = run("open-read-close", *options, 5 if "-g" in options else 20, *files).splitlines()
                found[label] = p50s(lines)
            ours, theirs, scale = found["free"]
            text = f"{ours:.1f} µs against {theirs:.1f} µs (tmpfs {scale:.1f} µs): ratio {ours / theirs:.2f}"
            for label in list(found)[1:]:
                text += f"; {label}: {found[label][0]:.1f} against {found[label][1]:.1f}"
            return text, ours / theirs <= 0.8
        finally:
            run("umount", "-l", peer_point)
            peer.wait(10)


def p50s(lines):
    """The p50 of each line of open-read-close, in microseconds."""
    found = []
    for line in lines:
        words = line.replace(",", " ").replace(":", " ").split()
        found.append(int(words[words.index("p50") + 1]) / 1000)
    return found


@row("durable create, one at a time", "bare SQLite insert with the same pragmas", "≥ 0.8")
def create():
    count = 2000
    ours, theirs = [], []
    for _ in range(5):
        with store("/var/tmp") as path:
            ours.append(count / json.loads(run("StoreBench", "create", path / "state", count))["seconds"])
        with folder("/var/tmp") as path:
            theirs.append(json.loads(run("sqlite-peer", path, count))["rows_per_second"])
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    return f"{ours:.0f}/s against {theirs:.0f}/s: ratio {ours / theirs:.2f}", ours / theirs >= 0.8


def seconds(*command):
    """How long a program takes, from its start to its end."""
    start = time.monotonic()
    run(*command)
    return time.monotonic() - start


@row("import of 10,000 secrets", "bare SQLite in one transaction", "≥ 0.3, and ≥ 10,000/s")
def bulk():
    count = 10_000
    ours, theirs = [], []
    for _ in range(7):
        with store("/var/tmp") as path:
            (path / "env").write_text("".join(f"SECRET_{number}={VALUE}{number}\n" for number in range(count)))
            run("secretfs", "algorithm", "create", "bench/Bulk")
            ours.append(count / seconds("secretfs", "import", "bench/Bulk", path / "env", "--yes"))
        with folder("/var/tmp") as path:
            theirs.append(count / seconds("sqlite-peer", path, 0))
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    text = f"{ours:,.0f}/s against {theirs:,.0f}/s: ratio {ours / theirs:.2f} (whole programs, start to end)"
    return text, ours / theirs >= 0.3 and ours >= 10_000


@row("unseal one 100-byte record that is in memory", "one AES-256-GCM open of the same size through EVP",
     "≤ 3 times its time")
def unseal():
    found = json.loads(run("SealBench"))
    text = f"{found['sealed_ns']:.0f} ns against {found['evp_ns']:.0f} ns: ratio {found['ratio']:.2f}"
    return text, found["ratio"] <= 3


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


@row("`mount` until first read: store of 1,000,000 secrets in 100,000 algorithms", "the same with 10 secrets", "≤ 1.2")
def large():
    with store() as small_path, folder() as large_path:
        small_state = os.environ["SECRETFS_STATE"]
        run("StoreBench", "fill", small_state, 1, 10)
        large_state = str(large_path / "state")
        run("secretfs", "--help")
        os.environ["SECRETFS_STATE"] = large_state
        run("secretfs", "init")
        run("StoreBench", "fill", large_state, 100_000, 10)
        times = {small_state: [], large_state: []}
        names = {small_state: "bench/A0", large_state: "bench/A73211"}
        points = {small_state: small_path / "m", large_state: large_path / "m"}
        for point in points.values():
            point.mkdir()
        for number in range(31):
            for state in times:
                os.environ["SECRETFS_STATE"] = state
                start = time.monotonic()
                run("secretfs", "mount", names[state], points[state])
                (points[state] / "S3").read_bytes()
                # The first of each starts its agent.
                if number:
                    times[state].append(time.monotonic() - start)
                run("secretfs", "unmount", points[state])
        run("secretfs", "agent", "--stop")
        os.environ["SECRETFS_STATE"] = small_state
        small, large = (statistics.median(times[state]) * 1000 for state in (small_state, large_state))
        return f"{large:.1f} ms against {small:.1f} ms: ratio {large / small:.2f}", large / small <= 1.2


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


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) / 1048576
    system = next(line for line in open("/etc/os-release") if line.startswith("PRETTY_NAME")).split('"')[1]
    return (f"{os.cpu_count()} processors ({model}), {memory:.0f} GiB, Linux {os.uname().release}, {system}, "
            f"load average at the start {os.getloadavg()[0]:.1f}")


def main():
    chosen = sys.argv[1:] or list(rows)
    unknown = [name for name in chosen if name not in rows]
    if unknown:
        sys.exit(f"no such row: {', '.join(unknown)}; there are {', '.join(rows)}")
    description = machine()
    lines = []
    for name in chosen:
        what, against, aim, measure = rows[name]
        print(f"{name}: {what}", flush=True)
        found, met = measure()
        print(f"    {found}   [{'met' if met else 'MISSED'}: {aim}]", flush=True)
        lines.append(f"| {what} | {against} | {aim} | {found} | {'yes' if met else '**no**'} |")
    if len(chosen) < len(rows):
        return
    template = Path("scripts/bench.d/BENCHMARKS.md.in").read_text()
    Path("docs/BENCHMARKS.md").write_text(
        template.replace("@MACHINE@", description).replace("@ROWS@", "\n".join(lines)))


main()
