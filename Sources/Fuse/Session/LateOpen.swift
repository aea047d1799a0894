import Synchronization

/// One open that the tree answers from another thread: the answer may come before or after the worker has put the
/// request down to wait for it.
final class LateOpen: Sendable {
    private enum State: Sendable {
        case begun
        case waiting
        case finished(Result<HandleID, Refusal>)
    }
    private let access: TreeAccess
    private let state = Mutex(State.begun)

    init(_ access: TreeAccess) { self.access = access }

    /// Puts `request` down until `finish` answers it.
    ///
    /// - Returns: the result if it is there already; then the caller answers.
    func wait(_ request: Request) -> Result<HandleID, Refusal>? {
        state.withLock { state in
            if case .finished(let result) = state { return result }
            access.keep(request, for: self)
            state = .waiting
            return nil
        }
    }

    func finish(_ result: Result<HandleID, Refusal>) {
        let isWaiting = state.withLock { state in
            if case .waiting = state { return true }
            state = .finished(result)
            return false
        }
        if isWaiting { access.answer(self, result) }
    }
}
