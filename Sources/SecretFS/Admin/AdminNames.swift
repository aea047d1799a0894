package import Fuse
import Secrets
import Synchronization

/// Making, removing and renaming.
extension AdminTree {
    // MARK: Directories

    package func makeDirectory(
        _ name: Span<UInt8>, in directory: NodeID, by caller: Caller
    ) throws(Refusal) -> Node {
        try admit(caller)
        let name = try text(name)
        let parent = try place(directory)
        let made: Place
        switch parent {
        case .algorithms: made = try makeOwner(name)
        case .owner(let owner): made = try makeAlgorithm(name, of: owner, by: actor(of: caller))
        case .home(let home): made = try makeSecret(name, of: home)
        case .owners:
            tell(
                parent.path, "an owner is there as long as it has an algorithm", "mkdir algorithms/OWNER/NAME"
            )
            throw .notPermitted
        default: throw .notPermitted
        }
        return try entered(made)
    }

    private func makeOwner(_ name: String) throws(Refusal) -> Place {
        let owner = try named(.algorithms) { () throws(NameError) in try OwnerName(name) }
        guard try !hasOwner(owner) else { throw .exists }
        try state.withLock { state throws(Refusal) in
            guard state.hasRoomForDrafts else { throw .full }
            state.emptyOwners.insert(owner)
        }
        return .owner(owner)
    }

    private func makeAlgorithm(
        _ name: String, of owner: OwnerName, by actor: AuditActor
    ) throws(Refusal) -> Place {
        let algorithm = try named(.owner(owner)) { () throws(NameError) in
            try AlgorithmName("\(owner)/\(name)")
        }
        try asking(at: .owner(owner)) { () throws(AdministrationError) in
            try store.carryOut(.createAlgorithm(algorithm), by: actor)
        }
        return .home(.algorithm(algorithm))
    }

    /// In the store only once its value is written.
    private func makeSecret(_ name: String, of home: SecretHome) throws(Refusal) -> Place {
        let (name, settings) = try named(.home(home)) { () throws(NameError) in
            let name = try EnvironmentName(name)
            return (name, try SecretSettings(of: name))
        }
        let secret = SecretReference(home: home, name: name)
        guard !name.isDangerous else {
            tell(
                Place.secret(secret).path, "such a variable can make a program run other code",
                "choose another name, or insist: secretfs secret create \(home) \(name) --allow-name \(name)")
            throw .notPermitted
        }
        // The home may have gone while a shell stands in it.
        _ = try asking { () throws(AdministrationError) in try store.secrets(of: home) }
        guard try !exists(secret) else { throw .exists }
        try state.withLock { state throws(Refusal) in
            guard state.hasRoomForDrafts else { throw .full }
            state.drafts[secret] = settings
        }
        return .secret(secret)
    }

    private func exists(_ secret: SecretReference) throws(Refusal) -> Bool {
        do {
            _ = try secretState(secret)
            return true
        } catch {
            guard error == .notFound else { throw error }
            return false
        }
    }

    package func removeDirectory(
        _ name: Span<UInt8>, in directory: NodeID, by caller: Caller
    ) throws(Refusal) {
        try admit(caller)
        let actor = actor(of: caller)
        let place = try find(try text(name), in: try place(directory))
        switch place {
        case .owner(let owner):
            guard try !asking({ () throws(AdministrationError) in try store.hasOwner(owner) }) else {
                throw .notEmpty
            }
            state.withLock { _ = $0.emptyOwners.remove(owner) }
        case .home(.algorithm(let algorithm)): try remove(algorithm, by: actor)
        case .home(.owner):
            tell(
                place.path, "an owner is there as long as it has an algorithm", "rmdir algorithms/OWNER/NAME")
            throw .notPermitted
        case .secret(let secret): try remove(secret, by: actor)
        case .root, .algorithms, .owners: throw .notPermitted
        case .file, .temporary: throw .notDirectory
        }
    }

    private func remove(_ algorithm: AlgorithmName, by actor: AuditActor) throws(Refusal) {
        let home = SecretHome.algorithm(algorithm)
        let secrets = try asking { () throws(AdministrationError) in try store.secrets(of: home) }
        let hasDrafts = state.withLock { state in state.drafts.keys.contains { $0.home == home } }
        guard secrets.isEmpty, !hasDrafts else { throw .notEmpty }
        try asking(at: .home(home)) { () throws(AdministrationError) in
            try store.carryOut(.deleteAlgorithm(algorithm), by: actor)
        }
        // `rm -r` of the owner goes on to remove its directory.
        if let owner = try? OwnerName(algorithm.owner) {
            state.withLock { state in
                if state.hasRoomForDrafts { state.emptyOwners.insert(owner) }
            }
        }
    }

    private func remove(_ secret: SecretReference, by actor: AuditActor) throws(Refusal) {
        let known = try secretState(secret)
        guard state.withLock({ $0.temporaries[secret]?.isEmpty ?? true }) else { throw .notEmpty }
        if case .stored = known {
            try asking(at: .secret(secret)) { () throws(AdministrationError) in
                try store.carryOut(.deleteSecret(secret), by: actor)
            }
        }
        state.withLock { $0.forget(secret) }
    }

    // MARK: Files

    package func create(
        _ name: Span<UInt8>, in directory: NodeID, for mode: OpenMode, by caller: Caller
    ) throws(Refusal) -> (Node, HandleID) {
        try admit(caller)
        let name = try text(name)
        let parent = try place(directory)
        guard case .secret(let secret) = parent else {
            tell(parent.path, "there are only directories here", "mkdir makes a secret; then write its value")
            throw .notPermitted
        }
        let known = try secretState(secret)
        let place: Place
        if let file = SecretFile(rawValue: name), has(file, secret, known) {
            let wasHidden = state.withLock { $0.hidden[secret]?.contains(file) ?? false }
            guard wasHidden || !mode.contains(.exclusive) else { throw .exists }
            let opened = try enter(.file(secret, file)) { node throws(Refusal) in
                try open(file, of: secret, node, for: mode, by: caller)
            }
            state.withLock { _ = $0.hidden[secret]?.remove(file) }
            return opened
        }
        if let present = state.withLock({ $0.temporaries[secret]?[name] }) {
            guard !mode.contains(.exclusive) else { throw .exists }
            place = .temporary(secret, present)
        } else {
            place = .temporary(secret, try makeTemporary(name, of: secret))
        }
        return try enter(place) { node throws(Refusal) in try open(node, for: mode, by: caller) }
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

    private func makeTemporary(_ name: String, of secret: SecretReference) throws(Refusal) -> TemporaryFile {
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
        switch try find(name, in: try place(directory)) {
        case .file(let secret, let file):
            state.withLock { _ = $0.hidden[secret, default: []].insert(file) }
        case .temporary(let secret, let file):
            drop(name, of: secret)
            file.remove()
        default: throw .isDirectory
        }
    }

    private func drop(_ name: String, of secret: SecretReference) {
        state.withLock { state in
            state.temporaries[secret]?[name] = nil
            if state.temporaries[secret]?.isEmpty ?? false { state.temporaries[secret] = nil }
        }
    }

    // MARK: Renaming

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
        case .file:
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
        let (hidden, old) = state.withLock { state in
            (state.hidden[secret] ?? [], state.temporaries[secret]?[newName])
        }
        if let file = SecretFile(rawValue: newName), has(file, secret, known) {
            guard replacing || hidden.contains(file) else { throw .exists }
            guard file.isWritable else { throw .denied }
            guard temporary.buffer.count <= file.maximumCount else { throw .tooLarge }
            try store(temporary.buffer, as: file, of: secret, id: known.facts?.id, by: actor)
            drop(name, of: secret)
            temporary.remove()
            return
        }
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
        let known = try secretState(secret)
        guard SecretFile(rawValue: newName) == nil else {
            tell(Place.file(secret, file).path, "it cannot become another file of a secret")
            throw .notPermitted
        }
        let old = state.withLock { $0.temporaries[secret]?[newName] }
        let copy = try makeTemporary(newName, of: secret)
        old?.remove()
        try put(Array((SecretTexts.text(file, of: known) ?? "").utf8), copy.buffer)
        state.withLock { _ = $0.hidden[secret, default: []].insert(file) }
    }
}
