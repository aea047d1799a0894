internal import CLinux
internal import Glibc
internal import Secrets

/// Puts a new root key in the place of the one in a file. File and store cannot change in one step, so the new key
/// waits beside the old one, in `FILE.next`, while the store changes:
///
/// 1. `prepare`: the new key is in `FILE.next`, durably. Killed after this, the store opens with `FILE`.
/// 2. The keyring, sealed by the new key, is committed, durably. Killed after this, the store opens with `FILE.next`.
/// 3. `finish`: `FILE.next` becomes `FILE`, in one step.
///
/// So at every moment one of the two files has the key, and whoever opens the store tries both. Who finds that it was
/// `FILE.next` does step 3. Nobody may take steps while another does: callers hold the lock of the state folder, and
/// look at the store under it.
package struct RootKeyReplacement: Sendable {
    package let file: RootKeyFile
    package let next: RootKeyFile

    /// - Throws: `.badPath` where the path is too long.
    package init(of file: RootKeyFile) throws(RootKeyError) {
        self.file = file
        next = try RootKeyFile(file.path + ".next")
    }

    /// - Precondition: `FILE` opens the store, so that a `FILE.next` that is there opens nothing.
    package func prepare(_ key: borrowing RootKey) throws(RootKeyError) {
        var old = stat()
        guard unsafe lstat(file.path, &old) == 0 else { throw .missing(path: file.path) }
        guard unsafe unlink(next.path) == 0 || errno == ENOENT else { throw next.notWritten() }
        // Root may do this for the user whose agent reads the key.
        let isMine = old.st_uid == geteuid() && old.st_gid == getegid()
        try next.create(key, for: isMine ? nil : (old.st_uid, old.st_gid))
    }

    /// The store was not changed.
    package func discard() { unsafe unlink(next.path) }

    /// - Precondition: `FILE.next` opens the store.
    package func finish() throws(RootKeyError) {
        guard unsafe rename(next.path, file.path) == 0 else { throw file.notWritten() }
        try file.syncDirectory()
    }
}
