// Waits as a program does that wants to know of changes: polls `.generation` of many mounts, and reads the file
// again when one tells of news. One thread, so that it takes little of the processors that the agent needs.
//
//   cc -O2 -Wall change-watch.c -o change-watch
//   ./change-watch NAME MOUNT…
//
// For each line VALUE of standard input: says `waiting`, waits until NAME has this value in every mount, and prints
// when it was read in each, of the monotonic clock in nanoseconds, in one line.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { maximum = 1024 };
static struct pollfd generations[maximum];
static char paths[maximum][256];
static uint64_t seen[maximum];

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void hear(int mount) {
    char number[32];
    if (pread(generations[mount].fd, number, sizeof number, 0) <= 0) fail("read .generation");
}

static int shows(int mount, const char *value, size_t length) {
    char bytes[4096];
    int descriptor = open(paths[mount], O_RDONLY | O_CLOEXEC);
    ssize_t count = descriptor < 0 ? -1 : read(descriptor, bytes, sizeof bytes);
    if (count < 0) fail(paths[mount]);
    close(descriptor);
    return (size_t)count == length && !memcmp(bytes, value, length);
}

static void wait_for(const char *value, int count) {
    size_t length = strlen(value);
    memset(seen, 0, sizeof seen);
    for (int left = count; left > 0;) {
        if (poll(generations, (nfds_t)count, 10000) <= 0) fail("no change in ten seconds");
        for (int mount = 0; mount < count; mount++) {
            if (!(generations[mount].revents & POLLPRI)) continue;
            hear(mount);
            if (seen[mount] || !shows(mount, value, length)) continue;
            seen[mount] = now();
            left--;
        }
    }
}

int main(int argc, char *argv[]) {
    int count = argc - 2;
    if (count < 1 || count > maximum) {
        fprintf(stderr, "usage: change-watch NAME MOUNT...\n");
        return 2;
    }
    for (int mount = 0; mount < count; mount++) {
        char path[256];
        snprintf(path, sizeof path, "%s/.generation", argv[2 + mount]);
        snprintf(paths[mount], sizeof paths[mount], "%s/%s", argv[2 + mount], argv[1]);
        generations[mount] = (struct pollfd){.fd = open(path, O_RDONLY | O_CLOEXEC), .events = POLLPRI};
        if (generations[mount].fd < 0) fail(path);
        hear(mount);
    }
    char value[4096];
    while (fgets(value, sizeof value, stdin)) {
        value[strcspn(value, "\n")] = 0;
        puts("waiting");
        fflush(stdout);
        wait_for(value, count);
        for (int mount = 0; mount < count; mount++) printf("%llu ", (unsigned long long)seen[mount]);
        puts("");
        fflush(stdout);
    }
    return 0;
}
