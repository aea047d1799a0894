import CLinux
import Glibc
import Secrets

/// One writer at a time for each secret whose value is at a provider, among all programs that use a store: the provider and
/// the store cannot change in one step. An advisory lock on a byte of a file that stands for the secret; it dies with its
/// process.
final class WriteTurn {
    /// In nanoseconds: longer than a provider is waited for.
    private static let patience: UInt64 = 75_000_000_000
    private let file: OwnedDescriptor

    /// Waits until nobody else has the turn.
    ///
    /// - Parameter folder: the state folder.
    init(_ name: EnvironmentName, of home: SecretHome, in folder: String) throws(Failure) {
        let path = folder + "/provider.lock"
        let descriptor = Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        guard descriptor >= 0 else { throw Failure(.io, "\(path) cannot be opened: \(errnoText())") }
        file = OwnedDescriptor(descriptor)
        let place = Self.place(of: "\(home)/\(name)")
        let deadline = linux_monotonic_nanoseconds() + Self.patience
        while linux_lock_byte(descriptor, place) != 0 {
            guard errno == EAGAIN || errno == EACCES || errno == EINTR else {
                throw Failure(.io, "\(path) cannot be locked: \(errnoText())")
            }
            guard linux_monotonic_nanoseconds() < deadline else {
                throw Failure(
                    .retry, "somebody else is writing \(name) of \(home) to its provider", hint: "try again")
            }
            usleep(20_000)
        }
    }

    /// FNV-1a, the same in every program: two secrets that share a byte only wait for each other.
    private static func place(of text: String) -> Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int64(hash >> 2)
    }
}
