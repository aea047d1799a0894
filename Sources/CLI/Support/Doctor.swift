import CLinux
import Console
import FoundationEssentials
import Fuse
import Glibc
import Secrets
import Store

/// What `secretfs doctor` found, and what to do about it.
struct Finding: Encodable {
    enum Level: String, Encodable {
        case ok, warning, problem
    }
    let check: String
    let level: Level
    let finding: String
    var remedy: String?
}

/// Looks at the machine, the state folder and all of the store, with every record in it. Changes nothing of what they hold.
struct Doctor {
    let state: StateDirectory
    /// Where the root key may be.
    let options: StateOptions

    func examine() -> [Finding] {
        [
            device(), fusermount(), lockedMemory(), openFiles(), coreDumps(), swap(), ptraceScope(),
            kernel(), shim(),
        ]
            + stateFolder() + node() + deadMounts()
    }

    private func device() -> Finding {
        let check = "/dev/fuse"
        let descriptor = Files.open("/dev/fuse", O_RDWR)
        guard descriptor < 0 else {
            close(descriptor)
            return Finding(check: check, level: .ok, finding: "opens")
        }
        let remedy =
            errno == ENOENT
            ? "load the module: modprobe fuse; in a container: --device /dev/fuse"
            : "chmod 0666 /dev/fuse (the usual mode), or run as root"
        return Finding(
            check: check, level: .problem, finding: "cannot be opened: \(errnoText())", remedy: remedy)
    }

    private func fusermount() -> Finding {
        let check = "fusermount3"
        if geteuid() == 0 { return Finding(check: check, level: .ok, finding: "not needed by root") }
        let found = ["/usr/bin/fusermount3", "/bin/fusermount3"].first(where: Files.isExecutable)
        guard let found else {
            return Finding(
                check: check, level: .problem, finding: "is not installed",
                remedy: "apt install fuse3: users other than root mount through it")
        }
        return Finding(check: check, level: .ok, finding: found)
    }

    private func lockedMemory() -> Finding {
        let check = "locked memory"
        let limit = Files.limit(__RLIMIT_MEMLOCK).rlim_cur
        if geteuid() == 0 || limit == .max {
            return Finding(check: check, level: .ok, finding: "no limit for this user")
        }
        let enough = limit >= 8 << 20
        return Finding(
            check: check, level: enough ? .ok : .warning, finding: "at most \(limit >> 10) KiB",
            remedy: enough
                ? nil : "raise it to 8192 KiB or more (ulimit -l, LimitMEMLOCK=): open values are locked")
    }

    private func openFiles() -> Finding {
        let limit = Files.limit(RLIMIT_NOFILE).rlim_cur
        let enough = limit >= 4096
        return Finding(
            check: "open files", level: enough ? .ok : .warning, finding: "at most \(limit)",
            remedy: enough
                ? nil
                : "raise it to 4096 or more (ulimit -n, LimitNOFILE=): the agent needs one for each mount")
    }

    private func coreDumps() -> Finding {
        let pattern = text(of: "/proc/sys/kernel/core_pattern") ?? "core"
        // A limit of 0 does not stop a kernel that pipes core files to a program; PR_SET_DUMPABLE does.
        return Finding(
            check: "core dumps", level: .ok,
            finding: "off in every process of secretfs (kernel.core_pattern is “\(pattern)”)")
    }

    private func swap() -> Finding {
        let check = "swap"
        let devices = (text(of: "/proc/swaps") ?? "").split(separator: "\n").dropFirst().count
        guard devices > 0 else { return Finding(check: check, level: .ok, finding: "off") }
        return Finding(
            check: check, level: .warning,
            finding: "\(devices) device(s); values are locked in memory, but programs that read them are not",
            remedy: "encrypt swap, or turn it off: swapoff -a")
    }

    private func ptraceScope() -> Finding {
        let check = "ptrace"
        guard let scope = text(of: "/proc/sys/kernel/yama/ptrace_scope") else {
            return Finding(
                check: check, level: .warning,
                finding: "the kernel has no Yama: programs of one user may read each other's memory",
                remedy: "give each algorithm its own user")
        }
        guard scope == "0" else {
            return Finding(check: check, level: .ok, finding: "kernel.yama.ptrace_scope is \(scope)")
        }
        return Finding(
            check: check, level: .warning, finding: "programs of one user may read each other's memory",
            remedy: "sysctl kernel.yama.ptrace_scope=1, or give each algorithm its own user")
    }

    private func kernel() -> Finding {
        let version = text(of: "/proc/sys/kernel/osrelease") ?? "unknown"
        let known = (text(of: "/proc/filesystems") ?? "").split(separator: "\n").contains {
            $0.hasSuffix("\tfuse")
        }
        return Finding(
            check: "kernel", level: known ? .ok : .problem,
            finding: "Linux \(version)\(known ? "" : " without FUSE")",
            remedy: known ? nil : "modprobe fuse")
    }

    private func shim() -> Finding {
        let check = "secretfs-env"
        do {
            return Finding(check: check, level: .ok, finding: try ProgramPath.shim())
        } catch {
            let failure = Failure(any: error)
            return Finding(
                check: check, level: .problem, finding: failure.message, remedy: failure.hint)
        }
    }

    /// Where this machine is a node, and its agent runs: whether that is with its server.
    private func node() -> [Finding] {
        let check = "node"
        guard let node = (try? AgentClient(state: state).status())??.node else { return [] }
        let who = "\(node.name) of \(node.server)"
        var findings: [Finding] = []
        if node.revoked {
            findings.append(
                Finding(
                    check: check, level: .problem, finding: "\(who) was revoked: nothing is opened",
                    remedy: "ask who administers the server; then: secretfs node enroll"))
        } else if !node.connected {
            let reason = node.reason.map { ": " + printable($0, atMost: 400) } ?? ""
            findings.append(
                Finding(
                    check: check, level: .problem,
                    finding: "\(who) is not connected since \(node.since)\(reason)",
                    remedy:
                        "what it has is opened until it is \(node.maxStale) seconds old; reach the server before"
                ))
        } else {
            findings.append(
                Finding(check: check, level: .ok, finding: "\(who) is connected since \(node.since)"))
        }
        if abs(node.clockDifference) > 60 {
            findings.append(
                Finding(
                    check: check, level: .warning,
                    finding: "the server's clock is \(node.clockDifference) seconds ahead",
                    remedy: "set the clocks: validities and certificates go by them"))
        }
        return findings
    }

    private func deadMounts() -> [Finding] {
        let dead = ((try? MountTable.current().ours) ?? []).filter { MountHealth.of($0) == .dead }
        return dead.map { entry in
            Finding(
                check: "mount", level: .problem,
                finding: "nobody serves \(printable(entry.point)) any more",
                remedy: "secretfs unmount \(printable(entry.point)), then mount it again")
        }
    }

    /// Whether the store opens with what it names, where that can be known without asking anybody.
    private func rootKey() -> Finding? {
        let check = "root key"
        do {
            let sealed = try SealedStore.open(at: state.path)
            guard !sealed.source.isPassphrase || options.passphraseFile != nil || options.rootKeyFile != nil
            else {
                return Finding(check: check, level: .ok, finding: "a passphrase")
            }
            _ = try options.unlock(isQuiet: true)
            return Finding(check: check, level: .ok, finding: "opens the store: \(sealed.source.summary)")
        } catch {
            let failure = Failure(any: error)
            return Finding(check: check, level: .problem, finding: failure.message, remedy: failure.hint)
        }
    }

    private func stateFolder() -> [Finding] {
        guard Files.status(state.path) != nil else {
            return [
                Finding(
                    check: "state folder", level: .warning, finding: "\(state.path) does not exist",
                    remedy: "make a store: secretfs init")
            ]
        }
        let findings = [
            permissions("state folder", state.path, at: 0o700),
            permissions("store", state.store, at: 0o600),
            permissions("root key file", state.rootKey, at: 0o400),
        ].compactMap { $0 }
        // Opening a store that others may enter would narrow its modes: that is for its owner to decide.
        guard findings.allSatisfy({ $0.level == .ok }), let integrity = integrity() else { return findings }
        let pages = findings + [integrity, rootKey()].compactMap { $0 }
        return integrity.level == .ok ? pages + records() : pages
    }

    /// Every page and count of the store; what is sealed in it, `records` opens.
    private func integrity() -> Finding? {
        guard Files.exists(state.store) else { return nil }
        do throws(StorageError) {
            try SQLiteStorage.open(at: state.path).check()
            return Finding(check: "integrity", level: .ok, finding: "every page of the store is whole")
        } catch {
            let failure = Failure(error)
            return Finding(
                check: "integrity", level: .problem, finding: failure.message, remedy: failure.hint)
        }
    }

    /// Nobody but the owner; `widest` is what the owner needs. Nil if the file is not there.
    private func permissions(_ check: String, _ path: String, at widest: mode_t) -> Finding? {
        guard let status = Files.status(path) else { return nil }
        let mode = status.st_mode & 0o7777
        let octal = "0" + String(mode, radix: 8)
        if status.st_uid != geteuid() && status.st_uid != 0 {
            return Finding(
                check: check, level: .problem, finding: "\(path) belongs to user \(status.st_uid)",
                remedy: "chown \(geteuid()) \(path)")
        }
        guard mode & 0o077 == 0 else {
            return Finding(
                check: check, level: .problem, finding: "\(path) is open to others (mode \(octal))",
                remedy: "chmod 0\(String(widest, radix: 8)) \(path)")
        }
        return Finding(check: check, level: .ok, finding: "\(path), mode \(octal)")
    }

    private func text(of path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}
