/* ip/nf/target.c: REJECT, LOG, TCPMSS.
 *
 * REJECT drops, and says so to the sender, by the ICMP error that the rule names (under all that icmp_send_error
 * asks of errors: RFC 1122 3.2.2, the rate limit) or, for TCP, by the reset that a host without such a connection
 * would have sent (RFC 9293 3.10.7.1). The answer is a datagram of our own: it goes through OUTPUT and POSTROUTING,
 * which translate it as its flow is, and the rules may catch it there.
 *
 * TCPMSS lowers the maximum segment size that a SYN announces, to a number or to what the path takes in both
 * directions: the cure where the ICMP errors of path-MTU discovery don't get through (RFC 2923 2.1, 3). It never
 * raises it, and adds none where none is: then 536 is meant (RFC 9293 3.7.1).
 */
#include "ip/nf/nf_internal.h"

#include "wire/tcp.h"

#include <string.h>

/* ---- REJECT ---- */

static void send_reset(struct td_stack *st, struct nf_ctx *c)
{
    uint8_t b[TCP_HLEN];
    uint32_t n = nf_l4_len(c), hlen;
    struct tcp_hdr h = {.flags = TCP_RST, .hlen = TCP_HLEN};
    struct ip_tx tx = {.src = c->h->dst,
                       .dst = c->h->src,
                       .proto = IPPROTO_TCP_,
                       .flags = IP_TX_NO_SRC_CHECK | IP_TX_DF};
    struct pkt *p;
    uint8_t *at;

    if (c->h->proto != IPPROTO_TCP_ || n < sizeof b || !pkt_read(*c->p, nf_l4(c), b, sizeof b) ||
        (b[13] & TCP_RST) != 0 || ip_is_broadcast(st, NULL, c->h->dst) || ip4_is_multicast(c->h->dst) ||
        (!c->bare && c->hook != NF_FORWARD && !nf_checksum_ok(c)))
        return;
    hlen = (b[12] >> 4) * 4U;
    h.sport = wire_get16(b + 2);
    h.dport = wire_get16(b);
    if ((b[13] & TCP_ACK) != 0) {
        h.seq = wire_get32(b + 8);
    } else {
        h.flags |= TCP_ACK;
        h.ack = wire_get32(b + 4) + (hlen <= n ? n - hlen : 0) + ((b[13] & TCP_SYN) != 0) + ((b[13] & TCP_FIN) != 0);
    }
    p = pkt_alloc(&st->mem, PKT_HEADROOM, TCP_HLEN);
    at = p != NULL ? pkt_put(p, TCP_HLEN) : NULL;
    if (at == NULL) {
        pkt_free(p);
        return;
    }
    (void)tcp_emit(&h, at);
    wire_put16(at + 16, checksum_finish(checksum_add(
                            checksum_pseudo(tx.src, tx.dst, IPPROTO_TCP_, TCP_HLEN), at, TCP_HLEN)));
    (void)ip_output(st, p, &tx);
}

static void send_error(struct td_stack *st, struct nf_ctx *c, uint8_t code)
{
    struct pkt *p = *c->p, *whole = NULL;

    if (c->bare) { /* our own datagram: its header is still to be written */
        uint8_t *b;

        whole = pkt_clone(p, PKT_HEADROOM);
        b = whole != NULL ? pkt_push(whole, c->h->hlen) : NULL;
        if (b == NULL) {
            pkt_free(whole);
            return;
        }
        (void)ipv4_emit(c->h, b);
        pkt_set_l3(whole);
        whole->flags |= PKT_LOOPBACK;
        p = whole;
    }
    icmp_send_error(st, p, ICMP_UNREACHABLE, code, 0);
    pkt_free(whole);
}

void nf_target_reject(struct td_stack *st, struct nf_ctx *c, const struct nf_rule *r)
{
    static const uint8_t code[NF_REJECTS] = {
        [NF_REJECT_PORT] = ICMP_PORT_UNREACH,
        [NF_REJECT_NET] = ICMP_NET_UNREACH,
        [NF_REJECT_HOST] = ICMP_HOST_UNREACH,
        [NF_REJECT_PROTO] = ICMP_PROTO_UNREACH,
        [NF_REJECT_NET_PROHIB] = ICMP_NET_PROHIBITED,
        [NF_REJECT_HOST_PROHIB] = ICMP_HOST_PROHIBITED,
        [NF_REJECT_ADMIN_PROHIB] = ICMP_ADMIN_PROHIBITED,
    };

    count(st, NfRejects);
    if (r->reject == NF_REJECT_TCP_RESET)
        send_reset(st, c);
    else
        send_error(st, c, code[r->reject]);
}

/* ---- LOG ---- */

void nf_target_log(struct td_stack *st, const struct nf_ctx *c, const struct nf_rule *r)
{
    const struct journal_subject sub = {.pkt = (*c->p)->id,
                                        .ifindex = c->in != NULL ? c->in->index : 0,
                                        .addr = c->bare ? c->h->dst : c->h->src};
    uint8_t b[4] = {0};

    if (c->h->proto == IPPROTO_TCP_ || c->h->proto == IPPROTO_UDP_)
        (void)pkt_read(*c->p, nf_l4(c), b, 4);
    JOURNAL(st, EV_NF_LOG, &sub, r->prefix_id, c->in != NULL ? c->in->index : 0,
            c->out != NULL ? c->out->index : 0, c->h->src, c->h->dst, c->h->total_len, c->h->proto, wire_get32(b));
}

/* ---- TCPMSS ---- */

/* Where the MSS option's value is in the n octets of a TCP header; 0: there is none. */
static uint32_t find_mss(const uint8_t *b, uint32_t n)
{
    for (uint32_t at = TCP_HLEN; at < n;) {
        if (b[at] == TCPOPT_EOL_)
            break;
        if (b[at] == TCPOPT_NOP_) {
            at++;
            continue;
        }
        if (at + 1 >= n || b[at + 1] < 2 || at + b[at + 1] > n)
            break;
        if (b[at] == TCPOPT_MSS_ && b[at + 1] == 4)
            return at + 2;
        at += b[at + 1];
    }
    return 0;
}

static uint32_t path_mtu(struct td_stack *st, td_ip4 dst, uint32_t least)
{
    struct ip_route_result r;

    return route_find(st, dst, 0, 0, &r) == 0 && r.mtu != 0 && r.mtu < least ? r.mtu : least;
}

bool nf_target_tcpmss(struct td_stack *st, struct nf_ctx *c, const struct nf_rule *r)
{
    const struct journal_subject sub = {.pkt = (*c->p)->id, .addr = c->h->src};
    uint32_t want = r->mss, off, hlen, at, at_even;
    uint8_t doff, *b, odd[4];
    uint16_t old, before, after;

    if (!pkt_read(*c->p, nf_l4(c) + 12, &doff, 1))
        return true;
    hlen = (doff >> 4) * 4U;
    if (hlen < TCP_HLEN || hlen > nf_l4_len(c))
        return true;
    if (!nf_writable(st, c, nf_l4(c) + hlen))
        return false;
    off = nf_l4(c);
    b = (*c->p)->data + off;
    at = find_mss(b, hlen);
    if (at == 0)
        return true;
    if (want == 0) {
        want = path_mtu(st, c->h->dst, 65535);
        if (!c->bare)
            want = path_mtu(st, c->h->src, want);
        if (c->out != NULL && c->out->mtu < want)
            want = c->out->mtu;
        want = want > IPV4_HLEN + TCP_HLEN ? want - IPV4_HLEN - TCP_HLEN : 1;
    }
    old = wire_get16(b + at);
    if (old <= want)
        return true;
    /* The value may lie across two words of the sum. */
    at_even = at & ~1U;
    memcpy(odd, b + at_even, sizeof odd);
    before = checksum_fold(checksum_add(0, odd, (at & 1) != 0 ? 4 : 2));
    wire_put16(b + at, want);
    memcpy(odd, b + at_even, sizeof odd);
    after = checksum_fold(checksum_add(0, odd, (at & 1) != 0 ? 4 : 2));
    if ((*c->p)->csum != PKT_CSUM_PARTIAL)
        wire_put16(b + 16, checksum_update(wire_get16(b + 16), before, after));
    JOURNAL(st, EV_NF_MSS, &sub, c->h->src, c->h->dst, old, want);
    return true;
}
