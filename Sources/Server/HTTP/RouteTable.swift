import HTTPTypes
import Hummingbird

/// Puts routes into the router.
enum RouteTable {
    /// Those that a path may be asked for with; what it does not take, it says so.
    private static let methods: [HTTPRequest.Method] = [.get, .post, .put, .delete, .patch, .options, .trace]

    static func responder(_ routes: [Route], _ parts: RequestParts) -> Gate<RouterResponder<APIContext>> {
        let router = Router(context: APIContext.self, options: [.autoGenerateHeadEndpoints])
        for (path, routes) in Dictionary(grouping: routes, by: { positional($0.path) }) {
            for route in routes {
                router.on(RouterPath(path), method: route.method, responder: RouteResponder(route: route, parts: parts))
            }
            let taken = routes.map(\.method)
            let allowed = taken + (taken.contains(.get) ? [.head] : [])
            for method in methods where !taken.contains(method) {
                router.on(
                    RouterPath(path), method: method,
                    responder: MethodRefusal(path: routes[0].path, allowed: allowed))
            }
        }
        return Gate(inner: router.buildResponder(), metrics: parts.metrics)
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
