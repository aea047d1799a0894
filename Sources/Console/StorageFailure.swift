package import Store

extension Failure {
    package init(_ error: StorageError) {
        switch error {
        case .conflict(let key): self.init(.retry, "\(key) was changed by somebody else", hint: "try again")
        case .revisionGone, .futureRevision:
            self.init(.retry, "the store changed while it was read", hint: "try again")
        case .missing(let path):
            let folder = path.hasSuffix("/store.db") ? String(path.dropLast(9)) : path
            self.init(
                .notFound, "there is no store in \(folder)",
                hint: "make one: secretfs init, or name it: --state DIR")
        case .exists(let path): self.init(StoreError.exists(path: path))
        case .corrupt(let path, let reason):
            self.init(.damaged, "\(path) is not a usable store: \(reason)", hint: "restore it from a backup")
        case .newerFormat(let path, let found, let known):
            self.init(
                .sealed, "\(path) has format \(found); this program knows \(known)",
                hint: "use the newer secretfs that wrote it")
        case .full(let path):
            self.init(
                .io, "no space is left for \(path); nothing was changed", hint: "free space and try again")
        case .readOnly(let path):
            self.init(.io, "\(path) is on a read-only file system or is write-protected; nothing was changed")
        case .permission(let path):
            self.init(
                .denied, "\(path) may not be opened by this user", hint: "use the user that owns it, or root")
        case .busy(let path):
            self.init(.retry, "\(path) was held by another process for too long", hint: "try again")
        case .unavailable(let path, let reason):
            self.init(.io, "\(path) cannot be used: \(reason)")
        case .cancelled: self.init(.system, "interrupted; nothing was changed")
        }
    }
}

extension Failure {
    init(_ error: KeyringError) {
        let status: ExitStatus =
            switch error {
            case .corrupt, .older, .sealing: .damaged
            case .wrongRootKey, .newerFormat: .sealed
            case .full: .system
            }
        self.init(status, error.description, hint: error.hint)
    }
}
