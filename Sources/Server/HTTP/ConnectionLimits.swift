/// What one client may cost, so that none of them costs the others their turn (docs/API.md#limits).
struct ConnectionLimits: Sendable {
    /// From a connection's first moment, or the end of the answer before, to the end of a request's headers: in seconds.
    /// The TLS handshake is in it.
    var headSeconds = 20
    /// A connection that has been answered may wait so long for the next request, in seconds, its headers included.
    var idleSeconds = 75
    /// From the end of the headers to the end of the body.
    var bodySeconds = 60
    /// From the end of the request to the end of the answer, as far as the client takes it.
    var answerSeconds = 60
    /// Of the headers, in bytes and in number.
    static let headerBytes = 16_384
    static let headerCount = 64
    /// Of a body, in bytes: a value of 1 MiB, each byte of it escaped (`\u00ff` stands for two), and room for the rest.
    static let bodyBytes = 6 * 1_048_576 + 65_536
    /// Of the bodies that are read at one moment, in bytes: they are in locked memory.
    static let bodiesBytes = 8 * bodyBytes

    init() {}
}
