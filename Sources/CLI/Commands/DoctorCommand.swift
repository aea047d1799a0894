import ArgumentParser
import Console

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check this machine and the state folder; each finding with its remedy.",
        discussion: """
            Opens every record if the root key is at hand, and names those that are damaged; asks for nothing. Exits \
            with 69 if there is a problem that keeps secretfs from working. Changes nothing.
            """)
    @OptionGroup var state: StateOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let findings = Doctor(state: try state.directory, options: state).examine()
        if json {
            try Output.json(findings)
        } else {
            for finding in findings {
                let mark = Style.mark(finding.level)
                Output.line("\(mark)  \(finding.check): \(finding.finding)")
                if let remedy = finding.remedy { Output.line("         \(remedy)") }
            }
        }
        guard findings.contains(where: { $0.level == .problem }) else { return }
        throw ExitCode(ExitStatus.unavailable.rawValue)
    }
}

/// Colours only on a terminal, and never where NO_COLOR is set.
private enum Style {
    static func mark(_ level: Finding.Level) -> String {
        let (text, colour) =
            switch level {
            case .ok: ("ok     ", 32)
            case .warning: ("warning", 33)
            case .problem: ("problem", 31)
            }
        return Output.isColourful ? "\u{1b}[\(colour)m\(text)\u{1b}[0m" : text
    }
}
