import Synchronization

/// Connections that only read, for a process that answers many at once: a connection serves one thread at a time.
/// A store has none until it is told that many will read, and makes each when it is first needed.
final class SQLiteReaders: Sendable {
    private struct State {
        var idle: [SQLiteConnection] = []
        /// Idle or lent.
        var count = 0
        var maximum = 0
    }
    private let path: String
    private let state = Mutex(State())

    init(path: String) { self.path = path }

    func allow(_ maximum: Int) { state.withLock { $0.maximum = maximum } }

    /// Calls `body` with a connection that nobody else uses meanwhile.
    ///
    /// - Returns: nil, without calling `body`: all are lent.
    func lend<T>(_ body: (SQLiteConnection) throws(StorageError) -> T) throws(StorageError) -> T? {
        guard let connection = try take() else { return nil }
        defer { giveBack(connection) }
        return try body(connection)
    }

    /// - Returns: nil: all are lent.
    func take() throws(StorageError) -> SQLiteConnection? {
        let (idle, isNew) = state.withLock { state in
            if let idle = state.idle.popLast() { return (idle as SQLiteConnection?, false) }
            guard state.count < state.maximum else { return (nil, false) }
            state.count += 1
            return (nil, true)
        }
        if let idle { return idle }
        return isNew ? try opened() : nil
    }

    func giveBack(_ connection: SQLiteConnection) { state.withLock { $0.idle.append(connection) } }

    /// Instead of giving it back: nobody knows what it is in the middle of.
    func discard(_ connection: SQLiteConnection) {
        state.withLock { $0.count -= 1 }
        try? connection.close()
    }

    private func opened() throws(StorageError) -> SQLiteConnection {
        do throws(StorageError) { return try SQLiteConnection(reading: path) } catch {
            state.withLock { $0.count -= 1 }
            throw error
        }
    }

    /// - Precondition: none is lent.
    func close() throws(StorageError) {
        let idle = state.withLock { state in
            defer { state = State() }
            return state.idle
        }
        for connection in idle { try connection.close() }
    }
}
