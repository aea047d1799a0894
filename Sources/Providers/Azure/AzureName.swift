import Secrets

/// What a secret is called in a Key Vault: 1 to 127 letters, digits and hyphens. Case does not count there.
struct AzureName: Sendable {
    static let maximumCount = 127
    let text: String

    /// - Throws: `.malformed`.
    init(_ reference: ProviderReference) throws(ProviderFailure) {
        guard Self.isName(reference.path) else {
            throw ProviderFailure(
                .malformed,
                "the reference names no secret of a Key Vault: 1 to \(Self.maximumCount) letters, digits and hyphens"
            )
        }
        text = reference.path
    }

    static func isName(_ text: String) -> Bool {
        (1...maximumCount).contains(text.utf8.count)
            && text.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
    }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        isUnreserved(byte) && !"-._~".utf8.contains(byte)
    }

    // MARK: Names of ours

    /// Behind `--`. docs/PROVIDERS.md has the rules.
    private static let lower = UInt8(ascii: "l")
    private static let upper = UInt8(ascii: "u")
    private static let codes: [UInt8: UInt8] = [
        UInt8(ascii: "_"): UInt8(ascii: "n"), UInt8(ascii: "-"): UInt8(ascii: "m"),
        UInt8(ascii: "."): UInt8(ascii: "d"), UInt8(ascii: "/"): UInt8(ascii: "s"),
    ]
    /// Between whose a secret is and its variable.
    private static let boundary = "--v"

    /// What a new secret is called, so that two never have one name, though case does not count in a vault and there are no
    /// underscores: `DB_PASSWORD` of `nlp/summarizer` is `nlp--ssummarizer--vdb-password`.
    static func encoded(_ name: EnvironmentName, in home: SecretHome) -> String {
        encoded(home.description, isLower: true) + boundary + encoded(name.text, isLower: false)
    }

    /// - Parameter isLower: which letters the text probably begins with: they need no mark.
    private static func encoded(_ text: String, isLower: Bool) -> String {
        let bytes = Array(text.utf8)
        var (isLower, result) = (isLower, [UInt8]())
        func escape(_ code: UInt8) { result += [UInt8(ascii: "-"), UInt8(ascii: "-"), code] }
        for (place, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): result.append(byte)
            case UInt8(ascii: "_") where place + 1 < bytes.count && isPlain(bytes[place + 1], isLower):
                result.append(UInt8(ascii: "-"))
            default:
                if let code = codes[byte] {
                    escape(code)
                    continue
                }
                let letter = byte | 0x20
                if (byte == letter) != isLower {
                    isLower.toggle()
                    escape(isLower ? lower : upper)
                }
                result.append(letter)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Whether a byte stands for itself, without an escape before it.
    private static func isPlain(_ byte: UInt8, _ isLower: Bool) -> Bool {
        guard isLetterOrDigit(byte) else { return false }
        return byte <= UInt8(ascii: "9") || (byte == byte | 0x20) == isLower
    }

    /// What `encoded` made `name` of, in whatever case it is written; nil if it is none of its.
    static func decoded(_ name: String) -> (name: EnvironmentName, home: SecretHome)? {
        let folded = name.lowercased()
        let bytes = Array(folded.utf8)
        // `-v` follows a hyphen in a boundary only.
        guard let place = bytes.indices.first(where: { bytes[$0...].starts(with: boundary.utf8) }),
            let ours = decoded(bytes[..<place], isLower: true),
            let variable = decoded(bytes[(place + boundary.utf8.count)...], isLower: false),
            let home = try? SecretHome(ours), let name = try? EnvironmentName(variable),
            encoded(name, in: home) == folded
        else { return nil }
        return (name, home)
    }

    private static func decoded(_ bytes: ArraySlice<UInt8>, isLower: Bool) -> String? {
        var (rest, isLower, result) = (bytes, isLower, [UInt8]())
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "-") else {
                result.append(byte > UInt8(ascii: "9") && !isLower ? byte & ~0x20 : byte)
                continue
            }
            guard rest.first == UInt8(ascii: "-") else {
                result.append(UInt8(ascii: "_"))
                continue
            }
            rest = rest.dropFirst()
            switch rest.popFirst() {
            case lower: isLower = true
            case upper: isLower = false
            case let code:
                guard let code, let meant = codes.first(where: { $0.value == code })?.key else { return nil }
                result.append(meant)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
