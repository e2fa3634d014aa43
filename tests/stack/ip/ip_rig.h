/* A rig with ARP, IP and ICMP, and protocols 17, 6 and 253 that keep what they are given.
 *
 * eth0 has 10.0.0.1/24; 10.0.0.2 (PEER) and 10.0.0.254 (ROUTER) are its permanent neighbours, the router
 * has the default route. lo has 127.0.0.1/8. ip_rig2 adds eth1 with 192.168.5.1/24. */
#ifndef TESTS_IP_RIG_H
#define TESTS_IP_RIG_H

#include "check_main.h"
#include "ip/ip_internal.h"
#include "rig.h"

#include <errno.h>
#include <string.h>

#define US      TD_IP4(10, 0, 0, 1)
#define PEER    TD_IP4(10, 0, 0, 2)
#define ROUTER  TD_IP4(10, 0, 0, 254)
#define SUBNET_BCAST TD_IP4(10, 0, 0, 255)
#define FAR     TD_IP4(192, 0, 2, 7)
#define US2     TD_IP4(192, 168, 5, 1)
#define LOCALHOST TD_IP4(127, 0, 0, 1)
#define PEER_MAC   rig_mac(2)
#define ROUTER_MAC rig_mac(254)
#define TEST_PROTO 253

static struct rig *r;
static struct netif *eth0, *eth1, *lo;

/* ---- what came up ---- */

struct delivered {
    unsigned count;
    struct ip_rx rx;
    uint32_t len, flags;
    uint8_t *bytes; /* [65536] */
};
static struct delivered up;
static struct {
    unsigned count;
    struct ip_error e;
    uint8_t payload[1600];
} err;

static inline void keep_input(struct td_stack *st, struct pkt *p, const struct ip_rx *rx)
{
    (void)st;
    up.count++;
    up.rx = *rx;
    up.len = p->len;
    up.flags = p->flags;
    ck_assert(pkt_read(p, 0, up.bytes, p->len));
    pkt_free(p);
}
static inline void keep_error(struct td_stack *st, const struct ip_error *e)
{
    (void)st;
    err.count++;
    err.e = *e;
    ck_assert_uint_ge(e->payload_len, 8);
    ck_assert_uint_le(e->payload_len, sizeof err.payload);
    memcpy(err.payload, e->payload, e->payload_len);
}
static const struct ip_protocol keeper = {.input = keep_input, .error = keep_error};

static inline struct td_stack *stack(void)
{
    return &r->st;
}
static inline uint64_t events(enum event_id ev)
{
    return r->st.journal.events[ev];
}
#define counter(name) (r->st.counters.v[CNT_##name])
#define set_knob(id, value) (r->st.knobs.v[KNOB_##id][0] = (value))

/* The newest record of this event in the journal. */
static inline const struct journal_record *last_event(enum event_id ev)
{
    for (uint64_t seq = r->st.journal.next_seq; seq > 0; seq--) {
        const struct journal_record *rec = journal_find(&r->st, seq);

        if (rec != NULL && rec->event == ev)
            return rec;
    }
    return NULL;
}

static inline void ip_setup(void)
{
    struct td_if_config c = {.name = "lo", .flags = TD_IF_UP | TD_IF_LOOPBACK};
    struct fib_route dflt = {.gateway = ROUTER, .proto = FIB_PROTO_STATIC};
    uint32_t index;

    r = rig_new(true);
    memset(&err, 0, sizeof err);
    up = (struct delivered){.bytes = malloc(65536)};
    ck_assert_int_eq(ip_init(&r->st), 0);
    ck_assert_int_eq(icmp_init(&r->st), 0);
    ck_assert_int_eq(netif_add(&r->st, &c, &index), 0);
    lo = netif_by_index(&r->st, index);
    ck_assert_int_eq(ip_addr_add(&r->st, index, LOCALHOST, 8, 0), 0);
    eth0 = rig_if(r);
    eth1 = NULL;
    for (unsigned d = 0; d < IFKNOB_COUNT; d++)
        if (d == IFKNOB_ARP_NOTIFY)
            eth0->knob[d] = r->st.knobs.all[d] = r->st.knobs.dflt[d] = 0;
    ck_assert_int_eq(ip_addr_add(&r->st, eth0->index, US, 24, 0), 0);
    ck_assert_int_eq(neigh_set(&r->st, eth0, PEER, PEER_MAC, NEIGH_PERMANENT), 0);
    ck_assert_int_eq(neigh_set(&r->st, eth0, ROUTER, ROUTER_MAC, NEIGH_PERMANENT), 0);
    ck_assert_int_eq(ip_route_add(&r->st, &dflt, false), 0);
    ck_assert_int_eq(ip_register(&r->st, TEST_PROTO, &keeper), 0);
    ck_assert_int_eq(ip_register(&r->st, IPPROTO_UDP_, &keeper), 0);
    ck_assert_int_eq(ip_register(&r->st, IPPROTO_TCP_, &keeper), 0);
    rig_flush(r);
    rig_forget(r);
}
static inline void ip_setup2(void)
{
    ip_setup();
    eth1 = rig_if(r);
    ck_assert_int_eq(ip_addr_add(&r->st, eth1->index, US2, 24, 0), 0);
    rig_flush(r);
    rig_forget(r);
}
static inline void ip_teardown(void)
{
    icmp_done(&r->st);
    ip_done(&r->st);
    rig_free(r);
    free(up.bytes);
}

/* ---- frames in ---- */

static const struct td_mac *frame_dst; /* NULL: the interface's own; set for one frame */
static struct netif *frame_in;         /* NULL: eth0 */

/* n bytes of IPv4 (or what claims to be) in a frame from PEER. */
static inline void raw_in(const uint8_t *ip, size_t n)
{
    static uint8_t f[65536 + 64];
    struct netif *nif = frame_in != NULL ? frame_in : eth0;
    struct eth_hdr eh = {.dst = frame_dst != NULL ? *frame_dst : nif->mac,
                         .src = PEER_MAC,
                         .type = ETHERTYPE_IPV4};
    size_t hlen = eth_emit(&eh, f);

    memcpy(f + hlen, ip, n);
    rig_input(r, nif, f, hlen + n);
    frame_dst = NULL;
}
static inline void raw_in_to(struct td_mac dst, const uint8_t *ip, size_t n)
{
    frame_dst = &dst;
    raw_in(ip, n);
}

/* Fills what is 0 in h (lengths, TTL, addresses: PEER to US, protocol) and builds the datagram. */
static inline size_t build(uint8_t *b, struct ipv4_hdr h, const void *payload, size_t n)
{
    h.hlen = (uint8_t)(20 + ((h.opt_len + 3) & ~3));
    if (h.total_len == 0)
        h.total_len = (uint16_t)(h.hlen + n);
    if (h.ttl == 0)
        h.ttl = 64;
    if (h.src == 0)
        h.src = PEER;
    if (h.dst == 0)
        h.dst = US;
    if (h.proto == 0)
        h.proto = TEST_PROTO;
    (void)ipv4_emit(&h, b);
    if (n > 0)
        memcpy(b + h.hlen, payload, n);
    return h.hlen + n;
}
static inline void ip_in(struct ipv4_hdr h, const void *payload, size_t n)
{
    static uint8_t b[65536 + 64];

    raw_in(b, build(b, h, payload, n));
}
#define IP_IN(n, ...) ip_in((struct ipv4_hdr){__VA_ARGS__}, pattern(), (n))

static inline const uint8_t *pattern(void)
{
    static uint8_t p[65536 + 4096];

    if (p[1] == 0)
        for (unsigned i = 0; i < sizeof p; i++)
            p[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
    return p;
}

/* An ICMP message with its checksum. */
static inline size_t icmp_build(uint8_t *b, uint8_t type, uint8_t code, uint32_t word,
                                const void *data, size_t n)
{
    b[0] = type;
    b[1] = code;
    wire_put16(b + 2, 0);
    wire_put32(b + 4, word);
    if (n > 0)
        memcpy(b + 8, data, n);
    wire_put16(b + 2, checksum(b, 8 + n));
    return 8 + n;
}
static inline void icmp_in(struct ipv4_hdr h, uint8_t type, uint8_t code, uint32_t word,
                           const void *data, size_t n)
{
    static uint8_t b[65536];

    h.proto = IPPROTO_ICMP_;
    size_t len = icmp_build(b, type, code, word, data, n);
    ip_in(h, b, len);
}
#define PING(n, ...)                                                                               \
    icmp_in((struct ipv4_hdr){__VA_ARGS__}, ICMP_ECHO, 0, 0x12340005, pattern(), (n))

/* ---- frames out ---- */

static struct ipv4_hdr outh; /* of the frame that sent() looked at last */
static const uint8_t *outp;  /* its payload */
static uint32_t outn;

/* Takes frame i apart: it must be a well-formed IPv4 datagram, padded with zeroes. */
static inline void sent(unsigned i)
{
    const struct rig_frame *f = &r->out[i];

    ck_assert_uint_lt(i, r->nout);
    ck_assert_uint_eq(wire_get16(f->b + 12), ETHERTYPE_IPV4);
    ck_assert_int_eq(ipv4_parse(&outh, f->b + 14, f->len - 14), WIRE_OK);
    ck_assert_uint_ne(outh.ttl, 0);
    for (uint32_t at = 14U + outh.total_len; at < f->len; at++)
        ck_assert_uint_eq(f->b[at], 0);
    outp = f->b + 14 + outh.hlen;
    outn = (uint32_t)outh.total_len - outh.hlen;
}
static inline struct td_mac sent_to(unsigned i)
{
    struct td_mac m;

    memcpy(m.b, r->out[i].b, 6);
    return m;
}
/* Frame i is an ICMP message of this type and code with a good checksum. */
static inline void sent_icmp(unsigned i, uint8_t type, uint8_t code)
{
    sent(i);
    ck_assert_uint_eq(outh.proto, IPPROTO_ICMP_);
    ck_assert_uint_eq(checksum(outp, outn), 0);
    ck_assert_uint_eq(outp[0], type);
    ck_assert_uint_eq(outp[1], code);
}
#define nothing_sent() ck_assert_uint_eq(r->nout, 0)

/* Puts the fragments from frame `from` on together; returns the payload's length. */
static inline uint32_t reassemble_out(unsigned from, uint8_t *dst)
{
    uint32_t end = 0;

    for (unsigned i = from; i < r->nout; i++) {
        sent(i);
        memcpy(dst + outh.frag_off, outp, outn);
        if ((outh.flags & IPV4_MF) == 0)
            end = outh.frag_off + outn;
        else
            ck_assert_uint_eq(outn % 8, 0);
    }
    return end;
}

/* ---- sending ---- */

static inline struct pkt *payload(uint32_t n)
{
    struct pkt *p = pkt_from_bytes(&r->st.mem, PKT_HEADROOM, pattern(), n);

    ck_assert_ptr_nonnull(p);
    return p;
}
static inline int ip_send(uint32_t n, struct ip_tx tx)
{
    if (tx.proto == 0)
        tx.proto = TEST_PROTO;
    int rc = ip_output(&r->st, payload(n), &tx);

    rig_flush(r);
    return rc;
}
#define IP_SEND(n, ...) ip_send((n), (struct ip_tx){__VA_ARGS__})

static inline void advance(td_time by)
{
    rig_run(r, r->st.now + by);
}

static inline TCase *ip_case(Suite *s, const char *name, bool two)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, two ? ip_setup2 : ip_setup, ip_teardown);
    suite_add_tcase(s, tc);
    return tc;
}

#endif
