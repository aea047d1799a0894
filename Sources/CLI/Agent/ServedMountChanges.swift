import Console
import Fuse
import Logging
import SecretFS
import Secrets
import Store
import Synchronization

/// How changes get into the mounts, and how the mounts end.
extension ServedMounts {
    /// Reads what changed, once for each algorithm, and shows it in its mounts; with it what could not be read before.
    func refresh(_ affected: AffectedMounts) {
        // Nothing can be read or opened; `unseal` makes up for it.
        guard !store.isSealed else { return }
        let unread = unread.names
        let names = state.withLock { state in
            state.affected(affected).union(unread.intersection(state.byAlgorithm.keys))
        }
        // One after the other: what was read first is shown first.
        for name in names { turn.withLock { _ in refresh(name) } }
    }

    private func refresh(_ name: AlgorithmName) {
        do throws(StoreError) {
            let view = try currentView(of: name)
            publish(view, of: name)
            if let secret = view.unreadable.first {
                note(name, "the record of \(secret) does not open", "a secret is not what it was")
            } else if unread.remove(name) {
                log.info("all is shown again", metadata: ["algorithm": "\(name)"])
            }
        } catch .sealed {
            // Meanwhile: as above.
        } catch {
            withhold(name, error)
        }
    }

    /// What is shown may be what somebody has just been forbidden: it is not opened any more until it was read anew.
    private func withhold(_ name: AlgorithmName, _ error: StoreError) {
        for mount in mounts(of: name) { mount.tree.withhold() }
        // Of those of listed users nobody can say that they still may have them.
        if error.isDamage { endMounts(of: name, allowed: UserList()) }
        note(name, Failure(error).message, "a change cannot be read; nothing is opened until it can be")
    }

    private func note(_ name: AlgorithmName, _ reason: String, _ what: Logger.Message) {
        guard unread.add(name, because: reason) else { return }
        log.error(what, metadata: ["algorithm": "\(name)", "reason": "\(reason)"])
    }

    /// Opens nothing more in any mount: nobody knows what was changed. `refresh(.all)` ends that.
    func withholdAll() { for mount in mounts { mount.tree.withhold() } }

    private func mounts(of name: AlgorithmName) -> [Mount] {
        state.withLock { state in (state.byAlgorithm[name] ?? []).compactMap { state.mounts[$0] } }
    }

    /// What the mounts of `name` show; nil if it has none.
    func shown(of name: AlgorithmName) -> AlgorithmView? { mounts(of: name).first?.tree.view }

    private func currentView(of name: AlgorithmName) throws(StoreError) -> AlgorithmView {
        do {
            return try source.view(of: name, after: shown(of: name))
        } catch .algorithmMissing {
            // Deleted: its mounts stay, and show that nothing is left.
            return try source.emptyView(of: name)
        }
    }

    func setAlarm(_ name: AlgorithmName, _ moment: Timestamp?) {
        alarm.withLock { $0 }?.set(name, moment)
    }

    private func publish(_ view: AlgorithmView, of name: AlgorithmName) {
        setAlarm(name, view.nextChange)
        endMounts(of: name, allowed: view.mounters)
        for mount in mounts(of: name) {
            let stale = mount.tree.publish(view)
            // Its kernel keeps nothing: see `AlgorithmTree.limited`.
            guard mount.user == nil else { continue }
            for name in stale { mount.session.invalidate(name: name.name, in: .root) }
            // The directory's time. Its attributes are kept by the kernel too: every open looks at its mode.
            if !stale.isEmpty { mount.session.invalidate(.root, data: false) }
        }
    }

    /// Ends the mounts of users who are not listed any more. For root and the agent's own user nothing changes.
    private func endMounts(of name: AlgorithmName, allowed: UserList) {
        let ended = mounts(of: name).filter { mount in
            mount.user.map { !ListedUsers.allow($0, allowed) } ?? false
        }
        guard !ended.isEmpty else { return }
        for mount in ended {
            mount.tree.end()
            loop.remove(mount.session)
        }
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
