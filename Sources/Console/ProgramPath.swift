import FoundationEssentials

/// Where our other programs are, as they are installed and built.
package enum ProgramPath {
    /// `secretfs-env`: beside this program.
    package static func shim() throws(Failure) -> String {
        let path = try folder() + "/secretfs-env"
        guard Files.isExecutable(path) else {
            throw Failure(.unavailable, "\(path) is missing", hint: "install secretfs-env beside secretfs")
        }
        return path
    }

    /// `secretfs-server`: beside this program as it is built, in `../libexec/secretfs` as it is installed.
    package static func server() throws(Failure) -> String {
        try helper("secretfs-server", "the program that serves")
    }

    /// `secretfs-node`: as `server`.
    package static func node() throws(Failure) -> String {
        try helper("secretfs-node", "the program that connects a node")
    }

    /// `secretfs-provider`: as `server`.
    package static func provider() throws(Failure) -> String {
        try helper("secretfs-provider", "the program that speaks to providers")
    }

    private static func helper(_ name: String, _ role: String) throws(Failure) -> String {
        let folder = try folder()
        let beside = folder + "/" + name
        let installed = parent(of: folder) + "/libexec/secretfs/" + name
        guard let path = [beside, installed].first(where: Files.isExecutable) else {
            throw Failure(
                .unavailable, "\(role) is missing: neither \(beside) nor \(installed)",
                hint: "install it: scripts/install; or build it: swift build --product \(name)")
        }
        return path
    }

    private static func folder() throws(Failure) -> String {
        guard let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
            throw Failure(.system, "/proc is not mounted")
        }
        return parent(of: own)
    }

    private static func parent(of path: String) -> String {
        path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
    }
}
