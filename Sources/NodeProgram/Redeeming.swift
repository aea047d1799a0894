import Link
import NIOCore
import Secrets
import Store

/// Makes this machine a node: finds the server that the token names, and gets a certificate for a key that is made here.
struct Redeeming {
    private let redemption: LinkRedemption
    private let starter: FrameWriter

    init(_ redemption: LinkRedemption, _ starter: FrameWriter) {
        self.redemption = redemption
        self.starter = starter
    }

    private var server: String {
        let host = redemption.host.contains(":") ? "[\(redemption.host)]" : redemption.host
        return "\(host):\(redemption.port)"
    }

    func run() async {
        do {
            try await redeem()
        } catch {
            try? await starter.send(.lost(ConnectionFailure.text(error, server)))
        }
    }

    private func redeem() async throws {
        guard let token = try EnrollmentToken(redemption.token) else { throw LinkError.badFrame }
        let (host, port) = (redemption.host, redemption.port)
        guard let authority = try await ServerConnection.authority(of: host, port: port, pinned: token.pin)
        else {
            return try await starter.send(
                .lost(
                    "\(server) is not the server that made this token: its CA is another one; nothing was sent to it"
                ))
        }
        let (key, request) = try NodeCertificates.request()
        let channel = try await ServerConnection.open(
            host: host, port: port, authority: authority, identity: nil)
        let answer = try await channel.executeThenClose { inbound, outbound in
            let enrollment = LinkEnrollment(
                token: token.id, secret: token.secret, sealingKey: redemption.sealingKey, request: request)
            try await ServerConnection.begin(.enroll(enrollment), inbound, outbound)
            var frames = inbound.makeAsyncIterator()
            return try await frames.next()
        }
        guard let answer, let message = try? LinkMessage(decoding: answer) else {
            return try await starter.send(.lost("\(server) ended the connection without an answer"))
        }
        if case .enrolled(_, let certificate, _) = message {
            guard try NodeCertificates.isFor(certificate, key) else { throw LinkError.badCertificate }
            let made = LinkCredentials(
                host: host, port: port, authority: authority, certificate: certificate, key: key)
            try await starter.send(.connect(made))
        }
        try await starter.send(frame: answer)
    }
}
