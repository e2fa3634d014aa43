/* tests/common/bpf_peer.h: libpcap's own interpreter beside ours, on one program and one frame. */
#ifndef TESTS_BPF_PEER_H
#define TESTS_BPF_PEER_H

#include "core/bpf.h"

#include <pcap/pcap.h>

/* What libpcap's bpf_filter answers. Its memory words start with whatever is there, ours with zero: a
 * program whose answer may depend on that must store before it loads. */
static inline uint32_t bpf_peer_run(const struct td_bpf_insn *code, uint32_t len, const uint8_t *frame, uint32_t n)
{
    struct bpf_insn theirs[TD_IMPAIR_CODE];

    for (uint32_t i = 0; i < len; i++)
        theirs[i] = (struct bpf_insn){.code = code[i].code, .jt = code[i].jt, .jf = code[i].jf, .k = code[i].k};
    return bpf_filter(theirs, frame, n, n);
}

static inline bool bpf_peer_valid(const struct td_bpf_insn *code, uint32_t len)
{
    struct bpf_insn theirs[TD_IMPAIR_CODE];

    for (uint32_t i = 0; i < len; i++)
        theirs[i] = (struct bpf_insn){.code = code[i].code, .jt = code[i].jt, .jf = code[i].jf, .k = code[i].k};
    return bpf_validate(theirs, (int)len) != 0;
}

/* All memory words set to k: in front of a program, 17 instructions. */
static inline uint32_t bpf_peer_prologue(struct td_bpf_insn *code)
{
    code[0] = (struct td_bpf_insn){.code = 0x00, .k = 0}; /* ld #0 */
    for (uint32_t i = 0; i < 16; i++)
        code[1 + i] = (struct td_bpf_insn){.code = 0x02, .k = i}; /* st M[i] */
    return 17;
}

#endif
