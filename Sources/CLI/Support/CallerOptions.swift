import Console
import FoundationEssentials
import Glibc
import Secrets
import Synchronization

/// Rules about callers as they are written on the command line.
enum CallerText {
    private static let hashMark = CallerRule.Executable.hashMark
    /// getpwnam(3) answers all threads in one place.
    private static let names = Mutex(())

    /// A number, or the name of a user.
    static func user(_ text: String) throws(Failure) -> UInt32 {
        try id(text, "user") { name in unsafe getpwnam(name).map { unsafe $0.pointee.pw_uid } }
    }

    /// A number, or the name of a group.
    static func group(_ text: String) throws(Failure) -> UInt32 {
        try id(text, "group") { name in unsafe getgrnam(name).map { unsafe $0.pointee.gr_gid } }
    }

    private static func id(
        _ text: String, _ kind: String, _ named: (String) -> UInt32?
    ) throws(Failure) -> UInt32 {
        let isNumber = !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let found = isNumber ? UInt32(text) : text.isEmpty ? nil : names.withLock { _ in named(text) }
        // The largest number stands for none in the kernel.
        guard let found, found != .max else {
            throw Failure(
                .badInput, "there is no \(kind) “\(printable(text))”",
                hint: isNumber
                    ? "a \(kind)'s number is 0 to 4294967294"
                    : "name a \(kind) of this machine, or give its number")
        }
        return found
    }

    /// `/path` or `/path@sha256:HEX`.
    ///
    /// - Parameter looking: whether to look where the path leads here. The agent must not: it may be into one of its
    ///   own mounts.
    static func executable(
        _ text: String, looking: Bool = true
    ) throws(Failure) -> CallerRule.Executable {
        guard let mark = text.ranges(of: hashMark).last else {
            try checkHasNoBareHash(text)
            try checkPath(text, "program")
            guard text != "/" else { throw Failure(.badInput, "“/” is not a program") }
            if looking { try checkIsNoLink(text) }
            return CallerRule.Executable(path: text, sha256: nil)
        }
        let path = String(text[..<mark.lowerBound])
        try checkPath(path, "program")
        guard let hash = bytes(ofHex: text[mark.upperBound...]), hash.count == 32 else {
            throw Failure(
                .badInput, "what follows \(hashMark) is not a SHA-256: 64 hexadecimal digits",
                hint: "sha256sum \(printable(path))")
        }
        return CallerRule.Executable(path: path, sha256: hash)
    }

    /// A hash without its kind would be taken for a part of the path, and match nobody.
    private static func checkHasNoBareHash(_ text: String) throws(Failure) {
        guard let at = text.lastIndex(of: "@"), !Files.exists(text) else { return }
        let rest = text[text.index(after: at)...]
        guard let hash = bytes(ofHex: rest), hash.count >= 16 else { return }
        throw Failure(
            .badInput, "“\(printable(text))” has a hash without its kind",
            hint: "write it so: --exe \(printable(String(text[..<at])))\(hashMark)HEX")
    }

    static func cgroup(_ text: String) throws(Failure) -> String {
        try checkPath(text, "cgroup")
        for place in cgroupPlaces.reversed() where text == place || text.hasPrefix(place + "/") {
            let path = text == place ? "/" : String(text.dropFirst(place.count))
            throw Failure(
                .badInput, "“\(printable(text))” is where a cgroup is mounted, not its path",
                hint: "name it as /proc/PID/cgroup does: --cgroup \(printable(path))")
        }
        // Only where the tree can be seen; the agent may be somewhere else.
        let tree = cgroupPlaces.first { Files.exists($0 + "/cgroup.procs") }
        if let tree, !Files.exists(tree + text) {
            Output.note(
                "note: there is no cgroup \(printable(text)) on this machine now; nobody matches until there is"
            )
        }
        return text
    }

    /// Where version 2 is mounted: alone, or beside version 1.
    private static let cgroupPlaces = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]

    /// What /proc can show: a rule with another path would silently match nobody.
    private static func checkPath(_ path: String, _ kind: String) throws(Failure) {
        let names = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .dropFirst()
        let reason: String? =
            if !path.utf8.starts(with: "/".utf8) {
                "it does not begin with /"
            } else if path.utf8.count > CallerRule.maximumPath {
                "it has \(path.utf8.count) bytes; at most \(CallerRule.maximumPath) are allowed"
            } else if path != "/", names.contains(where: { $0.isEmpty }) {
                "it has // in it, or / at its end"
            } else if names.contains(where: { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }) {
                "it has . or .. in it"
            } else if path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
                "it has a control character in it"
            } else if path.unicodeScalars.contains("\u{FFFD}") {
                // What the standard library makes of bytes that it cannot read.
                "it is not UTF-8"
            } else {
                nil
            }
        guard let reason else { return }
        throw Failure(
            .badInput, "“\(printable(path))” is not the path of a \(kind): \(reason)",
            hint: "give it as \(kind == "cgroup" ? "/proc/PID/cgroup" : "/proc/PID/exe") shows it")
    }

    /// /proc/PID/exe never shows a symbolic link, so such a rule would match nobody.
    private static func checkIsNoLink(_ path: String) throws(Failure) {
        guard let resolved = unsafe realpath(path, nil) else {
            Output.note(
                "note: there is no \(printable(path)) on this machine now; nobody matches until there is")
            return
        }
        defer { unsafe free(resolved) }
        let real = unsafe String(cString: resolved)
        guard real.utf8.elementsEqual(path.utf8) else {
            throw Failure(
                .badInput, "“\(printable(path))” leads to \(printable(real)) through a symbolic link",
                hint: "name that: --exe \(printable(real))")
        }
    }

    private static func bytes(ofHex text: Substring) -> [UInt8]? {
        let digits = text.utf8.map { digit -> UInt8? in
            switch digit {
            case 0x30...0x39: digit - 0x30
            case 0x41...0x46: digit - 0x41 + 10
            case 0x61...0x66: digit - 0x61 + 10
            default: nil
            }
        }
        let known = digits.compactMap { $0 }
        guard known.count == digits.count, known.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: known.count, by: 2).map { known[$0] << 4 | known[$0 + 1] }
    }

}
