import FoundationEssentials
import Secrets

/// Where things are in storage. These names are all that storage can read (docs/FORMAT.md).
enum Keys {
    /// How to get the root key; not sealed, hostile until parsed.
    static let rootKey = RecordKey("root-key")
    /// The data keys, sealed by the root key.
    static let keyring = RecordKey("keyring")
    /// What the audit log's lines are authenticated by, sealed.
    static let auditKey = RecordKey("audit-key")
    static let auditAnchor = RecordKey("audit-anchor")
    static let auditSettings = RecordKey("audit-settings")

    /// Who may have the store mounted for administration.
    static let administrators = RecordKey("administrators")

    /// What things are called outside is made from this.
    static let publicIdentity = RecordKey("public-identity")
    /// The store's own certificate authority.
    static let authority = RecordKey("authority")

    /// What makes this store a node's: who it is, and which server it has its entries from.
    static let membership = RecordKey("membership")

    /// Records that are not sealed by a data key.
    static func isUnsealed(_ key: RecordKey) -> Bool { key == rootKey || key == keyring }
    /// - Parameter key: as storage has it.
    static func isUnsealed(_ key: RawSpan) -> Bool {
        key.byteCount <= 8 && (key.equals("root-key") || key.equals("keyring"))
    }

    static let algorithms = RecordKey("algorithm/")
    static let secrets = RecordKey("secret/")
    /// Secrets of owners.
    static let shared = RecordKey("shared/")
    /// Users of the API, and their keys.
    static let users = RecordKey("user/")
    static let apiKeys = RecordKey("api-key/")
    /// Machines that have their entries from this store's server, and those that may become some.
    static let nodes = RecordKey("node/")
    static let enrollments = RecordKey("enrollment/")
    /// External providers, their settings, and which is the default.
    static let providers = RecordKey("provider/")
    static let providerSettings = RecordKey("provider-setting/")
    static let defaultProvider = RecordKey("default-provider")

    /// What there can be many records of.
    static let plentiful =
        [algorithms, secrets, shared, users, apiKeys, nodes, enrollments, providerSettings]
        + ["value/", "shared-value/", "grant/"].map(RecordKey.init)

    static func provider(_ name: ProviderName) -> RecordKey { RecordKey("provider/\(name)") }
    static func providerName(_ key: RecordKey) -> ProviderName? {
        guard key.text.hasPrefix(providers.text) else { return nil }
        return try? ProviderName(String(key.text.dropFirst(providers.text.count)))
    }
    /// A provider's id is in the key, so that a setting cannot become one of another that has its name later.
    static func settings(of provider: UUID) -> RecordKey {
        RecordKey("provider-setting/\(provider.lowercaseText)/")
    }
    /// Whose secret's record this key is of; nil for other keys.
    static func homeOfSecret(_ key: RecordKey) -> SecretHome? {
        let parts = key.text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        switch (parts.first, parts.count) {
        case ("secret", 4): return try? SecretHome("\(parts[1])/\(parts[2])")
        case ("shared", 3): return try? SecretHome(parts[1])
        default: return nil
        }
    }
    static func setting(_ name: String, of provider: UUID) -> RecordKey {
        RecordKey(settings(of: provider).text + name)
    }
    static func user(_ name: UserName) -> RecordKey { RecordKey("user/\(name)") }
    static func apiKey(_ id: APIKeyID) -> RecordKey { RecordKey("api-key/\(id)") }
    static func node(_ name: NodeName) -> RecordKey { RecordKey("node/\(name)") }
    static func nodeName(_ key: RecordKey) -> NodeName? {
        guard key.text.hasPrefix(nodes.text) else { return nil }
        return try? NodeName(String(key.text.dropFirst(nodes.text.count)))
    }
    static func enrollment(_ id: APIKeyID) -> RecordKey { RecordKey("enrollment/\(id)") }
    static func enrollmentID(_ key: RecordKey) -> APIKeyID? {
        guard key.text.hasPrefix(enrollments.text) else { return nil }
        return try? APIKeyID(String(key.text.dropFirst(enrollments.text.count)))
    }
    static func algorithm(_ name: AlgorithmName) -> RecordKey { RecordKey("algorithm/\(name)") }
    static func algorithms(of owner: OwnerName) -> RecordKey { RecordKey("algorithm/\(owner)/") }
    static func secrets(of home: SecretHome) -> RecordKey {
        switch home {
        case .algorithm(let name): RecordKey("secret/\(name)/")
        case .owner(let owner): RecordKey("shared/\(owner)/")
        }
    }
    static func secret(_ secret: EnvironmentName, of home: SecretHome) -> RecordKey {
        RecordKey(secrets(of: home).text + secret.text)
    }
    static func values(of home: SecretHome) -> RecordKey {
        switch home {
        case .algorithm(let name): RecordKey("value/\(name)/")
        case .owner(let owner): RecordKey("shared-value/\(owner)/")
        }
    }
    static func values(of secret: SecretID, in home: SecretHome) -> RecordKey {
        RecordKey("\(values(of: home))\(secret.lowercaseText)/")
    }
    /// The secret's identity is in the key, so that the value of a deleted secret cannot come back as the
    /// value of a new one with the same name.
    static func value(_ version: Version, of secret: SecretID, in home: SecretHome) -> RecordKey {
        RecordKey(values(of: secret, in: home).text + version.description)
    }

    /// Which version of which secret (its id, in lower case) a value's key is of; nil for other keys.
    static func valuePlace(_ key: RecordKey) -> (home: SecretHome, id: String, version: Version)? {
        let parts = key.text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let home: SecretHome?
        switch (parts.first, parts.count) {
        case ("value", 5): home = try? SecretHome("\(parts[1])/\(parts[2])")
        case ("shared-value", 4): home = try? SecretHome(parts[1])
        default: return nil
        }
        guard let home, let last = parts.last, let number = UInt32(last), number > 0 else { return nil }
        return (home, parts[parts.count - 2], Version(number: number))
    }

    /// What a grant is found by from the side that sees. The secret's own record says what is granted; these say
    /// where to look.
    static func grants(to grantee: Grantee) -> RecordKey { RecordKey("grant/\(grantee)/") }
    static func grant(of secret: EnvironmentName, of owner: OwnerName, to grantee: Grantee) -> RecordKey {
        RecordKey("\(grants(to: grantee))\(owner)/\(secret)")
    }
    static func granted(_ key: RecordKey, to grantee: Grantee) -> SharedSecret? {
        let prefix = grants(to: grantee).text
        guard key.text.hasPrefix(prefix) else { return nil }
        return sharedSecret(key.text.dropFirst(prefix.count))
    }
    private static func sharedSecret(_ text: Substring) -> SharedSecret? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let owner = try? OwnerName(String(parts[0])),
            let name = try? EnvironmentName(String(parts[1]))
        else { return nil }
        return SharedSecret(owner: owner, name: name)
    }

    /// Whose mounts may show something else after a change of `key`; nil for keys that no mount shows.
    static func affected(by key: RecordKey) -> AffectedMounts.Part? {
        let parts = key.text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 3 else { return nil }
        switch parts[0] {
        case "algorithm", "secret":
            return (try? AlgorithmName("\(parts[1])/\(parts[2])")).map { .algorithm($0) }
        case "shared":
            return sharedSecret("\(parts[1])/\(parts[2])").map { .shared($0) }
        case "grant":
            return (try? Grantee("\(parts[1])/\(parts[2])")).map { grantee in
                switch grantee {
                case .algorithm(let name): .algorithm(name)
                case .all(let owner): .owner(owner)
                }
            }
        default: return nil
        }
    }
    static func algorithmName(_ key: RecordKey) -> AlgorithmName? {
        guard key.text.hasPrefix(algorithms.text) else { return nil }
        return try? AlgorithmName(String(key.text.dropFirst(algorithms.text.count)))
    }
    static func userName(_ key: RecordKey) -> UserName? {
        guard key.text.hasPrefix(users.text) else { return nil }
        return try? UserName(String(key.text.dropFirst(users.text.count)))
    }
    static func apiKeyID(_ key: RecordKey) -> APIKeyID? {
        guard key.text.hasPrefix(apiKeys.text) else { return nil }
        return try? APIKeyID(String(key.text.dropFirst(apiKeys.text.count)))
    }
    static func secretName(_ key: RecordKey, of home: SecretHome) -> EnvironmentName? {
        let prefix = secrets(of: home).text
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
