/* replay/record_tape.c: a recorded run as a tape: see tape.h and record_run.h.
 *
 * A step does calls until a frame has come in or left. A call can send several frames: they are
 * given out one a step, and the stack is then as that call left it, for it can't be stopped within
 * one. A frame that comes in is handed over in a call of its own: after that step the stack has
 * read it, and hasn't answered yet.
 *
 * What happened behind the last frame belongs to no step. A run in which no frame passed stands at
 * its end from the beginning.
 *
 * Applications don't run. What `app list` and `ss -p` say of them was noted when they started;
 * their status lines are empty.
 */
#include "replay/record_tape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "common/frame.h"
#include "common/text.h"
#include "tapdeckd/deck.h"

struct waiting { /* a frame that a call brought and no step has given out */
    bool out;
    uint32_t ifindex;
    size_t at, len; /* in bytes.s */
    td_time when;
};

#define OWNERS 1024u

struct owner {
    struct owner *next;
    uint32_t number;
    char name[32];
};

struct ghost { /* an application of the recorded run */
    struct app_class class;
    char name[32];
};

struct record_tape {
    struct tape tape; /* the first member: what others know of it */
    struct deck deck;
    struct record_run run;
    struct text bytes;
    struct waiting *wait;
    size_t nwait, next, cap;
    struct owner *owners[OWNERS]; /* by the number */
    bool no_memory;
    char differs[512]; /* what the last call did otherwise, until a step has said it */
};

/* ---- what the run tells ---- */

static void frame(void *ctx, bool out, uint32_t ifindex, const uint8_t *bytes, size_t len)
{
    struct record_tape *t = ctx;
    if (t->nwait == t->cap) {
        size_t cap = t->cap > 0 ? 2 * t->cap : 64;
        struct waiting *more = realloc(t->wait, cap * sizeof(*more));
        if (more == NULL) {
            t->no_memory = true;
            return;
        }
        t->wait = more;
        t->cap = cap;
    }
    t->wait[t->nwait++] = (struct waiting){
        .out = out, .ifindex = ifindex, .at = t->bytes.len, .len = len, .when = t->run.at};
    text_add(&t->bytes, (const char *)bytes, len);
}

static void ghost_stop(void *instance)
{
    (void)instance;
}

static void app_gone(struct deck *d, uint32_t id)
{
    for (struct deck_app **at = &d->apps; *at != NULL; at = &(*at)->next) {
        struct deck_app *a = *at;
        if (a->id != id)
            continue;
        *at = a->next;
        free(a->instance);
        free(a->line);
        free(a);
        return;
    }
}

static void app(void *ctx, uint32_t id, const char *line)
{
    struct record_tape *t = ctx;
    app_gone(&t->deck, id);
    if (line[0] == '\0')
        return;
    struct deck_app *a = calloc(1, sizeof(*a)), **at = &t->deck.apps;
    struct ghost *g = calloc(1, sizeof(*g));
    char *words = strdup(line);
    if (a == NULL || g == NULL || words == NULL) {
        free(a);
        free(g);
        free(words);
        t->no_memory = true;
        return;
    }
    snprintf(g->name, sizeof(g->name), "%.*s", (int)strcspn(line, " "), line);
    g->class = (struct app_class){.name = g->name, .usage = "", .doc = "", .stop = ghost_stop};
    *a = (struct deck_app){.id = id, .class = &g->class, .instance = g, .line = words};
    while (*at != NULL)
        at = &(*at)->next;
    *at = a;
}

static void owner(void *ctx, uint32_t number, const char *name)
{
    struct record_tape *t = ctx;
    struct owner **first = &t->owners[number % OWNERS], *o = *first;
    while (o != NULL && o->number != number)
        o = o->next;
    if (o == NULL) {
        o = calloc(1, sizeof(*o));
        if (o == NULL) {
            t->no_memory = true;
            return;
        }
        o->next = *first;
        *first = o;
    }
    o->number = number;
    snprintf(o->name, sizeof(o->name), "%s", name);
}

static const char *owner_name(void *ctx, uint32_t number)
{
    const struct record_tape *t = ctx;
    const struct owner *o = t->owners[number % OWNERS];
    while (o != NULL && o->number != number)
        o = o->next;
    return o != NULL ? o->name : "";
}

static void wall(void *ctx, int64_t offset)
{
    struct record_tape *t = ctx;
    t->deck.wall_offset = offset;
}

/* ---- the tape ---- */

static void show(struct record_tape *t)
{
    const struct waiting *w = &t->wait[t->next++];
    t->tape.steps++;
    t->tape.frame =
        (struct tape_frame){.number = t->tape.steps,
                            .at = w->when - t->run.file.head.now,
                            .wall = (int64_t)w->when + t->deck.wall_offset,
                            .dir = w->out ? TAPE_OUT : TAPE_IN,
                            .ifindex = w->ifindex,
                            .bytes = w->len > 0 ? (const uint8_t *)t->bytes.s + w->at : NULL,
                            .len = w->len};
}

/* Calls until there is a frame. END: there is none. */
static enum tape_step advance(struct record_tape *t, char *msg, size_t msg_size)
{
    t->nwait = t->next = 0;
    text_consume(&t->bytes, t->bytes.len);
    while (t->nwait == 0) {
        char why[512];
        switch (record_run_next(&t->run, why, sizeof(why))) {
        case RECORD_STEP_FAILED:
            snprintf(msg, msg_size, "%s", why);
            return TAPE_FAILED;
        case RECORD_STEP_END:
            return TAPE_END;
        case RECORD_STEP_DIFFERS:
            if (t->differs[0] == '\0')
                memcpy(t->differs, why, sizeof(why));
            break;
        case RECORD_STEP_CALL:
            break;
        }
        if (t->no_memory) {
            snprintf(msg, msg_size, "out of memory");
            return TAPE_FAILED;
        }
    }
    return TAPE_FRAME;
}

static enum tape_step step(struct tape *tape, char *msg, size_t msg_size)
{
    struct record_tape *t = (struct record_tape *)tape;
    if (tape->steps >= tape->total)
        return TAPE_END; /* what is behind the last frame isn't a frame's */
    if (t->next == t->nwait) {
        enum tape_step s = advance(t, msg, msg_size);
        if (s != TAPE_FRAME)
            return s;
    }
    show(t);
    if (t->differs[0] == '\0')
        return TAPE_FRAME;
    snprintf(msg, msg_size, "%s", t->differs);
    t->differs[0] = '\0';
    return TAPE_DIFFERS;
}

static void line(const struct tape *tape, struct text *out)
{
    const struct record_tape *t = (const struct record_tape *)tape;
    const struct tape_frame *f = &tape->frame;
    const char *name = t->run.st->ifname != NULL ? t->run.st->ifname(t->run.st, f->ifindex) : NULL;
    char what[FRAME_TEXT] = "a frame that there was no memory for";
    if (f->number == 0)
        return;
    const struct pkt p = {.data = (uint8_t *)(uintptr_t)f->bytes,
                          .len = (uint32_t)f->len,
                          .head_len = (uint32_t)f->len};
    if (f->len > 0)
        frame_text(&p, what);
    text_printf(out, "%6" PRIu64 " %5" PRIu64 ".%06" PRIu64 "  %-8s %-3s  %s", f->number,
                f->at / TD_SEC, f->at % TD_SEC / TD_US, name != NULL ? name : "?",
                f->dir == TAPE_OUT ? "out" : "in", what);
}

static void close_tape(struct tape *tape)
{
    struct record_tape *t = (struct record_tape *)tape;
    while (t->deck.apps != NULL)
        app_gone(&t->deck, t->deck.apps->id);
    if (t->run.st != NULL)
        deck_done(&t->deck);
    record_run_close(&t->run);
    for (unsigned i = 0; i < OWNERS; i++) {
        while (t->owners[i] != NULL) {
            struct owner *o = t->owners[i];
            t->owners[i] = o->next;
            free(o);
        }
    }
    text_free(&t->bytes);
    free(t->wait);
    free(t);
}

static const struct tape_ops tape_ops = {
    .kind = "record", .step = step, .line = line, .close = close_tape};

struct tape *record_tape_open(const char *path, const struct record_run_options *options,
                              int *status, char *msg, size_t msg_size)
{
    struct record_tape *t = calloc(1, sizeof(*t));
    struct record_contents c;
    if (t == NULL) {
        snprintf(msg, msg_size, "out of memory");
        *status = EXIT_FAILED;
        return NULL;
    }
    const struct record_run_hooks hooks = {
        .frame = frame, .app = app, .owner = owner, .wall = wall, .ctx = t};
    t->tape.ops = &tape_ops;
    *status = record_run_open(&t->run, path, options, &hooks, msg, msg_size);
    if (*status != EXIT_DONE) {
        close_tape(&t->tape);
        return NULL;
    }
    deck_init(&t->deck, t->run.st, t->run.file.head.name);
    t->deck.owner = owner_name;
    t->deck.owner_ctx = t;
    t->deck.wall_offset = t->run.file.head.wall;
    record_contents(&t->run.file, &c);
    t->tape.deck = &t->deck;
    t->tape.total = c.in + c.out;
    t->tape.first = t->tape.total > 0;
    t->tape.last = t->tape.total;
    t->tape.length = c.last - c.first;
    if (t->tape.total == 0 && advance(t, msg, msg_size) == TAPE_FAILED) {
        *status = t->run.status != 0 ? t->run.status : EXIT_FAILED;
        close_tape(&t->tape);
        return NULL;
    }
    return &t->tape;
}
