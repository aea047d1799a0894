import HTTPTypes
import Secrets
import Store

/// The audit log, with filters, the newest first.
struct AuditPage: Sendable {
    let site: Site

    private static let size = 50
    private static let texts: [(id: String, label: String, example: String)] = [
        ("algorithm", "Algorithm", "nlp/Summarizer"), ("owner", "Owner", "nlp"),
        ("secret", "Environment variable", "MYSQL_PASSWORD"), ("user", "User", "alice"),
        ("since", "From", "2026-11-01"), ("until", "Until", "2026-11-30T18:00:00Z"),
    ]

    /// Whether there is anything for somebody with `permissions`.
    static func mayOpen(_ permissions: Permissions) -> Bool {
        permissions.maySeeAudit(of: nil) || firstOwner(permissions) != nil
    }

    private static func firstOwner(_ permissions: Permissions) -> OwnerName? {
        permissions.roles.sorted().lazy.compactMap { role -> OwnerName? in
            if case .owner(let owner) = role { owner } else { nil }
        }.first
    }

    func show(_ call: PageCall) throws -> PageAnswer {
        let permissions = try call.principal().permissions
        var query = call.call.query.filter { !$0.value.isEmpty && $0.value.utf8.count <= 256 }
        // Who may not see all of it begins with what they may see.
        if !permissions.maySeeAudit(of: nil), query["algorithm"] == nil, query["owner"] == nil {
            query["owner"] = Self.firstOwner(permissions)?.text
        }
        let filter: AuditCalls.Filter
        do { filter = try AuditCalls.Filter(query) } catch {
            let said = APIError(error, fault: .secretProviderFailed).message
            return page(call, query, problem: said.prefix(1).uppercased() + said.dropFirst(), nil)
        }
        try site.require(permissions.maySeeAudit(of: filter.home), call, filter.home)
        let before = query["before"].flatMap { $0.utf8.count <= 19 ? UInt64($0) : nil }
        let calls = AuditCalls(service: site.service, reader: site.audit)
        return page(call, query, problem: nil, try calls.look(filter, before: before, atMost: Self.size))
    }

    private func page(
        _ call: PageCall, _ query: [String: String], problem: String?, _ found: AuditCalls.Page?
    ) -> PageAnswer {
        let records = found?.records ?? []
        let now = Timestamp.now()
        var fields: PageFields = [
            "filters": Self.texts.map { id, label, example -> PageFields in
                ["id": id, "label": label, "example": example, "value": query[id] ?? ""]
            },
            "choices": [
                choice("action", "Action", AuditAction.allCases.map(\.rawValue), query),
                choice("outcome", "Outcome", AuditEvent.Outcome.allCases.map(\.rawValue), query),
            ],
            "isEmpty": records.isEmpty, "rows": records.map { row($0, now) },
            "emptyText": found?.next == nil
                ? "Nothing was recorded that is like that."
                : "Nothing like that is in the part of the log that was looked at; there is more of it.",
        ]
        fields["problem"] = problem
        if let next = found?.next {
            let pairs = query.filter { $0.key != "before" }.sorted { $0.key < $1.key }
            fields["older"] =
                "/audit" + Paging.query(pairs.map { ($0.key, $0.value) } + [("before", "\(next)")])
            fields["shown"] = "\(records.count) record\(records.count == 1 ? "" : "s")"
        }
        return site.page(call, "audit", title: "Audit", status: problem == nil ? .ok : .badRequest, fields)
    }

    private func choice(
        _ id: String, _ label: String, _ options: [String], _ query: [String: String]
    ) -> PageFields {
        let fields = options.map { ["option": $0, "isChosen": query[id] == $0] as PageFields }
        return ["id": id, "label": label, "options": fields]
    }

    private func row(_ record: AuditRecord, _ now: Timestamp) -> PageFields {
        let outcome = record.texts[.outcome] ?? ""
        var fields = PageTime.fields(record.time, now: now)
        fields.merge([
            "sequence": String(record.sequence),
            "who": printable(who(record)), "action": printable(record.texts[.action] ?? ""),
            "outcome": printable(outcome), "kind": ["ok": "good", "denied": "bad"][outcome] ?? "warn",
        ]) { _, new in new }
        if let home = record.texts[.algorithm] ?? record.texts[.owner] {
            fields["home"] = printable(home, atMost: 160)
        }
        if let program = record.texts[.executable] { fields["program"] = printable(program, atMost: 160) }
        if let secret = record.texts[.secret] {
            let version = record.numbers[.version].map { " version \($0)" } ?? ""
            fields["variable"] = printable(secret, atMost: 255) + version
        }
        if let detail = record.texts[.detail] { fields["detail"] = printable(detail, atMost: 400) }
        return fields
    }

    private func who(_ record: AuditRecord) -> String {
        let user = record.texts[.user] ?? record.numbers[.uid].map { "uid \($0)" } ?? "nobody known"
        return record.texts[.address].map { "\(user), \($0)" } ?? user
    }
}
