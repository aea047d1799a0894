import ArgumentParser
import Console
import Store

struct SealCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seal",
        abstract: "Make the agent and the server forget their keys: no value is opened until unseal.",
        discussion: """
            Names stay listed, and opening a value fails with ENOKEY. A file that is open stays readable until it is \
            closed; secretfs agent --stop ends those too. The server answers 503. Commands that have the root key go on working.
            Example:
              secretfs seal
            """)
    @OptionGroup var state: StateOptions

    func run() throws {
        let directory = try state.directory
        var failure: (any Error)?
        var isAnybodyThere = false
        // One that cannot be reached is no reason to leave the other its keys.
        for who in KeyHolding.allCases {
            do {
                let isSealed = try AgentClient(state: directory, of: who).seal()
                if isSealed { Output.line("Sealed the \(who).") }
                isAnybodyThere = isAnybodyThere || isSealed
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        if !isAnybodyThere {
            Output.line("Nothing to seal: no agent and no server runs for \(directory.path).")
        }
    }
}

struct UnsealCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unseal",
        abstract: "Give the agent and the server that run their keys again.",
        discussion: """
            Also where one was not told of a new data key. Where neither runs there is nothing to unseal: mount, run \
            and agent start an agent with its keys, serve a server.
            Example:
              secretfs unseal
            """)
    @OptionGroup var state: StateOptions

    func run() throws {
        let directory = try state.directory
        // Before a passphrase is asked for.
        let running = try KeyHolding.allCases.filter { try AgentSocket.connect(directory, to: $0) != nil }
        guard !running.isEmpty else { throw noAgent(directory) }
        let unlocked = try state.unlock()
        for who in running {
            guard try AgentClient(state: directory, of: who).unseal(unlocked.root.key) else { continue }
            Output.line("Unsealed the \(who).")
        }
    }

    private func noAgent(_ directory: StateDirectory) -> Failure {
        Failure(
            .unavailable, "no agent runs for \(directory.path)",
            hint: "mount, run and agent start one with its keys")
    }
}
