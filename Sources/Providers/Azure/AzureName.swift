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

    /// Behind `--`.
    private static let lower = UInt8(ascii: "l")
    private static let upper = UInt8(ascii: "u")
    private static let codes: [UInt8: UInt8] = [
        UInt8(ascii: "_"): UInt8(ascii: "n"), UInt8(ascii: "-"): UInt8(ascii: "m"),
        UInt8(ascii: "."): UInt8(ascii: "d"), UInt8(ascii: "/"): UInt8(ascii: "s"),
    ]

    /// What `text` is called in a vault, so that two texts never have one name, though case does not count there and
    /// there are no underscores. docs/PROVIDERS.md has the rules: `DB_PASSWORD` is `db-password`.
    ///
    /// - Returns: nil if `text` has other characters than letters, digits, `_`, `-`, `.` and `/`.
    static func encoded(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var isLower = false
        func escape(_ code: UInt8) { result += [UInt8(ascii: "-"), UInt8(ascii: "-"), code] }
        for (place, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): result.append(byte)
            case _ where isLetterOrDigit(byte):
                let letter = byte | 0x20
                if (byte == letter) != isLower {
                    isLower.toggle()
                    escape(isLower ? lower : upper)
                }
                result.append(letter)
            case UInt8(ascii: "_") where place + 1 < bytes.count && isPlain(bytes[place + 1], isLower):
                result.append(UInt8(ascii: "-"))
            default:
                guard let code = codes[byte] else { return nil }
                escape(code)
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
    static func decoded(_ name: String) -> String? {
        let folded = name.lowercased()
        var rest = Array(folded.utf8)[...]
        var result: [UInt8] = []
        var isLower = false
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
        let text = String(decoding: result, as: UTF8.self)
        return encoded(text) == folded ? text : nil
    }
}
