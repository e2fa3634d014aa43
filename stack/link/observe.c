/* link/observe.c: observers: who looks at the frames of an interface without touching them.
 *
 * Theory of operation. A capture, a filter that stops time, a lesson's check: each wants to see
 * every frame of an interface, in both directions, and must not change what happens. An observer
 * belongs to whoever looks (no memory of the instance is spent on it) and hangs in a list; as long
 * as the list is empty a frame costs one comparison.
 *
 * Where it stands is where Linux's packet sockets stand, so that tcpdump here shows what tcpdump
 * there would show:
 *
 *     in    behind the device, in front of the ingress rules and queue disciplines
 *     out   behind the egress rules and queue disciplines, where the device takes the frame
 *
 * So it sees the cable's side of both. What netem loses on the way out never was on the wire and
 * isn't seen; a frame that it corrupts, delays or doubles is seen as it left, when it left, each
 * time. What is lost on the way in did arrive, and is seen, with the drop among its reasons. A
 * frame that a busy device refuses is seen once, when it has gone. Frames of an interface that is
 * down are not seen.
 *
 * A frame that passes several interfaces is seen on each: on eth0 with its tag, on eth0.7 without;
 * on a bridge's port, and on the bridge itself where it is the host's. It keeps its packet id.
 * Loopback frames are seen once, on their way in, as Linux shows them: both directions are the same
 * frame. They have no Ethernet header: `bare` says so.
 *
 * Observers see the segments that the wire has. A super-frame, or one whose checksum is left to the
 * device, is finished in a copy for them (in memory that isn't the instance's, so that even its
 * limits are met at the same byte) and itself goes on as it was.
 */
#include "link/link_priv.h"

#include "wire/checksum.h"

#include <string.h>

void link_observe(struct td_stack *st, struct link_observer *o)
{
    struct link_observer **at = &st->link->observers;

    while (*at != NULL)
        at = &(*at)->next;
    o->next = NULL;
    *at = o;
}

void link_unobserve(struct td_stack *st, struct link_observer *o)
{
    struct link_observer **at = &st->link->observers;

    while (*at != NULL && *at != o)
        at = &(*at)->next;
    if (*at == o)
        *at = o->next;
}

static void tell(struct td_stack *st, const struct netif *nif, const struct link_sight *s)
{
    for (const struct link_observer *o = st->link->observers, *next; o != NULL; o = next) {
        next = o->next; /* it may take itself out */
        if (o->ifindex == 0 || o->ifindex == nif->index)
            o->fn(o->ctx, s);
    }
}

static bool wanted(const struct td_stack *st, const struct netif *nif)
{
    const struct link_observer *o = st->link->observers;

    while (o != NULL && o->ifindex != 0 && o->ifindex != nif->index)
        o = o->next;
    return o != NULL;
}

/* Where the IP header is; UINT32_MAX: no IPv4 behind the Ethernet header. */
static uint32_t datagram_at(const struct pkt *p, bool bare)
{
    uint8_t type[2];

    if (bare)
        return 0;
    for (uint32_t at = 12; pkt_read(p, at, type, 2); at += 4) {
        if (wire_get16(type) == ETHERTYPE_IPV4)
            return at + 2;
        if (wire_get16(type) != ETHERTYPE_VLAN && wire_get16(type) != ETHERTYPE_QINQ)
            break;
    }
    return UINT32_MAX;
}

/* The segments that a super-frame (a copy, linear) stands for, each told. False: it can't be cut.
 */
static bool tell_pieces(struct td_stack *st, const struct netif *nif, struct link_sight *s,
                        struct pkt *copy)
{
    uint32_t at = datagram_at(copy, s->bare);
    struct pkt_queue pieces;
    struct ipv4_hdr h;
    struct pkt *f;
    uint8_t *b;

    if (at > PKT_HEADROOM / 2 || ipv4_parse(&h, copy->data + at, copy->len - at) != WIRE_OK)
        return false;
    (void)pkt_pull(copy, at); /* the header is still there, in front of data */
    pkt_queue_init(&pieces);
    if (!gso_pieces(copy->mem, copy, &h, &pieces))
        return false;
    while ((f = pkt_queue_pop(&pieces)) != NULL) {
        b = pkt_push(f, at);
        if (b != NULL) {
            memcpy(b, copy->data - at, at);
            f->id = copy->id;
            f->protocol = copy->protocol;
            f->flags = copy->flags;
            s->p = f;
            tell(st, nif, s);
        }
        pkt_free(f);
    }
    return true;
}

static void finish_checksum(struct pkt *p)
{
    uint32_t start = p->csum_start, field = start + p->csum_offset;
    uint16_t sum;

    if (p->csum != PKT_CSUM_PARTIAL || field + 2 > p->len)
        return;
    sum = checksum_finish(checksum_add(0, p->data + start, p->len - start));
    wire_put16(p->data + field, sum == 0 && p->csum_offset == 6 ? 0xffff : sum);
}

static void tell_finished(struct td_stack *st, const struct netif *nif, struct link_sight *s)
{
    const struct pkt *whole = s->p;
    struct mem own;
    struct pkt *copy;

    mem_init(&own, 0);
    copy = pkt_copy(&own, whole, PKT_HEADROOM);
    if (copy == NULL || !pkt_make_linear(copy) ||
        (whole->gso_size != 0 && !tell_pieces(st, nif, s, copy))) {
        s->p = whole; /* better as it is than not at all */
        tell(st, nif, s);
    } else if (whole->gso_size == 0) {
        finish_checksum(copy);
        s->p = copy;
        tell(st, nif, s);
    }
    pkt_free(copy);
}

void link_seen(struct td_stack *st, const struct netif *nif, bool out, const struct pkt *p)
{
    struct link_sight s = {
        .ifindex = nif->index, .out = out, .bare = nif->kind == TD_LINK_LOOPBACK, .p = p};

    if (!wanted(st, nif))
        return;
    if (p->gso_size != 0 || p->csum == PKT_CSUM_PARTIAL)
        tell_finished(st, nif, &s);
    else
        tell(st, nif, &s);
}
