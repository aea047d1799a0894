"""A change made by any process shows in every mount: in new opens, the listing, .environ and .generation."""

import os
import select
import subprocess
import threading

import pytest
from support import (  # noqa: F401 (fixtures)
    ALGORITHM,
    change,
    empty,
    entries,
    environ,
    generation,
    parse_environ,
    store,
    wait_for_generation,
    wait_until,
)


@pytest.fixture
def mount(store):
    store.put({"A": b"first", "B": b"second"})
    return store.mount()


def shows(mount, values: dict[str, bytes]):
    """Waits until the mount shows exactly `values`, in each of the ways in which it shows them."""
    wait_until(mount, lambda: entries(mount) == sorted(values) and environ(mount) == values)
    for name, value in values.items():
        assert (mount / name).read_bytes() == value
        assert (mount / name).stat().st_size == len(value)


def test_a_new_value_shows(store, mount):
    store.update("A", b"a longer value")
    shows(mount, {"A": b"a longer value", "B": b"second"})
    store.update("A", b"")
    shows(mount, {"A": b"", "B": b"second"})


def test_a_new_name_shows_also_where_it_was_just_missed(store, mount):
    assert not (mount / "C").exists()
    store.create("C", b"third")
    shows(mount, {"A": b"first", "B": b"second", "C": b"third"})


def test_a_deleted_name_goes(store, mount):
    assert (mount / "A").read_bytes() == b"first"
    store.delete("A")
    shows(mount, {"B": b"second"})
    with pytest.raises(FileNotFoundError):
        os.open(mount / "A", os.O_RDONLY)
    # The open made the kernel look the name up again.
    with pytest.raises(FileNotFoundError):
        os.stat(mount / "A")


def test_a_name_that_is_deleted_and_made_again_is_another_secret(store, mount):
    before = (mount / "A").stat().st_ino
    with open(mount / "A", "rb", buffering=0) as old:
        store.delete("A")
        store.create("A", b"again")
        shows(mount, {"A": b"again", "B": b"second"})
        assert os.getxattr(mount / "A", "user.secretfs.version") == b"1"
        assert (mount / "A").stat().st_ino != before
        assert old.read() == b"first"


def test_an_import_shows_at_once_and_whole(store, mount):
    values = {f"NAME_{number:03}": b"%d" % number for number in range(200)}
    before = generation(mount)
    store.put(values)
    after = wait_for_generation(mount, before)
    assert environ(mount) == {"A": b"first", "B": b"second", **values}
    assert generation(mount) == after, "one import is one change"
    shows(mount, {"A": b"first", "B": b"second", **values})


def test_a_delivery_that_changes_shows_in_environ(store, mount):
    with change(mount):
        store.does("secret", "update", ALGORITHM, "A", "--metadata-only", "--delivery", "file")
    assert environ(mount) == {"B": b"second"}
    assert entries(mount) == ["A", "B"]
    with change(mount):
        store.does("secret", "update", ALGORITHM, "A", "--metadata-only", "--delivery", "env")
    assert environ(mount) == {"A": b"first", "B": b"second"}


def test_the_mount_of_a_deleted_algorithm_is_empty_and_lives(store, mount):
    with open(mount / "A", "rb", buffering=0) as old:
        store.does("algorithm", "delete", ALGORITHM, "--yes")
        shows(mount, {})
        assert old.read() == b"first"
    store.does("algorithm", "create", ALGORITHM)
    store.create("A", b"of another algorithm")
    shows(mount, {"A": b"of another algorithm"})


def test_every_mount_of_an_algorithm_shows_it_and_no_other(store, mount):
    store.does("algorithm", "create", "nlp/Other")
    store.create("A", b"other", of="nlp/Other")
    others = store.mount(name="other", of="nlp/Other")
    mounts = [mount] + [store.mount(name=f"mount-{number}") for number in range(8)]
    before = generation(others)
    with open(others / ".generation", "rb", buffering=0) as file:
        file.read()
        poller = select.poll()
        poller.register(file, select.POLLPRI)
        store.update("A", b"new")
        for each in mounts:
            shows(each, {"A": b"new", "B": b"second"})
        assert poller.poll(100) == [] and generation(others) == before
    assert (others / "A").read_bytes() == b"other"


def test_changes_made_while_no_agent_runs_show_in_the_next_mount(store, mount):
    store.does("agent", "--stop")
    store.update("A", b"meanwhile")
    store.mount()
    shows(mount, {"A": b"meanwhile", "B": b"second"})


def test_the_generation_goes_on_growing_over_agents(store, mount):
    before = generation(mount)
    store.does("agent", "--stop")
    store.mount()
    assert generation(mount) >= before
    with change(mount):
        store.update("A", b"new")
    assert generation(mount) > before


# Open files


def test_an_open_file_keeps_its_version_and_its_size(store, mount):
    with open(mount / "A", "rb", buffering=0) as file:
        for number in range(12):
            with change(mount):
                store.update("A", b"%d" % number * 100)
            assert os.fstat(file.fileno()).st_size == 5
            assert os.pread(file.fileno(), 100, 0) == b"first"
            with open(mount / "A", "rb", buffering=0) as newer:
                assert os.fstat(newer.fileno()).st_size == len(newer.read()) == len(b"%d" % number * 100)
        # The version is gone from the store by now, which keeps ten.
        assert file.read() == b"first"


def test_an_open_environ_keeps_its_generation(store, mount):
    with open(mount / ".environ", "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        with change(mount):
            store.put({"A": b"new and longer", "B": b"", "C": b"more"})
        assert os.fstat(file.fileno()).st_size == size
        assert parse_environ(file.read()) == {"A": b"first", "B": b"second"}
    assert environ(mount) == {"A": b"new and longer", "B": b"", "C": b"more"}


def test_an_open_folder_keeps_its_listing(store, mount):
    with os.scandir(mount) as listing:
        first = next(listing).name
        with change(mount):
            store.put({f"N{number}": b"" for number in range(50)})
        names = [first, *(entry.name for entry in listing)]
        assert len(names) == len(set(names))
        assert {"A", "B", ".environ", ".generation"} <= set(names)


def test_an_open_deleted_file_is_readable_until_it_is_closed(store, mount):
    with open(mount / "A", "rb", buffering=0) as file:
        with change(mount):
            store.delete("A")
        assert file.read() == b"first"
        assert os.fstat(file.fileno()).st_size == 5


def test_a_relative_open_below_an_open_folder_sees_changes(store, mount):
    folder = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with change(mount):
            store.update("A", b"new")
        descriptor = os.open("A", os.O_RDONLY, dir_fd=folder)
        assert os.read(descriptor, 100) == b"new"
        os.close(descriptor)
    finally:
        os.close(folder)


def test_the_shim_gets_the_newest_values(store, mount):
    for number in range(5):
        with change(mount):
            store.put({"A": b"%d" % number, "B": b"%d" % number})
        command = [store.shim, "--clear", mount, "--", "/usr/bin/env", "-0"]
        assert subprocess.check_output(command, timeout=60) == b"A=%d\0B=%d\0" % (number, number)


# Writers at once


def run_at_once(*jobs):
    failures = []

    def run(job):
        try:
            job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=200)
    assert not failures, failures


@pytest.mark.parametrize("writers", [2, 8])
def test_commands_at_once_lose_nothing(store, mount, writers):
    """Each writer creates secrets of its own and updates one that all share; every success must be there."""
    rounds = 24 // writers
    updated = []

    def write(writer):
        for number in range(rounds):
            store.create(f"W{writer}_{number}", b"%d %d" % (writer, number))
            outcome = store.run("secret", "update", ALGORITHM, "A", input=b"%d" % writer)
            # A lost race may be reported; then nothing was changed.
            assert outcome.status in (0, 75), outcome
            updated.append(outcome.status == 0)

    run_at_once(*[lambda writer=writer: write(writer) for writer in range(writers)])
    expected = {f"W{writer}_{number}": b"%d %d" % (writer, number) for writer in range(writers) for number in range(rounds)}
    assert set(store.names()) == {"A", "B", *expected}
    assert store.json("secret", "show", ALGORITHM, "A")["version"] == 1 + sum(updated)
    shows(mount, {**expected, "A": (mount / "A").read_bytes(), "B": b"second"})


def test_of_commands_at_once_that_create_the_same_one_succeeds(store):
    outcomes = []
    run_at_once(*[lambda: outcomes.append(store.run("secret", "create", ALGORITHM, "A", input=b"1")) for _ in range(8)])
    assert sorted(outcome.status for outcome in outcomes) == [0] + [73] * 7, outcomes
    assert store.names() == ["A"]


def test_of_inits_at_once_one_succeeds(empty):
    outcomes = []
    run_at_once(*[lambda: outcomes.append(empty.run("init")) for _ in range(4)])
    assert [outcome.status for outcome in outcomes].count(0) == 1, outcomes
    empty.does("algorithm", "create", ALGORITHM)


def test_mounts_at_once_start_one_agent(store):
    store.create("A", b"1")
    folders = [store.folder(f"mount-{number}") for number in range(8)]
    run_at_once(*[lambda folder=folder: store.does("mount", ALGORITHM, folder) for folder in folders])
    assert all((folder / "A").read_bytes() == b"1" for folder in folders)
    assert len(store.agents) == 1
