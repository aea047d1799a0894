package import Secrets

/// The object that the body of a request is. The text stays in memory that wipes itself; a member is taken out of it
/// when it is asked for, a value straight into a `SecretValue`.
package struct JSONObject: Sendable {
    private let text: SecretBuffer
    private let members: [Name: JSONNode]

    /// By bytes: Swift takes two spellings of one character for the same string.
    private struct Name: Hashable {
        let text: String
        static func == (left: Name, right: Name) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }
        func hash(into hasher: inout Hasher) {
            var text = text
            text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    /// - Throws: if `text` is not JSON, or something else than an object.
    package init(_ text: SecretBuffer) throws(JSONError) {
        let root = try text.withBytes { bytes throws(JSONError) in try JSONParser.parse(bytes) }
        guard case .object(let members) = root else { throw JSONError("it is \(root.kind), not an object") }
        self.init(text, members)
    }

    private init(_ text: SecretBuffer, _ members: [JSONMember]) {
        self.text = text
        self.members = Dictionary(members.map { (Name(text: $0.name), $0.node) }) { first, _ in first }
    }

    /// - Throws: if there is a member of another name. Its name is not told: somebody may have typed a value there.
    package func allowOnly(_ names: Set<String>) throws(JSONError) {
        let known = Set(names.map(Name.init))
        guard members.keys.allSatisfy(known.contains) else {
            throw JSONError(
                "it has a member that is not known here; known are \(names.sorted().joined(separator: ", "))")
        }
    }

    private subscript(name: String) -> JSONNode? { members[Name(text: name)] }

    package func has(_ name: String) -> Bool { self[name] != nil }
    package var names: [String] { members.keys.map(\.text).sorted() }

    /// The object that a member is. Nil if it is not there, or null.
    package func object(_ name: String) throws(JSONError) -> JSONObject? {
        switch self[name] {
        case .object(let members): return JSONObject(text, members)
        case nil, .null: return nil
        case .some(let node): throw wrong(name, "an object", node)
        }
    }

    /// What a member says, if it is one thing: a string's bytes, a number or a truth value as it is written.
    ///
    /// - Returns: nil if it is not there.
    /// - Throws: `JSONError` for null, an object or an array; `SecretMemoryError`; `ValueTooLong`.
    package func scalar(_ name: String) throws -> SecretValue? {
        switch self[name] {
        case nil: return nil
        case .string: return try value(name)
        case .number(let range):
            guard range.count <= SecretValue.maximumCount else { throw ValueTooLong() }
            return try text.withBytes { bytes in try SecretValue(copying: bytes.extracting(range)) }
        case .bool(let bool):
            let word = Array((bool ? "true" : "false").utf8)
            return try SecretValue(copying: unsafe word.span.bytes)
        case .some(let node): throw wrong(name, "one value", node)
        }
    }

    /// Nil if it is not there.
    package func string(_ name: String) throws(JSONError) -> String? {
        guard let node = self[name] else { return nil }
        guard case .string(let range) = node else { throw wrong(name, "a string", node) }
        return text.withBytes { bytes in
            String(decoding: JSONString.bytes(of: range, in: bytes), as: UTF8.self)
        }
    }

    package func requiredString(_ name: String) throws(JSONError) -> String {
        guard let string = try string(name) else { throw missing(name) }
        return string
    }

    /// Nil if it is not there.
    ///
    /// - Throws: `JSONError` for another type; `SecretMemoryError`; `ValueTooLong`.
    package func value(_ name: String) throws -> SecretValue? {
        guard let node = self[name] else { return nil }
        guard case .string(let range) = node else { throw wrong(name, "a string", node) }
        let value = try text.withBytes { bytes in try JSONString.value(of: range, in: bytes) }
        guard let value else { throw ValueTooLong() }
        return value
    }

    /// A whole number from 0 on, without an exponent; 1.0 is one.
    package func number(_ name: String) throws(JSONError) -> UInt32? {
        guard let node = self[name] else { return nil }
        guard case .number(let range) = node else { throw wrong(name, "a number", node) }
        let digits = text.withBytes { bytes in range.prefix(64).map { bytes.byte(at: $0) } }
        let parts = String(decoding: digits, as: UTF8.self).split(separator: ".")
        guard range.count < 64, parts.dropFirst().allSatisfy({ $0.allSatisfy { $0 == "0" } }),
            let number = UInt32(parts[0])
        else {
            throw JSONError("\(name) is not a whole number that is possible here")
        }
        return number
    }

    /// Nil if it is not there.
    package func truth(_ name: String) throws(JSONError) -> Bool? {
        guard let node = self[name] else { return nil }
        guard case .bool(let bool) = node else { throw wrong(name, "true or false", node) }
        return bool
    }

    /// Nil if it is not there.
    package func strings(_ name: String) throws(JSONError) -> [String]? {
        guard let node = self[name] else { return nil }
        guard case .array(let nodes) = node else { throw wrong(name, "an array of strings", node) }
        var strings: [String] = []
        for node in nodes {
            guard case .string(let range) = node else { throw wrong(name, "an array of strings", node) }
            strings.append(
                text.withBytes { String(decoding: JSONString.bytes(of: range, in: $0), as: UTF8.self) })
        }
        return strings
    }

    private func wrong(_ name: String, _ wanted: String, _ node: JSONNode) -> JSONError {
        JSONError("\(name) must be \(wanted), and there is \(node.kind)")
    }
    private func missing(_ name: String) -> JSONError { JSONError("\(name) is missing") }
}

/// A value has more bytes than are stored.
package struct ValueTooLong: Error {
    package init() {}
}
