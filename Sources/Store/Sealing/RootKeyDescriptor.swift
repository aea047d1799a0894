/// What a store tells about its root key before it is open: where the key is, never the key. Stored in the
/// clear, so whatever it says is a stranger's word until the keyring opens.
package enum RootKeyDescriptor: Hashable, Sendable {
    /// In a file; `path` is where `init` put it.
    case file(path: String)
    /// From a passphrase.
    case passphrase(ScryptParameters)
    /// Among the credentials that systemd gave us.
    case credential(name: String)

    package static let format = 1
    /// No descriptor is longer.
    package static let maximumCount = headerCount + 2 + 4095 + hashCount

    private static let magic: StaticString = "secretfs rootkey"
    /// Magic (16), format (1), kind (1).
    private static let headerCount = 18
    private static let hashCount = 32
    private enum Kind: UInt8 { case file = 1, passphrase, credential }

    /// magic (16) ‖ format (1) ‖ kind (1) ‖ what the kind needs ‖ SHA-256 of all before it (32); docs/FORMAT.md.
    ///
    /// - Throws: `.badPath`, `.badCredentialName`, `.sealing`.
    package func encoded() throws(RootKeyError) -> [UInt8] {
        var bytes: [UInt8] = []
        Self.magic.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
        bytes.append(UInt8(Self.format))
        switch self {
        case .file(let path):
            bytes.append(Kind.file.rawValue)
            Self.append(try RootKeyFile(path).path, to: &bytes)
        case .passphrase(let parameters):
            bytes.append(Kind.passphrase.rawValue)
            bytes += [parameters.logarithm, parameters.blockSize, parameters.parallelism]
            bytes += parameters.salt
        case .credential(let name):
            bytes.append(Kind.credential.rawValue)
            Self.append(try RootKeyCredential(name).name, to: &bytes)
        }
        do { return bytes + (try sha256(unsafe bytes.span.bytes)) } catch { throw .sealing(error) }
    }

    /// - Throws: `.descriptorCorrupt`, `.newerFormat`, `.scryptOutOfBounds`, `.badPath`, `.badCredentialName`.
    package init(decoding bytes: [UInt8]) throws(RootKeyError) {
        let span = unsafe bytes.span.bytes
        guard bytes.count >= Self.headerCount, span.starts(with: Self.magic) else { throw .descriptorCorrupt }
        // Before the length and the hash: a newer format may have others.
        guard bytes[16] <= Self.format else {
            throw .newerFormat(
                what: "the description of the root key", found: Int(bytes[16]), known: Self.format)
        }
        let end = bytes.count - Self.hashCount
        guard bytes[16] == Self.format, end >= Self.headerCount, bytes.count <= Self.maximumCount,
            let kind = Kind(rawValue: bytes[17])
        else {
            throw .descriptorCorrupt
        }
        let hash: [UInt8]
        do { hash = try sha256(span.extracting(0..<end)) } catch { throw .sealing(error) }
        guard hash[...] == bytes[end...] else { throw .descriptorCorrupt }
        let content = bytes[Self.headerCount..<end]
        switch kind {
        case .file: self = .file(path: try RootKeyFile(Self.text(content)).path)
        case .passphrase: self = .passphrase(try Self.parameters(content))
        case .credential: self = .credential(name: try RootKeyCredential(Self.text(content)).name)
        }
    }

    /// Length (2 bytes, big-endian), then UTF-8.
    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(bigEndian: UInt16(text.utf8.count))
        bytes += text.utf8
    }

    private static func text(_ content: ArraySlice<UInt8>) throws(RootKeyError) -> String {
        let text = content.dropFirst(2)
        guard content.count >= 2, text.count == content.prefix(2).reduce(0, { $0 << 8 | Int($1) }),
            let result = String(validating: text, as: UTF8.self)
        else { throw .descriptorCorrupt }
        return result
    }

    private static func parameters(_ content: ArraySlice<UInt8>) throws(RootKeyError) -> ScryptParameters {
        guard content.count == 3 + ScryptParameters.saltCount else { throw .descriptorCorrupt }
        let numbers = Array(content.prefix(3))
        return try ScryptParameters(
            logarithm: numbers[0], blockSize: numbers[1], parallelism: numbers[2],
            salt: Array(content.dropFirst(3)))
    }
}
