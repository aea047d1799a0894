"""Mount points and devices that cannot be used: what is said, and that nothing is left."""

import os
import subprocess

import pytest
from support import ALGORITHM, empty, generation, needs_root, store  # noqa: F401 (fixtures)

BAD_INPUT, NOT_FOUND, UNAVAILABLE, EXISTS, RETRY = 65, 66, 69, 73, 75


@pytest.fixture
def mount(store):
    store.create("A", b"value")
    return store.mount()


def refused(store, point, status, *words):
    before = store.mounts
    outcome = store.run("mount", ALGORITHM, point)
    outcome.failed(status, *words)
    assert store.mounts == before, "a mount is left"


def test_a_mount_point_that_is_missing(store, mount):
    refused(store, store.root / "missing", NOT_FOUND, f"{store.root}/missing does not exist", "create the directory")


def test_a_mount_point_that_is_a_file(store, mount):
    (store.root / "file").write_bytes(b"x")
    refused(store, store.root / "file", BAD_INPUT, "is not a directory")
    refused(store, store.root / "file" / "below", BAD_INPUT, "is not a directory")


def test_a_mount_point_that_is_not_empty(store, mount):
    folder = store.folder("full")
    (folder / ".hidden").write_bytes(b"x")
    refused(store, folder, BAD_INPUT, f"{folder} is not empty", "choose an empty directory")
    assert (folder / ".hidden").exists()


def test_a_mount_point_that_is_mounted_already(store, mount):
    before = generation(mount)
    refused(store, mount, EXISTS, f"{mount} is a mount point already", "secretfs unmount")
    assert generation(mount) == before
    assert (mount / "A").read_bytes() == b"value"


@pytest.mark.parametrize("place", ["A", ".environ", "missing"])
def test_a_mount_point_inside_another_of_our_mounts(store, mount, place):
    refused(store, mount / place, NOT_FOUND if place == "missing" else BAD_INPUT)
    assert (mount / "A").read_bytes() == b"value"


@needs_root
def test_a_folder_that_something_else_is_mounted_on(store):
    folder = store.folder()
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True, timeout=60)
    refused(store, folder, EXISTS, f"{folder} is a mount point already (tmpfs)", "choose another directory")
    below = folder / "below"
    below.mkdir()
    store.does("mount", ALGORITHM, below)
    store.does("unmount", below)
    subprocess.run(["umount", folder], check=True, timeout=60)


def test_a_mount_that_is_in_use_is_not_unmounted(store, mount):
    with open(mount / "A", "rb", buffering=0) as file:
        store.run("unmount", mount).failed(RETRY, f"{mount} is in use", "fuser -m")
        assert (mount / "A").read_bytes() == b"value"
        store.does("unmount", mount, "--lazy")
        assert os.listdir(mount) == []
        assert file.read() == b"value", "an open file outlives a lazy unmount"


def test_a_mount_point_is_free_after_unmount(store, mount):
    for _ in range(3):
        store.does("unmount", mount)
        assert os.listdir(mount) == []
        store.does("mount", ALGORITHM, mount)
        assert (mount / "A").read_bytes() == b"value"


# /dev/fuse


def without_device(script: str):
    """Puts the program into a mount namespace of its own, where `script` changes /dev."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{script.strip()}; exec "$@"', "sh"]


NO_DEVICE = """
mkdir -p dev; mount -t tmpfs none dev; for name in null zero random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mount --rbind dev /dev
"""


@needs_root
def test_without_the_device_nothing_is_mounted_and_it_is_said(store):
    folder = store.folder()
    outcome = store.run("mount", ALGORITHM, folder, before=without_device(NO_DEVICE))
    outcome.failed(UNAVAILABLE, "/dev/fuse does not exist", "modprobe fuse", "--device /dev/fuse")
    outcome = store.run("run", ALGORITHM, "--", "true", before=without_device(NO_DEVICE))
    outcome.failed(UNAVAILABLE, "/dev/fuse does not exist")
    outcome = store.run("doctor", before=without_device(NO_DEVICE))
    assert outcome.status == UNAVAILABLE and "problem  /dev/fuse: cannot be opened" in outcome.output, outcome


@needs_root
@pytest.mark.parametrize("hidden_by", ["/dev/null", "file"])
def test_a_device_that_is_another_is_said(store, hidden_by):
    (store.root / "file").touch()
    folder = store.folder()
    outcome = store.run("mount", ALGORITHM, folder, before=without_device(f"mount --bind {hidden_by} /dev/fuse"))
    outcome.failed(UNAVAILABLE, "/dev/fuse")
