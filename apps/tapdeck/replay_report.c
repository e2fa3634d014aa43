/* tapdeck/replay_report.c: `replay --report FORM -o FILE -w COPY` (replay/report.h,
 * replay/observe.h do the work).
 *
 * A file that -o names is written beside its place and moved there when it is whole: a capture that
 * can't be read doesn't cost the report that was there. Until then it has no name, where the file
 * system can do that: whoever interrupts it leaves nothing behind. What isn't a plain file (a
 * device, a pipe) is written as it is.
 */
#include "tapdeck/replay_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "replay/annotate.h"
#include "replay/ladder.h"
#include "replay/report.h"
#include "replay/verdicts.h"

int report_option(struct session *s, const char *option, const char *value, struct report_words *w)
{
    static const char *const forms[] = {"text", "json", "html"};
    if (strcmp(option, "-o") == 0) {
        if (value == NULL)
            return session_fail(s, EXIT_USAGE, "-o needs the file that the report is written to");
        w->to = value;
        return EXIT_DONE;
    }
    if (strcmp(option, "-w") == 0) {
        if (value == NULL)
            return session_fail(s, EXIT_USAGE,
                                "-w needs the file that the capture with comments is written to");
        w->copy = value;
        return EXIT_DONE;
    }
    if (strcmp(option, "--report") != 0)
        return -1;
    for (unsigned i = 0; value != NULL && i < sizeof(forms) / sizeof(*forms); i++) {
        if (strcmp(value, forms[i]) == 0) {
            w->form = REPORT_TEXT + i;
            return EXIT_DONE;
        }
    }
    return session_fail(s, EXIT_USAGE, "--report needs text, json or html");
}

int report_words_fit(struct session *s, const struct report_words *w, bool json, const char *file)
{
    struct stat a, b;
    const char *const to[] = {w->to, w->copy};
    for (int i = 0; i < 2; i++)
        if (to[i] != NULL && stat(to[i], &a) == 0 && S_ISREG(a.st_mode) && stat(file, &b) == 0 &&
            a.st_ino == b.st_ino && a.st_dev == b.st_dev)
            return session_fail(s, EXIT_USAGE, "%s is the capture itself: write to another file",
                                to[i]);
    if (w->to != NULL && w->copy != NULL && strcmp(w->to, w->copy) == 0)
        return session_fail(s, EXIT_USAGE, "-o and -w both write to %s", w->to);
    if (w->to != NULL && w->copy != NULL && w->form == REPORT_PLAIN)
        return session_fail(s, EXIT_USAGE,
                            "-o %s: which report goes there? add --report text, json or html",
                            w->to);
    if (json && (w->form == REPORT_TEXT || w->form == REPORT_HTML))
        return session_fail(s, EXIT_USAGE,
                            "-j is --report json, and --report %s was asked for too: choose one",
                            w->form == REPORT_TEXT ? "text" : "html");
    if (w->form == REPORT_HTML && w->to == NULL && isatty(fileno(s->out)))
        return session_fail(
            s, EXIT_USAGE,
            "--report html makes a page for a browser: say where to, with -o FILE.html");
    return EXIT_DONE;
}

/* ---- a file that is whole or not there ---- */

struct place {
    FILE *f;
    struct text beside; /* what it is called meanwhile; "" = it is written in place */
    bool nameless;      /* it gets that name when it is whole */
    const char *name;
};

/* A file without a name in the directory of `name`; -1: it can't be had there. */
static int nameless_file(const char *name)
{
    struct text dir = {0};
    const char *slash = strrchr(name, '/');
    text_add(&dir, slash != NULL ? name : ".", slash != NULL ? (size_t)(slash - name) + 1 : 1);
    bool can_be_named = access("/proc/self/fd", X_OK) == 0;
    int fd = can_be_named ? open(dir.s, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
    text_free(&dir);
    return fd;
}

/* The name that it has until it is moved to its place. */
static bool give_name(struct place *p)
{
    char from[40];
    struct text to = {0};
    (void)snprintf(from, sizeof(from), "/proc/self/fd/%d", fileno(p->f));
    text_printf(&to, "%s.%ld", p->name, (long)getpid());
    bool ok = linkat(AT_FDCWD, from, AT_FDCWD, to.s, AT_SYMLINK_FOLLOW) == 0;
    text_free(&p->beside);
    p->beside = to;
    p->nameless = !ok;
    return ok;
}

static bool place_open(struct place *p, const char *name, char *msg, size_t msg_size)
{
    struct stat st;
    int fd;
    *p = (struct place){.name = name};
    if (stat(name, &st) == 0 && !S_ISREG(st.st_mode)) {
        p->f = fopen(name, "we");
    } else if ((fd = nameless_file(name)) >= 0) {
        p->nameless = true;
        p->f = fdopen(fd, "w");
    } else {
        text_printf(&p->beside, "%s.XXXXXX", name);
        fd = mkstemp(p->beside.s);
        p->f = fd >= 0 ? fdopen(fd, "w") : NULL;
        if (fd >= 0) {
            mode_t mask = umask(0);
            (void)umask(mask);
            (void)fchmod(fd, 0666 & ~mask);
        }
    }
    if (p->f == NULL) {
        (void)snprintf(msg, msg_size, "%s: %s", name, strerror(errno));
        text_free(&p->beside);
        return false;
    }
    return true;
}

static int place_close(struct place *p, int status, char *msg, size_t msg_size)
{
    bool failed = ferror(p->f) != 0 || fflush(p->f) != 0;
    if (status == EXIT_DONE && !failed && p->nameless && !give_name(p))
        failed = true;
    if (fclose(p->f) != 0)
        failed = true;
    if (status == EXIT_DONE && !failed && p->beside.len > 0 && rename(p->beside.s, p->name) != 0)
        failed = true;
    if (status == EXIT_DONE && failed) {
        (void)snprintf(msg, msg_size, "%s: %s", p->name, strerror(errno));
        status = EXIT_FAILED;
    }
    if (status != EXIT_DONE && p->beside.len > 0 && !p->nameless)
        (void)unlink(p->beside.s);
    text_free(&p->beside);
    return status;
}

/* ---- observed ---- */

struct pass { /* one pass through the capture */
    const struct report_words *w;
    struct observe_options *o;
    struct capture_reader *r;
    const char *file;
    struct verdicts *verdicts; /* of a first pass, or NULL */
    bool said;                 /* standard output has a report already */
    void (*tick)(void *ctx, uint64_t packets);
    void *ctx;
    char *msg;
    size_t msg_size;
};

static int pass(const struct pass *p, FILE *out)
{
    return observe_run(p->r, p->file, p->o, out, p->tick, p->ctx, p->msg, p->msg_size);
}

/* A pass with one listener more, which comes first. */
static int pass_with(const struct pass *p, struct observe_listener *l, FILE *out)
{
    l->next = p->o->listener;
    p->o->listener = l;
    int status = pass(p, out);
    p->o->listener = l->next;
    return status;
}

static int write_report(const struct pass *p, FILE *out)
{
    struct report page;
    struct ladder ladder;
    int status;
    if (p->w->form == REPORT_HTML) {
        report_begin(&page, p->file, p->verdicts, out);
        p->o->silent = true;
        status = pass_with(p, &page.listener, out);
        report_done(&page);
        return status;
    }
    if (p->w->form != REPORT_TEXT || p->o->summary)
        return pass(p, out);
    ladder_begin(&ladder, out);
    status = pass_with(p, &ladder.listener, out);
    ladder_done(&ladder);
    return status;
}

static int write_to(const struct pass *p, FILE *standard)
{
    struct place to;
    if (p->w->to == NULL)
        return write_report(p, standard);
    if (!place_open(&to, p->w->to, p->msg, p->msg_size))
        return EXIT_FAILED;
    return place_close(&to, write_report(p, to.f), p->msg, p->msg_size);
}

static void say_verdict(void *ctx, const struct observe_packet *p, struct text *out)
{
    struct verdicts *v = ctx;
    struct verdict k;
    if (verdicts_of(v, p->number, verdicts_time(v, p->number, p->t), &k))
        text_puts(out, k.words);
}

/* The copy; and the report, if one was asked for. */
static int write_copy(const struct pass *p, FILE *standard)
{
    struct place copy;
    struct annotate a;
    bool alone = p->w->form == REPORT_PLAIN && !p->o->json; /* no report */
    if (!place_open(&copy, p->w->copy, p->msg, p->msg_size))
        return EXIT_FAILED;
    annotate_begin(&a, p->r, copy.f);
    if (p->verdicts != NULL) {
        a.more = say_verdict;
        a.more_ctx = p->verdicts;
    }
    a.listener.next = p->o->listener;
    p->o->listener = &a.listener;
    p->o->silent = alone;
    int status =
        place_close(&copy, alone ? pass(p, standard) : write_to(p, standard), p->msg, p->msg_size);
    if (p->tick != NULL) /* the bar may stand on this line */
        fputs("\r\033[K", stderr);
    if (status == EXIT_DONE && alone && !p->said)
        fprintf(standard, "%s: %llu packets, with comments on %llu\n", p->w->copy,
                (unsigned long long)a.packets, (unsigned long long)a.annotated);
    annotate_done(&a);
    return status;
}

int report_observe(struct session *s, const struct report_words *w, struct observe_options *o,
                   struct capture_reader *r, const char *file,
                   void (*tick)(void *ctx, uint64_t packets), void *ctx, char *msg, size_t msg_size)
{
    const struct pass p = {w, o, r, file, NULL, false, tick, ctx, msg, msg_size};
    return w->copy != NULL ? write_copy(&p, s->out) : write_to(&p, s->out);
}

/* ---- played ---- */

/* The first pass, its rows to where they belong; NULL: they aren't wanted. */
static int first_pass(const struct report_words *w, const struct report_played *p,
                      struct verdicts *v, FILE *standard, char *msg, size_t msg_size)
{
    struct place to;
    if (w->to == NULL || w->form == REPORT_HTML)
        return p->run(p->ctx, v, standard, msg, msg_size);
    if (!place_open(&to, w->to, msg, msg_size))
        return EXIT_FAILED;
    return place_close(&to, p->run(p->ctx, v, to.f, msg, msg_size), msg, msg_size);
}

/* The second pass: the same packets, with the verdicts. flow: -1 = all. rows: standard output has a
 * report already. */
static int with_verdicts(struct session *s, const struct report_words *w, struct verdicts *v,
                         const char *file, int64_t flow, bool rows, char *msg, size_t msg_size)
{
    struct observe_options o = {.flow = flow, .silent = true, .sums = SUMS_REPAIR};
    struct report_words again = *w;
    if (!verdicts_rewind(v)) {
        (void)snprintf(msg, msg_size, "the temporary file: %s", strerror(errno));
        return EXIT_FAILED;
    }
    if (again.form != REPORT_HTML) { /* that has been written */
        again.form = REPORT_PLAIN;
        again.to = NULL;
    }
    struct capture_reader *r = capture_open(file, msg, msg_size);
    if (r == NULL)
        return EXIT_USAGE;
    const struct pass p = {&again, &o, r, file, v, rows, NULL, NULL, msg, msg_size};
    int status = w->copy != NULL ? write_copy(&p, s->out) : write_to(&p, s->out);
    capture_close(r);
    return status;
}

static int open_verdicts(struct verdicts *v, const char *file, char *msg, size_t msg_size)
{
    if (strcmp(file, "-") == 0) {
        (void)snprintf(
            msg, msg_size,
            "--play with --report html or -w goes through the capture twice: give it as a file");
        return EXIT_USAGE;
    }
    if (!verdicts_open(v)) {
        (void)snprintf(msg, msg_size, "there can be no temporary file: %s", strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

int report_played(struct session *s, const struct report_words *w, const struct report_played *p,
                  char *msg, size_t msg_size)
{
    struct verdicts v;
    if (w->form != REPORT_HTML && w->copy == NULL)
        return first_pass(w, p, NULL, s->out, msg, msg_size);
    int status = open_verdicts(&v, p->file, msg, msg_size);
    if (status != EXIT_DONE)
        return status;
    bool rows = w->form == REPORT_TEXT || w->form == REPORT_JSON ||
                (w->form == REPORT_PLAIN && (p->json || w->to != NULL));
    v.side = p->side;
    v.who = p->who;
    status = first_pass(w, p, &v, rows ? s->out : NULL, msg, msg_size);
    if (status == EXIT_DONE)
        status = with_verdicts(s, w, &v, p->file, p->flow, rows, msg, msg_size);
    verdicts_close(&v);
    return status;
}

/* ---- one end of a connection ---- */

struct play_pass {
    struct play *p;
    const char *file;
    bool json;
};

static int run_play(void *ctx, struct verdicts *v, FILE *out, char *msg, size_t msg_size)
{
    struct play_pass *pass_of = ctx;
    struct play *p = pass_of->p;
    struct play_out o = {.p = p, .name = pass_of->file, .out = out, .json = pass_of->json};
    p->row = out != NULL ? play_out_row : NULL;
    p->row_ctx = &o;
    if (v != NULL) {
        v->play = p;
        v->begin = p->wall;
        v->begun = true;
        v->play_row = p->row;
        v->row_ctx = p->row_ctx;
        p->row = verdicts_play_row;
        p->row_ctx = v;
    }
    if (out != NULL)
        play_out_begin(&o);
    int status = play_run(p, msg, msg_size);
    if (out != NULL)
        play_out_end(&o, status == EXIT_DONE);
    if (v != NULL)
        play_end_text(p, &v->says);
    return status;
}

int report_play(struct session *s, const struct report_words *w, struct play *p, const char *file,
                uint32_t flow, bool json, char *msg, size_t msg_size)
{
    struct play_pass one = {p, file, json};
    const struct report_played played = {.run = run_play,
                                         .ctx = &one,
                                         .file = file,
                                         .flow = flow,
                                         .json = json,
                                         .side = p->side,
                                         .who = p->side == 0 ? "client" : "server"};
    return report_played(s, w, &played, msg, msg_size);
}
