/// The processes that may go on writing to an open file, as far as its requests and /proc tell.
struct FileUsers: Sendable {
    /// They opened it, wrote to it, or gave it to a program that wrote; and had it when they were last looked at.
    private(set) var holders: Set<Int32>
    /// They wrote, and have closed no descriptor of it since. 0: processes that are not known.
    private(set) var unclosed: Set<Int32> = []
    private var lastThread: Int32?

    private static let maximumHolders = 1024

    init(opener: Int32) { holders = [opener] }

    /// Whether what becomes of `process` says whether the file is written to its end.
    func concern(_ process: Int32) -> Bool { holders.contains(process) || unclosed.contains(process) }

    /// - Returns: whether all its users can be remembered.
    mutating func write(by thread: Int32, opener: Int32, _ node: UInt64) -> Bool {
        guard thread != lastThread else { return true }
        let process = WriterProcess.process(of: thread)
        unclosed.insert(process)
        lastThread = thread
        guard holders.insert(process).inserted, process > 0, process != opener else { return true }
        // A shell that has its output from another program writes by way of the programs that it starts.
        for ancestor in WriterProcess.ancestors(of: process, until: opener)
        where !holders.contains(ancestor)
            && WriterProcess.holding(node, process: ancestor) != .released
        {
            holders.insert(ancestor)
        }
        return holders.count <= Self.maximumHolders
    }

    /// Everything that was written is stored.
    mutating func store() {
        unclosed = []
        lastThread = nil
    }

    enum Close: Equatable {
        /// Nobody who wrote has it any more.
        case last
        case another
        /// Nobody can tell.
        case unknown
    }

    /// `process` closed a descriptor of inode `node`.
    ///
    /// - Parameters:
    ///   - isEnding: it closes everything because it ends, by itself.
    ///   - isAlone: no other open file has this inode, so that the inode's descriptors are this file's.
    mutating func close(by process: Int32, isEnding: Bool, _ node: UInt64, isAlone: Bool) -> Close {
        unclosed.remove(process)
        lastThread = nil
        if isEnding { holders.remove(process) }
        guard isAlone else { return unclosed.isEmpty ? .last : .another }
        var answer = unclosed.isEmpty ? Close.last : .another
        for holder in holders {
            switch WriterProcess.holding(node, process: holder) {
            case .released: holders.remove(holder)
            case .held, .ending: if answer == .last { answer = .another }
            case .unknown:
                if holder == process { answer = .unknown } else if answer == .last { answer = .another }
            }
        }
        return answer
    }
}
