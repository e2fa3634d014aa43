/* What recvmsg tells beside the payload: control messages and the error queue. */
#include "check_main.h"
#include "harness.h"

#include "core/stack.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>

struct msg {
    struct msghdr m;
    struct iovec iov;
    struct sockaddr_in name;
    union {
        size_t align;
        uint8_t b[512];
    } control;
    char data[2048];
};

static int64_t receive(struct hx *h, int s, struct msg *x, int flags)
{
    memset(x, 0, sizeof *x);
    x->iov = (struct iovec){x->data, sizeof x->data};
    x->m = (struct msghdr){.msg_name = &x->name,
                           .msg_namelen = sizeof x->name,
                           .msg_iov = &x->iov,
                           .msg_iovlen = 1,
                           .msg_control = &x->control,
                           .msg_controllen = sizeof x->control};
    return td_recvmsg(h->st, s, &x->m, flags);
}

static const uint8_t *find(struct msg *x, int level, int type, size_t len)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&x->m); c != NULL; c = CMSG_NXTHDR(&x->m, c)) {
        if (c->cmsg_level == level && c->cmsg_type == type) {
            ck_assert_uint_eq(c->cmsg_len, CMSG_LEN(len));
            return CMSG_DATA(c);
        }
    }
    return NULL;
}

static void on(struct hx *h, int s, int level, int name)
{
    int one = 1;
    ck_assert_int_eq(td_setsockopt(h->st, s, level, name, &one, sizeof one), 0);
}

/* shows: 1122-U02 1122-U11 1122-U19 1122-I026 1122-I150 1122-I151 1812-IP04 */
START_TEST(test_everything_asked_for)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    const uint8_t opt[] = {IPOPT_RR_, 7, 4, 0, 0, 0, 0, IPOPT_EOL_};
    struct msg x;
    /* nothing was asked for: nothing is told */
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1, .opt = opt, .opt_len = sizeof opt);
    ck_assert_int_eq(receive(h, s, &x, 0), 1);
    ck_assert_uint_eq(x.m.msg_controllen, 0);
    on(h, s, IPPROTO_IP, IP_PKTINFO);
    on(h, s, IPPROTO_IP, IP_RECVTTL);
    on(h, s, IPPROTO_IP, IP_RECVTOS);
    on(h, s, IPPROTO_IP, IP_RECVOPTS);
    on(h, s, IPPROTO_IP, 20 /* IP_RECVORIGDSTADDR */);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1, .opt = opt, .opt_len = sizeof opt, .ttl = 17,
           .tos = 0xb8);
    ck_assert_int_eq(receive(h, s, &x, MSG_PEEK), 1); /* a peek tells the same */
    ck_assert_ptr_nonnull(find(&x, IPPROTO_IP, IP_RECVOPTS, sizeof opt));
    ck_assert_int_eq(receive(h, s, &x, 0), 1);
    struct in_pktinfo info;
    memcpy(&info, find(&x, IPPROTO_IP, IP_PKTINFO, sizeof info), sizeof info);
    ck_assert_int_eq(info.ipi_ifindex, (int)h->ifindex);
    ck_assert_uint_eq(ntohl(info.ipi_addr.s_addr), HX_US);
    ck_assert_uint_eq(ntohl(info.ipi_spec_dst.s_addr), HX_US);
    int ttl;
    memcpy(&ttl, find(&x, IPPROTO_IP, IP_TTL, sizeof ttl), sizeof ttl);
    ck_assert_int_eq(ttl, 17);
    ck_assert_uint_eq(*find(&x, IPPROTO_IP, IP_TOS, 1), 0xb8);
    ck_assert(memcmp(find(&x, IPPROTO_IP, IP_RECVOPTS, sizeof opt), opt, 3) == 0);
    struct sockaddr_in to;
    memcpy(&to, find(&x, IPPROTO_IP, 20, sizeof to), sizeof to);
    ck_assert_uint_eq(ntohs(to.sin_port), 5000);
    ck_assert_uint_eq(ntohl(to.sin_addr.s_addr), HX_US);
    hx_free(h);
}
END_TEST

/* shows: 1122-U11 */
START_TEST(test_specific_destination_of_a_broadcast)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    struct msg x;
    struct in_pktinfo info;
    on(h, s, IPPROTO_IP, IP_PKTINFO);
    udp_in(h, 0, .dst = TD_IP4_BROADCAST, .sport = 7, .dport = 5000, .len = 1,
           .eth_broadcast = true);
    ck_assert_int_eq(receive(h, s, &x, 0), 1);
    memcpy(&info, find(&x, IPPROTO_IP, IP_PKTINFO, sizeof info), sizeof info);
    ck_assert_uint_eq(ntohl(info.ipi_addr.s_addr), TD_IP4_BROADCAST);
    ck_assert_uint_eq(ntohl(info.ipi_spec_dst.s_addr), HX_US);
    hx_free(h);
}
END_TEST

START_TEST(test_control_cut)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    on(h, s, IPPROTO_IP, IP_PKTINFO);
    on(h, s, IPPROTO_IP, IP_RECVTTL);
    for (size_t room = 0; room <= 64; room++) {
        struct msg x;
        memset(&x, 0xee, sizeof x);
        x.iov = (struct iovec){x.data, sizeof x.data};
        x.m = (struct msghdr){
            .msg_iov = &x.iov, .msg_iovlen = 1, .msg_control = &x.control, .msg_controllen = room};
        udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1);
        ck_assert_int_eq(td_recvmsg(h->st, s, &x.m, 0), 1);
        ck_assert_uint_le(x.m.msg_controllen, room);
        bool whole = room >= CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_LEN(sizeof(int));
        ck_assert_int_eq((x.m.msg_flags & MSG_CTRUNC) == 0, whole);
        for (size_t i = room; i < sizeof x.control; i++) {
            ck_assert_uint_eq(x.control.b[i], 0xee);
        }
    }
    /* no buffer at all */
    struct msg x;
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1);
    memset(&x, 0, sizeof x);
    ck_assert_int_eq(td_recvmsg(h->st, s, &x.m, 0), 0);
    ck_assert_int_eq(x.m.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    hx_free(h);
}
END_TEST

START_TEST(test_overflow_count)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000), size = 2000;
    struct msg x;
    on(h, s, SOL_SOCKET, SO_RXQ_OVFL);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    for (unsigned i = 0; i < 20; i++) {
        udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1000);
    }
    ck_assert_int_eq(receive(h, s, &x, 0), 1000);
    uint32_t drops;
    memcpy(&drops, find(&x, SOL_SOCKET, SO_RXQ_OVFL, sizeof drops), sizeof drops);
    ck_assert_uint_eq(drops, hx_counter(h, "UdpRcvbufErrors"));
    ck_assert_uint_ge(drops, 15);
    hx_free(h);
}
END_TEST

/* One datagram is always taken, however small the buffer. */
START_TEST(test_one_always_fits)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000), size = 0;
    struct msg x;
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1472);
    udp_in(h, 0, .sport = 7, .dport = 5000, .len = 1472);
    ck_assert_int_eq(receive(h, s, &x, 0), 1472);
    ck_assert_int_eq(receive(h, s, &x, 0), -EAGAIN);
    hx_free(h);
}
END_TEST

/* ---- the error queue ---- */

struct recverr {
    struct sock_extended_err ee;
    struct sockaddr_in offender;
};

static struct recverr recverr(struct msg *x)
{
    struct recverr r;
    const uint8_t *p = find(x, IPPROTO_IP, IP_RECVERR, sizeof r);
    ck_assert_ptr_nonnull(p);
    memcpy(&r, p, sizeof r);
    return r;
}

/* shows: 1122-U05 1122-I153 1122-I154 */
START_TEST(test_error_queue)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000); /* not connected */
    struct msg x;
    on(h, s, IPPROTO_IP, IP_RECVERR);
    ck_assert_int_eq(receive(h, s, &x, MSG_ERRQUEUE), -EAGAIN);
    ck_assert_int_eq(td_sendto(h->st, s, "first", 5, 0, HX_FAR, 9), 5);
    udp_out(h, 0, .dst = HX_FAR, .len = 5);
    hx_icmp_error_in(h, MS(1), HX_ROUTER, ICMP_UNREACHABLE, ICMP_HOST_UNREACH, 0, 13);
    ck_assert_int_eq(td_sendto(h->st, s, "second", 6, 0, HX_FAR, 10), -EHOSTUNREACH);
    ck_assert_int_eq(td_sendto(h->st, s, "second", 6, 0, HX_FAR, 10), 6);
    udp_out(h, MS(1), .dst = HX_FAR, .len = 6);
    hx_icmp_error_in(h, MS(2), HX_FAR, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0, 8);
    hx_icmp_error_in(h, MS(2), HX_ROUTER, ICMP_TIME_EXCEEDED, 0, 0, 8);
    ck_assert_int_ne(td_poll(h->st, s) & POLLERR, 0);
    /* the first: payload that was quoted, where it went, who complained */
    ck_assert_int_eq(receive(h, s, &x, MSG_ERRQUEUE | MSG_PEEK), 5);
    ck_assert_int_eq(receive(h, s, &x, MSG_ERRQUEUE), 5);
    ck_assert(memcmp(x.data, "first", 5) == 0);
    ck_assert_int_eq(x.m.msg_flags & MSG_ERRQUEUE, MSG_ERRQUEUE);
    ck_assert_uint_eq(ntohl(x.name.sin_addr.s_addr), HX_FAR);
    ck_assert_uint_eq(ntohs(x.name.sin_port), 9);
    struct recverr r = recverr(&x);
    ck_assert_uint_eq(r.ee.ee_errno, EHOSTUNREACH);
    ck_assert_uint_eq(r.ee.ee_origin, SO_EE_ORIGIN_ICMP);
    ck_assert_uint_eq(r.ee.ee_type, ICMP_UNREACHABLE);
    ck_assert_uint_eq(r.ee.ee_code, ICMP_HOST_UNREACH);
    ck_assert_uint_eq(ntohl(r.offender.sin_addr.s_addr), HX_ROUTER);
    /* the next one's errno is pending now, and precedes data */
    ck_assert_int_eq(receive(h, s, &x, 0), -ECONNREFUSED);
    ck_assert_int_eq(receive(h, s, &x, MSG_ERRQUEUE), 0);
    ck_assert_uint_eq(ntohs(x.name.sin_port), 10);
    ck_assert_uint_eq(recverr(&x).ee.ee_errno, ECONNREFUSED);
    ck_assert_int_eq(receive(h, s, &x, MSG_ERRQUEUE), 0);
    ck_assert_uint_eq(recverr(&x).ee.ee_type, ICMP_TIME_EXCEEDED);
    ck_assert_int_eq(receive(h, s, &x, MSG_ERRQUEUE), -EAGAIN);
    ck_assert_int_eq(td_poll(h->st, s) & POLLERR, 0);
    hx_free(h);
}
END_TEST

START_TEST(test_error_queue_local_and_mtu)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000), pmtu = IP_PMTUDISC_DO;
    static const uint8_t big[2000];
    struct msg x;
    on(h, s, IPPROTO_IP, IP_RECVERR);
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_MTU_DISCOVER, &pmtu, sizeof pmtu), 0);
    ck_assert_int_eq(td_sendto(h->st, s, big, sizeof big, 0, HX_FAR, 9), -EMSGSIZE);
    ck_assert_int_eq(receive(h, s, &x, MSG_ERRQUEUE), 0);
    struct recverr r = recverr(&x);
    ck_assert_uint_eq(r.ee.ee_errno, EMSGSIZE);
    ck_assert_uint_eq(r.ee.ee_origin, SO_EE_ORIGIN_LOCAL);
    ck_assert_uint_eq(r.ee.ee_info, 1500);
    ck_assert_int_eq(td_sendto(h->st, s, big, 1400, 0, HX_FAR, 9), 1400);
    udp_out(h, 0, .dst = HX_FAR, .len = 1400);
    hx_icmp_error_in(h, MS(1), HX_ROUTER, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 1280, 8);
    ck_assert_int_eq(receive(h, s, &x, MSG_ERRQUEUE), 0);
    r = recverr(&x);
    ck_assert_uint_eq(r.ee.ee_errno, EMSGSIZE);
    ck_assert_uint_eq(r.ee.ee_origin, SO_EE_ORIGIN_ICMP);
    ck_assert_uint_eq(r.ee.ee_info, 1280);
    hx_free(h);
}
END_TEST

/* A flood of errors is bounded as datagrams are, and journaled when it is cut. */
START_TEST(test_error_queue_bounded)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000), size = 4000;
    struct msg x;
    on(h, s, IPPROTO_IP, IP_RECVERR);
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    ck_assert_int_eq(td_sendto(h->st, s, "x", 1, 0, HX_FAR, 9), 1);
    udp_out(h, 0, .dst = HX_FAR, .len = 1);
    uint64_t before = h->st->mem.used_by[MEM_SOCKET];
    for (unsigned i = 0; i < 1000; i++) {
        hx_icmp_error_in(h, MS(1), HX_ROUTER, ICMP_TIME_EXCEEDED, 0, 0, 8);
    }
    ck_assert_uint_le(h->st->mem.used_by[MEM_SOCKET] - before, 8000);
    ck_assert_uint_ge(hx_event(h, "socket-error-drop-queue-full"), 700);
    unsigned n = 0;
    while (receive(h, s, &x, MSG_ERRQUEUE) >= 0) {
        n++;
    }
    ck_assert_uint_ge(n, 10);
    ck_assert_uint_eq(n + hx_event(h, "socket-error-drop-queue-full"), 1000);
    /* switching it off empties the queue */
    hx_icmp_error_in(h, MS(1), HX_ROUTER, ICMP_TIME_EXCEEDED, 0, 0, 8);
    int off = 0;
    ck_assert_int_eq(td_setsockopt(h->st, s, IPPROTO_IP, IP_RECVERR, &off, sizeof off), 0);
    ck_assert_int_eq(receive(h, s, &x, MSG_ERRQUEUE), -EAGAIN);
    hx_free(h);
}
END_TEST

/* A datagram of a hundred tiny fragments costs its receiver what their buffers cost, not its hundred octets:
 * SO_RCVBUF bounds memory. */
START_TEST(tiny_fragments_cost_what_they_hold)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, HX_US, 7000), size = 8000;
    ck_assert_int_eq(td_setsockopt(h->st, s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    for (uint16_t id = 1; id <= 2; id++) {
        for (uint16_t k = 0; k < 100; k++) {
            uint8_t piece[8] = {0};
            struct ipv4_hdr ip = {.src = HX_PEER, .dst = HX_US, .proto = IPPROTO_UDP_, .id = id};
            if (k == 0) { /* no checksum */
                wire_put16(piece, 5000);
                wire_put16(piece + 2, 7000);
                wire_put16(piece + 4, 800);
            }
            ip.frag_off = (uint16_t)(k * 8);
            ip.flags = k < 99 ? IPV4_MF : 0;
            hx_ip_in(h, NOW, &ip, piece, sizeof piece);
        }
    }
    char b[2000];
    ck_assert_uint_eq(hx_counter(h, "IpReasmOKs"), 2);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), 792);
    ck_assert_int_eq(td_recv(h->st, s, b, sizeof b, 0), -EAGAIN); /* the second was one too many */
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dgram_queue");
    TCase *t = tcase_create("control");
    tcase_add_test(t, test_everything_asked_for);
    tcase_add_test(t, test_specific_destination_of_a_broadcast);
    tcase_add_test(t, test_control_cut);
    tcase_add_test(t, test_overflow_count);
    tcase_add_test(t, test_one_always_fits);
    suite_add_tcase(s, t);
    t = tcase_create("errors");
    tcase_add_test(t, test_error_queue);
    tcase_add_test(t, test_error_queue_local_and_mtu);
    tcase_add_test(t, test_error_queue_bounded);
    tcase_add_test(t, tiny_fragments_cost_what_they_hold);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
