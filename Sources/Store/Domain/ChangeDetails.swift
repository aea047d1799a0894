import Secrets

/// What a change of settings changed, in words for the audit log. Names and limits, never values.
extension Secret {
    /// What differs from `old` besides the value; nil for nothing.
    func details(since old: Secret) -> String? {
        var parts: [String] = []
        if displayName != old.displayName { parts.append("name") }
        if about != old.about { parts.append("description") }
        if delivery != old.delivery { parts.append("delivery \(delivery.rawValue)") }
        if kept != old.kept { parts.append("keep \(kept)") }
        if validity.notBefore != old.validity.notBefore {
            parts.append("not before \(validity.notBefore?.description ?? "never")")
        }
        if validity.expires != old.validity.expires {
            parts.append("expires \(validity.expires?.description ?? "never")")
        }
        if callers != old.callers { parts.append(callers.detail) }
        if grants != old.grants {
            parts.append("grants " + grants.map(\.description).joined(separator: ", "))
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}

extension CallerRule {
    /// `callers anyone`, or the whole rule as it is now.
    var detail: String { "callers " + (isAnyone ? "anyone" : items.joined(separator: ", ")) }
}
