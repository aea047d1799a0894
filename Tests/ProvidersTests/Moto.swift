import Foundation
import Secrets
import Testing

@testable import Providers

/// A real moto server, killed when this object goes, and boto3 to set it up with.
final class Moto {
    let address: String
    private let process = Process()
    private static let programs = FileManager.default.currentDirectoryPath + "/.build-python/bin/"

    init() throws {
        let port = Int.random(in: 30_000..<40_000)
        address = "http://127.0.0.1:\(port)"
        process.executableURL = URL(filePath: Self.programs + "moto_server")
        process.arguments = ["-H", "127.0.0.1", "-p", "\(port)"]
        process.environment = ["PATH": "/usr/bin:/bin"]
        process.standardOutput = FileHandle(forWritingAtPath: "/dev/null")
        process.standardError = FileHandle(forWritingAtPath: "/dev/null")
        try process.run()
        let end = ContinuousClock.now + .seconds(60)
        while true {
            if (try? run("client.list_secrets()")) != nil { return }
            try #require(ContinuousClock.now < end && process.isRunning, "moto does not start")
            usleep(200_000)
        }
    }

    deinit { kill() }

    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Runs Python with boto3's `client`.
    @discardableResult
    func run(_ script: String) throws -> String {
        let command = Process()
        let output = Pipe()
        command.executableURL = URL(filePath: Self.programs + "python")
        command.arguments = [
            "-c",
            """
            import boto3
            client = boto3.client("secretsmanager", region_name="eu-central-1", endpoint_url="\(address)",
                aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="a-secret-of-a-test")
            \(script)
            """,
        ]
        command.environment = ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent"]
        command.standardOutput = output
        command.standardError = FileHandle(forWritingAtPath: "/dev/null")
        try command.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        command.waitUntilExit()
        guard command.terminationStatus == 0 else { throw Unexpected() }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func provider(_ settings: [String: String] = [:]) throws -> AWSSecretsManager {
        let all = [
            "region": "eu-central-1", "endpoint": address, "access_key_id": "AKIDEXAMPLE",
            "secret_access_key": "a-secret-of-a-test",
        ]
        return try AWSSecretsManager(
            try ProviderConfiguration(texts: all.merging(settings) { _, new in new }))
    }
}
