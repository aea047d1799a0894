import Foundation
import HTTPTypes
import Secrets
import Synchronization
import Testing

@testable import Server

/// A clock that a test moves.
final class Clock: Sendable {
    private let moment = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { moment.withLock { $0 } }
    func advance(_ time: Duration) { moment.withLock { $0 += time } }
}

private func principal(_ name: String) throws -> Principal {
    Principal(
        user: try UserName(name), roles: [], key: nil, isReadOnly: false,
        stamp: SessionStamp(user: UUID(), epoch: 0))
}

@Suite struct `Sessions of the pages` {
    let clock = Clock()
    let sessions: Sessions
    init() {
        let clock = clock
        sessions = Sessions(now: { clock.now })
    }

    @Test func `a session is found by its id and by nothing else`() throws {
        let id = sessions.begin(for: try principal("alice"))
        #expect(id.utf8.count == 64 && sessions.find(id)?.user.text == "alice")
        for other in [
            "", "x", String(id.dropLast()), id + "0", id.uppercased(), String(repeating: "0", count: 64),
        ] {
            #expect(other == id || sessions.find(other) == nil)
        }
        sessions.end(id)
        #expect(sessions.find(id) == nil)
    }

    @Test func `ids and tokens are never the same`() throws {
        let ids = try (0..<30).map { _ in sessions.begin(for: try principal("alice")) }
        let tokens = ids.compactMap { sessions.find($0)?.formToken }
        #expect(Set(ids + tokens).count == 60)
    }

    @Test func `a session ends after half an hour without a request`() throws {
        let id = sessions.begin(for: try principal("alice"))
        for _ in 0..<10 {
            clock.advance(.seconds(30 * 60 - 1))
            #expect(sessions.find(id) != nil)
        }
        clock.advance(.seconds(30 * 60))
        #expect(sessions.find(id) == nil && sessions.count == 0)
    }

    @Test func `a session ends after twelve hours, however much it is used`() throws {
        let id = sessions.begin(for: try principal("alice"))
        for _ in 0..<(12 * 6 - 1) {
            clock.advance(.seconds(600))
            #expect(sessions.find(id) != nil)
        }
        clock.advance(.seconds(600))
        #expect(sessions.find(id) == nil)
    }

    @Test func `a user has so many sessions, and the one that was used least recently makes room`() throws {
        let alice = try principal("alice")
        let other = sessions.begin(for: try principal("bob"))
        let ids = (0..<32).map { _ in
            clock.advance(.seconds(1))
            return sessions.begin(for: alice)
        }
        clock.advance(.seconds(1))
        #expect(sessions.find(ids[0]) != nil)
        _ = sessions.begin(for: alice)
        #expect(sessions.find(ids[1]) == nil && sessions.find(ids[0]) != nil && sessions.find(other) != nil)
    }

    @Test func `what was done is told once`() throws {
        let id = sessions.begin(for: try principal("alice"))
        sessions.leave("A is made.", for: id)
        sessions.leave("of nobody", for: "x")
        #expect(sessions.takeNotice(id) == "A is made." && sessions.takeNotice(id) == nil)
    }

    @Test func `a cookie that is there twice is none`() {
        func id(_ cookies: String...) -> String? {
            var fields = HTTPFields()
            for cookie in cookies { fields.append(HTTPField(name: .cookie, value: cookie)) }
            return SessionCookie.id(in: fields)
        }
        #expect(id("__Host-secretfs=a") == "a" && id("x=1; __Host-secretfs=a; y=2") == "a")
        #expect(id("x=1", "__Host-secretfs=a") == "a")
        #expect(
            id("__Host-secretfs=a; __Host-secretfs=b") == nil
                && id("__Host-secretfs=a", "__Host-secretfs=a") == nil)
        #expect(id() == nil && id("secretfs=a") == nil && id("__host-secretfs=a") == nil)
    }

    @Test func `a form comes from a page of ours if the browser says so`() {
        func isOwn(_ site: String?, _ origin: String?) -> Bool {
            var fields = HTTPFields()
            if let site, let name = HTTPField.Name("Sec-Fetch-Site") { fields[name] = site }
            if let origin { fields[.origin] = origin }
            return RequestOrigin.isOwn(fields, host: "a.example:8443")
        }
        #expect(isOwn("same-origin", nil) && isOwn("same-origin", "null"))
        #expect(isOwn(nil, "https://a.example:8443"))
        for origin in [
            "null", "https://a.example", "https://b.example:8443", "https://a.example:8443.b.example",
        ] {
            #expect(!isOwn(nil, origin))
        }
        for site in ["same-site", "cross-site", "none", ""] {
            #expect(!isOwn(site, "https://a.example:8443"))
        }
        #expect(!isOwn(nil, nil) && !RequestOrigin.isOwn([.origin: "https://"], host: ""))
    }
}

@Suite struct `Guessing passwords` {
    let clock = Clock()
    let throttle: SignInThrottle
    init() {
        let clock = clock
        throttle = SignInThrottle(now: { clock.now })
    }

    @Test func `after five tries each further one waits twice as long, up to a minute`() {
        for _ in 0..<5 { #expect(throttle.take(account: "alice", address: nil) == nil) }
        var waits: [Int] = []
        for _ in 0..<9 {
            guard let wait = throttle.take(account: "alice", address: nil) else { break }
            waits.append(wait)
            clock.advance(.seconds(wait))
            #expect(throttle.take(account: "alice", address: nil) == nil)
        }
        #expect(waits.map { $0 - 1 } == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        #expect(throttle.take(account: "bob", address: nil) == nil)
    }

    @Test func `a try that is refused makes no wait longer`() {
        for _ in 0..<6 { _ = throttle.take(account: "alice", address: nil) }
        for _ in 0..<1000 { #expect(throttle.take(account: "alice", address: nil) != nil) }
        clock.advance(.seconds(2))
        #expect(throttle.take(account: "alice", address: nil) == nil)
    }

    @Test func `the right password forgets the wrong ones of its account`() {
        for _ in 0..<5 { _ = throttle.take(account: "alice", address: "192.0.2.1") }
        throttle.succeeded(account: "alice", address: "192.0.2.1")
        for _ in 0..<5 { #expect(throttle.take(account: "alice", address: "192.0.2.1") == nil) }
    }

    @Test func `who has one account cannot guess others for ever from one address`() {
        var tries = 0
        for number in 0..<100 where throttle.take(account: "user\(number)", address: "192.0.2.1") == nil {
            tries += 1
            guard throttle.take(account: "own", address: "192.0.2.1") == nil else { continue }
            throttle.succeeded(account: "own", address: "192.0.2.1")
        }
        #expect(tries <= 20)
        #expect(throttle.take(account: "alice", address: "192.0.2.2") == nil)
    }

    @Test func `what failed an hour ago is forgotten`() {
        for _ in 0..<5 { _ = throttle.take(account: "alice", address: nil) }
        clock.advance(.seconds(3601))
        for _ in 0..<5 { #expect(throttle.take(account: "alice", address: nil) == nil) }
    }

    @Test func `an address is what one person has of it`() {
        #expect(SignInThrottle.place("192.0.2.1") == "192.0.2.1")
        #expect(SignInThrottle.place("::ffff:192.0.2.1") == "192.0.2.1")
        #expect(SignInThrottle.place("2001:db8::1") == SignInThrottle.place("2001:db8::ffff:1:2"))
        #expect(SignInThrottle.place("2001:db8::1") != SignInThrottle.place("2001:db8:0:1::1"))
        for own in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            #expect(SignInThrottle.place(own) == nil)
        }
    }
}
