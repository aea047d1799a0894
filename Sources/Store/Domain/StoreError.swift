package import Secrets

/// Why the store did not do what it was asked. Nothing was changed.
package enum StoreError: Error, Equatable {
    case algorithmMissing(AlgorithmName)
    case algorithmExists(AlgorithmName)
    case secretMissing(EnvironmentName, AlgorithmName)
    case secretsExist([EnvironmentName], AlgorithmName)
    case dangerousNames([EnvironmentName])
    case tooLong(EnvironmentName, count: Int)
    case needsFileDelivery(EnvironmentName, reason: String)
    /// Every version number was used.
    case versionsExhausted(EnvironmentName)
    /// Other writers were first, again and again.
    case lostRace(String)
    /// A record does not open: changed, moved, or sealed by an unknown key.
    case damaged(record: String)
    case newerFormat(record: String, found: Int)
    case storage(StorageError)
    case memory(SecretMemoryError)
    case sealing(SealError)
    case rootKey(RootKeyError)
    case keyring(KeyringError)
    case exists(path: String)
}
