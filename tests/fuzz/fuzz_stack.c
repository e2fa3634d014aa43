/* The stack as a whole: frames, time and calls in any order.
 *
 * Theory of operation. A host with two interfaces lives through a list of operations (stack_ops.h).
 * Some are raw: a frame of any bytes, repaired as far as its fix-up bits say, so that both "is this
 * a header?" and the code ten checks later are reached. Others are crafted to get deep: the target
 * watches what the stack sends, remembers for each connection which numbers come next, and an
 * OP_SEGMENT is a segment that fits one of them, give or take what the input says. So a mutation of
 * a few bytes is a SYN-ACK, a retransmission, a SACK of half the window, a FIN out of order.
 *
 * What is promised, and checked after every operation:
 *   - every frame sent is well-formed to the last checksum (sent_check.c);
 *   - the memory counted is the memory held, is within its limit, and each block is given back with
 *     the size it was taken with;
 *   - timers: after a tick nothing is due in the past, and time can always move on;
 *   - byte streams arrive as they were sent: every segment carries the bytes that belong to its
 *     sequence numbers, first time and retransmitted, and what an application reads is what the
 * peer (or the other end on the loopback) sent, whatever was lost, doubled or out of order;
 *   - calls return a count that is possible or an errno value;
 *   - at the end td_stack_free gives back every byte;
 *   - what entered by the door, issued to a second stack without applications, gives the same
 * results and the same frames (PLAN_REPLAY);
 *   - the same input twice does the same, bit for bit (PLAN_TWICE). */
#include "fuzz.h"
#include "core/stack.h"
#include "sent_check.h"
#include "stack_ops.h"
#include "tape.h"

#include "tapdeck/link.h"
#include "tapdeck/socket.h"
#include "tapdeck/stack.h"
#include "wire/checksum.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

#define HANDLES   24
#define FLOWS     16
#define MAX_FRAME 9100
#define MAX_OPS   300
#define STREAMS   64
#define MAX_STEPS 4000 /* timer rounds of one input */

struct input {
    const uint8_t *p;
    size_t left;
};

struct flow { /* a TCP connection as the peer sees it */
    td_ip4 us, peer;
    uint16_t lport, pport;
    unsigned nif;
    uint32_t snd_nxt;  /* the stack's next sequence number */
    uint32_t snd_una;  /* the oldest we haven't acknowledged */
    uint32_t rcv_nxt;  /* what the stack expects of us */
    uint32_t ts_val;   /* the stack's last timestamp */
    uint32_t iss, irs; /* the stack's and our initial sequence numbers */
    bool iss_known, irs_known;
    uint32_t irs_offered; /* of a SYN that the stack hasn't answered yet */
};

/* Where a stream socket stands: byte n of every stream is stream_bytes(n)[0]. */
struct stream {
    uint32_t id; /* td_socket_id */
    uint64_t sent, received;
};

struct world;
struct port {
    struct world *w;
    unsigned nif;
    uint32_t ifindex;
    struct td_mac mac;
    bool busy;
};

struct world {
    struct td_stack *st;
    struct input in;
    td_time now;
    struct port port[2];
    uint16_t tag[2]; /* VLAN that injected frames are put into; 0: none */
    bool bridged;    /* other stations' frames pass as they are */
    uint32_t mtu;    /* the largest any interface ever had */
    uint64_t heap;   /* bytes the stack holds */
    uint64_t hash;   /* of everything it did */
    uint64_t frames; /* of the frames it sent and when */
    struct tape tape;
    bool off_tape; /* memory failed or a device was busy: that doesn't come by the door */
    bool replay;   /* this is the second stack: everything was looked at already */
    uint64_t limit;
    unsigned steps;
    bool corrupting; /* netem breaks frames behind the stack's back */
    bool forwarding;
    bool translating; /* rules were set: what leaves with our address may be a host's behind us */
    int handle[HANDLES];
    uint8_t notify[HANDLES];
    unsigned handles, told;
    struct flow flow[FLOWS];
    unsigned flows;
    struct stream stream[STREAMS];
    bool pure;               /* all TCP data so far were of our making, none of it urgent */
    uint8_t last[MAX_FRAME]; /* the last IP datagram sent, for ICMP errors about it */
    size_t last_len;
    unsigned last_nif;
    uint16_t ip_id;
};

static const struct td_mac peer_mac = {{0x02, 0, 0, 0, 0, 0x99}};
static uint8_t pattern[2 * 65536]; /* what is sent, from a position modulo 65536 on */
static uint8_t sink[65536];        /* what is received */

static uint8_t datagram[65536]; /* what datagram sockets send: for a ping socket, an echo request */

static const uint8_t *stream_bytes(uint64_t position)
{
    return pattern + (position & 0xffff);
}

/* ---- reading the input ---- */

static uint8_t get8(struct input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->p++;
}
static uint16_t get16(struct input *in)
{
    uint8_t high = get8(in);
    return (uint16_t)(high << 8 | get8(in));
}
static uint32_t get32(struct input *in)
{
    uint32_t high = get16(in);
    return high << 16 | get16(in);
}
static size_t get_bytes(struct input *in, uint8_t *dst, size_t max)
{
    size_t n = in->left < max ? in->left : max;
    memcpy(dst, in->p, n);
    in->p += n;
    in->left -= n;
    return n;
}

/* FUZZ_TRACE=1 in the environment tells an input as a story: for whoever looks at a finding. */
static bool tracing;
#define TRACE(...) (tracing ? (void)fprintf(stderr, __VA_ARGS__) : (void)0)

static void trace_bytes(const char *what, unsigned nif, td_time now, const uint8_t *b, size_t n)
{
    if (!tracing) {
        return;
    }
    fprintf(stderr, "%12.6f %s eth%u, %zu bytes:", (double)now / 1e9, what, nif, n);
    for (size_t i = 0; i < n && i < 120; i++) {
        fprintf(stderr, i == 14 || i == 34 ? "  %02x" : "%02x", b[i]);
    }
    fprintf(stderr, n > 120 ? " ...\n" : "\n");
}

static uint64_t digest(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}
static void note(struct world *w, const void *bytes, size_t n)
{
    w->hash = digest(w->hash, bytes, n);
}
static void note_u64(struct world *w, uint64_t v)
{
    note(w, &v, sizeof v);
}

/* ---- memory: exact blocks, sizes compared ---- */

static void *take(void *ctx, size_t size)
{
    struct world *w = ctx;
    void *p = malloc(size);
    FUZZ_CHECK(p != NULL);
    memset(p, 0xa5, size); /* what isn't initialised shows */
    w->heap += size;
    FUZZ_CHECK(w->limit == 0 || w->heap <= w->limit);
    return p;
}
static void give_back(void *ctx, void *p, size_t size)
{
    struct world *w = ctx;
    FUZZ_CHECK(w->heap >= size);
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
    FUZZ_CHECK(malloc_usable_size(p) == size); /* under ASan: exactly what was asked for */
#endif
#endif
    w->heap -= size;
    free(p);
}

/* ---- the peer's eyes: what the stack sends ---- */

static struct flow *find_flow(struct world *w, const struct sent *s)
{
    for (unsigned i = 0; i < FLOWS && i < w->flows; i++) {
        struct flow *f = &w->flow[i];
        if (f->us == s->ip.src && f->peer == s->ip.dst && f->lport == s->tcp.sport &&
            f->pport == s->tcp.dport) {
            return f;
        }
    }
    return NULL;
}

static void watch_tcp(struct world *w, unsigned nif, const struct sent *s)
{
    struct flow *f = find_flow(w, s);
    if (f == NULL) {
        if ((s->tcp.flags & TCP_RST) != 0) {
            return;
        }
        f = &w->flow[w->flows++ % FLOWS];
        *f = (struct flow){.us = s->ip.src,
                           .peer = s->ip.dst,
                           .lport = s->tcp.sport,
                           .pport = s->tcp.dport,
                           .snd_una = s->tcp.seq,
                           .snd_nxt = s->tcp.seq};
    }
    f->nif = nif;
    uint32_t end = s->tcp.seq + (uint32_t)s->data_len + ((s->tcp.flags & TCP_SYN) != 0) +
                   ((s->tcp.flags & TCP_FIN) != 0);
    if ((s->tcp.flags & TCP_SYN) != 0) {
        if (!f->iss_known || f->iss != s->tcp.seq) {
            f->irs_known = false; /* a new connection */
        }
        f->iss = s->tcp.seq;
        f->iss_known = true;
        f->snd_una = s->tcp.seq;
        f->snd_nxt = end;
        if ((s->tcp.flags & TCP_ACK) != 0 && !f->irs_known) {
            f->irs = s->tcp.ack - 1;
            f->irs_known = true;
        }
    }
    f->snd_nxt = seq_max(f->snd_nxt, end);
    if ((s->tcp.flags & (TCP_ACK | TCP_RST)) == TCP_ACK) {
        if (!f->irs_known && s->tcp.ack - f->irs_offered - 1 < 1300) {
            f->irs = f->irs_offered;
            f->irs_known = true;
        }
        f->rcv_nxt = s->tcp.ack;
    }
    if (f->iss_known && (s->tcp.flags & TCP_SYN) == 0 && s->data_len > 0) {
        FUZZ_CHECK(memcmp(s->data, stream_bytes(s->tcp.seq - f->iss - 1), s->data_len) == 0);
    }
    if (s->tcp.o.has_ts) {
        f->ts_val = s->tcp.o.ts_val;
    }
}

static bool is_own(td_ip4 addr)
{
    return addr == 0 || addr == NET_US(0) || addr == NET_US(1);
}

/* Takes the tags of VLANs off a frame; its length then. */
static size_t untag(uint8_t *frame, size_t len)
{
    while (len >= ETH_HLEN + 4 && frame[12] == 0x81 && frame[13] == 0) {
        memmove(frame + 12, frame + 16, len - 16);
        len -= 4;
    }
    return len;
}

static int transmit(void *dev, const struct pkt *p)
{
    struct port *port = dev;
    struct world *w = port->w;
    static uint8_t frame[70000];
    if (port->busy) {
        return -EAGAIN;
    }
    FUZZ_CHECK(p->len <= sizeof frame);
    FUZZ_CHECK(p->gso_size == 0 && p->csum != PKT_CSUM_PARTIAL); /* offloads are off */
    FUZZ_CHECK(pkt_read(p, 0, frame, p->len));
    trace_bytes("sent on", port->nif, w->now, frame, p->len);
    td_time now = td_stack_now(w->st);
    w->frames = digest(w->frames, &now, sizeof now);
    w->frames = digest(w->frames, &port->nif, sizeof port->nif);
    w->frames = digest(w->frames, frame, p->len);
    if (w->corrupting || w->replay) {
        return 0;
    }
    struct sent s;
    struct ipv4_hdr ip;
    size_t len = untag(frame, p->len);
    if (w->bridged) {
        FUZZ_CHECK(p->len >= ETH_MIN_FRAME && (frame[6] & 1) == 0);
        return 0;
    }
    bool own = !w->forwarding ||
               (len > ETH_HLEN &&
                ipv4_parse(&ip, frame + ETH_HLEN, len - ETH_HLEN) == WIRE_OK && is_own(ip.src));
    sent_check(&s, frame, len, w->mtu, own);
    /* Ours go to a port; one that was translated goes where its sender said. */
    FUZZ_CHECK(!own || w->translating || !s.is_ip || !s.whole || s.ip.proto != IPPROTO_UDP_ || s.udp.dport != 0);
    if (s.is_ip && s.ip.total_len <= sizeof w->last) {
        memcpy(w->last, frame + s.eth.hlen, s.ip.total_len);
        w->last_len = s.ip.total_len;
        w->last_nif = port->nif;
    }
    if (s.is_ip && s.whole && own && s.ip.proto == IPPROTO_TCP_) {
        watch_tcp(w, port->nif, &s);
    }
    return 0;
}
static const struct td_device_ops device_ops = {.transmit = transmit};

/* ---- time ---- */

static void check(struct world *w)
{
    const struct mem *m = td_stack_mem(w->st);
    FUZZ_CHECK(m->used == w->heap);
    FUZZ_CHECK(w->limit == 0 || m->used <= w->limit);
    FUZZ_CHECK(m->used < 256u << 20);
}

static void tick(struct world *w)
{
    td_stack_tick(w->st, w->now);
    FUZZ_CHECK(td_stack_now(w->st) == w->now);
    FUZZ_CHECK(td_stack_next_deadline(w->st) >= w->now);
}

static void flush(struct world *w)
{
    td_stack_flush(w->st, w->now);
    check(w);
}

/* Moves the clock, visiting every deadline on the way as a program would; at most `rounds`. */
static void run_until(struct world *w, td_time until, unsigned rounds)
{
    unsigned standing = 0;
    for (unsigned i = 0; i < rounds && w->steps < MAX_STEPS; i++, w->steps++) {
        td_time next = td_stack_next_deadline(w->st);
        if (next == TD_NEVER || next > until) {
            break;
        }
        standing = next > w->now ? 0 : standing + 1;
        FUZZ_CHECK(standing < 50); /* timers that arm themselves for now, for ever */
        w->now = next > w->now ? next : w->now;
        tick(w);
        flush(w);
    }
    if (until != TD_NEVER && until > w->now) {
        w->now = until;
        tick(w);
    }
}

/* ---- frames ---- */

static void inject(struct world *w, unsigned nif, const uint8_t *frame, size_t len)
{
    trace_bytes("injected on", nif, w->now, frame, len);
    size_t tag = w->tag[nif] != 0 && len >= 12 ? 4 : 0;
    uint8_t *exact = malloc(len + tag > 0 ? len + tag : 1);
    memcpy(exact, frame, len);
    if (tag != 0) {
        memmove(exact + 16, exact + 12, len - 12);
        wire_put16(exact + 12, ETHERTYPE_VLAN);
        wire_put16(exact + 14, w->tag[nif]);
        len += tag;
    }
    int r = td_stack_input_bytes(w->st, w->port[nif].ifindex, exact, len, w->now);
    free(exact);
    FUZZ_CHECK(r == 0 || (r < 0 && r > -4096));
    note_u64(w, (uint64_t)r);
}

/* Ethernet and IP headers around the payload that is already at frame + 34; returns the length. */
static size_t wrap_ip(struct world *w, uint8_t *frame, unsigned nif, const struct ipv4_hdr *ip,
                      size_t payload)
{
    struct ipv4_hdr h = *ip;
    struct eth_hdr eth = {.dst = w->port[nif].mac, .src = peer_mac, .type = ETHERTYPE_IPV4};
    if (h.dst == TD_IP4_BROADCAST || (h.dst & 0xff) == 0xff) {
        eth.dst = MAC_BROADCAST;
    } else if (ip4_is_multicast(h.dst)) {
        eth.dst = mac_from_u64(UINT64_C(0x01005e000000) | (h.dst & 0x7fffff));
    }
    h.total_len = (uint16_t)(IPV4_HLEN + payload);
    h.ttl = h.ttl != 0 ? h.ttl : 64;
    h.id = h.id != 0 ? h.id : ++w->ip_id;
    size_t n = eth_emit(&eth, frame);
    n += ipv4_emit(&h, frame + n);
    return n + payload;
}

static void fix_transport(uint8_t *l4, size_t n, const struct ipv4_hdr *ip)
{
    size_t at = ip->proto == IPPROTO_TCP_ ? 16 : ip->proto == IPPROTO_UDP_ ? 6 : 2;
    if (n < at + 2 ||
        (ip->proto != IPPROTO_TCP_ && ip->proto != IPPROTO_UDP_ && ip->proto != IPPROTO_ICMP_)) {
        return;
    }
    if (ip->proto == IPPROTO_UDP_) {
        wire_put16(l4 + 4, (uint32_t)n);
    }
    wire_put16(l4 + at, 0);
    uint32_t sum =
        ip->proto == IPPROTO_ICMP_ ? 0 : checksum_pseudo(ip->src, ip->dst, ip->proto, (uint32_t)n);
    wire_put16(l4 + at, checksum_finish(checksum_add(sum, l4, n)));
}

static struct flow *pick_flow(struct world *w, uint8_t which)
{
    unsigned n = w->flows < FLOWS ? w->flows : FLOWS;
    return n == 0 ? NULL : &w->flow[which % n];
}

static uint8_t *fix_frame(struct world *w, uint8_t *frame, size_t *len, unsigned nif, uint8_t fix)
{
    size_t n = *len;
    if (n < ETH_HLEN) {
        return frame;
    }
    if ((fix & FIX_MAC) != 0) {
        memcpy(frame, w->port[nif].mac.b, 6);
        memcpy(frame + 6, peer_mac.b, 6);
    }
    if ((fix & FIX_BCAST) != 0) {
        memset(frame, 0xff, 6);
    }
    if ((fix & FIX_TYPE) != 0) {
        wire_put16(frame + 12, ETHERTYPE_IPV4);
    }
    struct eth_hdr eth;
    if (eth_parse(&eth, frame, n) != WIRE_OK || eth.type != ETHERTYPE_IPV4 || n < eth.hlen + 20u) {
        return frame;
    }
    uint8_t *b = frame + eth.hlen;
    n -= eth.hlen;
    if ((fix & FIX_IP) != 0) {
        unsigned ihl = b[0] & 15;
        if (ihl < 5 || ihl * 4 > n) {
            ihl = 5;
        }
        b[0] = (uint8_t)(0x40 | ihl);
        wire_put16(b + 2, (uint32_t)n);
        b[8] = b[8] != 0 ? b[8] : 64;
    }
    if ((fix & FIX_ADDR) != 0) {
        wire_put32(b + 12, NET_PEER(nif));
        wire_put32(b + 16, NET_US(nif));
    }
    size_t hlen = (size_t)(b[0] & 15) * 4;
    if (hlen < 20 || hlen > n) {
        return frame;
    }
    struct ipv4_hdr ip = {.proto = b[9]};
    uint8_t *l4 = b + hlen;
    size_t l4_len = n - hlen;
    const struct flow *f = pick_flow(w, b[4]);
    if ((fix & FIX_PORT) != 0 && l4_len >= 4) {
        wire_put16(l4, f != NULL ? f->pport : 40000);
        wire_put16(l4 + 2, f != NULL ? f->lport : op_port[l4[2] % OP_PORTS]);
        if (f != NULL && (fix & FIX_ADDR) != 0) {
            wire_put32(b + 12, f->peer);
            wire_put32(b + 16, f->us);
        }
    }
    if ((fix & FIX_TCP) != 0 && l4_len >= TCP_HLEN && f != NULL) {
        wire_put32(l4 + 4, f->rcv_nxt + (uint32_t)(int8_t)l4[7]);
        wire_put32(l4 + 8, f->snd_nxt + (uint32_t)(int8_t)l4[11]);
        if ((size_t)(l4[12] >> 4) * 4 > l4_len || l4[12] >> 4 < 5) {
            l4[12] = (uint8_t)(0x50 | (l4[12] & 15));
        }
    }
    ip.src = wire_get32(b + 12);
    ip.dst = wire_get32(b + 16);
    if ((fix & FIX_SUM) != 0) {
        fix_transport(l4, l4_len, &ip);
    }
    if ((fix & FIX_IP) != 0) {
        wire_put16(b + 10, 0);
        wire_put16(b + 10, checksum(b, hlen));
    }
    return frame;
}

static void op_frame(struct world *w, struct input *in)
{
    uint8_t frame[MAX_FRAME];
    unsigned nif = get8(in) & 1;
    uint8_t fix = get8(in);
    size_t n = get_bytes(in, frame, sizeof frame);
    w->pure = w->pure && (n < 54 || (fix & (FIX_PORT | FIX_TCP)) == 0);
    inject(w, nif, fix_frame(w, frame, &n, nif, fix), n);
}

static void send_segment(struct world *w, unsigned nif, struct tcp_hdr *t, td_ip4 src, td_ip4 dst,
                         size_t len, const uint8_t *data, uint8_t opts)
{
    uint8_t frame[MAX_FRAME];
    struct ipv4_hdr ip = {.src = src, .dst = dst, .proto = IPPROTO_TCP_, .flags = IPV4_DF};
    uint8_t *l4 = frame + ETH_HLEN + IPV4_HLEN;
    size_t hlen = tcp_emit(t, l4);
    memcpy(l4 + hlen, data, len);
    fix_transport(l4, hlen + len, &ip);
    if ((opts & SEG_BAD_SUM) != 0) {
        l4[16] ^= 1;
    }
    inject(w, nif, frame, wrap_ip(w, frame, nif, &ip, hlen + len));
}

static void lay_out(struct world *w, struct tcp_hdr *t, uint8_t opts, struct input *in)
{
    bool syn = (t->flags & TCP_SYN) != 0;
    t->o.has_ts = (opts & SEG_TS) != 0;
    t->o.has_mss = (opts & SEG_MSS) != 0;
    t->o.mss = 1460;
    t->o.has_wscale = (opts & SEG_WSCALE) != 0;
    t->o.wscale = 7;
    t->o.has_sack_perm = (opts & SEG_SACK_PERM) != 0;
    t->o.has_fastopen = (opts & SEG_FASTOPEN) != 0;
    t->o.ts_val = (uint32_t)(w->now / TD_MS);
    tcp_opts_layout(t, syn, TCP_OPTS_LINUX);
    if ((opts & SEG_GARBAGE) != 0 && t->raw_len <= 32) {
        get_bytes(in, t->raw + t->raw_len, 8);
        t->raw_len = (uint8_t)(t->raw_len + 8);
    }
}

static void op_segment(struct world *w, struct input *in)
{
    struct flow *f = pick_flow(w, get8(in));
    if (f == NULL) {
        return;
    }
    struct tcp_hdr t = {.sport = f->pport, .dport = f->lport};
    uint8_t flags = get8(in);
    int32_t dseq = (int8_t)get8(in), dack = (int8_t)get8(in);
    t.flags = flags;
    t.wnd = get16(in);
    uint8_t opts = get8(in);
    size_t len = get8(in);
    uint8_t scale = get8(in);
    dseq *= (scale & SCALE_SEQ_MSS) != 0 ? 1460 : (scale & SCALE_SEQ_MEG) != 0 ? 1 << 20 : 1;
    dack *= (scale & SCALE_ACK_MSS) != 0 ? 1460 : (scale & SCALE_ACK_MEG) != 0 ? 1 << 20 : 1;
    len *= (scale & SCALE_LEN_5) != 0 ? 5 : 1;
    uint32_t base = (scale & SCALE_ACK_UNA) != 0 ? f->snd_una : f->snd_nxt;
    t.seq = f->rcv_nxt + (uint32_t)dseq;
    t.ack = (flags & TCP_ACK) != 0 ? base + (uint32_t)dack : 0;
    t.urp = (flags & TCP_URG) != 0 ? get8(in) : 0;
    t.o.ts_ecr = f->ts_val;
    if ((opts & SEG_SACK) != 0) {
        t.o.nsack = 2;
        t.o.sack[0].left = f->snd_una + (uint32_t)get8(in) * 100;
        t.o.sack[0].right = t.o.sack[0].left + (uint32_t)get8(in) * 100;
        t.o.sack[1].left = f->snd_nxt - (uint32_t)get8(in) * 100;
        t.o.sack[1].right = f->snd_nxt;
    }
    lay_out(w, &t, opts, in);
    if ((flags & TCP_ACK) != 0 && seq_gt(t.ack, f->snd_una) && seq_le(t.ack, f->snd_nxt)) {
        f->snd_una = t.ack;
    }
    const uint8_t *data = pattern;
    if ((flags & TCP_SYN) != 0) {
        f->irs_offered = f->irs_known ? f->irs_offered : t.seq;
    } else if (f->irs_known) {
        data = stream_bytes(t.seq - f->irs - 1);
    } else {
        w->pure = w->pure && len == 0;
    }
    w->pure = w->pure && (flags & TCP_URG) == 0;
    td_ip4 src = f->peer, dst = f->us;
    send_segment(w, f->nif, &t, src, dst, len, data, opts);
}

static void op_syn(struct world *w, struct input *in)
{
    unsigned nif = get8(in) & 1;
    struct tcp_hdr t = {.flags = TCP_SYN, .wnd = 65535};
    t.dport = op_port[get8(in) % OP_PORTS];
    t.sport = (uint16_t)(41000 + get8(in));
    t.seq = (uint32_t)get8(in) << 24 | 0xfffff0; /* near a carry, and once near the wrap */
    uint8_t opts = get8(in);
    lay_out(w, &t, opts, in);
    send_segment(w, nif, &t, NET_PEER(nif), NET_US(nif), 0, pattern, opts);
}

static void op_udp(struct world *w, struct input *in)
{
    uint8_t frame[MAX_FRAME];
    unsigned nif = get8(in) & 1;
    uint8_t src = get8(in), dst = get8(in);
    struct ipv4_hdr ip = {.proto = IPPROTO_UDP_};
    ip.src = src == 0 ? NET_PEER(nif) : op_addr[src % OP_ADDRS];
    ip.dst = dst == 0 ? NET_US(nif) : op_addr[dst % OP_ADDRS];
    struct udp_hdr u = {.sport = op_port[get8(in) % OP_PORTS],
                        .dport = op_port[get8(in) % OP_PORTS]};
    size_t len = (size_t)get8(in) * 5;
    uint8_t how = get8(in);
    uint8_t *l4 = frame + ETH_HLEN + IPV4_HLEN;
    u.length = (uint16_t)(UDP_HLEN + len);
    udp_emit(&u, l4);
    memcpy(l4 + UDP_HLEN, pattern, len);
    fix_transport(l4, UDP_HLEN + len, &ip);
    if ((how & 1) != 0) {
        wire_put16(l4 + 6, 0);
    } else if ((how & 2) != 0) {
        l4[7] ^= 1;
    }
    if ((how & 4) != 0) {
        wire_put16(l4 + 4, get16(in));
    }
    inject(w, nif, frame, wrap_ip(w, frame, nif, &ip, UDP_HLEN + len));
}

static void op_icmp(struct world *w, struct input *in)
{
    uint8_t frame[MAX_FRAME];
    unsigned nif = get8(in) & 1;
    struct ipv4_hdr ip = {.proto = IPPROTO_ICMP_, .src = NET_PEER(nif)};
    uint8_t *l4 = frame + ETH_HLEN + IPV4_HLEN;
    memset(l4, 0, 20);
    l4[0] = get8(in);
    l4[1] = get8(in);
    uint8_t dst = get8(in);
    ip.dst = dst == 0 ? NET_US(nif) : op_addr[dst % OP_ADDRS];
    size_t len = (size_t)get8(in) * 5;
    wire_put16(l4 + 4, get16(in)); /* identifier: ping sockets are found by it */
    memcpy(l4 + 8, pattern, len);
    fix_transport(l4, 8 + len, &ip);
    inject(w, nif, frame, wrap_ip(w, frame, nif, &ip, 8 + len));
}

static void op_icmp_error(struct world *w, struct input *in)
{
    uint8_t frame[MAX_FRAME];
    struct ipv4_hdr ip = {.proto = IPPROTO_ICMP_}, quoted;
    if (w->last_len == 0 || ipv4_parse(&quoted, w->last, w->last_len) != WIRE_OK) {
        return;
    }
    uint8_t *l4 = frame + ETH_HLEN + IPV4_HLEN;
    l4[0] = get8(in);
    l4[1] = get8(in);
    wire_put32(l4 + 4, get32(in));
    size_t quote = (size_t)get8(in) + 20, at = get8(in);
    uint8_t value = get8(in);
    quote = quote < w->last_len ? quote : w->last_len;
    memcpy(l4 + 8, w->last, quote);
    if (at < quote) { /* at 0 with value 0: as it was */
        l4[8 + at] ^= value;
    }
    ip.src = (value & 1) != 0 ? TD_IP4(10, 0, 0, 254) : quoted.dst;
    ip.dst = quoted.src;
    fix_transport(l4, 8 + quote, &ip);
    inject(w, w->last_nif, frame, wrap_ip(w, frame, w->last_nif, &ip, 8 + quote));
}

static void op_arp(struct world *w, struct input *in)
{
    uint8_t frame[ETH_MIN_FRAME] = {0};
    unsigned nif = get8(in) & 1;
    struct arp_pkt a = {.op = get8(in), .sha = peer_mac};
    a.spa = op_addr[get8(in) % OP_ADDRS];
    a.tpa = op_addr[get8(in) % OP_ADDRS];
    uint8_t mac = get8(in);
    a.sha.b[5] ^= mac;
    if ((mac & 0xc0) != 0) { /* one of many */
        a.spa = (NET_PEER(nif) & 0xffffff00) | mac;
    }
    struct eth_hdr eth = {.dst = (mac & 1) != 0 ? MAC_BROADCAST : w->port[nif].mac,
                          .src = a.sha,
                          .type = ETHERTYPE_ARP};
    size_t n = eth_emit(&eth, frame);
    arp_emit(&a, frame + n);
    inject(w, nif, frame, sizeof frame);
}

static void op_fragment(struct world *w, struct input *in)
{
    static const uint8_t proto[] = {IPPROTO_UDP_, IPPROTO_ICMP_, IPPROTO_TCP_, 250};
    uint8_t frame[MAX_FRAME];
    unsigned nif = get8(in) & 1;
    struct ipv4_hdr ip = {.src = NET_PEER(nif)};
    ip.proto = proto[get8(in) % sizeof proto];
    uint8_t dst = get8(in);
    ip.dst = dst == 0 ? NET_US(nif) : op_addr[dst % OP_ADDRS];
    ip.id = (uint16_t)(0x7000 + get8(in));
    ip.frag_off = (uint16_t)((get16(in) & 0x1fff) * 8);
    uint8_t more = get8(in);
    ip.flags = (more & 1) != 0 ? IPV4_MF : 0;
    size_t len = (size_t)get8(in) * ((more & 2) != 0 ? 1 : 8);
    uint8_t *l4 = frame + ETH_HLEN + IPV4_HLEN;
    memcpy(l4, pattern, len);
    if (ip.frag_off == 0 && len >= UDP_HLEN) {
        struct udp_hdr u = {.sport = 53, .dport = 53, .length = get16(in)};
        udp_emit(&u, l4);
        if (ip.proto == IPPROTO_ICMP_) {
            memset(l4, 0, 8);
            l4[0] = ICMP_ECHO;
        }
    }
    inject(w, nif, frame, wrap_ip(w, frame, nif, &ip, len));
}

/* ---- applications ---- */

static void result(struct world *w, int64_t r, int64_t most)
{
    TRACE("%12.6f   result %lld\n", (double)w->now / 1e9, (long long)r);
    FUZZ_CHECK(r > -4096 && r <= most);
    note_u64(w, (uint64_t)r);
}

static struct stream *stream_of(struct world *w, int s)
{
    int type = 0;
    socklen_t len = sizeof type;
    uint32_t id = td_socket_id(w->st, s);
    if (id == 0 || td_getsockopt(w->st, s, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
        type != SOCK_STREAM) {
        return NULL;
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        struct stream *at = &w->stream[(id + i) % STREAMS];
        if (at->id == id || at->id == 0) {
            at->id = id;
            return at;
        }
    }
    w->pure = false;
    return NULL;
}

/* What to send next on s. */
static const uint8_t *to_send(struct world *w, int s)
{
    const struct stream *stream = stream_of(w, s);
    return stream != NULL ? stream_bytes(stream->sent) : datagram;
}
static void sent_bytes(struct world *w, int s, int64_t r, size_t n, int flags)
{
    result(w, r, (int64_t)n);
    struct stream *stream = r > 0 ? stream_of(w, s) : NULL;
    if (stream != NULL) {
        stream->sent += (uint64_t)r;
        w->pure = w->pure && (flags & MSG_OOB) == 0;
    }
}
static void received_bytes(struct world *w, int s, int64_t r, size_t n, int flags)
{
    result(w, r, (int64_t)n);
    struct stream *stream = r > 0 ? stream_of(w, s) : NULL;
    if (stream == NULL || (flags & (MSG_OOB | MSG_ERRQUEUE)) != 0) {
        return;
    }
    FUZZ_CHECK(!w->pure || memcmp(sink, stream_bytes(stream->received), (size_t)r) == 0);
    if ((flags & MSG_PEEK) == 0) {
        stream->received += (uint64_t)r;
    }
}

static int pick(struct world *w, struct input *in)
{
    uint8_t which = get8(in);
    if (which == 255) {
        return (int)(int8_t)get8(in) * 1000; /* nobody's handle */
    }
    return w->handles == 0 ? 0 : w->handle[which % (w->handles < HANDLES ? w->handles : HANDLES)];
}

static void keep_handle(struct world *w, int s)
{
    result(w, s, 65536);
    if (s >= 0) {
        w->handle[w->handles++ % HANDLES] = s;
    }
}

static void on_notify(void *ctx, struct td_stack *st, int s, int mask)
{
    struct world *w = ctx;
    FUZZ_CHECK(st == w->st);
    FUZZ_CHECK(mask >= 0);
    note_u64(w, (uint64_t)s << 32 | (uint64_t)mask);
    if (w->told++ > 2000) {
        return;
    }
    uint8_t todo = w->notify[(unsigned)s % HANDLES];
    if ((todo & NOTIFY_ACCEPT) != 0 && (mask & POLLIN) != 0) {
        int child = td_accept(st, s, NULL, NULL);
        if (child >= 0) {
            keep_handle(w, child);
            w->notify[(unsigned)child % HANDLES] = NOTIFY_READ | NOTIFY_WRITE | NOTIFY_CLOSE_AT_END;
            result(w, td_set_notify(st, child, on_notify, w), 0);
            return;
        }
    }
    if ((todo & NOTIFY_READ) != 0 && (mask & POLLIN) != 0) {
        int64_t got = td_recv(st, s, sink, 3000, 0);
        received_bytes(w, s, got, 3000, 0);
        if (got == 0 && (todo & NOTIFY_CLOSE_AT_END) != 0) {
            result(w, td_close(st, s), 0);
            return;
        }
    }
    if ((todo & NOTIFY_WRITE) != 0 && (mask & POLLOUT) != 0 && w->told < 500) {
        sent_bytes(w, s, td_send(st, s, to_send(w, s), 700, MSG_NOSIGNAL), 700, 0);
    }
}

static int get_flags(struct input *in)
{
    int flags = get8(in);
    int linux_flags = flags & ~(FLAG_MORE | FLAG_ERRQUEUE);
    linux_flags |= (flags & FLAG_MORE) != 0 ? MSG_MORE : 0;
    linux_flags |= (flags & FLAG_ERRQUEUE) != 0 ? MSG_ERRQUEUE : 0;
    return linux_flags;
}

static struct sockaddr_in name_of(struct input *in)
{
    td_ip4 addr = op_addr[get8(in) % OP_ADDRS];
    return td_sockaddr(addr, op_port[get8(in) % OP_PORTS]);
}

static void op_socket(struct world *w, struct input *in)
{
    static const struct {
        int domain, type, protocol;
    } kind[] = {{AF_INET, SOCK_STREAM, 0},           {AF_INET, SOCK_DGRAM, 0},
                {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}, {AF_INET, SOCK_STREAM, IPPROTO_TCP},
                {AF_INET, SOCK_DGRAM, IPPROTO_UDP},  {AF_INET, SOCK_RAW, 0},
                {AF_INET6, SOCK_STREAM, 0},          {AF_INET, SOCK_STREAM, IPPROTO_UDP}};
    unsigned k = get8(in) % (sizeof kind / sizeof kind[0]);
    keep_handle(w, td_socket(w->st, kind[k].domain, kind[k].type, kind[k].protocol));
}

static const struct {
    int level, name;
} socket_option[] = {
    {SOL_SOCKET, SO_REUSEADDR},
    {SOL_SOCKET, SO_KEEPALIVE},
    {SOL_SOCKET, SO_BROADCAST},
    {SOL_SOCKET, SO_SNDBUF},
    {SOL_SOCKET, SO_RCVBUF},
    {SOL_SOCKET, SO_LINGER},
    {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_ERROR},
    {SOL_SOCKET, SO_RCVLOWAT},
    {SOL_SOCKET, SO_DONTROUTE},
    {SOL_SOCKET, SO_REUSEPORT},
    {SOL_SOCKET, SO_NO_CHECK},
    {SOL_SOCKET, SO_BINDTODEVICE},
    {SOL_SOCKET, SO_ACCEPTCONN},
    {SOL_SOCKET, SO_TYPE},
    {SOL_SOCKET, SO_TIMESTAMP},
    {IPPROTO_IP, IP_TTL},
    {IPPROTO_IP, IP_TOS},
    {IPPROTO_IP, IP_OPTIONS},
    {IPPROTO_IP, IP_PKTINFO},
    {IPPROTO_IP, IP_RECVERR},
    {IPPROTO_IP, IP_RECVTTL},
    {IPPROTO_IP, IP_RECVTOS},
    {IPPROTO_IP, IP_MTU_DISCOVER},
    {IPPROTO_IP, IP_MTU},
    {IPPROTO_IP, IP_RECVOPTS},
    {IPPROTO_IP, IP_MULTICAST_TTL},
    {IPPROTO_IP, IP_MULTICAST_LOOP},
    {IPPROTO_IP, IP_MULTICAST_IF},
    {IPPROTO_IP, IP_ADD_MEMBERSHIP},
    {IPPROTO_IP, IP_DROP_MEMBERSHIP},
    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_MAXSEG},
    {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_SYNCNT},
    {IPPROTO_TCP, TCP_LINGER2},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP},
    {IPPROTO_TCP, TCP_INFO},
    {IPPROTO_TCP, TCP_QUICKACK},
    {IPPROTO_TCP, TCP_CONGESTION},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},
};
#define SOCKET_OPTIONS (sizeof socket_option / sizeof socket_option[0])

static void op_setopt(struct world *w, struct input *in)
{
    int s = pick(w, in);
    uint8_t which = get8(in);
    uint8_t *value = malloc(64);
    socklen_t len;
    if (which == 255) {
        uint8_t level = get8(in), name = get8(in);
        len = (socklen_t)get_bytes(in, value, 64);
        uint8_t *exact = malloc(len > 0 ? len : 1);
        memcpy(exact, value, len);
        result(w, td_setsockopt(w->st, s, level, name, exact, len), 0);
        free(exact);
    } else {
        int level = socket_option[which % SOCKET_OPTIONS].level;
        int name = socket_option[which % SOCKET_OPTIONS].name;
        int v = (int)get32(in);
        struct linger linger = {v & 1, (v >> 8) & 0xff};
        struct ip_mreq group = {{htonl(op_addr[(unsigned)v % OP_ADDRS])}, {0}};
        if (level == SOL_SOCKET && name == SO_LINGER) {
            result(w, td_setsockopt(w->st, s, level, name, &linger, sizeof linger), 0);
        } else if (level == IPPROTO_IP &&
                   (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP)) {
            result(w, td_setsockopt(w->st, s, level, name, &group, sizeof group), 0);
        } else if (level == IPPROTO_IP && name == IP_OPTIONS) {
            len = (socklen_t)get_bytes(in, value, 44);
            result(w, td_setsockopt(w->st, s, level, name, value, len), 0);
        } else {
            result(w, td_setsockopt(w->st, s, level, name, &v, sizeof v), 0);
        }
    }
    free(value);
}

static void op_getopt(struct world *w, struct input *in)
{
    int s = pick(w, in);
    uint8_t which = get8(in);
    socklen_t size = get8(in), len = size;
    uint8_t *value = malloc(size > 0 ? size : 1);
    memset(value, 0, size);
    int r = td_getsockopt(w->st, s, socket_option[which % SOCKET_OPTIONS].level,
                          socket_option[which % SOCKET_OPTIONS].name, value, &len);
    result(w, r, 0);
    if (r == 0) {
        FUZZ_CHECK(len <= size);
        note(w, value, len);
    }
    free(value);
}

static void op_msg(struct world *w, struct input *in)
{
    int s = pick(w, in);
    uint8_t direction = get8(in);
    size_t len = get16(in) % 20000;
    int flags = get_flags(in);
    size_t control_len = in->left < 128 ? in->left : 128;
    if ((direction & MSG_ONE_CONTROL) != 0) {
        control_len = CMSG_SPACE(sizeof(struct in_pktinfo));
    }
    uint8_t *control = calloc(1, control_len > 0 ? control_len : 1);
    if ((direction & MSG_ONE_CONTROL) != 0) {
        struct cmsghdr c = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = get8(in)};
        uint32_t value[3] = {0};
        c.cmsg_type = get8(in);
        value[0] = get32(in);
        if (c.cmsg_level == IPPROTO_IP && c.cmsg_type == IP_PKTINFO) {
            c.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
            value[1] = htonl(op_addr[value[0] >> 8 & 15]);
            value[0] &= 3;
        }
        memcpy(control, &c, sizeof c);
        memcpy(control + CMSG_LEN(0), value, sizeof value);
    } else {
        get_bytes(in, control, control_len);
    }
    struct sockaddr_in name = td_sockaddr(NET_PEER(0), 53);
    uint8_t *data = sink;
    if ((direction & MSG_RECV) == 0) {
        memcpy(data, to_send(w, s), len);
    }
    struct iovec iov[3] = {{data, len / 3}, {data + len / 3, 0}, {data + len / 3, len - len / 3}};
    struct msghdr m = {.msg_iov = iov,
                       .msg_iovlen = 3,
                       .msg_control = control,
                       .msg_controllen = control_len,
                       .msg_name = (direction & MSG_NAME) != 0 ? &name : NULL,
                       .msg_namelen = (direction & MSG_NAME) != 0 ? sizeof name : 0};
    if ((direction & MSG_RECV) != 0) {
        flags &= ~MSG_TRUNC;
        received_bytes(w, s, td_recvmsg(w->st, s, &m, flags), len, flags);
        FUZZ_CHECK(m.msg_controllen <= control_len);
    } else {
        sent_bytes(w, s, td_sendmsg(w->st, s, &m, flags), len, flags);
    }
    free(control);
}

/* Ends what s is, from outside: the socket stays, and goes on being used. */
static void destroy(struct world *w, int s)
{
    struct sockaddr_in own = {0}, peer = {0};
    socklen_t len = sizeof own, peer_len = sizeof peer;
    int type = 0;
    socklen_t type_len = sizeof type;
    if (td_getsockname(w->st, s, (struct sockaddr *)&own, &len) != 0 ||
        td_getsockopt(w->st, s, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0)
        return;
    (void)td_getpeername(w->st, s, (struct sockaddr *)&peer, &peer_len);
    const struct td_ends e = {.protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
                              .laddr = ntohl(own.sin_addr.s_addr),
                              .lport = ntohs(own.sin_port),
                              .raddr = ntohl(peer.sin_addr.s_addr),
                              .rport = ntohs(peer.sin_port)};
    note_u64(w, (uint64_t)td_socket_destroy(w->st, &e));
}

static void op_misc(struct world *w, struct input *in)
{
    int s = pick(w, in), value = 0;
    struct sockaddr_in name = {0};
    socklen_t len = sizeof name;
    switch (get8(in) % 8) {
    case 0:
        keep_handle(w, td_dup(w->st, s));
        break;
    case 1:
        result(w, td_ioctl(w->st, s, SIOCINQ, &value), 0);
        break;
    case 2:
        result(w, td_ioctl(w->st, s, SIOCOUTQ, &value), 0);
        break;
    case 3:
        result(w, td_ioctl(w->st, s, SIOCATMARK, &value), 0);
        break;
    case 4:
        result(w, td_poll(w->st, s), 0xffff);
        break;
    case 5:
        result(w, td_getsockname(w->st, s, (struct sockaddr *)&name, &len), 0);
        note(w, &name, sizeof name);
        break;
    case 6:
        result(w, td_getpeername(w->st, s, (struct sockaddr *)&name, &len), 0);
        note(w, &name, sizeof name);
        break;
    default:
        note_u64(w, td_socket_id(w->st, s));
        if ((get8(in) & 3) == 3)
            destroy(w, s);
        break;
    }
    note_u64(w, (uint64_t)value);
}

static void op_notify(struct world *w, struct input *in)
{
    int s = pick(w, in);
    uint8_t what = get8(in);
    if (s >= 0) {
        w->notify[(unsigned)s % HANDLES] = what;
    }
    result(w, td_set_notify(w->st, s, (what & NOTIFY_OFF) != 0 ? NULL : on_notify, w), 0);
}

/* ---- configuration ---- */

/* Routes and rules in lists, tables and ways; what one refuses must leave no trace of those before it. */
static void op_routing(struct world *w, struct input *in)
{
    static const enum td_change_kind kinds[] = {TD_CHANGE_ADD,     TD_CHANGE_APPEND,   TD_CHANGE_REPLACE,
                                                TD_CHANGE_CHANGE,  TD_CHANGE_DEL,      TD_CHANGE_RULE_ADD,
                                                TD_CHANGE_RULE_DEL, TD_CHANGE_FLUSH_CACHE};
    static const uint32_t tables[] = {0, TD_TABLE_MAIN, TD_TABLE_LOCAL, TD_TABLE_DEFAULT, 7, 1000};
    struct td_change c[4];
    struct td_path ways[3];
    struct td_reason why[40];
    struct td_route_answer answer = {0};
    struct td_change_list l = {.change = c, .path = ways, .npaths = 3};
    uint32_t routes[2] = {0, 0};
    uint8_t n = get8(in);
    unsigned reasons = 0;
    size_t bad = 0;

    memset(c, 0, sizeof c);
    memset(ways, 0, sizeof ways);
    l.n = 1 + n % 4;
    for (size_t i = 0; i < l.n; i++) {
        uint8_t a = get8(in), b = get8(in), d = get8(in);
        c[i].kind = kinds[n >> 2 & 7];
        n = (uint8_t)(n * 5 + a);
        c[i].route = (struct td_route){.prefix = op_addr[a % OP_ADDRS] & (b % 33 != 0 ? ~UINT32_C(0) << (32 - b % 33) : 0),
                                       .plen = b % 33,
                                       .type = (d & 0x80) != 0 ? d % 9 : 0,
                                       .gateway = (d & 0x40) != 0 ? op_addr[d % OP_ADDRS] : TD_IP4(10, 0, 0, 254),
                                       .ifindex = (d & 0x20) != 0 ? w->port[a & 1].ifindex : 0,
                                       .metric = a >> 6,
                                       .table = tables[a % 6],
                                       .flags = (d & 0x10) != 0 ? TD_ROUTE_ONLINK : 0,
                                       .proto = d & 3,
                                       .npaths = (b & 0x40) != 0 ? 2 + (d & 1) : 0};
        if ((d & 0x80) != 0 || c[i].route.npaths != 0)
            c[i].route.gateway = 0;
        c[i].rule = (struct td_rule){.priority = (uint32_t)a * 200,
                                     .from = op_addr[b % OP_ADDRS],
                                     .from_len = (d & 1) != 0 ? 32 : 0,
                                     .type = (d & 0x80) != 0 ? 4 + d % 3 : 0,
                                     .not = (d & 2) != 0,
                                     .table = (d & 0x80) != 0 ? 0 : tables[a % 6]};
        if (c[i].rule.from_len == 0)
            c[i].rule.from = 0;
        if ((d & 4) != 0)
            memcpy(c[i].rule.iif, "eth0", 5);
        if (i < 3)
            ways[i] = (struct td_path){.gateway = op_addr[d % OP_ADDRS], .ifindex = w->port[d & 1].ifindex, .weight = b, .flags = d & 1};
    }
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t t = 0; (t = td_table_next(w->st, t)) != 0;) {
            struct td_route x;
            for (uint64_t cursor = 0; td_route_next(w->st, t, &cursor, &x, NULL);)
                routes[pass]++;
        }
        if (pass == 0) {
            int r = td_route_change(w->st, &l, &bad);
            result(w, r, 0);
            if (r >= 0 || r == -ENOMEM)
                break;
        } else {
            FUZZ_CHECK(routes[0] == routes[1] && bad < l.n);
        }
    }
    struct td_route_query q = {.dst = c[0].route.prefix, .src = op_addr[n % OP_ADDRS], .iif = (n & 1) != 0 ? w->port[0].ifindex : 0};
    int r = td_route_explain(w->st, &q, &answer, why, 40, &reasons);
    FUZZ_CHECK(reasons <= 40);
    note_u64(w, r == 0 ? (uint64_t)answer.ifindex << 32 | answer.nexthop : reasons);
}

static void op_config(struct world *w, struct input *in)
{
    uint8_t what = get8(in);
    struct port *port = &w->port[get8(in) & 1];
    uint8_t a = get8(in), b = get8(in);
    td_ip4 addr = op_addr[a % OP_ADDRS];
    if (what >= 224) {
        op_routing(w, in);
        return;
    }
    struct td_route route = {.prefix = addr, .plen = b % 33, .gateway = TD_IP4(10, 0, 0, 254)};
    struct td_route_answer answer = {0};
    struct td_mac mac = peer_mac;
    mac.b[5] = b;
    int r = 0;
    switch (what % 16) {
    case 0:
        r = td_addr_add(w->st, port->ifindex, addr, b % 33);
        break;
    case 1:
        r = td_addr_del(w->st, port->ifindex, addr, b % 33);
        break;
    case 2:
        if ((b & 7) == 5) /* segments of a batch are joined, or not */
            r = td_if_set_flags(w->st, port->ifindex, (a & 1) == 0 ? TD_IF_GRO : 0, (a & 1) == 0 ? 0 : TD_IF_GRO);
        else
            r = td_if_up(w->st, port->ifindex, (a & 1) == 0);
        break;
    case 3: {
        uint32_t mtu = (uint32_t)a << 4 | (b & 15);
        w->mtu = mtu > w->mtu ? mtu : w->mtu;
        r = td_if_set_mtu(w->st, port->ifindex, mtu);
        break;
    }
    case 4:
        r = td_neigh_add(w->st, port->ifindex, addr, mac, (enum td_neigh_state)(b % 3));
        break;
    case 5:
        r = td_neigh_del(w->st, port->ifindex, addr);
        break;
    case 6:
        r = td_neigh_flush(w->st, (a & 1) == 0 ? 0 : port->ifindex);
        break;
    case 7:
        route.type = (a & 0x40) != 0 ? (uint8_t)(4 + b % 3) : 0;
        route.gateway = (a & 0x80) != 0 ? 0 : route.gateway;
        route.ifindex = (a & 0x80) != 0 ? port->ifindex : 0;
        route.metric = b >> 6;
        r = td_route_add(w->st, &route, (b & 1) != 0);
        break;
    case 8:
        r = td_route_del(w->st, &route);
        break;
    case 9:
        r = td_route_get(w->st, addr, op_addr[b % OP_ADDRS], &answer);
        note_u64(w, r == 0 ? (uint64_t)answer.src << 32 | answer.nexthop : 0);
        break;
    case 10:
        port->busy = true;
        w->off_tape = true;
        break;
    case 11:
        port->busy = false;
        td_if_ready(w->st, port->ifindex);
        break;
    case 12:
        mac.b[0] = (uint8_t)(a & 0xfc) | 2;
        r = td_if_set_mac(w->st, port->ifindex, mac);
        port->mac = r == 0 ? mac : port->mac;
        break;
    case 13:
        td_stack_entropy(w->st, &a, sizeof a);
        break;
    case 14:
        r = td_if_del(w->st, port->ifindex);
        break;
    default:
        flush(w);
        break;
    }
    result(w, r, 0);
}

/* Rules come and go while connections, fragments and errors are under way: each of these in any order. */
static void op_rules(struct world *w, struct input *in)
{
    static const char *const rules[] = {
        "-F\n-X\n-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-t nat -F\n-t mangle -F",
        "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        "-A INPUT -p tcp --dport 80 -m limit --limit 5/second -j ACCEPT",
        "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
        "-A OUTPUT -p udp -j REJECT --reject-with icmp-admin-prohibited",
        "-A FORWARD -j REJECT",
        "-I FORWARD -j LOG --log-prefix seen",
        "-P OUTPUT DROP",
        "-t nat -A POSTROUTING -o eth1 -j MASQUERADE --random",
        "-t nat -A POSTROUTING -o eth0 -p tcp -j SNAT --to-source 10.0.0.1:1024-1027",
        "-t nat -A PREROUTING -p udp --dport 53 -j DNAT --to-destination 10.1.0.2-10.1.0.5",
        "-t nat -A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 80",
        "-t nat -A OUTPUT -p tcp -j DNAT --to-destination 127.0.0.1",
        "-t nat -A OUTPUT -p udp -j REDIRECT --to-ports 7",
        "-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
        "-t mangle -A OUTPUT -p tcp --syn -j TCPMSS --set-mss 100",
        "-N own\n-A own -f -j DROP\n-A own -g own2",
        "-N own2\n-A INPUT -j own2\n-A own2 -p icmp --icmp-type 3/4 -j RETURN",
        "-D INPUT 1",
    };
    char text[512], msg[600];
    uint8_t which = get8(in);

    if (which == 255) {
        size_t n = get_bytes(in, (uint8_t *)text, sizeof text - 1);
        text[n] = '\0';
    } else {
        snprintf(text, sizeof text, "%s", rules[which % (sizeof rules / sizeof rules[0])]);
    }
    w->forwarding = w->translating = true;
    int r = td_nf_restore(w->st, text, 0, msg, sizeof msg, NULL);
    FUZZ_CHECK(r <= 0 && (r == 0) == (msg[0] == '\0') && strchr(msg, '\n') == NULL);
    result(w, r, 0);
    if (which % 64 == 63)
        result(w, td_nf_forget(w->st, "", msg, sizeof msg), INT64_MAX);
}

struct knob_names {
    char name[128];
    unsigned want, at, count;
};
static void on_knob(void *ctx, const char *name, const char *doc)
{
    struct knob_names *k = ctx;
    FUZZ_CHECK(name != NULL && doc != NULL);
    if (k->at++ == k->want) {
        snprintf(k->name, sizeof k->name, "%s", name);
    }
}

static void op_knob(struct world *w, struct input *in)
{
    static const char *const value[] = {"0",
                                        "1",
                                        "2",
                                        "3",
                                        "10",
                                        "40",
                                        "100",
                                        "1000",
                                        "65535",
                                        "1000000",
                                        "-1",
                                        "reno",
                                        "4096 8192 16384",
                                        "1 2 3",
                                        "2147483648",
                                        "x",
                                        "",
                                        "32768 32770"};
    char text[256] = "";
    if (in->left > 0 && in->p[0] == 255) { /* by name */
        (void)get8(in);
        size_t n = get_bytes(in, (uint8_t *)text, sizeof text - 1);
        text[n] = '\0';
        char *v = strchr(text, '=');
        if (v != NULL && strncmp(text, "tapdeck.journal.records", 23) != 0) {
            *v++ = '\0';
            result(w, td_knob_set(w->st, text, v), 0);
        }
        w->forwarding = true; /* for all we know */
        return;
    }
    struct knob_names k = {.want = UINT32_MAX};
    td_knob_each(w->st, on_knob, &k);
    k.count = k.at;
    k.at = 0;
    k.want = get8(in) % (k.count > 0 ? k.count : 1);
    td_knob_each(w->st, on_knob, &k);
    const char *v = value[get8(in) % (sizeof value / sizeof value[0])];
    if (strcmp(k.name, "tapdeck.journal.records") == 0 && strlen(v) > 5) {
        v = "50"; /* gigabytes of journal are allowed, and too slow for this */
    }
    result(w, td_knob_set(w->st, k.name, v), 0);
    result(w, td_knob_get(w->st, k.name, text, sizeof text), sizeof text);
    note(w, text, strlen(text));
    td_knob_get(w->st, "net.ipv4.ip_forward", text, sizeof text);
    w->forwarding = w->forwarding || strcmp(text, "0") != 0;
}

static void op_netem(struct world *w, struct input *in)
{
    struct port *port = &w->port[get8(in) & 1];
    bool ingress = (get8(in) & 1) != 0;
    struct td_netem n = {0};
    uint8_t rate = get8(in);
    n.rate = rate == 0 ? 0 : (uint64_t)1000 << (rate % 24);
    n.delay = op_delay[get8(in) % 10];
    n.jitter = op_delay[get8(in) % 9];
    n.loss = (uint32_t)get8(in) << 22;
    n.duplicate = (uint32_t)get8(in) << 22;
    n.corrupt = (uint32_t)get8(in) << 22;
    n.reorder = (uint32_t)get8(in) << 22;
    n.limit = get8(in);
    n.seed = get8(in);
    w->corrupting = w->corrupting || (n.corrupt != 0 && !ingress);
    result(w, td_if_netem(w->st, port->ifindex, ingress, n.seed == 0 ? NULL : &n), 0);
}

/* What the console would show: rows of a table from a cursor on, or what the journal says. */
static void op_look(struct world *w, struct input *in)
{
    static struct row row;
    uint8_t which = get8(in), rows = get8(in);
    char text[1024];
    uint64_t cursor = 0;
    if (which == 0) {
        const struct journal *j = &w->st->journal;
        uint64_t from = j->next_seq > rows ? j->next_seq - rows : 0;
        const struct journal_record *r;
        for (unsigned i = 0; i < rows && (r = journal_from(w->st, from)) != NULL; i++) {
            size_t n = journal_format(w->st, r, text, rows);
            FUZZ_CHECK(rows == 0 || strlen(text) < rows);
            n = journal_format(w->st, r, text, sizeof text);
            FUZZ_CHECK(n == strlen(text));
            note(w, text, n);
            FUZZ_CHECK(r->seq >= from);
            from = r->seq + 1;
        }
        return;
    }
    const struct table *t = w->st->tables;
    for (unsigned i = 1; i < which % 16 && t != NULL && t->link != NULL; i++) {
        t = t->link;
    }
    for (unsigned i = 0; t != NULL && i < rows; i++) {
        row_clear(&row);
        uint64_t before = cursor;
        if (!t->next(w->st, &cursor, &row)) {
            break;
        }
        FUZZ_CHECK(cursor > before);
        for (unsigned c = 0; c < t->ncolumns; c++) {
            FUZZ_CHECK(row.v[c].type == VAL_NONE || row.v[c].type == t->columns[c].type);
            size_t n = value_format(&row.v[c], text, sizeof text);
            FUZZ_CHECK(n == strlen(text));
            note(w, text, n);
        }
    }
}

/* ---- VLANs, bridges, dummies ---- */

static int link_new(struct world *w, uint32_t lower, uint8_t a, uint8_t b)
{
    static const enum td_link_kind kinds[] = {TD_LINK_VLAN, TD_LINK_BRIDGE, TD_LINK_DUMMY,
                                              TD_LINK_DEVICE};
    struct td_link_config c = {.kind = kinds[a >> 6], .flags = (a & 1) != 0 ? TD_IF_UP : 0};
    uint32_t index;
    snprintf(c.name, sizeof c.name, "%s%u", td_link_kind_name(c.kind), b & 7);
    if (c.kind == TD_LINK_VLAN) {
        c.lower = lower;
        c.vid = b & 7;
        c.mtu = (a & 2) != 0 ? 400 : 0;
    } else if (c.kind == TD_LINK_BRIDGE) {
        w->bridged = true;
        c.bridge = (struct td_bridge_config){.what = a & 3, .ageing = b * TD_SEC, .fdb_max = b};
    }
    return td_link_add(w->st, &c, &index);
}

static void op_link(struct world *w, struct input *in)
{
    uint8_t what = get8(in), which = get8(in), a = get8(in), b = get8(in);
    uint32_t index = which % 20, other = a % 20;
    struct td_mac mac = {{2, 0, 0, 0, (uint8_t)(a >> 7), b}};
    struct td_bridge_config bridge = {.what = a & 3, .ageing = b * TD_SEC, .fdb_max = b};
    struct td_addr addr = {.addr = op_addr[a % OP_ADDRS], .plen = b % 33, .label = "vlan1:x"};
    static const uint32_t flags[] = {TD_IF_UP, TD_IF_PROMISC, TD_IF_NOARP, TD_IF_MULTICAST,
                                     TD_IF_BROADCAST, TD_IF_LOOPBACK};
    int r = 0;
    switch (what % 12) {
    case 0:
    case 1:
        r = link_new(w, index, a, b);
        break;
    case 2:
    case 3:
        r = td_link_set_master(w->st, index, other);
        break;
    case 4:
        r = td_if_set_flags(w->st, index, flags[a % 6], flags[b % 6]);
        break;
    case 5:
        r = td_port_set_flags(w->st, index, a & 0x1f, b & 0x1f);
        break;
    case 6:
        r = td_fdb_add(w->st, index, mac, a & 0xf);
        break;
    case 7:
        r = td_fdb_del(w->st, index, mac);
        break;
    case 8:
        r = (a & 1) != 0 ? td_bridge_set(w->st, index, &bridge) : td_fdb_flush(w->st, index);
        r = r > 0 ? 0 : r;
        break;
    case 9:
        r = td_addr_add_full(w->st, index, &addr);
        break;
    case 10: /* from now on the peer speaks in this VLAN */
        w->tag[which & 1] = (uint16_t)(a << 8 | b);
        break;
    default:
        r = (a & 1) != 0 ? td_if_up(w->st, index, (b & 1) != 0) : td_if_del(w->st, index);
        break;
    }
    result(w, r, 0);
}

/* ---- an operation ---- */

static void do_op(struct world *w, uint8_t kind, struct input *in)
{
    static const char *const op_name[OP_KINDS] = {
        "frame",      "time", "socket",   "bind",    "listen", "accept", "connect",
        "send",       "recv", "shutdown", "close",   "setopt", "getopt", "sendto",
        "msg",        "misc", "notify",   "segment", "syn",    "udp",    "icmp",
        "icmp-error", "arp",  "fragment", "config",  "knob",   "netem",  "fault",
        "look",       "rules", "link"};
    struct td_stack *st = w->st;
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    struct stream *stream;
    int s, flags, r;
    TRACE("%12.6f %s %02x %02x %02x %02x %02x %02x\n", (double)w->now / 1e9,
          op_name[kind % OP_KINDS], in->left > 0 ? in->p[0] : 0, in->left > 1 ? in->p[1] : 0,
          in->left > 2 ? in->p[2] : 0, in->left > 3 ? in->p[3] : 0, in->left > 4 ? in->p[4] : 0,
          in->left > 5 ? in->p[5] : 0);
    size_t n;
    switch ((enum op)(kind % OP_KINDS)) {
    case OP_FRAME:
        op_frame(w, in);
        break;
    case OP_TIME:
        run_until(w, TD_NEVER, get8(in));
        break;
    case OP_SOCKET:
        op_socket(w, in);
        break;
    case OP_BIND:
        s = pick(w, in);
        name = name_of(in);
        result(w, td_bind(st, s, (struct sockaddr *)&name, sizeof name), 0);
        break;
    case OP_LISTEN:
        s = pick(w, in);
        result(w, td_listen(st, s, (int8_t)get8(in)), 0);
        break;
    case OP_ACCEPT:
        keep_handle(w, td_accept(st, pick(w, in), (struct sockaddr *)&name, &len));
        break;
    case OP_CONNECT:
        s = pick(w, in);
        name = name_of(in);
        if (in->left > 0 && (get8(in) & 1) != 0) {
            name.sin_family = AF_UNSPEC;
        }
        r = td_connect(st, s, (struct sockaddr *)&name, sizeof name);
        result(w, r, 0);
        if ((r == 0 || r == -EINPROGRESS) && (stream = stream_of(w, s)) != NULL) {
            *stream = (struct stream){.id = stream->id}; /* AF_UNSPEC makes a socket new */
        }
        break;
    case OP_SEND:
        s = pick(w, in);
        n = get16(in);
        flags = get_flags(in);
        sent_bytes(w, s, td_send(st, s, to_send(w, s), n, flags), n, flags);
        break;
    case OP_RECV:
        s = pick(w, in);
        n = get16(in);
        flags = get_flags(in) & ~MSG_TRUNC;
        received_bytes(w, s, td_recv(st, s, sink, n, flags), n, flags);
        break;
    case OP_SHUTDOWN:
        s = pick(w, in);
        result(w, td_shutdown(st, s, get8(in) % 4), 0);
        break;
    case OP_CLOSE:
        result(w, td_close(st, pick(w, in)), 0);
        break;
    case OP_SETOPT:
        op_setopt(w, in);
        break;
    case OP_GETOPT:
        op_getopt(w, in);
        break;
    case OP_SENDTO: {
        s = pick(w, in);
        td_ip4 addr = op_addr[get8(in) % OP_ADDRS];
        uint16_t port = op_port[get8(in) % OP_PORTS];
        n = get16(in);
        flags = get_flags(in);
        sent_bytes(w, s, td_sendto(st, s, to_send(w, s), n, flags, addr, port), n, flags);
        break;
    }
    case OP_MSG:
        op_msg(w, in);
        break;
    case OP_MISC:
        op_misc(w, in);
        break;
    case OP_NOTIFY:
        op_notify(w, in);
        break;
    case OP_SEGMENT:
        op_segment(w, in);
        break;
    case OP_SYN:
        op_syn(w, in);
        break;
    case OP_UDP:
        op_udp(w, in);
        break;
    case OP_ICMP:
        op_icmp(w, in);
        break;
    case OP_ICMP_ERROR:
        op_icmp_error(w, in);
        break;
    case OP_ARP:
        op_arp(w, in);
        break;
    case OP_FRAGMENT:
        op_fragment(w, in);
        break;
    case OP_CONFIG:
        op_config(w, in);
        break;
    case OP_KNOB:
        op_knob(w, in);
        break;
    case OP_NETEM:
        op_netem(w, in);
        break;
    case OP_FAULT: {
        struct mem *m = td_stack_mem(st);
        m->failing = false;
        m->fail_after = get8(in);
        w->off_tape = w->off_tape || m->fail_after != 0;
        break;
    }
    case OP_LOOK:
        op_look(w, in);
        break;
    case OP_RULES:
        op_rules(w, in);
        break;
    case OP_LINK:
        op_link(w, in);
        break;
    case OP_KINDS:
        break;
    }
}

/* ---- a life ---- */

static bool build(struct world *w, uint8_t plan, uint8_t memory)
{
    static const uint64_t limits[] = {0,       0,         8 << 20,   2 << 20,
                                      1 << 20, 512 << 10, 256 << 10, 64 << 10};
    w->limit = limits[memory % 8];
    w->now = TD_SEC;
    w->pure = true;
    struct td_stack_config c = {.seed = {memory},
                                .now = w->now,
                                .memory_limit = w->limit,
                                .profile =
                                    (plan & PLAN_RFC) != 0 ? TD_PROFILE_RFC : TD_PROFILE_LINUX,
                                .alloc = take,
                                .release = give_back,
                                .alloc_ctx = w};
    w->st = td_stack_new(&c);
    if (w->st == NULL) {
        return false;
    }
    if (w->replay) {
        for (unsigned i = 0; i < 2; i++) {
            w->port[i] = (struct port){.w = w, .nif = i};
        }
        return true;
    }
    if ((plan & PLAN_REPLAY) != 0) {
        td_stack_record(w->st, tape_record, &w->tape);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct port *port = &w->port[i];
        *port = (struct port){.w = w, .nif = i, .mac = {{0x02, 0, 0, 0, 0, (uint8_t)(i + 1)}}};
        struct td_if_config nif = {.mac = port->mac,
                                   .mtu = NET_MTU(i),
                                   .flags = TD_IF_UP,
                                   .txqueuelen = 100,
                                   .ops = &device_ops,
                                   .dev = port};
        snprintf(nif.name, sizeof nif.name, "eth%u", i);
        (void)td_if_add(w->st, &nif, &port->ifindex);
        (void)td_addr_add(w->st, port->ifindex, NET_US(i), 24);
        (void)td_neigh_add(w->st, port->ifindex, NET_PEER(i), peer_mac, TD_NEIGH_PERMANENT);
    }
    w->mtu = 1500;
    if ((plan & PLAN_RFC) != 0) { /* addresses are probed first (RFC 5227) */
        run_until(w, w->now + 15 * TD_SEC, 100);
    }
    struct td_route route = {.gateway = TD_IP4(10, 0, 0, 254)};
    (void)td_route_add(w->st, &route, false);
    (void)td_neigh_add(w->st, w->port[0].ifindex, route.gateway, peer_mac, TD_NEIGH_PERMANENT);
    if ((plan & PLAN_FORWARD) != 0) {
        (void)td_knob_set(w->st, "net.ipv4.ip_forward", "1");
        w->forwarding = true;
    }
    if ((plan & PLAN_JOURNAL) != 0) {
        (void)td_knob_set(w->st, "tapdeck.journal.level", "2");
    }
    flush(w);
    return true;
}

static void replay(const struct world *w, uint8_t plan, uint8_t memory)
{
    static struct world again;
    memset(&again, 0, sizeof again);
    again.replay = true;
    FUZZ_CHECK(build(&again, plan, memory));
    tape_replay(&w->tape, again.st, (void *const[]){&again.port[0], &again.port[1]});
    FUZZ_CHECK(again.frames == w->frames);
    td_stack_free(again.st);
    FUZZ_CHECK(again.heap == 0);
}

static uint64_t live(const uint8_t *data, size_t size)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    w.hash = UINT64_C(0xcbf29ce484222325);
    w.in = (struct input){data, size};
    tape_init(&w.tape);
    uint8_t plan = get8(&w.in), memory = get8(&w.in);
    if (!build(&w, plan, memory)) {
        FUZZ_CHECK(w.heap == 0);
        return 0;
    }
    for (unsigned ops = 0; w.in.left > 0 && ops < MAX_OPS; ops++) {
        td_time delay = op_delay[get8(&w.in) % OP_DELAYS];
        uint8_t kind = get8(&w.in);
        size_t len = get8(&w.in);
        len = len == 255 ? get16(&w.in) : len;
        struct input args = {w.in.p, len < w.in.left ? len : w.in.left};
        w.in.p += args.left;
        w.in.left -= args.left;
        if (delay > 0) {
            run_until(&w, w.now + delay, 300);
        }
        do_op(&w, kind & (uint8_t)~OP_BATCH, &args);
        if ((kind & OP_BATCH) == 0) {
            tick(&w);
            flush(&w);
        } else {
            check(&w);
        }
    }
    td_stack_mem(w.st)->fail_after = 0;
    td_stack_mem(w.st)->failing = false;
    for (unsigned i = 0; i < HANDLES && i < w.handles; i++) { /* what is there must be right, too */
        int64_t r;
        do {
            r = td_recv(w.st, w.handle[i], sink, sizeof sink, 0);
            received_bytes(&w, w.handle[i], r, sizeof sink, 0);
        } while (r > 0);
    }
    if ((plan & PLAN_CLOSE) != 0) {
        for (unsigned i = 0; i < HANDLES && i < w.handles; i++) {
            result(&w, td_close(w.st, w.handle[i]), 0);
        }
        flush(&w);
        run_until(&w, w.now + 10 * TD_SEC, 200);
    }
    td_stack_free(w.st);
    FUZZ_CHECK(w.heap == 0);
    if ((plan & PLAN_REPLAY) != 0 && !w.off_tape) {
        replay(&w, plan, memory);
    }
    tape_free(&w.tape);
    return w.hash ^ w.frames;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (pattern[1] == 0) {
        tracing = getenv("FUZZ_TRACE") != NULL;
        for (size_t i = 0; i < sizeof pattern; i++) {
            size_t at = i & 0xffff;
            pattern[i] = (uint8_t)(at * 7 + at / 251);
        }
        memcpy(datagram, pattern, sizeof datagram);
        datagram[0] = ICMP_ECHO;
        datagram[1] = 0;
    }
    uint64_t first = live(data, size);
    if (size > 0 && (data[0] & PLAN_TWICE) != 0) {
        FUZZ_CHECK(live(data, size) == first); /* determinism */
    }
    return 0;
}
