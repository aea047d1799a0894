"""A mount as programs and the kernel see it: attributes, permissions, and that nothing changes it."""

import ctypes
import errno
import os
import re
import select
import stat
import subprocess
import threading
import time
from datetime import datetime, timezone

import pytest
from support import (  # noqa: F401 (fixtures)
    ALGORITHM,
    MS_REMOUNT,
    OTHER_UID,
    change,
    empty,
    entries,
    forgotten,
    generation,
    libc,
    mount_table,
    needs_root,
    store,
    wait_for_generation,
)

NAMES = ["MYSQL_PASSWORD", ".environ", ".generation"]


@pytest.fixture
def mount(store):
    store.create("MYSQL_PASSWORD", b"value", "--name", "MySQL password", "--description", "reporting replica")
    return store.mount()


def refusal(action, *arguments, **options) -> str:
    """The name of the errno that `action` ends with."""
    try:
        action(*arguments, **options)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "nothing"


# Attributes


def test_files_and_folder_have_the_modes_of_the_mount(mount):
    folder = mount.stat()
    assert stat.S_ISDIR(folder.st_mode) and folder.st_mode & 0o7777 == 0o500
    for name in NAMES:
        file = (mount / name).stat()
        assert stat.S_ISREG(file.st_mode) and file.st_mode & 0o7777 == 0o400, name
        assert (file.st_uid, file.st_gid, file.st_nlink) == (os.getuid(), os.getgid(), 1)


def test_times_are_when_the_version_was_made(store, mount):
    def modified(report):
        moment = datetime.fromisoformat(report["versions"][-1]["created"].replace("Z", "+00:00"))
        return moment.astimezone(timezone.utc).timestamp()

    for _ in range(2):
        made = modified(store.json("secret", "show", ALGORITHM, "MYSQL_PASSWORD"))
        # What the kernel was told of the old version may outlive it for a moment; an open asks again.
        (mount / "MYSQL_PASSWORD").read_bytes()
        file = (mount / "MYSQL_PASSWORD").stat()
        assert abs(file.st_mtime - made) < 0.0015
        assert file.st_ctime == file.st_mtime
        forgotten(lambda: mount.stat().st_mtime < file.st_mtime - 0.0015)
        with change(mount):
            store.update("MYSQL_PASSWORD", b"new")


@pytest.mark.parametrize("mode, folder", [("0400", 0o500), ("0440", 0o550), ("0444", 0o555), ("0404", 0o505)])
def test_the_folders_mode_follows_the_files(store, mode, folder):
    store.create("A", b"1")
    mount = store.mount("--mode", mode)
    assert (mount / "A").stat().st_mode & 0o7777 == int(mode, 8)
    assert mount.stat().st_mode & 0o7777 == folder


def test_the_mount_is_marked_as_what_it_is(mount):
    line = next(fields for fields in mount_table() if fields[4] == str(mount))
    assert set(line[5].split(",")) >= {"ro", "nosuid", "nodev", "noexec"}
    assert "fuse.secretfs" in line
    assert "default_permissions" in line[-1]


def test_the_file_system_has_figures_for_df(mount):
    figures = os.statvfs(mount)
    assert figures.f_namemax >= 255
    assert figures.f_flag & os.ST_RDONLY and figures.f_flag & os.ST_NOSUID
    assert figures.f_bfree == figures.f_bavail == 0
    subprocess.run(["df", mount], check=True, timeout=60, stdout=subprocess.DEVNULL)


def test_the_listing_has_kinds_and_is_complete(mount):
    listed = {entry.name: (entry.is_file(), entry.inode()) for entry in os.scandir(mount)}
    assert set(listed) == set(NAMES) and all(is_file for is_file, _ in listed.values())
    for name, (_, inode) in listed.items():
        assert (mount / name).stat().st_ino == inode, name


@pytest.mark.parametrize("name", ["MISSING", ".hidden", "mysql_password", "MYSQL_PASSWOR", "MYSQL_PASSWORD2", "MYSQL_PASSWORD/x"])
def test_what_is_not_there_does_not_exist(mount, name):
    assert refusal(os.open, mount / name, os.O_RDONLY) in ("ENOENT", "ENOTDIR")
    assert not (mount / name).exists()


# Extended attributes


def test_extended_attributes_tell_about_the_secret_and_never_the_value(store, mount):
    path = mount / "MYSQL_PASSWORD"

    def attributes():
        return {name: os.getxattr(path, name).decode() for name in os.listxattr(path)}

    shown = attributes()
    assert set(shown) == {f"user.secretfs.{name}" for name in ["version", "provider", "modified", "name", "description"]}
    assert shown["user.secretfs.version"] == "1"
    assert shown["user.secretfs.provider"] == "internal"
    assert shown["user.secretfs.name"] == "MySQL password"
    assert shown["user.secretfs.description"] == "reporting replica"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown["user.secretfs.modified"])
    with change(mount):
        store.does("secret", "update", ALGORITHM, "MYSQL_PASSWORD", "--name", "Ünïcode", "--chomp", input=b"new")
    assert os.getxattr(path, "user.secretfs.version") == b"2"
    assert os.getxattr(path, "user.secretfs.name") == "Ünïcode".encode()
    with change(mount):
        store.does("secret", "update", ALGORITHM, "MYSQL_PASSWORD", "--metadata-only", "--description", "later")
    assert os.getxattr(path, "user.secretfs.description") == b"later"
    assert os.getxattr(path, "user.secretfs.version") == b"2"


def test_other_extended_attributes_do_not_exist(mount):
    for name in ["user.secretfs.value", "user.secretfs.", "user.other", "security.capability"]:
        assert refusal(os.getxattr, mount / "MYSQL_PASSWORD", name) == "ENODATA", name
    for name in [".environ", ".generation", "."]:
        assert os.listxattr(mount / name) == []
        assert refusal(os.getxattr, mount / name, "user.secretfs.version") == "ENODATA"


def test_the_size_of_an_attribute_is_told_before_it_is_read(mount):
    path = os.fsencode(mount / "MYSQL_PASSWORD")
    ctypes.set_errno(0)
    assert libc.getxattr(path, b"user.secretfs.name", None, ctypes.c_size_t(0)) == 14
    small = ctypes.create_string_buffer(3)
    assert libc.getxattr(path, b"user.secretfs.name", small, ctypes.c_size_t(3)) == -1
    assert ctypes.get_errno() == errno.ERANGE


# Nothing changes it


def changes(mount):
    """Every way to change a file system, by its name."""
    file = mount / "MYSQL_PASSWORD"
    yield "open for writing", os.open, file, os.O_WRONLY
    yield "open for both", os.open, file, os.O_RDWR
    yield "open to truncate", os.open, file, os.O_RDONLY | os.O_TRUNC
    yield "open to append", os.open, file, os.O_WRONLY | os.O_APPEND
    yield "open environ for writing", os.open, mount / ".environ", os.O_WRONLY
    yield "open generation for writing", os.open, mount / ".generation", os.O_WRONLY
    yield "create", os.open, mount / "NEW", os.O_WRONLY | os.O_CREAT
    yield "create a temporary file", os.open, mount, os.O_WRONLY | os.O_TMPFILE
    yield "mkdir", os.mkdir, mount / "NEW"
    yield "mknod", os.mknod, mount / "NEW"
    yield "mkfifo", os.mkfifo, mount / "NEW"
    yield "unlink", os.unlink, file
    yield "unlink environ", os.unlink, mount / ".environ"
    yield "rename", os.rename, file, mount / "NEW"
    yield "rename away", os.replace, mount / ".environ", file
    yield "chmod", os.chmod, file, 0o777
    yield "chmod the folder", os.chmod, mount, 0o777
    yield "chown", os.chown, file, 1, 1
    yield "truncate", os.truncate, file, 0
    yield "utime", os.utime, file
    yield "setxattr", os.setxattr, file, "user.secretfs.version", b"9"
    yield "setxattr on the folder", os.setxattr, mount, "user.x", b"9"
    yield "removexattr", os.removexattr, file, "user.secretfs.version"
    yield "link", os.link, file, mount / "NEW"
    yield "symlink", os.symlink, "/etc/passwd", mount / "NEW"


def check_that_nothing_changes(mount):
    before = sorted(os.listdir(mount)), (mount / "MYSQL_PASSWORD").stat()
    answers = {name: refusal(action, *arguments) for name, action, *arguments in changes(mount)}
    # open(2) says this of a folder before it asks the file system, where that has no O_TMPFILE.
    assert answers.pop("create a temporary file") in ("EROFS", "ENOTSUP")
    assert answers == dict.fromkeys(answers, "EROFS")
    assert (sorted(os.listdir(mount)), (mount / "MYSQL_PASSWORD").stat()) == before
    assert (mount / "MYSQL_PASSWORD").read_bytes() == b"value"


def test_every_change_is_refused_as_of_a_read_only_file_system(mount):
    check_that_nothing_changes(mount)


@needs_root
def test_every_change_is_refused_after_a_remount_for_writing(mount):
    assert libc.mount(None, os.fsencode(mount), None, MS_REMOUNT, None) == 0, os.strerror(ctypes.get_errno())
    line = next(fields for fields in mount_table() if fields[4] == str(mount))
    assert "rw" in line[5].split(","), "the remount did not work, so nothing is tested here"
    check_that_nothing_changes(mount)


def test_files_are_not_executed(mount):
    assert not os.access(mount / "MYSQL_PASSWORD", os.X_OK)
    assert refusal(subprocess.run, [mount / "MYSQL_PASSWORD"]) == "EACCES"


# Users


def as_user(uid: int, *command) -> subprocess.CompletedProcess:
    before = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    return subprocess.run([*before, *command], capture_output=True, timeout=60)


@needs_root
def test_the_owner_reads_and_another_user_does_not(store):
    store.create("A", b"value")
    mount = store.mount("--uid", OTHER_UID, "--gid", OTHER_UID)
    file = (mount / "A").stat()
    assert (file.st_uid, file.st_gid) == (OTHER_UID, OTHER_UID)
    assert as_user(OTHER_UID, "cat", mount / "A").stdout == b"value"
    assert as_user(OTHER_UID, "cat", mount / ".environ").stdout == b"A=value\0"
    for command in [["cat", mount / "A"], ["ls", mount], ["cat", mount / ".environ"], ["stat", mount / "A"]]:
        stranger = as_user(OTHER_UID - 1, *command)
        assert (stranger.returncode != 0, stranger.stdout) == (True, b"")
        assert b"Permission denied" in stranger.stderr


@needs_root
def test_the_group_reads_where_the_mode_says_so(store):
    store.create("A", b"value")
    mount = store.mount("--gid", OTHER_UID, "--mode", "0440")
    assert as_user(OTHER_UID, "cat", mount / "A").stdout == b"value"
    assert b"Permission denied" in as_user(OTHER_UID - 1, "cat", mount / "A").stderr


@needs_root
def test_others_read_where_the_mode_says_so(store):
    store.create("A", b"value")
    mount = store.mount("--mode", "0444")
    assert as_user(OTHER_UID, "cat", mount / "A").stdout == b"value"
    # And change nothing.
    assert as_user(OTHER_UID, "rm", "-f", mount / "A").returncode != 0


# The generation


def opened(mount):
    return os.open(mount / ".generation", os.O_RDONLY)


def test_the_generation_is_a_number_that_grows(store, mount):
    assert re.fullmatch(rb"[1-9][0-9]*\n", (mount / ".generation").read_bytes())
    before = generation(mount)
    store.update("MYSQL_PASSWORD", b"new")
    assert wait_for_generation(mount, before) > before
    assert (mount / ".generation").stat().st_size == len((mount / ".generation").read_bytes())


def test_poll_is_quiet_until_something_changes(store, mount):
    descriptor = opened(mount)
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN | select.POLLPRI)
        first = os.pread(descriptor, 32, 0)
        assert poller.poll(0) == []
        store.update("MYSQL_PASSWORD", b"new")
        assert poller.poll(30_000) == [(descriptor, select.POLLIN | select.POLLPRI)]
        # Until it is read from the start.
        assert poller.poll(0) != []
        assert int(os.pread(descriptor, 32, 0)) > int(first)
        assert poller.poll(0) == []
    finally:
        os.close(descriptor)


def test_select_wakes_up(store, mount):
    descriptor = opened(mount)
    try:
        os.pread(descriptor, 32, 0)
        assert select.select([descriptor], [], [descriptor], 0) == ([], [], [])
        store.update("MYSQL_PASSWORD", b"new")
        assert select.select([descriptor], [], [descriptor], 30) == ([descriptor], [], [descriptor])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("flags", [0, select.EPOLLET], ids=["level", "edge"])
def test_epoll_wakes_up(store, mount, flags):
    descriptor = opened(mount)
    try:
        os.pread(descriptor, 32, 0)
        with select.epoll() as epoll:
            epoll.register(descriptor, select.EPOLLIN | select.EPOLLPRI | flags)
            assert epoll.poll(0) == []
            for number in range(3):
                store.update("MYSQL_PASSWORD", b"new %d" % number)
                assert epoll.poll(30) == [(descriptor, select.EPOLLIN | select.EPOLLPRI)]
                os.pread(descriptor, 32, 0)
    finally:
        os.close(descriptor)


def test_a_waiting_poll_is_woken(store, mount):
    """The process sleeps in poll(2) before the change comes, many at once."""
    woken = []

    def wait():
        descriptor = opened(mount)
        try:
            before = os.pread(descriptor, 32, 0)
            poller = select.poll()
            poller.register(descriptor, select.POLLPRI)
            ready.release()
            if poller.poll(30_000):
                woken.append(int(os.pread(descriptor, 32, 0)) > int(before))
        finally:
            os.close(descriptor)

    ready = threading.Semaphore(0)
    threads = [threading.Thread(target=wait) for _ in range(16)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert ready.acquire(timeout=30)
    time.sleep(0.1)
    store.update("MYSQL_PASSWORD", b"new")
    for thread in threads:
        thread.join(timeout=40)
    assert woken == [True] * 16


def test_values_poll_as_ordinary_files_do(mount):
    with open(mount / "MYSQL_PASSWORD", "rb") as file:
        poller = select.poll()
        poller.register(file, select.POLLIN)
        assert poller.poll(0) == [(file.fileno(), select.POLLIN)]


# Two mounts


def test_one_algorithm_may_be_mounted_twice_and_another_beside_it(store, mount):
    store.does("algorithm", "create", "nlp/Other")
    store.create("B", b"other", of="nlp/Other")
    second = store.mount("--mode", "0444", name="second")
    other = store.mount(name="other", of="nlp/Other")
    assert entries(mount) == entries(second) == ["MYSQL_PASSWORD"]
    assert entries(other) == ["B"]
    with change(mount), change(second):
        store.update("MYSQL_PASSWORD", b"both")
    assert (mount / "MYSQL_PASSWORD").read_bytes() == (second / "MYSQL_PASSWORD").read_bytes() == b"both"
    assert (other / "B").read_bytes() == b"other"
    store.does("unmount", second)
    assert (mount / "MYSQL_PASSWORD").read_bytes() == b"both"


@pytest.mark.parametrize("name", ["with space", "tab\there", "new\nline", "back\\slash", "ünïcode", "-dash", "x" * 200])
def test_a_mount_point_may_have_any_name(store, name):
    store.create("A", b"1")
    folder = store.folder(name)
    store.does("mount", ALGORITHM, folder)
    assert (folder / "A").read_bytes() == b"1"
    assert str(folder) in [row["mountPoint"] for row in store.json("mounts")]
    store.does("unmount", folder)
    assert os.listdir(folder) == []


def test_a_link_to_the_mount_point_is_followed_once(store):
    store.create("A", b"1")
    folder = store.folder()
    (store.root / "link").symlink_to(folder)
    assert str(folder) in store.does("mount", ALGORITHM, store.root / "link").output
    assert (folder / "A").read_bytes() == b"1"
