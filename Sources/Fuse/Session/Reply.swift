import CFuse
import Glibc

/// What one request is answered with.
enum Reply {
    case entry(Node)
    case attributes(Node)
    case file(HandleID)
    /// An open file that close(2) must tell of.
    case writableFile(HandleID)
    case created(Node, HandleID)
    /// So many bytes were taken.
    case written(Int)
    case directory(HandleID)
    /// An extended attribute's value or the list of names, and the room the caller has; 0 asks for the length.
    case attributeBytes([UInt8], room: Int)
    case readiness(Readiness)
    /// What `statfs(2)` tells of a tree without blocks.
    case statistics
    /// Done; nothing to tell.
    case done
    /// The answer is out already, with borrowed bytes.
    case sent
}

/// One request of the kernel's, answered exactly once; libfuse frees it with the answer.
@safe struct Request: Sendable {
    // SAFETY: libfuse takes an answer from any thread; each request has one owner, who gives it once.
    private nonisolated(unsafe) let raw: fuse_req_t
    let access: TreeAccess

    init(_ raw: fuse_req_t) {
        unsafe self.raw = raw
        // SAFETY: the session retains its `TreeAccess` until libfuse's session is destroyed.
        unsafe access = Unmanaged<TreeAccess>.fromOpaque(fuse_req_userdata(raw)).takeUnretainedValue()
    }

    var caller: Caller {
        guard let context = unsafe fuse_req_ctx(raw)?.pointee else {
            return Caller(uid: .max, gid: .max, thread: 0)
        }
        return Caller(uid: context.uid, gid: context.gid, thread: context.pid)
    }

    /// Answers with bytes that are only borrowed: they go to the kernel before this returns.
    func send(_ bytes: RawSpan) {
        _ = unsafe bytes.withUnsafeBytes { buffer in
            unsafe fuse_reply_buf(raw, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
        }
    }

    /// Frees a request that nobody can be told of any more; the kernel ends it with the mount.
    func drop() { unsafe fuse_reply_none(raw) }

    func refuse(errno: Int32) { _ = unsafe fuse_reply_err(raw, errno) }

    func send(_ reply: Reply) {
        switch reply {
        case .entry(let node): sendEntry(node)
        case .attributes(let node):
            var status = stat(node)
            _ = unsafe fuse_reply_attr(raw, &status, node.attributeValidity)
        case .file(let handle):
            if !sendOpened(handle, direct: true, flushes: false) { access.closeFile(handle) }
        case .writableFile(let handle):
            if !sendOpened(handle, direct: true, flushes: true) { access.closeFile(handle) }
        case .created(let node, let handle): sendCreated(node, handle)
        case .written(let count): _ = unsafe fuse_reply_write(raw, count)
        case .directory(let handle):
            if !sendOpened(handle, direct: false, flushes: false) { access.closeDirectory(handle) }
        case .attributeBytes(let bytes, let room): sendAttribute(bytes, room)
        case .readiness(let readiness): _ = unsafe fuse_reply_poll(raw, UInt32(readiness.events))
        case .statistics:
            var status = access.writable == nil ? statvfs.readOnlyTree : statvfs.writableTree
            _ = unsafe fuse_reply_statfs(raw, &status)
        case .done: refuse(errno: 0)
        case .sent: break
        }
    }

    private func sendEntry(_ node: Node) {
        var entry = fuse_entry_param(node)
        // The caller was killed meanwhile: the kernel has not counted this lookup and will never forget it.
        if unsafe fuse_reply_entry(raw, &entry) != 0 { access.tree.forget(node.id, lookups: 1) }
    }

    /// Whether the kernel took the handle; one that it did not take it never closes.
    private func sendOpened(_ handle: HandleID, direct: Bool, flushes: Bool) -> Bool {
        var info = fuse_file_info(handle, direct: direct, flushes: flushes)
        return unsafe fuse_reply_open(raw, &info) == 0
    }

    private func sendCreated(_ node: Node, _ handle: HandleID) {
        var entry = fuse_entry_param(node)
        var info = fuse_file_info(handle, direct: true, flushes: true)
        guard unsafe fuse_reply_create(raw, &entry, &info) != 0 else { return }
        access.closeFile(handle)
        access.tree.forget(node.id, lookups: 1)
    }

    private func sendAttribute(_ bytes: [UInt8], _ room: Int) {
        if room == 0 {
            _ = unsafe fuse_reply_xattr(raw, bytes.count)
        } else if bytes.count > room {
            // Not a refusal: getxattr(2) asks again with more room.
            refuse(errno: ERANGE)
        } else {
            unsafe send(bytes.span.bytes)
        }
    }
}

extension fuse_entry_param {
    fileprivate init(_ node: Node) {
        self.init()
        ino = node.id.rawValue
        attr = stat(node)
        attr_timeout = node.attributeValidity
        entry_timeout = node.nameValidity
    }
}

extension fuse_file_info {
    fileprivate init(_ handle: HandleID, direct: Bool, flushes: Bool) {
        self.init()
        fh = handle.rawValue
        // Keep plaintext out of the page cache, where it would outlive this handle and its permission.
        // Limit: a private mmap still caches a page until it is invalidated.
        direct_io = direct ? 1 : 0
        // Where nothing is written there is nothing to flush: spares a request at each close(2).
        noflush = direct && !flushes ? 1 : 0
    }
}
