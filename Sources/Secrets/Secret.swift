package import FoundationEssentials

/// How an entry reaches a program.
package enum Delivery: String, CaseIterable, Sendable {
    /// A file, and a variable in `.environ`.
    case env
    /// A file only: for values that no environment string can hold.
    case file

    /// The kernel refuses a longer `NAME=value` string, its closing NUL included (MAX_ARG_STRLEN, execve(2)).
    package static let maximumEnvironmentString = 131_072

    /// Why `value` cannot be an environment variable called `name`; nil if it can.
    package static func refusal(of value: SecretValue, as name: EnvironmentName) -> String? {
        refusal(hasNUL: value.hasNUL, count: value.count, as: name)
    }

    /// As `refusal(of:as:)`, of what is known of a value.
    package static func refusal(hasNUL: Bool, count: Int, as name: EnvironmentName) -> String? {
        if hasNUL { return "it contains a NUL byte" }
        let length = name.text.utf8.count + 1 + count + 1
        guard length > maximumEnvironmentString else { return nil }
        let room = maximumEnvironmentString - name.text.utf8.count - 2
        return "it has \(count) bytes; a variable of this name holds at most \(room)"
    }
}

/// 1, 2, 3 …: a new value is a new version.
package struct Version: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let number: UInt32
    package static let first = Version(number: 1)

    /// - Precondition: `number` > 0.
    package init(number: UInt32) {
        precondition(number > 0)
        self.number = number
    }
    /// Nil after the last version that can be counted (4,294,967,295).
    package var next: Version? { number == .max ? nil : Version(number: number + 1) }
    package var description: String { String(number) }
    package static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}

/// A secret's identity: a random UUID. A secret that is deleted and created again is another one.
package typealias SecretID = UUID
