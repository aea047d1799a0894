import Glibc

/// Where a server listens: `127.0.0.1:8443`, `[::1]:8443`, `0.0.0.0:443`. A host is an address of this machine, or
/// `localhost`; other names are not looked up, since what they lead to is for others to say.
package struct ListenAddress: Equatable, Sendable {
    /// An IPv4 or IPv6 address without brackets.
    package let host: String
    /// 0: any that is free.
    package let port: Int

    /// Nil if `text` is not one.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits)
        else { return nil }
        var host = String(text[..<colon])
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = String(host.dropFirst().dropLast()) }
        if host == "localhost" { host = "127.0.0.1" }
        guard Self.isAddress(host, isBracketed ? AF_INET6 : AF_INET) else { return nil }
        self.host = host
        self.port = Int(port)
    }

    /// Whether nobody but this machine can reach it.
    package var isLoopback: Bool { host == "::1" || host.hasPrefix("127.") }

    /// As people write it.
    package static func text(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    private static func isAddress(_ text: String, _ family: Int32) -> Bool {
        var address = in6_addr()
        return unsafe inet_pton(family, text, &address) == 1
    }
}
