/* tcp/cc/cubic.h: CUBIC's arithmetic and its state, for cubic.c and for tests that hold them
 * against the formulae of RFC 9438 in floating point. */
#ifndef TCP_CC_CUBIC_H
#define TCP_CC_CUBIC_H

#include "tcp/cc/hystart.h"

/* C = 0.4 segments/s^3 (5.1), beta_cubic = 0.7 (4.6), alpha_cubic = 3 (1 - beta) / (1 + beta) =
 * 9/17 (4.3), the share of cwnd that fast convergence leaves: (1 + beta) / 2 = 17/20 (4.7). */
#define CUBIC_C_NUM     2
#define CUBIC_C_DEN     5
#define CUBIC_BETA_NUM  7
#define CUBIC_BETA_DEN  10
#define CUBIC_ALPHA_NUM 9
#define CUBIC_ALPHA_DEN 17
#define CUBIC_FAST_NUM  17
#define CUBIC_FAST_DEN  20

typedef uint32_t cubic_ticks; /* time in units of 2^-16 s (15.3 us) */
#define CUBIC_TICKS_MAX (UINT32_C(400) << 16)

/* The largest r with r^3 <= x. Exact. */
uint32_t cubic_root(uint64_t x);
/* ns to ticks, rounded down, at most CUBIC_TICKS_MAX: by then any window is reached. */
cubic_ticks cubic_from_ns(td_time t);
/* K of 4.2: the cube root of (distance / mss) / C seconds, where distance is W_max - cwnd_epoch in
 * bytes. Not above the true value, and less than 2^-16 of it or two ticks below. */
cubic_ticks cubic_k(uint32_t distance, uint32_t mss);
/* W_cubic(t) of 4.2 in bytes: C (t - K)^3 + W_max, between 0 and TD_CC_CWND_MAX. */
uint32_t cubic_window(cubic_ticks t, cubic_ticks k, uint32_t w_max, uint32_t mss);

struct cubic_curve {     /* the variables of 4.1.2 that undo brings back (4.9) */
    uint32_t cwnd_prior; /* cwnd when ssthresh was last set; bytes */
    uint32_t w_max;      /* bytes; 0 = no congestion yet */
    uint32_t origin;     /* where the plateau of this epoch is: W_max, or cwnd if that is above */
    cubic_ticks k;
    td_time t_epoch; /* later than it was by the time that doesn't count; ns */
    td_time counted; /* up to here the time since t_epoch has been looked at */
    uint64_t w_est;  /* 1/1024 bytes */
    bool in_epoch;   /* t_epoch, counted, k, origin, w_est are set */
    bool flat;       /* next epoch: K = 0 (4.8, 4.10) */
};

struct cubic {
    struct cubic_curve now, saved;
    uint64_t credit; /* acked bytes times what is to be gained, not yet a segment */
    struct hystart hystart;
};

#endif
