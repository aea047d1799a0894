import Foundation
import Store
import Testing

/// A storage engine that must keep the promises of `Storage`. Each test of the conformance suite runs against
/// every one of them.
struct EngineUnderTest: Sendable, CustomTestStringConvertible {
    /// Opens one more instance on the same store, as another process would.
    typealias Open = @Sendable () throws -> any Storage

    let testDescription: String
    /// Calls its argument with an empty store, which is gone afterwards.
    let withStore: @Sendable ((Open) throws -> Void) throws -> Void

    static let all = [sqlite]

    static let sqlite = EngineUnderTest(testDescription: "SQLite") { body in
        try withTemporaryDirectory { directory in
            _ = try SQLiteStorage.create(at: directory)
            try body { try SQLiteStorage.open(at: directory) }
        }
    }
}

/// A directory that is gone afterwards.
func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let place = FileManager.default.temporaryDirectory.appending(path: "store-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: false)
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: place.path)
    defer { try? FileManager.default.removeItem(at: place) }
    return try body(place.path)
}

extension RecordKey: ExpressibleByStringLiteral {
    /// For tests only: keys of the product are made of parsed names.
    public init(stringLiteral text: String) { self.init(text) }
}

extension Revision: ExpressibleByIntegerLiteral {
    /// For tests only: revisions of the product come from a storage.
    public init(integerLiteral number: UInt64) { self.init(rawValue: number) }
}

extension Storage {
    @discardableResult
    func put(_ key: RecordKey, _ text: String = "x") throws -> Revision {
        try commit(Transaction(then: [.put(key, Array(text.utf8))]))
    }

    func get(_ key: RecordKey) throws -> StoredRecord? { try read([.key(key)], at: nil).records.first }

    func keys(_ prefix: RecordKey) throws -> [String] {
        try read([.prefix(prefix)], at: nil).records.map(\.key.text)
    }

    var revision: Revision { get throws { try read([], at: nil).revision } }
}
