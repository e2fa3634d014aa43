/* ip/icmp.c: ICMP messages received, and echo (RFC 792; RFC 1122 3.2.2).
 *
 * Theory of operation. A message is checked (8 bytes at least, the checksum over all of it) and
 * sorted:
 *
 *     echo request        answered out of the very packet that brought it: type changed, checksum
 *                         brought up to date (RFC 1624), a new IP header pushed in front, the data
 *                         never touched. The code is returned as it came. From the address that was
 *                         asked, so broadcasts get no answer by default (knobs icmp_echo_ignore_*)
 *     echo reply          to the listener: ping sockets
 *     errors, redirects   icmp_error.c
 *     timestamp           answered when the knob says so; see below
 *     source quench       dropped and journaled (RFC 6633 4: a security event)
 *     all others          dropped without a sound (3.2.2), among them address masks, information
 * and router advertisements, which could reconfigure a host (RFC 6918, 1256)
 *
 * There is one answer a request and it is no longer than the request: a flood of them can't be
 * amplified here, and a spoofed source gets no more than it was made to send.
 *
 * Timestamps (3.2.2.8) want milliseconds since midnight UT. The stack owns no wall clock (time is
 * injected and monotonic), so the service is off by default, and on, it sends the stack's own
 * milliseconds with the high bit set, RFC 792's mark of a non-standard value.
 */
#include "ip/ip_internal.h"

#include <errno.h>
#include <string.h>

static struct journal_subject rx_subject(const struct pkt *p, const struct ip_rx *rx)
{
    return (struct journal_subject){.pkt = p->id, .ifindex = rx->nif->index, .addr = rx->h.src};
}

/* ---- sending ---- */

static void count_out(struct td_stack *st, uint8_t type)
{
    count(st, IcmpOutMsgs);
    switch (type) {
    case ICMP_UNREACHABLE:
        count(st, IcmpOutDestUnreachs);
        break;
    case ICMP_TIME_EXCEEDED:
        count(st, IcmpOutTimeExcds);
        break;
    case ICMP_PARAM_PROBLEM:
        count(st, IcmpOutParmProbs);
        break;
    case ICMP_ECHO:
        count(st, IcmpOutEchos);
        break;
    case ICMP_ECHO_REPLY:
        count(st, IcmpOutEchoReps);
        break;
    case ICMP_TIMESTAMP_REPLY:
        count(st, IcmpOutTimestampReps);
        break;
    default:
        break;
    }
}

int icmp_transmit(struct td_stack *st, struct pkt *p, const struct ip_tx *tx)
{
    uint8_t type = p->data[0];
    int err;

    err = ip_output(st, p, tx);
    if (err < 0)
        count(st, IcmpOutErrors);
    else
        count_out(st, type);
    return err;
}

int icmp_send_echo(struct td_stack *st, const struct ip_tx *tx, uint16_t id, uint16_t seq,
                   const void *data, uint32_t len)
{
    struct icmp_hdr h = {.type = ICMP_ECHO, .echo = {.id = id, .seq = seq}};
    struct ip_tx out = *tx;
    struct pkt *p;
    uint8_t *b;

    if (len > IP_MMS_R - ICMP_HLEN)
        return -EMSGSIZE;
    p = pkt_alloc(&st->mem, PKT_HEADROOM, ICMP_HLEN + len);
    b = p != NULL ? pkt_put(p, ICMP_HLEN + len) : NULL;
    if (b == NULL) {
        struct journal_subject sub = {.addr = tx->dst};

        JOURNAL(st, EV_ICMP_DROP_MEMORY, &sub, tx->dst, len);
        count(st, IcmpOutErrors);
        pkt_free(p);
        return -ENOBUFS;
    }
    (void)icmp_emit(&h, b);
    if (data != NULL)
        memcpy(b + ICMP_HLEN, data, len);
    else
        memset(b + ICMP_HLEN, 0, len);
    wire_put16(b + 2, checksum(b, ICMP_HLEN + len));
    out.proto = IPPROTO_ICMP_;
    return icmp_transmit(st, p, &out);
}

/* Turns a request into the packet of its answer: nothing of its arrival is left on it. NULL: no
 * memory. */
static struct pkt *answer_packet(struct td_stack *st, struct pkt *p)
{
    if (p->refs > 1) { /* somebody else looks at it */
        struct pkt *mine = pkt_copy(&st->mem, p, PKT_HEADROOM);

        pkt_free(p);
        p = mine;
    }
    if (p == NULL)
        return NULL;
    p->id = 0;
    p->flags = 0;
    p->ifindex = 0;
    p->vlan_tci = 0;
    p->csum = PKT_CSUM_NONE;
    p->gso_size = 0;
    p->gso_segs = 0;
    p->frag_max = 0;
    p->l3_off = -1;
    return p;
}

/* Where an answer goes: to the source, from the address that was asked (RFC 1122 3.2.2.6), with the
 * options that go back. opt has room for 40. */
static struct ip_tx answer_tx(struct td_stack *st, const struct ip_rx *rx, uint8_t opt[40])
{
    struct ip_route_result r;
    td_ip4 first_hop, self = rx->h.dst;
    struct ip_tx tx = {.dst = rx->h.src,
                       .proto = IPPROTO_ICMP_,
                       .tos = rx->h.tos & 0xfc, /* the ECN bits are not the sender's to choose */
                       .opt = opt};

    if (rx->bcast || rx->mcast)
        self = route_find(st, rx->h.src, 0, 0, &r) == 0 ? r.src : 0;
    tx.src = self;
    tx.opt_len = (uint8_t)ip_options_answer(st, &rx->h, self, opt, &first_hop);
    if (first_hop != 0) {
        tx.dst = first_hop;
        tx.flags |= IP_TX_ANSWER_ROUTE;
    }
    return tx;
}

/* ---- requests ---- */

static void icmp_echo(struct td_stack *st, struct pkt *p, const struct ip_rx *rx,
                      const struct icmp_hdr *h)
{
    struct journal_subject sub = rx_subject(p, rx);
    bool group = rx->bcast || rx->mcast;
    uint8_t opt[40];
    struct ip_tx tx;

    count(st, IcmpInEchos);
    if (knob(st, ICMP_ECHO_IGNORE_ALL) != 0 || rx->h.src == 0 ||
        (group && knob(st, ICMP_ECHO_IGNORE_BROADCASTS) != 0)) {
        JOURNAL(st, EV_ICMP_DROP_ECHO, &sub, rx->h.src, rx->h.dst, group);
        pkt_free(p);
        return;
    }
    tx = answer_tx(st, rx, opt);
    JOURNAL_CAUSE(st, EV_ICMP_ECHO_REPLY, &sub, rx->h.src, rx->h.dst, h->echo.id, h->echo.seq,
                  p->len - ICMP_HLEN);
    p = answer_packet(st, p);
    if (p == NULL) {
        JOURNAL(st, EV_ICMP_DROP_MEMORY, &sub, rx->h.src, 0);
        count(st, IcmpOutErrors);
        return;
    }
    p->data[0] = ICMP_ECHO_REPLY;
    uint16_t csum = checksum_update(h->csum, (uint16_t)(ICMP_ECHO << 8 | h->code),
                                    (uint16_t)(ICMP_ECHO_REPLY << 8 | h->code));
    wire_put16(p->data + 2, csum);
    /* Ones' complement has two zeros, and the update can't tell which is meant: a reply of nothing
     * but zeros (identifier 0, sequence 0, no data) needs 0xffff. */
    if (csum == 0)
        wire_put16(p->data + 2, checksum_finish(pkt_sum(p, 0, p->len)));
    (void)icmp_transmit(st, p, &tx);
}

static void icmp_timestamp(struct td_stack *st, struct pkt *p, const struct ip_rx *rx,
                           const struct icmp_hdr *h)
{
    struct journal_subject sub = rx_subject(p, rx);
    struct icmp_hdr reply = *h;
    uint8_t opt[40];
    struct ip_tx tx;

    count(st, IcmpInTimestamps);
    if (knob(st, ICMP_TIMESTAMP_REPLY) == 0 || rx->bcast || rx->mcast || h->code != 0) {
        JOURNAL(st, EV_ICMP_DROP_TYPE, &sub, rx->h.src, (uint64_t)h->type * 256 + h->code);
        pkt_free(p);
        return;
    }
    tx = answer_tx(st, rx, opt);
    JOURNAL_CAUSE(st, EV_ICMP_TIMESTAMP_REPLIED, &sub, rx->h.src);
    p = answer_packet(st, p);
    if (p == NULL || !pkt_may_pull(p, 20)) {
        JOURNAL(st, EV_ICMP_DROP_MEMORY, &sub, rx->h.src, 0);
        count(st, IcmpOutErrors);
        pkt_free(p);
        return;
    }
    reply.type = ICMP_TIMESTAMP_REPLY;
    reply.times[1] = reply.times[2] = (uint32_t)(st->now / TD_MS) | UINT32_C(0x80000000);
    (void)icmp_emit(&reply, p->data);
    wire_put16(p->data + 2, checksum_finish(pkt_sum(p, 0, p->len)));
    (void)icmp_transmit(st, p, &tx);
}

/* ---- replies ---- */

static void icmp_echo_reply(struct td_stack *st, struct pkt *p, const struct ip_rx *rx,
                            const struct icmp_hdr *h)
{
    struct journal_subject sub = rx_subject(p, rx);
    const struct icmp_listener *l = st->icmp->listener;

    count(st, IcmpInEchoReps);
    if (l == NULL || l->reply == NULL || rx->bcast || rx->mcast) {
        JOURNAL(st, EV_ICMP_DROP_UNWANTED, &sub, rx->h.src, (uint64_t)h->type * 256 + h->code,
                h->echo.id, h->echo.seq);
        return;
    }
    JOURNAL(st, EV_ICMP_ECHO_IN, &sub, rx->h.src, h->echo.id, h->echo.seq, p->len - ICMP_HLEN);
    l->reply(st, p, rx, h);
}

void icmp_set_listener(struct td_stack *st, const struct icmp_listener *l)
{
    st->icmp->listener = l;
}

/* ---- input ---- */

static void drop_type(struct td_stack *st, const struct pkt *p, const struct ip_rx *rx,
                      const struct icmp_hdr *h)
{
    struct journal_subject sub = rx_subject(p, rx);

    if (h->type == 17) /* address mask request, reply (RFC 950; RFC 6918) */
        count(st, IcmpInAddrMasks);
    if (h->type == 18)
        count(st, IcmpInAddrMaskReps);
    JOURNAL(st, EV_ICMP_DROP_TYPE, &sub, rx->h.src, (uint64_t)h->type * 256 + h->code);
}

/* False: journaled and counted. */
static bool icmp_check(struct td_stack *st, struct pkt *p, const struct ip_rx *rx,
                       struct icmp_hdr *h)
{
    struct journal_subject sub = rx_subject(p, rx);
    uint32_t look = p->len < 20 ? p->len : 20; /* a timestamp message is the longest form */
    enum wire_status status;

    if (!pkt_may_pull(p, look)) {
        JOURNAL(st, EV_IP_DROP_MEMORY, &sub, rx->h.src, rx->h.dst, p->len);
        count(st, IcmpInErrors);
        return false;
    }
    status = icmp_parse(h, p->data, look);
    if (status == WIRE_SHORT) {
        JOURNAL(st, EV_ICMP_DROP_SHORT, &sub, rx->h.src, p->len);
        count(st, IcmpInErrors);
        return false;
    }
    if (checksum_fold(pkt_sum(p, 0, p->len)) != 0xffff) {
        JOURNAL(st, EV_ICMP_DROP_CHECKSUM, &sub, rx->h.src, (uint64_t)h->type * 256 + h->code);
        count(st, IcmpInErrors);
        count(st, IcmpInCsumErrors);
        return false;
    }
    return true;
}

static void icmp_input(struct td_stack *st, struct pkt *p, const struct ip_rx *rx)
{
    struct journal_subject sub = rx_subject(p, rx);
    struct icmp_hdr h;

    count(st, IcmpInMsgs);
    if (!icmp_check(st, p, rx, &h)) {
        pkt_free(p);
        return;
    }
    switch (h.type) {
    case ICMP_ECHO:
        icmp_echo(st, p, rx, &h);
        return;
    case ICMP_TIMESTAMP:
        icmp_timestamp(st, p, rx, &h);
        return;
    case ICMP_ECHO_REPLY:
        icmp_echo_reply(st, p, rx, &h);
        break;
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAM_PROBLEM:
    case ICMP_REDIRECT:
        icmp_error_input(st, p, rx, &h);
        break;
    case ICMP_SOURCE_QUENCH:
        count(st, IcmpInSrcQuenchs);
        JOURNAL(st, EV_ICMP_DROP_SOURCE_QUENCH, &sub, rx->h.src, rx->h.dst);
        break;
    case ICMP_TIMESTAMP_REPLY:
        count(st, IcmpInTimestampReps); /* we never ask */
        JOURNAL(st, EV_ICMP_DROP_UNWANTED, &sub, rx->h.src, (uint64_t)h.type * 256 + h.code,
                h.echo.id, h.echo.seq);
        break;
    default:
        drop_type(st, p, rx, &h);
        break;
    }
    pkt_free(p);
}

/* An error about ICMP that we sent: only echo requests have somebody who waits for word of them. */
static void icmp_own_error(struct td_stack *st, const struct ip_error *e)
{
    const struct icmp_listener *l = st->icmp->listener;
    struct journal_subject sub = {.addr = e->from};

    if (e->payload[0] == ICMP_ECHO && l != NULL && l->error != NULL) {
        l->error(st, e, wire_get16(e->payload + 4), wire_get16(e->payload + 6));
        return;
    }
    JOURNAL(st, EV_ICMP_DROP_UNCLAIMED, &sub, e->from, (uint64_t)e->type * 256 + e->code,
            IPPROTO_ICMP_);
}

int icmp_init(struct td_stack *st)
{
    static const struct ip_protocol ops = {.input = icmp_input, .error = icmp_own_error};
    int err;

    st->icmp = mem_alloc(&st->mem, MEM_INSTANCE, sizeof *st->icmp);
    if (st->icmp == NULL)
        return -ENOMEM;
    hash_init(&st->icmp->hosts, &st->mem, &st->hash_key);
    st->icmp->tokens = (uint32_t)knob(st, ICMP_MSGS_BURST);
    st->icmp->refilled = st->now;
    err = ip_register(st, IPPROTO_ICMP_, &ops);
    if (err < 0)
        icmp_done(st);
    return err;
}

void icmp_done(struct td_stack *st)
{
    if (st->icmp == NULL)
        return;
    icmp_error_done(st);
    mem_free(&st->mem, MEM_INSTANCE, st->icmp, sizeof *st->icmp);
    st->icmp = NULL;
}
