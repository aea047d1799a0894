// Serves trees for tests, in a process of its own: one that waited for a mount that it serves itself could
// wait for ever. Commands come on stdin, one per line; each is answered by one line. Ends with stdin.
import CLinux
import Fuse
import Glibc
import Synchronization

struct Served {
    let tree: ChangingTree
    let session: Session
    let path: String
}

struct Server: ~Copyable {
    let loop: SessionLoop
    let ends = Ends()
    var served: [String: Served] = [:]

    final class Ends: Sendable {
        let list = Mutex<[String: SessionEnd]>([:])
    }

    mutating func mount(_ directory: String, entries: Int) throws -> String {
        let mounted = try Mounting.mount(
            at: directory, allowOthers: getuid() == 0 || getenv("ALLOW_OTHERS") != nil)
        let tree = ChangingTree(entries: entries)
        let session = try loop.add(mounted.descriptor, keeper: mounted.keeper, serving: tree) { [ends] end in
            ends.list.withLock { $0[directory] = end }
        }
        served[directory] = Served(tree: tree, session: session, path: mounted.path)
        return "mounted"
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
        for directory in served.keys { _ = try? Mounting.unmount(directory, lazily: true) }
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
