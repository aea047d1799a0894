"""The shim's command line."""

import subprocess

import pytest
from conftest import ENV, PLANTED

BOTH = {b"A": b"1", b"B": b"2", b"C": b"3"}


def test_only_takes_what_it_names(shim, environ):
    assert shim.environment(environ(BOTH), "--only", "A,C").variables == {b"A": b"1", b"C": b"3"}


def test_only_may_name_what_is_not_there(shim, environ):
    assert shim.environment(environ(BOTH), "--only=A,NONE").variables == {b"A": b"1"}


def test_names_can_be_given_bit_by_bit(shim, environ):
    assert shim.environment(environ(BOTH), "--only", "A", "--only=B").variables == {b"A": b"1", b"B": b"2"}


def test_require_is_content_with_what_is_there(shim, environ):
    assert shim.environment(environ(BOTH), "--require", "A,B", "--require=C").variables == BOTH


def test_require_fails_before_the_program_starts(shim, environ):
    directory = environ(BOTH)
    shim.environment(directory, "--require", "A,D").refused("required variable “D”", f"ls “{str(directory)[:90]}")
    (directory / "D").write_bytes(PLANTED)
    shim.environment(directory, "--require", "A,D").refused("required variable “D”", "to be read as a file only")


def test_an_inherited_variable_does_not_satisfy_require(shim, environ):
    shim.environment(environ(BOTH), "--require", "D", env={"D": "x"}).refused("required variable “D”")


def test_require_counts_variables_as_the_program_sees_them(shim, environ):
    directory = environ(BOTH)
    options = ["--rename", "NEW=A", "--prefix", "P_", "--require"]
    assert shim.environment(directory, *options, "NEW,P_B").variables[b"NEW"] == b"1"
    shim.environment(directory, *options, "A").refused("required variable “A”")


def test_require_does_not_count_what_only_leaves_out(shim, environ):
    shim.environment(environ(BOTH), "--only", "A", "--require", "B").refused("required variable “B”")


def test_a_prefix_stands_before_all_but_renamed_entries(shim, environ):
    variables = shim.environment(environ(BOTH), "--prefix", "APP_", "--rename", "TOKEN=B").variables
    assert variables == {b"APP_A": b"1", b"TOKEN": b"2", b"APP_C": b"3"}


def test_rename_also_takes_what_only_leaves_out(shim, environ):
    variables = shim.environment(environ(BOTH), "--only", "A", "--rename", "TOKEN=B").variables
    assert variables == {b"A": b"1", b"TOKEN": b"2"}


def test_names_can_be_exchanged(shim, environ):
    variables = shim.environment(environ(BOTH), "--rename", "A=B", "--rename", "B=A").variables
    assert variables == {b"A": b"2", b"B": b"1", b"C": b"3"}


def test_a_missing_entry_cannot_be_renamed(shim, environ):
    shim.environment(environ(BOTH), "--rename", "A2=NONE").refused("no entry “NONE”")
    shim.environment(environ(BOTH, "other"), "--rename", "A=NONE").refused("no entry “NONE”")


def test_two_entries_cannot_become_one_variable(shim, environ):
    shim.environment(environ(BOTH), "--rename", "A=B").refused("two entries would become “A”")


def test_clear_leaves_only_what_keep_names(shim, environ):
    inherited = {"HOME": "/h", "LANG": "C", "X": "1", "A": "inherited"}
    variables = shim.environment(environ(BOTH), "--clear", "--keep", "HOME,LANG", env=inherited).variables
    assert variables == {**BOTH, b"HOME": b"/h", b"LANG": b"C"}


def test_clear_alone_leaves_nothing(shim, environ):
    assert shim.environment(environ(BOTH), "--clear", env={"X": "1"}).variables == BOTH


def test_a_kept_variable_is_replaced_unless_inherited_ones_win(shim, environ):
    directory, inherited = environ(BOTH), {"A": "inherited"}
    assert shim.environment(directory, "--clear", "--keep=A", env=inherited).variables == BOTH
    options = ["--clear", "--keep=A", "--keep-inherited"]
    assert shim.environment(directory, *options, env=inherited).variables == {**BOTH, b"A": b"inherited"}


DANGEROUS = ["LD_PRELOAD", "LD_ANYTHING", "PATH", "IFS", "BASH_ENV", "PYTHONPATH", "NODE_OPTIONS", "HOME", "GIT_SSH_COMMAND"]


@pytest.mark.parametrize("name", DANGEROUS)
@pytest.mark.parametrize("kind", ["environ", "plain"])
def test_a_dangerous_name_is_refused_unless_allowed(shim, request, name, kind):
    make = request.getfixturevalue(kind)
    directory = make({name.encode(): PLANTED})
    shim.environment(directory).refused(f"“{name}”", "run other code", f"--allow-name {name}")
    shim.environment(directory, "--allow-name", "OTHER").refused(f"“{name}”")
    # Without a value, lest the loader tells of it.
    directory = make({name.encode(): b""}, "allowed")
    assert shim.environment(directory, "--allow-name", f"OTHER,{name}").variables == {name.encode(): b""}


def test_the_name_that_the_program_sees_is_the_dangerous_one(shim, environ):
    directory = environ({b"PATH": b"x", b"RELOAD": b"y"})
    assert shim.environment(directory, "--rename", "WAY=PATH").variables == {b"WAY": b"x", b"RELOAD": b"y"}
    shim.environment(directory, "--prefix", "LD_P").refused("would set LD_PPATH")
    shim.environment(directory, "--only=A", "--rename", "LD_PRELOAD=RELOAD").refused("would set LD_PRELOAD")


def test_the_directory_defaults_to_a_variable(shim, environ):
    directory = environ({b"KEY": b"1"})
    variables = shim.run("--", *ENV, env={"SECRETFS_DIRECTORY": str(directory)}).variables
    assert variables == {b"SECRETFS_DIRECTORY": str(directory).encode(), b"KEY": b"1"}


def test_options_may_follow_the_directory(shim, environ):
    assert shim.run(environ(BOTH), "--only", "A", "--", *ENV).variables == {b"A": b"1"}


def test_what_follows_the_dashes_is_the_programs_own(shim, environ):
    outcome = shim.run(environ(BOTH), "--", "/bin/echo", "--help", "--", "--only", "")
    assert outcome.output == b"--help -- --only \n"


MISTAKES = [
    ([], "no -- with a program", "for example"),
    (["DIR"], "no -- with a program", "for example"),
    (["DIR", "--"], "no program after --", "for example"),
    (["DIR", "env"], "two directories", "put -- before"),
    (["", "--", "env"], "name is empty", "for example"),
    (["--chmop", "DIR", "--", "env"], "no option --chmop", "did you mean --chomp?"),
    (["--renam=A=B", "DIR", "--", "env"], "no option --renam", "did you mean --rename?"),
    (["--something-else", "DIR", "--", "env"], "no option --something-else", "--help"),
    (["-x", "DIR", "--", "env"], "no option -x", "--help"),
    (["--pasword=" + PLANTED.decode(), "DIR", "--", "env"], "no option --pasword", "--help"),
    (["--chomp=yes", "DIR", "--", "env"], "--chomp takes no value", "--help"),
    (["--only", "--", "env"], "--only needs a value", "--help"),
    (["--only"], "--only needs a value", "--help"),
    (["--only=", "DIR", "--", "env"], "--only needs a value", "--help"),
    (["--only", "A,,B", "DIR", "--", "env"], "“” in --only is not a name", "--only A,B"),
    (["--only", "../A", "DIR", "--", "env"], "“../A” in --only is not a name", "--only A,B"),
    (["--only", ".hidden", "DIR", "--", "env"], "“.hidden” in --only is not a name", "--only A,B"),
    (["--require", "a-b", "DIR", "--", "env"], "“a-b” in --require is not a name", "--require A,B"),
    (["--keep", "A", "DIR", "--", "env"], "--keep goes with --clear", "without --clear"),
    (["--allow-name", "LD_*", "DIR", "--", "env"], "“LD_*” in --allow-name is not a name", "A,B"),
    (["--allow-name", "A=" + PLANTED.decode(), "DIR", "--", "env"], "“A” in --allow-name is not", "A,B"),
    (["--prefix", "1", "DIR", "--", "env"], "“1” in --prefix is not a name", ""),
    (["--rename", "A", "DIR", "--", "env"], "--rename needs NEW=OLD", "for example"),
    (["--rename", "A=", "DIR", "--", "env"], "--rename needs NEW=OLD", "for example"),
    (["--rename", "a-b=A", "DIR", "--", "env"], "--rename needs NEW=OLD", "for example"),
    (["--rename", "A=../B", "DIR", "--", "env"], "--rename needs NEW=OLD", "for example"),
    (["--rename", "A=B", "--rename", "C=B", "DIR", "--", "env"], "names the entry “B” twice", "one variable"),
]


@pytest.mark.parametrize("arguments, words, hint", MISTAKES)
def test_a_mistake_is_named_with_a_next_step(shim, environ, arguments, words, hint):
    directory = str(environ(BOTH))
    errors = shim.run(*[directory if argument == "DIR" else argument for argument in arguments]).refused(words)
    assert hint in errors.split("hint: ", 1)[1]


def test_help_has_every_option_and_examples(shim):
    outcome = shim.run("--help")
    assert outcome.status == 0 and outcome.errors == ""
    for option in "--chomp --keep-inherited --only --require --rename --prefix --clear --keep --allow-name".split():
        assert option in outcome.output.decode()
    assert b"Examples:\n" in outcome.output and b"secretfs-env /run/secretfs/summarizer -- " in outcome.output
    assert all(len(line) <= 100 for line in outcome.output.splitlines())
    assert shim.run("-h").output == outcome.output


def test_help_that_cannot_be_written_is_an_error(shim):
    with open("/dev/full", "wb") as full:
        process = subprocess.run([shim.binary, "--help"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert process.returncode == 125 and b"standard output cannot be written" in process.stderr


def test_version_is_one_line(shim):
    outcome = shim.run("--version")
    assert outcome.status == 0 and outcome.output.startswith(b"secretfs-env ") and outcome.output.count(b"\n") == 1
