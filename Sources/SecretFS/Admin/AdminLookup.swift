package import Fuse
import Secrets
import Synchronization

/// Finding what a name stands for.
extension AdminTree {
    package func lookUp(_ name: Span<UInt8>, in directory: NodeID) throws(Refusal) -> Node {
        // What is found is described at once, which looks whether it is there.
        try entered(try find(try text(name), in: try place(directory), isAssumed: true))
    }

    package func lookUp(
        _ name: Span<UInt8>, in directory: NodeID, by caller: Caller
    ) throws(Refusal) -> Node {
        let found = try find(try text(name), in: try place(directory), isAssumed: true)
        let maker = state.withLock { $0.maker(ofUnseen: found) }
        if let maker, WriterProcess.process(of: thread(of: caller)) == maker { throw .notFound }
        return try entered(found)
    }

    /// The node of `place`, with one more lookup.
    func entered(_ place: Place) throws(Refusal) -> Node {
        var node = try describe(place)
        node.id = try state.withLock { state throws(Refusal) in try state.lookUp(place) }
        place.limit(&node, lookedUp: true)
        return node
    }

    func place(_ node: NodeID) throws(Refusal) -> Place {
        guard let place = state.withLock({ $0.nodes.place(of: node) }) else { throw .stale }
        return place
    }

    /// Names are UTF-8 here; no other can exist.
    func text(_ name: Span<UInt8>) throws(Refusal) -> String {
        var bytes: [UInt8] = []
        for index in name.indices { bytes.append(name[index]) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalid }
        return text
    }

    /// - Parameter isAssumed: does not ask the store whether a secret, or a file of it, is there.
    /// - Throws: `.notFound`.
    func find(_ name: String, in directory: Place, isAssumed: Bool = false) throws(Refusal) -> Place {
        switch directory {
        case .root:
            if name == "algorithms" { return .algorithms }
            if name == "owners" { return .owners }
        case .algorithms:
            if let owner = try? OwnerName(name), try hasOwner(owner) { return .owner(owner) }
        case .owners:
            if let owner = try? OwnerName(name),
                try asking({ () throws(AdministrationError) in try store.hasOwner(owner) })
            {
                return .home(.owner(owner))
            }
        case .owner(let owner):
            if let algorithm = try? AlgorithmName("\(owner)/\(name)"), try hasAlgorithm(algorithm) {
                return .home(.algorithm(algorithm))
            }
        case .home(let home):
            if name == Place.ruleName, case .algorithm(let algorithm) = home {
                let isHidden = state.withLock { $0.hidden.contains(.rule(algorithm)) }
                guard !isHidden, try hasAlgorithm(algorithm) else { break }
                return .rule(algorithm)
            }
            guard let name = try? EnvironmentName(name) else { break }
            let secret = SecretReference(home: home, name: name)
            if !isAssumed { _ = try secretState(secret) }
            return .secret(secret)
        case .secret(let secret): return try find(name, of: secret, isAssumed)
        case .rule, .file, .temporary: throw .notDirectory
        }
        throw .notFound
    }

    private func find(
        _ name: String, of secret: SecretReference, _ isAssumed: Bool
    ) throws(Refusal) -> Place {
        let named = SecretFile(rawValue: name)
        let (temporary, file) = state.withLock { state in
            let isHidden = named.map { state.hidden.contains(.file(secret, $0)) } ?? true
            return (state.temporaries[secret]?[name], isHidden ? nil : named)
        }
        if isAssumed, temporary == nil, let file { return .file(secret, file) }
        let known = try secretState(secret)
        if let temporary { return .temporary(secret, temporary) }
        guard let file, has(file, secret, known) else { throw .notFound }
        return .file(secret, file)
    }

    private func hasAlgorithm(_ name: AlgorithmName) throws(Refusal) -> Bool {
        try asking { () throws(AdministrationError) in try store.hasAlgorithm(name) }
    }

    /// Whether the directory of `secret` has `file` at all.
    func has(_ file: SecretFile, _ secret: SecretReference, _ known: SecretState) -> Bool {
        if case .grants = file, case .algorithm = secret.home { return false }
        if case .draft = known { return file.isOfDrafts }
        return true
    }

    func hasOwner(_ owner: OwnerName) throws(Refusal) -> Bool {
        let isInStore = try asking { () throws(AdministrationError) in try store.hasOwner(owner) }
        return state.withLock { state in
            if isInStore { state.emptyOwners.remove(owner) }
            return isInStore || state.emptyOwners.contains(owner)
        }
    }

    /// - Throws: `.notFound`.
    func secretState(_ secret: SecretReference) throws(Refusal) -> SecretState {
        do {
            let facts = try store.secret(secret)
            state.withLock { $0.drafts[secret] = nil }
            return .stored(facts)
        } catch  where error.reason == .missing {
            return try state.withLock { state throws(Refusal) in
                if let draft = state.drafts[secret] { return .draft(draft) }
                state.forget(secret)
                throw .notFound
            }
        } catch {
            throw refused(error, at: .secret(secret))
        }
    }
}
