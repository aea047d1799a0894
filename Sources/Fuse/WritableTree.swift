/// A tree that callers may change. Its session has a thread of its own: calls come one at a time, in the kernel's
/// order, and may wait for storage without stopping another mount.
package protocol WritableTree: FileTree {
    /// As `lookUp(_:in:)`, which is not called; what is there may depend on who looks.
    func lookUp(_ name: Span<UInt8>, in directory: NodeID, by caller: Caller) throws(Refusal) -> Node

    /// Opens a file for what `mode` asks; instead of `open(_:by:)`.
    func open(_ node: NodeID, for mode: OpenMode, by caller: Caller) throws(Refusal) -> HandleID

    /// Makes and opens the file `name`, and counts one more lookup of its node.
    func create(
        _ name: Span<UInt8>, in directory: NodeID, for mode: OpenMode, by caller: Caller
    ) throws(Refusal) -> (Node, HandleID)

    /// Takes all of `bytes`, at `offset` of the open file, or none. They are lent for this call.
    func write(
        _ bytes: RawSpan, to handle: HandleID, at offset: UInt64, appending: Bool,
        by caller: Caller
    ) throws(Refusal)

    /// Makes a file `count` bytes long.
    ///
    /// - Parameter handle: the open file that asks (`ftruncate`); nil: asked by name (`truncate`).
    func resize(_ node: NodeID, handle: HandleID?, to count: UInt64, by caller: Caller) throws(Refusal)

    /// A descriptor of the open file is closed; there may be others. What it throws is what close(2) returns.
    func flush(_ handle: HandleID, by caller: Caller) throws(Refusal)

    /// The last descriptor of the open file is gone; `close` follows. Nobody is told what comes of it. Not called
    /// where the mount ends first.
    func release(_ handle: HandleID)

    /// What was written so far is durable when this returns.
    func synchronize(_ handle: HandleID, by caller: Caller) throws(Refusal)

    /// Makes the directory `name`, and counts one more lookup of its node.
    func makeDirectory(_ name: Span<UInt8>, in directory: NodeID, by caller: Caller) throws(Refusal) -> Node

    func removeFile(_ name: Span<UInt8>, in directory: NodeID, by caller: Caller) throws(Refusal)

    func removeDirectory(_ name: Span<UInt8>, in directory: NodeID, by caller: Caller) throws(Refusal)

    /// - Parameter replacing: whether `newName` may exist; it is then replaced.
    func rename(
        _ name: Span<UInt8>, in directory: NodeID, to newName: Span<UInt8>, in newDirectory: NodeID,
        replacing: Bool, by caller: Caller) throws(Refusal)
}

/// What open(2) asks for.
package struct OpenMode: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let read = OpenMode(rawValue: 1)
    package static let write = OpenMode(rawValue: 2)
    /// From an empty file on.
    package static let truncate = OpenMode(rawValue: 4)
    package static let append = OpenMode(rawValue: 8)
    /// Only if the file is made by this.
    package static let exclusive = OpenMode(rawValue: 16)
}
