/// A read-only tree that the kernel asks about. Implementations answer from memory: a callback that blocks
/// on storage or a network would stop every mount that shares its worker.
///
/// Calls about one mount come from one thread, in the kernel's order.
package protocol FileTree: AnyObject, Sendable {
    /// Finds `name` in `directory` and counts one more lookup of the node it answers with.
    func lookUp(_ name: Span<UInt8>, in directory: NodeID) throws(Refusal) -> Node

    /// The kernel drops `count` lookups of `node`; at zero the node may go.
    func forget(_ node: NodeID, lookups count: UInt64)

    /// - Parameter handle: the open file that asks (`fstat`), where the kernel says so.
    func attributes(of node: NodeID, handle: HandleID?) throws(Refusal) -> Node

    /// Opens a file for reading. `.stale` makes the kernel look the name up again and retry.
    func open(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID

    /// Opens a file for reading, where that may have to wait for a disk.
    ///
    /// - Parameter later: called once on another thread, if and only if this returns nil.
    func open(
        _ node: NodeID, by caller: Caller,
        later: @escaping @Sendable (Result<HandleID, Refusal>) -> Void
    ) throws(Refusal) -> HandleID?

    /// Lends `answer` at most `count` bytes of the open file from `offset`; none at or past its end.
    /// `answer` is called exactly once unless this throws.
    func read(_ handle: HandleID, at offset: UInt64, count: Int, _ answer: (RawSpan) -> Void) throws(Refusal)

    /// Whether the kernel may keep pages of the open file, for everybody who maps
    /// or splices the inode (mmap(2), splice(2), sendfile(2)).
    func mayBeCached(_ handle: HandleID) -> Bool

    /// Closes an open file; its last call.
    func close(_ handle: HandleID)

    /// Opens a directory: the listing is fixed until `closeDirectory`.
    func openDirectory(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID

    /// Calls `add` with each entry after `offset` until it answers false (the reply is full). The first
    /// offset is 0; each entry carries the offset to go on from.
    func readDirectory(
        _ handle: HandleID, after offset: UInt64, _ add: (borrowing DirectoryEntry) -> Bool) throws(Refusal)

    func closeDirectory(_ handle: HandleID)

    /// The value of extended attribute `name`.
    func extendedAttribute(_ name: Span<UInt8>, of node: NodeID) throws(Refusal) -> [UInt8]

    /// The names of all extended attributes, each with its closing NUL.
    func extendedAttributeNames(of node: NodeID) throws(Refusal) -> [UInt8]

    /// Whether the open file is readable or has news; if not, keeps `waker` to fire when it has.
    func poll(_ handle: HandleID, _ waker: PollWaker?) throws(Refusal) -> Readiness
}

extension FileTree {
    package func mayBeCached(_ handle: HandleID) -> Bool { true }

    package func open(
        _ node: NodeID, by caller: Caller,
        later: @escaping @Sendable (Result<HandleID, Refusal>) -> Void
    ) throws(Refusal) -> HandleID? { try open(node, by: caller) }
}

/// What the kernel calls an inode within one mount. 1 is the root directory.
package struct NodeID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package static let root = NodeID(rawValue: 1)
}

/// What a tree calls one open file or directory.
package struct HandleID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// An inode's attributes, and how long the kernel may keep what it was told.
package struct Node: Sendable {
    package enum Kind: Sendable { case directory, file }
    package var id: NodeID
    package var kind: Kind
    /// The nine permission bits.
    package var permissions: UInt16
    package var uid: UInt32
    package var gid: UInt32
    /// In bytes.
    package var size: UInt64
    /// Since 1970: seconds and nanoseconds; shown as mtime, ctime and atime.
    package var modified: (seconds: Int64, nanoseconds: UInt32)
    /// How long the kernel may go on using the name without asking, in seconds.
    package var nameValidity: Double
    /// How long it may go on using the attributes, in seconds.
    package var attributeValidity: Double

    package init(
        id: NodeID, kind: Kind, permissions: UInt16, uid: UInt32, gid: UInt32, size: UInt64,
        modified: (seconds: Int64, nanoseconds: UInt32), nameValidity: Double, attributeValidity: Double
    ) {
        self.id = id
        self.kind = kind
        self.permissions = permissions
        self.uid = uid
        self.gid = gid
        self.size = size
        self.modified = modified
        self.nameValidity = nameValidity
        self.attributeValidity = attributeValidity
    }
}

package struct DirectoryEntry: Sendable {
    package let name: String
    package let node: NodeID
    package let kind: Node.Kind
    /// Where a later call goes on after this entry; > 0 and growing.
    package let nextOffset: UInt64

    package init(name: String, node: NodeID, kind: Node.Kind, nextOffset: UInt64) {
        self.name = name
        self.node = node
        self.kind = kind
        self.nextOffset = nextOffset
    }
}

/// The process behind a request, as the kernel tells it.
package struct Caller: Sendable {
    package let uid: UInt32
    package let gid: UInt32
    /// A thread id, not a process id; 0 when the caller is outside our pid namespace.
    package let thread: Int32

    package init(uid: UInt32, gid: UInt32, thread: Int32) {
        self.uid = uid
        self.gid = gid
        self.thread = thread
    }
}

/// What `poll(2)` is told about an open file.
package enum Readiness: Sendable {
    /// Nothing new since the last read.
    case quiet
    /// Readable, as an ordinary file always is.
    case readable
    /// Readable and changed since the last read: POLLIN and POLLPRI, as for files of sysfs.
    case changed
}

/// Why a request is not answered; each becomes one errno, in `Errno.swift` and nowhere else.
package enum Refusal: Error, Equatable, CaseIterable, Sendable {
    case notFound
    case denied
    case readOnly
    case stale
    case damaged
    case sealed
    /// Its audit record cannot be written.
    case unaudited
    /// It was changed, and what it is now cannot be read.
    case unread
    /// Its provider has not given it, or not confirmed it for too long.
    case awaited
    case tooLarge
    case noMemory
    case noAttribute
    case isDirectory
    case notDirectory
    case notSupported
    case invalid
    case exists
    case notEmpty
    case notPermitted
    case full
    case busy
    /// A rename that would have to be a copy.
    case elsewhere
}
