import Glibc

/// A revisioned key-value store of sealed records, shaped like etcd so that one machine and a cluster
/// behave alike. Storage is untrusted (R5): it holds sealed bytes and never learns what they mean; only
/// record keys are readable in it.
///
/// Every engine passes the same conformance suite (`Tests/StoreTests/Conformance`).
package protocol Storage: Sendable {
    /// A line for `secretfs status`, for example `SQLite 3.40.1, /var/lib/secretfs/store.db`.
    var engineDescription: String { get }

    /// So many threads will read at once. An engine whose readers do not hinder each other has nothing to do.
    func allowReaders(_ count: Int)

    /// Calls `body`, on this thread; all that this thread reads meanwhile may be of one revision, which an engine may read
    /// cheaper. `body` changes nothing.
    func atOneMoment<T>(_ body: () throws -> T) throws -> T

    /// What the selections hold, all of it at one revision. Records come in the order of the selections,
    /// and by key within a prefix.
    ///
    /// - Parameter revision: nil for the newest. An engine keeps at least the newest revision.
    /// - Throws: `.revisionGone`, `.futureRevision`, `.unavailable`, `.corrupt`.
    func read(_ selections: [Selection], at revision: Revision?) throws(StorageError) -> Snapshot

    /// How many records have `prefix`, without reading them.
    func count(of prefix: RecordKey) throws(StorageError) -> Int

    /// The next records, for who goes through all of them, in an order of the engine's own: a record that is there all
    /// the time comes once. A page is of one revision, and the next page may be of a later one. What is put meanwhile
    /// may come or not.
    ///
    /// - Parameter end: of the page before; nil for the first page.
    /// - Returns: no record at the end of the store, and never else.
    func page(after end: Page.End?, _ limit: PageLimit) throws(StorageError) -> Page

    /// Calls `body` with the key of each record and its first `count` bytes (all of a shorter one), in no order. All
    /// of them are of one revision.
    func forEachHead(_ count: Int, _ body: (_ key: RawSpan, _ head: RawSpan) -> Void) throws(StorageError)

    /// The first `limit` keys with `prefix`, in order, without reading their records.
    func keys(of prefix: RecordKey, limit: Int) throws(StorageError) -> [RecordKey]

    /// Makes all changes of `transaction`, or none; durable when this returns (R8).
    ///
    /// - Returns: the revision that the changes made; the present one if there were none.
    /// - Throws: `.conflict` naming the first condition that does not hold; nothing was changed.
    @discardableResult
    func commit(_ transaction: Transaction) throws(StorageError) -> Revision

    /// Exchanges the bytes of records for others that mean the same: what was sealed by another key. Each record is
    /// exchanged if it was last put by the commit that the replacement names; another is left as it is, so that no
    /// writer between is overwritten, and none makes this fail. Durable when this returns.
    ///
    /// A revision like others, except that `changes` does not tell its keys: who follows has nothing to read again.
    ///
    /// - Returns: how many were exchanged.
    /// - Throws: `.conflict` naming the first condition that does not hold; nothing was changed.
    func replace(
        _ replacements: [Replacement], if conditions: [Transaction.Condition]
    ) throws(StorageError) -> Int

    /// The keys that were put or deleted after `revision`, up to the newest, each once, in no order.
    ///
    /// - Throws: `.revisionGone` when changes that far back are forgotten: read everything again.
    ///   `.futureRevision` when the store has not come that far: it is another one, or an older copy.
    func changes(since revision: Revision) throws(StorageError) -> Changes

    /// Calls `onChange` on a thread of the engine's own soon after a commit by any process, with the newest
    /// revision; several commits may be told as one. Ends with `cancel()` or with the watch's release.
    func watch(_ onChange: @escaping @Sendable (Revision) -> Void) throws(StorageError) -> any Watch

    /// Writes everything that the store holds at one revision to `path`, an empty file, in the form that the
    /// engine is restored from. Readers and writers go on meanwhile. Durable when this returns.
    ///
    /// - Parameter onProgress: called every few megabytes; false ends the work.
    /// - Throws: `.cancelled`. What is then in the file is of no use.
    func backUp(to path: String, onProgress: (Progress) -> Bool) throws(StorageError)
}

/// How far long work has come, in units of its own.
package struct Progress: Sendable {
    package let done: Int
    package let total: Int

    package init(done: Int, total: Int) {
        self.done = done
        self.total = total
    }
}

/// A running watch.
package protocol Watch: AnyObject, Sendable {
    /// After this returns, no further call begins; one that runs on another thread has ended.
    func cancel()
}

/// Counts commits, from 0 for an empty store. Grows by one with each commit that changes something.
package struct Revision: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package var description: String { String(rawValue) }
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Names a record: 1 to 1,024 bytes of UTF-8, by convention parts joined by `/`. As a prefix it selects
/// every key that starts with its bytes. Ordered by bytes.
package struct RecordKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let maximumCount = 1024
    package let text: String

    /// - Precondition: `text` has 1 to 1,024 bytes. Keys are made of parsed names, never of raw input.
    package init(_ text: String) {
        precondition((1...Self.maximumCount).contains(text.utf8.count))
        self.text = text
    }
    package var description: String { text }
    // Keys are bytes: two spellings of one character, which are equal as `String`, are two keys.
    package static func == (left: Self, right: Self) -> Bool { left.text.compareBytes(to: right.text) == 0 }
    package func hash(into hasher: inout Hasher) {
        // Equal bytes are equal strings, and those hash alike.
        hasher.combine(text)
    }
    package static func < (left: Self, right: Self) -> Bool {
        left.text.compareBytes(to: right.text) < 0
    }
}

extension Storage {
    package func allowReaders(_ count: Int) {}
    package func atOneMoment<T>(_ body: () throws -> T) throws -> T { try body() }
}

extension String {
    /// Less than, equal to or greater than 0, as memcmp(3) has it.
    fileprivate func compareBytes(to other: String) -> Int {
        let (left, right) = (utf8Span.span, other.utf8Span.span)
        let order = unsafe left.withUnsafeBufferPointer { left in
            unsafe right.withUnsafeBufferPointer { right in
                guard let first = left.baseAddress, let second = right.baseAddress else { return CInt(0) }
                return unsafe memcmp(first, second, min(left.count, right.count))
            }
        }
        return order == 0 ? left.count - right.count : Int(order)
    }
}

package enum Selection: Hashable, Sendable {
    case key(RecordKey)
    case prefix(RecordKey)
}

package struct StoredRecord: Hashable, Sendable {
    package let key: RecordKey
    /// Sealed; docs/FORMAT.md.
    package let bytes: [UInt8]
    /// The commit that created the record under this key.
    package let created: Revision
    /// The commit that last put it.
    package let modified: Revision

    package init(key: RecordKey, bytes: [UInt8], created: Revision, modified: Revision) {
        self.key = key
        self.bytes = bytes
        self.created = created
        self.modified = modified
    }
}

package struct Snapshot: Sendable {
    package let revision: Revision
    package let records: [StoredRecord]

    package init(revision: Revision, records: [StoredRecord]) {
        self.revision = revision
        self.records = records
    }
}

package struct Changes: Sendable {
    package let revision: Revision
    package let keys: Set<RecordKey>

    package init(revision: Revision, keys: Set<RecordKey>) {
        self.revision = revision
        self.keys = keys
    }
}

/// Conditions that must hold, then changes, in order.
package struct Transaction: Sendable {
    package enum Condition: Hashable, Sendable {
        case absent(RecordKey)
        /// The record was last put by this commit.
        case unchanged(RecordKey, since: Revision)
    }
    package enum Change: Sendable {
        case put(RecordKey, [UInt8])
        /// Deleting what is not there changes nothing.
        case delete(RecordKey)
        case deletePrefix(RecordKey)
    }
    package var conditions: [Condition]
    package var changes: [Change]

    package init(if conditions: [Condition] = [], then changes: [Change]) {
        self.conditions = conditions
        self.changes = changes
    }
}

/// Why storage did not do what it was asked. Nothing was half-done.
package enum StorageError: Error, Equatable {
    /// A condition does not hold: somebody else was first.
    case conflict(RecordKey)
    case revisionGone
    case futureRevision
    /// There is no store at this place.
    case missing(path: String)
    /// There is one already; none was made.
    case exists(path: String)
    /// The file is not a store, or is damaged; with the engine's own words.
    case corrupt(path: String, reason: String)
    /// A newer program wrote it.
    case newerFormat(path: String, found: Int, known: Int)
    case full(path: String)
    case readOnly(path: String)
    case permission(path: String)
    /// Another process held the store for longer than we wait.
    case busy(path: String)
    case unavailable(path: String, reason: String)
    /// The caller wanted no more of it.
    case cancelled
}
