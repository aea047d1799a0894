#pragma once
// For Sources/Store: names of files.
#include <sys/syscall.h>
#include <unistd.h>

// DraftFolder: renameat2(2) with RENAME_NOREPLACE, which is a GNU name. EINVAL where the file system has none.
static inline int linux_rename_new(const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, -100, from, -100 /* AT_FDCWD */, to, 1u);
}
