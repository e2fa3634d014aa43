/* tests/common/reasm_bench.h: a reassembly organ outside of a stack.
 *
 * The bench is a host of tapdeck/reassembly.h that gives every piece heap memory of exactly its
 * size, so that a sanitizer sees each byte too many, and counts what the organ has of it: pieces
 * that it owns, memory that it asked for. What is in order it appends to `stream`. Two benches that
 * are fed the same input must say the same: reasm_differ finds the first difference.
 */
#ifndef TESTS_REASM_BENCH_H
#define TESTS_REASM_BENCH_H

#include "prng.h"
#include "tapdeck/reassembly.h"

struct reasm_bench {
    struct td_reassembly r;
    uint32_t pieces; /* the organ owns */
    uint64_t memory; /* ... and has allocated */
    bool starved;    /* alloc and make fail */
    uint32_t rcv_nxt;
    uint8_t *stream; /* what was taken, in order */
    uint32_t stream_len, stream_cap;
    char wrong[200]; /* a rule of the header that the organ broke; "" none */
};

void bench_open(struct reasm_bench *b, const struct td_reassembly_ops *ops, uint32_t rcv_nxt);
void bench_close(struct reasm_bench *b); /* clears; what is left then is wrong */
/* Text beyond a hole. What insert said. */
int64_t bench_insert(struct reasm_bench *b, uint32_t seq, const uint8_t *bytes, uint32_t len);
/* Text at RCV.NXT, and what follows it now. How many bytes that was. */
uint32_t bench_in_order(struct reasm_bench *b, const uint8_t *bytes, uint32_t len);

/* The same random conversation with both: segments of a stream of `span` bytes that begins at isn,
 * late, twice and overlapping. False: `why` says what was the first difference, or which rule one
 * of them broke. */
bool reasm_differ(const struct td_reassembly_ops *reference, const struct td_reassembly_ops *other,
                  uint64_t seed, uint32_t isn, uint32_t span, char *why, size_t size);

#endif
