/* tests/common/harness.h: conversations with a stack, in virtual time.
 *
 * A harness is one stack with one interface (eth0, 10.0.0.1/24), a neighbour 10.0.0.2 on it and a
 * router 10.0.0.254 with the default route, whose MAC addresses are known, and a clock that only the test
 * moves. A test reads like a dialogue:
 *
 *     struct hx *h = hx_new();
 *     int s = hx_tcp_listen(h, 80);
 *     tcp_in (h, 0,         .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.mss = 1460});
 *     tcp_out(h, 0,         .flags = SYN | ACK, .seq = 0, .ack = 1);
 *     tcp_in (h, MS(10),    .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
 *     hx_quiet(h, SEC(1));
 *     hx_free(h);
 *
 * The rules:
 *   - `at` is the time since the start of the test, ns. X_in moves the clock there (timers fire on the
 *     way) and hands a frame in; X_out moves the clock there and says that the next frame sent is this
 *     one, sent at this time (give or take hx->tolerance, default 1 ms; HX_ANYTIME: whenever, within
 *     120 s). NOW is the present.
 *   - Anything sent that no X_out expects fails the test: at the next X_out, hx_quiet or hx_free. hx_drain
 *     throws away what has been sent so far.
 *   - Everything sent must be well-formed: lengths, IP and transport checksums, zero padding.
 *   - A field of an expectation that is left 0 is not looked at; except TCP flags and payload
 *     length, which are always compared. Where 0 itself is expected, say HX_ZERO. What was matched is in
 *     h->got for further questions.
 *   - TCP numbers are relative: the peer's seq and our ack count from the peer's ISN (hx->peer_isn,
 *     may be set before the first segment), our seq and the peer's ack from ours, learnt from
 *     our SYN. The SYN is 0, the first byte 1. A connection is a pair of ports (default: peer
 *     port 40000, our port 80).
 *   - Injected packets are right in every checksum and length unless the test says otherwise
 *     (.bad_csum, or hx_ip_in and hx_frame_in, which send what they are given).
 *   - hx_free checks that the stack gave back every byte of memory.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include "tapdeck/socket.h"
#include "tapdeck/stack.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <check.h>

#define MS(n)      ((td_time)(n) * TD_MS)
#define US(n)      ((td_time)(n) * TD_US)
#define SEC(n)     ((td_time)(n) * TD_SEC)
#define NOW        (TD_NEVER - 1)
#define HX_ANYTIME TD_NEVER
#define HX_ZERO    (-1)

/* TCP flags without their prefix, for dialogues. */
#define FIN TCP_FIN
#define SYN TCP_SYN
#define RST TCP_RST
#define PSH TCP_PSH
#define ACK TCP_ACK
#define URG TCP_URG

#define HX_US      TD_IP4(10, 0, 0, 1)
#define HX_PEER    TD_IP4(10, 0, 0, 2)
#define HX_ROUTER  TD_IP4(10, 0, 0, 254)
#define HX_FAR     TD_IP4(192, 0, 2, 7) /* behind the router */
#define HX_US_MAC     ((struct td_mac){{2, 0, 0, 0, 0, 1}})
#define HX_PEER_MAC   ((struct td_mac){{2, 0, 0, 0, 0, 2}})
#define HX_ROUTER_MAC ((struct td_mac){{2, 0, 0, 0, 0, 0xfe}})

#define HX_PEER_PORT 40000
#define HX_OUR_PORT  80
#define HX_CONNS     64

struct hx_frame;

/* A frame the stack sent, taken apart. Pointers are into the frame: valid until the next X_out. */
struct hx_pkt {
    td_time at;            /* since the start */
    struct eth_hdr eth;
    struct arp_pkt arp;    /* eth.type == ETHERTYPE_ARP */
    struct ipv4_hdr ip;
    struct tcp_hdr tcp;
    struct udp_hdr udp;
    struct icmp_hdr icmp;
    const uint8_t *l4;     /* transport header */
    size_t l4_len;
    const uint8_t *data;   /* its payload */
    size_t len;
    const uint8_t *frame;
    size_t frame_len;
};

struct hx_conn {
    td_ip4 peer;
    uint16_t ours, theirs;
    bool have_iss;
    uint32_t iss, irs;
};

struct hx {
    struct td_stack *st;
    uint32_t ifindex;
    td_time start;
    td_time tolerance;     /* of X_out, ns */
    uint32_t peer_isn;     /* of connections that start from now on */
    bool busy;             /* the device says -EAGAIN; then td_if_ready */
    bool any_tx;           /* nothing sent is checked or kept: for floods */
    uint64_t sent;         /* frames sent since the start */
    struct hx_frame *out, **out_tail;
    struct hx_frame *last; /* what h->got points into */
    struct hx_pkt got;     /* what the last X_out matched */
    struct hx_conn conn[HX_CONNS];
    unsigned nconns;
    uint64_t heap;         /* bytes the stack holds */
    int64_t fail_alloc;    /* when > 0, counts down to the allocation that fails; then all do */
    uint16_t ip_id;
};

/* The deliberate bug that the environment names (TAPDECK_FAULT) is switched on: `make faults` runs
 * tests so. hx_new does this; who makes a stack otherwise calls it. */
void hx_fault(struct td_stack *st);
struct hx *hx_new(void);                        /* the linux profile */
struct hx *hx_new_profile(enum td_profile profile, td_time start);
void hx_free(struct hx *h);
/* Another host on the link, its MAC known. */
void hx_neighbour(struct hx *h, td_ip4 addr, struct td_mac mac);

/* ---- the clock ---- */
td_time hx_now(const struct hx *h);             /* since the start */
void hx_until(struct hx *h, td_time at);        /* moves it; fires timers, flushes */
void hx_flush(struct hx *h);
void hx_drain(struct hx *h);                    /* forgets what was sent */
unsigned hx_pending(struct hx *h);              /* frames sent, not yet expected (flushes) */
#define hx_quiet(h, at) hx_quiet_at((h), (at), __FILE__, __LINE__) /* nothing is sent until then */
void hx_quiet_at(struct hx *h, td_time at, const char *file, int line);

/* ---- frames in ---- */
void hx_frame_in(struct hx *h, td_time at, const void *frame, size_t len);
/* Ethernet header from the peer's MAC (the router's for a source off the link) to ours, IP header from ip
 * (hlen, total_len, id, ttl filled in where 0), payload. */
void hx_ip_in(struct hx *h, td_time at, const struct ipv4_hdr *ip, const void *payload, size_t len);

struct hx_opts { /* TCP options, as wire/tcp.h names them */
    uint16_t mss;
    int8_t wscale;         /* shift + 1; 0 = none */
    bool sack_perm, ts;
    uint32_t ts_val, ts_ecr;
    uint8_t nsack;         /* blocks, relative numbers */
    struct tcp_sack_block sack[4];
    const char *raw;       /* instead: the option bytes */
    uint8_t raw_len;
};

struct hx_seg {
    td_ip4 src, dst;       /* 0: peer and us, in the direction of travel */
    uint16_t sport, dport; /* 0: the defaults */
    int64_t seq, ack;      /* relative; expectations: HX_ZERO for 0 */
    uint16_t flags;
    int64_t wnd;           /* raw field; expectations: 0 = any, HX_ZERO = 0 */
    uint16_t urp;
    const void *data;      /* NULL: len bytes of pattern (hx_pattern) */
    size_t len;
    struct hx_opts opts;   /* expectations: each that is given */
    bool no_opts;          /* expectations: no options at all */
    uint8_t tos, ttl;
    bool any_len;          /* expectations: payload length is not looked at */
    bool any_seq, any_ack; /* numbers are not looked at (a RST without connection, say) */
    bool absolute;         /* seq and ack are as on the wire */
    bool bad_csum;
    bool eth_broadcast;    /* in: to the broadcast MAC */
};
#define tcp_in(h, at, ...)  hx_tcp_in((h), (at), &(struct hx_seg){__VA_ARGS__})
#define tcp_out(h, at, ...)                                                                        \
    hx_tcp_out((h), (at), &(struct hx_seg){__VA_ARGS__}, __FILE__, __LINE__)
void hx_tcp_in(struct hx *h, td_time at, const struct hx_seg *s);
void hx_tcp_out(struct hx *h, td_time at, const struct hx_seg *s, const char *file, int line);
/* Turns relative numbers into those on the wire and back, for tests that build their own. */
struct hx_conn *hx_conn(struct hx *h, td_ip4 peer, uint16_t theirs, uint16_t ours);
/* Byte i of the pattern that stands for payload where none is given: depends on the position in the
 * stream (relative seq) only, so a receiver can check what it got. */
uint8_t hx_pattern(uint64_t pos);

struct hx_dgram {
    td_ip4 src, dst;
    uint16_t sport, dport;
    const void *data;
    size_t len;
    int64_t length;        /* in: the UDP length field, when it is to lie; HX_ZERO for 0 */
    bool no_csum, bad_csum;/* in: field 0; wrong. out: no_csum: field must be 0 */
    uint8_t tos, ttl;
    const uint8_t *opt;    /* IP options */
    uint8_t opt_len;
    int64_t df;            /* out: 1 = DF must be set, HX_ZERO = must not */
    bool eth_broadcast;
};
#define udp_in(h, at, ...) hx_udp_in((h), (at), &(struct hx_dgram){__VA_ARGS__})
#define udp_out(h, at, ...)                                                                        \
    hx_udp_out((h), (at), &(struct hx_dgram){__VA_ARGS__}, __FILE__, __LINE__)
void hx_udp_in(struct hx *h, td_time at, const struct hx_dgram *d);
void hx_udp_out(struct hx *h, td_time at, const struct hx_dgram *d, const char *file, int line);

struct hx_icmp {
    td_ip4 src, dst;
    uint8_t type, code;
    uint32_t word;         /* bytes 4..7; expectations: 0 = any */
    const void *data;      /* behind the 8 bytes */
    size_t len;
    uint8_t tos, ttl;
    bool any_len, bad_csum, eth_broadcast;
};
#define icmp_in(h, at, ...) hx_icmp_in((h), (at), &(struct hx_icmp){__VA_ARGS__})
#define icmp_out(h, at, ...)                                                                       \
    hx_icmp_out((h), (at), &(struct hx_icmp){__VA_ARGS__}, __FILE__, __LINE__)
void hx_icmp_in(struct hx *h, td_time at, const struct hx_icmp *m);
void hx_icmp_out(struct hx *h, td_time at, const struct hx_icmp *m, const char *file, int line);
/* An ICMP error about what h->got holds (the last frame matched): quotes its IP header and 8 bytes
 * (more: as many bytes of transport). */
void hx_icmp_error_in(struct hx *h, td_time at, td_ip4 from, uint8_t type, uint8_t code,
                      uint32_t word, size_t quote);

#define arp_out(h, at, op_, tpa_) hx_arp_out((h), (at), (op_), (tpa_), __FILE__, __LINE__)
void hx_arp_out(struct hx *h, td_time at, uint16_t op, td_ip4 tpa, const char *file, int line);
void hx_arp_in(struct hx *h, td_time at, const struct arp_pkt *a, bool broadcast);

/* Any IP datagram: takes the next frame sent apart into h->got. proto 0 = any. */
#define ip_out(h, at, proto_) hx_ip_out((h), (at), (proto_), __FILE__, __LINE__)
void hx_ip_out(struct hx *h, td_time at, uint8_t proto, const char *file, int line);

/* ---- applications ---- */
int hx_udp_socket(struct hx *h, td_ip4 addr, uint16_t port); /* bound, unless port and addr are 0 */
int hx_tcp_listen(struct hx *h, uint16_t port);              /* bound to any, backlog 16 */
/* connect(); expects -EINPROGRESS, flushes. */
int hx_tcp_connect(struct hx *h, uint16_t our_port, td_ip4 peer, uint16_t port);
/* The whole passive open at `at` with MSS 1460 and no other option: returns the accepted handle. */
int hx_tcp_accept(struct hx *h, int listener, td_time at, uint16_t peer_wnd);

uint64_t hx_counter(const struct hx *h, const char *name); /* as nstat names it */
uint64_t hx_event(const struct hx *h, const char *name);   /* how often "udp-drop-checksum" happened */

#endif
