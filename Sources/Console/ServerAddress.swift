/// Where a node finds its server: `https://secrets.example.org:8444`, with or without `https://` and the port.
package struct ServerAddress: Equatable, Sendable {
    package static let defaultPort: UInt16 = 8444
    /// A DNS name, or an address without brackets.
    package let host: String
    package let port: UInt16

    /// - Throws: what is wrong with `text`.
    package init(_ text: String) throws(Failure) {
        var rest = text[...]
        if rest.hasPrefix("https://") { rest = rest.dropFirst(8) }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var port = Self.defaultPort
        let afterBracket = rest.lastIndex(of: "]").map { rest.index(after: $0) } ?? rest.startIndex
        if let colon = rest[afterBracket...].firstIndex(of: ":") {
            let digits = rest[rest.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(digits),
                number > 0
            else { throw Self.failure }
            port = number
            rest = rest[..<colon]
        }
        if rest.hasPrefix("["), rest.hasSuffix("]") { rest = rest.dropFirst().dropLast() }
        let isAllowed = rest.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
                || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":")].contains(byte)
        }
        guard isAllowed, (1...255).contains(rest.utf8.count) else { throw Self.failure }
        host = String(rest)
        self.port = port
    }

    private static var failure: Failure {
        Failure(
            .usage, "--server is not the address of a server",
            hint: "for example --server https://secrets.example.org:8444")
    }
}
