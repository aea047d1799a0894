import FoundationEssentials
package import Secrets

/// The external providers of this store. An agent follows these records: a change holds at once.
extension SecretStore {
    /// By name.
    package func providers() throws(StoreError) -> [ExternalProvider] {
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.prefix(Keys.providers)], at: nil)
        }
        var providers: [ExternalProvider] = []
        for record in snapshot.records {
            guard let name = Keys.providerName(record.key) else { throw .damaged(record: record.key.text) }
            providers.append(try foundProvider(name, record).value)
        }
        return providers.sorted { $0.name < $1.name }
    }

    /// - Throws: `.providerMissing`.
    package func provider(_ name: ProviderName) throws(StoreError) -> ExternalProvider {
        try findProvider(name).value
    }

    /// A provider and its settings, as of one moment.
    ///
    /// - Throws: `.providerMissing`.
    package func configuration(
        of name: ProviderName
    ) throws(StoreError) -> (ExternalProvider, ProviderConfiguration) {
        try retrying("provider \(name)") { () throws(StoreError) in
            let found = try findProvider(name)
            let prefix = Keys.settings(of: found.value.id)
            let snapshot = try storing { () throws(StorageError) in
                try storage.read([.key(found.record.key), .prefix(prefix)], at: nil)
            }
            guard snapshot.records.first?.modified == found.record.modified else {
                throw .storage(.conflict(found.record.key))
            }
            var configuration = ProviderConfiguration()
            for record in snapshot.records.dropFirst() {
                let value = try opening(record.key) { sealer throws(SealError) in
                    try sealer.open(record.bytes.span, under: record.key)
                }
                configuration[String(record.key.text.dropFirst(prefix.text.count))] = value
            }
            guard configuration.values.keys.sorted() == found.value.settings else {
                throw .damaged(record: found.record.key.text)
            }
            return (found.value, configuration)
        }
    }

    /// - Throws: `.providerExists`.
    package func checkIsFree(_ name: ProviderName) throws(StoreError) {
        do { _ = try provider(name) } catch .providerMissing { return }
        throw .providerExists(name)
    }

    /// - Precondition: `update.set` has settings of `kind`.
    /// - Throws: `.providerExists`.
    @discardableResult
    package func createProvider(
        _ name: ProviderName, _ kind: ProviderKind, _ update: ProviderUpdate, by actor: Actor = .thisProcess
    ) throws(StoreError) -> ExternalProvider {
        guard name != .internal else { throw .providerExists(name) }
        let now = Timestamp.now()
        var provider = ExternalProvider(
            name: name, id: UUID(), kind: kind, about: .empty, created: now, modified: now,
            interval: ExternalProvider.defaultInterval, maximumAge: ExternalProvider.defaultMaximumAge,
            settings: [])
        let details = provider.apply(update)
        return try retrying("provider \(name)") { () throws(StoreError) in
            let changes = try self.changes(to: provider, update)
            let detail = ([name.text, kind.rawValue] + details).joined(separator: " ")
            do throws(StoreError) {
                try commit(
                    if: [.absent(Keys.provider(name))], then: changes,
                    recording: [
                        AuditEvent(.providerCreate, by: AuditActor(changingAs: actor), detail: detail)
                    ])
            } catch .storage(.conflict(Keys.provider(name))) {
                throw .providerExists(name)
            }
            return provider
        }
    }

    /// - Parameter takesAlong: whether credentials that are there may go to another address: for who could read them anyway.
    /// - Throws: `.providerMissing`, `.providerMoved`.
    @discardableResult
    package func updateProvider(
        _ name: ProviderName, _ update: ProviderUpdate, takesAlong: Bool = false,
        by actor: Actor = .thisProcess
    ) throws(StoreError) -> ExternalProvider {
        try retrying("provider \(name)") { () throws(StoreError) in
            let found = try findProvider(name)
            if !takesAlong { try checkMove(of: found, by: update) }
            var next = found.value
            let details = next.apply(update)
            guard !details.isEmpty else { return next }
            next.modified = .now()
            let detail = ([name.text] + details).joined(separator: " ")
            try commit(
                if: [.unchanged(found.record.key, since: found.record.modified)],
                then: try changes(to: next, update),
                recording: [AuditEvent(.providerUpdate, by: AuditActor(changingAs: actor), detail: detail)])
            return next
        }
    }

    /// - Throws: `.providerMissing`; `.providerInUse` if a secret refers to it, or new ones would.
    package func deleteProvider(_ name: ProviderName, by actor: Actor = .thisProcess) throws(StoreError) {
        try retrying("provider \(name)") { () throws(StoreError) in
            let found = try findProvider(name)
            // Who makes a secret of it puts its record anew: then this is tried again.
            let uses = try uses(of: name)
            guard uses.isEmpty else { throw .providerInUse(name, uses) }
            var changes: [Transaction.Change] = [
                .delete(found.record.key), .deletePrefix(Keys.settings(of: found.value.id)),
            ]
            if try defaultProvider() == name { changes.append(.delete(Keys.defaultProvider)) }
            try commit(
                if: [.unchanged(found.record.key, since: found.record.modified)], then: changes,
                recording: [
                    AuditEvent(.providerDelete, by: AuditActor(changingAs: actor), detail: name.text)
                ])
        }
    }

    // MARK: The default

    /// Where new secrets are made if nothing else is said.
    package func defaultProvider() throws(StoreError) -> ProviderName {
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.key(Keys.defaultProvider)], at: nil)
        }
        guard let record = snapshot.records.first else { return .internal }
        return try decode(record) { bytes throws(RecordFormatError) in
            var reader = try RecordReader(bytes, kind: .defaultProvider)
            guard let name = try? ProviderName(reader.text()) else { throw .malformed }
            try reader.finish()
            return name
        }
    }

    /// - Throws: `.providerMissing`.
    package func setDefaultProvider(
        _ name: ProviderName, by actor: Actor = .thisProcess
    ) throws(StoreError) {
        try retrying("provider \(name)") { () throws(StoreError) in
            var conditions: [Transaction.Condition] = []
            if name != .internal {
                let found = try findProvider(name)
                conditions.append(.unchanged(found.record.key, since: found.record.modified))
            }
            var writer = RecordWriter(kind: .defaultProvider)
            writer.write(name.text)
            var random = RandomBlock()
            let sealed = try seal(metadata: writer.bytes, under: Keys.defaultProvider, &random)
            try commit(
                if: conditions, then: [.put(Keys.defaultProvider, sealed)],
                recording: [
                    AuditEvent(.providerDefault, by: AuditActor(changingAs: actor), detail: name.text)
                ])
        }
    }

    // MARK: Below: shared by the operations

    func findProvider(_ name: ProviderName) throws(StoreError) -> Found<ExternalProvider> {
        let key = Keys.provider(name)
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { throw .providerMissing(name) }
        return try foundProvider(name, record)
    }

    private func foundProvider(
        _ name: ProviderName, _ record: StoredRecord
    ) throws(StoreError) -> Found<ExternalProvider> {
        let provider = try decode(record) { bytes throws(RecordFormatError) in
            try ExternalProvider(name, decoding: bytes)
        }
        return Found(value: provider, record: record)
    }

    private func changes(
        to provider: ExternalProvider, _ update: ProviderUpdate
    ) throws(StoreError) -> [Transaction.Change] {
        var random = RandomBlock()
        let key = Keys.provider(provider.name)
        var changes: [Transaction.Change] = [
            .put(key, try seal(metadata: provider.encoded(), under: key, &random))
        ]
        for name in update.unset { changes.append(.delete(Keys.setting(name, of: provider.id))) }
        for (name, value) in update.set.values {
            let key = Keys.setting(name, of: provider.id)
            changes.append(.put(key, try seal(value, under: key, &random)))
        }
        return changes
    }
}

extension ExternalProvider {
    /// - Returns: what was changed, for the audit log: names of settings, and nothing of what they are.
    fileprivate mutating func apply(_ update: ProviderUpdate) -> [String] {
        var details: [String] = []
        if let about = update.about, about != self.about {
            self.about = about
            details.append("description")
        }
        if let interval = update.interval, interval != self.interval {
            self.interval = interval
            details.append("interval \(interval)s")
        }
        if let age = update.maximumAge, age != maximumAge {
            maximumAge = age
            details.append("maximum-age \(age)s")
        }
        let removed = update.unset.intersection(settings)
        let set = update.set.values.keys
        settings = Set(settings).subtracting(removed).union(set).sorted()
        return details + set.sorted().map { "+\($0)" } + removed.sorted().map { "-\($0)" }
    }
}
