/* tests/common/flows.h: TCP flows from one host to another over one bottleneck, in virtual time.
 *
 * All flows share a wire: its rate, its delay each way, its queue, its loss (only in the direction
 * of the text). Each has a congestion control and a time at which it begins, and sends until the
 * end.
 *
 *     struct flows_plan p = {.rate = 10000000, .delay = 20 * TD_MS, .queue = 50, .loss = 0.001,
 *                            .duration = 60 * TD_SEC, .n = 2, .flow = {{"cubic"}, {"reno"}}};
 *     struct flows_result r;
 *     flows_run(&p, &r);
 *
 * The same plan gives the same result, to the last bit.
 */
#ifndef TESTS_FLOWS_H
#define TESTS_FLOWS_H

#include "dev/sim.h"
#include "tcp/tcp_internal.h"

#define FLOWS_MAX 16

struct flow_plan {
    const char *cc;
    td_time start; /* after the beginning */
};

struct flows;
struct flows_plan {
    uint64_t seed;
    enum td_profile profile;
    uint64_t rate;          /* bit/s; 0 = unlimited */
    td_time delay;          /* one way */
    uint32_t queue;         /* packets that wait at the bottleneck; 0 = without end */
    double loss;            /* 0 to 1 */
    uint32_t mtu;           /* 0 = 1500 */
    td_time warm, duration; /* what is counted begins after `warm` */
    struct flow_plan flow[FLOWS_MAX];
    unsigned n;
    const char *const (*knob)[2]; /* {name, value}, ended by {NULL}; for both hosts */
    /* Called after each step with what flow i is now (a connection that isn't made yet: not
     * called). losing: it is in Recovery or Loss. */
    void (*watch)(void *ctx, struct flows *f, unsigned i, td_time now, const struct tcb *t,
                  bool losing);
    /* NULL, or sees (borrowed) each frame when it is put on the wire and, if it gets there, when it
     * arrives; dir 0: from the sender. */
    void (*tap)(void *ctx, bool arrives, int dir, td_time now, const struct pkt *p);
    void *ctx;
};

struct flow_result {
    uint64_t bytes;                       /* acknowledged while it counted */
    double throughput;                    /* bit/s of text */
    double mean_rtt;                      /* SRTT, seconds, mean over time */
    uint64_t retrans;                     /* segments sent again, all in all */
    unsigned recoveries;                  /* episodes of loss, while it counted */
    double recovery_mean, recovery_worst; /* seconds each took */
};
struct flows_result {
    struct flow_result flow[FLOWS_MAX];
    double throughput;  /* bit/s, all together */
    double utilisation; /* share of the rate that text made use of */
    double jain;        /* fairness: (sum x)^2 / (n sum x^2) */
    uint64_t drops;     /* frames with text the wire dropped (loss and queue) */
    uint64_t retrans;
    uint64_t spurious; /* retransmissions of what wasn't lost: retrans - drops, if more */
};

void flows_run(const struct flows_plan *p, struct flows_result *r);
/* From watch(): the wire drops the next frame with text that is sent. */
void flows_drop_next(struct flows *f);
uint64_t flows_drops(const struct flows *f);

#endif
