package import Fuse
import Secrets
import Synchronization

/// One open for writing, until its last close, is one change of the store.
extension AdminTree {
    // MARK: Opening

    package func open(
        _ node: NodeID, for mode: OpenMode, by caller: Caller
    ) throws(Refusal) -> HandleID {
        try admit(caller)
        switch try place(node) {
        case .file(let secret, let file): return try open(file, of: secret, node, for: mode, by: caller)
        case .temporary(let secret, let file): return try open(file, of: secret, for: mode)
        default: throw .isDirectory
        }
    }

    func open(
        _ file: SecretFile, of secret: SecretReference, _ node: NodeID, for mode: OpenMode, by caller: Caller
    ) throws(Refusal) -> HandleID {
        let known = try secretState(secret)
        guard has(file, secret, known) else { throw .notFound }
        // Also for root, whom the kernel lets through: what goes in never comes out.
        if file == .value && mode.contains(.read) {
            store.recordDenial(of: secret, to: actor(of: caller))
            throw .denied
        }
        let text = Array((SecretTexts.text(file, of: known) ?? "").utf8)
        guard mode.contains(.write) else { return try add(.text(text)) }
        guard file.isWritable else { throw .denied }
        try refuse(appending: mode.contains(.append), to: .file(secret, file))
        let opener = WriterProcess.process(of: thread(of: caller))
        let again = state.withLock { $0.mustLookAgain(node, thread: thread(of: caller), process: opener) }
        guard !again else { throw .stale }
        let writing = Writing(
            secret: secret, file: file, id: known.facts?.id, actor: actor(of: caller),
            opener: opener, node: node, isReadable: mode.contains(.read))
        // A value that is opened starts empty, whoever asks for what: no byte of the old one can be kept.
        if file != .value && !mode.contains(.truncate) { try put(text, writing.buffer) }
        return try add(.writing(writing))
    }

    private func add(_ file: AdminFile) throws(Refusal) -> HandleID {
        try state.withLock { state throws(Refusal) in try state.add(file) }
    }

    private func open(
        _ file: TemporaryFile, of secret: SecretReference, for mode: OpenMode
    ) throws(Refusal) -> HandleID {
        if mode.contains(.write) {
            guard !file.isGone else { throw .stale }
            try refuse(appending: mode.contains(.append), to: .temporary(secret, file))
            if mode.contains(.truncate) { file.buffer.clear() }
        }
        let handle = try add(.temporary(file, mode))
        file.open()
        return handle
    }

    private func refuse(appending: Bool, to place: Place) throws(Refusal) {
        guard appending else { return }
        tell(
            place.path, "nothing can be appended: a version is written whole",
            "write all of it: > instead of >>")
        throw .notSupported
    }

    func put(_ bytes: [UInt8], _ buffer: SecretBuffer) throws(Refusal) {
        do { try unsafe buffer.write(bytes.span.bytes, at: 0) } catch { throw .noMemory }
    }

    // MARK: Writing

    package func write(
        _ bytes: RawSpan, to handle: HandleID, at offset: UInt64, appending: Bool
    ) throws(Refusal) {
        switch state.withLock({ $0.files[handle] }) {
        case .writing(let writing):
            if let failure = writing.failure { throw failure }
            do {
                try refuse(appending: appending, to: .file(writing.secret, writing.file))
                try write(bytes, at: offset, to: writing.buffer, maximum: writing.file.maximumCount)
            } catch {
                fail(handle, writing, error)
                throw error
            }
            update(handle) { $0.isChanged = true }
        case .temporary(let file, let mode):
            guard mode.contains(.write) else { throw .denied }
            // It became somebody's value already: what comes now would be lost without a word.
            guard !file.isGone else { throw .stale }
            try write(bytes, at: offset, to: file.buffer, maximum: TemporaryFile.maximumCount)
            file.touch()
        case .text: throw .denied
        case .listing: throw .isDirectory
        case nil: throw .invalid
        }
    }

    private func write(
        _ bytes: RawSpan, at offset: UInt64, to buffer: SecretBuffer, maximum: Int
    ) throws(Refusal) {
        guard let start = Int(exactly: offset), start <= maximum, bytes.byteCount <= maximum - start else {
            throw .tooLarge
        }
        // A hole would be bytes that nobody wrote.
        guard start <= buffer.count else { throw .invalid }
        let growth = max(0, start + bytes.byteCount - buffer.capacity)
        guard growth == 0 || state.withLock({ $0.plaintextCount }) + growth <= AdminState.maximumPlaintext
        else { throw .noMemory }
        do { try buffer.write(bytes, at: start) } catch { throw .noMemory }
    }

    package func resize(
        _ node: NodeID, handle: HandleID?, to count: UInt64, by caller: Caller
    ) throws(Refusal) {
        guard let handle else {
            try admit(caller)
            return try resize(node, to: count, by: caller)
        }
        switch state.withLock({ $0.files[handle] }) {
        case .writing(let writing):
            try cut(writing.buffer, to: count)
            // From the start again: what went wrong before is gone.
            update(handle) { open in
                open.isChanged = true
                if count == 0 { open.failure = nil }
            }
        case .temporary(let file, let mode) where mode.contains(.write): try cut(file.buffer, to: count)
        default: throw .invalid
        }
    }

    /// truncate(2), which is an open, a change and a close in one.
    private func resize(_ node: NodeID, to count: UInt64, by caller: Caller) throws(Refusal) {
        let place = try place(node)
        if case .temporary(_, let file) = place { return try cut(file.buffer, to: count) }
        guard case .file(let secret, let file) = place else { throw .isDirectory }
        let handle = try open(file, of: secret, node, for: .write, by: caller)
        defer { close(handle) }
        guard case .writing(let writing) = state.withLock({ $0.files[handle] }) else { throw .invalid }
        try cut(writing.buffer, to: count)
        update(handle) { $0.isChanged = true }
        try synchronize(handle)
    }

    private func cut(_ buffer: SecretBuffer, to count: UInt64) throws(Refusal) {
        guard let count = Int(exactly: count), count <= buffer.count else { throw .invalid }
        if count == 0 { buffer.clear() } else { buffer.truncate(to: count) }
    }

    // MARK: Storing

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
            Place.file(writing.secret, writing.file).path,
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
            try store(writing.buffer, as: writing.file, of: writing.secret, id: writing.id, by: writing.actor)
        } catch {
            fail(handle, writing, error)
            throw error
        }
        update(handle) { $0.isChanged = false }
    }

    private func update(_ handle: HandleID, _ change: (inout Writing) -> Void) {
        state.withLock { state in
            guard case .writing(var writing) = state.files[handle] else { return }
            change(&writing)
            state.files[handle] = .writing(writing)
        }
    }

    private func fail(_ handle: HandleID, _ writing: Writing, _ failure: Refusal) {
        update(handle) { $0.failure = failure }
        writing.buffer.clear()
    }

    /// Makes what `buffer` holds the content of a secret's file.
    ///
    /// - Parameter id: the secret that is meant; nil: the one that has this name.
    func store(
        _ buffer: SecretBuffer, as file: SecretFile, of secret: SecretReference, id: SecretID?,
        by actor: AuditActor
    ) throws(Refusal) {
        let known = try secretState(secret)
        if let id, known.facts?.id != id { throw .notFound }
        let place = Place.file(secret, file)
        do throws(AdministrationError) {
            switch file {
            case .value: try storeValue(buffer, of: secret, known, by: actor)
            case .grants:
                guard case .owner(let owner) = secret.home else {
                    throw AdministrationError(.notPermitted, "only a secret of an owner is granted")
                }
                let grantees = try SecretTexts.grants(try text(of: buffer))
                try store.carryOut(.replaceGrants(owner, secret.name, grantees), by: actor)
            default:
                let change = try SecretTexts.change(file, to: try text(of: buffer), store)
                if case .stored = known {
                    try store.carryOut(.changeSetting(secret, change), by: actor)
                } else {
                    state.withLock { $0.drafts[secret]?.apply(change) }
                }
            }
        } catch {
            throw refused(error, at: place)
        }
        state.withLock { _ = $0.hidden[secret]?.remove(file) }
    }

    private func storeValue(
        _ buffer: SecretBuffer, of secret: SecretReference, _ known: SecretState, by actor: AuditActor
    ) throws(AdministrationError) {
        let value: SecretValue
        do { value = try buffer.value() } catch {
            throw AdministrationError(.noMemory, "no memory can be locked for the value")
        }
        switch known {
        case .stored(let facts):
            try store.carryOut(.replaceValue(secret, facts.id, value), by: actor)
        case .draft(let settings):
            do {
                try store.carryOut(.createSecret(secret, settings, value), by: actor)
            } catch  where error.reason == .exists {
                // Somebody else wrote its first value meanwhile: this one comes after it.
                try store.carryOut(.replaceValue(secret, try store.secret(secret).id, value), by: actor)
            }
            state.withLock { $0.drafts[secret] = nil }
        }
    }

    private func text(of buffer: SecretBuffer) throws(AdministrationError) -> String {
        let text = buffer.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
        }
        guard let text else { throw AdministrationError(.invalid, "it is not UTF-8") }
        return text
    }
}
