import Fuse
import Glibc
import Testing

@Suite struct `The mount table` {
    private let line =
        "36 35 98:7 / /run/secretfs/a rw,noatime master:1 shared:2 - fuse.secretfs secretfs ro,user_id=0"

    private func entries(_ text: String) -> [MountEntry] { MountTable(parsing: Array(text.utf8)).entries }

    @Test func `is read field by field, with any number of optional fields`() throws {
        for optional in ["", "master:1 ", "master:1 shared:2 propagate_from:3 "] {
            let text = line.replacing("master:1 shared:2 ", with: optional)
            let entry = try #require(entries(text + "\n").first)
            #expect(entry.id == 36 && entry.parent == 35 && entry.major == 98 && entry.minor == 7)
            #expect(
                entry.point == "/run/secretfs/a" && entry.type == "fuse.secretfs"
                    && entry.source == "secretfs")
        }
    }

    @Test(arguments: [
        (#"/a\040b"#, "/a b"), (#"/a\011b"#, "/a\tb"), (#"/a\012b"#, "/a\nb"), (#"/a\134040b"#, #"/a\040b"#),
        (#"/a\04"#, #"/a\04"#), (#"/a\999b"#, #"/a\999b"#), ("/ä", "/ä"),
    ])
    func `turns octal escapes back into bytes`(_ written: String, _ point: String) {
        #expect(entries(line.replacing("/run/secretfs/a", with: written)).map(\.point) == [point])
    }

    @Test func `passes over lines that are cut or mutated, and keeps the others`() {
        let bytes = Array(line.utf8)
        for length in 0..<bytes.count {
            let cut = Array(bytes[..<length]) + [10] + bytes
            #expect(MountTable(parsing: cut).entries.last?.point == "/run/secretfs/a")
        }
        for index in bytes.indices {
            for byte: UInt8 in [0, 10, 32, 45, 58, 92, 255] {
                var mutated = bytes
                mutated[index] = byte
                #expect(MountTable(parsing: mutated + [10] + bytes).entries.last?.id == 36)
            }
        }
    }

    @Test func `shows the topmost of several mounts at one point`() {
        let below = line.replacing("36 35", with: "40 36").replacing("fuse.secretfs", with: "tmpfs")
        let table = MountTable(parsing: Array("\(line)\n\(below)\n".utf8))
        #expect(table.top(at: "/run/secretfs/a")?.type == "tmpfs" && table.ours.map(\.id) == [36])
        #expect(table.top(at: "/run/secretfs") == nil)
    }

    @Test func `of this process has a root`() throws {
        #expect(try MountTable.current().top(at: "/") != nil)
    }
}
