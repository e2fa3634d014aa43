/* tapdeckd/nc.h: an nc that runs: what it was told (nc_words.c) and what it does (cmd_nc.c). */
#ifndef TAPDECKD_NC_H
#define TAPDECKD_NC_H

#include "tapdeckd/deck.h"

#define NC_PORTS_MAX 16 /* ports and ranges in one command */

enum nc_stage { NC_NEXT, NC_CONNECTING, NC_PROBING, NC_LISTENING, NC_TALKING };

struct nc {
    /* the words */
    bool listen, keep, scan, udp, verbose, half_close, no_input, crlf, broadcast;
    td_ip4 addr, source;
    uint16_t source_port;
    td_time timeout;  /* -w; 0 = none */
    int64_t quit;     /* -q, seconds; -1 = never */
    int tos, ttl;     /* -1 = the default */
    uint64_t receive; /* -W: datagrams; 0 = any number */
    struct nc_range {
        uint16_t first, last;
    } port[NC_PORTS_MAX];
    unsigned nports, range;
    uint32_t next; /* the next port of this range */
    /* what goes on */
    enum nc_stage stage;
    int listener, s;
    uint16_t now_port;
    td_time deadline; /* of the attempt */
    td_time moved;    /* when something last went through */
    td_time quit_at;
    uint64_t received;
    unsigned probes;
    bool in_over;     /* nothing more comes from the peer */
    bool out_over;    /* nothing more can go to it */
    bool input_ended; /* the end of the input has been seen */
    bool last_cr;     /* -C: the byte before was a CR */
    int status;
};

/* EXIT_DONE, or EXIT_USAGE with its sentence set. */
int nc_words(struct run *r, struct nc *c);

#endif
