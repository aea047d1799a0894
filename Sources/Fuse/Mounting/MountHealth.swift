import CFuse
import CLinux
import Glibc
import Synchronization

/// Whether somebody answers for a mount.
package enum MountHealth: Sendable {
    case answers
    /// Its server is gone: every call fails with ENOTCONN.
    case dead
    /// No answer in time.
    case silent

    /// Asks, in a thread of its own: a server that hangs holds up that thread only.
    package static func of(_ entry: MountEntry, within milliseconds: Int = 500) -> MountHealth {
        let answer = Answer()
        let point = entry.point
        let thread = try? Thread(named: "mount-health") {
            var found = statvfs()
            let result = unsafe statvfs(point, &found)
            // ECONNABORTED: it went while it was asked.
            let isDead = result != 0 && (errno == ENOTCONN || errno == ECONNABORTED)
            let health: MountHealth = isDead ? .dead : .answers
            answer.health.withLock { $0 = health }
            answer.bell.ring()
        }
        guard let thread else { return .silent }
        thread.detach()
        answer.bell.wait(milliseconds: milliseconds)
        return answer.health.withLock { $0 } ?? .silent
    }

    private final class Answer: Sendable {
        let health = Mutex<MountHealth?>(nil)
        let bell = Pipe()
    }

    /// A pipe that is written once.
    private final class Pipe: Sendable {
        private let ends: (reader: Int32, writer: Int32)

        init() {
            var ends: [Int32] = [-1, -1]
            _ = unsafe pipe2(&ends, O_CLOEXEC)
            self.ends = (ends[0], ends[1])
        }
        deinit {
            close(ends.reader)
            close(ends.writer)
        }
        func ring() { _ = unsafe write(ends.writer, "1", 1) }
        func wait(milliseconds: Int) {
            var waited = pollfd(fd: ends.reader, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&waited, 1, Int32(clamping: milliseconds))
        }
    }
}
