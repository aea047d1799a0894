import FoundationEssentials
import Secrets

/// What a frame may be.
package enum LinkFrame {
    package static let headCount = 4
    /// In bytes: a view of some ten thousand secrets.
    package static let maximumCount = 16 << 20
    /// Of a peer that has not shown who it is.
    package static let maximumCountOfStranger = 16 << 10

    /// The length that a frame's first four bytes tell; nil if it is not allowed.
    package static func count(_ head: [UInt8], atMost maximum: Int = maximumCount) -> Int? {
        let count = head.prefix(headCount).reduce(0) { $0 << 8 | Int($1) }
        return (2...maximum).contains(count) ? count : nil
    }
}

private enum Kind: UInt8 {
    case enroll = 0x01
    case hello, follow, unfollow, renew
    case enrolled = 0x41
    case welcome, refused, batch, value, view, gone, certificate
    case beat = 0x7F
    case connect = 0x81
    case redeem, lost, renewed
}

extension LinkMessage {
    /// Whether this is of a kind that servers send to nodes.
    ///
    /// - Parameter body: without its length.
    package static func isFromServer(_ body: [UInt8]) -> Bool {
        switch body.first.flatMap(Kind.init) {
        case .enrolled, .welcome, .refused, .batch, .value, .view, .gone, .certificate, .beat: true
        case .enroll, .hello, .follow, .unfollow, .renew, .connect, .redeem, .lost, .renewed, nil: false
        }
    }

    /// The frame, with its length. What has keys in it is the caller's to wipe.
    package func frame() -> [UInt8] {
        let body = encoded()
        var frame: [UInt8] = []
        frame.reserveCapacity(LinkFrame.headCount + body.count)
        frame.append(bigEndian: UInt32(body.count))
        frame.append(contentsOf: body)
        return frame
    }

    private func encoded() -> [UInt8] {
        switch self {
        case .hello: return RecordWriter(Kind.hello.rawValue).bytes
        case .beat: return RecordWriter(Kind.beat.rawValue).bytes
        case .enroll(let enrollment):
            return body(.enroll) { writer in
                writer.write(enrollment.token.text)
                writer.write(secret: enrollment.secret)
                writer.write(block: enrollment.sealingKey)
                writer.write(block: enrollment.request)
            }
        case .follow(let name, let held):
            return body(.follow) { writer in
                writer.write(name.description)
                writer.write(UInt32(held.count))
                for version in held { writer.write(version) }
            }
        case .unfollow(let name): return body(.unfollow) { $0.write(name.description) }
        case .renew(let request): return body(.renew) { $0.write(block: request) }
        case .enrolled(let welcome, let certificate, let authority):
            return body(.enrolled) { writer in
                writer.write(welcome)
                writer.write(block: certificate)
                writer.write(block: authority)
            }
        case .welcome(let welcome): return body(.welcome) { $0.write(welcome) }
        case .refused(let refusal): return body(.refused) { $0.write(refusal.rawValue) }
        case .batch(let name, let key):
            return body(.batch) { writer in
                writer.write(name.description)
                writer.write(block: key)
            }
        case .value(let held, let sealed):
            return body(.value) { writer in
                writer.write(held)
                writer.write(bytes: sealed)
            }
        case .view(let name, let view):
            return body(.view) { writer in
                writer.write(name.description)
                writer.write(view)
            }
        case .gone(let name, let isDenied):
            return body(.gone) { writer in
                writer.write(name.description)
                writer.write(UInt8(isDenied ? 1 : 0))
            }
        case .certificate(let certificate): return body(.certificate) { $0.write(block: certificate) }
        case .connect, .redeem, .lost, .renewed: return encodedForAgent()
        }
    }

    private func encodedForAgent() -> [UInt8] {
        switch self {
        case .connect(let credentials):
            return body(.connect) { writer in
                writer.write(credentials.host)
                writer.write(credentials.port)
                writer.write(block: credentials.authority)
                writer.write(block: credentials.certificate)
                writer.write(secret: credentials.key)
            }
        case .redeem(let redemption):
            return body(.redeem) { writer in
                writer.write(redemption.host)
                writer.write(redemption.port)
                writer.write(secret: redemption.token)
                writer.write(block: redemption.sealingKey)
            }
        case .renewed(let key, let certificate):
            return body(.renewed) { writer in
                writer.write(secret: key)
                writer.write(block: certificate)
            }
        case .lost(let reason): return body(.lost) { $0.write(String(reason.prefix(500))) }
        default: return []
        }
    }

    private func body(_ kind: Kind, _ write: (inout RecordWriter) -> Void) -> [UInt8] {
        var writer = RecordWriter(kind.rawValue)
        write(&writer)
        return writer.bytes
    }

    /// - Parameter bytes: a frame without its length; from outside, hostile.
    /// - Throws: nothing of it is used.
    package init(decoding bytes: [UInt8]) throws(RecordFormatError) {
        var (reader, number) = try RecordReader.anyKind(bytes)
        guard let kind = Kind(rawValue: number) else { throw .malformed }
        switch kind {
        case .hello: self = .hello
        case .beat: self = .beat
        case .enroll:
            guard let token = try? APIKeyID(reader.text()) else { throw .malformed }
            self = .enroll(
                LinkEnrollment(
                    token: token, secret: try reader.secret(), sealingKey: try reader.block(),
                    request: try reader.block()))
        case .follow:
            let name = try reader.algorithm()
            var held: [HeldVersion] = []
            for _ in 0..<(try reader.number(UInt32.self)) { held.append(try reader.held()) }
            self = .follow(name, held: held)
        case .unfollow: self = .unfollow(try reader.algorithm())
        case .renew: self = .renew(try reader.block())
        case .enrolled:
            self = .enrolled(
                try reader.welcome(), certificate: try reader.block(), authority: try reader.block())
        case .welcome: self = .welcome(try reader.welcome())
        case .refused:
            guard let refusal = LinkRefusal(rawValue: try reader.number(UInt8.self)) else { throw .malformed }
            self = .refused(refusal)
        case .batch:
            let (name, key) = (try reader.algorithm(), try reader.block())
            guard key.count == Node.sealingKeyCount else { throw .malformed }
            self = .batch(name, key: key)
        case .value:
            self = .value(
                try reader.held(), sealed: try reader.remaining(atMost: SecretValue.maximumCount + 64))
        case .view: self = .view(try reader.algorithm(), try reader.view())
        case .gone: self = .gone(try reader.algorithm(), isDenied: try reader.number(UInt8.self) != 0)
        case .certificate: self = .certificate(try reader.block())
        case .connect:
            self = .connect(
                LinkCredentials(
                    host: try reader.text(), port: try reader.number(UInt16.self),
                    authority: try reader.block(), certificate: try reader.block(), key: try reader.secret()))
        case .redeem:
            self = .redeem(
                LinkRedemption(
                    host: try reader.text(), port: try reader.number(UInt16.self), token: try reader.secret(),
                    sealingKey: try reader.block()))
        case .lost: self = .lost(try reader.text())
        case .renewed: self = .renewed(key: try reader.secret(), certificate: try reader.block())
        }
        try reader.finish()
    }
}
