import Console
import Logging
import ServiceLifecycle
import UnixSignals

/// Takes new certificates while the server runs: at SIGHUP, when their files change, before they end.
struct CertificateReloading: Service {
    /// None for plain HTTP, which SIGHUP must not end either.
    let sources: [CertificateSource]
    let log: Logger
    /// How often it looks.
    private static let interval = Duration.seconds(2)

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sighup)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in signals.cancelOnGracefulShutdown() {
                    for source in sources { reload(source, "SIGHUP") }
                }
            }
            group.addTask {
                await cancelWhenGracefulShutdown {
                    while (try? await Task.sleep(for: Self.interval)) != nil {
                        for source in sources where source.isDue { reload(source, "it is due") }
                    }
                }
            }
            await group.waitForAll()
        }
    }

    private func reload(_ source: CertificateSource, _ reason: String) {
        do {
            try source.reload()
            log.info("took a certificate", metadata: ["reason": "\(reason)"])
        } catch {
            log.error(
                "the certificate cannot be used; the one before stays",
                metadata: ["reason": "\(Failure(any: error).message)"])
        }
    }
}
