package import Fuse
import Secrets
import Synchronization

/// `user.secretfs.*`: what is known about an entry, for inspection in a shell. Never the value or a hash.
extension AlgorithmTree {
    private static let names = ["version", "provider", "modified", "name", "description"]
    private static let namespace = "user.secretfs."

    package func extendedAttribute(_ name: Span<UInt8>, of node: NodeID) throws(Refusal) -> [UInt8] {
        guard let entry = entry(of: node) else { throw .noAttribute }
        for known in Self.names where name.equals(Self.namespace + known) {
            return Array(try text(known, of: entry).utf8)
        }
        throw .noAttribute
    }

    package func extendedAttributeNames(of node: NodeID) throws(Refusal) -> [UInt8] {
        guard entry(of: node) != nil else { return [] }
        return Self.names.flatMap { Array((Self.namespace + $0).utf8) + [0] }
    }

    private func entry(of node: NodeID) -> Entry? {
        guard case .entry(let entry) = state.withLock({ $0.content(of: node) }), !entry.isExpired else {
            return nil
        }
        return entry
    }

    private func text(_ name: String, of entry: Entry) throws(Refusal) -> String {
        guard !entry.isUnreadable else { throw .damaged }
        if name == "version" { return entry.version.description }
        if name == "modified" { return entry.modified.description }
        let details: EntryDetails
        do throws(OpenError) {
            details = try entry.sealed.details()
        } catch {
            let refusal: Refusal = error == .sealed ? .sealed : .damaged
            onProblem(entry.name.text, refusal)
            throw refusal
        }
        switch name {
        case "provider": return details.provider.text
        case "name": return details.displayName.text
        default: return details.description.text
        }
    }
}
