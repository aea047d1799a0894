import Fuse
import Secrets

/// An open file or directory, pinned to what it was when it was opened.
enum OpenFile {
    case pinned(SecretValue, of: PlaintextID)
    case generation(GenerationReader)
    case directory(Listing)
}

/// Plaintext that open files share: that of one inode, and of `.environ` that of callers who may open the same of it.
struct PlaintextID: Hashable {
    let node: NodeID
    /// Whether others who open the inode may get other bytes.
    var varies = false
    /// The entries of `.environ` that are not in it, by position.
    var withheld: [Int] = []
}

/// `.generation`, which is read like a file of sysfs: a read from its start takes the number of now, and
/// poll(2) tells when that number is no longer the newest.
struct GenerationReader {
    static let fileName = ".generation"
    /// What the last read from the start took.
    var shown: UInt64?
    var waker: PollWaker?
    var text: String { Self.text(shown ?? 0) }

    static func text(_ generation: UInt64) -> String { "\(generation)\n" }
}

/// A directory as it was when it was opened.
struct Listing {
    /// Without their records: a directory that stays open must not keep those of its generation.
    let names: [EnvironmentName]
    let nodes: [NodeID]
    let environ: NodeID
    let generation: NodeID

    var count: Int { names.count + 4 }

    /// `.`, `..`, `.environ`, `.generation`, then the entries.
    func entry(at index: Int) -> DirectoryEntry {
        let next = UInt64(index) + 1
        switch index {
        case 0: return DirectoryEntry(name: ".", node: .root, kind: .directory, nextOffset: next)
        case 1: return DirectoryEntry(name: "..", node: .root, kind: .directory, nextOffset: next)
        case 2: return DirectoryEntry(name: Environ.fileName, node: environ, kind: .file, nextOffset: next)
        case 3:
            let name = GenerationReader.fileName
            return DirectoryEntry(name: name, node: generation, kind: .file, nextOffset: next)
        default:
            let name = names[index - 4].text
            return DirectoryEntry(name: name, node: nodes[index - 4], kind: .file, nextOffset: next)
        }
    }
}
