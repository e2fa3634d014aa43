/* Why a frame isn't the same: what each difference is put down to, and what stays unexplained. */
#include "check_main.h"

#include <string.h>

#include "replay/play_cause.h"

#define KIND_SACK 16u

static struct causer c;
static struct play p;

static struct play_frame frame(uint16_t flags, tcp_seq seq, tcp_seq ack, uint32_t text)
{
    return (struct play_frame){.number = 9, .ours = true, .flags = flags, .seq = seq, .ack = ack, .text = text, .kinds = 8};
}

static enum play_cause row(uint8_t verdict, struct play_frame f, uint8_t state, uint32_t unsent)
{
    struct play_row r = {.verdict = verdict, .sight = {.state = state, .unsent = unsent}};
    bool extra = verdict == PLAY_EXTRA;
    *(extra ? &r.sent : &r.captured) = f;
    r.sent.flags = f.flags;
    r.was_sent = extra || verdict != PLAY_MISSING;
    if (extra)
        r.sent.number = 0;
    else if (r.was_sent)
        r.sent = f;
    cause_row(&c, &p, &r);
    return r.cause;
}

START_TEST(pairs)
{
    struct play_frame a = frame(TCP_ACK, 1000, 5, 100), b = a;
    b.flags |= TCP_PSH;
    ck_assert_int_eq(cause_of_pair(&a, &b), CAUSE_PUSH);
    b.ack = 6; /* tells more than the flag */
    ck_assert_int_eq(cause_of_pair(&a, &b), CAUSE_ACK_NUMBER);
    b = a;
    b.kinds |= KIND_SACK;
    ck_assert_int_eq(cause_of_pair(&a, &b), CAUSE_OPTIONS);
    b.flags |= TCP_CWR;
    ck_assert_int_eq(cause_of_pair(&a, &b), CAUSE_ECN);
    b = a;
    b.flags |= TCP_FIN;
    ck_assert_int_eq(cause_of_pair(&a, &b), CAUSE_FIN);
    ck_assert_int_eq(cause_of_pair(&a, &a), CAUSE_NONE);
}
END_TEST

START_TEST(rows)
{
    struct play_frame again = frame(TCP_ACK, 1000, 5, 100);
    again.again = true;
    c = (struct causer){0};
    p = (struct play){0};
    ck_assert_int_eq(row(PLAY_SAME, frame(TCP_ACK, 1000, 5, 100), 1, 0), CAUSE_NONE);
    ck_assert_int_eq(row(PLAY_EXTRA, frame(TCP_ACK, 1100, 6, 0), 1, 0), CAUSE_ACK_TIMING);
    ck_assert_int_eq(row(PLAY_EXTRA, frame(TCP_ACK, 1100, 6, 0), 1, 0), CAUSE_REPEATED_ACK);
    ck_assert_int_eq(row(PLAY_MISSING, frame(TCP_ACK, 1100, 6, 0), 1, 0), CAUSE_ACK_TIMING); /* its first */
    ck_assert_int_eq(row(PLAY_MISSING, frame(TCP_ACK, 1099, 6, 0), 1, 0), CAUSE_PROBE);
    struct play_frame hole = frame(TCP_ACK, 1100, 6, 0);
    hole.kinds |= KIND_SACK;
    ck_assert_int_eq(row(PLAY_LATER, hole, 1, 0), CAUSE_SACK_TIMING);
    ck_assert_int_eq(row(PLAY_LATER, again, 1, 0), CAUSE_AGAIN_TIMING);
    ck_assert_int_eq(row(PLAY_EXTRA, again, 1, 0), CAUSE_AGAIN_EXTRA);
    ck_assert_int_eq(row(PLAY_MISSING, again, 1, 0), CAUSE_AGAIN_MISSING);
    ck_assert_int_eq(row(PLAY_COALESCED, frame(TCP_ACK, 1100, 6, 9), 1, 0), CAUSE_SEGMENTS);
    ck_assert_int_eq(row(PLAY_EARLIER, frame(TCP_ACK, 1100, 6, 9), 1, 0), CAUSE_TEXT_TIMING);
    ck_assert_int_eq(row(PLAY_MISSING, frame(TCP_ACK, 1200, 6, 9), 0, 0), CAUSE_OVER);
    ck_assert_int_eq(row(PLAY_MISSING, frame(TCP_ACK, 1300, 6, 9), 1, 9), CAUSE_WAITS);
    ck_assert_int_eq(row(PLAY_MISSING, frame(TCP_SYN, 0, 0, 0), 2, 0), CAUSE_SYN);
    ck_assert_int_eq(row(PLAY_EXTRA, frame(TCP_FIN | TCP_ACK, 1400, 6, 0), 4, 0), CAUSE_FIN);
    ck_assert_int_eq(row(PLAY_MISSING, frame(TCP_RST, 1400, 0, 0), 1, 0), CAUSE_RST);
    ck_assert_int_eq(row(PLAY_MISSING, frame(TCP_URG | TCP_ACK, 1400, 6, 5), 1, 0), CAUSE_URGENT);
    ck_assert_uint_eq(p.why[CAUSE_UNEXPLAINED].count, 0);
}
END_TEST

/* Text that the stack sent and nobody captured, or that it never sent with nothing in its way: no rule fits, but
 * where the capture was made behind a loss. */
START_TEST(unexplained)
{
    c = (struct causer){0};
    p = (struct play){0};
    ck_assert_int_eq(row(PLAY_EXTRA, frame(TCP_ACK, 1000, 5, 100), 1, 0), CAUSE_UNEXPLAINED);
    ck_assert_int_eq(row(PLAY_MISSING, frame(TCP_ACK, 2000, 5, 100), 1, 0), CAUSE_UNEXPLAINED);
    ck_assert_uint_eq(p.why[CAUSE_UNEXPLAINED].count, 2);
    ck_assert_uint_eq(p.why[CAUSE_UNEXPLAINED].packet[0], 0);
    ck_assert_uint_eq(p.why[CAUSE_UNEXPLAINED].packet[1], 9);
    p.windowed = true;
    p.lag = TD_SEC;
    ck_assert_int_eq(row(PLAY_EXTRA, frame(TCP_ACK, 3000, 5, 100), 1, 0), CAUSE_NOT_CAPTURED);
    ck_assert_uint_eq(p.why[CAUSE_UNEXPLAINED].count, 2);
}
END_TEST

/* Each has words, and only what can't be explained has no clause. */
START_TEST(catalogue)
{
    for (unsigned i = CAUSE_NONE + 1; i < PLAY_CAUSES; i++) {
        ck_assert_ptr_nonnull(cause_words[i].json);
        ck_assert_uint_gt(strlen(cause_words[i].text), 10);
        ck_assert_int_eq(cause_words[i].clause[0] == '\0', i == CAUSE_UNEXPLAINED);
        for (unsigned k = CAUSE_NONE; k < i; k++)
            ck_assert_str_ne(cause_words[i].json, cause_words[k].json);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay play cause");
    TCase *tc = tcase_create("cause");
    tcase_add_test(tc, pairs);
    tcase_add_test(tc, rows);
    tcase_add_test(tc, unexplained);
    tcase_add_test(tc, catalogue);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
