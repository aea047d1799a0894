package import Fuse
import Secrets
import Synchronization

/// Making and removing files.
extension AdminTree {
    package func create(
        _ name: Span<UInt8>, in directory: NodeID, for mode: OpenMode, by caller: Caller
    ) throws(Refusal) -> (Node, HandleID) {
        try admit(caller)
        let name = try text(name)
        let parent = try place(directory)
        if case .home(.algorithm(let algorithm)) = parent, name == Place.ruleName {
            return try create(again: .rule(algorithm), for: mode, by: caller)
        }
        guard case .secret(let secret) = parent else {
            tell(parent.path, "there are only directories here", "mkdir makes a secret; then write its value")
            throw .notPermitted
        }
        let known = try secretState(secret)
        let temporary = state.withLock { $0.temporaries[secret]?[name] }
        if temporary == nil, let file = SecretFile(rawValue: name) {
            // One that this secret has not (yet) cannot be made: a copy beside it would be taken for it.
            guard has(file, secret, known) else { throw cannotBeMade(.file(secret, file)) }
            return try create(again: .file(secret, file), for: mode, by: caller)
        }
        let file: TemporaryFile
        if let temporary {
            guard !mode.contains(.exclusive) else { throw .exists }
            file = temporary
        } else {
            // Before it is made: a refused open leaves nothing behind.
            try refuse(appending: mode.contains(.append), to: parent)
            file = try makeTemporary(name, of: secret)
        }
        return try enter(.temporary(secret, file)) { node throws(Refusal) in
            try open(node, for: mode, by: caller)
        }
    }

    /// - Returns: what is thrown to somebody who wants to make a file of a secret that this one does not have.
    func cannotBeMade(_ place: Place) -> Refusal {
        guard case .file(_, .grants) = place else { return toldByTheStore(place) }
        tell(
            place.path, "it cannot be made: only a secret of an owner is granted",
            "make the secret below owners/OWNER to give it to several algorithms")
        return .denied
    }

    /// Opens a file that is always there, though it may have been unlinked.
    private func create(
        again place: Place, for mode: OpenMode, by caller: Caller
    ) throws(Refusal) -> (Node, HandleID) {
        let wasHidden = state.withLock { $0.isHidden(place) }
        guard wasHidden || !mode.contains(.exclusive) else { throw .exists }
        // Who makes a file does not expect anything in it.
        let mode = wasHidden ? mode.union(.truncate) : mode
        let opened = try enter(place) { node throws(Refusal) in
            try open(place, node, for: mode, by: caller)
        }
        state.withLock { $0.show(place) }
        return opened
    }

    /// The node of `place` with one more lookup, and what `open` opens of it; no lookup if that fails.
    private func enter(
        _ place: Place, _ open: (NodeID) throws(Refusal) -> HandleID
    ) throws(Refusal) -> (Node, HandleID) {
        let node = try entered(place)
        do { return (node, try open(node.id)) } catch {
            forget(node.id, lookups: 1)
            throw error
        }
    }

    func makeTemporary(_ name: String, of secret: SecretReference) throws(Refusal) -> TemporaryFile {
        try state.withLock { state throws(Refusal) in
            guard state.temporaryCount < TemporaryFile.maximumFiles else { throw .full }
            let file = TemporaryFile()
            state.temporaries[secret, default: [:]][name] = file
            return file
        }
    }

    /// A file of the secret leaves this mount's directory until the next listing: `rm -r` unlinks what it found
    /// and then removes the directory, which deletes the secret.
    package func removeFile(
        _ name: Span<UInt8>, in directory: NodeID, by caller: Caller
    ) throws(Refusal) {
        try admit(caller)
        let name = try text(name)
        let found = try find(name, in: try place(directory))
        switch found {
        case .file, .rule: state.withLock { _ = $0.hidden.insert(found) }
        case .temporary(let secret, let file):
            drop(name, of: secret)
            file.remove()
        default: throw .isDirectory
        }
    }

    func drop(_ name: String, of secret: SecretReference) {
        state.withLock { state in
            state.temporaries[secret]?[name] = nil
            if state.temporaries[secret]?.isEmpty ?? false { state.temporaries[secret] = nil }
        }
    }
}
