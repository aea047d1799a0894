#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const int terminal_signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};
enum { terminal_signal_count = sizeof terminal_signals / sizeof terminal_signals[0] };
static struct sigaction actions_before[terminal_signal_count];
static volatile sig_atomic_t signal_descriptor = -1;

static void pass_signal_on(int number) {
    const int before = errno;
    const unsigned char byte = (unsigned char)number;
    // A full pipe has a signal in it already.
    if (write(signal_descriptor, &byte, 1) < 0) {}
    errno = before;
}

void linux_catch_terminal_signals(int descriptor) {
    signal_descriptor = descriptor;
    for (int index = 0; index < terminal_signal_count; index++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = pass_signal_on;
        action.sa_flags = SA_RESTART;
        sigemptyset(&action.sa_mask);
        sigaction(terminal_signals[index], NULL, &actions_before[index]);
        if (actions_before[index].sa_handler != SIG_IGN) sigaction(terminal_signals[index], &action, NULL);
    }
}

void linux_release_terminal_signals(void) {
    for (int index = 0; index < terminal_signal_count; index++)
        sigaction(terminal_signals[index], &actions_before[index], NULL);
}

int linux_is_open_fuse_device(int descriptor) {
    // A descriptor that only names a file (O_PATH) may name a “device” of a file system that its sender serves.
    const int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || flags & O_PATH) return 0;
    struct statx status;
    // AT_STATX_DONT_SYNC: what the kernel knows already.
    if (statx(descriptor, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) != 0) return 0;
    return S_ISCHR(status.stx_mode) && status.stx_rdev_major == 10 && status.stx_rdev_minor == 229;
}

int linux_clone_fuse_device(int copy, int descriptor) {
    uint32_t number = (uint32_t)descriptor;
    return ioctl(copy, _IOR(229, 0, uint32_t), &number);
}
