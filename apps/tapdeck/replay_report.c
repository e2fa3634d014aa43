/* tapdeck/replay_report.c: `replay --report FORM -o FILE -w COPY` (replay/report.h,
 * replay/observe.h do the work).
 *
 * A file that -o names is written beside its place and moved there when it is whole: a capture that
 * can't be read doesn't cost the report that was there. What isn't a plain file (a device, a pipe)
 * is written as it is.
 */
#include "tapdeck/replay_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "replay/annotate.h"
#include "replay/report.h"

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

int report_words_fit(struct session *s, const struct report_words *w, const char *file)
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
    const char *name;
};

static bool place_open(struct place *p, const char *name, char *msg, size_t msg_size)
{
    struct stat st;
    *p = (struct place){.name = name};
    if (stat(name, &st) == 0 && !S_ISREG(st.st_mode)) {
        p->f = fopen(name, "we");
    } else {
        text_printf(&p->beside, "%s.XXXXXX", name);
        int fd = mkstemp(p->beside.s);
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
    bool failed = ferror(p->f) != 0;
    if (fclose(p->f) != 0)
        failed = true;
    if (status == EXIT_DONE && !failed && p->beside.len > 0 && rename(p->beside.s, p->name) != 0)
        failed = true;
    if (status == EXIT_DONE && failed) {
        (void)snprintf(msg, msg_size, "%s: %s", p->name, strerror(errno));
        status = EXIT_FAILED;
    }
    if (status != EXIT_DONE && p->beside.len > 0)
        (void)unlink(p->beside.s);
    text_free(&p->beside);
    return status;
}

/* ---- the forms ---- */

struct pass { /* one pass through the capture */
    const struct report_words *w;
    struct observe_options *o;
    struct capture_reader *r;
    const char *file;
    void (*tick)(void *ctx, uint64_t packets);
    void *ctx;
    char *msg;
    size_t msg_size;
};

static int pass(const struct pass *p, FILE *out)
{
    return observe_run(p->r, p->file, p->o, out, p->tick, p->ctx, p->msg, p->msg_size);
}

static void listen(struct observe_options *o, struct observe_listener *l)
{
    l->next = o->listener;
    o->listener = l;
}

static int write_report(const struct pass *p, FILE *out)
{
    struct report page;
    if (p->w->form != REPORT_HTML)
        return pass(p, out);
    report_begin(&page, p->file, out);
    listen(p->o, &page.listener);
    p->o->silent = true;
    int status = pass(p, out);
    p->o->listener = page.listener.next;
    report_done(&page);
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

/* The copy; and the report, if one was asked for. */
static int write_copy(const struct pass *p, FILE *standard)
{
    struct place copy;
    struct annotate a;
    bool alone = p->w->form == REPORT_PLAIN && !p->o->json;
    if (!place_open(&copy, p->w->copy, p->msg, p->msg_size))
        return EXIT_FAILED;
    annotate_begin(&a, p->r, copy.f);
    listen(p->o, &a.listener);
    p->o->silent = alone;
    int status =
        place_close(&copy, alone ? pass(p, standard) : write_to(p, standard), p->msg, p->msg_size);
    if (status == EXIT_DONE && alone)
        fprintf(standard, "%s: %llu packets, with comments on %llu\n", p->w->copy,
                (unsigned long long)a.packets, (unsigned long long)a.annotated);
    annotate_done(&a);
    return status;
}

int report_observe(struct session *s, const struct report_words *w, struct observe_options *o,
                   struct capture_reader *r, const char *file,
                   void (*tick)(void *ctx, uint64_t packets), void *ctx, char *msg, size_t msg_size)
{
    const struct pass p = {w, o, r, file, tick, ctx, msg, msg_size};
    return w->copy != NULL ? write_copy(&p, s->out) : write_to(&p, s->out);
}
