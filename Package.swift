// swift-tools-version: 6.2
import PackageDescription

/// Tests are built with these: they plant raw bytes on purpose, so memory safety is not marked in them.
let checked: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
]

/// The compiler guards the house: what we ship is built with these.
let strict: [SwiftSetting] = checked + [.strictMemorySafety()]

/// The shim runs where no libc exists and brings none along: Embedded Swift, whole module, statically linked
/// with nothing. A stack protector would need a C library's thread-local storage.
let embedded: [SwiftSetting] = [
    .enableExperimentalFeature("Embedded"),
    .unsafeFlags(["-wmo", "-Osize", "-Xfrontend", "-disable-stack-protector"]),
]

let package = Package(
    name: "secretfs",
    products: [
        .executable(name: "secretfs", targets: ["CLI"]),
        .executable(name: "secretfs-server", targets: ["ServerProgram"]),
        .executable(name: "secretfs-node", targets: ["NodeProgram"]),
        .executable(name: "secretfs-provider", targets: ["ProviderProgram"]),
        .executable(name: "secretfs-env", targets: ["EnvShim"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // Of the server alone.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        // Of what connects to external providers alone.
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        .systemLibrary(name: "CFuse", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "CLinux"),
        .target(name: "Secrets", swiftSettings: strict),
        .target(name: "Fuse", dependencies: ["CFuse", "CLinux"], swiftSettings: strict),
        .target(name: "SecretFS", dependencies: ["Secrets", "Fuse", "CLinux"], swiftSettings: strict),
        .target(
            name: "Store",
            dependencies: [
                "Secrets", "COpenSSL", "CLinux",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "EnvShim", dependencies: ["CShim"], swiftSettings: embedded,
            linkerSettings: [
                .unsafeFlags([
                    "-Xclang-linker", "-static", "-Xclang-linker", "-nostdlib", "-Xlinker", "--strip-all",
                ])
            ]),
        .target(name: "CShim"),
        .target(name: "CWipingFree"),
        // What our programs have in common: where a store is, how it is opened, what failures look like.
        .target(
            name: "Console",
            dependencies: [
                "Secrets", "Fuse", "SecretFS", "Store", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        // What is sealed to a node, and opened there.
        .target(
            name: "Nodes",
            dependencies: ["Secrets", "Store"],
            swiftSettings: strict),
        // Frames and certificates of the link between a node and its server.
        .target(
            name: "Link",
            dependencies: [
                "Secrets", "Store",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        // What connects for a node's agent: TLS and nothing that opens a value.
        .executableTarget(
            name: "NodeProgram",
            dependencies: [
                "Console", "CWipingFree", "Link", "PeerNames", "Secrets", "Store",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict),
        // Whether a server's certificate is for the name that it was looked up by.
        .target(
            name: "PeerNames",
            dependencies: [
                "COpenSSL",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict),
        // JSON from outside, read strictly, its values in memory that wipes itself.
        .target(name: "JSONText", dependencies: ["Secrets"], swiftSettings: strict),
        // External secret stores behind one protocol.
        .target(
            name: "Providers",
            dependencies: [
                "Secrets", "JSONText", "PeerNames",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        // What speaks to external providers for an agent: HTTP, and no store.
        .executableTarget(
            name: "ProviderProgram",
            dependencies: ["Console", "CWipingFree", "Fuse", "Providers", "Secrets", "Store"],
            swiftSettings: strict),
        .executableTarget(
            name: "CLI",
            dependencies: [
                "Console", "Secrets", "Fuse", "SecretFS", "Store", "CLinux", "Nodes",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "Server",
            dependencies: [
                "CLinux", "Console", "Secrets", "Store", "Nodes", "Link", "JSONText",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Mustache", package: "swift-mustache"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "ServerProgram",
            dependencies: [
                "Server", "Console", "CWipingFree",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "SealBench", dependencies: ["Store", "Secrets", "COpenSSL"],
            path: "scripts/bench.d/SealBench",
            swiftSettings: strict),
        // What the benchmarks measure of the store without a command around it.
        .executableTarget(
            name: "StoreBench", dependencies: ["Store", "Secrets"], path: "scripts/bench.d/StoreBench",
            swiftSettings: strict),
        .testTarget(name: "SecretsTests", dependencies: ["Secrets"], swiftSettings: checked),
        // What the tests of several targets share.
        .target(
            name: "TestSupport", dependencies: ["Secrets"], path: "Tests/TestSupport",
            swiftSettings: checked),
        .executableTarget(
            name: "TestTreeServer", dependencies: ["Fuse", "SecretFS", "Secrets", "CLinux", "TestSupport"],
            path: "Tests/TestTreeServer",
            swiftSettings: checked),
        .testTarget(
            name: "FuseTests", dependencies: ["Fuse", "CLinux", "TestSupport", "TestTreeServer"],
            swiftSettings: checked),
        .testTarget(
            name: "SecretFSTests",
            dependencies: ["SecretFS", "Secrets", "Fuse", "TestSupport", "TestTreeServer"],
            swiftSettings: checked),
        .testTarget(
            name: "StoreTests", dependencies: ["Store", "Secrets", "TestStoreWriter"],
            resources: [.copy("Fixtures")],
            swiftSettings: checked),
        .testTarget(
            name: "NodesTests",
            // Another's HPKE, to compare ours with.
            dependencies: ["Nodes", "Store", "Secrets", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: checked),
        .testTarget(
            name: "ProvidersTests",
            dependencies: [
                "Providers", "JSONText", "Secrets", "Console", "Store",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ],
            swiftSettings: checked),
        .testTarget(
            name: "JSONTextTests", dependencies: ["JSONText", "Secrets"], swiftSettings: checked),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "Server", "JSONText", "Console", "Store", "Secrets",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: checked),
        // A second process for the tests of the store.
        .executableTarget(
            name: "TestStoreWriter", dependencies: ["Store", "Secrets"], path: "Tests/TestStoreWriter",
            swiftSettings: checked),
    ],
    swiftLanguageModes: [.v6]
)
