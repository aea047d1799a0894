import Console
import Glibc
import Secrets

/// Waits until an algorithm's external secrets have their values.
enum ExternalWait {
    /// In microseconds.
    private static let longestPause: UInt32 = 20_000

    /// - Throws: which have none after `seconds`, and why.
    static func wait(for name: AlgorithmName, _ seconds: UInt32, _ agent: AgentClient) throws(Failure) {
        let end = ContinuousClock.now + .seconds(Int64(seconds))
        var pause: UInt32 = 2_000
        while true {
            let awaited = try agent.awaited(by: name.description)
            guard let first = awaited.first else { return }
            guard ContinuousClock.now < end else {
                let more = awaited.count > 1 ? ", and \(awaited.count - 1) more" : ""
                // What there is to try is on the machine that asks the provider.
                let isNode = (try? agent.status())??.node != nil
                throw Failure(
                    .retry,
                    "\(name) has no value from \(first.provider) \(first.reference)\(more) after \(seconds) seconds: "
                        + printable(first.reason ?? "no answer yet", atMost: 400),
                    hint: (isNode
                        ? "secretfs provider test \(first.provider), on the server"
                        : "secretfs provider test \(first.provider) '\(first.reference)'")
                        + "; or do not wait: --wait 0s with run, mount without --wait"
                )
            }
            usleep(pause)
            pause = min(pause * 2, longestPause)
        }
    }
}
