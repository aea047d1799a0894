package import Fuse
import Secrets
import Synchronization

/// Opening files: one open for writing, until its last close, is one change of the store.
extension AdminTree {
    package func open(
        _ node: NodeID, for mode: OpenMode, by caller: Caller
    ) throws(Refusal) -> HandleID {
        try admit(caller)
        let place = try place(node)
        if case .temporary(_, let file) = place { return try open(file, at: place, for: mode) }
        return try open(place, node, for: mode, by: caller)
    }

    /// Opens a file of a secret, or an algorithm's rule.
    func open(
        _ place: Place, _ node: NodeID, for mode: OpenMode, by caller: Caller
    ) throws(Refusal) -> HandleID {
        let (text, known) = try content(of: place)
        // Also for root, whom the kernel lets through: what goes in never comes out.
        if case .file(let secret, .value) = place, mode.contains(.read) {
            store.recordDenial(of: secret, to: actor(of: caller))
            throw .denied
        }
        guard mode.contains(.write) else { return try add(.text(text)) }
        guard place.permissions & 0o200 != 0 else { throw toldByTheStore(place) }
        try refuse(appending: mode.contains(.append), to: place)
        let actor = actor(of: caller)
        let opener = actor.pid ?? 0
        let again = state.withLock { $0.mustLookAgain(node, thread: thread(of: caller), process: opener) }
        guard !again else { throw .stale }
        let writing = Writing(
            place: place, id: known?.facts?.id, actor: actor, opener: opener, node: node,
            isReadable: mode.contains(.read), users: FileUsers(opener: opener))
        // A value has no text, so it starts empty, whoever asks for what: no byte of the old one can be kept.
        if !mode.contains(.truncate) { try put(text, writing.buffer) }
        return try add(.writing(writing))
    }

    private func add(_ file: AdminFile) throws(Refusal) -> HandleID {
        try state.withLock { state throws(Refusal) in try state.add(file) }
    }

    private func open(
        _ file: TemporaryFile, at place: Place, for mode: OpenMode
    ) throws(Refusal) -> HandleID {
        if mode.contains(.write) {
            guard !file.isGone else { throw .stale }
            try refuse(appending: mode.contains(.append), to: place)
            if mode.contains(.truncate) { file.buffer.clear() }
        }
        let handle = try add(.temporary(file, mode))
        file.open()
        return handle
    }

    func refuse(appending: Bool, to place: Place) throws(Refusal) {
        guard appending else { return }
        tell(
            place.path, "nothing can be appended: a version is written whole",
            "write all of it: > instead of >>")
        throw .notSupported
    }

    /// - Returns: what is thrown to somebody who wants to write what only the store says.
    func toldByTheStore(_ place: Place) -> Refusal {
        tell(place.path, "it cannot be written: only the store says what is in it")
        return .denied
    }

    func put(_ bytes: [UInt8], _ buffer: SecretBuffer) throws(Refusal) {
        do { try unsafe buffer.write(bytes.span.bytes, at: 0) } catch { throw .noMemory }
    }
}
