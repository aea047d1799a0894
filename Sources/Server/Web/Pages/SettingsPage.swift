import Secrets
import Store

/// The secrets of an algorithm: its own, and those that owners share with it.
struct SettingsPage: Sendable {
    let site: Site

    private enum Show: String {
        case all = ""
        case unused
        case expiring
    }
    private struct Row {
        let candidate: Candidate
        let marks: SecretMarks
    }

    func redirect(_ call: PageCall) throws -> PageAnswer {
        .redirect(to: Self.path(try site.algorithm(call)))
    }

    static func path(_ name: AlgorithmName) -> String { "/algorithms/\(name)/settings" }

    func show(_ call: PageCall) throws -> PageAnswer {
        let name = try site.algorithm(call)
        let permissions = try call.principal().permissions
        site.reads.refresh(on: site.parts.work)
        let (reads, now) = (site.reads.known(of: name), Timestamp.now())
        let (candidates, unreadable) = try site.service.store.readableCandidates(for: name)
        let rows = candidates.map { candidate in
            Row(
                candidate: candidate,
                marks: SecretMarks(candidate.secret, candidate.state, reads, now: now))
        }
        let own = rows.filter { $0.candidate.grant == nil }
        let shared = rows.filter { $0.candidate.grant != nil }
        let search = Search(call.call.query["q"])
        let show = Show(rawValue: call.call.query["show"] ?? "") ?? .all
        let found = own.filter { row in
            let secret = row.candidate.secret
            return takes(row, show)
                && search.matches([secret.displayName.text, secret.name.text, secret.about.text])
        }
        let query = [("q", search.text), ("show", show.rawValue)]
        let paging = Paging(found.count, page: call.call.query["page"], path: Self.path(name), query: query)
        let mayChange = permissions.mayChangeSecrets(of: .algorithm(name))
        var fields: PageFields = [
            "algorithm": name.description, "mayChange": mayChange, "isEmpty": found.isEmpty,
            "crumbs": [["label": name.description] as PageFields], "paging": paging.fields,
            "rows": found[paging.range].map { self.row($0, now) },
            "hasShared": !shared.isEmpty, "shared": shared.map { self.row($0, now) },
        ]
        if !unreadable.isEmpty {
            fields["unreadable"] = unreadable.map { ["variable": $0.text] as PageFields }
            fields["hasUnreadable"] = true
        }
        if !search.isEmpty { fields["search"] = search.text }
        fields.merge(chips(own, show, search, name)) { _, new in new }
        fields.merge(empty(isFiltered: !own.isEmpty, mayChange, name)) { _, new in new }
        return site.page(call, "settings", title: "Secrets of \(name)", fields)
    }

    private func takes(_ row: Row, _ show: Show) -> Bool {
        switch show {
        case .all: true
        case .unused: row.marks.isUnused
        case .expiring: row.marks.isExpiring
        }
    }

    private func row(_ row: Row, _ now: Timestamp) -> PageFields {
        let secret = row.candidate.secret
        var fields: PageFields = [
            "displayName": secret.displayName.text, "variable": secret.name.text,
            "updated": PageTime.fields(secret.current.created, now: now),
        ]
        if !secret.about.text.isEmpty { fields["about"] = secret.about.text }
        if let grant = row.candidate.grant {
            fields["grant"] = grant.description
            fields["owner"] = row.candidate.home.owner
        }
        row.marks.fill(&fields)
        return fields
    }

    /// Ways to what is marked, where something is.
    private func chips(_ own: [Row], _ show: Show, _ search: Search, _ name: AlgorithmName) -> PageFields {
        let chips: [(Show, String, Int)] = [
            (.all, "All", own.count), (.unused, "Unused", own.count { $0.marks.isUnused }),
            (.expiring, "Expiring", own.count { $0.marks.isExpiring }),
        ]
        let shown = chips.filter { $0.2 > 0 || $0.0 == show }
        return [
            "hasChips": shown.count > 1,
            "chips": shown.map { chip, label, count -> PageFields in
                let query = Paging.query([("q", search.text), ("show", chip.rawValue)])
                return [
                    "href": Self.path(name) + query, "label": "\(label) \(count)", "isHere": chip == show,
                ]
            },
        ]
    }

    private func empty(isFiltered: Bool, _ mayChange: Bool, _ name: AlgorithmName) -> PageFields {
        if isFiltered {
            return ["emptyTitle": "Nothing found", "emptyText": "No secret of this algorithm is like that."]
        }
        var fields: PageFields = [
            "emptyTitle": "No secrets yet",
            "emptyText": "A secret becomes an environment variable and a file of the algorithm's programs.",
        ]
        if mayChange { fields["emptyLink"] = "/algorithms/\(name)/secrets/new" }
        return fields
    }
}
