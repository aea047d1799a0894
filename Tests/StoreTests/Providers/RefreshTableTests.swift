import FoundationEssentials
import Secrets
import Testing

@testable import Store

@Suite struct `What providers are asked` {
    var table = RefreshTable<String>(jitter: { 1 })
    let first: SecretOrigin
    let second: SecretOrigin
    let algorithm: AlgorithmName
    let other: AlgorithmName
    static let seconds: UInt64 = 1_000_000_000
    var now: UInt64 = 1_000 * seconds
    let time = Timestamp(seconds: 1_000, nanoseconds: 0)

    init() throws {
        first = SecretOrigin(provider: try ProviderName("vault"), reference: try ProviderReference("a#x"))
        second = SecretOrigin(provider: try ProviderName("vault"), reference: try ProviderReference("a#y"))
        algorithm = try AlgorithmName("nlp/Summarizer")
        other = try AlgorithmName("nlp/Other")
        try have(interval: 60, maximumAge: 600)
    }

    mutating func have(interval: UInt32, maximumAge: UInt32, named name: String = "vault") throws {
        _ = table.setProviders(
            [try provider(name, interval, maximumAge)], changed: [], at: now)
    }

    func provider(_ name: String, _ interval: UInt32, _ age: UInt32) throws -> ExternalProvider {
        ExternalProvider(
            name: try ProviderName(name), id: UUID(), kind: .vault, about: .empty, created: time,
            modified: time, interval: interval, maximumAge: age, settings: [])
    }

    mutating func pass(_ seconds: UInt64) { now += seconds * Self.seconds }
    mutating func ask() -> [ProviderQuestion] { table.questions(at: now) }

    @discardableResult
    mutating func answer(_ answer: ProviderAnswer<String>, _ question: ProviderQuestion) -> Set<
        AlgorithmName
    > {
        table.take(answer, to: question.id, at: now, time: time)
    }

    func facts(_ version: String, timeToLive: UInt32? = nil, expires: Timestamp? = nil) throws
        -> ProviderFacts
    {
        ProviderFacts(
            version: try #require(ProviderVersion(version)), count: 1, timeToLive: timeToLive,
            expires: expires)
    }

    func shown(_ origin: SecretOrigin) -> String? {
        guard case .value(let kept, _) = table.state(of: origin) else { return nil }
        return kept.value
    }

    func isAbsent(_ origin: SecretOrigin) -> Bool {
        if case .absent = table.state(of: origin) { true } else { false }
    }

    /// Follows `first`, and has its value.
    mutating func begin() throws {
        table.follow(algorithm, ([first]).map { ($0, .first) }, at: now)
        let question = try #require(ask().first)
        #expect(answer(.value("one", try facts("1")), question) == [algorithm])
    }

    @Test mutating func `a value is asked for once, however many show it, and told to all of them`() throws {
        table.follow(algorithm, ([first, second]).map { ($0, .first) }, at: now)
        table.follow(other, ([first]).map { ($0, .first) }, at: now)
        let questions = ask()
        #expect(questions.map(\.reference).map(\.description).sorted() == ["a#x", "a#y"])
        #expect(ask().isEmpty, "while it is being asked")
        let question = try #require(questions.first { $0.reference == first.reference })
        #expect(answer(.value("one", try facts("1")), question) == [algorithm, other])
        #expect(shown(first) == "one" && shown(second) == nil)
        pass(59)
        #expect(ask().isEmpty)
        pass(1)
        #expect(ask().map(\.known?.text) == ["1"])
    }

    @Test mutating func `what has not changed is told to nobody, and what has gets another number`() throws {
        try begin()
        guard case .value(let before, nil) = table.state(of: first) else { throw Missing() }
        pass(60)
        #expect(answer(.unchanged(timeToLive: nil), ask()[0]).isEmpty)
        pass(60)
        #expect(answer(.value("one", try facts("1")), ask()[0]).isEmpty, "the same version")
        pass(60)
        #expect(answer(.value("two", try facts("2")), ask()[0]) == [algorithm])
        guard case .value(let after, nil) = table.state(of: first) else { throw Missing() }
        #expect(after.value == "two" && after.number > before.number)
    }

    struct Missing: Error {}

    /// > *absent* counts when the provider says it twice — docs/PROVIDERS.md#freshness
    @Test mutating func `absent counts when it is said again, and nothing else takes a value away`() throws {
        try begin()
        for kind in ProviderFailure.Kind.allCases where kind != .absent {
            pass(3600)
            // It is confirmed again, so that its age is no reason.
            answer(.unchanged(timeToLive: nil), ask()[0])
            pass(60)
            #expect(answer(.failure(ProviderFailure(kind, "no")), ask()[0]).isEmpty)
            #expect(shown(first) == "one", "\(kind)")
        }
        pass(3600)
        answer(.failure(ProviderFailure(.absent, "gone")), ask()[0])
        #expect(shown(first) == "one")
        pass(5)
        answer(.failure(ProviderFailure(.down, "away")), ask()[0])
        pass(3600)
        answer(.failure(ProviderFailure(.absent, "gone")), ask()[0])
        #expect(shown(first) == "one", "it was not said twice in a row")
        pass(4)
        #expect(ask().isEmpty)
        pass(1)
        #expect(answer(.failure(ProviderFailure(.absent, "gone")), ask()[0]) == [algorithm])
        #expect(isAbsent(first))
        pass(60)
        #expect(answer(.value("new", try facts("1")), ask()[0]) == [algorithm], "even of the version it had")
        #expect(shown(first) == "new")
    }

    @Test mutating func `without a value, one absent is no reason to say that there is none`() throws {
        table.follow(algorithm, ([first]).map { ($0, .first) }, at: now)
        answer(.failure(ProviderFailure(.absent, "gone")), ask()[0])
        #expect(!isAbsent(first))
        guard case .awaited(let failure?) = table.state(of: first) else { throw Missing() }
        #expect(failure.kind == .absent)
    }

    /// > from then on it does not open (`EIO`) — docs/PROVIDERS.md#freshness
    @Test mutating func `a value that is not confirmed for too long goes, and comes back with the provider`()
        throws
    {
        try begin()
        var waited: UInt64 = 0
        while waited < 599 {
            pass(1)
            waited += 1
            for question in ask() { answer(.failure(ProviderFailure(.down, "away")), question) }
            #expect(table.age(at: now, time: time).affected.isEmpty)
        }
        #expect(shown(first) == "one")
        pass(1)
        #expect(table.age(at: now, time: time).affected == [algorithm])
        #expect(shown(first) == nil && !isAbsent(first))
        pass(60)
        #expect(answer(.value("one", try facts("1")), ask()[0]) == [algorithm])
        #expect(shown(first) == "one")
    }

    @Test mutating func `a secret's own interval counts, the shortest of those that show it`() throws {
        let often = SecretOrigin(provider: first.provider, reference: first.reference, interval: 10)
        table.follow(algorithm, ([first]).map { ($0, .first) }, at: now)
        table.follow(other, ([often]).map { ($0, .first) }, at: now)
        let questions = ask()
        #expect(questions.count == 1, "one value")
        answer(.value("one", try facts("1")), questions[0])
        pass(10)
        answer(.unchanged(timeToLive: nil), try #require(ask().first))
        table.unfollow(other)
        pass(10)
        answer(.unchanged(timeToLive: nil), try #require(ask().first))
        pass(59)
        #expect(ask().isEmpty)
    }

    @Test
    mutating func
        `a provider that hangs is asked so many things at once and no more, and takes nothing from another`()
        throws
    {
        let slow = try (0..<40).map {
            SecretOrigin(provider: try ProviderName("slow"), reference: try ProviderReference("r\($0)"))
        }
        _ = table.setProviders(
            [try provider("slow", 60, 600), try provider("vault", 60, 600)], changed: [], at: now)
        table.follow(algorithm, (slow + [first]).map { ($0, .first) }, at: now)
        let questions = ask()
        #expect(questions.count { $0.provider.text == "slow" } == RefreshTable<String>.maximumQuestions)
        #expect(questions.contains { $0.reference == first.reference })
        // Those that wait for others wake nobody, again and again.
        #expect(try #require(table.wake(after: now)) >= now + 30 * Self.seconds)
        pass(30)
        let given = table.age(at: now, time: time).given
        #expect(Set(given) == Set(questions.map(\.id)))
        #expect(table.take(.value("late", try facts("1")), to: given[0], at: now, time: time).isEmpty)
        #expect(table.troubles.count == 41)
    }

    @Test mutating func `without its provider, a secret has no value, and nobody is asked`() throws {
        try begin()
        #expect(table.setProviders([], changed: [], at: now) == [algorithm])
        #expect(shown(first) == nil)
        pass(3600)
        #expect(ask().isEmpty)
        #expect(table.troubles.first?.failure?.message == "there is no provider vault")
        try have(interval: 60, maximumAge: 600)
        #expect(ask().count == 1, "at once when there is one")
    }

    @Test
    mutating func `a secret that was changed here is asked for at once, and again if that came too late`()
        throws
    {
        try begin()
        table.follow(algorithm, [(first, Version(number: 2))], at: now)
        let question = try #require(ask().first)
        table.follow(algorithm, [(first, Version(number: 3))], at: now)
        #expect(ask().isEmpty, "it is being asked")
        answer(.unchanged(timeToLive: nil), question)
        let again = try #require(ask().first, "the answer may be of before")
        answer(.value("three", try facts("3")), again)
        #expect(shown(first) == "three" && ask().isEmpty)
        table.follow(algorithm, [(first, Version(number: 3))], at: now)
        #expect(ask().isEmpty, "nothing was changed")
    }

    @Test mutating func `what nobody shows is not kept`() throws {
        try begin()
        table.unfollow(algorithm)
        #expect(shown(first) == nil && table.wake(after: now) == nil)
        pass(60)
        #expect(ask().isEmpty)
    }
}
