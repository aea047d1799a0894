import Foundation
import Secrets
import Store
import Testing

@Suite struct `The keyring` {
    @Test func `it opens with its root key, keys and states in place`() throws {
        let root = try RootKey.random()
        let keyring = try Keyring.create().rotated().rotated()
        let opened = try Keyring(opening: try keyring.sealed(by: root), with: root)
        #expect(opened.generation == 3)
        #expect(opened.keys.map(\.id) == keyring.keys.map(\.id))
        #expect(opened.keys.map(\.state) == [.retired, .retired, .active])
        #expect(opened.keys.map(\.created) == keyring.keys.map(\.created))
        #expect(opened.active.id == keyring.active.id)
        let record = try RecordSealer(keyring).seal([1, 2, 3], "k")
        #expect(try RecordSealer(opened).open(record, "k") == [1, 2, 3])
    }

    @Test func `a wrong root key, a newer format and a damaged keyring are different errors`() throws {
        let root = try RootKey.random()
        let sealed = try Keyring.create().sealed(by: root)
        #expect(throws: KeyringError.wrongRootKey) {
            try Keyring(opening: sealed, with: try RootKey.random())
        }
        var newer = sealed
        newer[16] = 2
        #expect(throws: KeyringError.newerFormat(found: 2, known: 1)) {
            try Keyring(opening: newer, with: root)
        }
        #expect(throws: KeyringError.corrupt) { try Keyring(opening: sealed.reversed(), with: root) }
    }

    @Test func `every flipped bit is damage, whatever the root key`() throws {
        let root = try RootKey.random()
        let other = try RootKey.random()
        let sealed = try Keyring.create().sealed(by: root)
        for index in sealed.indices {
            for bit in 0..<8 {
                var changed = sealed
                changed[index] ^= 1 << bit
                let found = Int(changed[16])
                let expected: KeyringError = found > 1 ? .newerFormat(found: found, known: 1) : .corrupt
                #expect(throws: expected) { try Keyring(opening: changed, with: root) }
                #expect(throws: expected) { try Keyring(opening: changed, with: other) }
            }
        }
    }

    @Test func `a flipped bit under a hash made to fit is still an error`() throws {
        let root = try RootKey.random()
        let sealed = try Keyring.create().sealed(by: root)
        for index in sealed.indices.dropLast(32) where index != 16 {
            var changed = sealed
            changed[index] ^= 0x10
            let forged = try changed.dropLast(32) + sha256(Array(changed.dropLast(32)))
            let error = #expect(throws: KeyringError.self) { try Keyring(opening: Array(forged), with: root) }
            // Salt and check decide whether the root key is the right one.
            #expect(error == ((17..<81).contains(index) ? .wrongRootKey : .corrupt))
        }
    }

    @Test func `every truncation and extension is damage`() throws {
        let root = try RootKey.random()
        let sealed = try Keyring.create().sealed(by: root)
        for count in sealed.indices {
            #expect(throws: KeyringError.corrupt) {
                try Keyring(opening: Array(sealed[..<count]), with: root)
            }
        }
        #expect(throws: KeyringError.corrupt) { try Keyring(opening: sealed + [0], with: root) }
    }

    @Test func `an old keyring put back opens old records and calls newer ones by their unknown key`() throws
    {
        let root = try RootKey.random()
        let before = try Keyring.create()
        let backup = try before.sealed(by: root)
        let old = try RecordSealer(before).seal([1], "k")
        let after = try before.rotated()
        let new = try RecordSealer(after).seal([2], "k")
        let restored = RecordSealer(try Keyring(opening: backup, with: root))
        #expect(try restored.open(old, "k") == [1])
        #expect(throws: SealError.unknownKey(after.active.id)) { try restored.open(new, "k") }
    }

    @Test func `another root key takes over the same data keys`() throws {
        let first = try RootKey.random()
        let second = try RootKey.random()
        let keyring = try Keyring(opening: try Keyring.create().sealed(by: first), with: first)
        let record = try RecordSealer(keyring).seal([5], "k")
        let wrapped = try keyring.sealed(by: second)
        #expect(try RecordSealer(Keyring(opening: wrapped, with: second)).open(record, "k") == [5])
        #expect(throws: KeyringError.wrongRootKey) { try Keyring(opening: wrapped, with: first) }
    }

    @Test func `a retired key can be removed, the active one cannot`() throws {
        let keyring = try Keyring.create().rotated()
        let retired = try #require(keyring.keys.first?.id)
        let removed = try keyring.removing(retired)
        #expect(removed.keys.map(\.id) == [keyring.active.id] && removed.generation == 3)
        #expect(try removed.removing(removed.active.id) === removed)
    }

    @Test func `256 keys are the most`() throws {
        var keyring = try Keyring.create()
        for _ in 1..<256 { keyring = try keyring.rotated() }
        let root = try RootKey.random()
        let sealed = try keyring.sealed(by: root)
        #expect(try Keyring(opening: sealed, with: root).keys.count == 256)
        #expect(Set(keyring.keys.map(\.id)).count == 256)
        #expect(throws: KeyringError.full) { try keyring.rotated() }
    }

    @Test func `two sealings of one keyring share nothing but their header`() throws {
        let root = try RootKey.random()
        let keyring = try Keyring.create()
        let (first, second) = (try keyring.sealed(by: root), try keyring.sealed(by: root))
        for field in [17..<49, 49..<81, 81..<105, 105..<160] { #expect(first[field] != second[field]) }
    }

    @Test func `printing a keyring shows ids and no key`() throws {
        let keyring = try Keyring.create()
        var dumped = ""
        dump(keyring, to: &dumped)
        #expect(dumped.contains("<value>"))
        #expect("\(keyring.active)".contains(keyring.active.id.description))
    }
}
