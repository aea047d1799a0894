#pragma once
// For Sources/Store: names of files.
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

// DraftFolder: renameat2(2) with RENAME_NOREPLACE, which is a GNU name. EINVAL where the file system has none.
static inline int linux_rename_new(const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, -100, from, -100 /* AT_FDCWD */, to, 1u);
}

// KeptAuditFile: which file a name leads to (an empty name: the descriptor's own), its length in bytes, and the mount
// through which it is reached (statx(2), STATX_MNT_ID; Linux 5.8). 0, or -1 with errno.
struct linux_file_place { uint64_t device, inode, count, mount; };
static inline int linux_file_place(int directory, const char *name, struct linux_file_place *place) {
    struct statx found;
    int flags = 0x100 /* AT_SYMLINK_NOFOLLOW */ | (name[0] ? 0 : 0x1000 /* AT_EMPTY_PATH */);
    if (syscall(SYS_statx, directory, name, flags, STATX_INO | STATX_SIZE | STATX_MNT_ID, &found) != 0) return -1;
    if (!(found.stx_mask & STATX_MNT_ID)) { errno = ENOSYS; return -1; }
    place->device = (uint64_t)found.stx_dev_major << 32 | found.stx_dev_minor;
    place->inode = found.stx_ino;
    place->count = found.stx_size;
    place->mount = found.stx_mnt_id;
    return 0;
}

// WriteTurn: an exclusive lock of one byte of a file, of this open file and not of the process (fcntl(2), F_OFD_SETLK).
// 0, or -1 with errno; EAGAIN if another has it.
static inline int linux_lock_byte(int descriptor, int64_t offset) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    return fcntl(descriptor, 37 /* F_OFD_SETLK */, &lock);
}
