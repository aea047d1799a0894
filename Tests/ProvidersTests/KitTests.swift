import Foundation
import JSONText
import Secrets
import Testing

@testable import Providers

/// The other side of a provider: whoever keeps secrets there.
protocol ProviderSide {
    func anyProvider() throws -> any Provider
    /// As others do it: a new version of the secret `name`.
    func put(_ name: String, text: String) throws
    /// From then on it does not answer.
    func kill()
    /// What `name` is called in a reference.
    static func reference(_ name: String) throws -> ProviderReference
    /// What a secret is that was just deleted.
    static var deleted: ProviderFailure.Kind { get }
}

extension OpenBao: ProviderSide {
    func anyProvider() throws -> any Provider { try provider(self) }
    func put(_ name: String, text: String) throws {
        try run("kv", "put", "secret/\(name)", "value=-", input: text)
    }
    static func reference(_ name: String) throws -> ProviderReference {
        try ProviderReference("secret/data/\(name)#value")
    }
    static var deleted: ProviderFailure.Kind { .absent }
}

extension AzureDouble: ProviderSide {
    func anyProvider() throws -> any Provider { try provider() }
    func put(_ name: String, text: String) throws { try put(name, text, "{}") }
    static func reference(_ name: String) throws -> ProviderReference { try ProviderReference(name) }
    static var deleted: ProviderFailure.Kind { .absent }
}

extension Moto: ProviderSide {
    func anyProvider() throws -> any Provider { try provider() }
    func put(_ name: String, text: String) throws {
        let json = String(decoding: try JSONEncoder().encode([name, text]), as: UTF8.self)
        try run(
            """
            import json
            name, text = json.loads(r'''\(json)''')
            try: client.put_secret_value(SecretId=name, SecretString=text)
            except client.exceptions.ResourceNotFoundException: client.create_secret(Name=name, SecretString=text)
            """)
    }
    static func reference(_ name: String) throws -> ProviderReference { try ProviderReference(name) }
    /// It can be restored.
    static var deleted: ProviderFailure.Kind { .denied }
}

/// What every provider does, whatever it is made by.
@Suite(.serialized) struct `Every provider` {
    enum Made: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case vault, azure, aws
        var testDescription: String { rawValue }

        func side() throws -> any ProviderSide {
            switch self {
            case .vault: try OpenBao()
            case .azure: try AzureDouble()
            case .aws: try Moto()
            }
        }
    }

    private func read(
        _ provider: any Provider, _ reference: ProviderReference, known: ProviderVersion? = nil,
        version: ProviderVersion? = nil
    ) async throws -> ProviderValue {
        let reading = try await provider.read(reference, version: version, known: known)
        guard case .value(let found) = reading else { throw Unexpected() }
        return found
    }

    private func kind(
        of body: () async throws -> Void
    ) async throws -> ProviderFailure.Kind {
        do { try await body() } catch let failure as ProviderFailure { return failure.kind }
        throw Unexpected()
    }

    @Test(arguments: Made.allCases)
    func `reads exact bytes, tells what changed, and keeps what is pinned`(_ made: Made) async throws {
        let side = try made.side()
        let (provider, reference) = (try side.anyProvider(), try type(of: side).reference("db"))
        let texts = ["one", "tw\no\"\\ é€😀\t", String(repeating: "x", count: 20_000)]
        var versions: [ProviderVersion] = []
        for text in texts {
            try side.put("db", text: text)
            let found = try await read(provider, reference, known: versions.last)
            #expect(found.value.text == text && !versions.contains(found.version))
            versions.append(found.version)
            guard case .unchanged = try await provider.read(reference, version: nil, known: found.version)
            else { throw Unexpected() }
        }
        for (text, version) in zip(texts, versions) {
            let pinned = try await read(provider, reference, version: version)
            #expect(pinned.value.text == text && pinned.version == version)
        }
        await provider.close()
    }

    @Test(arguments: Made.allCases)
    func `says absent of what is not there, and down when it is not there itself`(_ made: Made) async throws {
        let side = try made.side()
        let provider = try side.anyProvider()
        let never = try type(of: side).reference("never")
        #expect(try await kind { _ = try await provider.read(never, version: nil, known: nil) } == .absent)
        try side.put("db", text: "one")
        let reference = try type(of: side).reference("db")
        _ = try await read(provider, reference)
        side.kill()
        #expect(try await kind { _ = try await provider.read(reference, version: nil, known: nil) } == .down)
        await provider.close()
    }

    @Test(arguments: Made.allCases)
    func `writes where there is nothing, replaces what it expects, and deletes all of it`(
        _ made: Made
    ) async throws {
        let side = try made.side()
        let provider = try side.anyProvider()
        let place = try provider.place(of: EnvironmentName("DB_PASSWORD"), in: SecretHome("nlp/Summarizer"))
        let other = try provider.place(of: EnvironmentName("DB_PASSWORD"), in: SecretHome("nlp"))
        #expect(place != other)
        let first = try await provider.write(SecretValue("one"), to: place, if: .absent)
        #expect(try await read(provider, place).version == first)
        #expect(
            try await kind { _ = try await provider.write(SecretValue("x"), to: place, if: .absent) }
                == .conflict)
        let second = try await provider.write(SecretValue("two"), to: place, if: .version(first))
        #expect(
            try await kind { _ = try await provider.write(SecretValue("x"), to: place, if: .version(first)) }
                == .conflict)
        let found = try await read(provider, place)
        #expect(found.value.text == "two" && found.version == second)
        _ = try await provider.write(SecretValue("three"), to: place, if: .any)
        #expect(try await read(provider, place).value.text == "three")
        #expect(try await kind { _ = try await provider.read(other, version: nil, known: nil) } == .absent)
        try await provider.delete(place)
        try await provider.delete(place)
        #expect(
            try await kind { _ = try await provider.read(place, version: nil, known: nil) }
                == type(of: side).deleted)
        await provider.close()
    }

    @Test(arguments: Made.allCases)
    func `takes many questions at once, and ends those that nobody waits for`(_ made: Made) async throws {
        let side = try made.side()
        let (provider, reference) = (try side.anyProvider(), try type(of: side).reference("db"))
        try side.put("db", text: "one")
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<50 { group.addTask { try await read(provider, reference).value.text } }
            for try await text in group { #expect(text == "one") }
        }
        let task = Task { try await read(provider, reference).value.text }
        task.cancel()
        _ = await task.result
        #expect(try await read(provider, reference).value.text == "one", "it goes on")
        await provider.close()
    }

    @Test(arguments: Made.allCases)
    func `tests itself in words that have nothing of a value`(_ made: Made) async throws {
        let side = try made.side()
        let (provider, reference) = (try side.anyProvider(), try type(of: side).reference("db"))
        try side.put("db", text: "planted-value-of-a-test")
        let lines = try await provider.test(reference).joined(separator: "\n")
        #expect(lines.contains("read \(reference)") && lines.contains("23 bytes"), "\(lines)")
        #expect(!lines.contains("planted"))
        await provider.close()
    }
}
