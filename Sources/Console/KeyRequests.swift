import Glibc
package import Secrets
package import Store

/// The keys of a process that stays: how it loses them, gets them again, and learns of a keyring that takes their place.
package protocol RunningKeys: Sendable {
    /// When this returns, no key is left.
    func seal()
    func unseal(_ root: borrowing RootKey) throws
    /// Learns of a keyring that a command is about to put into storage, or has just put there.
    func expect(_ keyring: [UInt8], _ root: borrowing RootKey) throws
}

/// What commands ask of whoever has keys.
package enum KeyRequests {
    /// - Returns: nil for what is not about keys.
    package static func answer(
        _ request: AgentRequest, _ peer: AuditActor, _ descriptors: [OwnedDescriptor],
        _ keys: any RunningKeys, _ trail: any AuditTrail
    ) throws -> AgentAnswer? {
        switch request {
        case .seal:
            keys.seal()
            // Afterwards: it can be sealed also where nothing can be recorded.
            try trail.record([AuditEvent(.seal, by: peer)])
        case .unseal:
            let key = try rootKey(descriptors)
            try trail.record([AuditEvent(.unseal, by: peer)])
            do { try keys.unseal(key) } catch {
                try? trail.record([AuditEvent(.unseal, .failed, by: peer)])
                throw error
            }
        case .expect(let keyring): try keys.expect(Array(keyring), try rootKey(descriptors))
        case .status, .mounts, .serve, .serveAdmin, .shown, .awaited, .stop: return nil
        }
        return .done
    }

    /// What the command has written into its pipe before it asked.
    private static func rootKey(_ descriptors: [OwnedDescriptor]) throws -> RootKey {
        guard let pipe = descriptors.first else {
            throw Failure(.badInput, "no root key came with the request")
        }
        // A pipe that is empty must not hold this thread.
        _ = fcntl(pipe.raw, F_SETFL, O_NONBLOCK)
        return try RootKey.read(from: pipe.raw)
    }
}
