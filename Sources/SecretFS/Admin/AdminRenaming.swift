package import Fuse
import Secrets
import Synchronization

/// Renaming, as programs do it that write a new file beside the old one.
extension AdminTree {
    package func rename(
        _ name: Span<UInt8>, in directory: NodeID, to newName: Span<UInt8>, in newDirectory: NodeID,
        replacing: Bool, by caller: Caller
    ) throws(Refusal) {
        try admit(caller)
        let (name, newName) = (try text(name), try text(newName))
        let (parent, newParent) = (try place(directory), try place(newDirectory))
        let moved = try find(name, in: parent)
        switch moved {
        case .temporary(let secret, let file):
            // mv(1) then copies.
            guard parent == newParent else { throw .elsewhere }
            try rename(file, name, of: secret, to: newName, replacing: replacing, by: actor(of: caller))
        case .file(let secret, let file) where file.isWritable && file != .value:
            guard parent == newParent else { throw .elsewhere }
            try setAside(file, of: secret, as: newName)
        case .file, .rule:
            tell(moved.path, "it cannot be moved away", "write a new value into it, or remove the secret")
            throw .notPermitted
        default:
            tell(moved.path, "its name never changes", "make a new one, and remove this one")
            throw .notPermitted
        }
    }

    private func rename(
        _ temporary: TemporaryFile, _ name: String, of secret: SecretReference, to newName: String,
        replacing: Bool, by actor: AuditActor
    ) throws(Refusal) {
        let known = try secretState(secret)
        if let file = SecretFile(rawValue: newName) {
            let place = Place.file(secret, file)
            guard file.isWritable, has(file, secret, known) else { throw cannotBeMade(place) }
            guard replacing || state.withLock({ $0.isHidden(place) }) else { throw .exists }
            guard temporary.buffer.count <= file.maximumCount else { throw .tooLarge }
            try store(temporary.buffer, as: place, id: known.facts?.id, by: actor)
            drop(name, of: secret)
            temporary.remove()
            return
        }
        let old = state.withLock { $0.temporaries[secret]?[newName] }
        guard old !== temporary else { return }
        guard replacing || old == nil else { throw .exists }
        drop(name, of: secret)
        state.withLock { $0.temporaries[secret, default: [:]][newName] = temporary }
        old?.remove()
    }

    /// An editor keeps the old text under another name before it writes the new one.
    private func setAside(
        _ file: SecretFile, of secret: SecretReference, as newName: String
    ) throws(Refusal) {
        let place = Place.file(secret, file)
        guard SecretFile(rawValue: newName) == nil else {
            tell(place.path, "it cannot become another file of a secret")
            throw .notPermitted
        }
        let old = state.withLock { $0.temporaries[secret]?[newName] }
        let copy = try makeTemporary(newName, of: secret)
        old?.remove()
        try put(try content(of: place).text, copy.buffer)
        state.withLock { _ = $0.hidden.insert(place) }
    }
}
