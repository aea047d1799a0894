#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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

// The segments of an object that are never written: code and constants.
static int each_code_segment(struct dl_phdr_info *object, size_t size, void *advice) {
    (void)size;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
        const uintptr_t start = (object->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        const uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);
        if (start >= end) continue;
        if (*(int *)advice == MADV_DONTNEED) madvise((void *)start, end - start, MADV_DONTNEED);
        else munlock((void *)start, end - start);
    }
    return 0;
}

void linux_unlock_code(void) {
    int advice = MADV_NORMAL;
    dl_iterate_phdr(each_code_segment, &advice);
}

void linux_drop_code(void) {
    int advice = MADV_DONTNEED;
    dl_iterate_phdr(each_code_segment, &advice);
}
