import FoundationEssentials
import GRDB

/// Where a store is.
struct StoreState {
    /// That of the newest change, which is always remembered; 0 before the first.
    private(set) var revision: Int64
    /// Changes up to this revision may be forgotten.
    var forgotten: Int64
    /// How many changed keys `change` had when they were counted last.
    private(set) var changes: Int64
    /// The newest revision of those.
    private(set) var counted: Int64
    private let path: String

    /// More than any store can have had, and far from where sums overflow.
    private static let maximumChanges: Int64 = 1 << 48

    init(_ database: Database, path: String) throws {
        let statement = try database.cachedStatement(
            sql: """
                SELECT ifnull((SELECT max(revision) FROM change), 0), forgotten, changes, counted
                FROM state WHERE id = 1
                """)
        var found: (Int64, Int64, Int64, Int64)?
        try statement.forEachRow { row in
            found = (try row.number(0), try row.number(1), try row.number(2), try row.number(3))
            return false
        }
        guard let found else {
            throw StorageError.corrupt(path: path, reason: "the row of its state is missing")
        }
        (revision, forgotten, changes, counted) = found
        self.path = path
        guard (0..<Int64.max).contains(revision), (0...revision).contains(counted),
            (0...revision).contains(forgotten),
            (0...Self.maximumChanges).contains(changes)
        else { throw StorageError.corrupt(path: path, reason: "its revision is damaged") }
    }

    /// After a commit's changes were noted.
    mutating func advance() { revision += 1 }

    /// Counts the keys that were added since the last time.
    mutating func count(_ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: "SELECT ifnull(sum(count), 0) FROM change WHERE revision > ?")
        let added = try Int64.fetchOne(statement, arguments: [counted]) ?? 0
        guard (0...Self.maximumChanges).contains(added) else { throw damagedCounts }
        changes += added
        counted = revision
    }

    /// Forgets changes of `count` keys that were counted.
    mutating func forget(_ count: Int64) throws {
        guard (0...changes).contains(count) else { throw damagedCounts }
        changes -= count
    }

    private var damagedCounts: StorageError {
        .corrupt(path: path, reason: "the numbers of its changes are damaged")
    }

    func write(_ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: "UPDATE state SET forgotten = ?, changes = ?, counted = ? WHERE id = 1")
        try statement.execute(arguments: [forgotten, changes, counted])
    }
}

extension Row {
    /// The number in a column. GRDB's subscript ends the program where there is none, and a file that somebody made
    /// may have anything anywhere, whatever its schema says.
    ///
    /// - Throws: `RowDecodingError`, which is `StorageError.corrupt`.
    func number(_ column: Int) throws -> Int64 { try decode(Int64.self, atIndex: column) }
}

extension RecordKey {
    /// The key as SQLite has it.
    var blob: Data { Data(text.utf8) }

    /// The first bytes after all keys that start with this one.
    var blobAfterPrefix: Data {
        var bytes = blob
        // No byte of UTF-8 is 0xFF, so the last one can always grow.
        bytes[bytes.endIndex - 1] += 1
        return bytes
    }

    /// Nil when `bytes` are no key.
    init?(stored bytes: some Collection<UInt8>) {
        guard (1...Self.maximumCount).contains(bytes.count),
            let text = String(validating: bytes, as: UTF8.self)
        else { return nil }
        self.init(text)
    }

    /// A row that begins with a record's key.
    init(_ row: Row, path: String) throws {
        guard let key = try row.withUnsafeData(atIndex: 0, { $0.flatMap(RecordKey.init(stored:)) }) else {
            throw StorageError.corrupt(path: path, reason: "a record's key is damaged")
        }
        self = key
    }
}

extension Revision {
    /// Nil for a number that SQLite cannot hold, and which no store has reached.
    var number: Int64? { Int64(exactly: rawValue) }

    init(_ number: Int64) { self.init(rawValue: UInt64(clamping: number)) }
}

extension StoredRecord {
    /// A row of key, bytes, created, modified.
    init(_ row: Row, path: String) throws {
        try self.init(key: RecordKey(row, path: path), row, path: path)
    }

    init(key: RecordKey, _ row: Row, path: String) throws {
        let bytes = try row.withUnsafeData(atIndex: 1) { data in data.map { [UInt8]($0) } ?? [] }
        try self.init(
            key: key, bytes: bytes, created: try row.number(2), modified: try row.number(3), path: path)
    }

    init(key: RecordKey, bytes: [UInt8], created: Int64, modified: Int64, path: String) throws {
        guard 0 < created, created <= modified else {
            throw StorageError.corrupt(path: path, reason: "the revisions of record \(key) are damaged")
        }
        self.init(key: key, bytes: bytes, created: Revision(created), modified: Revision(modified))
    }
}
