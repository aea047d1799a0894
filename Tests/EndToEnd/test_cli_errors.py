"""What commands say and exit with when they cannot do what they are asked: an interface."""

import json
import os

import pytest
from support import ALGORITHM, OTHER_UID, empty, needs_root, store  # noqa: F401 (fixtures)

USAGE, BAD_INPUT, NOT_FOUND, UNAVAILABLE, DAMAGED, EXISTS, IO, DENIED, SEALED = 64, 65, 66, 69, 70, 73, 74, 77, 78


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["--bogus"],
        ["secret", "bogus"],
        ["secret", "create", ALGORITHM],
        ["secret", "list", ALGORITHM, "--jsonn"],
        ["mount", ALGORITHM],
        ["mount", ALGORITHM, "m", "--no-such-option"],
        ["run", ALGORITHM],
        ["run", ALGORITHM, "--"],
        ["agent", "--exit-when-idle", "0"],
        ["init", "--passphrase", "--credential", "x"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_a_usage_error(empty, arguments):
    outcome = empty.run(*arguments)
    outcome.failed(USAGE, "secretfs: hint: ")
    assert outcome.output == ""
    assert not empty.state.exists()


def test_a_delete_without_a_terminal_needs_yes(store):
    store.create("A", b"1")
    store.run("secret", "delete", ALGORITHM, "A").failed(USAGE, "cannot be undone", "--yes")
    store.run("algorithm", "delete", ALGORITHM).failed(USAGE, "cannot be undone", "--yes")
    assert store.names() == ["A"]


@pytest.mark.parametrize(
    "name, reason",
    [
        ("", "it is empty"),
        ("1A", "must start with a letter"),
        ("_A", "must start with a letter"),
        ("A-B", "only letters, digits and underscores"),
        ("A B", "only letters, digits and underscores"),
        ("A=B", "only letters, digits and underscores"),
        ("A/B", "only letters, digits and underscores"),
        (".A", "must start with a letter"),
        ("..", "must start with a letter"),
        ("ÄA", "must start with a letter"),
        ("AÄ", "only letters, digits and underscores"),
        ("A\nB", "only letters, digits and underscores"),
        ("A\x1b[31m", "only letters, digits and underscores"),
    ],
)
def test_a_name_that_no_variable_can_have_is_refused(store, name, reason):
    outcome = store.run("secret", "create", ALGORITHM, name, input=b"1")
    said = outcome.failed(BAD_INPUT, "the environment variable name is not valid", reason)
    assert "\x1b" not in said, "a control character reached the terminal"
    assert store.names() == []


def test_names_have_at_most_255_bytes(store):
    store.create("N" * 255, b"long name")
    said = store.run("secret", "create", ALGORITHM, "N" * 256, input=b"1").failed(BAD_INPUT, "256 bytes; at most 255")
    assert "N" * 256 not in said, "the name is not cut"
    assert store.names() == ["N" * 255]
    mount = store.mount()
    assert os.listdir(mount)[2:] == ["N" * 255]
    assert (mount / ("N" * 255)).read_bytes() == b"long name"
    with pytest.raises(FileNotFoundError):
        (mount / ("N" * 256)).read_bytes()


@pytest.mark.parametrize("name", ["nlp", "/x", "nlp/", "nlp/x/y", "nlp/.x", "../x", "nlp/x y", "nlp/" + "x" * 65, ""])
def test_a_name_that_no_algorithm_can_have_is_refused(empty, name):
    empty.does("init")
    empty.run("algorithm", "create", "--", name).failed(BAD_INPUT, "the algorithm name is not valid")
    assert empty.json("algorithm", "list") == []


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "PYTHONPATH", "GIT_SSH_COMMAND", "BASH_ENV", "NODE_OPTIONS"])
def test_a_dangerous_name_needs_to_be_insisted_on(store, name):
    said = store.run("secret", "create", ALGORITHM, name, input=b"1").failed(BAD_INPUT, name, "run other code")
    assert f"--allow-name {name}" in said
    store.run("secret", "create", ALGORITHM, name, "--allow-name", "OTHER", input=b"1").failed(BAD_INPUT)
    assert store.names() == []
    store.create(name, b"1", "--allow-name", name)
    assert store.names() == [name]


@pytest.mark.parametrize(
    "option, value, reason",
    [
        ("--name", "", "it is empty"),
        ("--name", "x" * 129, "129 bytes; at most 128"),
        ("--name", "a\nb", "line breaks"),
        ("--description", "x" * 1025, "1025 bytes; at most 1024"),
        ("--description", "\u202e", "line breaks and control characters"),
        ("--delivery", "pigeon", "env or file"),
    ],
)
def test_labels_are_checked_before_anything_is_made(store, option, value, reason):
    store.run("secret", "create", ALGORITHM, "A", option, value, input=b"1").failed(BAD_INPUT, reason)
    assert store.names() == []


def test_what_does_not_exist_is_named(store):
    store.create("A", b"1")
    store.run("secret", "show", ALGORITHM, "B").failed(NOT_FOUND, f"{ALGORITHM} has no secret B", "secret list")
    store.run("secret", "update", ALGORITHM, "B", input=b"1").failed(NOT_FOUND, f"{ALGORITHM} has no secret B")
    store.run("secret", "delete", ALGORITHM, "B", "--yes").failed(NOT_FOUND, f"{ALGORITHM} has no secret B")
    for command in [
        ["secret", "create", "no/one", "A"],
        ["secret", "list", "no/one"],
        ["algorithm", "show", "no/one"],
        ["algorithm", "delete", "no/one", "--yes"],
        ["import", "no/one", "-"],
    ]:
        store.run(*command, input=b"A=1").failed(NOT_FOUND, "there is no algorithm no/one", "algorithm create no/one")
    store.run("secret", "create", ALGORITHM, "B", "--value-file", "nowhere").failed(NOT_FOUND, "the file cannot be read")
    store.run("import", ALGORITHM, "nowhere").failed(NOT_FOUND, "the file cannot be read")


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["algorithm", "list"],
        ["secret", "list", ALGORITHM],
        ["algorithm", "create", ALGORITHM],
        ["import", ALGORITHM, "-"],
        ["mount", ALGORITHM, "mount"],
        ["run", ALGORITHM, "--", "true"],
        ["agent"],
    ],
    ids=" ".join,
)
def test_without_a_store_every_command_says_how_to_make_one(empty, command):
    empty.folder()
    empty.run(*command).failed(NOT_FOUND, f"there is no store in {empty.state}", "secretfs init", "--state DIR")
    assert not empty.mounts and not empty.agents


def test_what_exists_is_not_replaced(store):
    store.create("A", b"1")
    store.run("init").failed(EXISTS, f"there is a store in {store.state}")
    store.run("algorithm", "create", ALGORITHM).failed(EXISTS, f"algorithm {ALGORITHM} exists")
    store.run("secret", "create", ALGORITHM, "A", input=b"2").failed(EXISTS, "already has A", "secret update")
    assert store.json("secret", "show", ALGORITHM, "A")["version"] == 1


def test_unmounting_what_is_not_mounted_says_so(store):
    folder = store.folder()
    store.run("unmount", folder).failed(NOT_FOUND, f"nothing of ours is mounted at {folder}", "secretfs mounts")
    store.run("unmount", "/proc").failed(NOT_FOUND, "nothing of ours is mounted at /proc")
    store.run("unmount", folder / "missing").failed(NOT_FOUND)


@pytest.mark.parametrize("mode", ["0600", "0", "0500", "rw", "0777", "444444"])
def test_a_mode_that_is_not_read_only_is_refused(store, mode):
    store.run("mount", ALGORITHM, store.folder(), f"--mode={mode}").failed(BAD_INPUT, "is not a mode of a read-only file")
    assert not store.mounts


def test_mounting_an_algorithm_that_does_not_exist_leaves_nothing(store):
    store.run("mount", "no/one", store.folder()).failed(NOT_FOUND, "there is no algorithm no/one")
    assert not store.mounts


@needs_root
def test_another_user_may_not_use_the_store(store):
    store.mount()
    before = ["setpriv", "--reuid", str(OTHER_UID), "--regid", str(OTHER_UID), "--clear-groups"]
    for command in [["status"], ["algorithm", "list"], ["agent", "--stop"], ["run", ALGORITHM, "--", "true"]]:
        store.run(*command, before=before).failed(DENIED)
    # Whoever asks is told of their own mounts, of which there are none.
    rows = json.loads(store.does("mounts", "--json", before=before).output)
    assert all(row["state"] in ("other", "dead") and "algorithm" not in row for row in rows)
    store.run("unmount", store.root / "mount", before=before).failed(DENIED)
    assert store.mounts


def test_a_reader_that_leaves_does_not_stop_a_change(store):
    read, write = os.pipe()
    os.close(read)
    process = store.start("secret", "create", ALGORITHM, "A", "--value-file", "/dev/null", stdout=write)
    os.close(write)
    process.wait(timeout=60)
    assert store.names() == ["A"]


@pytest.mark.parametrize(
    "words",
    [
        ["hunter2-secret"],
        ["X=hunter2-secret"],
        ["-----BEGIN hunter2-secret"],
        ["it's 'hunter2-secret' here"],
        ["--value=hunter2-secret"],
        ["--delivery=env", "hunter2-secret", "more"],
    ],
)
def test_a_value_typed_in_the_wrong_place_is_not_repeated(store, words):
    # > Errors about the command line and about `.env` files do not repeat what was given, since it may be a value in the wrong place. — SECURITY.md#promises
    outcome = store.run("secret", "create", ALGORITHM, "NAME", *words, input=b"x")
    assert outcome.status == 64
    assert "hunter2" not in outcome.errors + outcome.output


@pytest.mark.parametrize("tail", [b"9hunter2SecretTail==", b"hunter2SecretTail==", b"hunter2/SecretTail"])
def test_the_tail_of_an_unquoted_value_is_not_repeated(store, tail):
    outcome = store.run("import", ALGORITHM, "-", "--yes", input=b"TOKEN=abc\n" + tail + b"\n")
    assert outcome.status == 65
    assert "hunter2" not in outcome.errors + outcome.output
    assert store.names() == []


@pytest.mark.parametrize(
    ("words", "path", "hint"),
    [
        ("statsu", "secretfs", "did you mean secretfs status?"),
        ("secret crate nlp/Summarizer planted-3e91", "secretfs secret", "did you mean secretfs secret create?"),
        ("audit --json veryfy", "secretfs audit", "did you mean secretfs audit verify?"),
        ("secret get nlp/Summarizer A", "secretfs secret", "no command shows a value"),
        ("zzzzzzzz", "secretfs", "secretfs --help"),
    ],
)
def test_a_command_that_does_not_exist_is_answered_with_those_that_do(empty, words, path, hint):
    said = empty.run(*words.split()).failed(USAGE, f"{path} has no such command: ", hint)
    assert "planted-3e91" not in said and "zzzz" not in said
