/* core/seq.h: sequence-number arithmetic modulo 2^32 (RFC 9293 3.4), the only place for it. */
#ifndef CORE_SEQ_H
#define CORE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t tcp_seq;

static inline int32_t seq_diff(tcp_seq a, tcp_seq b) /* a - b as a signed distance */
{
    return (int32_t)(a - b);
}
static inline bool seq_lt(tcp_seq a, tcp_seq b)
{
    return seq_diff(a, b) < 0;
}
static inline bool seq_le(tcp_seq a, tcp_seq b)
{
    return seq_diff(a, b) <= 0;
}
static inline bool seq_gt(tcp_seq a, tcp_seq b)
{
    return seq_diff(a, b) > 0;
}
static inline bool seq_ge(tcp_seq a, tcp_seq b)
{
    return seq_diff(a, b) >= 0;
}
/* a is in [lo, lo+len) */
static inline bool seq_in(tcp_seq a, tcp_seq lo, uint32_t len)
{
    return (uint32_t)(a - lo) < len;
}
static inline tcp_seq seq_max(tcp_seq a, tcp_seq b)
{
    return seq_gt(a, b) ? a : b;
}
static inline tcp_seq seq_min(tcp_seq a, tcp_seq b)
{
    return seq_lt(a, b) ? a : b;
}

#endif
