import Console
import Logging
import Secrets
import Store

/// The store as the admin mount sees it.
struct StoreAdministration: Administration {
    let store: SecretStore
    let trail: any AuditTrail
    let follower: Follower
    let log: Logger
    /// A program that writes a value looks at its secret ten times, and nobody changes anything meanwhile.
    private let secrets = KnownReads<SecretReference, Secret>(atMost: 256)

    init(_ store: SecretStore, _ trail: any AuditTrail, _ follower: Follower, _ log: Logger) {
        self.store = store
        self.trail = trail
        self.follower = follower
        self.log = log
    }

    // MARK: Looking

    func owners() throws(AdministrationError) -> [OwnerName] {
        try asking { () throws(StoreError) in try store.ownerNames() }
    }
    func hasOwner(_ owner: OwnerName) throws(AdministrationError) -> Bool {
        try asking { () throws(StoreError) in try store.hasOwner(owner) }
    }
    func algorithms(of owner: OwnerName) throws(AdministrationError) -> [AlgorithmName] {
        try asking { () throws(StoreError) in try store.algorithmNames(of: owner) }
    }
    func hasAlgorithm(_ name: AlgorithmName) throws(AdministrationError) -> Bool {
        try asking { () throws(StoreError) in try store.hasAlgorithm(name) }
    }
    func callers(of algorithm: AlgorithmName) throws(AdministrationError) -> CallerRule {
        try asking { () throws(StoreError) in try store.algorithm(algorithm).0.callers }
    }
    func secrets(of home: SecretHome) throws(AdministrationError) -> [EnvironmentName] {
        try asking { () throws(StoreError) in try store.secretNames(of: home) }
    }
    func secret(_ secret: SecretReference) throws(AdministrationError) -> SecretFacts {
        do {
            let found = try secrets.value(of: secret, in: store) {
                try store.secret(secret.name, of: secret.home)
            }
            guard let found else { throw StoreError.secretMissing(secret.name, secret.home) }
            return SecretFacts(found)
        } catch let error as StoreError {
            throw AdministrationError(error)
        } catch {
            throw AdministrationError(.unavailable, "\(type(of: error))")
        }
    }
    func moment(_ text: String) throws(AdministrationError) -> Timestamp {
        do { return try Moment.parse(text, of: "the moment") } catch {
            // Without what was given.
            throw AdministrationError(.invalid, "it is not a moment that is understood", remedy: error.hint)
        }
    }

    func callerRule(_ text: String) throws(AdministrationError) -> CallerRule {
        do { return try CallerLines.rule(text) } catch {
            throw AdministrationError(.invalid, error.message, remedy: error.hint)
        }
    }
    func text(_ rule: CallerRule) -> String { CallerLines.text(rule) }

    // MARK: Changing

    /// The one place where a change of an admin mount reaches the store. When it returns, mounts show it.
    func carryOut(_ change: AdministrativeChange, by actor: AuditActor) throws(AdministrationError) {
        do {
            // The kernel names every caller; the largest number stands for one that it cannot express.
            let maker = Actor.user(actor.uid ?? .max)
            try AuditActor.$current.withValue(actor) { try attempt(change, by: maker) }
            waitUntilShown()
        } catch let error as StoreError {
            throw AdministrationError(error)
        } catch let error as AdministrationError {
            throw error
        } catch let failure as Failure {
            // Of a provider that a value was to be written to.
            throw AdministrationError(.unavailable, failure.message, remedy: failure.hint)
        } catch {
            throw AdministrationError(.unavailable, "\(type(of: error))")
        }
    }

    /// Nothing that shows it waits for the thread of an admin mount: notices and ends of mounts are only posted there.
    private func waitUntilShown() {
        guard let revision = store.commits.newest, !follower.show(upTo: revision) else { return }
        log.warning("a change by the admin mount is made, and mounts do not show it yet")
    }

    func recordDenial(of secret: SecretReference, to actor: AuditActor) {
        let event = AuditEvent(.open, .denied, by: actor, home: secret.home, secret: secret.name)
        // It is refused in any case.
        try? trail.record([event])
    }

    func recordDenial(_ what: String, to actor: AuditActor) {
        try? trail.record([AuditEvent(.open, .denied, by: actor, detail: what)])
    }

    private func attempt(_ change: AdministrativeChange, by actor: Actor) throws {
        switch change {
        case .createAlgorithm(let name): try store.createAlgorithm(name)
        case .deleteAlgorithm(let name): try ProviderWriter(store).delete(name, by: actor)
        case .createSecret(let secret, let settings, let value):
            try check(settings.validity)
            let new = NewSecret(
                name: secret.name, displayName: settings.displayName, about: settings.about,
                delivery: settings.delivery, value: value, validity: settings.validity,
                kept: try settings.kept.map(checked) ?? Secret.keptVersions, callers: settings.callers,
                grants: settings.grants)
            try store.createSecrets([new], of: secret.home, by: actor)
        case .replaceValue(let secret, let id, let value):
            var update = SecretUpdate(value: value)
            update.ifSecret = id
            let present = try store.secret(secret.name, of: secret.home)
            _ = try ProviderWriter(store).update(present, of: secret.home, update, by: actor)
        case .changeSetting(let secret, let setting): try attempt(setting, of: secret, by: actor)
        case .replaceCallers(let algorithm, let rule):
            // What somebody writes back as it was read is no change.
            guard try store.algorithm(algorithm).0.callers != rule else { return }
            try store.updateAlgorithm(algorithm) { $0.callers = rule }
        case .deleteSecret(let secret):
            let present = try store.secret(secret.name, of: secret.home)
            try ProviderWriter(store).delete(present, of: secret.home, by: actor)
        }
    }

    private func attempt(
        _ setting: SettingChange, of secret: SecretReference, by actor: Actor
    ) throws {
        var update = SecretUpdate()
        switch setting {
        case .displayName(let name): update.displayName = name
        case .about(let text): update.about = text
        case .delivery(let delivery): update.delivery = delivery
        case .kept(let count): update.kept = try checked(count)
        case .notBefore(let moment):
            let old = try store.secret(secret.name, of: secret.home).validity
            update.validity = try check(Validity(notBefore: moment, expires: old.expires))
        case .expires(let moment):
            let old = try store.secret(secret.name, of: secret.home).validity
            update.validity = try check(Validity(notBefore: old.notBefore, expires: moment))
        case .callers(let rule):
            guard try store.secret(secret.name, of: secret.home).callers != rule else { return }
            try store.updateCallers(ofSecret: secret.name, of: secret.home, by: actor) { $0 = rule }
            return
        case .grants(let grantees):
            guard case .owner(let owner) = secret.home else {
                throw AdministrationError(.notPermitted, "only a secret of an owner is granted")
            }
            guard try store.secret(secret.name, of: secret.home).grants != grantees else { return }
            try store.replaceGrants(of: secret.name, of: owner, by: grantees, by: actor)
            return
        }
        try store.updateSecret(secret.name, of: secret.home, update, by: actor)
    }

    private func checked(_ kept: Int) throws(AdministrationError) -> Int {
        let range = Secret.keptVersionsRange
        guard range.contains(kept) else {
            throw AdministrationError(
                .invalid, "\(range.lowerBound) to \(range.upperBound) versions can be kept")
        }
        return kept
    }

    @discardableResult
    private func check(_ validity: Validity) throws(AdministrationError) -> Validity {
        if let start = validity.notBefore, let end = validity.expires, end <= start {
            throw AdministrationError(
                .invalid, "it would expire (\(end)) before it becomes visible (\(start))",
                remedy: "change one of not_before and expires, or write “never” into it")
        }
        return validity
    }

    private func asking<T>(_ body: () throws(StoreError) -> T) throws(AdministrationError) -> T {
        do { return try body() } catch { throw AdministrationError(error) }
    }
}

extension SecretFacts {
    init(_ secret: Secret) {
        self.init(
            id: secret.id,
            settings: SecretSettings(
                displayName: secret.displayName, about: secret.about, delivery: secret.delivery,
                validity: secret.validity, kept: secret.kept, callers: secret.callers,
                grants: secret.grants),
            provider: secret.provider, created: secret.created, modified: secret.modified,
            versions: secret.versions.map {
                Version(version: $0.version, count: $0.count, created: $0.created, actor: $0.actor)
            })
    }
}

extension AdministrationError {
    init(_ error: StoreError) {
        let failure = Failure(error)
        self.init(Reason(error), failure.message, remedy: failure.hint)
    }
}

extension AdministrationError.Reason {
    init(_ error: StoreError) {
        switch error {
        case .algorithmMissing, .ownerMissing, .secretMissing, .versionMissing, .userMissing, .roleMissing,
            .apiKeyMissing, .nodeMissing, .providerMissing:
            self = .missing
        case .algorithmExists, .secretsExist, .exists, .userExists, .nodeExists, .providerExists:
            self = .exists
        case .dangerousNames, .versionInUse, .isNode, .enrollmentRefused, .externalValue, .internalValue,
            .providerInUse, .providerMoved:
            self = .notPermitted
        case .needsFileDelivery, .grantTooWide, .tooManyGrants, .tooManyUsers, .tooManyRoles,
            .tooManyKeys, .passwordLength, .tooManyAllowed:
            self = .invalid
        case .tooLong: self = .tooLarge
        case .lostRace, .versionMoved: self = .busy
        case .audit(.full): self = .full
        case .audit(.readOnly): self = .readOnly
        case .audit(.busy): self = .busy
        case .audit(.lost), .audit(.unavailable), .audit(.missing), .link: self = .unavailable
        case .sealed, .keysOutdated: self = .sealed
        case .damaged, .unknownKey, .newerFormat, .sealing, .rootKey, .keyring, .versionsExhausted:
            self = .damaged
        case .memory: self = .noMemory
        case .storage(let error): self = Self(error)
        }
    }

    init(_ error: StorageError) {
        switch error {
        case .conflict, .revisionGone, .futureRevision, .busy: self = .busy
        case .full: self = .full
        case .readOnly: self = .readOnly
        case .corrupt, .newerFormat: self = .damaged
        case .missing, .exists, .permission, .unavailable, .cancelled: self = .unavailable
        }
    }
}
