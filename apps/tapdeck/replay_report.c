/* tapdeck/replay_report.c: `replay --report FORM -o FILE` (replay/report.h, replay/observe.h do the
 * work).
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

int report_words_fit(struct session *s, const struct report_words *w)
{
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

static int run(const struct report_words *w, struct observe_options *o, struct capture_reader *r,
               const char *file, FILE *out, void (*tick)(void *ctx, uint64_t packets), void *ctx,
               char *msg, size_t msg_size)
{
    struct report page;
    int status;
    if (w->form != REPORT_HTML)
        return observe_run(r, file, o, out, tick, ctx, msg, msg_size);
    report_begin(&page, file, out);
    page.listener.next = o->listener;
    o->listener = &page.listener;
    o->silent = true;
    status = observe_run(r, file, o, out, tick, ctx, msg, msg_size);
    report_done(&page);
    return status;
}

int report_observe(struct session *s, const struct report_words *w, struct observe_options *o,
                   struct capture_reader *r, const char *file,
                   void (*tick)(void *ctx, uint64_t packets), void *ctx, char *msg, size_t msg_size)
{
    struct place p;
    if (w->to == NULL)
        return run(w, o, r, file, s->out, tick, ctx, msg, msg_size);
    if (!place_open(&p, w->to, msg, msg_size))
        return EXIT_FAILED;
    return place_close(&p, run(w, o, r, file, p.f, tick, ctx, msg, msg_size), msg, msg_size);
}
