import FoundationEssentials
import GRDB
import Synchronization

/// The embedded engine: SQLite through GRDB, one file `store.db` in a state directory.
///
/// Several engines, in one process or in many, may work on one store. Each has one connection, whose calls take turns,
/// and where it is asked for some more that only read. While it is open, its files must not be moved, replaced or
/// restored from a copy.
package final class SQLiteStorage: Storage {
    private let file: StoreFile
    let connection: SQLiteConnection
    let readers: SQLiteReaders
    private let commits: SQLiteCommits

    package var engineDescription: String {
        let number = Database.sqliteLibVersionNumber
        return "SQLite \(number / 1_000_000).\(number / 1000 % 1000).\(number % 1000), \(connection.path)"
    }

    /// Makes an empty store in `directory` and opens it. Makes the directory (mode 0700) if its parent exists.
    ///
    /// - Throws: `.exists` when there is a store; of two callers at once exactly one does not get it.
    package static func create(at directory: String) throws(StorageError) -> SQLiteStorage {
        try StoreFile(in: directory).create()
        return try open(at: directory)
    }

    /// Opens the store in `directory`; never makes one.
    ///
    /// - Throws: `.missing`, `.corrupt`, `.newerFormat`, `.permission`, `.readOnly`, `.busy`, `.unavailable`.
    package static func open(at directory: String) throws(StorageError) -> SQLiteStorage {
        let file = StoreFile(in: directory)
        try file.prepareToOpen()
        return SQLiteStorage(file, try SQLiteConnection(opening: file.path))
    }

    /// For a glance: waits for nobody, and leaves the files' modes as they are.
    ///
    /// - Throws: as `open(at:)`; `.busy` sooner.
    static func glance(at directory: String) throws(StorageError) -> SQLiteStorage {
        let file = StoreFile(in: directory)
        try file.check()
        return SQLiteStorage(file, try SQLiteConnection(opening: file.path, patience: 0.1))
    }

    private init(_ file: StoreFile, _ connection: SQLiteConnection) {
        self.file = file
        self.connection = connection
        readers = SQLiteReaders(path: connection.path)
        commits = SQLiteCommits(connection)
    }

    package func allowReaders(_ count: Int) { readers.allow(count) }

    /// One transaction for all that is read meanwhile: beginning and ending each costs more than most reads.
    package func atOneMoment<T>(_ body: () throws -> T) throws -> T {
        guard HeldReader.current == nil, let reader = try readers.take() else { return try body() }
        do { try reader.beginReading() } catch {
            readers.discard(reader)
            throw error
        }
        defer {
            do {
                try reader.endReading()
                readers.giveBack(reader)
            } catch {
                readers.discard(reader)
            }
        }
        return try HeldReader.$current.withValue(HeldReader(self, reader), operation: body)
    }

    /// Calls `body` in a read transaction, on a connection that nobody uses now if there is one.
    private func reading<T>(_ body: (Database) throws -> T) throws(StorageError) -> T {
        if let held = HeldReader.current, held.storage === self { return try held.connection.use(body) }
        let read = try readers.lend { reader throws(StorageError) in try reader.read(body) }
        if let read { return read }
        return try connection.read(body)
    }

    /// Only the newest revision is kept.
    package func read(_ selections: [Selection], at revision: Revision?) throws(StorageError) -> Snapshot {
        let path = connection.path
        return try reading { database in
            let newest = try newest(database)
            if let revision, revision != newest {
                throw revision < newest ? StorageError.revisionGone : .futureRevision
            }
            var records: [StoredRecord] = []
            for selection in selections { try Self.append(selection, to: &records, database, path) }
            return Snapshot(revision: newest, records: records)
        }
    }

    private func newest(_ database: Database) throws -> Revision {
        let held = HeldReader.current.flatMap { $0.storage === self ? $0 : nil }
        if let known = held?.revision.withLock({ $0 }) { return known }
        let newest = Revision(try StoreState(database, path: connection.path).revision)
        held?.revision.withLock { $0 = newest }
        return newest
    }

    private static func append(
        _ selection: Selection, to records: inout [StoredRecord], _ database: Database, _ path: String
    ) throws {
        switch selection {
        case .key(let key):
            let statement = try database.cachedStatement(
                sql: "SELECT key, bytes, created, modified FROM record WHERE key = ?")
            try statement.forEachRow(of: key) { row in
                records.append(try row.record(path: path))
                return true
            }
        case .prefix(let prefix):
            let statement = try database.cachedStatement(
                sql:
                    "SELECT key, bytes, created, modified FROM record WHERE key >= ? AND key < ? ORDER BY key"
            )
            let rows = try Row.fetchCursor(statement, arguments: [prefix.blob, prefix.blobAfterPrefix])
            while let row = try rows.next() { records.append(try StoredRecord(row, path: path)) }
        }
    }

    package func count(of prefix: RecordKey) throws(StorageError) -> Int {
        try reading { database in
            let statement = try database.cachedStatement(
                sql: "SELECT count(*) FROM record WHERE key >= ? AND key < ?")
            return try Int.fetchOne(statement, arguments: [prefix.blob, prefix.blobAfterPrefix]) ?? 0
        }
    }

    package func keys(of prefix: RecordKey, limit: Int) throws(StorageError) -> [RecordKey] {
        let path = connection.path
        return try reading { database in
            // The index of keys alone answers this.
            let statement = try database.cachedStatement(
                sql: "SELECT key FROM record WHERE key >= ? AND key < ? ORDER BY key LIMIT ?")
            let rows = try Row.fetchCursor(
                statement, arguments: [prefix.blob, prefix.blobAfterPrefix, max(0, limit)])
            var keys: [RecordKey] = []
            while let row = try rows.next() { keys.append(try RecordKey(row, path: path)) }
            return keys
        }
    }

    @discardableResult
    package func commit(_ transaction: Transaction) throws(StorageError) -> Revision {
        try commits.make(transaction)
    }

    package func replace(
        _ replacements: [Replacement], if conditions: [Transaction.Condition]
    ) throws(StorageError) -> Int {
        let path = connection.path
        return try connection.transact(.immediate) { database in
            var commit = try SQLiteCommit(database, path: path)
            return try commit.replace(replacements, if: conditions)
        }
    }

    package func changes(since revision: Revision) throws(StorageError) -> Changes {
        let path = connection.path
        return try reading { database in
            let state = try StoreState(database, path: path)
            guard let since = revision.number, since <= state.revision else {
                throw StorageError.futureRevision
            }
            guard since >= ChangeWindow.forgotten(state) else { throw StorageError.revisionGone }
            let keys = try ChangeWindow(database).keys(since: since, path: path)
            return Changes(revision: Revision(state.revision), keys: keys)
        }
    }

    /// Reads the whole file and compares its parts with each other, for `doctor` and tests.
    ///
    /// - Throws: `.corrupt` with the first finding.
    package func check() throws(StorageError) {
        let path = connection.path
        try connection.read { database in
            let finding = try String.fetchOne(database, sql: "PRAGMA integrity_check(1)")
            guard finding == "ok" else {
                throw StorageError.corrupt(path: path, reason: finding ?? "no answer")
            }
            var state = try StoreState(database, path: path)
            try state.count(database)
            let newest = try Int64.fetchOne(database, sql: "SELECT max(modified) FROM record") ?? 0
            let changes = try Int64.fetchOne(database, sql: "SELECT ifnull(sum(count), 0) FROM change") ?? 0
            guard newest <= state.revision, changes == state.changes else {
                throw StorageError.corrupt(path: path, reason: "its counts do not match its rows")
            }
            _ = try ChangeWindow(database).keys(since: 0, path: path)
        }
    }

    package func watch(
        _ onChange: @escaping @Sendable (Revision) -> Void
    ) throws(StorageError) -> any Watch {
        try SQLiteWatch(file, onChange)
    }
}

/// The connection on which a thread reads at one moment.
private final class HeldReader: Sendable {
    @TaskLocal static var current: HeldReader?
    let storage: SQLiteStorage
    let connection: SQLiteConnection
    /// The same for as long as it is held.
    let revision = Mutex<Revision?>(nil)

    init(_ storage: SQLiteStorage, _ connection: SQLiteConnection) {
        self.storage = storage
        self.connection = connection
    }
}
