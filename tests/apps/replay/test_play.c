/* replay/play.c and its parts: the stack as one end of a captured connection; verdicts. The
 * captures are pcaps/. */
#include "check_main.h"
#include "common/control.h"
#include "replay/play_mend.h"
#include "replay/tape.h"
#include "tapdeckd/deck.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

static char msg[512];

/* The rows, as they were told. */
#define ROWS 256
static struct play_row rows[ROWS];
static unsigned nrows;

static void keep_row(void *ctx, const struct play_row *row)
{
    (void)ctx;
    ck_assert_uint_lt(nrows, ROWS);
    rows[nrows++] = *row;
}

static int load_file(struct play *p, const char *name, const char *side)
{
    char path[256];
    msg[0] = '\0';
    (void)snprintf(path, sizeof(path), "pcaps/%s/%s.pcapng", name, name);
    if (strncmp(name, "sawtooth", 8) == 0)
        (void)snprintf(path, sizeof(path), "pcaps/%s/%s.pcapng.gz", name, name);
    struct capture_reader *r = capture_open(path, msg, sizeof(msg));
    ck_assert_msg(r != NULL, "%s", msg);
    int status = play_load(p, r, path, 0, side, msg, sizeof(msg));
    capture_close(r);
    return status;
}

static int play_file(struct play *p, const char *name, const char *side)
{
    int status = load_file(p, name, side);
    p->row = keep_row;
    nrows = 0;
    return status == EXIT_DONE ? play_run(p, msg, sizeof(msg)) : status;
}

/* Captures in which one side, or both, is our own stack: it says again what it said. */
static const struct {
    const char *name, *side;
    unsigned frames;
} own[] = {
    {"half-close", "server", 6},
    {"handshake-options", "client", 6},
    {"sack", "server", 13},
    {"dsack", "server", 6},
    {"ecn", "server", 5},
    {"fast-retransmit", "server", 11},
    {"nagle-delayed-ack", "server", 7},
    {"refused", "client", 1},
    {"refused", "server", 1},
    {"rto-backoff", "server", 7},
    {"silly-window", "server", 7},
    {"simultaneous-close", "server", 4},
    {"simultaneous-open", "client", 3},
    {"tail-loss", "server", 7},
    {"zero-window", "server", 10},
    {"rst-middle", "server", 5},
    {"nat-inside", "client", 4},
    {"nat-outside", "server", 3},
    {"keep-alive", "server", 6},
    {"pmtu-discovery", "server", 6},
    {"urgent", "client", 5},
    {"urgent", "server", 4},
    {"handshake-options", "192.168.0.1:8080", 6},
};

START_TEST(our_own_says_the_same)
{
    struct play p;
    const char *side = own[_i].side;
    if (strcmp(side, "192.168.0.1:8080") == 0) { /* by its address: whichever side that is */
        ck_assert_int_eq(play_file(&p, own[_i].name, "client"), EXIT_DONE);
        static char end[64];
        (void)snprintf(end, sizeof(end), "%u.%u.%u.%u:%u", p.us >> 24, p.us >> 16 & 255,
                       p.us >> 8 & 255, p.us & 255, p.port);
        play_done(&p);
        side = end;
    }
    ck_assert_msg(play_file(&p, own[_i].name, side) == EXIT_DONE, "%s", msg);
    for (unsigned v = 0; v < PLAY_VERDICTS; v++)
        ck_assert_msg(p.count[v] == (v == PLAY_SAME ? own[_i].frames : 0), "%s, %s: %lu %s",
                      own[_i].name, own[_i].side, (unsigned long)p.count[v], play_verdict_names[v]);
    ck_assert_uint_eq(nrows, own[_i].frames);
    for (unsigned i = 0; i < nrows; i++) {
        const struct play_frame *f = &rows[i].captured, *s = &rows[i].sent;
        ck_assert(rows[i].was_sent && (i == 0 || f->number > rows[i - 1].captured.number));
        ck_assert_uint_eq(s->seq, f->seq); /* on the wire, not relative */
        ck_assert_uint_eq(s->ack, f->ack);
        ck_assert_uint_eq(s->id, f->id);
        if (f->o.has_ts)
            ck_assert_int_le(abs((int32_t)(s->o.ts_val - f->o.ts_val)), 1);
    }
    play_done(&p);
}
END_TEST

/* Captures that say what the applications of our stacks did: each side that is one of ours says all again, also the one
 * that stands far from where the capture was made, behind a queue that lost some of what was captured. */
START_TEST(with_a_diary)
{
    glob_t found;
    unsigned sides = 0, far = 0;
    ck_assert_int_eq(glob("pcaps/*/*.pcapng*", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        for (unsigned side = 0; side < 2; side++) {
            struct play p;
            struct capture_reader *r = capture_open(found.gl_pathv[i], msg, sizeof(msg));
            ck_assert_msg(r != NULL, "%s", msg);
            int64_t flow = strstr(found.gl_pathv[i], "fast-open") != NULL; /* of two the one with a cookie */
            int status = play_load(&p, r, found.gl_pathv[i], flow, side == 0 ? "client" : "server", msg, sizeof(msg));
            capture_close(r);
            if (status == EXIT_DONE && p.scripted) {
                ck_assert_int_eq(play_run(&p, msg, sizeof(msg)), EXIT_DONE);
                uint64_t frames = 0;
                for (unsigned v = 0; v < PLAY_VERDICTS; v++)
                    frames += p.count[v];
                ck_assert_msg(p.count[PLAY_SAME] == frames && frames > 0, "%s, %s: %lu of %lu are the same", found.gl_pathv[i],
                              side == 0 ? "client" : "server", (unsigned long)p.count[PLAY_SAME], (unsigned long)frames);
                sides++;
                far += p.lost > 0;
            }
            play_done(&p);
        }
    }
    globfree(&found);
    ck_assert_uint_ge(sides, 32);
    ck_assert_uint_ge(far, 2);
}
END_TEST

START_TEST(what_cannot_be_played)
{
    struct play p;
    ck_assert_int_eq(play_file(&p, "half-close", "10.9.9.9:1"), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(msg, "192.0.2.1:40000 (client) and 192.168.0.1:8080 (server)"));
    play_done(&p);
    ck_assert_int_eq(play_file(&p, "udp", "client"), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(msg, "there is no TCP connection in it"));
    play_done(&p);
    ck_assert_int_eq(play_file(&p, "timed-out", "server"), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(msg, "can't be played: only one side was captured"));
    play_done(&p);
}
END_TEST

/* ---- as a tape ---- */

static bool says(struct tape *t, const char *command, const char *word)
{
    char **argv;
    int argc = words_split(command, &argv, msg, sizeof(msg));
    struct run *r = run_start(t->deck, argc, argv, false, false);
    bool found = r->status == 0 && r->out.s != NULL && strstr(r->out.s, word) != NULL;
    run_free(r);
    words_free(argv);
    return found;
}

START_TEST(step_by_step)
{
    struct play p;
    struct text line = {0};
    int status;
    ck_assert_int_eq(play_file(&p, "sack", "server"), EXIT_DONE);
    play_done(&p);
    unsigned same = nrows, of_us = 0;
    ck_assert_int_eq(load_file(&p, "sack", "server"), EXIT_DONE);
    struct tape *t = play_tape_open(&p, &status, msg, sizeof(msg));
    ck_assert_msg(t != NULL, "%s", msg);
    ck_assert_uint_eq(t->frame.number, 0);
    uint64_t last = 0;
    ck_assert(!says(t, "ss -tan", "ESTAB"));
    while (t->ops->step(t, msg, sizeof(msg)) == TAPE_FRAME) {
        const struct tape_frame *f = &t->frame;
        ck_assert(f->number > last && (last > 0 || f->number == t->first));
        last = f->number;
        ck_assert_uint_ge(f->len, 14 + 40);
        ck_assert_mem_eq(f->bytes + 12, "\x08\0\x45", 3);
        ck_assert_uint_eq((uint64_t)f->wall,
                          (uint64_t)deck_wall(t->deck, td_stack_now(t->deck->st)));
        line.len = 0;
        t->ops->line(t, &line);
        ck_assert_ptr_nonnull(strstr(line.s, f->dir == TAPE_OUT ? " same " : " heard "));
        of_us += f->dir == TAPE_OUT;
        if (t->steps == 3) { /* the handshake's last */
            ck_assert(says(t, "ss -tan", "ESTAB"));
            ck_assert(says(t, "ss -tani", "cwnd:10"));
            ck_assert(says(t, "ip neigh", "PERMANENT"));
        }
    }
    ck_assert_uint_eq(last, t->last);
    ck_assert_uint_eq(t->steps, t->total);
    ck_assert_uint_eq(of_us, same);
    ck_assert_int_eq(t->ops->step(t, msg, sizeof(msg)), TAPE_END);
    t->ops->close(t);
    text_free(&line);
}
END_TEST

/* Made at a distance, the played side's time isn't the capture's; the frames come in the capture's
 * order all the same. */
START_TEST(step_by_step_at_a_distance)
{
    struct play p;
    int status;
    ck_assert_int_eq(load_file(&p, "sawtooth-cubic", "client"), EXIT_DONE);
    struct tape *t = play_tape_open(&p, &status, msg, sizeof(msg));
    ck_assert_msg(t != NULL, "%s", msg);
    uint64_t last = 0;
    bool behind = false; /* the moment when the frame was captured */
    while (t->ops->step(t, msg, sizeof(msg)) == TAPE_FRAME) {
        ck_assert_uint_gt(t->frame.number, last);
        last = t->frame.number;
        behind = behind || deck_wall(t->deck, td_stack_now(t->deck->st)) > t->frame.wall;
    }
    ck_assert(behind);
    ck_assert_uint_eq(t->steps, t->total);
    ck_assert_uint_gt(t->total, 300);
    t->ops->close(t);
}
END_TEST

/* A flow that was caught in the middle begins with its first captured frame; the handshake that is assumed has no number. */
START_TEST(step_by_step_from_the_middle)
{
    static const struct play_mend mend = {.sums = SUMS_REPAIR, .assume = true};
    char *whole = NULL;
    size_t n = 0, records = 24;
    struct play p;
    int status;
    struct capture_reader *r = capture_open("pcaps/sack/sack.pcapng", msg, sizeof(msg));
    ck_assert_ptr_nonnull(r);
    FILE *out = open_memstream(&whole, &n);
    static const uint32_t head[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 65535, 1};
    fwrite(head, 1, sizeof(head), out);
    struct capture_frame c;
    for (unsigned i = 0; capture_next(r, &c, msg, sizeof(msg)) == 1; i++) {
        const uint32_t rec[4] = {(uint32_t)(c.wall / 1000000000), (uint32_t)(c.wall % 1000000000), c.caplen, c.caplen};
        if (i < 3)
            continue; /* the handshake */
        ck_assert_uint_eq(c.link, 1);
        fwrite(rec, 1, sizeof(rec), out);
        fwrite(c.bytes, 1, c.caplen, out);
        records += sizeof(rec) + c.caplen;
    }
    capture_close(r);
    fclose(out);
    ck_assert_uint_eq(n, records);
    r = capture_open_stream(fmemopen(whole, n, "rb"), "middle", msg, sizeof(msg));
    ck_assert_ptr_nonnull(r);
    ck_assert_msg(play_load_mended(&p, r, "middle", 0, "192.168.0.1:8080", &mend, msg, sizeof(msg)) == EXIT_DONE, "%s", msg);
    capture_close(r);
    free(whole);
    struct tape *t = play_tape_open(&p, &status, msg, sizeof(msg));
    ck_assert_msg(t != NULL, "%s", msg);
    ck_assert_uint_eq(t->first, 1);
    ck_assert_uint_eq(t->total, t->last);
    uint64_t last = 0;
    while (t->ops->step(t, msg, sizeof(msg)) == TAPE_FRAME) {
        ck_assert_uint_eq(t->frame.number, ++last);
        if (last == 1)
            ck_assert(says(t, "ss -tan", "ESTAB"));
    }
    ck_assert_uint_eq(last, t->last);
    t->ops->close(t);
}
END_TEST

/* What a handshake that wasn't captured must have said: windows as wide as what was under way, SACK unless it is missed. */
START_TEST(what_the_middle_shows)
{
    static struct play p;
    struct play_frame ack = {.ours = true, .flags = TCP_ACK, .ack = 1000, .wnd = 500}, text = {.flags = TCP_ACK, .seq = 1000, .text = 1000};
    middle_see(&p, &ack);
    middle_see(&p, &text);
    ck_assert_uint_eq(p.middle[1].scale, 1);
    for (unsigned i = 1; i < 200; i++) {
        text.seq += 1000;
        middle_see(&p, &text);
    }
    ck_assert_uint_eq(p.middle[1].scale, 9); /* 200,000 bytes, and 500 << 9 is 256,000 */
    ck_assert_uint_eq(p.middle[0].scale, 0);
    ck_assert(middle_sack(&p));
    middle_see(&p, &ack);
    middle_see(&p, &ack);
    ck_assert(middle_sack(&p));
    middle_see(&p, &ack);
    ck_assert(!middle_sack(&p)); /* three duplicates, and no block */
    ack.o.nsack = 1;
    middle_see(&p, &ack);
    ck_assert(middle_sack(&p));
}
END_TEST

/* ---- verdicts, of frames made up here ---- */

static struct play_frame made[64];
static unsigned nmade, numbers;

static struct play_frame *make(bool sent, td_time at, tcp_seq seq, uint32_t text)
{
    ck_assert_uint_lt(nmade, 64);
    made[nmade] = (struct play_frame){.at = at,
                                      .seq = seq,
                                      .text = text,
                                      .flags = TCP_ACK,
                                      .ours = true,
                                      .number = sent ? 0 : ++numbers};
    return &made[nmade++];
}

static int in_time(const void *x, const void *y)
{
    const struct play_frame *a = x, *b = y;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    if ((a->number == 0) != (b->number == 0))
        return a->number == 0 ? 1 : -1;
    return (a > b) - (a < b);
}

static void judge_made(struct play *p, td_time end)
{
    nrows = 0;
    p->row = keep_row;
    p->end = end;
    struct judge *j = judge_new(p);
    ck_assert_ptr_nonnull(j);
    qsort(made, nmade, sizeof(*made), in_time);
    for (unsigned i = 0; i < nmade; i++) {
        (made[i].number > 0 ? judge_captured : judge_sent)(j, &made[i]);
        judge_pass(j, made[i].at);
    }
    judge_end(j);
    judge_free(j);
    nmade = numbers = 0;
}

START_TEST(verdicts)
{
    struct play p = {0};
    static const struct {
        td_time cap, sent;
        uint8_t verdict;
    } times[] = {{100, 100, PLAY_SAME},
                 {104, 100, PLAY_SAME},
                 {110, 115, PLAY_SAME},
                 {120, 126, PLAY_LATER},
                 {136, 130, PLAY_EARLIER}};
    for (unsigned i = 0; i < 5; i++) {
        (void)make(false, times[i].cap * TD_MS, 1000 * i, 10);
        (void)make(true, times[i].sent * TD_MS, 1000 * i, 10);
    }
    (void)make(false, 200 * TD_MS, 10000, 300); /* split */
    (void)make(true, 200 * TD_MS, 10000, 100);
    (void)make(true, 200 * TD_MS, 10100, 200);
    (void)make(false, 210 * TD_MS, 0xffffff00u, 200); /* coalesced, across the wrap */
    (void)make(false, 210 * TD_MS, 0xffffffc8u, 100);
    (void)make(true, 210 * TD_MS, 0xffffff00u, 300);
    (void)make(false, 220 * TD_MS, 20000, 0);      /* missing */
    (void)make(true, 220 * TD_MS, 20001, 0);       /* extra */
    make(false, 230 * TD_MS, 30000, 5)->kinds = 8; /* the same but for an option */
    (void)make(true, 230 * TD_MS, 30000, 5);
    (void)make(true, 231 * TD_MS, 40000, 5); /* behind the end */
    judge_made(&p, 230 * TD_MS);
    static const uint8_t told[] = {PLAY_SAME,    PLAY_SAME,  PLAY_SAME,      PLAY_LATER,
                                   PLAY_EARLIER, PLAY_SPLIT, PLAY_COALESCED, PLAY_COALESCED,
                                   PLAY_MISSING, PLAY_EXTRA, PLAY_MISSING,   PLAY_EXTRA};
    ck_assert_uint_eq(nrows, sizeof(told));
    for (unsigned i = 0; i < nrows; i++)
        ck_assert_msg(rows[i].verdict == told[i], "row %u: %s", i,
                      play_verdict_names[rows[i].verdict]);
    static const uint64_t want[PLAY_VERDICTS] = {
        [PLAY_MISSING] = 2, [PLAY_SAME] = 3,      [PLAY_LATER] = 1, [PLAY_EARLIER] = 1,
        [PLAY_SPLIT] = 1,   [PLAY_COALESCED] = 2, [PLAY_EXTRA] = 2};
    ck_assert_mem_eq(p.count, want, sizeof(want));
    ck_assert(p.diverged && p.first.verdict == PLAY_LATER);
}
END_TEST

/* Equal frames, three duplicate ACKs say, are paired in their order; the one too many is missing.
 */
START_TEST(equal_frames_in_order)
{
    struct play p = {0};
    for (unsigned i = 0; i < 3; i++)
        (void)make(false, i * TD_SEC, 5, 0);
    for (unsigned i = 0; i < 2; i++)
        (void)make(true, i * TD_SEC, 5, 0);
    judge_made(&p, 2 * TD_SEC);
    ck_assert_uint_eq(nrows, 3);
    ck_assert_uint_eq(rows[0].verdict, PLAY_SAME);
    ck_assert_uint_eq(rows[1].verdict, PLAY_SAME);
    ck_assert_uint_eq(rows[1].sent.at, TD_SEC);
    ck_assert_uint_eq(rows[2].verdict, PLAY_MISSING);
}
END_TEST

/* A frame without twin holds up those behind it only so long; and however many they are. */
START_TEST(the_window_slides)
{
    struct play p = {.end = TD_NEVER};
    struct judge *j = judge_new(&p);
    ck_assert_ptr_nonnull(j);
    struct play_frame f = {.number = 1, .flags = TCP_ACK, .seq = 7}, s = f;
    judge_captured(j, &f);
    for (unsigned i = 1; i <= 200000; i++) { /* 10 of them are split */
        f = (struct play_frame){
            .at = i * TD_US, .number = i + 1, .flags = TCP_ACK, .seq = 1000 + 200 * i, .text = 200};
        s = f;
        s.number = 0;
        judge_captured(j, &f);
        s.text = i % 20000 == 0 ? 100 : 200;
        judge_sent(j, &s);
        s.seq += 100;
        if (s.text == 100)
            judge_sent(j, &s);
        judge_pass(j, f.at);
    }
    ck_assert_uint_eq(p.count[PLAY_MISSING], 1);
    ck_assert_uint_gt(p.count[PLAY_SAME], 160000);
    judge_pass(j, 1000 * TD_SEC);
    ck_assert_uint_eq(p.count[PLAY_SAME], 199990);
    ck_assert_uint_eq(p.count[PLAY_SPLIT], 10);
    ck_assert_uint_eq(p.count[PLAY_EXTRA], 0);
    ck_assert_ptr_nonnull(judge_look(j, 200001));
    ck_assert_ptr_null(judge_look(j, 1)); /* long gone */
    judge_free(j);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay play");
    TCase *tc = tcase_create("play");
    tcase_add_loop_test(tc, our_own_says_the_same, 0, (int)(sizeof(own) / sizeof(*own)));
    tcase_add_test(tc, with_a_diary);
    tcase_add_test(tc, what_cannot_be_played);
    tcase_add_test(tc, step_by_step);
    tcase_add_test(tc, step_by_step_at_a_distance);
    tcase_add_test(tc, step_by_step_from_the_middle);
    tcase_add_test(tc, what_the_middle_shows);
    tcase_add_test(tc, verdicts);
    tcase_add_test(tc, equal_frames_in_order);
    tcase_add_test(tc, the_window_slides);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
