"""The admin mount: the store as a tree for shells and programs (docs/SEMANTICS.md#the-admin-mount)."""

import errno
import os
import stat
import subprocess

import pytest
from conftest import PLANTED
from support import ALGORITHM, COMMAND_DEADLINE, Store, empty, needs_root, store, wait_until  # noqa: F401 (fixtures)

pytestmark = needs_root
SECRET = "MYSQL_PASSWORD"


class Admin:
    """An admin mount, and the directory of one secret in it. Names that go are looked for in listings: the kernel may
    be told of them after whoever polls `.generation`."""

    def __init__(self, store: Store):
        self.store = store
        self.root = store.folder("admin")
        store.does("mount", "--admin", self.root)
        self.home = self.root / "algorithms" / ALGORITHM
        self.secret = self.home / SECRET
        # What an algorithm's mount shows is what was really stored.
        self.mount = store.mount()

    def sh(self, script: str, status=0, shell="sh", **options) -> str:
        process = subprocess.run(
            [shell, "-c", script], cwd=self.secret if self.secret.exists() else self.home, capture_output=True,
            timeout=COMMAND_DEADLINE, env=self.store.environment, **options)
        assert process.returncode == status, (script, process)
        return process.stdout.decode()

    @property
    def versions(self) -> int:
        return self.store.json("secret", "show", ALGORITHM, SECRET)["version"]

    def shows(self, value: bytes):
        """Waits until the algorithm's mount shows exactly this."""
        wait_until(self.mount, lambda: (self.mount / SECRET).exists() and (self.mount / SECRET).read_bytes() == value)

    @property
    def log(self) -> str:
        return (self.store.state / "agent.log").read_text()


@pytest.fixture
def admin(store):
    return Admin(store)


@pytest.fixture
def secret(admin):
    admin.secret.mkdir()
    (admin.secret / "value").write_bytes(b"first")
    admin.shows(b"first")
    return admin


def test_a_session_in_the_shell(admin):
    admin.sh(
        f"""set -e
        mkdir {SECRET}
        echo "The password" > {SECRET}/name
        echo "of the reports' database" > {SECRET}/description
        echo 3 > {SECRET}/kept
        printf %s secret-1 > {SECRET}/value
        """)
    admin.shows(b"secret-1")
    shown = admin.store.json("secret", "show", ALGORITHM, SECRET)
    assert (shown["displayName"], shown["description"], shown["version"]) == ("The password", "of the reports' database", 1)
    assert admin.sh("cat name description delivery kept provider version modified_by") == (
        "The password\nof the reports' database\nenv\n3\ninternal\n1\nuid 0\n")
    listing = [line.split() for line in admin.sh("ls -l").splitlines()[1:]]
    shown = {fields[-1]: (fields[0], int(fields[4])) for fields in listing}
    assert shown["value"] == ("--w-------", 8) and shown["version"] == ("-r--------", 2)
    assert shown["name"] == ("-rw-------", 13)
    assert admin.sh("getfattr -d --absolute-names value | grep -c secretfs") == "8\n"
    for number in range(2, 6):
        admin.sh(f"printf %s secret-{number} > value")
    assert admin.versions == 5 and len(admin.sh("cat versions").splitlines()) == 3
    assert admin.sh("stat -c %s value") == "8\n"
    admin.sh(f"cd ..; rm -r {SECRET}; ls")
    assert admin.store.names() == []


def test_a_new_directory_is_a_secret_once_its_value_is_written(admin):
    admin.secret.mkdir()
    assert sorted(os.listdir(admin.secret)) == [
        "callers", "delivery", "description", "expires", "kept", "name", "not_before", "value"]
    assert admin.store.names() == []
    (admin.secret / "value").write_bytes(b"first")
    assert admin.store.names() == [SECRET]
    assert "versions" in os.listdir(admin.secret)
    with pytest.raises(FileExistsError):
        admin.secret.mkdir()
    # One that never got a value is nowhere.
    (admin.home / "OTHER").mkdir()
    (admin.home / "OTHER").rmdir()
    assert admin.store.names() == [SECRET]


def test_a_value_is_never_read_back(secret):
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_TRUNC):
        with pytest.raises(PermissionError):
            os.open(secret.secret / "value", flags)
    descriptor = os.open(secret.secret / "value", os.O_WRONLY)
    os.write(descriptor, b"second")
    with pytest.raises(OSError):
        os.pread(descriptor, 10, 0)
    os.close(descriptor)
    secret.shows(b"second")


WAYS = {
    "echo": "printf %s {} > value",
    "cp": "printf %s {} > /$T/new; cp /$T/new value",
    "cp -p": "printf %s {} > /$T/new; cp -p /$T/new value",
    "mv": "printf %s {} > /$T/new; mv /$T/new value",
    "tee": "printf %s {} | tee value > /dev/null",
    "dd": "printf %s {} | dd of=value bs=3 status=none",
    "rename over": "printf %s {} > new; mv new value",
    "rsync": "printf %s {} > /$T/new; rsync -a /$T/new value",
    "rsync --inplace": "printf %s {} > /$T/new; rsync --inplace /$T/new value",
    "vim": "vim -u NONE -es -c 'e value' -c 'set noeol nofixeol' -c 'call setline(1, \"{}\")' -c 'w!' -c 'q!'",
    "python": "python3 -c \"open('value', 'w').write('{}')\"",
    "many writers of one open": "sh -c 'printf %s {} | {{ head -c 4; cat; }}' > value",
    "two programs, one redirection": "{{ /bin/echo -n pl; printf %s {} | tail -c +3; }} > value",
    "a descriptor of the shell": "exec 5>value; printf pl >&5; printf %s {} | tail -c +3 >&5; exec 5>&-",
    "install": "printf %s {} > /$T/new; install -m 600 /$T/new value",
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_writing_is_one_version(secret, way):
    value = PLANTED.decode() + "-of-this-way"
    temporary = secret.store.folder("elsewhere")
    secret.sh(f"T={temporary}; set -e; " + WAYS[way].format(value), shell="bash")
    assert secret.versions == 2
    secret.shows(value.encode())
    assert value not in secret.log
    assert not [name for name in os.listdir(secret.secret) if name.startswith((".", "new"))]


@pytest.mark.parametrize("script", [
    "sed -i s/^.*$/Changed/ name",
    "printf Changed > new; mv new name",
    "vim -u NONE -es -c 'e name' -c 'call setline(1, \"Changed\")' -c wq",
    "python3 -c \"f = open('name', 'r+'); f.write('Changed'); f.truncate(); f.close()\"",
    "printf Changed > ../../../../../new; cp ../../../../../new name",
])
def test_editors_change_what_can_be_read(secret, script):
    secret.sh(script)
    assert secret.sh("cat name") == "Changed\n"
    assert secret.store.json("secret", "show", ALGORITHM, SECRET)["displayName"] == "Changed"


def test_a_write_with_new_data_after_fsync_is_another_version(secret):
    descriptor = os.open(secret.secret / "value", os.O_WRONLY | os.O_TRUNC)
    os.write(descriptor, b"abc")
    os.fsync(descriptor)
    assert secret.versions == 2
    os.fsync(descriptor)
    os.close(os.dup(descriptor))
    assert secret.versions == 2
    os.write(descriptor, b"def")
    os.close(descriptor)
    assert secret.versions == 3
    secret.shows(b"abcdef")


def test_an_open_without_a_write_changes_nothing(secret):
    secret.sh(": > value; touch value; chmod 644 value; chown 1:1 value")
    assert secret.versions == 1
    secret.shows(b"first")
    # An empty value is asked for by name.
    secret.sh("truncate -s 0 value")
    assert secret.versions == 2
    secret.shows(b"")


def fails(number: int, body):
    with pytest.raises(OSError) as caught:
        body()
    assert caught.value.errno == number, caught.value


def test_what_cannot_be_stored_is_refused_and_changes_nothing(secret):
    value = secret.secret / "value"
    fails(errno.EOPNOTSUPP, lambda: os.open(value, os.O_WRONLY | os.O_APPEND))
    assert "nothing can be appended" in secret.log
    # A NUL, and what is too long for a variable, are known when all is there.
    for bad in (b"a\0b", b"x" * 131_072):
        descriptor = os.open(value, os.O_WRONLY)
        assert os.write(descriptor, bad) == len(bad)
        fails(errno.EINVAL, lambda: os.close(descriptor))
    assert f"{SECRET} cannot be an environment variable: it contains a NUL byte" in secret.log
    assert "--delivery file" in secret.log
    # A hole.
    descriptor = os.open(value, os.O_WRONLY)
    os.write(descriptor, b"abc")
    fails(errno.EINVAL, lambda: os.pwrite(descriptor, b"x", 10))
    fails(errno.EINVAL, lambda: os.fsync(descriptor))
    fails(errno.EINVAL, lambda: os.close(descriptor))
    # Too long: at the write, and nothing of it is stored.
    (secret.secret / "delivery").write_text("file\n")
    descriptor = os.open(value, os.O_WRONLY)
    for _ in range(16):
        assert os.write(descriptor, b"x" * 65536) == 65536
    fails(errno.EFBIG, lambda: os.write(descriptor, b"x"))
    fails(errno.EFBIG, lambda: os.close(descriptor))
    assert secret.versions == 1
    secret.shows(b"first")
    value.write_bytes(b"x" * 1_048_576)
    assert secret.versions == 2


@pytest.mark.parametrize("name, content", [
    ("delivery", "both"), ("expires", "some day"), ("kept", "0"), ("kept", "many"), ("name", "two\nlines"),
    ("description", "x" * 1025), ("not_before", "\x00"),
])
def test_a_setting_that_is_not_one_is_refused(secret, name, content):
    before = (secret.secret / name).read_text()
    descriptor = os.open(secret.secret / name, os.O_WRONLY | os.O_TRUNC)
    os.write(descriptor, content.encode())
    fails(errno.EINVAL, lambda: os.close(descriptor))
    assert (secret.secret / name).read_text() == before


def test_a_validity_is_written_as_on_the_command_line(secret):
    secret.sh("echo 2040-01-01 > expires; echo 2030-06-01T12:00:00Z > not_before")
    assert secret.sh("cat not_before expires") == "2030-06-01T12:00:00.000Z\n2040-01-01T00:00:00.000Z\n"
    wait_until(secret.mount, lambda: SECRET not in os.listdir(secret.mount))
    secret.sh("cp /dev/null new; echo 2029-01-01 > new; ! mv new expires; rm new; echo never > not_before")
    secret.shows(b"first")


def test_names_that_are_not_names(admin):
    def errno_of(path) -> int:
        with pytest.raises(OSError) as caught:
            os.mkdir(path)
        return caught.value.errno

    assert errno_of(admin.home / "1ST") == errno.EINVAL
    assert errno_of(admin.home / "LD_PRELOAD") == errno.EPERM and "--allow-name LD_PRELOAD" in admin.log
    assert errno_of(admin.home.parent / ".hidden") == errno.EINVAL
    assert errno_of(admin.root / "other") == errno.EPERM
    assert errno_of(admin.root / "owners" / "nobody") == errno.EPERM
    assert errno_of(os.fsencode(admin.home) + b"/\xff") == errno.EINVAL
    with pytest.raises(PermissionError):
        (admin.home / "TOKEN").write_text("not here")
    assert "mkdir makes a secret" in admin.log


def test_a_name_never_changes(secret):
    for old, new in ((secret.secret, secret.home / "OTHER"), (secret.home, secret.home.parent / "Other")):
        fails(errno.EPERM, lambda: os.rename(old, new))
    fails(errno.EPERM, lambda: os.rename(secret.secret / "value", secret.secret / "value~"))
    fails(errno.EPERM, lambda: os.link(secret.secret / "name", secret.secret / "other"))
    fails(errno.EPERM, lambda: os.symlink("value", secret.secret / "other"))
    assert secret.store.names() == [SECRET]


def test_algorithms_and_owners_come_and_go(admin):
    admin.sh("cd ../..; mkdir vision; mkdir vision/Captions vision/Captions/KEY; printf k > vision/Captions/KEY/value")
    assert admin.store.names("vision/Captions") == ["KEY"]
    fails(errno.ENOTEMPTY, lambda: os.rmdir(admin.root / "algorithms/vision/Captions"))
    fails(errno.ENOTEMPTY, lambda: os.rmdir(admin.root / "algorithms/vision"))
    admin.sh("cd ../..; rm -r vision")
    assert [algorithm["name"] for algorithm in admin.store.json("algorithm", "list")] == [ALGORITHM]
    assert os.listdir(admin.root / "algorithms") == ["nlp"]


def test_a_secret_of_an_owner_is_granted_line_by_line(admin):
    admin.store.does("algorithm", "create", "vision/Captions")
    shared = admin.root / "owners/nlp/SHARED_TOKEN"
    shared.mkdir()
    # Granted with its first value, if that is said before.
    (shared / "grants").write_text("vision/Captions\n")
    (shared / "value").write_bytes(b"shared")
    assert (shared / "grants").read_text() == "vision/Captions\n"
    assert "SHARED_TOKEN" not in os.listdir(admin.mount)
    (shared / "grants").write_text("vision/Captions\nnlp/*\n")
    assert (shared / "grants").read_text() == "nlp/*\nvision/Captions\n"
    wait_until(admin.mount, lambda: (admin.mount / "SHARED_TOKEN").exists())
    for bad in ("vision/*\n", "nlp/Missing\n", "nobody\n"):
        descriptor = os.open(shared / "grants", os.O_WRONLY | os.O_TRUNC)
        os.write(descriptor, bad.encode())
        with pytest.raises(OSError):
            os.close(descriptor)
        assert (shared / "grants").read_text() == "nlp/*\nvision/Captions\n"
    (shared / "grants").write_text("vision/Captions\n")
    wait_until(admin.mount, lambda: "SHARED_TOKEN" not in os.listdir(admin.mount))


def test_what_others_change_shows_at_once(secret):
    secret.store.update(SECRET, b"by the command line")
    assert (secret.secret / "version").read_text() == "2\n"
    assert (secret.secret / "value").stat().st_size == len(b"by the command line")
    secret.store.create("ANOTHER", b"x")
    assert sorted(os.listdir(secret.home)) == [".callers", "ANOTHER", SECRET]
    # A writer of a secret that was deleted, and made again, does not write to the new one.
    descriptor = os.open(secret.secret / "value", os.O_WRONLY)
    os.write(descriptor, b"late")
    secret.store.delete(SECRET)
    secret.store.create(SECRET, b"new")
    fails(errno.ENOENT, lambda: os.close(descriptor))
    assert secret.versions == 1
    secret.store.delete(SECRET)
    assert not secret.secret.exists()


def test_files_beside_a_secret_are_bounded_and_gone_with_the_mount(secret):
    temporary = secret.secret / ".value.tmp"
    temporary.write_bytes(b"beside")
    assert temporary.read_bytes() == b"beside" and stat.S_IMODE(temporary.stat().st_mode) == 0o600
    fails(errno.ENOTEMPTY, lambda: os.rmdir(secret.secret))
    with open(temporary, "wb", buffering=0) as file:
        for _ in range(8):
            file.write(b"x" * 131_072)
        fails(errno.EFBIG, lambda: file.write(b"x"))
    for number in range(1, 64):
        (secret.secret / f"beside-{number}").write_bytes(b"x")
    fails(errno.ENOSPC, lambda: (secret.secret / "one-more").write_bytes(b"x"))
    fails(errno.EXDEV, lambda: os.rename(temporary, secret.home / "x"))
    secret.store.does("unmount", secret.root)
    secret.store.does("mount", "--admin", secret.root)
    assert not temporary.exists() and secret.versions == 1


def test_the_mount_is_for_root_and_its_owner_alone(secret):
    assert stat.S_IMODE(secret.root.stat().st_mode) == 0o700
    other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "ls", secret.root]
    assert subprocess.run(other, capture_output=True, timeout=COMMAND_DEADLINE).returncode == 2
    theirs = secret.store.folder("theirs")
    secret.store.does("mount", "--admin", theirs, "--uid", "65534", "--gid", "65534")
    script = f"printf theirs > {theirs}/algorithms/{ALGORITHM}/{SECRET}/value"
    subprocess.run([*other[:-2], "sh", "-c", script], check=True, timeout=COMMAND_DEADLINE)
    secret.shows(b"theirs")
    assert (secret.secret / "modified_by").read_text() == "uid 65534\n"


def test_mounts_and_options(secret):
    rows = {row["mountPoint"]: row for row in secret.store.json("mounts")}
    assert rows[str(secret.root)]["state"] == "admin" and "algorithm" not in rows[str(secret.root)]
    secret.store.run("mount", "--admin", secret.root, ALGORITHM).failed(64, "--admin DIRECTORY takes no algorithm")
    secret.store.run("mount", ALGORITHM).failed(64, "a directory")
    assert secret.store.json("status")["agent"]["mounts"] == 2
