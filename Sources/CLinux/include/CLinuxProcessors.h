#pragma once
// For Sources/Fuse: which processor a thread runs on. Raw system calls, because the masks of <sched.h> are GNU names.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Nearness: up to 8,192 processors, the kernel's limit.
struct linux_processors { uint64_t mask[128]; };

// Nearness: those that the calling thread may run on; none if the kernel does not tell.
static inline struct linux_processors linux_own_processors(void) {
    struct linux_processors own = {{0}};
    syscall(SYS_sched_getaffinity, 0, sizeof own.mask, own.mask);
    return own;
}

// Nearness: 0, or -1 with errno.
static inline int linux_run_on(struct linux_processors wanted) {
    return (int)syscall(SYS_sched_setaffinity, 0, sizeof wanted.mask, wanted.mask);
}

// Nearness: as above, on one processor of `allowed` only.
static inline int linux_stay_on(int processor, struct linux_processors allowed) {
    struct linux_processors one = {{0}};
    if (processor < 0 || processor >= 8192) return -1;
    one.mask[processor / 64] = allowed.mask[processor / 64] & (uint64_t)1 << processor % 64;
    if (!one.mask[processor / 64]) return -1;
    return linux_run_on(one);
}

// Nearness: the processor that a thread runs on, or ran on last: field 39 of /proc/TID/stat. -1 if it has gone. The
// name in field 2 may hold anything; only numbers and one letter follow the last parenthesis (proc_pid_stat(5)).
static inline int linux_processor(int32_t thread) {
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", thread);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    if (count <= 0) return -1;
    text[count] = 0;
    char *place = strrchr(text, ')');
    for (int field = 2; place && field < 39; field++) place = strchr(place + 1, ' ');
    return place ? atoi(place) : -1;
}

// Nearness: the processor that the calling thread runs on now.
static inline int linux_own_processor(void) {
    unsigned processor;
    return syscall(SYS_getcpu, &processor, NULL, NULL) == 0 ? (int)processor : -1;
}
