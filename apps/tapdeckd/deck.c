/* tapdeckd/deck.c: what the daemon has, and the life of a command.
 *
 * A run begins in run_start, which looks its command up and calls it. Short commands are over when
 * that returns. Long ones set `step` and return RUN_MORE; whoever drives them calls run_step when
 * `wake` has come, or when `ready` is set and the reader has taken enough of the output: a dump of
 * a hundred thousand sockets holds 64 KiB at a time, not all of it. Runs hang on the deck in order
 * of their start, so that nothing depends on who asks first.
 *
 * A command that reads (nc) says so with run_read. Its client is then asked for input, 64 KiB at a
 * time as the command consumes it, so that what waits here is bounded and a cancel never stands
 * behind data that nobody takes.
 */
#include "tapdeckd/captures.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/args.h"
#include "common/nearest.h"
#include "common/usage.h"
#include "link/link.h"
#include "tapdeckd/deck_time.h"

static int64_t wall_seconds(void *ctx)
{
    const struct deck *d = ctx;
    return ((int64_t)deck_now(d) + d->wall_offset) / (int64_t)TD_SEC;
}

void deck_init(struct deck *d, struct td_stack *st, const char *name)
{
    memset(d, 0, sizeof(*d));
    d->st = st;
    d->name = name;
    d->started = td_stack_now(st);
    d->next_app = 1;
    d->host = (struct app_host){.st = st, .wall = wall_seconds, .ctx = d};
}

td_time deck_now(const struct deck *d)
{
    return d->hooks.clock ? d->hooks.clock(d->hooks.ctx) : td_stack_now(d->st);
}

void deck_stop_apps(struct deck *d)
{
    while (d->apps != NULL) {
        struct deck_app *a = d->apps;
        d->apps = a->next;
        a->class->stop(a->instance);
        free(a->line);
        free(a);
    }
}

void deck_done(struct deck *d)
{
    while (d->runs != NULL)
        run_free(d->runs);
    deck_stop_apps(d);
    captures_done(d);
    while (d->taps != NULL)
        deck_tap_remove(d, d->taps);
    deck_time_leave(d);
}

void deck_tick(struct deck *d, td_time now)
{
    for (struct deck_app *a = d->apps; a != NULL; a = a->next) {
        if (a->class->tick == NULL)
            continue;
        td_socket_owner(d->st, a->id);
        a->class->tick(a->instance, now);
    }
    td_socket_owner(d->st, 0);
}

const char *deck_owner(const struct deck *d, uint32_t owner)
{
    for (const struct deck_app *a = d->apps; owner < OWNER_RUNS && a != NULL; a = a->next)
        if (a->id == owner)
            return a->class->name;
    for (const struct run *r = d->runs; owner >= OWNER_RUNS && r != NULL; r = r->next)
        if (r->number == owner)
            return r->cmd != NULL ? r->cmd->name : "";
    return d->owner != NULL ? d->owner(d->owner_ctx, owner) : "";
}

struct deck_tap *deck_tap_find(const struct deck *d, const char *name)
{
    for (struct deck_tap *t = d->taps; t != NULL; t = t->next) {
        const struct netif *nif = netif_by_index(d->st, tap_ifindex(t->tap));
        if (strcmp(tap_name(t->tap), name) == 0 || (nif != NULL && strcmp(nif->name, name) == 0))
            return t;
    }
    return NULL;
}

void deck_tap_remove(struct deck *d, struct deck_tap *t)
{
    struct deck_tap **at = &d->taps;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    if (d->hooks.tap_removing != NULL)
        d->hooks.tap_removing(d->hooks.ctx, t);
    deck_time_forget(t);
    tap_close(t->tap);
    free(t);
}

/* ---- runs ---- */

struct run *run_start(struct deck *d, int argc, char *const *argv, bool json, bool tty)
{
    struct run *r = calloc(1, sizeof(*r));
    if (r == NULL)
        abort();
    r->deck = d;
    r->json = json;
    r->tty = tty;
    r->wake = TD_NEVER;
    r->jw.t = &r->out;
    r->argv = words_copy(argc, argv);
    r->argc = argc;
    struct run **at = &d->runs;
    while (*at != NULL)
        at = &(*at)->next;
    r->prev = at;
    *at = r;
    /* -j may stand before the command, as in `ip -j addr` behind the command word. */
    r->cmd = command_find(argv[0]);
    if (r->cmd == NULL) {
        struct nearest n = {.word = argv[0]};
        for (size_t i = 0; commands[i] != NULL; i++)
            nearest_offer(&n, commands[i]->name);
        r->status = n.best[0] != '\0'
                        ? run_fail(r, EXIT_USAGE, "there is no command '%s': did you mean '%s'?",
                                   argv[0], n.best)
                        : run_fail(r, EXIT_USAGE, "there is no command '%s': `help` lists them",
                                   argv[0]);
        return r;
    }
    if (d->hooks.permit != NULL && !d->hooks.permit(d->hooks.ctx, r)) {
        r->status = run_fail(r, EXIT_USAGE, "'%s' isn't permitted here", argv[0]);
        return r;
    }
    /* -h alone: with other words it is an option of some tools. */
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "-help") == 0)))) {
        run_printf(r, "%s\n\n%s\n", r->cmd->usage, r->cmd->doc);
        if (r->cmd->more != NULL)
            run_printf(r, "\n%s\n", r->cmd->more);
        return r;
    }
    r->number = OWNER_RUNS + d->next_run++ % OWNER_RUNS;
    td_socket_owner(d->st, r->number);
    r->status = r->cmd->fn(r);
    td_socket_owner(d->st, 0);
    return r;
}

void run_step(struct run *r, td_time now)
{
    if (r->status != RUN_MORE || r->step == NULL)
        return;
    r->ready = false;
    td_socket_owner(r->deck->st, r->number);
    r->status = r->step(r, now);
    td_socket_owner(r->deck->st, 0);
}

void run_interrupt(struct run *r)
{
    if (r->status == RUN_MORE)
        r->status =
            r->interrupt != NULL ? r->interrupt(r) : run_fail(r, EXIT_FAILED, "interrupted");
}

void run_notify(void *ctx, struct td_stack *st, int s, int mask)
{
    (void)st;
    (void)s;
    (void)mask;
    ((struct run *)ctx)->ready = true;
}

void run_read(struct run *r)
{
    r->reads = true;
}

void run_input(struct run *r, const void *bytes, size_t n, bool eof)
{
    if (r->in_eof)
        return;
    r->in_granted -= n < r->in_granted ? n : r->in_granted;
    r->in_eof = eof;
    if (r->reads && n > 0)
        text_add(&r->in, bytes, n);
    if (r->reads)
        r->ready = true;
}

size_t run_input_wanted(struct run *r)
{
    size_t held = r->in.len + r->in_granted;
    if (!r->reads || r->in_eof || r->status != RUN_MORE || held > RUN_IN_HIGH / 2)
        return 0;
    r->in_granted += RUN_IN_HIGH - held;
    return RUN_IN_HIGH - held;
}

bool run_input_full(const struct run *r)
{
    return r->in.len >= RUN_IN_HIGH;
}

void run_free(struct run *r)
{
    if (r == NULL)
        return;
    if (r->release != NULL)
        r->release(r);
    else
        free(r->state);
    *r->prev = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    text_free(&r->out);
    text_free(&r->notes);
    text_free(&r->in);
    words_free(r->argv);
    free(r);
}

td_time runs_deadline(const struct deck *d)
{
    td_time at = TD_NEVER;
    for (const struct run *r = d->runs; r != NULL; r = r->next)
        if (r->status == RUN_MORE && r->wake < at)
            at = r->wake;
    return at;
}

void run_puts(struct run *r, const char *s)
{
    text_puts(&r->out, s);
}

void run_printf(struct run *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&r->out, fmt, ap);
    va_end(ap);
}

void run_note(struct run *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&r->notes, fmt, ap);
    va_end(ap);
}

int run_fail(struct run *r, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->err, sizeof(r->err), fmt, ap);
    va_end(ap);
    return status;
}

/* The words before `at`, for a sentence that says where. */
static void words_before(const struct run *r, int at, char *dst, size_t size)
{
    size_t n = 0;
    dst[0] = '\0';
    for (int i = 0; i < at && i < r->argc && n < size; i++)
        n += (size_t)snprintf(dst + n, size - n, "%s%s", i ? " " : "", r->argv[i]);
}

static void offer_word(void *ctx, const struct usage_hint *h)
{
    if (!h->value)
        nearest_offer(ctx, h->word);
}

/* Which word of the command's usage was meant there. */
static void nearest_word(const struct run *r, int at, struct nearest *n)
{
    char msg[256];
    struct usage *u = usage_parse(r->cmd->name, r->cmd->usage, msg, sizeof(msg));
    n->word = r->argv[at];
    if (u != NULL)
        usage_next(u, at, r->argv, "", offer_word, n);
    usage_free(u);
}

int run_bad_word(struct run *r, int at, const char *would_be_right)
{
    char where[256];
    struct nearest n = {.best = ""};
    words_before(r, at, where, sizeof(where));
    if (at >= r->argc)
        return run_fail(r, EXIT_USAGE, "a word is missing after '%s': %s", where, would_be_right);
    nearest_word(r, at, &n);
    if (n.best[0] != '\0')
        return run_fail(r, EXIT_USAGE, "'%s' doesn't belong after '%s' (did you mean '%s'?): %s",
                        r->argv[at], where, n.best, would_be_right);
    return run_fail(r, EXIT_USAGE, "'%s' doesn't belong after '%s': %s", r->argv[at], where,
                    would_be_right);
}

const char *run_value(struct run *r, int at, const char *what)
{
    if (at + 1 < r->argc)
        return r->argv[at + 1];
    char where[256];
    words_before(r, at + 1, where, sizeof(where));
    run_fail(r, EXIT_USAGE, "%s is missing after '%s'", what, where);
    return NULL;
}

int run_option(struct run *r, struct args *a, const char **word, const char *would_be_right)
{
    char msg[256];
    int letter = args_next(a, msg, sizeof(msg));
    if (letter == '?') {
        run_fail(r, EXIT_USAGE, "%s: %s", msg, would_be_right);
    } else if (letter == -1 && a->index < a->argc) {
        *word = a->argv[a->index++];
        letter = 0;
    }
    return letter;
}

int run_mean(struct run *r, int status, const struct nearest *n)
{
    size_t len = strlen(r->err);
    if (n->best[0] != '\0')
        snprintf(r->err + len, sizeof(r->err) - len, "; did you mean '%s'?", n->best);
    return status;
}

int run_no_event(struct run *r, const char *name)
{
    struct nearest n = {.word = name};
    for (int e = 1; e < EV_COUNT; e++)
        nearest_offer(&n, event_info[e].name);
    int status =
        run_fail(r, EXIT_USAGE,
                 "no event is called '%s': names look like tcp-state, and * stands for anything", name);
    return run_mean(r, status, &n);
}

/* A pipe or a terminal would keep the whole stack waiting. */
FILE *run_open(struct run *r, const char *name)
{
    struct stat is;
    int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &is) < 0) {
        (void)run_fail(r, EXIT_USAGE, "%s can't be read: %s", name, strerror(errno));
    } else if (!S_ISREG(is.st_mode)) {
        (void)run_fail(r, EXIT_USAGE, "%s can't be read: it is no file of lines", name);
    } else {
        FILE *f = fdopen(fd, "r");
        if (f != NULL)
            return f;
        (void)run_fail(r, EXIT_FAILED, "out of memory");
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

uint32_t run_interface(struct run *r, const char *name)
{
    uint32_t index = td_if_index(r->deck->st, name);
    if (index != 0)
        return index;
    char list[256] = "";
    size_t n = 0;
    for (const struct netif *nif = netif_first(r->deck->st); nif != NULL && n < sizeof(list);
         nif = nif->next)
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", nif->name);
    struct nearest near = {.word = name};
    for (const struct netif *nif = netif_first(r->deck->st); nif != NULL; nif = nif->next)
        nearest_offer(&near, nif->name);
    run_mean(r, run_fail(r, EXIT_USAGE, "there is no interface '%s': there is %s", name, list), &near);
    return 0;
}

const char *error_text(int err)
{
    switch (err < 0 ? -err : err) {
    case ENOENT:
    case ESRCH:
        return "there is no such entry";
    case EEXIST:
        return "it is there already";
    case ENETUNREACH:
        return "the network is unreachable: no route leads there";
    case EHOSTUNREACH:
        return "the host is unreachable";
    case EADDRNOTAVAIL:
        return "this host has no such address";
    case ENODEV:
        return "there is no such interface";
    case ENOMEM:
        return "there is no memory left (or the table is full)";
    case ENOSPC:
        return "the table is full";
    case EINVAL:
        return "the value is not valid here";
    case ENETDOWN:
        return "the interface is down";
    default:
        return strerror(err < 0 ? -err : err);
    }
}

/* ---- tables ---- */

/* Rows are read column by column, by names that are nearly always the same constants: where each was found last is
 * remembered by its address. What is remembered is checked, so it may be anything. */
#define REMEMBERED 1024
static uint8_t remembered[REMEMBERED];

int table_column(const struct table *t, const char *name)
{
    uint32_t key = (uint32_t)(uintptr_t)name * 31U + (uint32_t)((uintptr_t)t >> 4);
    uint8_t *last = &remembered[key * UINT32_C(2654435761) >> 22];
    if (*last < t->ncolumns && strcmp(t->columns[*last].name, name) == 0)
        return *last;
    for (unsigned i = 0; i < t->ncolumns; i++)
        if (strcmp(t->columns[i].name, name) == 0) {
            *last = (uint8_t)i;
            return (int)i;
        }
    return -1;
}

const struct value *row_value(const struct table *t, const struct row *row, const char *column)
{
    int i = table_column(t, column);
    return i >= 0 && row->v[i].type != VAL_NONE ? &row->v[i] : NULL;
}

uint64_t row_number(const struct table *t, const struct row *row, const char *column)
{
    const struct value *v = row_value(t, row, column);
    return v != NULL && v->type != VAL_STR ? v->u : 0;
}

bool row_has(const struct table *t, const struct row *row, const char *column)
{
    return row_value(t, row, column) != NULL;
}

const char *row_text(const struct table *t, const struct row *row, const char *column, char dst[64])
{
    const struct value *v = row_value(t, row, column);
    if (v == NULL)
        return "";
    if (v->type == VAL_STR)
        return v->s;
    value_format(v, dst, 64);
    return dst;
}

void value_json(struct jsonw *w, const struct value *v, const char *key)
{
    char text[64];
    switch (v->type) {
    case VAL_NONE:
        break;
    case VAL_U64:
    case VAL_NS:
        jw_u64(w, key, v->u);
        break;
    case VAL_I64:
        jw_i64(w, key, v->i);
        break;
    case VAL_BOOL:
        jw_bool(w, key, v->u != 0);
        break;
    case VAL_STR:
        jw_str(w, key, v->s);
        break;
    default:
        value_format(v, text, sizeof(text));
        jw_str(w, key, text);
    }
}

void row_json(struct jsonw *w, const struct table *t, const struct row *row, const char *column,
              const char *key)
{
    const struct value *v = row_value(t, row, column);
    if (v != NULL)
        value_json(w, v, key);
}
