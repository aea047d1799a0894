import JSONText
import NIOHTTP1
package import Secrets

/// Key Vault has no conditions: what is there is read before a write.
extension AzureKeyVault {
    /// In bytes: 25 KB.
    static let maximumValue = 25 * 1024

    package func place(
        of name: EnvironmentName, in home: SecretHome
    ) throws(ProviderFailure) -> ProviderReference {
        let text = settings.prefix + AzureName.encoded(name, in: home)
        guard AzureName.isName(text), let reference = try? ProviderReference(text) else {
            throw ProviderFailure(
                .malformed,
                "\(name) of \(home) has no place there: a name in a Key Vault has at most \(AzureName.maximumCount) characters"
            )
        }
        return reference
    }

    /// Who writes between our two requests is not noticed; then both values are kept as versions, and the later one is the
    /// newest.
    package func write(
        _ value: SecretValue, to reference: ProviderReference, if condition: ProviderCondition
    ) async throws(ProviderFailure) -> ProviderVersion {
        let name = try AzureName(reference)
        try Self.refuseField(reference)
        guard value.isUTF8 else {
            throw ProviderFailure(
                .malformed, "the value is no text (UTF-8), and Key Vault keeps nothing else")
        }
        guard value.count <= Self.maximumValue else {
            throw ProviderFailure(
                .malformed, "the value has more than the \(Self.maximumValue) bytes that Key Vault keeps")
        }
        guard try await isMet(condition, name) else {
            throw ProviderFailure(.conflict, "\(name.text) is not what was expected: somebody changed it")
        }
        let answer = try await ask(
            .PUT, "secrets/\(name.text)", JSONWriter.object(["value": .secret(value)]))
        guard answer.status == 200 else { throw AzureAnswer.failure(answer, "writing \(name.text)") }
        return try AzureSecret.version(in: answer, name)
    }

    private func isMet(
        _ condition: ProviderCondition, _ name: AzureName
    ) async throws(ProviderFailure) -> Bool {
        if condition == .any { return true }
        let answer = try await ask(.GET, "secrets/\(name.text)", nil)
        switch answer.status {
        case 200: return condition == .version(try AzureSecret.version(in: answer, name))
        // It is there, and which version it is, is not told.
        case 403 where AzureAnswer.code(of: answer) == "SecretDisabled": return false
        default:
            guard Self.isAbsence(answer) else { throw AzureAnswer.failure(answer, "reading \(name.text)") }
            return condition == .absent
        }
    }

    /// All versions of it, which the vault keeps for a time (soft delete).
    package func delete(_ reference: ProviderReference) async throws(ProviderFailure) {
        let name = try AzureName(reference)
        try Self.refuseField(reference)
        let answer = try await ask(.DELETE, "secrets/\(name.text)", nil)
        guard answer.status == 200 || Self.isAbsence(answer) else {
            throw AzureAnswer.failure(answer, "deleting \(name.text)")
        }
    }

    private static func refuseField(_ reference: ProviderReference) throws(ProviderFailure) {
        guard reference.field == nil else {
            throw ProviderFailure(
                .malformed, "a field is only read: what is written or deleted is all of \(reference.path)")
        }
    }
}
