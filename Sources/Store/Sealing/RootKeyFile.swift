internal import CLinux
internal import Glibc
internal import Secrets

/// A root key in a file of its own, mode 0400; `RootKeyText` is its content.
package struct RootKeyFile: Sendable {
    package let path: String

    /// - Throws: `.badPath` unless `path` is absolute: the store is opened from other directories later.
    package init(_ path: String) throws(RootKeyError) {
        guard path.utf8.first == UInt8(ascii: "/"), path.utf8.count < Int(PATH_MAX), !path.utf8.contains(0)
        else {
            throw .badPath(path)
        }
        self.path = path
    }

    /// Writes `key` to a new file, durably: it survives power loss once this returns.
    ///
    /// - Throws: `.exists`, `.folderMissing`; `.notWritten`, and then no file is left.
    package func create(_ key: borrowing RootKey) throws(RootKeyError) { try create(key, for: nil) }

    /// - Parameter owner: whose it is to be; nil: whoever makes it.
    func create(_ key: borrowing RootKey, for owner: (uid: uid_t, gid: gid_t)?) throws(RootKeyError) {
        let text: SecretValue
        do {
            text = try .sealing(capacity: RootKeyText.count) { span throws(SealError) in
                RootKeyText.write(key, to: &span)
            }
        } catch { throw .sealing(error) }
        // Not one that `read` would refuse afterwards.
        try checkPlace()
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let descriptor = unsafe open(path, flags, 0o400)
        guard descriptor >= 0 else { throw errno == EEXIST ? .exists(path: path) : notWritten() }
        do throws(RootKeyError) {
            defer { close(descriptor) }
            // The mode above is narrowed by the umask, and could leave even the owner without access.
            guard fchmod(descriptor, 0o400) == 0 else { throw notWritten() }
            if let owner, fchown(descriptor, owner.uid, owner.gid) != 0 { throw notWritten() }
            try write(text, to: descriptor)
            guard fsync(descriptor) == 0 else { throw notWritten() }
            try syncDirectory()
        } catch {
            unsafe unlink(path)
            throw error
        }
    }

    /// - Throws: `.missing`, `.notAFile`, `.tooOpen`, `.foreignOwner`, `.notARootKey`, `.newerFormat`,
    ///   `.unreadable`, `.sealing`.
    package func read() throws(RootKeyError) -> RootKey {
        let text = try KeyMaterialFile(path: path, forbidden: 0o077, remedy: 0o400).read()
        return RootKey(
            try text.withBytes { text throws(RootKeyError) in try RootKeyText.parse(text, of: path) })
    }

    private func write(_ text: SecretValue, to descriptor: Int32) throws(RootKeyError) {
        try text.withBytes { text throws(RootKeyError) in
            var offset = 0
            while offset < text.byteCount {
                let rest = text.extracting(offset..<text.byteCount)
                let written = unsafe rest.withUnsafeBytes {
                    unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
                }
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw notWritten() }
                offset += written
            }
        }
    }

    private var directory: String {
        let end = path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? path.startIndex
        return end == path.startIndex ? "/" : String(path[..<end])
    }

    private func checkPlace() throws(RootKeyError) {
        let descriptor = unsafe open(directory, Int32(linux_path_only) | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw errno == ENOENT ? .folderMissing(path: path) : notWritten() }
        defer { close(descriptor) }
        try KeyPlace(path: path).check(descriptor)
    }

    /// Makes the file's name durable.
    func syncDirectory() throws(RootKeyError) {
        let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw notWritten() }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw notWritten() }
    }

    func notWritten() -> RootKeyError { .notWritten(path: path, reason: reason(of: errno)) }
}

/// A root key that systemd hands to a unit: `$CREDENTIALS_DIRECTORY/NAME`, as text like a key file or as 32 raw
/// bytes.
package struct RootKeyCredential: Sendable {
    package static let maximumNameCount = 255
    package let name: String

    /// - Throws: `.badCredentialName` for anything but letters, digits, `.`, `_` and `-`, or if the first is `.`.
    package init(_ name: String) throws(RootKeyError) {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isPlain, (1...Self.maximumNameCount).contains(name.utf8.count),
            name.utf8.first != UInt8(ascii: ".")
        else { throw .badCredentialName(name) }
        self.name = name
    }

    /// - Parameter directory: the value of `CREDENTIALS_DIRECTORY`, nil if it is not set.
    /// - Throws: `.noCredentials`, `.badPath`, and as `RootKeyFile.read()`.
    package func read(in directory: String?) throws(RootKeyError) -> RootKey {
        guard let directory, !directory.isEmpty else { throw .noCredentials }
        let file = try RootKeyFile("\(directory)/\(name)")
        // systemd keeps credentials on a file system of their own (ramfs), owned by root and read-only; for a
        // unit with User= it adds an ACL, whose mask shows as the group's permission to read.
        let text = try KeyMaterialFile(path: file.path, forbidden: 0o037, remedy: 0o440).read()
        // Raw bytes: no text form has this length.
        guard text.count != RootKey.byteCount else { return RootKey(text) }
        return RootKey(
            try text.withBytes { text throws(RootKeyError) in try RootKeyText.parse(text, of: file.path) })
    }
}

/// Reads a small file, once it is known that nobody else could have written or read it.
private struct KeyMaterialFile {
    let path: String
    /// Permission bits that must not be there.
    let forbidden: UInt16
    /// The mode to recommend.
    let remedy: UInt16

    func read() throws(RootKeyError) -> SecretValue {
        // The store names this file, and the store may be hostile: opening a device can start what it drives.
        let handle = unsafe open(path, Int32(linux_path_only) | O_NOFOLLOW | O_CLOEXEC)
        guard handle >= 0 else {
            switch errno {
            case ENOENT, ENOTDIR: throw .missing(path: path)
            case ELOOP: throw .notAFile(path: path)
            default: throw unreadable()
            }
        }
        defer { close(handle) }
        try check(handle)
        let descriptor = unsafe open("/proc/self/fd/\(handle)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable() }
        defer { close(descriptor) }
        return try contents(descriptor)
    }

    /// Of the open file, not of its name, which may mean another file by now.
    private func check(_ descriptor: Int32) throws(RootKeyError) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw unreadable() }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw .foreignOwner(path: path, uid: status.st_uid)
        }
        let mode = UInt16(truncatingIfNeeded: status.st_mode & 0o7777)
        guard mode & forbidden == 0 else { throw .tooOpen(path: path, mode: mode, remedy: remedy) }
        try KeyPlace(path: path).check(descriptor)
    }

    private func contents(_ descriptor: Int32) throws(RootKeyError) -> SecretValue {
        var failure: Int32 = 0
        let text: SecretValue
        do {
            text = try .sealing(capacity: RootKeyText.maximumCount + 1) { span throws(SealError) in
                unsafe span.withUnsafeMutableBytes { buffer, count in
                    while count < buffer.count {
                        let got = unsafe Glibc.read(
                            descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
                        if got < 0, errno == EINTR { continue }
                        if got < 0 { failure = errno }
                        guard got > 0 else { return }
                        count += got
                    }
                }
            }
        } catch { throw .sealing(error) }
        guard failure == 0 else { throw .unreadable(path: path, reason: reason(of: failure)) }
        guard text.count <= RootKeyText.maximumCount else { throw .notARootKey(path: path) }
        return text
    }

    private func unreadable() -> RootKeyError { .unreadable(path: path, reason: reason(of: errno)) }
}

/// The system's words for `code`.
private func reason(of code: Int32) -> String {
    // Safe on every thread since glibc 2.32.
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
}
