import Console
import FoundationEssentials

/// Where our other programs are, as they are installed and built.
enum ProgramPath {
    /// `secretfs-env`: beside this program.
    static func shim() throws(Failure) -> String {
        let path = try folder() + "/secretfs-env"
        guard Files.isExecutable(path) else {
            throw Failure(.unavailable, "\(path) is missing", hint: "install secretfs-env beside secretfs")
        }
        return path
    }

    /// `secretfs-server`: beside this program as it is built, in `../libexec/secretfs` as it is installed.
    static func server() throws(Failure) -> String {
        let folder = try folder()
        let beside = folder + "/secretfs-server"
        let installed = parent(of: folder) + "/libexec/secretfs/secretfs-server"
        guard let path = [beside, installed].first(where: Files.isExecutable) else {
            throw Failure(
                .unavailable, "the program that serves is missing: neither \(beside) nor \(installed)",
                hint: "install it: scripts/install; or build it: swift build --product secretfs-server")
        }
        return path
    }

    /// `secretfs-node`: as `server`.
    static func node() throws(Failure) -> String {
        let folder = try folder()
        let beside = folder + "/secretfs-node"
        let installed = parent(of: folder) + "/libexec/secretfs/secretfs-node"
        guard let path = [beside, installed].first(where: Files.isExecutable) else {
            throw Failure(
                .unavailable,
                "the program that connects a node is missing: neither \(beside) nor \(installed)",
                hint: "install it: scripts/install; or build it: swift build --product secretfs-node")
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
