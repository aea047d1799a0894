internal import Secrets

/// Why there is no root key. The store stays sealed and serves nothing.
package enum RootKeyError: Error, Equatable, Sendable {
    /// There is no such file or credential.
    case missing(path: String)
    /// A new key file would have replaced an existing one.
    case exists(path: String)
    /// The path names a symbolic link, a directory, a device or a pipe.
    case notAFile(path: String)
    /// Others may read or write the file; `mode` is its permission bits, `remedy` the mode it must have.
    case tooOpen(path: String, mode: UInt16, remedy: UInt16)
    /// The file belongs to neither us nor root.
    case foreignOwner(path: String, uid: UInt32)
    /// The file is there and holds something else.
    case notARootKey(path: String)
    /// The file is where somebody else decides what it holds.
    case untrustedPlace(path: String, reason: String)
    /// A newer program wrote this kind of file or descriptor.
    case newerFormat(what: String, found: Int, known: Int)
    /// The kernel refused; `reason` in its words.
    case unreadable(path: String, reason: String)
    case notWritten(path: String, reason: String)
    /// A new key file's folder does not exist.
    case folderMissing(path: String)
    /// The process was not started with credentials.
    case noCredentials
    case badCredentialName(String)
    /// The path is empty, relative, too long or holds a NUL.
    case badPath(String)
    /// A new passphrase has fewer than `minimum` bytes.
    case passphraseTooShort(minimum: Int)
    /// The stored parameters of scrypt are outside what this program will compute.
    case scryptOutOfBounds(ScryptParameters.Bound)
    /// What tells how to open the store is not what any program wrote.
    case descriptorCorrupt
    /// The cryptography beneath.
    case sealing(SealError)
}

extension RootKeyError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing(let path): "there is no root key at \(printable(path))"
        case .exists(let path): "\(printable(path)) exists already"
        case .notAFile(let path): "\(printable(path)) is not an ordinary file"
        case .tooOpen(let path, let mode, _):
            "\(printable(path)) has mode \(octal(mode)): others than its owner may use this root key"
        case .foreignOwner(let path, let uid):
            "\(printable(path)) belongs to uid \(uid), neither to us nor to root"
        case .untrustedPlace(let path, let reason):
            "a root key is not taken from \(printable(path)): \(printable(reason))"
        case .notARootKey(let path): "\(printable(path)) does not hold a root key"
        case .newerFormat(let what, let found, let known):
            "\(printable(what)) has format \(found); this program knows formats up to \(known)"
        case .unreadable(let path, let reason): "\(printable(path)) cannot be read: \(reason)"
        case .notWritten(let path, let reason): "\(printable(path)) cannot be written: \(reason)"
        case .folderMissing(let path): "\(printable(path)) cannot be made: its folder does not exist"
        case .noCredentials: "CREDENTIALS_DIRECTORY is not set: systemd gave this process no credentials"
        case .badCredentialName(let name): "“\(printable(name))” is not the name of a systemd credential"
        case .badPath(let path): "“\(printable(path))” is not an absolute path of at most 4,095 bytes"
        case .passphraseTooShort(let minimum): "the passphrase is shorter than \(minimum) bytes"
        case .scryptOutOfBounds(let bound): "the store asks for scrypt with \(bound)"
        case .descriptorCorrupt: "the description of the store's root key is damaged"
        case .sealing(let error): error.description
        }
    }

    /// What to do about it.
    package var hint: String {
        switch self {
        case .missing: "restore the root key from where it is kept; without it nothing in the store opens"
        case .exists: "move it away first, if it is the key of no store"
        case .notAFile: "name the file itself"
        case .tooOpen(let path, _, let remedy): "chmod \(octal(remedy)) \(printable(path))"
        case .foreignOwner(let path, _): "chown root \(printable(path)), once you know who put it there"
        case .untrustedPlace:
            "keep it in folders that only root or this user can change, or name another: --root-key-file"
        case .notARootKey: "a root key file is one line that starts with \(RootKeyText.prefix)"
        case .newerFormat: "use the secretfs that wrote it, or a newer one"
        case .unreadable, .notWritten: "check the permissions and the file system that holds it"
        case .folderMissing: "make the folder, or name another file"
        case .noCredentials:
            "add LoadCredentialEncrypted= to the unit, or use another source for the root key"
        case .badCredentialName: "use letters, digits, '.', '_' and '-', not starting with '.'"
        case .badPath: "give the whole path, starting with /"
        case .passphraseTooShort: "use several random words"
        case .scryptOutOfBounds, .descriptorCorrupt:
            "restore the store from a backup: the description was changed"
        case .sealing(let error): error.hint
        }
    }

    private func octal(_ mode: UInt16) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
