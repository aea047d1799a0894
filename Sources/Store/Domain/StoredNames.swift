package import Secrets

/// The names in a store, which are readable without the root key, for completing what somebody types. Made for a
/// glance: opens nothing that is sealed, waits for nobody, changes nothing.
package struct StoredNames: Sendable {
    /// Nobody reads more than so many.
    private static let limit = 1000
    /// Keys that are looked at for owners.
    private static let ownerLimit = 5000
    private let storage: any Storage

    /// - Throws: `.storage`, where the store is missing or not this user's.
    package init(at directory: String) throws(StoreError) {
        do { storage = try SQLiteStorage.glance(at: directory) } catch { throw .storage(error) }
    }

    /// `OWNER/NAME`, in order.
    package func algorithms(startingWith text: String) -> [String] {
        keys(Keys.algorithms, text, Self.limit).map { String($0.text.dropFirst(Keys.algorithms.text.count)) }
    }

    /// Owners of algorithms or of secrets, in order.
    package func owners(startingWith text: String) -> [String] {
        let owners = [Keys.algorithms, Keys.shared].flatMap { prefix in
            keys(prefix, text, Self.ownerLimit).compactMap { key in
                key.text.dropFirst(prefix.text.count).split(separator: "/").first.map(String.init)
            }
        }
        return Set(owners).sorted()
    }

    /// The variables of `home`, in order.
    package func secrets(of home: SecretHome, startingWith text: String) -> [String] {
        let prefix = Keys.secrets(of: home)
        return keys(prefix, text, Self.limit).map { String($0.text.dropFirst(prefix.text.count)) }
    }

    /// Users of the API, in order.
    package func users(startingWith text: String) -> [String] {
        keys(Keys.users, text, Self.limit).map { String($0.text.dropFirst(Keys.users.text.count)) }
    }

    package func nodes(startingWith text: String) -> [String] {
        keys(Keys.nodes, text, Self.limit).map { String($0.text.dropFirst(Keys.nodes.text.count)) }
    }

    package func providers(startingWith text: String) -> [String] {
        keys(Keys.providers, text, Self.limit).map { String($0.text.dropFirst(Keys.providers.text.count)) }
    }

    /// IDs of API keys, in order.
    package func apiKeys(startingWith text: String) -> [String] {
        keys(Keys.apiKeys, text, Self.limit).map { String($0.text.dropFirst(Keys.apiKeys.text.count)) }
    }

    private func keys(_ prefix: RecordKey, _ text: String, _ limit: Int) -> [RecordKey] {
        guard prefix.text.utf8.count + text.utf8.count <= RecordKey.maximumCount else { return [] }
        return (try? storage.keys(of: RecordKey(prefix.text + text), limit: limit)) ?? []
    }
}
