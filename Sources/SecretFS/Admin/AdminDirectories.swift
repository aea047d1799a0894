package import Fuse
import Secrets
import Synchronization

/// Making and removing directories.
extension AdminTree {
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
        let maker = WriterProcess.process(of: thread(of: caller))
        state.withLock { $0.makeUnseen(files(ofNew: made), for: maker) }
        return try entered(made)
    }

    private func files(ofNew directory: Place) -> [Place] {
        switch directory {
        case .home(.algorithm(let algorithm)): [.rule(algorithm)]
        case .secret(let secret): SecretFile.allCases.filter(\.isOfDrafts).map { .file(secret, $0) }
        default: []
        }
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

    private func named<T>(_ parent: Place, _ parse: () throws(NameError) -> T) throws(Refusal) -> T {
        do { return try parse() } catch {
            tell(parent.path, error.description)
            throw .invalid
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
        case .rule, .file, .temporary: throw .notDirectory
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
                state.showAll(in: .home(home))
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
}
