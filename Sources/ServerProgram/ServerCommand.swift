import ArgumentParser
import CWipingFree
import Console
import Server

/// The program behind `secretfs serve`, with the same options.
@main
struct ServerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secretfs serve", abstract: "Serve the HTTPS API in the foreground.",
        version: CommandProgram.version)
    @OptionGroup var options: ServeOptions

    static func main() async {
        Hygiene.protectProcess()
        do {
            Hygiene.protectAgent()
            guard wiping_free_is_in_place() else {
                throw Failure(.damaged, "this program was linked without what wipes freed memory")
            }
            guard let command = try parseAsRoot() as? ServerCommand else { return }
            try await SecretServer.run(command.options)
        } catch {
            CommandProgram.fail(error, of: Self.self)
        }
    }
}
