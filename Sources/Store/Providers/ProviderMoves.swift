package import Secrets

/// A change of a provider's address that would send credentials of others there.
package struct ProviderMove: Equatable, Sendable {
    package let provider: ProviderName
    /// The setting that would be changed.
    package let setting: String
    /// Which would go there; empty: what proves who the machine is.
    package let credentials: [String]
}

extension SecretStore {
    /// Credentials go where whoever gave them said, and do not follow when somebody else, who could not see them, names
    /// another address.
    ///
    /// - Throws: `.providerMoved`; a conflict if `found` is not the newest.
    func checkMove(
        of found: Found<ExternalProvider>, by update: ProviderUpdate
    ) throws(StoreError) {
        let kind = found.value.kind
        let changed = kind.settings.filter { setting in
            (setting.isAddress || setting.isIdentity)
                && (update.set[setting.name] != nil || update.unset.contains(setting.name))
        }
        guard !changed.isEmpty else { return }
        let (provider, present) = try configuration(of: found.value.name)
        guard provider == found.value else { throw .storage(.conflict(found.record.key)) }
        let isMachine = kind.settings.contains { setting in
            setting.isLocal && provider.settings.contains(setting.name)
                || update.text(setting.name, present).map(setting.localValues.contains) ?? false
        }
        let moved = changed.first { setting in
            guard setting.isAddress || isMachine else { return false }
            return setting.name.isIn(present)
                && present.text(setting.name) != update.text(setting.name, present)
                || !setting.name.isIn(present) && update.set[setting.name] != nil
        }
        guard let moved else { return }
        let kept = kind.settings.filter { setting in
            setting.isSecret && setting.name.isIn(present) && update.set[setting.name] == nil
                && !update.unset.contains(setting.name)
        }
        guard isMachine || !kept.isEmpty else { return }
        throw .providerMoved(
            ProviderMove(
                provider: provider.name, setting: moved.name,
                credentials: isMachine ? [] : kept.map(\.name)))
    }
}

extension String {
    fileprivate func isIn(_ configuration: ProviderConfiguration) -> Bool { configuration[self] != nil }
}

extension ProviderUpdate {
    /// What the setting `name`, which is no credential, will be.
    fileprivate func text(_ name: String, _ present: ProviderConfiguration) -> String? {
        if unset.contains(name) { return nil }
        return set[name] == nil ? present.text(name) : set.text(name)
    }
}
