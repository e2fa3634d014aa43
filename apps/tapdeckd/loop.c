/* tapdeckd/loop.c: the event loop.
 *
 * One turn: wait (TAP devices, control clients, signals, or the earliest deadline of the stack and
 * of the commands that run), read what has come, fire the timers that are due, step the commands
 * that want it, and then flush once: the stack decides its acknowledgements and its output for the
 * whole batch, which halves the number of frames it writes. The batch is bounded, so that a flood
 * at one device doesn't starve the others or the console.
 *
 * Sleeping and waking cost more than anything else a small packet costs. After traffic the loop
 * therefore polls for a few microseconds before it sleeps (`spin`): a peer that answers at once is
 * met awake. Without traffic it sleeps, and costs nothing.
 *
 * The stack's time is the monotonic clock, read once a turn; epoll_pwait2 waits with a nanosecond's
 * resolution, so deadlines need no timerfd.
 */
#include "tapdeckd/loop.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define FRAMES_A_TURN 128 /* read from one TAP before the others have their turn */
#define EVENTS        32
#define GIVE_BACK     (64U << 20) /* bytes */

td_time monotonic_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (td_time)ts.tv_sec * TD_SEC + (td_time)ts.tv_nsec;
}

struct source *loop_watch(struct loop *l, int fd, uint32_t events,
                          void (*fn)(struct loop *l, struct source *s, uint32_t events), void *ctx)
{
    struct source *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    *s = (struct source){.fd = fd, .fn = fn, .ctx = ctx};
    struct epoll_event ev = {.events = events, .data.ptr = s};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

void loop_change(struct loop *l, struct source *s, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = s};
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, s->fd, &ev);
}

void loop_unwatch(struct loop *l, struct source *s)
{
    if (s == NULL)
        return;
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    /* Events of this turn may still point at it. */
    s->dead = true;
    s->next_dead = l->dead;
    l->dead = s;
}

static void bury(struct loop *l)
{
    while (l->dead != NULL) {
        struct source *s = l->dead;
        l->dead = s->next_dead;
        free(s);
    }
}

/* ---- TAP devices ---- */

static void tap_event(struct loop *l, struct source *s, uint32_t events)
{
    struct deck_tap *t = s->ctx;
    if (events & EPOLLIN && tap_readable(t->tap, l->now, FRAMES_A_TURN) > 0)
        l->last_traffic = l->now;
    if (events & EPOLLOUT) {
        tap_writable(t->tap);
        loop_change(l, s, EPOLLIN);
    }
    /* The device is gone (its interface was deleted): without this the loop would spin on the
     * error. */
    if ((events & (EPOLLERR | EPOLLHUP)) != 0 && (events & EPOLLIN) == 0) {
        fprintf(stderr,
                "tapdeckd: the TAP device %s is gone; its interface stays without a cable\n",
                tap_name(t->tap));
        loop_unwatch(l, s);
        t->loop_source = NULL;
    }
}

static int tap_added(void *ctx, struct deck_tap *t)
{
    struct loop *l = ctx;
    t->loop_source = loop_watch(l, tap_fd(t->tap), EPOLLIN, tap_event, t);
    return t->loop_source != NULL ? 0 : -errno;
}

static void tap_removing(void *ctx, struct deck_tap *t)
{
    loop_unwatch(ctx, t->loop_source);
    t->loop_source = NULL;
}

/* A device that was busy while the stack flushed wants to hear when it is not. */
static void watch_busy_taps(struct loop *l)
{
    for (struct deck_tap *t = l->deck->taps; t != NULL; t = t->next)
        if (tap_wants_write(t->tap) && t->loop_source != NULL)
            loop_change(l, t->loop_source, EPOLLIN | EPOLLOUT);
}

/* ---- stopping ---- */

static void signal_event(struct loop *l, struct source *s, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo info;
    while (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        l->stop++;
}

static void ask_to_stop(void *ctx)
{
    ((struct loop *)ctx)->stop++;
}

static td_time loop_clock(void *ctx)
{
    (void)ctx;
    return monotonic_now();
}

int loop_init(struct loop *l, struct deck *d, td_time spin)
{
    memset(l, 0, sizeof(*l));
    l->deck = d;
    l->spin = spin;
    l->now = monotonic_now();
    l->next_tick = l->now + TD_SEC;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0)
        return -errno;
    static const int stopping[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(stopping) / sizeof(*stopping); i++) {
        /* What whoever started us has ignored stays ignored: SIGHUP under nohup, and the Ctrl-C
         * meant for a script that has us in its background. signalfd would see it all the same. */
        struct sigaction was;
        if (sigaction(stopping[i], NULL, &was) < 0 || was.sa_handler != SIG_IGN)
            sigaddset(&set, stopping[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    l->signals = loop_watch(l, fd, EPOLLIN, signal_event, NULL);
    d->hooks = (struct deck_hooks){.clock = loop_clock,
                                   .tap_added = tap_added,
                                   .tap_removing = tap_removing,
                                   .shutdown = ask_to_stop,
                                   .ctx = l};
    return l->signals != NULL ? 0 : -ENOMEM;
}

void loop_done(struct loop *l)
{
    if (l->signals != NULL) {
        close(l->signals->fd);
        loop_unwatch(l, l->signals);
    }
    bury(l);
    close(l->epoll);
}

/* ---- a turn ---- */

static int coarse_timeout(const struct timespec *ts)
{
    return ts->tv_sec > 3600 ? 3600000
                             : (int)(ts->tv_sec * 1000 + (ts->tv_nsec + 999999) / 1000000);
}

/* Waits until something happens or `deadline` has come; the number of events. */
static int wait_for(struct loop *l, struct epoll_event ev[EVENTS], td_time deadline)
{
    td_time now = monotonic_now();
    td_time awake_until = l->last_traffic + l->spin;
    while (now < awake_until && now < deadline) {
        int n = epoll_wait(l->epoll, ev, EVENTS, 0);
        if (n != 0)
            return n;
        now = monotonic_now();
    }
    struct timespec ts = {0}, *timeout = &ts;
    if (deadline == TD_NEVER) {
        timeout = NULL;
    } else if (deadline > now) {
        ts.tv_sec = (time_t)((deadline - now) / TD_SEC);
        ts.tv_nsec = (long)((deadline - now) % TD_SEC);
    }
    int n = l->coarse ? -1 : epoll_pwait2(l->epoll, ev, EVENTS, timeout, NULL);
    if (n < 0 && (l->coarse || errno == ENOSYS)) {
        /* Before Linux 5.11: milliseconds, rounded up. */
        l->coarse = true;
        n = epoll_wait(l->epoll, ev, EVENTS, timeout == NULL ? -1 : coarse_timeout(timeout));
    }
    return n < 0 ? 0 : n;
}

static td_time earliest(td_time a, td_time b)
{
    return a < b ? a : b;
}

/* Steps the commands whose time has come and whose readers keep up. */
static void step_runs(struct loop *l)
{
    for (struct run *r = l->deck->runs, *next; r != NULL; r = next) {
        next = r->next;
        if (r->status == RUN_MORE && (r->ready || r->wake <= l->now) && !server_clogged(r))
            run_step(r, l->now);
    }
}

/* Those that follow the journal see what this turn wrote into it. */
static void step_followers(struct loop *l)
{
    uint64_t written = l->deck->st->journal.written;
    if (written == l->journal_seen)
        return;
    l->journal_seen = written;
    for (struct run *r = l->deck->runs, *next; r != NULL; r = next) {
        next = r->next;
        if (r->status == RUN_MORE && r->follow && !server_clogged(r))
            run_step(r, l->now);
    }
}

static td_time next_deadline(struct loop *l, td_time limit)
{
    td_time at = earliest(limit, td_stack_next_deadline(l->deck->st));
    if (l->deck->apps != NULL)
        at = earliest(at, l->next_tick);
    for (const struct run *r = l->deck->runs; r != NULL; r = r->next)
        if (r->status == RUN_MORE && !server_clogged(r))
            at = earliest(at, r->ready ? 0 : r->wake);
    return l->deck->st->flush_wanted ? 0 : at;
}

/* After a storm the allocator keeps what the storm had: once a second, what has become much less is
 * given back to the kernel. */
static void give_memory_back(struct loop *l)
{
    uint64_t used = td_stack_mem(l->deck->st)->used;
    if (used > l->held_most)
        l->held_most = used;
    if (l->held_most - used < GIVE_BACK)
        return;
    malloc_trim(GIVE_BACK / 4);
    l->held_most = used;
}

void loop_turn(struct loop *l, td_time max_wait)
{
    struct epoll_event ev[EVENTS];
    struct td_stack *st = l->deck->st;
    td_time limit = max_wait == TD_NEVER ? TD_NEVER : monotonic_now() + max_wait;
    bool more = l->server != NULL && server_pump(l->server);
    int n = wait_for(l, ev, more ? 0 : next_deadline(l, limit));
    l->now = monotonic_now();
    td_stack_clock(st, l->now);
    for (int i = 0; i < n; i++) {
        struct source *s = ev[i].data.ptr;
        if (!s->dead)
            s->fn(l, s, ev[i].events);
    }
    td_stack_tick(st, l->now);
    if (l->now >= l->next_tick) {
        deck_tick(l->deck, l->now);
        give_memory_back(l);
        l->next_tick = l->now + TD_SEC;
    }
    step_runs(l);
    td_stack_flush(st, l->now);
    watch_busy_taps(l);
    step_followers(l);
    if (l->server != NULL)
        server_pump(l->server);
    bury(l);
}
