package import Fuse
import Secrets
import Synchronization

/// When what was written becomes a change of the store.
extension AdminTree {
    package func synchronize(_ handle: HandleID, by caller: Caller) throws(Refusal) {
        try synchronize(handle)
    }

    func synchronize(_ handle: HandleID) throws(Refusal) {
        guard case .writing(let writing) = state.withLock({ $0.files[handle] }) else { return }
        if let failure = writing.failure { throw failure }
        guard writing.isChanged else { return }
        do throws(Refusal) {
            guard isListed() else { throw .denied }
            try store(writing.buffer, as: writing.place, id: writing.id, by: writing.actor)
        } catch {
            fail(handle, writing, error)
            throw error
        }
        update(handle) { writing in
            writing.isChanged = false
            writing.users.store()
        }
    }

    func update(_ handle: HandleID, _ change: (inout Writing) -> Void) {
        state.withLock { state in
            guard case .writing(var writing) = state.files[handle] else { return }
            change(&writing)
            state.replace(handle, by: writing)
        }
    }

    func fail(_ handle: HandleID, _ writing: Writing, _ failure: Refusal) {
        update(handle) { $0.failure = failure }
        writing.buffer.clear()
    }

    /// Makes what `buffer` holds the content of a secret's file, or an algorithm's rule.
    ///
    /// - Parameter id: the secret that is meant; nil: the one that has this name.
    func store(
        _ buffer: SecretBuffer, as place: Place, id: SecretID?, by actor: AuditActor
    ) throws(Refusal) {
        if case .file(let secret, .value) = place, let id {
            try replaceValue(of: secret, id, by: buffer, for: actor)
            state.withLock { $0.show(place) }
            return
        }
        let known = try content(of: place).secret
        if let id, known?.facts?.id != id {
            tell(place.path, "it was deleted meanwhile; nothing was changed")
            throw .notFound
        }
        do throws(AdministrationError) {
            switch place {
            case .file(let secret, .value): try storeValue(buffer, of: secret, known, by: actor)
            case .file(let secret, let file):
                let change = try SecretTexts.change(file, to: try text(of: buffer), store)
                if case .draft = known {
                    state.withLock { $0.drafts[secret]?.apply(change) }
                } else {
                    try store.carryOut(.changeSetting(secret, change), by: actor)
                }
            case .rule(let algorithm):
                let rule = try store.callerRule(try text(of: buffer))
                try store.carryOut(.replaceCallers(algorithm, rule), by: actor)
            default: throw AdministrationError(.notPermitted, "it cannot be written")
            }
        } catch {
            if error.reason == .missing { tellWhatIsMissing(place) }
            throw refused(error, at: place)
        }
        state.withLock { $0.show(place) }
    }

    /// Without the name that is missing: somebody may have written a value there.
    private func tellWhatIsMissing(_ place: Place) {
        guard case .file(let secret, let file) = place, let known = try? secretState(secret) else {
            return tell(place.path, "it was deleted meanwhile; nothing was changed")
        }
        let isOfGrants: Bool =
            switch (file, known) {
            case (.grants, _): true
            case (.value, .draft(let settings)): !settings.grants.isEmpty
            default: false
            }
        guard isOfGrants else {
            return tell(place.path, "it changed meanwhile; nothing was changed", "write it again")
        }
        tell(
            Place.file(secret, .grants).path,
            "a line names an algorithm or an owner that does not exist; nothing was changed",
            "secretfs algorithm list")
    }

    private func text(of buffer: SecretBuffer) throws(AdministrationError) -> String {
        let text = buffer.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
        }
        guard let text else { throw AdministrationError(.invalid, "it is not UTF-8") }
        return text
    }
}
