import ArgumentParser
import Console
import Secrets

/// From when until when a secret is visible.
struct ValidityOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Visible from this moment on (\(Moment.forms)).", valueName: "time"))
    var notBefore: String?
    @Option(help: ArgumentHelp("Not visible any more from this moment on.", valueName: "time"))
    var expires: String?

    var isGiven: Bool { notBefore != nil || expires != nil }
    static let never = "never"

    /// What of `old` the options change; nil if none is given.
    func changed(_ old: Validity) throws(Failure) -> Validity? {
        guard isGiven else { return nil }
        let new = Validity(
            notBefore: try moment(notBefore, "--not-before", or: old.notBefore),
            expires: try moment(expires, "--expires", or: old.expires))
        if let start = new.notBefore, let end = new.expires, end <= start {
            throw Failure(
                .badInput, "it would expire (\(end)) before it becomes visible (\(start))",
                hint: "change one of --not-before and --expires, or take one away: “\(Self.never)”")
        }
        if expires != nil, let end = new.expires, end <= .now() {
            Output.note("warning: --expires is in the past (\(end)): no mount shows the secret")
        }
        return new
    }

    private func moment(_ given: String?, _ option: String, or old: Timestamp?) throws(Failure) -> Timestamp?
    {
        guard let given else { return old }
        return given == Self.never ? nil : try Moment.parse(given, of: option)
    }
}
