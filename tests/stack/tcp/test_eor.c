/* Ends of records (MSG_EOR): no segment reaches across one. */
#include "check_main.h"
#include "tcp_talk.h"

static struct conv est(void)
{
    return talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 60000, 0);
}

static void record(struct conv *c, size_t n)
{
    static const uint8_t zeroes[3000];
    ck_assert_int_eq(td_send(c->h->st, c->s, zeroes, n, MSG_EOR), (ssize_t)n);
}

START_TEST(segments_end_where_records_do)
{
    struct conv c = est();
    record(&c, 300);
    record(&c, 300); /* the last in the queue waits, as Nagle has it */
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 300);
    hx_quiet(c.h, MS(10));
    record(&c, 2500); /* now it isn't the last: it goes, and so do the full ones */
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 301, .ack = 1, .len = 300);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 601, .ack = 1, .len = 1000);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1601, .ack = 1, .len = 1000);
    hx_quiet(c.h, MS(20));
    ack_in(&c, MS(20), 2601, 60000);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 2601, .ack = 1, .len = 500);
    leave(&c);
}
END_TEST

START_TEST(short_windows_cut_records)
{
    struct conv c = talk(conv_new(TD_PROFILE_LINUX), (struct hx_opts){.mss = 1000}, 1000, 0);
    record(&c, 1400);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    record(&c, 700);
    ack_in(&c, MS(5), 1001, 60000);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1001, .ack = 1, .len = 400);
    hx_quiet(c.h, MS(10));
    ack_in(&c, MS(10), 1401, 60000);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1401, .ack = 1, .len = 700);
    leave(&c);
}
END_TEST

/* Hundreds of them, more than the list begins with; nothing of it stays. */
START_TEST(many)
{
    struct conv c = est();
    ck_assert_int_eq(set_opt(c.h, c.s, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    uint32_t seq = 1, acked = 1;
    for (unsigned i = 0; i < 400; i++) {
        record(&c, 10 + i % 7);
        if (i % 40 == 39) { /* an initial window's worth goes, the rest waits for this */
            hx_drain(c.h);
            for (unsigned k = 0; k < 60 && conv_tcb(&c)->snd.len > 0; k++) {
                acked = conv_tcb(&c)->snd_nxt - conv_tcb(&c)->iss;
                ack_in(&c, hx_now(c.h) + MS(1), acked, 60000);
                hx_drain(c.h);
            }
        }
        seq += 10 + i % 7;
    }
    ck_assert_uint_eq(acked, seq);
    ck_assert_ptr_null(conv_tcb(&c)->more_state->eor);
    leave(&c);
}
END_TEST

/* Left behind in an abort: freed with the connection (the harness counts). */
START_TEST(abort_frees_them)
{
    struct conv c = est();
    for (unsigned i = 0; i < 40; i++) {
        record(&c, 100);
    }
    hx_drain(c.h);
    tcp_in(c.h, NOW, .flags = RST, .seq = 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp records");
    TCase *c = tcase_create("eor");
    tcase_add_test(c, segments_end_where_records_do);
    tcase_add_test(c, short_windows_cut_records);
    tcase_add_test(c, many);
    tcase_add_test(c, abort_frees_them);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite)
