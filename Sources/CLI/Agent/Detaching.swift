import Console
import Fuse
import Logging
import Secrets

/// Unmounts those of `points` that this process can see. What programs have open there goes on until its session ends.
func detachVisible(_ points: [String], _ log: Logger) {
    let visible = (try? MountTable.current().ours) ?? []
    for point in points {
        guard let entry = visible.last(where: { $0.point == point }) else { continue }
        do { try Mounting.detach(entry) } catch {
            log.error(
                "cannot unmount",
                metadata: ["mount-point": "\(printable(point))", "reason": "\(error)"])
        }
    }
}
