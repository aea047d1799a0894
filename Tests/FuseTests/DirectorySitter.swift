import CLinux
import Fuse
import Glibc
import Testing

/// A reader that faults in getdents(2) and stays there: the kernel holds the directory's lock for as long as
/// it does, and nobody can drop a name from that directory.
///
/// The fault is one of userfaultfd(2), which is resolved when its descriptor is closed, at the latest when
/// this process ends.
final class DirectorySitter {
    private let faults: Int32
    private let directory: Int32
    private let page: UnsafeMutableRawPointer
    private let thread: Fuse.Thread

    /// Returns once the reader sits.
    init(in path: String) throws {
        faults = Self.makeFaults()
        directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try #require(faults >= 0 && directory >= 0)
        let page = try #require(mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        // struct uffdio_register: start, length, UFFDIO_REGISTER_MODE_MISSING, what came of it.
        var registration: [UInt64] = [UInt64(UInt(bitPattern: page)), 4096, 1, 0]
        try #require(Self.control(faults, 0xC020_AA00, &registration) == 0)
        self.page = page
        let (descriptor, address) = (directory, UInt(bitPattern: page))
        thread = try Fuse.Thread(named: "sitter") { Self.list(descriptor, address) }
        var event = pollfd(fd: faults, events: Int16(POLLIN), revents: 0)
        try #require(poll(&event, 1, 60_000) == 1)
    }

    /// Lets the reader go on.
    func stand() {
        close(faults)
        thread.join()
        close(directory)
        munmap(page, 4096)
    }

    static let isPossible: Bool = {
        let faults = makeFaults()
        guard faults >= 0 else { return false }
        close(faults)
        return true
    }()

    private static func makeFaults() -> Int32 {
        #if arch(x86_64)
            let number = 323
        #else
            let number = 282
        #endif
        typealias Call = @convention(c) (Int, Int) -> Int
        let descriptor = Int32(function("syscall", Call.self)(number, Int(O_CLOEXEC | O_NONBLOCK)))
        guard descriptor >= 0 else { return -1 }
        // struct uffdio_api: version, features, what came of it.
        var version: [UInt64] = [0xAA, 0, 0]
        if control(descriptor, 0xC018_AA3F, &version) == 0 { return descriptor }
        close(descriptor)
        return -1
    }

    private static func control(_ descriptor: Int32, _ request: UInt, _ words: inout [UInt64]) -> Int32 {
        typealias Call = @convention(c) (Int32, UInt, UnsafeMutableRawPointer?) -> Int32
        return words.withUnsafeMutableBytes { bytes in
            function("ioctl", Call.self)(descriptor, request, bytes.baseAddress)
        }
    }

    private static func list(_ directory: Int32, _ address: UInt) {
        typealias Call = @convention(c) (Int32, UInt, Int) -> Int
        _ = function("getdents64", Call.self)(directory, address, 4096)
    }

    /// Functions of libc that Swift cannot import.
    private static func function<F>(_ name: String, _: F.Type) -> F {
        unsafeBitCast(dlsym(nil, name), to: F.self)
    }
}
