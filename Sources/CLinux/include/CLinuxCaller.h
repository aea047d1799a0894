#pragma once
// For Sources/SecretFS: who is asking. Numbers and shapes of <linux/pidfd.h>, which is newer than Debian 12's headers.
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
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
