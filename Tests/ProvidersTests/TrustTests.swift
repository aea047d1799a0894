import Foundation
import NIOHTTP1
import NIOSSL
import Secrets
import Testing

@testable import PeerNames
@testable import Providers

/// Certificates by a CA of the test's own.
private struct Authority {
    let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "names-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    /// DER of one that is for `names`, as openssl writes them.
    func certificate(_ names: String, subject: String = "/CN=x") throws -> [UInt8] {
        let file = "\(folder)/\(UUID().uuidString).der"
        let extensions = names.isEmpty ? "" : "-addext 'subjectAltName=\(names)'"
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = [
            "-ec",
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '\(subject)' \(extensions) -keyout /dev/null -outform DER -out \(file) 2>/dev/null",
        ]
        try process.run()
        process.waitUntilExit()
        return [UInt8](try Data(contentsOf: URL(filePath: file)))
    }
}

@Suite(.serialized) struct `A server's certificate` {
    /// > A certificate must be for the name in the address — docs/PROVIDERS.md
    @Test func `is for a name that it has, and for nothing else`() throws {
        let authority = try Authority()
        defer { try? FileManager.default.removeItem(atPath: authority.folder) }
        let named = try authority.certificate("DNS:vault.example.org,DNS:*.vault.azure.test,IP:127.0.0.1")
        for host in ["vault.example.org", "VAULT.example.org", "vault.example.org.", "team.vault.azure.test"]
        {
            #expect(try PeerName.isFor(host, named), "\(host)")
        }
        for host in [
            "example.org", "a.b.vault.azure.test", "vault.azure.test", "127.0.0.1", "",
            "vault.example.org\0x",
        ] {
            #expect(try !PeerName.isFor(host, named), "\(host)")
        }
        #expect(
            try !PeerName.isFor("localhost", authority.certificate("IP:127.0.0.1", subject: "/CN=localhost")))
        #expect(try !PeerName.isFor("localhost", authority.certificate("", subject: "/CN=localhost")))
        #expect(try !PeerName.isFor("localhost", [1, 2, 3]))
    }

    /// What swift-nio-ssl accepts by itself: the address of who answers, whatever the name.
    @Test func `for an address is not one for a name that leads there`() async throws {
        let bao = try OpenBao(tls: true)
        let settings = [
            "vault_token": OpenBao.root,
            "ca_certificate": try String(contentsOfFile: bao.authority, encoding: .utf8),
        ]
        let port = try #require(bao.address.split(separator: ":").last)
        func status(of host: String) async throws -> Int {
            let url = "https://\(host):\(port)"
            let configuration = try ProviderConfiguration(
                texts: settings.merging(["vault_addr": url]) { _, new in new })
            let tls = try ProviderTLS.client(configuration)
            let http = ProviderHTTP(tls, addresses: ["vault.victim.test": "127.0.0.1"])
            do {
                let answer = try await http.send(
                    ProviderRequest(.GET, try ProviderURL(url, setting: "vault_addr"), "/v1/sys/health"))
                await http.close()
                return answer.status
            } catch {
                await http.close()
                throw error
            }
        }
        #expect(try await status(of: "127.0.0.1") == 200)
        #expect(try await status(of: "localhost") == 200)
        let failure = await #expect(throws: ProviderFailure.self) {
            try await status(of: "vault.victim.test")
        }
        #expect(failure?.message.contains("cannot be trusted") ?? false, "\(String(describing: failure))")
    }
}
