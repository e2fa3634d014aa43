/* tests/common/harness.c: see harness.h. */
#include "harness.h"

#include "core/stack.h"
#include "wire/checksum.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hx_frame {
    struct hx_frame *next;
    td_time at; /* stack time */
    size_t len;
    uint8_t bytes[];
};

/* ---- failing ---- */

__attribute__((format(printf, 4, 5))) static void hx_fail(const struct hx *h, const char *file,
                                                          int line, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ck_abort_msg("%s:%d: at t=%.6f s: %s", file, line, (double)hx_now(h) / 1e9, text);
}

static const char *flags_text(unsigned flags, char dst[16])
{
    static const char letters[] = "FSRP.UEW";
    size_t n = 0;
    for (unsigned i = 0; i < 8; i++) {
        if ((flags >> i & 1) != 0) {
            dst[n++] = letters[i];
        }
    }
    dst[n] = '\0';
    return dst;
}

static void addr_text(td_ip4 a, char dst[16])
{
    snprintf(dst, 16, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

/* One line about a frame, in tcpdump's manner. */
static const char *describe(const struct hx *h, const struct hx_frame *f, char *dst, size_t size)
{
    struct eth_hdr e;
    struct ipv4_hdr ip;
    char src[16], to[16], fl[16];
    double at = (double)(f->at - h->start) / 1e9;
    if (eth_parse(&e, f->bytes, f->len) != WIRE_OK) {
        snprintf(dst, size, "t=%.6f: %zu bytes that are no Ethernet frame", at, f->len);
        return dst;
    }
    const uint8_t *b = f->bytes + e.hlen;
    size_t n = f->len - e.hlen;
    struct arp_pkt a;
    if (e.type == ETHERTYPE_ARP && arp_parse(&a, b, n) == WIRE_OK) {
        addr_text(a.spa, src);
        addr_text(a.tpa, to);
        snprintf(dst, size, "t=%.6f: ARP %s from %s about %s", at,
                 a.op == ARP_REQUEST ? "request" : "reply", src, to);
        return dst;
    }
    if (e.type != ETHERTYPE_IPV4 || ipv4_parse(&ip, b, n) != WIRE_OK) {
        snprintf(dst, size, "t=%.6f: %zu bytes of EtherType %04x", at, f->len, e.type);
        return dst;
    }
    addr_text(ip.src, src);
    addr_text(ip.dst, to);
    b += ip.hlen;
    n = (size_t)ip.total_len - ip.hlen;
    struct tcp_hdr t;
    if (ip.proto == IPPROTO_TCP_ && ip.frag_off == 0 && tcp_parse(&t, b, n) == WIRE_OK) {
        snprintf(dst, size, "t=%.6f: %s.%u > %s.%u [%s] seq %u ack %u win %u len %zu", at, src,
                 t.sport, to, t.dport, flags_text(t.flags, fl), t.seq, t.ack, t.wnd, n - t.hlen);
        return dst;
    }
    struct udp_hdr u;
    if (ip.proto == IPPROTO_UDP_ && ip.frag_off == 0 && udp_parse(&u, b, n) == WIRE_OK) {
        snprintf(dst, size, "t=%.6f: %s.%u > %s.%u UDP len %u", at, src, u.sport, to, u.dport,
                 u.length - 8U);
        return dst;
    }
    if (ip.proto == IPPROTO_ICMP_ && ip.frag_off == 0 && n >= 2) {
        snprintf(dst, size, "t=%.6f: %s > %s ICMP type %u code %u len %zu", at, src, to, b[0], b[1],
                 n);
        return dst;
    }
    snprintf(dst, size, "t=%.6f: %s > %s protocol %u offset %u len %zu", at, src, to, ip.proto,
             ip.frag_off, n);
    return dst;
}

/* ---- the stack and its world ---- */

static void *heap_alloc(void *ctx, size_t size)
{
    struct hx *h = ctx;
    if (h->fail_alloc > 0 && --h->fail_alloc == 0) {
        h->fail_alloc = 1; /* and every later one */
        return NULL;
    }
    h->heap += size;
    return malloc(size);
}

static void heap_release(void *ctx, void *p, size_t size)
{
    struct hx *h = ctx;
    ck_assert_msg(h->heap >= size, "the stack gave back more memory than it took");
    h->heap -= size;
    free(p);
}

static int hx_transmit(void *dev, const struct pkt *p)
{
    struct hx *h = dev;
    if (h->busy) {
        return -EAGAIN;
    }
    h->sent++;
    if (h->any_tx) {
        return 0;
    }
    struct hx_frame *f = malloc(sizeof *f + p->len);
    ck_assert_ptr_nonnull(f);
    f->next = NULL;
    f->at = td_stack_now(h->st);
    f->len = p->len;
    ck_assert(pkt_read(p, 0, f->bytes, p->len));
    *h->out_tail = f;
    h->out_tail = &f->next;
    return 0;
}

void hx_fault(struct td_stack *st)
{
    const char *name = getenv("TAPDECK_FAULT");
    char knob[64];
    if (name != NULL) {
        snprintf(knob, sizeof knob, "tapdeck.fault.%s", name);
        ck_assert_msg(td_knob_set(st, knob, "1") == 0, "there is no fault %s", name);
    }
}

struct hx *hx_new(void)
{
    return hx_new_profile(TD_PROFILE_LINUX, SEC(1000));
}

struct hx *hx_new_profile(enum td_profile profile, td_time start)
{
    static const struct td_device_ops ops = {.transmit = hx_transmit};
    struct hx *h = calloc(1, sizeof *h);
    ck_assert_ptr_nonnull(h);
    h->start = start;
    h->tolerance = TD_MS;
    h->peer_isn = 0x10000000;
    h->out_tail = &h->out;
    struct td_stack_config c = {
        .now = start,
        .profile = profile,
        .alloc = heap_alloc,
        .release = heap_release,
        .alloc_ctx = h,
    };
    for (unsigned i = 0; i < sizeof c.seed; i++) {
        c.seed[i] = (uint8_t)(i * 7 + 1);
    }
    c.allow_faults = getenv("TAPDECK_FAULT") != NULL;
    h->st = td_stack_new(&c);
    ck_assert_ptr_nonnull(h->st);
    hx_fault(h->st);
    struct td_if_config ifc = {
        .name = "eth0",
        .mac = HX_US_MAC,
        .flags = TD_IF_UP | TD_IF_BROADCAST | TD_IF_MULTICAST,
        .ops = &ops,
        .dev = h,
    };
    ck_assert_int_eq(td_if_add(h->st, &ifc, &h->ifindex), 0);
    ck_assert_int_eq(td_if_up(h->st, h->ifindex, true), 0);
    ck_assert_int_eq(td_addr_add(h->st, h->ifindex, HX_US, 24), 0);
    if (profile == TD_PROFILE_RFC) { /* RFC 5227: the address is ours after its probes */
        hx_until(h, SEC(8));
        h->start = td_stack_now(h->st);
    }
    hx_neighbour(h, HX_PEER, HX_PEER_MAC);
    hx_neighbour(h, HX_ROUTER, HX_ROUTER_MAC);
    struct td_route r = {.gateway = HX_ROUTER};
    ck_assert_int_eq(td_route_add(h->st, &r, false), 0);
    hx_drain(h);
    return h;
}

void hx_free(struct hx *h)
{
    hx_quiet(h, NOW);
    td_stack_free(h->st);
    h->st = NULL;
    ck_assert_msg(h->heap == 0, "%llu bytes of the stack's memory were not given back",
                  (unsigned long long)h->heap);
    free(h->last);
    free(h);
}

void hx_neighbour(struct hx *h, td_ip4 addr, struct td_mac mac)
{
    ck_assert_int_eq(td_neigh_add(h->st, h->ifindex, addr, mac, TD_NEIGH_PERMANENT), 0);
}

/* ---- the clock ---- */

td_time hx_now(const struct hx *h)
{
    return h->st == NULL ? 0 : td_stack_now(h->st) - h->start;
}

void hx_flush(struct hx *h)
{
    td_stack_flush(h->st, td_stack_now(h->st));
}

static td_time absolute(const struct hx *h, td_time at)
{
    if (at == NOW) {
        return td_stack_now(h->st);
    }
    td_time t = h->start + at;
    ck_assert_msg(t >= td_stack_now(h->st), "the test asks for a time that is past");
    return t;
}

/* Steps from deadline to deadline up to `end`; stops early when stop says so. */
static void run(struct hx *h, td_time end, bool (*stop)(const struct hx *h))
{
    hx_flush(h);
    unsigned idle = 0;
    while (stop == NULL || !stop(h)) {
        td_time next = td_stack_next_deadline(h->st);
        if (next > end) {
            break;
        }
        /* A stack that asks for the same moment again and again would hang the test. */
        idle = next <= td_stack_now(h->st) ? idle + 1 : 0;
        ck_assert_msg(idle < 10000, "the stack's next deadline never passes");
        if (next < td_stack_now(h->st)) {
            next = td_stack_now(h->st);
        }
        td_stack_tick(h->st, next);
        td_stack_flush(h->st, next);
    }
    if (stop == NULL || !stop(h)) {
        td_stack_tick(h->st, end);
        td_stack_flush(h->st, end);
    }
}

void hx_until(struct hx *h, td_time at)
{
    run(h, absolute(h, at), NULL);
}

void hx_drain(struct hx *h)
{
    hx_flush(h);
    while (h->out != NULL) {
        struct hx_frame *f = h->out;
        h->out = f->next;
        free(f);
    }
    h->out_tail = &h->out;
}

unsigned hx_pending(struct hx *h)
{
    unsigned n = 0;
    hx_flush(h);
    for (const struct hx_frame *f = h->out; f != NULL; f = f->next) {
        n++;
    }
    return n;
}

void hx_quiet_at(struct hx *h, td_time at, const char *file, int line)
{
    char text[200];
    hx_until(h, at);
    if (h->out != NULL) {
        hx_fail(h, file, line, "nothing should have been sent, but: %s",
                describe(h, h->out, text, sizeof text));
    }
}

/* ---- frames in ---- */

void hx_frame_in(struct hx *h, td_time at, const void *frame, size_t len)
{
    td_time t = absolute(h, at);
    run(h, t, NULL);
    (void)td_stack_input_bytes(h->st, h->ifindex, frame, len, t);
    td_stack_flush(h->st, t);
}

static void hx_ip_to(struct hx *h, td_time at, const struct ipv4_hdr *ip, const void *payload,
                     size_t len, bool broadcast)
{
    uint8_t frame[65535 + 64];
    struct ipv4_hdr x = *ip;
    x.hlen = (uint8_t)(IPV4_HLEN + (x.opt_len + 3) / 4 * 4);
    x.total_len = x.total_len != 0 ? x.total_len : (uint16_t)(x.hlen + len);
    x.id = x.id != 0 ? x.id : ++h->ip_id;
    x.ttl = x.ttl != 0 ? x.ttl : 64;
    bool on_link = (x.src >> 8) == (HX_US >> 8);
    struct eth_hdr e = {
        .dst = broadcast ? MAC_BROADCAST : HX_US_MAC,
        .src = on_link ? HX_PEER_MAC : HX_ROUTER_MAC,
        .type = ETHERTYPE_IPV4,
    };
    size_t n = eth_emit(&e, frame);
    n += ipv4_emit(&x, frame + n);
    ck_assert(n + len <= sizeof frame);
    if (len > 0) {
        memcpy(frame + n, payload, len);
    }
    hx_frame_in(h, at, frame, n + len);
}

void hx_ip_in(struct hx *h, td_time at, const struct ipv4_hdr *ip, const void *payload, size_t len)
{
    hx_ip_to(h, at, ip, payload, len, false);
}

uint8_t hx_pattern(uint64_t pos)
{
    return (uint8_t)(pos * 31 + pos / 251 + 7);
}

/* ---- taking frames apart ---- */

static bool something_sent(const struct hx *h)
{
    return h->out != NULL;
}

static void check_sum(const struct hx *h, const struct hx_pkt *g, const char *file, int line,
                      const char *what)
{
    uint32_t sum = 0;
    if (g->ip.proto != IPPROTO_ICMP_) {
        sum = checksum_pseudo(g->ip.src, g->ip.dst, g->ip.proto, (uint32_t)g->l4_len);
    }
    if (checksum_finish(checksum_add(sum, g->l4, g->l4_len)) != 0) {
        hx_fail(h, file, line, "wrong %s checksum in what was sent: %s", what,
                describe(h, h->last, (char[200]){0}, 200));
    }
}

static void parse_transport(struct hx *h, const char *file, int line)
{
    struct hx_pkt *g = &h->got;
    char text[200];
    enum wire_status s = WIRE_OK;
    switch (g->ip.proto) {
    case IPPROTO_TCP_:
        s = tcp_parse(&g->tcp, g->l4, g->l4_len);
        g->data = g->l4 + g->tcp.hlen;
        g->len = g->l4_len - g->tcp.hlen;
        break;
    case IPPROTO_UDP_:
        s = udp_parse(&g->udp, g->l4, g->l4_len);
        g->data = g->l4 + UDP_HLEN;
        g->len = g->l4_len - UDP_HLEN;
        if (s == WIRE_OK && g->udp.csum == 0) {
            return;
        }
        break;
    case IPPROTO_ICMP_:
        s = icmp_parse(&g->icmp, g->l4, g->l4_len);
        g->data = g->l4 + ICMP_HLEN;
        g->len = g->l4_len - ICMP_HLEN;
        break;
    default:
        g->data = g->l4;
        g->len = g->l4_len;
        return;
    }
    if (s != WIRE_OK) {
        hx_fail(h, file, line, "malformed transport header (%s): %s", wire_status_name(s),
                describe(h, h->last, text, sizeof text));
    }
    check_sum(h, g, file, line, "transport");
}

static void parse_frame(struct hx *h, const char *file, int line)
{
    struct hx_pkt *g = &h->got;
    const struct hx_frame *f = h->last;
    char text[200];
    memset(g, 0, sizeof *g);
    g->at = f->at - h->start;
    g->frame = f->bytes;
    g->frame_len = f->len;
    if (f->len < ETH_MIN_FRAME || eth_parse(&g->eth, f->bytes, f->len) != WIRE_OK) {
        hx_fail(h, file, line, "a frame that Ethernet wouldn't carry was sent: %s",
                describe(h, f, text, sizeof text));
    }
    const uint8_t *b = f->bytes + g->eth.hlen;
    size_t n = f->len - g->eth.hlen, used = n;
    if (g->eth.type == ETHERTYPE_ARP) {
        if (arp_parse(&g->arp, b, n) != WIRE_OK) {
            hx_fail(h, file, line, "a malformed ARP packet was sent");
        }
        used = ARP_LEN;
    } else if (g->eth.type == ETHERTYPE_IPV4) {
        enum wire_status s = ipv4_parse(&g->ip, b, n);
        if (s != WIRE_OK) {
            hx_fail(h, file, line, "a malformed IP header was sent (%s)", wire_status_name(s));
        }
        used = g->ip.total_len;
        g->l4 = b + g->ip.hlen;
        g->l4_len = (size_t)g->ip.total_len - g->ip.hlen;
        if (g->ip.frag_off == 0 && (g->ip.flags & IPV4_MF) == 0) {
            parse_transport(h, file, line);
        } else {
            g->data = g->l4;
            g->len = g->l4_len;
        }
    }
    for (size_t i = used; i < n; i++) {
        if (b[i] != 0) {
            hx_fail(h, file, line, "the padding of a sent frame is not zero: %s",
                    describe(h, f, text, sizeof text));
        }
    }
}

/* Runs to `at`, takes the next frame sent off the list into h->got. */
static void next_sent(struct hx *h, td_time at, const char *what, const char *file, int line)
{
    char text[200];
    td_time want = at;
    if (at == HX_ANYTIME) {
        run(h, td_stack_now(h->st) + SEC(120), something_sent);
    } else {
        want = absolute(h, at);
        run(h, want, something_sent);
        if (h->out == NULL && h->tolerance > 0) {
            run(h, want + h->tolerance, something_sent);
        }
    }
    struct hx_frame *f = h->out;
    if (f == NULL) {
        hx_fail(h, file, line, "%s should have been sent, but nothing was", what);
        return;
    }
    if (at != HX_ANYTIME && (f->at + h->tolerance < want || f->at > want + h->tolerance)) {
        hx_fail(h, file, line, "%s was to be sent at t=%.6f; instead: %s", what,
                (double)(want - h->start) / 1e9, describe(h, f, text, sizeof text));
    }
    h->out = f->next;
    if (h->out == NULL) {
        h->out_tail = &h->out;
    }
    free(h->last);
    h->last = f;
    parse_frame(h, file, line);
}

/* An expectation's number: 0 = any, HX_ZERO = 0. */
static void expect(const struct hx *h, const char *name, int64_t want, int64_t got,
                   const char *file, int line)
{
    char text[200];
    if (want != 0 && got != (want == HX_ZERO ? 0 : want)) {
        hx_fail(h, file, line, "%s should be %lld and is %lld: %s", name,
                (long long)(want == HX_ZERO ? 0 : want), (long long)got,
                describe(h, h->last, text, sizeof text));
    }
}

static void expect_len(const struct hx *h, size_t want, const char *file, int line)
{
    expect(h, "payload length", want == 0 ? HX_ZERO : (int64_t)want, (int64_t)h->got.len, file,
           line);
}

static void expect_bytes(const struct hx *h, const void *want, size_t len, const char *file,
                         int line)
{
    char text[200];
    if (want != NULL && len <= h->got.len && memcmp(want, h->got.data, len) != 0) {
        size_t i = 0;
        while (((const uint8_t *)want)[i] == h->got.data[i]) {
            i++;
        }
        hx_fail(h, file, line, "payload differs at byte %zu: %s", i,
                describe(h, h->last, text, sizeof text));
    }
}

static void expect_proto(const struct hx *h, uint8_t proto, const char *name, const char *file,
                         int line)
{
    char text[200];
    if (h->got.eth.type != ETHERTYPE_IPV4 || (proto != 0 && h->got.ip.proto != proto)) {
        hx_fail(h, file, line, "%s should have been sent, not: %s", name,
                describe(h, h->last, text, sizeof text));
    }
}

static void expect_ip(const struct hx *h, td_ip4 src, td_ip4 dst, uint8_t tos, uint8_t ttl,
                      const char *file, int line)
{
    expect(h, "source address", src, h->got.ip.src, file, line);
    expect(h, "destination address", dst, h->got.ip.dst, file, line);
    expect(h, "TOS", tos, h->got.ip.tos, file, line);
    expect(h, "TTL", ttl, h->got.ip.ttl, file, line);
}

void hx_ip_out(struct hx *h, td_time at, uint8_t proto, const char *file, int line)
{
    next_sent(h, at, "an IP datagram", file, line);
    expect_proto(h, proto, "an IP datagram of that protocol", file, line);
}

/* ---- TCP ---- */

struct hx_conn *hx_conn(struct hx *h, td_ip4 peer, uint16_t theirs, uint16_t ours)
{
    for (unsigned i = 0; i < h->nconns; i++) {
        struct hx_conn *c = &h->conn[i];
        if (c->peer == peer && c->theirs == theirs && c->ours == ours) {
            return c;
        }
    }
    ck_assert_msg(h->nconns < HX_CONNS, "more connections than the harness can name");
    struct hx_conn *c = &h->conn[h->nconns++];
    *c = (struct hx_conn){.peer = peer, .theirs = theirs, .ours = ours, .irs = h->peer_isn};
    return c;
}

static void put_options(struct tcp_hdr *t, const struct hx_opts *o, bool syn, uint32_t sack_base)
{
    if (o->raw != NULL) {
        t->raw_len = o->raw_len;
        memcpy(t->raw, o->raw, o->raw_len);
        return;
    }
    t->o.has_mss = o->mss != 0;
    t->o.mss = o->mss;
    t->o.has_wscale = o->wscale != 0;
    t->o.wscale = (uint8_t)(o->wscale - 1);
    t->o.has_sack_perm = o->sack_perm;
    t->o.has_ts = o->ts || o->ts_val != 0 || o->ts_ecr != 0;
    t->o.ts_val = o->ts_val;
    t->o.ts_ecr = o->ts_ecr;
    t->o.nsack = o->nsack;
    for (unsigned i = 0; i < o->nsack; i++) {
        t->o.sack[i].left = o->sack[i].left + sack_base;
        t->o.sack[i].right = o->sack[i].right + sack_base;
    }
    tcp_opts_layout(t, syn, TCP_OPTS_LINUX);
}

void hx_tcp_in(struct hx *h, td_time at, const struct hx_seg *s)
{
    static const struct hx_opts none;
    uint8_t b[65535];
    td_ip4 src = s->src != 0 ? s->src : HX_PEER, dst = s->dst != 0 ? s->dst : HX_US;
    uint16_t sport = s->sport != 0 ? s->sport : HX_PEER_PORT;
    uint16_t dport = s->dport != 0 ? s->dport : HX_OUR_PORT;
    struct hx_conn *c = hx_conn(h, src, sport, dport);
    /* Our ISS may only be known after what was sent has been looked at; look ahead for it. */
    if (at != NOW) {
        hx_until(h, at);
    }
    if ((s->flags & SYN) != 0 && (s->flags & ACK) == 0 && !s->absolute && s->seq == 0) {
        c->irs = h->peer_isn; /* a connection begins (again) */
    }
    struct tcp_hdr t = {
        .sport = sport,
        .dport = dport,
        .seq = (uint32_t)s->seq + (s->absolute ? 0 : c->irs),
        .ack =
            (uint32_t)s->ack + (s->absolute || ((s->flags & ACK) == 0 && s->ack == 0) ? 0 : c->iss),
        .flags = s->flags,
        .wnd = (uint16_t)(s->wnd == HX_ZERO ? 0 : s->wnd),
        .urp = s->urp,
    };
    if (memcmp(&s->opts, &none, sizeof none) != 0) {
        put_options(&t, &s->opts, (s->flags & SYN) != 0, c->iss);
    }
    size_t n = tcp_emit(&t, b);
    ck_assert(n + s->len <= sizeof b - IPV4_HLEN);
    for (size_t i = 0; i < s->len; i++) {
        b[n + i] =
            s->data != NULL ? ((const uint8_t *)s->data)[i] : hx_pattern((uint64_t)s->seq + i);
    }
    n += s->len;
    uint16_t sum =
        checksum_finish(checksum_add(checksum_pseudo(src, dst, IPPROTO_TCP_, (uint32_t)n), b, n));
    wire_put16(b + 16, s->bad_csum ? sum ^ 0x5555U : sum);
    struct ipv4_hdr ip = {
        .src = src, .dst = dst, .proto = IPPROTO_TCP_, .tos = s->tos, .ttl = s->ttl};
    hx_ip_to(h, at, &ip, b, n, s->eth_broadcast);
}

static void expect_options(const struct hx *h, const struct hx_conn *c, const struct hx_seg *s,
                           const char *file, int line)
{
    const struct tcp_opts *o = &h->got.tcp.o;
    expect(h, "option bytes", s->no_opts ? HX_ZERO : 0, h->got.tcp.raw_len, file, line);
    expect(h, "MSS option", s->opts.mss, o->has_mss ? o->mss : 0, file, line);
    expect(h, "window scale option (+1)", s->opts.wscale, o->has_wscale ? o->wscale + 1 : 0, file,
           line);
    expect(h, "SACK-permitted option", s->opts.sack_perm, o->has_sack_perm, file, line);
    expect(h, "timestamps option", s->opts.ts, o->has_ts, file, line);
    expect(h, "TSval", s->opts.ts_val, o->ts_val, file, line);
    expect(h, "TSecr", s->opts.ts_ecr, o->ts_ecr, file, line);
    expect(h, "SACK blocks", s->opts.nsack, o->nsack, file, line);
    for (unsigned i = 0; i < s->opts.nsack; i++) {
        expect(h, "SACK left edge", s->opts.sack[i].left, (int64_t)(o->sack[i].left - c->irs), file,
               line);
        expect(h, "SACK right edge", s->opts.sack[i].right, (int64_t)(o->sack[i].right - c->irs),
               file, line);
    }
    if (s->opts.raw != NULL && (h->got.tcp.raw_len != s->opts.raw_len ||
                                memcmp(h->got.tcp.raw, s->opts.raw, s->opts.raw_len) != 0)) {
        hx_fail(h, file, line, "the TCP option bytes are not the ones expected");
    }
}

void hx_tcp_out(struct hx *h, td_time at, const struct hx_seg *s, const char *file, int line)
{
    char what[64], fl[16], text[200];
    snprintf(what, sizeof what, "a TCP segment [%s]", flags_text(s->flags, fl));
    next_sent(h, at, what, file, line);
    expect_proto(h, IPPROTO_TCP_, what, file, line);
    const struct hx_pkt *g = &h->got;
    struct hx_conn *c = hx_conn(h, g->ip.dst, g->tcp.dport, g->tcp.sport);
    if ((g->tcp.flags & SYN) != 0) {
        c->iss = g->tcp.seq;
        c->have_iss = true;
    }
    expect_ip(h, s->src != 0 ? s->src : HX_US, s->dst != 0 ? s->dst : HX_PEER, s->tos, s->ttl, file,
              line);
    expect(h, "source port", s->sport, g->tcp.sport, file, line);
    expect(h, "destination port", s->dport, g->tcp.dport, file, line);
    if (g->tcp.flags != s->flags) {
        hx_fail(h, file, line, "%s expected, got: %s", what,
                describe(h, h->last, text, sizeof text));
    }
    if (!s->any_seq) {
        uint32_t seq = g->tcp.seq - (s->absolute ? 0 : c->iss);
        expect(h, "seq", s->seq, (int64_t)seq, file, line);
    }
    if (!s->any_ack && (s->flags & ACK) != 0) {
        uint32_t ack = g->tcp.ack - (s->absolute ? 0 : c->irs);
        expect(h, "ack", s->ack, (int64_t)ack, file, line);
    }
    expect(h, "window", s->wnd, g->tcp.wnd, file, line);
    expect(h, "urgent pointer", s->urp, g->tcp.urp, file, line);
    expect_options(h, c, s, file, line);
    if (!s->any_len) {
        expect_len(h, s->len, file, line);
        expect_bytes(h, s->data, s->len, file, line);
    }
}

/* ---- UDP ---- */

void hx_udp_in(struct hx *h, td_time at, const struct hx_dgram *d)
{
    uint8_t b[65535];
    td_ip4 src = d->src != 0 ? d->src : HX_PEER, dst = d->dst != 0 ? d->dst : HX_US;
    size_t n = UDP_HLEN + d->len;
    ck_assert(n <= sizeof b - IPV4_HLEN);
    uint16_t length = (uint16_t)(d->length == HX_ZERO ? 0
                                 : d->length != 0     ? d->length
                                                      : (int64_t)n);
    struct udp_hdr u = {.sport = d->sport, .dport = d->dport, .length = length};
    udp_emit(&u, b);
    for (size_t i = 0; i < d->len; i++) {
        b[UDP_HLEN + i] = d->data != NULL ? ((const uint8_t *)d->data)[i] : hx_pattern(i);
    }
    if (!d->no_csum) {
        size_t covered = length >= UDP_HLEN && length <= n ? length : n;
        u.csum = checksum_finish(
            checksum_add(checksum_pseudo(src, dst, IPPROTO_UDP_, length), b, covered));
        u.csum = u.csum == 0 ? 0xffff : u.csum;
        u.csum = (uint16_t)(d->bad_csum ? u.csum ^ 0x5555 : u.csum);
        udp_emit(&u, b);
    }
    struct ipv4_hdr ip = {
        .src = src,
        .dst = dst,
        .proto = IPPROTO_UDP_,
        .tos = d->tos,
        .ttl = d->ttl,
        .opt_len = d->opt_len,
    };
    if (d->opt_len != 0) {
        memcpy(ip.opt, d->opt, d->opt_len);
    }
    hx_ip_to(h, at, &ip, b, n, d->eth_broadcast);
}

void hx_udp_out(struct hx *h, td_time at, const struct hx_dgram *d, const char *file, int line)
{
    next_sent(h, at, "a UDP datagram", file, line);
    expect_proto(h, IPPROTO_UDP_, "a UDP datagram", file, line);
    const struct hx_pkt *g = &h->got;
    expect_ip(h, d->src != 0 ? d->src : HX_US, d->dst != 0 ? d->dst : HX_PEER, d->tos, d->ttl, file,
              line);
    expect(h, "source port", d->sport, g->udp.sport, file, line);
    expect(h, "destination port", d->dport, g->udp.dport, file, line);
    expect(h, "DF", d->df, (g->ip.flags & IPV4_DF) != 0, file, line);
    if (d->no_csum != (g->udp.csum == 0)) {
        hx_fail(h, file, line, "the UDP checksum should %sbe there", d->no_csum ? "not " : "");
    }
    if (d->opt != NULL &&
        (g->ip.opt_len != d->opt_len || memcmp(g->ip.opt, d->opt, d->opt_len) != 0)) {
        hx_fail(h, file, line, "the IP options are not the ones expected");
    }
    expect_len(h, d->len, file, line);
    expect_bytes(h, d->data, d->len, file, line);
}

/* ---- ICMP and ARP ---- */

void hx_icmp_in(struct hx *h, td_time at, const struct hx_icmp *m)
{
    uint8_t b[65535] = {m->type, m->code};
    ck_assert(m->len <= sizeof b - IPV4_HLEN - ICMP_HLEN);
    wire_put32(b + 4, m->word);
    for (size_t i = 0; i < m->len; i++) {
        b[ICMP_HLEN + i] = m->data != NULL ? ((const uint8_t *)m->data)[i] : hx_pattern(i);
    }
    uint16_t sum = checksum(b, ICMP_HLEN + m->len);
    wire_put16(b + 2, m->bad_csum ? sum ^ 0x5555U : sum);
    struct ipv4_hdr ip = {
        .src = m->src != 0 ? m->src : HX_PEER,
        .dst = m->dst != 0 ? m->dst : HX_US,
        .proto = IPPROTO_ICMP_,
        .tos = m->tos,
        .ttl = m->ttl,
    };
    hx_ip_to(h, at, &ip, b, ICMP_HLEN + m->len, m->eth_broadcast);
}

void hx_icmp_out(struct hx *h, td_time at, const struct hx_icmp *m, const char *file, int line)
{
    next_sent(h, at, "an ICMP message", file, line);
    expect_proto(h, IPPROTO_ICMP_, "an ICMP message", file, line);
    const struct hx_pkt *g = &h->got;
    expect_ip(h, m->src != 0 ? m->src : HX_US, m->dst != 0 ? m->dst : HX_PEER, m->tos, m->ttl, file,
              line);
    expect(h, "ICMP type", m->type == 0 ? HX_ZERO : m->type, g->icmp.type, file, line);
    expect(h, "ICMP code", m->code == 0 ? HX_ZERO : m->code, g->icmp.code, file, line);
    expect(h, "ICMP word", m->word, wire_get32(g->l4 + 4), file, line);
    if (!m->any_len) {
        expect_len(h, m->len, file, line);
        expect_bytes(h, m->data, m->len, file, line);
    }
}

void hx_icmp_error_in(struct hx *h, td_time at, td_ip4 from, uint8_t type, uint8_t code,
                      uint32_t word, size_t quote)
{
    uint8_t b[2048];
    ck_assert_msg(h->got.l4 != NULL, "no datagram was matched yet that an error could be about");
    size_t n = h->got.l4_len < quote ? h->got.l4_len : quote;
    ck_assert(n + 60 <= sizeof b);
    size_t hl = ipv4_emit(&h->got.ip, b);
    memcpy(b + hl, h->got.l4, n);
    icmp_in(h, at, .src = from, .type = type, .code = code, .word = word, .data = b, .len = hl + n);
}

void hx_arp_out(struct hx *h, td_time at, uint16_t op, td_ip4 tpa, const char *file, int line)
{
    char text[200];
    next_sent(h, at, "an ARP packet", file, line);
    if (h->got.eth.type != ETHERTYPE_ARP) {
        hx_fail(h, file, line, "an ARP packet should have been sent, not: %s",
                describe(h, h->last, text, sizeof text));
    }
    expect(h, "ARP operation", op, h->got.arp.op, file, line);
    expect(h, "ARP target address", tpa, h->got.arp.tpa, file, line);
}

void hx_arp_in(struct hx *h, td_time at, const struct arp_pkt *a, bool broadcast)
{
    uint8_t b[ETH_MIN_FRAME] = {0};
    struct eth_hdr e = {
        .dst = broadcast ? MAC_BROADCAST : HX_US_MAC, .src = a->sha, .type = ETHERTYPE_ARP};
    size_t n = eth_emit(&e, b);
    arp_emit(a, b + n);
    hx_frame_in(h, at, b, sizeof b);
}

/* ---- applications ---- */

int hx_udp_socket(struct hx *h, td_ip4 addr, uint16_t port)
{
    int s = td_socket(h->st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_ge(s, 0);
    if (addr != 0 || port != 0) {
        struct sockaddr_in sa = td_sockaddr(addr, port);
        ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    }
    return s;
}

int hx_tcp_listen(struct hx *h, uint16_t port)
{
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = td_sockaddr(0, port);
    ck_assert_int_ge(s, 0);
    ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(td_listen(h->st, s, 16), 0);
    return s;
}

int hx_tcp_connect(struct hx *h, uint16_t our_port, td_ip4 peer, uint16_t port)
{
    int s = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(s, 0);
    if (our_port != 0) {
        struct sockaddr_in own = td_sockaddr(0, our_port);
        ck_assert_int_eq(td_bind(h->st, s, (struct sockaddr *)&own, sizeof own), 0);
    }
    struct sockaddr_in sa = td_sockaddr(peer, port);
    ck_assert_int_eq(td_connect(h->st, s, (struct sockaddr *)&sa, sizeof sa), -EINPROGRESS);
    hx_flush(h);
    return s;
}

int hx_tcp_accept(struct hx *h, int listener, td_time at, uint16_t peer_wnd)
{
    tcp_in(h, at, .flags = SYN, .seq = 0, .wnd = peer_wnd, .opts = {.mss = 1460});
    tcp_out(h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = peer_wnd);
    int s = td_accept(h->st, listener, NULL, NULL);
    ck_assert_int_ge(s, 0);
    return s;
}

uint64_t hx_counter(const struct hx *h, const char *name)
{
    for (unsigned i = 0; i < CNT_COUNT; i++) {
        if (strcmp(counter_info[i].name, name) == 0) {
            return h->st->counters.v[i];
        }
    }
    ck_abort_msg("there is no counter called %s", name);
    return 0;
}

uint64_t hx_event(const struct hx *h, const char *name)
{
    for (unsigned i = 0; i < EV_COUNT; i++) {
        if (event_info[i].name != NULL && strcmp(event_info[i].name, name) == 0) {
            return h->st->journal.events[i];
        }
    }
    ck_abort_msg("there is no event called %s", name);
    return 0;
}
