// The benchmark's peer: a plain C program on libfuse's low-level API, as one would write it first. It serves
// 20 constant files with direct_io on libfuse's own multi-threaded loop, and lets the kernel keep names and
// attributes, as SecretFS does, so that open+read+close is the same requests in both: OPEN, READ, RELEASE.
//
//   cc -O2 $(pkg-config --cflags fuse3) fuse-peer.c $(pkg-config --libs fuse3) -o fuse-peer
//   ./fuse-peer DIRECTORY        serves until it is unmounted or gets SIGTERM
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { file_count = 20, value_length = 32 };
static const double validity = 3600;
static char values[file_count][value_length];

// Inode 1 is the root; inode 2 + N is ENTRY_N.
static int describe(fuse_ino_t node, struct stat *status) {
    memset(status, 0, sizeof *status);
    status->st_ino = node;
    if (node == 1) {
        status->st_mode = S_IFDIR | 0500;
        status->st_nlink = 2;
    } else if (node < 2 + file_count) {
        status->st_mode = S_IFREG | 0400;
        status->st_nlink = 1;
        status->st_size = value_length;
    } else return ENOENT;
    return 0;
}

static void answer_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
    struct fuse_entry_param entry = {.attr_timeout = validity, .entry_timeout = validity};
    int number = -1, end = 0;
    if (parent != 1 || sscanf(name, "ENTRY_%d%n", &number, &end) != 1 || name[end] || number < 0
        || number >= file_count) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    entry.ino = 2 + number;
    describe(entry.ino, &entry.attr);
    fuse_reply_entry(request, &entry);
}

static void answer_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info) {
    (void)info;
    struct stat status;
    if (describe(node, &status)) fuse_reply_err(request, ENOENT);
    else fuse_reply_attr(request, &status, validity);
}

static void answer_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info) {
    (void)node;
    if ((info->flags & O_ACCMODE) != O_RDONLY) {
        fuse_reply_err(request, EROFS);
        return;
    }
    info->direct_io = 1;
    info->noflush = 1;
    fuse_reply_open(request, info);
}

static void answer_read(
    fuse_req_t request, fuse_ino_t node, size_t count, off_t offset, struct fuse_file_info *info) {
    (void)info;
    size_t start = offset < value_length ? (size_t)offset : value_length;
    size_t length = value_length - start < count ? value_length - start : count;
    fuse_reply_buf(request, values[node - 2] + start, length);
}

static void answer_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info) {
    (void)node;
    (void)info;
    fuse_reply_err(request, 0);
}

static void answer_readdir(
    fuse_req_t request, fuse_ino_t node, size_t count, off_t offset, struct fuse_file_info *info) {
    (void)node;
    (void)info;
    char page[4096];
    size_t used = 0, room = count < sizeof page ? count : sizeof page;
    for (off_t number = offset; number < file_count; number++) {
        char name[32];
        struct stat status;
        snprintf(name, sizeof name, "ENTRY_%d", (int)number);
        describe(2 + number, &status);
        size_t length = fuse_add_direntry(request, page + used, room - used, name, &status, number + 1);
        if (length > room - used) break;
        used += length;
    }
    fuse_reply_buf(request, page, used);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = answer_lookup,
    .getattr = answer_getattr,
    .open = answer_open,
    .read = answer_read,
    .release = answer_release,
    .readdir = answer_readdir,
};

int main(int argc, char *argv[]) {
    if (argc != 2) {
        fprintf(stderr, "usage: fuse-peer DIRECTORY\n");
        return 2;
    }
    for (int number = 0; number < file_count; number++)
        memset(values[number], 'a' + number, value_length);
    struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
    fuse_opt_add_arg(&arguments, argv[0]);
    fuse_opt_add_arg(&arguments, "-oro,default_permissions,fsname=fuse-peer");
    struct fuse_session *session = fuse_session_new(&arguments, &operations, sizeof operations, NULL);
    fuse_opt_free_args(&arguments);
    if (!session || fuse_set_signal_handlers(session)) return 1;
    if (fuse_session_mount(session, argv[1])) return 1;
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    int result = fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    fuse_session_unmount(session);
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    return result != 0;
}
