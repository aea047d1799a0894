// What a C library would bring along and Swift cannot say: the entry point, and the memory functions that
// compilers take for granted.
#include "CShim.h"

// The kernel starts a program with argc, argv, NULL, envp, NULL on the stack and no return address.
#if defined(__x86_64__)
__asm__(".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call shim_start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
        ".type _start, %function\n"
        "_start:\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    mov x0, sp\n"
        "    bl shim_start\n");
#endif

int main(int count, char **arguments, char **environment);

__attribute__((noreturn, used)) void shim_start(long *stack) {
    char **arguments = (char **)(stack + 1);
    shim_exit(main((int)stack[0], arguments, arguments + stack[0] + 1));
}

// no_builtin: lest the compiler takes a loop for the very function that it defines.
#define PLAIN __attribute__((no_builtin))

PLAIN void *memcpy(void *to, const void *from, size_t count) {
    unsigned char *target = to;
    const unsigned char *source = from;
    while (count--) *target++ = *source++;
    return to;
}

PLAIN void *memmove(void *to, const void *from, size_t count) {
    unsigned char *target = to;
    const unsigned char *source = from;
    if (target <= source) return memcpy(to, from, count);
    while (count--) target[count] = source[count];
    return to;
}

PLAIN void *memset(void *to, int byte, size_t count) {
    unsigned char *target = to;
    while (count--) *target++ = (unsigned char)byte;
    return to;
}

PLAIN int memcmp(const void *left, const void *right, size_t count) {
    const unsigned char *a = left, *b = right;
    for (; count > 0; count--, a++, b++)
        if (*a != *b) return *a - *b;
    return 0;
}

PLAIN int bcmp(const void *left, const void *right, size_t count) { return memcmp(left, right, count); }

PLAIN void *memchr(const void *from, int byte, size_t count) {
    const unsigned char *place = from;
    for (; count > 0; count--, place++)
        if (*place == (unsigned char)byte) return (void *)place;
    return 0;
}

PLAIN size_t strlen(const char *from) {
    size_t count = 0;
    while (from[count]) count++;
    return count;
}

// Swift's runtime refers to these for objects and for hashing. The shim uses neither; should it come to, they
// work, a page or more for each object.

int posix_memalign(void **memory, size_t alignment, size_t count) {
    long start = alignment <= 4096 ? shim_map((long)count) : -ENOMEM;
    if (start < 0) return ENOMEM;
    *memory = (void *)start;
    return 0;
}

void free(void *memory) { (void)memory; }

void arc4random_buf(void *to, size_t count) {
    if (shim_call(__NR_getrandom, (long)to, (long)count, 0, 0, 0, 0) != (long)count) shim_exit(125);
}
