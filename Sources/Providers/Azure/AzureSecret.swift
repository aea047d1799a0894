import JSONText
import Secrets

/// One version of a secret, as a vault shows it.
struct AzureSecret: Sendable {
    let version: ProviderVersion
    let value: SecretValue
    private let isEnabled: Bool
    /// In seconds since 1970.
    private let begins: Int64?
    private let ends: Int64?
    private static let lastSecond: Int64 = 253_402_300_799

    /// - Throws: `.malformed`.
    init(_ answer: ProviderResponse, _ name: AzureName, _ pinned: ProviderVersion?) throws(ProviderFailure) {
        let version = try Self.version(in: answer, name)
        guard pinned.map({ $0.text.lowercased() == version.text.lowercased() }) ?? true else {
            throw ProviderFailure(.malformed, "\(answer.host) answers another version than was asked for")
        }
        self.version = version
        (value, isEnabled, begins, ends) = try AzureAnswer.reading(answer.host) {
            let body = try answer.json()
            guard let found = try body.value("value"), let attributes = try body.object("attributes"),
                let enabled = try attributes.truth("enabled")
            else {
                throw ProviderFailure(.malformed, "\(answer.host) answers without a value or its attributes")
            }
            return (found, enabled, try attributes.seconds("nbf"), try attributes.seconds("exp"))
        }
    }

    /// The last part of `id`: `https://HOST/secrets/NAME/VERSION`.
    static func version(
        in answer: ProviderResponse, _ name: AzureName
    ) throws(ProviderFailure) -> ProviderVersion {
        let id = try AzureAnswer.reading(answer.host) { try answer.json().string("id") }
        let parts = (id ?? "").split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[3] == "secrets", parts[4].lowercased() == name.text.lowercased(),
            let version = ProviderVersion(String(parts[5])), isVersion(version)
        else {
            throw ProviderFailure(.malformed, "\(answer.host) answers without the version of the secret")
        }
        return version
    }

    /// 32 hexadecimal digits today; nothing that changes a path in any case.
    static func isVersion(_ version: ProviderVersion) -> Bool {
        version.text.utf8.count <= 64 && version.text.utf8.allSatisfy(AzureName.isLetterOrDigit)
    }

    var expires: Timestamp? {
        ends.map { Timestamp(seconds: min(max($0, 0), Self.lastSecond), nanoseconds: 0) }
    }

    /// The service gives the value whatever its times say, so they are kept here; its end where the value is kept.
    ///
    /// - Throws: `.denied`.
    func check(at now: Timestamp, _ name: AzureName) throws(ProviderFailure) {
        guard isEnabled else { throw ProviderFailure(.denied, "\(name.text) is disabled") }
        if let begins, begins > now.seconds {
            throw ProviderFailure(.denied, "\(name.text) must not be used yet (nbf)")
        }
    }

    /// The value, or the member of it that is named.
    func value(_ field: String?, _ name: AzureName) throws(ProviderFailure) -> SecretValue {
        guard let field else { return value }
        let object: JSONObject
        do {
            let text = SecretBuffer()
            try value.withBytes { bytes in try text.write(bytes, at: 0) }
            object = try JSONObject(text)
        } catch let error as JSONError {
            throw ProviderFailure(
                .malformed, "\(name.text) has no fields, for its value is no JSON object: \(error.reason)")
        } catch {
            throw ProviderFailure(.down, "there is no memory for the fields of \(name.text)")
        }
        do {
            guard let found = try object.scalar(field) else {
                throw ProviderFailure(.absent, "\(name.text) has no field \(field)")
            }
            return found
        } catch let failure as ProviderFailure {
            throw failure
        } catch let error as JSONError {
            throw ProviderFailure(.malformed, "a field of \(name.text) is no value: \(error.reason)")
        } catch {
            throw ProviderFailure(.malformed, "a field of \(name.text) is no value that is kept")
        }
    }
}
