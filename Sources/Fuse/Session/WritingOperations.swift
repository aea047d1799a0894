import CFuse
import Glibc

extension fuse_lowlevel_ops {
    /// Everything that a session of a `WritableTree` answers. What is left out here libfuse answers with ENOSYS:
    /// FSYNCDIR (succeeds), COPY_FILE_RANGE (the kernel copies by reading and writing), and as in `reading`.
    static func writing() -> fuse_lowlevel_ops {
        var operations = reading()
        operations.answerWritingInit()
        operations.answerOpening()
        operations.answerWriting()
        operations.answerNames()
        operations.refuseSpecialFiles()
        unsafe operations.poll = nil
        unsafe operations.copy_file_range = nil
        return operations
    }

    private mutating func answerWritingInit() {
        unsafe self.`init` = { _, connection in
            guard let connection = unsafe connection else { return }
            // Never the write-back cache: it would keep plaintext, and hide errors from close(2).
            unsafe connection.pointee.want = connection.pointee.capable & UInt32(FUSE_CAP_ATOMIC_O_TRUNC)
            unsafe connection.pointee.max_readahead = 0
            unsafe connection.pointee.max_write = UInt32(RequestBuffer.maximumWrite)
        }
    }

    private mutating func answerOpening() {
        unsafe `open` = { request, node, info in
            let mode = unsafe OpenMode(flags: info?.pointee.flags ?? O_RDONLY)
            unsafe change(request) { request, tree throws(Refusal) in
                let handle = try tree.open(NodeID(rawValue: node), for: mode, by: request.caller)
                request.access.hold(handle)
                return mode.contains(.write) ? .writableFile(handle) : .file(handle)
            }
        }
        unsafe create = { request, directory, name, _, info in
            let mode = unsafe OpenMode(flags: info?.pointee.flags ?? O_RDONLY)
            unsafe change(request) { request, tree throws(Refusal) in
                try unsafe withName(name) { name throws(Refusal) in
                    let (node, handle) = try tree.create(
                        name, in: NodeID(rawValue: directory), for: mode, by: request.caller)
                    request.access.hold(handle)
                    return .created(node, handle)
                }
            }
        }
    }

    private mutating func answerWriting() {
        unsafe write = { request, _, bytes, count, offset, info in
            let handle = unsafe HandleID(rawValue: info?.pointee.fh ?? 0)
            let appending = unsafe (info?.pointee.flags ?? 0) & O_APPEND != 0
            unsafe change(request) { request, tree throws(Refusal) in
                guard let offset = UInt64(exactly: offset), let bytes = unsafe bytes else { throw .invalid }
                // SAFETY: libfuse lends the request's bytes until it is answered.
                let lent = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(bytes), byteCount: count)
                try tree.write(lent, to: handle, at: offset, appending: appending, by: request.caller)
                return .written(count)
            }
        }
        unsafe setattr = { request, node, wanted, which, info in
            let handle = unsafe info.map { unsafe HandleID(rawValue: $0.pointee.fh) }
            let size = which & FUSE_SET_ATTR_SIZE == 0 ? nil : unsafe wanted?.pointee.st_size
            unsafe change(request) { request, tree throws(Refusal) in
                let node = NodeID(rawValue: node)
                if let size {
                    guard let count = UInt64(exactly: size) else { throw .invalid }
                    try tree.resize(node, handle: handle, to: count, by: request.caller)
                }
                // Owner, mode and times are not for callers to set; tools that copy them go on.
                return .attributes(try tree.attributes(of: node, handle: handle))
            }
        }
        unsafe flush = { request, _, info in
            let handle = unsafe HandleID(rawValue: info?.pointee.fh ?? 0)
            unsafe change(request) { request, tree throws(Refusal) in
                try tree.flush(handle, by: request.caller)
                return .done
            }
        }
        unsafe release = { request, _, info in
            let handle = unsafe HandleID(rawValue: info?.pointee.fh ?? 0)
            unsafe change(request) { request, tree throws(Refusal) in
                tree.release(handle)
                request.access.closeFile(handle)
                return .done
            }
        }
        unsafe fsync = { request, _, _, info in
            let handle = unsafe HandleID(rawValue: info?.pointee.fh ?? 0)
            unsafe change(request) { request, tree throws(Refusal) in
                try tree.synchronize(handle, by: request.caller)
                return .done
            }
        }
    }

    private mutating func answerNames() {
        unsafe lookup = { request, parent, name in
            unsafe change(request) { request, tree throws(Refusal) in
                try unsafe withName(name) { name throws(Refusal) in
                    .entry(try tree.lookUp(name, in: NodeID(rawValue: parent), by: request.caller))
                }
            }
        }
        unsafe mkdir = { request, directory, name, _ in
            unsafe change(request) { request, tree throws(Refusal) in
                try unsafe withName(name) { name throws(Refusal) in
                    .entry(
                        try tree.makeDirectory(name, in: NodeID(rawValue: directory), by: request.caller))
                }
            }
        }
        unsafe unlink = { request, directory, name in
            unsafe change(request) { request, tree throws(Refusal) in
                try unsafe withName(name) { name throws(Refusal) in
                    try tree.removeFile(name, in: NodeID(rawValue: directory), by: request.caller)
                    return .done
                }
            }
        }
        unsafe rmdir = { request, directory, name in
            unsafe change(request) { request, tree throws(Refusal) in
                try unsafe withName(name) { name throws(Refusal) in
                    try tree.removeDirectory(name, in: NodeID(rawValue: directory), by: request.caller)
                    return .done
                }
            }
        }
        unsafe rename = { request, directory, name, newDirectory, newName, flags in
            unsafe change(request) { request, tree throws(Refusal) in
                // RENAME_NOREPLACE is the only one that means something here (renameat2(2)).
                guard flags & ~1 == 0 else { throw .invalid }
                return try unsafe withName(name) { name throws(Refusal) in
                    try unsafe withName(newName) { newName throws(Refusal) in
                        try tree.rename(
                            name, in: NodeID(rawValue: directory), to: newName,
                            in: NodeID(rawValue: newDirectory), replacing: flags & 1 == 0,
                            by: request.caller)
                        return .done
                    }
                }
            }
        }
    }

    private mutating func refuseSpecialFiles() {
        unsafe mknod = { request, _, _, _, _ in unsafe refuse(unsafe request, .notPermitted) }
        unsafe symlink = { request, _, _, _ in unsafe refuse(unsafe request, .notPermitted) }
        unsafe link = { request, _, _, _ in unsafe refuse(unsafe request, .notPermitted) }
        unsafe setxattr = { request, _, _, _, _, _ in unsafe refuse(unsafe request, .notSupported) }
        unsafe removexattr = { request, _, _ in unsafe refuse(unsafe request, .notSupported) }
        unsafe fallocate = { request, _, _, _, _, _ in unsafe refuse(unsafe request, .notSupported) }
    }
}

/// Answers a request that only a writable tree gets.
private func change(
    _ raw: fuse_req_t?, _ body: (Request, any WritableTree) throws(Refusal) -> Reply
) {
    unsafe answer(raw) { request throws(Refusal) in
        guard let tree = request.access.writable else { throw .readOnly }
        return try body(request, tree)
    }
}

private func refuse(_ raw: fuse_req_t?, _ refusal: Refusal) {
    unsafe answer(raw) { _ throws(Refusal) in throw refusal }
}

extension OpenMode {
    /// - Parameter flags: of open(2).
    init(flags: Int32) {
        self = []
        switch flags & O_ACCMODE {
        case O_RDONLY: insert(.read)
        case O_WRONLY: insert(.write)
        default: formUnion([.read, .write])
        }
        if flags & O_TRUNC != 0 { insert(.truncate) }
        if flags & O_APPEND != 0 { insert(.append) }
        if flags & O_EXCL != 0 { insert(.exclusive) }
    }
}
