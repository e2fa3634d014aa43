/* dev/sim.h: the simulated wire: several stacks in one process, in virtual time.
 *
 * Theory of operation. A world has a clock that nobody waits for, hosts (each a td_stack) and wires.
 * A wire joins two interfaces; each direction is a chain of queue disciplines: a netem at first, so it has
 * rate, delay, jitter, loss, reordering, duplication and corruption, seeded; or whatever else an
 * interface may have (tapdeck/qdisc.h). sim_run() takes the earliest of all
 * deadlines (timers of every stack, departures of every wire), moves the clock there, and lets the
 * hosts do what is due, in order of creation, until time `until` or until a condition holds. The
 * same seeds give the same run, bit for bit.
 */
#ifndef DEV_SIM_H
#define DEV_SIM_H

#include "tapdeck/qdisc.h"
#include "tapdeck/stack.h"

struct sim;
struct sim_wire;
struct qdisc;
struct qdisc_note; /* link/qdisc.h */

struct sim *sim_new(uint64_t seed, td_time start);
void sim_free(struct sim *s); /* frees the stacks it made too */
td_time sim_now(const struct sim *s);
/* A new host whose RNG is seeded from the world's seed and its number. */
struct td_stack *sim_host(struct sim *s, enum td_profile profile); /* faults may be tried in it */
struct td_stack *sim_host_strict(struct sim *s, enum td_profile profile); /* they may not */
/* How a host of this world was made; false: it is none. */
bool sim_config(const struct sim *s, const struct td_stack *st, struct td_stack_config *c);
/* Gives st an interface `name` and joins it to the wire's end; both directions start unimpaired.
 * Interfaces are brought up; addresses are the caller's. Returns the wire, with *a_if and *b_if. */
struct sim_wire *sim_join(struct sim *s, struct td_stack *a, const char *a_name, uint32_t *a_if,
                          struct td_stack *b, const char *b_name, uint32_t *b_if, uint32_t mtu);
/* Impairs a→b and/or b→a (either may be NULL: leave as it is). Frames in flight keep their
 * time. Seed 0: the direction keeps its own, which comes from the world's seed. */
int sim_impair(struct sim_wire *w, const struct td_netem *a_to_b, const struct td_netem *b_to_a);
/* The queue disciplines of a direction (0 a→b, 1 b→a), any that an interface can have; NULL: none, an
 * unimpaired wire. -EINVAL, -ENOMEM: nothing changed. */
int sim_qdisc(struct sim_wire *w, int dir, const struct td_qdisc_chain *chain);
/* An addressed impairment in front of them: its number, or a negative errno as td_impair_add. */
int sim_rule(struct sim_wire *w, int dir, const struct td_impair *rule);
/* Is told what disciplines and rules of the wire do to frames: a wire has no journal of its own. */
void sim_notes(struct sim_wire *w,
               void (*fn)(void *ctx, int dir, td_time now, const struct qdisc_note *n), void *ctx);
/* Sees (borrowed) every frame put on the wire before impairment: dir 0 a→b, 1 b→a. For captures. */
void sim_tap(struct sim_wire *w, void (*fn)(void *ctx, int dir, td_time now, const struct pkt *p),
             void *ctx);
/* Sees (borrowed) every frame that arrives, after impairment, just before the receiver does. */
void sim_tap_arrivals(struct sim_wire *w,
                      void (*fn)(void *ctx, int dir, td_time now, const struct pkt *p), void *ctx);
/* The frames in flight in a direction, and its counters: the outermost discipline, or the rules in front
 * of it (link/qdisc.h sums over all of them). Borrowed. */
const struct qdisc *sim_flight(const struct sim_wire *w, int dir);
/* Stands between the stacks and their wires. out: may st send this frame (borrowed) now? False: the device is busy, until
 * td_if_ready is called. in: st is about to receive it. */
struct sim_gate {
    bool (*out)(void *ctx, struct td_stack *st, uint32_t ifindex, const struct pkt *p);
    void (*in)(void *ctx, struct td_stack *st, uint32_t ifindex, const struct pkt *p);
    void *ctx;
};
void sim_set_gate(struct sim *s, const struct sim_gate *g); /* NULL: none. g must stay */
/* When something happens next; TD_NEVER. */
td_time sim_next(const struct sim *s);
/* Runs until the clock reaches `until`, nothing is left to happen, or stop(ctx) (may be NULL) says
 * so; it is asked after every step, and may make calls on any host. When nothing is left before
 * `until`, the clock moves to `until` (with TD_NEVER it stays at the last thing that happened).
 * Returns the number of steps. A host that is halted (td_stack_halt) in a call ends it there and then, in the middle of a
 * step if need be: the next sim_run, when no host is halted, goes on at that very place. An application that never stops sending over unimpaired wires never
 * lets the clock move: give a wire a delay or a rate. */
uint64_t sim_run(struct sim *s, td_time until, bool (*stop)(void *ctx), void *ctx);

#endif
