/* drill/world.c: the stack under test and its clock; see world.h.
 *
 * Theory of operation. The stack has a loopback interface and tun0, an Ethernet device whose frames
 * end here: each IPv4 datagram is taken off its frame and queued with the time at which it left.
 * The neighbours are known from the start (permanent entries for the gateway, and for the remote
 * host where it is on the link), so no ARP mixes in. Time stands still except in world_step and
 * world_sleep, which go from timer to timer; so a script of an hour takes as long as its events.
 *
 * The clock begins at some hours, as a host's that has been up for a while does: times that a
 * protocol counts back from now must not run into zero.
 */
#include "tapdeck/drill/world.h"

#include "core/faults.h"
#include "core/pkt.h"
#include "core/stack.h"
#include "wire/eth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLD_START (10000 * TD_SEC)
#define STEPS_AT_ONCE                                                                              \
    100000 /* timers at one instant: more is a stack that goes round in a circle */

static int world_transmit(void *dev, const struct pkt *p)
{
    struct drill_world *w = dev;
    uint8_t *b = malloc(p->len + 1);
    if (b == NULL) {
        w->no_memory = true;
        return 0;
    }
    if (p->len > ETH_HLEN && pkt_read(p, 0, b, p->len) && wire_get16(b + 12) == ETHERTYPE_IPV4) {
        struct seg *s = seg_new(b + ETH_HLEN, p->len - ETH_HLEN, td_stack_now(w->st) - w->start);
        if (s == NULL) {
            w->no_memory = true;
        } else {
            *w->sent_tail = s;
            w->sent_tail = &s->next;
        }
    }
    free(b);
    return 0;
}

static const struct td_device_ops world_ops = {.transmit = world_transmit};

/* The router that the remote host is behind. Runners of suites pass our own address for it, which
 * on a host without a router only says "out of this interface", and scripts that change our address
 * leave it where it was, off the link: then it is a neighbour made up here, so that no address
 * needs a neighbour entry of its own. */
static td_ip4 next_hop(const struct world_config *c, td_ip4 mask)
{
    td_ip4 hop = c->gateway;
    bool elsewhere = ((hop ^ c->local) & mask) != 0;
    for (td_ip4 n = 1; (hop == c->local || hop == c->remote || elsewhere) && n <= 3; n++) {
        elsewhere = false;
        hop = (c->local & mask) + n;
    }
    return hop;
}

static bool configure(struct drill_world *w, const struct world_config *c)
{
    const struct td_if_config tun = {
        .name = "tun0",
        .mac = w->mac,
        .mtu = c->mtu,
        .flags = TD_IF_UP | TD_IF_BROADCAST,
        .ops = &world_ops,
        .dev = w,
    };
    td_ip4 mask = c->plen == 0 ? 0 : UINT32_MAX << (32 - c->plen);
    /* No probes first (profile rfc, RFC 5227): the address is there when the script begins. */
    (void)td_knob_set(w->st, "net.ipv4.conf.all.arp_acd", "0");
    (void)td_knob_set(w->st, "net.ipv4.conf.default.arp_acd", "0");
    if (td_if_add(w->st, &tun, &w->ifindex) != 0 ||
        td_addr_add(w->st, w->ifindex, c->local, c->plen) != 0) {
        return false;
    }
    td_ip4 hop = c->remote;
    if (((c->remote ^ c->local) & mask) != 0) {
        hop = next_hop(c, mask);
        const struct td_route out = {.gateway = hop};
        if (td_route_add(w->st, &out, true) != 0) {
            return false;
        }
    }
    return td_neigh_add(w->st, w->ifindex, hop, w->peer, TD_NEIGH_PERMANENT) == 0;
}

static bool switch_faults_on(struct drill_world *w, uint64_t faults)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        char knob[64];
        (void)snprintf(knob, sizeof knob, "tapdeck.fault.%s", fault_info[i].name);
        if ((faults >> i & 1) != 0 && td_knob_set(w->st, knob, "1") != 0) {
            return false;
        }
    }
    return true;
}

bool world_open(struct drill_world *w, const struct world_config *c)
{
    struct td_stack_config sc = {
        .now = WORLD_START, .profile = c->profile, .allow_faults = c->faults != 0};
    memset(w, 0, sizeof *w);
    memcpy(sc.seed, &c->seed, sizeof c->seed);
    w->sent_tail = &w->sent;
    w->mac = (struct td_mac){{2, 0, 0, 0, 0, 1}};
    w->peer = (struct td_mac){{2, 0, 0, 0, 0, 2}};
    w->start = WORLD_START;
    w->st = td_stack_new(&sc);
    if (w->st == NULL) {
        return false;
    }
    bool ok = configure(w, c) && switch_faults_on(w, c->faults);
    td_stack_flush(w->st, WORLD_START);
    while (w->sent != NULL) { /* nothing that the making of an interface leads to is the script's */
        seg_free(world_take(w));
    }
    if (!ok) {
        world_close(w);
    }
    return ok;
}

void world_close(struct drill_world *w)
{
    struct seg *s;
    while ((s = world_take(w)) != NULL) {
        seg_free(s);
    }
    td_stack_free(w->st);
    w->st = NULL;
}

td_time world_now(const struct drill_world *w)
{
    return td_stack_now(w->st) - w->start;
}

static void stepped(struct drill_world *w)
{
    if (w->stepped != NULL) {
        w->stepped(w->ctx);
    }
}

bool world_step(struct drill_world *w, td_time until, bool at)
{
    td_time next = td_stack_next_deadline(w->st);
    if (next == TD_NEVER || next - w->start > until || (next - w->start == until && !at)) {
        return false;
    }
    td_stack_tick(w->st, next);
    td_stack_flush(w->st, next);
    stepped(w);
    return true;
}

void world_sleep(struct drill_world *w, td_time until)
{
    unsigned steps = 0;
    td_time last = world_now(w);
    while (world_step(w, until, false)) {
        steps = world_now(w) == last ? steps + 1 : 0;
        last = world_now(w);
        if (steps > STEPS_AT_ONCE) {
            break;
        }
    }
    if (until > world_now(w)) {
        td_stack_clock(w->st, w->start + until);
    }
}

void world_flush(struct drill_world *w)
{
    td_stack_flush(w->st, td_stack_now(w->st));
    stepped(w);
}

/* What a datagram costs in memory that comes in by a TUN device of Linux: a head of its own up to a
 * page, behind it pages. Receive windows follow from it, so scripts that tell windows do, too. */
static uint32_t tun_truesize(size_t len)
{
    enum { PAGE = 4096, HEADROOM = 64, SHARED = 320, DESCRIPTOR = 256, SMALL_HEAD = 640 };
    if (HEADROOM + len >= PAGE) {
        size_t paged = len - (PAGE - HEADROOM - SHARED);
        return (uint32_t)(PAGE + DESCRIPTOR + (paged + PAGE - 1) / PAGE * PAGE);
    }
    size_t head = SMALL_HEAD;
    while (head < HEADROOM + len + SHARED) {
        head = head == SMALL_HEAD ? 1024 : 2 * head;
    }
    return (uint32_t)(head + DESCRIPTOR);
}

void world_inject(struct drill_world *w, const uint8_t *datagram, size_t len, uint32_t mss)
{
    const struct eth_hdr h = {
        .dst = w->mac, .src = w->peer, .type = ETHERTYPE_IPV4, .hlen = ETH_HLEN};
    size_t frame = ETH_HLEN + len < ETH_MIN_FRAME ? ETH_MIN_FRAME : ETH_HLEN + len;
    struct pkt *p = pkt_alloc(td_stack_mem(w->st), PKT_HEADROOM, (uint32_t)frame);
    if (p == NULL) {
        w->no_memory = true;
        return;
    }
    uint8_t *b = pkt_put(p, (uint32_t)frame);
    memset(b, 0, frame);
    (void)eth_emit(&h, b);
    memcpy(b + ETH_HLEN, datagram, len);
    p->truesize = tun_truesize(len);
    p->gso_size = (uint16_t)mss;
    td_stack_input(w->st, w->ifindex, p, td_stack_now(w->st));
    if (w->arrived != NULL) {
        w->arrived(w->ctx);
    }
    world_flush(w);
}

struct seg *world_take(struct drill_world *w)
{
    struct seg *s = w->sent;
    if (s != NULL) {
        w->sent = s->next;
        if (w->sent == NULL) {
            w->sent_tail = &w->sent;
        }
        s->next = NULL;
    }
    return s;
}
