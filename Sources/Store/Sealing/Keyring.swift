package import Secrets

/// Names a data key within its store: random and never 0, so that keys made after a restore from a backup
/// cannot take the name of a key made before.
package struct KeyID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Eight hexadecimal digits.
    package var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

/// A key that seals records.
package struct DataKey: Sendable {
    package enum State: UInt8, Sendable {
        /// Seals and opens; one key of a keyring.
        case active = 1
        /// Only opens what it sealed before.
        case retired = 2
    }
    package let id: KeyID
    package let state: State
    package let created: Timestamp
    let cipher: XAES256GCM

    func retired() -> DataKey { DataKey(id: id, state: .retired, created: created, cipher: cipher) }
}

extension DataKey: CustomStringConvertible {
    package var description: String { "data key \(id) (\(state)), created \(created)" }
}

/// The data keys of one store. It does not change: a rotation makes another one.
///
/// A data key has no practical limit of use: XAES-256-GCM derives a key of its own for each message and takes
/// random 192-bit nonces. Keys are rotated because one may have leaked, not because one is worn.
///
/// An older keyring that is put back after a rotation lacks the newer key, and records sealed by that are
/// `.unknownKey`: never a value, and no record is lost.
package final class Keyring: Sendable {
    /// At most so many keys; retired ones are removed once nothing is sealed by them.
    package static let maximumCount = 256

    /// 1 for a new keyring, and one more with each change.
    package let generation: UInt32
    /// From the oldest to the active one, which is the last.
    package let keys: [DataKey]
    package let active: DataKey

    /// - Precondition: `active` is active, and no key of `retired` is; ids differ.
    init(generation: UInt32, retired: [DataKey], active: DataKey) {
        self.generation = generation
        self.keys = retired + [active]
        self.active = active
    }

    /// The keyring of a new store: one key, drawn at random.
    package static func create() throws(KeyringError) -> Keyring {
        Keyring(generation: 1, retired: [], active: try newKey(besides: []))
    }

    /// A keyring in which a new key is active and the active one is retired.
    ///
    /// - Throws: `.full`, `.sealing`.
    package func rotated() throws(KeyringError) -> Keyring {
        guard keys.count < Self.maximumCount else { throw .full }
        let key = try Self.newKey(besides: keys)
        return Keyring(generation: try nextGeneration(), retired: keys.map { $0.retired() }, active: key)
    }

    /// A keyring without the retired key `id`. Records that it sealed never open again.
    ///
    /// - Returns: self, if there is no such key or it is the active one.
    package func removing(_ id: KeyID) throws(KeyringError) -> Keyring {
        guard id != active.id, self[id] != nil else { return self }
        let rest = keys.dropLast().filter { $0.id != id }
        return Keyring(generation: try nextGeneration(), retired: rest, active: active)
    }

    package subscript(_ id: KeyID) -> DataKey? {
        if active.id == id { return active }
        return keys.first { $0.id == id }
    }

    private func nextGeneration() throws(KeyringError) -> UInt32 {
        guard generation < .max else { throw .full }
        return generation + 1
    }

    private static func newKey(besides keys: [DataKey]) throws(KeyringError) -> DataKey {
        do throws(SealError) {
            let key = try SecretValue.sealing(capacity: XAES256GCM.keyCount) { span throws(SealError) in
                try span.append(randomBytes: XAES256GCM.keyCount)
            }
            let cipher = try key.withBytes { bytes throws(SealError) in try XAES256GCM(key: bytes) }
            return DataKey(id: try newID(besides: keys), state: .active, created: .now(), cipher: cipher)
        } catch {
            throw .sealing(error)
        }
    }

    private static func newID(besides keys: [DataKey]) throws(SealError) -> KeyID {
        while true {
            let id = KeyID(rawValue: try randomBytes(4).reduce(0) { $0 << 8 | UInt32($1) })
            if id.rawValue != 0, !keys.contains(where: { $0.id == id }) { return id }
        }
    }
}

/// Why a keyring was not opened, changed or sealed. That there is no root key at all is a `RootKeyError`.
package enum KeyringError: Error, Equatable, Sendable {
    /// The bytes are not a keyring, or were changed since they were written.
    case corrupt
    /// The keyring is whole, and another root key sealed it.
    case wrongRootKey
    /// A newer program wrote it.
    case newerFormat(found: Int, known: Int)
    /// Storage has an older keyring than it had before.
    case older(found: UInt32, known: UInt32)
    /// No room for another key, or no further generation.
    case full
    /// The cryptography beneath.
    case sealing(SealError)
}

extension KeyringError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .corrupt: "the keyring is damaged"
        case .wrongRootKey: "this root key is not the one that sealed the store"
        case .newerFormat(let found, let known):
            "the keyring has format \(found); this program knows formats up to \(known)"
        case .older(let found, let known):
            "the keyring is of generation \(found), and generation \(known) was there before"
        case .full: "the keyring has no room for another key"
        case .sealing(let error): error.description
        }
    }

    /// What to do about it.
    package var hint: String {
        switch self {
        case .corrupt: "restore the store from a backup; without its keyring no record opens"
        case .wrongRootKey: "give the root key, or the passphrase, with which this store was made"
        case .newerFormat: "use the secretfs that wrote the store, or a newer one"
        case .older: "somebody put an older keyring back: restore the newest one"
        case .full: "seal all records anew by the active key, then remove retired keys"
        case .sealing(let error): error.hint
        }
    }
}
