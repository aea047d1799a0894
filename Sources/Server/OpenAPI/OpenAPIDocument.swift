import Console
import HTTPTypes

/// The OpenAPI 3.1 document, made from the routes that the router has.
enum OpenAPIDocument {
    static func bytes(of routes: [Route]) -> [UInt8] {
        // In the order of the routes; several methods of a path together.
        var paths: [(String, [(String, JSON)])] = []
        for route in routes {
            let operation = (route.method.rawValue.lowercased(), operation(route))
            if let index = paths.firstIndex(where: { $0.0 == route.path }) {
                paths[index].1.append(operation)
            } else {
                paths.append((route.path, [operation]))
            }
        }
        let document: JSON = [
            "openapi": "3.1.0",
            "info": [
                "title": "SecretFS", "version": .string(CommandProgram.version),
                "description": .string(about),
            ],
            "paths": JSON(paths.map { ($0.0, JSON($0.1)) }),
            "components": [
                "schemas": JSON(Schemas.all),
                "responses": [
                    "Error": [
                        "description": "Why it was not done.",
                        "content": ["application/json": ["schema": Schemas.reference("Error")]],
                    ]
                ],
                "securitySchemes": [
                    "key": [
                        "type": "apiKey", "in": "header", "name": "Authorization",
                        "description": "An API key: alone, or behind “Simple” or “Bearer”.",
                    ],
                    "bearer": ["type": "http", "scheme": "bearer"],
                ],
            ],
        ]
        return document.bytes
    }

    private static let about = """
        Secrets for algorithms. No answer of any kind ever has a value. What a key's user may not see is answered as if \
        it were not there. A body has at most \(ConnectionLimits.bodyBytes) bytes; a name twice in an object, a member \
        that is not known, and anything that is not UTF-8 are refused. Codes: 1009 no such algorithm, 2001 not \
        authorized, 2002 not authenticated, 8000 malformed, 8001 not allowed for this field, 8004 no value, 8005 the \
        internal provider cannot be modified, 8006 no such provider, 8007 not edited, 8008 no such secret, 8009 the \
        provider failed, 8010 not deleted, 8011 not made default, 8013 the default provider cannot be deleted; \
        elsewhere the HTTP status.
        """

    private static func operation(_ route: Route) -> JSON {
        let about = route.about
        var members: [(String, JSON)] = [
            ("operationId", .string(about.operation)), ("summary", .string(about.summary)),
            ("tags", .array([.string(about.tag)])),
        ]
        let parameters = route.captures.map(capture) + about.query.map(query)
        if !parameters.isEmpty { members.append(("parameters", .array(parameters))) }
        if let body = about.body {
            let content: JSON = ["application/json": ["schema": Schemas.reference(body)]]
            let body: JSON = ["required": true, "content": content]
            members.append(("requestBody", body))
        }
        members.append(("responses", responses(route)))
        let keys: [JSON] = [["key": .array([])], ["bearer": .array([])]]
        members.append(("security", .array(route.access == .anybody ? [] : keys)))
        return JSON(members)
    }

    private static func responses(_ route: Route) -> JSON {
        let about = route.about
        var success: [(String, JSON)] = [
            ("description", .string(about.status == .noContent ? "Done." : "The answer."))
        ]
        if let answer = about.answer, about.status != .noContent {
            let schema: JSON = ["schema": answer]
            success.append(("content", JSON([(about.type, schema)])))
        }
        var refusals = Set(about.refusals)
        refusals.formUnion([.badRequest, .internalServerError, .serviceUnavailable])
        if route.access == .known { refusals.formUnion([.unauthorized, .forbidden]) }
        if route.takesBody { refusals.formUnion([.contentTooLarge, .unsupportedMediaType]) }
        if !route.captures.isEmpty { refusals.insert(.notFound) }
        let error: JSON = ["$ref": "#/components/responses/Error"]
        let rest = refusals.map(\.code).sorted().map { (String($0), error) }
        return JSON([(String(about.status.code), JSON(success))] + rest)
    }

    private static func capture(_ name: String) -> JSON {
        let isID = name.hasSuffix("Id")
        let schema: JSON =
            isID
            ? ["type": "string", "format": "uuid"] : ["type": "string", "minLength": 1, "maxLength": 64]
        return ["name": .string(name), "in": "path", "required": true, "schema": schema]
    }

    private static func query(_ query: RouteText.Query) -> JSON {
        [
            "name": .string(query.name), "in": "query", "description": .string(query.about),
            "schema": query.schema,
        ]
    }
}
