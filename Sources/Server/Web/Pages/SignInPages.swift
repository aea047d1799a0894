import HTTPTypes
import Secrets
import Store

/// Signing in with a user's name and password, and signing out. Another way to sign in ends in `begin`, too: all that it
/// needs is a `Principal`.
struct SignInPages: Sendable {
    let site: Site

    private static let maximumName = 256
    private static let maximumNext = 2048

    func show(_ call: PageCall) async throws -> PageAnswer {
        let next = Self.next(call.call.query["next"])
        if try await site.signedIn(call.sessionID) != nil { return .redirect(to: next) }
        var fields: PageFields = ["next": next, "hasEnded": call.call.query["ended"] != nil]
        if RequestOrigin.isElsewhere(call.fields) {
            fields["isElsewhere"] = true
            fields["continue"] = next
        }
        return page(call, fields)
    }

    func send(_ call: PageCall) async throws -> PageAnswer {
        let form = try call.filledForm()
        try form.allowOnly(["user", "password", "next"])
        let typed = try form.string("user")
        let next = Self.next(try form.string("next"))
        guard typed.utf8.count <= Self.maximumName,
            let password = try form.value("password", isText: false),
            password.count <= Password.newRange.upperBound
        else { return refused(call, next, typed: "", .unprocessableContent, Self.wrong) }
        // What is no user's name may be a password in the wrong place: it is told nowhere.
        let name = try? UserName(typed.lowercased())
        let account = name?.text ?? "-"
        if let seconds = site.throttle.take(account: account, address: call.call.mark.address) {
            let service = site.service
            try await site.parts.work.run(.changing) { service.deny(call.call, nil) }
            var answer = refused(
                call, next, typed: name?.text ?? "", .tooManyRequests,
                "Too many tries: wait \(seconds) second\(seconds == 1 ? "" : "s") before the next one")
            answer.fields[.retryAfter] = String(seconds)
            return answer
        }
        let service = site.service
        let found = try await site.passwords.run {
            let found = try service.store.authenticate(user: name, password: password)
            try record(found, name, call)
            return found
        }
        guard let found else {
            return refused(call, next, typed: name?.text ?? "", .unprocessableContent, Self.wrong)
        }
        site.throttle.succeeded(account: account, address: call.call.mark.address)
        return begin(for: found, call, next)
    }

    /// A new session, with a new id, and none that was before.
    private func begin(for principal: Principal, _ call: PageCall, _ next: String) -> PageAnswer {
        if let old = call.sessionID { site.sessions.end(old) }
        return .redirect(to: next, cookie: SessionCookie.set(site.sessions.begin(for: principal)))
    }

    func end(_ call: PageCall) async throws -> PageAnswer {
        if let id = call.sessionID { site.sessions.end(id) }
        return .redirect(to: "/sign-in", cookie: SessionCookie.forget)
    }

    /// Before anybody is signed in (R4).
    private func record(_ found: Principal?, _ name: UserName?, _ call: PageCall) throws {
        var actor = call.call.actor
        // Only of a user who is there: anything else may be a password.
        if let name, try site.service.store.hasUser(name) { actor.user = name.text }
        let detail = actor.user == nil ? "no such user" : nil
        try site.service.store.trail.record([
            AuditEvent(.login, found == nil ? .denied : .ok, by: actor, detail: detail)
        ])
        if found == nil { site.service.metrics.permissionDenied() }
    }

    private static let wrong = "The user or the password is not right"

    private func refused(
        _ call: PageCall, _ next: String, typed: String, _ status: HTTPResponse.Status, _ why: String
    ) -> PageAnswer {
        page(call, ["next": next, "typed": typed, "refusal": why, "isWrong": true], status)
    }

    private func page(
        _ call: PageCall, _ fields: PageFields, _ status: HTTPResponse.Status = .ok
    ) -> PageAnswer {
        var all = fields
        all["width"] = "slim"
        return site.page(call, "sign-in", title: "Sign in", status: status, all)
    }

    /// Where to go then: a path of ours, and never another site.
    static func next(_ given: String?) -> String {
        guard let given, given.utf8.count <= maximumNext, given.hasPrefix("/"), !given.hasPrefix("//"),
            !given.hasPrefix("/sign-"), given.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x5C })
        else { return "/" }
        return given
    }
}
