"""What the store does: writing, sealing, rotating, verifying; and many secrets."""

import json
import os
import shutil
import statistics
import subprocess
import threading
import time

from stage import VALUE, folder, million, mount, nanoseconds, row, run, seconds, store


@row("durable create, one at a time", "bare SQLite insert with the same pragmas", "≥ 0.8")
def create():
    count = 2000
    ours, strict, theirs = [], [], []
    for _ in range(5):
        ours.append(created("create-batch", count))
        strict.append(created("create", count))
        with folder("/var/tmp") as path:
            theirs.append(json.loads(run("sqlite-peer", path, count))["rows_per_second"])
    ours, strict, theirs = map(statistics.median, (ours, strict, theirs))
    text = (f"{ours:.0f}/s against {theirs:.0f}/s: ratio {ours / theirs:.2f}, as in an agent (`batch`); "
            f"{strict:.0f}/s as by commands, whose audit lines have an fsync of their own: ratio {strict / theirs:.2f}")
    return text, ours / theirs >= 0.8


def created(how, count):
    """Creates per second."""
    with store("/var/tmp") as path:
        return count / json.loads(run("StoreBench", how, path / "state", count))["seconds"]


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


@row("`mount` until first read: store of 1,000,000 secrets in 100,000 algorithms", "the same with 10 secrets", "≤ 1.2")
def large():
    large_state = str(million())
    with store() as path:
        small_state = os.environ["SECRETFS_STATE"]
        run("StoreBench", "fill", small_state, 1, 10)
        times = {small_state: [], large_state: []}
        names = {small_state: "bench/A0", large_state: "bench/A73211"}
        points = {small_state: path / "m", large_state: path / "mlarge"}
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


def p99_of_reads(path, until):
    """The median, over rounds of a thousand reads with pauses of 300 µs, of their p99, in microseconds."""
    found = []
    while not until(len(found)):
        found += nanoseconds(run("open-read-close", "-g", 300, 1, path).splitlines(), "p99")
    return statistics.median(found) / 1000


@row("`key rotate` of 1,000,000 secrets (2,100,002 records) on a disk, while an entry is read every 300 µs",
     "the p99 of these reads when nothing is rotated", "≥ 50,000 secrets/s; p99 ≤ 2 times")
def rotation():
    with folder("/var/tmp") as path:
        state = path / "state"
        shutil.copytree(million(), state, ignore=shutil.ignore_patterns("*.sock", "agent*"))
        run("sync")
        os.environ["SECRETFS_STATE"] = str(state)
        mount("bench/A73211", path / "m")
        try:
            entry = path / "m" / "S3"
            idle = p99_of_reads(entry, lambda rounds: rounds == 15)
            start = time.monotonic()
            ended = []
            with subprocess.Popen(["secretfs", "key", "rotate"], stdout=subprocess.PIPE) as rotating:
                waiting = threading.Thread(target=lambda: ended.append((rotating.wait(), time.monotonic())))
                waiting.start()
                busy = p99_of_reads(entry, lambda _: bool(ended))
                waiting.join()
        finally:
            run("secretfs", "agent", "--stop", check=False)
        status, end = ended[0]
        assert status == 0
        rate = 1_000_000 / (end - start)
        text = f"{rate:,.0f} secrets/s; p99 {busy:.0f} µs against {idle:.0f} µs: ratio {busy / idle:.2f}"
        return text, rate >= 50_000 and busy <= 2 * idle


@row("`audit verify` of 1,000,000 lines, the whole command", "`openssl dgst -sha256` of the same files, for scale",
     "≥ 200 MB/s or ≥ 500,000 lines/s")
def verify():
    lines = 1_000_000
    with store() as path:
        run("StoreBench", "audit", path / "state", lines)
        files = list((path / "state").glob("audit.log*"))
        size = sum(file.stat().st_size for file in files)
        ours, scale = [], []
        for _ in range(7):
            ours.append(seconds("secretfs", "audit", "verify"))
            scale.append(seconds("openssl", "dgst", "-sha256", *files))
        ours, scale = statistics.median(ours), statistics.median(scale)
        text = f"{lines / ours:,.0f} lines/s, {size / ours / 1e6:,.0f} MB/s; openssl {size / scale / 1e6:,.0f} MB/s"
        return text, lines / ours >= 500_000 or size / ours >= 200e6


@row("1,000 `echo > value` of one shell in the admin mount", "durable creates by the library alone, one at a time (`batch`, as here)",
     "≥ 0.6")
def admin():
    count = 1000
    ours, theirs = [], []
    for _ in range(5):
        with store("/var/tmp") as path:
            theirs.append(count / json.loads(run("StoreBench", "create-batch", path / "state", count))["seconds"])
            (path / "m").mkdir()
            run("secretfs", "mount", "--admin", path / "m")
            secret = path / "m" / "algorithms" / "bench" / "admin" / "TOKEN"
            secret.mkdir(parents=True)
            loop = f'for ((i = 0; i < {count}; i++)); do echo "value $i" > "$1" || exit; done'
            ours.append(count / seconds("bash", "-c", loop, "bash", secret / "value"))
            assert int((secret / "version").read_text()) == count
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    return f"{ours:,.0f}/s against {theirs:,.0f}/s: ratio {ours / theirs:.2f}", ours / theirs >= 0.6
