/* replay/deck.c: the console's side of the tape deck (deck.h): which process to ask, and what
 * became of it. */
#include "replay/deck.h"

#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "common/control.h"
#include "common/nearest.h"
#include "core/journal.h"
#include "replay/deck_procs.h"
#include "tcp/tcp.h"

#define EVERY_LEAST 16u /* steps between checkpoints */
#define LOOK_MS     50  /* so often it is looked whether somebody interrupts */
#define ONE_INTERRUPT_MS                                                                           \
    200 /* one Ctrl-C may come as two signals: timeout(1) sends it to the program and to its group \
         */
#define PATIENCE_MS 2000 /* for a step, after it was asked to stop */

/* ---- waiting for answers ---- */

struct patience {
    struct reel *r;
    uint32_t asked; /* how often it was interrupted */
    int64_t since;  /* ms: when first */
    bool over;      /* it doesn't stop by itself */
    bool quick;     /* nor is it waited for */
};

static int64_t milliseconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until something has come. False: that isn't to be expected any more. */
static bool await(struct patience *w, int fd)
{
    struct reel *r = w->r;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        if (!r->recovering && r->hooks.interrupted != NULL && r->hooks.interrupted(r->hooks.ctx) &&
            (w->asked == 0 || milliseconds() - w->since > ONE_INTERRUPT_MS)) {
            if (w->asked++ == 0)
                w->since = milliseconds();
            r->shared->stop = 1;
        }
        if (w->asked > 1 || (w->asked > 0 && w->quick) ||
            (w->asked > 0 && milliseconds() - w->since > PATIENCE_MS)) {
            w->over = true;
            return false;
        }
        int n = poll(&p, 1, LOOK_MS);
        if (n > 0)
            return true;
        if (n == 0 && r->hooks.progress != NULL)
            r->hooks.progress(r->hooks.ctx, r->shared->under_way);
    }
}

static void how_it_ended(int status, char *dst, size_t size)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        (void)snprintf(dst, size, "SIG%s ended the tape's process (%s)", name != NULL ? name : "?",
                       strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(dst, size, "the tape's process ended by itself, with status %d",
                       WEXITSTATUS(status));
    }
}

/* ---- going ---- */

/* Which of the processes is the nearest at or before? `before` compares. */
typedef bool (*not_behind)(const struct reel_place *p, uint64_t where);
static bool step_not_behind(const struct reel_place *p, uint64_t where)
{
    return p->step <= where;
}
static bool number_not_behind(const struct reel_place *p, uint64_t where)
{
    return p->number <= where;
}
static bool time_not_behind(const struct reel_place *p, uint64_t where)
{
    return p->step == 0 || p->at < where; /* more frames may have the same time */
}

/* The strings of ANSWER_STOPPED. */
static void take_stopped(struct reel *r, const struct deck_message *m, char *msg, size_t msg_size)
{
    const char *end = r->body + m->len, *said = r->body + strlen(r->body) + 1;
    const char *how = said < end ? said + strlen(said) + 1 : end;
    text_consume(&r->line, r->line.len);
    text_add(&r->line, r->body, strlen(r->body) + 1);
    (void)snprintf(msg, msg_size, "%s", said < end ? said : "");
    if (m->differs != 0 && r->differed == 0) {
        r->differed = m->differs;
        (void)snprintf(r->how, sizeof(r->how), "%s", how < end ? how : "");
    }
}

/* Tells the process to go, and hands on what it says. True: it has answered (*m). */
static bool order_go(struct reel *r, struct proc *p, const struct reel_goal *g, bool throw_away,
                     struct deck_message *m, char *msg, size_t msg_size)
{
    struct patience w = {.r = r};
    int fd;
    *m = (struct deck_message){.kind = ORDER_GO, .copy = throw_away, .len = sizeof(*g)};
    r->shared->stop = 0;
    r->shared->under_way = 0;
    if (!deck_send(p->fd, m, g, -1))
        return false;
    while (await(&w, p->fd) && deck_receive(p->fd, m, r->body, &fd)) {
        if (m->kind == ANSWER_CHECKPOINT && fd >= 0)
            reel_add_checkpoint(r, (struct proc){.pid = m->pid, .fd = fd, .place = m->place});
        else if (m->kind == ANSWER_CHECKPOINT)
            r->unforked = m->error;
        else if (m->kind == ANSWER_LINE && r->hooks.line != NULL)
            r->hooks.line(r->hooks.ctx, &m->place, r->body, m->len);
        if (m->kind == ANSWER_STOPPED) {
            take_stopped(r, m, msg, msg_size);
            return true;
        }
    }
    m->result = w.over ? REEL_INTERRUPTED : REEL_FAILED;
    return false;
}

static bool place_head(struct reel *r, not_behind fits, uint64_t where, char *msg, size_t msg_size);
static enum reel_result to_step(struct reel *r, uint64_t step, char *msg, size_t msg_size);

/* The head is of no use any more, in or before `step`: the tape is put before that. Should that
 * fail too, it is left at the nearest checkpoint. */
static enum reel_result put_before(struct reel *r, uint64_t step)
{
    struct reel_goal stay = {.steps = 0};
    struct deck_message m;
    char msg[1024];
    enum reel_result result = REEL_FAILED;
    if (r->recovering)
        return REEL_FAILED;
    r->recovering = true;
    if (to_step(r, step > 0 ? step - 1 : 0, msg, sizeof(msg)) != REEL_STOPPED) {
        (void)proc_end(&r->head);
        if (!place_head(r, step_not_behind, step > 0 ? step - 1 : 0, msg, sizeof(msg)))
            result = REEL_LOST;
        else
            (void)order_go(r, &r->head, &stay, false, &m, msg, sizeof(msg));
    }
    r->recovering = false;
    return result;
}

/* It ended in this step, behind the frame with this number. */
static enum reel_result mourn(struct reel *r, uint64_t step, uint64_t number, bool interrupted,
                              char *msg, size_t msg_size)
{
    char how[200];
    if (interrupted) {
        (void)proc_end(&r->head);
        (void)snprintf(how, sizeof(how), "the tape's process didn't stop, and was ended");
    } else {
        how_it_ended(proc_gone(&r->head), how, sizeof(how));
    }
    if (number > 0)
        (void)snprintf(msg, msg_size, "%s in the step behind packet %llu", how,
                       (unsigned long long)number);
    else
        (void)snprintf(msg, msg_size, "%s in the first step", how);
    return put_before(r, step);
}

/* Forward from where the head is. */
static enum reel_result go(struct reel *r, const struct reel_goal *g, struct deck_message *m,
                           char *msg, size_t msg_size)
{
    uint64_t number = r->place.number;
    bool answered = order_go(r, &r->head, g, false, m, msg, msg_size);
    if (!answered && r->shared->under_way == 0 && m->result == REEL_FAILED && !r->recovering) {
        /* It did nothing at all: somebody has ended it before. */
        r->recovering = true;
        (void)proc_end(&r->head);
        if (to_step(r, r->place.step, msg, msg_size) == REEL_STOPPED)
            answered = order_go(r, &r->head, g, false, m, msg, msg_size);
        r->recovering = false;
    }
    uint64_t step = r->shared->under_way;
    if (!answered) {
        m->passed = 0;
        return mourn(r, step > 0 ? step : r->place.step + 1,
                     step > 0 ? r->shared->passed_number : number, m->result == REEL_INTERRUPTED,
                     msg, msg_size);
    }
    if (m->result == REEL_FAILED) { /* the tape says itself that it can't go on */
        (void)proc_end(&r->head);
        return put_before(r, step);
    }
    r->place = r->head.place = m->place;
    if (m->result == REEL_ENDED)
        r->end = m->place;
    return (enum reel_result)m->result;
}

/* Makes a head from the nearest checkpoint, unless the head itself is nearer. */
static bool place_head(struct reel *r, not_behind fits, uint64_t where, char *msg, size_t msg_size)
{
    (void)proc_alive(&r->head);
    for (;;) {
        unsigned i = r->nchecks;
        int error;
        struct proc made;
        while (i > 0 && !fits(&r->check[i - 1].place, where))
            i--;
        uint64_t nearest = i > 0 ? r->check[i - 1].place.step : 0;
        if (r->head.pid > 0 && fits(&r->head.place, where) && r->head.place.step >= nearest)
            return true;
        if (i == 0 && !reel_make_root(r, msg, msg_size))
            return false;
        struct proc *from = i > 0 ? &r->check[i - 1] : &r->root;
        if (proc_copy(r, from, &made, &error)) {
            (void)proc_end(&r->head);
            r->head = made;
            r->place = made.place;
            return true;
        }
        if (error >= 0 && reel_make_room(r))
            continue;
        if (error >= 0 && r->head.pid > 0) { /* then the head itself: it isn't where it should be */
            (void)proc_end(&r->head);
            continue;
        }
        if (error >= 0) {
            (void)snprintf(msg, msg_size, "no process can be made for the tape: %s",
                           strerror(error));
            return false;
        }
        if (i > 0) { /* somebody ended it */
            reel_drop_checkpoint(r, i - 1);
        } else {
            (void)proc_end(&r->root);
            static const struct reel_place start;
            if (!reel_make_root(r, msg, msg_size) || !proc_copy(r, &r->root, &made, &error)) {
                (void)snprintf(msg, msg_size, "the tape's process can't be made again");
                return false;
            }
            (void)proc_end(&r->head);
            r->head = made;
            r->place = start;
            return true;
        }
    }
}

static enum reel_result to_step(struct reel *r, uint64_t step, char *msg, size_t msg_size)
{
    struct reel_goal g = {.steps = 0};
    struct deck_message m;
    if (!place_head(r, step_not_behind, step, msg, msg_size))
        return REEL_LOST;
    g.steps = step - r->head.place.step;
    return go(r, &g, &m, msg, msg_size);
}

/* ---- the outside ---- */

static uint64_t step_between(uint64_t total)
{
    uint64_t every = EVERY_LEAST;
    while (total / every >= DECK_CHECKPOINTS)
        every *= 2;
    return every;
}

struct reel *reel_open(struct tape *t, const struct reel_hooks *hooks, char *msg, size_t msg_size)
{
    struct reel *r = calloc(1, sizeof(*r));
    void *page =
        mmap(NULL, sizeof(*r->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r == NULL || page == MAP_FAILED) {
        free(r);
        t->ops->close(t);
        (void)snprintf(msg, msg_size, "out of memory");
        return NULL;
    }
    r->tape = t;
    r->shared = page;
    r->root.fd = r->head.fd = -1;
    if (hooks != NULL)
        r->hooks = *hooks;
    r->shared->every = step_between(t->total);
    text_add(&r->line, "", 1);
    if (to_step(r, 0, msg, msg_size) != REEL_STOPPED) {
        reel_close(r);
        return NULL;
    }
    return r;
}

void reel_close(struct reel *r)
{
    if (r == NULL)
        return;
    (void)proc_end(&r->head);
    (void)proc_end(&r->root);
    for (unsigned i = 0; i < r->nchecks; i++)
        (void)proc_end(&r->check[i]);
    (void)munmap(r->shared, sizeof(*r->shared));
    text_free(&r->line);
    r->tape->ops->close(r->tape);
    free(r);
}

const struct tape *reel_tape(const struct reel *r)
{
    return r->tape;
}

struct reel_place reel_place(const struct reel *r)
{
    return r->place;
}

const char *reel_line(const struct reel *r)
{
    return r->line.s;
}

uint64_t reel_total(const struct reel *r)
{
    return r->tape->total != 0 ? r->tape->total : r->end.step;
}

uint64_t reel_last(const struct reel *r)
{
    return r->tape->last != 0 ? r->tape->last : r->end.number;
}

unsigned reel_checkpoints(const struct reel *r, uint64_t *every, int *error)
{
    *every = r->shared->every;
    *error = r->unforked;
    return r->nchecks;
}

uint64_t reel_differed(const struct reel *r, const char **how)
{
    *how = r->how;
    return r->differed;
}

enum reel_result reel_go(struct reel *r, const struct reel_goal *g, uint64_t *passed, char *msg,
                         size_t msg_size)
{
    struct deck_message m = {.passed = 0};
    uint64_t before = r->place.step;
    r->differed = 0;
    if (!place_head(r, step_not_behind, r->place.step, msg, msg_size))
        return REEL_LOST;
    enum reel_result result = go(r, g, &m, msg, msg_size);
    if (passed != NULL)
        *passed = r->place.step > before ? r->place.step - before : 0;
    return result;
}

enum reel_result reel_goto_step(struct reel *r, uint64_t step, char *msg, size_t msg_size)
{
    r->differed = 0;
    return to_step(r, step, msg, msg_size);
}

/* Until the first frame that is behind; then once more, to the one before it. */
static enum reel_result to_last_before(struct reel *r, not_behind nearest, uint64_t number,
                                       td_time at, bool by_time, char *msg, size_t msg_size)
{
    struct reel_goal g = {.steps = UINT64_MAX};
    struct deck_message m;
    r->differed = 0;
    if (by_time) {
        g.has_time = true;
        g.time = at;
    } else {
        g.number = number;
    }
    if (!place_head(r, nearest, by_time ? at : number, msg, msg_size))
        return REEL_LOST;
    if (!by_time && r->head.place.number == number && number != 0)
        g.steps = 0;
    enum reel_result result = go(r, &g, &m, msg, msg_size);
    if (result == REEL_STOPPED && (by_time ? r->place.at > at : r->place.number > number) &&
        r->place.step > 0)
        return to_step(r, r->place.step - 1, msg, msg_size);
    return result;
}

enum reel_result reel_goto_number(struct reel *r, uint64_t number, char *msg, size_t msg_size)
{
    return number == 0 ? reel_goto_step(r, 0, msg, msg_size)
                       : to_last_before(r, number_not_behind, number, 0, false, msg, msg_size);
}

enum reel_result reel_goto_time(struct reel *r, td_time at, char *msg, size_t msg_size)
{
    return to_last_before(r, time_not_behind, 0, at, true, msg, msg_size);
}

/* A copy of the head, which is made again should somebody have ended it. */
static bool copy_head(struct reel *r, struct proc *made, char *msg, size_t msg_size)
{
    int error;
    bool again = false;
    for (;;) {
        if (!proc_alive(&r->head) && to_step(r, r->place.step, msg, msg_size) != REEL_STOPPED)
            return false;
        if (proc_copy(r, &r->head, made, &error))
            return true;
        if (error < 0 && again)
            break;
        if (error < 0) {
            (void)proc_end(&r->head);
            again = true;
        } else if (!reel_make_room(r)) {
            break;
        }
    }
    (void)snprintf(msg, msg_size, "no process can be made for it: %s",
                   error > 0 ? strerror(error) : "the tape's is gone");
    return false;
}

enum reel_result reel_peek(struct reel *r, uint64_t steps, char *msg, size_t msg_size)
{
    struct reel_goal g = {.steps = steps, .lines = true};
    struct deck_message m;
    struct proc made;
    if (!copy_head(r, &made, msg, msg_size))
        return REEL_LOST;
    struct text kept = r->line; /* of where it stands */
    r->line = (struct text){0};
    enum reel_result result =
        order_go(r, &made, &g, true, &m, msg, msg_size) ? (enum reel_result)m.result : REEL_FAILED;
    text_free(&r->line);
    r->line = kept;
    (void)proc_end(&made);
    return result;
}

/* ---- states and events ---- */

bool reel_knows_state(const struct reel *r, const char *state, char *msg, size_t msg_size)
{
    if (r->tape->ops->in_state == NULL && r->tape->deck == NULL)
        (void)snprintf(msg, msg_size, "this tape knows of no connection's state");
    else if (deck_state_number(state) == 0)
        (void)snprintf(msg, msg_size,
                       "'%.40s' is not a state of TCP: write one such as SYN_RECEIVED, ESTABLISHED "
                       "or FIN_WAIT_2",
                       state);
    else
        return true;
    return false;
}

bool reel_knows_event(const struct reel *r, const char *event, char *msg, size_t msg_size)
{
    struct nearest n = {.word = event};
    if (r->tape->deck == NULL) {
        (void)snprintf(msg, msg_size,
                       "no stack is on this tape, so it has no journal: it was only watched; "
                       "`replay -i --play SIDE FILE` puts one on it");
        return false;
    }
    for (int e = 1; e < EV_COUNT; e++) {
        if (fnmatch(event, event_info[e].name, 0) == 0)
            return true;
        nearest_offer(&n, event_info[e].name);
    }
    int at = snprintf(
        msg, msg_size,
        "no event is called '%.60s': names look like tcp-state, and * stands for anything", event);
    if (n.best[0] != '\0' && at > 0 && (size_t)at < msg_size)
        (void)snprintf(msg + at, msg_size - (size_t)at, "; did you mean '%s'?", n.best);
    return false;
}

/* ---- commands ---- */

static bool pack_words(int argc, char *const *argv, struct text *t)
{
    for (int i = 0; i < argc; i++)
        text_add(t, argv[i], strlen(argv[i]) + 1);
    return t->len <= DECK_BODY && argc < WORDS_MAX;
}

int reel_command(struct reel *r, int argc, char *const *argv, bool json, bool tty, FILE *out,
                 struct text *notes, bool *changed, char *err, size_t err_size)
{
    struct deck_message m = {.kind = ORDER_COMMAND, .json = json, .tty = tty, .argc = argc};
    struct patience w = {.r = r, .quick = true};
    struct proc made;
    struct text words = {0};
    char how[200];
    int fd, status = EXIT_FAILED;
    bool over = false, packed = pack_words(argc, argv, &words);
    err[0] = '\0';
    *changed = false;
    m.len = (uint32_t)words.len;
    if (!packed) {
        (void)snprintf(err, err_size, "that is too long a command");
        text_free(&words);
        return EXIT_USAGE;
    }
    if (!copy_head(r, &made, err, err_size)) {
        text_free(&words);
        return EXIT_FAILED;
    }
    r->shared->stop = 0;
    bool sent = deck_send(made.fd, &m, words.s, -1);
    text_free(&words);
    while (sent && !over && await(&w, made.fd) && deck_receive(made.fd, &m, r->body, &fd)) {
        if (m.kind == ANSWER_OUT && fwrite(r->body, 1, m.len, out) != m.len)
            break; /* nobody reads it any more */
        if (m.kind == ANSWER_NOTE)
            text_add(notes, r->body, m.len);
        if (m.kind == ANSWER_END) {
            over = true;
            status = m.status;
            *changed = m.changed;
            (void)snprintf(err, err_size, "%s", r->body);
        }
    }
    if (over || w.asked > 0 || ferror(out)) {
        (void)proc_end(&made);
        if (!over && w.asked > 0)
            (void)snprintf(err, err_size, "interrupted");
        return status;
    }
    how_it_ended(proc_gone(&made), how, sizeof(how));
    (void)snprintf(err, err_size, "`%s` failed: %s", argv[0], how);
    return EXIT_FAILED;
}
