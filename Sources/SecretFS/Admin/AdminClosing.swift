package import Fuse
import Secrets
import Synchronization

/// Which close of an open file is its last one. One that nobody may have written to its end is not stored.
extension AdminTree {
    package func flush(_ handle: HandleID, by caller: Caller) throws(Refusal) {
        guard case .writing(let writing) = state.withLock({ $0.files[handle] }), writing.failure == nil
        else { return try synchronize(handle) }
        let thread = thread(of: caller)
        let process = WriterProcess.process(of: thread)
        let life = WriterProcess.life(of: thread)
        if writing.isChanged, life == .killed, writing.users.concern(process) {
            try drop(handle, writing, "the process that wrote it was killed before it closed it", .damaged)
        }
        var users = writing.users
        let isAlone = state.withLock { $0.opens(of: writing.node) } == 1
        let close = users.close(
            by: process, isEnding: life != .running, writing.node.rawValue, isAlone: isAlone)
        update(handle) { $0.users = users }
        guard writing.isChanged else { return }
        switch close {
        case .last: try synchronize(handle)
        case .another: break
        case .unknown:
            try drop(
                handle, writing,
                "its program has more descriptors than are looked at, and may not be done with it",
                .busy)
        }
    }

    private func drop(
        _ handle: HandleID, _ writing: Writing, _ reason: String, _ refusal: Refusal
    ) throws(Refusal) {
        tell(writing.place.path, "\(reason); nothing was changed", "write it again")
        fail(handle, writing, refusal)
        throw refusal
    }

    /// Each close that the programs knew of has been answered. What is new here came from one that did not close it:
    /// from io_uring, say.
    package func release(_ handle: HandleID) {
        guard case .writing(let writing) = state.withLock({ $0.files[handle] }), writing.isChanged,
            writing.failure == nil
        else { return }
        try? drop(handle, writing, "no program that wrote it closed it before all were gone", .damaged)
    }

    /// Remembers who wrote.
    func note(_ caller: Caller, wrote handle: HandleID, _ writing: Writing) throws(Refusal) {
        var users = writing.users
        guard users.write(by: thread(of: caller), opener: writing.opener, writing.node.rawValue) else {
            return try drop(handle, writing, "too many processes write it at once", .busy)
        }
        update(handle) { writing in
            writing.isChanged = true
            writing.users = users
        }
    }
}
