import Console

/// What listed users may ask of an agent: all that there is. What only root and the agent's own user may ask is
/// `AgentRequest`, on another socket, and cannot be written in this type.
enum PublicRequest: Codable {
    /// Serve an algorithm on the connection that the lent device is attached to.
    case mount(algorithm: String, mountPoint: String, isPrivate: Bool)
    /// As `mount`, for the store as a writable tree.
    case administer(mountPoint: String)
    /// The mounts of the user who asks, as `AgentRequest.mounts`.
    case mounts(skip: Int)
}

/// A connection: the agent says that it takes it, then one request, one `AgentAnswer`. Before it serves a mount, it lends
/// a device (`DeviceCopy`), and the command says when that is attached. No descriptor is ever taken from a command.
enum PublicProtocol {
    /// The agent's first message.
    static let greeting: [UInt8] = Array("secretfs 1".utf8)
    /// The agent's message that a device comes with, and the command's that it is attached.
    static let lent: [UInt8] = Array("device".utf8)
    static let attached: [UInt8] = Array("attached".utf8)
    /// A path of 4,095 bytes, each written as six.
    static let maximumMessage = 32_768
    static let maximumMountPoint = 4095
    /// How long the agent waits for a request. A command connects before it mounts.
    static let requestSeconds = 10
}
