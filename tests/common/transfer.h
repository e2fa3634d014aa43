/* tests/common/transfer.h: byte streams between two hosts over one impaired wire, in virtual time.
 *
 * A plan says what the wire is like, what the hosts are like, and for each connection who sends how
 * much, in what pieces, with what pauses, and how it ends. transfer_run() carries it out: host a's
 * applications connect, host b's accept; every byte is a function of (seed, connection, direction,
 * position), so both ends know what must come. Afterwards it looks at what is left on the hosts,
 * and says in `fail` what isn't as it should be: the first thing found, or nothing.
 *
 * To look at one closely: TRANSFER_PCAP=name writes what is sent to name.sent.pcap and what arrives
 * to name.arrived.pcap; TRANSFER_WHY=1 prints the journals of both hosts, 2 with every segment.
 *
 * What is checked, besides all that wiretap.h checks:
 *   - each end gets exactly the bytes the other has written, in order, and the end of file only
 *     behind the last of them
 *   - up to 10 % of loss (plan->gentle) everything arrives and nothing fails
 *   - above, a connection that doesn't complete was given up by one of its ends, and no earlier
 * than the limits of its state allow (RFC 9293 3.8.3), with time-outs that doubled from at least
 * the least RTO to at most the largest (RFC 6298 5.5, 2.4, 2.5)
 *   - nothing hangs: there is progress within two hours of virtual time, and time goes on
 *   - when TIME-WAIT has passed there is no connection left, and TCP, sockets and packets hold
 *     exactly the memory they held before
 *   - every segment that arrived is counted, every damaged one journaled, every one sent was seen
 */
#ifndef TESTS_TRANSFER_H
#define TESTS_TRANSFER_H

#include "wiretap.h"

#define TRANSFER_CONNS 8

enum ending {
    CLIENT_CLOSES, /* when it has sent and received everything; the server on end of file */
    SERVER_CLOSES,
    CLIENT_HALF, /* the client shuts down sending, then reads; the server closes when it has
                    sent everything and seen the end of file */
    SERVER_HALF,
    REPLY_AFTER,    /* CLIENT_HALF, and the server begins to send on end of file */
    BOTH_HALF,      /* each shuts down when it has sent everything */
    CLOSE_TOGETHER, /* both close in the same instant, everything being sent and received */
    SHUT_TOGETHER,  /* both shut down in the same instant, then read the end of file */
    CLIENT_LEAVES,  /* sends, and closes at once: what is unsent goes on without it */
    SERVER_LEAVES,
    CLIENT_ABORTS, /* a reset in the middle */
    SERVER_ABORTS,
    ENDINGS
};

struct end_plan {
    uint64_t bytes;                     /* to be sent */
    uint32_t write, read;               /* most a call */
    uint32_t write_pauses, read_pauses; /* how often the application rests at most */
    td_time pause;                      /* how long at most */
    int sndbuf, rcvbuf;                 /* 0: left alone */
    bool nodelay, keepalive;
};

struct conn_plan {
    struct end_plan end[2]; /* client, server */
    enum ending ending;
    uint64_t abort_after; /* bytes sent and received by who aborts */
    td_time start;
    bool crossed; /* both connect, to each other (RFC 9293 3.5 figure 7) */
};

struct transfer_plan {
    uint64_t seed;
    bool gentle;
    bool
        soft_abort; /* tcp_syn_soft_abort: no answer to ARP ends an attempt to connect (RFC 5461) */
    enum td_profile profile[2];
    uint32_t mtu;
    uint32_t mtu_of[2];     /* an interface's own, if less than the wire's; 0: the same */
    uint32_t starve;        /* allocations that fail, of 65536 */
    bool no_scaling[2];     /* tcp_window_scaling off */
    const char *cc[2];      /* tcp_congestion_control; NULL: the profile's */
    bool no_timestamps;     /* tcp_timestamps off, on both */
    void (*prepare)(struct td_stack *st); /* NULL, or called with each host that was made */
    bool patient;           /* a side whose user has gone doesn't give up either */
    struct td_netem way[2]; /* a to b, b to a */
    td_time cut_at;         /* from then on nothing arrives any more; 0: never */
    bool cut[2];            /* in this direction */
    struct conn_plan conn[TRANSFER_CONNS];
    unsigned conns;
};

struct transfer_result {
    char fail[600];                                              /* empty: as it should be */
    uint64_t digest, frames, damaged, rexmitted, bytes, refused; /* refused: allocations */
    td_time took; /* until the last application was done */
    unsigned complete, failed, simultaneous, zero_windows, give_ups;
};

void transfer_draw(struct transfer_plan *plan, uint64_t seed);
void transfer_run(const struct transfer_plan *plan, struct transfer_result *result);
/* The same, with poison: at that time after the start, host `victim` believes the other one to be
 * at a station that isn't there: because it hears an ARP reply that says so (forged), or because
 * the answer to its own request was damaged, so that it is sure of it. */
struct transfer_poison {
    int victim;
    bool forged;
    td_time when;
};
void transfer_run_poisoned(const struct transfer_plan *plan, struct transfer_result *result,
                           const struct transfer_poison *poison);

#endif
