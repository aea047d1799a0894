#pragma once
// libfuse 3.14's low-level API. No _FILE_OFFSET_BITS here: it clashes with Swift's Glibc module, and
// off_t has 64 bits on every platform we build for.
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
