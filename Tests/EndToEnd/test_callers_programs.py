"""Who may open: rules on programs."""

import hashlib
import os
import shutil
import subprocess

import pytest
from callers_support import CAT, PYTHON, VALUE, copy_of_cat, mount, read_by, rule, user  # noqa: F401 (fixtures)
from support import COMMAND_DEADLINE, empty, needs_root, store  # noqa: F401 (fixtures)

pytestmark = needs_root


def test_a_rule_on_a_program_lets_that_file_in_and_no_copy(store, mount, copy_of_cat):
    rule(store, mount, "--exe", CAT)
    assert read_by(mount / "KEY") == VALUE
    assert read_by(mount / "KEY", program=copy_of_cat) is None
    with pytest.raises(PermissionError):
        (mount / "KEY").read_bytes()


def test_a_program_that_is_bound_over_the_path_is_another(store, mount, copy_of_cat):
    """In a mount namespace of its own a process chooses what is at a path, and /proc shows the path."""
    rule(store, mount, "--exe", CAT)
    script = f"mount --bind {copy_of_cat} {CAT} && exec {CAT} {mount}/KEY"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=COMMAND_DEADLINE)
    assert done.returncode == 1 and b"Permission denied" in done.stderr and not done.stdout, done
    # The same program in a namespace of its own is the same file.
    assert read_by(mount / "KEY", "unshare", "-m") == VALUE


def test_a_rule_with_a_hash_asks_for_the_content(store, mount, copy_of_cat):
    digest = hashlib.sha256(copy_of_cat.read_bytes()).hexdigest()
    rule(store, mount, "--exe", f"{copy_of_cat}@sha256:{digest}")
    assert read_by(mount / "KEY", program=copy_of_cat) == VALUE
    assert read_by(mount / "KEY") is None
    # One byte more, at the end, which the loader does not look at.
    with open(copy_of_cat, "ab") as file:
        file.write(b"x")
    assert read_by(mount / "KEY", program=copy_of_cat) is None
    # And the old one again, as another file.
    copy_of_cat.unlink()
    shutil.copy(CAT, copy_of_cat)
    assert read_by(mount / "KEY", program=copy_of_cat) == VALUE


def test_a_program_that_was_deleted_or_replaced_is_nobody(store, mount, copy_of_cat):
    rule(store, mount, "--exe", str(copy_of_cat))
    read, write = os.pipe()
    # Runs on from the deleted file: opens when it is told to.
    with subprocess.Popen([copy_of_cat, "/dev/stdin", mount / "KEY"], stdin=read, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        os.close(read)
        os.write(write, b"x")
        assert process.stdout.read(1) == b"x"
        copy_of_cat.unlink()
        shutil.copy(CAT, copy_of_cat)
        os.close(write)
        output, errors = process.communicate(timeout=COMMAND_DEADLINE)
    assert output == b"" and b"Permission denied" in errors


# > In a user namespace other than the agent's no rule on programs matches — docs/SEMANTICS.md#callers
def test_in_a_user_namespace_no_rule_on_programs_matches(store, mount):
    """There the process is root, and can tell the kernel that it is another program."""
    rule(store, mount, "--exe", CAT)
    assert read_by(mount / "KEY", *user(1000)) == VALUE
    assert read_by(mount / "KEY", *user(1000), "unshare", "--user", "--map-root-user") is None


def test_any_thread_of_a_process_is_that_process(store, mount):
    rule(store, mount, "--exe", PYTHON, "--uid", "0")
    code = (
        "import sys, threading\n"
        "def read(): print(open(sys.argv[1]).read(), end='')\n"
        "thread = threading.Thread(target=read); thread.start(); thread.join()"
    )
    done = subprocess.run([PYTHON, "-c", code, mount / "KEY"], capture_output=True, timeout=COMMAND_DEADLINE)
    assert done.stdout == VALUE, done
    rule(store, mount, "--exe", CAT)
    done = subprocess.run([PYTHON, "-c", code, mount / "KEY"], capture_output=True, timeout=COMMAND_DEADLINE)
    assert b"PermissionError" in done.stderr and not done.stdout
