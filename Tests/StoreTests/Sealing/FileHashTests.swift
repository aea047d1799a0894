import Glibc
import Store
import Testing

@Suite struct `The hash of a file` {
    private func hash(_ bytes: [UInt8], count: Int? = nil) throws -> [UInt8]? {
        let path = "/tmp/secretfs-file-hash-\(UInt64.random(in: .min ... .max))"
        let file = open(path, O_CREAT | O_RDWR | O_TRUNC, 0o600)
        defer { close(file) }
        unlink(path)
        #expect(write(file, bytes, bytes.count) == bytes.count)
        return FileHash.sha256(of: file, count: count ?? bytes.count)
    }

    /// FIPS 180-4, examples of NIST: the empty message, "abc" and a million times "a".
    @Test(
        arguments: [
            ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (Array("abc".utf8), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                [UInt8](repeating: 0x61, count: 1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            ),
        ] as [([UInt8], String)])
    func `is SHA-256`(_ bytes: [UInt8], _ expected: String) throws {
        #expect(try hash(bytes).map { hex($0) } == expected)
    }

    @Test func `is none for a file of another length, and for what cannot be read`() throws {
        #expect(try hash([1, 2, 3], count: 2) == nil)
        #expect(try hash([1, 2, 3], count: 4) == nil)
        #expect(FileHash.sha256(of: -1, count: 0) == nil)
    }
}
