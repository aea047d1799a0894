import Crypto
import Secrets
import Synchronization

/// Who is signed in to the pages: in this process's memory and nowhere else, so a restart signs everybody out.
///
/// `begin` takes a `Principal`, however it was found: another way to sign in needs nothing else of this.
final class Sessions: Sendable {
    struct Limits: Sendable {
        /// Without a request.
        var idle = Duration.seconds(30 * 60)
        /// In all.
        var absolute = Duration.seconds(12 * 3600)
        /// The oldest ones end.
        var ofUser = 32
        var all = 10_000
    }

    struct Session: Sendable {
        let user: UserName
        /// The session ends when its user's is another one.
        let stamp: SessionStamp
        /// What each form has to bring (CSRF).
        let formToken: String
        fileprivate let began: ContinuousClock.Instant
        fileprivate var used: ContinuousClock.Instant
        /// What the next page has to say: that something was done.
        fileprivate var notice: String?
    }

    private let limits: Limits
    private let now: @Sendable () -> ContinuousClock.Instant
    /// By the hash of their ids: who reads this memory learns no id.
    private let sessions = Mutex<[[UInt8]: Session]>([:])

    init(
        _ limits: Limits = Limits(),
        now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
    ) {
        self.limits = limits
        self.now = now
    }

    /// - Returns: its id, 64 hexadecimal digits, which is nowhere else from now on.
    func begin(for principal: Principal) -> String {
        let id = Self.token()
        let now = now()
        let session = Session(
            user: principal.user, stamp: principal.stamp, formToken: Self.token(), began: now, used: now)
        sessions.withLock { sessions in
            sessions = sessions.filter { isPresent($0.value, now) }
            let own = sessions.filter { $0.value.user == principal.user }
            if own.count >= limits.ofUser { Self.endOldest(of: own, in: &sessions) }
            if sessions.count >= limits.all { Self.endOldest(of: sessions, in: &sessions) }
            sessions[Self.hash(id)] = session
        }
        return id
    }

    /// - Returns: nil if there is none, or its time is over.
    func find(_ id: String) -> Session? {
        guard id.utf8.count == Self.count else { return nil }
        let key = Self.hash(id)
        let now = now()
        return sessions.withLock { sessions in
            guard var session = sessions[key] else { return nil }
            guard isPresent(session, now) else {
                sessions[key] = nil
                return nil
            }
            session.used = now
            sessions[key] = session
            return session
        }
    }

    func end(_ id: String) {
        let key = Self.hash(id)
        sessions.withLock { $0[key] = nil }
    }

    func leave(_ notice: String, for id: String) {
        let key = Self.hash(id)
        sessions.withLock { $0[key]?.notice = notice }
    }

    func takeNotice(_ id: String) -> String? {
        let key = Self.hash(id)
        return sessions.withLock { sessions in
            defer { sessions[key]?.notice = nil }
            return sessions[key]?.notice
        }
    }

    var count: Int { sessions.withLock { $0.count } }

    private func isPresent(_ session: Session, _ now: ContinuousClock.Instant) -> Bool {
        now - session.used < limits.idle && now - session.began < limits.absolute
    }

    private static func endOldest(of some: [[UInt8]: Session], in all: inout [[UInt8]: Session]) {
        guard let oldest = some.min(by: { $0.value.used < $1.value.used }) else { return }
        all[oldest.key] = nil
    }

    /// In characters.
    private static let count = 64

    /// 256 random bits.
    private static func token() -> String {
        var random = SystemRandomNumberGenerator()
        return hexadecimal(
            (0..<4).flatMap { _ in
                let word = random.next()
                return (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) }
            })
    }

    private static func hash(_ id: String) -> [UInt8] { Array(SHA256.hash(data: Array(id.utf8))) }
}
