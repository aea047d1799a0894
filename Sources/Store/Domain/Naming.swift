extension StorageError {
    /// The same error, told of `name` where it was of a file below `folder`: people know the names that they gave.
    func naming(_ folder: String, as name: String) -> StorageError {
        func named(_ path: String) -> String { path.hasPrefix(folder) ? name : path }
        switch self {
        case .missing(let path): return .missing(path: named(path))
        case .exists(let path): return .exists(path: named(path))
        case .corrupt(let path, let reason): return .corrupt(path: named(path), reason: reason)
        case .newerFormat(let path, let found, let known):
            return .newerFormat(path: named(path), found: found, known: known)
        case .full(let path): return .full(path: named(path))
        case .readOnly(let path): return .readOnly(path: named(path))
        case .permission(let path): return .permission(path: named(path))
        case .busy(let path): return .busy(path: named(path))
        case .unavailable(let path, let reason): return .unavailable(path: named(path), reason: reason)
        case .conflict, .revisionGone, .futureRevision, .cancelled: return self
        }
    }
}

extension StoreError {
    /// As of a storage error. A draft without a keyring is a file that is no store.
    func naming(_ folder: String, as name: String) -> StoreError {
        switch self {
        case .storage(.missing(let path)) where path.hasPrefix(folder):
            .storage(.corrupt(path: name, reason: "it holds no keys, as a store does"))
        case .storage(let error): .storage(error.naming(folder, as: name))
        default: self
        }
    }
}
