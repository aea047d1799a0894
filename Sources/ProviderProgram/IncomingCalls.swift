import Console
import Fuse
import Store

/// Reads calls on a thread of its own: reading blocks.
struct IncomingCalls: Sendable {
    private let pipe: FramePipe
    private let calls: AsyncStream<ProviderCall>.Continuation

    init(_ pipe: FramePipe, _ calls: AsyncStream<ProviderCall>.Continuation) {
        self.pipe = pipe
        self.calls = calls
    }

    /// - Returns: false if there is no thread.
    func start() -> Bool {
        let thread = try? Thread(named: "calls") {
            while let frame = pipe.receive(), let call = try? ProviderCall(decoding: frame) {
                calls.yield(call)
            }
            calls.finish()
        }
        thread?.detach()
        return thread != nil
    }
}
