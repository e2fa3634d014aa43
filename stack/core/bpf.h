/* core/bpf.h: the classic BPF machine, which runs filter expressions over frames.
 *
 * Expressions are compiled by libpcap outside of the core (apps/common/filter.c); what comes in
 * through the door is a program, and it is judged before it is kept: bpf_valid says whether every
 * instruction is one of the machine's, every jump goes forward and stays inside, and the end can't
 * be run over. A valid program ends after at most as many steps as it has instructions.
 */
#ifndef CORE_BPF_H
#define CORE_BPF_H

#include "core/pkt.h"
#include "tapdeck/qdisc.h"

bool bpf_valid(const struct td_bpf_insn *code, uint32_t len);
/* Runs a valid program over a frame (borrowed): 0 = no match. A load from beyond the frame's end is
 * no match, as is a division by zero; so libpcap's bpf_filter has it. */
uint32_t bpf_run(const struct td_bpf_insn *code, const struct pkt *p);

#endif
