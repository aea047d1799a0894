import Glibc
import Secrets
import Store

// A second process for the store's tests: `TestStoreWriter COMMAND DIRECTORY [NUMBER]`. What is done is told
// on standard output, a line each; when nobody reads them any more, SIGPIPE ends the process.

/// However a test ends, no writer outlives it for long. Seconds.
alarm(120)

func tell(_ line: some CustomStringConvertible) {
    let bytes = Array("\(line)\n".utf8)
    if write(1, bytes, bytes.count) != bytes.count { exit(3) }
}

/// Bytes that only round `number` writes; as many as `number` says, so that pages split and overflow.
func payload(_ number: Int) -> [UInt8] {
    (0..<(number % 7 == 0 ? 5000 : 100 + number % 300)).map { UInt8(truncatingIfNeeded: number &+ $0) }
}

/// Each round puts a pair of records in one commit and deletes an older pair, then tells its number.
func writePairs(_ store: SQLiteStorage, from first: Int) throws {
    for number in first... {
        let bytes = payload(number)
        let old = "pair/left/\(number - 50)"
        try store.commit(
            Transaction(then: [
                .put(RecordKey("pair/left/\(number)"), bytes), .put(RecordKey("pair/right/\(number)"), bytes),
                .delete(RecordKey(old)),
            ]))
        tell(number)
    }
}

func increment(_ key: RecordKey, _ store: SQLiteStorage, rounds: Int) throws {
    for _ in 0..<rounds {
        while true {
            let record = try store.read([.key(key)], at: nil).records.first
            let number = record.flatMap { Int(String(decoding: $0.bytes, as: UTF8.self)) } ?? 0
            let condition: Transaction.Condition =
                record.map { .unchanged(key, since: $0.modified) } ?? .absent(key)
            do {
                try store.commit(
                    Transaction(if: [condition], then: [.put(key, Array(String(number + 1).utf8))]))
                break
            } catch {
                guard case .conflict = error else { throw error }
            }
        }
    }
}

/// Records `count` events in the audit log of a store that the root key beside it opens; tells each when it is there.
func record(_ count: Int, in directory: String) throws {
    let root = try RootKeyFile(directory + "/root.key").read()
    let store = try SealedStore.open(at: directory).unseal(by: root)
    for number in 0..<count {
        let detail = "\(getpid()) \(number)"
        try store.audit.write([AuditEvent(.command, by: .thisProcess, detail: detail)], isDurable: false)
        tell(detail)
    }
}

let arguments = CommandLine.arguments
guard arguments.count >= 3 else { exit(2) }
let number = arguments.count > 3 ? Int(arguments[3]) ?? 0 : 0
do {
    if arguments[1] == "create" {
        _ = try SQLiteStorage.create(at: arguments[2])
        tell("created")
        exit(0)
    }
    if arguments[1] == "audit" {
        try record(number, in: arguments[2])
        exit(0)
    }
    let store = try SQLiteStorage.open(at: arguments[2])
    switch arguments[1] {
    case "pairs": try writePairs(store, from: number)
    case "increment": try increment(RecordKey("counter"), store, rounds: number)
    case "once": tell(try store.commit(Transaction(then: [.put(RecordKey("once"), payload(number))])))
    default: exit(2)
    }
} catch StorageError.exists {
    tell("exists")
} catch {
    tell("\(error)")
    exit(1)
}
