"""Measures and writes docs/BENCHMARKS.md. Called by scripts/bench, which builds what it runs.

Each row is one function: it sets the stage, runs both sides in turn in one run, and returns what it found.
"""

import os
import sys
from pathlib import Path

import rows_mount  # noqa: F401 (its rows come first)
import rows_store  # noqa: F401
import rows_server  # noqa: F401
import rows_providers  # noqa: F401
from stage import rows


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
