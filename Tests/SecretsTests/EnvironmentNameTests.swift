import Secrets
import Testing

@Suite struct `Environment names` {
    @Test(arguments: ["A", "a", "MYSQL_PASSWORD", "x1_", String(repeating: "A", count: 255)])
    func `letters, digits and underscores after a letter, up to 255 bytes`(_ text: String) throws {
        #expect(try EnvironmentName(text).text == text)
    }

    @Test(arguments: [
        "", "1A", "_A", "A-B", "A B", "A=B", "Ä", "A\u{0}", "A\n", "../A", String(repeating: "A", count: 256),
    ])
    func `everything else is refused`(_ text: String) {
        #expect(throws: NameError.self) { try EnvironmentName(text) }
    }

    @Test(arguments: [
        "PATH", "LD_PRELOAD", "LD_", "PYTHONSTARTUP", "BASH_ENV", "NODE_OPTIONS", "GIT_SSH_COMMAND", "HOME",
    ])
    func `a name that turns data into code is dangerous`(_ text: String) throws {
        #expect(try EnvironmentName(text).isDangerous)
    }

    @Test(arguments: ["PATHS", "XPATH", "LD", "path", "MYSQL_PASSWORD", "HOMES", "P"])
    func `a name that merely resembles one is not`(_ text: String) throws {
        #expect(try !EnvironmentName(text).isDangerous)
    }

    @Test func `an error shows a hostile name without its control characters`() {
        let error = #expect(throws: NameError.self) { try EnvironmentName("A\u{1b}[2J\u{202e}") }
        #expect(error?.description.unicodeScalars.contains("\u{1b}") == false)
        #expect(error?.description.unicodeScalars.contains("\u{202e}") == false)
    }
}
