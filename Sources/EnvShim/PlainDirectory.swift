import CShim

/// A directory with one file per entry: Docker and Kubernetes secrets, `$CREDENTIALS_DIRECTORY`, envdir.
///
/// Nothing locks it, so it is read the optimistic way: note its state, read, and read again if the state has
/// changed. Files that are replaced by rename(2), one by one or as a whole, are thus never mixed.
struct PlainDirectory {
    /// It changed while it was read.
    private struct Changed: Error {}
    private static let attempts = 20

    private let path: Text
    private let options: Options
    private let descriptor: Int32
    private let before: FileStatus
    private var variables = List<Variable>()
    /// Whether there is any entry, wanted or not.
    private var hasEntries = false
    /// Whether this is no plain directory.
    private var hasEnvironFile = false

    /// The variables of `directory`; nil if it has an `.environ` after all.
    static func read(_ directory: Text, isDefault: Bool, _ options: Options) -> List<Variable>? {
        for attempt in 0..<attempts {
            // Lets the writer finish.
            if attempt > 0 { shim_sleep(attempt) }
            var reading = open(directory, isDefault: isDefault, options)
            defer { Kernel.close(reading.descriptor) }
            do throws(Changed) {
                options.forgetFound()
                try reading.readEntries()
                if reading.hasEnvironFile { return nil }
                try reading.checkUnchanged()
            } catch {
                continue
            }
            guard reading.hasEntries || options.allowEmpty else {
                let hint: Message = "is it mounted? If it is meant to be empty: --allow-empty"
                fail("“\(directory)” has no entries", hint: hint)
            }
            return reading.variables
        }
        fail(
            "“\(directory)” changes faster than it can be read",
            hint: "try again when whoever writes there is done")
    }

    /// Kubernetes swaps all files of a volume at once, by renaming the link `..data` to a new directory;
    /// there, the files beneath it are of one generation.
    private static func open(_ directory: Text, isDefault: Bool, _ options: Options) -> PlainDirectory {
        let volume = joined(directory, Text("/..data"))
        let path = Kernel.exists(volume) ? volume : directory
        do throws(SystemError) {
            let descriptor = try Kernel.openDirectory(path)
            _ = shim_forbid_dumps()
            let status = try Kernel.status(of: descriptor)
            return PlainDirectory(path: path, options: options, descriptor: descriptor, before: status)
        } catch {
            switch error.code {
            case ENOENT where isDefault:
                let hint: Message = "name the DIRECTORY, or set SECRETFS_DIRECTORY"
                fail("there is no directory “\(directory)”", hint: hint)
            case ENOENT: fail("there is no directory “\(directory)”")
            case ENOTDIR: fail("“\(path)” is not a directory")
            default: fail("“\(path)”: \(error)")
            }
        }
    }

    private init(path: Text, options: Options, descriptor: Int32, before: FileStatus) {
        self.path = path
        self.options = options
        self.descriptor = descriptor
        self.before = before
    }

    private func checkUnchanged() throws(Changed) {
        guard let now = try? Kernel.status(of: path), now == before else { throw Changed() }
    }

    private mutating func readEntries() throws(Changed) {
        let capacity = 32_768
        let listing = allocate(capacity)
        while true {
            let count: Int
            do throws(SystemError) {
                count = try Kernel.list(descriptor, into: listing, count: capacity)
            } catch {
                // A directory that was deleted meanwhile.
                if error.code == ENOENT { try checkUnchanged() }
                fail("“\(path)”: \(error)")
            }
            guard count > 0 else { return }
            var offset = 0
            while offset < count {
                // struct linux_dirent64 (getdents64(2)): 16 its length, 18 its type, 19 its name.
                let entry = UnsafeRawPointer(listing + offset)
                let name = Text(cString: (entry + 19).assumingMemoryBound(to: CChar.self))
                try readEntry(name, type: entry.load(fromByteOffset: 18, as: UInt8.self))
                offset += Int(entry.load(fromByteOffset: 16, as: UInt16.self))
            }
        }
    }

    private mutating func readEntry(_ name: Text, type: UInt8) throws(Changed) {
        let (isDirectory, isFile) = (type == 4, type == 8)
        if name == EnvironFile.name { hasEnvironFile = true }
        guard !hasEnvironFile, !name.isEmpty, name[0] != UInt8(ascii: "."), !isDirectory else { return }
        hasEntries = true
        guard let variable = options.variableName(for: name) else { return }
        do throws(PlainFile.Problem) {
            // Opening a device may set it in motion, so look first where a link leads.
            if !isFile { guard try leadsToFile(name) else { return } }
            options.check(variable, of: name)
            variables.append(try readFile(name, as: variable))
        } catch {
            switch error {
            case .system(let error):
                // A file, or the whole of its generation, was deleted meanwhile.
                if error.code == ENOENT { try checkUnchanged() }
                fail("“\(path)/\(name)”: \(error)", hint: "--only A,B takes only the entries A and B")
            case .notFile:
                fail("“\(path)/\(name)” is not a file", hint: "--only A,B takes only the entries A and B")
            case .restless:
                let hint: Message = "replace it by renaming a complete file"
                fail("“\(path)/\(name)” is written faster than it can be read", hint: hint)
            }
        }
    }

    /// False for a directory.
    private func leadsToFile(_ name: Text) throws(PlainFile.Problem) -> Bool {
        let kind: FileStatus.Kind
        do { kind = try Kernel.status(of: name, in: descriptor).kind } catch { throw .system(error) }
        if kind == .other { throw .notFile }
        return kind == .file
    }

    private func readFile(_ name: Text, as variable: Text) throws(PlainFile.Problem) -> Variable {
        let file: Int32
        do { file = try Kernel.open(name, in: descriptor) } catch { throw .system(error) }
        defer { Kernel.close(file) }
        return try PlainFile(file: file, name: variable, options: options).read()
    }
}
