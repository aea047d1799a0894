import ArgumentParser
import Console
import Secrets
import Store

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the store and the agent: sealed or not, engine, counts, mounts.",
        discussion: "Asks for nothing: a store that needs a passphrase is shown as sealed.")
    @OptionGroup var state: StateOptions
    @Flag(help: "Print JSON.") var json = false

    private struct Report: Encodable {
        let state: String
        let engine: String
        /// Whether a command can open the store now, without asking anybody.
        let sealed: Bool
        /// Why it cannot.
        let sealedBecause: String?
        let rootKey: String
        let algorithms: Int
        let secrets: Int
        let agent: AgentStatus?
    }

    func run() throws {
        let report = try report()
        if json { return try Output.json(report) }
        Output.line("State       \(report.state)")
        Output.line("Store       \(report.sealed ? "sealed" : "open"), root key from \(report.rootKey)")
        if let reason = report.sealedBecause {
            Output.line("            \(reason)")
            if report.agent.map({ !$0.sealed }) ?? false {
                Output.line(
                    "            for commands without the key; the agent has it open, and serves values")
            }
        }
        Output.line("Engine      \(report.engine)")
        Output.line("Algorithms  \(report.algorithms)")
        Output.line("Secrets     \(report.secrets)")
        guard let agent = report.agent else { return Output.line("Agent       not running") }
        Output.line("Agent       pid \(agent.pid), \(agent.mounts) mount(s), since \(agent.started)")
        if let node = agent.node { showNode(node) }
        for trouble in agent.external ?? [] { show(trouble) }
        if agent.sealed { Output.line("            sealed: its mounts open nothing until secretfs unseal") }
        if agent.keysOutdated {
            Output.line("            it does not have the newest data keys: secretfs unseal")
        }
    }

    private func show(_ trouble: ExternalStatus) {
        let state =
            trouble.hasValue
            ? "not confirmed; the last value is opened" : trouble.absent ? "absent" : "opens nothing"
        Output.line("External    \(trouble.reference) of \(trouble.provider): \(state)")
        Output.line("            for \(trouble.algorithms.joined(separator: ", "))")
        Output.line("            \(printable(trouble.reason ?? "no answer yet", atMost: 400))")
    }

    private func showNode(_ node: NodeStatus) {
        let state =
            node.revoked ? "revoked: nothing is opened" : node.connected ? "connected" : "not connected"
        Output.line("Node        \(node.name) of \(node.server), \(state), since \(node.since)")
        if let reason = node.reason { Output.line("            \(printable(reason, atMost: 400))") }
        if !node.connected, !node.revoked {
            Output.line("            what it has is opened until it is \(node.maxStale) seconds old")
        }
        if abs(node.clockDifference) > 60 {
            Output.line("            the server's clock is \(node.clockDifference) seconds ahead")
        }
    }

    private func report() throws -> Report {
        let directory = try state.directory
        let store = try SealedStore.open(at: directory.path)
        let counts = try store.counts()
        let reason = whySealed()
        return Report(
            state: directory.path, engine: store.storage.engineDescription, sealed: reason != nil,
            sealedBecause: reason, rootKey: store.source.wholeSummary, algorithms: counts.algorithms,
            secrets: counts.secrets, agent: try AgentClient(state: directory).status())
    }

    private func whySealed() -> String? {
        do {
            _ = try state.unlock(isQuiet: true)
            return nil
        } catch {
            return Failure(any: error).message
        }
    }
}
