/* The reports of replay/: what the page holds and what it leaves out, text that can't break out of
 * it, the ladder, tcptrace's lines, the copy with comments, and verdicts waiting for a second pass.
 */
#include "check_main.h"

#include <stdlib.h>

#include "dev/pcapng.h"
#include "packets.h"
#include "replay/annotate.h"
#include "replay/ladder.h"
#include "replay/report.h"
#include "replay/tcptrace.h"
#include "replay/verdicts.h"

#define CLIENT 0x0a000001u
#define SERVER 0x0a000002u

/* ---- a capture in a file ---- */

struct film {
    FILE *file;
    struct pcapng_buf buf;
    td_time t;
    uint64_t packets;
};

static void film_begin(struct film *f)
{
    *f = (struct film){.file = tmpfile(), .t = 1000 * TD_SEC};
    ck_assert_ptr_nonnull(f->file);
    pcapng_section(&f->buf, NULL, NULL, "test");
    pcapng_interface(&f->buf, &(struct pcapng_interface){.name = "left"});
}

static void film_segment(struct film *f, bool up, uint16_t flags, tcp_seq seq, tcp_seq ack,
                         const char *text, const char *comment)
{
    struct built p = {.n = 0};
    put_ether(&p, 0x0800);
    if (up)
        put_tcp(&p, CLIENT, 4000, SERVER, 80, flags, seq, ack, text);
    else
        put_tcp(&p, SERVER, 80, CLIENT, 4000, flags, seq, ack, text);
    struct pcapng_packet packet = {.wall = f->t,
                                   .caplen = p.n,
                                   .len = p.n,
                                   .data = p.b,
                                   .direction = up ? PCAPNG_DIR_OUT : PCAPNG_DIR_IN};
    if (comment != NULL) {
        packet.comment[0].s = comment;
        packet.comment[0].len = strlen(comment);
        packet.ncomments = 1;
    }
    pcapng_packet(&f->buf, &packet);
    f->t += TD_MS;
    f->packets++;
    if (f->buf.len > 65536) {
        ck_assert_uint_eq(fwrite(f->buf.b, 1, f->buf.len, f->file), f->buf.len);
        f->buf.len = 0;
    }
}

static void film_handshake(struct film *f)
{
    film_segment(f, true, TCP_SYN, 99, 0, "", NULL);
    film_segment(f, false, TCP_SYN | TCP_ACK, 499, 100, "", NULL);
    film_segment(f, true, TCP_ACK, 100, 500, "", NULL);
}

static struct capture_reader *film_end(struct film *f)
{
    char msg[256];
    (void)fwrite(f->buf.b, 1, f->buf.len, f->file);
    rewind(f->file);
    struct capture_reader *r = capture_open_stream(f->file, "film", msg, sizeof(msg));
    pcapng_buf_free(&f->buf);
    ck_assert_msg(r != NULL, "%s", msg);
    return r;
}

/* All that was written to a file, to be freed. */
static char *whole(FILE *file)
{
    long n = ftell(file);
    char *s = malloc((size_t)n + 1);
    ck_assert_ptr_nonnull(s);
    rewind(file);
    ck_assert_uint_eq(fread(s, 1, (size_t)n, file), (size_t)n);
    s[n] = '\0';
    (void)fclose(file);
    return s;
}

static int observe(struct capture_reader *r, struct observe_listener *l)
{
    char msg[256];
    const struct observe_options o = {.silent = true, .flow = -1, .listener = l};
    int status = observe_run(r, "film", &o, stdout, NULL, NULL, msg, sizeof(msg));
    capture_close(r);
    return status;
}

static char *page_of(struct film *f, const char *name, size_t rows_max)
{
    struct report page;
    FILE *out = tmpfile();
    report_begin(&page, name, NULL, out);
    page.rows_max = rows_max;
    ck_assert_int_eq(observe(film_end(f), &page.listener), 0);
    report_done(&page);
    return whole(out);
}

static unsigned times(const char *in, const char *what)
{
    unsigned n = 0;
    for (const char *s = in; (s = strstr(s, what)) != NULL; s += strlen(what))
        n++;
    return n;
}

static uint64_t number_behind(const char *in, const char *key)
{
    const char *s = strstr(in, key);
    ck_assert_msg(s != NULL, "%s is missing", key);
    return strtoull(s + strlen(key), NULL, 10);
}

/* ---- the page ---- */

START_TEST(test_nothing_breaks_out)
{
    struct film f;
    film_begin(&f);
    film_handshake(&f);
    film_segment(&f, true, TCP_ACK | TCP_PSH, 100, 500, "abc",
                 "</script><script>alert(1)</script><!--&amp;\xff\n second");
    char *s = page_of(&f, "/tmp/</title><script>\"'&.pcap", REPORT_ROWS_MAX);
    ck_assert_uint_eq(times(s, "<script"), 3);
    ck_assert_uint_eq(times(s, "</script>"), 3);
    ck_assert_uint_eq(times(s, "</title>"), 1);
    ck_assert_ptr_nonnull(
        strstr(s, "<title>/tmp/&#60;/title&#62;&#60;script&#62;&#34;'&#38;.pcap"));
    ck_assert_ptr_nonnull(strstr(s, "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)\\u003c/"
                                    "script\\u003e\\u003c!--\\u0026amp;\xef\xbf\xbd\\n second\"]"));
    ck_assert_ptr_nonnull(strstr(s, "default-src 'none'"));
    ck_assert_uint_eq(times(s, "'sha256-"), 2);
    ck_assert_ptr_null(strstr(s, "unsafe"));
    ck_assert_uint_eq(times(s, "\n["), 4);
    free(s);
}
END_TEST

START_TEST(test_page_is_bounded)
{
    struct film f;
    film_begin(&f);
    film_handshake(&f);
    tcp_seq seq = 100;
    for (unsigned i = 0; i < 6000; i++) {
        film_segment(&f, true, TCP_ACK, seq, 500, "xy", NULL);
        seq += 2;
        if (i % 300 == 299) { /* sent again, needlessly */
            film_segment(&f, false, TCP_ACK, 500, seq, "", NULL);
            film_segment(&f, true, TCP_ACK, seq - 2, 500, "xy", NULL);
        }
    }
    uint64_t packets = f.packets, last = 0, widest = 0;
    char *s = page_of(&f, "film", 5000);
    uint64_t kept = number_behind(s, "\"kept\":"), rows = 0;
    ck_assert_uint_eq(number_behind(s, "\"told\":"), packets);
    ck_assert_uint_ge(kept, 2000);
    ck_assert_uint_le(kept, 5000);
    ck_assert_uint_eq(number_behind(s, "\"one_plain_row_of\":"), 2);
    ck_assert_uint_eq(number_behind(s, "\"one_marked_row_of\":"), 1);
    for (const char *line = strstr(s, "id=\"rows\""); (line = strstr(line, "\n[")) != NULL;
         line++) {
        uint64_t n = strtoull(line + 2, NULL, 10);
        ck_assert_uint_gt(n, last);
        widest = n - last > widest ? n - last : widest;
        last = n;
        rows++;
    }
    ck_assert_uint_eq(rows, kept);
    ck_assert_uint_le(widest, 4); /* spread over all of it */
    ck_assert_uint_gt(last, packets - 8);
    ck_assert_uint_eq(times(s, "\"needless: it was acknowledged already"),
                      20); /* all that are marked */
    free(s);
}
END_TEST

/* ---- the ladder, and tcptrace's lines ---- */

static const char *wanted_name;
static char got[2][24];
static void pick(void *ctx, const char *name, const char *a, const char *b, const char *unit)
{
    (void)ctx;
    (void)unit;
    if (strcmp(name, wanted_name) == 0) {
        (void)snprintf(got[0], sizeof(got[0]), "%s", a);
        (void)snprintf(got[1], sizeof(got[1]), "%s", b);
    }
}

static void lines_end(struct observe_listener *l, const struct observe_end *e)
{
    static const char *const expected[][3] = {
        {"total packets", "6", "3"},         {"pure acks sent", "1", "2"},
        {"unique bytes sent", "6", "0"},     {"actual data pkts", "3", "0"},
        {"actual data bytes", "9", "0"},     {"rexmt data pkts", "1", "0"},
        {"rexmt data bytes", "3", "0"},      {"pushed data pkts", "1", "0"},
        {"SYN/FIN pkts sent", "1/1", "1/0"}, {"max segm size", "3", "0"},
        {"min win adv", "1000", "1000"},     {"idletime max", "300.0", "300.0"},
        {"max # retrans", "1", "0"},         {"min retr time", "300.0", "0.0"}};
    (void)l;
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
        wanted_name = expected[i][0];
        got[0][0] = got[1][0] = '\0';
        tcptrace_lines(e->flows->head, pick, NULL);
        ck_assert_msg(strcmp(got[0], expected[i][1]) == 0 && strcmp(got[1], expected[i][2]) == 0,
                      "%s: %s %s", wanted_name, got[0], got[1]);
    }
}

static void nothing(struct observe_listener *l, const struct observe_packet *p)
{
    (void)l;
    (void)p;
}

static void film_loss(struct film *f)
{
    film_begin(f);
    film_handshake(f);
    film_segment(f, true, TCP_ACK, 100, 500, "abc", NULL);
    film_segment(f, true, TCP_ACK | TCP_PSH, 103, 500, "def", NULL);
    film_segment(f, false, TCP_ACK, 500, 103, "", NULL);
    f->t += 298 * TD_MS;
    film_segment(f, true, TCP_ACK, 103, 500, "def", NULL);
    film_segment(f, false, TCP_ACK, 500, 106, "", NULL);
    film_segment(f, true, TCP_FIN | TCP_ACK, 106, 500, "", NULL);
}

START_TEST(test_tcptrace_lines)
{
    struct film f;
    struct observe_listener l = {.packet = nothing, .end = lines_end};
    film_loss(&f);
    ck_assert_int_eq(observe(film_end(&f), &l), 0);
}
END_TEST

START_TEST(test_ladder)
{
    struct film f;
    struct ladder l;
    FILE *out = tmpfile();
    film_loss(&f);
    ladder_begin(&l, out);
    ck_assert_int_eq(observe(film_end(&f), &l.listener), 0);
    ladder_done(&l);
    char *s = whole(out);
    static const char *const lines[] = {
        "     0.000 SYN-SENT     |-- SYN 0 win 1000 ------------------------------->|",
        "     1.000 ESTABLISHED  |<-------------------- SYN,ACK 0 ack 1 win 1000 ---|",
        "                        |  :  0.299 s later                                |",
        "10.0.0.1:4000 (the client) connected to 10.0.0.2:80 (the server). The client sent 6 bytes "
        "in 3 segments",
        "The client sent 1 segment again: 1 by timeout. Only the client closed it, after 306.0 ms.",
        "  rexmt data pkts                   1                0\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        ck_assert_msg(strstr(s, lines[i]) != NULL, "%s\nis missing in\n%s", lines[i], s);
    ck_assert_ptr_nonnull(strstr(s, "|== ACK 4:7 ack 1 win 1000 ====="));
    free(s);
}
END_TEST

START_TEST(test_ladder_is_bounded)
{
    struct film f;
    struct ladder l;
    FILE *out = tmpfile();
    film_begin(&f);
    film_handshake(&f);
    for (unsigned i = 0; i < LADDER_ROWS; i++)
        film_segment(&f, true, TCP_ACK, 100 + i, 500, "x", NULL);
    ladder_begin(&l, out);
    ck_assert_int_eq(observe(film_end(&f), &l.listener), 0);
    ladder_done(&l);
    char *s = whole(out);
    ck_assert_ptr_nonnull(strstr(s, ":  3 segments more\n"));
    free(s);
}
END_TEST

/* ---- the copy with comments ---- */

START_TEST(test_annotated)
{
    struct film f;
    struct annotate a;
    struct capture_frame there, here;
    char msg[256];
    FILE *out = tmpfile();
    film_loss(&f);
    film_segment(&f, true, TCP_RST, 107, 0, "", "it had\ntwo lines \xfe");
    uint64_t packets = f.packets;
    struct film again;
    film_loss(&again);
    film_segment(&again, true, TCP_RST, 107, 0, "", "it had\ntwo lines \xfe");
    struct capture_reader *r = film_end(&f), *original = film_end(&again);
    annotate_begin(&a, r, out);
    ck_assert_int_eq(observe(r, &a.listener), 0);
    ck_assert_uint_eq(a.packets, packets);
    ck_assert_uint_eq(a.annotated, packets);
    annotate_done(&a);
    rewind(out);
    struct capture_reader *copy = capture_open_stream(out, "copy", msg, sizeof(msg));
    ck_assert_ptr_nonnull(copy);
    for (uint64_t i = 0; i < packets; i++) {
        ck_assert_int_eq(capture_next(original, &there, msg, sizeof(msg)), 1);
        ck_assert_int_eq(capture_next(copy, &here, msg, sizeof(msg)), 1);
        ck_assert_int_eq(here.wall, there.wall);
        ck_assert_int_eq(here.dir, there.dir);
        ck_assert_int_eq(here.link, there.link);
        ck_assert_uint_eq(here.len, there.len);
        ck_assert_uint_eq(here.caplen, there.caplen);
        ck_assert_mem_eq(here.bytes, there.bytes, there.caplen);
        ck_assert_str_eq(capture_interface(copy, here.iface)->name, "left");
        ck_assert_ptr_nonnull(here.comment);
        if (there.comment != NULL)
            ck_assert_int_eq(strncmp(here.comment, there.comment, strlen(there.comment)), 0);
        ck_assert_ptr_nonnull(strstr(here.comment, "tapdeck: from the "));
        if (i == 6)
            ck_assert_ptr_nonnull(
                strstr(here.comment, "tapdeck: retransmission timeout (RFC 6298 5.4)"));
    }
    ck_assert_int_eq(capture_next(copy, &here, msg, sizeof(msg)), 0);
    capture_close(copy);
    capture_close(original);
}
END_TEST

/* ---- verdicts ---- */

static struct play_row judged(uint64_t number, td_time at, enum play_verdict verdict)
{
    struct play_row row = {.verdict = (uint8_t)verdict, .was_sent = verdict != PLAY_MISSING};
    row.captured.number = number;
    row.captured.at = row.sent.at = at;
    row.sent.seq = row.captured.seq = 1000 + (tcp_seq)number;
    return row;
}

START_TEST(test_verdicts_wait)
{
    static struct play p;
    struct verdicts v;
    struct verdict k;
    p.base[1] = 1000;
    const struct play_row rows[] = {judged(2, 10, PLAY_SAME), judged(0, 10, PLAY_EXTRA),
                                    judged(0, 15, PLAY_EXTRA), judged(5, 20, PLAY_MISSING),
                                    judged(0, 90, PLAY_EXTRA)};
    ck_assert(verdicts_open(&v));
    v.play = &p;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        verdicts_play_row(&v, &rows[i]);
    ck_assert(verdicts_rewind(&v));
    ck_assert(!verdicts_extra(&v, 5, &k)); /* packet 1 */
    ck_assert(!verdicts_of(&v, 1, 5, &k));
    ck_assert(!verdicts_extra(&v, 10, &k)); /* packet 2: its verdict comes first, */
    ck_assert(verdicts_of(&v, 2, 10, &k));
    ck_assert_str_eq(k.name, "same");
    ck_assert_str_eq(k.words, "same: the stack sent it at the same time");
    ck_assert_int_eq(k.seq, 2);
    ck_assert(verdicts_of(&v, 2, 10, &k)); /* for the second who asks, too */
    ck_assert_str_eq(k.name, "same");
    ck_assert_str_eq(k.words, "same: the stack sent it at the same time");
    ck_assert(verdicts_extra(&v, 12, &k)); /* packet 3: one before it, */
    ck_assert(!verdicts_extra(&v, 12, &k));
    ck_assert(!verdicts_of(&v, 3, 12, &k));
    ck_assert(
        verdicts_of(&v, 5, 20, &k)); /* packet 5: who doesn't ask for extra ones passes them over */
    ck_assert_str_eq(k.words, "missing: the stack in its place didn't send it");
    ck_assert(verdicts_extra(&v, TD_NEVER, &k)); /* and one behind the end */
    ck_assert(!verdicts_extra(&v, TD_NEVER, &k));
    verdicts_close(&v);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay report");
    TCase *t = tcase_create("page");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_nothing_breaks_out);
    tcase_add_test(t, test_page_is_bounded);
    suite_add_tcase(s, t);
    t = tcase_create("text");
    tcase_add_test(t, test_tcptrace_lines);
    tcase_add_test(t, test_ladder);
    tcase_add_test(t, test_ladder_is_bounded);
    suite_add_tcase(s, t);
    t = tcase_create("copy and verdicts");
    tcase_add_test(t, test_annotated);
    tcase_add_test(t, test_verdicts_wait);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
