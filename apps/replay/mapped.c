/* replay/mapped.c: a file that processes can read without moving it under each other (mapped.h). */
#include "replay/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/control.h"

#define PIPE_ROOM (1u << 20)   /* bytes at first, */
#define PIPE_MOST (1ull << 30) /* and at most */

/* All that comes through a pipe. False: errno tells. */
static bool slurp(struct mapped *m, int fd)
{
    size_t room = PIPE_ROOM, n = 0;
    char *base = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return false;
    for (;;) {
        ssize_t got = read(fd, base + n, room - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            *m = (struct mapped){base, room};
            if (got == 0 && n > 0)
                m->len = n; /* pages behind it stay until the end */
            else
                mapped_close(m);
            return got == 0;
        }
        n += (size_t)got;
        if (n < room)
            continue;
        char *bigger = room < PIPE_MOST ? mremap(base, room, 2 * room, MREMAP_MAYMOVE) : MAP_FAILED;
        if (bigger == MAP_FAILED) {
            (void)munmap(base, room);
            errno = EFBIG;
            return false;
        }
        base = bigger;
        room *= 2;
    }
}

static bool map(struct mapped *m, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return false;
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return false;
    }
    if (!S_ISREG(st.st_mode))
        return slurp(m, fd);
    if (st.st_size == 0)
        return true;
    void *base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED)
        return false;
    *m = (struct mapped){base, (size_t)st.st_size};
    return true;
}

FILE *mapped_again(const struct mapped *m)
{
    return m->len > 0 ? fmemopen(m->base, m->len, "r") : fopen("/dev/null", "re");
}

FILE *mapped_open(struct mapped *m, const char *name, char *msg, size_t msg_size)
{
    bool input = strcmp(name, "-") == 0;
    int fd = input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    *m = (struct mapped){NULL, 0};
    bool ok = fd >= 0 && map(m, fd);
    FILE *f = ok ? mapped_again(m) : NULL;
    if (f == NULL)
        (void)snprintf(msg, msg_size, "%s can't be read: %s", input ? "standard input" : name,
                       strerror(errno));
    if (fd >= 0 && !input)
        (void)close(fd);
    if (f == NULL)
        mapped_close(m);
    return f;
}

void mapped_close(struct mapped *m)
{
    if (m->base != NULL)
        (void)munmap(m->base, m->len);
    *m = (struct mapped){NULL, 0};
}

static void cut_off(int signal)
{
    static const char said[] = "tapdeck: a file that is being read was cut off by somebody else: what was behind is lost\n";
    (void)signal;
    (void)!write(STDERR_FILENO, said, sizeof(said) - 1);
    _exit(EXIT_FAILED);
}

void mapped_guard(void)
{
    struct sigaction a = {.sa_handler = cut_off};
    (void)sigaction(SIGBUS, &a, NULL);
}
