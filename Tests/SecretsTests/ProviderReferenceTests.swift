import Secrets
import Testing

@Suite struct ReferenceTests {
    @Test func aReferenceIsAPathAndPerhapsAField() throws {
        let reference = try ProviderReference("secret/data/db#password")
        #expect(reference.path == "secret/data/db" && reference.field == "password")
    }
    @Test(arguments: ["", "#a", "a#", "a#b#c", "a b", "a\u{0}", "é"])
    func whatIsNoReferenceIsRefused(_ text: String) {
        #expect(throws: NameError.self) { try ProviderReference(text) }
    }
}
