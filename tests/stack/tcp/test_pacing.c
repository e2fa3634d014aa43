/* Pacing: when segments leave. MSS 1000, round trip 100 ms. */
#include "check_main.h"
#include "tcp_talk.h"

#define SMSS 1000
#define WND  60000 /* times 16 */
#define SIZE (SMSS + 40) /* of a datagram */

static struct conv paced(bool on)
{
    struct conv c = conv_reno();
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_pacing", on ? "1" : "0"), 0);
    return talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1}, WND, MS(100));
}

static void acks(struct conv *c, int64_t from, int64_t to)
{
    for (int64_t a = from + SMSS; a <= to; a += SMSS) {
        ack_in(c, NOW, a, WND);
    }
}

/* The next n segments leave this far apart, the first one now. (The second may follow sooner: the first came
 * late, by the round trip in which nothing could be sent, and half a segment's time is forgiven.) */
static void spread(struct conv *c, unsigned n, td_time gap)
{
    td_time last = 0;
    for (unsigned i = 0; i < n; i++) {
        ip_out(c->h, HX_ANYTIME, IPPROTO_TCP_);
        td_time at = c->h->got.at;
        if (i > 1 || (i > 0 && gap == 0)) {
            ck_assert_msg(at - last + US(2) >= gap && at - last <= gap + US(2), "segment %u after %lu ns, not %lu", i,
                          (unsigned long)(at - last), (unsigned long)gap);
        }
        last = at;
    }
}

START_TEST(slow_start_at_twice_the_rate)
{
    struct conv c = paced(true);
    say(&c, 1, 200000);
    ck_assert_uint_eq(hear(&c).segments, 10); /* the first ten at once */
    hx_until(c.h, hx_now(c.h) + MS(100));
    acks(&c, 1, 10001);
    ck_assert_uint_eq(conv_tcb(&c)->cc.cwnd, 20 * SMSS);
    uint64_t rate = 20 * SMSS * 10 * 2; /* a second; srtt is 100 ms */
    ck_assert_uint_eq(conv_tcb(&c)->cc.pacing_rate, rate);
    spread(&c, 20, SIZE * TD_SEC / rate);
    hx_quiet(c.h, hx_now(c.h) + MS(20)); /* cwnd */
    hx_drain(c.h);
    leave(&c);
}
END_TEST

START_TEST(avoidance_a_fifth_faster)
{
    struct conv c = paced(true);
    say(&c, 1, 200000);
    hear(&c);
    conv_tcb(&c)->cc.ssthresh = 10 * SMSS;
    hx_until(c.h, hx_now(c.h) + MS(100));
    acks(&c, 1, 10001);
    uint64_t rate = 11 * SMSS * 10 * 12 / 10;
    ck_assert_uint_eq(conv_tcb(&c)->cc.pacing_rate, rate);
    spread(&c, 11, SIZE * TD_SEC / rate);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* SO_MAX_PACING_RATE switches it on, and holds whatever cwnd says. */
START_TEST(limited_by_the_user)
{
    struct conv c = paced(false);
    uint64_t rate = 50000;
    ck_assert_int_eq(td_setsockopt(c.h->st, c.s, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof rate), 0);
    say(&c, 1, 200000);
    ck_assert_uint_eq(hear(&c).segments, 10);
    hx_until(c.h, hx_now(c.h) + MS(100));
    acks(&c, 1, 10001);
    ck_assert_uint_eq(conv_tcb(&c)->cc.pacing_rate, rate);
    spread(&c, 12, SIZE * TD_SEC / rate);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

START_TEST(off_by_default)
{
    struct conv c = paced(false);
    say(&c, 1, 200000);
    hear(&c);
    hx_until(c.h, hx_now(c.h) + MS(100));
    acks(&c, 1, 10001);
    ck_assert_uint_eq(conv_tcb(&c)->cc.pacing_rate, 20 * SMSS * 10 * 2); /* known all the same */
    spread(&c, 20, 0);
    ck_assert(conv_tcb(&c)->more_state == NULL || conv_tcb(&c)->more_state->pacer == NULL);
    leave(&c);
}
END_TEST

/* Closing with a segment waiting for its time: it goes, the FIN behind it, the timer is given back. */
START_TEST(closed_while_it_waits)
{
    struct conv c = paced(true);
    say(&c, 1, 15000);
    ck_assert_uint_eq(hear(&c).segments, 10);
    hx_until(c.h, hx_now(c.h) + MS(100));
    acks(&c, 1, 10001);
    ip_out(c.h, NOW, IPPROTO_TCP_);
    td_close(c.h->st, c.s);
    c.s = -1;
    unsigned n = 1;
    do {
        ip_out(c.h, HX_ANYTIME, IPPROTO_TCP_);
        n++;
    } while ((c.h->got.tcp.flags & FIN) == 0);
    ck_assert_uint_eq(n, 5);
    tcp_in(c.h, NOW, .flags = RST, .seq = 1);
    hx_drain(c.h);
    hx_free(c.h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp pacing");
    TCase *tc = tcase_create("pacing");
    tcase_add_test(tc, slow_start_at_twice_the_rate);
    tcase_add_test(tc, avoidance_a_fifth_faster);
    tcase_add_test(tc, limited_by_the_user);
    tcase_add_test(tc, off_by_default);
    tcase_add_test(tc, closed_while_it_waits);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
