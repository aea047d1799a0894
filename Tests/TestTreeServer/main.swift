// Serves trees for tests, in a process of its own: one that waited for a mount that it serves itself could
// wait for ever. Commands come on stdin, one per line; each is answered by one line. Ends with stdin.
import CLinux
import Fuse
import Glibc
import SecretFS
import Secrets
import Synchronization
import TestSupport

/// A mount of an algorithm.
struct ServedAlgorithm {
    let tree: AlgorithmTree
    let session: Session

    func show(_ generation: UInt64, _ words: ArraySlice<String>) throws -> String {
        let entries = try words.compactMap(ShownEntry.init(word:)).map { try $0.entry() }
        guard entries.count == words.count else { return "error an entry does not parse" }
        for stale in tree.publish(.of(entries, generation: generation)) {
            session.invalidate(name: stale.name, in: .root)
        }
        return "ok"
    }
}

struct Served {
    let tree: ChangingTree
    let session: Session
}

struct Server: ~Copyable {
    let loop: SessionLoop
    let ends = Ends()
    var served: [String: Served] = [:]
    var algorithms: [String: ServedAlgorithm] = [:]

    final class Ends: Sendable {
        let list = Mutex<[String: SessionEnd]>([:])
    }

    mutating func mount(_ directory: String, entries: Int) throws -> String {
        let tree = ChangingTree(entries: entries)
        served[directory] = Served(tree: tree, session: try serve(tree, at: directory))
        return "mounted"
    }

    func mountAlgorithm(_ directory: String) throws -> ServedAlgorithm {
        guard let attributes = MountAttributes(uid: getuid(), gid: getgid(), fileMode: 0o400) else {
            throw Refusal.invalid
        }
        let tree = AlgorithmTree(
            .of([], generation: 0), of: try AlgorithmName("nlp/Summarizer"), attributes: attributes,
            trail: NoTrail()
        ) { _, _ in }
        return ServedAlgorithm(tree: tree, session: try serve(tree, at: directory))
    }

    func serve(_ tree: any FileTree, at directory: String) throws -> Session {
        let mounted = try Mounting.mount(
            at: directory, allowOthers: getuid() == 0 || getenv("ALLOW_OTHERS") != nil)
        return try loop.add(mounted.descriptor, keeper: mounted.keeper, serving: tree) { [ends] end in
            ends.list.withLock { $0[directory] = end }
        }
    }

    /// Waits until the session at `directory` is over; the test's own deadline ends the wait if it never is.
    mutating func end(of directory: String) -> String {
        while true {
            if let end = ends.list.withLock({ $0.removeValue(forKey: directory) }) {
                let handles = served.removeValue(forKey: directory)?.tree.openHandles ?? -1
                return "ended \(end) handles \(handles)"
            }
            usleep(200)
        }
    }

    mutating func carryOut(_ words: [String]) throws -> String {
        let directory = words.count > 1 ? words[1] : ""
        switch words[0] {
        case "mount": return try mount(directory, entries: Int(words[2]) ?? 0)
        case "mountAlgorithm":
            algorithms[directory] = try mountAlgorithm(directory)
            return "mounted"
        case "show":
            return try algorithms[directory]?.show(UInt64(words[2]) ?? 0, words[3...]) ?? "error not mounted"
        case "unmount":
            try Mounting.unmount(directory, lazily: words.count > 2)
            return "unmounted"
        case "end": return end(of: directory)
        default: break
        }
        guard let server = served[directory] else { return "error nothing is served at \(directory)" }
        let name = words.count > 2 ? words[2] : ""
        switch words[0] {
        case "stop": loop.stop()
        case "slow": server.tree.slowDown(milliseconds: UInt32(name) ?? 0)
        case "remove": loop.remove(server.session)
        case "put":
            server.tree.put(name, Array(words[3].utf8))
            change(server, name)
        case "putQuietly": server.tree.put(name, Array(words[3].utf8))
        case "fill": server.tree.put(name, (0..<(Int(words[3]) ?? 0)).map { UInt8($0 % 251) })
        case "delete":
            server.tree.delete(name)
            change(server, name)
        case "stale": server.tree.makeStale(name)
        case "counts":
            return server.tree.takeCounts().sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(
                separator: " ")
        default: return "error unknown command"
        }
        return "ok"
    }

    func change(_ server: Served, _ name: String) {
        server.session.invalidate(name: name, in: .root)
        for waker in server.tree.takeWakers() { waker.wake() }
    }

    func end() {
        for directory in Array(served.keys) + algorithms.keys {
            _ = try? Mounting.unmount(directory, lazily: true)
        }
        loop.stop()
    }
}

func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(STDOUT_FILENO, bytes, bytes.count)
}

func raiseDescriptorLimit() {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// - Parameter options: `private` to mount where nobody else sees it; `single` for one worker; a number to
///   spin so many nanoseconds.
func serve(_ options: ArraySlice<String>) throws {
    raiseDescriptorLimit()
    if options.contains("private") { try PrivateNamespace.enter() }
    let spin = options.compactMap { UInt64($0) }.first.map { Spin(nanoseconds: $0) }
    var server = Server(
        loop: try SessionLoop(
            workers: options.contains("single") ? 1 : SessionLoop.standardWorkers, spin: spin ?? .standard))
    say("ready")
    while let line = readLine() {
        do { say(try server.carryOut(line.split(separator: " ").map(String.init))) } catch {
            say("error \(error)")
        }
    }
    server.end()
}

try serve(CommandLine.arguments.dropFirst())
