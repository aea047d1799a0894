import Foundation
import Secrets
import Testing

@testable import JSONText

/// A text as a body is: in memory that wipes itself.
private func body(_ bytes: [UInt8]) throws -> SecretBuffer {
    let buffer = SecretBuffer()
    try buffer.write(bytes.span.bytes, at: 0)
    return buffer
}

private func object(_ text: String) throws -> JSONObject { try JSONObject(try body(Array(text.utf8))) }

@Suite struct `A JSON body` {
    @Test(arguments: [
        ("\"\"", ""), (#""a\u0062c""#, "abc"), (#""\ud83d\ude00""#, "😀"),
        (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
        (#""\u0000""#, "\0"), ("\"é€😀\"", "é€😀"), (#""x\u00e9y\u20acz""#, "xéy€z"),
    ])
    func `gives a string and a value what they mean`(_ text: String, _ meaning: String) throws {
        let object = try object("{\"a\": \(text)}")
        #expect(try object.string("a").map { Array($0.utf8) } == Array(meaning.utf8))
        let value = try #require(try object.value("a"))
        let bytes = value.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
        #expect(bytes == Array(meaning.utf8))
    }

    /// Swift takes these two names for the same string.
    @Test func `has a member by the bytes of its name`() throws {
        let both = try object(#"{"K\u00e9": "one", "Ke\u0301": "two", "\u212a": "three"}"#)
        #expect(try both.string("K\u{e9}") == "one" && both.string("Ke\u{301}") == "two")
        #expect(try both.string("K") == nil && !both.has("K") && both.names.count == 3)
        #expect(throws: JSONError.self) { try both.allowOnly(["K\u{e9}", "Ke\u{301}", "K"]) }
    }

    @Test func `gives a value of the largest length, and none that is longer`() throws {
        let escaped = String(repeating: #"\u0041"#, count: SecretValue.maximumCount)
        #expect(try object("{\"a\":\"\(escaped)\"}").value("a")?.count == SecretValue.maximumCount)
        #expect(throws: ValueTooLong.self) { try object("{\"a\":\"\(escaped)A\"}").value("a") }
    }

    @Test func `tells a type that is not the wanted one, without what is there`() throws {
        let object = try object(
            #"{"a":"planted","b":["x",1],"c":1.5,"d":-1,"e":4294967295,"f":4294967296,"g":{}}"#)
        #expect(throws: JSONError("a must be a number, and there is a string")) { try object.number("a") }
        #expect(throws: JSONError("b must be an array of strings, and there is a number")) {
            try object.strings("b")
        }
        #expect(throws: JSONError("g must be a string, and there is an object")) { try object.value("g") }
        for name in ["c", "d", "f"] { #expect(throws: JSONError.self) { try object.number(name) } }
        #expect(try object.number("e") == .max)
        #expect(try object.number("h") == nil)
        #expect(throws: JSONError("h is missing")) { try object.requiredString("h") }
    }

    @Test func `takes known members only, and does not repeat the name of another`() throws {
        #expect(throws: JSONError("it has a member that is not known here; known are a, b")) {
            try object(#"{"a":1,"planted":2}"#).allowOnly(["a", "b"])
        }
        try object(#"{"a":1}"#).allowOnly(["a", "b"])
    }

    @Test func `may be as deep and as long as the limits say, and no deeper or longer`() throws {
        func nested(_ depth: Int) -> String {
            "{\"a\":" + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}"
        }
        _ = try object(nested(JSONParser.maximumDepth - 1))
        #expect(throws: JSONError.self) { try object(nested(JSONParser.maximumDepth)) }
        #expect(throws: JSONError.self) { try object(nested(1_000_000)) }
        func long(_ count: Int) -> String { "{\"a\":[" + String(repeating: "0,", count: count - 3) + "0]}" }
        _ = try object(long(JSONParser.maximumValues))
        #expect(throws: JSONError.self) { try object(long(JSONParser.maximumValues + 1)) }
    }
}

@Suite struct `Random JSON` {
    /// What we refuse on purpose and Foundation takes.
    private static let stricter: Set<String> = [
        "an object has a name twice", "it is nested more than 16 deep", "it has more than 10000 values",
        "a string has half of a character (a surrogate)", "it is not UTF-8",
    ]

    @Test(arguments: 0..<60)
    func `is read as Foundation reads it`(_ seed: UInt64) throws {
        var random = Seeded(seed)
        for _ in 0..<200 {
            var bytes = Array(text(&random, depth: 0).utf8)
            // Every second one is damaged: a byte changed, taken out or put in.
            if Bool.random(using: &random) {
                for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                    case 1: bytes.remove(at: place)
                    default:
                        bytes.insert(
                            Array("{}[]\",:\\u0-+.eE\n é".utf8).randomElement(using: &random) ?? 0, at: place)
                    }
                }
            }
            try compare(bytes)
        }
    }

    private func compare(_ bytes: [UInt8]) throws {
        let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
        let buffer = try body(bytes)
        let ours = Result { () throws(JSONError) in
            try buffer.withBytes { text throws(JSONError) in try JSONParser.parse(text) }
        }
        switch ours {
        case .success(let node):
            let found = buffer.withBytes { meaning(of: node, in: $0) }
            let wanted = try #require(theirs as? NSObject, "we take what Foundation refuses: \(bytes)")
            #expect(wanted.isEqual(found), "\(String(decoding: bytes, as: UTF8.self))")
        case .failure(let error):
            let text = String(decoding: bytes, as: UTF8.self)
            // Foundation lets a comma stand before an end.
            guard theirs != nil, text.firstMatch(of: /,\s*[\]}]/) == nil else { return }
            #expect(Self.stricter.contains(error.reason), "\(error.reason): \(text)")
        }
    }

    private func meaning(of node: JSONNode, in text: RawSpan) -> Any {
        switch node {
        case .object(let members):
            Dictionary(uniqueKeysWithValues: members.map { ($0.name, meaning(of: $0.node, in: text)) })
                as NSDictionary
        case .array(let nodes): nodes.map { meaning(of: $0, in: text) } as NSArray
        case .string(let range):
            String(decoding: JSONString.bytes(of: range, in: text), as: UTF8.self) as NSString
        case .number(let range):
            NSNumber(value: Double(String(decoding: range.map { text.byte(at: $0) }, as: UTF8.self)) ?? .nan)
        case .bool(let bool): NSNumber(value: bool)
        case .null: NSNull()
        }
    }

    private func text(_ random: inout Seeded, depth: Int) -> String {
        let blank = ["", "", "", " ", "\n\t"].randomElement(using: &random) ?? ""
        let kind = Int.random(in: 0..<(depth < 4 ? 7 : 5), using: &random)
        let value: String
        switch kind {
        case 0: value = ["true", "false", "null"].randomElement(using: &random) ?? "null"
        case 1:
            value =
                ["0", "-0", "12", "-3.25", "1e3", "5E-2", "0.5e+1", "123456"].randomElement(using: &random)
                ?? "0"
        case 2...4: value = string(&random)
        case 5:
            let elements = (0..<Int.random(in: 0..<4, using: &random)).map { _ in
                text(&random, depth: depth + 1)
            }
            value = "[" + elements.joined(separator: ",") + "]"
        default:
            let members = (0..<Int.random(in: 0..<4, using: &random)).map { _ in
                string(&random) + ":" + text(&random, depth: depth + 1)
            }
            value = "{" + members.joined(separator: ",") + "}"
        }
        return blank + value + blank
    }

    private func string(_ random: inout Seeded) -> String {
        let parts = [
            "a", "Z", "0", " ", "é", "€", "😀", #"\n"#, #"\""#, #"\\"#, #"\/"#, #"\u0041"#, #"\u00e9"#,
            #"\ud83d\ude00"#, #"\ud83d"#, "\u{7f}",
        ]
        return "\""
            + (0..<Int.random(in: 0..<6, using: &random)).map { _ in parts.randomElement(using: &random) ?? ""
            }.joined() + "\""
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
private struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
