import Secrets

/// What the metadata files say: a line, or several.
enum SecretTexts {
    static let never = "never"

    /// - Returns: nil where a secret without a value has no such file.
    static func text(_ file: SecretFile, of secret: SecretState, _ store: any Administration) -> String? {
        let settings = secret.settings
        switch file {
        case .value: return nil
        case .name: return line(settings.displayName.text)
        case .description: return line(settings.about.text)
        case .delivery: return line(settings.delivery.rawValue)
        case .notBefore: return line(settings.validity.notBefore?.description ?? never)
        case .expires: return line(settings.validity.expires?.description ?? never)
        case .kept: return line(settings.kept.map(String.init) ?? "")
        case .callers: return store.text(settings.callers)
        case .grants: return lines(settings.grants.map(\.description))
        default: return secret.facts.flatMap { text(file, of: $0) }
        }
    }

    private static func text(_ file: SecretFile, of facts: SecretFacts) -> String? {
        switch file {
        case .provider: return line(facts.provider.text)
        case .version: return facts.versions.last.map { line($0.version.description) }
        case .versions:
            return lines(facts.versions.map { "\($0.version) \($0.count) \($0.created) \($0.actor)" })
        case .created: return line(facts.created.description)
        case .modified: return line(facts.modified.description)
        case .modifiedBy: return facts.versions.last.map { line($0.actor.text) }
        default: return nil
        }
    }

    private static func line(_ text: String) -> String { text + "\n" }
    private static func lines(_ lines: [String]) -> String { lines.map(line).joined() }

    /// What writing `text` to `file` changes.
    static func change(
        _ file: SecretFile, to text: String, _ store: any Administration
    ) throws(AdministrationError) -> SettingChange {
        // As echo(1) ends a line.
        let text = text.hasSuffix("\n") ? String(text.dropLast()) : text
        do {
            switch file {
            case .name: return .displayName(try DisplayName(text))
            case .description: return .about(try Description(text))
            case .delivery:
                guard let delivery = Delivery(rawValue: text) else {
                    throw AdministrationError(.invalid, "a delivery is env or file")
                }
                return .delivery(delivery)
            case .notBefore: return .notBefore(try moment(text, store))
            case .expires: return .expires(try moment(text, store))
            case .kept:
                guard let kept = Int(text) else {
                    throw AdministrationError(.invalid, "the number of kept versions is a number")
                }
                return .kept(kept)
            case .callers: return .callers(try store.callerRule(text))
            case .grants: return .grants(try grants(text))
            default: throw AdministrationError(.notPermitted, "it cannot be written")
            }
        } catch let error as AdministrationError {
            throw error
        } catch let error as NameError {
            // Without what was given: somebody may have written a value there.
            throw AdministrationError(.invalid, "not a valid \(error.kind.rawValue): \(error.reason)")
        } catch {
            throw AdministrationError(.invalid, "it is not what this file holds")
        }
    }

    private static func moment(
        _ text: String, _ store: any Administration
    ) throws(AdministrationError) -> Timestamp? {
        text.isEmpty || text == never ? nil : try store.moment(text)
    }

    private static func grants(_ text: String) throws(AdministrationError) -> [Grantee] {
        var grantees: Set<Grantee> = []
        for line in text.split(separator: "\n") {
            do { grantees.insert(try Grantee(String(line))) } catch {
                throw AdministrationError(
                    .invalid, "a line is not a valid \(error.kind.rawValue): \(error.reason)",
                    remedy: "one grantee a line: OWNER/NAME or OWNER/*")
            }
        }
        return grantees.sorted()
    }
}

/// A secret as an admin mount shows it.
enum SecretState: Sendable {
    /// Made with mkdir; in the store once its first value is written.
    case draft(SecretSettings)
    case stored(SecretFacts)

    var settings: SecretSettings {
        switch self {
        case .draft(let settings): settings
        case .stored(let facts): facts.settings
        }
    }
    var facts: SecretFacts? {
        guard case .stored(let facts) = self else { return nil }
        return facts
    }
}

extension SecretSettings {
    /// What a secret has where nothing was said.
    init(of name: EnvironmentName) throws(NameError) {
        self.init(
            displayName: try DisplayName(String(name.text.prefix(DisplayName.maximumCount))),
            about: try Description(""), delivery: .env, validity: .always, kept: nil,
            callers: .anyone, grants: [])
    }

    mutating func apply(_ change: SettingChange) {
        switch change {
        case .displayName(let name): displayName = name
        case .about(let text): about = text
        case .delivery(let new): delivery = new
        case .notBefore(let moment): validity = Validity(notBefore: moment, expires: validity.expires)
        case .expires(let moment): validity = Validity(notBefore: validity.notBefore, expires: moment)
        case .kept(let count): kept = count
        case .callers(let rule): callers = rule
        case .grants(let grantees): grants = grantees
        }
    }
}
