import Secrets
import Store

/// The shapes of what goes in and out, for the OpenAPI document.
enum Schemas {
    static func reference(_ name: String) -> JSON { ["$ref": .string("#/components/schemas/\(name)")] }
    static func array(of name: String) -> JSON { ["type": "array", "items": reference(name)] }
    static func list(of name: String) -> JSON { object(["results": array(of: name)]) }
    /// Both envelopes.
    static var secretList: JSON {
        object(
            [
                "results": array(of: "Secret"), "secrets": array(of: "Secret"),
                "unreadable": [
                    "type": "array", "items": variable,
                    "description":
                        "The variables whose secrets' records in the store are damaged; not there if none is.",
                ],
            ], optional: ["unreadable"])
    }

    /// An object of which all members are required unless `optional` names them, and that has no others.
    static func object(
        _ members: KeyValuePairs<String, JSON>, and more: [(String, JSON)] = [], optional: Set<String> = []
    ) -> JSON {
        let members = members.map { ($0.key, $0.value) } + more
        let required = members.map(\.0).filter { !optional.contains($0) }.map { JSON.string($0) }
        var schema: [(String, JSON)] = [
            ("type", "object"), ("properties", JSON(members)),
            ("additionalProperties", false),
        ]
        if !required.isEmpty { schema.append(("required", .array(required))) }
        return JSON(schema)
    }

    private static let uuid: JSON = ["type": "string", "format": "uuid"]
    private static let time: JSON = ["type": "string", "format": "date-time"]
    private static let text: JSON = ["type": "string"]
    private static let bool: JSON = ["type": "boolean"]
    private static let displayName: JSON = [
        "type": "string", "minLength": 1, "maxLength": .number(DisplayName.maximumCount),
        "description": "What people call it: 1 to 128 bytes of UTF-8 on one line.",
    ]
    private static let about: JSON = [
        "type": "string", "maxLength": .number(Description.maximumCount),
        "description":
            "What it is for: at most 1,024 bytes of UTF-8 on one line. A single blank means nothing.",
    ]
    private static let variable: JSON = [
        "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$",
        "maxLength": .number(EnvironmentName.maximumCount),
        "description": "The environment variable's name. It never changes.",
    ]
    private static let delivery: JSON = [
        "type": "string", "enum": ["env", "file"], "description": "A file and a variable, or a file only.",
    ]
    private static let value: JSON = [
        "type": "string", "writeOnly": true, "maxLength": .number(SecretValue.maximumCount),
        "description": .string(
            "At most 1,048,576 bytes of UTF-8. One with a NUL, or that with its name is longer than 131,072 bytes, "
                + "needs the delivery “file”. No answer ever has it."),
    ]
    private static let ownerType: JSON = ["type": "string", "enum": ["algorithm", "organization"]]
    private static let namePart: JSON = ["type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"]
    private static let grantee: JSON = [
        "type": "string",
        "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}/([A-Za-z0-9_][A-Za-z0-9_.-]{0,63}|\\*)$",
        "description": "OWNER/NAME, or OWNER/* for all algorithms of the secret's own owner.",
    ]
    private static let configuration: JSON = ["type": "object", "additionalProperties": text]

    static var all: [(String, JSON)] { secretSchemas + otherSchemas + providerSchemas }

    private static var secretSchemas: [(String, JSON)] {
        [
            (
                "Secret",
                object(
                    [
                        "id": uuid, "short_name": displayName, "description": about, "owner_type": ownerType,
                        "owner_id": text, "provider_id": uuid, "secret_key": variable, "created": time,
                        "modified": time,
                        "default_secret_value_id": uuid.with([
                            (
                                "description",
                                "Another one after each change of the value; tells nothing of it."
                            )
                        ]), "delivery": delivery, "reference": text,
                    ], optional: ["reference"])
            ),
            ("NewAlgorithmSecret", newSecret(of: "algorithm")),
            ("NewOwnerSecret", newSecret(of: "organization")),
            ("AlgorithmSecretUpdate", update(of: "algorithm")),
            ("OwnerSecretUpdate", update(of: "organization")),
            ("Rollback", object(["version": ["type": "integer", "minimum": 1, "maximum": 4_294_967_295]])),
            (
                "Version",
                object(["version": ["type": "integer"], "id": uuid, "created": time, "created_by": text])
            ),
        ]
    }

    private static func members(of type: String) -> KeyValuePairs<String, JSON> {
        [
            "short_name": displayName, "description": about,
            "owner_type": ["type": "string", "enum": .array([.string(type)])],
            "owner_id": text.with([("description", "If it is there, the one that the path names.")]),
            "secret_key": variable, "secret_value": value,
            "provider_id": uuid.with([("description", "If it is there, the id of a provider.")]),
            "delivery": delivery,
        ]
    }
    private static let reference: JSON = text.with([
        (
            "description",
            "In the place of secret_value, by administrators: what it is at an external provider, and stays there."
        )
    ])
    private static func newSecret(of type: String) -> JSON {
        let members = members(of: type)
        let required: Set<String> = ["short_name", "secret_key"]
        return object(
            members, and: [("reference", reference)],
            optional: Set(members.map(\.key)).subtracting(required).union(["reference"]))
    }
    private static func update(of type: String) -> JSON {
        let members = members(of: type)
        return object(members, optional: Set(members.map(\.key)))
    }

    private static var otherSchemas: [(String, JSON)] {
        [
            ("Algorithm", object(["id": uuid, "name": namePart, "owner": namePart, "created": time])),
            ("NewAlgorithm", object(["name": namePart])),
            (
                "Grants",
                object([
                    "grants": [
                        "type": "array", "items": grantee, "maxItems": .number(Secret.maximumGrants),
                    ]
                ])
            ),
            ("Health", object(["status": text])),
            (
                "Error",
                object([
                    "error": object([
                        "id": ["type": "string", "description": "Names the request in the server's log."],
                        "code": ["type": "integer"], "message": text,
                    ])
                ])
            ),
        ]
    }

    private static var providerSchemas: [(String, JSON)] {
        let settings: KeyValuePairs<String, JSON> = [
            "name": text, "description": text, "moduleName": text, "factoryClassName": text,
            "interfaceVersion": text, "isEnabled": bool, "isDefault": bool, "configuration": configuration,
            "interval": seconds(ExternalProvider.intervals),
            "maximum_age": seconds(ExternalProvider.maximumAges),
        ]
        return [
            (
                "Provider",
                object(
                    [
                        "id": uuid, "name": text, "description": text, "moduleName": text,
                        "factoryClassName": text,
                        "interfaceVersion": text, "isEnabled": bool, "isDefault": bool, "created": time,
                        "modified": time, "settings": ["type": "array", "items": text],
                        "interval": ["type": "integer"], "maximum_age": ["type": "integer"],
                    ], optional: ["settings", "interval", "maximum_age"])
            ),
            ("ProviderTest", object(["reference": text], optional: ["reference"])),
            (
                "NewProvider",
                object(
                    settings, optional: Set(settings.map(\.key)).subtracting(["name", "moduleName"]))
            ),
            ("ProviderUpdate", object(settings, optional: Set(settings.map(\.key)))),
        ]
    }
}

extension Schemas {
    static var providerTest: JSON { object(["found": ["type": "array", "items": ["type": "string"]]]) }

    fileprivate static func seconds(_ range: ClosedRange<UInt32>) -> JSON {
        [
            "type": "integer", "minimum": .number(Int(range.lowerBound)),
            "maximum": .number(Int(range.upperBound)),
        ]
    }

    static var auditList: JSON {
        object([
            "results": ["type": "array", "items": ["type": "object"]],
            "next": [
                "type": ["integer", "null"],
                "description": "What “before” takes for the lines that come next; null after the last.",
            ],
        ])
    }

    static var auditQuery: [RouteText.Query] {
        func moment(_ name: String, _ about: String) -> RouteText.Query {
            .init(name: name, about: about, schema: time)
        }
        return [
            .init(
                name: "algorithm", about: "Only of this algorithm, OWNER/NAME.",
                schema: [
                    "type": "string",
                    "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$",
                ]),
            .init(
                name: "owner", about: "Only of this owner and its algorithms; not together with algorithm.",
                schema: namePart),
            .init(name: "secret", about: "Only about secrets of this variable name.", schema: variable),
            .init(
                name: "action", about: "Only this action.",
                schema: ["type": "string", "enum": .array(AuditAction.allCases.map { .string($0.rawValue) })]),
            .init(
                name: "outcome", about: "Only what came to this.",
                schema: [
                    "type": "string",
                    "enum": .array(AuditEvent.Outcome.allCases.map { .string($0.rawValue) }),
                ]),
            .init(name: "user", about: "Only what this user did.", schema: text),
            moment("since", "Only from this moment on."), moment("until", "Only before this moment."),
            .init(
                name: "before", about: "Only lines with a smaller number.",
                schema: ["type": "integer", "minimum": 1, "maximum": 2_147_483_647]),
            .init(
                name: "limit", about: "At most so many. Default: 100.",
                schema: ["type": "integer", "minimum": 1, "maximum": 1000]),
        ]
    }
}
