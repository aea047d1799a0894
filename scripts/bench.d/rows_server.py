"""The server side by side with OpenBao: reads, durable updates, memory, and how long the slowest wait."""

import functools
import re
import statistics
import subprocess

from node_peers import followers, pushed
from server_peers import FEW, bao, ours
from stage import folder, percentile, row, run

CONNECTIONS = 64
ROUNDS = 5
SECONDS = 2


class Found:
    def __init__(self):
        self.rates, self.tails, self.resident = [], [], []

    @property
    def rate(self):
        """Requests per second."""
        return statistics.median(self.rates)

    @property
    def tail(self):
        """p99, in milliseconds."""
        return statistics.median(self.tails)

    @property
    def most(self):
        """The most resident memory that was seen right after a round, in MiB."""
        return max(self.resident)


UNITS = {"us": 0.001, "ms": 1, "s": 1000}


def loaded(side, method, paths, body, found):
    """One round of wrk."""
    with folder() as path:
        script = path / "load.lua"
        script.write_text(side.script(method, paths, body))
        text = run("wrk", "-t", 1, "-c", CONNECTIONS, "-d", f"{SECONDS}s", "--latency", "-s", script, side.url)
    assert "Non-2xx" not in text and "Socket errors" not in text, text
    found.rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]))
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    found.tails.append(float(number) * UNITS[unit])
    found.resident.append(side.resident())


@functools.cache
def reads():
    """Ours and theirs, by how many secrets an answer tells of."""
    found = {count: (Found(), Found()) for count in (1, FEW)}
    with ours() as us, bao(audited=False) as them:
        for _ in range(ROUNDS):
            for count, sides in found.items():
                for side, result in zip((us, them), sides):
                    loaded(side, *split(side.reads[count]), None, result)
    return found


@functools.cache
def updates():
    found = (Found(), Found())
    with ours() as us, bao(audited=True) as them:
        for _ in range(ROUNDS):
            for side, result in zip((us, them), found):
                loaded(side, *split(side.writes), side.body, result)
    return found


def split(request):
    method, *paths = request
    return method, paths


@row("metadata reads by API key, 64 connections, TLS: the secrets of an algorithm with one secret, and with 20",
     "OpenBao, KV v2 metadata of one secret, and detailed metadata of 20 (no audit device)", "≥ 2 times")
def api_reads():
    texts, ratios = [], []
    for count, (us, them) in reads().items():
        ratios.append(us.rate / them.rate)
        texts.append(f"{count}: {us.rate:,.0f}/s against {them.rate:,.0f}/s: ratio {ratios[-1]:.2f}")
    return "; ".join(texts), min(ratios) >= 2


@row("durable updates of a value by API, 64 connections, TLS, audit on",
     "OpenBao, KV v2 writes (raft on the same disk, file audit device)", "≥ 2 times")
def api_updates():
    us, them = updates()
    return f"{us.rate:,.0f}/s against {them.rate:,.0f}/s: ratio {us.rate / them.rate:.2f}", us.rate >= 2 * them.rate


@row("p99 under these loads", "OpenBao under the same", "≤ 1.0")
def api_tail():
    texts, ratios = [], []
    found = {"one": reads()[1], str(FEW): reads()[FEW], "updates": updates()}
    for name, (us, them) in found.items():
        ratios.append(us.tail / them.tail)
        texts.append(f"{name}: {us.tail:.1f} ms against {them.tail:.1f} ms")
    return "; ".join(texts), max(ratios) <= 1


@row("the server's resident memory, the most after rounds of these loads", "OpenBao's after the same", "≤ 0.5")
def api_memory():
    texts, ratios = [], []
    for name, pairs in (("reads", reads().values()), ("updates", [updates()])):
        us, them = (max(pair[side].most for pair in pairs) for side in (0, 1))
        ratios.append(us / them)
        texts.append(f"{name}: {us:.0f} MiB against {them:.0f} MiB: ratio {ratios[-1]:.2f}")
    return "; ".join(texts), max(ratios) <= 0.5


NODES = 200
PUSHES = 40


@row("push of an update to 200 connected nodes, from the start of the command until the node has it (p99)", "—", "≤ 250 ms")
def push():
    def change():
        command = subprocess.Popen(
            ["secretfs", "secret", "update", "bench/Followed", "ENTRY_7", "--value-file", "-"], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL)
        command.stdin.write(b"y" * 32)
        command.stdin.close()
        return command

    with followers(NODES) as nodes:
        times = [time * 1000 for _ in range(PUSHES) for time in pushed(nodes, change)]
    median, tail = statistics.median(times), percentile(times, 0.99)
    return f"{tail:.0f} ms, median {median:.0f} ms, of {len(times):,} arrivals", tail <= 250
