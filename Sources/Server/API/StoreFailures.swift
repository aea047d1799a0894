import Console
import HTTPTypes
import JSONText
import Secrets
import Store

extension APIError {
    /// What a client is told of any error. What is the server's own business (paths, records, disks) stays in its log.
    ///
    /// - Parameter fault: the code for what the client cannot help.
    init(_ error: any Error, fault: Code) {
        switch error {
        case let error as APIError: self = error
        case let error as StoreError: self.init(error, fault: fault)
        case let error as NameError: self = .constraint(error.description)
        case let error as JSONError:
            self = .malformed("the body is not the JSON that is expected: \(error.reason)")
        case is ValueTooLong:
            self = .constraint(
                "the value has more than \(SecretValue.maximumCount) bytes, the most that is kept")
        case is SecretMemoryError:
            self = APIError(
                .serviceUnavailable, fault, "the server has no memory for it now; nothing was changed",
                retryAfter: 1)
        // What a provider said, in words that have nothing of a value or a credential.
        case let failure as Failure: self.init(.badRequest, .secretProviderFailed, failure.message)
        default: self.init(.internalServerError, fault, "the server cannot do it; its log tells why")
        }
    }

    init(_ error: StoreError, fault: Code) {
        // In words for whoever runs the server; these have names of things that the client has named or may see.
        let said = Failure(error).message
        switch error {
        case .algorithmMissing, .ownerMissing:
            self.init(.notFound, .algorithmIdDoesNotExist, said)
        case .providerMissing: self.init(.badRequest, .secretProviderNotFound, said)
        case .secretMissing, .versionMissing: self.init(.notFound, .secretNotFound, said)
        case .needsFileDelivery:
            self = .constraint("\(said); it can be a file only: \"delivery\": \"file\"")
        case .dangerousNames:
            self = .constraint("\(said); an administrator can insist on it on the command line")
        case .algorithmExists, .secretsExist, .tooLong, .grantTooWide, .tooManyGrants, .versionInUse,
            .versionMoved, .externalValue, .providerInUse, .providerExists, .providerMoved:
            self = .constraint(said)
        case .lostRace, .storage(.conflict), .storage(.busy), .storage(.revisionGone), .audit(.busy):
            self.init(
                .serviceUnavailable, fault, "others were first, again and again; nothing was changed",
                retryAfter: 1)
        case .sealed, .keysOutdated:
            self.init(.serviceUnavailable, fault, "the store is sealed; nothing was changed", retryAfter: 30)
        case .memory(let error): self.init(error, fault: fault)
        case .audit, .storage, .damaged, .unknownKey, .newerFormat, .sealing, .rootKey, .keyring, .exists,
            .versionsExhausted, .tooManyUsers, .userMissing, .userExists, .roleMissing, .tooManyRoles,
            .apiKeyMissing, .tooManyKeys, .passwordLength, .nodeMissing, .nodeExists, .tooManyAllowed,
            .enrollmentRefused, .link, .isNode, .internalValue:
            self.init(.internalServerError, fault, "the store cannot do it; the server's log tells why")
        }
    }
}
