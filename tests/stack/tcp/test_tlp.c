/* Tail loss probes (RFC 8985 7). */
#include "check_main.h"
#include "sack_talk.h"

/* shows: 8985-14 8985-15 8985-16 8985-17 8985-18 ATK-TCPC-07 */
START_TEST(the_last_again)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 4000); /* SRTT 100 ms */
    hx_quiet(c.h, MS(200));
    again_out(&c, MS(202), 3);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPLossProbes"), 1);
    ck_assert_uint_eq(conv_tcb(&c)->rtx_kind, TRTX_REXMT); /* 7.3: now the RTO, from now */
    again_out(&c, MS(502), 0);
    leave(&c);
}
END_TEST

/* One segment in flight: its ACK may be delayed. The RTO is earlier, so the probe leaves then. */
/* shows: 8985-15 8985-17 */
START_TEST(one_segment)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 1000);
    again_out(&c, MS(300), 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPLossProbes"), 1);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPTimeouts"), 0);
    again_out(&c, MS(600), 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPTimeouts"), 1);
    leave(&c);
}
END_TEST

/* shows: 8985-17 */
START_TEST(new_text_if_there_is_some)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 15000);
    again_out(&c, MS(202), 10);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    leave(&c);
}
END_TEST

/* shows: 8985-19 */
START_TEST(a_loss_that_the_probe_hid)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 4000);
    hx_until(c.h, MS(202));
    hx_drain(c.h);
    say(&c, 4001, 1000);
    hx_drain(c.h);
    ack_in(&c, MS(300), 5001, WND); /* beyond the probe, and no sign of a second copy */
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPLossProbeRecovery"), 1);
    ck_assert_uint_eq(info(&c).tcpi_snd_cwnd, info(&c).tcpi_snd_ssthresh);
    leave(&c);
}
END_TEST

/* shows: 8985-19 */
START_TEST(no_loss_if_both_came)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 4000);
    hx_until(c.h, MS(202));
    hx_drain(c.h);
    ack_in(&c, MS(210), 4001, WND);
    sack_in(&c, MS(302), 4001, B1(3, 4)); /* D-SACK of the probe */
    ck_assert_uint_eq(info(&c).tcpi_snd_cwnd, 10);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPLossProbeRecovery"), 0);
    say(&c, 4001, 1000);
    hx_drain(c.h);
    ack_in(&c, MS(400), 5001, WND);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPLossProbeRecovery"), 0);
    leave(&c);
}
END_TEST

/* shows: 8985-14 8985-20 */
START_TEST(not_while_something_is_sacked)
{
    struct conv c = sack_flight(conv_new(TD_PROFILE_LINUX), 2000);
    sack_in(&c, MS(100), 1, B1(1, 2));
    ck_assert_uint_ne(conv_tcb(&c)->rtx_kind, TRTX_PROBE);
    hx_until(c.h, MS(500));
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPLossProbes"), 0);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp tlp");
    TCase *tc = tcase_create("tlp");
    tcase_add_test(tc, the_last_again);
    tcase_add_test(tc, one_segment);
    tcase_add_test(tc, new_text_if_there_is_some);
    tcase_add_test(tc, a_loss_that_the_probe_hid);
    tcase_add_test(tc, no_loss_if_both_came);
    tcase_add_test(tc, not_while_something_is_sacked);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
