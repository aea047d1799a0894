#pragma once
// Process hygiene, process start and waiting, for the command line and the agent.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

// prctl is variadic, which Swift cannot call.
static inline int linux_set_dumpable(unsigned long value) { return prctl(PR_SET_DUMPABLE, value, 0, 0, 0); }
static inline int linux_set_no_new_privs(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0, 0, 0); }

// MCL_ONFAULT locks what is used, and does not make everything resident.
static inline int linux_lock_all_memory(void) { return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT); }

// Programs and libraries as they are in their files: nothing secret is in these, and the kernel may have their pages back.
void linux_unlock_code(void);
// What of that was used until now is not counted as ours any more, and comes back when it is used again.
void linux_drop_code(void);

// Swift cannot compare function pointers. Answers whether the signal was ignored before.
static inline _Bool linux_ignore_signal(int number) { return signal(number, SIG_IGN) == SIG_IGN; }

// A signal that is ignored stays so.
static inline void linux_no_handler(int number) {
    struct sigaction action;
    if (sigaction(number, 0, &action) == 0 && action.sa_handler != SIG_IGN) signal(number, SIG_DFL);
}

// Enumerators are Int32 in Swift nowhere, macros of this kind not at all.
static inline int linux_signalfd(const sigset_t *signals) { return signalfd(-1, signals, SFD_CLOEXEC); }
static inline int linux_eventfd(void) { return eventfd(0, EFD_CLOEXEC); }

// GNU declarations, which are hidden without _GNU_SOURCE.
extern int pipe2(int ends[2], int flags);
struct sockaddr;
extern int accept4(int socket, struct sockaddr *address, unsigned int *length, int flags);
static inline int linux_accept(int socket) { return accept4(socket, 0, 0, 02000000 /* SOCK_CLOEXEC */); }
enum { linux_posix_spawn_setsid = 0x80 };
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first);
static inline int linux_posix_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

// statfs(2): its header is in no module. Negative if the call fails.
#include <sys/vfs.h>
static inline long linux_file_system_type(int descriptor) {
    struct statfs status;
    return fstatfs(descriptor, &status) == 0 ? (long)status.f_type : -1;
}
