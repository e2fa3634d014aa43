/* tapdeck/organs.h: the parts of TCP that can be taken out and replaced.
 *
 * An organ is a table of functions with a name. It has no state of its own: what it remembers about a
 * connection it keeps in the struct it is handed, or in `state`, `state_size` zeroed bytes that the
 * stack allocates for it (16-byte aligned) before init and frees with the connection. It makes no
 * system call, reads no clock (the time comes in as `now`), draws no random numbers and uses integers:
 * so that the same input gives the same output, which is what replay and comparison rest on.
 *
 * Units: bytes and nanoseconds, always. Sequence numbers are compared modulo 2^32.
 *
 * One of your own: fill in a table, hand it to an instance (tapdeck/organ.h: td_organ_add, with TD_ORGAN_CC or
 * TD_ORGAN_RTO), and choose it by its name: net.ipv4.tcp_congestion_control or TCP_CONGESTION for the one,
 * tapdeck.rto for the other. Whatever an organ answers is brought within bounds: cwnd to one segment and
 * TD_CC_CWND_MAX, the time-out to `min` and `max` of its limits.
 */
#ifndef TAPDECK_ORGANS_H
#define TAPDECK_ORGANS_H

#include "tapdeck/types.h"

/* ---- congestion control: how much may be in flight (RFC 5681, 9438, 9406) ----
 *
 * The stack asks at three moments. `acked`: an acknowledgment brought news while nothing is known to
 * be lost; grow cwnd. `ssthresh`: something was lost, or marked (ECN); say what the new ssthresh is.
 * `event`: something happened that the organ may want to know. What to send again and how cwnd gets
 * down to ssthresh meanwhile is loss recovery's business, not the organ's.
 *
 * The smallest organ is Reno (stack/tcp/cc/reno.c): two functions, of three lines each with the two
 * helpers at the end of this part. Four rules:
 *   - cwnd grows only if `cwnd_limited` says so: a window that wasn't used says nothing about the path.
 *     acked() is called for the others too, because their round trips are news.
 *   - what `state` holds is gone when the connection takes another organ; struct td_cc stays.
 *   - `state` is NULL when there was no memory for it: do something harmless then (Reno).
 *   - a ssthresh is never under 2 mss. cwnd may be any number of bytes; only whole segments are sent of it.
 */

enum td_cc_phase { /* for people: journal, `ss`, plots. The organ sets it, nothing depends on it */
    TD_CC_SLOW_START,
    TD_CC_CSS,        /* conservative slow start (RFC 9406) */
    TD_CC_AVOIDANCE,
    TD_CC_CONCAVE,    /* CUBIC's three regions (RFC 9438 4.3 to 4.5) */
    TD_CC_CONVEX,
    TD_CC_RENO_FRIENDLY,
};

enum td_cc_cause { /* why ssthresh is asked for */
    TD_CC_LOSS,    /* fast recovery begins */
    TD_CC_TIMEOUT, /* the retransmission timer expired, for the first time on this segment */
    TD_CC_ECN,     /* the peer echoed a congestion mark (RFC 3168) */
};

enum td_cc_event {
    TD_CC_TX_START,  /* text is sent and nothing was in flight */
    TD_CC_RESTART,   /* cwnd was reset after idle (RFC 5681 4.1) */
    TD_CC_RECOVERED, /* recovery, or the window after an ECN cut, is over; cwnd is set */
    TD_CC_TIMED_OUT, /* after ssthresh(TD_CC_TIMEOUT), and for every further expiry */
    TD_CC_UNDONE,    /* the loss was none: cwnd and ssthresh are what `undo` said */
};

#define TD_CC_NO_SSTHRESH INT32_MAX /* ssthresh before the first loss: the initial slow start */
#define TD_CC_CWND_MAX    (UINT32_C(1) << 30) /* no window is larger (RFC 7323 2.3) */

struct td_cc_ops;

struct td_cc { /* what the organ sees and sets */
    uint32_t cwnd;        /* bytes; the organ sets it in acked() */
    uint32_t ssthresh;    /* bytes; set by the stack from ssthresh(), by the organ where slow start ends */
    uint32_t mss;         /* Eff.snd.MSS, bytes */
    uint32_t prior_cwnd;  /* cwnd when ssthresh was last asked for */
    uint32_t prior_ssthresh;
    uint32_t slow_limit;  /* L of RFC 3465: what one ACK opens cwnd by in slow start, at most; bytes */
    uint32_t count;       /* scratch: bytes counted towards the next cwnd += mss */
    uint8_t phase;        /* enum td_cc_phase */
    uint8_t hystart : 2;  /* knob tcp_cubic_hystart: how to look for the end of slow start; 0 = don't */
    bool paced : 1;       /* segments leave at pacing_rate, not in bursts */
    bool own_pacing : 1;  /* the organ sets pacing_rate itself */
    bool timed_out : 1;   /* the slow start since a time-out isn't over (RFC 3465 2.3: L is one mss) */
    td_time srtt;         /* smoothed round trip; 0 = none yet */
    td_time min_rtt;      /* least of the last tcp_min_rtt_wlen seconds; 0 = none yet */
    uint64_t pacing_rate; /* bytes a second; 0 = not known yet. The stack sets it from cwnd and srtt
                             after each acked(), unless own_pacing */
    const struct td_cc_ops *ops;
    void *state;          /* state_size bytes; NULL if there was no memory: then act without */
};

struct td_cc_ack { /* what one acknowledgment told */
    td_time now;
    uint32_t acked;       /* bytes newly delivered, cumulatively or by SACK */
    uint32_t flight;      /* bytes in flight before it */
    uint32_t una, nxt;    /* SND.UNA after it, SND.NXT */
    td_time rtt;          /* a valid round-trip sample; 0 = none */
    bool cwnd_limited;    /* cwnd held the sender back: only then may cwnd grow (RFC 9438 4.2, 5681) */
};

struct td_cc_ops {
    const char *name;     /* as TCP_CONGESTION and the knob name it, under 16 bytes */
    const char *doc;      /* one sentence */
    uint32_t state_size;
    void (*init)(struct td_cc *cc, td_time now);                       /* may be NULL */
    void (*acked)(struct td_cc *cc, const struct td_cc_ack *ack);
    /* flight: bytes in flight when the loss was noticed (FlightSize of RFC 5681; cwnd, under the knob
     * tcp_cwnd_segments). At least 2 mss. */
    uint32_t (*ssthresh)(struct td_cc *cc, enum td_cc_cause why, uint32_t flight, td_time now);
    void (*event)(struct td_cc *cc, enum td_cc_event what, td_time now); /* may be NULL */
    /* The loss was none: the cwnd to go back to. NULL: max(cwnd, prior_cwnd). */
    uint32_t (*undo)(struct td_cc *cc, td_time now);
};

/* Helpers for organs. */

static inline void td_cc_open(struct td_cc *cc, uint32_t by) /* cwnd grows, not past the largest window */
{
    cc->cwnd = cc->cwnd < TD_CC_CWND_MAX - by ? cc->cwnd + by : TD_CC_CWND_MAX;
}

/* cwnd opens by n, not past ssthresh. What is left of n. */
static inline uint32_t td_cc_open_slow(struct td_cc *cc, uint32_t n)
{
    uint32_t room = cc->ssthresh > cc->cwnd ? cc->ssthresh - cc->cwnd : 0;
    uint32_t by = n < room ? n : room;
    td_cc_open(cc, by);
    return n - by;
}

/* Slow start (RFC 5681 3.1, counting bytes as RFC 3465 2.2): cwnd opens by what was acknowledged, at
 * most slow_limit. Returns the bytes that are left for congestion avoidance. */
static inline uint32_t td_cc_slow_start(struct td_cc *cc, uint32_t acked)
{
    cc->phase = TD_CC_SLOW_START;
    return td_cc_open_slow(cc, acked < cc->slow_limit ? acked : cc->slow_limit);
}

/* Congestion avoidance (RFC 5681 3.1, 3465 2.1): one segment for each cwnd of acknowledged bytes. The
 * remainder is carried on. */
static inline void td_cc_avoid(struct td_cc *cc, uint32_t acked)
{
    cc->phase = TD_CC_AVOIDANCE;
    cc->count += acked;
    if (cc->count >= cc->cwnd) {
        cc->count -= cc->cwnd;
        td_cc_open(cc, cc->mss);
    }
}

/* Equation 4 of RFC 5681: half of what was in flight, two segments at least. */
static inline uint32_t td_cc_half(const struct td_cc *cc, uint32_t flight)
{
    return flight / 2 > 2 * cc->mss ? flight / 2 : 2 * cc->mss;
}

/* ---- retransmission time-out (RFC 6298) ----
 *
 * init() when a connection is born, sample() for each valid round trip, backoff() when the timer expires; each
 * leaves in `rto` how long the next wait is. What an estimator remembers fits into struct td_rto: who has
 * another idea of a variance keeps it in rttvar4. srtt8 is also what `ss` shows and pacing goes by.
 */

struct td_rto { /* ns */
    td_time srtt8;       /* SRTT times 8, so that the RFC's 1/8 is a shift; 0 = no sample yet */
    td_time rttvar4;     /* RTTVAR times 4 */
    td_time rto;
    uint8_t backoff;     /* doublings since the last good sample */
};
struct td_rto_limits {
    td_time initial, min, max, granularity;
};
struct td_rto_ops {
    const char *name;
    const char *doc;
    void (*init)(struct td_rto *r, const struct td_rto_limits *l);
    /* A round trip was measured on a segment sent once, or told by a timestamp. */
    void (*sample)(struct td_rto *r, const struct td_rto_limits *l, td_time rtt);
    void (*backoff)(struct td_rto *r, const struct td_rto_limits *l); /* the timer expired */
};

#endif
