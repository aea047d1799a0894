import ArgumentParser
import Console
import Glibc
import Secrets
import Store

/// Where a user's password comes from: a terminal without echo, standard input or a file, as values do.
struct PasswordOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Read the password from a file (- is standard input); a newline at its end is dropped.",
            valueName: "file"), completion: .file())
    var passwordFile: String?
    @Flag(help: "No password: the user has API keys only.") var noPassword = false

    func check() throws(Failure) {
        guard !noPassword || passwordFile == nil else {
            throw Failure(.usage, "--no-password and --password-file contradict each other")
        }
    }

    /// - Returns: nil for no password.
    func read(_ name: UserName) throws -> SecretValue? {
        guard !noPassword else { return nil }
        if passwordFile == nil, isatty(STDIN_FILENO) == 1 { return try asked(name) }
        // A newline more than a password may have.
        let maximum = Password.newRange.upperBound + 1
        let given = try ValueInput.contents(of: passwordFile ?? "-", maximum: maximum)
        guard given.count > 0 else {
            throw Failure(
                .badInput, "no password was given", hint: "for a user with API keys only: --no-password")
        }
        return try ValueInput.chomped(given)
    }

    private func asked(_ name: UserName) throws -> SecretValue {
        let first = try ValueInput.prompted("New password of \(name): ")
        try Password.check(new: first)
        let second = try ValueInput.prompted("Once more: ")
        guard first.hasSameBytes(as: second) else {
            throw Failure(.badInput, "the two passwords differ")
        }
        return first
    }
}
