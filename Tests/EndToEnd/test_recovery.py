"""The disaster drill: every command of docs/RECOVERY.md, in its order, as root on folders of its own."""

import re
import subprocess

from conftest import PLANTED, REPOSITORY
from support import needs_root, temporary_store

pytestmark = needs_root
PAGE = REPOSITORY / "docs/RECOVERY.md"
SHOW = """test "$MYSQL_PASSWORD" = '%s'""" % PLANTED.decode()

# What happens before the commands of a section, and what must hold after them.
BEFORE = {
    "The machine is lost": "secretfs agent --stop; rm -rf /var/lib/secretfs",
    "The store is damaged": "secretfs agent --stop; rm -f /var/lib/secretfs/store.db-*; head -c 4096 /dev/urandom | dd of=/var/lib/secretfs/store.db bs=4096 seek=1 conv=notrunc status=none\n"
    "! secretfs doctor >/dev/null || { echo 'no damage was seen'; exit 1; }",
    "Something was deleted": "secretfs secret delete nlp/Summarizer MYSQL_PASSWORD --yes",
}
HOLDS = f"secretfs run nlp/Summarizer -- sh -c '{SHOW.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'"


def sections() -> list[tuple[str, list[str]]]:
    """Headings and the lines of their shell blocks."""
    found: list[tuple[str, list[str]]] = []
    is_inside = False
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            found.append((line[3:], []))
        elif line.startswith("```"):
            is_inside = line == "```sh"
        elif is_inside:
            found[-1][1].append(line)
    return [(heading, lines) for heading, lines in found if lines]


def drill() -> str:
    """A script: a store with one secret, then the page, and after each section a look at the value."""
    steps = [
        "mount --make-rprivate /",
        # What others left on this machine is not this one's business.
        "awk '$3 ~ /^fuse.secretfs/ { print $2 }' /proc/self/mounts | xargs -r umount --lazy",
        *(f"mount -t tmpfs none {folder}" for folder in ["/var/lib", "/mnt"]),
        "mkdir /mnt/backup; mkdir -m 0700 /mnt/safe",
        "secretfs init",
        "secretfs algorithm create nlp/Summarizer",
        f"printf %s {PLANTED.decode()} | secretfs secret create nlp/Summarizer MYSQL_PASSWORD",
    ]
    for heading, lines in sections():
        steps += [f"echo '## {heading}'", BEFORE.get(heading, ":")]
        for line in lines:
            steps += [f"cat <<'LINE'\n$ {line}\nLINE", line]
        steps.append(HOLDS)
    return "\n".join(["set -eu", "trap 'secretfs agent --stop >/dev/null 2>&1' EXIT", *steps, "echo 'the drill is over'"])


# > A test runs each command of this page, in its order, on a machine of its own. — docs/RECOVERY.md#recovery
def test_the_disaster_drill_of_the_page_brings_every_value_back(binaries):
    assert set(BEFORE) <= {heading for heading, _ in sections()}
    with temporary_store(binaries) as store:
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-c", drill()],
            env={"PATH": f"{binaries}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(store.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=200,
        )
    said = done.stdout.decode()
    assert done.returncode == 0 and "the drill is over" in said, said
    assert PLANTED not in done.stdout
    assert said.count("every record") >= 2, said


def test_the_page_says_what_cannot_be_recovered():
    assert re.search(r"\*\*Without the root key the store is lost\.\*\*", PAGE.read_text())
