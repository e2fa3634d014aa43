/* tests/stack/link/link_rig.h: frames in and out of interfaces that stand on others; over
 * tests/common/rig.h. */
#ifndef TESTS_LINK_RIG_H
#define TESTS_LINK_RIG_H

#include "check_main.h"
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define A rig_mac(1)
#define B rig_mac(2)
#define C rig_mac(3)

/* The last frame that came up as IPv4, and how many did. */
struct lx_seen {
    unsigned n;
    uint32_t ifindex, len;
    uint16_t flags, tci;
    uint8_t b[64];
};

static struct rig *r;
static struct lx_seen seen;

static inline void lx_handler(struct td_stack *st, struct netif *nif, struct pkt *p,
                              const struct eth_hdr *eth)
{
    (void)st;
    (void)eth;
    seen.n++;
    seen.ifindex = nif->index;
    seen.len = p->len;
    seen.flags = p->flags;
    seen.tci = p->vlan_tci;
    memset(seen.b, 0, sizeof seen.b);
    ck_assert(pkt_read(p, 0, seen.b, p->len < sizeof seen.b ? p->len : (uint32_t)sizeof seen.b));
    pkt_free(p);
}

static inline void lx_setup(void)
{
    r = rig_new(false);
    memset(&seen, 0, sizeof seen);
    ck_assert_int_eq(link_register(&r->st, ETHERTYPE_IPV4, lx_handler), 0);
}

static inline void lx_teardown(void)
{
    rig_free(r);
}

static inline uint64_t events(enum event_id ev)
{
    return r->st.journal.events[ev];
}

static inline uint64_t counter(unsigned c)
{
    return r->st.counters.v[c];
}

/* dst, src, ntags tags with these TCIs, IPv4, and payload bytes 1, 2, 3 … Returns the length. */
static inline uint32_t lx_frame(uint8_t *b, struct td_mac dst, struct td_mac src, unsigned ntags,
                                const uint16_t *tci, unsigned payload)
{
    uint32_t at = 12;

    memcpy(b, dst.b, 6);
    memcpy(b + 6, src.b, 6);
    for (unsigned i = 0; i < ntags; i++, at += 4) {
        wire_put16(b + at, ETHERTYPE_VLAN);
        wire_put16(b + at + 2, tci[i]);
    }
    wire_put16(b + at, ETHERTYPE_IPV4);
    at += 2;
    for (unsigned i = 0; i < payload; i++)
        b[at + i] = (uint8_t)(i + 1);
    return at + payload;
}

/* Comes in on nif. vid 0: untagged. */
static inline void lx_in(struct netif *nif, struct td_mac dst, struct td_mac src, uint16_t vid)
{
    uint8_t b[200];

    rig_input(r, nif, b, lx_frame(b, dst, src, vid != 0, &vid, 50));
}

/* How many of the frames sent left by nif, since the last rig_forget. */
static inline unsigned lx_out(const struct netif *nif)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->nout; i++)
        n += r->out[i].ifindex == nif->index;
    return n;
}

static inline struct netif *lx_add(const struct td_link_config *c)
{
    uint32_t index = 0;

    ck_assert_int_eq(link_add(&r->st, c, &index), 0);
    return netif_by_index(&r->st, index);
}

static inline struct netif *lx_vlan(struct netif *lower, uint16_t vid, const char *name)
{
    struct td_link_config c = {
        .kind = TD_LINK_VLAN, .lower = lower->index, .vid = vid, .flags = TD_IF_UP};

    memcpy(c.name, name, strnlen(name, sizeof c.name - 1));
    return lx_add(&c);
}

static inline struct netif *lx_bridge(const char *name)
{
    struct td_link_config c = {.kind = TD_LINK_BRIDGE, .flags = TD_IF_UP};

    memcpy(c.name, name, strnlen(name, sizeof c.name - 1));
    return lx_add(&c);
}

#endif
