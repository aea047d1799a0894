import Console
import FoundationEssentials
import Secrets
import Store

/// Who opened and changed what, the newest first. What the log says here is not verified (`secretfs audit verify`).
struct AuditCalls: Sendable {
    let service: APIService
    let reader: AuditReader

    private static let maximumLimit = 1000
    /// Of the log's files, for one answer: a filter that matches little must not read all of them.
    private static let maximumBytes = 32 << 20

    func list(_ call: Call) throws -> Answer {
        let filter = try Filter(call.query)
        let isAllowed = try call.principal().permissions.maySeeAudit(of: filter.home)
        try service.require(isAllowed, call, filter.home)
        let limit = try Self.number(call.query["limit"], "limit", 1...Self.maximumLimit) ?? 100
        let before = try Self.number(call.query["before"], "before", 1...Int(Int32.max)).map(UInt64.init)
        let page = try look(filter, before: before, atMost: limit)
        let next: JSON = page.next.map { .number(Int(clamping: $0)) } ?? .null
        return .json(["results": .array(page.records.map(Self.json)), "next": next])
    }

    struct Page {
        fileprivate(set) var records: [AuditRecord] = []
        /// What is `before` for the page after this one; nil if there is none.
        fileprivate(set) var next: UInt64?
    }

    func look(_ filter: Filter, before: UInt64?, atMost limit: Int) throws(StoreError) -> Page {
        var page = Page()
        let look = try auditing { () throws(AuditError) in
            try reader.newest(before: before, reading: Self.maximumBytes) { record in
                if filter.takes(record) { page.records.append(record) }
                // The log is in the order of time.
                return page.records.count < limit && filter.since.map { record.time >= $0 } ?? true
            }
        }
        page.next = look.isCut ? look.oldest : nil
        return page
    }

    private func auditing<T>(_ body: () throws(AuditError) -> T) throws(StoreError) -> T {
        do { return try body() } catch { throw .audit(error) }
    }

    private static func number(
        _ text: String?, _ name: String, _ range: ClosedRange<Int>
    ) throws(APIError) -> Int? {
        guard let text else { return nil }
        guard text.utf8.count <= 10, let number = Int(text), range.contains(number) else {
            throw .malformed("\(name) must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func json(_ record: AuditRecord) -> JSON {
        var members: [(String, JSON)] = [
            ("sequence", .number(Int(clamping: record.sequence))), ("time", .string(record.time.description)),
        ]
        for key in AuditRecord.Key.allCases where ![.seq, .time, .after, .mac].contains(key) {
            if let number = record.numbers[key] {
                members.append((key.rawValue, .number(Int(clamping: number))))
            } else if let text = record.texts[key] {
                members.append((key.rawValue, .string(text)))
            }
        }
        return JSON(members)
    }

    struct Filter {
        /// An algorithm, or all of an owner.
        let home: SecretHome?
        let secret: EnvironmentName?
        let action: AuditAction?
        let outcome: AuditEvent.Outcome?
        let user: String?
        let since: Timestamp?
        let until: Timestamp?

        init(_ query: [String: String]) throws {
            guard query["algorithm"] == nil || query["owner"] == nil else {
                throw APIError.malformed("algorithm and owner exclude each other")
            }
            home =
                try query["algorithm"].map { .algorithm(try AlgorithmName($0)) }
                ?? query["owner"].map { .owner(try OwnerName($0)) }
            secret = try query["secret"].map { try EnvironmentName($0) }
            action = try query["action"].map { text in
                guard let action = AuditAction(rawValue: text) else {
                    throw APIError.malformed("action is not one that is recorded")
                }
                return action
            }
            outcome = try query["outcome"].map { text in
                guard let outcome = AuditEvent.Outcome(rawValue: text) else {
                    throw APIError.malformed("outcome must be ok, denied or failed")
                }
                return outcome
            }
            user = query["user"]
            since = try query["since"].map { try Self.moment($0, "since") }
            until = try query["until"].map { try Self.moment($0, "until") }
        }

        private static func moment(_ text: String, _ name: String) throws(APIError) -> Timestamp {
            do { return try Moment.fixed(text, of: name) } catch { throw .malformed(error.message) }
        }

        func takes(_ record: AuditRecord) -> Bool {
            switch home {
            case .algorithm(let name): if record.texts[.algorithm] != name.description { return false }
            case .owner(let owner):
                let isOwners = record.texts[.owner] == owner.text
                guard isOwners || record.texts[.algorithm]?.hasPrefix("\(owner)/") ?? false else {
                    return false
                }
            case nil: break
            }
            if let secret, record.texts[.secret] != secret.text { return false }
            if let action, record.texts[.action] != action.rawValue { return false }
            if let outcome, record.texts[.outcome] != outcome.rawValue { return false }
            if let user, record.texts[.user] != user { return false }
            if let since, record.time < since { return false }
            if let until, record.time >= until { return false }
            return true
        }
    }
}
