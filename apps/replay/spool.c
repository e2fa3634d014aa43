/* replay/spool.c: bytes that are written once, then read anywhere (spool.h). */
#include "replay/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER (1u << 20) /* so much is kept in memory, and written at once */
#define FORGET (8u << 20) /* so much is forgotten at once */

static const char *directory(void)
{
    const char *dir = getenv("TMPDIR");
    return dir != NULL && dir[0] != '\0' ? dir : "/tmp";
}

static int nameless_file(void)
{
    char name[4096];
    int fd = open(directory(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    if ((size_t)snprintf(name, sizeof(name), "%s/tapdeck-XXXXXX", directory()) >= sizeof(name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(name, O_CLOEXEC); /* a file system that can't do without names */
    if (fd >= 0)
        (void)unlink(name);
    return fd;
}

static bool spill(struct spool *s)
{
    if (s->fd == 0 && (s->fd = nameless_file()) < 0) {
        s->fd = 0;
        s->error = errno;
        return false;
    }
    for (size_t done = 0; done < s->buffered;) {
        ssize_t n = write(s->fd, s->buf + done, s->buffered - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            s->error = n < 0 ? errno : ENOSPC;
            return false;
        }
        done += (size_t)n;
    }
    s->buffered = 0;
    return true;
}

static bool make_room(struct spool *s, size_t n)
{
    size_t room = s->room == 0 ? 4096 : s->room;
    while (room < n)
        room *= 2;
    uint8_t *grown = realloc(s->buf, room);
    if (grown == NULL) {
        s->error = ENOMEM;
        return false;
    }
    s->buf = grown;
    s->room = room;
    return true;
}

bool spool_add(struct spool *s, const void *bytes, size_t n)
{
    if (s->error != 0 || (s->buffered + n > BUFFER && !spill(s)) ||
        (s->buffered + n > s->room && !make_room(s, s->buffered + n)))
        return false;
    memcpy(s->buf + s->buffered, bytes, n);
    s->buffered += n;
    s->size += n;
    return true;
}

bool spool_map(struct spool *s)
{
    if (s->error != 0)
        return false;
    if (s->fd == 0) {
        s->map = s->buf;
        return true;
    }
    if (!spill(s))
        return false;
    void *at = mmap(NULL, (size_t)s->size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (at == MAP_FAILED) {
        s->error = errno;
        return false;
    }
    s->map = at;
    s->mapped = true;
    free(s->buf);
    s->buf = NULL;
    s->room = 0;
    return true;
}

void spool_seal(struct spool *s)
{
    if (s->mapped)
        (void)mprotect(s->map, (size_t)s->size, PROT_READ);
}

void spool_forget(struct spool *s, uint64_t before)
{
    if (!s->mapped || before > s->size || before < s->forgotten + 2 * (uint64_t)FORGET)
        return;
    uint64_t n =
        (before - s->forgotten) / FORGET * FORGET - FORGET; /* and what lies just behind is kept */
    (void)madvise(s->map + s->forgotten, (size_t)n, MADV_DONTNEED);
    s->forgotten += n;
}

void spool_rewind(struct spool *s)
{
    if (s->mapped)
        (void)madvise(s->map, (size_t)s->size, MADV_DONTNEED);
    s->forgotten = 0;
}

void spool_why(const struct spool *s, char *msg, size_t msg_size)
{
    if (s->error == ENOMEM)
        (void)snprintf(msg, msg_size, "it takes more memory than there is");
    else
        (void)snprintf(msg, msg_size,
                       "it can't be put by in %s: %s; TMPDIR names another directory", directory(),
                       strerror(s->error));
}

void spool_free(struct spool *s)
{
    if (s->mapped)
        (void)munmap(s->map, (size_t)s->size);
    free(s->buf);
    if (s->fd > 0)
        close(s->fd);
    *s = (struct spool){0};
}
