import FoundationEssentials
import Secrets

/// Where things are in storage. These names are all that storage can read (docs/FORMAT.md).
enum Keys {
    /// How to get the root key; not sealed, hostile until parsed.
    static let rootKey = RecordKey("root-key")
    /// The data keys, sealed by the root key.
    static let keyring = RecordKey("keyring")

    static let algorithms = RecordKey("algorithm/")
    static let secrets = RecordKey("secret/")

    static func algorithm(_ name: AlgorithmName) -> RecordKey { RecordKey("algorithm/\(name)") }
    static func secrets(of name: AlgorithmName) -> RecordKey { RecordKey("secret/\(name)/") }
    static func secret(_ secret: EnvironmentName, of name: AlgorithmName) -> RecordKey {
        RecordKey("secret/\(name)/\(secret)")
    }
    static func values(of name: AlgorithmName) -> RecordKey { RecordKey("value/\(name)/") }
    static func values(of secret: SecretID, in name: AlgorithmName) -> RecordKey {
        RecordKey("value/\(name)/\(secret.lowercaseText)/")
    }
    /// The secret's identity is in the key, so that the value of a deleted secret cannot come back as the
    /// value of a new one with the same name.
    static func value(_ version: Version, of secret: SecretID, in name: AlgorithmName) -> RecordKey {
        RecordKey(values(of: secret, in: name).text + version.description)
    }

    /// The algorithm that a changed key belongs to; nil for keys that no mount shows.
    static func algorithm(of key: RecordKey) -> AlgorithmName? {
        let parts = key.text.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[0] == "algorithm" || parts[0] == "secret" else { return nil }
        return try? AlgorithmName("\(parts[1])/\(parts[2])")
    }
    static func algorithmName(_ key: RecordKey) -> AlgorithmName? {
        guard key.text.hasPrefix(algorithms.text) else { return nil }
        return try? AlgorithmName(String(key.text.dropFirst(algorithms.text.count)))
    }
    static func secretName(_ key: RecordKey, of name: AlgorithmName) -> EnvironmentName? {
        let prefix = secrets(of: name).text
        guard key.text.hasPrefix(prefix) else { return nil }
        return try? EnvironmentName(String(key.text.dropFirst(prefix.count)))
    }
}

extension UUID {
    /// Random ones (version 4, RFC 9562), in descending order.
    static func random(_ count: Int, drawing random: inout RandomBlock) throws(SealError) -> [UUID] {
        // Sorted as numbers: comparing UUIDs takes many times longer.
        var numbers: [UInt128] = []
        numbers.reserveCapacity(count)
        for _ in 0..<count {
            var number: UInt128 = 0
            for byte in try random.take(16) { number = number << 8 | UInt128(byte) }
            number &= ~(0xF << 76 | 0x3 << 62)
            number |= 0x4 << 76 | 0x2 << 62
            numbers.append(number)
        }
        numbers.sort(by: >)
        return numbers.map { number in
            UUID(uuid: unsafe unsafeBitCast(number.bigEndian, to: uuid_t.self))
        }
    }

    /// As in `uuidString`, in lower case, which is how keys have it; without its detour through a format.
    var lowercaseText: String {
        unsafe String(unsafeUninitializedCapacity: 36) { text in
            var place = 0
            func append(_ byte: UInt8) {
                unsafe text[place] = byte
                place += 1
            }
            unsafe withUnsafeBytes(of: uuid) { bytes in
                for index in 0..<16 {
                    if index == 4 || index == 6 || index == 8 || index == 10 { append(UInt8(ascii: "-")) }
                    unsafe append(hexadecimal(bytes[index] >> 4))
                    unsafe append(hexadecimal(bytes[index] & 0x0F))
                }
            }
            return place
        }
    }
}

private func hexadecimal(_ digit: UInt8) -> UInt8 {
    digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
}
