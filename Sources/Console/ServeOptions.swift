package import ArgumentParser

/// What `secretfs serve` takes; the program that serves is another one and takes the same.
package struct ServeOptions: ParsableArguments {
    @OptionGroup package var state: StateOptions
    @Option(
        help: ArgumentHelp(
            "Where to listen: an address of this machine and a port. [::1]:8443 for IPv6.",
            valueName: "address:port"))
    package var listen = "127.0.0.1:8443"
    @Option(
        help: ArgumentHelp(
            "A certificate in PEM form, with its chain. Default: one by the store's own CA.",
            valueName: "file"), completion: .file())
    package var certificate: String?
    @Option(
        help: ArgumentHelp("The private key of that certificate, in PEM form.", valueName: "file"),
        completion: .file())
    package var key: String?
    @Option(
        name: .customLong("name"),
        help: ArgumentHelp(
            "A name or address that clients use, for the certificate by the store's own CA; may be repeated.",
            valueName: "host"))
    package var names: [String] = []
    @Option(
        help: ArgumentHelp(
            "Serve nodes, too: where to listen for them. Their certificates, and this port's, are by the store's own CA.",
            valueName: "address:port"))
    package var nodes: String?
    @Option(
        help: ArgumentHelp(
            "How long a node's certificate holds (30m, 12h, 7d); it is renewed when two thirds are over.",
            valueName: "time"))
    package var nodeCertificates = "7d"
    @Flag(help: "Plain HTTP, without TLS: only on a loopback address.") package var insecureHttp = false
    @Option(help: ArgumentHelp("How many clients may be connected at once.", valueName: "count"))
    package var maxConnections = 1024
    @Option(
        help: ArgumentHelp(
            "How many of them may be of one address, or of one IPv6 network of 64 bits; loopback is not counted.",
            valueName: "count"))
    package var maxConnectionsPerClient = 128

    package init() {}

    package var address: ListenAddress {
        get throws(Failure) {
            guard let address = ListenAddress(listen) else {
                throw Failure(
                    .usage, "--listen is not an address and a port",
                    hint: "for example --listen 0.0.0.0:8443, or --listen [::]:8443")
            }
            return address
        }
    }

    package var nodesAddress: ListenAddress? {
        get throws(Failure) {
            guard let nodes else { return nil }
            guard let address = ListenAddress(nodes) else {
                throw Failure(
                    .usage, "--nodes is not an address and a port", hint: "for example --nodes 0.0.0.0:8444")
            }
            return address
        }
    }

    /// At least a minute, at most 90 days.
    package var nodeCertificateSeconds: Int {
        get throws(Failure) {
            guard let seconds = Moment.seconds(nodeCertificates), (60...90 * 86_400).contains(seconds) else {
                throw Failure(
                    .usage, "--node-certificates is not a time from a minute to 90 days",
                    hint: "for example 7d or 12h")
            }
            return Int(seconds)
        }
    }

    /// Checks what the options say together.
    package func check() throws(Failure) {
        let address = try address
        _ = try (nodesAddress, nodeCertificateSeconds)
        guard (certificate == nil) == (key == nil) else {
            throw Failure(
                .usage, "a certificate and its key go together", hint: "--certificate FILE --key FILE")
        }
        guard certificate == nil || names.isEmpty else {
            throw Failure(
                .usage, "--name is for a certificate by the store's own CA; the given one has its names")
        }
        guard (1...65_536).contains(maxConnections) else {
            throw Failure(.usage, "--max-connections is 1 to 65536")
        }
        guard maxConnectionsPerClient >= 1 else {
            throw Failure(.usage, "--max-connections-per-client is at least 1")
        }
        guard insecureHttp else { return }
        guard certificate == nil else {
            throw Failure(.usage, "--insecure-http uses no certificate", hint: "leave one of the two away")
        }
        guard address.isLoopback else {
            throw Failure(
                .usage, "without TLS, keys and values would cross the network in the clear",
                hint: "leave --insecure-http away, or listen on 127.0.0.1")
        }
    }
}
