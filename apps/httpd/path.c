/* httpd/path.c: from the path of a URL to an open file, and no way out of the directory.
 *
 * Two fences, each enough alone. The first is text: after percent-decoding, once, a path with a
 * ".." segment or a NUL is refused, and a slash can't be smuggled in as %2F. The second is the
 * kernel's: openat2(2) with RESOLVE_BENEATH fails when resolution would leave the directory at any
 * point, through ".." or through a symbolic link, with no race between check and use. Links that
 * stay inside are followed. Where openat2 isn't to be had, the path is walked segment by segment
 * with O_NOFOLLOW: no link is followed.
 *
 * What is opened must be a regular file or a directory. O_NONBLOCK keeps a FIFO from blocking the
 * open; it is then refused by fstat.
 */
#include "httpd/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int httpd_path_decode(const char *url, size_t n, char dst[HTTPD_PATH_MAX])
{
    size_t len = 0, start = 0; /* of the segment being written */
    int status = 0;
    if (n == 0 || url[0] != '/')
        return 400;
    for (size_t i = 1; i <= n; i++) {
        if (i == n || url[i] == '/') {
            size_t seg = len - start;
            if (seg == 2 && memcmp(dst + start, "..", 2) == 0)
                return 400;
            if (seg == 1 && dst[start] == '.') {
                len = start;
                seg = 0;
            }
            if (seg > 0 && i < n) {
                if (len + 1 >= HTTPD_PATH_MAX)
                    return 404;
                dst[len++] = '/';
            }
            start = len;
            continue;
        }
        char c = url[i];
        if (c == '%') {
            int high = i + 2 < n ? hex_digit(url[i + 1]) : -1;
            int low = i + 2 < n ? hex_digit(url[i + 2]) : -1;
            if (high < 0 || low < 0)
                return 400;
            c = (char)(high << 4 | low);
            i += 2;
            if (c == '/') {
                status = 404;
                c = '_'; /* go on: a ".." further on is still a bad request */
            }
        }
        if (c == '\0')
            return 400;
        if (len + 1 >= HTTPD_PATH_MAX)
            return 404;
        dst[len++] = c;
    }
    dst[len] = '\0';
    return status;
}

/* Keeps fd if it is of a kind that is served. */
static int check_kind(int fd, struct stat *st)
{
    if (fstat(fd, st) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}

static int hide(int err)
{
    switch (err) {
    case EXDEV: /* would leave the directory */
    case ELOOP:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ENXIO: /* a socket, a device without a driver */
    case ENODEV:
        return -ENOENT;
    default:
        return -err;
    }
}

int httpd_path_open(int root, const char *rel, struct stat *st)
{
    struct open_how how = {
        .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;
    /* EAGAIN: the kernel could not rule out a race with a rename; a few tries are enough. */
    for (int tries = 0; tries < 8; tries++) {
        fd = syscall(SYS_openat2, root, *rel == '\0' ? "." : rel, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    if (fd >= 0)
        return check_kind((int)fd, st);
    if (errno == ENOSYS || errno == EPERM || errno == E2BIG || errno == EINVAL)
        return httpd_path_walk(root, rel, st);
    return hide(errno);
}

int httpd_path_walk(int root, const char *rel, struct stat *st)
{
    const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW;
    int dir = openat(root, ".", flags | O_DIRECTORY);
    while (dir >= 0 && *rel != '\0') {
        char name[256];
        const char *slash = strchr(rel, '/');
        size_t n = slash != NULL ? (size_t)(slash - rel) : strlen(rel);
        if (n == 0 || n >= sizeof name || (n == 2 && memcmp(rel, "..", 2) == 0)) {
            close(dir);
            return -ENOENT;
        }
        memcpy(name, rel, n);
        name[n] = '\0';
        int next = openat(dir, name, flags | (slash != NULL ? O_DIRECTORY : 0));
        int err = errno;
        close(dir);
        errno = err;
        dir = next;
        rel = slash != NULL ? slash + 1 : rel + n;
    }
    return dir < 0 ? hide(errno) : check_kind(dir, st);
}
