import Console
import HTTPTypes
import Secrets
import Store

/// The pages put together: what they share, and which there are.
struct Site: Sendable {
    let parts: RequestParts
    let sessions: Sessions
    let passwords: PasswordWork
    let throttle: SignInThrottle
    let audit: AuditReader
    let reads: LastReads
    let renderer: PageRenderer

    init(_ parts: RequestParts, _ audit: AuditReader) throws {
        self.parts = parts
        self.audit = audit
        sessions = Sessions()
        passwords = PasswordWork()
        throttle = SignInThrottle()
        reads = LastReads(audit)
        renderer = try PageRenderer()
    }

    var service: APIService { parts.service }
    var errors: ErrorPages { ErrorPages(renderer: renderer) }

    var routes: [PageRoute] {
        let assets = Asset.all.map { asset in
            PageRoute(.get, "/assets/\(asset.name)", .anybody) { call in asset.answer(call) }
        }
        let signIn = SignInPages(site: self)
        return assets + settingsRoutes + storeRoutes + providerRoutes + [
            PageRoute(.get, "/sign-in", .anybody, signIn.show),
            PageRoute(.post, "/sign-in", .anybody, signIn.send),
            PageRoute(.post, "/sign-out", .signedIn, signIn.end),
            stored(.get, "/", AlgorithmPages(site: self).list),
        ]
    }

    private var settingsRoutes: [PageRoute] {
        let (settings, forms) = (SettingsPage(site: self), SecretForms(site: self))
        let (history, removal) = (HistoryPages(site: self), RemovalPages(site: self))
        let algorithm = "/algorithms/{owner}/{name}"
        let secret = "\(algorithm)/secrets/{variable}"
        return [
            stored(.get, algorithm, settings.redirect),
            stored(.get, "\(algorithm)/settings", settings.show),
            stored(.get, "\(algorithm)/secrets/new", forms.showNew),
            stored(.post, "\(algorithm)/secrets/new", forms.create),
            stored(.get, secret, history.show),
            stored(.get, "\(secret)/update", forms.showUpdate),
            stored(.post, "\(secret)/update", forms.update),
            stored(.get, "\(secret)/remove", removal.ask),
            stored(.post, "\(secret)/remove", removal.remove),
            stored(.get, "\(secret)/rollback", history.ask),
            stored(.post, "\(secret)/rollback", history.rollBack),
        ]
    }

    private var storeRoutes: [PageRoute] {
        let pages = StorePages(site: self)
        return [
            stored(.get, "/help", pages.help), stored(.get, "/audit", AuditPage(site: self).show),
        ]
    }

    private var providerRoutes: [PageRoute] {
        let pages = ProviderPages(site: self)
        let (new, one) = ("/new-provider/{kind}", "\(ProviderPages.path)/{provider}")
        return [
            stored(.get, ProviderPages.path, pages.list),
            stored(.get, new, pages.showNew), stored(.post, new, pages.create),
            stored(.get, "\(one)/update", pages.showUpdate), stored(.post, "\(one)/update", pages.update),
            stored(.get, "\(one)/remove", pages.askRemoval), stored(.post, "\(one)/remove", pages.remove),
            stored(.post, "\(one)/test", pages.test), stored(.post, "\(one)/default", pages.makeDefault),
        ]
    }

    /// A page whose handler uses the store, on a thread that may wait.
    private func stored(
        _ method: HTTPRequest.Method, _ path: String,
        _ handler: @escaping @Sendable (PageCall) throws -> PageAnswer
    ) -> PageRoute {
        let (work, store) = (parts.work, service.store)
        // A form may have a value in it, each byte of it escaped.
        return PageRoute(method, path, .signedIn, maximumBody: ConnectionLimits.bodyBytes) { call in
            guard method == .get else { return try await work.run(.changing) { try handler(call) } }
            return try await work.run(.reading) { try store.atOneMoment { try handler(call) } }
        }
    }

    // MARK: What pages share

    /// Whose session it is, as the store has them now.
    func signedIn(_ id: String?) async throws -> (session: Sessions.Session, principal: Principal)? {
        guard let id, let session = sessions.find(id) else { return nil }
        let store = service.store
        let found = try await parts.work.run(.reading) {
            try store.principal(of: session.user, stamped: session.stamp)
        }
        guard let found else {
            sessions.end(id)
            return nil
        }
        return (session, found)
    }

    /// - Throws: as if it were not there, where who asks may not see it.
    func algorithm(_ call: PageCall) throws -> AlgorithmName {
        let given = call.call.captures.prefix(2).joined(separator: "/")
        guard let name = try? AlgorithmName(given) else { throw APIError.noPath }
        guard try call.principal().permissions.maySee(.algorithm(name)) else {
            service.deny(call.call, .algorithm(name))
            throw APIError.noPath
        }
        guard try service.store.hasAlgorithm(name) else { throw APIError.noPath }
        return name
    }

    func require(_ isAllowed: Bool, _ call: PageCall, _ home: SecretHome? = nil) throws(APIError) {
        guard !isAllowed else { return }
        service.deny(call.call, home)
        throw APIError(
            .forbidden, .notAuthorized,
            "Your roles do not let you do that. An administrator can give you one that does.")
    }

    func page(
        _ call: PageCall, _ template: String, title: String, status: HTTPResponse.Status = .ok,
        _ fields: PageFields
    ) -> PageAnswer {
        var all = PageFrame.fields(title, call.call.caller, call.session, at: call.target)
        if let id = call.sessionID, call.session != nil { all["notice"] = sessions.takeNotice(id) }
        all.merge(fields) { _, own in own }
        return PageAnswer(status, [:], renderer.html(template, all))
    }

    /// To another page, which says what was done.
    func done(_ call: PageCall, _ notice: String, at path: String) -> PageAnswer {
        if let id = call.sessionID { sessions.leave(notice, for: id) }
        return .redirect(to: path)
    }
}

/// What stands around every page.
enum PageFrame {
    static func fields(
        _ title: String, _ caller: Principal?, _ session: Sessions.Session?, at target: String
    ) -> PageFields {
        var fields: PageFields = [
            "title": title, "stylePath": Asset.style.path, "scriptPath": Asset.script.path,
            "keyPath": Asset.key.path,
        ]
        guard let caller, let session else { return fields }
        fields["user"] = caller.user.text
        fields["formToken"] = session.formToken
        var pages = [("/", "Algorithms")]
        if caller.permissions.maySeeProviders { pages.append(("/providers", "Secret Store")) }
        if AuditPage.mayOpen(caller.permissions) { pages.append(("/audit", "Audit")) }
        pages.append(("/help", "Help"))
        let path = target.prefix { $0 != "?" }
        fields["pages"] = pages.map { href, label -> PageFields in
            let isHere = href == "/" ? path == "/" || path.hasPrefix("/algorithms/") : path == href
            return ["href": href, "label": label, "isHere": isHere]
        }
        return fields
    }
}

/// What went wrong, as a page.
struct ErrorPages: Sendable {
    let renderer: PageRenderer

    func page(_ error: APIError, _ mark: RequestMark, _ caller: Principal?) -> PageAnswer {
        let (title, text) = words(for: error)
        var fields = PageFrame.fields(title, nil, nil, at: "/")
        fields["message"] = text
        fields["request"] = mark.id
        fields["width"] = "narrow"
        var head = HTTPFields()
        if let seconds = error.retryAfter { head[.retryAfter] = String(seconds) }
        if !error.allow.isEmpty { head[.allow] = error.allow.map(\.rawValue).joined(separator: ", ") }
        return PageAnswer(error.status, head, renderer.html("error", fields))
    }

    private func words(for error: APIError) -> (title: String, text: String) {
        switch error.status {
        // One answer for what is not there and for what somebody may not see.
        case .notFound: ("Not found", "There is nothing here, or nothing that you may see.")
        case .forbidden: ("Not allowed", sentence(error.message))
        case .contentTooLarge:
            ("Too large", "A value has at most 1 MiB (1,048,576 bytes). Nothing was changed.")
        case .tooManyRequests: ("Too many tries", sentence(error.message))
        case .serviceUnavailable: ("Not now", sentence(error.message))
        case .internalServerError:
            ("Something went wrong", "The server could not do it. What is wrong is in its log.")
        case .methodNotAllowed: ("Not found", "This page takes no such request.")
        default: ("That did not work", sentence(error.message))
        }
    }

    private func sentence(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : ".")
    }
}
