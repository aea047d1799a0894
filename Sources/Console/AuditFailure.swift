package import Secrets

extension Failure {
    /// Nothing is done that cannot be recorded.
    package init(_ error: AuditError) {
        switch error {
        case .full(let path):
            self.init(
                .io, "no space is left for \(path); nothing was changed", hint: "free space and try again")
        case .readOnly(let path):
            self.init(.io, "\(path) is on a read-only file system or is write-protected; nothing was changed")
        case .lost(let path):
            self.init(
                .io,
                "\(path) was removed, replaced or cut; a line that says so was written, nothing else was done",
                hint: "look into it: secretfs audit verify; then the same command again")
        case .busy(let path):
            self.init(
                .retry, "\(path) was held by another process for too long; nothing was changed",
                hint: "try again")
        case .unavailable(let path, let reason):
            self.init(.io, "\(path) cannot be used: \(reason); nothing was changed")
        case .missing(let path):
            self.init(
                .notFound, "there is no audit log: \(path) was removed",
                hint: "secretfs audit verify says what is missing; the next command that writes begins anew")
        }
    }
}
