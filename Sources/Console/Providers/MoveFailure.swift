import Store

extension Failure {
    init(_ move: ProviderMove) {
        guard !move.credentials.isEmpty else {
            self.init(
                .badInput,
                "\(move.setting) says to whom, or as whom, this machine proves who it is: it is changed on its command line only"
            )
            return
        }
        let says = "\(move.setting) says who is sent"
        self.init(
            .badInput, "\(says) \(move.credentials.joined(separator: ", ")): give that again with it",
            hint: "or change it on the command line: secretfs provider update \(move.provider)")
    }
}
