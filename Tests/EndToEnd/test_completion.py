"""Tab in real shells: algorithms and secrets are completed, without the root key, without a word on errors."""

import os
import pty
import select
import shutil
import signal
import time

import pytest
from support import ALGORITHM, empty, store  # noqa: F401 (fixtures)

DEADLINE = 30


class Shell:
    """An interactive shell on a terminal of its own, with the completions installed as its users have them."""

    def __init__(self, name, store):
        if not shutil.which(name):
            pytest.fail(f"no {name}: scripts/test installs it")
        self.store = store
        home = store.folder(f"home-{name}")
        script = store.does("--generate-completion-script", name).output
        (home / "_secretfs").write_text(script)
        start = {
            "bash": ["bash", "--noprofile", "--norc", "-i"],
            "zsh": ["zsh", "-f", "-i"],
            "fish": ["fish", "--no-config", "-i"],
        }[name]
        prepare = {
            "bash": f"source {home}/_secretfs",
            "zsh": f"fpath=({home} $fpath); autoload -Uz compinit; compinit -u -d {home}/dump",
            "fish": f"source {home}/_secretfs",
        }[name]
        environment = {**store.environment, "HOME": str(home), "TERM": "vt100", "PATH": f"{store.binary.parent}:/usr/bin:/bin"}
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.chdir(home)
            os.execvpe(start[0], start, environment)
        self.pid = pid
        self.shown = b""
        self.type(f"{prepare}; echo re''ady\r")
        self.expect(b"ready\r\n")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def read(self, seconds):
        if select.select([self.terminal], [], [], seconds)[0]:
            self.shown += os.read(self.terminal, 65536)

    def expect(self, text):
        deadline = time.monotonic() + DEADLINE
        while text not in self.shown:
            assert time.monotonic() < deadline, (text, self.shown)
            self.read(0.1)

    def completes(self, typed, output):
        """Types a command with Tab in it, and waits for what that command then prints."""
        self.shown = b""
        before, after = typed.split("\t")
        self.type(before + "\t")
        # The line is completed when the shell is quiet.
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            self.read(0.1)
        self.type(after + "\r")
        self.expect(output)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request, store):
    for name in ["nlp/Translator", "vision/Captions"]:
        store.does("algorithm", "create", name)
    for name in ["MYSQL_PASSWORD", "TOKEN"]:
        store.create(name, b"1")
    store.create("SHARED", b"1", of="vision")
    shell = Shell(request.param, store)
    yield shell
    shell.close()


def test_tab_completes_algorithms_and_secrets(shell):
    shell.completes("secretfs algorithm show vis\t", b"Algorithm  vision/Captions")
    shell.completes("secretfs visible nlp/T\t --json", b"[")
    shell.completes(f"secretfs secret show {ALGORITHM} MY\t --json", b'"name" : "MYSQL_PASSWORD"')
    shell.completes("secretfs secret show vision SH\t --json", b'"name" : "SHARED"')


def test_tab_completes_without_the_root_key(shell):
    key = shell.store.state / "root.key"
    os.rename(key, shell.store.root / "away")
    shell.completes(f"secretfs secret show {ALGORITHM} TO\t; echo do''ne", b"done\r\n")
    assert b"TOKEN" in shell.shown
    shell.completes("secretfs algorithm show vis\t; echo do''ne", b"done\r\n")
    assert b"vision/Captions" in shell.shown


def test_tab_completes_users_and_roles(shell):
    shell.store.does("user", "create", "alice", "--no-password")
    shell.completes("secretfs user show al\t --json", b'"name" : "alice"')
    shell.completes("secretfs user update alice --add-role vie\t; echo do''ne", b"done\r\n")
    assert shell.store.json("user", "show", "alice")["roles"] == ["viewer"]


# Without a shell around it


def asked(store, *words, command=("secret", "update"), argument="positional@1", env=None):
    """What a shell's script asks for the last of `words`, and hears."""
    asking = ["---completion", *command, "--", argument, str(len(words) - 1), str(len(words[-1])), *words]
    outcome = store.run(*asking, env={"SAP_SHELL": "bash", **(env or {})}, timeout=10)
    assert outcome.errors == "" and outcome.status == 0, outcome
    return outcome.output.split()


def test_names_are_found_where_the_state_option_says(store):
    store.create("A", b"1")
    words = ["secretfs", "secret", "update", ALGORITHM, ""]
    assert asked(store, *words) == ["A"]
    for option in (["--state", "state"], ["--state", "=", "state"], ["--state=state"], ["--state", "~/state"]):
        words = ["secretfs", "secret", "update", *option, ALGORITHM, ""]
        assert asked(store, *words, env={"SECRETFS_STATE": "/none"}) == ["A"], option
    assert asked(store, "secretfs", "secret", "update", ALGORITHM, "--value-file", "A", "") == ["A"]


def test_grants_offer_all_algorithms_of_the_owner(store):
    grant = {"command": ("grant",), "argument": "--to"}
    assert asked(store, "secretfs", "grant", "nlp", "SHARED", "--to", "", **grant) == [ALGORITHM, "nlp/*"]
    assert asked(store, "secretfs", "grant", "nlp", "SHARED", "--to", "nlp/*", **grant) == ["nlp/*"]


def test_unmount_offers_what_is_mounted(store):
    store.create("A", b"1")
    mount = store.mount()
    unmount = {"command": ("unmount",), "argument": "positional@0"}
    assert asked(store, "secretfs", "unmount", str(store.root), **unmount) == [str(mount)]
    assert asked(store, "secretfs", "unmount", "/none", **unmount) == []


def test_options_with_few_values_offer_them(store):
    script = store.does("--generate-completion-script", "bash").output
    assert "secret.rollback" in script and "log.lost" in script
    assert "'batch'" in script or "batch" in script


def test_a_store_that_cannot_be_read_is_completed_with_nothing_and_is_not_touched(store):
    words = ["secretfs", "secret", "update", "n"]
    question = {"argument": "positional@0"}
    assert asked(store, *words, **question) == [ALGORITHM, "nlp"]
    assert asked(store, *words, **question, env={"SECRETFS_STATE": "/none"}) == []
    # A glance narrows no mode; the next command does.
    (store.state / "store.db").chmod(0o644)
    assert asked(store, *words, **question) == [ALGORITHM, "nlp"]
    assert (store.state / "store.db").stat().st_mode & 0o777 == 0o644
    (store.state / "store.db").write_bytes(b"not a store")
    assert asked(store, *words, **question) == []
    (store.state / "store.db").unlink()
    os.mkfifo(store.state / "store.db")
    assert asked(store, *words, **question) == []


@pytest.mark.parametrize("word", ["n" * 5000, "\udcff", "nlp/" + "x" * 1020, "é", "'", "%", "../", "nlp/\n"])
def test_whatever_is_typed_completion_says_no_more_than_names(store, word):
    for command, argument in ((("secret", "update"), "positional@0"), (("algorithm", "show"), "positional@0")):
        assert asked(store, "secretfs", *command, word, command=command, argument=argument) in ([], ["nlp"], [ALGORITHM])
    assert asked(store, "secretfs", "secret", "update", word, word) == []


@pytest.mark.parametrize("question", [[], ["secret"], ["none", "--", "positional@0"], ["secret", "update", "--", "positional@9", "0", "0"], ["secret", "update", "--", "positional@0", "x", "y"]])
def test_a_question_that_makes_no_sense_is_answered_with_silence(store, question):
    outcome = store.run("---completion", *question)
    assert (outcome.output.strip(), outcome.errors) == ("", "")


def test_a_store_that_somebody_writes_to_is_completed_soon(store):
    import sqlite3

    database = sqlite3.connect(store.state / "store.db", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        start = time.monotonic()
        asked(store, "secretfs", "secret", "update", "n", argument="positional@0")
        assert time.monotonic() - start < 2
    finally:
        database.execute("ROLLBACK")
        database.close()


def test_a_thousand_names_are_offered_and_no_more(store):
    lines = "".join(f"NAME_{number}=x\n" for number in range(1200))
    store.does("import", ALGORITHM, "-", "--yes", input=lines.encode())
    assert len(asked(store, "secretfs", "secret", "update", ALGORITHM, "")) == 1000
    assert asked(store, "secretfs", "secret", "update", ALGORITHM, "NAME_1199") == ["NAME_1199"]


def test_another_user_is_told_nothing(store):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    outcome = store.run(
        "---completion", "secret", "update", "--", "positional@0", "3", "0", "secretfs", "secret", "update", "",
        before=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    )  # fmt: skip
    assert (outcome.output.strip(), outcome.errors) == ("", "")
