/* tapdeck/stack.h: making a host, feeding it frames and time, configuring it.
 *
 * The contract in one picture:
 *
 *     frame   ──► td_stack_input(st, ifindex, pkt, now) ─┐  any number of times
 *     time    ──► td_stack_tick(st, now)                 │
 *     calls   ──► td_socket(), td_sendmsg() …            │  (tapdeck/socket.h)
 *                                                        ▼
 *                 td_stack_flush(st, now): acknowledgements and output are decided once a batch,
 *                 frames go to devices, then the application's notifications run
 *                 td_stack_next_deadline(st): call tick again at that time at the latest
 *
 * A stack makes no system call, reads no clock, starts no thread and has no state outside its
 * struct. It belongs to one thread. All calls that change something enter through one door, which
 * can record them (td_stack_record): the same calls with the same times give the same bytes again.
 *
 * The socket and configuration calls happen at the stack's present time, the `now` of the last
 * td_stack_input/tick/flush/clock.
 */
#ifndef TAPDECK_STACK_H
#define TAPDECK_STACK_H

#include "tapdeck/device.h"
#include "tapdeck/pin.h"
#include "tapdeck/route.h"
#include "tapdeck/types.h"

enum td_profile { TD_PROFILE_LINUX, TD_PROFILE_RFC };

struct td_stack_config {
    uint8_t seed[32];        /* of the CSPRNG: from the system's entropy in a daemon, fixed in a test */
    td_time now;             /* the time it starts at */
    uint64_t memory_limit;   /* bytes; 0 = none */
    enum td_profile profile;
    bool allow_faults;       /* deliberate bugs may be switched on: td_fault_each */
    void *(*alloc)(void *ctx, size_t size);            /* NULL: malloc */
    void (*release)(void *ctx, void *p, size_t size);  /* with alloc */
    void *alloc_ctx;
};
/* A host with a loopback interface `lo` (127.0.0.1/8, up) and nothing else. NULL = no memory. */
struct td_stack *td_stack_new(const struct td_stack_config *c);
/* Frees everything, connections without a word to their peers. */
void td_stack_free(struct td_stack *st);

/* ---- frames and time ---- */
/* Consumes p, which must have been allocated from td_stack_mem(st). */
void td_stack_input(struct td_stack *st, uint32_t ifindex, struct pkt *p, td_time now);
/* The same from bytes, copied. -ENOMEM (counted as a drop), -EMSGSIZE */
int td_stack_input_bytes(struct td_stack *st, uint32_t ifindex, const void *frame, size_t len,
                         td_time now);
void td_stack_clock(struct td_stack *st, td_time now); /* moves the time, fires nothing */
void td_stack_tick(struct td_stack *st, td_time now);  /* fires timers due */
void td_stack_flush(struct td_stack *st, td_time now);
td_time td_stack_next_deadline(struct td_stack *st);   /* TD_NEVER = none; never in the past after a tick */
td_time td_stack_now(const struct td_stack *st);
struct mem *td_stack_mem(struct td_stack *st);
/* For whoever stops the stack's time to look at it. While it is halted flushes do nothing, and one that is under way ends
 * after the call it is in: it sends, and runs applications, when time goes on. All other calls do what they do. */
void td_stack_halt(struct td_stack *st, bool halt);
/* For the journal: so long (ns) time stood still; so many frames of an interface were lost meanwhile. -ENODEV */
void td_stack_time_stood(struct td_stack *st, td_time stood);
int td_stack_frames_lost(struct td_stack *st, uint32_t ifindex, uint64_t frames);
/* Mixes more entropy in. */
void td_stack_entropy(struct td_stack *st, const void *bytes, size_t len);

/* ---- configuration (each: 0 or a negative errno) ---- */
int td_if_add(struct td_stack *st, const struct td_if_config *c, uint32_t *ifindex); /* -EEXIST -EINVAL */
int td_if_del(struct td_stack *st, uint32_t ifindex);
int td_if_up(struct td_stack *st, uint32_t ifindex, bool up);
int td_if_set_mtu(struct td_stack *st, uint32_t ifindex, uint32_t mtu);
int td_if_set_mac(struct td_stack *st, uint32_t ifindex, struct td_mac mac);
void td_if_ready(struct td_stack *st, uint32_t ifindex);  /* the device can take frames again */
uint32_t td_if_index(const struct td_stack *st, const char *name); /* 0 = none */
/* Impairments on an interface; NULL takes them off. */
int td_if_netem(struct td_stack *st, uint32_t ifindex, bool ingress, const struct td_netem *params);
/* The queue disciplines of a direction (tapdeck/qdisc.h). What keeps its place and kind is changed and keeps its frames
 * and counters; what goes hands its frames on. NULL or depth 0: back to the interface's pfifo, or to nothing (ingress).
 * -EINVAL (a value, or something inside a discipline that holds none), -EOPNOTSUPP (loopback), -ENOMEM: nothing changed. */
struct td_qdisc_chain;
int td_if_qdisc(struct td_stack *st, uint32_t ifindex, bool ingress, const struct td_qdisc_chain *chain);
/* Rules for single frames, asked in the order in which they were added. Returns the rule's number (from 1 in each
 * direction), -EINVAL (a program that isn't valid, a value), -ENOSPC (TD_IMPAIRS_MAX), -ENOMEM. */
struct td_impair;
int td_impair_add(struct td_stack *st, uint32_t ifindex, bool ingress, const struct td_impair *rule);
int td_impair_del(struct td_stack *st, uint32_t ifindex, bool ingress, uint32_t id);     /* 0 = all. -ENOENT */
int td_impair_release(struct td_stack *st, uint32_t ifindex, bool ingress, uint32_t id); /* what it holds. 0 = all */

int td_addr_add(struct td_stack *st, uint32_t ifindex, td_ip4 addr, uint8_t plen);
int td_addr_del(struct td_stack *st, uint32_t ifindex, td_ip4 addr, uint8_t plen);

enum td_neigh_state { TD_NEIGH_PERMANENT, TD_NEIGH_REACHABLE, TD_NEIGH_STALE };
int td_neigh_add(struct td_stack *st, uint32_t ifindex, td_ip4 addr, struct td_mac mac,
                 enum td_neigh_state state);
int td_neigh_del(struct td_stack *st, uint32_t ifindex, td_ip4 addr);
int td_neigh_flush(struct td_stack *st, uint32_t ifindex); /* 0: all */

/* Knobs by sysctl name, dots or slashes. Values as text: "1", "4096 131072 6291456", "reno". set:
 * -ENOENT, -EINVAL (not a number), -ERANGE; -EPERM: a fault in a stack made without allow_faults.
 * get: length, or -ENOENT. */
int td_knob_set(struct td_stack *st, const char *name, const char *value);
int td_knob_get(const struct td_stack *st, const char *name, char *dst, size_t size);
/* Walks all knobs: fn(name, doc). Interface knobs appear once per all, default and interface. */
void td_knob_each(const struct td_stack *st, void (*fn)(void *ctx, const char *name, const char *doc),
                  void *ctx);

/* Deliberate bugs: each is the knob tapdeck.fault.NAME, 0 or 1, off at first. Walks the catalogue: fn(name, the
 * requirement rows it breaks, what one sees of it). */
void td_fault_each(void (*fn)(void *ctx, const char *name, const char *rows, const char *symptom),
                   void *ctx);

/* Switches one on (its number in the catalogue, from 0; -1: off) that nothing shows: no knob, no event, no counter.
 * While it is on, td_knob_set(tapdeck.fault.NAME) gives -EBUSY. -EPERM: faults aren't allowed; -EBUSY: one is on
 * by name; -EINVAL: there is no such number. */
int td_fault_secret(struct td_stack *st, int fault);

/* ---- packet filter, address translation, flows (ip/nf) ---- */
/* Changes the rules by a text such as iptables-save writes; a line outside of "*TABLE … COMMIT" is a command of
 * iptables ("-t nat -A POSTROUTING …", every one but -L and -S). All or nothing. FLUSH: a table that the text names is
 * emptied first. COUNTERS: those in the text are taken over. TEST: nothing is changed.
 * 0; -EINVAL, -ENOENT (no such chain or rule), -EEXIST, -E2BIG, -ENOMEM, with one sentence in msg and the number of the
 * line in *line (both may be NULL). */
enum td_nf_flags { TD_NF_FLUSH = 1, TD_NF_COUNTERS = 2, TD_NF_TEST = 4 };
int td_nf_restore(struct td_stack *st, const char *text, unsigned flags, char *msg, size_t msg_size,
                  unsigned *line);
/* Forgets the flows that conntrack's words pick ("-p tcp -s 10.0.0.1"; "": all). How many, or -EINVAL with a
 * sentence. */
int64_t td_nf_forget(struct td_stack *st, const char *words, char *msg, size_t msg_size);

/* ---- probes: packets that no socket would send, for arping and traceroute ---- */
/* A frame to dst with these bytes behind its header, from the interface's own address, padded to Ethernet's least.
 * -ENODEV, -EOPNOTSUPP (a loopback interface), -ENETDOWN, -EINVAL (no EtherType), -EMSGSIZE (over the MTU), -ENOMEM,
 * -ENOBUFS (the queue is full). */
int td_send_frame(struct td_stack *st, uint32_t ifindex, struct td_mac dst, uint16_t ethertype,
                  const void *bytes, size_t len);
/* A datagram with these bytes behind its IP header; what a transport's checksum must be is the caller's business. It
 * takes the way of any other: filter, route, neighbour, queue; and is not let out with an address that isn't ours.
 * -EMSGSIZE, -ENOMEM, -ENETUNREACH, -EHOSTUNREACH, -EACCES (a broadcast), -EINVAL, -ENOBUFS, -EPERM. */
struct td_datagram {
    td_ip4 src, dst;    /* src 0: chosen */
    uint8_t proto, tos;
    uint8_t ttl;        /* 0 = the default */
    bool dont_fragment;
    uint32_t ifindex;   /* 0 = by route */
};
int td_send_datagram(struct td_stack *st, const struct td_datagram *d, const void *bytes, size_t len);

/* ---- the door's recorder ---- */
struct td_call; /* tapdeck/call.h */
typedef void td_recorder(void *ctx, const struct td_call *call, int64_t result);
void td_stack_record(struct td_stack *st, td_recorder *fn, void *ctx); /* NULL: stop */
/* The same for any number of others, told behind the recorder: they may look, but make no call. `ear` stays its owner's,
 * who takes it out before it goes. */
struct td_ear {
    struct td_ear *next;
    td_recorder *fn;
    void *ctx;
};
void td_stack_overhear(struct td_stack *st, struct td_ear *ear);
void td_stack_overhear_end(struct td_stack *st, struct td_ear *ear);
/* Is shown each call before anything is done of it: what it writes down outlives a call that ends the program. A frame
 * comes as bytes, as a recorder has it. It may look, and make no call. NULL: nobody. */
typedef void td_announcer(void *ctx, const struct td_call *call);
void td_stack_before(struct td_stack *st, td_announcer *fn, void *ctx);
/* Is shown each frame that was handed to a device, and what the device's transmit gave back: the one answer that the
 * stack gets from outside during a call. p is borrowed. NULL: nobody. */
typedef void td_sent(void *ctx, uint32_t ifindex, const struct pkt *p, int result);
void td_stack_sent(struct td_stack *st, td_sent *fn, void *ctx);
/* Is told of each call when it is over: it may look, and halt the stack, but make no call. NULL: nobody. One at a time. */
typedef void td_watcher(void *ctx, struct td_stack *st, int kind); /* enum td_call_kind */
void td_stack_after(struct td_stack *st, td_watcher *fn, void *ctx);
/* Re-issues a recorded call; returns its result, to be compared with the recorded one. */
int64_t td_stack_replay(struct td_stack *st, const struct td_call *call);

#endif
