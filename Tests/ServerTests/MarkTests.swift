import Foundation
import Secrets
import Testing

@testable import Server
@testable import Store

@Suite struct `Marks of secrets` {
    private let now = Timestamp(seconds: 2_000_000_000, nanoseconds: 0)

    private func ago(days: Int64) -> Timestamp {
        Timestamp(seconds: now.seconds - days * 86_400, nanoseconds: 0)
    }

    private func secret(made days: Int64, expires: Timestamp? = nil, _ delivery: Delivery = .env) throws
        -> Secret
    {
        Secret(
            name: try EnvironmentName("KEY"), id: UUID(), displayName: try DisplayName("Key"),
            about: try Description(""), delivery: delivery, created: ago(days: days),
            modified: ago(days: days), validity: Validity(notBefore: nil, expires: expires),
            versions: [
                VersionInfo(version: .first, count: 1, created: ago(days: days), actor: .thisProcess)
            ])
    }

    private func marks(_ secret: Secret, _ reads: LastReads.OfAlgorithm) -> SecretMarks {
        SecretMarks(secret, secret.validity.state(at: now), reads, now: now)
    }

    @Test func `a secret that nobody read for 90 days is unused, as far as the log tells`() throws {
        let old = try secret(made: 200)
        var reads = LastReads.OfAlgorithm()
        #expect(!marks(old, reads).isUnused, "nothing was looked at")
        reads.since = ago(days: 30)
        #expect(!marks(old, reads).isUnused, "the log does not reach so far")
        reads.since = ago(days: 91)
        #expect(marks(old, reads).isUnused)
        #expect(!marks(try secret(made: 89), reads).isUnused)
        reads.opens["KEY"] = ago(days: 91)
        #expect(marks(old, reads).isUnused)
        reads.opens["KEY"] = ago(days: 89)
        #expect(!marks(old, reads).isUnused)
    }

    @Test func `all variables at once are a read of each that is one`() throws {
        var reads = LastReads.OfAlgorithm()
        reads.environ = ago(days: 1)
        reads.opens["KEY"] = ago(days: 2)
        #expect(reads.last(of: try secret(made: 3)) == ago(days: 1))
        #expect(reads.last(of: try secret(made: 3, .file)) == ago(days: 2))
        // Of another secret, which had this name before.
        #expect(reads.last(of: try secret(made: 0)) == nil)
        #expect(reads.last(of: try secret(made: 1, .file)) == nil)
    }

    @Test(arguments: [(13, true), (15, false), (-1, true)] as [(Int64, Bool)])
    func `a secret is marked in the two weeks before its end and after it`(_ days: Int64, _ isMarked: Bool)
        throws
    {
        let end = Timestamp(seconds: now.seconds + days * 86_400, nanoseconds: 0)
        let marks = marks(try secret(made: 20, expires: end), LastReads.OfAlgorithm())
        #expect(marks.isExpiring == isMarked)
    }

    @Test func `what was not read is told with how far the log was looked at`() throws {
        func said(_ since: Timestamp?) throws -> String? {
            var reads = LastReads.OfAlgorithm()
            reads.since = since
            var row: PageFields = [:]
            marks(try secret(made: 1), reads).fill(&row)
            return row["unread"] as? String
        }
        #expect(try said(nil) == "Being looked up")
        #expect(try said(Timestamp(seconds: 0, nanoseconds: 0)) == "Never")
        #expect(try said(ago(days: 10)) == "Not for 10 days, as far as the log was read")
    }
}
