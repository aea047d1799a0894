internal import COpenSSL
import Glibc

/// SHA-256 of files.
package enum FileHash {
    private static let pieceCount = 1 << 18

    /// The digest of a file that has exactly `count` bytes, 32 bytes; nil if it has more or fewer, or cannot be read.
    package static func sha256(of descriptor: Int32, count: Int) -> [UInt8]? {
        guard let context = unsafe EVP_MD_CTX_new() else { return nil }
        defer { unsafe EVP_MD_CTX_free(context) }
        guard unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else { return nil }
        var piece = [UInt8](repeating: 0, count: pieceCount)
        var offset = 0
        while true {
            let got = unsafe pread(descriptor, &piece, piece.count, offset)
            if got < 0 && errno == EINTR { continue }
            guard got >= 0, got <= count - offset else { return nil }
            if got == 0 { break }
            guard unsafe EVP_DigestUpdate(context, piece, got) == 1 else { return nil }
            offset += got
        }
        guard offset == count else { return nil }
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        guard unsafe EVP_DigestFinal_ex(context, &digest, &length) == 1, length == 32 else { return nil }
        return digest
    }
}
