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
 *
 * Time can be paused and stepped (tapdeckd/deck_time.h): then frames that come are held, nothing that waits for a
 * time is due, and only the console goes on.
 *
 * A topology's nodes are members of one loop, and the wires between them a simulation (dev/sim.h), which
 * then has the clock. In real time each turn lets it run up to the monotonic clock, but for at most
 * SIM_TURN: what it can't do in that time makes it late, and once it is late by more than SIM_LATE it
 * goes on from where it is, a world slower than ours, instead of never catching up. In virtual time it
 * stands still until a command runs; then each turn goes to the next thing that happens, without waiting.
 */
#include "tapdeckd/loop.h"

#include "dev/sim.h"
#include "tapdeckd/captures.h"

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
#define SIM_TURN      (5 * TD_MS) /* of real time */
#define SIM_LATE      (100 * TD_MS)

td_time monotonic_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (td_time)ts.tv_sec * TD_SEC + (td_time)ts.tv_nsec;
}

static td_time cpu_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (td_time)ts.tv_sec * TD_SEC + (td_time)ts.tv_nsec;
}

/* ---- what a turn costs ---- */

bool console_enter(struct loop *l)
{
    if (l->console_began != 0)
        return false;
    l->console_began = monotonic_now();
    return true;
}

void console_leave(struct loop *l)
{
    td_time took = monotonic_now() - l->console_began;
    l->console_used += took;
    l->stats.consoles += took;
    l->console_began = 0;
}

bool console_over(const struct loop *l)
{
    td_time used = l->console_used;
    if (l->console_began != 0 && used < CONSOLE_TURN)
        used += monotonic_now() - l->console_began;
    return used >= CONSOLE_TURN;
}

static struct loop_stats *stats(void *ctx)
{
    struct loop *l = ctx;
    return &l->stats;
}

/* Something has happened: a turn begins; `now`, real time. */
static void turn_begins(struct loop *l, td_time now)
{
    l->turn_began = now;
    l->console_used = 0;
}

static void turn_ends(struct loop *l, td_time now)
{
    struct loop_stats *s = &l->stats;
    if (l->turn_began == 0)
        return;
    td_time took = now - l->turn_began;
    s->turns++;
    s->busy += took;
    s->histogram[loop_bucket(took)]++;
    if (took > s->longest)
        s->longest = took;
    if (s->clients > 0) {
        td_time cpu = cpu_now();
        if (l->cpu_before != 0 && cpu - l->cpu_before > s->longest_cpu)
            s->longest_cpu = cpu - l->cpu_before;
        l->cpu_before = cpu;
    } else {
        l->cpu_before = 0;
    }
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
        l->last_traffic = l->turn_began;
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
static void watch_busy_taps(struct loop *l, const struct deck *d)
{
    for (struct deck_tap *t = d->taps; t != NULL; t = t->next)
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

td_time loop_now(const struct loop *l)
{
    return deck_time_now(&l->time);
}

static td_time loop_clock(void *ctx)
{
    return loop_now(ctx);
}

void loop_add(struct loop *l, struct member *m, struct deck *d)
{
    struct member **at = &l->members;
    while (*at != NULL)
        at = &(*at)->next;
    *m = (struct member){.loop = l, .deck = d};
    *at = m;
    deck_time_join(&l->time, d);
    d->hooks = (struct deck_hooks){.clock = loop_clock,
                                   .tap_added = tap_added,
                                   .tap_removing = tap_removing,
                                   .shutdown = ask_to_stop,
                                   .stats = stats,
                                   .ctx = l};
}

static td_time real_clock(void *ctx)
{
    (void)ctx;
    return monotonic_now();
}

int loop_init(struct loop *l, struct sim *sim, bool virtual_time, td_time spin)
{
    memset(l, 0, sizeof(*l));
    l->sim = sim;
    l->virtual_time = virtual_time;
    l->stall = CLIENT_STALL;
    l->round = 1;
    l->stats.since = monotonic_now();
    l->spin = spin;
    deck_time_init(&l->time, virtual_time ? NULL : real_clock, NULL, sim);
    l->now = loop_now(l);
    if (!virtual_time)
        l->time.lost = l->time.lost_before = (int64_t)monotonic_now() - (int64_t)l->now;
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
    signal(SIGXFSZ, SIG_IGN); /* a file that may grow no more is an error as any other */
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    l->signals = loop_watch(l, fd, EPOLLIN, signal_event, NULL);
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
    deck_time_done(&l->time);
}

/* ---- a turn ---- */

static int coarse_timeout(const struct timespec *ts)
{
    return ts->tv_sec > 3600 ? 3600000
                             : (int)(ts->tv_sec * 1000 + (ts->tv_nsec + 999999) / 1000000);
}

/* Waits until something happens or `deadline` (real time, monotonic; TD_NEVER) has come; the number of
 * events. */
static int wait_for(struct loop *l, struct epoll_event ev[EVENTS], td_time deadline)
{
    td_time now = monotonic_now();
    turn_ends(l, now);
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

static bool wants_step(const struct loop *l, const struct run *r)
{
    return r->status == RUN_MORE && (r->ready || r->wake <= l->now) && !server_clogged(r);
}

/* Steps the commands whose time has come and whose readers keep up: each once, as far as the turn's time for commands goes;
 * the next turn begins with those that had none. */
static void step_runs(struct loop *l)
{
    bool left = false;
    if (!console_enter(l))
        return;
    for (struct member *m = l->members; m != NULL; m = m->next) {
        for (struct run *r = m->deck->runs, *next; r != NULL; r = next) {
            next = r->next;
            if (r->round == l->round || !wants_step(l, r))
                continue;
            if (console_over(l)) {
                left = true;
                break;
            }
            r->round = l->round;
            run_step(r, l->now);
        }
    }
    if (!left)
        l->round++;
    console_leave(l);
}

/* Those that follow the journal see what this turn wrote into it. */
static void step_followers(struct loop *l, struct member *m)
{
    uint64_t written = m->deck->st->journal.written;
    if (written == m->journal_seen)
        return;
    m->journal_seen = written;
    if (!console_enter(l))
        return;
    for (struct run *r = m->deck->runs, *next; r != NULL; r = next) {
        next = r->next;
        if (r->status == RUN_MORE && r->follow && !server_clogged(r))
            run_step(r, l->now);
    }
    console_leave(l);
}

/* When a command wants to go on; 0: now. */
static td_time runs_next(const struct loop *l)
{
    td_time at = TD_NEVER;
    for (const struct member *m = l->members; m != NULL; m = m->next)
        for (const struct run *r = m->deck->runs; r != NULL; r = r->next)
            if (r->status == RUN_MORE && !server_clogged(r))
                at = earliest(at, r->ready ? 0 : r->wake);
    return at;
}

/* When something is due, by the members' clock; 0: now. */
static td_time next_deadline(const struct loop *l)
{
    td_time at = runs_next(l);
    if (l->time.mode != TIME_FLOWING)
        return at <= l->now ? 0 : TD_NEVER; /* what a command has left to say; all else waits */
    if (l->time.nheld > 0)
        return 0;
    for (const struct member *m = l->members; m != NULL; m = m->next) {
        if (m->deck->st->flush_wanted)
            return 0;
        if (l->sim == NULL)
            at = earliest(at, td_stack_next_deadline(m->deck->st));
        if (m->deck->apps != NULL)
            at = earliest(at, l->next_tick);
    }
    return l->sim == NULL ? at : earliest(at, sim_next(l->sim));
}

/* How long to wait, as a monotonic time. */
static td_time real_deadline(struct loop *l, td_time due, td_time limit)
{
    if (l->time.mode != TIME_FLOWING)
        return due == 0 ? 0 : limit;
    if (l->virtual_time) /* only for people, unless a command wants time to pass, or this instant isn't over */
        return runs_next(l) != TD_NEVER || (l->awaiting && due != TD_NEVER) || due <= sim_now(l->sim) ? 0 : limit;
    return earliest(limit, deck_time_when(&l->time, due));
}

static bool sim_turn_over(void *ctx)
{
    return monotonic_now() >= *(const td_time *)ctx;
}

/* Moves the clock on: to the present, or in virtual time to what is due next. */
static void move_clock(struct loop *l, td_time due)
{
    if (l->sim == NULL || l->time.mode != TIME_FLOWING) {
        l->now = loop_now(l);
        return;
    }
    td_time real = monotonic_now(), until = (td_time)((int64_t)real - l->time.lost);
    if (l->virtual_time) {
        td_time wanted = runs_next(l);
        if (wanted == TD_NEVER && l->awaiting)
            wanted = due;
        until = wanted == TD_NEVER || wanted == 0 ? sim_now(l->sim) : earliest(wanted, due);
    }
    td_time enough = real + SIM_TURN;
    sim_run(l->sim, until > sim_now(l->sim) ? until : sim_now(l->sim), sim_turn_over, &enough);
    l->now = sim_now(l->sim);
    if (!l->virtual_time && until > l->now + SIM_LATE)
        l->time.lost = (int64_t)real - (int64_t)l->now;
}

/* After a storm the allocator keeps what the storm had: once a second, what has become much less is
 * given back to the kernel. */
static void give_memory_back(struct member *m)
{
    uint64_t used = td_stack_mem(m->deck->st)->used;
    if (used > m->held_most)
        m->held_most = used;
    if (m->held_most - used < GIVE_BACK)
        return;
    malloc_trim(GIVE_BACK / 4);
    m->held_most = used;
}

static bool pump(struct loop *l)
{
    bool more = false;
    for (struct member *m = l->members; m != NULL; m = m->next)
        if (m->server != NULL && server_pump(m->server))
            more = true;
    return more;
}

static void tick(struct loop *l)
{
    if (l->now < l->next_tick)
        return;
    for (struct member *m = l->members; m != NULL; m = m->next) {
        deck_tick(m->deck, l->now);
        give_memory_back(m);
    }
    l->next_tick = l->now + TD_SEC;
}

/* What time brings, where it flows: timers, applications' ticks, and what the stacks send for all of it. */
static void let_time_work(struct loop *l)
{
    for (struct member *m = l->members; m != NULL; m = m->next)
        deck_time_tick(m->deck, l->now);
    if (l->time.mode == TIME_FLOWING)
        tick(l);
}

void loop_turn(struct loop *l, td_time max_wait)
{
    struct epoll_event ev[EVENTS];
    td_time limit = max_wait == TD_NEVER ? TD_NEVER : monotonic_now() + max_wait;
    bool more = pump(l);
    td_time due = next_deadline(l);
    for (const struct member *m = l->members; m != NULL; m = m->next)
        if (m->server != NULL)
            limit = earliest(limit, server_deadline(m->server));
    int n = wait_for(l, ev, more || l->unsettled ? 0 : real_deadline(l, due, limit));
    l->unsettled = false;
    turn_begins(l, monotonic_now());
    move_clock(l, due);
    for (struct member *m = l->members; m != NULL; m = m->next)
        td_stack_clock(m->deck->st, l->now);
    deck_time_release(&l->time, FRAMES_A_TURN);
    for (int i = 0; i < n; i++) {
        struct source *s = ev[i].data.ptr;
        if (!s->dead)
            s->fn(l, s, ev[i].events);
    }
    if (l->time.mode == TIME_FLOWING)
        let_time_work(l);
    step_runs(l);
    for (struct member *m = l->members; m != NULL; m = m->next) {
        if (l->time.mode == TIME_FLOWING)
            td_stack_flush(m->deck->st, l->now);
        watch_busy_taps(l, m->deck);
        l->unsettled = captures_settle(m->deck) || l->unsettled;
        step_followers(l, m);
        if (l->time.mode != TIME_FLOWING)
            deck_time_tell(m->deck);
    }
    pump(l);
    bury(l);
}

static void print_output(struct run *r, FILE *out)
{
    if (r->notes.len > 0)
        fwrite(r->notes.s, 1, r->notes.len, out);
    text_consume(&r->notes, r->notes.len);
    if (r->out.len > 0)
        fwrite(r->out.s, 1, r->out.len, out);
    fflush(out);
    text_consume(&r->out, r->out.len);
}

int deck_run_line(struct loop *l, struct deck *d, const char *line, FILE *out, char *msg, size_t msg_size)
{
    char **argv;
    msg[0] = '\0';
    int argc = words_split(line, &argv, msg, msg_size);
    if (argc <= 0) {
        words_free(argv);
        return argc == 0 ? EXIT_DONE : EXIT_USAGE;
    }
    struct run *r = run_start(d, argc, argv, false, false);
    words_free(argv);
    run_input(r, NULL, 0, true); /* a configuration has nothing to say to a command */
    if (!deck_paused(d))
        td_stack_flush(d->st, loop_now(l));
    while (r->status == RUN_MORE && l->stop == 0) {
        print_output(r, out);
        if (deck_paused(d) && !r->ready && !r->timeless) {
            r->status = run_fail(r, EXIT_FAILED, "time is paused, and what '%s' waits for can't come: `resume` first",
                                 r->argv[0]);
            break;
        }
        l->awaiting = !r->timeless && !r->follow;
        loop_turn(l, TD_NEVER);
        l->awaiting = false;
    }
    int status = r->status == RUN_MORE ? EXIT_DONE : r->status;
    print_output(r, out);
    snprintf(msg, msg_size, "%s", r->err);
    run_free(r);
    return status;
}
