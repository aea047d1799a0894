// Measures open+read+close of files, side by side: rounds of a thousand over each path in turn, so that
// whatever else the machine does meets them all alike. Prints, per path: p50, p90 and p99 in nanoseconds.
//
//   cc -O2 open-read-close.c -o open-read-close
//   ./open-read-close [-c CPU] [-g MICROSECONDS] ROUNDS PATH…     -g: a pause before each open
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { per_round = 1000 };

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static uint64_t measure(const char *path) {
    char buffer[4096];
    uint64_t start = now();
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = descriptor < 0 ? -1 : read(descriptor, buffer, sizeof buffer);
    if (descriptor >= 0) close(descriptor);
    uint64_t end = now();
    if (count <= 0) {
        perror(path);
        exit(1);
    }
    return end - start;
}

int main(int argc, char *argv[]) {
    int option;
    long pause = 0;
    while ((option = getopt(argc, argv, "c:g:")) != -1) {
        if (option == 'c') {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(atoi(optarg), &set);
            sched_setaffinity(0, sizeof set, &set);
        } else if (option == 'g') pause = atol(optarg);
        else return 2;
    }
    if (argc - optind < 2) {
        fprintf(stderr, "usage: open-read-close [-c CPU] [-g MICROSECONDS] ROUNDS PATH...\n");
        return 2;
    }
    int rounds = atoi(argv[optind]), paths = argc - optind - 1;
    size_t total = (size_t)rounds * per_round;
    uint64_t *times = malloc(sizeof *times * total * paths);
    if (!times || rounds < 1) return 1;
    for (int path = 0; path < paths; path++)
        for (int warm = 0; warm < 200; warm++) measure(argv[optind + 1 + path]);
    for (int round = 0; round < rounds; round++)
        for (int path = 0; path < paths; path++)
            for (int each = 0; each < per_round; each++) {
                if (pause) usleep(pause);
                times[total * path + (size_t)round * per_round + each] = measure(argv[optind + 1 + path]);
            }
    for (int path = 0; path < paths; path++) {
        uint64_t *own = times + total * path;
        qsort(own, total, sizeof *own, compare);
        printf("%s p50 %lu p90 %lu p99 %lu\n", argv[optind + 1 + path], own[total / 2], own[total * 9 / 10],
            own[total * 99 / 100]);
    }
    return 0;
}
