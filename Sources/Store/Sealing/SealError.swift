package import Secrets

/// Why bytes were not sealed or not opened. Never holds any of the bytes.
package enum SealError: Error, Equatable, Sendable {
    /// Too short for a record, or not one.
    case malformed
    /// A newer program wrote the record in this format.
    case newerFormat(Int)
    /// The keyring has no key with this id: the record is newer than the keyring, or not of this store.
    case unknownKey(KeyID)
    /// The record does not authenticate: changed, moved under another key, or sealed by another key of the
    /// same id.
    case damaged
    /// The plaintext has `count` bytes, and there is room for `room` only.
    case doesNotFit(count: Int, room: Int)
    /// The keys were forgotten: the store was sealed while it was in use.
    case sealed
    /// The kernel's random generator gave nothing; nothing was sealed.
    case entropyUnavailable
    /// No locked memory for a key or a value.
    case memory(SecretMemoryError)
    /// This call into OpenSSL failed for a reason that is not the data.
    case library(operation: String)
}

extension SealError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed: "this is not a sealed record"
        case .newerFormat(let found):
            "the record has format \(found); this program knows formats up to \(RecordSealer.format)"
        case .unknownKey(let id): "the keyring has no data key \(id), by which the record is sealed"
        case .damaged: "the record was changed, moved or sealed by another key"
        case .doesNotFit(let count, let room): "the value has \(count) bytes, and room was made for \(room)"
        case .sealed: "the store was sealed, and its keys are no longer here"
        case .entropyUnavailable: "the kernel gave no random bytes"
        case .memory(.lockLimit(let limit)): "no more memory may be locked: RLIMIT_MEMLOCK is \(limit) bytes"
        case .memory(.exhausted): "the kernel has no memory"
        case .library(let operation): "OpenSSL: \(operation) did not succeed"
        }
    }

    /// What to do about it.
    package var hint: String {
        switch self {
        case .malformed, .damaged: "restore the store from a backup; `secretfs doctor` lists what is damaged"
        case .newerFormat: "use the secretfs that wrote the store, or a newer one"
        case .unknownKey: "restore the keyring that belongs to this store: an older one was put in its place"
        case .doesNotFit: "restore the store from a backup: the record is not the one its entry describes"
        case .sealed: "give the agent its keys again: secretfs unseal"
        case .entropyUnavailable: "check getrandom(2): a seccomp filter may forbid it"
        case .memory(.lockLimit): "raise the limit: `ulimit -l`, or LimitMEMLOCK= in the unit"
        case .memory(.exhausted): "free memory, or raise the limit of the service's cgroup"
        case .library: "check the installation of libcrypto: `openssl version -a`"
        }
    }
}
