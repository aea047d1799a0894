import FoundationEssentials
package import Secrets

/// An entry as the model has it, and as one word of a command to a TestTreeServer.
package struct ShownEntry: Equatable, Sendable {
    package let name: String
    package let secret: SecretID
    package var version: UInt32
    package var bytes: [UInt8]
    package let delivery: Delivery

    package init(name: String, secret: SecretID, version: UInt32, bytes: [UInt8], delivery: Delivery) {
        self.name = name
        self.secret = secret
        self.version = version
        self.bytes = bytes
        self.delivery = delivery
    }

    package func entry() throws -> Entry {
        try .plain(name, bytes, version: version, delivery: delivery, secret: secret)
    }

    package var word: String {
        let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "\(name),\(secret.uuidString),\(version),\(delivery.rawValue),\(digits)"
    }

    package init?(word: String) {
        let parts = word.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 5, let secret = SecretID(uuidString: parts[1]), let version = UInt32(parts[2]),
            let delivery = Delivery(rawValue: parts[3])
        else { return nil }
        let digits = Array(parts[4].utf8)
        let bytes = stride(from: 0, to: digits.count, by: 2).map { index in
            UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) ?? 0
        }
        self.init(name: parts[0], secret: secret, version: version, bytes: bytes, delivery: delivery)
    }
}
