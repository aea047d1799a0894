import Foundation
import JSONText
import Secrets
import Testing

@testable import Providers

/// A real OpenBao in development mode, in memory, killed when this object goes.
final class OpenBao {
    static let root = "root-token-of-a-test"
    let address: String
    let folder: String
    private let process = Process()

    /// Where scripts/test has installed it; `SECRETFS_BAO` names another.
    static let program =
        ProcessInfo.processInfo.environment["SECRETFS_BAO"]
        ?? FileManager.default.currentDirectoryPath + "/.build-python/bin/bao"

    init(tls: Bool = false) throws {
        folder = NSTemporaryDirectory() + "bao-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let port = Int.random(in: 20_000..<30_000)
        address = "\(tls ? "https" : "http")://127.0.0.1:\(port)"
        process.executableURL = URL(filePath: Self.program)
        process.arguments =
            [
                "server", "-dev", "-dev-no-store-token", "-dev-root-token-id=\(Self.root)",
                "-dev-listen-address=127.0.0.1:\(port)",
            ] + (tls ? ["-dev-tls", "-dev-tls-cert-dir=\(folder)"] : [])
        process.environment = ["HOME": folder, "PATH": "/usr/bin:/bin"]
        process.standardOutput = FileHandle(forWritingAtPath: "/dev/null")
        process.standardError = FileHandle(forWritingAtPath: "/dev/null")
        try process.run()
        let end = ContinuousClock.now + .seconds(30)
        while true {
            if (try? run("status")) != nil { return }
            try #require(ContinuousClock.now < end && process.isRunning, "OpenBao does not start")
            usleep(100_000)
        }
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(atPath: folder)
    }

    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// The CA of a server with TLS.
    var authority: String { folder + "/vault-ca.pem" }

    /// Runs the `bao` command as root; `input` is its standard input.
    @discardableResult
    func run(_ arguments: String..., input: String = "") throws -> String {
        let command = Process()
        let (output, stdin) = (Pipe(), Pipe())
        command.executableURL = URL(filePath: Self.program)
        command.arguments = arguments
        command.environment = [
            "BAO_ADDR": address, "BAO_TOKEN": Self.root, "HOME": folder, "PATH": "/usr/bin:/bin",
            "BAO_CACERT": address.hasPrefix("https") ? authority : "",
        ]
        command.standardInput = stdin
        command.standardOutput = output
        command.standardError = FileHandle(forWritingAtPath: "/dev/null")
        try command.run()
        try stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try stdin.fileHandleForWriting.close()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        command.waitUntilExit()
        guard command.terminationStatus == 0 else { throw CommandFailed(arguments: arguments) }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    struct CommandFailed: Error { let arguments: [String] }

    /// A policy, and a token that has it and no other.
    func token(_ policy: String, _ options: String...) throws -> String {
        let name = "policy-\(UUID().uuidString.lowercased())"
        try run("policy", "write", name, "-", input: policy)
        return try create(["-policy=\(name)"] + options)
    }

    private func create(_ options: [String]) throws -> String {
        let command = ["token", "create", "-field=token", "-orphan"] + options
        return try runAll(command)
    }

    func runAll(_ arguments: [String]) throws -> String {
        switch arguments.count {
        case 4: try run(arguments[0], arguments[1], arguments[2], arguments[3])
        case 5: try run(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4])
        default: try run(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5])
        }
    }
}

extension ProviderConfiguration {
    init(texts: [String: String]) throws {
        self.init(try texts.mapValues { try SecretValue($0) })
    }
}

extension SecretValue {
    convenience init(_ text: String) throws {
        let bytes = Array(text.utf8)
        try self.init(copying: bytes.span.bytes)
    }
    var text: String {
        withBytes { bytes in String(decoding: (0..<bytes.byteCount).map { bytes.byte(at: $0) }, as: UTF8.self)
        }
    }
}

/// A provider for `bao`, with the root token unless `settings` say otherwise.
func provider(_ bao: OpenBao, _ settings: [String: String] = [:]) throws -> Vault {
    var all = ["vault_addr": bao.address]
    if settings["login"] == nil, settings["vault_token"] == nil { all["vault_token"] = OpenBao.root }
    return try Vault(try ProviderConfiguration(texts: all.merging(settings) { _, new in new }))
}

extension Provider {
    /// The newest value as text, and its version.
    func value(_ reference: String, version: String? = nil) async throws -> (text: String, version: String) {
        let pinned = version.flatMap { ProviderVersion($0) }
        let reading = try await read(try ProviderReference(reference), version: pinned, known: nil)
        guard case .value(let found) = reading else { throw Unexpected() }
        let version = VaultVersion(found.version).map { String($0.number) } ?? found.version.text
        return (found.value.text, version)
    }

    /// How a read fails.
    func failure(_ reference: String, version: String? = nil) async throws -> ProviderFailure {
        let pinned = version.flatMap { ProviderVersion($0) }
        do throws(ProviderFailure) {
            _ = try await read(ProviderReference(known: reference), version: pinned, known: nil)
        } catch { return error }
        throw Unexpected()
    }
}

extension ProviderReference {
    /// For what is right.
    init(known text: String) {
        do { try self.init(text) } catch { preconditionFailure(text) }
    }
}

struct Unexpected: Error {}
