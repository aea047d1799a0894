/// Which conditions of a transaction the writing itself checks: an insertion that does nothing where there is a
/// record tells that a key was not absent. This saves a search for each secret of an import.
struct FoldedConditions {
    /// By condition and by change, whether they are folded.
    private(set) var conditions: [Bool]
    private(set) var changes: [Bool]

    /// Folds what stands in the same order in both lists, as in an import: conditions that keys are absent, and
    /// puts of these keys. Nothing is folded if something is deleted, which would change what a later put finds.
    init(_ transaction: Transaction) {
        conditions = Array(repeating: false, count: transaction.conditions.count)
        changes = Array(repeating: false, count: transaction.changes.count)
        let deletes = transaction.changes.contains { change in
            if case .put = change { false } else { true }
        }
        guard !deletes else { return }
        var place = 0
        for (index, condition) in transaction.conditions.enumerated() {
            guard case .absent(let key) = condition else { continue }
            let rest = transaction.changes[place...]
            let found = rest.firstIndex { change in
                if case .put(key, _) = change { true } else { false }
            }
            // The others are checked one by one. Looking for each of them to the end would take too long.
            guard let found else { return }
            conditions[index] = true
            changes[found] = true
            place = found + 1
        }
    }
}
