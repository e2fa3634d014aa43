/* dev/dumpfile.c: capture files, with rotation, behind a bounded queue.
 *
 * Theory of operation. A disk can take a second to take a block; the loop that hands out packets
 * has two milliseconds. So pieces go into a queue, and a thread of the file's own takes them out
 * and writes them. The queue has a limit in bytes: a packet that finds it full is refused, and the
 * sniffer counts it. Headers are small, and are always taken. The thread touches the queue, the
 * file and nothing else; it is started with every signal blocked, so that signals stay the loop's.
 *
 * Rotation is tcpdump's. Before a packet is written, the file may have become too large (-C) or too
 * old (-G): then it is closed, and the next begins with all headers so far, so that each file can
 * be read by itself.
 *
 *     -C 1            f, f1, f2 …
 *     -C 1 -W 3       f0, f1, f2, f0 …            as many digits as the largest number has
 *     -G 60           f as strftime(3) writes it  must have a % in it, or each file would be the
 * one before -G 60 -C 1      that, and a number, beginning again with each new time
 *
 * An error (a full disk) is kept, and ends the writing: half a packet in the middle of a file would
 * make the rest unreadable. For the same reason the file is then cut behind the last packet that is
 * whole; where each ends is remembered for those that are still in the buffer.
 */
#include "dev/dumpfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUEUE    (8u << 20)
#define BUFFER   65536u /* bytes gathered before a write */
#define ENDS     1024   /* pieces in it at most */
#define PATH_LEN 4096

struct piece {
    struct piece *next;
    enum sniff_piece kind;
    td_time wall;
    size_t len;
    uint8_t bytes[];
};

struct dumpfile {
    struct dump_config c;
    char *path;
    /* the writer's */
    int fd;
    bool standard;    /* it is standard output, and stays open */
    uint64_t size;    /* of the file, with what is in the buffer */
    uint64_t written; /* of it, by the disk */
    uint8_t *buffer;
    size_t buffered;
    uint64_t ends[ENDS]; /* where the pieces in the buffer end in the file */
    unsigned nends;
    uint64_t whole;   /* so far the disk has whole pieces */
    uint8_t *headers; /* all so far: every file begins with them */
    size_t headers_len;
    uint32_t number;  /* of the file, from 0 */
    uint32_t in_time; /* of it, since the name's time last changed */
    td_time begun;    /* the name's time; 0: with the first packet */
    /* shared */
    pthread_t thread;
    bool threaded;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct piece *first, **last;
    size_t queued;
    uint64_t packets;
    int error;
    bool closing, over, finished;
};

/* ---- names ---- */

bool dump_name(const struct dump_config *c, uint32_t n, td_time wall, char *dst, size_t size)
{
    char name[PATH_LEN];
    unsigned digits = 0;
    if (c->seconds > 0) {
        time_t t = (time_t)(wall / TD_SEC);
        struct tm tm;
        if (localtime_r(&t, &tm) == NULL || strftime(name, sizeof name, c->path, &tm) == 0)
            return false;
    } else if (snprintf(name, sizeof name, "%s", c->path) >= (int)sizeof name) {
        return false;
    }
    if (c->size > 0 && c->files > 0)
        for (uint32_t most = c->files - 1; most > 0 || digits == 0; most /= 10)
            digits++;
    if (c->size > 0 && c->files > 0)
        n %= c->files;
    int len = n == 0 && digits == 0 ? snprintf(dst, size, "%s", name)
                                    : snprintf(dst, size, "%s%0*u", name, (int)digits, n);
    return len >= 0 && (size_t)len < size;
}

/* ---- the file ---- */

static int file_open(struct dumpfile *d, td_time wall)
{
    char name[PATH_LEN];
    if (strcmp(d->path, "-") == 0) {
        d->fd = STDOUT_FILENO;
        d->standard = true;
    } else {
        if (!dump_name(&d->c, d->in_time, wall, name, sizeof name))
            return -ENAMETOOLONG;
        d->fd = open(name,
                     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | (d->c.background ? O_NONBLOCK : 0),
                     0666);
    }
    d->size = d->written = d->whole = 0;
    d->nends = 0;
    return d->fd >= 0 ? 0 : -errno;
}

/* A pipe is full: waits for its reader. False: it has been asked to end, and the reader had a
 * second since. */
static bool pipe_wait(struct dumpfile *d)
{
    struct pollfd p = {.fd = d->fd, .events = POLLOUT};
    pthread_mutex_lock(&d->lock);
    bool closing = d->closing;
    pthread_mutex_unlock(&d->lock);
    return poll(&p, 1, closing ? 1000 : 100) > 0 || !closing;
}

/* The disk has `written` bytes: so many of them are whole pieces. */
static void whole_pieces(struct dumpfile *d)
{
    for (unsigned i = 0; i < d->nends && d->ends[i] <= d->written; i++)
        d->whole = d->ends[i];
    d->nends = 0;
}

/* What is in the buffer to the disk. When it doesn't all fit, the file is cut behind the last whole
 * piece; of a pipe nothing can be taken back. */
static int file_flush(struct dumpfile *d)
{
    size_t done = 0;
    while (done < d->buffered) {
        ssize_t n = write(d->fd, d->buffer + done, d->buffered - done);
        if (n < 0 && (errno == EINTR || (errno == EAGAIN && pipe_wait(d))))
            continue;
        if (n <= 0) {
            int err = n < 0 ? -errno : -EIO;
            whole_pieces(d);
            d->buffered = 0;
            if (!d->standard && d->written > d->whole && ftruncate(d->fd, (off_t)d->whole) < 0)
                return err; /* a device, a FIFO */
            return err;
        }
        done += (size_t)n;
        d->written += (size_t)n;
    }
    d->buffered = 0;
    whole_pieces(d);
    return 0;
}

static int file_close(struct dumpfile *d)
{
    int err = d->fd >= 0 ? file_flush(d) : 0;
    if (d->fd >= 0 && !d->standard && close(d->fd) < 0 && err == 0)
        err = -errno;
    d->fd = -1;
    return err;
}

static int file_write(struct dumpfile *d, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;
    while (len > 0) {
        size_t n = BUFFER - d->buffered < len ? BUFFER - d->buffered : len;
        memcpy(d->buffer + d->buffered, b, n);
        d->buffered += n;
        d->size += n;
        b += n;
        len -= n;
        int err = d->buffered == BUFFER ? file_flush(d) : 0;
        if (err != 0)
            return err;
    }
    return 0;
}

static bool too_old(const struct dumpfile *d, td_time wall)
{
    return d->c.seconds > 0 && d->begun != 0 && wall >= d->begun + (td_time)d->c.seconds * TD_SEC;
}

/* Begins the next file when this one is too large or too old. 1: it is over. */
static int rotate(struct dumpfile *d, td_time wall)
{
    bool old = too_old(d, wall), large = d->c.size > 0 && d->size > d->c.size;
    if (d->begun == 0)
        d->begun = wall;
    if (!old && !large)
        return 0;
    d->number++;
    if (old && d->c.size == 0 && d->c.files > 0 && d->number >= d->c.files)
        return 1;
    d->in_time = old ? 0 : d->in_time + 1;
    if (old)
        d->begun = wall;
    int err = file_close(d);
    if (err == 0)
        err = file_open(d, d->c.seconds > 0 ? d->begun : wall);
    return err != 0 ? err : file_write(d, d->headers, d->headers_len);
}

static int keep_header(struct dumpfile *d, const void *bytes, size_t len)
{
    uint8_t *more = realloc(d->headers, d->headers_len + len);
    if (more == NULL)
        return -ENOMEM;
    memcpy(more + d->headers_len, bytes, len);
    d->headers = more;
    d->headers_len += len;
    return 0;
}

/* A piece into the file. 0, 1: it is over, or a negative errno. */
static int write_piece(struct dumpfile *d, enum sniff_piece kind, const void *bytes, size_t len,
                       td_time wall)
{
    int rc = 0;
    if (kind == SNIFF_HEADER)
        rc = keep_header(d, bytes, len);
    else if (kind == SNIFF_PACKET)
        rc = rotate(d, wall);
    if (rc != 0)
        return rc;
    rc = file_write(d, bytes, len);
    if (rc != 0)
        return rc;
    d->ends[d->nends++] = d->size;
    return d->c.each || d->nends == ENDS ? file_flush(d) : 0;
}

/* ---- the thread ---- */

static void note(struct dumpfile *d, enum sniff_piece kind, int rc)
{
    if (rc < 0 && d->error == 0)
        d->error = rc;
    d->over = d->over || rc == 1;
    d->packets += kind == SNIFF_PACKET && rc == 0;
}

/* The next piece; NULL: there is none, and there won't be. Flushes before it waits. */
static struct piece *next_piece(struct dumpfile *d)
{
    struct piece *p;
    while ((p = d->first) == NULL && !d->closing) {
        if (d->buffered > 0 && d->error == 0) {
            pthread_mutex_unlock(&d->lock);
            int rc = file_flush(d);
            pthread_mutex_lock(&d->lock);
            note(d, SNIFF_HEADER, rc);
            continue;
        }
        pthread_cond_wait(&d->more, &d->lock);
    }
    if (p != NULL) {
        d->first = p->next;
        if (d->first == NULL)
            d->last = &d->first;
        d->queued -= sizeof *p + p->len;
    }
    return p;
}

static void *writer(void *ctx)
{
    struct dumpfile *d = ctx;
    struct piece *p;
    pthread_mutex_lock(&d->lock);
    while ((p = next_piece(d)) != NULL) {
        bool dead = d->error != 0 || d->over;
        pthread_mutex_unlock(&d->lock);
        int rc = dead ? 2 : write_piece(d, p->kind, p->bytes, p->len, p->wall);
        pthread_mutex_lock(&d->lock);
        note(d, p->kind, rc);
        free(p);
    }
    pthread_mutex_unlock(&d->lock);
    int rc = file_close(d);
    pthread_mutex_lock(&d->lock);
    note(d, SNIFF_HEADER, rc);
    d->finished = true;
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

static bool enqueue(struct dumpfile *d, enum sniff_piece kind, const void *bytes, size_t len,
                    td_time wall)
{
    pthread_mutex_lock(&d->lock);
    bool room = d->error == 0 && !d->over &&
                (kind != SNIFF_PACKET || d->queued + len + sizeof(struct piece) <= d->c.queue);
    struct piece *p = room ? malloc(sizeof *p + len) : NULL;
    if (p != NULL) {
        *p = (struct piece){.kind = kind, .wall = wall, .len = len};
        memcpy(p->bytes, bytes, len);
        d->queued += sizeof *p + len;
        *d->last = p;
        d->last = &p->next;
        pthread_cond_signal(&d->more);
    }
    pthread_mutex_unlock(&d->lock);
    return p != NULL;
}

bool dump_put(struct dumpfile *d, enum sniff_piece piece, const void *bytes, size_t len,
              td_time wall)
{
    if (d->threaded)
        return enqueue(d, piece, bytes, len, wall);
    if (d->error != 0 || d->over)
        return false;
    int rc = write_piece(d, piece, bytes, len, wall);
    note(d, piece, rc);
    return rc == 0;
}

int dump_error(struct dumpfile *d)
{
    pthread_mutex_lock(&d->lock);
    int error = d->error;
    pthread_mutex_unlock(&d->lock);
    return error;
}

bool dump_over(struct dumpfile *d)
{
    pthread_mutex_lock(&d->lock);
    bool over = d->over;
    pthread_mutex_unlock(&d->lock);
    return over;
}

uint64_t dump_packets(struct dumpfile *d)
{
    pthread_mutex_lock(&d->lock);
    uint64_t packets = d->packets;
    pthread_mutex_unlock(&d->lock);
    return packets;
}

/* ---- beginning and end ---- */

static void dump_free(struct dumpfile *d)
{
    pthread_cond_destroy(&d->more);
    pthread_mutex_destroy(&d->lock);
    free(d->headers);
    free(d->buffer);
    free(d->path);
    free(d);
}

static int thread_start(struct dumpfile *d)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&d->thread, NULL, writer, d);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    d->threaded = err == 0;
    return -err;
}

struct dumpfile *dump_open(const struct dump_config *c, char *msg, size_t msg_size)
{
    struct dumpfile *d = calloc(1, sizeof *d);
    struct timespec ts;
    if (d == NULL || (d->buffer = malloc(BUFFER)) == NULL || (d->path = strdup(c->path)) == NULL) {
        (void)snprintf(msg, msg_size, "%s: out of memory", c->path);
        if (d != NULL)
            free(d->buffer);
        free(d);
        return NULL;
    }
    d->c = *c;
    d->c.path = d->path;
    d->c.queue = c->queue != 0 ? c->queue : QUEUE;
    d->last = &d->first;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->more, NULL);
    clock_gettime(CLOCK_REALTIME, &ts);
    int err = file_open(d, c->now != 0 ? c->now : (td_time)ts.tv_sec * TD_SEC);
    if (err == 0 && c->background)
        err = thread_start(d);
    if (err != 0) {
        (void)snprintf(msg, msg_size, "%s: %s", c->path,
                       err == -ENXIO ? "nobody reads this pipe: begin to read it first"
                                     : strerror(-err));
        (void)file_close(d);
        dump_free(d);
        return NULL;
    }
    return d;
}

void dump_finish(struct dumpfile *d)
{
    pthread_mutex_lock(&d->lock);
    d->closing = true;
    pthread_cond_signal(&d->more);
    pthread_mutex_unlock(&d->lock);
}

bool dump_finished(struct dumpfile *d)
{
    pthread_mutex_lock(&d->lock);
    bool finished = d->finished || !d->threaded;
    pthread_mutex_unlock(&d->lock);
    return finished;
}

int dump_close(struct dumpfile *d)
{
    if (d == NULL)
        return 0;
    if (d->threaded) {
        dump_finish(d);
        pthread_join(d->thread, NULL);
    }
    int err = file_close(d);
    err = d->error != 0 ? d->error : err;
    dump_free(d);
    return err;
}
