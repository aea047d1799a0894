import CFuse
import Glibc

/// Answers one libfuse request. Whatever `body` throws becomes an errno here and nowhere else.
func answer(_ raw: fuse_req_t?, _ body: (Request) throws(Refusal) -> Reply) {
    guard let raw = unsafe raw else { return }
    let request = unsafe Request(raw)
    do {
        request.send(try body(request))
    } catch {
        request.refuse(errno: error.errno)
    }
}

/// Lends a name from the kernel, without its NUL.
func withName<R>(
    _ name: UnsafePointer<CChar>?, _ body: (Span<UInt8>) throws(Refusal) -> R
) throws(Refusal) -> R {
    guard let name = unsafe name else { throw .invalid }
    // SAFETY: libfuse ends each name with a NUL, and the name lives until the request is answered.
    let bytes = unsafe UnsafeBufferPointer(
        start: UnsafeRawPointer(name).assumingMemoryBound(to: UInt8.self), count: strlen(name))
    return try body(unsafe Span(_unsafeElements: bytes))
}

extension fuse_lowlevel_ops {
    /// Everything that a session answers. What is left out here libfuse answers with ENOSYS, which the kernel
    /// remembers: FLUSH is left out on purpose (nothing is written, so close(2) needs no round trip), and so
    /// are FSYNC (succeeds), IOCTL (ENOTTY), LSEEK and BMAP (the kernel's own way), locks (kept locally).
    static func reading() -> fuse_lowlevel_ops {
        var operations = fuse_lowlevel_ops()
        operations.answerInit()
        operations.answerNodes()
        operations.answerFiles()
        operations.answerDirectories()
        operations.answerExtendedAttributes()
        operations.refuseChanges()
        return operations
    }

    private mutating func answerInit() {
        unsafe self.`init` = { _, connection in
            guard let connection = unsafe connection else { return }
            // Several lookups in one directory at once; O_TRUNC told with OPEN; a changed size or time drops
            // cached pages of a mapped file. Nothing else that libfuse would switch on is of use here.
            let useful = UInt32(FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA)
            unsafe connection.pointee.want = connection.pointee.capable & useful
            // Pages that nobody asked for would be plaintext in the page cache.
            unsafe connection.pointee.max_readahead = 0
            // The kernel takes this as the limit of a READ too: a value of 1 MiB comes in one request.
            unsafe connection.pointee.max_write = UInt32(RequestBuffer.maximumPayload)
        }
    }

    private mutating func answerNodes() {
        unsafe lookup = { request, parent, name in
            unsafe answer(request) { request throws(Refusal) in
                try unsafe withName(name) { name throws(Refusal) in
                    .entry(try request.access.tree.lookUp(name, in: NodeID(rawValue: parent)))
                }
            }
        }
        unsafe forget = { request, node, count in
            guard let request = unsafe request else { return }
            unsafe Request(request).access.tree.forget(NodeID(rawValue: node), lookups: count)
            unsafe fuse_reply_none(request)
        }
        unsafe forget_multi = { request, count, nodes in
            guard let request = unsafe request else { return }
            let access = unsafe Request(request).access
            let forgotten = unsafe UnsafeBufferPointer(start: nodes, count: count)
            for index in forgotten.indices {
                unsafe access.tree.forget(
                    NodeID(rawValue: forgotten[index].ino), lookups: forgotten[index].nlookup)
            }
            unsafe fuse_reply_none(request)
        }
        unsafe getattr = { request, node, info in
            let handle = unsafe info.map { unsafe HandleID(rawValue: $0.pointee.fh) }
            unsafe answer(request) { request throws(Refusal) in
                .attributes(try request.access.tree.attributes(of: NodeID(rawValue: node), handle: handle))
            }
        }
        unsafe readlink = { request, _ in unsafe answer(request) { _ throws(Refusal) in throw .invalid } }
        unsafe statfs = { request, _ in unsafe answer(request) { _ throws(Refusal) in .statistics } }
    }

    private mutating func answerFiles() {
        unsafe `open` = { request, node, info in
            let flags = unsafe info?.pointee.flags ?? O_RDWR
            unsafe answer(request) { request throws(Refusal) in
                // The mount is read-only; this holds when somebody remounts it writable.
                guard flags & O_ACCMODE == O_RDONLY, flags & O_TRUNC == 0 else { throw .readOnly }
                return try request.access.openFile(NodeID(rawValue: node), for: request)
            }
        }
        unsafe read = { request, _, count, offset, info in
            let handle = unsafe HandleID(rawValue: info?.pointee.fh ?? 0)
            // The kernel names an owner of locks with what a process reads, and none with what it reads for its
            // page cache: for a mapping, for splice(2) and sendfile(2) (fuse_send_read and fuse_do_readfolio in
            // fs/fuse/file.c). On EINVAL programs fall back from the latter two to read(2).
            let isForCache = unsafe info?.pointee.lock_owner ?? 0 == 0
            unsafe answer(request) { request throws(Refusal) in
                if isForCache, !request.access.tree.mayBeCached(handle) { throw .invalid }
                guard let offset = UInt64(exactly: offset) else { throw .invalid }
                try sendFile(handle, at: offset, count: count, to: request)
                return .sent
            }
        }
        unsafe release = { request, _, info in
            let handle = unsafe HandleID(rawValue: info?.pointee.fh ?? 0)
            unsafe answer(request) { request throws(Refusal) in
                request.access.closeFile(handle)
                return .done
            }
        }
        unsafe poll = { request, _, info, handle in
            let waiting = unsafe handle.map { unsafe PollHandle($0) }
            let file = unsafe HandleID(rawValue: info?.pointee.fh ?? 0)
            unsafe answer(request) { request throws(Refusal) in
                let waker = waiting.map { request.access.waker(for: $0) }
                return .readiness(try request.access.tree.poll(file, waker))
            }
        }
    }

    private mutating func answerDirectories() {
        unsafe opendir = { request, node, _ in
            unsafe answer(request) { request throws(Refusal) in
                .directory(try request.access.openDirectory(NodeID(rawValue: node), by: request.caller))
            }
        }
        unsafe readdir = { request, _, count, offset, info in
            let handle = unsafe HandleID(rawValue: info?.pointee.fh ?? 0)
            unsafe answer(request) { request throws(Refusal) in
                guard let offset = UInt64(exactly: offset) else { throw .invalid }
                try sendDirectory(handle, after: offset, count: count, to: request)
                return .sent
            }
        }
        unsafe releasedir = { request, _, info in
            let handle = unsafe HandleID(rawValue: info?.pointee.fh ?? 0)
            unsafe answer(request) { request throws(Refusal) in
                request.access.closeDirectory(handle)
                return .done
            }
        }
    }

    private mutating func answerExtendedAttributes() {
        unsafe getxattr = { request, node, name, room in
            unsafe answer(request) { request throws(Refusal) in
                try unsafe withName(name) { name throws(Refusal) in
                    let node = NodeID(rawValue: node)
                    return .attributeBytes(
                        try request.access.tree.extendedAttribute(name, of: node), room: room)
                }
            }
        }
        unsafe listxattr = { request, node, room in
            unsafe answer(request) { request throws(Refusal) in
                let node = NodeID(rawValue: node)
                return .attributeBytes(try request.access.tree.extendedAttributeNames(of: node), room: room)
            }
        }
    }

    /// The mount is read-only, so the kernel refuses changes itself; these are for a mount that somebody has
    /// remounted writable.
    private mutating func refuseChanges() {
        unsafe setattr = { request, _, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe mknod = { request, _, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe mkdir = { request, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe create = { request, _, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe unlink = { request, _, _ in unsafe refuseChange(unsafe request) }
        unsafe rmdir = { request, _, _ in unsafe refuseChange(unsafe request) }
        unsafe symlink = { request, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe rename = { request, _, _, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe link = { request, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe write = { request, _, _, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe setxattr = { request, _, _, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe removexattr = { request, _, _ in unsafe refuseChange(unsafe request) }
        unsafe fallocate = { request, _, _, _, _, _ in unsafe refuseChange(unsafe request) }
        unsafe copy_file_range = { request, _, _, _, _, _, _, _, _ in unsafe refuseChange(unsafe request) }
    }
}

private func refuseChange(_ request: fuse_req_t?) {
    unsafe answer(request) { _ throws(Refusal) in throw .readOnly }
}
