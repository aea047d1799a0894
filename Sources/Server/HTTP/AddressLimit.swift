import Glibc
import NIOCore
import Synchronization

/// How many connections one client may have at once, so that none of them takes all there are. A client is an IPv4
/// address, or the first 64 bits of an IPv6 one: whoever has one address of those has the others. Loopback is not
/// counted: a proxy on the same machine is all clients.
final class AddressLimit: Sendable {
    /// What is counted together.
    struct Client: Hashable, Sendable {
        private let bits: UInt64
        private let isIPv6: Bool

        /// Nil for what has no address, and for loopback.
        init?(_ address: SocketAddress?) {
            guard let text = address?.ipAddress else { return nil }
            var bytes = [UInt8](repeating: 0, count: 16)
            if unsafe inet_pton(AF_INET, text, &bytes) == 1 {
                self.init(v4: Self.number(bytes[0..<4]))
            } else if unsafe inet_pton(AF_INET6, text, &bytes) == 1 {
                self.init(v6: Self.number(bytes[0..<8]), Self.number(bytes[8..<16]))
            } else {
                return nil
            }
        }

        private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
            bytes.reduce(0) { $0 << 8 | UInt64($1) }
        }

        private init?(v4 number: UInt64) {
            guard number >> 24 != 127 else { return nil }
            self.init(bits: number, isIPv6: false)
        }

        private init?(v6 high: UInt64, _ low: UInt64) {
            guard (high, low) != (0, 1) else { return nil }
            // An IPv4 address in an IPv6 one.
            if high == 0, low >> 32 == 0xFFFF {
                self.init(v4: low & 0xFFFF_FFFF)
            } else {
                self.init(bits: high, isIPv6: true)
            }
        }

        private init(bits: UInt64, isIPv6: Bool) {
            self.bits = bits
            self.isIPv6 = isIPv6
        }
    }

    let most: Int
    private let counts = Mutex<[Client: Int]>([:])

    init(_ most: Int) { self.most = most }

    /// - Returns: false if `client` has as many as it may; else `leave` ends what this began.
    func enter(_ client: Client) -> Bool {
        counts.withLock { counts in
            guard counts[client, default: 0] < most else { return false }
            counts[client, default: 0] += 1
            return true
        }
    }

    func leave(_ client: Client) {
        counts.withLock { counts in
            guard let count = counts[client] else { return }
            counts[client] = count > 1 ? count - 1 : nil
        }
    }
}

/// Closes the connections of a client that has too many already, before they cost a handshake.
final class AddressGate: ChannelInboundHandler {
    typealias InboundIn = NIOAny
    private let limit: AddressLimit
    private let onRefusal: @Sendable () -> Void
    private var client: AddressLimit.Client?

    init(_ limit: AddressLimit, onRefusal: @escaping @Sendable () -> Void) {
        self.limit = limit
        self.onRefusal = onRefusal
    }

    /// When the connection is set up, its address is known: nothing of it has been read before.
    func channelActive(context: ChannelHandlerContext) {
        if let found = AddressLimit.Client(context.remoteAddress) {
            guard limit.enter(found) else {
                onRefusal()
                return context.close(promise: nil)
            }
            client = found
        }
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        if let client { limit.leave(client) }
        client = nil
    }
}
