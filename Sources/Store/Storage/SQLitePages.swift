import GRDB
import GRDBSQLite

/// Going through all records. In the order of rowids, which is that of the file: in the order of keys, most of its
/// pages would be read, and where the records are exchanged also written, several times.
///
/// A record keeps its rowid as long as it is there. (VACUUM may give others to a table without a column for them;
/// it does not to one with an index, and nobody destroys a key before `forEachHead` has seen that it is not in use.)
extension SQLiteStorage {
    package func page(after end: Page.End?, _ limit: PageLimit) throws(StorageError) -> Page {
        let path = connection.path
        return try connection.read { database in
            let revision = Revision(try StoreState(database, path: path).revision)
            let statement = try database.cachedStatement(
                sql: """
                    SELECT key, bytes, created, modified, rowid FROM record WHERE rowid > ?1
                    ORDER BY rowid LIMIT ?2
                    """)
            var records: [StoredRecord] = []
            records.reserveCapacity(limit.records)
            var bytes = 0
            var last: Int64?
            try statement.forEachRow(end?.number ?? .min, Int64(clamping: limit.records)) { row in
                let record = try row.record(path: path)
                bytes += record.bytes.count
                if bytes > limit.bytes, !records.isEmpty { return false }
                records.append(record)
                last = try row.number(4)
                return true
            }
            return Page(revision: revision, records: records, end: last.map { Page.End(number: $0) })
        }
    }

    package func forEachHead(
        _ count: Int, _ body: (_ key: RawSpan, _ head: RawSpan) -> Void
    ) throws(StorageError) {
        try connection.read { database in
            let statement = try database.cachedStatement(sql: "SELECT key, substr(bytes, 1, ?1) FROM record")
            try statement.forEachRow(Int64(clamping: count)) { row in
                row.withBytes(0) { key in row.withBytes(1) { body(key, $0) } }
                return true
            }
        }
    }
}
