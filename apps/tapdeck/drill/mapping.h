/* drill/mapping.h: the numbers in a script and the numbers on the wire.
 *
 * Scripts count both directions from their initial sequence numbers: the first data byte is 1. On
 * the wire the stack draws its ISN, and its ephemeral port, at random, and its timestamps come from
 * its clock. A struct conn holds what is known of one connection and translates.
 *
 * Let risn be the scripted sequence number of the remote SYN, and lisn_script, lisn_live the
 * stack's ISN in the script and on the wire, learned from the first SYN or SYN-ACK it sends:
 *
 *     remote numbers (inbound seq; outbound ack and SACK)  on a SYN: as written; else + risn
 *     local numbers  (outbound seq; inbound ack and SACK)  on a SYN: + lisn_live - lisn_script;
 *                                                          else + lisn_live
 */
#ifndef DRILL_MAPPING_H
#define DRILL_MAPPING_H

#include "tapdeck/drill/seg.h"

struct ts_pair {
    uint32_t script, live;
};

struct conn {
    struct conn *next;
    int proto;      /* IPPROTO_TCP, IPPROTO_UDP */
    int fd;         /* the stack's handle; -1: none (yet, or any more) */
    uint32_t id;    /* the journal's name for it; 0: not known */
    bool listening; /* the script called listen: inbound packets make children */
    bool named;     /* all four below are known */
    td_ip4 laddr, raddr;
    uint16_t lport, rport;
    bool has_risn, has_lisn;
    uint32_t risn, lisn_script, lisn_live;
    uint32_t last_syn; /* sequence number of the last SYN injected */
    struct ts_pair *ts;
    size_t nts, ts_cap;
};

struct conn *conn_new(int proto);
void conn_free(struct conn *c);

/* Script to live. */
uint32_t conn_remote_live(const struct conn *c, uint32_t script, bool syn);
uint32_t conn_local_live(const struct conn *c, uint32_t script, bool syn);
/* Live to script. */
uint32_t conn_remote_script(const struct conn *c, uint32_t live, bool syn);
uint32_t conn_local_script(const struct conn *c, uint32_t live, bool syn);

/* The script's number for a timestamp the stack sent, remembered for echoes. False: no memory. */
bool conn_ts_learn(struct conn *c, uint32_t script, uint32_t live);
/* What was sent under that number last. scaled: numbers never seen are placed between those that
 * were (--tcp_ts_ecr_scaled). False: never seen. */
bool conn_ts_live(const struct conn *c, uint32_t script, bool scaled, uint32_t *live);
/* What a live timestamp would be, counted from the first one sent; false before that. */
bool conn_ts_script(const struct conn *c, uint32_t live, uint32_t *script);

/* Does this datagram belong to the connection? ICMP belongs by its addresses. outbound: the stack
 * sent it. */
bool conn_owns(const struct conn *c, const struct seg *s, bool outbound);

#endif
