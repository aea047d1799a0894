import Console
import Providers
import Secrets
import Store
import Synchronization

/// Has the providers, and a task for each question.
actor ProviderService {
    private let replies: Replies
    /// By their numbers; or why a configuration is none.
    private var providers: [UInt32: Result<any Provider, ProviderFailure>] = [:]
    private var tasks: [UInt64: Task<Void, Never>] = [:]
    /// How many questions a provider, by its number, is asked now; and those that wait for them.
    private var open: [UInt32: Int] = [:]
    private var waiting: [UInt32: [Waiting]] = [:]
    /// Of one provider, at once.
    private static let maximumOpen = 16

    private struct Waiting {
        let id: UInt64
        let body: Body
    }
    private typealias Body = @Sendable (any Provider) async throws(ProviderFailure) -> ProviderReply

    init(_ pipe: FramePipe) { replies = Replies(pipe) }

    func take(_ call: ProviderCall) {
        switch call {
        case .configure(let number, let kind, let configuration):
            close(number)
            providers[number] = Result { () throws(ProviderFailure) in
                try ProviderFactory.provider(kind, configuration)
            }
        case .forget(let number): close(number)
        case .read(let question, let number):
            begin(question.id, at: number) { provider throws(ProviderFailure) in
                .answer(question.id, try await Self.read(question, from: provider))
            }
        case .test(let id, let number, let reference):
            begin(id, at: number) { provider throws(ProviderFailure) in
                .tested(id, try await provider.test(reference))
            }
        case .write(let id, let number, let target, let value):
            begin(id, at: number) { provider throws(ProviderFailure) in
                .written(id, try await Self.write(value, to: target, by: provider))
            }
        case .delete(let id, let number, let reference):
            begin(id, at: number) { provider throws(ProviderFailure) in
                try Self.require(.delete, of: provider)
                try await provider.delete(reference)
                return .deleted(id)
            }
        case .exchange(let id, let kind, let configuration):
            tasks[id] = Task {
                let reply: ProviderReply
                do throws(ProviderFailure) {
                    reply = .exchanged(id, try await ProviderFactory.exchange(kind, configuration))
                } catch {
                    reply = .answer(id, .failure(error))
                }
                tasks[id] = nil
                if !Task.isCancelled { replies.send(reply) }
            }
        case .cancel(let id): cancel(id)
        }
    }

    private func close(_ number: UInt32) {
        guard case .success(let provider) = providers.removeValue(forKey: number) else { return }
        Task { await provider.close() }
    }

    /// Now, or when one of those that are open has ended.
    private func begin(_ id: UInt64, at number: UInt32, _ body: @escaping Body) {
        guard open[number, default: 0] < Self.maximumOpen else {
            waiting[number, default: []].append(Waiting(id: id, body: body))
            return
        }
        open[number, default: 0] += 1
        start(id, at: number, body)
    }

    private func start(_ id: UInt64, at number: UInt32, _ body: @escaping Body) {
        let provider = providers[number]
        tasks[id] = Task { [replies] in
            let reply: ProviderReply
            do throws(ProviderFailure) {
                guard let provider else {
                    throw ProviderFailure(.malformed, "the provider has no configuration")
                }
                reply = try await body(try provider.get())
            } catch {
                reply = .answer(id, .failure(error))
            }
            end(id, at: number)
            // Who cancelled it does not wait for it.
            if !Task.isCancelled { replies.send(reply) }
        }
    }

    private func end(_ id: UInt64, at number: UInt32) {
        tasks[id] = nil
        if let next = waiting[number]?.first {
            waiting[number]?.removeFirst()
            return start(next.id, at: number, next.body)
        }
        waiting[number] = nil
        open[number] = open[number].flatMap { $0 > 1 ? $0 - 1 : nil }
    }

    private func cancel(_ id: UInt64) {
        tasks.removeValue(forKey: id)?.cancel()
        for number in waiting.keys { waiting[number]?.removeAll { $0.id == id } }
    }

    private static func write(
        _ value: SecretValue, to target: ProviderTarget, by provider: any Provider
    ) async throws(ProviderFailure) -> ProviderReference {
        switch target {
        case .new(let name, let home):
            try require(.create, of: provider)
            let reference = try provider.place(of: name, in: home)
            do throws(ProviderFailure) {
                _ = try await provider.write(value, to: reference, if: .absent)
            } catch  where error.kind == .conflict {
                // Perhaps we wrote it, and its answer did not reach us.
                guard try await holds(value, at: reference, provider) else { throw error }
            }
            return reference
        case .present(let reference):
            try require(.update, of: provider)
            _ = try await provider.write(value, to: reference, if: .any)
            return reference
        }
    }

    private static func holds(
        _ value: SecretValue, at reference: ProviderReference, _ provider: any Provider
    ) async throws(ProviderFailure) -> Bool {
        guard case .value(let found) = try await provider.read(reference, version: nil, known: nil) else {
            return false
        }
        return found.value.isEqual(to: value)
    }

    private static func require(
        _ capability: ProviderCapabilities, of provider: any Provider
    ) throws(ProviderFailure) {
        guard provider.capabilities.contains(capability) else {
            throw ProviderFailure(.denied, "this provider is read only")
        }
    }

    private static func read(
        _ question: ProviderQuestion, from provider: any Provider
    ) async throws(ProviderFailure) -> ProviderAnswer<SecretValue> {
        let reading = try await provider.read(
            question.reference, version: question.version, known: question.known)
        switch reading {
        case .unchanged(let timeToLive): return .unchanged(timeToLive: seconds(timeToLive))
        case .value(let found):
            let facts = ProviderFacts(
                version: found.version, count: found.value.count, timeToLive: seconds(found.timeToLive),
                expires: found.expires)
            return .value(found.value, facts)
        }
    }

    private static func seconds(_ duration: Duration?) -> UInt32? {
        duration.map { UInt32(clamping: $0.components.seconds) }
    }
}

/// One reply after the other goes into the pipe.
private final class Replies: Sendable {
    private let pipe: FramePipe
    private let turn = Mutex(())

    init(_ pipe: FramePipe) { self.pipe = pipe }

    func send(_ reply: ProviderReply) {
        guard let frame = try? reply.encoded() else { return }
        // Where nobody reads any more, the end of the calls ends this program.
        _ = turn.withLock { _ in pipe.send(frame) }
    }
}
