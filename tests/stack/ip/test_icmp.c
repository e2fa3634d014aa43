/* ICMP queries, and the messages that a host must not listen to (RFC 792; RFC 1122 3.2.2). */
#include "ip_rig.h"

static uint8_t msg[65536];

/* shows: 1122-I063 1122-I068 792-07 792-01 1122-I001 1812-IC01 1812-IC08 1812-IC29 */
START_TEST(test_echo)
{
    static const uint32_t sizes[] = {0, 1, 2, 55, 56, 57, 1471, 1472};

    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rig_forget(r);
        icmp_in((struct ipv4_hdr){.tos = 0x2b, .id = 9}, ICMP_ECHO, 0, 0xabcd0000 + i, pattern(),
                sizes[i]);
        ck_assert_uint_eq(r->nout, 1);
        sent_icmp(0, ICMP_ECHO_REPLY, 0);
        ck_assert_uint_eq(outh.src, US);
        ck_assert_uint_eq(outh.dst, PEER);
        ck_assert_uint_eq(outh.ttl, 64);
        ck_assert_uint_eq(outh.tos, 0x28); /* the request's, less the ECN bits */
        ck_assert_uint_eq(outn, 8 + sizes[i]);
        ck_assert_uint_eq(wire_get32(outp + 4), 0xabcd0000 + i);
        ck_assert_mem_eq(outp + 8, pattern(), sizes[i]);
        ck_assert(mac_eq(sent_to(0), PEER_MAC));
        ck_assert_uint_eq(counter(IcmpInEchos), i + 1);
        ck_assert_uint_eq(counter(IcmpOutEchoReps), i + 1);
    }
    rig_forget(r);
    icmp_in((struct ipv4_hdr){0}, ICMP_ECHO, 9, 1, pattern(), 3); /* the code comes back */
    sent_icmp(0, ICMP_ECHO_REPLY, 9);
    ck_assert_uint_eq(last_event(EV_ICMP_ECHO_REPLY)->arg[4], 3);
}
END_TEST

/* Every checksum that the request can have gives a right one in the reply (RFC 1624's trap,
 * 0xffff). */
/* shows: 1071-01 792-07 */
START_TEST(test_echo_checksums)
{
    for (uint32_t word = 0; word < 0x10000; word += 0xff) {
        rig_forget(r);
        icmp_in((struct ipv4_hdr){0}, ICMP_ECHO, 0, word, pattern(), 7);
        sent_icmp(0, ICMP_ECHO_REPLY, 0);
    }
    for (uint32_t word = 0xf6f0; word < 0xf710; word++) { /* around the wrap */
        rig_forget(r);
        icmp_in((struct ipv4_hdr){0}, ICMP_ECHO, 0, word, pattern(), 0);
        sent_icmp(0, ICMP_ECHO_REPLY, 0);
    }
}
END_TEST

/* shows: 1122-I067 1122-I077 1812-IC25 1812-IC29 */
START_TEST(test_from_the_address_that_was_asked)
{
    td_ip4 second = TD_IP4(10, 0, 0, 50);

    ck_assert_int_eq(ip_addr_add(stack(), eth0->index, second, 24, 0), 0);
    PING(10, .dst = second);
    PING(10, .dst = US2);
    set_knob(ICMP_TIMESTAMP_REPLY, 1);
    icmp_in((struct ipv4_hdr){.dst = second}, ICMP_TIMESTAMP, 0, 7, pattern(), 12);
    ck_assert_uint_eq(r->nout, 3);
    sent_icmp(0, ICMP_ECHO_REPLY, 0);
    ck_assert_uint_eq(outh.src, second);
    sent_icmp(1, ICMP_ECHO_REPLY, 0);
    ck_assert_uint_eq(outh.src, US2);
    sent_icmp(2, ICMP_TIMESTAMP_REPLY, 0);
    ck_assert_uint_eq(outh.src, second);
}
END_TEST

static void ping_broadcast(td_ip4 dst)
{
    struct ipv4_hdr h = {.dst = dst, .proto = IPPROTO_ICMP_};
    uint8_t b[64];
    size_t n = build(b, h, msg, icmp_build(msg, ICMP_ECHO, 0, 1, pattern(), 8));

    raw_in_to(MAC_BROADCAST, b, n);
}

/* shows: 1122-I065 1122-I066 ATK-IP-21 792-10 ATK-ICMP-11 1812-IC27 1812-IC28 */
START_TEST(test_broadcast_echo)
{
    static const td_ip4 to[] = {TD_IP4_BROADCAST, SUBNET_BCAST, TD_IP4(10, 0, 0, 0), IP_ALL_HOSTS};

    for (unsigned i = 0; i < 4; i++) {
        ping_broadcast(to[i]);
        ck_assert_uint_eq(events(EV_ICMP_DROP_ECHO), i + 1);
    }
    nothing_sent();
    set_knob(ICMP_ECHO_IGNORE_BROADCASTS, 0);
    for (unsigned i = 0; i < 4; i++) {
        ping_broadcast(to[i]);
        sent_icmp(i, ICMP_ECHO_REPLY, 0);
        ck_assert_uint_eq(outh.src, US); /* never the broadcast address (RFC 1122 3.2.2.6) */
    }
    set_knob(ICMP_ECHO_IGNORE_ALL, 1);
    PING(10, .id = 1);
    ck_assert_uint_eq(r->nout, 4);
    ck_assert_uint_eq(events(EV_ICMP_DROP_ECHO), 5);
}
END_TEST

/* One answer a request, no longer than it: no amplifier. */
/* shows: 792-10 ATK-ICMP-11 */
START_TEST(test_flood)
{
    for (unsigned i = 0; i < 3000; i++)
        PING(100, .id = 1);
    ck_assert_uint_eq(r->nout, 3000);
    ck_assert_uint_eq(counter(IcmpOutMsgs), 3000);
}
END_TEST

/* shows: 792-09 ATK-ICMP-01 */
START_TEST(test_short)
{
    static const uint8_t types[] = {ICMP_ECHO, ICMP_ECHO_REPLY, ICMP_UNREACHABLE, 17};
    unsigned drops = 0;

    for (unsigned t = 0; t < 4; t++)
        for (size_t n = 0; n < 8; n++) {
            icmp_build(msg, types[t], 0, 0, pattern(), 0);
            if (n >= 4) {
                wire_put16(msg + 2, 0);
                wire_put16(msg + 2, checksum(msg, n));
            }
            ip_in((struct ipv4_hdr){.proto = IPPROTO_ICMP_}, msg, n);
            ck_assert_uint_eq(events(EV_ICMP_DROP_SHORT), ++drops);
            ck_assert_uint_eq(counter(IcmpInErrors), drops);
        }
    set_knob(ICMP_TIMESTAMP_REPLY, 1);
    icmp_in((struct ipv4_hdr){0}, ICMP_TIMESTAMP, 0, 0, pattern(), 11);
    ck_assert_uint_eq(events(EV_ICMP_DROP_SHORT), drops + 1);
    nothing_sent();
}
END_TEST

/* shows: 792-01 ATK-ICMP-01 */
START_TEST(test_checksum)
{
    size_t n = icmp_build(msg, ICMP_ECHO, 0, 1, pattern(), 21);

    for (size_t bit = 0; bit < 8 * n; bit++) {
        msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ip_in((struct ipv4_hdr){.proto = IPPROTO_ICMP_}, msg, n);
        msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    nothing_sent();
    ck_assert_uint_eq(counter(IcmpInCsumErrors), 8 * n);
    ck_assert_uint_eq(events(EV_ICMP_DROP_CHECKSUM), 8 * n);
    /* only the datagram's octets count, not what the frame has behind them */
    ip_in((struct ipv4_hdr){.proto = IPPROTO_ICMP_, .total_len = (uint16_t)(20 + n)}, msg, n + 9);
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

/* shows: 1122-I037 1122-I072 1122-I090 6918-01 ATK-ICMP-09 ATK-ICMP-10 1122-I009 1812-IC02 1812-IC30 */
START_TEST(test_types_not_served)
{
    uint32_t before = (r->st.ip->fib_ops->count)(r->st.ip->fib);
    unsigned drops = 0;

    for (unsigned type = 0; type < 256; type++) {
        switch (type) {
        case ICMP_ECHO_REPLY:
        case ICMP_UNREACHABLE:
        case ICMP_SOURCE_QUENCH:
        case ICMP_REDIRECT:
        case ICMP_ECHO:
        case ICMP_TIME_EXCEEDED:
        case ICMP_PARAM_PROBLEM:
        case ICMP_TIMESTAMP_REPLY:
            continue;
        default:
            icmp_in((struct ipv4_hdr){0}, (uint8_t)type, 0, 0x02020000, pattern(), 24);
            ck_assert_uint_eq(events(EV_ICMP_DROP_TYPE), ++drops);
        }
    }
    nothing_sent();
    ck_assert_uint_eq(err.count, 0);
    ck_assert_uint_eq(counter(IcmpInAddrMasks), 1);
    ck_assert_uint_eq(counter(IcmpInAddrMaskReps), 1);
    ck_assert_uint_eq((r->st.ip->fib_ops->count)(r->st.ip->fib), before);
    ck_assert_uint_eq(eth0->addrs->plen, 24);
}
END_TEST

/* shows: 6633-02 6633-04 1122-I057 1122-I058 */
START_TEST(test_source_quench)
{
    uint8_t quote[28];

    build(quote, (struct ipv4_hdr){.src = US, .dst = PEER}, pattern(), 8);
    icmp_in((struct ipv4_hdr){0}, ICMP_SOURCE_QUENCH, 0, 0, quote, 28);
    ck_assert_uint_eq(err.count, 0);
    nothing_sent();
    ck_assert_uint_eq(counter(IcmpInSrcQuenchs), 1);
    const struct journal_record *rec = last_event(EV_ICMP_DROP_SOURCE_QUENCH);

    ck_assert_uint_eq(rec->arg[0], PEER);
    ck_assert_uint_eq(rec->arg[1], US);
    ck_assert_uint_eq(rec->time, r->st.now);
}
END_TEST

/* ---- options in the answer ---- */

static void echo_with(const uint8_t *opt, unsigned n)
{
    struct ipv4_hdr h = {.opt_len = (uint8_t)((n + 3) & ~3U)};

    memcpy(h.opt, opt, n);
    rig_forget(r);
    icmp_in(h, ICMP_ECHO, 0, 1, pattern(), 8);
}

/* shows: 1122-I070 1122-I031 1122-I032 */
START_TEST(test_route_recorded)
{
    static const uint8_t rr[] = {7, 15, 8, 10, 0, 0, 254, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t ts[] = {0x44, 12, 5, 0x01, 0, 0, 0, 0, 0, 0, 0, 0};

    echo_with(rr, sizeof rr);
    sent_icmp(0, ICMP_ECHO_REPLY, 0);
    ck_assert_uint_eq(outh.opt_len, 16);
    ck_assert_uint_eq(outh.opt[2], 12);
    ck_assert_uint_eq(wire_get32(outh.opt + 3), ROUTER);
    ck_assert_uint_eq(wire_get32(outh.opt + 7), US);
    ck_assert_uint_eq(wire_get32(outh.opt + 11), 0); /* nothing cut off */
    echo_with(ts, sizeof ts);
    sent_icmp(0, ICMP_ECHO_REPLY, 0);
    ck_assert_uint_eq(outh.opt[2], 13);
    ck_assert_uint_eq(wire_get32(outh.opt + 4), US);
    ck_assert_uint_eq(wire_get32(outh.opt + 8), (uint32_t)(r->st.now / TD_MS) | 0x80000000);
}
END_TEST

/* shows: 1122-I071 1122-I035 1812-IP06 */
START_TEST(test_route_reversed)
{
    static const uint8_t lsrr[] = {0x83, 11, 12, 20, 0, 0, 1, 10, 0, 0, 254};

    set_knob(IP_ACCEPT_SOURCE_ROUTE, 1);
    echo_with(lsrr, sizeof lsrr);
    sent_icmp(0, ICMP_ECHO_REPLY, 0);
    ck_assert_uint_eq(outh.dst, ROUTER); /* the last hop is the first now */
    ck_assert_uint_eq(outh.src, US);
    ck_assert_uint_eq(outh.opt[0], 0x83);
    ck_assert_uint_eq(outh.opt[1], 11);
    ck_assert_uint_eq(outh.opt[2], 4);
    ck_assert_uint_eq(wire_get32(outh.opt + 3), TD_IP4(20, 0, 0, 1));
    ck_assert_uint_eq(wire_get32(outh.opt + 7), PEER);
    ck_assert(mac_eq(sent_to(0), ROUTER_MAC));
    set_knob(IP_ACCEPT_SOURCE_ROUTE, 0);
    echo_with(lsrr, sizeof lsrr);
    nothing_sent();
}
END_TEST

START_TEST(test_other_options_stay_out)
{
    static const uint8_t mix[] = {0x9e, 4, 1, 2, 0x94, 4, 0, 0, 136, 4, 9, 9};

    echo_with(mix, sizeof mix);
    sent_icmp(0, ICMP_ECHO_REPLY, 0);
    ck_assert_uint_eq(outh.opt_len, 0);
}
END_TEST

/* ---- timestamps ---- */

/* shows: 1122-I073 1122-I075 1122-I076 792-08 */
START_TEST(test_timestamps)
{
    static const uint8_t times[12] = {1, 2, 3, 4};
    uint8_t b[64];
    size_t n;

    icmp_in((struct ipv4_hdr){0}, ICMP_TIMESTAMP, 0, 0x00070009, times, 12);
    nothing_sent(); /* off */
    set_knob(ICMP_TIMESTAMP_REPLY, 1);
    icmp_in((struct ipv4_hdr){0}, ICMP_TIMESTAMP, 0, 0x00070009, times, 12);
    sent_icmp(0, ICMP_TIMESTAMP_REPLY, 0);
    ck_assert_uint_eq(outn, 20);
    ck_assert_uint_eq(wire_get32(outp + 4), 0x00070009);
    ck_assert_uint_eq(wire_get32(outp + 8), 0x01020304);
    ck_assert_uint_eq(wire_get32(outp + 12), (uint32_t)(r->st.now / TD_MS) | 0x80000000);
    ck_assert_uint_eq(wire_get32(outp + 16), wire_get32(outp + 12));
    n = build(b, (struct ipv4_hdr){.dst = SUBNET_BCAST, .proto = IPPROTO_ICMP_}, msg,
              icmp_build(msg, ICMP_TIMESTAMP, 0, 1, times, 12));
    raw_in_to(MAC_BROADCAST, b, n);
    n = build(b, (struct ipv4_hdr){.dst = IP_ALL_HOSTS, .proto = IPPROTO_ICMP_}, msg,
              icmp_build(msg, ICMP_TIMESTAMP, 0, 1, times, 12));
    raw_in_to((struct td_mac){{1, 0, 0x5e, 0, 0, 1}}, b, n);
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

/* shows: 1122-I078 1122-I079 */
START_TEST(test_timestamp_options)
{
    struct ipv4_hdr rr = {.opt_len = 8, .opt = {7, 7, 4}};
    struct ipv4_hdr lsrr = {.opt_len = 8, .opt = {0x83, 7, 8, 10, 0, 0, 254}};

    set_knob(ICMP_TIMESTAMP_REPLY, 1);
    set_knob(IP_ACCEPT_SOURCE_ROUTE, 1);
    icmp_in(rr, ICMP_TIMESTAMP, 0, 1, pattern(), 12);
    sent_icmp(0, ICMP_TIMESTAMP_REPLY, 0);
    ck_assert_uint_eq(outh.opt[2], 8);
    ck_assert_uint_eq(wire_get32(outh.opt + 3), US);
    icmp_in(lsrr, ICMP_TIMESTAMP, 0, 1, pattern(), 12);
    sent_icmp(1, ICMP_TIMESTAMP_REPLY, 0);
    ck_assert_uint_eq(outh.dst, ROUTER);
    ck_assert_uint_eq(wire_get32(outh.opt + 3), PEER);
}
END_TEST

/* ---- our own requests ---- */

static unsigned replies, errors;
static struct icmp_hdr reply_hdr;
static struct ip_error error_seen;
static uint16_t error_id, error_seq;

static void on_reply(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx,
                     const struct icmp_hdr *h)
{
    uint8_t b[64];

    (void)st;
    ck_assert_uint_eq(rx->h.src, PEER);
    ck_assert(pkt_read(p, 0, b, p->len));
    ck_assert_uint_eq(b[0], ICMP_ECHO_REPLY);
    ck_assert_mem_eq(b + 8, pattern(), p->len - 8);
    reply_hdr = *h;
    replies++;
}
static void on_error(struct td_stack *st, const struct ip_error *e, uint16_t id, uint16_t seq)
{
    (void)st;
    error_seen = *e;
    error_id = id;
    error_seq = seq;
    errors++;
}
static const struct icmp_listener listener = {on_reply, on_error};

/* shows: 1122-I069 1122-I064 1122-I152 */
START_TEST(test_echo_client)
{
    struct ip_tx tx = {.dst = PEER, .ttl = 7, .tos = 0x10};

    replies = errors = 0;
    icmp_in((struct ipv4_hdr){0}, ICMP_ECHO_REPLY, 0, 1, pattern(), 8); /* nobody listens */
    ck_assert_uint_eq(events(EV_ICMP_DROP_UNWANTED), 1);
    icmp_set_listener(stack(), &listener);
    ck_assert_int_eq(icmp_send_echo(stack(), &tx, 0x1234, 5, pattern(), 33), 0);
    rig_flush(r);
    sent_icmp(0, ICMP_ECHO, 0);
    ck_assert_uint_eq(outh.ttl, 7);
    ck_assert_uint_eq(outh.tos, 0x10);
    ck_assert_uint_eq(wire_get32(outp + 4), 0x12340005);
    ck_assert_uint_eq(outn, 41);
    ck_assert_mem_eq(outp + 8, pattern(), 33);
    ck_assert_int_eq(icmp_send_echo(stack(), &tx, 1, 1, NULL, 20), 0);
    rig_flush(r);
    sent_icmp(1, ICMP_ECHO, 0);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_uint_eq(outp[8 + i], 0);
    icmp_in((struct ipv4_hdr){0}, ICMP_ECHO_REPLY, 0, 0x12340005, pattern(), 33);
    ck_assert_uint_eq(replies, 1);
    ck_assert_uint_eq(reply_hdr.echo.id, 0x1234);
    ck_assert_uint_eq(reply_hdr.echo.seq, 5);
    ck_assert_int_eq(icmp_send_echo(stack(), &tx, 1, 1, NULL, 65508), -EMSGSIZE);
    ck_assert_int_eq(icmp_send_echo(stack(), &tx, 1, 1, NULL, 65507), 0);
    tx.dst = LOCALHOST;
    tx.src = 0;
    ck_assert_int_eq(icmp_send_echo(stack(), &tx, 1, 1, pattern(), 20), 0);
    ck_assert_uint_eq(counter(IcmpOutEchos), 4);
}
END_TEST

/* A host that pings itself, by any of its addresses. */
START_TEST(test_echo_to_ourselves)
{
    struct ip_tx tx = {.dst = _i == 0 ? US : TD_IP4(127, 1, 2, 3)};

    ck_assert_int_eq(icmp_send_echo(stack(), &tx, 1, 1, pattern(), 56), 0);
    rig_flush(r);
    nothing_sent();
    ck_assert_uint_eq(counter(IcmpInEchos), 1);
    ck_assert_uint_eq(counter(IcmpInEchoReps), 1);
}
END_TEST

START_TEST(test_error_about_our_echo)
{
    uint8_t quote[64];
    size_t n;

    errors = 0;
    icmp_set_listener(stack(), &listener);
    n = icmp_build(msg, ICMP_ECHO, 0, 0x12340005, pattern(), 8);
    n = build(quote, (struct ipv4_hdr){.src = US, .dst = FAR, .proto = IPPROTO_ICMP_}, msg, n);
    icmp_in((struct ipv4_hdr){.src = ROUTER}, ICMP_TIME_EXCEEDED, 0, 0, quote, n);
    ck_assert_uint_eq(errors, 1);
    ck_assert_uint_eq(error_id, 0x1234);
    ck_assert_uint_eq(error_seq, 5);
    ck_assert_uint_eq(error_seen.from, ROUTER);
    ck_assert_uint_eq(error_seen.type, ICMP_TIME_EXCEEDED);
    quote[20] = ICMP_ECHO_REPLY; /* about an answer of ours: nobody cares */
    icmp_in((struct ipv4_hdr){.src = ROUTER}, ICMP_TIME_EXCEEDED, 0, 0, quote, n);
    ck_assert_uint_eq(errors, 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/icmp");
    TCase *tc = ip_case(s, "queries", true);

    tcase_add_test(tc, test_echo);
    tcase_add_test(tc, test_echo_checksums);
    tcase_add_test(tc, test_from_the_address_that_was_asked);
    tcase_add_test(tc, test_broadcast_echo);
    tcase_add_test(tc, test_flood);
    tcase_add_test(tc, test_route_recorded);
    tcase_add_test(tc, test_route_reversed);
    tcase_add_test(tc, test_other_options_stay_out);
    tcase_add_test(tc, test_timestamps);
    tcase_add_test(tc, test_timestamp_options);
    tc = ip_case(s, "dropped", false);
    tcase_add_test(tc, test_short);
    tcase_add_test(tc, test_checksum);
    tcase_add_test(tc, test_types_not_served);
    tcase_add_test(tc, test_source_quench);
    tc = ip_case(s, "client", false);
    tcase_add_test(tc, test_echo_client);
    tcase_add_loop_test(tc, test_echo_to_ourselves, 0, 2);
    tcase_add_test(tc, test_error_about_our_echo);
    return s;
}
CHECK_MAIN(suite)
