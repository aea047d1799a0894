import ArgumentParser
import CLinux
import Console
import Glibc
import Secrets
import Store

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Write the whole store, sealed, to a new file.",
        discussion: """
            Works while the store is in use, and without the root key: what is sealed stays sealed. The file is \
            checked before it gets its name, and if the root key is at hand, every record in it is opened. It does \
            not hold the root key: keep a copy of that elsewhere.
            Examples:
              secretfs backup /mnt/backup/secretfs-2026-11-23
              secretfs backup --force /mnt/backup/secretfs
              secretfs backup - | ssh backup.example.com 'cat > secretfs'
            """)
    @OptionGroup var state: StateOptions
    @Argument(help: "The new file; - is standard output.", completion: .file()) var file: String
    @Flag(help: "Replace the file if it exists.") var force = false
    @Flag(help: "Open no record, even if the root key is at hand.") var sealed = false

    func run() throws {
        let directory = try state.directory
        let store = try SealedStore.open(at: directory.path)
        guard file != "-" else { return try toStandardOutput(store) }
        let target = try BackupTarget(file, of: directory, replacing: force)
        let (contents, finding) = try LongWork.during { try toFile(target, store, $0) }
        Output.line("Backed up \(contents) to \(printable(target.path)).")
        for line in Self.remarks(finding, store.source) { Output.line(line) }
    }

    private func toFile(
        _ target: BackupTarget, _ store: SealedStore, _ work: LongWork
    ) throws -> (Contents, Inspection.Finding) {
        let draft = try StoreDraft(
            of: store, named: target.path, below: target.folder, onProgress: work.advanced("copying"))
        let finding = try inspect(draft, of: store, named: target.path, work)
        let contents = try Contents(draft.sealed)
        do throws(StoreError) {
            try draft.move(to: target.path, in: target.folder, replacing: force)
        } catch {
            // Made by somebody else meanwhile.
            throw error == .storage(.exists(path: target.path)) ? target.exists : Failure(error)
        }
        return (contents, finding)
    }

    private func toStandardOutput(_ store: SealedStore) throws {
        guard isatty(STDOUT_FILENO) == 0 else {
            throw Failure(
                .usage, "a backup is not for a terminal",
                hint: "send it to a file or a program, or name a file")
        }
        let folder = BackupTarget.temporaryFolder
        let (contents, finding) = try LongWork.during { work in
            let draft = try StoreDraft(
                of: store, named: "the backup", below: folder, onProgress: work.advanced("copying"))
            let finding = try inspect(draft, of: store, named: "standard output", work)
            let contents = try Contents(draft.sealed)
            try draft.write(to: STDOUT_FILENO, onProgress: work.advanced("writing"))
            return (contents, finding)
        }
        Output.note("backed up \(contents) to standard output")
        for line in Self.remarks(finding, store.source) { Output.note(line) }
    }

    /// A backup can be made without any key, so that nobody who may read the store is held up by its audit log.
    private func inspect(
        _ draft: StoreDraft, of store: SealedStore, named name: String, _ work: LongWork
    ) throws -> Inspection.Finding {
        let inspection = Inspection(state: state, skipsRecords: sealed) { root in
            do {
                try store.recordBackup(to: name, with: root)
            } catch {
                Output.note(
                    "warning: the audit log has no record of this backup: \(Failure(any: error).message)")
            }
        }
        return try inspection.inspect(draft, work)
    }

    private static func remarks(_ finding: Inspection.Finding, _ source: RootKeyDescriptor) -> [String] {
        let records =
            switch finding {
            case .opened: "Every record in it opens."
            case .skipped: "Its records were not opened."
            case .noKey(let reason): "Its records were not opened: \(reason.message)."
            }
        return [records, "Only the root key opens it, from \(source.summary), which is not in it."]
    }
}

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make a store from a backup, where there is none.",
        discussion: """
            All or nothing: the backup is copied and checked as a store is when it is opened, and if the root key is \
            at hand, every record is opened. The backup's file is only read. A store that is there is never \
            overwritten: move it away first.
            Examples:
              secretfs restore /mnt/backup/secretfs
              secretfs restore /mnt/backup/secretfs --state /srv/secretfs --root-key-file /media/key/root.key
              ssh backup.example.com 'cat secretfs' | secretfs restore -
            """)
    @OptionGroup var state: StateOptions
    @Argument(help: "The backup; - is standard input.", completion: .file()) var file: String
    @Flag(help: "Open no record, even if the root key is at hand.") var sealed = false

    func run() throws {
        let directory = try state.directory
        try SealedStore.checkVacant(directory.path)
        let source = try BackupSource(file)
        let restored = try LongWork.during { work in
            let isNew = !Files.exists(directory.path)
            try directory.make()
            do {
                return try restore(source, into: directory, work)
            } catch {
                if isNew { removeEmpty(directory) }
                throw error
            }
        }
        Output.line("Restored \(restored.contents) into \(directory.path).")
        tell(restored.finding, restored.key)
        guard !restored.otherLogs.isEmpty else { return }
        Output.note(
            "note: the audit log that was there is not of this store; it is kept as "
                + restored.otherLogs.map { printable($0, atMost: 4096) }.joined(separator: ", "))
    }

    private struct Restored {
        let contents: Contents
        let finding: Inspection.Finding
        let key: RootKeyDescriptor
        /// Files of the audit log of a store that was there before.
        let otherLogs: [String]
    }

    private func restore(
        _ source: BackupSource, into directory: StateDirectory, _ work: LongWork
    ) throws -> Restored {
        // An agent that runs here has the store that was here before, and would go on showing it.
        guard let lock = try ProcessLock(directory, of: .agent) else {
            throw Failure(
                .retry, "an agent for \(directory.path) runs; nothing was changed",
                hint: "stop it: secretfs agent --stop --state \(directory.path)")
        }
        defer { withExtendedLifetime(lock) {} }
        let draft = try draft(of: source, below: directory.path, work)
        var otherLogs: [String] = []
        let inspection = Inspection(state: state, skipsRecords: sealed) { root in
            otherLogs = try draft.recordRestore(into: directory.path, with: root)
        }
        let finding = try inspection.inspect(draft, work)
        let contents = try Contents(draft.sealed)
        let key = draft.sealed.source
        try draft.becomeStore(of: directory.path)
        return Restored(contents: contents, finding: finding, key: key, otherLogs: otherLogs)
    }

    private func draft(
        of source: BackupSource, below parent: String, _ work: LongWork
    ) throws(Failure) -> StoreDraft {
        do {
            return try StoreDraft(
                reading: source.descriptor.raw, named: source.name, below: parent,
                onProgress: work.advanced("copying"))
        } catch {
            throw Inspection.failure(error)
        }
    }

    private func tell(_ finding: Inspection.Finding, _ key: RootKeyDescriptor) {
        switch finding {
        case .opened where state.rootKeyFile != nil:
            Output.line("The given root key opens every record; it will be looked for in \(key.summary).")
        case .opened:
            Output.line("Its root key is at hand (\(key.summary)), and opens every record.")
        case .skipped:
            Output.line("It needs its root key, from \(key.summary); no record was opened.")
        case .noKey(let reason):
            Output.line(
                "It needs its root key, from \(key.summary), which is not at hand; no record was opened.")
            Output.note("warning: \(reason.message)")
            if let hint = reason.hint { Output.note("hint: \(hint)") }
        }
    }

    /// What this command made in vain.
    private func removeEmpty(_ directory: StateDirectory) {
        // Of somebody who was quicker.
        guard !Files.exists(directory.store) else { return }
        unsafe unlink(directory.lock(of: .agent))
        unsafe unlink(directory.path + "/audit.log")
        unsafe rmdir(directory.path)
    }
}
