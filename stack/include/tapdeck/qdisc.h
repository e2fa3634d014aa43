/* tapdeck/qdisc.h: what may stand in a frame's way: queue disciplines and addressed impairments.
 *
 * A direction of an interface (or of a simulated wire) has a chain of queue disciplines, the
 * outermost first: a frame goes through the first, then through what stands inside it. pfifo,
 * bfifo, red and fq_codel are ends of a chain; netem and tbf can hold another, as `tc qdisc add …
 * parent 1:` makes it. In front of the chain stand rules, which pick single frames ("the 3rd
 * segment with data to port 80") and do something to just these.
 *
 * Everything here is flat (no pointers), so that a call can be recorded by copying it.
 */
#ifndef TAPDECK_QDISC_H
#define TAPDECK_QDISC_H

#include "tapdeck/device.h"

enum td_qdisc_kind {
    TD_QDISC_PFIFO,
    TD_QDISC_BFIFO,
    TD_QDISC_NETEM,
    TD_QDISC_TBF,
    TD_QDISC_RED,
    TD_QDISC_FQ_CODEL,
    TD_QDISC_KINDS
};

struct td_fifo {
    uint32_t limit; /* pfifo: packets; bfifo: bytes. 0: pfifo takes the interface's txqueuelen */
};

/* Token bucket filter (tc-tbf(8)). */
struct td_tbf {
    uint64_t rate;     /* bits a second */
    uint32_t burst;    /* bytes the bucket holds; longer frames are dropped */
    uint64_t peakrate; /* bits a second; 0 = none. Needs mtu */
    uint32_t mtu;      /* bytes of the second bucket; 0 = none */
    uint32_t limit;    /* bytes that may wait, when nothing stands inside it */
};

/* Random early detection (Floyd and Jacobson 1993; tc-red(8)). All lengths in bytes. */
struct td_red {
    uint32_t limit; /* of the queue */
    uint32_t min, max;
    uint32_t avpkt;     /* an average frame */
    uint32_t burst;     /* frames: what wlog was made from, for show */
    uint8_t wlog;       /* weight of the average: 2^-wlog */
    uint32_t max_p;     /* probability at max, parts per 2^32 */
    uint64_t bandwidth; /* bits a second: how fast an idle queue forgets */
    bool ecn, harddrop, adaptive;
    uint64_t seed;
};

/* Flow queueing with CoDel (RFC 8290, 8289). */
struct td_fq_codel {
    uint32_t limit;        /* frames in all */
    uint32_t flows;        /* queues */
    uint32_t quantum;      /* bytes a turn */
    uint32_t memory_limit; /* bytes of memory that waiting frames pin */
    uint32_t drop_batch;   /* dropped at most at a time when it is over its limit */
    td_time target, interval;
    td_time ce_threshold; /* mark whatever waited longer; TD_NEVER = off */
    bool ecn;             /* mark instead of drop where the sender understands it */
    uint64_t seed;        /* of the hash that tells flows apart */
};
#define TD_FQ_CODEL_DEFAULTS                                                                       \
    ((struct td_fq_codel){.limit = 10240,                                                          \
                          .flows = 1024,                                                           \
                          .quantum = 1514,                                                         \
                          .memory_limit = 32U << 20,                                               \
                          .drop_batch = 64,                                                        \
                          .target = 5 * TD_MS,                                                     \
                          .interval = 100 * TD_MS,                                                 \
                          .ce_threshold = TD_NEVER,                                                \
                          .ecn = true})

struct td_qdisc {
    enum td_qdisc_kind kind;
    uint16_t handle; /* major number, as in "1:"; 0 = one is given */
    union {
        struct td_fifo fifo;
        struct td_netem netem;
        struct td_tbf tbf;
        struct td_red red;
        struct td_fq_codel fq_codel;
    } u;
};

#define TD_QDISC_DEPTH 4
struct td_qdisc_chain {
    uint32_t depth; /* 0: as if nothing had been configured */
    struct td_qdisc q[TD_QDISC_DEPTH];
};

/* ---- rules ---- */

/* An instruction of the classic BPF machine, as libpcap compiles filter expressions to. */
struct td_bpf_insn {
    uint16_t code;
    uint8_t jt, jf;
    uint32_t k;
};

/* What a frame is, in words that filter expressions have no short form for. All that are asked for
 * must hold: DATA | FIN is a FIN that carries data. */
enum td_frame_kind {
    TD_KIND_ARP = 1 << 0,
    TD_KIND_IP = 1 << 1, /* IPv4 */
    TD_KIND_TCP = 1 << 2,
    TD_KIND_UDP = 1 << 3,
    TD_KIND_ICMP = 1 << 4,
    TD_KIND_SYN = 1 << 5, /* SYN without ACK */
    TD_KIND_SYN_ACK = 1 << 6,
    TD_KIND_FIN = 1 << 7,
    TD_KIND_RST = 1 << 8,
    TD_KIND_DATA = 1 << 9, /* TCP or UDP with payload */
    TD_KIND_ACK = 1 << 10, /* TCP's acknowledgment and nothing else */
    TD_KIND_FRAGMENT = 1 << 11,
    TD_KIND_IP6 = 1 << 12,
    TD_KIND_CE = 1 << 13, /* marked: congestion experienced (RFC 3168 5) */
};

enum td_impair_action {
    TD_IMPAIR_DROP,
    TD_IMPAIR_DELAY,     /* by `time` */
    TD_IMPAIR_DUPLICATE, /* `copies` more */
    TD_IMPAIR_CORRUPT, /* one bit: `bit`, counted from the frame's first, or any (TD_IMPAIR_ANY_BIT) */
    TD_IMPAIR_MARK,    /* congestion experienced */
    TD_IMPAIR_HOLD,    /* until another frame passes, for `time`, or until td_impair_release */
    TD_IMPAIR_ACTIONS
};

#define TD_IMPAIR_CODE    256 /* instructions for both expressions of a rule together */
#define TD_IMPAIR_TEXT    256
#define TD_IMPAIRS_MAX    64 /* a direction */
#define TD_IMPAIR_ANY_BIT UINT32_MAX

struct td_impair {
    enum td_impair_action action;
    /* Of the frames that match, counted from 1: those from `from` to `to`, every `step`-th. */
    uint32_t from, to, step;
    td_time time;       /* DELAY; HOLD: at most so long, TD_NEVER = no limit */
    uint32_t copies;    /* DUPLICATE */
    uint32_t bit;       /* CORRUPT */
    uint64_t seed;      /* CORRUPT of any bit */
    uint32_t kinds;     /* enum td_frame_kind; 0 = any frame */
    uint32_t match_len; /* instructions code[0 .. match_len); 0 = no expression */
    bool until;         /* HOLD: until the until_count-th frame like this passes the same way */
    uint32_t until_kinds, until_len, until_count; /* code[match_len .. match_len + until_len) */
    struct td_bpf_insn code[TD_IMPAIR_CODE];
    char text[TD_IMPAIR_TEXT]; /* the rule as it was written, for people */
};

enum td_impair_op { TD_IMPAIR_ADD, TD_IMPAIR_DEL, TD_IMPAIR_RELEASE };

#endif
