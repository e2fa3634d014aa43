/* A connection's variables over time, and the table of what they are now. MSS 1000, round trip 100 ms. */
#include "check_main.h"
#include "tcp_talk.h"

#define SMSS 1000
#define WND  60000 /* times 16 */

static struct conv est(const char *samples, const char *interval_us)
{
    struct conv c = conv_reno();
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_series", samples), 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_series_interval_us", interval_us), 0);
    return talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1}, WND, MS(100));
}

static const struct value *cell(const struct table *t, const struct row *row, const char *name)
{
    for (unsigned i = 0; i < t->ncolumns; i++) {
        if (strcmp(t->columns[i].name, name) == 0) {
            ck_assert(row->v[i].type == t->columns[i].type || row->v[i].type == VAL_NONE);
            return &row->v[i];
        }
    }
    ck_abort_msg("no column %s", name);
    return NULL;
}
#define u(name) cell(t, &row, name)->u
#define s(name) cell(t, &row, name)->s

static struct table *series(struct conv *c)
{
    struct table *t = table_find(c->h->st, "series");
    ck_assert_ptr_nonnull(t);
    return t;
}

static int64_t flight(struct conv *c, int64_t from, unsigned n)
{
    say(c, from, n * SMSS);
    hear(c);
    hx_until(c->h, hx_now(c->h) + MS(100));
    for (unsigned i = 1; i <= n; i++) {
        ack_in(c, NOW, from + i * SMSS, WND);
    }
    return from + n * SMSS;
}

START_TEST(what_it_tells)
{
    struct conv c = est("1000", "0");
    struct table *t = series(&c);
    struct row row;
    uint64_t cursor = 0, last = 0, n = 0;
    int64_t at = flight(&c, 1, 10);
    at = flight(&c, at, 20);
    ck_assert_int_eq(at, 30001);
    while (t->next(c.h->st, &cursor, &row)) {
        ck_assert_uint_ge(u("time"), last);
        last = u("time");
        ck_assert_uint_le(u("flight"), u("cwnd"));
        ck_assert_uint_eq(u("lport"), 80);
        ck_assert_str_eq(s("state"), "ESTAB");
        ck_assert_str_eq(s("phase"), "slow-start");
        ck_assert_int_eq(cell(t, &row, "ssthresh")->type, VAL_NONE);
        if (n == 0) {
            ck_assert_uint_eq(u("cwnd"), 10 * SMSS);
        }
        n++;
    }
    ck_assert_uint_ge(n, 30); /* one an acknowledgment at least */
    ck_assert_uint_eq(u("cwnd"), 40 * SMSS);
    ck_assert_uint_eq(u("bytes_acked"), 30000);
    ck_assert_uint_eq(u("srtt"), MS(100));
    ck_assert_uint_eq(u("rto"), conv_tcb(&c)->rtt.rto);
    ck_assert_uint_eq(u("pacing_rate"), conv_tcb(&c)->cc.pacing_rate);
    /* loss: the next samples say so; the cursor goes on where it was */
    say(&c, at, 10000);
    hx_until(c.h, hx_now(c.h) + SEC(1));
    hx_drain(c.h);
    bool loss = false;
    while (t->next(c.h->st, &cursor, &row)) {
        loss |= strcmp(s("phase"), "loss") == 0 && u("cwnd") == SMSS && u("ssthresh") == 5 * SMSS && u("retrans") == 1;
    }
    ck_assert(loss);
    leave(&c);
}
END_TEST

START_TEST(interval)
{
    struct conv c = est("1000", "50000");
    struct table *t = series(&c);
    struct row row;
    uint64_t cursor = 0, last = 0;
    int64_t at = 1;
    unsigned n = 0;
    for (int i = 0; i < 10; i++) {
        at = flight(&c, at, 2);
    }
    while (t->next(c.h->st, &cursor, &row)) {
        ck_assert(last == 0 || u("time") - last >= MS(50));
        last = u("time");
        n++;
    }
    ck_assert_uint_ge(n, 9);
    ck_assert_uint_le(n, 20);
    leave(&c);
}
END_TEST

/* Bounded: the oldest go, and the journal says so, once. */
START_TEST(full)
{
    struct conv c = est("100", "0");
    struct table *t = series(&c);
    struct row row;
    uint64_t cursor = 0, n = 0;
    int64_t at = 1;
    uint64_t before = c.h->st->mem.used_by[MEM_TCP];
    for (int i = 0; i < 40; i++) {
        at = flight(&c, at, 10);
    }
    ck_assert_uint_lt(c.h->st->mem.used_by[MEM_TCP], before + 12 * 1024);
    ck_assert(t->next(c.h->st, &cursor, &row));
    uint64_t first = u("bytes_acked");
    ck_assert_uint_gt(first, 300000);
    for (n = 1; t->next(c.h->st, &cursor, &row); n++) {
    }
    ck_assert_uint_eq(n, 100);
    ck_assert_uint_eq(u("bytes_acked"), 400000);
    /* a reader that is behind goes on with what is left */
    cursor = UINT64_C(1) << 40 | 5;
    ck_assert(t->next(c.h->st, &cursor, &row));
    ck_assert_uint_eq(u("bytes_acked"), first);
    leave(&c);
}
END_TEST

/* Thinned: few samples, evenly spread over all of a connection; the newest among them. */
START_TEST(thinned)
{
    struct conv c = conv_reno();
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_series_thin", "1"), 0);
    ck_assert_int_eq(td_knob_set(c.h->st, "net.ipv4.tcp_series", "16"), 0);
    c = talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1}, WND, MS(100));
    struct table *t = series(&c);
    struct row row;
    uint64_t cursor = 0, n = 0, last = 0;
    int64_t at = 1;
    for (int i = 0; i < 7; i++) {
        at = flight(&c, at, 1);
    }
    ck_assert(!t->next(c.h->st, &cursor, &row)); /* so little isn't worth a series */
    uint64_t begin = c.h->st->now;
    for (int i = 0; i < 200; i++) {
        at = flight(&c, at, 1);
        cursor = 0;
        for (n = 0; t->next(c.h->st, &cursor, &row); n++) {
            ck_assert_uint_ge(u("time"), begin);
            ck_assert_uint_gt(u("time"), n == 0 ? 0 : last);
            last = u("time");
        }
        ck_assert_uint_le(n, 16);
    }
    ck_assert_uint_ge(n, 8);
    cursor = 0;
    ck_assert(t->next(c.h->st, &cursor, &row));
    ck_assert_uint_le(u("time"), begin + SEC(4)); /* of 20 s */
    ck_assert_uint_ge(last, c.h->st->now - SEC(4));
    leave(&c);
}
END_TEST

START_TEST(outlives_the_connection)
{
    struct conv c = est("100", "0");
    struct td_stack *st = c.h->st;
    struct table *t = series(&c);
    struct row row;
    uint64_t cursor = 0;
    ck_assert_int_eq(td_knob_set(st, "net.ipv4.tcp_series_max", "2"), 0);
    flight(&c, 1, 10);
    tcp_in(c.h, NOW, .flags = RST, .seq = 1);
    td_close(st, c.s);
    hx_drain(c.h);
    ck_assert(t->next(st, &cursor, &row));
    ck_assert_uint_eq(u("pport"), 40000);
    /* two more connections: the dead one makes room */
    for (uint16_t port = 40001; port <= 40003; port++) {
        struct hx_opts o = {.mss = SMSS};
        tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = WND, .opts = o, .sport = port);
        tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .dport = port);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND, .sport = port);
        int s = td_accept(st, c.l, NULL, NULL);
        ck_assert_int_ge(s, 0);
        ck_assert_int_eq(td_send(st, s, "x", 1, 0), 1);
        hx_drain(c.h);
    }
    uint64_t ports = 0;
    for (cursor = 0; t->next(st, &cursor, &row);) {
        ports |= UINT64_C(1) << (u("pport") - 40000);
    }
    ck_assert_uint_eq(ports, 6); /* 40001 and 40002; no room for 40003 */
    ck_assert_int_eq(td_knob_set(st, "net.ipv4.tcp_series", "0"), 0);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 2, .wnd = WND, .sport = 40001);
    hx_drain(c.h);
    cursor = 0;
    ck_assert(!t->next(st, &cursor, &row));
    hx_free(c.h); /* and every byte is back */
}
END_TEST

START_TEST(off_by_default)
{
    struct conv c = conv_new(TD_PROFILE_LINUX);
    c = talk(c, (struct hx_opts){.mss = SMSS, .wscale = 4 + 1}, WND, MS(100));
    struct table *t = series(&c);
    struct row row;
    uint64_t cursor = 0;
    flight(&c, 1, 10);
    ck_assert(!t->next(c.h->st, &cursor, &row));
    leave(&c);
}
END_TEST

/* ---- the table of the variables ---- */

START_TEST(variables_by_their_rfc_names)
{
    struct conv c = est("0", "0");
    struct table *t = table_find(c.h->st, "tcb");
    struct row row;
    uint64_t cursor = 0;
    ck_assert_ptr_nonnull(t);
    const struct hx_conn *k = hx_conn(c.h, HX_PEER, 40000, 80);
    flight(&c, 1, 10);
    say(&c, 10001, 30000);
    hear(&c);
    ck_assert(t->next(c.h->st, &cursor, &row)); /* the listener has none */
    ck_assert_str_eq(s("state"), "ESTABLISHED");
    ck_assert_uint_eq(u("ISS"), k->iss);
    ck_assert_uint_eq(u("SND.UNA"), k->iss + 10001);
    ck_assert_uint_eq(u("SND.NXT"), k->iss + 30001);
    ck_assert_uint_eq(u("SND.WND"), WND << 4);
    ck_assert_uint_eq(u("SND.WL2"), k->iss + 10001);
    ck_assert_uint_eq(u("IRS"), k->irs);
    ck_assert_uint_eq(u("RCV.NXT"), k->irs + 1);
    ck_assert_uint_gt(u("RCV.WND"), 10000);
    ck_assert_uint_eq(u("SMSS"), SMSS);
    ck_assert_uint_eq(u("SRTT"), MS(100));
    ck_assert_uint_eq(u("RTO"), conv_tcb(&c)->rtt.rto);
    ck_assert_uint_eq(u("cwnd"), 20 * SMSS);
    ck_assert_uint_eq(u("FlightSize"), 20 * SMSS);
    ck_assert_uint_eq(u("queued"), 10 * SMSS);
    ck_assert_uint_eq(u("cwnd-limited"), 1);
    ck_assert_uint_eq(u("Snd.Wind.Shift"), 4);
    ck_assert_str_eq(s("cc"), "reno");
    ck_assert_str_eq(s("ca-state"), "open");
    hx_until(c.h, hx_now(c.h) + SEC(1));
    hx_drain(c.h);
    cursor = 0;
    ck_assert(t->next(c.h->st, &cursor, &row));
    ck_assert_str_eq(s("ca-state"), "loss");
    ck_assert_uint_eq(u("ssthresh"), 10 * SMSS);
    ck_assert_uint_ge(u("backoff"), 1);
    ck_assert(!t->next(c.h->st, &cursor, &row));
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *x = suite_create("tcp series");
    TCase *tc = tcase_create("series");
    tcase_add_test(tc, what_it_tells);
    tcase_add_test(tc, interval);
    tcase_add_test(tc, full);
    tcase_add_test(tc, thinned);
    tcase_add_test(tc, outlives_the_connection);
    tcase_add_test(tc, off_by_default);
    suite_add_tcase(x, tc);
    tc = tcase_create("tcb");
    tcase_add_test(tc, variables_by_their_rfc_names);
    suite_add_tcase(x, tc);
    return x;
}

CHECK_MAIN(suite)
