/* replay/record_ahead.c: see record_ahead.h.
 *
 * Theory of operation. A recording is written into a mapped file, so writing costs a copy. What can
 * take long, on a slow or busy disk, is to get a new piece of the file: to allocate it and to touch
 * its pages. The loop that hands out packets can't wait for that; so while it fills one piece, a
 * thread gets the next one ready. The two share a piece's description under a lock, and nothing
 * else. When the loop is faster than the disk it does wait: a recording with a hole would be none.
 */
#include "replay/record_ahead.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

enum ahead_state { AHEAD_IDLE, AHEAD_WANTED, AHEAD_READY };

struct record_ahead {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum ahead_state state;
    bool leave;
    int fd, err;
    struct record_window w; /* WANTED: from and len */
};

int record_window_open(struct record_window *w, int fd, uint64_t from, size_t len)
{
    int err = -posix_fallocate(fd, (off_t)from, (off_t)len);
    if (err != 0)
        return err;
    void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)from);
    if (map == MAP_FAILED)
        return -errno;
    *w = (struct record_window){.map = map, .len = len, .from = from};
    return 0;
}

void record_window_close(struct record_window *w)
{
    if (w->map != NULL)
        munmap(w->map, w->len);
    *w = (struct record_window){0};
}

static void *work(void *ctx)
{
    struct record_ahead *a = ctx;
    pthread_mutex_lock(&a->lock);
    while (!a->leave) {
        if (a->state != AHEAD_WANTED) {
            pthread_cond_wait(&a->changed, &a->lock);
            continue;
        }
        struct record_window w = a->w;
        int fd = a->fd;
        pthread_mutex_unlock(&a->lock);
        int err = record_window_open(&w, fd, w.from, w.len);
        pthread_mutex_lock(&a->lock);
        a->w = w;
        a->err = err;
        a->state = AHEAD_READY;
        pthread_cond_broadcast(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

struct record_ahead *record_ahead_new(void)
{
    struct record_ahead *a = calloc(1, sizeof(*a));
    sigset_t all, was;
    if (a == NULL)
        return NULL;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was); /* signals stay the loop's */
    int err = pthread_create(&a->thread, NULL, work, a);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    if (err == 0)
        return a;
    free(a);
    return NULL;
}

void record_ahead_want(struct record_ahead *a, int fd, uint64_t from, size_t len)
{
    if (a == NULL)
        return;
    pthread_mutex_lock(&a->lock);
    a->fd = fd;
    a->w = (struct record_window){.from = from, .len = len};
    a->state = AHEAD_WANTED;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

int record_ahead_take(struct record_ahead *a, struct record_window *w)
{
    int err = -ENOENT;
    if (a == NULL)
        return err;
    pthread_mutex_lock(&a->lock);
    while (a->state == AHEAD_WANTED)
        pthread_cond_wait(&a->changed, &a->lock);
    if (a->state == AHEAD_READY) {
        err = a->err;
        *w = a->w;
        a->w = (struct record_window){0};
        a->state = AHEAD_IDLE;
    }
    pthread_mutex_unlock(&a->lock);
    return err;
}

void record_ahead_drop(struct record_ahead *a)
{
    struct record_window w;
    if (record_ahead_take(a, &w) == 0)
        record_window_close(&w);
}

void record_ahead_free(struct record_ahead *a)
{
    if (a == NULL)
        return;
    record_ahead_drop(a);
    pthread_mutex_lock(&a->lock);
    a->leave = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    free(a);
}
