import Foundation
import Secrets
import Testing

@testable import Providers

@Suite struct `Azure names of new secrets` {
    /// docs/PROVIDERS.md has these.
    @Test(arguments: [
        ("DB_PASSWORD", "db-password"), ("AWS_S3_KEY", "aws-s3-key"), ("path", "--lpath"),
        ("MyVar", "m--ly--uv--lar"), ("A__B", "a--n-b"), ("A_", "a--n"), ("A_b", "a--n--lb"),
        ("K8S_2_TOKEN", "k8s-2-token"), ("NLP/SUMMARIZER/TOKEN", "nlp--ssummarizer--stoken"),
        ("A-B.C", "a--mb--dc"), ("_A", "-a"),
    ])
    func `are as the document says`(_ name: String, _ encoded: String) {
        #expect(AzureName.encoded(name) == encoded)
        #expect(AzureName.decoded(encoded) == name)
    }

    @Test(arguments: 1...20) func `lead back to what they were made of, in any case`(_ seed: UInt64) throws {
        var random = SplitMix(seed)
        let letters = Array("aAbBlLnNuUsSmMdD019____-./")
        var seen: [String: String] = [:]
        for _ in 0..<2000 {
            // Short ones meet.
            let count = Int.random(in: 1...(seed % 2 == 0 ? 4 : 12), using: &random)
            let name = String((0..<count).map { _ in letters.randomElement(using: &random)! })
            let encoded = try #require(AzureName.encoded(name))
            #expect(AzureName.isName(encoded) || encoded.utf8.count > AzureName.maximumCount)
            #expect(AzureName.decoded(encoded) == name)
            #expect(AzureName.decoded(encoded.uppercased()) == name)
            let other = seen.updateValue(name, forKey: encoded.lowercased())
            #expect(other == nil || other == name, "\(name) and \(other ?? "") are both \(encoded)")
        }
    }

    /// > No two names become one, though case does not count in a vault — docs/PROVIDERS.md#azure-key-vault
    @Test func `of all short environment names are different, though case does not count`() {
        let letters = Array("aAlLnN0_").map(String.init)
        var names = [""]
        var all = Set<String>()
        var count = 0
        for _ in 1...5 {
            names = names.flatMap { name in letters.map { name + $0 } }
            for name in names {
                count += 1
                all.insert((AzureName.encoded(name) ?? "").lowercased())
            }
        }
        #expect(all.count == count)
    }

    @Test(arguments: [
        "db--password", "a-", "a--", "a--x", "--ub", "a---b", "--l", "--l--ua", "a--n", "db_x", "é",
    ])
    func `that nothing is called are none, or lead to what is called so`(_ name: String) {
        guard let text = AzureName.decoded(name) else { return }
        #expect(AzureName.encoded(text) == name)
        #expect(["a--n"].contains(name), "\(name) is \(text)")
    }

    @Test func `begin with what is set, and are refused where they are too long`() throws {
        let settings = [
            "vault_url": "https://team.vault.azure.net", "login": "managed_identity",
            "vault_secret_prefix": "Secretfs-",
        ]
        let vault = try AzureKeyVault(ProviderConfiguration(texts: settings))
        #expect(try vault.newReference("DB_PASSWORD").description == "Secretfs-db-password")
        let long = String(repeating: "A", count: 118)
        #expect(try vault.newReference(long).path.utf8.count == 127)
        for wrong in [long + "A", "", "é", "a b"] {
            #expect(throws: ProviderFailure.self) { try vault.newReference(wrong) }
        }
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
