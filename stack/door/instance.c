/* door/instance.c: making and unmaking an instance.
 *
 * A new host draws its secrets from the seed, then makes its modules from the bottom up; each
 * registers with those below it. It starts with a loopback interface, 127.0.0.1/8, up, and nothing
 * else. Unmaking goes from the top down, and ends with every byte given back.
 */
#include "door/door.h"

#include "arp/arp.h"
#include "core/journal.h"
#include "ip/ip.h"
#include "link/link.h"
#include "socket/sockets.h"
#include "tapdeck/stack.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

#include <stdlib.h>
#include <string.h>

#define PKT_CACHE 64 /* freed packets kept: 146 KiB, and as many as the loop reads in a turn */

struct module {
    int (*init)(struct td_stack *st);
    void (*done)(struct td_stack *st);
};

static const struct module modules[] = {
    {link_init, link_done}, {arp_init, arp_done}, {ip_init, ip_done},          {icmp_init, icmp_done},
    {udp_init, udp_done},   {tcp_init, tcp_done}, {sockets_init, sockets_done},
};
#define MODULES (sizeof modules / sizeof modules[0])

static void unmake(struct td_stack *st, size_t made)
{
    while (made > 0)
        modules[--made].done(st);
    journal_done(st);
    if (st->door != NULL)
        mem_free(&st->mem, MEM_INSTANCE, st->door, sizeof *st->door);
    pkt_cache_drop(&st->mem);
    /* The instance lies in memory of its own allocator: keep that alive until the last free. */
    struct mem mem = st->mem;
    mem_free(&mem, MEM_INSTANCE, st, sizeof *st);
}

static int make_loopback(struct td_stack *st)
{
    struct td_if_config c = {.name = "lo", .mtu = 65535, .flags = TD_IF_LOOPBACK | TD_IF_NOARP};
    uint32_t index;
    int err = netif_add(st, &c, &index);
    if (err != 0)
        return err;
    err = ip_addr_add(st, index, TD_IP4(127, 0, 0, 1), 8, 0);
    if (err != 0)
        return err;
    return netif_set_flags(st, netif_by_index(st, index), TD_IF_UP, 0);
}

struct td_stack *td_stack_new(const struct td_stack_config *c)
{
    struct mem mem;
    mem_init(&mem, c->memory_limit);
    mem.alloc = c->alloc;
    mem.release = c->release;
    mem.ctx = c->alloc_ctx;
    struct td_stack *st = mem_alloc(&mem, MEM_INSTANCE, sizeof *st);
    if (st == NULL)
        return NULL;
    st->mem = mem;
    /* Who brings an allocator gets every packet from it, and back at once. Where memory is limited, which allocation
     * fails must follow from the calls alone, and not from how many packets a device had in hand before. */
    st->mem.pkt_cache = c->alloc == NULL && c->memory_limit == 0 ? PKT_CACHE : 0;
    st->now = c->now;
    st->allow_faults = c->allow_faults;
    wheel_init(&st->wheel, c->now);
    rng_seed(&st->rng, c->seed);
    st->hash_key.k0 = rng_u64(&st->rng);
    st->hash_key.k1 = rng_u64(&st->rng);
    knobs_init(&st->knobs, c->profile == TD_PROFILE_RFC ? PROFILE_RFC : PROFILE_LINUX);
    journal_init(&st->journal, (uint32_t)knob(st, JOURNAL_RECORDS),
                 (enum journal_level)knob(st, JOURNAL_LEVEL));
    st->door = mem_alloc(&st->mem, MEM_INSTANCE, sizeof *st->door);
    if (st->door == NULL) {
        unmake(st, 0);
        return NULL;
    }
    /* What happens from here on has the start as its cause; what is called later has not. */
    struct journal_frame outside = journal_enter(st, ORIGIN_NONE, 0, 0);
    JOURNAL_CAUSE(st, EV_STACK_START, NULL,
            st->knobs.profile == PROFILE_RFC ? W_PROFILE_RFC : W_PROFILE_LINUX);
    for (size_t i = 0; i < MODULES; i++) {
        if (modules[i].init(st) != 0) {
            unmake(st, i);
            return NULL;
        }
    }
    door_tables_init(st);
    if (make_loopback(st) != 0) {
        unmake(st, MODULES);
        return NULL;
    }
    journal_leave(st, outside);
    return st;
}

void td_stack_free(struct td_stack *st)
{
    if (st != NULL)
        unmake(st, MODULES);
}
