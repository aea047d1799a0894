"""The shim on directories without `.environ`: one file per entry."""

import os
import shutil
import socket

import pytest
from conftest import PLANTED
from test_shim_environ import VALUES


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_bytes_are_exact(shim, plain, value):
    assert shim.environment(plain({"A": b"1", "KEY": value})).variables == {b"A": b"1", b"KEY": value}


def test_chomp_drops_one_newline(shim, plain):
    directory = plain({"A": b"1\n", "B": b"2\n\n", "C": b"", "D": b"\n"})
    assert shim.environment(directory, "--chomp").variables == {b"A": b"1", b"B": b"2\n", b"C": b"", b"D": b""}


def test_hidden_files_and_subdirectories_are_skipped(shim, plain):
    directory = plain({"KEY": b"1", ".hidden": PLANTED, ".not a name": PLANTED})
    (directory / "sub-directory").mkdir()
    (directory / "sub-directory" / "INNER").write_bytes(PLANTED)
    (directory / "link-to-directory").symlink_to("sub-directory")
    assert shim.environment(directory).variables == {b"KEY": b"1"}


def test_links_are_followed(shim, plain, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_bytes(b"value")
    directory = plain({})
    (directory / "KEY").symlink_to(target)
    assert shim.environment(directory).variables == {b"KEY": b"value"}


def test_more_entries_than_one_listing_holds_arrive(shim, plain):
    entries = {f"NAME_OF_SOME_LENGTH_{number}": b"%d" % number for number in range(3_000)}
    expected = {name.encode(): value for name, value in entries.items()}
    assert shim.environment(plain(entries)).variables == expected


@pytest.mark.parametrize("name", ["db-password", "tls.crt", "1ST", "A B", "Ä", "NAME=", "-x", "A\n", "A\x1b[31m"])
def test_a_file_that_cannot_be_a_variable_is_refused_not_forgotten(shim, plain, name):
    errors = shim.environment(plain({"KEY": b"1", name: PLANTED})).refused("cannot be a variable", "--rename", "--only")
    assert errors.isprintable() or "\x1b" not in errors and errors.count("\n") == 2


def test_a_hostile_name_is_shown_harmless_and_short(shim, plain):
    errors = shim.environment(plain({b"\x1b]0;x\x07" + b"\xff" * 200: b"1"})).refused("“\\x1b]0;x\\x07\\xff")
    assert "…" in errors and len(errors.splitlines()[0]) < 600


def test_docker_secrets_become_variables_by_rename(shim, plain):
    directory = plain({"db-password": b"one\n", "api.token": b"two\n", "README.txt": b"text"})
    options = ["--chomp", "--only", "api.token", "--rename", "DB_PASSWORD=db-password", "--rename=TOKEN=api.token"]
    assert shim.environment(directory, *options).variables == {b"DB_PASSWORD": b"one", b"TOKEN": b"two"}


def test_only_leaves_other_files_unopened(shim, plain):
    directory = plain({"KEY": b"1", "not-a-name": b"2", "BINARY": b"\0"})
    os.mkfifo(directory / "PIPE")
    assert shim.environment(directory, "--only", "KEY").variables == {b"KEY": b"1"}


def test_credentials_of_systemd_by_the_variable_that_names_them(shim, plain):
    directory = plain({"MYSQL_PASSWORD": b"secret"})
    directory.chmod(0o500)
    (directory / "MYSQL_PASSWORD").chmod(0o400)
    script = f'exec {shim.binary} "$CREDENTIALS_DIRECTORY" -- /usr/bin/env -0'
    outcome = type(shim)("/bin/sh").run("-c", script, env={"CREDENTIALS_DIRECTORY": str(directory)})
    assert outcome.variables[b"MYSQL_PASSWORD"] == b"secret"


# What cannot be read


def test_a_value_with_nul_is_refused_by_name(shim, plain):
    shim.environment(plain({"KEY": PLANTED + b"\0x"})).refused("“KEY” contains a NUL byte")


def test_a_value_that_ends_in_nul_is_refused_too(shim, plain):
    shim.environment(plain({"KEY": b"x\0"}), "--chomp").refused("“KEY” contains a NUL byte")


ROOM = 131_072 - len("KEY=") - 1


@pytest.mark.parametrize(
    "value, options, arrives",
    [
        (b"v" * ROOM, [], True),
        (b"v" * (ROOM + 1), [], False),
        (b"v" * ROOM + b"\n", [], False),
        (b"v" * ROOM + b"\n", ["--chomp"], True),
        (b"v" * ROOM + b"\n\n", ["--chomp"], False),
        (b"v" * (ROOM + 1) + b"\n", ["--chomp"], False),
        (b"v" * 3_000_000, [], False),
    ],
)
def test_the_longest_variable(shim, plain, value, options, arrives):
    outcome = shim.environment(plain({"KEY": value}), *options)
    if arrives:
        assert outcome.variables == {b"KEY": b"v" * ROOM}
    else:
        outcome.refused("“KEY” has ", f"at most {ROOM}")


def test_a_fifo_is_refused_and_does_not_block(shim, plain):
    directory = plain({"A": b"1"})
    os.mkfifo(directory / "KEY")
    shim.environment(directory).refused("/KEY” is not a file")


def test_a_link_to_a_fifo_is_refused_and_does_not_block(shim, plain, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    directory = plain({"A": b"1"})
    (directory / "KEY").symlink_to(tmp_path / "pipe")
    shim.environment(directory).refused("/KEY” is not a file")


def test_a_socket_is_refused(shim, plain):
    directory = plain({"A": b"1"})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "KEY"))
        shim.environment(directory).refused("/KEY” is not a file")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device_is_refused(shim, plain, device):
    directory = plain({"A": b"1"})
    (directory / "KEY").symlink_to(device)
    shim.environment(directory).refused("/KEY” is not a file")


def test_a_dangling_link_is_refused_at_once(shim, plain):
    directory = plain({"A": b"1"})
    (directory / "KEY").symlink_to("nowhere")
    shim.environment(directory).refused("/KEY”: there is no such file")


def test_a_loop_of_links_is_refused(shim, plain):
    directory = plain({"A": b"1"})
    (directory / "KEY").symlink_to("KEY")
    shim.environment(directory).refused("/KEY”: too many symbolic links")


def test_an_entry_that_may_not_be_read_is_refused(shim, plain, tmp_path):
    directory = plain({"KEY": PLANTED})
    (directory / "KEY").chmod(0o400)
    for parent in [tmp_path, *tmp_path.parents][:4]:
        parent.chmod(0o755)
    binary = tmp_path / "secretfs-env"
    shutil.copy(shim.binary, binary)
    type(shim)(binary).environment(directory, user=65534).refused("/KEY”: permission denied")


def test_an_empty_directory_is_a_missing_mount(shim, plain):
    shim.environment(plain({})).refused("has no entries", "is it mounted?", "--allow-empty")


def test_an_empty_directory_is_fine_where_allowed(shim, plain):
    assert shim.environment(plain({}), "--allow-empty", env={"A": "1"}).variables == {b"A": b"1"}


def test_a_directory_that_does_not_exist_is_refused(shim, tmp_path):
    shim.environment(tmp_path / "none").refused("there is no directory")


def test_a_file_is_no_directory(shim, tmp_path):
    (tmp_path / "file").write_bytes(PLANTED)
    shim.environment(tmp_path / "file").refused("is not a directory")
