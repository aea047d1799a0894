"""Every command says what it does, and how to call it; shells can complete it."""

import re
import subprocess

import pytest
from support import empty  # noqa: F401 (fixture)

COMMANDS = [
    ["init"], ["status"], ["doctor"], ["backup"], ["restore"],
    ["algorithm"], ["algorithm", "create"], ["algorithm", "list"], ["algorithm", "show"], ["algorithm", "delete"],
    ["secret"], ["secret", "create"], ["secret", "update"], ["secret", "list"], ["secret", "show"], ["secret", "delete"],
    ["secret", "history"], ["secret", "rollback"], ["secret", "destroy"], ["grant"], ["revoke"], ["visible"],
    ["callers"],
    ["key"], ["key", "status"], ["key", "rotate"], ["root-key"], ["root-key", "rotate"], ["root-key", "change"],
    ["seal"], ["unseal"],
    ["audit"], ["audit", "show"], ["audit", "verify"], ["audit", "unused"], ["audit", "rotate"], ["audit", "settings"],
    ["user"], ["user", "create"], ["user", "list"], ["user", "show"], ["user", "update"], ["user", "password"], ["user", "delete"],
    ["api-key"], ["api-key", "create"], ["api-key", "list"], ["api-key", "revoke"],
    ["mounters"], ["admin"], ["admin", "add"], ["admin", "remove"], ["admin", "list"],
    ["import"], ["run"], ["mount"], ["unmount"], ["mounts"], ["agent"], ["serve"], ["ca"], ["ca", "show"],
    ["node"], ["node", "token"], ["node", "token", "create"], ["node", "enroll"], ["node", "list"], ["node", "show"],
    ["node", "allow"], ["node", "disallow"], ["node", "set"], ["node", "revoke"], ["node", "delete"],
    ["provider"], ["provider", "create"], ["provider", "update"], ["provider", "list"], ["provider", "show"],
    ["provider", "test"], ["provider", "default"], ["provider", "delete"], ["secret", "refer"],
]  # fmt: skip


def subcommands(help: str) -> set[str]:
    """The names in the SUBCOMMANDS sections of a help text."""
    found, is_inside = set(), False
    for line in help.splitlines():
        if line.endswith("SUBCOMMANDS:"):
            is_inside = True
        elif not line:
            is_inside = False
        elif is_inside and (match := re.match(r"  ([\w-]+) ", line)):
            found.add(match[1])
    return found


def test_every_command_is_listed_and_no_other(empty):
    assert subcommands(empty.does("--help").output) == {command[0] for command in COMMANDS}
    for group in ["algorithm", "secret", "key", "root-key", "audit", "admin", "user", "api-key", "node", "provider"]:
        inner = {command[1] for command in COMMANDS if len(command) == 2 and command[0] == group}
        assert subcommands(empty.does(group, "--help").output) == inner


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_a_sentence_and_the_usage(empty, command):
    outcome = empty.does(*command, "--help")
    overview = re.match(r"OVERVIEW: (.+?)\n\n", outcome.output, re.DOTALL)
    assert overview, outcome
    assert overview[1].replace("\n", " ").count(".") >= 1 and overview[1].rstrip().endswith(".")
    assert f"USAGE: secretfs {' '.join(command)} " in outcome.output
    assert outcome.errors == ""
    assert empty.does("help", *command).output.strip() == outcome.output.strip()


@pytest.mark.parametrize("command", ["init", "import", "run", "mount", "unmount", "agent", "secret create", "secret update", "algorithm create", "algorithm show"])
def test_help_of_what_takes_arguments_has_an_example(empty, command):
    assert re.search(rf"Examples?:(\n  .*)*\n  (.*\| )?secretfs {command}", empty.does(*command.split(), "--help").output)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_lines_of_help_fit_a_terminal_and_are_filled(empty, command):
    """A paragraph that was folded twice has short lines in its middle."""
    lines = empty.does(*command, "--help", env={"COLUMNS": "80"}).output.splitlines()
    prose = lines[: next(index for index, line in enumerate(lines) if line.startswith("USAGE"))]
    for line, following in zip(prose, prose[1:]):
        assert len(line) <= 80
        is_paragraph = line and following and not line.startswith("  ") and not following.startswith("  ")
        if is_paragraph and not following.startswith("Example"):
            word = following.split(" ")[0]
            assert len(line) + 1 + len(word) > 72, f"folded early: {line!r} then {following!r}"


def test_the_version_is_a_version(empty):
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", empty.does("--version").output)


def test_no_command_shows_the_help(empty):
    outcome = empty.does()
    assert "USAGE: secretfs <subcommand>" in outcome.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_made_for(empty, shell):
    script = empty.does("--generate-completion-script", shell).output
    assert "algorithm" in script and "--value-file" in script or "value-file" in script


def test_bash_takes_the_completions(empty):
    script = empty.root / "completions"
    script.write_text(empty.does("--generate-completion-script", "bash").output)
    program = f"""
        source {script}
        COMP_WORDS=(secretfs s) COMP_CWORD=1 COMP_LINE="secretfs s" COMP_POINT=10
        _secretfs secretfs s secretfs
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    said = subprocess.run(["bash", "-c", program], env={"PATH": f"{empty.binary.parent}:/usr/bin:/bin"}, capture_output=True, timeout=60)
    assert {line.strip() for line in said.stdout.decode().splitlines()} >= {"status", "secret"}, said
