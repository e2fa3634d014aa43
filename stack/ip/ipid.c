/* ip/ipid.c: identification numbers (RFC 791 3.2, 6864, 7739).
 *
 * Theory of operation. The number only has to tell the fragments of one datagram from those of
 * another with the same source, destination and protocol, while either may be in the network; and
 * nobody may learn from the numbers sent to him how much we send to others (the idle scan), or
 * guess the next one sent to somebody else (fragments to be mixed in). So (RFC 7739 5.3):
 *
 *     id = hash(key 1; source, destination, protocol) + counter[hash(key 2; the same)]
 *
 * Each triple has its own secret starting point, the counter makes the numbers run through all
 * 65,536 before one comes again. Counters are shared by the triples that fall on the same one;
 * steps of 1 to 4 drawn at random blur what could be counted there.
 *
 * A datagram that can't be fragmented (DF, not a fragment itself: "atomic") needs none of this, its
 * number means nothing to anybody (RFC 6864 4.1): output.c sends 0.
 */
#include "ip/ip_internal.h"

#include "wire/wire.h"

void ipid_init(struct td_stack *st)
{
    struct ipid *ids = &st->ip->ids;

    ids->where.k0 = rng_u64(&st->rng);
    ids->where.k1 = rng_u64(&st->rng);
    ids->what.k0 = rng_u64(&st->rng);
    ids->what.k1 = rng_u64(&st->rng);
    rng_bytes(&st->rng, ids->counter, sizeof ids->counter);
}

uint16_t ipid_next(struct td_stack *st, td_ip4 src, td_ip4 dst, uint8_t proto)
{
    struct ipid *ids = &st->ip->ids;
    uint8_t triple[9];
    uint16_t *counter;

    wire_put32(triple, src);
    wire_put32(triple + 4, dst);
    triple[8] = proto;
    counter = &ids->counter[siphash(&ids->where, triple, sizeof triple) % IPID_BUCKETS];
    *counter = (uint16_t)(*counter + 1 + (rng_u32(&st->rng) & 3));
    return (uint16_t)(siphash(&ids->what, triple, sizeof triple) + *counter);
}
