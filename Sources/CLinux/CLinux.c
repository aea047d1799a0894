#include "CLinux.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
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

int linux_clone_fuse_device(int copy, int descriptor) {
    uint32_t number = (uint32_t)descriptor;
    return ioctl(copy, _IOR(229, 0, uint32_t), &number);
}
