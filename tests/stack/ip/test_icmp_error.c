/* ICMP errors: when one is sent and when not, what it quotes, whom it is believed (RFC 1122 3.2.2,
 * RFC 1812 4.3.2, RFC 4884, RFC 5927, CVE-2020-25705). */
#include "ip_rig.h"

static uint8_t dg[65536];

#define SILENT(why_) (last_event(EV_ICMP_ERROR_SILENT)->arg[2] == (why_))

/* A datagram of an unknown protocol: the simplest way to earn an error. */
static size_t provoke(struct ipv4_hdr h, size_t n)
{
    size_t len;

    if (h.proto == 0)
        h.proto = 99;
    len = build(dg, h, pattern(), n);
    raw_in(dg, len);
    return len;
}
#define PROVOKE(n, ...) provoke((struct ipv4_hdr){__VA_ARGS__}, (n))

/* ---- sending ---- */

/* shows: 1122-I038 1122-I039 792-02 4884-04 ATK-ICMP-13 1122-I041 1812-IC04 */
START_TEST(test_quote)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 527, 528, 529, 1480};

    set_knob(ICMP_RATELIMIT, 0);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n, quoted;

        rig_forget(r);
        n = PROVOKE(sizes[i], .tos = 0xb8, .ttl = 3, .id = 0x7777, .flags = IPV4_DF);
        quoted = n < 548 ? n : 548; /* 576 with both headers */
        ck_assert_uint_eq(r->nout, 1);
        sent_icmp(0, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH);
        ck_assert_uint_eq(outn, 8 + quoted);
        ck_assert_uint_le(outh.total_len, 576);
        ck_assert_mem_eq(outp + 8, dg, quoted); /* octet for octet */
        ck_assert_uint_eq(wire_get32(outp + 4), 0);
        ck_assert_uint_eq(outh.tos, 0);
        ck_assert_uint_eq(outh.src, US);
        ck_assert_uint_eq(outh.dst, PEER);
        ck_assert_uint_eq(counter(IcmpOutDestUnreachs), i + 1);
    }
}
END_TEST

/* From the address that was written to. */
START_TEST(test_source_of_an_error)
{
    td_ip4 second = TD_IP4(10, 0, 0, 50);

    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, second, 24, 0), 0);
    PROVOKE(10, .dst = second);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH);
    ck_assert_uint_eq(outh.src, second);
}
END_TEST

START_TEST(test_quote_with_options)
{
    struct ipv4_hdr h = {.proto = 99, .opt_len = 12, .opt = {7, 11, 4}, .id = 5};
    size_t n = provoke(h, 600);

    ck_assert_uint_eq(n, 632);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH);
    ck_assert_mem_eq(outp + 8, dg, 548);
    ck_assert_uint_eq(outh.hlen, 20);
}
END_TEST

/* A transport has pulled its own header, or the payload is in slices: the quote is whole anyway. */
START_TEST(test_quote_after_pulling)
{
    size_t n = build(dg, (struct ipv4_hdr){.proto = IPPROTO_UDP_, .id = 5}, pattern(), 300);
    struct pkt *p = pkt_from_bytes(&r->st.mem, 64, dg, 40);
    struct pkt_block *b = pkt_block_alloc(&r->st.mem, 400);

    memcpy(b->bytes + 1, dg + 40, n - 40);
    ck_assert_int_eq(pkt_append_slice(p, b, 1, (uint32_t)n - 40), 0);
    pkt_block_free(b);
    pkt_set_l3(p);
    ck_assert(pkt_pull(p, 28));
    icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0);
    rig_flush(r);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_PORT_UNREACH);
    ck_assert_uint_eq(outn, 8 + n);
    ck_assert_mem_eq(outp + 8, dg, n);
    pkt_trim(p, 100); /* UDP's own length was smaller */
    icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0);
    rig_flush(r);
    sent_icmp(1, ICMP_UNREACHABLE, ICMP_PORT_UNREACH);
    ck_assert_uint_eq(outn, 8 + 28 + 100);
    p->l3_off = -1;
    icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_PORT_UNREACH, 0);
    ck_assert(SILENT(W_NO_HEADER));
    pkt_free(p);
}
END_TEST

/* shows: 1122-I042 ATK-ICMP-04 */
START_TEST(test_never_about_an_error)
{
    for (unsigned type = 0; type < 256; type++) {
        bool query = type == 0 || type == 8 || type == 13 || type == 14;
        struct ipv4_hdr h = {.proto = IPPROTO_ICMP_, .opt_len = 4, .opt = {7, 2, 0, 0}};

        rig_forget(r);
        set_knob(ICMP_RATELIMIT, 0);
        set_knob(ICMP_MSGS_BURST, 10000);
        r->st.icmp->tokens = 10000;
        icmp_in(h, (uint8_t)type, 0, 0, pattern(), 28); /* its options are broken */
        ck_assert_uint_eq(r->nout, query ? 1 : 0);
        if (!query)
            ck_assert(SILENT(W_ABOUT_ERROR));
    }
}
END_TEST

/* shows: 1122-I043 1122-I044 ATK-ICMP-04 */
START_TEST(test_never_about_a_broadcast)
{
    static const td_ip4 dst[] = {TD_IP4_BROADCAST, SUBNET_BCAST, TD_IP4(10, 0, 0, 0), IP_ALL_HOSTS};
    size_t n;

    for (unsigned i = 0; i < 4; i++) {
        n = build(dg, (struct ipv4_hdr){.dst = dst[i], .proto = 99}, pattern(), 20);
        raw_in(dg, n); /* a broadcast address in a unicast frame */
        ck_assert_uint_eq(counter(IpInUnknownProtos), i + 1);
        ck_assert(SILENT(W_TO_BROADCAST));
    }
    /* Only the frame was a broadcast: what is delivered from one is a broadcast already, so ask
     * icmp_send_error itself. */
    n = build(dg, (struct ipv4_hdr){.proto = 99}, pattern(), 20);
    struct pkt *p = pkt_from_bytes(&r->st.mem, 0, dg, (uint32_t)n);

    pkt_set_l3(p);
    p->flags = PKT_L2_BROADCAST;
    icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH, 0);
    ck_assert(SILENT(W_LINK_BROADCAST));
    p->flags = PKT_L2_MULTICAST;
    icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH, 0);
    ck_assert(SILENT(W_LINK_BROADCAST));
    rig_flush(r);
    nothing_sent();
    p->flags = 0;
    icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH, 0);
    rig_flush(r);
    ck_assert_uint_eq(r->nout, 1);
    pkt_free(p);
}
END_TEST

/* shows: 1122-I046 ATK-ICMP-04 1122-I045 */
START_TEST(test_never_to_nobody)
{
    static const td_ip4 src[] = {0,
                                 TD_IP4(0, 0, 0, 7),
                                 LOCALHOST,
                                 IP_ALL_HOSTS,
                                 TD_IP4(240, 0, 0, 1),
                                 TD_IP4_BROADCAST,
                                 SUBNET_BCAST};
    size_t n = build(dg, (struct ipv4_hdr){.proto = 99}, pattern(), 20);
    struct pkt *p;

    for (unsigned i = 0; i < sizeof src / sizeof *src; i++) {
        wire_put32(dg + 12, src[i]);
        p = pkt_from_bytes(&r->st.mem, 0, dg, (uint32_t)n);
        pkt_set_l3(p);
        icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH, 0);
        ck_assert(SILENT(W_BAD_SOURCE));
        pkt_free(p);
    }
    wire_put32(dg + 12, PEER);
    wire_put16(dg + 6, 1); /* offset 8 */
    p = pkt_from_bytes(&r->st.mem, 0, dg, (uint32_t)n);
    pkt_set_l3(p);
    icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_PROTO_UNREACH, 0);
    ck_assert(SILENT(W_NOT_FIRST));
    pkt_free(p);
    rig_flush(r);
    nothing_sent();
}
END_TEST

/* shows: 792-03 */
START_TEST(test_words)
{
    size_t n = build(dg, (struct ipv4_hdr){.proto = 99}, pattern(), 20);
    struct pkt *p = pkt_from_bytes(&r->st.mem, 0, dg, (uint32_t)n);

    pkt_set_l3(p);
    icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 1400);
    icmp_send_error(stack(), p, ICMP_PARAM_PROBLEM, 0, 21U << 24);
    icmp_send_error(stack(), p, ICMP_UNREACHABLE, ICMP_HOST_UNREACH, 0);
    rig_flush(r);
    sent_icmp(0, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED);
    ck_assert_uint_eq(wire_get32(outp + 4), 1400);
    sent_icmp(1, ICMP_PARAM_PROBLEM, 0);
    ck_assert_uint_eq(wire_get32(outp + 4), 21U << 24);
    sent_icmp(2, ICMP_UNREACHABLE, ICMP_HOST_UNREACH);
    pkt_free(p);
}
END_TEST

/* To ourselves: even from 127.0.0.1, and not limited. */
START_TEST(test_errors_over_loopback)
{
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(IP_SEND(20, .dst = LOCALHOST, .proto = 99), 0);
    ck_assert_uint_eq(counter(IcmpOutDestUnreachs), 100);
    ck_assert_uint_eq(counter(IcmpInDestUnreachs), 100);
    nothing_sent();
}
END_TEST

/* ---- limits ---- */

/* shows: ATK-ICMP-13 1812-IC18 */
START_TEST(test_limit_of_a_destination)
{
    for (unsigned i = 0; i < 20; i++)
        PROVOKE(20, .id = 1);
    ck_assert_uint_eq(r->nout, 6);
    ck_assert_uint_eq(counter(IcmpOutRateLimitHost), 14);
    ck_assert(SILENT(W_RATE_LIMIT));
    advance(TD_SEC);
    PROVOKE(20, .id = 1);
    PROVOKE(20, .id = 1);
    ck_assert_uint_eq(r->nout, 7);
    ck_assert_int_eq(neigh_set(stack(), eth0, TD_IP4(10, 0, 0, 3), PEER_MAC, NEIGH_PERMANENT), 0);
    PROVOKE(20, .src = TD_IP4(10, 0, 0, 3)); /* another one has its own */
    ck_assert_uint_eq(r->nout, 8);
    advance(100 * TD_SEC);
    for (unsigned i = 0; i < 20; i++)
        PROVOKE(20, .id = 1);
    ck_assert_uint_eq(r->nout, 8 + 6); /* no more is saved up than that */
}
END_TEST

static unsigned errors_in_one_burst(void)
{
    unsigned before = r->nout;

    for (unsigned i = 0; i < 300; i++)
        PROVOKE(20, .src = TD_IP4(20, 1, i >> 8, i & 255));
    return r->nout - before;
}

/* How many of the tokens are left can't be told from outside: the gulps are drawn at random. */
/* shows: ATK-ICMP-12 */
START_TEST(test_limit_of_all)
{
    unsigned got[40], different = 0, sum = 0;

    for (unsigned i = 0; i < 40; i++) {
        r->st.icmp->tokens = 50;
        r->st.icmp->refilled = r->st.now;
        while (hash_first(&r->st.icmp->hosts) != NULL)
            icmp_error_done(stack());
        hash_init(&r->st.icmp->hosts, &r->st.mem, &r->st.hash_key);
        got[i] = errors_in_one_burst();
        ck_assert_uint_ge(got[i], 25);
        ck_assert_uint_lt(got[i], 100);
        sum += got[i];
        for (unsigned k = 0; k < i; k++)
            if (got[k] == got[i])
                break;
            else if (k + 1 == i)
                different++;
    }
    ck_assert_uint_gt(different, 8);
    ck_assert_uint_ge(sum / 40, 42);
    ck_assert_uint_le(sum / 40, 60);
    ck_assert_uint_gt(counter(IcmpOutRateLimitGlobal), 1000);
    /* refill: a thousand a second */
    r->st.icmp->tokens = 0;
    r->st.icmp->refilled = r->st.now;
    advance(20 * TD_MS);
    unsigned n = errors_in_one_burst();

    ck_assert_uint_ge(n, 10);
    ck_assert_uint_le(n, 45);
    ck_assert_uint_le(r->st.icmp->hosts.count, ICMP_HOSTS_MAX);
}
END_TEST

/* One host that empties its own bucket leaves the others' tokens alone. */
/* shows: ATK-ICMP-12 */
START_TEST(test_one_host_cannot_empty_the_bucket)
{
    for (unsigned i = 0; i < 500; i++)
        PROVOKE(20, .id = 1);
    ck_assert_uint_ge(r->st.icmp->tokens, 50 - 12);
}
END_TEST

START_TEST(test_bucket_table_is_bounded)
{
    set_knob(ICMP_MSGS_BURST, 100000);
    r->st.icmp->tokens = 100000;
    for (unsigned i = 0; i < 3000; i++)
        PROVOKE(1, .src = TD_IP4(20, 1, i >> 8, i & 255));
    ck_assert_uint_eq(r->st.icmp->hosts.count, ICMP_HOSTS_MAX);
}
END_TEST

/* ---- receiving ---- */

static size_t quote(uint8_t *b, uint8_t proto, size_t n)
{
    return build(b, (struct ipv4_hdr){.src = US, .dst = FAR, .proto = proto, .id = 0x55}, pattern(),
                 n);
}
static void error_in(uint8_t type, uint8_t code, uint32_t word, const uint8_t *q, size_t n)
{
    icmp_in((struct ipv4_hdr){.src = ROUTER}, type, code, word, q, n);
}

/* shows: 1122-I040 1122-I049 1122-I059 1122-I061 1122-I153 1122-I154 792-03 */
START_TEST(test_handed_to_the_protocol)
{
    static const struct {
        uint8_t type, code;
    } t[] = {{3, 0},  {3, 1},  {3, 2},  {3, 3},  {3, 4},  {3, 5},  {3, 6},
             {3, 7},  {3, 8},  {3, 9},  {3, 10}, {3, 11}, {3, 12}, {3, 13},
             {3, 14}, {3, 15}, {11, 0}, {11, 1}, {12, 0}, {12, 1}, {12, 2}};
    uint8_t q[100];
    size_t n = quote(q, IPPROTO_UDP_, 8);

    for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
        error_in(t[i].type, t[i].code, 0x1500057e, q, n);
        ck_assert_uint_eq(err.count, i + 1);
        ck_assert_uint_eq(err.e.type, t[i].type);
        ck_assert_uint_eq(err.e.code, t[i].code);
        ck_assert_uint_eq(err.e.from, ROUTER);
        ck_assert_uint_eq(err.e.h.dst, FAR);
        ck_assert_uint_eq(err.e.h.src, US);
        ck_assert_uint_eq(err.e.h.id, 0x55);
        ck_assert_uint_eq(err.e.payload_len, 8);
        ck_assert_mem_eq(err.payload, pattern(), 8);
        ck_assert_uint_eq(err.e.mtu, t[i].type == 3 && t[i].code == 4 ? 0x57e : 0);
    }
    ck_assert_uint_eq(counter(IcmpInDestUnreachs), 16);
    ck_assert_uint_eq(counter(IcmpInTimeExcds), 2);
    ck_assert_uint_eq(counter(IcmpInParmProbs), 3);
    error_in(3, 16, 0, q, n); /* codes that nobody defined */
    error_in(11, 2, 0, q, n);
    ck_assert_uint_eq(err.count, 21);
    n = quote(q, 99, 8); /* a protocol that nobody speaks here */
    error_in(3, 2, 0, q, n);
    ck_assert_uint_eq(err.count, 21);
    ck_assert_uint_eq(events(EV_ICMP_DROP_UNCLAIMED), 1);
    nothing_sent();
}
END_TEST

/* shows: ATK-ICMP-14 1122-I062 */
START_TEST(test_parameter_problem_pointers)
{
    static const uint8_t pointers[] = {0, 19, 20, 255};
    uint8_t q[40];

    for (unsigned i = 0; i < 4; i++) {
        error_in(ICMP_PARAM_PROBLEM, 0, (uint32_t)pointers[i] << 24, q, quote(q, IPPROTO_UDP_, 8));
        ck_assert_uint_eq(err.count, i + 1);
    }
    for (unsigned type = 41; type < 256; type++)
        error_in((uint8_t)type, 0, 0, q, 28);
    ck_assert_uint_eq(err.count, 4);
    nothing_sent();
}
END_TEST

/* shows: ATK-ICMP-02 1122-I040 */
START_TEST(test_truncated_quotes)
{
    static const uint8_t types[] = {3, 4, 5, 11, 12};
    uint8_t q[100];
    size_t n = quote(q, IPPROTO_UDP_, 8);

    for (unsigned t = 0; t < 5; t++)
        for (size_t len = 0; len < n; len++)
            error_in(types[t], 0, 0, q, len);
    ck_assert_uint_eq(err.count, 0);
    ck_assert_uint_eq(events(EV_ICMP_DROP_QUOTE), 4 * n);
    for (unsigned ihl = 0; ihl < 5; ihl++) {
        q[0] = (uint8_t)(0x40 | ihl);
        error_in(3, 3, 0, q, n);
    }
    q[0] = 0x65; /* version 6 */
    error_in(3, 3, 0, q, n);
    q[0] = 0x4f; /* 60 octets of header in 28 */
    error_in(3, 3, 0, q, n);
    q[0] = 0x46; /* a header of 24 and 4 octets of data */
    error_in(3, 3, 0, q, n);
    q[0] = 0x45;
    q[7] = 8; /* a later fragment: no ports in it */
    error_in(3, 3, 0, q, n);
    ck_assert_uint_eq(err.count, 0);
    ck_assert_uint_eq(events(EV_ICMP_DROP_QUOTE), 4 * n + 9);
    q[7] = 0;
    q[10] ^= 1; /* its checksum and TTL are not ours any more: a router changed them */
    q[8] = 1;
    error_in(3, 3, 0, q, n);
    ck_assert_uint_eq(err.count, 1);
}
END_TEST

/* shows: ATK-ICMP-03 */
START_TEST(test_quote_must_be_ours)
{
    static const td_ip4 src[] = {PEER, FAR, TD_IP4_BROADCAST, SUBNET_BCAST, 0, IP_ALL_HOSTS};
    uint8_t q[40];

    for (unsigned i = 0; i < 6; i++) {
        size_t n = quote(q, IPPROTO_UDP_, 8);

        wire_put32(q + 12, src[i]);
        error_in(3, 3, 0, q, n);
        error_in(5, 1, TD_IP4(10, 0, 0, 253), q, n);
        ck_assert_uint_eq(events(EV_ICMP_DROP_FOREIGN), 2 * i + 2);
    }
    ck_assert_uint_eq(err.count, 0);
}
END_TEST

START_TEST(test_errors_to_a_broadcast)
{
    uint8_t q[40], b[100], f[128];
    size_t n = icmp_build(b, 3, 3, 0, q, quote(q, IPPROTO_UDP_, 8));

    n = build(f, (struct ipv4_hdr){.dst = SUBNET_BCAST, .proto = IPPROTO_ICMP_}, b, n);
    raw_in_to(MAC_BROADCAST, f, n);
    ck_assert_uint_eq(err.count, 0);
    ck_assert_uint_eq(events(EV_ICMP_DROP_BROADCAST), 1);
}
END_TEST

/* shows: 4884-03 */
START_TEST(test_length_attribute)
{
    uint8_t q[300] = {0};
    size_t n = quote(q, IPPROTO_UDP_, 108); /* 128 octets of datagram … */

    ck_assert_uint_eq(n, 128);
    memset(q + 128, 0xee, 20); /* … and an extension behind it */
    error_in(3, 3, 32U << 16, q, 148);
    ck_assert_uint_eq(err.e.payload_len, 108);
    error_in(11, 0, 32U << 16, q, 148);
    ck_assert_uint_eq(err.e.payload_len, 108);
    error_in(12, 0, 32U << 16, q, 148);
    ck_assert_uint_eq(err.e.payload_len, 108);
    error_in(3, 3, 0, q, 148); /* no length: all of it is the quote */
    ck_assert_uint_eq(err.e.payload_len, 128);
    error_in(3, 3, 255U << 16, q, 148); /* longer than the message: nonsense */
    ck_assert_uint_eq(err.e.payload_len, 128);
    ck_assert_uint_eq(err.count, 5);
}
END_TEST

/* ---- redirects ---- */

#define GW2 TD_IP4(10, 0, 0, 253)

static td_ip4 via(td_ip4 dst)
{
    struct ip_route_result res;

    ck_assert_int_eq(ip_route(stack(), dst, 0, 0, &res), 0);
    return res.nexthop;
}
static void redirect(td_ip4 from, uint8_t code, td_ip4 gateway, td_ip4 dst)
{
    uint8_t q[40];
    size_t n =
        build(q, (struct ipv4_hdr){.src = US, .dst = dst, .proto = IPPROTO_UDP_}, pattern(), 8);

    icmp_in((struct ipv4_hdr){.src = from}, ICMP_REDIRECT, code, gateway, q, n);
}
static enum journal_word refused(void)
{
    return (enum journal_word)last_event(EV_ICMP_DROP_REDIRECT)->arg[3];
}

/* shows: 1122-I053 1122-I054 1122-I096 1122-I097 1122-I102 */
START_TEST(test_redirects_taken)
{
    td_ip4 neighbour_of_far = FAR + 1;

    redirect(ROUTER, 1, GW2, FAR);
    ck_assert_uint_eq(via(FAR), ROUTER); /* the knob is off under `linux` */
    ck_assert_uint_eq(refused(), W_REDIRECT_OFF);
    eth0->knob[IFKNOB_ACCEPT_REDIRECTS] = 1;
    ck_assert_int_eq(neigh_set(stack(), eth0, GW2, rig_mac(253), NEIGH_PERMANENT), 0);
    for (uint8_t code = 0; code < 4; code++) {
        redirect(ROUTER, code, GW2, FAR + 16 * code);
        ck_assert_uint_eq(via(FAR + 16 * code), GW2);
    }
    ck_assert_uint_eq(via(neighbour_of_far), ROUTER); /* one host only, whatever the code */
    ck_assert_int_eq(IP_SEND(10, .dst = FAR), 0);
    ck_assert(mac_eq(sent_to(0), rig_mac(253)));
    ck_assert_uint_eq(counter(IcmpInRedirects), 5);
    redirect(GW2, 1, TD_IP4(10, 0, 0, 252), FAR); /* the new one may say so again */
    ck_assert_uint_eq(via(FAR), TD_IP4(10, 0, 0, 252));
    redirect(ROUTER, 1, GW2, FAR); /* the old one has no more to say about it */
    ck_assert_uint_eq(via(FAR), TD_IP4(10, 0, 0, 252));
    ip_advise_bad(stack(), FAR);
    ck_assert_uint_eq(via(FAR), ROUTER);
    advance(601 * TD_SEC); /* nor is it for ever */
    ck_assert_uint_eq(via(FAR + 16), ROUTER);
}
END_TEST

/* shows: 1122-I055 ATK-ICMP-08 1122-I101 */
START_TEST(test_redirects_refused)
{
    struct fib_route fixed = {.prefix = TD_IP4(30, 0, 0, 0), .plen = 8, .gateway = GW2};
    unsigned n = 0;
    static const td_ip4 bad[] = {US,        US2,          SUBNET_BCAST, TD_IP4_BROADCAST,    0,
                                 LOCALHOST, IP_ALL_HOSTS, ROUTER,       TD_IP4(240, 0, 0, 1)};

    eth0->knob[IFKNOB_ACCEPT_REDIRECTS] = 1;
    redirect(PEER, 1, GW2, FAR);
    ck_assert_uint_eq(refused(), W_NOT_OUR_GATEWAY);
    redirect(ROUTER, 1, FAR + 1, FAR);
    ck_assert_uint_eq(refused(), W_GATEWAY_OFF_LINK);
    redirect(ROUTER, 1, TD_IP4(192, 168, 5, 9), FAR); /* on the link of the other interface */
    ck_assert_uint_eq(refused(), W_GATEWAY_OFF_LINK);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        redirect(ROUTER, 1, bad[i], FAR);
        ck_assert_uint_eq(refused(), W_GATEWAY_BAD);
    }
    redirect(ROUTER, 4, GW2, FAR);
    ck_assert_uint_eq(refused(), W_BAD_CODE);
    redirect(ROUTER, 1, GW2, PEER); /* on-link: no gateway in use */
    ck_assert_uint_eq(refused(), W_NOT_OUR_GATEWAY);
    ck_assert_int_eq(ip_route_add(stack(), &fixed, false), 0);
    redirect(GW2, 1, ROUTER, TD_IP4(30, 1, 1, 1));
    ck_assert_uint_eq(refused(), W_STATIC_ROUTE);
    eth1->knob[IFKNOB_ACCEPT_REDIRECTS] = 1;
    frame_in = eth1; /* it came by another interface than the gateway's */
    redirect(ROUTER, 1, TD_IP4(192, 168, 5, 9), FAR);
    ck_assert_uint_eq(refused(), W_NOT_OUR_GATEWAY);
    frame_in = NULL;
    ck_assert_uint_eq(via(FAR), ROUTER);
    n = (unsigned)events(EV_ICMP_DROP_REDIRECT);
    ck_assert_uint_ge(n, 15);
    ck_assert_uint_eq(r->st.ip->dst.count, 0);
    for (unsigned i = 0; i < 10000; i++) /* bounded */
        redirect(ROUTER, 1, GW2, TD_IP4(198, 51, i >> 8, i & 255));
    ck_assert_uint_eq(r->st.ip->dst.count, DST_CACHE_MAX);
    ck_assert_uint_eq(via(TD_IP4(198, 51, 9999 >> 8, 9999 & 255)), GW2);
    /* Another default route: what the old gateway said is void. */
    fixed = (struct fib_route){.gateway = PEER};
    ck_assert_int_eq(ip_route_add(stack(), &fixed, true), 0);
    ck_assert_uint_eq(via(TD_IP4(198, 51, 9999 >> 8, 9999 & 255)), PEER);
}
END_TEST

/* shows: 1122-I052 6633-01 1122-I056 1122-I029 */
START_TEST(test_never_sent)
{
    /* Whatever comes: transit for a neighbour, floods, full queues: no redirect, no source quench.
     */
    for (unsigned i = 0; i < 200; i++) {
        IP_IN(100, .dst = TD_IP4(10, 0, 0, 3 + i % 100));
        IP_IN(1000, .id = (uint16_t)i, .flags = IPV4_MF);
        PROVOKE(10, .id = 2);
        PING(1000, .id = 1);
    }
    for (unsigned i = 0; i < r->nout; i++) {
        sent(i);
        ck_assert(outp[0] != ICMP_REDIRECT && outp[0] != ICMP_SOURCE_QUENCH);
        ck_assert_uint_eq(outh.opt_len, 0);
    }
    ck_assert_uint_gt(r->nout, 200);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/icmp_error");
    TCase *tc = ip_case(s, "sent", false);

    tcase_add_test(tc, test_quote);
    tcase_add_test(tc, test_source_of_an_error);
    tcase_add_test(tc, test_quote_with_options);
    tcase_add_test(tc, test_quote_after_pulling);
    tcase_add_test(tc, test_never_about_an_error);
    tcase_add_test(tc, test_never_about_a_broadcast);
    tcase_add_test(tc, test_never_to_nobody);
    tcase_add_test(tc, test_words);
    tcase_add_test(tc, test_errors_over_loopback);
    tcase_add_test(tc, test_never_sent);
    tc = ip_case(s, "limits", false);
    tcase_add_test(tc, test_limit_of_a_destination);
    tcase_add_test(tc, test_limit_of_all);
    tcase_add_test(tc, test_one_host_cannot_empty_the_bucket);
    tcase_add_test(tc, test_bucket_table_is_bounded);
    tc = ip_case(s, "received", false);
    tcase_add_test(tc, test_handed_to_the_protocol);
    tcase_add_test(tc, test_parameter_problem_pointers);
    tcase_add_test(tc, test_truncated_quotes);
    tcase_add_test(tc, test_quote_must_be_ours);
    tcase_add_test(tc, test_errors_to_a_broadcast);
    tcase_add_test(tc, test_length_attribute);
    tc = ip_case(s, "redirects", true);
    tcase_add_test(tc, test_redirects_taken);
    tcase_add_test(tc, test_redirects_refused);
    return s;
}
CHECK_MAIN(suite)
