import Fuse
import Secrets

/// The tables of one admin mount; what the store has is not in here.
struct AdminState {
    var nodes = PlaceNodes()
    private(set) var files: [HandleID: AdminFile] = [:]
    private var lastHandle: UInt64 = 0

    /// Secrets that were made with mkdir and have no value yet.
    var drafts: [SecretReference: SecretSettings] = [:]
    /// Owners without an algorithm: made with mkdir, or their last algorithm was just deleted here.
    var emptyOwners: Set<OwnerName> = []
    /// Files that were unlinked; back with the next listing.
    var hidden: Set<Place> = []
    /// Files that came with a directory, and which process made that, when: see `makeUnseen`.
    private var unseen: [Place: (maker: Int32, since: Int64)] = [:]
    var temporaries: [SecretReference: [String: TemporaryFile]] = [:]

    /// Drafts, and owners without an algorithm, together.
    static let maximumDrafts = 10_000
    static let maximumHandles = 10_000
    /// All written plaintext of one mount together, in bytes.
    static let maximumPlaintext = 64 << 20
    /// What the open files and directories were when they were opened, all of one mount together, in bytes.
    static let maximumShown = 256 << 20
    private var shownCount = 0

    mutating func add(_ file: AdminFile) throws(Refusal) -> HandleID {
        guard files.count < Self.maximumHandles, file.shownCount <= Self.maximumShown - shownCount else {
            throw .noMemory
        }
        shownCount += file.shownCount
        lastHandle += 1
        let handle = HandleID(rawValue: lastHandle)
        files[handle] = file
        return handle
    }

    mutating func remove(_ handle: HandleID) -> AdminFile? {
        let file = files.removeValue(forKey: handle)
        shownCount -= file?.shownCount ?? 0
        return file
    }

    /// - Precondition: it is open for writing.
    mutating func replace(_ handle: HandleID, by writing: Writing) { files[handle] = .writing(writing) }

    var hasRoomForDrafts: Bool { drafts.count + emptyOwners.count < Self.maximumDrafts }

    var plaintextCount: Int {
        let open = files.values.reduce(0) { sum, file in
            if case .writing(let writing) = file { sum + writing.buffer.capacity } else { sum }
        }
        return allTemporaries.reduce(open) { $0 + $1.buffer.capacity }
    }

    /// Those that have a name, and those that had one and are open.
    private var allTemporaries: Set<TemporaryFile> {
        var all = Set(temporaries.values.flatMap(\.values))
        for case .temporary(let file, _) in files.values { all.insert(file) }
        return all
    }

    /// Threads that were sent to look a name up again, and when; they do so at once, or never.
    private var retries: [Int32: Timestamp] = [:]
    private static let maximumRetries = 1024
    private static let retrySeconds: Int64 = 2

    /// Looks `place` up; a file that is open for writing, or about to be, gets another inode.
    mutating func lookUp(_ place: Place) throws(Refusal) -> NodeID {
        let now = Timestamp.now().seconds
        if !retries.isEmpty { retries = retries.filter { abs(now - $0.value.seconds) < Self.retrySeconds } }
        switch place {
        case .file, .rule: if !retries.isEmpty || isWritten(place) { nodes.renew(place) }
        default: break
        }
        return try nodes.lookUp(place)
    }

    /// Whether `thread` must look the name of `node` up again (ESTALE), because its process has this inode open for
    /// writing: two of its threads had found the same one. The kernel does that once; then it opens what it found.
    mutating func mustLookAgain(_ node: NodeID, thread: Int32, process: Int32) -> Bool {
        guard process > 0, opens(of: node, by: process) > 0, retries.removeValue(forKey: thread) == nil else {
            return false
        }
        if let place = nodes.place(of: node) { nodes.renew(place) }
        if retries.count >= Self.maximumRetries { retries.removeAll() }
        retries[thread] = .now()
        return true
    }

    private func isWritten(_ place: Place) -> Bool {
        files.values.contains { open in
            guard case .writing(let writing) = open else { return false }
            return writing.place == place
        }
    }

    /// How often the process has this inode open for writing.
    func opens(of node: NodeID, by process: Int32) -> Int {
        files.values.count { open in
            guard case .writing(let other) = open else { return false }
            return other.node == node && other.opener == process
        }
    }

    /// How often it is open for writing.
    func opens(of node: NodeID) -> Int {
        files.values.count { open in
            guard case .writing(let other) = open else { return false }
            return other.node == node
        }
    }

    var temporaryCount: Int { allTemporaries.count }

    /// What was unlinked in `directory` is there again.
    mutating func showAll(in directory: Place) {
        if !hidden.isEmpty { hidden = hidden.filter { $0.parent != directory } }
        if !unseen.isEmpty { unseen = unseen.filter { $0.key.parent != directory } }
    }

    private static let maximumUnseen = 10_000
    private static let unseenSeconds: Int64 = 60

    /// A directory is empty for the process that has just made it, until it makes the files or lists them: cp -a
    /// makes each with O_EXCL in a directory that it made itself.
    mutating func makeUnseen(_ files: [Place], for maker: Int32) {
        guard maker > 0 else { return }
        if unseen.count + files.count > Self.maximumUnseen { unseen = [:] }
        let now = Timestamp.now().seconds
        for file in files { unseen[file] = (maker, now) }
    }

    /// The process for which `place` is not there yet. A secret that is in the store is there for everybody.
    func maker(ofUnseen place: Place) -> Int32? {
        guard let (maker, since) = unseen[place], abs(Timestamp.now().seconds - since) < Self.unseenSeconds
        else { return nil }
        if case .file(let secret, _) = place, drafts[secret] == nil { return nil }
        return maker
    }

    func isHidden(_ place: Place) -> Bool { hidden.contains(place) || maker(ofUnseen: place) != nil }

    /// It is there, for everybody.
    mutating func show(_ place: Place) {
        hidden.remove(place)
        unseen[place] = nil
    }

    /// The secret is gone from the store: so is what this mount kept beside it.
    mutating func forget(_ secret: SecretReference) {
        drafts[secret] = nil
        showAll(in: .secret(secret))
        for file in temporaries.removeValue(forKey: secret)?.values ?? [:].values { file.remove() }
    }
}

/// An open file or directory.
enum AdminFile: Sendable {
    /// What was there when it was opened.
    case text([UInt8])
    case writing(Writing)
    case temporary(TemporaryFile, OpenMode)
    case listing([DirectoryEntry])

    /// Bytes that it keeps, but for what is written.
    var shownCount: Int {
        switch self {
        case .text(let bytes): bytes.count
        case .listing(let entries):
            entries.reduce(0) { $0 + MemoryLayout<DirectoryEntry>.stride + $1.name.utf8.count }
        case .writing, .temporary: 0
        }
    }
}

/// A file of a secret, or an algorithm's rule, that is open for writing.
struct Writing: Sendable {
    let place: Place
    /// The secret that was there when it was opened; nil: none yet, or it is a rule.
    let id: SecretID?
    /// Who opened it: what is written is their change.
    let actor: AuditActor
    /// The process that opened it; 0: not known.
    let opener: Int32
    let node: NodeID
    let isReadable: Bool
    let buffer = SecretBuffer()
    var users: FileUsers
    /// Something was written that is in no version yet.
    var isChanged = false
    /// What went wrong: nothing of this open is stored any more, however often it is closed.
    var failure: Refusal?
}

/// The inodes that the kernel knows. A path keeps its inode as long as the kernel knows it: a shell stands in its
/// directory, cp(1) compares what it looked at with what it opened.
///
/// A file that is open for writing has another inode when it is looked up again, so that each open has one of its
/// own: then /proc tells which descriptors belong to which open.
struct PlaceNodes {
    private var nodes: [Place: NodeID] = [.root: .root]
    private var places: [NodeID: (place: Place, lookups: UInt64)] = [.root: (.root, 1)]
    /// Numbers that no other file system has, so that /proc tells which descriptors are ours.
    private var last = UInt64(UInt32.random(in: 0x4000_0000...0x7FFF_FFFE)) << 32
    /// Whoever mounts may keep the kernel from telling us what it forgot. The kernel itself keeps every name of a store that
    /// was walked through, as long as there is memory.
    let maximum: Int
    /// As libfuse has it for readdir(3): the program learns the number with stat(2).
    static let unknown = NodeID(rawValue: 0xFFFF_FFFF)

    init(atMost maximum: Int = 4_000_000) { self.maximum = maximum }

    func place(of node: NodeID) -> Place? { places[node]?.place }
    func node(of place: Place) -> NodeID? { nodes[place] }

    mutating func lookUp(_ place: Place) throws(Refusal) -> NodeID {
        if let node = nodes[place] {
            places[node]?.lookups += 1
            return node
        }
        guard places.count < maximum else { throw .noMemory }
        last += 1
        let node = NodeID(rawValue: last)
        nodes[place] = node
        places[node] = (place, 1)
        return node
    }

    /// The next lookup finds another inode.
    mutating func renew(_ place: Place) { nodes[place] = nil }

    mutating func forget(_ node: NodeID, lookups count: UInt64) {
        guard node != .root, let known = places[node] else { return }
        guard known.lookups <= count else {
            places[node]?.lookups = known.lookups - count
            return
        }
        places[node] = nil
        if nodes[known.place] == node { nodes[known.place] = nil }
    }
}
