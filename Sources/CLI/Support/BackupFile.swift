import CLinux
import Console
import FoundationEssentials
import Glibc
import Secrets
import Store

/// Where a backup is going to be.
struct BackupTarget {
    /// Absolute.
    let path: String
    let folder: String

    /// - Throws: whatever speaks against it before any work is done.
    init(_ given: String, of state: StateDirectory, replacing: Bool) throws(Failure) {
        guard !given.isEmpty, !given.utf8.contains(0), !given.hasSuffix("/") else {
            throw Failure(.usage, "the backup needs the name of a file")
        }
        path = absolute(given)
        let end = path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? path.startIndex
        folder = end == path.startIndex ? "/" : String(path[..<end])
        try checkFolder(state)
        try checkFile(replacing)
    }

    private func checkFolder(_ state: StateDirectory) throws(Failure) {
        guard let found = Files.target(folder), found.st_mode & S_IFMT == S_IFDIR else {
            throw Failure(
                .notFound, "there is no folder \(printable(folder))", hint: "make it, or choose another")
        }
        guard let own = Files.target(state.path) else { return }
        guard own.st_ino != found.st_ino || own.st_dev != found.st_dev else {
            throw Failure(
                .badInput, "a backup in the store's own folder is lost with it", hint: "choose another folder"
            )
        }
    }

    private func checkFile(_ replacing: Bool) throws(Failure) {
        for companion in ["-wal", "-shm", "-journal"] where Files.status(path + companion) != nil {
            throw Failure(
                .badInput, "\(printable(path)) is a database in use: \(printable(path + companion)) exists",
                hint: "choose another name")
        }
        guard let found = Files.status(path) else { return }
        guard found.st_mode & S_IFMT == S_IFREG else {
            throw Failure(
                .badInput, "\(printable(path)) is there and is not a plain file", hint: "choose another name")
        }
        guard replacing else { throw exists }
    }

    var exists: Failure {
        Failure(.exists, "\(printable(path)) exists", hint: "choose another name, or replace it: --force")
    }

    /// For a backup that goes to standard output. It is sealed, and may be too large for memory (tmpfs).
    static var temporaryFolder: String {
        let given = ProcessInfo.processInfo.environment["TMPDIR"] ?? ""
        return given.isEmpty ? "/var/tmp" : absolute(given)
    }
}

/// A backup to read.
struct BackupSource {
    /// What messages call it.
    let name: String
    let descriptor: OwnedDescriptor

    init(_ given: String) throws(Failure) {
        guard given != "-" else {
            guard isatty(STDIN_FILENO) == 0 else {
                throw Failure(.usage, "a backup does not come from a terminal", hint: "name its file")
            }
            (name, descriptor) = ("standard input", OwnedDescriptor(dup(STDIN_FILENO)))
            return
        }
        name = given
        // Its newest commits may be in its log only.
        guard Files.status(given + "-wal") == nil else {
            throw Failure(
                .badInput, "\(printable(given)) is a store in use, not a backup",
                hint: "make a backup of it: secretfs backup FILE --state DIR")
        }
        // Without O_NONBLOCK, a pipe in the file's place would hold us for ever.
        descriptor = OwnedDescriptor(Files.open(given, O_RDONLY | O_NONBLOCK | O_NOCTTY))
        guard descriptor.raw >= 0 else {
            let status: ExitStatus = errno == ENOENT || errno == ENOTDIR ? .notFound : .io
            throw Failure(status, "\(printable(given)) cannot be read: \(errnoText())")
        }
        var found = stat()
        guard unsafe fstat(descriptor.raw, &found) == 0, found.st_mode & S_IFMT == S_IFREG else {
            throw Failure(.badInput, "\(printable(given)) is not a plain file", hint: "- is standard input")
        }
    }
}

/// What a backup holds, by its readable keys.
struct Contents: CustomStringConvertible {
    private let algorithms: Int
    private let secrets: Int

    init(_ store: SealedStore) throws(StoreError) { (algorithms, secrets) = try store.counts() }

    var description: String { "\(algorithms) algorithm(s) and \(secrets) secret(s)" }
}

/// Opens all of a backup, as far as that can be done here and now.
struct Inspection {
    enum Finding {
        case opened
        case skipped
        /// The root key is not at hand, or is another store's.
        case noKey(Failure)
    }
    let state: StateOptions
    let skipsRecords: Bool
    /// Called with the root key once every record has opened.
    let record: (borrowing RootKey) throws -> Void

    /// - Throws: `.damaged` for a backup that would be of no use; a key that was named and is wrong.
    func inspect(_ draft: StoreDraft, _ work: LongWork) throws -> Finding {
        do {
            try draft.check()
            return skipsRecords ? .skipped : try openRecords(draft, work)
        } catch let error as StoreError {
            throw Self.failure(error)
        }
    }

    /// What damage means for a backup.
    static func failure(_ error: StoreError) -> Failure {
        switch error {
        case .damaged(let record):
            Failure(
                .damaged, "the record \(printable(record)) is damaged or was put there by somebody else",
                hint: "look for an older backup; or take this as it is: --sealed")
        case .storage(.corrupt(let path, let reason)):
            Failure(
                .damaged, "\(printable(path)) is not a usable backup: \(reason)",
                hint: "look for another one; nothing was changed")
        default: Failure(error)
        }
    }

    private func openRecords(_ draft: StoreDraft, _ work: LongWork) throws -> Finding {
        let isNamed = state.rootKeyFile != nil || state.passphraseFile != nil
        do {
            let root = try state.rootKey(of: draft.sealed)
            try draft.openRecords(with: root, onProgress: work.advanced("opening records"))
            try record(root)
            return .opened
        } catch let error as RootKeyError where !isNamed {
            return .noKey(Failure(error))
        } catch StoreError.keyring(.wrongRootKey) where !isNamed {
            return .noKey(Failure(StoreError.keyring(.wrongRootKey)))
        } catch let failure as Failure where !isNamed && failure.status == .sealed {
            return .noKey(failure)
        }
    }
}
