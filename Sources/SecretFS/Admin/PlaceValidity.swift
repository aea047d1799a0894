import Fuse

/// What the kernel may keep of an answer, so that one `echo > value` is ten requests and not seventeen.
extension Place {
    /// How long its name and its attributes hold, in seconds. What others can change holds for no time.
    private var validity: (name: Double, attributes: Double) {
        switch self {
        case .root, .algorithms, .owners: (Self.ever, Self.ever)
        // They come and go, but as long as they are there they look the same.
        case .owner, .home: (0, Self.ever)
        default: (0, 0)
        }
    }
    private static let ever = 3600.0
    /// A lookup is the beginning of a call, which then asks for the same attributes once or twice more.
    private static let call = 0.001

    func limit(_ node: inout Node, lookedUp: Bool) {
        (node.nameValidity, node.attributeValidity) = validity
        if lookedUp { node.attributeValidity = max(node.attributeValidity, Self.call) }
    }
}
