import Secrets
import Testing

@Suite struct `A value that is being written` {
    private func bytes(_ buffer: SecretBuffer) -> [UInt8] {
        buffer.withBytes { bytes in
            (0..<bytes.byteCount).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
    }

    @Test func `it is the same as an array that is written in the same pieces`() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let buffer = SecretBuffer()
            var model: [UInt8] = []
            for _ in 0..<40 {
                if Int.random(in: 0..<5, using: &random) == 0 {
                    let count = Int.random(in: 0...model.count)
                    buffer.truncate(to: count)
                    model.removeLast(model.count - count)
                    continue
                }
                let piece = (0..<Int.random(in: 0...3000)).map { _ in UInt8.random(in: 0...255) }
                let offset = Int.random(in: 0...model.count)
                try buffer.write(piece.span.bytes, at: offset)
                model.replaceSubrange(offset..<min(offset + piece.count, model.count), with: piece)
                #expect(buffer.count == model.count)
            }
            #expect(bytes(buffer) == model)
            let value = try buffer.value()
            buffer.clear()
            #expect(buffer.count == 0 && buffer.capacity == 0 && value.count == model.count)
        }
    }
}
