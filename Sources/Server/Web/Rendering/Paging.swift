/// A part of a long list: "51-100 of 1000".
struct Paging {
    static let size = 50

    let range: Range<Int>
    private let count: Int
    private let page: Int
    /// The path and the query of the list, without the page.
    private let path: String
    private let query: [(String, String)]

    /// - Parameter given: the number of the page as it was asked for; anything else is the first or the last.
    init(_ count: Int, page given: String?, path: String, query: [(String, String)] = []) {
        let last = max(1, (count + Self.size - 1) / Self.size)
        let asked = given.flatMap { $0.utf8.count <= 9 ? Int($0) : nil } ?? 1
        page = min(max(1, asked), last)
        range = (page - 1) * Self.size..<min(count, page * Self.size)
        self.count = count
        self.path = path
        self.query = query.filter { !$0.1.isEmpty }
    }

    /// For the template `paging`.
    var fields: PageFields {
        var fields: PageFields = [
            "range": count == 0 ? "0 of 0" : "\(range.lowerBound + 1)-\(range.upperBound) of \(count)"
        ]
        if page > 1 { fields["previous"] = link(page - 1) }
        if range.upperBound < count { fields["following"] = link(page + 1) }
        return fields
    }

    private func link(_ page: Int) -> String { path + Self.query(query + [("page", "\(page)")]) }

    static func query(_ pairs: [(String, String)]) -> String {
        let text = pairs.filter { !$0.1.isEmpty }.map { "\($0.0)=\(PercentCoding.encoded($0.1))" }
            .joined(separator: "&")
        return text.isEmpty ? "" : "?\(text)"
    }
}
