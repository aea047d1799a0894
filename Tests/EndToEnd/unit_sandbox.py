#!/usr/bin/python3
"""Becomes a program under what a systemd unit file takes away, as far as that goes without systemd.

    unit_sandbox.py UNIT WRITABLE-FOLDER -- PROGRAM [ARGUMENT…]

Done: SystemCallFilter (groups as systemd-analyze resolves them) with its errno, RestrictAddressFamilies,
MemoryDenyWriteExecute, LockPersonality, RestrictNamespaces, RestrictRealtime, RestrictSUIDSGID; CapabilityBoundingSet,
NoNewPrivileges; ProtectSystem=strict, ProtectHome, PrivateDevices, PrivateTmp and ProtectKernelTunables by mounts;
PrivateNetwork; LimitMEMLOCK, LimitNOFILE, LimitCORE; UMask. Not done: the device and IP filters (BPF), ProtectClock,
ProtectHostname, KeyringMode and the like, which the agent has no calls for.

Runs with Debian's Python: it needs python3-seccomp.
"""

import ctypes
import errno
import os
import resource
import socket
import subprocess
import sys

import seccomp

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
PROT_WRITE, PROT_EXEC = 2, 4
CLONE_NEW = 0x7E020080
libc = ctypes.CDLL(None, use_errno=True)


def settings(path: str) -> dict[str, list[str]]:
    """Each setting of [Service] with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in open(path):
        line = line.strip()
        if "=" in line and not line.startswith(("#", ";")):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def group(name: str) -> set[str]:
    """The system calls of a group such as @mount, with those of the groups in it."""
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in said.splitlines()[1:]]
    return set().union(*(group(word) for word in words if word and not word.startswith("#")))


def allowed_calls(values: list[str]) -> set[str]:
    calls = group("@default") | {"execve"}
    for value in values:
        named = set().union(*(group(word) for word in value.lstrip("~").split()))
        calls = calls - named if value.startswith("~") else calls | named
    # systemd never takes these away either: it could not start the program.
    return calls | group("@default") | {"execve"}


def filter_calls(unit: dict[str, list[str]]) -> seccomp.SyscallFilter:
    refusal = seccomp.ERRNO(getattr(errno, unit["SystemCallErrorNumber"][0]))
    filter = seccomp.SyscallFilter(refusal)
    calls = allowed_calls(unit["SystemCallFilter"])
    conditions = {
        "mprotect": [seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0)],
        "pkey_mprotect": [seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0)],
        "personality": [seccomp.Arg(0, seccomp.EQ, 0)],
        "clone": [seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_NEW, 0)],
        "sched_setscheduler": [seccomp.Arg(1, seccomp.LE, 0)],
        "chmod": [seccomp.Arg(1, seccomp.MASKED_EQ, 0o6000, 0)],
        "fchmod": [seccomp.Arg(1, seccomp.MASKED_EQ, 0o6000, 0)],
        "fchmodat": [seccomp.Arg(2, seccomp.MASKED_EQ, 0o6000, 0)],
    }
    # The loader maps code readable and executable; nothing is writable and executable at once.
    for call in ("mmap",):
        for allowed in (0, PROT_WRITE, PROT_EXEC):
            filter.add_rule(seccomp.ALLOW, call, seccomp.Arg(2, seccomp.MASKED_EQ, PROT_WRITE | PROT_EXEC, allowed))
    for call in ("socket", "socketpair"):
        for family in unit["RestrictAddressFamilies"][0].split():
            filter.add_rule(seccomp.ALLOW, call, seccomp.Arg(0, seccomp.EQ, int(getattr(socket, family))))
    for call in sorted(calls - {"mmap", "socket", "socketpair", "unshare", "setns"}):
        if call == "clone3":
            continue
        try:
            filter.add_rule(seccomp.ALLOW, call, *conditions.get(call, []))
        except (RuntimeError, ValueError):
            pass  # not of this architecture, or unknown to this libseccomp
    # As systemd answers it: glibc then uses clone, whose flags can be looked at.
    filter.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    return filter


def mount(source: str, target: str, kind: str, *options: str):
    subprocess.run(["mount", *(["-t", kind] if kind else []), *options, source, target], check=True)


def hide_files(writable: str):
    """A view of the files in which only `writable` can be changed."""
    mount("none", "/", "", "--make-rslave")
    for line in open("/proc/self/mountinfo").read().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point == "/" or point.startswith(("/usr", "/etc", "/var", "/opt", "/work", "/sys")):
            subprocess.run(["mount", "-o", "remount,bind,ro", point], stderr=subprocess.DEVNULL)
    mount(writable, writable, "", "--bind")
    mount("none", writable, "", "-o", "remount,bind,rw")
    # So that the mount below /tmp stays: the state folder of a test is there.
    for folder in ("/home", "/root", "/run/user"):
        if os.path.isdir(folder):
            mount("tmpfs", folder, "tmpfs", "-o", "mode=0,ro")


def drop_capabilities(kept: list[str]):
    numbers = {"CAP_DAC_READ_SEARCH": 2, "CAP_IPC_LOCK": 14, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_DAC_OVERRIDE": 1, "CAP_NET_BIND_SERVICE": 10}
    keep = {numbers[name] for name in kept}
    for number in range(64):
        if number not in keep:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)


def main():
    unit, writable = settings(sys.argv[1]), sys.argv[2]
    program = sys.argv[sys.argv.index("--") + 1 :]
    # The namespaces are made by unshare(1) around this program.
    hide_files(writable)
    for name, limit in (("LimitMEMLOCK", resource.RLIMIT_MEMLOCK), ("LimitNOFILE", resource.RLIMIT_NOFILE), ("LimitCORE", resource.RLIMIT_CORE)):
        value = unit[name][0]
        # A test machine may not give as much as systemd; less is harder.
        most = resource.getrlimit(limit)[1]
        most = most if most != resource.RLIM_INFINITY else 1 << 62
        number = min(most, 1 << 62 if value == "infinity" else int(value))
        number = number if number < 1 << 62 else resource.RLIM_INFINITY
        resource.setrlimit(limit, (number, number))
    os.umask(int(unit["UMask"][0], 8))
    filter = filter_calls(unit)
    drop_capabilities(unit["CapabilityBoundingSet"][0].split())
    assert unit["NoNewPrivileges"] == ["yes"]
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # libseccomp would ask for more than is left.
    filter.set_attr(seccomp.Attr.CTL_NNP, 0)
    filter.load()
    os.execv(program[0], program)


main()
