#include "rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static int rig_transmit(void *dev, const struct pkt *p)
{
    struct rig_dev *d = dev;
    struct rig *r = d->rig;

    if (d->answer != 0)
        return d->answer;
    if (r->nout < RIG_FRAMES) {
        struct rig_frame *f = &r->out[r->nout];

        ck_assert_uint_le(p->len, sizeof f->b);
        f->at = r->st.now;
        f->ifindex = d->nif->index;
        f->len = p->len;
        f->tos = p->tos;
        ck_assert(pkt_read(p, 0, f->b, p->len));
    }
    r->nout++;
    return 0;
}

/* As hx_fault, below the door. */
static void rig_fault(struct td_stack *st)
{
    const char *name = getenv("TAPDECK_FAULT");

    for (unsigned i = 0; name != NULL && i < FAULT_COUNT; i++)
        if (strcmp(fault_info[i].name, name) == 0)
            st->faults |= UINT64_C(1) << i;
}

static const struct td_device_ops rig_ops = {.transmit = rig_transmit};

struct rig *rig_new(bool with_arp)
{
    struct rig *r = calloc(1, sizeof *r);
    uint8_t seed[RNG_SEED_BYTES] = {1, 2, 3};

    ck_assert_ptr_nonnull(r);
    r->out = calloc(RIG_FRAMES, sizeof *r->out);
    ck_assert_ptr_nonnull(r->out);
    mem_init(&r->st.mem, 0);
    r->st.now = RIG_START;
    wheel_init(&r->st.wheel, RIG_START);
    rng_seed(&r->st.rng, seed);
    r->st.hash_key = (struct siphash_key){rng_u64(&r->st.rng), rng_u64(&r->st.rng)};
    knobs_init(&r->st.knobs, PROFILE_LINUX);
    journal_init(&r->st.journal, 1024, JOURNAL_NORMAL);
    rig_fault(&r->st);
    ck_assert_int_eq(link_init(&r->st), 0);
    if (with_arp)
        ck_assert_int_eq(arp_init(&r->st), 0);
    return r;
}

void rig_free(struct rig *r)
{
    arp_done(&r->st);
    link_done(&r->st);
    journal_done(&r->st);
    pkt_cache_drop(&r->st.mem);
    ck_assert_uint_eq(r->st.mem.used, 0);
    ck_assert_uint_eq(r->st.wheel.armed, 0);
    free(r->out);
    free(r);
}

struct netif *rig_if(struct rig *r)
{
    struct rig_dev *d = &r->dev[r->ndev];
    struct td_if_config c = {.flags = TD_IF_UP, .ops = &rig_ops, .dev = d};
    uint32_t index;

    ck_assert_uint_lt(r->ndev, sizeof r->dev / sizeof r->dev[0]);
    memcpy(c.name, "eth0", 5);
    c.name[3] = (char)('0' + r->ndev);
    r->ndev++;
    c.mac = (struct td_mac){{2, 0, 0, 0, 0, (uint8_t)r->ndev}};
    d->rig = r;
    ck_assert_int_eq(netif_add(&r->st, &c, &index), 0);
    d->nif = netif_by_index(&r->st, index);
    return d->nif;
}

void rig_addr(struct netif *nif, struct netif_addr *a, td_ip4 addr, uint8_t plen)
{
    struct netif_addr **end = &nif->addrs;

    *a = (struct netif_addr){.addr = addr, .plen = plen, .state = ADDR_READY};
    a->broadcast = plen < 31 ? addr | (0xffffffffU >> plen) : 0;
    while (*end != NULL)
        end = &(*end)->next;
    *end = a;
}

int rig_netem(struct netif *nif, bool ingress, const struct td_netem *n)
{
    struct td_qdisc_chain c = {.depth = 1, .q[0].kind = TD_QDISC_NETEM};

    if (n != NULL)
        c.q[0].u.netem = *n;
    return netif_set_qdisc(nif->st, nif, ingress, n != NULL ? &c : NULL);
}

void rig_flush(struct rig *r)
{
    while (link_flush(&r->st))
        ;
}

void rig_input(struct rig *r, struct netif *nif, const void *frame, size_t len)
{
    struct pkt *p = pkt_from_bytes(&r->st.mem, 0, frame, (uint32_t)len);

    ck_assert_ptr_nonnull(p);
    link_input(&r->st, nif, p);
    rig_flush(r);
}

void rig_run(struct rig *r, td_time until)
{
    td_time next;

    while ((next = wheel_next(&r->st.wheel)) <= until) {
        wheel_run(&r->st, next);
        r->st.now = next;
        rig_flush(r);
    }
    r->st.now = until;
}

void rig_forget(struct rig *r)
{
    r->nout = 0;
}

static uint8_t *put_mac(uint8_t *b, struct td_mac m)
{
    memcpy(b, m.b, 6);
    return b + 6;
}

static uint8_t *put_ip(uint8_t *b, td_ip4 a)
{
    for (int i = 0; i < 4; i++)
        b[i] = (uint8_t)(a >> (24 - 8 * i));
    return b + 4;
}

size_t rig_arp_frame(uint8_t b[42], struct td_mac dst, struct td_mac src, unsigned op,
                     struct td_mac sha, td_ip4 spa, struct td_mac tha, td_ip4 tpa)
{
    static const uint8_t fixed[] = {0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4};
    uint8_t *at = put_mac(put_mac(b, dst), src);

    memcpy(at, fixed, sizeof fixed);
    at += sizeof fixed;
    *at++ = (uint8_t)(op >> 8);
    *at++ = (uint8_t)op;
    at = put_ip(put_mac(at, sha), spa);
    at = put_ip(put_mac(at, tha), tpa);
    return (size_t)(at - b);
}

void rig_arp(struct rig *r, struct netif *nif, const struct td_mac *dst, unsigned op,
             struct td_mac sha, td_ip4 spa, struct td_mac tha, td_ip4 tpa)
{
    uint8_t b[42];

    rig_input(r, nif, b,
              rig_arp_frame(b, dst != NULL ? *dst : MAC_BROADCAST, sha, op, sha, spa, tha, tpa));
}

bool rig_is_arp(const struct rig *r, unsigned i, struct td_mac dst, unsigned op, td_ip4 spa,
                struct td_mac tha, td_ip4 tpa)
{
    const struct rig_frame *f = &r->out[i];
    uint8_t want[60] = {0};

    if (i >= r->nout || f->len != 60)
        return false;
    for (unsigned d = 0; d < r->ndev; d++)
        if (r->dev[d].nif->index == f->ifindex)
            rig_arp_frame(want, dst, r->dev[d].nif->mac, op, r->dev[d].nif->mac, spa, tha, tpa);
    return memcmp(f->b, want, 60) == 0;
}

unsigned rig_requests(const struct rig *r, td_ip4 tpa)
{
    uint8_t ip[4];
    unsigned n = 0;

    put_ip(ip, tpa);
    for (unsigned i = 0; i < r->nout && i < RIG_FRAMES; i++)
        if (r->out[i].b[12] == 8 && r->out[i].b[13] == 6 && r->out[i].b[21] == 1 &&
            memcmp(&r->out[i].b[38], ip, 4) == 0)
            n++;
    return n;
}

struct td_mac rig_mac(unsigned n)
{
    return (struct td_mac){
        {0x06, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

struct pkt *rig_datagram(struct rig *r, td_ip4 src, td_ip4 dst, uint32_t payload)
{
    struct pkt *p = pkt_alloc(&r->st.mem, PKT_HEADROOM, 20 + payload);
    uint8_t *b = p != NULL ? pkt_put(p, 20 + payload) : NULL;

    ck_assert_ptr_nonnull(b);
    memset(b, 0, 20);
    memset(b + 20, 0x5a, payload);
    b[0] = 0x45;
    put_ip(put_ip(b + 12, src), dst);
    return p;
}
