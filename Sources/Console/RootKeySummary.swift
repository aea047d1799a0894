import Secrets
package import Store

extension RootKeyDescriptor {
    package var isPassphrase: Bool { if case .passphrase = self { true } else { false } }

    package var summary: String { summary(atMost: 64) }
    /// For programs: nothing is cut off.
    package var wholeSummary: String { summary(atMost: .max) }

    private func summary(atMost limit: Int) -> String {
        switch self {
        case .file(let path): "the file \(printable(path, atMost: limit))"
        case .passphrase: "a passphrase"
        case .credential(let name): "the systemd credential \(name)"
        }
    }
}
