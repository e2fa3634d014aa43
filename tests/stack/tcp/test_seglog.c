/* tests of stack/tcp/seglog.c: what is kept of segments and changes of state. */
#include "check_main.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "harness.h"
#include "tcp/seglog.h"
#include "tcp/tcp_internal.h"

static struct hx *h;

static void setup(void)
{
    h = hx_new();
}

static void teardown(void)
{
    hx_free(h);
}

/* The records from `from` on, a line each: numbers relative to both sides' first. */
static const char *told(uint64_t from)
{
    static char text[8192];
    size_t n = 0;
    const struct hx_conn *c = hx_conn(h, HX_PEER, HX_PEER_PORT, HX_OUR_PORT);
    text[0] = '\0';
    for (const struct tcp_seglog_rec *x = tcp_seglog_from(h->st, from); x != NULL;
         x = tcp_seglog_from(h->st, x->n + 1)) {
        static const char *const what[] = {"in", "out", "state", "accept"};
        uint32_t theirs = c->irs, ours = c->iss;
        n += (size_t)snprintf(text + n, sizeof text - n, "%llu %llu %s", (unsigned long long)x->n,
                              (unsigned long long)((x->at - h->start) / TD_MS), what[x->what]);
        if (x->what == TSL_STATE) {
            n += (size_t)snprintf(text + n, sizeof text - n, " %s > %s: %s",
                                  tcp_state_name((enum tcp_state)x->state),
                                  tcp_state_name((enum tcp_state)x->to), journal_words[x->why]);
        } else if (x->what != TSL_ACCEPT) {
            uint32_t seq = x->seq - (x->what == TSL_IN ? theirs : ours);
            uint32_t ack = x->ack - (x->what == TSL_IN ? ours : theirs);
            n += (size_t)snprintf(text + n, sizeof text - n, " %x %u %u len %u wnd %u %s", x->flags,
                                  seq, (x->flags & TCP_ACK) != 0 ? ack : 0, x->len, x->wnd,
                                  tcp_state_name((enum tcp_state)x->state));
            if (x->again) {
                n += (size_t)snprintf(text + n, sizeof text - n, " again: %s",
                                      journal_words[x->why]);
            }
            if (x->verdict != 0) {
                n += (size_t)snprintf(text + n, sizeof text - n, " dropped: %s",
                                      event_info[x->verdict].name);
            }
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "\n");
    }
    return text;
}

START_TEST(a_whole_connection)
{
    int l = hx_tcp_listen(h, 80), s = hx_tcp_accept(h, l, MS(1), 5000);
    ck_assert_int_eq(td_send(h->st, s, "hello", 5, 0), 5);
    tcp_out(h, MS(1), .flags = PSH | ACK, .seq = 1, .ack = 1, .data = "hello", .len = 5);
    tcp_in(h, MS(2), .flags = ACK, .seq = 1, .ack = 9999, .wnd = 5000); /* of data never sent */
    hx_flush(h);
    hx_drain(h);
    tcp_out(h, HX_ANYTIME, .flags = PSH | ACK, .seq = 1, .ack = 1, .data = "hello", .len = 5);
    td_time again = h->got.at;
    tcp_in(h, again + MS(1), .flags = ACK, .seq = 1, .ack = 6, .wnd = 5000);
    ck_assert_int_eq(td_close(h->st, s), 0);
    tcp_out(h, NOW, .flags = FIN | ACK, .seq = 6, .ack = 1);
    tcp_in(h, again + MS(2), .flags = FIN | ACK, .seq = 1, .ack = 7, .wnd = 5000);
    tcp_out(h, NOW, .flags = ACK, .seq = 7, .ack = 2);
    hx_until(h, again + SEC(61));
    char expected[2048];
    unsigned ms = (unsigned)(again / TD_MS);
    snprintf(expected, sizeof expected,
             "1 1 in 2 0 0 len 0 wnd 5000 LISTEN\n"
             "2 1 state LISTEN > SYN-RECEIVED: SYN received\n"
             "3 1 out 12 0 1 len 0 wnd 64240 SYN-RECEIVED\n"
             "4 1 in 10 1 1 len 0 wnd 5000 SYN-RECEIVED\n"
             "5 1 state SYN-RECEIVED > ESTABLISHED: our SYN was acknowledged\n"
             "6 1 accept\n"
             "7 1 out 18 1 1 len 5 wnd 64240 ESTABLISHED\n"
             "8 2 in 10 1 9999 len 0 wnd 5000 ESTABLISHED dropped: tcp-drop-ack\n"
             "9 %u out 18 1 1 len 5 wnd 64240 ESTABLISHED again: after a time-out\n"
             "10 %u in 10 1 6 len 0 wnd 5000 ESTABLISHED\n"
             "11 %u state ESTABLISHED > FIN-WAIT-1: user closed\n"
             "12 %u out 11 6 1 len 0 wnd 64240 FIN-WAIT-1\n"
             "13 %u in 11 1 7 len 0 wnd 5000 FIN-WAIT-1\n"
             "14 %u state FIN-WAIT-1 > FIN-WAIT-2: our FIN was acknowledged\n"
             "15 %u out 10 7 2 len 0 wnd 64239 FIN-WAIT-2\n"
             "16 %u state FIN-WAIT-2 > TIME-WAIT: the peer's FIN\n"
             "17 %u state TIME-WAIT > CLOSED: 2MSL passed\n",
             ms, ms + 1, ms + 1, ms + 1, ms + 2, ms + 2, ms + 2, ms + 2, ms + 60002);
    ck_assert_str_eq(told(0), expected);
    /* A state's event is the journal's number of it. */
    const struct tcp_seglog_rec *x = tcp_seglog_from(h->st, 17);
    ck_assert_int_eq(journal_find(h->st, x->event)->event, EV_TCP_STATE);
    /* It is found by what a person would say of it, after its end; its number was told by `accept`.
     */
    struct tcp_wanted w = {.a = {.lport = 80}};
    ck_assert_uint_eq(tcp_seglog_find(h->st, &w)->n, 17);
    w = (struct tcp_wanted){.id = tcp_seglog_from(h->st, 6)->id};
    ck_assert_uint_ne(w.id, 0);
    ck_assert_uint_eq(tcp_seglog_find(h->st, &w)->n, 17);
    w.a.rport = 1;
    ck_assert_ptr_null(tcp_seglog_find(h->st, &w));
    ck_assert_ptr_null(tcp_seglog_from(h->st, 18));
}
END_TEST

/* A segment of a connection that has had its first ones. */
static void ordinary(unsigned i)
{
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = (int64_t)(5000 + i));
    hx_flush(h);
}

START_TEST(what_is_rare_stays_longer)
{
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.segments", "100"), 0);
    int l = hx_tcp_listen(h, 80);
    (void)hx_tcp_accept(h, l, 0, 5000);
    uint64_t next = tcp_seglog_held(h->st).next;
    for (unsigned i = 0; i < 1000; i++) {
        ordinary(i);
    }
    struct tcp_seglog_held held = tcp_seglog_held(h->st);
    ck_assert_uint_eq(held.next, next + 1000);
    ck_assert_uint_eq(held.rare_from, 1);
    ck_assert_uint_eq(held.usual_from, next + 900);
    unsigned n = 0;
    uint64_t last = 0;
    for (const struct tcp_seglog_rec *x = tcp_seglog_from(h->st, 0); x != NULL;
         x = tcp_seglog_from(h->st, x->n + 1)) {
        ck_assert_uint_gt(x->n, last);
        last = x->n;
        n++;
    }
    ck_assert_uint_ge(n, 100 + 6);
    ck_assert_uint_le(n, 100 + 20); /* the handshake, and the first sixteen segments */
    /* The table tells the same rows. */
    struct table *t = table_find(h->st, "segments");
    struct row row;
    uint64_t cursor = 0;
    for (unsigned i = 0; i < n; i++) {
        ck_assert(t->next(h->st, &cursor, &row));
    }
    ck_assert(!t->next(h->st, &cursor, &row));
    /* Smaller: the newest stay. */
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.segments", "10"), 0);
    ordinary(0);
    ck_assert_uint_eq(tcp_seglog_held(h->st).usual_from, next + 991);
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.segments", "0"), 0);
    ordinary(1);
    ck_assert_uint_eq(tcp_seglog_held(h->st).next, next + 1001);
    tcp_in(h, NOW, .flags = RST, .seq = 1);
    ck_assert_ptr_null(h->st->tcp->seglog); /* nor is the memory kept */
}
END_TEST

START_TEST(nothing_at_the_level_of_counters)
{
    uint64_t before = h->st->mem.used_by[MEM_JOURNAL];
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.journal.level", "0"), 0);
    int l = hx_tcp_listen(h, 80);
    (void)hx_tcp_accept(h, l, 0, 5000);
    ordinary(0);
    ck_assert_ptr_null(tcp_seglog_from(h->st, 0));
    ck_assert_ptr_null(h->st->tcp->seglog);
    ck_assert_uint_eq(h->st->mem.used_by[MEM_JOURNAL], before);
    ck_assert_uint_eq(tcp_seglog_held(h->st).next, 1);
}
END_TEST

START_TEST(without_memory)
{
    int l = hx_tcp_listen(h, 80);
    (void)hx_tcp_accept(h, l, 0, 5000);
    uint64_t from = tcp_seglog_held(h->st).next;
    h->st->mem.limit = h->st->mem.used; /* rings can't grow any more */
    for (unsigned i = 0; i < 200; i++) {
        ordinary(i);
    }
    h->st->mem.limit = 0;
    ck_assert_uint_ge(tcp_seglog_held(h->st).next, from);
    ordinary(0);
    ck_assert_ptr_nonnull(tcp_seglog_from(h->st, tcp_seglog_held(h->st).next - 1));
}
END_TEST

/* Memory of one record, and of an instance that has had no TCP: none. */
START_TEST(its_price)
{
    ck_assert_uint_le(sizeof(struct tcp_seglog_rec), 128);
    ck_assert_ptr_null(h->st->tcp->seglog);
    udp_in(h, NOW, .sport = 1000, .dport = 2000, .data = "x", .len = 1);
    hx_flush(h);
    hx_drain(h);
    ck_assert_ptr_null(h->st->tcp->seglog);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("seglog");
    TCase *tc = tcase_create("seglog");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_whole_connection);
    tcase_add_test(tc, what_is_rare_stays_longer);
    tcase_add_test(tc, nothing_at_the_level_of_counters);
    tcase_add_test(tc, without_memory);
    tcase_add_test(tc, its_price);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
