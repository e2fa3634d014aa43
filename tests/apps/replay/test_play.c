/* replay/play.c and its parts: the stack as one end of a captured connection; verdicts. The captures are pcaps/. */
#include "check_main.h"
#include "common/control.h"
#include "replay/play.h"

#include <stdlib.h>
#include <string.h>

static char msg[512];

static int play_file(struct play *p, const char *name, const char *side)
{
    char path[256];
    msg[0] = '\0';
    (void)snprintf(path, sizeof(path), "pcaps/%s/%s.pcapng", name, name);
    struct capture_reader *r = capture_open(path, msg, sizeof(msg));
    ck_assert_msg(r != NULL, "%s", msg);
    int status = play_load(p, r, path, 0, side, msg, sizeof(msg));
    capture_close(r);
    if (status == EXIT_DONE)
        status = play_run(p, msg, sizeof(msg));
    if (status == EXIT_DONE)
        play_judge(p);
    return status;
}

/* Captures in which one side, or both, is our own stack: it says again what it said. */
static const struct {
    const char *name, *side;
    unsigned frames;
} own[] = {
    {"half-close", "server", 6},         {"handshake-options", "client", 6}, {"sack", "server", 13},
    {"dsack", "server", 6},              {"ecn", "server", 5},               {"fast-retransmit", "server", 11},
    {"nagle-delayed-ack", "server", 7},  {"refused", "client", 1},           {"refused", "server", 1},
    {"rto-backoff", "server", 7},        {"silly-window", "server", 7},      {"simultaneous-close", "server", 4},
    {"simultaneous-open", "client", 3},  {"tail-loss", "server", 7},         {"zero-window", "server", 10},
    {"rst-middle", "server", 5},         {"nat-inside", "client", 4},        {"nat-outside", "server", 3},
    {"keep-alive", "server", 6},         {"pmtu-discovery", "server", 6},
    {"handshake-options", "192.168.0.1:8080", 6},
};

START_TEST(our_own_says_the_same)
{
    struct play p;
    const char *side = own[_i].side;
    if (strcmp(side, "192.168.0.1:8080") == 0) { /* by its address: whichever side that is */
        ck_assert_int_eq(play_file(&p, own[_i].name, "client"), EXIT_DONE);
        static char end[64];
        (void)snprintf(end, sizeof(end), "%u.%u.%u.%u:%u", p.us >> 24, p.us >> 16 & 255, p.us >> 8 & 255, p.us & 255, p.port);
        play_done(&p);
        side = end;
    }
    ck_assert_msg(play_file(&p, own[_i].name, side) == EXIT_DONE, "%s", msg);
    for (unsigned v = 0; v < PLAY_VERDICTS; v++)
        ck_assert_msg(p.count[v] == (v == PLAY_SAME ? own[_i].frames : 0), "%s, %s: %lu %s", own[_i].name, own[_i].side,
                      (unsigned long)p.count[v], play_verdict_names[v]);
    for (size_t i = 0; i < p.ncap; i++) {
        const struct play_frame *f = &p.cap[i];
        if (!f->ours)
            continue;
        const struct play_frame *s = &p.sent[f->twin];
        ck_assert_uint_eq(s->seq, f->seq); /* on the wire, not relative */
        ck_assert_uint_eq(s->ack, f->ack);
        ck_assert_uint_eq(s->id, f->id);
        if (f->o.has_ts)
            ck_assert_int_le(abs((int32_t)(s->o.ts_val - f->o.ts_val)), 1);
    }
    play_done(&p);
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

/* ---- verdicts, of frames made up here ---- */

static struct play_frame *made(struct play *p, bool sent, td_time at, tcp_seq seq, uint32_t text)
{
    struct play_frame *f = sent ? play_add(&p->sent, &p->nsent, &p->sent_room) : play_add(&p->cap, &p->ncap, &p->cap_room);
    f->at = at;
    f->seq = seq;
    f->text = text;
    f->flags = TCP_ACK;
    f->ours = true;
    f->verdict = sent ? PLAY_EXTRA : PLAY_MISSING;
    f->number = sent ? 0 : p->ncap;
    return f;
}

START_TEST(verdicts)
{
    struct play p = {0};
    static const struct {
        td_time cap, sent;
        uint8_t verdict;
    } times[] = {{100, 100, PLAY_SAME}, {104, 100, PLAY_SAME}, {100, 105, PLAY_SAME}, {100, 106, PLAY_LATER}, {106, 100, PLAY_EARLIER}};
    for (unsigned i = 0; i < 5; i++) {
        made(&p, false, times[i].cap * TD_MS, 1000 * i, 10);
        made(&p, true, times[i].sent * TD_MS, 1000 * i, 10);
    }
    made(&p, false, 200 * TD_MS, 10000, 300); /* split */
    made(&p, true, 200 * TD_MS, 10000, 100);
    made(&p, true, 200 * TD_MS, 10100, 200);
    made(&p, false, 210 * TD_MS, 0xffffff00u, 200); /* coalesced, across the wrap */
    made(&p, false, 210 * TD_MS, 0xffffffc8u, 100);
    made(&p, true, 210 * TD_MS, 0xffffff00u, 300);
    made(&p, false, 220 * TD_MS, 20000, 0);          /* missing */
    made(&p, true, 220 * TD_MS, 20001, 0);           /* extra */
    made(&p, false, 230 * TD_MS, 30000, 5)->kinds = 8; /* the same but for an option */
    made(&p, true, 230 * TD_MS, 30000, 5);
    made(&p, true, 231 * TD_MS, 40000, 5); /* behind the end */
    play_judge(&p);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(p.cap[i].verdict, times[i].verdict);
    ck_assert_uint_eq(p.cap[5].verdict, PLAY_SPLIT);
    ck_assert_uint_eq(p.cap[6].verdict, PLAY_COALESCED);
    ck_assert_uint_eq(p.cap[7].verdict, PLAY_COALESCED);
    ck_assert_uint_eq(p.cap[8].verdict, PLAY_MISSING);
    ck_assert_uint_eq(p.cap[9].verdict, PLAY_MISSING);
    static const uint64_t want[PLAY_VERDICTS] = {
        [PLAY_MISSING] = 2, [PLAY_SAME] = 3, [PLAY_LATER] = 1, [PLAY_EARLIER] = 1, [PLAY_SPLIT] = 1, [PLAY_COALESCED] = 2, [PLAY_EXTRA] = 2};
    ck_assert_mem_eq(p.count, want, sizeof(want));
    play_done(&p);
}
END_TEST

/* Equal frames, three duplicate ACKs say, are paired in their order; the one too many is missing. */
START_TEST(equal_frames_in_order)
{
    struct play p = {0};
    for (unsigned i = 0; i < 3; i++)
        made(&p, false, i * TD_SEC, 5, 0);
    for (unsigned i = 0; i < 2; i++)
        made(&p, true, i * TD_SEC, 5, 0);
    play_judge(&p);
    ck_assert_uint_eq(p.cap[0].verdict, PLAY_SAME);
    ck_assert_uint_eq(p.cap[1].verdict, PLAY_SAME);
    ck_assert_uint_eq(p.cap[1].twin, 1);
    ck_assert_uint_eq(p.cap[2].verdict, PLAY_MISSING);
    play_done(&p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay play");
    TCase *tc = tcase_create("play");
    tcase_add_loop_test(tc, our_own_says_the_same, 0, (int)(sizeof(own) / sizeof(*own)));
    tcase_add_test(tc, what_cannot_be_played);
    tcase_add_test(tc, verdicts);
    tcase_add_test(tc, equal_frames_in_order);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
