/// SHAKE-128, as the published vectors use it: an endless source of bytes, or a hash of many parts. In Swift,
/// because libcrypto 3.0 squeezes only once.
///
/// - Source: NIST FIPS 202.
struct Shake128 {
    private static let rate = 168
    private var state = [UInt64](repeating: 0, count: 25)
    private var position = 0
    private var isSqueezing = false

    mutating func absorb(_ bytes: [UInt8]) {
        precondition(!isSqueezing)
        for byte in bytes {
            mix(byte)
            position += 1
            if position == Self.rate {
                permute()
                position = 0
            }
        }
    }

    mutating func squeeze(_ count: Int) -> [UInt8] {
        if !isSqueezing {
            mix(0x1f)
            state[(Self.rate - 1) / 8] ^= 0x80 << 56
            permute()
            position = 0
            isSqueezing = true
        }
        return (0..<count).map { _ in
            if position == Self.rate {
                permute()
                position = 0
            }
            defer { position += 1 }
            return UInt8(truncatingIfNeeded: state[position / 8] >> (8 * UInt64(position % 8)))
        }
    }

    private mutating func mix(_ byte: UInt8) {
        state[position / 8] ^= UInt64(byte) << (8 * UInt64(position % 8))
    }

    /// Keccak-f[1600]. Written for debug builds: pointers and `while`, where a range would cost ten times more.
    private mutating func permute() {
        state.withUnsafeMutableBufferPointer { state in
            Self.tables.withUnsafeBufferPointer { tables in
                withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 5) { columns in
                    guard let a = state.baseAddress, let c = columns.baseAddress, let t = tables.baseAddress
                    else { return }
                    var round = 0
                    while round < 24 {
                        Self.theta(a, c)
                        Self.rhoAndPi(a, t)
                        Self.chi(a, c)
                        a[0] ^= t[48 + round]
                        round &+= 1
                    }
                }
            }
        }
    }

    private typealias Words = UnsafeMutablePointer<UInt64>

    private static func theta(_ a: Words, _ c: Words) {
        var x = 0
        while x < 5 {
            c[x] = a[x] ^ a[x &+ 5] ^ a[x &+ 10] ^ a[x &+ 15] ^ a[x &+ 20]
            x &+= 1
        }
        x = 0
        while x < 5 {
            let next = c[x == 4 ? 0 : x &+ 1]
            let d = c[x == 0 ? 4 : x &- 1] ^ (next &<< 1 | next &>> 63)
            a[x] ^= d
            a[x &+ 5] ^= d
            a[x &+ 10] ^= d
            a[x &+ 15] ^= d
            a[x &+ 20] ^= d
            x &+= 1
        }
    }

    private static func rhoAndPi(_ a: Words, _ t: UnsafePointer<UInt64>) {
        var moved = a[1]
        var step = 0
        while step < 24 {
            let target = Int(truncatingIfNeeded: t[24 &+ step])
            let next = a[target]
            a[target] = moved &<< t[step] | moved &>> (64 &- t[step])
            moved = next
            step &+= 1
        }
    }

    private static func chi(_ a: Words, _ c: Words) {
        var y = 0
        while y < 25 {
            let row = a + y
            c[0] = row[0]
            c[1] = row[1]
            row[0] ^= ~row[1] & row[2]
            row[1] ^= ~row[2] & row[3]
            row[2] ^= ~row[3] & row[4]
            row[3] ^= ~row[4] & c[0]
            row[4] ^= ~c[0] & c[1]
            y &+= 5
        }
    }

    /// 24 rotations, 24 targets, 24 round constants.
    private static let tables: [UInt64] = rotations + lanes + constants

    private static let rotations: [UInt64] = [
        1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44,
    ]
    private static let lanes: [UInt64] = [
        10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1,
    ]
    private static let constants: [UInt64] = [
        0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808a, 0x8000_0000_8000_8000,
        0x0000_0000_0000_808b, 0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009,
        0x0000_0000_0000_008a, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000a,
        0x0000_0000_8000_808b, 0x8000_0000_0000_008b, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003,
        0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800a, 0x8000_0000_8000_000a,
        0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
    ]
}
