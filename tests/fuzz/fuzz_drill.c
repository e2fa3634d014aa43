/* drill: any bytes as a packet script. What is a script is explained, printed and read again; its
 * notation is a fixed point. Then it is run, as far as its times are short: the same script gives
 * the same report twice. What is none is refused with a place within the text. */
#include "fuzz.h"
#include "tapdeck/drill/drill.h"

#define USECS_MAX  (60 * INT64_C(1000000)) /* of virtual time */
#define EVENTS_MAX 200
#define BYTES_MAX  INT64_C(2000000) /* of what one call or packet moves */

static void notation(struct text *t, const struct drill_script *s)
{
    for (size_t i = 0; i < s->nevents; i++) {
        drill_print_time(t, &s->event[i]);
        text_puts(t, " ");
        drill_print_event(t, &s->event[i]);
        text_puts(t, "\n");
    }
}

/* An argument that asks for a great many bytes. */
static bool large(const struct drill_expr *e)
{
    if (e->num > BYTES_MAX || e->num < -BYTES_MAX)
        return true;
    for (size_t i = 0; i < e->nitems; i++) {
        if (large(e->item[i]))
            return true;
    }
    return false;
}

static bool short_enough(const struct drill_script *s)
{
    int64_t total = 0;
    if (s->unsupported || s->nevents > EVENTS_MAX)
        return false;
    for (size_t i = 0; i < s->nevents; i++) {
        const struct drill_event *e = &s->event[i];
        total += e->until + (e->kind == DRILL_SYSCALL ? e->call.end : 0);
        if (total > USECS_MAX || (e->kind == DRILL_PACKET && e->packet.len > BYTES_MAX))
            return false;
        for (size_t a = 0; e->kind == DRILL_SYSCALL && a < e->call.nargs; a++) {
            if (large(e->call.arg[a]))
                return false;
        }
    }
    return true;
}

static bool same(const struct text *a, const struct text *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->s, b->s, a->len) == 0);
}

static void play(const struct drill_script *s)
{
    struct drill_options o;
    struct drill_report r[2];
    drill_options_default(&o);
    drill_options_merge(&o, &s->options);
    o.verbose = true;
    for (int i = 0; i < 2; i++) {
        enum drill_verdict v = drill_run(s, &o, &r[i]);
        FUZZ_CHECK(v == r[i].verdict && v != DRILL_NO_MEMORY);
        FUZZ_CHECK(v == DRILL_PASSED || r[i].reason.len > 0);
    }
    FUZZ_CHECK(r[0].verdict == r[1].verdict && r[0].line == r[1].line);
    FUZZ_CHECK(same(&r[0].reason, &r[1].reason) && same(&r[0].exchange, &r[1].exchange));
    drill_report_free(&r[0]);
    drill_report_free(&r[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct drill_script *s, *again;
    struct drill_error e;
    unsigned lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    enum drill_verdict v = drill_parse("fuzz.pkt", (const char *)data, size, NULL, &s, &e);
    FUZZ_CHECK(v == e.verdict && v != DRILL_NO_MEMORY);
    FUZZ_CHECK((s != NULL) == (v == DRILL_PASSED || v == DRILL_UNSUPPORTED));
    FUZZ_CHECK(v == DRILL_PASSED || (e.text[0] != '\0' && e.line >= 1 && e.line <= lines));
    if (s == NULL)
        return 0;
    struct text prose = {0}, once = {0}, twice = {0};
    drill_explain(&prose, s);
    FUZZ_CHECK(prose.len > 0 || s->nevents == 0);
    notation(&once, s);
    if (v == DRILL_PASSED) {
        v = drill_parse("again.pkt", once.s, once.len, NULL, &again, &e);
        if (v != DRILL_PASSED)
            fprintf(stderr, "%u:%u: %s\n%s\n", e.line, e.col, e.text, once.s);
        FUZZ_CHECK(v == DRILL_PASSED);
        notation(&twice, again);
        FUZZ_CHECK(same(&once, &twice));
        drill_free(again);
        if (short_enough(s))
            play(s);
    }
    text_free(&prose);
    text_free(&once);
    text_free(&twice);
    drill_free(s);
    return 0;
}
