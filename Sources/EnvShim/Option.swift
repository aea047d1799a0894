enum Option: Int {
    case chomp, keepInherited, clear, allowEmpty, help, version
    case only, require, rename, prefix, keep, allowName

    var isFlag: Bool { rawValue <= Option.version.rawValue }

    var spelling: StaticString {
        switch self {
        case .chomp: "--chomp"
        case .keepInherited: "--keep-inherited"
        case .clear: "--clear"
        case .allowEmpty: "--allow-empty"
        case .help: "--help"
        case .version: "--version"
        case .only: "--only"
        case .require: "--require"
        case .rename: "--rename"
        case .prefix: "--prefix"
        case .keep: "--keep"
        case .allowName: "--allow-name"
        }
    }

    init?(spelling: Text) {
        if spelling == "-h" { self = .help; return }
        var index = 0
        while let option = Option(rawValue: index) {
            if spelling == option.spelling { self = option; return }
            index += 1
        }
        return nil
    }

    static var helpHint: Message { "secretfs-env --help lists the options" }

    static func failUnknown(_ name: Text) -> Never {
        var index = 0
        while let option = Option(rawValue: index) {
            let spelling = Text(option.spelling)
            if isNear(name, spelling, edits: 2) {
                fail("there is no option \(name)", hint: "did you mean \(spelling)?")
            }
            index += 1
        }
        fail("there is no option \(name)", hint: helpHint)
    }

    /// Whether `edits` letters inserted, left out or changed make `left` of `right`.
    private static func isNear(_ left: Text, _ right: Text, edits: Int) -> Bool {
        var same = 0
        while same < left.count, same < right.count, left[same] == right[same] { same += 1 }
        let (left, right) = (left.dropFirst(same), right.dropFirst(same))
        if left.isEmpty || right.isEmpty { return left.count + right.count <= edits }
        guard edits > 0 else { return false }
        return isNear(left.dropFirst(1), right, edits: edits - 1)
            || isNear(left, right.dropFirst(1), edits: edits - 1)
            || isNear(left.dropFirst(1), right.dropFirst(1), edits: edits - 1)
    }
}
