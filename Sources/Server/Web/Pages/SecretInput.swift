import JSONText
import Secrets
import Store

/// What somebody typed into a form about a secret, and what is wrong with it. Never the value.
struct SecretInput {
    /// The order in which the page has them.
    private static let order = [
        "provider_id", "reference", "short_name", "description", "secret_key", "secret_value", "delivery",
    ]
    /// Of both forms.
    static let fields: Set = [
        "form_token", "provider_id", "short_name", "description", "secret_value", "delivery",
    ]

    private(set) var displayName = ""
    private(set) var about = ""
    private(set) var variable = ""
    private(set) var delivery = Delivery.env
    /// Nil: the default.
    private(set) var provider: ProviderName?
    /// Of what is at the provider already; empty: the value is typed.
    private(set) var reference = ""
    private(set) var parsedName: DisplayName?
    private(set) var parsedAbout: Description?
    /// By field.
    var errors: [String: String] = [:]

    init() {}

    init(of secret: Secret) {
        displayName = secret.displayName.text
        about = secret.about.text
        delivery = secret.delivery
        provider = secret.provider
    }

    init(_ form: FormBody, _ providers: ProviderList) throws {
        displayName = Search.trimmed(try form.string("short_name"))
        about = Search.trimmed(try form.string("description"))
        variable = Search.trimmed(try form.string("secret_key"))
        parsedName = parse("short_name", displayName) { text throws(NameError) in try DisplayName(text) }
        parsedAbout = parse("description", about) { text throws(NameError) in try Description(text) }
        if let given = Delivery(rawValue: try form.string("delivery")) {
            delivery = given
        } else {
            errors["delivery"] = "Choose one of the two"
        }
        provider = try providers.find(Call.id(try form.string("provider_id")))
        if provider == nil { errors["provider_id"] = "Choose a provider of this list" }
    }

    mutating func parse<T>(_ field: String, _ text: String, _ parse: (String) throws(NameError) -> T) -> T? {
        do { return try parse(text) } catch {
            errors[field] = Self.sentence(error.description)
            return nil
        }
    }

    /// What a new secret refers to, and what stands in its value's place; `errors` says what is wrong with it.
    ///
    /// - Returns: nil if nothing was typed, or nothing that can be.
    mutating func origin(_ form: FormBody) throws -> SecretOrigin? {
        reference = Search.trimmed(try form.string("reference"))
        guard !reference.isEmpty else { return nil }
        let parsed = parse("reference", reference) { text throws(NameError) in try ProviderReference(text) }
        if provider == .internal {
            errors["reference"] = "Choose the external provider that it is at, or leave this empty"
        }
        if try value(form)?.count ?? 0 > 0 {
            errors["secret_value"] = "The value is at the provider: leave this empty, or the reference"
        }
        guard let parsed, let provider, provider != .internal else { return nil }
        return SecretOrigin(provider: provider, reference: parsed)
    }

    /// Nil where there is none; what is wrong with it is in `errors`.
    mutating func value(_ form: FormBody) throws -> SecretValue? {
        do { return try form.value("secret_value", isText: true) } catch is ValueTooLong {
            errors["secret_value"] =
                "The value has more than \(SecretValue.maximumCount) bytes, the most that is kept"
            return nil
        }
    }

    /// - Returns: whether `error` is about something that was typed.
    mutating func explain(_ error: StoreError) -> Bool {
        switch error {
        case .secretsExist:
            errors["secret_key"] = "There is a secret of this name already: update it, or choose another name"
        case .dangerousNames:
            errors["secret_key"] =
                "Programs take this variable for code, or for where their code is; an administrator can insist on it on the command line"
        case .needsFileDelivery(_, let reason):
            errors["secret_value"] = "No variable can hold this value: \(reason). Choose a file only"
        case .tooLong:
            errors["secret_value"] =
                "The value has more than \(SecretValue.maximumCount) bytes, the most that is kept"
        default: return false
        }
        return true
    }

    /// For the form's template.
    var fields: PageFields {
        var fields: PageFields = [
            "displayName": displayName, "about": about, "reference": reference, "variable": variable,
            "isFile": delivery == .file,
            "isWrong": !errors.isEmpty,
        ]
        for (field, message) in errors { fields["\(field)Error"] = message }
        fields["errors"] = Self.order.compactMap { field in
            errors[field].map { ["field": field, "message": $0] as PageFields }
        }
        return fields
    }

    private static func sentence(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
}
