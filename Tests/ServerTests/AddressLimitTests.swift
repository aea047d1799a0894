import NIOCore
import Testing

@testable import Server

@Suite struct `Connections of one client` {
    private func client(_ address: String) throws -> AddressLimit.Client? {
        AddressLimit.Client(try SocketAddress(ipAddress: address, port: 4000))
    }

    @Test func `are counted, and one that ends makes room`() throws {
        let limit = AddressLimit(2)
        let (one, other) = (try #require(try client("192.0.2.1")), try #require(try client("192.0.2.2")))
        #expect(limit.enter(one) && limit.enter(one))
        #expect(!limit.enter(one))
        #expect(limit.enter(other))
        limit.leave(one)
        #expect(limit.enter(one))
        #expect(!limit.enter(one))
    }

    @Test func `of one IPv6 network are one client's, and IPv4 is itself in IPv6`() throws {
        #expect(try client("2001:db8::1") == client("2001:db8::ffff:ffff:ffff:ffff"))
        #expect(try client("2001:db8::1") != client("2001:db8:0:1::1"))
        #expect(try client("::ffff:192.0.2.1") == client("192.0.2.1"))
        #expect(try client("::c000:201") != client("192.0.2.1"))
    }

    @Test(arguments: ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    func `of the machine itself are not counted`(_ address: String) throws {
        #expect(try client(address) == nil)
    }
}
