import Secrets
import Store

/// The algorithms that somebody may see.
struct AlgorithmPages: Sendable {
    let site: Site

    func list(_ call: PageCall) throws -> PageAnswer {
        let permissions = try call.principal().permissions
        let search = Search(call.call.query["q"])
        let seen = try site.service.store.algorithms().filter { permissions.maySee(.algorithm($0.name)) }
        let found = seen.filter { search.matches([$0.name.description]) }
        let paging = Paging(
            found.count, page: call.call.query["page"], path: "/", query: [("q", search.text)])
        let now = Timestamp.now()
        var fields: PageFields = [
            "rows": try found[paging.range].map { algorithm -> PageFields in
                [
                    "algorithm": algorithm.name.description,
                    "count": String(try site.service.store.secretCount(of: .algorithm(algorithm.name))),
                    "made": PageTime.fields(algorithm.created, now: now),
                ]
            },
            "isEmpty": found.isEmpty, "paging": paging.fields,
            "emptyTitle": seen.isEmpty ? "No algorithms" : "Nothing found",
            "emptyText": seen.isEmpty
                ? "There are none yet, or your roles name none of them."
                : "No algorithm has this in its name.",
        ]
        if !search.isEmpty { fields["search"] = search.text }
        return site.page(call, "algorithms", title: "Algorithms", fields)
    }
}

/// What somebody looks for in a list: a part of a text, in any case.
struct Search {
    private static let maximumCount = 128
    let text: String
    private let wanted: [UInt8]

    init(_ given: String?) {
        let trimmed = Self.trimmed(given ?? "")
        text = trimmed.utf8.count <= Self.maximumCount ? trimmed : ""
        wanted = Array(text.lowercased().utf8)
    }

    var isEmpty: Bool { wanted.isEmpty }

    func matches(_ texts: [String]) -> Bool {
        wanted.isEmpty || texts.contains { Self.has(Array($0.lowercased().utf8), wanted) }
    }

    private static func has(_ text: [UInt8], _ wanted: [UInt8]) -> Bool {
        guard text.count >= wanted.count else { return false }
        return (0...text.count - wanted.count).contains { start in
            text[start] == wanted[0] && text[start..<start + wanted.count].elementsEqual(wanted)
        }
    }

    /// Without the blanks around it, which people paste along.
    static func trimmed(_ text: String) -> String {
        let rest = text.drop { $0.isWhitespace }
        guard let last = rest.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(rest[...last])
    }
}
