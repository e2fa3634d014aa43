/* core/stack.h: struct td_stack as the modules see it.
 *
 * One instance is one host. It holds the core's parts by value and each module's state by pointer
 * to a struct only that module defines. There is no other state anywhere: no globals, no statics
 * that change (tests/stack/purity checks the object files).
 *
 * How control flows. door/ receives every call that can change something, brackets it for the
 * journal, records it if asked, and calls down or in. Modules call strictly downwards; what must go
 * up goes through handlers registered when the instance is made:
 *     link  → EtherType handlers         (arp, ip)
 *     arp   → "unreachable" handler      (ip: host unreachable for the packets that waited)
 *     ip    → protocol handlers          (icmp, udp, tcp: input and ICMP error)
 *     udp, tcp → endpoint upcalls        (socket)
 *     socket → notifications             (the application; run at the end of flush)
 */
#ifndef CORE_STACK_H
#define CORE_STACK_H

#include "core/counters.h"
#include "core/faults.h"
#include "core/hash.h"
#include "core/journal.h"
#include "core/knobs.h"
#include "core/mem.h"
#include "core/pkt.h"
#include "core/rng.h"
#include "core/table.h"
#include "core/timer.h"
#include "tapdeck/types.h"

struct td_stack {
    struct mem mem;
    td_time now;                  /* injected; never goes back */
    struct wheel wheel;
    struct rng rng;
    struct siphash_key hash_key;  /* for hash tables */
    struct counters counters;
    struct knobs knobs;
    uint64_t faults;              /* deliberate bugs that are on: bits of enum fault_id */
    uint64_t faults_shown;        /* those of them that were switched on by name */
    bool fault_secret;            /* one is on that nobody may see */
    bool allow_faults;
    struct journal journal;
    struct table *tables;         /* registry */

    struct link *link;            /* interfaces, EtherTypes */
    struct arp *arp;              /* neighbour table */
    struct ip *ip;                /* addresses, FIB, reassembly, protocols */
    struct icmp *icmp;
    struct udp *udp;
    struct tcp *tcp;
    struct sockets *sockets;      /* handles */
    struct door *door;            /* recorder */

    /* link's: the name of an interface, for the journal's text; NULL = none such. */
    const char *(*ifname)(const struct td_stack *st, uint32_t ifindex);
    /* ip/nf's: the name of a chain or a log prefix, for the journal's text; NULL = there is no ip. */
    const char *(*nftext)(const struct td_stack *st, uint32_t id);
    /* td_stack_sent's: is shown what devices were handed; NULL = nobody. */
    void (*sent)(void *ctx, uint32_t ifindex, const struct pkt *p, int result);
    void *sent_ctx;
    bool flush_wanted;            /* something was marked; td_stack_flush has work */
    bool halted;                  /* its time stands still: td_stack_halt */
};

#endif
