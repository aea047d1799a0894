import FoundationEssentials
import JSONText
import NIOCore
import NIOHTTP1
import Secrets

/// The token of one provider: got once for all who ask, renewed before it ends, and replaced once it is refused.
actor VaultSession {
    struct Token: Sendable {
        let text: SecretValue
        /// Nil: it does not end.
        let ends: ContinuousClock.Instant?
        let isRenewable: Bool
        /// When it should be renewed: two thirds of its time are over.
        let renews: ContinuousClock.Instant?
    }
    private static let renewalPause = 10
    private let settings: VaultSettings
    private let http: ProviderHTTP
    private var present: Token?
    private var isRunning = false
    /// Those who wait for the login that runs.
    private var waiters: [UInt64: CheckedContinuation<Result<Token, ProviderFailure>, Never>] = [:]
    private var lastWaiter: UInt64 = 0

    init(_ settings: VaultSettings, _ http: ProviderHTTP) {
        self.settings = settings
        self.http = http
    }

    /// - Parameter refused: a token that the server did not take: this one is not answered again.
    func token(after refused: SecretValue? = nil) async throws(ProviderFailure) -> SecretValue {
        let now = ContinuousClock.now
        if let present, present.text !== refused, present.ends.map({ now < $0 }) ?? true {
            guard let renews = present.renews, renews <= now else { return present.text }
        }
        if let refused, refused === present?.text { present = nil }
        // One login for all who wait for it. Who is cancelled leaves it to the others.
        if !isRunning {
            isRunning = true
            Task { finish(await fresh()) }
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
        let all = waiters
        (waiters, isRunning) = ([:], false)
        for continuation in all.values { continuation.resume(returning: result) }
    }

    private static let left = ProviderFailure(.down, "the login was not waited for")

    func forget() { present = nil }

    /// Whether the server takes `token` for nobody's any more. Where policies do not let it ask that, it is taken for one.
    func isRefused(_ token: SecretValue) async throws(ProviderFailure) -> Bool {
        guard present?.text === token else { return true }
        var request = request(.GET, "auth/token/lookup-self", nil)
        try request.set("X-Vault-Token", to: token)
        return try await http.send(request).status == 403
    }

    private func fresh() async -> Result<Token, ProviderFailure> {
        let old = present
        do throws(ProviderFailure) {
            let token = try await replaced(old)
            present = token
            return .success(token)
        } catch {
            guard let old, old.ends.map({ .now < $0 }) ?? true else {
                present = nil
                return .failure(error)
            }
            // It holds still: what failed is tried again, and not with each request.
            let again = Token(
                text: old.text, ends: old.ends, isRenewable: old.isRenewable,
                renews: .now + .seconds(Self.renewalPause))
            present = again
            return .success(again)
        }
    }

    private func replaced(_ old: Token?) async throws(ProviderFailure) -> Token {
        if let old, old.isRenewable, let renewed = try? await renew(old) { return renewed }
        return try await logIn()
    }

    private func renew(_ token: Token) async throws(ProviderFailure) -> Token {
        var request = request(.POST, "auth/token/renew-self", JSONWriter.object([:]))
        try request.set("X-Vault-Token", to: token.text)
        let answer = try await http.send(request)
        guard answer.status == 200 else { throw VaultAnswer.failure(answer, "renewing the token") }
        return try Self.token(try answer.json(), of: answer.host, token.text)
    }

    private func logIn() async throws(ProviderFailure) -> Token {
        switch settings.login {
        case .token(let text): return try await lookUp(text)
        case .appRole(let mount, let role, let secret):
            return try await logIn(
                mount, JSONWriter.object(["role_id": .text(role), "secret_id": .secret(secret)]))
        case .bearer(let mount, let role, let file):
            let token = try VaultLogin.token(in: file)
            return try await logIn(mount, JSONWriter.object(["role": .text(role), "jwt": .secret(token)]))
        case .certificate(let mount, let role):
            return try await logIn(mount, JSONWriter.object(role.map { ["name": .text($0)] } ?? [:]))
        }
    }

    private func logIn(_ mount: String, _ body: ByteBuffer) async throws(ProviderFailure) -> Token {
        let answer = try await http.send(request(.POST, "auth/\(mount)/login", body))
        guard answer.status == 200 else {
            let failure = VaultAnswer.failure(answer, "the login")
            // A wrong credential is a 400 here.
            guard answer.status == 400 else { throw failure }
            throw ProviderFailure(.denied, failure.message)
        }
        return try Self.token(try answer.json(), of: answer.host, nil)
    }

    /// What a given token is; where its policies do not let it ask that, it is taken as one that does not end.
    private func lookUp(_ text: SecretValue) async throws(ProviderFailure) -> Token {
        var request = request(.GET, "auth/token/lookup-self", nil)
        try request.set("X-Vault-Token", to: text)
        let answer = try await http.send(request)
        if answer.status == 403 {
            throw ProviderFailure(
                .denied, "\(answer.host) refuses the token: it is revoked, over, or none of its")
        }
        guard answer.status == 200 else { throw VaultAnswer.failure(answer, "looking up the token") }
        let (seconds, isRenewable) = try VaultAnswer.reading(answer.host) {
            let data = try answer.json().object("data")
            return (try data?.number("ttl") ?? 0, try data?.truth("renewable") ?? false)
        }
        return Self.token(text, seconds, isRenewable)
    }

    private func request(_ method: HTTPMethod, _ path: String, _ body: ByteBuffer?) -> ProviderRequest {
        VaultAnswer.request(method, path, body, settings)
    }

    private static func token(
        _ answer: JSONObject, of host: String, _ text: SecretValue?
    ) throws(ProviderFailure) -> Token {
        let found = try VaultAnswer.reading(host) { () -> (SecretValue, UInt32, Bool)? in
            guard let auth = try answer.object("auth"), let token = try auth.value("client_token") ?? text
            else {
                return nil
            }
            return (token, try auth.number("lease_duration") ?? 0, try auth.truth("renewable") ?? false)
        }
        guard let found else { throw ProviderFailure(.malformed, "\(host) answers a login without a token") }
        return token(found.0, found.1, found.2)
    }

    private static func token(_ text: SecretValue, _ seconds: UInt32, _ isRenewable: Bool) -> Token {
        guard seconds > 0 else { return Token(text: text, ends: nil, isRenewable: false, renews: nil) }
        let now = ContinuousClock.now
        return Token(
            text: text, ends: now + .seconds(Int(seconds)), isRenewable: isRenewable,
            renews: now + .milliseconds(Int(seconds) * 667))
    }
}
