import ArgumentParser
import Console
import Secrets
import Store

/// The settings of a provider; for `create` and `update`.
struct ProviderOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A setting that is no credential; may be repeated.", valueName: "setting=value"))
    var set: [String] = []
    @Option(
        help: ArgumentHelp(
            "A setting that is asked for, or read from standard input.", valueName: "setting"))
    var secret: String?
    @Option(
        help: ArgumentHelp(
            "A setting that is read from a file, without one newline at its end; may be repeated.",
            valueName: "setting=file"))
    var file: [String] = []
    @Option(help: "What it is for.") var description: String?
    @Option(
        help: ArgumentHelp(
            "How often values are asked for again (5s to 1d). Default: 60s.", valueName: "time"))
    var interval: String?
    @Option(
        help: ArgumentHelp(
            "How long values are opened that it has not confirmed (1m to 30d). Default: 1d.",
            valueName: "time"
        ))
    var maximumAge: String?

    var isEmpty: Bool {
        self.set.isEmpty && secret == nil && file.isEmpty && description == nil && interval == nil
            && maximumAge == nil
    }

    func update(of kind: ProviderKind) throws -> ProviderUpdate {
        var update = ProviderUpdate()
        update.about = try description.map { try Description($0) }
        update.interval = try interval.map {
            try Self.seconds($0, "--interval", ExternalProvider.intervals)
        }
        update.maximumAge = try maximumAge.map {
            try Self.seconds($0, "--maximum-age", ExternalProvider.maximumAges)
        }
        for given in self.set {
            let (setting, text) = try Self.pair(given, "--set", kind)
            guard !setting.isSecret else {
                throw Failure(
                    .badInput, "\(setting.name) is a credential, which other users of this machine could see",
                    hint: "--secret \(setting.name), or --file \(setting.name)=FILE")
            }
            update.set[setting.name] = try SecretValue(copying: unsafe text.utf8Span.span.bytes)
        }
        for given in file {
            let (setting, path) = try Self.pair(given, "--file", kind)
            let maximum = ProviderConfiguration.maximumCount
            update.set[setting.name] = try ValueInput.chomped(
                try ValueInput.contents(of: path, maximum: maximum))
        }
        if let secret {
            let setting = try Self.setting(secret, of: kind)
            update.set[setting.name] = try ValueInput.read(
                path: nil, prompt: "\(setting.name): ", chomp: true)
        }
        return update
    }

    /// - Throws: if a setting is missing that every provider of this kind needs.
    static func checkComplete(_ configuration: ProviderConfiguration, _ kind: ProviderKind) throws(Failure) {
        let missing = kind.settings.filter { $0.isRequired && configuration[$0.name] == nil }
        guard let first = missing.first else { return }
        throw Failure(
            .badInput, "\(missing.map(\.name).joined(separator: ", ")) is missing",
            hint: "--set \(first.name)=…: \(first.about). \(all(of: kind))")
    }

    static func setting(_ name: String, of kind: ProviderKind) throws(Failure) -> ProviderSetting {
        if let setting = kind.settings.first(where: { $0.name == name }) { return setting }
        // Not what was given: somebody may have typed a credential in its place.
        throw Failure(
            .badInput, "there is no such setting of a \(kind.rawValue) provider", hint: all(of: kind))
    }

    static func seconds(
        _ text: String, _ option: String, _ range: ClosedRange<UInt32>
    ) throws(Failure) -> UInt32 {
        guard let seconds = Moment.seconds(text).flatMap(UInt32.init(exactly:)), range.contains(seconds)
        else {
            throw Failure(
                .badInput, "\(option) is not a time of \(range.lowerBound) to \(range.upperBound) seconds",
                hint: "for example 60s, 5m, 12h, 1d")
        }
        return seconds
    }

    private static func all(of kind: ProviderKind) -> String {
        let names = kind.settings.map { $0.isSecret ? "\($0.name) (a credential)" : $0.name }
        return "its settings: \(names.joined(separator: ", "))"
    }

    private static func pair(
        _ given: String, _ option: String, _ kind: ProviderKind
    ) throws(Failure) -> (ProviderSetting, String) {
        let parts = given.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw Failure(.usage, "\(option) needs a setting, = and what it is", hint: all(of: kind))
        }
        return (try setting(String(parts[0]), of: kind), String(parts[1]))
    }
}
