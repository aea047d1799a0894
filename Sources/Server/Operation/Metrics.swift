import Synchronization

/// What the server counts, as Prometheus reads it. Labels are routes, methods and statuses: never a name of anything in
/// the store.
final class Metrics: Sendable {
    private struct Series: Hashable {
        let method: String
        let route: String
        let status: Int
    }
    private struct Histogram {
        var counts = [Int](repeating: 0, count: Metrics.bounds.count)
        var count = 0
        var sum = 0.0
    }
    private struct State {
        var requests: [Series: Int] = [:]
        var durations: [String: Histogram] = [:]
        var failedKeys = 0
        var denied = 0
        var overloaded = 0
    }
    /// In seconds.
    private static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    private let state = Mutex(State())

    func answered(_ method: String, _ route: String, _ status: Int, seconds: Double) {
        state.withLock { state in
            state.requests[Series(method: method, route: route, status: status), default: 0] += 1
            var histogram = state.durations[route] ?? Histogram()
            for (index, bound) in Self.bounds.enumerated() where seconds <= bound {
                histogram.counts[index] += 1
            }
            histogram.count += 1
            histogram.sum += seconds
            state.durations[route] = histogram
        }
    }
    func keyRefused() { state.withLock { $0.failedKeys += 1 } }
    func permissionDenied() { state.withLock { $0.denied += 1 } }
    func overloaded() { state.withLock { $0.overloaded += 1 } }

    /// Numbers of this moment.
    struct Gauges {
        let connections: Int
        let cutOff: Int
        let refused: Int
        let waiting: Int
        let isReady: Bool
    }

    /// The text format 0.0.4 of Prometheus.
    func text(_ gauges: Gauges) -> String {
        let state = state.withLock { $0 }
        var text = MetricsText()
        text.head("secretfs_http_requests_total", "counter", "Requests that were answered.")
        for (series, count) in state.requests.sorted(by: {
            ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status)
        }) {
            let labels = [("method", series.method), ("route", series.route), ("status", "\(series.status)")]
            text.line("secretfs_http_requests_total", labels, "\(count)")
        }
        let name = "secretfs_http_request_duration_seconds"
        text.head(name, "histogram", "From the end of the headers to the answer.")
        for (route, histogram) in state.durations.sorted(by: { $0.key < $1.key }) {
            for (bound, count) in zip(Self.bounds, histogram.counts) {
                text.line("\(name)_bucket", [("route", route), ("le", "\(bound)")], "\(count)")
            }
            text.line("\(name)_bucket", [("route", route), ("le", "+Inf")], "\(histogram.count)")
            text.line("\(name)_sum", [("route", route)], "\(histogram.sum)")
            text.line("\(name)_count", [("route", route)], "\(histogram.count)")
        }
        text.single(
            "secretfs_refused_keys_total", "counter", "Requests whose API key was not one.", state.failedKeys)
        text.single(
            "secretfs_denied_requests_total", "counter", "Requests that a role does not let.", state.denied)
        text.single(
            "secretfs_overloaded_requests_total", "counter", "Requests that found no room.", state.overloaded)
        text.single("secretfs_connections", "gauge", "Clients that are connected.", gauges.connections)
        text.single(
            "secretfs_slow_connections_total", "counter",
            "Connections that were ended because they took too long.",
            gauges.cutOff)
        text.single(
            "secretfs_refused_connections_total", "counter",
            "Connections that were closed because their client had as many as it may.", gauges.refused)
        text.single(
            "secretfs_store_waiting", "gauge", "Requests that use or wait for the store.", gauges.waiting)
        text.single("secretfs_ready", "gauge", "Whether the store can be used.", gauges.isReady ? 1 : 0)
        return text.lines
    }
}

private struct MetricsText {
    private(set) var lines = ""

    mutating func head(_ name: String, _ type: String, _ help: String) {
        lines += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }
    /// - Parameter labels: of our own, with nothing in them that needs an escape.
    mutating func line(_ name: String, _ labels: [(String, String)], _ value: String) {
        let inside = labels.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",")
        lines += inside.isEmpty ? "\(name) \(value)\n" : "\(name){\(inside)} \(value)\n"
    }
    mutating func single(_ name: String, _ type: String, _ help: String, _ value: Int) {
        head(name, type, help)
        line(name, [], "\(value)")
    }
}
