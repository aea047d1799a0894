import Secrets

/// Where a provider is: `https://HOST[:PORT]`, or `http://` on a loopback address. Nothing else is in it, so that no text
/// of a reference can lead elsewhere.
struct ProviderURL: Hashable, Sendable {
    /// `https://vault.example.org:8200`, without a slash at its end.
    let origin: String
    /// With its port, if it has one: for people.
    let host: String
    /// The host without its port.
    let name: String
    /// Without TLS.
    let isPlain: Bool

    /// - Throws: what is wrong with `text`, in words for its author.
    init(_ text: String, setting: String) throws(ProviderFailure) {
        func wrong(_ reason: String) -> ProviderFailure {
            ProviderFailure(.malformed, "\(setting) is not an address of a provider: \(reason)")
        }
        var rest = text[...]
        while rest.hasSuffix("/") { rest = rest.dropLast() }
        let isPlain = rest.hasPrefix("http://")
        guard isPlain || rest.hasPrefix("https://") else {
            throw wrong("it begins with https://")
        }
        let host = rest.dropFirst(isPlain ? 7 : 8)
        guard (1...255).contains(host.utf8.count), host.utf8.allSatisfy(Self.mayBeInHost) else {
            throw wrong("behind https:// are a name or an address, and a port, and nothing else")
        }
        let name = Self.name(of: host)
        guard !isPlain || Self.loopback.contains(name) else {
            throw wrong("without TLS, tokens and values would cross the network in the clear")
        }
        self.host = String(host)
        self.name = name
        self.isPlain = isPlain
        origin = (isPlain ? "http://" : "https://") + host
    }

    /// Where a machine in Azure asks who it is: plain HTTP, to an address that is never routed beyond the machine's own host.
    static let metadataService = ProviderURL(host: "169.254.169.254")

    /// Where containers in ECS and EKS ask who they are, for example `http://169.254.170.23/v1/credentials`: plain HTTP to one
    /// of the addresses that the official clients take, or HTTPS.
    ///
    /// - Throws: `.malformed`.
    static func containerCredentials(_ text: String) throws(ProviderFailure) -> (ProviderURL, path: String) {
        let setting = "container_credentials_uri"
        let scheme = ["http://", "https://"].first { text.hasPrefix($0) } ?? ""
        let host = String(text.dropFirst(scheme.count).prefix { $0 != "/" })
        let path = String(text.dropFirst(scheme.count + host.count))
        guard path.utf8.allSatisfy({ isUnreserved($0) || "/%?=&+:,@".utf8.contains($0) }),
            path.utf8.count <= 1024
        else { throw ProviderFailure(.malformed, "\(setting) has characters that no address has") }
        let isFixed = scheme == "http://" && containerHosts.contains(host)
        let url = isFixed ? ProviderURL(host: host) : try ProviderURL(scheme + host, setting: setting)
        return (url, path.isEmpty ? "/" : path)
    }

    private static let containerHosts: Set<String> = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]

    private init(host: String) {
        self.host = host
        name = host
        isPlain = true
        origin = "http://" + host
    }

    private static let loopback: Set<String> = ["127.0.0.1", "[::1]", "localhost"]

    private static func mayBeInHost(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"),
            UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }

    private static func name(of host: Substring) -> String {
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return String(host[...end]) }
        return String(host.split(separator: ":").first ?? "")
    }
}

/// One part of a path, with everything encoded that is not unreserved: a slash in it is no slash.
func encodedPart(_ part: some StringProtocol) -> String {
    var text = ""
    for byte in part.utf8 {
        guard !isUnreserved(byte) else {
            text.unicodeScalars.append(Unicode.Scalar(byte))
            continue
        }
        let digits = String(byte, radix: 16, uppercase: true)
        text += "%" + (digits.utf8.count < 2 ? "0" : "") + digits
    }
    return text
}

/// RFC 3986, 2.3.
func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        true
    default: false
    }
}
