import ArgumentParser
import Console
import Nodes
import Secrets
import Store

struct NodeEnrollCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enroll",
        abstract: "Make this machine a node of a server.",
        discussion: """
            Makes a state folder, as secretfs init does, with this node's keys in it, which never leave it, and gets a \
            certificate for them. From then on mount and run with this state folder show what the server lets this node \
            have. The token is sent to the server that it names and to nobody else. An agent that runs is restarted by \
            its next command: secretfs agent --stop.
            Examples:
              secretfs node enroll --server https://secrets.example.org:8444 --token-file token
              secretfs node enroll --server 10.0.0.5 --token-file - --state /var/lib/secretfs-node
            """)
    @OptionGroup var state: StateOptions
    @OptionGroup var rootKey: RootKeyOptions
    @Option(
        help: ArgumentHelp(
            "The server's port for nodes; its port is 8444 if none is named.", valueName: "url"))
    var server: String
    @Option(
        help: ArgumentHelp(
            "The token. Other users of this machine can see it: better --token-file.", valueName: "token"))
    var token: String?
    @Option(
        help: ArgumentHelp("Read the token from a file (- is standard input).", valueName: "file"),
        completion: .file())
    var tokenFile: String?

    func validate() throws {
        guard (token == nil) != (tokenFile == nil) else {
            throw ValidationError("one of --token and --token-file is needed")
        }
    }

    func run() throws {
        let address = try ServerAddress(server)
        let token = try readToken()
        let store = try makeStore()
        let (sealingKey, publicKey) = try NodeKey.make()
        let (credentials, welcome) = try redeem(
            LinkRedemption(host: address.host, port: address.port, token: token, sealingKey: publicKey))
        let membership = Membership(
            node: welcome.node, id: welcome.id, host: address.host, port: address.port,
            authority: credentials.authority, certificate: credentials.certificate, key: credentials.key,
            sealingKey: sealingKey, policy: welcome.policy)
        try store.keep(membership)
        Output.line("This machine is node \(welcome.node) of \(membership.server).")
        if try AgentClient(state: try state.directory).status() != nil {
            Output.note("the agent that runs does not know it yet: secretfs agent --stop")
        }
    }

    private func readToken() throws -> SecretValue {
        let text: SecretValue
        if let tokenFile {
            text = try ValueInput.chomped(try ValueInput.contents(of: tokenFile, maximum: 4096))
        } else {
            let bytes = Array((token ?? "").utf8)
            text = try SecretValue(copying: unsafe bytes.span.bytes)
        }
        guard try EnrollmentToken(text) != nil else {
            throw Failure(
                .badInput, "the token is not one, by its form",
                hint:
                    "it is one line that begins with sfn_: secretfs node token create prints it on the server"
            )
        }
        return text
    }

    /// The state folder's store. Made before the token is used, so that no token is lost to a full disk.
    private func makeStore() throws -> SecretStore {
        let directory = try state.directory
        guard try SealedStore.exists(at: directory.path) else {
            let new = rootKey.new(state)
            try new.check()
            let source = try new.source()
            return try SealedStore.create(at: directory.path, source: source, root: try new.key(for: source))
        }
        let store = try state.openStore(alsoOfNode: true)
        let counts = try SealedStore.open(at: directory.path).counts()
        guard try store.isNode() || counts.algorithms == 0 && counts.secrets == 0 else {
            throw Failure(
                .exists,
                "\(directory.path) is a store with algorithms of its own, and no node can be made of it",
                hint: "name another folder: --state DIR")
        }
        return store
    }

    /// Has `secretfs-node` give the token to the server.
    private func redeem(_ redemption: LinkRedemption) throws(Failure) -> (LinkCredentials, LinkWelcome) {
        let process = try LinkProcess()
        process.send(.redeem(redemption))
        var credentials: LinkCredentials?
        while let message = process.receive() {
            switch message {
            case .connect(let made): credentials = made
            case .enrolled(let welcome, _, _):
                guard let credentials else { break }
                return (credentials, welcome)
            case .refused(let refusal): throw Self.failure(refusal)
            case .lost(let reason): throw Failure(.unavailable, printable(reason, atMost: 600))
            default: break
            }
        }
        throw Failure(.unavailable, "the program that connects to the server ended without an answer")
    }

    private static func failure(_ refusal: LinkRefusal) -> Failure {
        switch refusal {
        case .token:
            Failure(
                .denied, Failure(StoreError.enrollmentRefused).message,
                hint: Failure(StoreError.enrollmentRefused).hint)
        case .exists:
            Failure(
                .exists, "the server has a node of that name",
                hint: "on the server: secretfs node delete, or another name")
        case .throttled:
            Failure(
                .retry, "too many tokens that are not valid came from this address", hint: "wait a minute")
        case .malformed, .revoked: Failure(.badInput, "the server does not understand this program's request")
        case .unavailable: Failure(.unavailable, "the server cannot enroll a node now", hint: "see its log")
        }
    }
}
