import Console
import Dispatch
import Secrets
import Store

/// Asks a provider once, without an agent.
enum ProviderTest {
    /// In seconds.
    private static let patience = 60

    /// - Returns: what was found, a line each.
    /// - Throws: what is wrong, in words.
    static func run(
        _ provider: ExternalProvider, _ configuration: ProviderConfiguration, _ reference: ProviderReference?
    ) throws(Failure) -> [String] {
        let process = try ProviderProcess()
        defer { process.end() }
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(patience)) { [weak process] in
            process?.end()
        }
        guard process.send(.configure(1, provider.kind, configuration)),
            process.send(.test(1, at: 1, reference)), let reply = process.receive()
        else {
            throw Failure(
                .unavailable, "the program that speaks to providers has ended, or took too long",
                hint: "try again; see what it says above")
        }
        switch reply {
        case .tested(_, let lines): return lines
        case .answer(_, .failure(let failure)): throw Self.failure(failure, of: provider.name)
        case .answer: throw Failure(.damaged, "the provider's program answered something else")
        }
    }

    private static func failure(_ failure: ProviderFailure, of name: ProviderName) -> Failure {
        let (status, hint): (ExitStatus, String) =
            switch failure.kind {
            case .absent: (.notFound, "the reference names nothing that is there: see docs/PROVIDERS.md")
            case .denied: (.denied, "see its credentials and what they may: docs/PROVIDERS.md has a policy")
            case .throttled: (.retry, "ask again later")
            case .down: (.unavailable, "is it reached from this machine?")
            case .malformed: (.badInput, "see its settings: secretfs provider show \(name)")
            case .conflict: (.retry, "try again")
            }
        return Failure(status, "\(name): \(failure.kind): \(failure.message)", hint: hint)
    }
}
