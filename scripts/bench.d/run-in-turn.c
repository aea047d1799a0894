// Measures whole programs, in turn: A B C A B C …, so that whatever else the machine does meets them all alike.
// Commands are separated by "--next". Prints, per command, p50 and p99 of the wall-clock time in nanoseconds.
//
//   cc -O2 run-in-turn.c -o run-in-turn
//   ./run-in-turn ROUNDS COMMAND [ARGUMENT…] --next COMMAND [ARGUMENT…] …
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;
enum { most = 8, warm_up = 3 };

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static uint64_t run(char **command) {
    uint64_t start = now();
    pid_t child;
    int error = posix_spawnp(&child, command[0], NULL, NULL, command, environ), status = 0;
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", command[0], strerror(error));
        exit(1);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (status != 0) {
        fprintf(stderr, "%s: status %d\n", command[0], status);
        exit(1);
    }
    return now() - start;
}

int main(int argc, char *argv[]) {
    if (argc < 3) return 2;
    int rounds = atoi(argv[1]), count = 0;
    char **commands[most];
    commands[count++] = &argv[2];
    for (int index = 2; index < argc; index++) {
        if (strcmp(argv[index], "--next") != 0) continue;
        if (count == most || index + 1 == argc) return 2;
        argv[index] = NULL;
        commands[count++] = &argv[index + 1];
    }
    uint64_t *times = calloc((size_t)rounds * (size_t)count, sizeof *times);
    if (rounds < 1 || times == NULL) return 2;
    for (int round = -warm_up; round < rounds; round++)
        for (int index = 0; index < count; index++) {
            uint64_t taken = run(commands[index]);
            if (round >= 0) times[index * rounds + round] = taken;
        }
    for (int index = 0; index < count; index++) {
        uint64_t *mine = times + (size_t)index * (size_t)rounds;
        qsort(mine, (size_t)rounds, sizeof *mine, compare);
        printf("%llu %llu\n", (unsigned long long)mine[rounds / 2], (unsigned long long)mine[rounds * 99 / 100]);
    }
    return 0;
}
