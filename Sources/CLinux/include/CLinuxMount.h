#pragma once
// For Sources/Fuse: event loops, mounting, mount namespaces and descriptors over Unix sockets. Raw system
// calls stand where glibc hides the wrapper behind _GNU_SOURCE, which Swift's Glibc module is built without.
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

// SessionLoop: an event names its session by a number, not by a pointer that could dangle.
static inline int linux_epoll_set(int epoll, int operation, int descriptor, uint32_t events, uint64_t key) {
    struct epoll_event event = {.events = events, .data = {.u64 = key}};
    return epoll_ctl(epoll, operation, descriptor, &event);
}
static inline uint64_t linux_epoll_key(const struct epoll_event *event) { return event->data.u64; }

// Worker threads: shown by ps and by debuggers; at most 15 bytes.
static inline int linux_name_thread(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

// SessionLoop: how long a worker spins.
// ExternalValues: time since the machine started, also while it slept.
static inline uint64_t linux_boot_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t linux_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// SessionLoop: processors this process may run on (its cgroup's cpuset included); 0 when unknown.
static inline int linux_usable_processors(void) {
    uint64_t mask[128] = {0};
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int count = 0;
    for (long word = 0; word < bytes / 8; word++) count += __builtin_popcountll(mask[word]);
    return count;
}

// Mounting: O_PATH, AT_EMPTY_PATH and the clone flags are GNU names.
enum {
    linux_o_path = 010000000,
    linux_clone_newns = 0x00020000,
    linux_clone_newuser = 0x10000000,
    linux_umount_nofollow = 8,
    linux_mnt_detach = 2,
    linux_fuse_super_magic = 0x65735546,
};
// Unmounting: the root of fusectl without mounting it anywhere, for where nobody has; -1 if that is not possible
// (before Linux 5.2, without CAP_SYS_ADMIN).
static inline int linux_fuse_control(void) {
    int context = (int)syscall(SYS_fsopen, "fusectl", 1 /* FSOPEN_CLOEXEC */);
    if (context < 0) return -1;
    int root = -1;
    if (syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) == 0)
        root = (int)syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0);
    close(context);
    return root;
}
static inline int linux_unshare(int flags) { return (int)syscall(SYS_unshare, flags); }

// DescriptorPassing: `SO_PEERCRED` fills a structure that glibc hides too.
struct linux_peer { int32_t pid; uint32_t uid; uint32_t gid; };
static inline int linux_peer_credentials(int socket, struct linux_peer *peer) {
    socklen_t length = sizeof *peer;
    return getsockopt(socket, SOL_SOCKET, 17 /* SO_PEERCRED */, peer, &length);
}

// DescriptorPassing: a pidfd of the process that connected, from Linux 6.5 on (SO_PEERPIDFD of asm-generic/socket.h).
// Close-on-exec. -1 where there is none.
static inline int linux_peer_process(int socket) {
    int process = -1;
    socklen_t length = sizeof process;
    return getsockopt(socket, SOL_SOCKET, 77, &process, &length) == 0 ? process : -1;
}

// DescriptorPassing: at most this many descriptors travel with one message.
enum { linux_maximum_descriptors = 16 };

// Sends `count` bytes (> 0) with `descriptor_count` descriptors. Returns the bytes sent, or -1 with errno.
static inline ssize_t linux_send_descriptors(
    int socket, const void *bytes, size_t count, const int *descriptors, size_t descriptor_count) {
    union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * linux_maximum_descriptors)]; } control;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor_count > linux_maximum_descriptors) { errno = EINVAL; return -1; }
    if (descriptor_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptor_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * descriptor_count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * descriptor_count);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL); while (sent == -1 && errno == EINTR);
    return sent;
}

// Receives at most `count` bytes. `descriptors` has room for `room` of them, at most linux_maximum_descriptors; those
// received are close-on-exec and the caller's to close, also when `*truncated` says that more were sent than fit. The
// kernel makes no descriptor of what does not fit: it counts in whole ones from the exact length (scm_max_fds).
// Returns the bytes received, 0 at the end, or -1 with errno.
static inline ssize_t linux_receive_descriptors(
    int socket, void *bytes, size_t count, int *descriptors, size_t room, size_t *descriptor_count,
    int *truncated) {
    union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * linux_maximum_descriptors)]; } control;
    struct iovec part = {.iov_base = bytes, .iov_len = count};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
        .msg_controllen = CMSG_LEN(sizeof(int) * room)};
    ssize_t received;
    if (room > linux_maximum_descriptors) { errno = EINVAL; return -1; }
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC); while (received == -1 && errno == EINTR);
    *descriptor_count = 0;
    *truncated = 0;
    if (received == -1) return -1;
    *truncated = (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t found = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < found; index++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + index * sizeof(int), sizeof descriptor);
            if (*descriptor_count < room) descriptors[(*descriptor_count)++] = descriptor;
            else { close(descriptor); *truncated = 1; }
        }
    }
    return received;
}

// Session: no request is shorter; sizeof(struct fuse_in_header) of <linux/fuse.h>, which Swift's Glibc module
// does not get on with.
enum { linux_fuse_shortest_request = 40, linux_fuse_open = 14 };

// Session: how each request begins (fuse_in_header, linux/fuse.h). `thread` is 0 where the kernel does not tell.
struct linux_fuse_head { uint32_t count, operation; uint64_t unique, node; uint32_t uid, gid, thread, more; };

// Macros of device numbers. FUSE has 10:229 (Documentation/admin-guide/devices.txt).
static inline int linux_is_fuse_device(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(10, 229);
}

// DeviceCopy: FUSE_DEV_IOC_CLONE of <linux/fuse.h>: `copy`, a new descriptor of the device, becomes one of the connection
// of `descriptor`. -1 with errno; EINVAL if nothing is mounted on that.
int linux_clone_fuse_device(int copy, int descriptor);
