import Foundation
import Secrets
import Testing

@testable import Providers

private func encoded(_ name: String, _ home: String) throws -> String {
    AzureName.encoded(try EnvironmentName(name), in: try SecretHome(home))
}

@Suite struct `Azure names of new secrets` {
    /// docs/PROVIDERS.md has some of these.
    @Test(arguments: [
        ("DB_PASSWORD", "nlp/summarizer", "nlp--ssummarizer--vdb-password"),
        ("AWS_S3_KEY", "nlp", "nlp--vaws-s3-key"), ("path", "nlp", "nlp--v--lpath"),
        ("MyVar", "NLP", "--unlp--vm--ly--uv--lar"), ("A__B", "a__b", "a--n-b--va--n-b"),
        ("A_", "a_", "a--n--va--n"), ("A_b", "a_B", "a--n--ub--va--n--lb"),
        ("V_V", "v/v-v.v", "v--sv--mv--dv--vv-v"), ("K8S_2_TOKEN", "_9", "-9--vk8s-2-token"),
        ("DB_PASSWORD", "nlp/Summarizer", "nlp--s--us--lummarizer--vdb-password"),
    ])
    func `are as the document says`(_ name: String, _ home: String, _ expected: String) throws {
        #expect(try encoded(name, home) == expected)
        let found = try #require(AzureName.decoded(expected))
        #expect(found.name.text == name && found.home.description == home)
    }

    @Test(arguments: 1...20) func `lead back to what they were made of, in any case`(_ seed: UInt64) throws {
        var random = SplitMix(seed)
        var seen: [String: String] = [:]
        // Short ones meet.
        let longest = seed % 2 == 0 ? 3 : 9
        func text(_ first: String, _ others: String) -> String {
            String(first.randomElement(using: &random) ?? "a")
                + String(
                    (0..<Int.random(in: 0...longest, using: &random)).compactMap { _ in
                        others.randomElement(using: &random)
                    })
        }
        for _ in 0..<2000 {
            let name = text("aAlLnNuUvVsS", "aAlLnNuUvV019____")
            let part = { text("aAlLnNuUvVsS09_", "aAlLnNuUvVmMdDsS01__-.") }
            let home = Bool.random(using: &random) ? part() : part() + "/" + part()
            let made = try encoded(name, home)
            #expect(AzureName.isName(made))
            for spelled in [made, made.uppercased()] {
                let found = try #require(AzureName.decoded(spelled), "\(home) \(name) \(made)")
                #expect(found.name.text == name && found.home.description == home)
            }
            let other = seen.updateValue("\(home) \(name)", forKey: made.lowercased())
            #expect(other == nil || other == "\(home) \(name)", "\(made)")
        }
    }

    /// > No two names become one, though case does not count in a vault — docs/PROVIDERS.md#azure-key-vault
    @Test func `of all short variables are different, though case does not count`() throws {
        let letters = Array("aAlLnNvV0_").map(String.init)
        var (names, all, count) = ([""], Set<String>(), 0)
        for length in 1...4 {
            names = names.flatMap { name in letters.map { name + $0 } }
            if length == 1 { names.removeAll { $0 == "0" || $0 == "_" } }
            for name in names {
                count += 2
                all.insert(try encoded(name, "o").lowercased())
                all.insert(try encoded("V", name).lowercased())
            }
        }
        #expect(all.count == count)
    }

    @Test(arguments: [
        "db-password", "a--v", "--va", "a--va-", "a--va--", "a--va--x", "a--v--ua", "--la--va", "a--va---b",
        "a--va--l", "a--va--l--ub", "a--va_x", "a--vé", "a--va--vb", "a--s--va", "a--sb--sc--va", "a--v0",
    ])
    func `that nothing is called are none`(_ name: String) {
        #expect(AzureName.decoded(name) == nil)
    }

    @Test func `begin with what is set, and are refused where they are too long`() throws {
        let settings = [
            "vault_url": "https://team.vault.azure.net", "login": "managed_identity",
            "vault_secret_prefix": "Secretfs-",
        ]
        let vault = try AzureKeyVault(ProviderConfiguration(texts: settings))
        let home = try SecretHome("nlp")
        #expect(
            try vault.place(of: EnvironmentName("DB_PASSWORD"), in: home).description
                == "Secretfs-nlp--vdb-password")
        let long = String(repeating: "A", count: 112)
        #expect(try vault.place(of: EnvironmentName(long), in: home).path.utf8.count == 127)
        let error = #expect(throws: ProviderFailure.self) {
            try vault.place(of: EnvironmentName(long + "A"), in: home)
        }
        #expect(error?.kind == .malformed)
    }
}

/// The same numbers for the same seed, everywhere.
private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
