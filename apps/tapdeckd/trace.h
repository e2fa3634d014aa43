/* tapdeckd/trace.h: traceroute's probes: how they are sent and what answers mean (trace.c), and
 * when, and what is printed of them (cmd_traceroute.c). */
#ifndef TAPDECKD_TRACE_H
#define TAPDECKD_TRACE_H

#include "link/link.h"
#include "tapdeckd/deck.h"

#define TRACE_HOPS    255
#define TRACE_QUERIES 10
#define TRACE_FLIGHT  64 /* probes on their way at once, at most */

enum trace_method { TRACE_UDP, TRACE_ICMP, TRACE_TCP };

struct trace_probe {
    td_time sent; /* 0: not yet */
    td_time rtt;
    td_ip4 from;   /* who answered; 0: nobody, so far */
    uint16_t port; /* TRACE_TCP: its own source port */
    int s;         /* ...held by this socket; -1 */
    bool done;     /* answered or given up */
    bool last;     /* the answer says that it goes no further */
    char mark[12]; /* "!H"; "" none */
};

struct trace_seen { /* an answer that an observer saw */
    td_time at;
    td_ip4 from;
    uint16_t port;
    bool last;
    char mark[12];
};

struct trace {
    /* the words */
    enum trace_method method;
    td_ip4 dst, src;
    char dst_text[16];
    uint32_t first, max, queries, flight, size;
    uint16_t port; /* first destination port, or sequence number; TRACE_TCP: the port */
    bool numeric, dont_fragment;
    int tos; /* -1: the default */
    uint32_t ifindex;
    const char *ifname;
    td_time wait;      /* the longest, ns */
    double here, near; /* times a round trip; 0 = off */
    td_time pause;     /* between probes */
    /* what goes on */
    struct run *run;
    int s;
    struct link_observer observer;
    bool observing;
    struct trace_seen seen[TRACE_FLIGHT];
    unsigned nseen;
    struct trace_probe *probe; /* queries for each hop */
    unsigned nprobes, next, shown;
    unsigned in_flight;
    td_time next_send;
    uint32_t last_hop; /* where it ended; 0: it hasn't */
    td_ip4 line_from;  /* on the line being written */
};

/* Opens what the method needs. EXIT_DONE, or a status with its sentence set. */
int trace_open(struct run *r, struct trace *t);
void trace_close(struct run *r, struct trace *t);
/* Sends probe i with this many hops to live. 0 or -errno. */
int trace_send(struct run *r, struct trace *t, unsigned i, uint32_t ttl, td_time now);
/* Takes the answers that have come. */
void trace_receive(struct run *r, struct trace *t, td_time now);
/* A probe is over. */
void trace_done(struct run *r, struct trace *t, struct trace_probe *p);

#endif
