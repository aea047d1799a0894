"""Real programs read what the shim gives them; and the shim where there is nothing else."""

import os
import shutil
import subprocess

import pytest
from conftest import PLANTED

VALUE = b"two\nlines, \"quotes\", 'more', $HOME, = and \xc3\xbc"

PROGRAMS = {
    "python3": ["/usr/bin/python3", "-c", "import os,sys; sys.stdout.buffer.write(os.environb[b'MYSQL_PASSWORD'])"],
    "node": ["node", "-e", "process.stdout.write(process.env.MYSQL_PASSWORD)"],
    "perl": ["perl", "-e", "print $ENV{MYSQL_PASSWORD}"],
    "sh": ["/bin/sh", "-c", 'printf %s "$MYSQL_PASSWORD"'],
    "bash": ["bash", "-c", 'printf %s "$MYSQL_PASSWORD"'],
    "awk": ["awk", 'BEGIN { printf "%s", ENVIRON["MYSQL_PASSWORD"] }'],
}
PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.mark.parametrize("command", PROGRAMS.values(), ids=PROGRAMS.keys())
@pytest.mark.parametrize("kind", ["environ", "plain"])
def test_a_language_reads_the_value(shim, request, command, kind):
    directory = request.getfixturevalue(kind)({b"MYSQL_PASSWORD": VALUE})
    outcome = shim.run(directory, "--", *command, env=PATH)
    assert (outcome.status, outcome.output) == (0, VALUE), outcome.errors


JAVA = """
public class Show {
    public static void main(String[] arguments) throws Exception {
        System.out.write(System.getenv("MYSQL_PASSWORD").getBytes("UTF-8"));
        System.out.flush();
    }
}
"""


def test_java_reads_the_value(shim, environ, tmp_path):
    (tmp_path / "Show.java").write_text(JAVA)
    command = ["java", "-Xshare:auto", str(tmp_path / "Show.java")]
    outcome = shim.run(environ({b"MYSQL_PASSWORD": VALUE}), "--", *command, env={**PATH, "LC_ALL": "C.UTF-8"})
    assert (outcome.status, outcome.output) == (0, VALUE), outcome.errors


def test_envdir_and_the_shim_agree_on_a_directory_for_both(shim, plain):
    directory = plain({"A": b"1", "B": b"two words", "C": b"x=y"})
    command = ["envdir", directory, "/usr/bin/env", "-0"]
    output = subprocess.run(command, env=PATH, capture_output=True, check=True, timeout=60).stdout
    pairs = dict(string.split(b"=", 1) for string in output.split(b"\0")[:-1])
    assert shim.environment(directory, env=PATH).variables == pairs


@pytest.fixture
def empty_root(shim, tmp_path):
    """A root directory with the shim, a static busybox and nothing else: no libc, no /proc, no /dev."""
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(shim.binary, root / "secretfs-env")
    busybox = subprocess.run(["file", "-bL", "/bin/busybox"], capture_output=True, text=True, check=True).stdout
    assert "statically linked" in busybox, "install busybox-static"
    shutil.copy("/bin/busybox", root / "busybox")
    return root


def in_root(root, *command, **env):
    command = ["/usr/sbin/chroot", root, *command]
    return subprocess.run(command, env={"PATH": "/", **env}, capture_output=True, timeout=60)


def test_it_runs_where_nothing_else_is(empty_root):
    mount = empty_root / "run" / "secretfs" / "self"
    mount.mkdir(parents=True)
    (mount / ".environ").write_bytes(b"MYSQL_PASSWORD=" + VALUE + b"\0")
    result = in_root(empty_root, "/secretfs-env", "--", "busybox", "env")
    assert (result.returncode, result.stdout, result.stderr) == (
        0, b"PATH=/\nMYSQL_PASSWORD=" + VALUE + b"\n", b"")


def test_it_refuses_clearly_where_nothing_else_is(empty_root):
    result = in_root(empty_root, "/secretfs-env", "--", "/busybox", "true")
    assert result.returncode == 125 and b"there is no directory \xe2\x80\x9c/run/secretfs/self" in result.stderr
    assert b"set SECRETFS_DIRECTORY" in result.stderr
    result = in_root(empty_root, "/secretfs-env", "--", "/busybox", "true", SECRETFS_DIRECTORY="")
    assert result.returncode == 125 and b"/run/secretfs/self" in result.stderr
    (empty_root / "plain").mkdir()
    (empty_root / "plain" / "KEY").write_bytes(PLANTED)
    result = in_root(empty_root, "/secretfs-env", "/plain", "--", "/script")
    assert result.returncode == 127 and PLANTED not in result.stderr
    (empty_root / "script").write_bytes(b"echo\n")
    (empty_root / "script").chmod(0o755)
    result = in_root(empty_root, "/secretfs-env", "/plain", "--", "/script")
    assert result.returncode == 127 and b"/bin/sh" in result.stderr and PLANTED not in result.stderr


def test_it_is_small_static_and_keeps_no_symbols(shim):
    if "debug" not in shim.binary.parts:
        assert os.path.getsize(shim.binary) < 100_000
    kind = subprocess.run(["file", "-b", shim.binary.resolve()], capture_output=True, text=True, check=True).stdout
    assert "statically linked" in kind and "not stripped" not in kind
