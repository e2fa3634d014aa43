/* tcp/cc/hystart.h: leaving slow start before the queue overflows (RFC 9406 HyStart++; Linux's
 * HyStart). State that a congestion control embeds; hystart.c tells how it works. */
#ifndef TCP_CC_HYSTART_H
#define TCP_CC_HYSTART_H

#include "tapdeck/organs.h"

enum { /* values of the knob tcp_cubic_hystart */
       HYSTART_OFF,
       HYSTART_LINUX,   /* ACK train and delay, as Linux's CUBIC */
       HYSTART_RFC9406, /* HyStart++ */
};

/* RFC 9406 4.3 */
#define HYSTART_MIN_RTT_THRESH     (4 * TD_MS)
#define HYSTART_MAX_RTT_THRESH     (16 * TD_MS)
#define HYSTART_MIN_RTT_DIVISOR    8
#define HYSTART_N_RTT_SAMPLE       8
#define HYSTART_CSS_GROWTH_DIVISOR 4
#define HYSTART_CSS_ROUNDS         5
#define HYSTART_L                  8 /* segments; without limit if paced */
_Static_assert(HYSTART_CSS_GROWTH_DIVISOR >= 2, "RFC 9406 4.3");

struct hystart {
    td_time last_min,
        now_min;       /* least round trip of the last round and this one; TD_NEVER = none */
    td_time baseline;  /* now_min when CSS began; TD_NEVER = not in CSS */
    td_time delay_min; /* Linux: the least ever; 0 = none */
    td_time round_start, last_ack; /* Linux: the ACK train */
    uint32_t window_end;           /* the round ends when this is acknowledged */
    uint8_t samples;               /* of this round, not counted beyond N_RTT_SAMPLE */
    uint8_t css_rounds;            /* begun in CSS */
    bool started, done, css;
};

void hystart_init(struct hystart *h);

/* An acknowledgment in slow start. True if slow start ends here: the caller's ssthresh is cwnd now.
 * Doesn't touch cwnd. */
bool hystart_acked(struct hystart *h, struct td_cc *cc, const struct td_cc_ack *ack);

/* What this acknowledgment opens cwnd by, bytes (9406 4.2): cut to L segments, a quarter in CSS. */
uint32_t hystart_growth(const struct hystart *h, const struct td_cc *cc, uint32_t acked);

#endif
