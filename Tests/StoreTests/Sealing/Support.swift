import Foundation
import Secrets
import Store

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func bytes(_ hex: String) -> [UInt8] {
    var digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }[...]
    var result: [UInt8] = []
    while let high = digits.popFirst(), let low = digits.popFirst() { result.append(UInt8(high << 4 | low)) }
    return result
}

extension XAES256GCM {
    func seal(_ text: [UInt8], nonce: [UInt8], data: [UInt8]) throws(SealError) -> [UInt8] {
        try [UInt8](capacity: text.count + Self.tagCount) { output throws(SealError) in
            try seal(text.span.bytes, nonce: nonce.span.bytes, authenticating: data.span.bytes, into: &output)
        }
    }

    func open(_ sealed: [UInt8], nonce: [UInt8], data: [UInt8]) throws -> [UInt8] {
        let value = try SecretValue(capacity: max(0, sealed.count - Self.tagCount)) { output in
            try open(
                sealed.span.bytes, nonce: nonce.span.bytes, authenticating: data.span.bytes, into: &output)
        }
        return value.copy
    }
}

extension SecretValue {
    /// Tests plant what they look for, so they may copy it.
    var copy: [UInt8] {
        withBytes { bytes in
            (0..<bytes.byteCount).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
    }
}

extension RecordSealer {
    func seal(_ text: [UInt8], _ key: String) throws(SealError) -> [UInt8] {
        try seal(text.span.bytes, under: RecordKey(key))
    }

    func open(_ record: [UInt8], _ key: String) throws(SealError) -> [UInt8] {
        try open(record.span, under: RecordKey(key)).copy
    }
}

func sha256(_ bytes: [UInt8]) throws -> [UInt8] { try sha256(bytes.span.bytes) }

/// A file of `Fixtures`.
func fixture(_ name: String) throws -> [UInt8] {
    let folder = Bundle.module.resourceURL ?? URL(filePath: ".")
    return Array(try Data(contentsOf: folder.appending(path: "Fixtures/\(name)")))
}

/// A folder that goes when `body` ends.
func withTemporaryFolder<R>(_ body: (String) throws -> R) throws -> R {
    let folder = FileManager.default.temporaryDirectory.appending(path: "secretfs-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
}
