import Testing

@testable import Secrets

/// What a rule means, in a form small enough to be obviously right: each kind on its own, with words instead of bytes.
private struct Meaning {
    let rule: CallerRule

    func allows(uid: Int, gid: Int, program: (path: String, isOurs: Bool, hash: UInt8?)?, group: String?)
        -> Bool
    {
        var answers: [Bool] = []
        if !rule.uids.isEmpty { answers.append(rule.uids.map(Int.init).contains(uid)) }
        if !rule.gids.isEmpty { answers.append(rule.gids.map(Int.init).contains(gid)) }
        if !rule.executables.isEmpty {
            let matching = rule.executables.filter { wanted in
                guard let program, program.path == wanted.path else { return false }
                return wanted.sha256 == nil ? program.isOurs : wanted.sha256?.first == program.hash
            }
            answers.append(!matching.isEmpty)
        }
        if !rule.cgroups.isEmpty {
            let matching = rule.cgroups.filter { wanted in
                guard let group, !group.hasPrefix("/..") else { return false }
                return wanted == "/" || (group + "/").hasPrefix(wanted + "/")
            }
            answers.append(!matching.isEmpty)
        }
        return !answers.contains(false)
    }
}

@Suite struct `A rule about callers` {
    private static let paths = ["/a", "/a/b", "/ab", "/a/b/c", "/"]
    private static let groups = paths + ["/../x", "/a/bc", "/.."]

    private func some<T>(_ all: [T], _ random: inout SystemRandomNumberGenerator) -> [T] {
        // Each kind is left out half of the time.
        guard Bool.random(using: &random) else { return [] }
        return Array(all.shuffled(using: &random).prefix(Int.random(in: 1...2, using: &random)))
    }

    @Test func `means what the model says, for many rules and callers`() {
        var random = SystemRandomNumberGenerator()
        var (allowed, denied) = (0, 0)
        for _ in 0..<20_000 {
            let programs = Self.paths.flatMap { path in
                [nil, 1, 2].map { (hash: UInt8?) in
                    CallerRule.Executable(path: path, sha256: hash.map { [UInt8](repeating: $0, count: 32) })
                }
            }
            let rule = CallerRule(
                uids: some([0, 1, 2], &random), gids: some([0, 1, 2], &random),
                executables: some(programs, &random), cgroups: some(Self.paths, &random))
            let (uid, gid) = (Int.random(in: 0...2, using: &random), Int.random(in: 0...2, using: &random))
            let hash = ([nil, 1, 2] as [UInt8?]).randomElement(using: &random) ?? nil
            let isOurs = Bool.random(using: &random)
            let path = Self.paths.randomElement(using: &random)
            let group = Self.groups.randomElement(using: &random)
            let caller = CallerIdentity(
                uid: UInt32(uid), gid: UInt32(gid), process: nil,
                executable: path.map {
                    .init(
                        path: ProcessPath(Array($0.utf8)), isOurs: isOurs,
                        sha256: hash.map { Array(repeating: $0, count: 32) })
                }, cgroup: group.map { ProcessPath(Array($0.utf8)) })
            let expected = Meaning(rule: rule).allows(
                uid: uid, gid: gid, program: path.map { ($0, isOurs, hash) }, group: group)
            #expect(rule.allows(caller) == expected, "\(rule) \(caller)")
            if !rule.kindsOfUser(refusing: CallerIdentity(uid: UInt32(uid), gid: UInt32(gid))).isEmpty {
                #expect(!expected)
            }
            if expected { allowed += 1 } else { denied += 1 }
        }
        #expect(allowed > 1000 && denied > 1000, "the model was tried on both")
    }

    @Test func `denies whom it does not know, in each kind that asks`() {
        let nobody = CallerIdentity(uid: 1, gid: 1)
        #expect(CallerRule.anyone.allows(nobody))
        #expect(!CallerRule(executables: [.init(path: "/a", sha256: nil)]).allows(nobody))
        #expect(!CallerRule(cgroups: ["/"]).allows(nobody))
    }

    /// Numbers that the kernel cannot express in a user namespace become the largest one.
    @Test func `never matches the number that stands for no user or group`() {
        #expect(CallerRule(uids: [.max]).kindsOfUser(refusing: CallerIdentity(uid: .max, gid: 0)) == [.uid])
        #expect(CallerRule(gids: [.max]).kindsOfUser(refusing: CallerIdentity(uid: 0, gid: .max)) == [.gid])
        #expect(CallerRule(uids: [5]).kindsOfUser(refusing: CallerIdentity(uid: 5, gid: .max)) == [.gid])
    }

    @Test func `compares file names as bytes`() {
        let (composed, decomposed) = ("/caf\u{E9}", "/cafe\u{301}")
        #expect(composed == decomposed, "two file names that are one String")
        let rule = CallerRule(executables: [.init(path: composed, sha256: nil)])
        #expect(rule != CallerRule(executables: [.init(path: decomposed, sha256: nil)]))
        let caller = CallerIdentity(
            uid: 0, gid: 0, executable: .init(path: ProcessPath(Array(decomposed.utf8)), isOurs: true))
        #expect(!rule.allows(caller))
        #expect(CallerRule(cgroups: [composed]) != CallerRule(cgroups: [decomposed]))
        #expect(
            !CallerRule(cgroups: [composed]).allows(
                .init(uid: 0, gid: 0, cgroup: ProcessPath(Array(decomposed.utf8)))))
    }

    @Test func `a cgroup's name that looks like another is another`() {
        for path in ["/a (deleted)", "/a\u{0}", "a", "", "/b/a", "/../a", "/a/../../a"] {
            #expect(!CallerRule.isCgroup(Array(path.utf8), in: "/a"), "\(path)")
        }
        #expect(CallerRule.isCgroup(Array("/a/x (deleted)".utf8), in: "/a"))
        #expect(CallerRule.isCgroup(Array("/".utf8), in: "/"))
        #expect(!CallerRule.isCgroup(Array("/..".utf8), in: "/"))
    }
}
