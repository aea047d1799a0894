import Foundation
import Secrets
import Testing

@Suite struct `A moment as text` {
    @Test(arguments: [
        (0, 0, "1970-01-01T00:00:00.000Z"), (951_782_399, 999_999_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400, 120_345_678, "2000-02-29T00:00:00.120Z"),
        (4_107_542_399, 1, "2100-02-28T23:59:59.000Z"),
        (253_402_300_799, 999_000_000, "9999-12-31T23:59:59.999Z"),
        // Always as long, whatever is behind it.
        (253_402_300_800, 0, "9999-12-31T23:59:59.000Z"), (-1, 0, "1970-01-01T00:00:00.000Z"),
    ])
    func `is RFC 3339 with milliseconds`(_ seconds: Int64, _ nanoseconds: UInt32, _ text: String) {
        #expect(Timestamp(seconds: seconds, nanoseconds: nanoseconds).description == text)
    }

    @Test func `is what the system's formatter says`() {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let seconds = Int64.random(in: 0...253_402_300_799, using: &random)
            let milliseconds = UInt32.random(in: 0..<1000, using: &random)
            // Half a millisecond more: the formatter cuts.
            let date = Date(timeIntervalSince1970: Double(seconds) + (Double(milliseconds) + 0.5) / 1000)
            let moment = Timestamp(seconds: seconds, nanoseconds: milliseconds * 1_000_000)
            #expect(moment.description == date.formatted(style))
        }
    }
}
