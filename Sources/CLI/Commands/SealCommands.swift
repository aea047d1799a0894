import ArgumentParser
import Console
import Store

struct SealCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seal",
        abstract: "Make the agent forget its keys: its mounts open no value until unseal.",
        discussion: """
            Names stay listed, and opening a value fails with ENOKEY. A file that is open stays readable until it is \
            closed; secretfs agent --stop ends those too. Commands that have the root key go on working.
            Example:
              secretfs seal
            """)
    @OptionGroup var state: StateOptions

    func run() throws {
        let directory = try state.directory
        guard try AgentClient(state: directory).seal() else {
            return Output.line("No agent runs for \(directory.path).")
        }
        Output.line("Sealed the agent.")
    }
}

struct UnsealCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unseal",
        abstract: "Give the agent that runs its keys again.",
        discussion: """
            Also for an agent that was not told of a new data key. Without an agent there is nothing to unseal: \
            mount, run and agent start one with its keys.
            Example:
              secretfs unseal
            """)
    @OptionGroup var state: StateOptions

    func run() throws {
        let directory = try state.directory
        let client = AgentClient(state: directory)
        guard try client.status() != nil else { throw noAgent(directory) }
        let unlocked = try state.unlock()
        guard try client.unseal(unlocked.root.key) else { throw noAgent(directory) }
        Output.line("Unsealed the agent.")
    }

    private func noAgent(_ directory: StateDirectory) -> Failure {
        Failure(
            .unavailable, "no agent runs for \(directory.path)",
            hint: "mount, run and agent start one with its keys")
    }
}
