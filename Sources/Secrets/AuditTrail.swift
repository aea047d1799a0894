/// Where it is written who opened and changed what, before it happens (R4): no record, no value and no change.
package protocol AuditTrail: Sendable {
    /// Returns when all of `events` are written: all of them or none. May wait for a disk, so never on a thread
    /// that answers the kernel.
    func record(_ events: [AuditEvent]) throws(AuditError)

    /// Writes `event` at once if nothing has to be waited for, and never waits otherwise.
    ///
    /// - Parameter later: called once on another thread, with nil when `event` is written, if and only if this
    ///   returns false. Must not block.
    /// - Returns: whether `event` is written.
    func record(_ event: AuditEvent, later: @escaping @Sendable (AuditError?) -> Void) throws(AuditError)
        -> Bool
}

/// Why nothing was written, and so nothing is released and nothing changed.
package enum AuditError: Error, Equatable, Sendable {
    case full(path: String)
    case readOnly(path: String)
    /// Lines that were there are gone: the file was removed, replaced or cut. A line that says so was written, and
    /// what was asked for is refused this once.
    case lost(path: String)
    /// Another process held the file for too long, or more waits for the disk than we keep.
    case busy(path: String)
    case unavailable(path: String, reason: String)
    /// There is no log to read.
    case missing(path: String)
}

/// A trail that keeps nothing: for tests and tools that serve no store.
package struct NoTrail: AuditTrail {
    package init() {}
    package func record(_ events: [AuditEvent]) {}
    package func record(_ event: AuditEvent, later: @escaping @Sendable (AuditError?) -> Void) -> Bool {
        true
    }
}
