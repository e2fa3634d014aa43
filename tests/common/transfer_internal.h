/* tests/common/transfer_internal.h: what the three parts of a transfer share: its applications
 * (transfer_app.c), its rules for what the journals say (transfer_rules.c), and the world it
 * happens in (transfer.c). */
#ifndef TESTS_TRANSFER_INTERNAL_H
#define TESTS_TRANSFER_INTERNAL_H

#include "harness.h"
#include "core/stack.h"
#include "prng.h"
#include "tapdeck/socket.h"
#include "transfer.h"

#define IP_A       TD_IP4(10, 0, 0, 1)
#define IP_B       TD_IP4(10, 0, 0, 2)
#define PORT       5001 /* the listener; crossed connections: PORT_CROSS and up */
#define PORT_CROSS 6000
#define START      (20 * TD_SEC)
#define STALLED    (7200 * TD_SEC)
#define BUSY       2000000 /* steps without the clock moving: it never will */
#define RULES      64

struct transfer;
struct conn;

struct end { /* an application at one end of a connection */
    struct transfer *x;
    struct conn *c;
    const struct end_plan *plan;
    struct td_stack *st;
    int side, s;
    bool begun, connected, shut, eof, over, aborts;
    uint64_t sent, rcvd, want;
    uint32_t write_pauses, read_pauses;
    td_time may_read, may_write;
    int err; /* what ended it; positive errno */
};

struct conn {
    const struct conn_plan *plan;
    struct end end[2];
    uint16_t port[2];
    bool given_up;
};

struct rule { /* what the journal has told about one connection of a host */
    uint16_t lport, port;
    uint8_t state;
    bool closed;
    uint64_t tries;
    td_time fired, next;
};

struct host {
    struct transfer *x;
    struct td_stack *st;
    int side, listener;
    uint32_t ifindex;
    struct rule rule[RULES];
    unsigned rules;
    uint64_t idle[MEM_TAGS];
    bool sated; /* allocations don't fail just now */
};

struct transfer {
    const struct transfer_plan *plan;
    struct transfer_result *result;
    struct sim *sim;
    struct sim_wire *wire;
    struct host host[2];
    struct wiretap tap;
    struct conn conn[TRANSFER_CONNS];
    struct prng draw;
    uint8_t *buf;
    td_time progress, wake, step_at;
    uint64_t steps;
    bool loud;
    const struct transfer_poison *poison; /* NULL: nobody is poisoned */
    td_time poison_at, cut_at, accept_at;
};

/* Notes the first thing that isn't as it should be. */
__attribute__((format(printf, 2, 3))) void transfer_wrong(struct transfer *x, const char *fmt, ...);
bool transfer_failed(struct transfer *x);

/* ---- transfer_app.c ---- */
void end_pump(struct end *e); /* does all that may be done now */
const char *end_name(const struct end *e);
void conn_connect(struct transfer *x, struct conn *c, int side);
td_notify transfer_acceptable; /* the listener's; ctx is the transfer */
static inline void wake_at(struct transfer *x, td_time t)
{
    if (t < x->wake)
        x->wake = t;
}

/* ---- transfer_rules.c ---- */
void transfer_journal(void *ctx, const struct journal_record *r); /* a host's; ctx is the host */

#endif
