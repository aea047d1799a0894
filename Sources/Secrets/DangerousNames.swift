// Shared with the shim (Sources/EnvShim/DangerousNames.swift is a link to this file), so it is written in
// the part of Swift that Embedded Swift has: no String, no Array.

/// Environment variables that turn data into code, or lead a program to other code, in the loader, a shell
/// or a language's start-up. A secret with such a name would hand its author the program.
package enum DangerousNames {
    /// Whether `name` (the bytes of an environment variable's name) is on the list.
    package static func contains(_ name: Span<UInt8>) -> Bool {
        for index in 0..<count where matches(entry(index), name) { return true }
        return false
    }

    /// A pattern is a name, or a prefix when it ends in `*`.
    private static func matches(_ pattern: StaticString, _ name: Span<UInt8>) -> Bool {
        pattern.withUTF8Buffer { pattern in
            let length = pattern.count
            let isPrefix = unsafe pattern[length - 1] == UInt8(ascii: "*")
            let compared = isPrefix ? length - 1 : length
            guard isPrefix ? name.count >= compared : name.count == compared else { return false }
            for index in 0..<compared where unsafe pattern[index] != name[index] { return false }
            return true
        }
    }

    private static let count = 87

    // A switch, because Embedded Swift would allocate an array of strings at start-up.
    private static func entry(_ index: Int) -> StaticString {
        switch index {
        // The dynamic loader and the C library.
        case 0: "LD_*"
        case 1: "GLIBC_TUNABLES"
        case 2: "GCONV_PATH"
        case 3: "LOCPATH"
        case 4: "NLSPATH"
        case 5: "MALLOC_*"
        case 6: "HOSTALIASES"
        case 7: "LOCALDOMAIN"
        case 8: "RES_OPTIONS"
        case 9: "RESOLV_HOST_CONF"
        case 10: "TZDIR"
        // Where programs and their settings are looked up.
        case 11: "PATH"
        case 12: "HOME"
        case 13: "TMPDIR"
        case 14: "XDG_CONFIG_HOME"
        case 15: "XDG_CONFIG_DIRS"
        case 16: "XDG_DATA_DIRS"
        // Shells.
        case 17: "IFS"
        case 18: "ENV"
        case 19: "BASH_ENV"
        case 20: "BASH_FUNC_*"
        case 21: "BASHOPTS"
        case 22: "SHELLOPTS"
        case 23: "SHELL"
        case 24: "PS4"
        case 25: "PROMPT_COMMAND"
        case 26: "CDPATH"
        case 27: "GLOBIGNORE"
        case 28: "ZDOTDIR"
        case 29: "FPATH"
        // Languages: code that runs before the program's own.
        case 30: "PYTHON*"
        case 31: "PERL5LIB"
        case 32: "PERL5OPT"
        case 33: "PERL5DB"
        case 34: "PERLLIB"
        case 35: "RUBYOPT"
        case 36: "RUBYLIB"
        case 37: "NODE_OPTIONS"
        case 38: "NODE_PATH"
        case 39: "NODE_REPL_EXTERNAL_MODULE"
        case 40: "JAVA_TOOL_OPTIONS"
        case 41: "_JAVA_OPTIONS"
        case 42: "JDK_JAVA_OPTIONS"
        case 43: "CLASSPATH"
        case 44: "PHPRC"
        case 45: "PHP_INI_SCAN_DIR"
        case 46: "LUA_INIT*"
        case 47: "LUA_PATH*"
        case 48: "LUA_CPATH*"
        case 49: "DOTNET_STARTUP_HOOKS"
        case 50: "R_PROFILE*"
        case 51: "R_ENVIRON*"
        case 52: "JULIA_*"
        case 53: "ERL_*"
        // Programs that start other programs.
        case 54: "GIT_*"
        case 55: "EDITOR"
        case 56: "VISUAL"
        case 57: "PAGER"
        case 58: "LESSOPEN"
        case 59: "LESSCLOSE"
        case 60: "BROWSER"
        // Libraries that load plug-ins or settings from where a variable says.
        case 61: "OPENSSL_*"
        case 62: "CORECLR_*"
        case 63: "GEM_PATH"
        case 64: "GEM_HOME"
        case 65: "BUNDLE_*"
        case 66: "ODBCSYSINI"
        case 67: "ODBCINI"
        case 68: "AWS_CONFIG_FILE"
        case 69: "AWS_SHARED_CREDENTIALS_FILE"
        case 70: "MAVEN_OPTS"
        case 71: "GRADLE_OPTS"
        case 72: "GTK_*"
        case 73: "GIO_*"
        case 74: "QT_*"
        case 75: "BASH_LOADABLES_PATH"
        case 76: "LIBMYSQL_*"
        case 77: "NPM_CONFIG_*"
        case 78: "npm_config_*"
        case 79: "PIP_*"
        case 80: "SSH_ASKPASS"
        case 81: "SUDO_*"
        case 82: "DYLD_*"
        case 83: "VIMINIT"
        case 84: "TERMINFO"
        case 85: "TERMINFO_DIRS"
        // Our own: where this program and the shim look.
        default: "SECRETFS_*"
        }
    }
}
