/* dev/wire.c: a wire between two TAP devices, in real time.
 *
 * Theory of operation. Each direction is a chain of queue disciplines (link/qdisc.h), the same objects that
 * impair an interface of a stack or a simulated wire. A frame read at one end is enqueued with the
 * time; they decide what becomes of it and when it may leave; wire_send takes out what is
 * due and writes it to the other end. If that end is full (EAGAIN) the frame is held and the
 * direction stands still until the descriptor is writable: a full cable delays, it doesn't reorder.
 *
 * ppoll waits with a nanosecond's resolution for the next departure, so delays are kept to some
 * tens of microseconds: what the scheduler allows.
 */
#include "dev/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/pkt.h"
#include "dev/tap.h"
#include "link/qdisc.h"

#define BUDGET 64 /* frames read from one end before the other has its turn */

struct direction {
    struct qdisc *q;
    struct pkt *held; /* dequeued, but the end was full */
    struct wire_stats stats;
};

struct wire {
    struct mem mem;
    int fd[2];
    uint32_t frame_max;
    struct direction dir[2]; /* dir[i] starts at end i */
};

struct wire *wire_new(int fd_a, int fd_b, uint32_t frame_max, const struct td_qdisc_chain *a_to_b,
                      const struct td_qdisc_chain *b_to_a)
{
    static const struct td_qdisc_chain none = {.depth = 1, .q[0].kind = TD_QDISC_NETEM};
    const struct td_qdisc_chain *way[2] = {a_to_b, b_to_a};
    struct wire *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    mem_init(&w->mem, 0);
    w->mem.pkt_cache = 64;
    w->fd[0] = fd_a;
    w->fd[1] = fd_b;
    w->frame_max = frame_max;
    bool made = true;
    for (int i = 0; i < 2 && made; i++)
        made = qdisc_chain_set(&w->dir[i].q, &w->mem,
                               way[i] != NULL && way[i]->depth > 0 ? way[i] : &none,
                               (uint64_t)i + 1, NULL, 0) == 0;
    if (!made) {
        qdisc_destroy(w->dir[0].q);
        qdisc_destroy(w->dir[1].q);
        free(w);
        return NULL;
    }
    return w;
}

void wire_free(struct wire *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < 2; i++) {
        pkt_free(w->dir[i].held);
        qdisc_destroy(w->dir[i].q);
        close(w->fd[i]);
    }
    pkt_cache_drop(&w->mem);
    free(w);
}

int wire_read(struct wire *w, int end, td_time now, int budget)
{
    struct direction *d = &w->dir[end];
    int frames = 0;
    for (; frames < budget; frames++) {
        struct pkt *p = pkt_alloc(&w->mem, 0, w->frame_max);
        uint8_t *room = p != NULL ? pkt_put(p, w->frame_max) : NULL;
        uint8_t byte;
        ssize_t n;
        do
            n = read(w->fd[end], room != NULL ? room : &byte, room != NULL ? w->frame_max : 1);
        while (n < 0 && errno == EINTR);
        if (n <= 0) {
            pkt_free(p);
            return frames == 0 && n < 0 && errno != EAGAIN ? -errno : frames;
        }
        d->stats.frames++;
        d->stats.bytes += (uint64_t)n;
        if (room == NULL) {
            pkt_free(p);
            d->stats.lost++;
            continue;
        }
        pkt_trim(p, (uint32_t)n);
        (void)qdisc_enqueue(d->q, p, now);
    }
    return frames;
}

static void send_direction(struct wire *w, int i, td_time now)
{
    struct direction *d = &w->dir[i];
    for (;;) {
        struct pkt *p = d->held != NULL ? d->held : qdisc_dequeue(d->q, now);
        d->held = NULL;
        if (p == NULL)
            return;
        int err = tap_write_fd(w->fd[1 - i], p);
        if (err == -EAGAIN) {
            d->held = p;
            return;
        }
        if (err < 0)
            d->stats.lost++;
        else
            d->stats.delivered++;
        pkt_free(p);
    }
}

void wire_send(struct wire *w, td_time now)
{
    send_direction(w, 0, now);
    send_direction(w, 1, now);
}

td_time wire_next(const struct wire *w)
{
    td_time at = TD_NEVER;
    for (int i = 0; i < 2; i++) {
        struct qdisc *q = w->dir[i].q;
        td_time t = w->dir[i].held == NULL ? qdisc_next(q) : TD_NEVER;
        at = t < at ? t : at;
    }
    return at;
}

bool wire_blocked(const struct wire *w, int end)
{
    return w->dir[1 - end].held != NULL;
}

struct wire_stats wire_stats(const struct wire *w, int direction)
{
    struct wire_stats s = w->dir[direction].stats;
    s.dropped = qdisc_all_drops(w->dir[direction].q);
    return s;
}

/* ---- in real time ---- */

static td_time clock_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (td_time)ts.tv_sec * TD_SEC + (td_time)ts.tv_nsec;
}

/* One wait and what it brought; 1: asked to stop. */
static int turn(struct wire *w, int stop_fd)
{
    struct pollfd p[3] = {
        {.fd = w->fd[0], .events = (short)(POLLIN | (wire_blocked(w, 0) ? POLLOUT : 0))},
        {.fd = w->fd[1], .events = (short)(POLLIN | (wire_blocked(w, 1) ? POLLOUT : 0))},
        {.fd = stop_fd, .events = POLLIN},
    };
    td_time now = clock_now(), next = wire_next(w);
    struct timespec ts = {0};
    if (next > now && next != TD_NEVER) {
        ts.tv_sec = (time_t)((next - now) / TD_SEC);
        ts.tv_nsec = (long)((next - now) % TD_SEC);
    }
    if (ppoll(p, 3, next == TD_NEVER ? NULL : &ts, NULL) < 0)
        return errno == EINTR ? 0 : -errno;
    if (p[2].revents != 0)
        return 1;
    now = clock_now();
    for (int i = 0; i < 2; i++) {
        int got = p[i].revents & POLLIN ? wire_read(w, i, now, BUDGET) : 0;
        /* A device that was deleted is ready for ever and gives nothing. */
        if (got < 0 || (got == 0 && (p[i].revents & (POLLERR | POLLHUP | POLLNVAL))))
            return got < 0 ? got : -ENODEV;
    }
    wire_send(w, now);
    return 0;
}

int wire_run(struct wire *w, int stop_fd)
{
    int err = 0;
    while (err == 0)
        err = turn(w, stop_fd);
    return err == 1 ? 0 : err;
}
