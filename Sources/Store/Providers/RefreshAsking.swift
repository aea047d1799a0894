import Secrets

/// What is due, and in which order.
extension RefreshTable {
    /// What is to be asked now. Each is answered by `take`, or given up by `age`.
    package mutating func questions(at now: UInt64) -> [ProviderQuestion] {
        asked = asked.filter { id, place in items[place]?.asked?.question == id }
        var room: [ProviderName: Int] = [:]
        for place in asked.values { room[place.provider, default: Self.maximumQuestions] -= 1 }
        if clock.isDue(at: now) { lineUp(at: now) }
        var questions: [ProviderQuestion] = []
        // A copy: lines that somebody else holds would be copied whole.
        for name in Array(lines.keys) {
            while room[name] != 0, let place = lines[name]?.popLast() {
                guard let item = items[place], item.due <= now, item.asked == nil else { continue }
                guard providers[name] != nil else {
                    note(ProviderFailure(.malformed, "there is no provider \(name)"), place, at: now)
                    continue
                }
                room[name, default: Self.maximumQuestions] -= 1
                questions.append(ask(item, at: now))
            }
            if lines[name]?.isEmpty == true { lines[name] = nil }
        }
        return questions
    }

    private mutating func ask(_ item: RefreshItem<Value>, at now: UInt64) -> ProviderQuestion {
        let place = item.origin
        lastQuestion += 1
        items[place]?.asked = (lastQuestion, now + Self.patience)
        asked[lastQuestion] = place
        return ProviderQuestion(
            id: lastQuestion, provider: place.provider, reference: place.reference,
            version: place.version, known: item.kept?.version)
    }

    /// Looks at all, for what is due. Seldom: while many wait for others, answers come by the thousand.
    private mutating func lineUp(at now: UInt64) {
        var due: [ProviderName: [(due: UInt64, place: SecretOrigin)]] = [:]
        var next = UInt64.max
        for (place, item) in items where item.asked == nil {
            if item.due > now {
                next = min(next, item.due)
            } else {
                due[place.provider, default: []].append((item.due, place))
            }
        }
        lines = due.mapValues { due in due.sorted { $0.due > $1.due }.map(\.place) }
        clock.looked(at: now, next: next)
    }

    /// When `place` is due may be another moment now.
    mutating func note(_ place: SecretOrigin) {
        guard let item = items[place] else { return }
        if item.asked == nil { clock.look(at: item.due) }
        if item.kept != nil { clock.age(at: oldest(item)) }
    }
}
