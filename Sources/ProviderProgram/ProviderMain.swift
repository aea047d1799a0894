import CWipingFree
import Console
import Glibc
import Secrets
import Store

/// The program that speaks to external providers for an agent, or for one command. It talks to whoever started it over a
/// socket that is its standard input, has no store and no key of one, and ends with that socket.
@main
enum ProviderMain {
    static func main() async {
        Hygiene.protectProcess()
        Hygiene.protectAgent()
        // Nothing of a peer that has gone is to end us before we have told.
        signal(SIGPIPE, SIG_IGN)
        guard wiping_free_is_in_place() else {
            Output.note("error: this program was linked without what wipes freed memory")
            exit(ExitStatus.damaged.rawValue)
        }
        var kind = Int32()
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 else {
            Output.note("error: secretfs-provider is started by secretfs, not by hand")
            exit(ExitStatus.usage.rawValue)
        }
        await serve(FramePipe(STDIN_FILENO))
    }

    private static func serve(_ pipe: FramePipe) async {
        let (calls, incoming) = AsyncStream.makeStream(of: ProviderCall.self)
        let reader = IncomingCalls(pipe, incoming)
        guard reader.start() else { exit(ExitStatus.system.rawValue) }
        let service = ProviderService(pipe)
        for await call in calls { await service.take(call) }
        // Whoever started this has ended.
        exit(0)
    }
}
