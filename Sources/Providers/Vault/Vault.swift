import Crypto
import JSONText
import NIOCore
import NIOHTTP1
package import Secrets
import Synchronization

/// HashiCorp Vault or OpenBao, KV version 2 or 1.
package final class Vault: Provider {
    let settings: VaultSettings
    private let http: ProviderHTTP
    private let session: VaultSession
    /// Version 1 has no versions: ours are made of the value, by a key that nobody knows.
    private let versionKey = SymmetricKey(size: .bits256)
    /// Policies often allow data and not metadata: paths whose metadata is not asked for any more.
    private let withoutMetadata = Mutex<Set<String>>([])
    private static let maximumWithoutMetadata = 65_536

    /// - Throws: `.malformed`, naming the setting.
    package convenience init(_ configuration: ProviderConfiguration) throws(ProviderFailure) {
        try self.init(configuration, requestSeconds: ProviderHTTP.requestSeconds)
    }

    init(_ configuration: ProviderConfiguration, requestSeconds: Int64) throws(ProviderFailure) {
        settings = try VaultSettings(configuration)
        http = ProviderHTTP(settings.tls, seconds: requestSeconds)
        session = VaultSession(settings, http)
    }

    package var capabilities: ProviderCapabilities { .all }

    package func close() async {
        await session.forget()
        await http.close()
    }

    package func test(_ reference: ProviderReference?) async throws(ProviderFailure) -> [String] {
        await session.forget()
        _ = try await session.token()
        var lines = ["logged in to \(settings.url.host)"]
        guard let reference else {
            lines.append("no reference was given: that reading is allowed was not tried")
            return lines
        }
        let reading = try await read(reference, version: nil, known: nil)
        if case .value(let found) = reading {
            let version = VaultVersion(found.version).map { "\($0.number)" } ?? found.version.text
            lines.append("read \(reference): version \(version), \(found.value.count) bytes")
        }
        return lines
    }

    // MARK: Reading

    package func read(
        _ reference: ProviderReference, version: ProviderVersion?, known: ProviderVersion?
    ) async throws(ProviderFailure) -> ProviderReading {
        let path = try VaultPath(reference, isVersioned: settings.isVersioned)
        guard settings.isVersioned else {
            guard version == nil else {
                throw ProviderFailure(.malformed, "KV version 1 keeps no versions: nothing can be pinned")
            }
            return try await readUnversioned(reference, path, known)
        }
        if let known, version == nil, let newest = try await newest(path), newest == known {
            return .unchanged(timeToLive: nil)
        }
        return .value(try await readVersioned(reference, path, version))
    }

    /// What the newest version is, without reading it. Nil if that cannot be told, or there is none: then the value is asked for.
    private func newest(_ path: VaultPath) async throws(ProviderFailure) -> ProviderVersion? {
        guard let metadata = path.metadata, !withoutMetadata.withLock({ $0.contains(metadata) }) else {
            return nil
        }
        let answer: ProviderResponse
        do throws(ProviderFailure) { answer = try await ask(.GET, metadata, nil) } catch {
            guard error.kind == .denied else { throw error }
            withoutMetadata.withLock { known in
                if known.count >= Self.maximumWithoutMetadata { known = [] }
                known.insert(metadata)
            }
            return nil
        }
        guard answer.status == 200 else { return nil }
        return try VaultAnswer.reading(answer.host) {
            let data = try answer.json().object("data")
            guard let number = try data?.number("current_version"),
                let newest = try data?.object("versions")?.object(String(number)),
                try newest.truth("destroyed") != true, try newest.string("deletion_time") ?? "" == ""
            else { return nil }
            return try VaultVersion(number, newest.string("created_time")).text
        }
    }

    private func readVersioned(
        _ reference: ProviderReference, _ path: VaultPath, _ version: ProviderVersion?
    ) async throws(ProviderFailure) -> ProviderValue {
        var place = path.data
        if let version {
            guard let version = VaultVersion(version) else {
                throw ProviderFailure(.malformed, "a version of KV version 2 is a number from 1 on")
            }
            place += "?version=\(version.number)"
        }
        let answer = try await found(place, reference)
        return try VaultAnswer.reading(answer.host) {
            let data = try answer.json().object("data")
            let metadata = try data?.object("metadata")
            guard let number = try metadata?.number("version"), number > 0,
                let found = try VaultVersion(number, metadata?.string("created_time")).text,
                version.map({ VaultVersion($0)?.number == number }) ?? true
            else {
                throw ProviderFailure(
                    .malformed, "\(answer.host) answers without the version: is this KV version 1?")
            }
            guard let fields = try data?.object("data") else {
                throw ProviderFailure(.absent, "that version of \(reference.path) is deleted")
            }
            return ProviderValue(try field(of: fields, reference), found)
        }
    }

    func readUnversioned(
        _ reference: ProviderReference, _ path: VaultPath, _ known: ProviderVersion?
    ) async throws(ProviderFailure) -> ProviderReading {
        let answer = try await found(path.data, reference)
        let token = try await session.token()
        return try VaultAnswer.reading(answer.host) {
            let body = try answer.json()
            // Version 1 has no mark of its own in its paths: any other path of Vault's could be named, also one that
            // answers our own token, or makes new credentials each time. In a namespace the path begins with its name.
            guard try body.string("mount_type") ?? "kv" == "kv", try body.string("lease_id") ?? "" == "",
                try body.number("lease_duration") ?? 0 > 0
            else {
                throw ProviderFailure(.malformed, "\(reference.path) is in no mount of KV version 1")
            }
            guard let fields = try body.object("data") else {
                throw ProviderFailure(.malformed, "\(answer.host) answers without data")
            }
            let value = try field(of: fields, reference)
            guard !value.isEqual(to: token) else {
                throw ProviderFailure(.malformed, "\(reference) is the provider's own token")
            }
            let code = value.withBytes { bytes in
                unsafe bytes.withUnsafeBytes {
                    unsafe HMAC<SHA256>.authenticationCode(for: $0, using: versionKey)
                }
            }
            let text = Array(code).prefix(16).map { byte in
                (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }.joined()
            guard let version = ProviderVersion(text), version != known else {
                return .unchanged(timeToLive: nil)
            }
            return .value(ProviderValue(value, version))
        }
    }

    /// The one that is named; without a name the only one.
    private func field(of fields: JSONObject, _ reference: ProviderReference) throws -> SecretValue {
        let names = fields.names
        guard let name = reference.field ?? (names.count == 1 ? names[0] : nil) else {
            throw ProviderFailure(
                .malformed, "\(reference.path) has \(names.count) fields: name one, \(reference.path)#FIELD")
        }
        guard fields.has(name) else {
            throw ProviderFailure(.absent, "\(reference.path) has no field \(name)")
        }
        guard let value = try fields.scalar(name) else {
            throw ProviderFailure(.absent, "\(reference.path) has no field \(name)")
        }
        return value
    }

    /// - Throws: `.absent` where the answer says that there is nothing, and only there.
    private func found(
        _ place: String, _ reference: ProviderReference
    ) async throws(ProviderFailure) -> ProviderResponse {
        let answer = try await ask(.GET, place, nil)
        switch answer.status {
        case 200: return answer
        case 404 where VaultAnswer.isAbsence(answer):
            throw ProviderFailure(.absent, "there is nothing at \(reference.path), or it is deleted")
        default: throw VaultAnswer.failure(answer, "reading \(reference.path)")
        }
    }

    // MARK: Asking

    /// With a token; once more with a new one if that one is revoked. A policy that says no is answered with the same
    /// status, and each login leaves a token behind: so the server is asked what became of the token.
    func ask(
        _ method: HTTPMethod, _ path: String, _ body: ByteBuffer?
    ) async throws(ProviderFailure) -> ProviderResponse {
        let token = try await session.token()
        let answer = try await send(method, path, body, token)
        guard answer.status == 403 else { return answer }
        guard try await session.isRefused(token) else {
            throw VaultAnswer.failure(answer, "this with its policies")
        }
        let another = try await session.token(after: token)
        let second = try await send(method, path, body, another)
        guard second.status != 403 else { throw VaultAnswer.failure(second, "this with its policies") }
        return second
    }

    private func send(
        _ method: HTTPMethod, _ path: String, _ body: ByteBuffer?, _ token: SecretValue
    ) async throws(ProviderFailure) -> ProviderResponse {
        var request = VaultAnswer.request(method, path, body, settings)
        try request.set("X-Vault-Token", to: token)
        return try await http.send(request)
    }
}
