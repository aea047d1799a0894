import FoundationEssentials
import Glibc
import Secrets

/// The end of a chain of lines: what the next line goes on from.
struct AuditLink: Hashable, Sendable {
    /// Number of the line; 0 before the first.
    var sequence: UInt64
    /// Its MAC.
    var mac: [UInt8]

    static let start = AuditLink(sequence: 0, mac: [UInt8](repeating: 0, count: AuditMAC.count))
}

/// Writes lines: JSON with keys in one order, printable ASCII only, so that no byte of a line moves a terminal
/// (docs/FORMAT.md#audit-log).
struct AuditLineWriter {
    /// A path, a detail, as they are written, in bytes: longer ones are cut. Whoever opens a value chooses the path of
    /// the program that does it, and must not fill the log with it.
    static let maximumText = 1024

    private(set) var bytes: [UInt8]

    /// - Parameter head: what stands before the lines.
    init(_ head: [UInt8] = []) {
        bytes = head
        bytes.reserveCapacity(head.count + 768)
    }

    /// Appends a line that follows `link`, and makes `link` its end.
    ///
    /// - Parameter isFresh: tells `link`'s MAC in the line, so that the line is checked without what was before it.
    mutating func append(
        _ event: AuditEvent, at time: Timestamp, following link: inout AuditLink, isFresh: Bool = false,
        _ key: AuditMAC
    ) throws(SealError) {
        let start = bytes.count
        literal("{\"seq\":")
        number(link.sequence + 1)
        literal(",\"time\":\"")
        append(time)
        bytes.append(UInt8(ascii: "\""))
        write(event)
        if isFresh { text("after", hexadecimal: link.mac) }
        let mac = unsafe try key.authenticate(
            link.mac.span.bytes, bytes.span.bytes.extracting(start..<bytes.count))
        text("mac", hexadecimal: mac)
        literal("}\n")
        link = AuditLink(sequence: link.sequence + 1, mac: mac)
    }

    private mutating func write(_ event: AuditEvent) {
        text("action", event.action.rawValue)
        text("outcome", event.outcome.rawValue)
        switch event.home {
        case .algorithm(let name): text("algorithm", name.description)
        case .owner(let owner): text("owner", owner.text)
        case nil: break
        }
        if let secret = event.secret { text("secret", secret.text) }
        if let id = event.id { text("id", id.lowercaseText) }
        if let version = event.version { number("version", UInt64(version.number)) }
        if let generation = event.generation { number("generation", generation) }
        if let entries = event.entries { number("entries", UInt64(clamping: entries)) }
        if let detail = event.detail { text("detail", detail) }
        let actor = event.actor
        if let uid = actor.uid { number("uid", UInt64(uid)) }
        if let gid = actor.gid { number("gid", UInt64(gid)) }
        if let pid = actor.pid { number("pid", UInt64(clamping: pid)) }
        if let thread = actor.thread { number("tid", UInt64(clamping: thread)) }
        if let executable = actor.executable { text("executable", executable) }
        if let cgroup = actor.cgroup { text("cgroup", cgroup) }
        if let user = actor.user { text("user", user) }
        if let address = actor.address { text("address", address) }
        if let request = actor.request { text("request", request) }
    }

    private mutating func literal(_ text: StaticString) {
        text.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    }

    private mutating func key(_ name: StaticString) {
        literal(",\"")
        literal(name)
        literal("\":")
    }

    private mutating func number(_ name: StaticString, _ value: UInt64) {
        key(name)
        number(value)
    }

    private mutating func number(_ value: UInt64) {
        let start = bytes.count
        var rest = value
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    private mutating func text(_ name: StaticString, hexadecimal value: [UInt8]) {
        key(name)
        bytes.append(UInt8(ascii: "\""))
        for byte in value {
            bytes.append(hexadecimalDigit(byte >> 4))
            bytes.append(hexadecimalDigit(byte & 0x0F))
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func text(_ name: StaticString, _ value: String) {
        key(name)
        bytes.append(UInt8(ascii: "\""))
        let start = bytes.count
        bytes.append(contentsOf: value.utf8)
        let isPlain = bytes.count - start <= Self.maximumText && bytes[start...].allSatisfy(Self.isPlain)
        if !isPlain {
            bytes.removeLast(bytes.count - start)
            escaped(value)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private mutating func escaped(_ value: String) {
        var room = Self.maximumText
        for unit in value.utf16 {
            switch unit {
            case UInt16(UInt8(ascii: "\"")), UInt16(UInt8(ascii: "\\")):
                room -= 2
                guard room >= 0 else { return }
                bytes += [UInt8(ascii: "\\"), UInt8(truncatingIfNeeded: unit)]
            case 0x20...0x7E:
                room -= 1
                guard room >= 0 else { return }
                bytes.append(UInt8(truncatingIfNeeded: unit))
            default:
                room -= 6
                guard room >= 0 else { return }
                bytes += [UInt8(ascii: "\\"), UInt8(ascii: "u")]
                for shift in [12, 8, 4, 0] {
                    bytes.append(hexadecimalDigit(UInt8(truncatingIfNeeded: unit >> UInt16(shift)) & 0x0F))
                }
            }
        }
    }

    /// `2026-11-23T14:03:05.120345Z`, always 27 bytes.
    private mutating func append(_ time: Timestamp) {
        // 0 to 9999, so that it is always as long.
        let seconds = min(max(time.seconds, 0), 253_402_300_799)
        let (year, month, day) = CivilDate.of(daysSince1970: seconds / 86_400)
        let rest = seconds % 86_400
        padded(year, 4, "-")
        padded(month, 2, "-")
        padded(day, 2, "T")
        padded(rest / 3600, 2, ":")
        padded(rest / 60 % 60, 2, ":")
        padded(rest % 60, 2, ".")
        padded(Int64(time.nanoseconds / 1000), 6, "Z")
    }

    private mutating func padded(_ value: Int64, _ width: Int, _ end: Unicode.Scalar) {
        var unit: Int64 = 1
        for _ in 1..<width { unit *= 10 }
        while unit > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(value / unit % 10))
            unit /= 10
        }
        bytes.append(UInt8(ascii: end))
    }
}

func hexadecimalDigit(_ digit: UInt8) -> UInt8 {
    digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
}
