import CLinux
import Glibc
import Secrets

/// A thread that has asked, with what /proc said of it, so that the next time it is enough to see that nothing of
/// that has changed: two calls in place of twenty.
///
/// The number of its process never changes (an exec by another thread of it ends this one). What may change is
/// compared each time: the program, which an exec replaces, and the cgroup.
final class KnownThread: Sendable {
    let files: ProcessFiles
    /// The process, not the thread.
    let process: Int32
    /// The path in cgroup v2; nil on a machine without it.
    let cgroup: ProcessPath?
    /// The program, as `/proc/PID/exe` has it; nil if it may not be looked at.
    let program: ProcessPath?
    private let cgroupWatch: CgroupWatch

    /// Reads everything, with the start time before and after.
    ///
    /// - Parameter number: a thread id in our process namespace, > 0.
    init(thread number: Int32) throws(CallerUnknown) {
        let files = try ProcessFiles(thread: number)
        let before = try Self.startTime(files)
        guard let process = ProcessText.process(inStatus: try files.read("status", upTo: 65_536))
        else { throw CallerUnknown("its status cannot be understood") }
        cgroupWatch = try CgroupWatch(thread: number, files)
        let program = (try? files.link("exe")).map(ProcessPath.init)
        // The number was this thread's all the time, also when the pidfd was made.
        guard try Self.startTime(files) == before else { throw CallerUnknown("it was replaced") }
        self.files = files
        self.process = process
        self.program = program
        cgroup = ProcessText.cgroup(in: cgroupWatch.text).map(ProcessPath.init)
    }

    /// Whether it is in the cgroup that it was in.
    var isInItsCgroup: Bool { cgroupWatch.isUnchanged() }

    /// Whether it is there and runs the program that it ran. What fails means no: of a thread that has gone nothing
    /// can be read, also after its number was given to another one.
    var runsItsProgram: Bool { program.map { files.link("exe", leadsTo: $0.bytes) } ?? false }

    private static func startTime(_ files: ProcessFiles) throws(CallerUnknown) -> UInt64 {
        guard let time = ProcessText.startTime(inStat: try files.read("stat", upTo: 4096)) else {
            throw CallerUnknown("its stat cannot be understood")
        }
        return time
    }
}

/// Tells whether a thread is still in the cgroups that it was in: by the cgroup's number where the kernel tells it,
/// else by the text in /proc, which takes four times as long.
private final class CgroupWatch: Sendable {
    /// What `/proc/PID/cgroup` said.
    let text: [UInt8]
    /// Of that file; -1 where the number is enough.
    private let file: Int32
    private let descriptor: Int32
    /// 0: not known.
    private let number: UInt64

    init(thread: Int32, _ files: ProcessFiles) throws(CallerUnknown) {
        let descriptor = linux_thread_descriptor(thread)
        let before = linux_cgroup_number(descriptor)
        do throws(CallerUnknown) {
            text = try files.read("cgroup", upTo: 65_536)
            // A number of another cgroup than the text's would hide the change for ever.
            number = linux_cgroup_number(descriptor) == before ? before : 0
            file = number == 0 ? try files.open("cgroup") : -1
        } catch {
            if descriptor >= 0 { close(descriptor) }
            throw error
        }
        self.descriptor = descriptor
    }

    deinit {
        if file >= 0 { close(file) }
        if descriptor >= 0 { close(descriptor) }
    }

    func isUnchanged() -> Bool { number == 0 ? saysTheSame() : linux_cgroup_number(descriptor) == number }

    private func saysTheSame() -> Bool {
        unsafe withUnsafeTemporaryAllocation(byteCount: text.count + 1, alignment: 1) { room in
            // The kernel makes the whole text at offset 0 and gives as much of it as there is room for
            // (single_open in fs/seq_file.c).
            guard let start = room.baseAddress else { return false }
            let count = unsafe pread(file, start, room.count, 0)
            return unsafe count == text.count && memcmp(start, text, count) == 0
        }
    }
}
