import CLinux
import FoundationEssentials
import Glibc

/// sd_notify(3): tells systemd that the agent serves, or is about to stop. Nothing without `NOTIFY_SOCKET`.
package enum ServiceNotice: String {
    case ready = "READY=1"
    case stopping = "STOPPING=1"

    package func send() {
        guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"], !path.isEmpty else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let length = unsafe withUnsafeMutableBytes(of: &address.sun_path) { field -> socklen_t? in
            guard bytes.count < field.count else { return nil }
            unsafe field.copyBytes(from: bytes)
            // “@” stands for the NUL of an abstract address, whose length counts.
            if bytes[0] == UInt8(ascii: "@") { unsafe field[0] = 0 }
            return socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        }
        guard let length else { return }
        var message = rawValue
        message.withUTF8 { text in
            unsafe withUnsafePointer(to: &address) { address in
                unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    _ = unsafe sendto(descriptor, text.baseAddress, text.count, 0, address, length)
                }
            }
        }
    }
}
