import JSONText
import Secrets
import Store

/// What somebody typed into a form about a provider, and what is wrong with it. Never a credential.
struct ProviderInput {
    let kind: ProviderKind
    /// As the store has it; nil for a new one.
    let present: ExternalProvider?
    private var name = ""
    private var about = ""
    private var interval: String
    private var maximumAge: String
    /// Of settings that are no credentials.
    private var typed: [String: String] = [:]
    private(set) var parsedName: ProviderName?
    /// By field.
    var errors: [String: String] = [:]

    /// Several lines.
    private static let long: Set = ["ca_certificate", "client_certificate", "client_key"]

    init(of kind: ProviderKind) {
        self.kind = kind
        present = nil
        interval = "\(ExternalProvider.defaultInterval)"
        maximumAge = "\(ExternalProvider.defaultMaximumAge)"
    }

    init(of provider: ExternalProvider) {
        kind = provider.kind
        present = provider
        about = provider.about.text
        interval = "\(provider.interval)"
        maximumAge = "\(provider.maximumAge)"
    }

    /// Those that are about the server's machine are none of a page's.
    private var settings: [ProviderSetting] { kind.settings.filter { !$0.isLocal } }

    /// - Returns: what to change; `errors` says what is wrong with it.
    mutating func take(_ form: FormBody) throws -> ProviderUpdate {
        try form.allowOnly(
            Set(settings.map(\.name)).union(["form_token", "name", "description", "interval", "maximum_age"]))
        var update = ProviderUpdate()
        if present == nil {
            name = Search.trimmed(try form.string("name"))
            parsedName = parse("name", name) { text throws(NameError) in try ProviderName(text) }
        }
        about = Search.trimmed(try form.string("description"))
        update.about = parse("description", about) { text throws(NameError) in try Description(text) }
        interval = Search.trimmed(try form.string("interval"))
        maximumAge = Search.trimmed(try form.string("maximum_age"))
        update.interval = seconds("interval", interval, ExternalProvider.intervals)
        update.maximumAge = seconds("maximum_age", maximumAge, ExternalProvider.maximumAges)
        for setting in settings { try take(setting, form, &update) }
        return update
    }

    private mutating func take(
        _ setting: ProviderSetting, _ form: FormBody, _ update: inout ProviderUpdate
    ) throws {
        let value = try form.value(setting.name, isText: true)
        guard let value, value.count > 0 else {
            let isSet = present?.settings.contains(setting.name) ?? false
            if setting.isRequired, !isSet { errors[setting.name] = "It is needed" }
            return
        }
        update.set[setting.name] = value
        guard !setting.isSecret, !Self.long.contains(setting.name) else { return }
        let text = try form.string(setting.name)
        typed[setting.name] = text
        // The machine's own tokens would go to an address of somebody's choice.
        if setting.localValues.contains(text) {
            errors[setting.name] = "This is about the server's machine: it is set on its command line"
        }
    }

    private mutating func parse<T>(
        _ field: String, _ text: String, _ parse: (String) throws(NameError) -> T
    ) -> T? {
        do { return try parse(text) } catch {
            errors[field] = error.description.prefix(1).uppercased() + error.description.dropFirst()
            return nil
        }
    }

    private mutating func seconds(
        _ field: String, _ text: String, _ range: ClosedRange<UInt32>
    ) -> UInt32? {
        guard let number = UInt32(text), range.contains(number) else {
            errors[field] = "A number of seconds from \(range.lowerBound) to \(range.upperBound)"
            return nil
        }
        return number
    }

    /// For the form's template.
    var fields: PageFields {
        var fields: PageFields = [
            "name": name, "about": about, "interval": interval, "maximumAge": maximumAge,
            "isWrong": !errors.isEmpty,
        ]
        fields["settings"] = settings.map { setting -> PageFields in
            var field: PageFields = [
                "id": setting.name, "about": setting.about, "isSecret": setting.isSecret,
                "isLong": Self.long.contains(setting.name), "value": typed[setting.name] ?? "",
                "isSet": present?.settings.contains(setting.name) ?? false,
            ]
            if let error = errors[setting.name] { field["error"] = error }
            return field
        }
        for (field, message) in errors { fields["\(field)Error"] = message }
        let order = ["name", "description"] + settings.map(\.name) + ["interval", "maximum_age"]
        fields["errors"] = order.compactMap { field in
            errors[field].map { ["field": field, "message": "\(field): \($0)"] as PageFields }
        }
        return fields
    }
}
