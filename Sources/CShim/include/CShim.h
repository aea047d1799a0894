#pragma once
// The kernel's own interface and nothing of a C library, whose start-up costs several times what the shim
// does in all (docs/BENCHMARKS.md). Only the kernel's headers are included.
//
// Every call answers what the kernel answers: a negative errno if it refused.

#include <asm/errno.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <stddef.h>

static inline long shim_call(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "the shim knows the system calls of x86-64 and arm64"
#endif
}

// Files

// O_NOCTTY and O_NONBLOCK: what turns out to be a terminal or a FIFO must neither take nor hold us.
static inline long shim_open(int directory, const char *path) {
    const long flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    return shim_call(__NR_openat, directory, (long)path, flags, 0, 0, 0);
}
static inline long shim_open_directory(const char *path) {
    return shim_call(__NR_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | O_DIRECTORY, 0, 0, 0);
}
static inline long shim_close(int file) { return shim_call(__NR_close, file, 0, 0, 0, 0, 0); }
static inline long shim_read(int file, void *to, long count) {
    return shim_call(__NR_read, file, (long)to, count, 0, 0, 0);
}
static inline long shim_read_at(int file, void *to, long count, long offset) {
    return shim_call(__NR_pread64, file, (long)to, count, offset, 0, 0);
}
static inline long shim_write(int file, const void *from, long count) {
    return shim_call(__NR_write, file, (long)from, count, 0, 0, 0);
}
static inline long shim_list(int directory, void *to, long count) {
    return shim_call(__NR_getdents64, directory, (long)to, count, 0, 0, 0);
}
static inline long shim_exists(const char *path) {
    return shim_call(__NR_faccessat, AT_FDCWD, (long)path, 0, 0, 0, 0);
}

// What stat(2) tells, in types that are the same on every processor.
struct shim_status {
    unsigned long device, inode;
    unsigned mode;
    long size;
    long modified, modified_nanoseconds, changed, changed_nanoseconds;
};

static inline struct shim_status shim_from_stat(const struct stat *from) {
    struct shim_status to = {
        .device = from->st_dev, .inode = from->st_ino, .mode = from->st_mode, .size = from->st_size,
        .modified = (long)from->st_mtime, .modified_nanoseconds = (long)from->st_mtime_nsec,
        .changed = (long)from->st_ctime, .changed_nanoseconds = (long)from->st_ctime_nsec,
    };
    return to;
}
static inline long shim_file_status(int file, struct shim_status *status) {
    struct stat found;
    long result = shim_call(__NR_fstat, file, (long)&found, 0, 0, 0, 0);
    if (result == 0) *status = shim_from_stat(&found);
    return result;
}
static inline long shim_path_status(int directory, const char *path, struct shim_status *status) {
    struct stat found;
    long result = shim_call(__NR_newfstatat, directory, (long)path, (long)&found, 0, 0, 0);
    if (result == 0) *status = shim_from_stat(&found);
    return result;
}

// Only mode and size, and the size only as a hint: it need not cost a file system that answers over a wire
// (FUSE, NFS) a question. Containers with an old seccomp filter refuse statx.
static inline long shim_status_hint(int file, struct shim_status *status) {
    struct statx found;
    const long flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
    if (shim_call(__NR_statx, file, (long)"", flags, STATX_TYPE | STATX_SIZE, (long)&found, 0) != 0)
        return shim_file_status(file, status);
    status->mode = found.stx_mode;
    status->size = (long)found.stx_size;
    return 0;
}

// The process

static inline long shim_execute(const char *path, char *const *arguments, char *const *environment) {
    return shim_call(__NR_execve, (long)path, (long)arguments, (long)environment, 0, 0, 0);
}
__attribute__((noreturn)) static inline void shim_exit(int status) {
    for (;;) shim_call(__NR_exit_group, status, 0, 0, 0, 0, 0);
}
static inline long shim_forbid_dumps(void) { return shim_call(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0); }
static inline void shim_sleep(long milliseconds) {
    struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
    shim_call(__NR_nanosleep, (long)&time, 0, 0, 0, 0, 0);
}
// Zeroed memory in whole pages.
static inline long shim_map(long count) {
    return shim_call(__NR_mmap, 0, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
// The soft limit of the stack in bytes; all bits set if there is none.
static inline unsigned long shim_stack_limit(void) {
    unsigned long limit[2];
    return shim_call(__NR_prlimit64, 0, RLIMIT_STACK, 0, (long)limit, 0, 0) == 0 ? limit[0] : 8UL << 20;
}

// Memory: defined in CShim.c, because the compiler calls these by itself.

void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);
int memcmp(const void *left, const void *right, size_t count);
void *memchr(const void *from, int byte, size_t count);
size_t strlen(const char *from);
