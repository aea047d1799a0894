import FoundationEssentials
import Secrets

/// The fields of a link's messages.
extension RecordWriter {
    /// - Precondition: at most 65,535 bytes.
    mutating func write(block: [UInt8]) {
        write(UInt16(block.count))
        write(bytes: block)
    }

    /// A key or a token: whoever has the bytes wipes them.
    mutating func write(secret: SecretValue) {
        write(UInt16(secret.count))
        secret.withBytes { bytes in
            for offset in 0..<bytes.byteCount { write(bytes.byte(at: offset)) }
        }
    }

    mutating func write(_ welcome: LinkWelcome) {
        write(welcome.node.text)
        write(welcome.id)
        write(welcome.policy.encoded)
        write(welcome.time)
    }

    mutating func write(_ held: HeldVersion) {
        write(held.secret)
        write(held.version.number)
        write(held.modified)
    }

    mutating func write(_ view: LinkView) {
        write(view.generation)
        write(view.modified)
        write(UInt32(view.entries.count))
        for entry in view.entries { write(entry) }
    }

    private mutating func write(_ entry: LinkEntry) {
        var flags: EntryFlags = []
        if entry.expires != nil { flags.insert(.expires) }
        if entry.details != nil { flags.insert(.details) }
        if entry.isUnreadable { flags.insert(.unreadable) }
        if entry.delivery == .file { flags.insert(.file) }
        if entry.hasValue { flags.insert(.value) }
        if entry.valueExpires != nil { flags.insert(.valueExpires) }
        write(entry.name.text)
        write(flags.rawValue)
        write(entry.held)
        write(UInt32(entry.count))
        if let expires = entry.expires { write(expires) }
        if let expires = entry.valueExpires { write(expires) }
        write(entry.callers) { $0.write($1) }
        if let details = entry.details {
            write(details.displayName.text)
            write(details.description.text)
            write(details.provider.text)
        }
    }
}

private struct EntryFlags: OptionSet {
    let rawValue: UInt8
    static let expires = EntryFlags(rawValue: 1)
    static let details = EntryFlags(rawValue: 2)
    static let unreadable = EntryFlags(rawValue: 4)
    static let file = EntryFlags(rawValue: 8)
    static let value = EntryFlags(rawValue: 16)
    static let valueExpires = EntryFlags(rawValue: 32)
    static let all = EntryFlags(rawValue: 63)
}

extension RecordReader {
    mutating func block() throws(RecordFormatError) -> [UInt8] {
        let count = Int(try number(UInt16.self))
        return Array(try bytes(count))
    }

    mutating func secret() throws(RecordFormatError) -> SecretValue {
        var block = try block()
        defer { unsafe block.withUnsafeMutableBytes { unsafe wipe($0) } }
        do { return try SecretValue(copying: unsafe block.span.bytes) } catch { throw .malformed }
    }

    mutating func algorithm() throws(RecordFormatError) -> AlgorithmName {
        guard let name = try? AlgorithmName(text()) else { throw .malformed }
        return name
    }

    mutating func held() throws(RecordFormatError) -> HeldVersion {
        let id = try id()
        let version = try number(UInt32.self)
        guard version > 0 else { throw .malformed }
        return HeldVersion(secret: id, version: Version(number: version), modified: try time())
    }

    /// Of the year 9999.
    private static var lastSecond: Int64 { 253_402_300_799 }

    mutating func welcome() throws(RecordFormatError) -> LinkWelcome {
        guard let node = try? NodeName(text()) else { throw .malformed }
        let welcome = LinkWelcome(
            node: node, id: try id(), policy: try NodePolicy(encoded: try number(UInt32.self)),
            time: try time())
        // Clocks are subtracted.
        guard (0...Self.lastSecond).contains(welcome.time.seconds) else { throw .malformed }
        return welcome
    }

    /// Names ascend, each once: a tree looks them up by halves.
    mutating func view() throws(RecordFormatError) -> LinkView {
        let generation = try number(UInt64.self)
        // There is one after each.
        guard generation <= UInt64(Int64.max) else { throw .malformed }
        let modified = try time()
        var entries: [LinkEntry] = []
        for _ in 0..<(try number(UInt32.self)) {
            let entry = try entry()
            if let last = entries.last, last.name >= entry.name { throw .malformed }
            entries.append(entry)
        }
        return LinkView(generation: generation, modified: modified, entries: entries)
    }

    private mutating func entry() throws(RecordFormatError) -> LinkEntry {
        guard let name = try? EnvironmentName(text()) else { throw .malformed }
        let flags = EntryFlags(rawValue: try number(UInt8.self))
        guard EntryFlags.all.isSuperset(of: flags) else { throw .malformed }
        let held = try held()
        let count = Int(try number(UInt32.self))
        guard count <= SecretValue.maximumCount else { throw .malformed }
        let expires = flags.contains(.expires) ? try time() : nil
        let valueExpires = flags.contains(.valueExpires) ? try time() : nil
        let callers = try list { reader throws(RecordFormatError) in try reader.callerRule() }
        return LinkEntry(
            name: name, held: held, delivery: flags.contains(.file) ? .file : .env, count: count,
            expires: expires, callers: callers, details: flags.contains(.details) ? try details() : nil,
            isUnreadable: flags.contains(.unreadable), hasValue: flags.contains(.value),
            valueExpires: valueExpires)
    }

    private mutating func details() throws(RecordFormatError) -> EntryDetails {
        guard let display = try? DisplayName(text()), let about = try? Description(text()) else {
            throw .malformed
        }
        guard let provider = try? ProviderName(text()) else { throw .malformed }
        return EntryDetails(displayName: display, description: about, provider: provider)
    }
}
