/* Which frames are sent again, in what was captured and in what the stack sent, and which stand for which. */
#include "check_main.h"

#include "replay/play_again.h"

static struct again a;
static struct play p;

static void begin(void)
{
    a = (struct again){0};
    p = (struct play){0};
}

static bool frame(bool sent, tcp_seq seq, uint32_t text, uint32_t tsval, uint16_t id, td_time at)
{
    const struct play_frame f = {.seq = seq,
                                 .text = text,
                                 .flags = TCP_ACK,
                                 .id = id,
                                 .at = at,
                                 .o = {.has_ts = tsval != 0, .ts_val = tsval}};
    return again_frame(&a, &p, &f, sent);
}

/* The order doesn't matter, nor where segments were cut; one stands for one. */
START_TEST(one_for_one)
{
    begin();
    for (int sent = 0; sent < 2; sent++)
        for (tcp_seq s = 0xfffffc00u; s != 5120 - 1024; s += 1024)
            ck_assert(!frame(sent, s, 1024, 0, 0, TD_SEC));
    ck_assert(frame(false, 0, 1024, 0, 0, 2 * TD_SEC));
    ck_assert(frame(false, 0, 1024, 0, 0, 3 * TD_SEC));
    ck_assert(frame(true, 512, 256, 0, 0, 4 * TD_SEC));
    ck_assert(frame(true, 1024, 1024, 0, 0, 5 * TD_SEC));
    ck_assert_uint_eq(p.again_captured, 2);
    ck_assert_uint_eq(p.again_sent, 2);
    ck_assert_uint_eq(p.again_both, 1);
    ck_assert(frame(false, 1024, 512, 0, 0, 6 * TD_SEC)); /* the stack's was before */
    ck_assert_uint_eq(p.again_both, 2);
    ck_assert(frame(true, 0, 1024, 0, 0, 7 * TD_SEC));
    ck_assert_uint_eq(p.again_both, 3);
    ck_assert(frame(true, 0, 1024, 0, 0, 8 * TD_SEC));
    ck_assert_uint_eq(p.again_both, 3);
}
END_TEST

/* What fills a hole was sent again, or overtaken: timestamps tell, else identifications, else time. */
START_TEST(holes)
{
    begin();
    frame(false, 0, 1000, 50, 7, 0);
    frame(false, 2000, 1000, 52, 9, TD_MS);
    ck_assert(!frame(false, 1000, 500, 51, 12, TD_SEC));
    ck_assert(frame(false, 1500, 500, 53, 8, TD_SEC));
    ck_assert(!frame(false, 500, 100, 52, 8, TD_SEC));
    ck_assert(frame(false, 500, 100, 52, 10, TD_SEC));
    begin();
    frame(false, 0, 1000, 0, 0, 0);
    frame(false, 2000, 1000, 0, 0, 10 * TD_MS);
    ck_assert(!frame(false, 1000, 1000, 0, 0, 12 * TD_MS));
    ck_assert(frame(false, 1000, 1000, 0, 0, 14 * TD_MS));
    ck_assert_uint_eq(p.again_captured, 1);
}
END_TEST

START_TEST(probes)
{
    begin();
    frame(true, 0, 1000, 0, 0, 0);
    ck_assert(!frame(true, 999, 1, 0, 0, TD_SEC)); /* a keep-alive's byte */
    ck_assert(!frame(true, 999, 0, 0, 0, TD_SEC));
    ck_assert(frame(true, 999 - 99, 100, 0, 0, TD_SEC));
    ck_assert_uint_eq(p.again_sent, 1);
}
END_TEST

/* Only the last AGAIN_MANY are waited for. */
START_TEST(forgets)
{
    begin();
    frame(false, 0, 1, 0, 0, 0);
    frame(false, 100000, 1, 0, 0, 0);
    for (unsigned i = 0; i <= AGAIN_MANY; i++)
        ck_assert(frame(false, 10 * i, 10, 0, 0, TD_SEC));
    frame(true, 0, 100001, 0, 0, 0);
    ck_assert(frame(true, 0, 10, 0, 0, TD_SEC));
    ck_assert_uint_eq(p.again_both, 0);
    ck_assert(frame(true, 10, 10, 0, 0, TD_SEC));
    ck_assert_uint_eq(p.again_both, 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay play again");
    TCase *tc = tcase_create("again");
    tcase_add_test(tc, one_for_one);
    tcase_add_test(tc, holes);
    tcase_add_test(tc, probes);
    tcase_add_test(tc, forgets);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
