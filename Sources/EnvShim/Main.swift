import CShim

/// `secretfs-env`: turns the secrets of a directory into environment variables and becomes the program.
///
/// The package manager has the linker call `MODULE_main` by the name of `main`.
@_cdecl("EnvShim_main")
func main(_ count: Int32, _ arguments: Arguments, _ inherited: Arguments) -> Int32 {
    let options = CommandLine.parse(arguments, count: Int(count))
    let directory = directory(options, inherited)
    let variables = readVariables(directory, options)
    let environment = Environment(variables, of: directory, inherited: inherited, options)
    KernelLimit.check(environment, variables, options)
    Launch(
        options: options, environment: environment, variables: variables,
        path: Environment.inherited("PATH", in: inherited)
    ).run()
}

private func directory(_ options: Options, _ inherited: Arguments) -> Text {
    if let directory = options.directory { return directory }
    let directory = Environment.inherited("SECRETFS_DIRECTORY", in: inherited)
    if let directory, !directory.isEmpty { return directory }
    return Text("/run/secretfs/self")
}

private func readVariables(_ directory: Text, _ options: Options) -> List<Variable> {
    let isDefault = options.directory == nil
    // Twice, for a mount that appears in between: it is not to be read as a plain directory.
    if let variables = EnvironFile.read(in: directory, options) { return variables }
    if let variables = PlainDirectory.read(directory, isDefault: isDefault, options) { return variables }
    if let variables = EnvironFile.read(in: directory, options) { return variables }
    fail("“\(directory)/.environ” is a link that leads nowhere")
}
