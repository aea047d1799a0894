import CShim

typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// What the command line asks for.
struct Options {
    /// An entry that the program sees under another name.
    struct Rename: BitwiseCopyable {
        let new: Text
        let old: Text
        /// Whether the directory has the entry.
        var isFound = false
    }

    /// Nil: the default.
    var directory: Text?
    /// Drop one newline at the end of each value.
    var chomp = false
    /// An inherited variable wins over an entry of its name.
    var keepInherited = false
    /// Start from no inherited variables but `kept`.
    var clear = false
    /// Take a plain directory without any entry for what it is.
    var allowEmpty = false
    /// Stands before the name of every entry that is not renamed; may be empty.
    var prefix = Text("")
    var renames = List<Rename>()
    /// Entries as the directory calls them; nil: all.
    var only: List<Text>?
    /// Variables as the program will see them, like `allowed`.
    var required = List<Text>()
    /// Dangerous names that are fine here.
    var allowed = List<Text>()
    /// Inherited variables that survive `clear`.
    var kept = List<Text>()

    /// The program and its arguments; a NULL ends them.
    var program: Arguments
    var programCount: Int

    /// What the program sees for the entry `name`; nil if the entry is not wanted.
    func variableName(for name: Text) -> Text? {
        for index in 0..<renames.count where renames[index].old == name {
            renames.start?[index].isFound = true
            return renames[index].new
        }
        if let only, !only.contains(name) { return nil }
        return prefix.isEmpty ? name : joined(prefix, name)
    }

    /// Forgets which entries to rename were found, for another reading.
    func forgetFound() {
        for index in 0..<renames.count { renames.start?[index].isFound = false }
    }

    /// Fails unless a variable may be called `name`.
    ///
    /// - Parameter entry: what the directory calls it.
    func check(_ name: Text, of entry: Text) {
        guard name.isVariableName else {
            fail(
                "entry “\(entry)” cannot be a variable: a name is letters, digits and underscores, no digit first",
                hint: "--rename NEW_NAME=\(entry) gives it a name; --only A,B takes only the entries A and B")
        }
        guard name.isDangerous, !allowed.contains(name) else { return }
        fail(
            "entry “\(entry)” would set \(name), which can make programs run other code",
            hint:
                "--rename NEW_NAME=\(entry) gives it another name; --allow-name \(name) sets it all the same")
    }
}

extension List<Text> {
    func contains(_ name: Text) -> Bool {
        for index in 0..<count where self[index] == name { return true }
        return false
    }
}
