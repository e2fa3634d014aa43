/* tcp/pcb.h: the catalogue of a connection's variables (pcb.def), and one connection's values.
 */
#ifndef TCP_PCB_H
#define TCP_PCB_H

#include "core/table.h"
#include "tcp/tcp.h"

enum tcp_pcb_group {
    TPG_SEND, TPG_RECEIVE, TPG_OPTIONS, TPG_RTT, TPG_CONGESTION, TPG_LOSS, TPG_TIMERS, TPG_ORGANS,
    TPG_LISTENER,
    TPG_COUNT
};
struct tcp_pcb_group_info {
    const char *name;  /* "send" */
    const char *title; /* "send sequence space and queue" */
};
extern const struct tcp_pcb_group_info tcp_pcb_groups[TPG_COUNT];

enum tcp_pcb_unit {
    TPU_SEQ_OURS,   /* a sequence number, to be read relative to ISS */
    TPU_SEQ_THEIRS, /* ... to IRS */
    TPU_BYTES, TPU_SEGMENTS, TPU_COUNT, TPU_NS, TPU_US, TPU_MS, TPU_SECONDS,
    TPU_RATE,       /* bytes a second */
    TPU_WORD, TPU_BOOL,
    TPU_YES,        /* true, or no value */
};
extern const char *const tcp_pcb_unit_names[TPU_YES + 1];

struct tcp_pcb_info {
    const char *name;    /* as the RFC writes it */
    const char *clause;  /* "RFC 9293 3.3.1"; "-": no RFC has it */
    const char *meaning; /* one line */
    enum tcp_pcb_group group;
    enum tcp_pcb_unit unit;
};
/* Variable i is column TCP_PCB_FIRST + i of the table `tcb`; the columns before are id, state, local,
 * lport, peer, pport. */
#define TCP_PCB_FIRST 6
extern const struct tcp_pcb_info tcp_pcb[];
extern const unsigned tcp_npcb;
/* The row of the table `tcb` for this endpoint (raddr, rport 0: a listening socket): also one in
 * TIME-WAIT, or whose handshake is under way. False: there is none. */
bool tcp_pcb_row(struct td_stack *st, const struct tcp_addrs *a, struct row *row);

#endif
