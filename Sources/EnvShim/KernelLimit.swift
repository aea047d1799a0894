import CShim

/// What execve(2) accepts in total: the strings of arguments and environment with their NULs, the program's
/// path, and 8 bytes for each pointer to a string.
///
/// Source: `bprm_stack_limits` and `copy_strings` in the kernel's fs/exec.c, since Linux 4.13.
enum KernelLimit {
    /// In bytes: a quarter of the stack's soft limit, within 128 KiB and 6 MiB.
    static var total: Int {
        let quarter = shim_stack_limit() / 4
        return max(131_072, Int(min(quarter, 6 << 20)))
    }

    /// Fails, naming the largest entry, if the kernel would refuse. The path counts as it is given; should
    /// PATH make it longer, the kernel itself has the last word.
    static func check(_ environment: Environment, _ variables: List<Variable>, _ options: Options) {
        let total = total
        let pointers = 8 * (options.programCount + environment.strings.count - 1)
        var bytes = pointers
        if let path = options.program.pointee { bytes += strlen(path) + 1 }
        for index in 0..<options.programCount {
            if let argument = options.program[index] { bytes += strlen(argument) + 1 }
        }
        for index in 0..<environment.strings.count {
            if let string = environment.strings[index] { bytes += strlen(string) + 1 }
        }
        if bytes > total || pointers >= total { failTooLarge(bytes, variables) }
    }

    /// - Parameter bytes: nil if only the kernel knows.
    static func failTooLarge(_ bytes: Int?, _ variables: List<Variable>) -> Never {
        let sum: Message = if let bytes { "\(bytes) bytes" } else { "too many bytes" }
        let total = total
        guard variables.count > 0 else {
            fail("arguments and environment have \(sum); the kernel accepts \(total) in total")
        }
        var largest = variables[0]
        for index in 1..<variables.count where variables[index].count > largest.count {
            largest = variables[index]
        }
        fail(
            "arguments and environment have \(sum); the kernel accepts \(total) in total",
            hint: """
                the largest entry is “\(largest.name)” with \(largest.count - largest.nameCount - 1) bytes; leave entries \
                out with --only, or raise the stack's limit (ulimit -s; a quarter of it counts, up to 6291456 bytes)
                """)
    }
}
