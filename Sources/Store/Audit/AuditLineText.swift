import FoundationEssentials
import Secrets

/// What lines are made of.
extension OutputSpan<UInt8> {
    mutating func append(_ event: AuditEvent) {
        text("action", event.action.rawValue)
        text("outcome", event.outcome.rawValue)
        switch event.home {
        case .algorithm(let name): text("algorithm", name)
        case .owner(let owner): text("owner", owner.text)
        case nil: break
        }
        if let secret = event.secret { text("secret", secret.text) }
        if let id = event.id { text("id", id) }
        if let version = event.version { number("version", UInt64(version.number)) }
        if let generation = event.generation { number("generation", generation) }
        if let entries = event.entries { number("entries", UInt64(clamping: entries)) }
        if let detail = event.detail { text("detail", detail) }
        append(event.actor)
    }

    private mutating func append(_ actor: AuditActor) {
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

    mutating func literal(_ text: StaticString) {
        text.withUTF8Buffer { text in
            for index in text.indices { unsafe append(text[index]) }
        }
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

    mutating func number(_ value: UInt64) {
        var unit: UInt64 = 1
        while value / unit >= 10 { unit *= 10 }
        while unit > 0 {
            append(UInt8(ascii: "0") + UInt8(value / unit % 10))
            unit /= 10
        }
    }

    mutating func text(_ name: StaticString, hexadecimal value: [UInt8]) {
        key(name)
        append(UInt8(ascii: "\""))
        for byte in value { append(hexadecimal: byte) }
        append(UInt8(ascii: "\""))
    }

    private mutating func append(hexadecimal byte: UInt8) {
        append(hexadecimalDigit(byte >> 4))
        append(hexadecimalDigit(byte & 0x0F))
    }

    /// As `SecretID.lowercaseText`.
    private mutating func text(_ name: StaticString, _ id: SecretID) {
        key(name)
        append(UInt8(ascii: "\""))
        unsafe withUnsafeBytes(of: id.uuid) { bytes in
            for index in bytes.indices {
                if [4, 6, 8, 10].contains(index) { append(UInt8(ascii: "-")) }
                unsafe append(hexadecimal: bytes[index])
            }
        }
        append(UInt8(ascii: "\""))
    }

    /// Its parts need no escapes (`NamePart`).
    private mutating func text(_ name: StaticString, _ algorithm: AlgorithmName) {
        key(name)
        append(UInt8(ascii: "\""))
        for byte in algorithm.owner.utf8 { append(byte) }
        append(UInt8(ascii: "/"))
        for byte in algorithm.name.utf8 { append(byte) }
        append(UInt8(ascii: "\""))
    }

    private mutating func text(_ name: StaticString, _ value: String) {
        key(name)
        append(UInt8(ascii: "\""))
        let start = count
        if !plain(value) {
            removeLast(count - start)
            escaped(value)
        }
        append(UInt8(ascii: "\""))
    }

    /// - Returns: false if `value` needs escapes, or is too long; then some of it may be there.
    private mutating func plain(_ value: String) -> Bool {
        guard value.utf8.count <= AuditLineWriter.maximumText else { return false }
        for byte in value.utf8 {
            guard (0x20...0x7E).contains(byte), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") else {
                return false
            }
            append(byte)
        }
        return true
    }

    private mutating func escaped(_ value: String) {
        var room = AuditLineWriter.maximumText
        for unit in value.utf16 {
            switch unit {
            case UInt16(UInt8(ascii: "\"")), UInt16(UInt8(ascii: "\\")):
                room -= 2
                guard room >= 0 else { return }
                append(UInt8(ascii: "\\"))
                append(UInt8(truncatingIfNeeded: unit))
            case 0x20...0x7E:
                room -= 1
                guard room >= 0 else { return }
                append(UInt8(truncatingIfNeeded: unit))
            default:
                room -= 6
                guard room >= 0 else { return }
                literal("\\u")
                append(hexadecimal: UInt8(unit >> 8))
                append(hexadecimal: UInt8(unit & 0xFF))
            }
        }
    }

    /// `2026-11-23T14:03:05.120345Z`, always 27 bytes.
    mutating func append(_ time: Timestamp) {
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
            append(UInt8(ascii: "0") + UInt8(value / unit % 10))
            unit /= 10
        }
        append(UInt8(ascii: end))
    }
}

func hexadecimalDigit(_ digit: UInt8) -> UInt8 {
    digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
}
