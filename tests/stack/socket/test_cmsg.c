/* Control messages of sendmsg: what they do to the datagram, and what is refused. */
#include "check_main.h"
#include "harness.h"

#include <errno.h>
#include <string.h>

struct control {
    union {
        size_t align;
        uint8_t b[512];
    } u;
    size_t used;
};

static void put(struct control *c, int level, int type, const void *v, size_t len)
{
    struct cmsghdr h = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
    memcpy(c->u.b + c->used, &h, sizeof h);
    if (len > 0) {
        memcpy(c->u.b + c->used + CMSG_LEN(0), v, len);
    }
    c->used += CMSG_SPACE(len);
}

static int64_t send_with(struct hx *h, int s, const void *control, size_t len)
{
    struct sockaddr_in to = td_sockaddr(HX_PEER, 7);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct msghdr m = {
        .msg_name = &to,
        .msg_namelen = sizeof to,
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = (void *)(uintptr_t)control,
        .msg_controllen = len,
    };
    return td_sendmsg(h->st, s, &m, 0);
}

static int64_t send_one(struct hx *h, int s, int type, const void *v, size_t len)
{
    struct control c = {.used = 0};
    put(&c, IPPROTO_IP, type, v, len);
    return send_with(h, s, c.u.b, c.used);
}

/* shows: 1122-U18 1122-U03 1122-U04 1122-I023 1122-I124 1122-I149 */
START_TEST(test_per_datagram_parameters)
{
    struct hx *h = hx_new();
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, TD_IP4(10, 0, 0, 77), 24), 0);
    hx_drain(h);
    int s = hx_udp_socket(h, 0, 5000);
    struct control c = {.used = 0};
    int ttl = 5, tos = 0x20;
    const uint8_t opt[] = {IPOPT_NOP_, IPOPT_RR_, 7, 4, 0, 0, 0, 0};
    struct in_pktinfo info = {.ipi_ifindex = (int)h->ifindex,
                              .ipi_spec_dst = {htonl(TD_IP4(10, 0, 0, 77))}};
    put(&c, SOL_SOCKET, 0x7777, "not ours", 8); /* other levels are left alone */
    put(&c, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    put(&c, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    put(&c, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    put(&c, IPPROTO_IP, IP_RETOPTS, opt, sizeof opt);
    ck_assert_int_eq(send_with(h, s, c.u.b, c.used), 1);
    udp_out(h, 0, .src = TD_IP4(10, 0, 0, 77), .ttl = 5, .tos = 0x20, .len = 1, .opt = opt,
            .opt_len = sizeof opt);
    /* for that datagram only */
    ck_assert_int_eq(send_with(h, s, NULL, 0), 1);
    udp_out(h, 0, .src = HX_US, .ttl = 64, .len = 1);
    ck_assert_uint_eq(h->got.ip.tos, 0);
    ck_assert_uint_eq(h->got.ip.opt_len, 0);
    /* a TOS of one byte will do */
    uint8_t byte = 0x40;
    ck_assert_int_eq(send_one(h, s, IP_TOS, &byte, 1), 1);
    udp_out(h, 0, .tos = 0x40, .len = 1);
    hx_free(h);
}
END_TEST

/* shows: 1122-I021 */
START_TEST(test_refused)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    const int bad_ttl[] = {0, -1, 256};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(send_one(h, s, IP_TTL, &bad_ttl[i], sizeof(int)), -EINVAL);
    }
    int v = 300;
    ck_assert_int_eq(send_one(h, s, IP_TOS, &v, sizeof v), -EINVAL);
    ck_assert_int_eq(send_one(h, s, IP_TOS, &v, 2), -EINVAL);
    ck_assert_int_eq(send_one(h, s, IP_TTL, &v, 1), -EINVAL);
    ck_assert_int_eq(send_one(h, s, IP_TTL, &v, 0), -EINVAL);
    ck_assert_int_eq(send_one(h, s, 12345, &v, sizeof v), -EINVAL);
    struct in_pktinfo info = {.ipi_ifindex = 99};
    ck_assert_int_eq(send_one(h, s, IP_PKTINFO, &info, sizeof info), -ENODEV);
    info.ipi_ifindex = -1;
    ck_assert_int_eq(send_one(h, s, IP_PKTINFO, &info, sizeof info), -ENODEV);
    ck_assert_int_eq(send_one(h, s, IP_PKTINFO, &info, sizeof info - 1), -EINVAL);
    uint8_t opt[44] = {IPOPT_RR_, 2, 4};
    ck_assert_int_eq(send_one(h, s, IP_RETOPTS, opt, 4), -EINVAL);
    memset(opt, IPOPT_NOP_, sizeof opt);
    ck_assert_int_eq(send_one(h, s, IP_RETOPTS, opt, 41), -EINVAL);
    hx_quiet(h, SEC(1));
    hx_free(h);
}
END_TEST

/* Lengths that lie: below the header, beyond the buffer, at every alignment. */
START_TEST(test_malformed)
{
    struct hx *h = hx_new();
    int s = hx_udp_socket(h, 0, 5000);
    int ttl = 5;
    for (size_t lie = 0; lie < 80; lie++) {
        struct control c = {.used = 0};
        put(&c, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
        memcpy(c.u.b, &lie, sizeof lie);
        int64_t r = send_with(h, s, c.u.b, CMSG_LEN(sizeof ttl));
        ck_assert_int_eq(r, lie == CMSG_LEN(sizeof ttl) ? 1 : -EINVAL);
    }
    hx_drain(h);
    size_t huge = SIZE_MAX - 2;
    struct control c = {.used = 0};
    put(&c, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    memcpy(c.u.b, &huge, sizeof huge);
    ck_assert_int_eq(send_with(h, s, c.u.b, sizeof c.u.b), -EINVAL);
    for (size_t shift = 1; shift < 8; shift++) {
        uint8_t b[128];
        struct control k = {.used = 0};
        put(&k, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
        memcpy(b + shift, k.u.b, k.used);
        ck_assert_int_eq(send_with(h, s, b + shift, CMSG_LEN(sizeof ttl)), 1);
        udp_out(h, 0, .ttl = 5, .len = 1);
    }
    ck_assert_int_eq(send_with(h, s, "tiny", 4), 1); /* too short for a header: none */
    ck_assert_int_eq(send_with(h, s, NULL, 64), -EFAULT);
    hx_drain(h);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("cmsg");
    TCase *t = tcase_create("cmsg");
    tcase_add_test(t, test_per_datagram_parameters);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_malformed);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
