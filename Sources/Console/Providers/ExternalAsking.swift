import Dispatch
import Fuse
import Glibc
import Logging
import Secrets
import Store
import Synchronization

/// How questions get to providers, and answers back.
extension ExternalValues {
    /// The providers, or their settings, may be others now.
    package func reload() {
        queue.async { [weak self] in
            self?.readProviders()
            self?.look()
        }
    }

    private func readProviders() {
        guard !store.isSealed else { return }
        do {
            let providers = try store.providers()
            let (changed, affected, process, removed) = state.withLock { state in
                let changed = providers.filter { provider in
                    state.known[provider.name].map { $0.modified != provider.modified } ?? false
                }
                let affected = state.table.setProviders(providers, changed: Set(changed.map(\.name)), at: now)
                if !affected.isEmpty { state.changes += 1 }
                let removed = state.known.filter { known in !providers.contains { $0.name == known.key } }
                for name in removed.keys { state.known[name] = nil }
                return (changed, affected, state.process, removed.values.map(\.number))
            }
            for number in removed { process?.send(.forget(number)) }
            changed.forEach { configure($0.name) }
            tell(affected)
        } catch {
            log.error("the providers cannot be read", metadata: ["reason": "\(Failure(error).message)"])
        }
    }

    /// Tells the process how a provider is reached.
    private func configure(_ name: ProviderName) {
        do {
            let (provider, configuration) = try store.configuration(of: name)
            let (process, number) = state.withLock { state in
                let number = state.known[name]?.number ?? state.lastNumber + 1
                state.lastNumber = max(state.lastNumber, number)
                state.known[name] = (number, provider.modified)
                return (state.process, number)
            }
            process?.send(.configure(number, provider.kind, configuration))
        } catch {
            log.error(
                "the settings of a provider cannot be read",
                metadata: ["provider": "\(name)", "reason": "\(Failure(error).message)"])
        }
    }

    func ask(_ questions: [ProviderQuestion]) {
        guard let process = running() else { return }
        for name in Set(questions.map(\.provider)) where state.withLock({ $0.known[name] == nil }) {
            configure(name)
        }
        for question in questions {
            guard let number = state.withLock({ $0.known[question.provider]?.number }) else {
                take(
                    .failure(ProviderFailure(.malformed, "its settings cannot be read")), to: question.id)
                continue
            }
            process.send(.read(question, at: number))
        }
    }

    /// The process, started if there is none.
    private func running() -> ProviderProcess? {
        if let process = state.withLock({ $0.process }) { return process }
        do {
            let process = try ProviderProcess()
            let isWanted = state.withLock { state in
                guard !state.isStopped else { return false }
                state.process = process
                state.known = [:]
                return true
            }
            guard isWanted else { return nil }
            try Thread(named: "providers") { [weak self] in
                while let reply = process.receive() { self?.take(reply) }
                self?.lose(process)
            }.detach()
            return process
        } catch {
            let reason = Failure(any: error).message
            state.withLock { state in
                state.process = nil
                state.table.lose(reason, at: now)
            }
            note("", reason)
            return nil
        }
    }

    private func lose(_ process: ProviderProcess) {
        let isOurs = state.withLock { state in
            guard state.process === process else { return false }
            state.process = nil
            state.known = [:]
            state.table.lose("the program that speaks to providers ended; it is started again", at: now)
            return true
        }
        guard isOurs else { return }
        log.error("the program that speaks to providers ended; it is started again")
        queue.asyncAfter(deadline: .now() + 1) { [weak self] in self?.look() }
    }

    private func take(_ reply: ProviderReply) {
        guard case .answer(let id, let answer) = reply else { return }
        switch answer {
        case .failure(let failure): take(.failure(failure), to: id)
        case .unchanged(let timeToLive): take(.unchanged(timeToLive: timeToLive), to: id)
        case .value(let value, let facts):
            guard let key = state.withLock({ $0.key }) else { return }
            do throws(SealError) {
                take(.value(try SealedExternal(value, answering: id, by: key), facts), to: id)
            } catch {
                take(.failure(ProviderFailure(.down, "what it gave cannot be kept: \(error)")), to: id)
            }
        }
    }

    private func take(_ answer: ProviderAnswer<SealedExternal>, to question: UInt64) {
        let time = Timestamp.now()
        let (affected, trouble) = state.withLock { state in
            let origin = state.table.origin(ofQuestion: question)
            let affected = state.table.take(answer, to: question, at: now, time: time)
            if !affected.isEmpty { state.changes += 1 }
            return (affected, origin)
        }
        if case .failure(let failure) = answer, let trouble {
            note(trouble.description, "\(failure.kind): \(failure.message)")
        }
        tell(affected)
        wake()
    }

    func note(_ origin: String, _ reason: String) {
        guard seldom.allows("\(origin) \(reason)") else { return }
        log.warning(
            "a provider does not give a value", metadata: ["from": "\(origin)", "reason": "\(reason)"])
    }
}
