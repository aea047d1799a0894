import JSONText
import NIOHTTP1
import Secrets

/// Response wrapping: a secret id comes to us behind a token that opens it once, so that whoever read it on the way is
/// noticed.
enum VaultUnwrapping {
    /// `configuration` with `secret_id` in the place of `wrapped_secret_id`, which opens nothing after that.
    static func exchange(
        _ configuration: ProviderConfiguration
    ) async throws(ProviderFailure) -> ProviderConfiguration {
        let wrapping = try configuration.secret("wrapped_secret_id")
        var exchanged = configuration
        exchanged["wrapped_secret_id"] = nil
        // Something must be there for the settings to be whole.
        exchanged["secret_id"] = wrapping
        let settings = try VaultSettings(exchanged)
        let http = ProviderHTTP(settings.tls, seconds: ProviderHTTP.requestSeconds)
        do throws(ProviderFailure) {
            exchanged["secret_id"] = try await unwrap(wrapping, settings, http)
        } catch {
            await http.close()
            throw error
        }
        await http.close()
        return exchanged
    }

    private static func unwrap(
        _ wrapping: SecretValue, _ settings: VaultSettings, _ http: ProviderHTTP
    ) async throws(ProviderFailure) -> SecretValue {
        var request = VaultAnswer.request(.POST, "sys/wrapping/unwrap", JSONWriter.object([:]), settings)
        try request.set("X-Vault-Token", to: wrapping)
        let answer = try await http.send(request)
        switch answer.status {
        case 200: break
        case 400, 403, 404:
            // Used by somebody else, perhaps: that is to be looked into.
            throw ProviderFailure(
                .denied,
                "\(answer.host) does not unwrap wrapped_secret_id: it was unwrapped before, or its time is over"
            )
        default: throw VaultAnswer.failure(answer, "unwrapping wrapped_secret_id")
        }
        let found = try VaultAnswer.reading(answer.host) {
            try answer.json().object("data")?.value("secret_id")
        }
        guard let found else { throw ProviderFailure(.malformed, "wrapped_secret_id holds no secret id") }
        return found
    }
}
