#pragma once
// What Linux has and Swift's Glibc module does not show: variadic calls, macros, raw system calls.
// Headers but for a signal handler; each symbol says who needs it.
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "CLinuxInotify.h"
#include "CLinuxCaller.h"
#include "CLinuxProcess.h"
#include "CLinuxTerminal.h"

#include "CLinuxMount.h"
#include "CLinuxFiles.h"
#include "CLinuxProcessors.h"
