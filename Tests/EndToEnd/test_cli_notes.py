"""What commands say beside their results: warnings, hints, and who is named how."""

import os
import pwd

from support import ALGORITHM, empty, needs_root, store  # noqa: F401 (fixtures)

BAD_INPUT, DENIED = 65, 77


def test_a_store_that_the_agent_has_open_is_shown_so(empty):
    (empty.root / "passphrase").write_text("correct horse battery staple")
    given = ["--passphrase-file", "passphrase"]
    empty.does("init", "--passphrase", *given)
    empty.does("algorithm", "create", ALGORITHM, *given)
    assert "the agent has it open" not in empty.does("status").output
    empty.does("mount", ALGORITHM, empty.folder(), *given)
    said = empty.does("status").output
    assert "Store       sealed, root key from a passphrase\n" in said
    assert "for commands without the key; the agent has it open, and serves values\n" in said
    report = empty.json("status")
    assert report["sealed"] is True and report["agent"]["sealed"] is False
    empty.does("seal")
    assert "the agent has it open" not in empty.does("status").output


def test_json_has_long_paths_whole(empty):
    key = empty.root / ("folder-" + "x" * 80) / "root.key"
    key.parent.mkdir(mode=0o700)
    empty.does("init", "--root-key-file", key)
    assert empty.json("status")["rootKey"] == f"the file {key}"
    assert empty.json("key", "status")["rootKey"] == f"the file {key}"


def test_an_expiry_in_the_past_is_taken_with_a_warning(store):
    outcome = store.does("secret", "create", ALGORITHM, "A", "--expires", "2001-01-01", input=b"1")
    assert "warning: --expires is in the past (2001-01-01T00:00:00" in outcome.errors
    outcome = store.does("secret", "update", ALGORITHM, "A", "--metadata-only", "--expires", "1d")
    assert "warning" not in outcome.errors


def test_a_moment_that_is_not_understood_is_named_by_its_option(store):
    for option in ["--expires", "--not-before"]:
        store.run("secret", "create", ALGORITHM, "A", option, "soon", input=b"1").failed(BAD_INPUT, f"{option} is not in a form")
    for option in ["--since", "--until"]:
        store.run("audit", option, "soon").failed(BAD_INPUT, f"{option} is not in a form")


def test_a_required_variable_that_is_missing_is_looked_up_in_what_is_left(store):
    outcome = store.run("run", ALGORITHM, "--require", "A", "--", "true")
    assert outcome.status == 125 and "secretfs visible OWNER/NAME" in outcome.errors


@needs_root
def test_the_owner_of_a_mount_is_named_by_name_or_number(store):
    store.create("A", b"1")
    nobody = pwd.getpwnam("nobody")
    mount = store.mount("--uid", "nobody", "--gid", str(nobody.pw_gid))
    found = (mount / "A").stat()
    assert (found.st_uid, found.st_gid) == (nobody.pw_uid, nobody.pw_gid)
    store.run("mount", ALGORITHM, store.folder("other"), "--uid", "no-such-user").failed(BAD_INPUT, "there is no user")
    store.run("mount", ALGORITHM, store.folder("other"), "--gid", "no-such-group").failed(BAD_INPUT, "there is no group")


@needs_root
def test_a_place_where_a_user_may_not_mount_is_not_permitted(store):
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    home = store.folder("home")
    os.chown(home, 65534, 65534)
    env = {"SECRETFS_STATE": str(home / "state"), "HOME": str(home)}
    store.does("init", env=env, before=user)
    store.does("algorithm", "create", ALGORITHM, env=env, before=user)
    try:
        store.run("mount", ALGORITHM, "/run/secretfs/of-nobody", env=env, before=user).failed(DENIED, "/run/secretfs")
    finally:
        store.run("agent", "--stop", env=env, before=user)
