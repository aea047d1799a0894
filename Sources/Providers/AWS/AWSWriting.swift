import FoundationEssentials
import JSONText
package import Secrets

extension AWSSecretsManager {
    package func place(
        of name: EnvironmentName, in home: SecretHome
    ) throws(ProviderFailure) -> ProviderReference {
        let text = "\(settings.prefix)\(home)/\(name)"
        guard text.utf8.count <= 512, AWSName.isName(text), let reference = try? ProviderReference(text)
        else {
            throw ProviderFailure(.malformed, "\(name) of \(home) is too long for a name there")
        }
        return reference
    }

    /// Secrets Manager has no conditions but that a name is free: what is there is read first. Who writes between that and
    /// ours is not noticed; then both are kept as versions, and the later one is the newest.
    package func write(
        _ value: SecretValue, to reference: ProviderReference, if condition: ProviderCondition
    ) async throws(ProviderFailure) -> ProviderVersion {
        guard reference.field == nil else {
            throw ProviderFailure(.malformed, "a field cannot be written, only all of a secret")
        }
        guard value.count <= Self.maximumValue else {
            throw ProviderFailure(
                .malformed, "the value has more than the \(Self.maximumValue) bytes that are kept there")
        }
        let name = try name(reference)
        var members: [String: JSONWriter.Member] = [
            value.isUTF8 && value.count > 0 ? "SecretString" : "SecretBinary": value.isUTF8 && value.count > 0
                ? .secret(value) : .secret(try Base64.encoded(value)),
            "ClientRequestToken": .text(UUID().uuidString.lowercased()),
        ]
        if case .version(let version) = condition {
            let reading = try await read(reference, version: nil, known: version)
            guard case .unchanged = reading else {
                throw ProviderFailure(.conflict, "\(name) is not what was expected: somebody changed it")
            }
        }
        if condition != .absent {
            members["SecretId"] = .text(name)
            let answer = try await ask("PutSecretValue", members)
            if answer.status == 200 { return try Self.version(in: answer) }
            let failure = AWSAnswer.failure(answer, "writing \(name)")
            guard condition == .any, failure.kind == .absent else { throw failure }
            members["SecretId"] = nil
        }
        members["Name"] = .text(name)
        let answer = try await ask("CreateSecret", members)
        guard answer.status == 200 else { throw AWSAnswer.failure(answer, "writing \(name)") }
        return try Self.version(in: answer)
    }

    private static func version(in answer: ProviderResponse) throws(ProviderFailure) -> ProviderVersion {
        let text = try AWSAnswer.reading(answer.host) { try answer.json().string("VersionId") }
        guard let version = text.flatMap({ ProviderVersion($0) }) else {
            throw ProviderFailure(.malformed, "\(answer.host) does not say what it wrote")
        }
        return version
    }

    /// All versions; it can be restored there until its recovery window is over, and its name is taken until then.
    package func delete(_ reference: ProviderReference) async throws(ProviderFailure) {
        let name = try name(reference)
        let answer = try await ask("DeleteSecret", ["SecretId": .text(name)])
        guard answer.status != 200 else { return }
        // It is gone, or going, already.
        let type = AWSAnswer.type(of: answer)
        if type == "ResourceNotFoundException" { return }
        // There are other reasons for this one: replicas in other regions, a service that owns it.
        if type == "InvalidRequestException", try await isToBeDeleted(name) { return }
        throw AWSAnswer.failure(answer, "deleting \(name)")
    }

    private func isToBeDeleted(_ name: String) async throws(ProviderFailure) -> Bool {
        let answer = try await ask("DescribeSecret", ["SecretId": .text(name)])
        guard answer.status == 200 else { return false }
        return try AWSAnswer.reading(answer.host) { try answer.json().has("DeletedDate") }
    }
}

/// RFC 4648, 4, from and into memory that wipes itself.
enum Base64 {
    /// - Throws: `.malformed` if it is none.
    static func decoded(_ text: SecretValue) throws -> SecretValue {
        try text.withBytes { bytes in
            let count = bytes.byteCount
            guard count % 4 == 0 else { throw wrong }
            var padding = 0
            while padding < 2, count > padding, bytes.byte(at: count - 1 - padding) == UInt8(ascii: "=") {
                padding += 1
            }
            return try SecretValue(capacity: count / 4 * 3) { span in
                for start in stride(from: 0, to: count, by: 4) {
                    let isLast = start + 4 == count
                    var bits: UInt32 = 0
                    for offset in start..<start + 4 {
                        let isPadding = isLast && offset >= count - padding
                        guard let digit = isPadding ? 0 : value(of: bytes.byte(at: offset)) else {
                            throw wrong
                        }
                        bits = bits << 6 | UInt32(digit)
                    }
                    for place in 0..<(isLast ? 3 - padding : 3) {
                        span.append(UInt8(truncatingIfNeeded: bits >> (16 - 8 * UInt32(place))))
                    }
                }
            }
        }
    }

    static func encoded(_ value: SecretValue) throws(ProviderFailure) -> SecretValue {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        do {
            return try value.withBytes { bytes in
                try SecretValue(capacity: (bytes.byteCount + 2) / 3 * 4) { span in
                    for start in stride(from: 0, to: bytes.byteCount, by: 3) {
                        let part = start..<min(start + 3, bytes.byteCount)
                        let bits = (start..<start + 3).reduce(UInt32(0)) { bits, offset in
                            bits << 8 | (part.contains(offset) ? UInt32(bytes.byte(at: offset)) : 0)
                        }
                        for place in 0..<4 {
                            span.append(
                                place <= part.count
                                    ? digits[Int(bits >> (18 - 6 * UInt32(place)) & 63)] : UInt8(ascii: "="))
                        }
                    }
                }
            }
        } catch {
            throw ProviderFailure(.down, "there is no memory for the value")
        }
    }

    private static var wrong: ProviderFailure {
        ProviderFailure(.malformed, "the bytes of the secret are not in Base64")
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
