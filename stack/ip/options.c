/* ip/options.c: options in answers and in what passes through (RFC 791 3.1; RFC 1122 3.2.1.8, 3.2.2.6; RFC 1812
 * 5.2.4.1, 5.3.13).
 *
 * Theory of operation. An echo request may carry three options that its sender wants to have back:
 *
 *   Record Route, Timestamp   so far as it has come, plus one entry that we make for ourselves; the
 *                             routers on the way back go on filling it ("updated to include the
 *                             current host", 3.2.2.6). A full option is returned as it is; a full
 *                             Timestamp counts us in its overflow nibble, unless that is full too.
 *   LSRR, SSRR                when we are the end of the route: the way back is the list reversed.
 *                             The list holds what the routers wrote into it, G1 … Gn; the answer
 * goes to Gn first and carries Gn-1 … G1, S. A sender that put itself in front of its list must not
 * appear twice (3.2.1.8c).
 *
 *     request   S → us    LSRR [G1 G2 G3]^        answer   us → G3    LSRR ^[G2 G1 S]
 *
 * In transit a router enters itself into Record Route and Timestamp. A source route that names it as its next stop
 * gives the datagram the destination after that, and gets the router's own address in its place.
 *
 * Everything else stays out of the answer: an option is copied because we know what it means. The
 * caller has had the options checked (ipv4_options_check), so pointers and lengths can be believed.
 *
 * Times: the stack owns no wall clock, and RFC 791 lets a host without one send any value with the
 * high bit set. Ours are milliseconds of the stack's clock.
 */
#include "ip/ip_internal.h"

#include <string.h>

static bool find_source_route(const struct ipv4_hdr *h, struct ipv4_opt *o)
{
    unsigned pos = 0;
    int bad;

    while (ipv4_opt_next(h, &pos, o, &bad))
        if (o->type == IPOPT_LSRR_ || o->type == IPOPT_SSRR_)
            return true;
    return false;
}

bool ip_options_source_route(const struct ipv4_hdr *h, bool *complete)
{
    struct ipv4_opt o;
    bool there = find_source_route(h, &o);

    *complete = there && o.len >= 3 && o.body[2] > o.len;
    return there;
}

bool ip_options_next_hop(const struct ipv4_hdr *h, td_ip4 *next, bool *strict)
{
    struct ipv4_opt o;

    if (!find_source_route(h, &o) || o.body[2] + 3U > o.len)
        return false;
    *next = wire_get32(o.body + o.body[2] - 1);
    *strict = o.type == IPOPT_SSRR_;
    return true;
}

static void answer_record_route(uint8_t *opt, td_ip4 self)
{
    unsigned pointer = opt[2];

    if (pointer + 3 > opt[1])
        return;
    wire_put32(opt + pointer - 1, self);
    opt[2] = (uint8_t)(pointer + 4);
}

static void answer_timestamp(const struct td_stack *st, uint8_t *opt, td_ip4 self)
{
    unsigned pointer = opt[2], flag = opt[3] & 0x0f, overflow = opt[3] >> 4;
    unsigned step = flag == 0 ? 4 : 8;
    uint32_t time = (uint32_t)(st->now / TD_MS) | UINT32_C(0x80000000);

    if (pointer + step - 1 > opt[1]) {
        if (overflow < 15 && flag != 3)
            opt[3] = (uint8_t)((overflow + 1) << 4 | flag);
        return;
    }
    if (flag == 3 && wire_get32(opt + pointer - 1) != self)
        return; /* the next place is another host's */
    if (flag == 1)
        wire_put32(opt + pointer - 1, self);
    wire_put32(opt + pointer - 1 + step - 4, time);
    opt[2] = (uint8_t)(pointer + step);
}

/* Writes the reversed route to out; returns its length, 0 when the answer can go straight. */
static unsigned answer_source_route(const struct ipv4_opt *o, td_ip4 sender, uint8_t *out,
                                    td_ip4 *first_hop)
{
    unsigned hops = (o->len - 3U) / 4, skip, n = 0;

    if (o->body[2] <= o->len || hops == 0)
        return 0;
    skip = wire_get32(o->body + 3) == sender ? 1 : 0;
    if (hops == skip)
        return 0;
    *first_hop = wire_get32(o->body + 3 + 4 * (hops - 1));
    for (unsigned i = hops - 1; i > skip; i--)
        memcpy(out + 3 + 4 * n++, o->body + 3 + 4 * (i - 1), 4);
    wire_put32(out + 3 + 4 * n++, sender);
    out[0] = o->type;
    out[1] = (uint8_t)(3 + 4 * n);
    out[2] = 4;
    return out[1];
}

bool ip_options_transit(const struct td_stack *st, uint8_t *opt, unsigned len, td_ip4 self, bool hop)
{
    uint8_t before[40];

    memcpy(before, opt, len);
    for (unsigned at = 0; at < len && opt[at] != IPOPT_EOL_;) {
        if (opt[at] == IPOPT_NOP_) {
            at++;
            continue;
        }
        if (opt[at] == IPOPT_RR_ || (hop && (opt[at] == IPOPT_LSRR_ || opt[at] == IPOPT_SSRR_)))
            answer_record_route(opt + at, self); /* a hop's place becomes its address (RFC 791 3.1) */
        else if (opt[at] == IPOPT_TS_)
            answer_timestamp(st, opt + at, self);
        at += opt[at + 1];
    }
    return memcmp(before, opt, len) != 0;
}

unsigned ip_options_answer(const struct td_stack *st, const struct ipv4_hdr *h, td_ip4 self,
                           uint8_t out[40], td_ip4 *first_hop)
{
    unsigned n = 0, pos = 0;
    struct ipv4_opt o;
    int bad;

    *first_hop = 0;
    while (ipv4_opt_next(h, &pos, &o, &bad)) {
        switch (o.type) {
        case IPOPT_RR_:
            memcpy(out + n, o.body, o.len);
            answer_record_route(out + n, self);
            n += o.len;
            break;
        case IPOPT_TS_:
            memcpy(out + n, o.body, o.len);
            answer_timestamp(st, out + n, self);
            n += o.len;
            break;
        case IPOPT_LSRR_:
        case IPOPT_SSRR_:
            n += answer_source_route(&o, h->src, out + n, first_hop);
            break;
        default:
            break;
        }
    }
    while (n % 4 != 0)
        out[n++] = IPOPT_EOL_;
    return n;
}
