import Secrets

/// A token, or another credential, that ends: got once for all who ask, anew a while before it ends, and replaced once it is
/// refused.
actor TokenKeeper<Credential: AnyObject & Sendable> {
    struct Token: Sendable {
        let text: Credential
        let ends: ContinuousClock.Instant
        /// When another should be got.
        let renews: ContinuousClock.Instant

        /// - Parameter seconds: how long it holds from now on.
        init(_ text: Credential, seconds: Int64) {
            let now = ContinuousClock.now
            self.init(
                text, ends: now + .seconds(seconds),
                // One that is short is not got with each request.
                renews: now + .seconds(max(seconds - TokenKeeper.margin, seconds / 2)))
        }

        init(_ text: Credential, ends: ContinuousClock.Instant, renews: ContinuousClock.Instant) {
            (self.text, self.ends, self.renews) = (text, ends, renews)
        }
    }
    /// In seconds, before its end.
    static var margin: Int64 { 300 }
    private static var pause: Int { 10 }
    private let logIn: @Sendable () async -> Result<Token, ProviderFailure>
    private var present: Token?
    private var isRunning = false
    /// Those who wait for the login that runs.
    private var waiters: [UInt64: CheckedContinuation<Result<Token, ProviderFailure>, Never>] = [:]
    private var lastWaiter: UInt64 = 0

    init(_ logIn: @escaping @Sendable () async -> Result<Token, ProviderFailure>) { self.logIn = logIn }

    /// - Parameter refused: a token that was not taken: this one is not answered again.
    func token(after refused: Credential? = nil) async throws(ProviderFailure) -> Credential {
        if let refused, refused === present?.text { present = nil }
        let now = ContinuousClock.now
        if let present, now < present.ends, now < present.renews { return present.text }
        // One login for all who wait for it. Who is cancelled leaves it to the others.
        if !isRunning {
            isRunning = true
            Task { finish(await logIn()) }
        }
        lastWaiter += 1
        let waiter = lastWaiter
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in wait(waiter, continuation) }
        } onCancel: {
            Task { await self.leave(waiter) }
        }
        return try result.get().text
    }

    func forget() { present = nil }

    private func wait(
        _ waiter: UInt64, _ continuation: CheckedContinuation<Result<Token, ProviderFailure>, Never>
    ) {
        // A cancellation that came before this was told to nobody.
        if Task.isCancelled { return continuation.resume(returning: .failure(Self.left)) }
        waiters[waiter] = continuation
    }

    private func leave(_ waiter: UInt64) {
        waiters.removeValue(forKey: waiter)?.resume(returning: .failure(Self.left))
    }

    private func finish(_ result: Result<Token, ProviderFailure>) {
        var result = result
        if case .failure = result, let old = present, .now < old.ends {
            // It holds still: what failed is tried again, and not with each request.
            result = .success(Token(old.text, ends: old.ends, renews: .now + .seconds(Self.pause)))
        }
        present = try? result.get()
        let all = waiters
        (waiters, isRunning) = ([:], false)
        for continuation in all.values { continuation.resume(returning: result) }
    }

    private static var left: ProviderFailure { ProviderFailure(.down, "the login was not waited for") }
}
