import Store

extension Failure {
    init(_ move: ProviderMove) {
        let says = "\(move.setting) says who is sent"
        guard !move.credentials.isEmpty else {
            self.init(
                .badInput,
                "\(says) what proves who this machine is: it is changed on its command line only")
            return
        }
        self.init(
            .badInput, "\(says) \(move.credentials.joined(separator: ", ")): give that again with it",
            hint: "or change it on the command line: secretfs provider update \(move.provider)")
    }
}
