import Glibc

/// A moment, to the nanosecond, as files have it. UTC.
package struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Since 1970-01-01T00:00:00Z.
    package let seconds: Int64
    /// 0 to 999,999,999.
    package let nanoseconds: UInt32

    package init(seconds: Int64, nanoseconds: UInt32) {
        precondition(nanoseconds < 1_000_000_000)
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    package static func now() -> Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
    }

    /// RFC 3339 with milliseconds, for example `2026-11-23T14:03:05.120Z`.
    package var description: String {
        // 0 to 9999, so that it is always as long.
        let seconds = min(max(seconds, 0), 253_402_300_799)
        let (year, month, day) = CivilDate.of(daysSince1970: seconds / 86_400)
        let rest = seconds % 86_400
        return unsafe String(unsafeUninitializedCapacity: 24) { buffer in
            var place = 0
            func put(_ value: Int64, _ width: Int, _ end: Unicode.Scalar) {
                var value = value
                for offset in stride(from: width - 1, through: 0, by: -1) {
                    unsafe buffer[place + offset] = UInt8(ascii: "0") + UInt8(value % 10)
                    value /= 10
                }
                unsafe buffer[place + width] = UInt8(ascii: end)
                place += width + 1
            }
            put(year, 4, "-")
            put(month, 2, "-")
            put(day, 2, "T")
            put(rest / 3600, 2, ":")
            put(rest / 60 % 60, 2, ":")
            put(rest % 60, 2, ".")
            put(Int64(nanoseconds / 1_000_000), 3, "Z")
            return place
        }
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}
