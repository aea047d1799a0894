import Secrets

/// Where a secret is in Vault's API: `MOUNT/data/PATH` for KV version 2, as `bao kv get -output-curl-string` shows it, and
/// `MOUNT/PATH` for version 1.
struct VaultPath: Sendable {
    /// With everything encoded, without a slash at its ends.
    let data: String
    /// Version 2 only.
    let metadata: String?

    /// What no secrets are mounted at: Vault's own, where tokens and keys are answered.
    private static let reserved: Set<String> = ["auth", "sys", "identity", "cubbyhole"]

    /// - Throws: `.malformed`.
    init(_ reference: ProviderReference, isVersioned: Bool) throws(ProviderFailure) {
        let first = reference.path.split(separator: "/").first.map { $0.lowercased() }
        guard first.map({ !Self.reserved.contains($0) }) ?? false else {
            throw ProviderFailure(
                .malformed, "the reference names no secret: below auth, sys, identity and cubbyhole are none")
        }
        data = try Self.encoded(reference.path, "the reference")
        guard isVersioned else {
            metadata = nil
            return
        }
        var parts = reference.path.split(separator: "/").map(String.init)
        // The first one that stands between two others: a mount's own name may have several parts, and none is called so.
        guard let place = parts.firstIndex(of: "data"), place > 0, place < parts.count - 1 else {
            throw ProviderFailure(
                .malformed,
                "the reference names no secret of KV version 2: MOUNT/data/PATH, for example secret/data/db")
        }
        parts[place] = "metadata"
        metadata = try Self.encoded(parts.joined(separator: "/"), "the reference")
    }

    /// - Throws: if a part is empty, `.` or `..`: it would be another path for whoever stands between.
    static func encoded(_ path: String, _ what: String) throws(ProviderFailure) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else {
            throw ProviderFailure(.malformed, "\(what) has a part that is empty, . or ..")
        }
        return parts.map { encodedPart($0) }.joined(separator: "/")
    }
}
