import Glibc

/// Who made a change, for histories: `uid 0`, or `user alice`, a user of the API. 1 to 255 bytes of printable ASCII.
package struct Actor: Hashable, Sendable, CustomStringConvertible {
    package static let maximumCount = 255
    package let text: String

    /// Nil when `text` is not one.
    package init?(_ text: String) {
        guard (1...Self.maximumCount).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { return nil }
        self.text = text
    }
    private init(uid: UInt32) { text = "uid \(uid)" }
    private init(user: UserName) { text = Self.userPrefix + user.text }
    private static let userPrefix = "user "
    package static func user(_ uid: UInt32) -> Actor { Actor(uid: uid) }
    package static func user(_ name: UserName) -> Actor { Actor(user: name) }
    /// The user whom this process acts for.
    package static var thisProcess: Actor { .user(geteuid()) }
    /// Nil for others than a user of the API.
    var userName: String? {
        text.hasPrefix(Self.userPrefix) ? String(text.dropFirst(Self.userPrefix.count)) : nil
    }
    package var description: String { text }
}
