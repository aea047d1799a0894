import HTTPTypes
import Hummingbird

/// Puts routes into the router, and knows which methods a path takes.
struct RouteTable: Sendable {
    private struct Path: Sendable {
        let template: String
        let parts: [Substring]
        let methods: [HTTPRequest.Method]

        var captureCount: Int { parts.count { $0.hasPrefix("{") } }

        func matches(_ given: [Substring]) -> Bool {
            parts.count == given.count && zip(parts, given).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }
    }
    private let paths: [Path]
    let router: RouterResponder<APIContext>

    init(_ routes: [Route], _ parts: RequestParts, _ site: Site) {
        let router = Router(context: APIContext.self, options: [.autoGenerateHeadEndpoints])
        for route in routes {
            router.on(
                RouterPath(Self.positional(route.path)), method: route.method,
                responder: RouteResponder(route: route, parts: parts))
        }
        for page in site.routes {
            router.on(
                RouterPath(Self.positional(page.path)), method: page.method,
                responder: PageResponder(route: page, site: site))
        }
        self.router = router.buildResponder()
        let all = routes.map { ($0.path, $0.method) } + site.routes.map { ($0.path, $0.method) }
        paths = Dictionary(grouping: all, by: \.0).map { template, routes in
            let taken = routes.map(\.1)
            return Path(
                template: template, parts: template.split(separator: "/"),
                methods: taken + (taken.contains(.get) ? [.head] : []))
        }
    }

    /// For a request that the router has nothing for: what its path is, and takes instead.
    ///
    /// - Returns: nil if there is nothing at that path for any method.
    func methods(at path: String) -> (template: String, methods: [HTTPRequest.Method])? {
        let given = path.split(separator: "/")
        let matching = paths.filter { $0.matches(given) }
        // What is written out stands for itself before a name does.
        guard let first = matching.min(by: { $0.captureCount < $1.captureCount }) else { return nil }
        return (first.template, first.methods)
    }

    /// The router tells places apart by what stands in them, and has one name for each: `{p0}`, `{p1}` …
    private static func positional(_ path: String) -> String {
        var count = 0
        let parts = path.split(separator: "/").map { part -> String in
            guard part.hasPrefix("{") else { return String(part) }
            defer { count += 1 }
            return "{p\(count)}"
        }
        return "/" + parts.joined(separator: "/")
    }
}
