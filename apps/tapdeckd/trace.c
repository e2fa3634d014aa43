/* tapdeckd/trace.c: traceroute's probes.
 *
 *     udp    datagrams to ports nobody listens on, one port a probe; routers' and the target's ICMP
 * errors wait in the socket's error queue with the datagram they are about (IP_RECVERR), so the
 * port tells which icmp   echo requests through a ping socket; the sequence number tells which tcp
 * SYNs. No socket sends one with so few hops to live and learns who complained, so they go out as
 *            datagrams of our own (td_send_datagram), each from a port that a bound socket keeps
 * for it, and an observer of the frames that come in (link/observe.c) recognises the answers by
 * that port. The stack knows nothing of these connections: it resets a SYN-ACK, as it should.
 *
 * What an answer means is told by its mark: none, that the probe came as far as it could or reached
 * the target; !H, !N, !P host, network, protocol unreachable, !S source route failed, !F-MTU too
 * big, !X prohibited, !V and !C precedence, !NUMBER any other code of destination unreachable.
 */
#include "tapdeckd/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ip/ip.h"
#include "tapdeckd/errqueue.h"
#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

#define LOOK_MAX 2048 /* of a frame that an observer sees */

void trace_done(struct run *r, struct trace *t, struct trace_probe *p)
{
    if (p->done || p->sent == 0)
        return;
    p->done = true;
    t->in_flight--;
    if (p->s >= 0)
        td_close(r->deck->st, p->s);
    p->s = -1;
}

/* ---- what an ICMP error says ---- */

/* False: it is no answer to a probe. */
static bool icmp_meaning(unsigned type, unsigned code, unsigned mtu, bool *last, char mark[12])
{
    static const char *const marks[] = {"!N", "!H", "!P", "",   NULL, "!S", "!N", "!H",
                                        NULL, "!X", "!X", NULL, NULL, "!X", "!V", "!C"};
    mark[0] = '\0';
    *last = type == ICMP_UNREACHABLE;
    if (type == ICMP_TIME_EXCEEDED)
        return code == 0;
    if (type != ICMP_UNREACHABLE)
        return false;
    if (code == ICMP_FRAG_NEEDED)
        snprintf(mark, 12, "!F-%u", mtu);
    else if (code < sizeof(marks) / sizeof(*marks) && marks[code] != NULL)
        snprintf(mark, 12, "%s", marks[code]);
    else
        snprintf(mark, 12, "!<%u>", code);
    return true;
}

static void answered(struct run *r, struct trace *t, unsigned i, td_ip4 from, bool last,
                     const char *mark, td_time at)
{
    struct trace_probe *p = &t->probe[i];
    if (i >= t->nprobes || p->sent == 0 || p->done)
        return;
    p->from = from;
    p->rtt = at > p->sent ? at - p->sent : 0;
    p->last = last;
    snprintf(p->mark, sizeof(p->mark), "%s", mark);
    trace_done(r, t, p);
}

/* ---- udp and icmp: sockets ---- */

static bool take_error(struct run *r, struct trace *t, td_time now)
{
    struct queued_error e;
    bool last;
    char mark[12];
    if (!errqueue_read(r->deck->st, t->s, &e))
        return false;
    unsigned which = t->method == TRACE_UDP      ? e.port
                     : e.quoted_len >= ICMP_HLEN ? wire_get16(e.quoted + 6)
                                                 : 0;
    if (e.ee.ee_origin == SO_EE_ORIGIN_ICMP &&
        icmp_meaning(e.ee.ee_type, e.ee.ee_code, e.ee.ee_info, &last, mark))
        answered(r, t, (uint16_t)(which - t->port), e.from, last, mark, now);
    return true;
}

static bool take_reply(struct run *r, struct trace *t, td_time now)
{
    uint8_t head[ICMP_HLEN];
    td_ip4 from;
    uint16_t port;
    int64_t n = td_recvfrom(r->deck->st, t->s, head, sizeof(head), MSG_TRUNC, &from, &port);
    if (n == -EAGAIN || n == -EBADF)
        return false;
    if (n >= 0 && t->method == TRACE_UDP && from == t->dst) /* somebody listens there after all */
        answered(r, t, (uint16_t)(port - t->port), from, true, "", now);
    else if (n >= ICMP_HLEN && t->method == TRACE_ICMP && head[0] == ICMP_ECHO_REPLY)
        answered(r, t, (uint16_t)(wire_get16(head + 6) - t->port), from, true, "", now);
    return true;
}

static int send_once(struct run *r, struct trace *t, unsigned i, uint32_t ttl)
{
    uint8_t b[65536] = {0};
    size_t len = t->size - IPV4_HLEN;
    int hops = (int)ttl;
    uint16_t number = (uint16_t)(t->port + i);
    td_setsockopt(r->deck->st, t->s, IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
    if (t->method == TRACE_ICMP) {
        struct icmp_hdr h = {.type = ICMP_ECHO};
        h.echo.seq = number;
        icmp_emit(&h, b); /* the socket puts identifier and checksum in */
        number = 0;
    } else {
        len -= 8;
    }
    for (size_t k = ICMP_HLEN; k < len; k++)
        b[k] = (uint8_t)('@' + k % 64);
    int64_t n = td_sendto(r->deck->st, t->s, b, len, 0, t->dst, number);
    return n < 0 ? (int)n : 0;
}

/* An error that waits is told by the next send: it is about an earlier probe. */
static int send_by_socket(struct run *r, struct trace *t, unsigned i, uint32_t ttl, td_time now)
{
    int err = send_once(r, t, i, ttl);
    if (err == 0 || (td_poll(r->deck->st, t->s) & POLLERR) == 0)
        return err;
    int pending;
    socklen_t len = sizeof(pending);
    td_getsockopt(r->deck->st, t->s, SOL_SOCKET, SO_ERROR, &pending, &len);
    while (take_error(r, t, now))
        ;
    return send_once(r, t, i, ttl);
}

static int open_socket(struct run *r, struct trace *t)
{
    struct td_stack *st = r->deck->st;
    int on = 1, pmtu = t->dont_fragment ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT, err = 0;
    t->s = td_socket(st, AF_INET, SOCK_DGRAM, t->method == TRACE_ICMP ? IPPROTO_ICMP : 0);
    if (t->s < 0)
        return t->s;
    td_setsockopt(st, t->s, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
    td_setsockopt(st, t->s, IPPROTO_IP, IP_MTU_DISCOVER, &pmtu, sizeof(pmtu));
    if (t->tos >= 0)
        td_setsockopt(st, t->s, IPPROTO_IP, IP_TOS, &t->tos, sizeof(t->tos));
    if (t->ifname != NULL)
        err = td_setsockopt(st, t->s, SOL_SOCKET, SO_BINDTODEVICE, t->ifname,
                            (socklen_t)strlen(t->ifname) + 1);
    if (err == 0 && t->src != 0) {
        struct sockaddr_in sa = td_sockaddr(t->src, 0);
        err = td_bind(st, t->s, (struct sockaddr *)&sa, sizeof(sa));
    }
    return err < 0 ? err : td_set_notify(st, t->s, run_notify, r);
}

/* ---- tcp: datagrams and an observer ---- */

static void keep_seen(struct trace *t, td_ip4 from, uint16_t port, bool last, const char *mark)
{
    if (t->nseen == TRACE_FLIGHT)
        return;
    struct trace_seen *s = &t->seen[t->nseen++];
    *s = (struct trace_seen){
        .at = td_stack_now(t->run->deck->st), .from = from, .port = port, .last = last};
    memcpy(s->mark, mark, sizeof(s->mark));
    t->run->ready = true;
}

/* An ICMP error about a segment to the target: which of our ports sent it? */
static void see_icmp(struct trace *t, td_ip4 from, const uint8_t *b, size_t n)
{
    bool last;
    char mark[12];
    if (n < ICMP_HLEN + IPV4_HLEN + 8)
        return;
    const uint8_t *quoted = b + ICMP_HLEN;
    size_t hlen = (size_t)(quoted[0] & 15) * 4;
    if (quoted[0] >> 4 != 4 || hlen < IPV4_HLEN || n < ICMP_HLEN + hlen + 8 ||
        quoted[9] != IPPROTO_TCP_ || wire_get32(quoted + 16) != t->dst ||
        wire_get16(quoted + hlen + 2) != t->port)
        return;
    if (icmp_meaning(b[0], b[1], wire_get16(b + 6), &last, mark))
        keep_seen(t, from, wire_get16(quoted + hlen), last, mark);
}

static void see_frame(void *ctx, const struct link_sight *sight)
{
    struct trace *t = ctx;
    uint8_t b[LOOK_MAX];
    struct eth_hdr e = {.type = sight->p->protocol};
    struct ipv4_hdr h;
    uint32_t n = sight->p->len;
    if (sight->out || n > sizeof(b) || !pkt_read(sight->p, 0, b, n) ||
        (!sight->bare && eth_parse(&e, b, n) != WIRE_OK) ||
        (!sight->bare && e.type != ETHERTYPE_IPV4) || e.hlen > n ||
        ipv4_parse(&h, b + e.hlen, n - e.hlen) != WIRE_OK || h.frag_off != 0)
        return;
    const uint8_t *l4 = b + e.hlen + h.hlen;
    size_t len = (size_t)h.total_len - h.hlen;
    if (h.proto == IPPROTO_ICMP_)
        see_icmp(t, h.src, l4, len);
    else if (h.proto == IPPROTO_TCP_ && h.src == t->dst && len >= TCP_HLEN &&
             wire_get16(l4) == t->port &&
             ((l4[13] & TCP_RST) != 0 || (l4[13] & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)))
        keep_seen(t, h.src, wire_get16(l4 + 2), true, "\0\0\0\0\0\0\0\0\0\0\0");
}

static void take_seen(struct run *r, struct trace *t)
{
    for (unsigned k = 0; k < t->nseen; k++) {
        const struct trace_seen *s = &t->seen[k];
        for (unsigned i = t->shown; i < t->next; i++)
            if (t->probe[i].port == s->port && !t->probe[i].done)
                answered(r, t, i, s->from, s->last, s->mark, s->at);
    }
    t->nseen = 0;
}

/* Our address on the way there: a connected datagram socket knows it, and sends nothing. */
static int find_source(struct run *r, struct trace *t)
{
    struct td_stack *st = r->deck->st;
    struct sockaddr_in to = td_sockaddr(t->dst, t->port), own = {0};
    socklen_t len = sizeof(own);
    int s = td_socket(st, AF_INET, SOCK_DGRAM, 0), err;
    if (s < 0)
        return s;
    if (t->ifname != NULL)
        td_setsockopt(st, s, SOL_SOCKET, SO_BINDTODEVICE, t->ifname,
                      (socklen_t)strlen(t->ifname) + 1);
    err = td_connect(st, s, (struct sockaddr *)&to, sizeof(to));
    if (err == 0)
        err = td_getsockname(st, s, (struct sockaddr *)&own, &len);
    td_close(st, s);
    t->src = ntohl(own.sin_addr.s_addr);
    return err;
}

/* A port of our own for this probe. 0 or -errno. */
static int hold_port(struct run *r, struct trace *t, struct trace_probe *p)
{
    struct td_stack *st = r->deck->st;
    struct sockaddr_in sa = td_sockaddr(t->src, 0);
    socklen_t len = sizeof(sa);
    p->s = td_socket(st, AF_INET, SOCK_STREAM, 0);
    int err = p->s < 0 ? p->s : td_bind(st, p->s, (struct sockaddr *)&sa, sizeof(sa));
    if (err == 0)
        err = td_getsockname(st, p->s, (struct sockaddr *)&sa, &len);
    p->port = ntohs(sa.sin_port);
    if (err != 0 && p->s >= 0) {
        td_close(st, p->s);
        p->s = -1;
    }
    return err;
}

static int send_syn(struct run *r, struct trace *t, unsigned i, uint32_t ttl, td_time now)
{
    struct trace_probe *p = &t->probe[i];
    uint8_t b[TCP_MAX_HLEN] = {0};
    struct tcp_hdr h = {.dport = t->port,
                        .seq = (uint32_t)(now / TD_US) + i * 65536,
                        .flags = TCP_SYN,
                        .wnd = 5840};
    int err = hold_port(r, t, p);
    if (err != 0)
        return err;
    h.sport = p->port;
    h.o = (struct tcp_opts){.has_mss = true,
                            .mss = 1460,
                            .has_sack_perm = true,
                            .has_ts = true,
                            .ts_val = (uint32_t)(now / TD_MS),
                            .has_wscale = true,
                            .wscale = 2};
    tcp_opts_layout(&h, true, TCP_OPTS_LINUX);
    size_t n = tcp_emit(&h, b);
    wire_put16(b + 16, checksum_finish(checksum_add(
                           checksum_pseudo(t->src, t->dst, IPPROTO_TCP_, (uint32_t)n), b, n)));
    const struct td_datagram d = {.src = t->src,
                                  .dst = t->dst,
                                  .proto = IPPROTO_TCP_,
                                  .tos = (uint8_t)(t->tos > 0 ? t->tos : 0),
                                  .ttl = (uint8_t)ttl,
                                  .dont_fragment = t->dont_fragment,
                                  .ifindex = t->ifindex};
    return td_send_datagram(r->deck->st, &d, b, n);
}

/* ---- all of them ---- */

int trace_open(struct run *r, struct trace *t)
{
    int err;
    t->run = r;
    if (t->method == TRACE_TCP) {
        err = t->src != 0 ? 0 : find_source(r, t);
        t->observer = (struct link_observer){.fn = see_frame, .ctx = t};
        link_observe(r->deck->st, &t->observer);
        t->observing = true;
    } else {
        err = open_socket(r, t);
    }
    return err == 0
               ? EXIT_DONE
               : run_fail(r, EXIT_FAILED, "no way to probe %s: %s", t->dst_text, error_text(err));
}

void trace_close(struct run *r, struct trace *t)
{
    if (t->observing)
        link_unobserve(r->deck->st, &t->observer);
    if (t->s >= 0)
        td_close(r->deck->st, t->s);
    for (unsigned i = 0; t->probe != NULL && i < t->nprobes; i++)
        if (t->probe[i].s >= 0)
            td_close(r->deck->st, t->probe[i].s);
}

int trace_send(struct run *r, struct trace *t, unsigned i, uint32_t ttl, td_time now)
{
    t->probe[i].sent = now; /* a probe to ourselves may be answered before this returns */
    t->in_flight++;
    return t->method == TRACE_TCP ? send_syn(r, t, i, ttl, now) : send_by_socket(r, t, i, ttl, now);
}

void trace_receive(struct run *r, struct trace *t, td_time now)
{
    if (t->method == TRACE_TCP) {
        take_seen(r, t);
        return;
    }
    for (int i = 0; i < 256 && (take_error(r, t, now) || take_reply(r, t, now)); i++)
        ;
}
