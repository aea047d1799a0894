"""`secretfs callers`: what it takes, shows and refuses."""

import subprocess

import pytest
from callers_support import CAT, VALUE, read_by, user  # noqa: F401 (fixtures)
from support import ALGORITHM, COMMAND_DEADLINE, change, empty, needs_root, store  # noqa: F401 (fixtures)

pytestmark = needs_root


def test_the_command_shows_what_was_said(store):
    store.create("KEY", VALUE)
    assert store.json("callers", ALGORITHM) == {
        "home": ALGORITHM, "anyone": True, "uids": [], "gids": [], "executables": [], "cgroups": []}
    digest = "AB" * 32
    store.does("callers", ALGORITHM, "KEY", "--uid", "root", "--uid", "0", "--gid", "7",
               "--exe", f"/opt/x@sha256:{digest}", "--exe", CAT, "--cgroup", "/a.slice/b c")
    shown = {"home": ALGORITHM, "secret": "KEY", "anyone": False, "uids": [0], "gids": [7],
             "executables": [{"path": "/opt/x", "sha256": digest.lower()}, {"path": CAT}],
             "cgroups": ["/a.slice/b c"]}
    assert store.json("callers", ALGORITHM, "KEY") == shown
    # Options replace their own kind.
    changed = store.json("callers", ALGORITHM, "KEY", "--uid", "5", "--uid", "6")
    assert changed == {**shown, "uids": [5, 6]}
    assert store.json("callers", ALGORITHM, "KEY", "--clear", "--gid", "8")["uids"] == []
    text = store.does("callers", ALGORITHM, "KEY").output
    assert text.splitlines() == [f"KEY of {ALGORITHM}: callers that match each of", "  gid         8"]
    store.does("callers", ALGORITHM, "KEY", "--clear")
    assert "anyone" in store.does("callers", ALGORITHM, "KEY").output


def test_a_shared_secret_has_its_rule_with_it(store):
    owner = ALGORITHM.split("/")[0]
    store.create("SHARED", VALUE, of=owner)
    store.does("callers", owner, "SHARED", "--uid", "1000")
    assert store.json("callers", owner, "SHARED")["uids"] == [1000]
    store.run("callers", owner).failed(64, "a secret of it must be named")
    store.run("callers", owner, "OTHER", "--uid", "1").failed(66, "OTHER")


def test_visible_says_who_may_open(store):
    owner = ALGORITHM.split("/")[0]
    store.create("KEY", VALUE)
    store.create("SHARED", VALUE, of=owner)
    store.does("grant", owner, "SHARED", "--to", ALGORITHM)
    store.does("callers", owner, "SHARED", "--uid", "1000")

    def rules():
        return {entry["name"]: [(rule["home"], rule.get("secret"), rule["uids"]) for rule in entry["callers"]]
                for entry in store.json("visible", ALGORITHM)}

    assert rules() == {"KEY": [], "SHARED": [(owner, "SHARED", [1000])]}
    lines = store.does("visible", ALGORITHM).output.splitlines()
    assert lines[1].endswith("anyone") and lines[2].endswith("uid 1000")
    store.does("callers", ALGORITHM, "--uid", "1001")
    of_all = (ALGORITHM, None, [1001])
    assert rules() == {"KEY": [of_all], "SHARED": [of_all, (owner, "SHARED", [1000])]}


def test_the_rule_of_a_shared_secret_holds_in_every_mount(store):
    owner = ALGORITHM.split("/")[0]
    store.create("SHARED", VALUE, of=owner)
    store.does("grant", owner, "SHARED", "--to", f"{owner}/*")
    mount = store.mount("--mode", "0444")
    assert read_by(mount / "SHARED") == VALUE
    with change(mount):
        store.does("callers", owner, "SHARED", "--uid", "1000")
    assert read_by(mount / "SHARED") is None
    assert read_by(mount / "SHARED", *user(1000)) == VALUE


@pytest.mark.parametrize("options, words", [
    (["--uid", "nobody-has-this-name"], ["no user"]),
    (["--uid", "4294967295"], ["0 to 4294967294"]),
    (["--uid", "99999999999999999999"], ["0 to 4294967294"]),
    (["--gid", "-1"], ["no group"]),
    (["--exe", "relative"], ["does not begin with /"]),
    (["--exe", "/"], ["not a program"]),
    (["--exe", "/a//b"], ["//"]),
    (["--exe", "/a/../b"], [".."]),
    (["--exe", "/" + "x" * 4095], ["4096 bytes"]),
    (["--exe", "/a\nb"], ["control character"]),
    (["--exe", "/proc/self/exe"], ["symbolic link"]),
    (["--exe", "/a@sha256:12"], ["64 hexadecimal digits"]),
    (["--exe", "/a@sha256:" + "g" * 64], ["64 hexadecimal digits"]),
    (["--cgroup", "/sys/fs/cgroup/a"], ["--cgroup /a\n"]),
    (["--cgroup", "/sys/fs/cgroup/unified/a/b"], ["--cgroup /a/b\n"]),
    (["--cgroup", "/sys/fs/cgroup"], ["--cgroup /\n"]),
    (["--exe", "/usr/bin/cat@" + "a" * 64], ["--exe /usr/bin/cat@sha256:HEX"]),
    (["--cgroup", "/a/"], ["/ at its end"]),
    (sum((["--uid", str(uid)] for uid in range(65)), []), ["65 times", "at most 64"]),
])
def test_a_rule_that_could_match_nobody_is_refused(store, options, words):
    store.create("KEY", VALUE)
    before = store.json("callers", ALGORITHM, "KEY")
    options = [f"{options[index]}={options[index + 1]}" for index in range(0, len(options), 2)]
    store.run("callers", ALGORITHM, "KEY", *options).failed(65, *words)
    assert store.json("callers", ALGORITHM, "KEY") == before


def test_rules_are_changed_by_many_at_once_without_losing_one(store):
    store.create("KEY", VALUE)
    processes = [store.start("callers", ALGORITHM, "KEY", *words, stdout=subprocess.DEVNULL)
                 for words in (["--uid", "1"], ["--gid", "2"], ["--cgroup", "/c"], ["--exe", CAT])]
    assert [process.wait(COMMAND_DEADLINE) for process in processes] == [0, 0, 0, 0]
    shown = store.json("callers", ALGORITHM, "KEY")
    assert (shown["uids"], shown["gids"], shown["cgroups"], shown["executables"]) == ([1], [2], ["/c"], [{"path": CAT}])


@needs_root
def test_a_cgroup_that_is_not_there_is_said_so_and_taken(store):
    tree = ["unshare", "--mount", "sh", "-c", 'mount -t cgroup2 none /sys/fs/cgroup && exec "$0" "$@"']
    outcome = store.does("callers", ALGORITHM, "--cgroup", "/no.slice/of-this.service", before=tree)
    assert "note: there is no cgroup /no.slice/of-this.service on this machine now" in outcome.errors
    assert store.json("callers", ALGORITHM)["cgroups"] == ["/no.slice/of-this.service"]
    assert store.does("callers", ALGORITHM, "--cgroup", "/", before=tree).errors == ""
