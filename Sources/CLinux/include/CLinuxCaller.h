#pragma once
// For Sources/SecretFS: who is asking. Numbers and shapes of <linux/pidfd.h>, which is newer than Debian 12's headers.
#include <errno.h>
#include <linux/stat.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// KnownThread: a pidfd of a thread, close-on-exec (PIDFD_THREAD; Linux 6.9). -1 where the kernel has none.
static inline int linux_thread_descriptor(int32_t thread) {
    return (int)syscall(SYS_pidfd_open, thread, 0200);
}

// KnownThread: the number of the cgroup (version 2) that the thread is in, which no other cgroup has had or will
// have; 0 if it has gone, or the kernel does not tell (PIDFD_GET_INFO; Linux 6.13).
static inline uint64_t linux_cgroup_number(int descriptor) {
    struct { uint64_t mask, cgroup; uint32_t rest[12]; } info = {.mask = 4 /* PIDFD_INFO_CGROUPID */};
    if (ioctl(descriptor, _IOWR(0xFF, 11, info), &info) != 0 || !(info.mask & 4)) return 0;
    return info.cgroup;
}

// ProcessFiles: which file a name leads to (an empty name: the descriptor's own) and in which state it is, as far as
// the kernel knows: a file system whose server does not answer is not asked (statx(2), AT_STATX_DONT_SYNC). `mount` is
// the number that the file's mount has in mountinfo; 0 where the kernel does not tell (before Linux 5.8). 0, or -1 with
// errno.
struct linux_file_state {
    uint64_t device, inode, count, mount;
    int64_t modified, changed;
    uint32_t modified_nanoseconds, changed_nanoseconds, mode;
};
static inline int linux_file_state(int directory, const char *name, struct linux_file_state *state) {
    struct statx found;
    int flags = 0x4000 /* AT_STATX_DONT_SYNC */ | (name[0] ? 0 : 0x1000 /* AT_EMPTY_PATH */);
    if (syscall(SYS_statx, directory, name, flags, STATX_BASIC_STATS | STATX_MNT_ID, &found) != 0) return -1;
    *state = (struct linux_file_state){
        .device = makedev(found.stx_dev_major, found.stx_dev_minor),
        .inode = found.stx_ino,
        .count = found.stx_size,
        .mount = found.stx_mask & STATX_MNT_ID ? found.stx_mnt_id : 0,
        .modified = found.stx_mtime.tv_sec,
        .changed = found.stx_ctime.tv_sec,
        .modified_nanoseconds = found.stx_mtime.tv_nsec,
        .changed_nanoseconds = found.stx_ctime.tv_nsec,
        .mode = found.stx_mode,
    };
    return 0;
}

// PathLook: a descriptor (O_PATH) of what the kernel has cached of a path. -1 with EAGAIN where somebody would have to be
// asked, and with other errors where the kernel cannot do that (openat2(2), RESOLVE_CACHED; Linux 5.12).
static inline int linux_open_cached(const char *path) {
    struct { uint64_t flags, mode, resolve; } how = {.flags = 010000000 | 02000000 /* O_PATH | O_CLOEXEC */, .resolve = 0x20};
    return (int)syscall(437 /* openat2 */, -100 /* AT_FDCWD */, path, &how, sizeof how);
}
