#define _GNU_SOURCE
#include "CWipingFree.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

// The C library's own, which it exports for this.
extern void __libc_free(void *memory);

static _Thread_local _Bool was_called;

void free(void *memory) {
    was_called = 1;
    if (memory == NULL) return;
    // free(3) must not change errno, and neither of these does.
    explicit_bzero(memory, malloc_usable_size(memory));
    __libc_free(memory);
}

void *realloc(void *memory, size_t count) {
    if (memory == NULL) return malloc(count);
    if (count == 0) {
        free(memory);
        return NULL;
    }
    size_t present = malloc_usable_size(memory);
    // It fits, and little would be won: stays where it is. What was cut off is wiped when it is freed.
    if (count <= present && count >= present / 2) return memory;
    void *moved = malloc(count);
    if (moved == NULL) return NULL;
    memcpy(moved, memory, count < present ? count : present);
    free(memory);
    return moved;
}

_Bool wiping_free_is_in_place(void) {
    was_called = 0;
    // Through a pointer that the compiler cannot see through.
    void (*volatile release)(void *) = free;
    release(NULL);
    return was_called;
}
