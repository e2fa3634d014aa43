/* tapdeck/replay_record.c: `tapdeck replay` of a recorded run: does it again and says whether it
 * was the same. */
#include "tapdeck/replay_record.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/jsonw.h"
#include "replay/record.h"
#include "replay/record_run.h"

#define LOOK 4096 /* calls between two looks at the bar */

static void bar(const struct record_run *run)
{
    static const char full[] = "##############################";
    uint64_t size = record_file_size(&run->file), at = record_file_at(&run->file);
    int done = size > 0 ? (int)(30 * at / size) : 30;
    fprintf(stderr, "\r[%-30.*s] %3d %%  %" PRIu64 " calls", done, full, done * 100 / 30,
            run->calls);
}

static void when(const struct record_head *h, char dst[40])
{
    int64_t wall = (int64_t)h->now + h->wall;
    time_t seconds = (time_t)(wall / (int64_t)TD_SEC);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || strftime(dst, 40, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(dst, 40, "?");
}

static void seconds(td_time t, char dst[40])
{
    snprintf(dst, 40, "%" PRIu64 ".%06" PRIu64, t / TD_SEC, t % TD_SEC / TD_US);
}

/* How it ends, as half a sentence; *whole: as it should. */
static void ending(bool ended, enum record_why why, enum record_got tail, char *dst, size_t size)
{
    if (ended)
        recorder_why(why, 0, dst, size);
    else if (tail == RECORD_DAMAGED)
        snprintf(dst, size, "damaged");
    else
        snprintf(dst, size,
                 tail == RECORD_CUT ? "it is cut off in the middle of a record"
                                    : "it has no end: the daemon was killed, or still records");
}

static void head_json(struct jsonw *j, const char *file, const struct record_head *h, td_time span)
{
    char text[40];
    jw_str(j, "file", file);
    jw_str(j, "name", h->name);
    jw_str(j, "version", h->version);
    when(h, text);
    jw_str(j, "start", text);
    jw_u64(j, "span_ns", span);
}

static void head_text(FILE *out, const char *file, const struct record_head *h, td_time span)
{
    char start[40], length[40];
    when(h, start);
    seconds(span, length);
    fprintf(out, "%s: a run of the daemon %s (version %s) from %s on, %s s\n", file, h->name,
            h->version, start, length);
    if (strcmp(h->version, TAPDECK_VERSION) != 0)
        fprintf(out, "this is version %s: where it differs from that, so will the run\n",
                TAPDECK_VERSION);
}

static void print_text(struct text *t, FILE *out)
{
    fwrite(t->s, 1, t->len, out);
    fputc('\n', out);
    text_free(t);
}

/* ---- what is in it ---- */

static int list(struct session *s, const struct replay_record_words *w)
{
    struct record_file f;
    struct record_contents c;
    char msg[1024], end[256];
    if (record_file_open(&f, w->file, msg, sizeof(msg)) != 0)
        return session_fail(s, EXIT_USAGE, "%s", msg);
    record_contents(&f, &c);
    ending(c.ended, c.why, c.tail, end, sizeof(end));
    if (w->json) {
        struct text t = {0};
        struct jsonw j = {.t = &t};
        jw_open(&j, NULL, '{');
        head_json(&j, w->file, &f.head, c.last - c.first);
        jw_u64(&j, "files", f.parts);
        jw_u64(&j, "calls", c.calls);
        jw_u64(&j, "in", c.in);
        jw_u64(&j, "out", c.out);
        jw_bool(&j, "ended", c.ended);
        jw_str(&j, "end", end);
        jw_open(&j, "kinds", '{');
        for (unsigned k = 0; k < TD_CALL_KINDS; k++)
            if (c.by_kind[k] > 0)
                jw_u64(&j, td_call_name((enum td_call_kind)k), c.by_kind[k]);
        jw_close(&j, '}');
        jw_close(&j, '}');
        print_text(&t, s->out);
    } else {
        head_text(s->out, w->file, &f.head, c.last - c.first);
        fprintf(s->out,
                "%" PRIu64 " calls, %" PRIu64 " frames in, %" PRIu64
                " out, in %u file%s; the end: %s\n",
                c.calls, c.in, c.out, f.parts, f.parts == 1 ? "" : "s", end);
        for (unsigned k = 0; k < TD_CALL_KINDS; k++)
            if (c.by_kind[k] > 0)
                fprintf(s->out, "%10" PRIu64 "  %s\n", c.by_kind[k],
                        td_call_name((enum td_call_kind)k));
    }
    record_file_close(&f);
    return c.tail == RECORD_DAMAGED
               ? session_fail(s, EXIT_USAGE,
                              "behind call %" PRIu64
                              " %s isn't what was written: the file is damaged",
                              c.calls, w->file)
               : EXIT_DONE;
}

/* ---- the run ---- */

static int report(struct session *s, const struct replay_record_words *w,
                  const struct record_run *run, enum record_step step, const char *msg)
{
    char end[256];
    bool same = step == RECORD_STEP_END;
    td_time span = run->at - run->file.head.now;
    ending(run->ended, run->why, run->tail, end, sizeof(end));
    if (w->json) {
        struct text t = {0};
        struct jsonw j = {.t = &t};
        jw_open(&j, NULL, '{');
        head_json(&j, w->file, &run->file.head, span);
        jw_u64(&j, "calls", run->calls);
        jw_u64(&j, "in", run->in);
        jw_u64(&j, "out", run->out);
        jw_bool(&j, "identical", same);
        if (same)
            jw_str(&j, "end", end);
        else
            jw_str(&j, step == RECORD_STEP_DIFFERS ? "difference" : "failure", msg);
        if (run->signal > 0)
            jw_i64(&j, "signal", run->signal);
        jw_close(&j, '}');
        print_text(&t, s->out);
    } else {
        head_text(s->out, w->file, &run->file.head, span);
        fprintf(s->out, "%" PRIu64 " calls, %" PRIu64 " frames in, %" PRIu64 " out%s\n", run->calls,
                run->in, run->out, same ? ": identical" : ", until");
        if (same)
            fprintf(s->out, "the recording's end: %s\n", end);
    }
    fflush(s->out);
    if (same)
        return EXIT_DONE;
    return session_fail(s, step == RECORD_STEP_DIFFERS ? EXIT_FAILED : run->status, "%s", msg);
}

int replay_record(struct session *s, const struct replay_record_words *w)
{
    struct record_run run;
    enum record_step step;
    char msg[1024];
    bool shown = isatty(STDERR_FILENO);
    if (w->list)
        return list(s, w);
    int status = record_run_open(&run, w->file, NULL, NULL, msg, sizeof(msg));
    if (status != EXIT_DONE) {
        record_run_close(&run);
        return session_fail(s, status, "%s", msg);
    }
    while ((step = record_run_next(&run, msg, sizeof(msg))) == RECORD_STEP_CALL)
        if (shown && run.calls % LOOK == 0)
            bar(&run);
    if (shown && run.calls >= LOOK)
        fputs("\r\033[K", stderr);
    status = report(s, w, &run, step, msg);
    record_run_close(&run);
    return status;
}
