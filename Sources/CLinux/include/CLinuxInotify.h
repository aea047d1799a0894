#pragma once
// eventfd: cancels a thread that waits for inotify (Store). Swift's Glibc module shows inotify, but not this.
#include <sys/eventfd.h>

// O_PATH, which is hidden without _GNU_SOURCE.
enum { linux_path_only = 010000000 };
