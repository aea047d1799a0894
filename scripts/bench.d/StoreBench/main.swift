internal import Foundation
internal import Glibc
internal import Secrets
internal import Store

// What the benchmarks measure of the store without a command around it. DIRECTORY is a store with its root key
// in root.key.
//
//   StoreBench create DIRECTORY N         N durable creates, one at a time, each as a command makes it: its line of the
//                                         audit log is on the disk first; prints a line of JSON
//   StoreBench create-batch DIRECTORY N   the same as an agent makes it: the lines reach the disk within a second
//   StoreBench fill DIRECTORY A S         A algorithms bench/AN with S secrets each
//   StoreBench audit DIRECTORY N          N opens in the audit log
//   StoreBench authenticate DIRECTORY N   N requests with an API key, by one thread, by four that share a store, and by
//                                         four with a store each; prints a line of JSON for each
//   StoreBench update DIRECTORY           for each line VALUE of standard input: updates bench/A0's S0 and prints
//                                         the monotonic clock, in nanoseconds, right after the commit

struct Usage: Error {}

func now() -> Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_nsec)
}

func open(_ directory: String) throws -> SecretStore {
    try SealedStore.open(at: directory).unseal(by: RootKeyFile(directory + "/root.key").read())
}

func secret(_ name: String, _ text: String) throws -> NewSecret {
    let bytes = Array(text.utf8)
    return NewSecret(
        name: try EnvironmentName(name), displayName: try DisplayName(name),
        about: try Description("benchmark"),
        delivery: .env, value: try unsafe SecretValue(copying: bytes.span.bytes))
}

func create(_ store: SecretStore, _ count: Int) throws {
    let algorithm = try AlgorithmName("bench/create")
    try store.createAlgorithm(algorithm)
    let secrets = try (0..<count).map { try secret("S\($0)", String(repeating: "x", count: 100)) }
    let start = now()
    for secret in secrets { try store.createSecrets([secret], of: .algorithm(algorithm)) }
    print("{\"creates\": \(count), \"seconds\": \(Double(now() - start) / 1e9)}")
}

func fill(_ store: SecretStore, _ algorithms: Int, _ secrets: Int) throws {
    let entries = try (0..<secrets).map { try secret("S\($0)", String(repeating: "x", count: 32)) }
    for number in 0..<algorithms {
        let algorithm = try AlgorithmName("bench/A\(number)")
        try store.createAlgorithm(algorithm)
        try store.createSecrets(entries, of: .algorithm(algorithm))
    }
}

func update(_ store: SecretStore) throws {
    let algorithm = try AlgorithmName("bench/A0")
    let name = try EnvironmentName("S0")
    while let line = readLine() {
        let bytes = Array(line.utf8)
        let value = try unsafe SecretValue(copying: bytes.span.bytes)
        try store.updateSecret(name, of: .algorithm(algorithm), SecretUpdate(value: value))
        print(now())
        fflush(nil)
    }
}

/// Lines as the agent writes them for opens by a program of a service.
func audit(_ store: SecretStore, _ count: Int) throws {
    let home = SecretHome.algorithm(try AlgorithmName("bench/Summarizer"))
    let actor = AuditActor(
        uid: 1000, gid: 1000, pid: 4711, executable: "/usr/bin/python3.11",
        cgroup: "/system.slice/nlp-summarizer.service")
    let name = try EnvironmentName("MYSQL_PASSWORD")
    let event = AuditEvent(.open, by: actor, home: home, secret: name, version: .first)
    let block = Array(repeating: event, count: 500)
    for start in stride(from: 0, to: count, by: block.count) {
        try store.audit.write(Array(block.prefix(count - start)), isDurable: false)
        store.keepAudit()
    }
    try store.anchorAudit()
}

/// As the server does for each request: from the key to what its user may do.
func authenticate(_ store: SecretStore, _ count: Int) throws {
    let name = try UserName("bench")
    if try !store.hasUser(name) { try store.createUser(name, roles: [.viewer], password: nil) }
    let made = try store.createAPIKey(for: name)
    for (threads, isShared) in [(1, true), (4, true), (4, false)] {
        let stores = try (0..<threads).map { _ in isShared ? store : try open(arguments[2]) }
        let known = KnownKeys()
        let start = now()
        let running: [Thread] = stores.map { store in
            let thread = Thread {
                for _ in 0..<count / threads {
                    let found = try? made.text.withBytes { try store.authenticate(key: $0, known) }
                    precondition(found?.user == name)
                }
            }
            thread.start()
            return thread
        }
        while running.contains(where: { !$0.isFinished }) { usleep(500) }
        let seconds = Double(now() - start) / 1e9
        print(
            "{\"threads\": \(threads), \"shared\": \(isShared), \"requests\": \(count), \"seconds\": \(seconds)}"
        )
    }
    try store.deleteUser(name)
}

let arguments = CommandLine.arguments
guard arguments.count >= 3 else { throw Usage() }
let store = try open(arguments[2])
switch (arguments[1], arguments.dropFirst(3).compactMap { Int($0) }) {
case ("create", let numbers) where numbers.count == 1: try create(store, numbers[0])
case ("create-batch", let numbers) where numbers.count == 1:
    let writer = AuditWriter(store.audit, onDue: { store.keepAudit() }, onProblem: { _ in })
    store.record(through: writer)
    try create(store, numbers[0])
    writer.close()
case ("fill", let numbers) where numbers.count == 2: try fill(store, numbers[0], numbers[1])
case ("audit", let numbers) where numbers.count == 1: try audit(store, numbers[0])
case ("authenticate", let numbers) where numbers.count == 1: try authenticate(store, numbers[0])
case ("update", let numbers) where numbers.isEmpty: try update(store)
default: throw Usage()
}
