import Secrets
import Testing

@testable import Store

extension `What providers are asked` {
    @Test mutating func `a value is not used after the end that its provider says`() throws {
        table.follow(algorithm, ([first]).map { ($0, .first) }, at: now)
        let end = Timestamp(seconds: 2_000, nanoseconds: 0)
        answer(.value("one", try facts("1", expires: end)), ask()[0])
        #expect(table.age(at: now, time: Timestamp(seconds: 1_999, nanoseconds: 0)).affected.isEmpty)
        pass(1)
        #expect(table.age(at: now, time: end).affected == [algorithm])
        #expect(shown(first) == nil)
    }

    /// It can be changed without a new version: also to a time that has passed between two questions, or to none.
    @Test mutating func `an end that came or went without a new version counts at once`() throws {
        try begin()
        pass(60)
        let question = try #require(ask().first)
        #expect(answer(.value("one", try facts("1", expires: time)), question) == [algorithm])
        #expect(shown(first) == nil)
        #expect(table.troubles.first?.failure?.kind == .denied)
        pass(60)
        let end = Timestamp(seconds: 2_000, nanoseconds: 0)
        #expect(answer(.value("one", try facts("1", expires: end)), try #require(ask().first)) == [algorithm])
        pass(60)
        #expect(answer(.unchanged(timeToLive: nil), try #require(ask().first)) == [algorithm])
        #expect(table.age(at: now, time: end).affected.isEmpty)
        #expect(shown(first) == "one")
    }

    @Test mutating func `who says that no patience is needed is asked no faster for that`() throws {
        try begin()
        pass(60)
        for kind in [ProviderFailure.Kind.down, .throttled] {
            for seconds in [1, 2, 4] as [UInt64] {
                answer(.failure(ProviderFailure(kind, "now", retryAfter: 0)), try #require(ask().first))
                pass(seconds - 1)
                #expect(ask().isEmpty)
                pass(1)
            }
            answer(.unchanged(timeToLive: nil), try #require(ask().first))
            pass(60)
        }
    }

    @Test mutating func `who is down is asked more and more seldom, up to the interval`() throws {
        try begin()
        pass(60)
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] as [UInt64] {
            answer(.failure(ProviderFailure(.down, "away")), try #require(ask().first))
            pass(seconds - 1)
            #expect(ask().isEmpty, "after \(seconds) seconds")
            pass(1)
        }
        answer(.unchanged(timeToLive: nil), try #require(ask().first))
        pass(60)
        answer(.failure(ProviderFailure(.down, "away")), try #require(ask().first))
        pass(1)
        #expect(ask().count == 1, "it begins anew")
    }

    @Test mutating func `who throttles is asked when it says, who denies as often as always`() throws {
        try begin()
        pass(60)
        answer(
            .failure(ProviderFailure(.throttled, "slowly", retryAfter: 300)), try #require(ask().first))
        pass(299)
        #expect(ask().isEmpty)
        pass(1)
        for _ in 0..<5 {
            answer(.failure(ProviderFailure(.denied, "no")), try #require(ask().first))
            pass(59)
            #expect(ask().isEmpty)
            pass(1)
        }
    }
}
