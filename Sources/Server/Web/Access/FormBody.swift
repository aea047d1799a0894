import JSONText
import Secrets

/// What is wrong with the body of a form. Never with what is in it.
struct FormError: Error, Equatable, Sendable {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// A form that a page sent (application/x-www-form-urlencoded). As of `JSONObject`: the text stays in memory that wipes
/// itself, and a value goes from it straight into a `SecretValue`.
struct FormBody: Sendable {
    /// Fields, and the bytes of a field's name.
    private static let maximumFields = 32
    private static let maximumName = 64
    /// Of a field that is no value, in bytes as it is meant.
    private static let maximumText = 65_536

    private let text: SecretBuffer
    /// Where the fields' values stand.
    private let fields: [String: Range<Int>]

    init(_ text: SecretBuffer) throws(FormError) {
        self.text = text
        fields = try text.withBytes { bytes throws(FormError) in try Self.fields(bytes) }
    }

    private static func fields(_ text: RawSpan) throws(FormError) -> [String: Range<Int>] {
        var fields: [String: Range<Int>] = [:]
        var start = 0
        while start < text.byteCount {
            let end =
                (start..<text.byteCount).first { text.byte(at: $0) == UInt8(ascii: "&") } ?? text.byteCount
            defer { start = end + 1 }
            guard end > start else { continue }
            let equals = (start..<end).first { text.byte(at: $0) == UInt8(ascii: "=") } ?? end
            guard equals - start <= maximumName, fields.count < maximumFields else {
                throw FormError("it has more fields than any of ours")
            }
            // Names of ours need no escapes.
            let name = (start..<equals).map { text.byte(at: $0) }
            guard name.allSatisfy({ $0 == 0x5F || (0x61...0x7A).contains($0) }) else {
                throw FormError("it has a field that is not known here")
            }
            let value = min(equals + 1, end)..<end
            guard fields.updateValue(value, forKey: String(decoding: name, as: UTF8.self)) == nil else {
                throw FormError("it has a field twice")
            }
        }
        return fields
    }

    /// - Throws: if there is a field of another name. Its name is not told.
    func allowOnly(_ names: Set<String>) throws(FormError) {
        guard fields.keys.allSatisfy(names.contains) else {
            throw FormError("it has a field that is not known here")
        }
    }

    /// A field that is no value of a secret; empty if it is not there.
    func string(_ name: String) throws(FormError) -> String {
        guard let range = fields[name] else { return "" }
        return try text.withBytes { text throws(FormError) in
            var bytes: [UInt8] = []
            try Self.forEachByte(of: range, in: text, isText: false) { bytes.append($0) }
            guard bytes.count <= Self.maximumText else { throw FormError("a field is too long") }
            guard let string = String(validating: bytes, as: UTF8.self) else {
                throw FormError("it is not UTF-8")
            }
            return string
        }
    }

    /// A field, in memory that wipes itself; nil if it is not there.
    ///
    /// - Parameter isText: from a field of several lines. Browsers send each of its line ends as CR LF, whatever was pasted
    ///   (HTML, 4.10.22.4), and what they were cannot be told; they become LF.
    /// - Throws: `FormError`, `ValueTooLong`, `SecretMemoryError`.
    func value(_ name: String, isText: Bool) throws -> SecretValue? {
        guard let range = fields[name] else { return nil }
        return try text.withBytes { text in
            var count = 0
            try Self.forEachByte(of: range, in: text, isText: isText) { _ in count += 1 }
            guard count <= SecretValue.maximumCount else { throw ValueTooLong() }
            return try SecretValue(capacity: count) { span in
                try Self.forEachByte(of: range, in: text, isText: isText) { byte in
                    unsafe span.append(byte, as: UInt8.self)
                }
            }
        }
    }

    private static func forEachByte(
        of range: Range<Int>, in text: RawSpan, isText: Bool, _ body: (UInt8) -> Void
    ) throws(FormError) {
        var place = range.lowerBound
        while place < range.upperBound {
            let (byte, next) = try byte(at: place, before: range.upperBound, in: text)
            place = next
            if isText, byte == 0x0D, place < range.upperBound,
                try self.byte(at: place, before: range.upperBound, in: text).0 == 0x0A
            {
                continue
            }
            body(byte)
        }
    }

    /// - Returns: what stands at `place`, and where the next one stands.
    private static func byte(
        at place: Int, before end: Int, in text: RawSpan
    ) throws(FormError) -> (UInt8, Int) {
        switch text.byte(at: place) {
        case UInt8(ascii: "+"): return (0x20, place + 1)
        case UInt8(ascii: "%"):
            guard end - place >= 3, let high = PercentCoding.digit(text.byte(at: place + 1)),
                let low = PercentCoding.digit(text.byte(at: place + 2))
            else { throw FormError("it has an escape that is none") }
            return (high << 4 | low, place + 3)
        case let byte: return (byte, place + 1)
        }
    }
}
