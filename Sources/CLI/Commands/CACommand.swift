import ArgumentParser
import Console
import FoundationEssentials
import Store

struct CACommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca", abstract: "The certificate authority of the store's server.",
        subcommands: [Show.self])

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Print the certificate that clients of the server need to trust.",
            discussion: """
                The store's own CA is made by the first secretfs serve without --certificate; its private key is \
                sealed in the store and never shown.
                Example:
                  secretfs ca show > secretfs-ca.pem
                  curl --cacert secretfs-ca.pem https://localhost:8443/healthz
                """)
        @OptionGroup var state: StateOptions

        func run() throws {
            guard let authority = try state.openStore().authority() else {
                throw Failure(
                    .notFound, "the store has no certificate authority yet",
                    hint: "secretfs serve without --certificate makes it")
            }
            Output.line("-----BEGIN CERTIFICATE-----")
            let text = Array(Data(authority.certificate).base64EncodedString().utf8)
            for start in stride(from: 0, to: text.count, by: 64) {
                Output.line(String(decoding: text[start..<min(start + 64, text.count)], as: UTF8.self))
            }
            Output.line("-----END CERTIFICATE-----")
        }
    }
}
