internal import CLinux
import FoundationEssentials
internal import Glibc
package import Secrets

/// What a node keeps of one algorithm in its own store, so that its agent can start while the server is away: what the
/// server sent, sealed to the node's key as it came, and when the server was last certain of it.
package struct KeptView: Sendable {
    package let view: LinkView
    /// Those that are there; an entry without one opens nothing.
    package let values: [HeldVersion: KeptValue]
    package let confirmed: KeptMoment

    package init(view: LinkView, values: [HeldVersion: KeptValue], confirmed: KeptMoment) {
        self.view = view
        self.values = values
        self.confirmed = confirmed
    }
}

/// A value as it was sent.
package struct KeptValue: Hashable, Sendable {
    /// Of the batch that it came in.
    package let encapsulated: [UInt8]
    package let sealed: [UInt8]
    package static let encapsulatedCount = 32

    /// - Precondition: `encapsulated` has 32 bytes.
    package init(encapsulated: [UInt8], sealed: [UInt8]) {
        precondition(encapsulated.count == Self.encapsulatedCount)
        self.encapsulated = encapsulated
        self.sealed = sealed
    }
}

/// A moment that can be compared with a later one of another process, also if somebody set the clock meanwhile.
package struct KeptMoment: Hashable, Sendable {
    /// Of the kernel that ran, and how long it had run (CLOCK_BOOTTIME, which sleep does not stop), in seconds.
    let boot: UUID
    let uptime: UInt64
    let time: Timestamp

    init(boot: UUID, uptime: UInt64, time: Timestamp) {
        self.boot = boot
        self.uptime = uptime
        self.time = time
    }

    /// - Returns: nil if the kernel does not tell.
    package static func now(before seconds: UInt64 = 0) -> KeptMoment? {
        let path = "/proc/sys/kernel/random/boot_id"
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        let text = unsafe String(unsafeUninitializedCapacity: 36) { buffer in
            max(0, unsafe read(file, buffer.baseAddress, 36))
        }
        var time = timespec()
        guard let boot = UUID(uuidString: text), unsafe clock_gettime(CLOCK_BOOTTIME, &time) == 0 else {
            return nil
        }
        let (uptime, now) = (UInt64(max(0, time.tv_sec)), Timestamp.now())
        return KeptMoment(
            boot: boot, uptime: uptime - min(uptime, seconds),
            time: Timestamp(seconds: now.seconds - Int64(seconds), nanoseconds: now.nanoseconds))
    }

    /// How long ago this was, in seconds; nil if nobody can say: another kernel runs, and its clock is behind.
    package func age(at now: KeptMoment) -> UInt64? {
        let byClock = now.time.seconds - time.seconds
        guard now.boot != boot else {
            guard now.uptime >= uptime else { return nil }
            return max(now.uptime - uptime, UInt64(max(0, byClock)))
        }
        // At least since this kernel began.
        return byClock >= 0 ? max(UInt64(byClock), now.uptime) : nil
    }
}

extension SecretStore {
    /// Keeps `view` of `name`, with those values of it that are not kept yet, and nothing else of that algorithm.
    ///
    /// - Parameter values: of the view.
    package func keep(_ kept: KeptView, of name: AlgorithmName) throws(StoreError) {
        let values = Keys.keptValues(of: name)
        let wanted = Dictionary(
            kept.values.map { (Keys.keptValue($0.key, of: name), ($0.key, $0.value)) }
        ) { first, _ in first }
        try retrying("what is kept of \(name)") { () throws(StoreError) in
            let present = try storing { () throws(StorageError) in
                try Set(storage.keys(of: values, limit: Self.maximumKept))
            }
            var random = RandomBlock()
            var changes = [
                try change(Self.view(kept.view), under: Keys.kept(name), &random),
                try moment(kept, of: name, &random),
            ]
            for key in present where wanted[key] == nil { changes.append(.delete(key)) }
            for (key, (held, value)) in wanted where !present.contains(key) {
                changes.append(try change(Self.value(held, value), under: key, &random))
            }
            try put(if: [], then: changes)
        }
    }

    /// The server is certain of these views now.
    package func confirmKept(_ kept: [AlgorithmName: KeptView]) throws(StoreError) {
        guard !kept.isEmpty else { return }
        try retrying("what is kept") { () throws(StoreError) in
            var random = RandomBlock()
            var changes: [Transaction.Change] = []
            for (name, view) in kept {
                changes.append(try moment(view, of: name, &random))
            }
            try put(if: [], then: changes)
        }
    }

    /// - Returns: nil if nothing is kept of `name`.
    /// - Throws: `.damaged`; a value that is damaged is only not there.
    package func kept(of name: AlgorithmName) throws(StoreError) -> KeptView? {
        let (key, moment) = (Keys.kept(name), Keys.keptMoment(name))
        let selections: [Selection] = [.key(key), .key(moment), .prefix(Keys.keptValues(of: name))]
        let records = try storing { () throws(StorageError) in try storage.read(selections, at: nil).records }
        guard let first = records.first(where: { $0.key == key }) else { return nil }
        guard let second = records.first(where: { $0.key == moment }) else {
            throw .damaged(record: moment.text)
        }
        let view = try decode(first) { bytes throws(RecordFormatError) in
            var reader = try RecordReader(bytes, kind: .kept)
            let view = try reader.view()
            try reader.finish()
            return view
        }
        let shown = try mark(of: view)
        let (mark, confirmed) = try decode(second) { bytes throws(RecordFormatError) in
            var reader = try RecordReader(bytes, kind: .keptMoment)
            let mark = Array(try reader.bytes(Self.markCount))
            let moment = KeptMoment(
                boot: try reader.id(), uptime: try reader.number(UInt64.self), time: try reader.time())
            try reader.finish()
            return (mark, moment)
        }
        // An older view with a newer moment would be opened for longer than it may be.
        guard mark == shown else { throw .damaged(record: moment.text) }
        var values: [HeldVersion: KeptValue] = [:]
        for record in records where record.key != key && record.key != moment {
            guard let (held, value) = try? decode(record, Self.value),
                record.key == Keys.keptValue(held, of: name)
            else { continue }
            values[held] = value
        }
        return KeptView(view: view, values: values, confirmed: confirmed)
    }

    /// Nothing is kept of `name` any more; nil: of any algorithm.
    package func forgetKept(_ name: AlgorithmName? = nil) throws(StoreError) {
        let changes: [Transaction.Change] =
            if let name {
                [
                    .delete(Keys.kept(name)), .delete(Keys.keptMoment(name)),
                    .deletePrefix(Keys.keptValues(of: name)),
                ]
            } else {
                Keys.allKept.map { .deletePrefix($0) }
            }
        try retrying("what is kept") { () throws(StoreError) in try put(if: [], then: changes) }
    }

    // MARK: Records (docs/FORMAT.md#kept)

    private static let maximumKept = 1_000_000

    private func change(
        _ bytes: [UInt8], under key: RecordKey, _ random: inout RandomBlock
    ) throws(StoreError) -> Transaction.Change {
        .put(key, try seal(metadata: bytes, under: key, &random))
    }

    private func moment(
        _ kept: KeptView, of name: AlgorithmName, _ random: inout RandomBlock
    ) throws(StoreError) -> Transaction.Change {
        try change(Self.moment(kept, try mark(of: kept.view)), under: Keys.keptMoment(name), &random)
    }

    private func mark(of view: LinkView) throws(StoreError) -> [UInt8] {
        let bytes = Self.view(view)
        do { return try sha256(unsafe bytes.span.bytes) } catch { throw .sealing(error) }
    }

    private static func view(_ view: LinkView) -> [UInt8] {
        var writer = RecordWriter(kind: .kept)
        writer.write(view)
        return writer.bytes
    }

    private static let markCount = 32

    /// - Parameter mark: SHA-256 of the view that it is the moment of.
    private static func moment(_ kept: KeptView, _ mark: [UInt8]) -> [UInt8] {
        var writer = RecordWriter(kind: .keptMoment)
        writer.write(bytes: mark)
        writer.write(kept.confirmed.boot)
        writer.write(kept.confirmed.uptime)
        writer.write(kept.confirmed.time)
        return writer.bytes
    }

    private static func value(_ held: HeldVersion, _ value: KeptValue) -> [UInt8] {
        var writer = RecordWriter(kind: .keptValue)
        writer.write(held)
        writer.write(bytes: value.encapsulated)
        writer.write(UInt32(value.sealed.count))
        writer.write(bytes: value.sealed)
        return writer.bytes
    }

    private static func value(_ bytes: [UInt8]) throws(RecordFormatError) -> (HeldVersion, KeptValue) {
        var reader = try RecordReader(bytes, kind: .keptValue)
        let held = try reader.held()
        let encapsulated = Array(try reader.bytes(KeptValue.encapsulatedCount))
        let sealed = Array(try reader.bytes(Int(try reader.number(UInt32.self))))
        try reader.finish()
        return (held, KeptValue(encapsulated: encapsulated, sealed: sealed))
    }
}

extension Keys {
    static let allKept = ["kept/", "kept-moment/", "kept-value/"].map(RecordKey.init)

    static func kept(_ name: AlgorithmName) -> RecordKey { RecordKey("kept/\(name)") }
    static func keptMoment(_ name: AlgorithmName) -> RecordKey { RecordKey("kept-moment/\(name)") }
    static func keptValues(of name: AlgorithmName) -> RecordKey { RecordKey("kept-value/\(name)/") }
    static func keptValue(_ held: HeldVersion, of name: AlgorithmName) -> RecordKey {
        let made = "\(held.modified.seconds).\(held.modified.nanoseconds)"
        return RecordKey("\(keptValues(of: name))\(held.secret.lowercaseText)/\(held.version)/\(made)")
    }
}
