package import Fuse
package import Secrets
import Synchronization

/// The store as a tree that administrators change with mkdir, echo, cat and rm (docs/SEMANTICS.md#the-admin-mount).
///
/// Nothing of the store is kept here: each call asks it, and the kernel keeps nothing of the answers, so what others
/// change shows at once. Calls come one at a time, from the session's own thread.
package final class AdminTree: WritableTree {
    /// What the log is told of a refused change.
    package struct Problem: Sendable {
        package let path: String
        package let message: String
        package let remedy: String?
    }
    private let uid: UInt32
    private let gid: UInt32
    private let onProblem: @Sendable (Problem) -> Void
    let knowsThreads: Bool
    let user: UInt32?
    let callers: any CallerResolver
    private let began = Timestamp.now()
    let store: any Administration
    let state = Mutex(AdminState())

    /// - Parameters:
    ///   - uid: who owns everything, and with root alone gets in.
    ///   - knowsThreads: whether the kernel names callers by the numbers that our /proc has.
    ///   - user: in the mount of a listed administrator: that user, and no process of anybody else is answered.
    ///   - callers: finds out who asks, for that.
    ///   - onProblem: told of each change that is refused for a reason that an errno cannot tell.
    package init(
        _ store: any Administration, uid: UInt32, gid: UInt32, knowsThreads: Bool,
        onlyFor user: UInt32? = nil, callers: any CallerResolver = NoCallerResolver(),
        onProblem: @escaping @Sendable (Problem) -> Void
    ) {
        self.store = store
        self.uid = uid
        self.gid = gid
        self.knowsThreads = knowsThreads
        self.user = user
        self.callers = callers
        self.onProblem = onProblem
    }

    // MARK: Names

    package func lookUp(_ name: Span<UInt8>, in directory: NodeID) throws(Refusal) -> Node {
        try entered(try find(try text(name), in: try place(directory)))
    }

    /// The node of `place`, with one more lookup.
    func entered(_ place: Place) throws(Refusal) -> Node {
        var node = try describe(place)
        node.id = state.withLock { $0.lookUp(place) }
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

    /// - Throws: `.notFound`.
    func find(_ name: String, in directory: Place) throws(Refusal) -> Place {
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
            if let algorithm = try? AlgorithmName("\(owner)/\(name)"),
                try asking({ () throws(AdministrationError) in try store.hasAlgorithm(algorithm) })
            {
                return .home(.algorithm(algorithm))
            }
        case .home(let home):
            guard let name = try? EnvironmentName(name) else { break }
            let secret = SecretReference(home: home, name: name)
            _ = try secretState(secret)
            return .secret(secret)
        case .secret(let secret): return try find(name, of: secret)
        case .file, .temporary: throw .notDirectory
        }
        throw .notFound
    }

    private func find(_ name: String, of secret: SecretReference) throws(Refusal) -> Place {
        let known = try secretState(secret)
        let (hidden, temporary) = state.withLock { state in
            (state.hidden[secret] ?? [], state.temporaries[secret]?[name])
        }
        if let temporary { return .temporary(secret, temporary) }
        guard let file = SecretFile(rawValue: name), !hidden.contains(file), has(file, secret, known) else {
            throw .notFound
        }
        return .file(secret, file)
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

    // MARK: Refusals

    func named<T>(_ parent: Place, _ parse: () throws(NameError) -> T) throws(Refusal) -> T {
        do { return try parse() } catch {
            tell(parent.path, error.description)
            throw .invalid
        }
    }

    /// Asks the store something; what it cannot answer is a line in the log.
    func asking<T>(
        at place: Place = .root, _ body: () throws(AdministrationError) -> T
    ) throws(Refusal) -> T {
        do { return try body() } catch { throw refused(error, at: place) }
    }

    func refused(_ error: AdministrationError, at place: Place) -> Refusal {
        if error.reason != .missing { tell(place.path, error.message, error.remedy) }
        return Refusal(error.reason)
    }

    func tell(_ path: String, _ message: String, _ remedy: String? = nil) {
        onProblem(Problem(path: path, message: message, remedy: remedy))
    }

    // MARK: Attributes

    package func forget(_ node: NodeID, lookups count: UInt64) {
        state.withLock { $0.nodes.forget(node, lookups: count) }
    }

    package func attributes(of id: NodeID, handle: HandleID?) throws(Refusal) -> Node {
        var node: Node
        do { node = try describe(try place(id)) } catch .notFound { throw .stale }
        node.id = id
        if let handle, case .writing(let writing) = state.withLock({ $0.files[handle] }) {
            node.size = UInt64(writing.buffer.count)
        }
        return node
    }

    /// Everything but its number. Nothing is valid for any time: each use asks again.
    func describe(_ place: Place) throws(Refusal) -> Node {
        switch place {
        case .file(let secret, let file): return try describe(file, of: secret)
        case .temporary(_, let file):
            return node(.file, 0o600, UInt64(file.buffer.count), file.modified)
        case .secret(let secret):
            let facts = try secretState(secret).facts
            return node(.directory, 0o700, 0, facts?.modified ?? began)
        default: return node(.directory, 0o700, 0, began)
        }
    }

    private func describe(_ file: SecretFile, of secret: SecretReference) throws(Refusal) -> Node {
        let known = try secretState(secret)
        guard has(file, secret, known) else { throw .notFound }
        let newest = known.facts?.versions.last
        guard file != .value else {
            return node(.file, file.permissions, UInt64(newest?.count ?? 0), newest?.created ?? began)
        }
        let count = SecretTexts.text(file, of: known)?.utf8.count ?? 0
        return node(.file, file.permissions, UInt64(count), known.facts?.modified ?? began)
    }

    private func node(
        _ kind: Node.Kind, _ permissions: UInt16, _ size: UInt64, _ modified: Timestamp
    ) -> Node {
        Node(
            id: PlaceNodes.unknown, kind: kind, permissions: permissions, uid: uid, gid: gid, size: size,
            modified: (modified.seconds, modified.nanoseconds), nameValidity: 0, attributeValidity: 0)
    }
}

extension Refusal {
    init(_ reason: AdministrationError.Reason) {
        switch reason {
        case .missing: self = .notFound
        case .exists: self = .exists
        case .notPermitted: self = .notPermitted
        case .invalid: self = .invalid
        case .tooLarge: self = .tooLarge
        case .full: self = .full
        case .readOnly: self = .readOnly
        case .busy: self = .busy
        case .damaged, .unavailable: self = .damaged
        case .sealed: self = .sealed
        case .noMemory: self = .noMemory
        }
    }
}
