/* What the fuzzers found: each finding as the shortest conversation that shows it. The layer's own
 * tests say what is right; these say what once was wrong. */
#include "common/check_main.h"
#include "common/harness.h"

#include "core/stack.h"

#include <errno.h>

/* shows: 792-07 */
START_TEST(echo_reply_of_zeros)
{
    /* Identifier 0, sequence 0, no data: the reply is zero but for its checksum, which must then be
     * ffff. An incremental update (RFC 1624) alone arrives at the other zero. */
    struct hx *h = hx_new();
    icmp_in(h, 0, .type = ICMP_ECHO);
    icmp_out(h, 0, .type = ICMP_ECHO_REPLY);
    ck_assert_uint_eq(h->got.icmp.csum, 0xffff);
    hx_free(h);
}
END_TEST

START_TEST(listen_after_a_connection_timed_out)
{
    /* The endpoint of a connection that ended still knows its port number, but has no port any
     * more. */
    struct hx *h = hx_new();
    int s = hx_tcp_connect(h, 5000, HX_PEER, 80);
    hx_until(h, SEC(300));
    hx_drain(h);
    int e = 0;
    socklen_t len = sizeof e;
    ck_assert_int_eq(td_getsockopt(h->st, s, SOL_SOCKET, SO_ERROR, &e, &len), 0);
    ck_assert_int_eq(e, ETIMEDOUT);
    ck_assert_int_eq(td_listen(h->st, s, 5), -EINVAL);
    ck_assert_int_eq(td_close(h->st, s), 0);
    hx_free(h);
}
END_TEST

START_TEST(listen_again_after_shutdown)
{
    /* shutdown ends listening and gives the port back; listen takes it again, as in Linux. */
    struct hx *h = hx_new();
    int s = hx_tcp_listen(h, 80);
    ck_assert_int_eq(td_shutdown(h->st, s, SHUT_RD), 0);
    tcp_in(h, MS(1), .flags = SYN, .wnd = 1000);
    tcp_out(h, MS(1), .flags = RST | ACK, .ack = 1);
    ck_assert_int_eq(td_listen(h->st, s, 5), 0);
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    ck_assert_int_eq(td_getsockname(h->st, s, (struct sockaddr *)&sa, &len), 0);
    ck_assert_uint_eq(ntohs(sa.sin_port), 80);
    tcp_in(h, MS(2), .sport = 40001, .flags = SYN, .wnd = 1000);
    tcp_out(h, MS(2), .dport = 40001, .flags = SYN | ACK, .ack = 1);
    hx_free(h);
}
END_TEST

START_TEST(urgent_octet_into_no_bytes)
{
    struct hx *h = hx_new();
    int s = hx_tcp_accept(h, hx_tcp_listen(h, 80), 0, 1000);
    tcp_in(h, MS(1), .flags = ACK | URG, .seq = 1, .ack = 1, .urp = 3, .wnd = 1000, .data = "abc",
           .len = 3);
    hx_until(h, MS(300));
    hx_drain(h);
    char c = '?';
    ck_assert_int_eq(td_recv(h->st, s, &c, 1, MSG_OOB | MSG_PEEK), 1);
    ck_assert_int_eq(c, 'c');
    ck_assert_int_eq(td_recv(h->st, s, &c, 0, MSG_OOB), 0); /* was 1 */
    ck_assert_int_eq(td_recv(h->st, s, &c, 1, MSG_OOB), -EINVAL);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("findings");
    TCase *c = tcase_create("findings");
    tcase_add_test(c, echo_reply_of_zeros);
    tcase_add_test(c, listen_after_a_connection_timed_out);
    tcase_add_test(c, listen_again_after_shutdown);
    tcase_add_test(c, urgent_octet_into_no_bytes);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
