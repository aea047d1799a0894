import Foundation
import JSONText
import Secrets
import Testing

@testable import Providers

/// The double of Azure in Tests/Doubles, which ends when this object goes.
final class AzureDouble {
    /// Where everything is, as it said.
    let place: Place
    /// The line that said so.
    let line: String
    struct Place: Decodable {
        let vault: String
        let login: String
        /// The metadata service's.
        let plain: String
        let ca: String
        let tenant: String
        let client: String
        let secret: String
    }
    private let process = Process()
    private let (input, output) = (Pipe(), Pipe())

    private static let folder = FileManager.default.currentDirectoryPath
    /// Where scripts/test has installed what it takes.
    static let python = folder + "/.build-python/bin/python"
    static func script(_ name: String) -> String { folder + "/Tests/Doubles/\(name).py" }

    init() throws {
        process.executableURL = URL(filePath: Self.python)
        process.arguments = [Self.script("azure_key_vault")]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        line = try Self.readLine(output)
        place = try JSONDecoder().decode(Place.self, from: Data(line.utf8))
    }

    deinit { kill() }

    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// What it was asked.
    struct Asked: Decodable {
        let host: String
        let method: String
        let path: String
        let token: String
    }
    struct State: Decodable {
        let log: [Asked]
        let tokens: Int

        /// How often a login was asked for a token.
        var logins: Int { log.count { $0.path.hasSuffix("/token") } }
        var tokensSent: Int { log.count { !$0.token.isEmpty } }
    }

    /// See `controlled` in the double.
    @discardableResult
    func tell(_ commands: String = "{}") throws -> State {
        try input.fileHandleForWriting.write(contentsOf: Data((commands + "\n").utf8))
        return try JSONDecoder().decode(State.self, from: Data(try Self.readLine(output).utf8))
    }

    /// Puts a version there, as others do.
    func put(_ name: String, _ value: String, _ attributes: String = "{}") throws {
        let text = String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
        try tell(#"{"put": {"name": "\#(name)", "value": \#(text), "attributes": \#(attributes)}}"#)
    }

    private static func readLine(_ pipe: Pipe) throws -> String {
        var text = Data()
        while text.last != UInt8(ascii: "\n") {
            let more = pipe.fileHandleForReading.availableData
            try #require(!more.isEmpty, "the double has ended")
            text += more
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// By the client's secret, unless `settings` say otherwise; an empty one is none.
    func provider(_ settings: [String: String] = [:]) throws -> AzureKeyVault {
        let all = [
            "vault_url": place.vault, "tenant_id": place.tenant, "client_id": place.client,
            "client_secret": place.secret, "authority_host": place.login,
            "ca_certificate": try String(contentsOfFile: place.ca, encoding: .utf8),
        ].merging(settings) { _, new in new }
        return try AzureKeyVault(
            try ProviderConfiguration(texts: all),
            metadata: try ProviderURL(place.plain, setting: "metadata"),
            addresses: ["team.vault.azure.test": "127.0.0.1", "login.azure.test": "127.0.0.1"],
            requestSeconds: 4)
    }
}

extension Provider {
    /// How a write fails.
    func failure(
        writing value: String, to reference: String, if condition: ProviderCondition = .any
    ) async throws -> ProviderFailure {
        let value = try SecretValue(value)
        do throws(ProviderFailure) {
            _ = try await write(value, to: ProviderReference(known: reference), if: condition)
        } catch { return error }
        throw Unexpected()
    }
}

@Suite struct `The double of Azure` {
    /// What the official clients do not take, it has wrong.
    @Test func `does what the official clients take, step by step`() throws {
        let double = try AzureDouble()
        let clients = Process()
        let (input, output) = (Pipe(), Pipe())
        clients.executableURL = URL(filePath: AzureDouble.python)
        clients.arguments = [AzureDouble.script("azure_clients")]
        clients.standardInput = input
        clients.standardOutput = output
        clients.standardError = FileHandle(forWritingAtPath: "/dev/null")
        try clients.run()
        try input.fileHandleForWriting.write(contentsOf: Data(double.line.utf8))
        try input.fileHandleForWriting.close()
        let steps = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        clients.waitUntilExit()
        #expect(clients.terminationStatus == 0)
        #expect(
            steps.split(separator: "\n") == [
                "client secret", "set", "get", "get version", "list versions", "disable", "delete", "limits",
                "wrong secret", "revoked token", "permissions", "throttled", "workload identity",
                "managed identity", "wrong host in the challenge",
            ])
    }
}
