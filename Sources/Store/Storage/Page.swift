/// Some of a store's records, for who goes through all of them.
package struct Page: Sendable {
    /// Where a page ends, in the engine's own terms.
    package struct End: Hashable, Sendable {
        package let number: Int64
        package init(number: Int64) { self.number = number }
    }
    package let revision: Revision
    package let records: [StoredRecord]
    /// Nil if there is no record.
    package let end: End?

    package init(revision: Revision, records: [StoredRecord], end: End?) {
        self.revision = revision
        self.records = records
        self.end = end
    }
}

/// How long a page may be: `records` at most, and with more than one of them `bytes` at most.
package struct PageLimit: Hashable, Sendable {
    package let records: Int
    package let bytes: Int

    /// - Precondition: both are 1 or more.
    package init(records: Int, bytes: Int) {
        precondition(records > 0 && bytes > 0)
        self.records = records
        self.bytes = bytes
    }
}

package struct Replacement: Hashable, Sendable {
    package let key: RecordKey
    /// What the record shall have.
    package let bytes: [UInt8]
    /// The commit that last put what is to be replaced.
    package let since: Revision

    package init(key: RecordKey, bytes: [UInt8], since: Revision) {
        self.key = key
        self.bytes = bytes
        self.since = since
    }
}
