internal import COpenSSL
internal import Glibc
internal import Secrets
internal import Store
internal import Synchronization

// How long it takes to open one 100-byte record that is in memory, against one AES-256-GCM message of the same
// size opened through EVP. Prints one line of JSON; times are nanoseconds, medians over rounds.

let rounds = 301
let opens = 2000
let count = 100

func now() -> Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_nsec)
}

/// The median of the time that each of `bodies` takes, per open; they take turns, so that whatever else the
/// machine does falls on all of them.
func medians(_ bodies: [() throws -> Void]) throws -> [Double] {
    var times = Array(repeating: [Double](), count: bodies.count)
    for _ in 0..<rounds {
        for (index, body) in bodies.enumerated() {
            let start = now()
            for _ in 0..<opens { try body() }
            times[index].append(Double(now() - start) / Double(opens))
        }
    }
    return times.map { $0.sorted()[rounds / 2] }
}

/// Opens a message with bare EVP calls and nothing else.
@safe struct Bare {
    let context = unsafe EVP_CIPHER_CTX_new()
    let cipher = unsafe EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)
    let key = [UInt8](repeating: 1, count: 32)
    let nonce = [UInt8](repeating: 2, count: 12)
    let data = [UInt8](repeating: 3, count: 40)
    var sealed = [UInt8](repeating: 4, count: count)
    var tag = [UInt8](repeating: 0, count: 16)

    init() {
        let text = sealed
        var length: Int32 = 0
        unsafe EVP_EncryptInit_ex2(context, cipher, key, nonce, nil)
        unsafe EVP_EncryptUpdate(context, nil, &length, data, Int32(data.count))
        unsafe EVP_EncryptUpdate(context, &sealed, &length, text, Int32(count))
        unsafe EVP_EncryptFinal_ex(context, nil, &length)
        unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &tag)
    }

    /// A nil key keeps the key schedule of the call before.
    mutating func open(_ context: OpaquePointer?, _ cipher: OpaquePointer?, key: [UInt8]?) {
        var length: Int32 = 0
        unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { output in
            let output = unsafe output.assumingMemoryBound(to: UInt8.self).baseAddress
            if let key {
                unsafe EVP_DecryptInit_ex2(context, cipher, key, nonce, nil)
            } else {
                unsafe EVP_DecryptInit_ex2(context, cipher, nil, nonce, nil)
            }
            unsafe EVP_DecryptUpdate(context, nil, &length, data, Int32(data.count))
            unsafe EVP_DecryptUpdate(context, output, &length, sealed, Int32(count))
            unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, &tag)
            guard unsafe EVP_DecryptFinal_ex(context, output, &length) == 1 else { exit(1) }
        }
    }

    mutating func openFresh() {
        let fresh = unsafe EVP_CIPHER_CTX_new()
        unsafe open(fresh, cipher, key: key)
        unsafe EVP_CIPHER_CTX_free(fresh)
    }
}

/// Opens `record` into memory that is there already.
func open(_ record: [UInt8], _ sealer: RecordSealer, _ key: RecordKey) throws {
    try unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { memory in
        var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        try sealer.open(record.span, under: key, into: &output)
        _ = unsafe output.finalize(for: memory)
    }
}

/// Opens per second of `threads` threads together.
func throughput(_ threads: Int, _ record: [UInt8], _ sealer: RecordSealer, _ key: RecordKey) -> Double {
    final class Job: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let each = 200_000
    let job = Job {
        for _ in 0..<each { do { try open(record, sealer, key) } catch { exit(1) } }
    }
    var handles = [pthread_t](repeating: pthread_t(), count: threads)
    let start = now()
    for index in handles.indices {
        // SAFETY: released by the thread, which retained it here.
        let argument = unsafe Unmanaged.passRetained(job).toOpaque()
        unsafe pthread_create(
            &handles[index], nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, argument)
    }
    for handle in handles { pthread_join(handle, nil) }
    return Double(threads * each) / (Double(now() - start) / 1e9)
}

let key = RecordKey("s/0b9c2f5e-6c1d-4a0e-9d43-6f1f0a6f7e11/1")
let sealer = RecordSealer(try Keyring.create())
let plain = [UInt8](repeating: 5, count: count)
let record = try unsafe sealer.seal(plain.span.bytes, under: key)
var bare = Bare()
let times = try medians([
    { try open(record, sealer, key) },
    { unsafe bare.open(bare.context, nil, key: bare.key) },
    { unsafe bare.open(bare.context, nil, key: nil) },
    { bare.openFresh() },
    { _ = try sealer.open(record.span, under: key) },
])
let one = throughput(1, record, sealer, key)
let four = throughput(4, record, sealer, key)

func text(_ value: Double) -> String { String((value * 100).rounded() / 100) }
print(
    """
    {"sealed_ns":\(text(times[0])),"evp_ns":\(text(times[1])),"ratio":\(text(times[0] / times[1])),\
    "evp_same_key_ns":\(text(times[2])),"evp_fresh_context_ns":\(text(times[3])),\
    "sealed_into_secret_value_ns":\(text(times[4])),\
    "per_second_1_thread":\(Int(one)),"per_second_4_threads":\(Int(four))}
    """)
