import CShim

enum Help {
    static func printVersion() -> Never { end(Text("secretfs-env 0.1.0\n")) }
    static func printHelp() -> Never { end(Text(text)) }

    private static func end(_ text: Text) -> Never {
        do {
            try Kernel.write(text, to: 1)
        } catch {
            fail("standard output cannot be written: \(error)")
        }
        shim_exit(0)
    }

    private static let text: StaticString = """
        Usage: secretfs-env [options] [DIRECTORY] -- PROGRAM [ARGUMENT...]

        Turns the secrets in DIRECTORY into environment variables and becomes PROGRAM.
        DIRECTORY is a SecretFS mount, or any directory with one file per secret (Docker or
        Kubernetes secrets, $CREDENTIALS_DIRECTORY, envdir). Without it: $SECRETFS_DIRECTORY, or else
        /run/secretfs/self. Values are passed on byte for byte.

        Which entries, and what they are called:
          --only A,B           take only these entries (as DIRECTORY calls them)
          --require A,B        fail unless entries give the program these variables
          --rename NEW=OLD     call entry OLD NEW; takes OLD also beside --only (repeatable)
          --prefix P           put P before the name of every entry that is not renamed
          --allow-name A,B     set these variables although they can make programs run other
                               code (PATH, LD_PRELOAD, ...)
          --chomp              drop one newline at the end of each value
          --allow-empty        do not take a directory without entries for a missing mount

        The inherited environment:
          --keep-inherited     an inherited variable wins over an entry of the same name
          --clear              start from an empty environment
          --keep A,B           with --clear: inherited variables that stay

          --help, --version

        Options that take names are repeatable. --option=VALUE and --option VALUE are the same.

        PROGRAM is looked up in the inherited PATH; an entry never changes what runs.

        Exit status: 125 secretfs-env refused, 126 PROGRAM cannot be executed, 127 PROGRAM was not
        found; otherwise PROGRAM's own.

        Examples:
          secretfs-env /run/secretfs/summarizer -- python3 algorithm.py
          secretfs-env --require MYSQL_PASSWORD -- ./job
          secretfs-env --chomp --rename DB_PASSWORD=db-password /run/secrets -- node server.js
          secretfs-env --clear --keep PATH,HOME,LANG /run/secretfs/summarizer -- env

        """
}
