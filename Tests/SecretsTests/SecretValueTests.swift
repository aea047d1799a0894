import Secrets
import Testing

@Suite struct `Secret values` {
    @Test(arguments: [0, 1, 63, 64, 65, 4096, 4097, 1_048_576])
    func `bytes come back exactly`(_ count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let value = try SecretValue(copying: bytes.span.bytes)
        #expect(value.count == count)
        let copy = value.withBytes { span in
            (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
        #expect(copy == bytes)
    }

    @Test func `printing, dumping and reflecting a value tells nothing`() throws {
        let value = try SecretValue(copying: Array("hunter2-hunter2".utf8).span.bytes)
        var dumped = ""
        dump(value, to: &dumped)
        for text in ["\(value)", String(reflecting: value), String(describing: [value]), dumped] {
            #expect(!text.contains("hunter2") && !text.contains("15"))
        }
    }

    @Test func `an initializer that throws leaves no value`() {
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            try SecretValue(capacity: 8) { span in
                span.append(1)
                throw Stop()
            }
        }
    }

    @Test func `filling decides about an empty value too`() throws {
        struct Stop: Error {}
        #expect(throws: Stop.self) { try SecretValue(capacity: 0) { _ in throw Stop() } }
        var room = -1
        let empty = try SecretValue(capacity: 0) { room = $0.freeCapacity }
        #expect(room == 0 && empty.count == 0)
    }

    @Test func `memory that comes back from the pool is zero`() throws {
        for _ in 0..<2000 {
            let value = try SecretValue(capacity: 100) { span in
                span.withUnsafeMutableBytes { buffer, count in
                    #expect(buffer.allSatisfy { $0 == 0 })
                    buffer.initializeMemory(as: UInt8.self, repeating: 0xAA)
                    count = 100
                }
            }
            #expect(value.count == 100)
        }
    }
}
