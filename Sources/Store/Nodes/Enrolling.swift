package import FoundationEssentials
package import Secrets

/// How a machine becomes a node: somebody makes a token on the server, which one machine redeems.
extension SecretStore {
    /// A token by which one machine becomes the node `name`; older ones of that name are refused from then on.
    ///
    /// - Returns: its text, which nobody can have a second time; nil if the store has no CA yet.
    /// - Throws: `.nodeExists`, `.tooManyAllowed`.
    package func createEnrollment(
        of name: NodeName, allowing allowed: [Grantee], policy: NodePolicy, expires: Timestamp,
        by actor: Actor = .thisProcess
    ) throws(StoreError) -> SecretValue? {
        let allowed = Set(allowed).sorted()
        guard allowed.count <= Node.maximumAllowed else { throw .tooManyAllowed(name) }
        guard let authority = try authority() else { return nil }
        return try retrying("node \(name)") { () throws(StoreError) in
            let (token, text, hash): (EnrollmentToken, SecretValue, [UInt8])
            do throws(SealError) {
                token = try EnrollmentToken(pin: try sha256(unsafe authority.certificate.span.bytes))
                (text, hash) = (try token.text(), try token.hash())
            } catch {
                throw .sealing(error)
            }
            let enrollment = Enrollment(
                node: name, created: .now(), expires: expires, allowed: allowed, policy: policy, hash: hash)
            let place = Keys.enrollment(token.id)
            var random = RandomBlock()
            let record = try seal(metadata: enrollment.encoded(), under: place, &random)
            let detail = ([name.text, "until \(expires)"] + allowed.map { "+\($0)" }).joined(separator: " ")
            do throws(StoreError) {
                try commit(
                    if: [.absent(Keys.node(name)), .absent(place)],
                    then: [.put(place, record)] + (try deletedEnrollments(of: name)),
                    recording: [AuditEvent(.nodeToken, by: AuditActor(changingAs: actor), detail: detail)])
            } catch .storage(.conflict(Keys.node(name))) {
                throw .nodeExists(name)
            }
            return text
        }
    }

    /// Who a machine with this token would be, if it may.
    ///
    /// - Throws: `.enrollmentRefused`.
    package func enrollment(_ id: APIKeyID, _ secret: SecretValue) throws(StoreError) -> NodeName {
        try checked(id, secret).value.node
    }

    /// Makes the node, and ends the token: of two machines with the same token one becomes it.
    ///
    /// - Parameters:
    ///   - node: its id, which the certificate names.
    ///   - certificate: the SHA-256 of the certificate.
    /// - Throws: `.enrollmentRefused`, `.nodeExists`.
    package func enroll(
        _ token: APIKeyID, _ secret: SecretValue, as id: UUID, sealingKey: [UInt8], certificate: [UInt8],
        by actor: Actor
    ) throws(StoreError) -> Node {
        try retrying("an enrollment") { () throws(StoreError) in
            let found = try checked(token, secret)
            let (enrollment, now) = (found.value, Timestamp.now())
            let node = Node(
                name: enrollment.node, id: id, created: now, modified: now, sealingKey: sealingKey,
                certificates: [certificate], allowed: enrollment.allowed, isRevoked: false,
                policy: enrollment.policy)
            let event = AuditEvent(.nodeEnroll, by: AuditActor(changingAs: actor), detail: node.name.text)
            do throws(StoreError) {
                try commit(
                    if: [
                        .unchanged(found.record.key, since: found.record.modified),
                        .absent(Keys.node(node.name)),
                    ], then: [.delete(found.record.key), try sealed(node)], recording: [event])
            } catch .storage(.conflict(Keys.node(node.name))) {
                throw .nodeExists(node.name)
            }
            return node
        }
    }

    /// The same answer whatever is wrong: who guesses learns nothing.
    private func checked(_ id: APIKeyID, _ secret: SecretValue) throws(StoreError) -> Found<Enrollment> {
        let key = Keys.enrollment(id)
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { throw .enrollmentRefused }
        let enrollment = try decode(record) { bytes throws(RecordFormatError) in
            try Enrollment(decoding: bytes)
        }
        let hash = try sealing { _ throws(SealError) in
            try secret.withBytes { bytes throws(SealError) in try sha256(bytes) }
        }
        guard unsafe isEqualInConstantTime(hash.span.bytes, enrollment.hash.span.bytes),
            Timestamp.now() < enrollment.expires
        else { throw .enrollmentRefused }
        return Found(value: enrollment, record: record)
    }

    /// The tokens that were made and not redeemed, by node.
    package func enrollments() throws(StoreError) -> [Enrollment] {
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.prefix(Keys.enrollments)], at: nil)
        }
        return snapshot.records.compactMap(enrollment).sorted {
            ($0.node, $0.created) < ($1.node, $1.created)
        }
    }

    /// Refuses every token for a node of this name from now on.
    ///
    /// - Returns: how many there were.
    package func deleteEnrollments(
        of name: NodeName, by actor: Actor = .thisProcess
    ) throws(StoreError) -> Int {
        let count = try enrollments().count { $0.node == name }
        guard count > 0 else { return 0 }
        try retrying("tokens of node \(name)") { () throws(StoreError) in
            let event = AuditEvent(
                .nodeToken, by: AuditActor(changingAs: actor), detail: "\(name) deleted")
            try commit(if: [], then: try deletedEnrollments(of: name), recording: [event])
        }
        return count
    }

    /// Takes away the tokens for a node of this name, and those whose time is over: nobody can use them, and nobody
    /// would delete them.
    func deletedEnrollments(of name: NodeName) throws(StoreError) -> [Transaction.Change] {
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.prefix(Keys.enrollments)], at: nil)
        }
        let now = Timestamp.now()
        return snapshot.records.filter { record in
            enrollment(record).map { $0.expires <= now || $0.node == name } ?? false
        }.map { .delete($0.key) }
    }

    /// Nil if it is damaged.
    private func enrollment(_ record: StoredRecord) -> Enrollment? {
        let bytes = try? openMetadata(record.bytes, record.key)
        return bytes.flatMap { try? Enrollment(decoding: $0) }
    }
}
