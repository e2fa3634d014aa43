/* No memory, at any moment: the n-th allocation of a conversation fails and all after it, for every
 * n. Nothing crashes, nothing leaks (the harness checks), and the stack serves the next connection
 * when there is memory again. */
#include "check_main.h"
#include "tcp_states.h"

/* A whole life in both roles, as far as memory lets it come. What is sent isn't looked at. */
static void life(struct conv *c)
{
    struct hx *h = c->h;
    static char buf[30000];
    tcp_in(h, NOW, .absolute = true, .flags = SYN, .seq = 1000, .wnd = 60000,
           .opts = {.mss = 1460});
    struct tcp_ep *ep = conv_ep(c);
    if (ep != NULL) {
        int64_t iss = container_of(ep, struct half_open, ep)->iss;
        tcp_in(h, NOW, .absolute = true, .flags = ACK, .seq = 1001, .ack = iss + 1, .wnd = 60000);
        int s = td_accept(h->st, c->l, NULL, NULL);
        tcp_in(h, NOW, .absolute = true, .flags = ACK, .seq = 1501, .ack = iss + 1, .wnd = 60000,
               .len = 500);
        tcp_in(h, NOW, .absolute = true, .flags = ACK, .seq = 1001, .ack = iss + 1, .wnd = 60000,
               .len = 500);
        tcp_in(h, NOW, .absolute = true, .flags = ACK, .seq = 2001, .ack = iss + 1, .wnd = 60000,
               .len = 10);
        tcp_in(h, NOW, .absolute = true, .flags = ACK, .seq = 2011, .ack = iss + 1, .wnd = 60000,
               .len = 10);
        if (s >= 0) {
            (void)td_send(h->st, s, buf, sizeof buf, 0);
            hx_flush(h);
            (void)td_recv(h->st, s, buf, sizeof buf, 0);
            tcp_in(h, MS(300), .absolute = true, .flags = ACK, .seq = 2021, .ack = iss + 1461,
                   .wnd = 60000);
            (void)td_shutdown(h->st, s, SHUT_WR);
            hx_until(h, SEC(2));
            tcp_in(h, NOW, .absolute = true, .flags = ACK | FIN, .seq = 2021, .ack = iss + 1461,
                   .wnd = 60000);
            td_close(h->st, s);
            hx_flush(h);
        }
    }
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = td_sockaddr(HX_PEER, 99);
    if (s >= 0) {
        (void)td_connect(h->st, s, (const struct sockaddr *)&sa, sizeof sa);
        hx_until(h, hx_now(h) + SEC(2));
        td_close(h->st, s);
    }
    hx_flush(h);
}

START_TEST(every_allocation_may_fail)
{
    bool whole = false;
    int last = 0;
    for (int n = 1; !whole && n < 2000; n++) {
        struct conv c = conv_new(TD_PROFILE_LINUX);
        struct hx *h = c.h;
        knob_set(h, "tapdeck.journal.level", "0"); /* the journal would take most of the counts */
        c.l = hx_tcp_listen(h, 80);
        h->any_tx = true;
        h->fail_alloc = n;
        life(&c);
        last = n;
        whole = h->fail_alloc > 1; /* it never struck */
        h->fail_alloc = 0;
        hx_until(h, hx_now(h) + SEC(400)); /* whatever is left ends by itself */
        ck_assert_uint_eq(h->st->tcp->ntime_wait, 0);
        h->any_tx = false;
        hx_drain(h);
        tcp_in(h, NOW, .sport = 55555, .flags = SYN, .seq = 0, .wnd = 1000); /* and life goes on */
        tcp_out(h, NOW, .dport = 55555, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
        leave(&c);
    }
    ck_assert(whole);
    ck_assert_int_gt(last, 50); /* and there was something to fail */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp memory");
    TCase *tc = tcase_create("memory");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
