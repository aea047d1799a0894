/// A path that /proc tells of a process: bytes, because a file name is, and as text for records. Both are made once for
/// a process, not once for each of its opens.
package struct ProcessPath: Hashable, Sendable {
    package let bytes: [UInt8]
    /// What is no UTF-8 is replaced.
    package let text: String

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        text = String(decoding: bytes, as: UTF8.self)
    }

    package static func == (left: Self, right: Self) -> Bool { left.bytes == right.bytes }
    package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}
