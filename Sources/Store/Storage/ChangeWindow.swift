import FoundationEssentials
import GRDB

/// What the store remembers of changes, and how far back.
struct ChangeWindow {
    static let revisions: Int64 = 4096
    /// However many keys each of them changed.
    static let keys: Int64 = 131_072
    /// However many bytes the keys of one of them take: a row must not reach `SQLiteConnection.maximumRow`.
    private static let bytes = 1 << 20
    /// All keys of one answer together, in bytes; stored, they are shorter.
    private static let maximumRead = 32 << 20
    /// Trimming waits for this many revisions, so that most commits do not write the pages of old changes.
    private static let interval: Int64 = 64

    let database: Database

    init(_ database: Database) { self.database = database }

    /// The newest revision whose changes may be forgotten.
    static func forgotten(_ state: StoreState) -> Int64 { max(state.forgotten, state.revision - revisions) }

    /// Notes what the revision after `state` changed, and forgets some of what is out of the window.
    ///
    /// - Parameter keys: in any order.
    func note(_ keys: [RecordKey], after state: inout StoreState) throws {
        state.advance()
        var changed = ChangedKeys(keys)
        if changed.count > Self.keys || changed.bytes.count > Self.bytes {
            // More than may be remembered. The row stays: it is where the newest revision is known from.
            changed = ChangedKeys([])
            state.forgotten = state.revision
        }
        try database.cachedStatement(
            sql: "INSERT INTO change(revision, count, keys) VALUES (?, ?, ifnull(?, x''))"
        )
        .execute(arguments: [state.revision, changed.count, Data(changed.bytes)])
        let isDue = keys.count >= Self.interval || state.revision % Self.interval == 0
        if isDue { try trim(&state) }
    }

    private func trim(_ state: inout StoreState) throws {
        try state.count(database)
        if state.changes > Self.keys {
            // The newest revision with which, counted from the end, there are too many.
            let statement = try database.cachedStatement(
                sql: """
                    SELECT max(revision) FROM
                    (SELECT revision, sum(count) OVER (ORDER BY revision DESC) AS total FROM change)
                    WHERE total > ?
                    """)
            let last = try Int64.fetchOne(statement, arguments: [Self.keys]) ?? 0
            state.forgotten = max(state.forgotten, last)
        }
        let end = min(Self.forgotten(state), state.revision - 1)
        let statement = try database.cachedStatement(
            sql: "SELECT ifnull(sum(count), 0) FROM change WHERE revision <= ?")
        try state.forget(try Int64.fetchOne(statement, arguments: [end]) ?? 0)
        try database.cachedStatement(sql: "DELETE FROM change WHERE revision <= ?").execute(arguments: [end])
        try state.write(database)
    }

    /// The keys that changed after `revision`, which is in the window.
    func keys(since revision: Int64, path: String) throws -> Set<RecordKey> {
        let statement = try database.cachedStatement(sql: "SELECT count, keys FROM change WHERE revision > ?")
        var keys: Set<RecordKey> = []
        var bytes = 0
        let rows = try Row.fetchCursor(statement, arguments: [revision])
        while let row = try rows.next() {
            let count = try row.number(0)
            let isWhole = try row.withUnsafeData(atIndex: 1) { data in
                ChangedKeys.decode(data.map { [UInt8]($0) } ?? [], count: count) { key in
                    if keys.insert(key).inserted { bytes += key.text.utf8.count }
                    return keys.count <= Self.keys && bytes <= Self.maximumRead
                }
            }
            switch isWhole {
            case true: continue
            case false: throw StorageError.corrupt(path: path, reason: "the keys of a change are damaged")
            // Never written by us; whoever asks reads everything again instead.
            case nil: throw StorageError.revisionGone
            }
        }
        return keys
    }
}
