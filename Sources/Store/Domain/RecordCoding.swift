import FoundationEssentials
import Secrets

/// Why the plaintext of a record does not parse. It was sealed by us, so this is a fault or a newer format.
package enum RecordFormatError: Error, Equatable {
    case malformed
    case newerFormat(Int)
}

/// Writes the plaintext of a metadata record: fields one after the other, integers big-endian, texts behind
/// their length (docs/FORMAT.md). Never used for values.
struct RecordWriter {
    private(set) var bytes: [UInt8]

    init(kind: RecordKind) { self.init(kind.rawValue) }

    /// - Parameter kind: what tells apart what the bytes are of.
    init(_ kind: UInt8) {
        bytes = []
        // A secret with one version and a short description.
        bytes.reserveCapacity(160)
        bytes.append(kind)
        bytes.append(RecordKind.format)
    }

    mutating func write<T: FixedWidthInteger & BitwiseCopyable>(_ number: T) {
        unsafe withUnsafeBytes(of: number.bigEndian) { unsafe bytes.append(contentsOf: $0) }
    }
    mutating func write(bytes: some Collection<UInt8>) { self.bytes.append(contentsOf: bytes) }
    /// - Precondition: at most 65,535 bytes of UTF-8.
    mutating func write(_ text: String) {
        write(UInt16(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }
    mutating func write(_ id: UUID) {
        unsafe withUnsafeBytes(of: id.uuid) { unsafe bytes.append(contentsOf: $0) }
    }
    mutating func write(_ time: Timestamp) {
        write(time.seconds)
        write(time.nanoseconds)
    }
}

enum RecordKind: UInt8 {
    case algorithm = 0x41  // "A"
    case secret = 0x53  // "S"
    case grant = 0x47  // "G"
    case administrators = 0x55  // "U"
    case user = 0x50  // "P"
    case apiKey = 0x4B  // "K"
    case auditAnchor = 0x4C  // "L"
    case auditSettings = 0x54  // "T"
    case node = 0x4E  // "N"
    case enrollment = 0x45  // "E"
    case membership = 0x4D  // "M"
    case kept = 0x56  // "V"
    case keptMoment = 0x4F  // "O"
    case keptValue = 0x57  // "W"
    case externalSecret = 0x58  // "X"
    case provider = 0x52  // "R"
    case defaultProvider = 0x44  // "D"

    /// The version of every metadata record's layout.
    static let format: UInt8 = 1
}

/// Reads what `RecordWriter` wrote; every length is checked, nothing may be left over.
struct RecordReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8], kind: RecordKind) throws(RecordFormatError) {
        let found: UInt8
        (self, found) = try Self.anyKind(bytes)
        guard found == kind.rawValue else { throw .malformed }
    }

    /// A reader of what comes after the kind, and the kind.
    static func anyKind(_ bytes: [UInt8]) throws(RecordFormatError) -> (RecordReader, UInt8) {
        var reader = RecordReader(rest: bytes[...])
        let kind = try reader.number(UInt8.self)
        try reader.readFormat()
        return (reader, kind)
    }

    private init(rest: ArraySlice<UInt8>) { self.rest = rest }

    private mutating func readFormat() throws(RecordFormatError) {
        let format = try number(UInt8.self)
        guard format <= RecordKind.format else { throw .newerFormat(Int(format)) }
        guard format == RecordKind.format else { throw .malformed }
    }

    mutating func number<T: FixedWidthInteger>(_: T.Type) throws(RecordFormatError) -> T {
        try take(T.bitWidth / 8).reduce(T(0)) { ($0 << 8) | T(truncatingIfNeeded: $1) }
    }
    mutating func text() throws(RecordFormatError) -> String {
        let count = Int(try number(UInt16.self))
        guard let text = String(validating: try take(count), as: UTF8.self) else { throw .malformed }
        return text
    }
    mutating func bytes(_ count: Int) throws(RecordFormatError) -> ArraySlice<UInt8> { try take(count) }
    mutating func id() throws(RecordFormatError) -> UUID {
        let b = Array(try take(16))
        return UUID(
            uuid: (
                b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                b[15]
            ))
    }
    mutating func time() throws(RecordFormatError) -> Timestamp {
        let seconds = try number(Int64.self)
        let nanoseconds = try number(UInt32.self)
        guard nanoseconds < 1_000_000_000 else { throw .malformed }
        return Timestamp(seconds: seconds, nanoseconds: nanoseconds)
    }
    /// All that is left, which may be at most `count` bytes.
    mutating func remaining(atMost count: Int) throws(RecordFormatError) -> [UInt8] {
        guard rest.count <= count else { throw .malformed }
        return Array(try take(rest.count))
    }
    func finish() throws(RecordFormatError) {
        guard rest.isEmpty else { throw .malformed }
    }

    private mutating func take(_ count: Int) throws(RecordFormatError) -> ArraySlice<UInt8> {
        guard count <= rest.count else { throw .malformed }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
}
