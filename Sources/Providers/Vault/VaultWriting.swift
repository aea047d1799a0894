import JSONText
import NIOHTTP1
package import Secrets

/// Writes go to paths of their own, by check-and-set.
extension Vault {
    package func place(
        of name: EnvironmentName, in home: SecretHome
    ) throws(ProviderFailure) -> ProviderReference {
        let folder = settings.secretPath.split(separator: "/").map(String.init)
        guard let mount = folder.first else {
            throw ProviderFailure(.malformed, "vault_secret_path is empty")
        }
        let parts = [mount] + (settings.isVersioned ? ["data"] : []) + folder.dropFirst()
        do throws(NameError) {
            return try ProviderReference(
                (parts + [home.description, name.text]).joined(separator: "/") + "#value")
        } catch {
            throw ProviderFailure(.malformed, "\(name) of \(home) has no place there: \(error.reason)")
        }
    }

    package func write(
        _ value: SecretValue, to reference: ProviderReference, if condition: ProviderCondition
    ) async throws(ProviderFailure) -> ProviderVersion {
        guard value.isUTF8 else {
            throw ProviderFailure(.malformed, "the value is no text (UTF-8), and Vault keeps nothing else")
        }
        let path = try VaultPath(reference, isVersioned: settings.isVersioned)
        let name = reference.field ?? "value"
        let present = try await present(reference, path)
        guard present.fields.allSatisfy({ $0.utf8.elementsEqual(name.utf8) }) else {
            throw ProviderFailure(
                .conflict,
                "\(reference.path) has other fields, which would be lost: write to a path of its own")
        }
        switch condition {
        case .any: break
        case .absent where present.fields.isEmpty: break
        case .version(let version) where present.version?.text == version.text && !present.fields.isEmpty:
            break
        case .absent, .version:
            throw ProviderFailure(
                .conflict, "\(reference.path) is not what was expected: somebody changed it")
        }
        let fields: [(String, JSONWriter.Member)] = [(name, .secret(value))]
        guard settings.isVersioned else {
            let body = JSONWriter.object([name: .secret(value)])
            let answer = try await ask(.POST, path.data, body)
            guard answer.status == 200 || answer.status == 204 else {
                throw VaultAnswer.failure(answer, "writing \(reference.path)")
            }
            guard case .value(let made) = try await readUnversioned(reference, path, nil) else {
                throw ProviderFailure(.malformed, "\(answer.host) does not show what was written")
            }
            return made.version
        }
        let last = present.version.flatMap { VaultVersion($0)?.number } ?? 0
        let body = JSONWriter.object(["options": .object([("cas", .number(last))]), "data": .object(fields)])
        let answer = try await ask(.POST, path.data, body)
        if answer.status == 400 {
            throw ProviderFailure(.conflict, "\(reference.path) was changed by somebody else meanwhile")
        }
        guard answer.status == 200 else { throw VaultAnswer.failure(answer, "writing \(reference.path)") }
        let made = try VaultAnswer.reading(answer.host) {
            let data = try answer.json().object("data")
            guard let number = try data?.number("version") else { return ProviderVersion?.none }
            return try VaultVersion(number, data?.string("created_time")).text
        }
        guard let made else { throw ProviderFailure(.malformed, "\(answer.host) does not say what it wrote") }
        return made
    }

    /// What is there before a write: the newest version, deleted or not, and the names of its fields.
    private func present(
        _ reference: ProviderReference, _ path: VaultPath
    ) async throws(ProviderFailure) -> (version: ProviderVersion?, fields: [String]) {
        let answer = try await ask(.GET, path.data, nil)
        guard answer.status == 200 || answer.status == 404 && VaultAnswer.isAbsence(answer) else {
            throw VaultAnswer.failure(answer, "reading \(reference.path)")
        }
        return try VaultAnswer.reading(answer.host) {
            let data = try answer.json().object("data")
            guard settings.isVersioned else { return (nil, data?.names ?? []) }
            let metadata = try data?.object("metadata")
            let number = try metadata?.number("version")
            let version = try number.flatMap { try VaultVersion($0, metadata?.string("created_time")).text }
            return (version, try data?.object("data")?.names ?? [])
        }
    }

    /// All versions of it: what is left of a secret would be found by whoever reads the path later.
    package func delete(_ reference: ProviderReference) async throws(ProviderFailure) {
        let path = try VaultPath(reference, isVersioned: settings.isVersioned)
        let answer = try await ask(.DELETE, path.metadata ?? path.data, nil)
        guard
            answer.status == 200 || answer.status == 204
                || answer.status == 404 && VaultAnswer.isAbsence(answer)
        else {
            throw VaultAnswer.failure(answer, "deleting \(reference.path)")
        }
    }
}
