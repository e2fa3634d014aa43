/* replay/observe_tape.c: an observed capture as a tape (observe_tape.h). */
#include "replay/observe_tape.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "replay/deck_internal.h"

/* ---- what there is, once through the file ---- */

struct survey {
    struct observe_listener listener; /* the first member */
    uint64_t packets, first, last;
    int64_t first_t, last_t, begin;
    bool begun;
};

struct surveyor {
    struct survey s; /* the first member */
    const struct observe_tape *t;
};

static void count(struct observe_listener *l, const struct observe_packet *p)
{
    struct surveyor *v = (struct surveyor *)l;
    if (!v->s.begun)
        v->s.begin = p->t;
    v->s.begun = true;
    if (!p->told)
        return;
    if (v->s.packets++ == 0) {
        v->s.first = p->number;
        v->s.first_t = p->t;
    }
    v->s.last = p->number;
    v->s.last_t = p->t;
}

static void ended(struct observe_listener *l, const struct observe_end *e)
{
    (void)l;
    (void)e;
}

static int survey(struct observe_tape *t, FILE *f, void (*tick)(void *ctx, uint64_t packets),
                  void *ctx, char *msg, size_t msg_size)
{
    struct surveyor v = {.s.listener = {.packet = count, .end = ended}, .t = t};
    struct capture_reader *r = capture_open_stream(f, t->name, msg, msg_size);
    if (r == NULL)
        return EXIT_USAGE;
    t->options.listener = &v.s.listener;
    int status = observe_run(r, t->name, &t->options, NULL, tick, ctx, msg, msg_size);
    capture_close(r);
    if (status == EXIT_DONE && v.s.packets == 0) {
        (void)snprintf(msg, msg_size, "%s: there is no packet of it", t->name);
        status = EXIT_USAGE;
    }
    t->first = v.s.begin;
    t->tape.total = v.s.packets;
    t->tape.first = v.s.first;
    t->tape.last = v.s.last;
    t->tape.length = (td_time)(v.s.last_t - v.s.begin);
    return status;
}

/* ---- the tape ---- */

static void hear(struct observe_listener *l, const struct observe_packet *p)
{
    struct observe_tape *t =
        (struct observe_tape *)((char *)l - offsetof(struct observe_tape, listener));
    if (!p->told)
        return;
    t->told = true;
    t->tracked = p->row != NULL;
    if (t->tracked)
        t->row = *p->row;
    text_consume(&t->other, t->other.len);
    if (p->text != NULL)
        text_puts(&t->other, p->text);
    t->tape.steps++;
    t->tape.frame = (struct tape_frame){
        .number = p->number, .at = (td_time)(p->t - t->first), .wall = p->t, .dir = TAPE_SEEN};
    if (p->view != NULL) {
        t->tape.frame.bytes = p->view->frame;
        t->tape.frame.len = p->view->frame_len;
    }
}

static enum tape_step step(struct tape *tape, char *msg, size_t msg_size)
{
    struct observe_tape *t = (struct observe_tape *)tape;
    (void)msg;
    (void)msg_size;
    t->told = false;
    while (!t->told)
        if (!observer_next(t->observer))
            return TAPE_END;
    return TAPE_FRAME;
}

static void line(const struct tape *tape, struct text *out)
{
    const struct observe_tape *t = (const struct observe_tape *)tape;
    if (t->tracked)
        observe_row_text(&t->row, t->first, t->options.flow < 0, out);
    else
        text_printf(out, "%6" PRIu64 " %11.6f      %s", tape->frame.number,
                    (double)tape->frame.at / 1e9,
                    t->other.len > 0 ? t->other.s : "its link layer can't be read");
    if (out->len > 0 && out->s[out->len - 1] == '\n')
        out->s[--out->len] = '\0';
}

static bool in_state(const struct tape *tape, const char *state)
{
    const struct observe_tape *t = (const struct observe_tape *)tape;
    for (int i = 0; t->tracked && i < 2; i++)
        if (t->row.before[i] != t->row.after[i] &&
            deck_same_state(track_state_text(t->row.after[i]), state))
            return true;
    return false;
}

static void close_tape(struct tape *tape)
{
    struct observe_tape *t = (struct observe_tape *)tape;
    observer_close(t->observer);
    capture_close(t->reader);
    mapped_close(&t->file);
    text_free(&t->other);
    free(t->name);
    free(t);
}

static const struct tape_ops ops = {.kind = "capture",
                                    .step = step,
                                    .line = line,
                                    .in_state = in_state,
                                    .command = observe_ask,
                                    .close = close_tape};

struct tape *observe_tape_open(const char *name, int64_t flow, enum observe_sums sums,
                               void (*tick)(void *ctx, uint64_t packets), void *ctx, int *status,
                               char *msg, size_t msg_size)
{
    struct observe_tape *t = calloc(1, sizeof(*t));
    if (t == NULL || (t->name = strdup(name)) == NULL)
        abort();
    t->tape.ops = &ops;
    t->options = (struct observe_options){.silent = true, .flow = flow, .sums = sums};
    FILE *f = mapped_open(&t->file, name, msg, msg_size);
    *status = f != NULL ? survey(t, f, tick, ctx, msg, msg_size) : EXIT_USAGE;
    if (*status == EXIT_DONE) {
        f = mapped_again(&t->file);
        t->reader = f != NULL ? capture_open_stream(f, name, msg, msg_size) : NULL;
        t->listener = (struct observe_listener){.packet = hear, .end = ended};
        t->options.listener = &t->listener;
        t->observer = t->reader != NULL ? observer_open(t->reader, t->name, &t->options) : NULL;
        if (t->observer == NULL) {
            *status = EXIT_FAILED;
            (void)snprintf(msg, msg_size, "out of memory");
        }
    }
    if (*status == EXIT_DONE)
        return &t->tape;
    close_tape(&t->tape);
    return NULL;
}
