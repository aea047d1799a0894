import Fuse
import Logging
import SecretFS
import Secrets
import Store
import Synchronization

/// How changes get into the mounts, and how the mounts end.
extension ServedMounts {
    /// Reads what changed, once for each algorithm, and shows it in its mounts.
    func refresh(_ affected: AffectedMounts) {
        // Nothing can be read; `unseal` makes up for it.
        guard !store.isSealed else { return }
        let names = state.withLock { $0.affected(affected) }
        for name in names {
            do {
                // One after the other: what was read first is shown first.
                try turn.withLock { _ in publish(try currentView(of: name), of: name) }
            } catch {
                // The mounts go on showing what they have: a record that does not open shows nothing new. But of those
                // of listed users nobody can say that they still may have them.
                endMounts(of: name, allowed: UserList())
                log.error(
                    "a change cannot be shown",
                    metadata: ["algorithm": "\(name)", "reason": "\(Failure(any: error).message)"])
            }
        }
    }

    private func currentView(of name: AlgorithmName) throws(StoreError) -> AlgorithmView {
        do {
            return try store.view(of: name)
        } catch .algorithmMissing {
            // Deleted: its mounts stay, and show that nothing is left.
            let generation = SecretStore.generation(of: try store.revision())
            return AlgorithmView(generation: generation, modified: .now(), entries: [])
        }
    }

    func setAlarm(_ name: AlgorithmName, _ moment: Timestamp?) {
        alarm.withLock { $0 }?.set(name, moment)
    }

    private func publish(_ view: AlgorithmView, of name: AlgorithmName) {
        setAlarm(name, view.nextChange)
        endMounts(of: name, allowed: view.mounters)
        let mounts = state.withLock { state in (state.byAlgorithm[name] ?? []).compactMap { state.mounts[$0] }
        }
        for mount in mounts {
            let stale = mount.tree.publish(view)
            for name in stale { mount.session.invalidate(name: name.name, in: .root) }
            // The directory's time. Its attributes are kept by the kernel too: every open looks at its mode.
            if !stale.isEmpty { mount.session.invalidate(.root, data: false) }
        }
    }

    /// Ends the mounts of users who are not listed any more. For root and the agent's own user nothing changes.
    private func endMounts(of name: AlgorithmName, allowed: UserList) {
        let ended = state.withLock { state in
            (state.byAlgorithm[name] ?? []).compactMap { state.mounts[$0] }.filter { mount in
                mount.user.map { !ListedUsers.allow($0, allowed) } ?? false
            }
        }
        guard !ended.isEmpty else { return }
        for mount in ended { loop.remove(mount.session) }
        ListedUsers.detach(ended.map { (uid: $0.request.uid, point: $0.request.mountPoint) })
    }

    // MARK: Stopping

    /// No more mounts, if there is none now.
    ///
    /// - Returns: whether that is so.
    func closeIfEmpty() -> Bool {
        state.withLock { state in
            if state.mounts.isEmpty { state.isClosed = true }
            return state.isClosed
        }
    }

    /// No more mounts; those that are there are unmounted where this process can see them, then ended.
    func close() {
        let mounts = state.withLock { state in
            state.isClosed = true
            return Array(state.mounts.values)
        }
        ListedUsers.detach(
            mounts.filter { $0.user != nil }.map { (uid: $0.request.uid, point: $0.request.mountPoint) })
        // What a listed user says of a place is not ours to unmount.
        detachVisible(
            mounts.filter { $0.user == nil && !$0.request.isPrivate }.map(\.request.mountPoint), log)
        for mount in mounts { loop.remove(mount.session) }
    }
}
