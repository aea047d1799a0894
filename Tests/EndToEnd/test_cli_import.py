"""`secretfs import`: a `.env` file, all of it or nothing."""

import os
from pathlib import Path

import pytest
from support import ALGORITHM, Terminal, empty, environ, store  # noqa: F401 (fixtures)

PLANTED = b"planted-7f3a"


def imported(store, content: bytes, *options) -> dict[str, bytes]:
    store.does("import", ALGORITHM, "-", "--yes", *options, input=content)
    mount = store.mount()
    return {name: (mount / name).read_bytes() for name in sorted(os.listdir(mount)) if not name.startswith(".")}


def refused(store, content: bytes, status: int, *words: str, options=()):
    """Nothing of `content` may be there afterwards, not even the good lines."""
    before = store.json("secret", "list", ALGORITHM)
    outcome = store.run("import", ALGORITHM, "-", "--yes", *options, input=content)
    outcome.failed(status, *words)
    assert store.json("secret", "list", ALGORITHM) == before
    return outcome


def test_the_names_are_shown_and_never_the_values(store):
    store.create("OLD", b"1")
    (store.root / ".env").write_bytes(b"NEW=" + PLANTED + b"\nOLD=12345\n")
    outcome = store.run("import", ALGORITHM, ".env", "--dry-run")
    assert outcome.output == "create  NEW  12 bytes\nexists  OLD  5 bytes\n"
    outcome.failed(73, "already has OLD", "--update")
    preview = store.does("import", ALGORITHM, ".env", "--dry-run", "--update").output
    assert preview == "create  NEW  12 bytes\nupdate  OLD  5 bytes\nNothing was changed.\n"
    assert store.names() == ["OLD"]


def test_a_name_that_exists_refuses_the_whole_file(store):
    store.create("B", b"old")
    refused(store, b"A=1\nB=2\nC=3\n", 73, f"{ALGORITHM} already has B", "--update")
    assert imported(store, b"A=1\nB=2\nC=3\n", "--update") == {"A": b"1", "B": b"2", "C": b"3"}
    assert [secret["version"] for secret in store.json("secret", "list", ALGORITHM)] == [1, 2, 1]


@pytest.mark.parametrize(
    "line, reason",
    [
        (b"no equals sign", "line 3"),
        (b"=value", "line 3"),
        (b"1A=x", "line 3"),
        (b"A-B=x", "line 3"),
        (b"A B=x", "line 3"),
        (b"GOOD=again", "line 3: GOOD was given before"),
        (b"Q='unclosed", "line 3: the quote is not closed"),
        (b'Q="unclosed\\"', "line 3: the quote is not closed"),
        (b"Q='a' b", "line 3: there is more after the closing quote"),
        (b"N" * 256 + b"=x", "line 3"),
        (b"\xff\xfe=x", "line 3"),
        (b"A = x\nB\n", "line 4"),
        (b"export\n", "line 3"),
        (b"Z=a\0b", "Z cannot be an environment variable: it contains a NUL byte"),
        (b"Z=" + b"x" * 131_072, "Z cannot be an environment variable"),
    ],
)
def test_one_bad_line_refuses_the_whole_file(store, line, reason):
    refused(store, b"# comment\nGOOD=1\n" + line + b"\n", 65, reason)


def test_a_bad_line_is_named_and_not_shown(store):
    outcome = refused(store, b"A=1\n" + PLANTED + b" and more\n", 65, "line 2")
    assert "and more" not in repr(outcome)


def test_a_dangerous_name_refuses_the_whole_file(store):
    refused(store, b"A=1\nLD_PRELOAD=/x\nPATH=/y\n", 65, "LD_PRELOAD, PATH", "--allow-name LD_PRELOAD --allow-name PATH")
    refused(store, b"A=1\nLD_PRELOAD=/x\nPATH=/y\n", 65, "LD_PRELOAD", options=["--allow-name", "PATH"])
    assert imported(store, b"A=1\nPATH=/y\n", "--allow-name", "PATH") == {"A": b"1", "PATH": b"/y"}


def test_a_file_without_names_is_an_error(store):
    refused(store, b"", 65, "there is no NAME=value in the file")
    refused(store, b"# only a comment\n\n", 65, "there is no NAME=value in the file")


def test_quoting(store):
    assert imported(store, QUOTING) == {
        "PLAIN": b"value",
        "INDENTED": b"value",
        "EXPORTED": b"value",
        "SPACES": b"a b c",
        "HASH": b"a#b",
        "COMMENT": b"a",
        "EMPTY": b"",
        "EMPTY_QUOTES": b"",
        "EQUALS": b"a=b==c",
        "SINGLE": rb'a "b" $c \n # d',
        "DOUBLE": rb"""a 'b' "c" \ $d ` \x # e""",
        "LINES": b"one\ntwo\ttab",
        "SPAN": b"one\ntwo",
        "SPAN_SINGLE": b"one\ntwo",
        "DOLLAR": b"$HOME ${HOME} `id`",
        "UTF8": "Zürich".encode(),
        "BLANKS": b"around",
        "QUOTE_INSIDE": b"it's",
    }


QUOTING = r"""
# a comment
PLAIN=value
  INDENTED=value
export EXPORTED=value
SPACES=  a b c
HASH=a#b
COMMENT=a # not part of it
EMPTY=
EMPTY_QUOTES=""
EQUALS=a=b==c
SINGLE='a "b" $c \n # d'  # comment
DOUBLE="a 'b' \"c\" \\ \$d \` \x # e"
LINES="one\ntwo\ttab"
SPAN="one
two"
SPAN_SINGLE='one
two'
DOLLAR=$HOME ${HOME} `id`
UTF8=Zürich
BLANKS = around
QUOTE_INSIDE=it's
""".encode()


@pytest.mark.parametrize(
    "content, values",
    [
        (b"A=1\r\nB='2'\r\nC=\"3\"\r\n", {"A": b"1", "B": b"2", "C": b"3"}),
        (b"A=1", {"A": b"1"}),
        (b"A='x'", {"A": b"x"}),
        (b"A=", {"A": b""}),
        (b"\n\n\nA=1\n\n", {"A": b"1"}),
        (b"A=\xff\xfe\n", {"A": b"\xff\xfe"}),
        (b"a=1\nA=2\n", {"A": b"2", "a": b"1"}),
        (b"export=1\n", {"export": b"1"}),
        (b"\xef\xbb\xbfA=1\n", {"A": b"1"}),
    ],
    ids=["CRLF", "no newline", "quotes at the end", "nothing at the end", "empty lines", "bytes", "case", "export", "BOM"],
)
def test_files_of_other_editors(store, content, values):
    assert imported(store, content) == values


def test_values_of_a_file_only_import_may_hold_any_byte(store):
    assert imported(store, b"A='a\0b'\n", "--delivery", "file") == {"A": b"a\0b"}


def test_an_import_asks_on_a_terminal(store):
    (store.root / ".env").write_bytes(b"A=1\nB=2\n")
    for answer, names in [(b"n\n", []), (b"y\n", ["A", "B"])]:
        with Terminal(store, "import", ALGORITHM, ".env") as terminal:
            terminal.expect(b"Import 2 secret(s) into nlp/Summarizer? [y/N] ")
            terminal.type(answer)
            assert terminal.end() == (0 if names else 64)
        assert store.names() == names


def test_ten_thousand_names_come_in_at_once(store):
    """One transaction; the listing, `.environ` and every file are whole."""
    values = {f"NAME_{number:05}": b"value %d" % number for number in range(10_000)}
    lines = b"".join(b"%s=%s\n" % (name.encode(), value) for name, value in values.items())
    outcome = store.does("import", ALGORITHM, "-", "--yes", input=lines, timeout=20)
    assert outcome.output.endswith(f"Imported 10000 secret(s) into {ALGORITHM}.\n")
    assert store.names() == sorted(values)
    mount = store.mount()
    listing = os.listdir(mount)
    assert len(listing) == len(set(listing)) == 10_002
    assert set(listing) == {".environ", ".generation", *values}
    assert environ(mount) == values
    assert (mount / ".environ").stat().st_size == sum(len(name) + len(value) + 2 for name, value in values.items())
    for name in list(values)[:: 97]:
        assert (mount / name).read_bytes() == values[name]


def test_references_to_other_variables_are_stored_as_they_stand_and_that_is_said(store):
    outcome = store.does("import", ALGORITHM, "-", "--yes", input=b"A=${HOME}/x\nB='${C}'\nD=$plain\nE=1\n")
    assert "${...} in the value of A and 1 more is stored as it stands" in outcome.errors, outcome
    assert "create  E  1 byte\n" in outcome.output
    mount = store.mount()
    assert (mount / "A").read_bytes() == b"${HOME}/x" and (mount / "B").read_bytes() == b"${C}"


def test_a_folder_that_mount_made_goes_with_the_mount(store):
    store.create("A", b"1")
    point = Path(f"/run/secretfs/test-{os.getpid()}/deep")
    store.does("mount", ALGORITHM, point)
    assert (point / "A").read_bytes() == b"1"
    store.does("unmount", point)
    assert not point.parent.exists() and point.parent.parent.is_dir()
    kept = store.folder("kept")
    store.does("mount", ALGORITHM, kept)
    store.does("unmount", kept)
    assert kept.is_dir(), "a folder of somebody else's"
