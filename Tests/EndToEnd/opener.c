// Says "ready", waits for a byte, opens the file that it is given and prints it, or why not. All of it is in memory then.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int count, char **arguments) {
    char bytes[4096];
    if (count != 2 || mlockall(MCL_CURRENT | MCL_FUTURE) != 0) return 2;
    // Loaded before nobody answers.
    strerror(EACCES);
    dprintf(1, "ready\n");
    if (read(0, bytes, 1) != 1) return 3;
    int file = open(arguments[1], O_RDONLY);
    if (file < 0) {
        dprintf(2, "%s", strerror(errno));
        return 1;
    }
    ssize_t length = read(file, bytes, sizeof bytes);
    return length < 0 || write(1, bytes, length) != length;
}
