/* Proportional rate reduction (RFC 9937) against its formulae, and the answer to an ECN echo (RFC 3168 6.1.2). MSS 1000,
 * one way 50 ms; cwnd and ssthresh in bytes, Reno halves. */
#include "check_main.h"
#include "prng.h"
#include "sack_talk.h"

enum { MOST = 2000 };

/* A path of 100 ms, there and back, that loses what the test says, and a receiver that SACKs. */
static struct {
    unsigned seg[MOST];
    td_time at[MOST];
    unsigned head, tail; /* on the way */
    bool lose[MOST];     /* the next copy of it */
    bool have[MOST];
    unsigned una;
} p;

static struct conv bytes_conv(unsigned cwnd, const char *detector, size_t total)
{
    struct conv c = conv_reno();
    knob_set(c.h, "net.ipv4.tcp_recovery", detector);
    c = sack_open(c);
    memset(&p, 0, sizeof p);
    conv_tcb(&c)->cc.cwnd = cwnd * SMSS;
    say(&c, 1, total * SMSS);
    return c;
}

/* What was sent goes on its way. How many segments, how many of them again. */
static unsigned carry(struct conv *c, unsigned *again)
{
    const struct hx_conn *k = hx_conn(c->h, HX_PEER, 40000, 80);
    unsigned n = 0;
    while (hx_pending(c->h) > 0) {
        ip_out(c->h, HX_ANYTIME, IPPROTO_TCP_);
        unsigned i = ((uint32_t)(c->h->got.tcp.seq - k->iss) - 1) / SMSS;
        ck_assert_uint_eq(c->h->got.len, SMSS);
        ck_assert_uint_lt(i, MOST);
        static unsigned highest;
        highest = p.tail == 0 ? 0 : highest;
        *again += p.tail > 0 && i <= highest;
        highest = i > highest ? i : highest;
        n++;
        ck_assert_uint_lt(p.tail, MOST);
        p.seg[p.tail] = i;
        p.at[p.tail++] = hx_now(c->h) + MS(100);
        if (p.lose[i]) {
            p.lose[i] = false;
            p.tail--;
        }
    }
    return n;
}

/* The next one arrives, and its acknowledgment too. */
static void deliver(struct conv *c, bool ack_lost)
{
    unsigned i = p.seg[p.head], lo = i, hi = i;
    td_time at = p.at[p.head++];
    p.have[i] = true;
    while (p.have[p.una]) {
        p.una++;
    }
    while (lo > p.una && p.have[lo - 1]) {
        lo--;
    }
    while (p.have[hi]) {
        hi++;
    }
    at = at > hx_now(c->h) ? at : hx_now(c->h) + US(1);
    if (!ack_lost) {
        sack_in(c, at, 1 + SMSS * (int64_t)p.una, i >= p.una ? B1(lo, hi) : (struct blocks){0});
    }
}

/* RFC 9937 6.2, as it stands there. */
struct prr {
    int64_t recover_fs, ssthresh, delivered, out;
};
static int64_t prr(struct prr *m, int64_t inflight, int64_t delivered, bool safe)
{
    int64_t cnt;
    m->delivered += delivered;
    if (inflight > m->ssthresh) {
        cnt = (m->delivered * m->ssthresh + m->recover_fs - 1) / m->recover_fs - m->out;
    } else {
        cnt = m->delivered - m->out > delivered ? m->delivered - m->out : delivered;
        cnt += safe ? SMSS : 0;
        cnt = cnt < m->ssthresh - inflight ? cnt : m->ssthresh - inflight;
    }
    cnt = cnt > 0 ? cnt : 0;
    if (m->out == 0 && cnt < SMSS) { /* less than a segment can't be sent */
        cnt = SMSS;
    }
    return inflight + cnt;
}

#define cwnd_is(c, bytes) ck_assert_uint_eq(conv_tcb(c)->cc.cwnd, (unsigned)(bytes))

/* RFC 6937 4, figure 2: one of twenty is lost. Every second acknowledgment sends one. */
/* shows: 9937-01 9937-03 9937-04 6937-01 6937-02 8985-23 */
START_TEST(one_of_twenty)
{
    struct conv c = bytes_conv(20, "1", 200);
    unsigned again = 0;
    p.lose[0] = true;
    ck_assert_uint_eq(carry(&c, &again), 20);
    for (int i = 0; i < 2; i++) { /* limited transmit */
        deliver(&c, false);
        ck_assert_uint_eq(carry(&c, &again), 1);
    }
    deliver(&c, false); /* the third: two were SACKed before */
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 3);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 10000);
    ck_assert_uint_eq(conv_tcb(&c)->txq->recover_fs, 22000 - 3000 + 1000);
    ck_assert_uint_eq(again, 0);
    ck_assert_uint_eq(carry(&c, &again), 1);
    ck_assert_uint_eq(again, 1); /* the loss, at once */
    unsigned out = 1;
    cwnd_is(&c, 19000); /* 22 - 3 - 1, and it */
    for (unsigned delivered = 2; delivered <= 19; delivered++) {
        deliver(&c, false);
        unsigned flight = 22 - 2 - delivered - 1 + out;
        /* of twenty delivered ten are sent, half a segment waits for the next; at last what ssthresh still takes */
        unsigned due = flight > 10 ? delivered / 2 : out + 10 - flight;
        unsigned n = carry(&c, &again);
        ck_assert_uint_eq(n, due > out ? due - out : 0);
        out += n;
    }
    ck_assert_uint_eq(out, 10);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 3);
    deliver(&c, false); /* the hole is filled */
    ck_assert_uint_eq(p.una, 22);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 0);
    cwnd_is(&c, 10000);
    ck_assert_uint_eq(again, 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* RFC 6937 4, figure 3: the first fifteen of twenty are lost. What is in flight is less than ssthresh at once: as much
 * as arrives goes out, and one more for each acknowledgment that tells of progress. */
/* shows: 9937-02 9937-03 9937-04 6937-03 */
START_TEST(fifteen_of_twenty)
{
    struct conv c = bytes_conv(20, "1", 200);
    unsigned again = 0;
    for (int i = 0; i < 15; i++) {
        p.lose[i] = true;
    }
    ck_assert_uint_eq(carry(&c, &again), 20);
    for (int i = 0; i < 2; i++) {
        deliver(&c, false);
        ck_assert_uint_eq(carry(&c, &again), 1);
    }
    for (int i = 0; i < 5; i++) { /* 17, 18, 19, 20, 21: no progress of SND.UNA, one for one */
        deliver(&c, false);
        cwnd_is(&c, 5000); /* of 22, 3 SACKed and 15 lost: 4 in flight */
        ck_assert_uint_eq(carry(&c, &again), 1);
    }
    ck_assert_uint_eq(again, 5);
    for (unsigned i = 1; i <= 5; i++) { /* SafeACK: one delivered, two sent */
        deliver(&c, false);
        ck_assert_uint_eq(p.una, i);
        cwnd_is(&c, 5000 + 1000 * i);
        ck_assert_uint_eq(carry(&c, &again), 2);
    }
    for (unsigned i = 6; i <= 14; i++) { /* the flight is ssthresh */
        deliver(&c, false);
        cwnd_is(&c, 10000);
        ck_assert_uint_eq(carry(&c, &again), 1);
    }
    ck_assert_uint_eq(again, 15);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 3);
    deliver(&c, false);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 0);
    cwnd_is(&c, 10000);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* The same loss, but all of it was only late: one acknowledgment ends the recovery while PRR has cwnd at half of
 * ssthresh. */
/* shows: 9937-05 */
START_TEST(the_end_is_ssthresh)
{
    struct conv c = bytes_conv(20, "1", 200);
    unsigned again = 0;
    for (int i = 0; i < 15; i++) {
        p.lose[i] = true;
    }
    ck_assert_uint_eq(carry(&c, &again), 20);
    for (int i = 0; i < 7; i++) {
        deliver(&c, false);
        (void)carry(&c, &again);
    }
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 3);
    cwnd_is(&c, 5000);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 10000);
    ack_in(&c, hx_now(c.h) + MS(1), 22001, WND);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 0);
    ck_assert_uint_ge(conv_tcb(&c)->cc.cwnd, 10000);
    ck_assert_uint_le(conv_tcb(&c)->cc.cwnd, 10000 + SMSS); /* this ACK may open it already */
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* Losses and lost acknowledgments as the dice say: after each acknowledgment cwnd is what the RFC's text computes. */
/* shows: 9937-01 9937-02 9937-03 6937-02 6937-03 6937-04 */
START_TEST(the_formulae)
{
    unsigned above = 0, below = 0;
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct prng r = {seed};
        unsigned w = 10 + prng_below(&r, 40), loss = 1 + prng_below(&r, 40), again = 0;
        struct conv c = bytes_conv(w, "1", 4 * w);
        struct tcb *t = conv_tcb(&c);
        for (unsigned i = 0; i < w; i++) {
            p.lose[i] = prng_below(&r, 100) < loss;
        }
        ck_assert_uint_eq(carry(&c, &again), w);
        struct prr m = {0};
        uint32_t recover = 0;
        bool in = false;
        while (p.head < p.tail) {
            hx_until(c.h, p.at[p.head] > hx_now(c.h) + 2 ? p.at[p.head] - 1 : hx_now(c.h)); /* the reordering timer */
            unsigned early = carry(&c, &again);
            if (!in && t->ca_state == TCPE_RECOVERY) {
                in = true;
                recover = t->recover;
                struct tcp_inflight g = flight_of(&c);
                m = (struct prr){.recover_fs = (int64_t)(recover - t->snd_una) - g.sacked * SMSS, .ssthresh = t->cc.ssthresh};
            }
            m.out += early * SMSS;
            uint32_t una = t->snd_una, nxt = t->snd_nxt, lost = t->txq->lost_ever;
            struct tcp_inflight f = flight_of(&c);
            uint32_t sacked = f.sacked;
            deliver(&c, prng_below(&r, 8) == 0);
            unsigned before = again, n = carry(&c, &again), re = again - before;
            if (t->snd_una == una && t->txq != NULL && flight_of(&c).sacked == sacked) {
                continue; /* nothing was heard */
            }
            f = flight_of(&c);
            uint32_t delivered = t->snd_una - una + f.sacked * SMSS - sacked * SMSS;
            if (t->ca_state == TCPE_LOSS) {
                break;
            }
            if (t->ca_state != TCPE_RECOVERY) {
                if (in) {
                    ck_assert_uint_le(t->cc.cwnd, t->cc.ssthresh + SMSS); /* it may grow since */
                    ck_assert_uint_ge(t->cc.cwnd, t->cc.ssthresh);
                }
                in = false;
                continue;
            }
            if (in && t->recover != recover) { /* out of one and into the next */
                in = false;
            }
            if (!in) {
                in = true;
                recover = t->recover;
                m = (struct prr){.recover_fs = (int64_t)(nxt - una) - sacked * SMSS, .ssthresh = t->cc.ssthresh};
            }
            int64_t inflight = ((int64_t)f.unacked - f.sacked - f.lost + f.retrans - n) * SMSS;
            bool safe = t->snd_una != una && t->txq->lost_ever == lost;
            int64_t cwnd = prr(&m, inflight, delivered, safe);
            ck_assert_msg(t->cc.cwnd == cwnd, "seed %u una %u: cwnd %u, not %ld (inflight %ld, delivered %u, %u again)", seed,
                          p.una, t->cc.cwnd, (long)cwnd, (long)inflight, delivered, re);
            m.out += n * SMSS;
            above += inflight > m.ssthresh;
            below += inflight <= m.ssthresh;
        }
        hx_drain(c.h);
        leave(&c);
    }
    ck_assert_uint_gt(above, 100);
    ck_assert_uint_gt(below, 100);
}
END_TEST

/* The last of the flight is lost as well, and there is no new text. */
/* shows: 6675-07 */
START_TEST(one_rescue)
{
    struct conv c = bytes_conv(10, "0", 10);
    unsigned again = 0;
    p.lose[0] = p.lose[8] = p.lose[9] = true;
    ck_assert_uint_eq(carry(&c, &again), 10);
    for (int i = 0; i < 3; i++) {
        deliver(&c, false);
    }
    ck_assert_uint_eq(carry(&c, &again), 1);
    ck_assert_uint_eq(p.seg[p.tail - 1], 0);
    unsigned rescued = 0;
    for (int i = 4; i <= 7; i++) {
        deliver(&c, false);
        unsigned n = carry(&c, &again);
        ck_assert_uint_le(n, 1);
        rescued += n;
        ck_assert(n == 0 || p.seg[p.tail - 1] == 9); /* the highest, not the lower hole */
    }
    ck_assert_uint_eq(rescued, 1);
    ck_assert_uint_eq(hx_event(c.h, "tcp-rto"), 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 2);
    say(&c, 10001, SMSS); /* another end, but it was used */
    (void)carry(&c, &again);
    while (p.head < p.tail && hx_now(c.h) < MS(290)) {
        deliver(&c, false);
        (void)carry(&c, &again);
    }
    unsigned copies = 0;
    for (unsigned i = 0; i < p.tail; i++) {
        copies += p.seg[i] == 10;
    }
    ck_assert_uint_eq(copies, 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* ---- ECN ---- */

static struct conv ecn_conv(size_t total, unsigned cwnd)
{
    struct conv c = conv_reno();
    c.h->tolerance = US(1);
    c.l = hx_tcp_listen(c.h, 80);
    tcp_in(c.h, NOW, .flags = SYN | TCP_ECE | TCP_CWR, .seq = 0, .wnd = WND,
           .opts = {.mss = SMSS, .wscale = 5, .sack_perm = true});
    tcp_out(c.h, NOW, .flags = SYN | ACK | TCP_ECE, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, MS(100), .flags = ACK, .seq = 1, .ack = 1, .wnd = WND);
    c.s = td_accept(c.h->st, c.l, NULL, NULL);
    c.st = EST;
    c.una = c.nxt = c.rcv = 1;
    c.h->start = td_stack_now(c.h->st);
    conv_tcb(&c)->cc.cwnd = cwnd * SMSS;
    say(&c, 1, total * SMSS);
    return c;
}

static void ece_in(struct conv *c, td_time at, unsigned upto)
{
    tcp_in(c->h, at, .flags = ACK | TCP_ECE, .seq = 1, .ack = 1 + SMSS * upto, .wnd = WND);
}

/* Looks at all that was sent: how many had CWR, whether the first of them. */
static unsigned cwr_flags(struct conv *c, unsigned *sent)
{
    unsigned n = 0;
    for (*sent = 0; hx_pending(c->h) > 0; ++*sent) {
        ip_out(c->h, HX_ANYTIME, IPPROTO_TCP_);
        n += (c->h->got.tcp.flags & TCP_CWR) != 0;
    }
    return n;
}

/* shows: 3168-10 3168-11 3168-12 */
START_TEST(echo_halves_once_a_window)
{
    struct conv c = ecn_conv(200, 20);
    unsigned sent, cwr = 0, out = 20, acked = 0;
    ck_assert_uint_eq(cwr_flags(&c, &sent), 0);
    ck_assert_uint_eq(sent, 20);
    bool first = true;
    uint32_t was = conv_tcb(&c)->cc.cwnd;
    for (acked = 1; acked <= 20; acked++) { /* the receiver goes on until it hears CWR */
        ece_in(&c, MS(100 + acked), acked);
        ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 9500); /* of the 19 in flight */
        ck_assert_uint_le(conv_tcb(&c)->cc.cwnd, was);
        was = conv_tcb(&c)->cc.cwnd;
        unsigned n = cwr_flags(&c, &sent);
        ck_assert_uint_eq(n, first && sent > 0); /* on the first, and no other */
        first = first && sent == 0;
        cwr += n;
        out += sent;
    }
    ck_assert_uint_eq(cwr, 1);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    ck_assert_uint_eq(info(&c).tcpi_ca_state, 2);
    ck_assert_uint_le(out - 20, 11);
    ece_in(&c, MS(205), 21); /* of the next window: it counts again */
    uint32_t second = conv_tcb(&c)->cc.ssthresh;
    ck_assert_uint_lt(second, 5500);
    ck_assert_uint_ge(second, 4000);
    cwr += cwr_flags(&c, &sent);
    for (unsigned i = 22; i <= out; i++) {
        ece_in(&c, MS(205 + i), i);
        ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, second);
        cwr += cwr_flags(&c, &sent);
    }
    ck_assert_uint_eq(cwr, 2);
    ck_assert_uint_le(conv_tcb(&c)->cc.cwnd, 5000);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* A loss: the retransmission has no CWR, the next new text has it, also if an echo came. */
/* shows: 3168-10 3168-12 */
START_TEST(no_cwr_on_what_is_sent_again)
{
    struct conv c = ecn_conv(200, 10);
    unsigned sent;
    (void)cwr_flags(&c, &sent);
    struct hx_opts o = {.nsack = 1, .sack = {{1001, 4001}}};
    tcp_in(c.h, MS(100), .flags = ACK | TCP_ECE, .seq = 1, .ack = 1, .wnd = WND, .opts = o);
    again_out(&c, NOW, 0);
    ck_assert_uint_eq(c.h->got.tcp.flags & TCP_CWR, 0);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000); /* one reduction for both */
    o.sack[0].right = 10001;
    tcp_in(c.h, MS(105), .flags = ACK | TCP_ECE, .seq = 1, .ack = 1, .wnd = WND, .opts = o);
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 5000);
    unsigned n = cwr_flags(&c, &sent);
    ck_assert_uint_gt(sent, 0);
    ck_assert_uint_eq(n, 1);
    leave(&c);
}
END_TEST

/* Every acknowledgment of what is in flight has ECE. The end of the round: nothing is in flight. */
static unsigned marked_round(struct conv *c, unsigned acked)
{
    unsigned end = (conv_tcb(c)->snd_nxt - conv_tcb(c)->iss - 1) / SMSS;
    while (acked < end) {
        ece_in(c, hx_now(c->h) + MS(100), ++acked);
        hx_flush(c->h);
    }
    return acked;
}

/* A path that marks everything: cwnd comes down to one segment; then each segment waits for the timer, twice as long each
 * time. _i: Reno by bytes, CUBIC by segments. */
/* shows: 3168-13 9438-14 */
START_TEST(down_to_one_and_slower)
{
    struct conv c = ecn_conv(200, 4);
    struct tcb *t = conv_tcb(&c);
    knob_set(c.h, "net.ipv4.tcp_ecn_least_cwnd", "1");
    knob_set(c.h, "net.ipv4.tcp_early_retrans", "0");
    if (_i == 1) {
        ck_assert_int_eq(td_setsockopt(c.h->st, c.s, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5), 0);
    }
    unsigned acked = 0, sent;
    hx_drain(c.h);
    for (int round = 0; round < 10 && t->rtx_kind != TRTX_ECN; round++) {
        acked = marked_round(&c, acked);
        hx_drain(c.h);
    }
    for (unsigned i = 0; i < 5; i++) {
        cwnd_is(&c, SMSS);
        ck_assert_uint_eq(t->rtx_kind, TRTX_ECN);
        ck_assert_uint_eq(tcp_flight(t), 0);
        td_time due = hx_now(c.h) + (t->rtt.rto << i);
        hx_quiet(c.h, due - MS(1));
        hx_until(c.h, due + MS(1));
        ck_assert_uint_eq(cwr_flags(&c, &sent), 1); /* new text, and it says that it has heard */
        ck_assert_uint_eq(sent, 1);
        if (i < 4) {
            acked = marked_round(&c, acked);
        }
    }
    ck_assert_uint_eq(hx_event(c.h, "tcp-ecn-wait"), 5);
    ck_assert_uint_eq(hx_counter(c.h, "TcpRetransSegs"), 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpExtTCPTimeouts"), 0);
    ack_in(&c, hx_now(c.h) + MS(100), 1 + SMSS * ++acked, WND); /* no mark: on at once, and faster */
    ck_assert_uint_eq(cwr_flags(&c, &sent), 0);
    ck_assert_uint_ge(sent, 1);
    ck_assert_uint_gt(t->cc.cwnd, SMSS);
    while (t->rtx_kind != TRTX_ECN) {
        acked = marked_round(&c, acked);
        hx_drain(c.h);
        ck_assert_uint_lt(acked, 100);
    }
    td_time due = hx_now(c.h) + t->rtt.rto; /* the first in a row again */
    hx_quiet(c.h, due - MS(1));
    hx_until(c.h, due + MS(1));
    ck_assert_uint_eq(hx_pending(c.h), 1);
    hx_drain(c.h);
    leave(&c);
}
END_TEST

/* Linux: two segments are the least, and they don't wait. */
START_TEST(not_below_two)
{
    struct conv c = ecn_conv(200, 4);
    unsigned acked = 0;
    hx_drain(c.h);
    for (int round = 0; round < 10; round++) {
        acked = marked_round(&c, acked);
        ck_assert_uint_gt(tcp_flight(conv_tcb(&c)), 0);
        hx_drain(c.h);
    }
    ck_assert_uint_eq(conv_tcb(&c)->cc.ssthresh, 2000);
    ck_assert_uint_eq(hx_event(c.h, "tcp-ecn-wait"), 0);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp prr");
    TCase *tc = tcase_create("prr");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, one_of_twenty);
    tcase_add_test(tc, fifteen_of_twenty);
    tcase_add_test(tc, the_end_is_ssthresh);
    tcase_add_test(tc, the_formulae);
    tcase_add_test(tc, one_rescue);
    tcase_add_test(tc, echo_halves_once_a_window);
    tcase_add_test(tc, no_cwr_on_what_is_sent_again);
    tcase_add_loop_test(tc, down_to_one_and_slower, 0, 2);
    tcase_add_test(tc, not_below_two);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
