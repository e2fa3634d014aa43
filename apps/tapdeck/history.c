/* tapdeck/history.c: the console's history file, which several consoles write at once.
 *
 * Each console adds a line when it is entered, in one write at the end of the file, so that none
 * destroys another's. What became too old is dropped when a console starts, in place and under a
 * lock that those who add take too.
 */
#include "tapdeck/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"

#define FILE_MAX (8 << 20)

bool history_file(char *dst, size_t size)
{
    const char *own = getenv("TAPDECK_HISTORY"), *home = getenv("HOME");
    if (own != NULL)
        return *own != '\0' && snprintf(dst, size, "%s", own) < (int)size;
    return home != NULL && snprintf(dst, size, "%s/.tapdeck_history", home) < (int)size;
}

static int open_locked(const char *path, int flags, int lock)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    while (fd >= 0 && flock(fd, lock) < 0 && errno == EINTR)
        ;
    return fd;
}

void history_file_add(const char *path, const char *line)
{
    int fd = open_locked(path, O_WRONLY | O_APPEND | O_CREAT, LOCK_SH);
    if (fd < 0)
        return;
    struct text t = {0};
    text_printf(&t, "%s\n", line);
    ssize_t ignored = write(fd, t.s, t.len);
    (void)ignored;
    text_free(&t);
    close(fd);
}

void history_file_trim(const char *path, unsigned keep)
{
    int fd = open_locked(path, O_RDWR, LOCK_EX);
    struct stat st;
    char *all = NULL;
    size_t lines = 0;
    if (fd < 0)
        return;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX ||
        (all = malloc((size_t)st.st_size + 1)) == NULL ||
        pread(fd, all, (size_t)st.st_size, 0) != st.st_size)
        goto out;
    for (off_t i = 0; i < st.st_size; i++)
        lines += all[i] == '\n';
    if (lines > 2 * (size_t)keep) {
        const char *from = all, *end = all + st.st_size;
        for (size_t drop = lines - keep; drop > 0; drop--)
            from = (const char *)memchr(from, '\n', (size_t)(end - from)) + 1;
        size_t n = (size_t)(end - from);
        if (pwrite(fd, from, n, 0) == (ssize_t)n && ftruncate(fd, (off_t)n) < 0)
            goto out;
    }
out:
    free(all);
    close(fd);
}
