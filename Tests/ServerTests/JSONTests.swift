import Testing

@testable import Server

@Suite struct `JSON of the server` {
    @Test func `goes out with everything escaped that must be`() {
        let json: JSON = ["a\"": "b\\\n\u{1}\u{7F}é", "c": [1, true, .null, []], "d": [:]]
        #expect(
            String(decoding: json.bytes, as: UTF8.self)
                == #"{"a\"":"b\\\u000a\u0001\u007fé","c":[1,true,null,[]],"d":{}}"#)
    }
}
