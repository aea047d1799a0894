package import Fuse
package import Secrets
package import Store

/// What a command exits with. An interface: never renumbered (docs/CLI.md). The numbers are those of
/// sysexits.h where it has a fitting one.
package enum ExitStatus: Int32, CaseIterable {
    /// The command line is wrong.
    case usage = 64
    /// A name, a value or a file's content is not what is allowed.
    case badInput = 65
    /// The store, algorithm, secret, file or mount does not exist.
    case notFound = 66
    /// Something that is needed is not there: /dev/fuse, fusermount3, the agent.
    case unavailable = 69
    /// Stored data is damaged, or a fault of ours.
    case damaged = 70
    /// The operating system refused: out of memory, descriptors, processes.
    case system = 71
    /// What should be made exists.
    case exists = 73
    /// Reading or writing failed; the disk is full or read-only.
    case io = 74
    /// Busy or overtaken; the same command may succeed later.
    case retry = 75
    /// Not permitted.
    case denied = 77
    /// The store cannot be opened: no key, a wrong key, a newer format.
    case sealed = 78
}

/// Ends a command: the fact, what to do next, and the exit status.
package struct Failure: Error {
    package let status: ExitStatus
    package let message: String
    package let hint: String?

    package init(_ status: ExitStatus, _ message: String, hint: String? = nil) {
        self.status = status
        self.message = message
        self.hint = hint
    }
}

extension Failure {
    /// What any error has to tell.
    package init(any error: any Error) {
        self = Failure(ours: error) ?? Failure(.system, "\(type(of: error))")
    }

    /// An error that our own code throws; nil for others.
    package init?(ours error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as StoreError: self.init(error)
        case let error as NameError: self.init(error)
        case let error as SecretMemoryError: self.init(error)
        case let error as RootKeyError: self.init(error)
        case let error as AuditError: self.init(error)
        case let error as MountError: self.init(error)
        case let error as UnmountError: self.init(error)
        default: return nil
        }
    }

    package init(_ error: RootKeyError) {
        switch error {
        case .passphraseTooShort, .badPath, .badCredentialName:
            self.init(.badInput, error.description, hint: error.hint)
        case .exists: self.init(.exists, error.description, hint: error.hint)
        case .folderMissing: self.init(.notFound, error.description, hint: error.hint)
        case .notWritten: self.init(.io, error.description, hint: error.hint)
        default: self.init(.sealed, error.description, hint: error.hint)
        }
    }

    package init(_ error: MountError) {
        let status: ExitStatus =
            switch error {
            case .deviceMissing, .deviceForeign, .helperRefused: .unavailable
            case .deviceNotPermitted, .pointNotReadable, .pointNotPermitted, .notPermitted: .denied
            case .pointMissing: .notFound
            case .pointNotDirectory, .pointNotEmpty, .insideOurs: .badInput
            case .alreadyMounted: .exists
            case .system: .system
            }
        self.init(status, error.description, hint: error.hint)
    }

    package init(_ error: UnmountError) {
        let status: ExitStatus =
            switch error {
            case .notMounted: .notFound
            case .busy: .retry
            case .notPermitted: .denied
            case .helperRefused: .unavailable
            case .system: .system
            }
        self.init(status, error.description, hint: error.hint)
    }

    package init(_ error: NameError) { self.init(.badInput, error.description) }

    package init(_ error: SecretMemoryError) {
        switch error {
        case .lockLimit(let limit):
            self.init(
                .system, "no memory can be locked for the value: the limit is \(limit) bytes",
                hint: "raise it: ulimit -l, or LimitMEMLOCK= of the service")
        case .exhausted:
            self.init(.system, "the system is out of memory")
        }
    }

    package init(_ error: StoreError) {
        switch error {
        case .algorithmMissing(let name):
            self.init(
                .notFound, "there is no algorithm \(name)",
                hint: "create it: secretfs algorithm create \(name)")
        case .algorithmExists(let name):
            self.init(.exists, "algorithm \(name) exists")
        case .ownerMissing(let owner):
            self.init(
                .notFound, "there is no algorithm of owner \(owner)",
                hint: "create one: secretfs algorithm create \(owner)/NAME")
        case .secretMissing(let secret, let home):
            self.init(
                .notFound, "\(home) has no secret \(secret)", hint: "see secretfs secret list \(home)")
        case .secretsExist(let secrets, let home):
            let names = secrets.prefix(5).map(\.text).joined(separator: ", ")
            let more = secrets.count > 5 ? " and \(secrets.count - 5) more" : ""
            self.init(
                .exists, "\(home) already has \(names)\(more)",
                hint: "replace a value: secretfs secret update \(home) \(secrets[0]); on import: --update")
        case .dangerousNames(let names):
            let list = names.map(\.text).joined(separator: ", ")
            self.init(
                .badInput, "\(list): such a variable can make a program run other code",
                hint:
                    "choose another name, or insist: \(names.map { "--allow-name \($0)" }.joined(separator: " "))"
            )
        case .tooLong(let name, let count):
            self.init(
                .badInput,
                "the value of \(name) has \(count) bytes; at most \(SecretValue.maximumCount) are allowed")
        case .needsFileDelivery(let name, let reason):
            self.init(
                .badInput, "\(name) cannot be an environment variable: \(reason)",
                hint: "deliver it as a file only: --delivery file")
        case .versionsExhausted(let name):
            self.init(.damaged, "\(name) has used every version number", hint: "delete and create it again")
        case .versionMoved(let secret, let home, let expected, let found):
            self.init(
                .retry, "\(secret) of \(home) is at version \(found), not \(expected); nothing was changed",
                hint: "look at what changed: secretfs secret history \(home) \(secret)")
        case .versionMissing(let secret, let home, let version):
            self.init(
                .notFound, "\(secret) of \(home) has no version \(version), or no longer",
                hint: "see secretfs secret history \(home) \(secret)")
        case .versionInUse(let secret, let home, let version):
            self.init(
                .badInput, "version \(version) of \(secret) of \(home) is the newest: mounts show it",
                hint: "give it a new value first, or delete the secret")
        case .grantTooWide(let grantee, let owner):
            self.init(
                .badInput, "a secret of \(owner) cannot be granted to \(grantee): that is another owner",
                hint: "name each algorithm of another owner in full: --to OWNER/NAME")
        case .tooManyGrants(let secret, let owner):
            self.init(
                .badInput,
                "\(secret) of \(owner) would have more than \(Secret.maximumGrants) grants",
                hint: "grant it to all algorithms of the owner: --to '\(owner)/*'")
        case .tooManyUsers:
            self.init(
                .badInput, "more than \(UserList.maximumCount) users would be listed",
                hint: "remove some, or let them use one account")
        case .userMissing(let name):
            self.init(.notFound, "there is no user \(name)", hint: "see secretfs user list")
        case .userExists(let name):
            self.init(
                .exists, "there is a user \(name)", hint: "change it: secretfs user update, or user password")
        case .roleMissing(let name, let role):
            self.init(
                .notFound, "\(name) does not have the role \(role)", hint: "see secretfs user show \(name)")
        case .tooManyRoles(let name):
            self.init(
                .badInput, "\(name) would have more than \(User.maximumRoles) roles",
                hint: "owner:OWNER stands for all algorithms of an owner")
        case .apiKeyMissing(let id):
            self.init(.notFound, "there is no API key \(id)", hint: "see secretfs api-key list")
        case .tooManyKeys(let name):
            self.init(
                .badInput, "\(name) has \(User.maximumKeys) API keys, the most that a user may have",
                hint: "revoke one: secretfs api-key list \(name)")
        case .providerMissing(let name):
            self.init(.notFound, "there is no provider \(name)", hint: "see secretfs provider list")
        case .providerExists(let name):
            self.init(
                .exists, "there is a provider \(name)", hint: "change it: secretfs provider update \(name)")
        case .providerInUse(let name, let uses):
            let list = uses.map { "\($0.secret) of \($0.home)" }.joined(separator: ", ")
            self.init(
                .badInput, "secrets refer to the provider \(name): \(list)",
                hint: "let them refer to something else, or delete them: secretfs secret delete")
        case .providerMoved(let move): self.init(move)
        case .externalValue(let secret, let origin):
            self.init(
                .badInput, "the value of \(secret) is kept by the provider \(origin.provider)",
                hint: "change it there; or name another one: secretfs secret refer")
        case .internalValue(let secret, let home):
            self.init(
                .badInput, "the value of \(secret) of \(home) is in this store, not at a provider",
                hint: "delete the secret, and create it with --provider and --from")
        case .nodeMissing(let name):
            self.init(.notFound, "there is no node \(name)", hint: "see secretfs node list")
        case .nodeExists(let name):
            self.init(
                .exists, "there is a node \(name)",
                hint: "enroll under another name, or delete it first: secretfs node delete \(name)")
        case .tooManyAllowed(let name):
            self.init(
                .badInput, "\(name) would be allowed more than \(Node.maximumAllowed) times",
                hint: "OWNER/* stands for all algorithms of an owner")
        case .enrollmentRefused:
            self.init(
                .denied, "the token is not valid: it was used, its time is over, or it is another server's",
                hint: "make a new one on the server: secretfs node token create NAME --allow OWNER/NAME")
        case .link(let fault):
            self.init(fault.kind == .denied ? .denied : .unavailable, fault.message, hint: fault.hint)
        case .isNode(let server):
            self.init(
                .badInput, "this is the state folder of a node, whose secrets are kept by \(server)",
                hint: "change them there")
        case .passwordLength:
            let range = Password.newRange
            self.init(
                .badInput, "a password has \(range.lowerBound) to \(range.upperBound) bytes",
                hint: "nothing else is asked of it: length is what counts")
        case .lostRace(let what):
            self.init(
                .retry, "\(what): other commands kept changing it; nothing was changed", hint: "try again")
        case .damaged(let record):
            self.init(
                .damaged, "the record \(printable(record)) is damaged or was put there by somebody else",
                hint: "restore the store from a backup; no value was released")
        case .unknownKey(let record, let id):
            self.init(
                .damaged,
                "the record \(printable(record)) is sealed by data key \(id), which the keyring does not have",
                hint: "an older keyring was put in the store: restore the one that belongs to it")
        case .keysOutdated:
            self.init(
                .retry, "another command has changed the keys of the store; nothing was changed",
                hint: "try again; an agent that goes on saying so: secretfs unseal")
        case .sealed:
            self.init(.sealed, SealError.sealed.description, hint: SealError.sealed.hint)
        case .newerFormat(let record, let found):
            self.init(
                .sealed,
                "the record \(printable(record)) has format \(found), which this program does not know",
                hint: "use the newer secretfs that wrote it")
        case .exists(let path):
            self.init(.exists, "there is a store in \(path)", hint: "use it, or choose another --state")
        case .storage(let error): self.init(error)
        case .audit(let error): self.init(error)
        case .memory(let error): self.init(error)
        case .sealing(let error): self.init(.damaged, error.description, hint: error.hint)
        case .rootKey(let error): self.init(error)
        case .keyring(let error): self.init(error)
        }
    }
}
