"""The session that README shows, and what commands print for scripts."""

import os
import signal
import subprocess

from support import ALGORITHM, Terminal, empty, mount_points, store  # noqa: F401 (fixtures)

ID = "a UUID in lower case"


def test_the_session_of_the_readme_works(empty):
    mount = empty.folder("summarizer")
    password = b"correct horse battery staple"
    program = "import os; print(len(os.environ['MYSQL_PASSWORD']))"
    (empty.root / "algorithm.py").write_text(program)
    empty.does("init")
    empty.does("algorithm", "create", ALGORITHM)
    options = ["--name", "MySQL password", "--description", "reporting replica"]
    with Terminal(empty, "secret", "create", ALGORITHM, "MYSQL_PASSWORD", *options) as terminal:
        terminal.expect(b"Value of MYSQL_PASSWORD: ")
        terminal.type(password + b"\n")
        assert terminal.end() == 0
    empty.does("mount", ALGORITHM, mount)
    command = [empty.shim, mount, "--", "python3", "-c", program]
    assert subprocess.check_output(command, timeout=60) == b"%d\n" % len(password)
    outcome = empty.does("run", ALGORITHM, "--", "python3", "algorithm.py")
    assert outcome.output == f"{len(password)}\n"
    empty.update("MYSQL_PASSWORD", b"short")
    deadline_free_read(mount, "MYSQL_PASSWORD", b"short")
    empty.does("unmount", mount)
    assert str(mount) not in mount_points()
    assert os.listdir(mount) == []


def deadline_free_read(mount, name, value):
    from support import wait_until

    wait_until(mount, lambda: (mount / name).read_bytes() == value)


def test_the_state_folder_is_named_by_option_before_variable(empty):
    other = empty.root / "other"
    empty.does("--help")
    empty.does("init", "--state", other)
    assert (other / "store.db").exists() and not empty.state.exists()
    assert empty.json("status", "--state", other)["state"] == str(other)
    empty.run("status").failed(66, "there is no store in", str(empty.state), "secretfs init")


def test_a_relative_state_folder_is_where_the_command_runs(empty):
    empty.does("init", "--state", "here")
    assert (empty.root / "here" / "store.db").exists()


def test_a_user_without_a_state_folder_gets_one_in_the_home(empty):
    # Only what a user does not have in common with root: the folder below XDG_STATE_HOME or HOME.
    home = empty.folder("home")
    if os.geteuid() != 0:
        return
    os.chown(home, 65534, 65534)
    before = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    for variables, place in [
        ({"HOME": str(home)}, home / ".local/state/secretfs"),
        ({"HOME": str(home), "XDG_STATE_HOME": str(home / "xdg")}, home / "xdg/secretfs"),
    ]:
        empty.does("init", before=before, env={"SECRETFS_STATE": "", **variables})
        assert (place / "store.db").exists()
        assert place.stat().st_mode & 0o7777 == 0o700


def test_what_is_made_is_closed_to_others(store):
    store.create("A", b"1")
    store.mount()
    modes = {path.name: path.stat().st_mode & 0o777 for path in store.state.iterdir()}
    assert store.state.stat().st_mode & 0o7777 == 0o700
    assert modes.pop("root.key") == 0o400
    assert set(modes.values()) == {0o600}, modes


# JSON: keys are an interface


def keys(report) -> set[str]:
    return set(report)


SECRET_KEYS = {
    "name", "id", "displayName", "description", "provider", "delivery", "version", "size", "created", "modified",
    "versions", "keep", "grants",
}  # fmt: skip


def test_status_as_json_has_its_keys(store):
    store.create("A", b"1")
    report = store.json("status")
    assert keys(report) == {"state", "engine", "sealed", "rootKey", "algorithms", "secrets"}
    assert (report["sealed"], report["algorithms"], report["secrets"]) == (False, 1, 1)
    store.mount()
    agent = store.json("status")["agent"]
    assert keys(agent) == {"version", "pid", "mounts", "started", "sealed", "keysOutdated", "external"}
    assert agent["mounts"] == 1 and [agent["pid"]] == store.agents


def test_algorithms_as_json_have_their_keys(store):
    store.does("algorithm", "create", "a/b")
    store.create("A", b"1")
    listed = store.json("algorithm", "list")
    assert [report["name"] for report in listed] == ["a/b", ALGORITHM]
    assert all(keys(report) == {"name", "id", "created"} for report in listed)
    shown = store.json("algorithm", "show", ALGORITHM)
    assert keys(shown) == {"name", "id", "created", "secrets"}
    assert [keys(secret) for secret in shown["secrets"]] == [SECRET_KEYS]


def test_secrets_as_json_have_their_keys(store):
    store.create("B", b"12345", "--name", "Ünïcode", "--description", 'with "quotes"')
    store.create("A", b"", "--delivery", "file")
    store.update("B", b"123")
    first, second = store.json("secret", "list", ALGORITHM)
    assert keys(first) == keys(second) == SECRET_KEYS
    assert (first["name"], first["size"], first["delivery"]) == ("A", 0, "file")
    assert (second["displayName"], second["description"]) == ("Ünïcode", 'with "quotes"')
    assert (second["version"], second["size"], second["provider"]) == (2, 3, "internal")
    assert [(version["version"], version["size"]) for version in second["versions"]] == [(1, 5), (2, 3)]
    assert all(keys(version) == {"version", "size", "created", "by"} for version in second["versions"])
    assert store.json("secret", "show", ALGORITHM, "B") == second


def test_mounts_as_json_have_their_keys(store):
    assert [row for row in store.json("mounts") if row["mountPoint"].startswith(str(store.root))] == []
    store.create("A", b"1")
    mount = store.mount("--mode", "0440")
    row = next(row for row in store.json("mounts") if row["mountPoint"] == str(mount))
    assert keys(row) == {
        "mountPoint", "state", "algorithm", "entries", "generation", "uid", "gid", "mode", "since", "listed",
    }  # fmt: skip
    assert (row["state"], row["algorithm"], row["entries"], row["mode"]) == ("served", ALGORITHM, 1, "0440")
    assert row["listed"] is False


def test_doctor_as_json_has_its_keys(store):
    findings = store.json("doctor")
    assert all(keys(finding) <= {"check", "level", "finding", "remedy"} for finding in findings)
    assert {finding["level"] for finding in findings} <= {"ok", "warning", "problem"}
    assert all("remedy" in finding for finding in findings if finding["level"] != "ok")
    checked = {finding["check"] for finding in findings}
    assert checked >= {"/dev/fuse", "locked memory", "open files", "swap", "core dumps", "state folder", "root key", "integrity"}


def test_doctor_names_a_state_folder_that_others_may_read(store):
    store.state.chmod(0o755)
    outcome = store.run("doctor")
    assert outcome.status == 69, outcome
    assert "problem" in outcome.output and f"chmod 0700 {store.state}" in outcome.output
    assert outcome.errors == ""


def test_doctor_finds_a_missing_root_key_and_a_dead_mount(store):
    mount = store.mount()
    (agent,) = store.agents
    os.kill(agent, signal.SIGKILL)
    outcome = store.run("doctor")
    assert outcome.status == 69 and str(mount) in outcome.output and "secretfs unmount" in outcome.output, outcome
    store.does("unmount", mount)
    store.does("doctor")
    (store.state / "root.key").rename(store.root / "elsewhere")
    outcome = store.run("doctor")
    assert outcome.status == 69 and "root.key" in outcome.output, outcome


def test_mounts_tells_those_of_another_store_from_dead_ones(store):
    other = {"SECRETFS_STATE": str(store.root / "other")}
    store.does("init", env=other)
    store.does("algorithm", "create", ALGORITHM, env=other)
    mount = store.folder("theirs")
    store.does("mount", ALGORITHM, mount, env=other)
    try:
        rows = {row["mountPoint"]: row["state"] for row in store.json("mounts")}
        assert rows[str(mount)] == "other"
    finally:
        store.does("agent", "--stop", env=other)


def test_doctor_finds_damage_in_the_middle_of_the_store(store):
    store.put({f"A{number}": b"v" * 5000 for number in range(20)})
    whole = [finding for finding in store.json("doctor") if finding["check"] == "integrity"]
    assert [finding["level"] for finding in whole] == ["ok"]
    path = store.state / "store.db"
    damaged = bytearray(path.read_bytes())
    # Every page but the first, which has the schema and is checked by every command.
    for start in range(4096, len(damaged), 4096):
        damaged[start : start + 64] = b"\x5a" * 64
    path.write_bytes(damaged)
    outcome = store.run("doctor")
    assert outcome.status == 69 and "integrity" in outcome.output and "backup" in outcome.output, outcome


def test_people_see_tables_without_values_and_colours(store):
    store.create("A", b"planted-7f3a", "--name", "A token")
    listing = store.does("secret", "list", ALGORITHM).output.splitlines()
    assert listing[0].split() == ["NAME", "VERSION", "BYTES", "DELIVERY", "UPDATED", "DISPLAY", "NAME"]
    assert listing[1].split()[:4] == ["A", "1", "12", "env"]
    shown = store.does("secret", "show", ALGORITHM, "A").output
    assert "Display name  A token\n" in shown and "\x1b" not in shown
    assert "Secrets    1\n" in store.does("algorithm", "show", ALGORITHM).output
    assert ALGORITHM in store.does("algorithm", "list").output
    assert "Agent       not running" in store.does("status").output


def test_an_empty_store_lists_as_an_empty_array(empty):
    empty.does("init")
    assert empty.json("algorithm", "list") == []
    empty.does("algorithm", "create", ALGORITHM)
    assert empty.json("secret", "list", ALGORITHM) == []
    assert empty.json("algorithm", "show", ALGORITHM)["secrets"] == []
