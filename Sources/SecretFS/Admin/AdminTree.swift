package import Fuse
package import Secrets
import Synchronization

/// The store as a tree that administrators change with mkdir, echo, cat and rm (docs/SEMANTICS.md#the-admin-mount).
///
/// Nothing of the store is kept here: each call asks it, and the kernel keeps nothing of the answers that can change,
/// so what others change shows at once. Calls come one at a time, from the session's own thread.
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
    /// Whether that user is still listed, asked before each use and each change.
    let isListed: @Sendable () -> Bool
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
        onlyFor user: UInt32? = nil, whileListed isListed: @escaping @Sendable () -> Bool = { true },
        callers: any CallerResolver = NoCallerResolver(),
        onProblem: @escaping @Sendable (Problem) -> Void
    ) {
        self.store = store
        self.uid = uid
        self.gid = gid
        self.knowsThreads = knowsThreads
        self.user = user
        self.isListed = isListed
        self.callers = callers
        self.onProblem = onProblem
    }

    // MARK: Refusals

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
        let place = try place(id)
        do { node = try describe(place) } catch .notFound { throw .stale }
        node.id = id
        place.limit(&node, lookedUp: false)
        if let handle, case .writing(let writing) = state.withLock({ $0.files[handle] }) {
            node.size = UInt64(writing.buffer.count)
        }
        return node
    }

    /// Everything but its number.
    func describe(_ place: Place) throws(Refusal) -> Node {
        switch place {
        case .file(let secret, let file): return try describe(place, file, of: secret)
        case .rule: return node(place, try content(of: place).text.count, began)
        case .temporary(_, let file): return node(place, file.buffer.count, file.modified)
        case .secret(let secret): return node(place, 0, try secretState(secret).facts?.modified ?? began)
        default: return node(place, 0, began)
        }
    }

    private func describe(
        _ place: Place, _ file: SecretFile, of secret: SecretReference
    ) throws(Refusal) -> Node {
        let (text, known) = try content(of: place)
        guard file == .value else { return node(place, text.count, known?.facts?.modified ?? began) }
        let newest = known?.facts?.versions.last
        return node(place, newest?.count ?? 0, newest?.created ?? began)
    }

    private func node(_ place: Place, _ size: Int, _ modified: Timestamp) -> Node {
        Node(
            id: PlaceNodes.unknown, kind: place.isDirectory ? .directory : .file,
            permissions: place.permissions, uid: uid, gid: gid, size: UInt64(size),
            modified: (modified.seconds, modified.nanoseconds), nameValidity: 0, attributeValidity: 0)
    }

    /// What a file of a secret, or an algorithm's rule, says; of `value` nothing.
    ///
    /// - Returns: the text, and the secret that it is of.
    /// - Throws: `.notFound`.
    func content(of place: Place) throws(Refusal) -> (text: [UInt8], secret: SecretState?) {
        switch place {
        case .file(let secret, let file):
            let known = try secretState(secret)
            guard has(file, secret, known) else { throw .notFound }
            return (Array((SecretTexts.text(file, of: known, store) ?? "").utf8), known)
        case .rule(let algorithm):
            let rule = try asking(at: place) { () throws(AdministrationError) in
                try store.callers(of: algorithm)
            }
            return (Array(store.text(rule).utf8), nil)
        default: throw .isDirectory
        }
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
