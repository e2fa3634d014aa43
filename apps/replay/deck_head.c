/* replay/deck_head.c: a process that holds the tape: it goes forward, leaves checkpoints, runs
 * commands (deck.h).
 *
 * Each process of the tape is in this loop: it waits for an order, carries it out, answers. A
 * checkpoint is one that nobody has ordered anything but to fork. What is forked here becomes a
 * child of the console, as its forker is (CLONE_PARENT); glibc's fork() can't do that, so the
 * system call is made bare. There is one thread, and the child does nothing but what its parent
 * would have done.
 *
 * Ctrl-C on the terminal goes to all processes of the group: these don't heed it. The console does,
 * and says "stop" in the shared page.
 */
#include "replay/deck_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "replay/deck_command.h"
#include "tapdeckd/deck.h"
#include "tcp/tcp.h"

#define LOOK 1024u /* steps between two looks whether the console is still there */

struct watch { /* for an event of the journal, during one order */
    struct journal_watch w;
    bool wanted[EV_COUNT];
    int state; /* the event is tcp-state, and it goes there; 0: any */
    bool seen;
    struct journal_record record;
};

struct head {
    struct tape *tape;
    struct deck_shared *shared;
    int channel;
    pid_t console;
    bool mute; /* checkpoints can't be made: it has been said */
    struct reel_goal goal;
    struct watch watch;
    char differs[512]; /* how the first frame that did in this order */
    char body[DECK_BODY + 1];
};

static struct reel_place place_of(const struct tape *t)
{
    return (struct reel_place){t->steps, t->frame.number, t->frame.at, t->frame.wall};
}

/* ---- forking ---- */

static void die_with(pid_t console)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != console)
        _exit(0);
}

/* A child of this process's parent. 0 in the child. */
static pid_t fork_sibling(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}

/* Forks this process as it is, and tells the console of the child. True: this is the child. */
static bool multiply(struct head *h, enum deck_answer kind)
{
    struct deck_message m = {.kind = kind, .place = place_of(h->tape)};
    int pair[2] = {-1, -1};
    pid_t pid = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0)
        pid = fork_sibling();
    if (pid == 0) {
        (void)close(pair[0]);
        (void)close(h->channel);
        h->channel = pair[1];
        die_with(h->console);
        return true;
    }
    m.pid = pid;
    m.error = pid < 0 ? errno : 0;
    if (kind == ANSWER_FORKED || !h->mute)
        (void)deck_send(h->channel, &m, NULL, pid > 0 ? pair[0] : -1);
    if (pair[0] >= 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
    }
    h->mute = pid < 0 && kind == ANSWER_CHECKPOINT;
    return false;
}

static bool checkpoint_due(const struct head *h)
{
    const struct deck_shared *s = h->shared;
    uint64_t step = h->tape->steps;
    if (step == 0 || step % s->every != 0)
        return false;
    for (uint32_t i = 0; i < s->n && i <= DECK_CHECKPOINTS; i++)
        if (s->have[i] == step)
            return false;
    return true;
}

/* ---- what to go forward to ---- */

/* Letters and digits alone: people write FIN_WAIT_2, FIN-WAIT-2, FIN_WAIT2. */
static void bare(const char *name, char dst[32])
{
    size_t n = 0;
    for (; *name != '\0' && n < 31; name++)
        if (*name != '-' && *name != '_')
            dst[n++] = *name;
    dst[n] = '\0';
}

bool deck_same_state(const char *a, const char *b)
{
    char x[32], y[32];
    bare(a, x);
    bare(b, y);
    return strcasecmp(x, y) == 0;
}

int deck_state_number(const char *name)
{
    for (int s = 1; s < 16; s++) {
        const char *rfc = tcp_state_name((enum tcp_state)s), *ss = tcp_state_ss((enum tcp_state)s);
        if ((rfc != NULL && deck_same_state(name, rfc)) ||
            (ss != NULL && deck_same_state(name, ss)))
            return s;
    }
    return 0;
}

static void see(void *ctx, const struct journal_record *r)
{
    struct watch *w = ctx;
    if (w->seen || !w->wanted[r->event])
        return;
    if (w->state != 0 && (r->arg[1] != (uint64_t)w->state || r->arg[0] == r->arg[1]))
        return;
    w->record = *r;
    w->seen = true;
}

static bool by_journal(const struct head *h)
{
    return h->tape->deck != NULL && (h->goal.event[0] != '\0' ||
                                     (h->goal.state[0] != '\0' && h->tape->ops->in_state == NULL));
}

static void watch_begin(struct head *h)
{
    struct watch *w = &h->watch;
    memset(w, 0, sizeof(*w));
    if (!by_journal(h))
        return;
    if (h->goal.event[0] == '\0') {
        w->state = deck_state_number(h->goal.state);
        w->wanted[EV_TCP_STATE] = true;
    } else {
        for (int e = 1; e < EV_COUNT; e++)
            w->wanted[e] = fnmatch(h->goal.event, event_info[e].name, 0) == 0;
    }
    w->w = (struct journal_watch){.fn = see, .ctx = w};
    journal_watch(&h->tape->deck->st->journal, &w->w);
}

static void watch_end(struct head *h)
{
    if (by_journal(h))
        journal_unwatch(&h->tape->deck->st->journal, &h->watch.w);
}

static bool matches(const struct head *h, const struct tape_frame *f)
{
    struct bpf_insn code[TD_IMPAIR_CODE];
    for (uint32_t i = 0; i < h->goal.ncode; i++) {
        const struct td_bpf_insn *b = &h->goal.code[i];
        code[i] = (struct bpf_insn){.code = b->code, .jt = b->jt, .jf = b->jf, .k = b->k};
    }
    return f->bytes != NULL && bpf_filter(code, f->bytes, (u_int)f->len, (u_int)f->len) != 0;
}

/* Is this what it was to go to? */
static bool reached(struct head *h, char *msg, size_t msg_size)
{
    const struct reel_goal *g = &h->goal;
    const struct tape *t = h->tape;
    if (g->number > 0)
        return t->frame.number >= g->number;
    if (g->has_time)
        return t->frame.at > g->time;
    if (g->ncode > 0)
        return matches(h, &t->frame);
    if (by_journal(h)) {
        if (h->watch.seen)
            (void)journal_format(t->deck->st, &h->watch.record, msg, msg_size);
        return h->watch.seen;
    }
    return g->state[0] != '\0' && t->ops->in_state != NULL && t->ops->in_state(t, g->state);
}

/* ---- going forward ---- */

static void tell_line(struct head *h)
{
    struct text line = {0};
    struct deck_message m = {.kind = ANSWER_LINE, .place = place_of(h->tape)};
    h->tape->ops->line(h->tape, &line);
    m.len = (uint32_t)(line.len < DECK_BODY ? line.len : DECK_BODY);
    (void)deck_send(h->channel, &m, line.s, -1);
    text_free(&line);
}

static void tell_stopped(struct head *h, struct deck_message *m, const char *msg)
{
    struct text body = {0};
    m->kind = ANSWER_STOPPED;
    m->place = place_of(h->tape);
    if (h->tape->steps > 0 && m->result != REEL_FAILED)
        h->tape->ops->line(h->tape, &body);
    if (body.len > DECK_BODY / 2)
        body.len = DECK_BODY / 2;
    text_add(&body, "", 1);
    text_add(&body, msg, strlen(msg) + 1);
    text_puts(&body, h->differs);
    m->len = (uint32_t)(body.len < DECK_BODY ? body.len : DECK_BODY);
    (void)deck_send(h->channel, m, body.s, -1);
    text_free(&body);
}

static bool console_gone(const struct head *h)
{
    struct pollfd p = {.fd = h->channel, .events = 0};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

/* One step. False: it ends here, m->result says why. */
static bool step(struct head *h, struct deck_message *m, char *msg, size_t msg_size)
{
    struct tape *t = h->tape;
    char said[512] = "";
    if (t->total != 0 && t->steps >= t->total) {
        m->result = REEL_ENDED;
        return false;
    }
    h->shared->passed_number = t->frame.number;
    h->shared->under_way = t->steps + 1;
    enum tape_step made = t->ops->step(t, said, sizeof(said));
    if (made != TAPE_FAILED)
        h->shared->under_way = 0;
    if (made == TAPE_END || made == TAPE_FAILED) {
        m->result = made == TAPE_END ? REEL_ENDED : REEL_FAILED;
        if (made == TAPE_FAILED)
            (void)snprintf(msg, msg_size, "%s", said);
        return false;
    }
    m->passed++;
    if (made == TAPE_DIFFERS && m->differs == 0) {
        m->differs = t->frame.number;
        (void)snprintf(h->differs, sizeof(h->differs), "%s", said);
    }
    if (h->goal.lines)
        tell_line(h);
    if (made == TAPE_DIFFERS && h->goal.heed) {
        m->result = REEL_DIFFERS;
        return false;
    }
    return true;
}

static void go(struct head *h, const struct deck_message *order)
{
    struct deck_message m = {.result = REEL_STOPPED};
    char msg[1024] = "", met[1024] = "";
    h->differs[0] = '\0';
    watch_begin(h);
    while (m.passed < h->goal.steps) {
        if (h->shared->stop != 0) {
            m.result = REEL_INTERRUPTED;
            break;
        }
        if (m.passed % LOOK == LOOK - 1 && console_gone(h))
            _exit(0);
        if (!order->copy && checkpoint_due(h) && multiply(h, ANSWER_CHECKPOINT)) {
            watch_end(h);
            return; /* this one sleeps from here on */
        }
        if (!step(h, &m, msg, sizeof(msg)) || reached(h, met, sizeof(met)))
            break;
    }
    watch_end(h);
    tell_stopped(h, &m, met[0] != '\0' ? met : msg);
}

/* ---- orders ---- */

static void command(struct head *h, const struct deck_message *order)
{
    char *argv[WORDS_MAX + 1];
    int argc = 0;
    for (size_t at = 0; argc < order->argc && argc < WORDS_MAX && at < order->len;
         at += strlen(h->body + at) + 1)
        argv[argc++] = h->body + at;
    argv[argc] = NULL;
    deck_command(h->tape, h->channel, argc, argv, order->json, order->tty);
}

/* What the console has open is not this process's: its terminal (but for what a sanitizer would
 * have to say) and pipes. */
static void leave_terminal(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere >= 0) {
        (void)dup2(nowhere, STDIN_FILENO);
        (void)dup2(nowhere, STDOUT_FILENO);
        (void)close(nowhere);
    }
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGQUIT, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
}

_Noreturn void deck_serve(struct tape *t, struct deck_shared *shared, int channel, pid_t console)
{
    static struct head h; /* of this process alone */
    struct deck_message m;
    int fd;
    h = (struct head){.tape = t, .shared = shared, .channel = channel, .console = console};
    leave_terminal();
    die_with(console);
    while (deck_receive(h.channel, &m, h.body, &fd)) {
        if (fd >= 0)
            (void)close(fd);
        if (m.kind == ORDER_FORK) {
            (void)multiply(&h, ANSWER_FORKED);
        } else if (m.kind == ORDER_GO && m.len >= sizeof(h.goal)) {
            memcpy(&h.goal, h.body, sizeof(h.goal));
            go(&h, &m);
        } else if (m.kind == ORDER_COMMAND) {
            command(&h, &m);
            _exit(0);
        }
    }
    _exit(0);
}
