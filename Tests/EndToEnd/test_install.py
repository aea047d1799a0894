"""Installing into a folder and taking it away again; what is installed is true and works."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import REPOSITORY
from support import ALGORITHM, empty, needs_root, notify_socket, store  # noqa: F401 (fixtures)

UNIT = "lib/systemd/system/secretfs-agent.service"
SANDBOX = REPOSITORY / "Tests/EndToEnd/unit_sandbox.py"


def script(name, binaries, destination, *arguments, expected=0):
    environment = {"PATH": os.environ["PATH"], "HOME": "/root", "SECRETFS_BIN": str(binaries), "DESTDIR": str(destination)}
    done = subprocess.run([REPOSITORY / "scripts" / name, *arguments], env=environment, capture_output=True, timeout=120)
    assert done.returncode == expected, done
    return done.stdout.decode() + done.stderr.decode()


def files(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_mode & 0o7777, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def installed(binaries, tmp_path):
    said = script("install", binaries, tmp_path)
    return tmp_path / "usr/local", said


def test_install_makes_what_it_lists_and_twice_is_as_once(installed, binaries, tmp_path):
    prefix, said = installed
    listed = {line for line in said.splitlines() if line.startswith("/usr/local/")}
    made = {f"/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file()}
    assert made == listed | {"/usr/local/share/secretfs/installed"}
    for needed in ["bin/secretfs", "bin/secretfs-env", "libexec/secretfs/secretfs-server", "libexec/secretfs/secretfs-node", "libexec/secretfs/secretfs-provider", UNIT, "lib/systemd/system/secretfs-node.service", "lib/systemd/system/secretfs-server.service", "lib/tmpfiles.d/secretfs.conf", "share/man/man1/secretfs.1", "share/zsh/site-functions/_secretfs"]:
        assert (prefix / needed).is_file(), needed
    before = files(tmp_path)
    script("install", binaries, tmp_path, "--prefix", "/usr/local")
    assert files(tmp_path) == before
    assert subprocess.run([prefix / "bin/secretfs", "--version"], capture_output=True, check=True, timeout=60).stdout


def test_uninstall_removes_what_install_made_and_nothing_else(installed, binaries, tmp_path):
    prefix, _ = installed
    (prefix / "bin/other").write_text("mine")
    stored = tmp_path / "var/lib/secretfs"
    stored.mkdir(parents=True)
    (stored / "store.db").write_text("mine")
    # Of an older version: its file is taken away by the next install.
    gone = prefix / "share/man/man1/secretfs.gone.1"
    gone.write_text("old")
    with open(prefix / "share/secretfs/installed", "a") as manifest:
        manifest.write("file /usr/local/share/man/man1/secretfs.gone.1\n")
    script("install", binaries, tmp_path)
    assert not gone.exists()
    script("uninstall", binaries, tmp_path)
    left = {path for path, (_, content) in files(tmp_path).items() if content is not None}
    assert left == {"usr/local/bin/other", "var/lib/secretfs/store.db"}
    assert sorted(os.listdir(prefix)) == ["bin"]
    assert "nothing is installed" in script("uninstall", binaries, tmp_path, expected=1)


def test_folders_that_were_there_before_stay(binaries, tmp_path):
    (tmp_path / "opt/x/share/man").mkdir(parents=True)
    script("install", binaries, tmp_path, "--prefix=/opt/x")
    unit = (tmp_path / "opt/x" / UNIT).read_text()
    assert "ExecStart=/opt/x/bin/secretfs agent" in unit and "@" not in unit.replace("@system-service", "").replace("@privileged @setuid @keyring", "")
    script("uninstall", binaries, tmp_path, "--prefix", "/opt/x/")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["opt", "opt/x", "opt/x/share", "opt/x/share/man"]


@pytest.mark.parametrize("prefix", ["relative", "/a/../b", "", "/with space", "/a;b"])
def test_a_prefix_that_is_none_is_refused(binaries, tmp_path, prefix):
    script("install", binaries, tmp_path, "--prefix", prefix, expected=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["file /etc/passwd", "file /usr/local/../../etc/passwd", "folder /etc", "what /usr/local/x"])
def test_a_list_that_somebody_changed_removes_nothing(installed, binaries, tmp_path, line):
    prefix, _ = installed
    with open(prefix / "share/secretfs/installed", "a") as manifest:
        manifest.write(line + "\n")
    before = files(tmp_path)
    script("uninstall", binaries, tmp_path, expected=1)
    assert files(tmp_path) == before


# Man pages


def test_the_manual_of_the_shim_has_every_option_of_its_help(binaries):
    help = subprocess.run([binaries / "secretfs-env", "--help"], capture_output=True, check=True, timeout=60).stdout.decode()
    source = (REPOSITORY / "docs/man/secretfs-env.1").read_text()
    items = re.findall(r"^\.It Fl -([a-z-]+)", source, re.MULTILINE)
    synopsis = re.findall(r"Fl -([a-z][a-z-]+)", source[source.index(".Sh SYNOPSIS") : source.index(".Sh DESCRIPTION")])
    options = set(re.findall(r"--([a-z][a-z-]+)", help)) - {"option"}
    assert options and set(items) == options and len(items) == len(options)
    assert set(synopsis) == options
    for status in re.findall(r"\b12\d\b", help):
        assert f".It {status}" in source


def test_every_command_has_a_manual_that_man_shows(installed, empty):
    from test_cli_help import COMMANDS

    prefix, _ = installed
    pages = prefix / "share/man"
    for command in [[], *COMMANDS]:
        name = ".".join(["secretfs", *command])
        environment = {"PATH": os.environ["PATH"], "MANPATH": str(pages), "MANWIDTH": "80", "MANPAGER": "cat"}
        shown = subprocess.run(["man", "--warnings", name], env=environment, capture_output=True, timeout=60)
        assert shown.returncode == 0 and b"NAME" in shown.stdout, (name, shown)
        assert not shown.stderr, (name, shown.stderr)
    shim = subprocess.run(["man", "--warnings", "secretfs-env"], env=environment, capture_output=True, timeout=60)
    assert shim.returncode == 0 and not shim.stderr and b"--require" in re.sub(rb".\x08", b"", shim.stdout)


# systemd


def test_systemd_reads_the_unit_and_rates_it_as_the_page_says(installed, tmp_path):
    prefix, _ = installed
    unit = tmp_path / "secretfs-agent.service"
    unit.write_text((prefix / UNIT).read_text().replace("/usr/local/bin", str(prefix / "bin")))
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit], capture_output=True, text=True, timeout=60).stdout
    exposure = re.search(r"Overall exposure level for secretfs-agent.service: ([\d.]+)", said)
    assert exposure, said
    assert f"**{exposure[1]}**" in (REPOSITORY / "docs/CLI.md").read_text(), exposure[0]
    checked = subprocess.run(["systemd-analyze", "verify", "--man=false", unit], capture_output=True, text=True, timeout=60)
    assert "secretfs-agent.service" not in checked.stderr, checked.stderr
    conf = prefix / "lib/tmpfiles.d/secretfs.conf"
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={root}", conf], check=True, timeout=60)
    assert (root / "var/lib/secretfs").stat().st_mode & 0o7777 == 0o700


@needs_root
@pytest.mark.parametrize("changed", [None, ("@system-service", "@basic-io")], ids=["as it is", "with too little"])
def test_the_agent_serves_under_what_the_unit_takes_away(installed, store, tmp_path, changed):
    """The second case shows that the sandbox holds: without what the agent needs, it does not start."""
    prefix, _ = installed
    store.create("A", b"1")
    unit = tmp_path / "unit"
    text = (prefix / UNIT).read_text()
    unit.write_text(text.replace(*changed) if changed else text)
    with notify_socket(store.state) as (path, receive):
        environment = {**store.environment, "NOTIFY_SOCKET": path}
        command = ["unshare", "--mount", "--net", "/usr/bin/python3", SANDBOX, unit, store.state, "--", store.binary, "agent", "--state", store.state]
        agent = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        store.started.append(agent)
        if changed:
            assert agent.wait(timeout=60) != 0
            return
        try:
            assert receive() == b"READY=1"
        except TimeoutError:
            agent.kill()
            raise AssertionError(agent.stdout.read()) from None
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{agent.pid}/status").read().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert int(status["CapEff"], 16) == 1 << 2 | 1 << 14 | 1 << 19
    assert int(status["VmLck"].split()[0]) > 1000, "memory is not locked"
    mount = store.mount()
    assert (mount / "A").read_bytes() == b"1"
    store.update("A", b"2")
    store.create("B", b"3")
    shown = store.does("run", ALGORITHM, "--", "sh", "-c", "echo $A$B").output
    assert shown == "23\n"
    assert (mount / "A").read_bytes() == b"2"
    # Which program another user runs: what CAP_SYS_PTRACE is for.
    store.does("callers", ALGORITHM, "--exe", os.path.realpath("/usr/bin/cat"))
    other = store.mount("--uid", "65534", "--mode", "0444", name="other")
    as_other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    assert subprocess.run([*as_other, "cat", other / "A"], capture_output=True, timeout=60).stdout == b"2"
    refused = subprocess.run([*as_other, "head", other / "A"], capture_output=True, timeout=60)
    assert refused.stdout == b"" and b"denied" in refused.stderr
    # As ExecStop does, outside of the sandbox (test_systemd.py has the real one).
    store.does("agent", "--stop")
    assert agent.wait(timeout=60) == 0, agent.stdout.read()
    assert store.mounts == []
