/* common/filter.h: filter expressions in libpcap's language (pcap-filter(7)), compiled for the
 * stack. */
#ifndef APPS_COMMON_FILTER_H
#define APPS_COMMON_FILTER_H

#include <stddef.h>

#include "tapdeck/qdisc.h"

/* Compiles `expr` for Ethernet frames into code[0 .. *len), at most `room` instructions. Names of
 * hosts are not looked up: that would wait for a name server. False: msg is one sentence. */
bool filter_compile(const char *expr, struct td_bpf_insn *code, uint32_t room, uint32_t *len,
                    char *msg, size_t msg_size);

struct bpf_insn;
/* The same for libpcap's bpf_filter(), which runs over packets in a buffer: malloc()ed, its caller's to free. NULL: msg is
 * one sentence. */
struct bpf_insn *filter_program(const char *expr, char *msg, size_t msg_size);

#endif
