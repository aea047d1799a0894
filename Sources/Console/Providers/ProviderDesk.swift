import Dispatch
package import Secrets
package import Store
import Synchronization

/// Asks a provider one thing, without an agent: a program is started for it, and ends with it.
package struct ProviderDesk {
    /// In seconds.
    private static let patience = 60
    private let provider: ExternalProvider
    private let configuration: ProviderConfiguration

    package init(_ provider: ExternalProvider, _ configuration: ProviderConfiguration) {
        self.provider = provider
        self.configuration = configuration
    }

    /// - Throws: `.providerMissing`.
    package init(_ name: ProviderName, of store: SecretStore) throws(StoreError) {
        (provider, configuration) = try store.configuration(of: name)
    }

    /// - Returns: what was found, a line each.
    /// - Throws: what is wrong, in words.
    package func test(_ reference: ProviderReference?) throws(Failure) -> [String] {
        guard case .tested(_, let lines) = try ask(.test(1, at: 1, reference)) else { throw Self.unexpected }
        return lines
    }

    /// - Returns: where it is now.
    package func write(_ value: SecretValue, to target: ProviderTarget) throws(Failure) -> ProviderReference {
        guard case .written(_, let reference) = try change(.write(1, at: 1, target, value)) else {
            throw Self.unexpected
        }
        return reference
    }

    package func delete(_ reference: ProviderReference) throws(Failure) {
        guard case .deleted = try change(.delete(1, at: 1, reference)) else { throw Self.unexpected }
    }

    private func change(_ call: ProviderCall) throws(Failure) -> ProviderReply {
        do { return try ask(call) } catch  where error.status == .unavailable {
            throw Failure(
                .unavailable, "\(error.message); whether it was done there is not known",
                hint: "do the same again: what was done already is no obstacle")
        }
    }

    /// `update` with what can be used once exchanged for what it stands for, which is kept: whoever asks later could not.
    ///
    /// - Parameters:
    ///   - present: the settings that there are; empty for a new provider. No credential of these is sent anywhere.
    ///   - name: for the failure.
    package static func exchange(
        _ update: ProviderUpdate, _ kind: ProviderKind, present: ProviderConfiguration,
        of name: ProviderName
    ) throws(Failure) -> ProviderUpdate {
        let once = kind.settings.filter { $0.isOnce && update.set[$0.name] != nil }
        guard !once.isEmpty else { return update }
        var configuration = present
        for setting in kind.settings {
            if setting.isSecret || update.unset.contains(setting.name) { configuration[setting.name] = nil }
            if let value = update.set[setting.name] { configuration[setting.name] = value }
        }
        guard case .exchanged(_, let exchanged) = try ask([.exchange(1, kind, configuration)], of: name)
        else {
            throw unexpected
        }
        var next = update
        for setting in once {
            next.set[setting.name] = nil
            next.unset.insert(setting.name)
        }
        // A program that speaks to a network says what was exchanged, and nothing else.
        for setting in kind.settings where setting.isSecret && !setting.isOnce {
            if let value = exchanged[setting.name] { next.set[setting.name] = value }
        }
        return next
    }

    /// The same, for a provider of `store`.
    package static func exchange(
        _ update: ProviderUpdate, _ kind: ProviderKind, of name: ProviderName, in store: SecretStore
    ) throws -> ProviderUpdate {
        guard kind.settings.contains(where: { $0.isOnce && update.set[$0.name] != nil }) else {
            return update
        }
        return try exchange(update, kind, present: try store.configuration(of: name).1, of: name)
    }

    /// Whoever serves many must keep threads for others while a provider does not answer.
    private static let maximumAtOnce = 4
    private static let atOnce = Mutex(0)

    private func ask(_ call: ProviderCall) throws(Failure) -> ProviderReply {
        try Self.ask([.configure(1, provider.kind, configuration), call], of: provider.name)
    }

    private static func ask(
        _ calls: [ProviderCall], of name: ProviderName
    ) throws(Failure) -> ProviderReply {
        let isTaken = atOnce.withLock { count in
            guard count < maximumAtOnce else { return false }
            count += 1
            return true
        }
        guard isTaken else {
            throw Failure(
                .retry, "providers are being asked by \(maximumAtOnce) others now", hint: "try again")
        }
        defer { atOnce.withLock { $0 -= 1 } }
        let process = try ProviderProcess()
        defer { process.end() }
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(patience)) { [weak process] in
            process?.end()
        }
        guard calls.allSatisfy(process.send), let reply = process.receive() else {
            throw Failure(
                .unavailable, "the program that speaks to providers has ended, or took too long",
                hint: "try again; see what it says above")
        }
        if case .answer(_, .failure(let failure)) = reply { throw Failure(failure, of: name) }
        return reply
    }

    private static var unexpected: Failure {
        Failure(.damaged, "the program that speaks to providers answered something else")
    }
}

extension Failure {
    init(_ failure: ProviderFailure, of name: ProviderName) {
        let (status, hint): (ExitStatus, String) =
            switch failure.kind {
            case .absent: (.notFound, "the reference names nothing that is there: see docs/PROVIDERS.md")
            case .denied: (.denied, "see its credentials and what they may: docs/PROVIDERS.md has a policy")
            case .throttled: (.retry, "ask again later")
            case .down: (.unavailable, "is it reached from this machine?")
            case .malformed: (.badInput, "see its settings: secretfs provider show \(name)")
            case .conflict: (.exists, "to use what is there, refer to it: secret create --from REFERENCE")
            }
        self.init(status, "\(name): \(failure.kind): \(failure.message)", hint: hint)
    }
}
