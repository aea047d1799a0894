import Fuse
import Secrets

/// `.environ`: `NAME=value` and a NUL for every entry that is delivered by environment, sorted by name.
enum Environ {
    static let fileName = ".environ"

    /// The kernel takes at most this many bytes of arguments and environment together (three quarters of
    /// _STK_LIM, execve(2)): no program could be started with more, so more is never put together in memory.
    static let maximumCount = 6_291_456

    /// Which entry does not open.
    struct Damaged: Error {
        let name: EnvironmentName
    }

    /// The file's length in bytes.
    static func count(of entries: [Entry]) -> Int {
        entries.reduce(0) { sum, entry in
            entry.delivery == .env ? sum + entry.name.text.utf8.count + 1 + entry.count + 1 : sum
        }
    }

    /// Whether callers get different bytes, by who or when they are.
    static func varies(_ entries: [Entry]) -> Bool {
        entries.contains { $0.delivery == .env && (!$0.callers.isEmpty || $0.expires != nil) }
    }

    /// The file's bytes; all entries are of one generation because `entries` is.
    ///
    /// - Precondition: `count` is that of `entries`, at most `maximumCount`.
    /// - Throws: `Damaged`, `OpenError.sealed`, `SecretMemoryError`.
    static func build(_ entries: [Entry], count: Int) throws -> SecretValue {
        return try SecretValue(capacity: count) { bytes in
            for entry in entries where entry.delivery == .env {
                for byte in entry.name.text.utf8 { bytes.append(byte) }
                bytes.append(UInt8(ascii: "="))
                let start = bytes.byteCount
                do throws(OpenError) { try entry.sealed.open(into: &bytes) } catch {
                    if error == .damaged { throw Damaged(name: entry.name) }
                    throw error
                }
                guard bytes.byteCount - start == entry.count else { throw Damaged(name: entry.name) }
                bytes.append(0)
            }
        }
    }
}
