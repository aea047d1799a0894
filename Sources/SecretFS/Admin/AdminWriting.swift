package import Fuse
import Secrets
import Synchronization

/// Taking what programs write, in memory; it reaches the store when they close or synchronize the file.
extension AdminTree {
    package func write(
        _ bytes: RawSpan, to handle: HandleID, at offset: UInt64, appending: Bool,
        by caller: Caller
    ) throws(Refusal) {
        switch state.withLock({ $0.files[handle] }) {
        case .writing(let writing):
            if let failure = writing.failure { throw failure }
            do {
                try refuse(appending: appending, to: writing.place)
                try write(bytes, at: offset, to: writing.buffer, maximum: writing.place.maximumCount)
            } catch {
                fail(handle, writing, error)
                throw error
            }
            try note(caller, wrote: handle, writing)
        case .temporary(let file, let mode):
            guard mode.contains(.write) else { throw .denied }
            // It became somebody's value already: what comes now would be lost without a word.
            guard !file.isGone else { throw .stale }
            try write(bytes, at: offset, to: file.buffer, maximum: TemporaryFile.maximumCount)
            file.touch()
        case .text: throw .denied
        case .listing: throw .isDirectory
        case nil: throw .invalid
        }
    }

    private func write(
        _ bytes: RawSpan, at offset: UInt64, to buffer: SecretBuffer, maximum: Int
    ) throws(Refusal) {
        guard let start = Int(exactly: offset), start <= maximum, bytes.byteCount <= maximum - start else {
            throw .tooLarge
        }
        // A hole would be bytes that nobody wrote.
        guard start <= buffer.count else { throw .invalid }
        let growth = max(0, start + bytes.byteCount - buffer.capacity)
        guard growth == 0 || state.withLock({ $0.plaintextCount }) + growth <= AdminState.maximumPlaintext
        else { throw .noMemory }
        do { try buffer.write(bytes, at: start) } catch { throw .noMemory }
    }

    package func resize(
        _ node: NodeID, handle: HandleID?, to count: UInt64, by caller: Caller
    ) throws(Refusal) {
        guard let handle else {
            try admit(caller)
            return try resize(node, to: count, by: caller)
        }
        switch state.withLock({ $0.files[handle] }) {
        case .writing(let writing):
            try cut(writing.buffer, to: count)
            try note(caller, wrote: handle, writing)
            // From the start again: what went wrong before is gone.
            if count == 0 { update(handle) { $0.failure = nil } }
        case .temporary(let file, let mode) where mode.contains(.write): try cut(file.buffer, to: count)
        default: throw .invalid
        }
    }

    /// truncate(2), which is an open, a change and a close in one.
    private func resize(_ node: NodeID, to count: UInt64, by caller: Caller) throws(Refusal) {
        let place = try place(node)
        if case .temporary(_, let file) = place { return try cut(file.buffer, to: count) }
        let handle = try open(place, node, for: .write, by: caller)
        defer { close(handle) }
        guard case .writing(let writing) = state.withLock({ $0.files[handle] }) else { throw .invalid }
        try cut(writing.buffer, to: count)
        update(handle) { $0.isChanged = true }
        try synchronize(handle)
    }

    private func cut(_ buffer: SecretBuffer, to count: UInt64) throws(Refusal) {
        guard let count = Int(exactly: count), count <= buffer.count else { throw .invalid }
        if count == 0 { buffer.clear() } else { buffer.truncate(to: count) }
    }
}
