package import Secrets

/// What is there, by name alone: nothing is opened.
extension SecretStore {
    /// The owners that have an algorithm, in order.
    package func ownerNames() throws(StoreError) -> [OwnerName] {
        let owners = Set(try algorithmNames(under: Keys.algorithms).map(\.owner))
        return owners.compactMap { try? OwnerName($0) }.sorted()
    }

    package func hasOwner(_ owner: OwnerName) throws(StoreError) -> Bool {
        try storing { () throws(StorageError) in try storage.count(of: Keys.algorithms(of: owner)) } > 0
    }

    /// In order.
    package func algorithmNames(of owner: OwnerName) throws(StoreError) -> [AlgorithmName] {
        try algorithmNames(under: Keys.algorithms(of: owner)).sorted()
    }

    package func hasAlgorithm(_ name: AlgorithmName) throws(StoreError) -> Bool {
        try !keys([.key(Keys.algorithm(name))]).isEmpty
    }

    /// In order.
    ///
    /// - Throws: `.algorithmMissing`, `.ownerMissing`.
    package func secretNames(of home: SecretHome) throws(StoreError) -> [EnvironmentName] {
        switch home {
        case .algorithm(let name): if try !hasAlgorithm(name) { throw .algorithmMissing(name) }
        case .owner(let owner): if try !hasOwner(owner) { throw .ownerMissing(owner) }
        }
        var names: [EnvironmentName] = []
        for key in try keys([.prefix(Keys.secrets(of: home))]) {
            guard let name = Keys.secretName(key, of: home) else { throw .damaged(record: key.text) }
            names.append(name)
        }
        return names.sorted()
    }

    /// How many secrets `home` has; none where there is no such home.
    package func secretCount(of home: SecretHome) throws(StoreError) -> Int {
        try storing { () throws(StorageError) in try storage.count(of: Keys.secrets(of: home)) }
    }

    private func algorithmNames(under prefix: RecordKey) throws(StoreError) -> [AlgorithmName] {
        var names: [AlgorithmName] = []
        for key in try keys([.prefix(prefix)]) {
            guard let name = Keys.algorithmName(key) else { throw .damaged(record: key.text) }
            names.append(name)
        }
        return names
    }

    private func keys(_ selections: [Selection]) throws(StoreError) -> [RecordKey] {
        try storing { () throws(StorageError) in try storage.read(selections, at: nil).records.map(\.key) }
    }
}
