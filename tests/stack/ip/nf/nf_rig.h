/* A router with rules: eth0 10.0.0.1/24 is inside (client PEER, its neighbour PEER2), eth1 192.168.5.1/24 outside
 * (server SERVER), forwarding on. Segments and datagrams are injected with right checksums; whatever leaves must have
 * right ones too. */
#ifndef TESTS_NF_RIG_H
#define TESTS_NF_RIG_H

#include "ip/nf/nf_internal.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include "stack/ip/ip_rig.h"

#include <stdio.h>

#define PEER2       TD_IP4(10, 0, 0, 3)
#define SERVER      TD_IP4(192, 168, 5, 2)
#define SERVER_MAC  rig_mac(52)
#define PEER2_MAC   rig_mac(3)
#define FIN TCP_FIN
#define SYN TCP_SYN
#define RST TCP_RST
#define PSH TCP_PSH
#define ACK TCP_ACK

static char nf_msg[512];
static unsigned nf_line;

static inline int try_rules(const char *text)
{
    return nf_restore(stack(), text, 0, nf_msg, sizeof nf_msg, &nf_line);
}
static inline void rules(const char *text)
{
    int rc = try_rules(text);

    ck_assert_msg(rc == 0, "%s: %d, line %u: %s", text, rc, nf_line, nf_msg);
}
static inline void refused_rules(const char *text, const char *why)
{
    int rc = try_rules(text);

    ck_assert_msg(rc < 0, "%s: taken", text);
    ck_assert_msg(strstr(nf_msg, why) != NULL, "%s: %s", text, nf_msg);
    ck_assert_ptr_null(strchr(nf_msg, '\n'));
}

static inline void nf_setup(void)
{
    ip_setup2();
    set_knob(IP_FORWARD, 1);
    set_knob(ICMP_RATELIMIT, 0);
    eth0->knob[IFKNOB_SEND_REDIRECTS] = r->st.knobs.all[IFKNOB_SEND_REDIRECTS] = 0;
    ck_assert_int_eq(neigh_set(stack(), eth0, PEER2, PEER2_MAC, NEIGH_PERMANENT), 0);
    ck_assert_int_eq(neigh_set(stack(), eth1, SERVER, SERVER_MAC, NEIGH_PERMANENT), 0);
}
static inline TCase *nf_case(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, nf_setup, ip_teardown);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return tc;
}

/* ---- in ---- */

struct flow_ends {
    td_ip4 src, dst;
    uint16_t sport, dport;
};
#define ENDS(...) (&(struct flow_ends){__VA_ARGS__})

static inline struct netif *side_of(td_ip4 src)
{
    return src >> 24 == 10 ? eth0 : eth1;
}
static inline void l4_in(const struct flow_ends *f, uint8_t proto, uint8_t *l4, size_t n, unsigned sum_at, uint8_t ttl)
{
    if (sum_at != 0)
        wire_put16(l4 + sum_at, 0);
    if (sum_at != 0)
        wire_put16(l4 + sum_at, checksum_finish(checksum_add(checksum_pseudo(f->src, f->dst, proto, (uint32_t)n), l4, n)));
    frame_in = side_of(f->src);
    ip_in((struct ipv4_hdr){.src = f->src, .dst = f->dst, .proto = proto, .ttl = ttl, .id = 7}, l4, n);
    frame_in = NULL;
}
static inline void tcp_in(const struct flow_ends *f, uint16_t flags, uint32_t seq, uint32_t ack, size_t data)
{
    uint8_t b[2000] = {0};
    struct tcp_hdr h = {.sport = f->sport, .dport = f->dport, .flags = flags, .seq = seq, .ack = ack, .wnd = 5000, .hlen = 20};
    size_t n = tcp_emit(&h, b);

    memcpy(b + n, pattern(), data);
    l4_in(f, IPPROTO_TCP_, b, n + data, 16, 64);
}
static inline void udp_in(const struct flow_ends *f, size_t data)
{
    uint8_t b[2000] = {0};
    struct udp_hdr h = {.sport = f->sport, .dport = f->dport, .length = (uint16_t)(8 + data)};
    size_t n = udp_emit(&h, b);

    memcpy(b + n, pattern(), data);
    l4_in(f, IPPROTO_UDP_, b, n + data, 6, 64);
}
static inline struct flow_ends back(const struct flow_ends *f)
{
    return (struct flow_ends){f->dst, f->src, f->dport, f->sport};
}

/* ---- out ---- */

/* Frame i left with right checksums; its ends. */
static inline struct flow_ends went(unsigned i, struct netif *by)
{
    struct flow_ends f;
    uint32_t sum;

    sent(i);
    if (by != NULL)
        ck_assert_uint_eq(r->out[i].ifindex, by->index);
    f = (struct flow_ends){outh.src, outh.dst, 0, 0};
    ck_assert_uint_eq(outh.frag_off, 0);
    if (outh.proto == IPPROTO_TCP_ || outh.proto == IPPROTO_UDP_) {
        f.sport = wire_get16(outp);
        f.dport = wire_get16(outp + 2);
        sum = checksum_pseudo(outh.src, outh.dst, outh.proto, outn);
        if (outh.proto == IPPROTO_TCP_ || wire_get16(outp + 6) != 0)
            ck_assert_uint_eq(checksum_fold(checksum_add(sum, outp, outn)), 0xffff);
    } else if (outh.proto == IPPROTO_ICMP_) {
        ck_assert_uint_eq(checksum(outp, outn), 0);
        f.sport = f.dport = wire_get16(outp + 4);
    }
    return f;
}
#define ck_ends(f, ...)                                                                            \
    do {                                                                                           \
        struct flow_ends is_ = (f), want_ = {__VA_ARGS__};                                         \
        ck_assert_uint_eq(is_.src, want_.src);                                                     \
        ck_assert_uint_eq(is_.dst, want_.dst);                                                     \
        ck_assert_uint_eq(is_.sport, want_.sport);                                                 \
        ck_assert_uint_eq(is_.dport, want_.dport);                                                 \
    } while (0)

/* The flow that has this tuple, or NULL. */
static inline struct nf_conn *flow_of(const struct flow_ends *f, uint8_t proto)
{
    struct nf_tuple t = {.src = f->src, .dst = f->dst, .sport = f->sport, .dport = f->dport, .proto = proto};
    struct nf_end *e = stack()->ip->nf != NULL ? nf_find(stack(), &t) : NULL;

    return e != NULL ? nf_conn_of(e) : NULL;
}
static inline uint64_t rule_packets(const char *table, const char *chain, unsigned number)
{
    const struct nf_ruleset *s = nf_rules(stack());
    const struct nf_chain *c = nf_chain_find(&s->table[strcmp(table, "nat") == 0], chain);

    ck_assert_ptr_nonnull(c);
    ck_assert_uint_le(number, c->nrules);
    return c->rule[number - 1]->packets;
}

#endif
