"""How values get in: standard input, a file, a terminal without echo. Never through an argument."""

import os
import signal
import termios

import pytest
from support import ALGORITHM, Terminal, empty, store  # noqa: F401 (fixtures)

PLANTED = b"planted-7f3a"


def value(store, name="A") -> bytes:
    mount = store.root / "mount"
    if not os.path.ismount(mount):
        store.mount()
    return (mount / name).read_bytes()


@pytest.mark.parametrize("content", [b"", b"x", b"\n", b"x\n", b"x\n\n", b"\r\n", b" x ", b"\xff\xfe", b"a\nb"])
def test_standard_input_is_taken_byte_by_byte(store, content):
    store.create("A", content)
    assert value(store) == content


def test_standard_input_that_nobody_named_may_not_be_empty(store):
    store.run("secret", "create", ALGORITHM, "A", input=b"").failed(65, "standard input was empty", "--value-file")
    assert store.names() == []


def test_a_newline_at_the_end_is_kept_and_said(store):
    outcome = store.does("secret", "create", ALGORITHM, "A", input=PLANTED + b"\n")
    assert outcome.errors == "secretfs: hint: the value ends with a newline, which is kept; without it: --chomp, or printf %s\n"
    assert value(store) == PLANTED + b"\n"


@pytest.mark.parametrize(
    "content, kept", [(b"x\n", b"x"), (b"x\n\n", b"x\n"), (b"x", b"x"), (b"\n", b""), (b"x\r\n", b"x\r")]
)
def test_chomp_drops_one_newline(store, content, kept):
    outcome = store.does("secret", "create", ALGORITHM, "A", "--chomp", input=content)
    assert outcome.errors == ""
    assert value(store) == kept


def test_a_value_comes_from_a_file(store):
    (store.root / "key.pem").write_bytes(PLANTED + b"\nsecond line\n")
    store.does("secret", "create", ALGORITHM, "A", "--value-file", "key.pem")
    store.does("secret", "create", ALGORITHM, "B", "--value-file", store.root / "key.pem", "--chomp")
    store.does("secret", "create", ALGORITHM, "C", "--value-file", "-", input=b"dash")
    assert value(store, "A") == PLANTED + b"\nsecond line\n"
    assert value(store, "B") == PLANTED + b"\nsecond line"
    assert value(store, "C") == b"dash"


def test_a_folder_is_not_a_value(store):
    store.run("secret", "create", ALGORITHM, "A", "--value-file", store.root).failed(74, "Is a directory")
    assert store.names() == []


def test_a_value_that_is_an_argument_is_not_taken(store):
    said = store.run("secret", "create", ALGORITHM, "A", "s3cret").failed(64)
    assert store.names() == []
    assert "secretfs: hint: " in said


# Terminals


def test_a_value_typed_on_a_terminal_is_not_echoed(store):
    with Terminal(store, "secret", "create", ALGORITHM, "A") as terminal:
        terminal.expect(b"Value of A: ")
        terminal.type(PLANTED + b"\n")
        assert terminal.end() == 0
        assert PLANTED not in terminal.shown
        assert b"Created A of nlp/Summarizer: version 1, 12 bytes." in terminal.shown
        assert termios.tcgetattr(terminal.slave)[3] & termios.ECHO, "the terminal stays without echo"
    assert value(store) == PLANTED


def test_an_empty_line_and_the_end_of_input_are_no_value(store):
    store.create("OLD", b"old")
    for command, name in [("create", "A"), ("update", "OLD")]:
        for typed in [b"\n", b"\x04"]:
            with Terminal(store, "secret", command, ALGORITHM, name) as terminal:
                terminal.expect(b"Value of ")
                terminal.type(typed)
                assert terminal.end() == 65
                assert b"nothing was typed" in terminal.shown and b"--value-file /dev/null" in terminal.shown
    assert store.names() == ["OLD"] and value(store, "OLD") == b"old"


def test_a_typed_value_is_edited_as_on_every_terminal(store):
    with Terminal(store, "secret", "create", ALGORITHM, "A") as terminal:
        terminal.expect(b"Value of A: ")
        terminal.type(b"abd\x7fc\n")
        assert terminal.end() == 0
    assert value(store) == b"abc"


def test_an_update_asks_after_it_knows_that_the_secret_exists(store):
    with Terminal(store, "secret", "update", ALGORITHM, "A") as terminal:
        assert terminal.end() == 66
        assert b"Value of" not in terminal.shown


@pytest.mark.parametrize("key, number", [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)])
def test_an_interrupted_prompt_gives_the_terminal_its_echo_back(store, key, number):
    with Terminal(store, "secret", "create", ALGORITHM, "A") as terminal:
        # The terminal sends signals to the session that it belongs to.
        terminal.expect(b"Value of A: ")
        terminal.process.send_signal(number)
        terminal.process.wait(timeout=60)
        assert terminal.process.returncode == -number
        assert termios.tcgetattr(terminal.slave)[3] & termios.ECHO, "the terminal stays without echo"
    assert store.names() == []


def test_a_prompt_comes_again_after_a_stop(store):
    with Terminal(store, "secret", "create", ALGORITHM, "A") as terminal:
        terminal.expect(b"Value of A: ")
        os.kill(terminal.process.pid, signal.SIGSTOP)  # What no program can catch.
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.type(b"abc\n")
        assert terminal.end() == 0
    assert value(store) == b"abc"


def test_a_line_that_a_terminal_would_cut_is_refused(store):
    with Terminal(store, "secret", "create", ALGORITHM, "A") as terminal:
        terminal.expect(b"Value of A: ")
        terminal.type(b"x" * 4090 + b"yyyyyyyyyy\n")
        assert terminal.end() == 65
        assert b"a terminal takes at most 4094 bytes" in terminal.shown
    assert store.names() == []
    with Terminal(store, "secret", "create", ALGORITHM, "A") as terminal:
        terminal.expect(b"Value of A: ")
        terminal.type(b"x" * 4094 + b"\n")
        assert terminal.end() == 0
    assert value(store) == b"x" * 4094


# Deletes and imports ask


@pytest.mark.parametrize("answer, is_deleted", [(b"y\n", True), (b"yes\n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)])
def test_a_delete_asks_on_a_terminal(store, answer, is_deleted):
    store.create("A", b"1")
    with Terminal(store, "secret", "delete", ALGORITHM, "A") as terminal:
        terminal.expect(b"Delete A of nlp/Summarizer and all its versions? [y/N] ")
        terminal.type(answer)
        assert terminal.end() == (0 if is_deleted else 64)
        if not is_deleted:
            assert b"not confirmed; nothing was changed" in terminal.shown
    assert store.names() == ([] if is_deleted else ["A"])


def test_deleting_an_algorithm_says_how_much_goes(store):
    store.put({"A": b"1", "B": b"2"})
    with Terminal(store, "algorithm", "delete", ALGORITHM) as terminal:
        terminal.expect(b"Delete nlp/Summarizer and its 2 secret(s)? [y/N] ")
        terminal.type(b"y\n")
        assert terminal.end() == 0
    assert store.json("algorithm", "list") == []


def test_yes_does_not_ask(store):
    store.create("A", b"1")
    with Terminal(store, "secret", "delete", ALGORITHM, "A", "--yes") as terminal:
        assert terminal.end() == 0
        assert b"?" not in terminal.shown


# Delivery


def test_a_value_with_nul_needs_delivery_as_a_file(store):
    said = store.run("secret", "create", ALGORITHM, "A", input=b"a\0b").failed(65, "A cannot be an environment variable")
    assert "it contains a NUL byte" in said and "--delivery file" in said
    assert store.names() == []
    store.create("A", b"a\0b", "--delivery", "file")
    assert value(store) == b"a\0b"
    assert (store.root / "mount/.environ").read_bytes() == b""


@pytest.mark.parametrize("excess, is_taken", [(-1, True), (0, True), (1, False)])
def test_a_variable_is_at_most_as_long_as_the_kernel_takes(store, excess, is_taken):
    """131,072 bytes of `NAME=value` with its NUL: a program that gets the longest one starts."""
    name = "LONG"
    content = b"v" * (131_072 - len(name) - 2 + excess)
    outcome = store.run("secret", "create", ALGORITHM, name, input=content)
    if is_taken:
        assert outcome.status == 0, outcome
        length = store.does("run", ALGORITHM, "--", "python3", "-c", "import os; print(len(os.environ['LONG']))").output
        assert int(length) == len(content)
    else:
        outcome.failed(65, f"it has {len(content)} bytes; a variable of this name holds at most 131066", "--delivery file")
        store.create(name, content, "--delivery", "file")
        assert value(store, name) == content


def test_an_update_keeps_to_the_delivery(store):
    store.create("A", b"1")
    store.run("secret", "update", ALGORITHM, "A", input=b"a\0b").failed(65, "NUL", "--delivery file")
    assert store.json("secret", "show", ALGORITHM, "A")["version"] == 1
    store.update("A", b"a\0b", "--delivery", "file")
    # Back to a variable, which the value that is there cannot be.
    store.run("secret", "update", ALGORITHM, "A", "--metadata-only", "--delivery", "env").failed(65, "NUL")
    assert store.json("secret", "show", ALGORITHM, "A")["delivery"] == "file"


def test_metadata_changes_without_a_value(store):
    store.create("A", b"1")
    store.does("secret", "update", ALGORITHM, "A", "--metadata-only", "--name", "New", "--description", "why")
    report = store.json("secret", "show", ALGORITHM, "A")
    assert (report["displayName"], report["description"], report["version"]) == ("New", "why", 1)
    assert value(store) == b"1"


@pytest.mark.parametrize("size, is_taken", [(131_071, True), (131_072, True), (131_073, True), (1 << 20, True), ((1 << 20) + 1, False)])
def test_a_value_has_at_most_one_mebibyte(store, size, is_taken):
    content = os.urandom(size)
    outcome = store.run("secret", "create", ALGORITHM, "A", "--delivery", "file", input=content)
    if not is_taken:
        outcome.failed(65, "1048576")
        assert store.names() == []
        return
    assert outcome.status == 0, outcome
    assert value(store) == content


def test_ten_versions_are_kept(store):
    store.create("A", b"1")
    for number in range(2, 13):
        store.update("A", b"%d" % number)
    report = store.json("secret", "show", ALGORITHM, "A")
    assert report["version"] == 12
    assert [version["version"] for version in report["versions"]] == list(range(3, 13))
    assert value(store) == b"12"


def test_standard_input_is_not_read_twice_and_not_taken_empty(store):
    outcome = store.run("secret", "create", ALGORITHM, "A", "--value-file", "-", input=b"")
    outcome.failed(65, "standard input was empty", "/dev/null")
    (store.root / "moved").mkdir(mode=0o700)
    protected = {"SECRETFS_STATE": str(store.root / "moved")}
    store.does("init", "--passphrase", "--passphrase-file", "-", input=b"correct horse battery", env=protected)
    words = ["algorithm", "create", ALGORITHM, "--passphrase-file", "-"]
    store.does(*words, input=b"correct horse battery", env=protected)
    words = ["secret", "create", ALGORITHM, "A", "--passphrase-file", "-", "--value-file", "-"]
    store.run(*words, input=b"correct horse battery", env=protected).failed(64, "twice")


def test_a_passphrase_for_a_store_without_one_is_an_error(store):
    (store.root / "words").write_bytes(b"correct horse battery")
    store.run("secret", "list", ALGORITHM, "--passphrase-file", "words").failed(64, "no passphrase")
    other = {"SECRETFS_STATE": str(store.root / "other")}
    store.run("init", "--passphrase-file", "words", env=other).failed(64, "--passphrase")
    assert not (store.root / "other").exists()


def test_keeping_the_value_and_giving_one_contradict_each_other(store):
    store.create("A", b"1")
    (store.root / "v").write_bytes(b"2")
    store.run("secret", "update", ALGORITHM, "A", "--metadata-only", "--value-file", "v").failed(64, "--metadata-only")
    store.run("secret", "update", ALGORITHM, "A", "--metadata-only").failed(64, "nothing to change")


def test_a_dry_run_fails_where_the_import_would(store):
    (store.root / ".env").write_bytes(b"A=1\nPATH=/evil\n")
    store.run("import", ALGORITHM, ".env", "--dry-run").failed(65, "PATH")
    store.does("import", ALGORITHM, ".env", "--dry-run", "--allow-name", "PATH,HOME")
    assert store.names() == []


def test_options_of_run_that_take_names_can_be_repeated(store):
    store.put({"A": b"1", "B": b"2", "C": b"3"})
    words = ["run", ALGORITHM, "--clear", "--only", "A", "--only", "B", "--", "/usr/bin/env"]
    lines = store.does(*words).output.splitlines()
    assert "A=1" in lines and "B=2" in lines and "C=3" not in lines
    assert any(line.startswith("SECRETFS_DIRECTORY=/") for line in lines), "it is told where its files are"
    outcome = store.run("run", ALGORITHM, "--require", "NONE", "--require", "A", "--", "true")
    assert outcome.status == 125 and "NONE" in outcome.errors


def test_our_own_variables_are_no_names_for_secrets(store):
    store.run("secret", "create", ALGORITHM, "SECRETFS_DIRECTORY", input=b"x").failed(65, "SECRETFS_DIRECTORY")


def test_a_store_that_was_moved_opens_with_the_key_beside_it_whoever_took_its_place(store):
    store.create("A", b"1")
    store.state.rename(store.root / "moved")
    store.does("init")
    assert store.json("secret", "list", ALGORITHM, env={"SECRETFS_STATE": str(store.root / "moved")})
