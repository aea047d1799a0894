"""Clocks of a node and its server that differ by hours and days: the server's or the agent's is another, by a preloaded clock."""

import errno
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from nodes_support import VALUE, NodeServer, connected, connection, machine, reads, shows, unconnected  # noqa: F401
from server_support import audit, wait_for
from support import ALGORITHM, needs_root, store, empty  # noqa: F401

pytestmark = needs_root
HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    """What to put before a program whose clock is to be so many seconds ahead."""
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O", "-o", library, source], check=True, timeout=60)
    return lambda seconds: ["env", f"LD_PRELOAD={library}", f"CLOCK_SHIFT={seconds}"]


@pytest.mark.parametrize("ahead", [3 * HOUR, 10 * DAY])
def test_a_node_whose_clock_is_behind_is_told_so_and_gets_nothing(store, machine, clock, ahead):
    """> A clock that is too wrong is named in `secretfs status` and in the agent's log. — docs/NODES.md#certificates"""
    server = NodeServer(store, before=clock(ahead))
    token = server.token()
    machine.run(
        "node", "enroll", "--server", f"https://{server.nodes}", "--token-file", "-", input=token.encode(),
    ).failed(69, "this machine's clock is wrong")


@pytest.mark.parametrize("behind", [3 * HOUR, 10 * DAY])
def test_a_node_whose_clock_is_ahead_says_by_how_much_and_works(store, machine, clock, behind):
    server = NodeServer(store, before=clock(-behind))
    server.enroll(machine)
    store.create("KEY", VALUE)
    mount = machine.mount()
    assert (mount / "KEY").read_bytes() == VALUE
    difference = connected(machine)["clockDifference"]
    assert abs(difference + behind) < 60
    store.update("KEY", b"later")
    shows(mount / "KEY", b"later")
    # By such a clock a certificate has ended as soon as it is made: it is renewed once, and not all the time.
    time.sleep(18)
    issued = [line for line in audit(store) if line["action"] == "certificate.issue" and "node" in line["detail"]]
    assert len(issued) <= 2, issued
    assert (mount / "KEY").read_bytes() == b"later"


def test_a_servers_certificate_that_has_ended_by_the_nodes_clock_is_refused(store, machine, clock):
    server = NodeServer(store, before=clock(-40 * DAY))
    machine.run(
        "node", "enroll", "--server", f"https://{server.nodes}", "--token-file", "-", input=server.token().encode(),
    ).failed(69, "this machine's clock is wrong")


def test_a_clock_that_becomes_wrong_ends_in_nothing_being_opened(store, machine, clock):
    """What the node has is opened until it is too old, as without a server; then the clock is right, and all is well."""
    server = NodeServer(store)
    server.enroll(machine, "worker", "--max-stale", "20s")
    store.create("KEY", VALUE)
    mount = machine.mount()
    assert (mount / "KEY").read_bytes() == VALUE
    server.stop(signal.SIGKILL)
    wrong = server.restart(before=clock(2 * DAY))
    reason = wait_for(
        lambda: "clock is wrong" in ((found := connection(machine))["reason"] or "") and found["reason"], 60)
    assert "it says 20" in reason
    shows(mount / "KEY", errno.EIO, seconds=60)
    wrong.stop(signal.SIGKILL)
    server.restart()
    shows(mount / "KEY", VALUE, seconds=60)


@pytest.mark.parametrize("agent, is_opened", [(-DAY, True), (-400 * DAY, True), (2 * HOUR, False), (30 * DAY, False)])
def test_what_a_node_keeps_is_not_opened_for_longer_by_an_agent_with_a_wrong_clock(
        store, machine, clock, agent, is_opened):
    """A clock that was set back makes nothing younger; one that is ahead makes everything older."""
    server = NodeServer(store)
    server.enroll(machine, "worker", "--keep", "--max-stale", "20s")
    store.create("KEY", VALUE)
    machine.agent_in_foreground()
    assert (machine.mount() / "KEY").read_bytes() == VALUE
    wait_for(lambda: connection(machine)["connected"])
    begun = time.monotonic()
    server.stop(signal.SIGKILL)

    def restart():
        (pid,) = machine.agents
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not machine.agents)
        machine.agent_in_foreground(before=clock(agent))

    restart()
    if not is_opened:
        machine.run("mount", ALGORITHM, machine.folder("again")).failed(69, "has not sent")
        return
    again = machine.mount(name="again")
    assert (again / "KEY").read_bytes() == VALUE
    shows(again / "KEY", errno.EIO, seconds=40)
    assert time.monotonic() - begun < 30
