import Secrets
import Store

/// One secret: who can see it, its versions, and the way back to one of them.
struct HistoryPages: Sendable {
    let site: Site

    func show(_ call: PageCall) throws -> PageAnswer {
        let place = try SecretPlace(call, site)
        let secret = place.secret
        site.reads.refresh(on: site.parts.work)
        let now = Timestamp.now()
        let marks = SecretMarks(
            secret, Self.state(secret, now), site.reads.known(of: place.algorithm), now: now)
        let algorithm = try site.service.store.algorithmOnly(place.algorithm)
        let callers = [algorithm.callers, secret.callers].filter { !$0.isAnyone }.flatMap(Self.lines)
        var fields: PageFields = [
            "algorithm": place.algorithm.description, "path": place.path, "crumbs": place.crumbs(),
            "mayChange": try call.principal().permissions.mayChangeSecrets(of: place.home),
            "displayName": secret.displayName.text, "variable": secret.name.text,
            "delivery": secret.delivery == .env
                ? "As an environment variable and a file" : "As a file only",
            "provider": secret.origin?.description ?? InternalProvider.name,
            "made": PageTime.fields(secret.created, now: now),
            "updated": PageTime.fields(secret.current.created, now: now),
            "isAnyone": callers.isEmpty, "callers": callers,
            "versions": secret.versions.reversed().map { version -> PageFields in
                [
                    "number": version.version.description, "by": printable(version.actor.text),
                    "isNewest": version.version == secret.current.version,
                    "made": PageTime.fields(version.created, now: now),
                ]
            },
            "kept": "The newest \(secret.kept) versions are kept.",
        ]
        if !secret.about.text.isEmpty { fields["about"] = secret.about.text }
        if let end = secret.validity.expires { fields["expiry"] = PageTime.fields(end, now: now)["exact"] }
        marks.fill(&fields)
        return site.page(call, "secret", title: "\(secret.displayName) of \(place.algorithm)", fields)
    }

    private static func state(_ secret: Secret, _ now: Timestamp) -> Candidate.State {
        if let start = secret.validity.notBefore, now < start { return .notYet(start) }
        if let end = secret.validity.expires, end <= now { return .expired(end) }
        return .visible
    }

    /// A line for each kind of thing that `rule` asks for; any of a line's items will do.
    private static func lines(_ rule: CallerRule) -> [PageFields] {
        let items = rule.items.map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
        let kinds = [
            ("uid", "user"), ("gid", "group"), ("executable", "program"), ("cgroup", "control group"),
        ]
        return kinds.compactMap { kind, what in
            let own = items.filter { $0.first == kind }.compactMap(\.last)
            guard !own.isEmpty else { return nil }
            return ["what": what, "items": own.map { printable($0, atMost: 256) }.joined(separator: " or ")]
        }
    }

    // MARK: Rolling back

    func ask(_ call: PageCall) throws -> PageAnswer {
        let (place, version) = try changeable(call)
        return site.page(
            call, "confirm", title: "Roll back \(place.secret.name)",
            [
                "width": "narrow", "crumbs": place.crumbs("Roll back"),
                "action": "\(place.path)/rollback?version=\(version)",
                "heading": "Roll back to version \(version)?", "variable": place.secret.name.text,
                "secretID": text(place.secret.id), "button": "Roll Back", "cancel": place.path,
                "paragraphs": [
                    [
                        "text":
                            "The value of version \(version) becomes the newest version. Version \(place.secret.current.version), which is in use now, is kept."
                    ] as PageFields
                ],
            ])
    }

    func rollBack(_ call: PageCall) throws -> PageAnswer {
        let (place, version) = try changeable(call)
        let form = try call.filledForm()
        try form.allowOnly(["form_token", "secret_id"])
        try place.check(form)
        try site.service.change(call.call) { actor in
            _ = try site.service.store.rollBack(
                place.secret.name, of: place.home, to: version, ifSecret: place.secret.id, by: actor)
        }
        return site.done(
            call, "\(place.secret.name) has the value of version \(version) again.", at: place.path)
    }

    /// - Throws: also for a version that is not kept, and for the one that is in use.
    private func changeable(_ call: PageCall) throws -> (SecretPlace, Version) {
        let place = try SecretPlace(call, site)
        let isAllowed = try call.principal().permissions.mayChangeSecrets(of: place.home)
        try site.require(isAllowed, call, place.home)
        guard let number = call.call.query["version"].flatMap(UInt32.init), number > 0,
            place.secret.versions.dropLast().contains(where: { $0.version.number == number })
        else { throw APIError.noPath }
        return (place, Version(number: number))
    }
}
