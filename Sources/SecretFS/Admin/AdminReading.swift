package import Fuse
import Secrets
import Synchronization

extension AdminTree {
    // MARK: Files

    package func open(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        try open(node, for: .read, by: caller)
    }

    package func read(
        _ handle: HandleID, at offset: UInt64, count: Int, _ answer: (RawSpan) -> Void
    ) throws(Refusal) {
        switch state.withLock({ $0.files[handle] }) {
        case .text(let bytes):
            let all = unsafe bytes.span.bytes
            answer(all.extracting(all.range(from: offset, count: count)))
        case .writing(let writing) where writing.isReadable:
            writing.buffer.withBytes { answer($0.extracting($0.range(from: offset, count: count))) }
        case .temporary(let file, let mode) where mode.contains(.read):
            file.buffer.withBytes { answer($0.extracting($0.range(from: offset, count: count))) }
        case .writing, .temporary: throw .denied
        case .listing: throw .isDirectory
        case nil: throw .invalid
        }
    }

    /// Not what is being written: it would stay behind in pages.
    package func mayBeCached(_ handle: HandleID) -> Bool {
        switch state.withLock({ $0.files[handle] }) {
        case .text, .listing: true
        case .writing, .temporary, nil: false
        }
    }

    package func close(_ handle: HandleID) {
        let file = state.withLock { $0.remove(handle) }
        switch file {
        case .writing(let writing): writing.buffer.clear()
        case .temporary(let file, _): file.close()
        case .text, .listing, nil: break
        }
    }

    /// The kernel does not ask: every file is an ordinary one.
    package func poll(_ handle: HandleID, _ waker: PollWaker?) throws(Refusal) -> Readiness { .readable }

    // MARK: Directories

    package func openDirectory(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        try admit(caller)
        let place = try place(node)
        guard place.isDirectory else { throw .notDirectory }
        let names = try names(in: place)
        return try state.withLock { state throws(Refusal) in
            let parent = state.nodes.node(of: place.parent) ?? PlaceNodes.unknown
            var entries = [
                DirectoryEntry(name: ".", node: node, kind: .directory, nextOffset: 1),
                DirectoryEntry(name: "..", node: parent, kind: .directory, nextOffset: 2),
            ]
            for (name, child) in names {
                let node = state.nodes.node(of: child) ?? PlaceNodes.unknown
                entries.append(
                    DirectoryEntry(
                        name: name, node: node, kind: child.isDirectory ? .directory : .file,
                        nextOffset: UInt64(entries.count) + 1))
            }
            return try state.add(.listing(entries))
        }
    }

    private func names(in place: Place) throws(Refusal) -> [(String, Place)] {
        switch place {
        case .root: return [("algorithms", .algorithms), ("owners", .owners)]
        case .algorithms:
            let stored = try asking { () throws(AdministrationError) in try store.owners() }
            let owners = state.withLock { $0.emptyOwners.union(stored) }
            return owners.sorted().map { ($0.text, .owner($0)) }
        case .owners:
            let owners = try asking { () throws(AdministrationError) in try store.owners() }
            return owners.map { ($0.text, .home(.owner($0))) }
        case .owner(let owner):
            let names = try asking { () throws(AdministrationError) in try store.algorithms(of: owner) }
            return names.map { ($0.name, .home(.algorithm($0))) }
        case .home(let home):
            let stored = try asking { () throws(AdministrationError) in try store.secrets(of: home) }
            let drafts = state.withLock { $0.drafts.keys.filter { $0.home == home }.map(\.name) }
            let secrets = Set(stored + drafts).sorted().map {
                ($0.text, Place.secret(SecretReference(home: home, name: $0)))
            }
            guard case .algorithm(let algorithm) = home else { return secrets }
            state.withLock { $0.showAll(in: place) }
            return [(Place.ruleName, .rule(algorithm))] + secrets
        case .secret(let secret): return try names(of: secret)
        case .rule, .file, .temporary: throw .notDirectory
        }
    }

    private func names(of secret: SecretReference) throws(Refusal) -> [(String, Place)] {
        let known = try secretState(secret)
        let temporaries = state.withLock { state in
            state.showAll(in: .secret(secret))
            return state.temporaries[secret] ?? [:]
        }
        let files = SecretFile.allCases.filter { has($0, secret, known) }
        return files.map { ($0.rawValue, .file(secret, $0)) }
            + temporaries.sorted { $0.key < $1.key }.map { ($0.key, .temporary(secret, $0.value)) }
    }

    package func readDirectory(
        _ handle: HandleID, after offset: UInt64, _ add: (borrowing DirectoryEntry) -> Bool
    ) throws(Refusal) {
        guard case .listing(let entries) = state.withLock({ $0.files[handle] }) else { throw .invalid }
        for entry in entries.dropFirst(Int(clamping: offset)) {
            guard add(entry) else { return }
        }
    }

    package func closeDirectory(_ handle: HandleID) { close(handle) }

    // MARK: Extended attributes

    private static let namespace = "user.secretfs."
    private static let attributes: [(name: String, file: SecretFile)] = [
        ("name", .name), ("description", .description), ("delivery", .delivery), ("provider", .provider),
        ("version", .version), ("created", .created), ("modified", .modified), ("modified_by", .modifiedBy),
    ]

    package func extendedAttribute(_ name: Span<UInt8>, of node: NodeID) throws(Refusal) -> [UInt8] {
        // The kernel asks for `security.capability` before each write.
        guard Self.attributes.contains(where: { name.equals(Self.namespace + $0.name) }) else {
            throw .noAttribute
        }
        guard let known = try described(node) else { throw .noAttribute }
        for attribute in Self.attributes where name.equals(Self.namespace + attribute.name) {
            guard let text = SecretTexts.text(attribute.file, of: known, store) else { throw .noAttribute }
            return Array(text.utf8.dropLast())
        }
        throw .noAttribute
    }

    package func extendedAttributeNames(of node: NodeID) throws(Refusal) -> [UInt8] {
        guard let known = try described(node) else { return [] }
        return Self.attributes.filter { SecretTexts.text($0.file, of: known, store) != nil }
            .flatMap { Array((Self.namespace + $0.name).utf8) + [0] }
    }

    /// The secret whose directory or `value` this is.
    private func described(_ node: NodeID) throws(Refusal) -> SecretState? {
        switch try place(node) {
        case .secret(let secret), .file(let secret, .value): try secretState(secret)
        default: nil
        }
    }
}
