package import Fuse
import Secrets
import Synchronization

/// When what was written becomes a change of the store.
extension AdminTree {
    package func flush(_ handle: HandleID, by caller: Caller) throws(Refusal) {
        guard case .writing(let writing) = state.withLock({ $0.files[handle] }),
            writing.failure == nil, writing.isChanged
        else { return try synchronize(handle) }
        guard WriterProcess.wasKilled(thread(of: caller)) else {
            // A shell closes duplicates, its children close what they inherited: the version is made when the
            // process that opened the file closes it too.
            guard !isStillOpen(writing) else { return }
            return try synchronize(handle)
        }
        tell(
            writing.place.path,
            "the process that wrote it was killed before it closed it; nothing was changed",
            "write it again")
        fail(handle, writing, .damaged)
        throw .damaged
    }

    /// Whether its opener has another descriptor of the open file. One that has the inode open several times (by
    /// way of /proc/self/fd, say) is not asked: which open its descriptors are of, /proc does not tell.
    private func isStillOpen(_ writing: Writing) -> Bool {
        guard state.withLock({ $0.opens(of: writing.node, by: writing.opener) }) == 1 else { return false }
        return WriterProcess.holds(writing.node.rawValue, process: writing.opener)
    }

    package func release(_ handle: HandleID) {
        // A close that was not the last one answered 0 for it. What fails is in the log.
        try? synchronize(handle)
    }

    package func synchronize(_ handle: HandleID, by caller: Caller) throws(Refusal) {
        try synchronize(handle)
    }

    func synchronize(_ handle: HandleID) throws(Refusal) {
        guard case .writing(let writing) = state.withLock({ $0.files[handle] }) else { return }
        if let failure = writing.failure { throw failure }
        guard writing.isChanged else { return }
        do {
            try store(writing.buffer, as: writing.place, id: writing.id, by: writing.actor)
        } catch {
            fail(handle, writing, error)
            throw error
        }
        update(handle) { $0.isChanged = false }
    }

    func update(_ handle: HandleID, _ change: (inout Writing) -> Void) {
        state.withLock { state in
            guard case .writing(var writing) = state.files[handle] else { return }
            change(&writing)
            state.files[handle] = .writing(writing)
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
        if let id, known?.facts?.id != id { throw .notFound }
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
            throw refused(error, at: place)
        }
        state.withLock { $0.show(place) }
    }

    private func text(of buffer: SecretBuffer) throws(AdministrationError) -> String {
        let text = buffer.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
        }
        guard let text else { throw AdministrationError(.invalid, "it is not UTF-8") }
        return text
    }
}
