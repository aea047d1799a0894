import ArgumentParser
import Console
import Fuse
import Glibc

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the HTTPS API in the foreground.",
        discussion: """
            Listens until SIGTERM or SIGINT, with TLS 1.3. Without --certificate the store's own CA issues the \
            certificate, and secretfs ca show prints what clients need to trust it. A certificate file that is \
            replaced is taken without a restart, at SIGHUP at the latest. Tells systemd when it is ready \
            (Type=notify) and logs to standard error.
            Examples:
              secretfs serve
              secretfs serve --listen 0.0.0.0:8443 --name secrets.example.org
              secretfs serve --certificate server.pem --key server.key
            """)
    @OptionGroup var options: ServeOptions

    /// Becomes the program that serves: what it is made of would make every command start later.
    func run() throws {
        try options.check()
        let path = try ProgramPath.server()
        // The words as they were given, and not what they were taken for.
        let arguments = ["secretfs-server"] + CommandLine.arguments.dropFirst(2)
        _ = unsafe withCStrings(arguments) { unsafe execv(path, $0) }
        throw Failure(.unavailable, "\(path) cannot be started: \(errnoText())")
    }
}
