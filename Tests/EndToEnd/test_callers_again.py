"""One process that opens again and again is looked at each time: what was known of it may no longer be so."""

import json
import os
import subprocess

from callers_support import VALUE, cgroups, mount, rule  # noqa: F401 (fixture)
from support import COMMAND_DEADLINE, empty, environ, needs_root, store  # noqa: F401 (fixtures)

pytestmark = needs_root
BASH, DASH = os.path.realpath("/bin/bash"), os.path.realpath("/bin/dash")

# Opens its last argument with the shell's own open(2), in the shell's own process.
TRY = 'try() { if { read -r value || [ -n "$value" ]; } <"$file"; then echo "$value"; else echo denied; fi; }\n'


def answers(script: str, *arguments) -> list[str]:
    done = subprocess.run(
        [BASH, "-c", TRY + script, "bash", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=COMMAND_DEADLINE,
    )
    return done.stdout.split()


def test_a_process_that_leaves_its_cgroup_is_let_in_no_more_until_it_is_back(store, mount):  # noqa: F811
    name = f"secretfs-again-{os.getpid()}"
    with cgroups(store.root, name, f"{name}-beside") as point:
        rule(store, mount, "--cgroup", f"/{name}")
        script = """
            file=$1
            for group in "$2" "$2-beside" "$2" "$2-beside" "$2-beside" "$2"; do
                echo $$ >"$group/cgroup.procs"; try; try
            done
        """
        inside, beside = [VALUE.decode()] * 2, ["denied"] * 2
        assert answers(script, mount / "KEY", point / name) == [
            *inside, *beside, *inside, *beside, *beside, *inside,
        ]


def test_a_process_that_becomes_another_program_is_that_program(store, mount):  # noqa: F811
    rule(store, mount, "--exe", BASH)
    script = """
        file=$1; try; try
        exec "$2" -c 'file=$1; try() { if read -r value <"$file" || [ -n "$value" ]; then echo "$value"; else echo denied; fi; }
            try; try; exec "$2" -c "file=\\$1; { read -r value || [ -n \\"\\$value\\" ]; } <\\"\\$file\\" && echo \\$value" bash "$1"' \
            dash "$1" "$3"
    """
    value = VALUE.decode()
    assert answers(script, mount / "KEY", DASH, BASH) == [value, value, "denied", "denied", value]


def test_each_open_names_the_program_of_that_moment(store, mount):  # noqa: F811
    script = 'file=$1; try; exec "$2" -c "read -r value <\\"$1\\""'
    answers(script, mount / "FREE", DASH)
    lines = store.does("audit", "--json", "--action", "open", "--secret", "FREE").output.splitlines()
    records = [json.loads(line) for line in lines]
    programs = [record["executable"] for record in records]
    assert programs == [BASH, DASH]
    assert len({record["pid"] for record in records}) == 1
