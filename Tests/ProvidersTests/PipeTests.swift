import Console
import Foundation
import Secrets
import Store
import Testing

@testable import Providers

/// The agent reads what a process says that speaks to networks; that process reads what the agent says.
@Suite struct `Frames between an agent and the program that asks` {
    private let question: ProviderQuestion
    private let facts: ProviderFacts

    init() throws {
        question = ProviderQuestion(
            id: 7, provider: try ProviderName("vault"), reference: try ProviderReference("a/b#c"),
            version: ProviderVersion("3"), known: nil)
        facts = ProviderFacts(
            version: try #require(ProviderVersion("3@x")), count: 5, timeToLive: 60,
            expires: Timestamp(seconds: 2_000_000_000, nanoseconds: 0))
    }

    private func calls() throws -> [ProviderCall] {
        let configuration = try ProviderConfiguration(texts: ["vault_token": "t"])
        return [
            .configure(1, .vault, configuration), .forget(1), .read(question, at: 1),
            .test(8, at: 1, question.reference), .test(8, at: 1, nil), .cancel(9),
            .write(10, at: 1, .new(try EnvironmentName("A"), try SecretHome("nlp/S")), try SecretValue("x")),
            .write(10, at: 1, .present(question.reference), try SecretValue("")),
            .delete(11, at: 1, question.reference),
        ]
    }

    private func replies() throws -> [ProviderReply] {
        [
            .answer(7, .unchanged(timeToLive: nil)), .answer(7, .value(try SecretValue("v\0lue"), facts)),
            .answer(7, .failure(ProviderFailure(.throttled, "slowly", retryAfter: 9))),
            .tested(8, ["one", "two"]), .written(9, question.reference), .deleted(10),
        ]
    }

    /// Without its length, which is checked to be right.
    private func body(_ frame: SecretBuffer) throws -> [UInt8] {
        let all = try frame.value().text.utf8.isEmpty ? [] : bytes(of: frame)
        #expect(all.prefix(4).reduce(0) { $0 << 8 | Int($1) } == all.count - 4)
        return Array(all.dropFirst(4))
    }

    private func bytes(of frame: SecretBuffer) -> [UInt8] {
        frame.withBytes { span in
            (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
    }

    private func value(_ bytes: [UInt8]) throws -> SecretValue { try SecretValue(copying: bytes.span.bytes) }

    @Test func `say there what was said here`() throws {
        for call in try calls() {
            let again = try ProviderCall(decoding: value(body(call.encoded())))
            #expect(
                "\(again)".replacing(/0x[0-9a-f]+/, with: "") == "\(call)".replacing(/0x[0-9a-f]+/, with: ""))
        }
        for reply in try replies() {
            let again = try ProviderReply(decoding: value(body(reply.encoded())))
            #expect("\(again)" == "\(reply)")
            guard case .answer(_, .value(let found, _)) = again else { continue }
            #expect(found.text == "v\0lue")
        }
    }

    @Test func `that end too early, or go on too long, are none`() throws {
        let frames =
            try calls().map { (try body($0.encoded()), true) }
            + replies().map { (try body($0.encoded()), false) }
        for (bytes, isCall) in frames {
            for count in 0..<bytes.count {
                let part = try value(Array(bytes.prefix(count)))
                if isCall { #expect(throws: (any Error).self) { _ = try ProviderCall(decoding: part) } }
                if !isCall { #expect(throws: (any Error).self) { _ = try ProviderReply(decoding: part) } }
            }
            let more = try value(bytes + [0])
            if isCall { #expect(throws: (any Error).self) { _ = try ProviderCall(decoding: more) } }
            if !isCall { #expect(throws: (any Error).self) { _ = try ProviderReply(decoding: more) } }
        }
    }

    @Test func `that are anything else end nobody`() throws {
        var random = SystemRandomNumberGenerator()
        for reply in try replies() {
            let bytes = try body(reply.encoded())
            for _ in 0..<2000 {
                var bad = bytes
                for _ in 0...Int.random(in: 0..<4, using: &random) {
                    bad[Int.random(in: bad.indices, using: &random)] =
                        [0, 1, 0x7F, 0x80, 0xFF].randomElement()
                        ?? UInt8.random(in: 0...255)
                }
                _ = try? ProviderReply(decoding: value(bad))
                _ = try? ProviderCall(decoding: value(bad))
            }
        }
    }
}
