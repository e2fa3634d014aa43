/* Multicast: joining, receiving, sending. */
#include "check_main.h"
#include "harness.h"

#include <errno.h>
#include <string.h>

#define GROUP TD_IP4(239, 1, 2, 3)

static int join(struct hx *h, int s, int name, td_ip4 group, td_ip4 addr, int ifindex)
{
    struct ip_mreqn r = {
        .imr_multiaddr = {htonl(group)}, .imr_address = {htonl(addr)}, .imr_ifindex = ifindex};
    return td_setsockopt(h->st, s, IPPROTO_IP, name, &r, sizeof r);
}

static bool got_one(struct hx *h, int s)
{
    char b[16];
    return td_recv(h->st, s, b, sizeof b, 0) >= 0;
}

START_TEST(test_join_and_leave)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    udp_in(h, 0, .dst = GROUP, .sport = 7, .dport = 5000, .len = 1);
    ck_assert(!got_one(h, s));
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP, 0, 0), 0); /* interface by route */
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP, HX_US, 0), -EADDRINUSE);
    udp_in(h, 0, .dst = GROUP, .sport = 7, .dport = 5000, .len = 1);
    ck_assert(got_one(h, s));
    udp_in(h, 0, .dst = GROUP + 1, .sport = 7, .dport = 5000, .len = 1);
    ck_assert(!got_one(h, s));
    ck_assert_int_eq(join(h, s, IP_DROP_MEMBERSHIP, GROUP, 0, (int)h->ifindex), 0);
    ck_assert_int_eq(join(h, s, IP_DROP_MEMBERSHIP, GROUP, 0, (int)h->ifindex), -EADDRNOTAVAIL);
    udp_in(h, 0, .dst = GROUP, .sport = 7, .dport = 5000, .len = 1);
    ck_assert(!got_one(h, s));
    /* the membership goes with the socket */
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP, HX_US, 0), 0);
    int t = hx_udp_socket(h, 0, 5001);
    ck_assert_int_eq(td_close(h->st, s), 0);
    udp_in(h, 0, .dst = GROUP, .sport = 7, .dport = 5001, .len = 1);
    ck_assert(!got_one(h, t));
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

START_TEST(test_refused)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, HX_PEER, 0, 0), -EINVAL);
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP, HX_PEER, 0), -ENODEV);
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP, 0, 99), -ENODEV);
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP, 0, -1), -ENODEV);
    struct ip_mreqn r = {.imr_multiaddr = {htonl(GROUP)}};
    for (socklen_t n = 0; n < sizeof(struct ip_mreq); n++) {
        ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, n), -EINVAL);
    }
    ck_assert_int_eq(
        td_setsockopt(h->st, s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof(struct ip_mreq)), 0);
    ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.igmp_max_memberships", "3"), 0);
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP + 1, 0, 0), 0);
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP + 2, 0, 0), 0);
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP + 3, 0, 0), -ENOBUFS);
    hx_free(h);
}
END_TEST

START_TEST(test_who_gets_it)
{
    struct hx *h = hx_new();
    int s[3], one = 1, zero = 0;
    for (unsigned i = 0; i < 3; i++) {
        s[i] = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
        ck_assert_int_eq(td_setsockopt(h->st, s[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
        struct sockaddr_in sa = td_sockaddr(i == 2 ? GROUP : 0, 5000);
        ck_assert_int_eq(td_bind(h->st, s[i], (struct sockaddr *)&sa, sizeof sa), 0);
    }
    ck_assert_int_eq(join(h, s[0], IP_ADD_MEMBERSHIP, GROUP, 0, 0), 0);
    udp_in(h, 0, .dst = GROUP, .sport = 7, .dport = 5000, .len = 1);
    ck_assert(got_one(h, s[0]));
    ck_assert(got_one(h, s[1])); /* IP_MULTICAST_ALL, Linux's default */
    ck_assert(got_one(h, s[2])); /* bound to the group */
    ck_assert_int_eq(td_setsockopt(h->st, s[1], IPPROTO_IP, IP_MULTICAST_ALL, &zero, sizeof zero),
                     0);
    udp_in(h, 0, .dst = GROUP, .sport = 7, .dport = 5000, .len = 1);
    ck_assert(got_one(h, s[0]));
    ck_assert(!got_one(h, s[1]));
    /* unicast doesn't reach the socket bound to the group */
    ck_assert_int_eq(td_close(h->st, s[0]), 0);
    ck_assert_int_eq(td_close(h->st, s[1]), 0);
    ck_assert(got_one(h, s[2]));
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1);
    ck_assert(!got_one(h, s[2]));
    hx_drain(h);
    hx_free(h);
}
END_TEST

START_TEST(test_sending)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000), v = 7, zero = 0;
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, GROUP, 5000), 1);
    udp_out(h, 0, .dst = GROUP, .ttl = 1, .len = 1);
    ck_assert_uint_eq(h->got.eth.dst.b[0], 0x01);
    ck_assert_uint_eq(h->got.eth.dst.b[3], 0x01);
    ck_assert_uint_eq(h->got.eth.dst.b[5], 0x03);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_MULTICAST_TTL, &v, sizeof v), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, GROUP, 5000), 1);
    udp_out(h, 0, .dst = GROUP, .ttl = 7, .len = 1);
    /* a member hears itself, unless it doesn't want to */
    ck_assert_int_eq(join(h, s, IP_ADD_MEMBERSHIP, GROUP, 0, 0), 0);
    ck_assert(!got_one(h, s));
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, GROUP, 5000), 1);
    udp_out(h, 0, .dst = GROUP, .len = 1);
    ck_assert(got_one(h, s));
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_MULTICAST_LOOP, &zero, sizeof zero), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, GROUP, 5000), 1);
    udp_out(h, 0, .dst = GROUP, .len = 1);
    ck_assert(!got_one(h, s));
    hx_free(h);
}
END_TEST

START_TEST(test_interface_choice)
{
    struct hx *h = hx_new();
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 77), 24), 0);
    hx_drain(h);
    int s = hx_udp_socket(h, 0, 5000);
    struct in_addr a = {htonl(TD_IP4(10, 0, 0, 77))}, back;
    socklen_t len = sizeof back;
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_MULTICAST_IF, &a, sizeof a), 0);
    ck_assert_int_eq(td_getsockopt(h->st, s, IPPROTO_IP, IP_MULTICAST_IF, &back, &len), 0);
    ck_assert_uint_eq(back.s_addr, a.s_addr);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, GROUP, 5000), 1);
    udp_out(h, 0, .src = TD_IP4(10, 0, 0, 77), .dst = GROUP, .len = 1);
    a.s_addr = 0;
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_MULTICAST_IF, &a, sizeof a), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, GROUP, 5000), 1);
    udp_out(h, 0, .src = HX_US, .dst = GROUP, .len = 1);
    a.s_addr = htonl(HX_PEER);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_MULTICAST_IF, &a, sizeof a),
                     -EADDRNOTAVAIL);
    struct ip_mreqn r = {.imr_ifindex = 99};
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_MULTICAST_IF, &r, sizeof r),
                     -EADDRNOTAVAIL);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2), 0);
    r.imr_ifindex = (int)h->ifindex;
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_MULTICAST_IF, &r, sizeof r), -EINVAL);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("groups");
    TCase *t = tcase_create("groups");
    tcase_add_test(t, test_join_and_leave);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_who_gets_it);
    tcase_add_test(t, test_sending);
    tcase_add_test(t, test_interface_choice);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
