import Hummingbird
import Logging
import NIOCore

/// A request on its way through the server.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let mark: RequestMark

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        mark = RequestMark(address: source.channel.remoteAddress?.ipAddress)
        logger = Logger(label: "secretfs.server")
        logger[metadataKey: "request"] = .string(mark.id)
        if let address = mark.address { logger[metadataKey: "client"] = .string(address) }
    }
}
