/* tapdeckd/ping.h: a ping that runs: what it was told (ping_words.c), what it does (cmd_ping.c),
 * what it says (ping_text.c). */
#ifndef TAPDECKD_PING_H
#define TAPDECKD_PING_H

#include "tapdeckd/deck.h"

#include <linux/errqueue.h>

#define PING_HISTORY      1024 /* sequence numbers whose sending time is remembered */
#define PING_MAX          65507
#define PING_INTERVAL_MIN (2 * TD_MS)
#define PING_FLOOD        (10 * TD_MS) /* -f: at least a hundred times a second */
#define PING_RR_LEN       40           /* -R: a NOP and room for nine addresses */

struct ping {
    int socket;
    td_ip4 dst, src; /* src 0: the stack chooses */
    char dst_text[16];
    /* the words */
    uint64_t count;            /* 0 = until interrupted */
    td_time interval, timeout; /* timeout 0: twice the longest round trip, at least a second */
    td_time deadline;          /* -w; 0 = none */
    uint32_t size, preload;
    int ttl, tos, pmtu; /* ttl 0, pmtu -1: the default */
    uint16_t ident;     /* 0: chosen */
    const char *ifname;
    uint8_t pattern[16];
    uint8_t pattern_len; /* 0: the usual bytes */
    bool quiet, stamps, flood, adaptive, broadcast, verbose, record, outstanding, interval_set;
    /* what goes on */
    td_time sent_at[PING_HISTORY];
    bool answered[PING_HISTORY];
    uint64_t sent, received, duplicates, errors, pipe;
    td_time started, next, last_event, last_sent;
    td_time rtt_min, rtt_max, rtt_sum, rtt_ewma; /* ewma: times 8 */
    double rtt_sq;
    uint8_t route[PING_RR_LEN]; /* of the last reply that had one */
    uint8_t *packet;
    struct run *run;
};

/* An answer to sequence number seq; options: of its IP header, as on the wire. */
struct ping_reply {
    uint16_t seq;
    td_ip4 from;
    uint32_t bytes;
    int ttl;
    const uint8_t *options;
    size_t options_len;
};

/* ping_words.c: EXIT_DONE, or EXIT_USAGE with its sentence set. */
int ping_words(struct run *r, struct ping *p);

/* ping_text.c */
void ping_begin_text(struct run *r, const struct ping *p);
/* Counts a reply and shows it. */
void ping_got_reply(struct run *r, const struct ping_reply *reply, td_time now);
/* Counts an error and shows it; from 0: found out here. */
void ping_got_error(struct run *r, const struct sock_extended_err *ee, td_ip4 from, bool has_seq,
                    uint16_t seq, td_time now);
void ping_no_answer_yet(struct run *r, uint16_t seq, td_time now);
int ping_summary(struct run *r); /* the exit status */

#endif
