/* ip/nf/proto.c: what a datagram does to its flow.
 *
 * Theory of operation. TCP's flows follow the handshakes by flags alone, in the words that Linux uses for the
 * states; sequence numbers aren't looked at (a flow is never less than the connection it stands for, at the price
 * that a forged RST shortens its life here). A segment whose flags no TCP sends together is INVALID.
 *
 *     SYN                     NONE → SYN_SENT             120 s
 *     SYN from both           SYN_SENT → SYN_SENT2        120 s
 *     SYN,ACK in reply        SYN_SENT → SYN_RECV          60 s
 *     ACK of the opener       SYN_RECV → ESTABLISHED        5 days, and assured
 *     a FIN                   → FIN_WAIT                  120 s
 *     ACK from the other      FIN_WAIT → CLOSE_WAIT        60 s
 *     FIN from the other      → LAST_ACK                   30 s
 *     ACK of that             LAST_ACK → TIME_WAIT        120 s
 *     RST                     → CLOSE                      10 s
 *     SYN in TIME_WAIT, CLOSE   the old flow goes, a new one begins
 *
 * A flow found in the middle of its life (we were restarted, the path moved) is taken up as ESTABLISHED where
 * net.netfilter.nf_conntrack_tcp_loose allows it, with the short time of the unacknowledged until the other
 * side has been heard.
 *
 * UDP has a short time until both sides have talked for two seconds, then a longer one, and is assured. An ICMP
 * query's flow is its identifier. Every other protocol is known by its addresses alone. All times are knobs
 * with Linux's names.
 */
#include "ip/nf/nf_internal.h"

#include "wire/tcp.h"

#include <string.h>

#define UDP_STREAM_AFTER (2 * TD_SEC)

const char *nf_tcp_state_name(unsigned state)
{
    static const char *const name[NF_TCP_STATES] = {
        "NONE",       "SYN_SENT", "SYN_RECV",  "ESTABLISHED", "FIN_WAIT",
        "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",       "SYN_SENT2",
    };

    return state < NF_TCP_STATES ? name[state] : "?";
}

/* ---- reading ---- */

/* Data offset, or 0: no TCP header there. */
static uint32_t tcp_hlen(const struct nf_ctx *c)
{
    uint8_t b;
    uint32_t n = nf_l4_len(c);

    if (n < TCP_HLEN || !pkt_read(*c->p, nf_l4(c) + 12, &b, 1) || (b >> 4) * 4U < TCP_HLEN ||
        (b >> 4) * 4U > n)
        return 0;
    return (b >> 4) * 4U;
}

static uint8_t tcp_flags(const struct nf_ctx *c)
{
    uint8_t b = 0;

    (void)pkt_read(*c->p, nf_l4(c) + 13, &b, 1);
    return b;
}

/* The type of the query that this message is or answers; 0: neither. */
static uint8_t icmp_query(uint8_t type, bool *answer)
{
    static const uint8_t pair[][2] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}};

    for (unsigned i = 0; i < sizeof pair / sizeof pair[0]; i++)
        if (type == pair[i][0] || type == pair[i][1]) {
            *answer = type == pair[i][1];
            return pair[i][0];
        }
    return 0;
}

bool nf_tuple_read(struct nf_tuple *t, const struct ipv4_hdr *h, const uint8_t *b, uint32_t n)
{
    bool answer;

    *t = (struct nf_tuple){.src = h->src, .dst = h->dst, .proto = h->proto};
    switch (h->proto) {
    case IPPROTO_TCP_:
    case IPPROTO_UDP_:
        if (n < 8)
            return false;
        t->sport = wire_get16(b);
        t->dport = wire_get16(b + 2);
        return true;
    case IPPROTO_ICMP_:
        if (n < 8 || (t->kind = icmp_query(b[0], &answer)) == 0)
            return false;
        *(answer ? &t->dport : &t->sport) = wire_get16(b + 4);
        return true;
    default:
        return true;
    }
}

bool nf_tuple_of(const struct nf_ctx *c, struct nf_tuple *t)
{
    uint8_t b[8] = {0};
    uint32_t n = nf_l4_len(c) < sizeof b ? nf_l4_len(c) : sizeof b;

    if (!pkt_read(*c->p, nf_l4(c), b, n) || !nf_tuple_read(t, c->h, b, n))
        return false;
    if (c->h->proto == IPPROTO_UDP_) {
        uint32_t length = wire_get16(b + 4);

        return length >= 8 && length <= nf_l4_len(c);
    }
    return c->h->proto != IPPROTO_TCP_ || tcp_hlen(c) != 0;
}

bool nf_checksum_ok(const struct nf_ctx *c)
{
    const struct pkt *p = *c->p;
    uint32_t n = nf_l4_len(c), sum = 0;
    uint8_t b[2];

    if (p->csum != PKT_CSUM_NONE)
        return true;
    switch (c->h->proto) {
    case IPPROTO_UDP_:
        if (!pkt_read(p, nf_l4(c) + 6, b, 2) || wire_get16(b) == 0)
            return true;
        if (!pkt_read(p, nf_l4(c) + 4, b, 2) || wire_get16(b) > n)
            return false;
        n = wire_get16(b);
        break;
    case IPPROTO_TCP_:
    case IPPROTO_ICMP_:
        break;
    default:
        return true;
    }
    if (c->h->proto != IPPROTO_ICMP_)
        sum = checksum_pseudo(c->h->src, c->h->dst, c->h->proto, n);
    return checksum_fold(sum + checksum_fold(pkt_sum(p, nf_l4(c), n))) == 0xffff;
}

/* ---- TCP ---- */

static bool flags_possible(uint8_t flags)
{
    switch (flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) {
    case TCP_SYN:
    case TCP_SYN | TCP_ACK:
    case TCP_RST:
    case TCP_RST | TCP_ACK:
    case TCP_ACK:
    case TCP_FIN | TCP_ACK:
        return true;
    default:
        return false;
    }
}

static uint8_t tcp_after_fin(struct nf_conn *ct, enum nf_dir dir)
{
    ct->flags |= dir == NF_ORIG ? NF_C_FIN_ORIG : NF_C_FIN_REPLY;
    if ((ct->flags & (NF_C_FIN_ORIG | NF_C_FIN_REPLY)) != (NF_C_FIN_ORIG | NF_C_FIN_REPLY))
        return ct->state == NF_TCP_CLOSE_WAIT ? NF_TCP_CLOSE_WAIT : NF_TCP_FIN_WAIT;
    if (ct->state != NF_TCP_LAST_ACK && ct->state != NF_TCP_TIME_WAIT) {
        ct->flags &= ~(uint32_t)NF_C_LAST_FIN_REPLY;
        if (dir == NF_REPLY)
            ct->flags |= NF_C_LAST_FIN_REPLY;
    }
    return ct->state == NF_TCP_TIME_WAIT ? NF_TCP_TIME_WAIT : NF_TCP_LAST_ACK;
}

static uint8_t tcp_after_ack(const struct nf_conn *ct, enum nf_dir dir)
{
    bool others_fin = (ct->flags & (dir == NF_ORIG ? NF_C_FIN_REPLY : NF_C_FIN_ORIG)) != 0;
    enum nf_dir last = (ct->flags & NF_C_LAST_FIN_REPLY) != 0 ? NF_REPLY : NF_ORIG;

    switch (ct->state) {
    case NF_TCP_SYN_RECV:
        return dir == NF_ORIG ? NF_TCP_ESTABLISHED : NF_TCP_SYN_RECV;
    case NF_TCP_FIN_WAIT:
        return others_fin ? NF_TCP_CLOSE_WAIT : NF_TCP_FIN_WAIT;
    case NF_TCP_LAST_ACK:
        return dir != last ? NF_TCP_TIME_WAIT : NF_TCP_LAST_ACK;
    case NF_TCP_NONE:
        return NF_TCP_ESTABLISHED;
    default:
        return ct->state;
    }
}

static uint8_t tcp_next(struct nf_conn *ct, enum nf_dir dir, uint8_t flags)
{
    if ((flags & TCP_RST) != 0)
        return NF_TCP_CLOSE;
    if ((flags & TCP_SYN) != 0) {
        bool ack = (flags & TCP_ACK) != 0;

        if (!ack && ct->state == NF_TCP_NONE)
            return NF_TCP_SYN_SENT;
        if (!ack && dir == NF_REPLY && ct->state == NF_TCP_SYN_SENT)
            return NF_TCP_SYN_SENT2;
        if (ack && ((dir == NF_REPLY && ct->state == NF_TCP_SYN_SENT) || ct->state == NF_TCP_SYN_SENT2))
            return NF_TCP_SYN_RECV;
        return ct->state;
    }
    if ((flags & TCP_FIN) != 0 && ct->state != NF_TCP_CLOSE && ct->state != NF_TCP_SYN_SENT)
        return tcp_after_fin(ct, dir);
    return tcp_after_ack(ct, dir);
}

static enum nf_proto_verdict tcp_packet(struct td_stack *st, struct nf_conn *ct, enum nf_dir dir,
                                        const struct nf_ctx *c)
{
    uint8_t flags = tcp_flags(c), next;

    if (!flags_possible(flags))
        return NF_P_INVALID;
    if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
        (ct->state == NF_TCP_TIME_WAIT || ct->state == NF_TCP_CLOSE))
        return NF_P_AGAIN;
    next = tcp_next(ct, dir, flags);
    if (dir == NF_REPLY && (ct->flags & NF_C_SEEN_REPLY) == 0) {
        ct->flags |= NF_C_SEEN_REPLY;
        if (next == ct->state)
            nf_conn_changed(st, ct);
    }
    if (next == NF_TCP_ESTABLISHED && (ct->flags & NF_C_SEEN_REPLY) != 0)
        nf_conn_assure(st, ct);
    if (next != ct->state) {
        ct->state = next;
        nf_conn_changed(st, ct);
    }
    return NF_P_OK;
}

/* ---- all ---- */

bool nf_proto_begins(struct td_stack *st, const struct nf_ctx *c, const struct nf_tuple *t)
{
    uint8_t flags;

    if (t->proto == IPPROTO_ICMP_)
        return t->dport == 0 && pkt_read(*c->p, nf_l4(c), &flags, 1) && flags == t->kind; /* a query */
    if (t->proto != IPPROTO_TCP_)
        return true;
    flags = tcp_flags(c) & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK);
    return flags == TCP_SYN ||
           (flags_possible(flags) && (flags & (TCP_SYN | TCP_RST)) == 0 && knob(st, NF_CT_TCP_LOOSE) != 0);
}

static td_time tcp_timeout(const struct td_stack *st, const struct nf_conn *ct)
{
    const int64_t time[NF_TCP_STATES] = {
        [NF_TCP_NONE] = knob(st, NF_CT_TCP_CLOSE),
        [NF_TCP_SYN_SENT] = knob(st, NF_CT_TCP_SYN_SENT),
        [NF_TCP_SYN_SENT2] = knob(st, NF_CT_TCP_SYN_SENT),
        [NF_TCP_SYN_RECV] = knob(st, NF_CT_TCP_SYN_RECV),
        [NF_TCP_ESTABLISHED] = knob(st, NF_CT_TCP_ESTABLISHED),
        [NF_TCP_FIN_WAIT] = knob(st, NF_CT_TCP_FIN_WAIT),
        [NF_TCP_CLOSE_WAIT] = knob(st, NF_CT_TCP_CLOSE_WAIT),
        [NF_TCP_LAST_ACK] = knob(st, NF_CT_TCP_LAST_ACK),
        [NF_TCP_TIME_WAIT] = knob(st, NF_CT_TCP_TIME_WAIT),
        [NF_TCP_CLOSE] = knob(st, NF_CT_TCP_CLOSE),
    };
    int64_t t = time[ct->state], unacked = knob(st, NF_CT_TCP_UNACK);

    if ((ct->flags & NF_C_SEEN_REPLY) == 0 && ct->state == NF_TCP_ESTABLISHED && t > unacked)
        t = unacked;
    return (td_time)t * TD_SEC;
}

td_time nf_proto_timeout(const struct td_stack *st, const struct nf_conn *ct)
{
    switch (ct->end[NF_ORIG].t.proto) {
    case IPPROTO_TCP_:
        return tcp_timeout(st, ct);
    case IPPROTO_UDP_:
        return (td_time)((ct->flags & NF_C_ASSURED) != 0 ? knob(st, NF_CT_UDP_STREAM)
                                                        : knob(st, NF_CT_UDP)) *
               TD_SEC;
    case IPPROTO_ICMP_:
        return (td_time)knob(st, NF_CT_ICMP) * TD_SEC;
    default:
        return (td_time)knob(st, NF_CT_GENERIC) * TD_SEC;
    }
}

enum nf_proto_verdict nf_proto_packet(struct td_stack *st, struct nf_conn *ct, enum nf_dir dir,
                                      const struct nf_ctx *c)
{
    uint8_t proto = c->h->proto;

    if (proto == IPPROTO_TCP_) {
        enum nf_proto_verdict v = tcp_packet(st, ct, dir, c);

        if (v != NF_P_OK)
            return v;
    } else if (dir == NF_REPLY && (ct->flags & NF_C_SEEN_REPLY) == 0) {
        ct->flags |= NF_C_SEEN_REPLY;
        nf_conn_changed(st, ct);
    }
    if (proto == IPPROTO_UDP_ && (ct->flags & NF_C_SEEN_REPLY) != 0 &&
        st->now - ct->began > UDP_STREAM_AFTER)
        nf_conn_assure(st, ct);
    if ((ct->flags & NF_C_CONFIRMED) != 0)
        timer_arm(st, &ct->timer, st->now + nf_proto_timeout(st, ct));
    return NF_P_OK;
}
