import Foundation
import Secrets
import Testing

@testable import Store

/// The other side is the attacker here.
@Suite struct `Messages of a link` {
    private let moment = Timestamp(seconds: 5, nanoseconds: 6)

    private func entry(_ name: String) throws -> LinkEntry {
        LinkEntry(
            name: try EnvironmentName(name),
            held: HeldVersion(secret: UUID(), version: .first, modified: moment),
            delivery: .file, count: 17, expires: moment,
            callers: [
                CallerRule(
                    uids: [7], executables: [.init(path: "/bin/a", sha256: [UInt8](repeating: 3, count: 32))])
            ],
            details: EntryDetails(
                displayName: try DisplayName("Name"), description: try Description("about"),
                provider: .internal),
            isUnreadable: false, hasValue: true)
    }

    private func messages() throws -> [LinkMessage] {
        let name = try algorithm()
        let held = HeldVersion(secret: UUID(), version: .first, modified: moment)
        let key = try SecretValue(copying: [UInt8](repeating: 9, count: 32).span.bytes)
        let welcome = LinkWelcome(
            node: try NodeName("worker"), id: UUID(), policy: NodePolicy(maximumStale: 60), time: moment)
        return [
            .enroll(
                LinkEnrollment(
                    token: try APIKeyID("ab2cd3ef4g"), secret: key, sealingKey: [1, 2], request: [3])),
            .hello, .follow(name, held: [held, held]), .unfollow(name), .renew([1]),
            .enrolled(welcome, certificate: [1], authority: [2, 3]), .welcome(welcome), .refused(.revoked),
            .batch(name, key: [UInt8](repeating: 1, count: 32)), .value(held, sealed: [1, 2, 3]),
            .view(
                name, LinkView(generation: 8, modified: moment, entries: [try entry("A"), try entry("B")])),
            .gone(name, isDenied: true), .certificate([4]), .beat, .lost("why"),
            .connect(LinkCredentials(host: "h", port: 1, authority: [1], certificate: [2], key: key)),
            .redeem(LinkRedemption(host: "h", port: 1, token: key, sealingKey: [2])),
            .renewed(key: key, certificate: [1]),
        ]
    }

    @Test func `come back as they were`() throws {
        for message in try messages() {
            let frame = message.frame()
            #expect(LinkFrame.count(frame) == frame.count - LinkFrame.headCount)
            let again = try LinkMessage(decoding: Array(frame.dropFirst(LinkFrame.headCount)))
            #expect(again.frame() == frame)
        }
    }

    @Test func `that are cut, too long or of no kind are refused`() throws {
        for message in try messages() {
            let body = Array(message.frame().dropFirst(LinkFrame.headCount))
            // What a value is sealed to has no length of its own.
            if case .value = message { continue }
            for count in body.indices {
                #expect(throws: RecordFormatError.self) {
                    try LinkMessage(decoding: Array(body.prefix(count)))
                }
            }
            #expect(throws: RecordFormatError.self) { try LinkMessage(decoding: body + [0]) }
        }
        for kind in [UInt8(0), 0x06, 0x40, 0x60, 0xFF] {
            #expect(throws: RecordFormatError.self) { try LinkMessage(decoding: [kind, 1]) }
        }
        #expect(throws: RecordFormatError.self) { try LinkMessage(decoding: [0x7F, 2]) }
    }

    /// They are added to, and subtracted from each other.
    @Test func `with numbers that nothing comes after are refused`() throws {
        let name = try algorithm()
        func decoded(_ message: LinkMessage) throws {
            _ = try LinkMessage(decoding: Array(message.frame().dropFirst(4)))
        }
        for seconds in [Int64.min, -1, 253_402_300_800, Int64.max] {
            let welcome = LinkWelcome(
                node: try NodeName("worker"), id: UUID(), policy: NodePolicy(maximumStale: 60),
                time: Timestamp(seconds: seconds, nanoseconds: 0))
            #expect(throws: RecordFormatError.malformed) { try decoded(.welcome(welcome)) }
        }
        for generation in [UInt64.max, 1 << 63] {
            let view = LinkView(generation: generation, modified: moment, entries: [])
            #expect(throws: RecordFormatError.malformed) { try decoded(.view(name, view)) }
        }
        try decoded(.view(name, LinkView(generation: (1 << 63) - 1, modified: moment, entries: [])))
        for count in [0, 31, 33] {
            let key = [UInt8](repeating: 1, count: count)
            #expect(throws: RecordFormatError.malformed) { try decoded(.batch(name, key: key)) }
        }
    }

    @Test func `of a server are told from those that a node's own programs send each other`() throws {
        for message in try messages() {
            let isOfServer =
                switch message {
                case .enrolled, .welcome, .refused, .batch, .value, .view, .gone, .certificate, .beat: true
                default: false
                }
            let body = Array(message.frame().dropFirst(4))
            #expect(LinkMessage.isFromServer(body) == isOfServer, "\(body[0])")
        }
        #expect(!LinkMessage.isFromServer([]) && !LinkMessage.isFromServer([0x60]))
    }

    @Test func `with random bytes in them never end the program`() throws {
        var random = SystemRandomNumberGenerator()
        for message in try messages() {
            let body = Array(message.frame().dropFirst(LinkFrame.headCount))
            for _ in 0..<300 {
                var bytes = body
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let index = Int.random(in: bytes.indices, using: &random)
                    bytes[index] = UInt8.random(in: 0...255, using: &random)
                }
                _ = try? LinkMessage(decoding: bytes)
            }
        }
    }

    @Test func `have views whose names ascend`() throws {
        for names in [["B", "A"], ["A", "A"]] {
            let view = LinkView(generation: 1, modified: moment, entries: try names.map(entry))
            let body = LinkMessage.view(try algorithm(), view).frame().dropFirst(LinkFrame.headCount)
            #expect(throws: RecordFormatError.malformed) { try LinkMessage(decoding: Array(body)) }
        }
    }

    @Test func `have a length that is bounded`() {
        #expect(LinkFrame.count([0, 0, 0, 1]) == nil)
        #expect(LinkFrame.count([0, 0, 0, 2]) == 2)
        #expect(LinkFrame.count([1, 0, 0, 0]) == 1 << 24)
        #expect(LinkFrame.count([1, 0, 0, 1]) == nil)
        #expect(LinkFrame.count([0, 0, 0x40, 1], atMost: LinkFrame.maximumCountOfStranger) == nil)
    }
}
