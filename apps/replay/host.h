/* replay/host.h: `tapdeck replay --play ADDR`: the stack is a host of a capture, with everything
 * but its TCP.
 *
 * Theory of operation. A capture of a link shows what arrived at each of its stations, and what
 * each sent. Here one station is taken out and the stack put in its place, with its IP and MAC
 * address, in time that jumps from event to event. Each captured frame that reached the station
 * (its own MAC address, broadcast, multicast) is handed in on its interface at its time. What the
 * station sent falls in two kinds.
 *
 *   What an application asked for is asked for again when it was captured: an echo request by a
 * ping socket, a datagram by a UDP socket bound to its port, an announcement where an address is
 * added, everything else of another protocol as a datagram with these bytes. Where ARP had to ask
 * for the neighbour first, the request is what shows that something had been sent: it is asked for
 * at that time, and waits for the answer as it did then.
 *
 *   What the stack does by itself (ARP requests and replies, echo replies, ICMP errors, redirects,
 * fragments, what is forwarded and translated) must come out of what was handed in. It is compared.
 *
 * The verdict. Frames are the same when their bytes are, but for the IP identification (each stack
 * draws its own) and checksums; then `same`, `later` or `earlier` (by more than HOST_TOLERANCE).
 * One that is plainly meant to be the same (the same kind of message between the same ends) but has
 * other bytes `differs`, and it is said in what. What is left of the captured ones is `missing`, of
 * the sent ones `extra`, or `unseen` if who captured can't have seen it: every unicast frame of the
 * file comes from or goes to the station that captured, and this one doesn't; or the file has no
 * ARP at all. Beside each frame stands what the journal says of it.
 *
 * What a host knew before. Its netmask is the longest up to /24 that holds all addresses ARP speaks
 * of; the gateway is whose MAC address got the frames for elsewhere. Neighbours that it sent to
 * without asking it knew already; where no ARP was captured that is all of them, and what it
 * asks all the same is answered at once. Where the capture has its diary (dev/diary.h), that says
 * its netmask, MTU and knobs.
 *
 * At a distance. A host behind routers is seen with a smaller TTL than it sends, and later: by its
 * soonest answer one knows how much. What it heard is handed in so much later, with a TTL that the
 * same routers have lowered.
 *
 * Several interfaces make a router: each has an address and, if it was captured, a file (or an
 * interface of a file). On one that wasn't captured everybody answers ARP who isn't reported as
 * unreachable, and what the router forwarded from there is taken to have come in there. Commands of
 * the daemon's own language do the rest (routes, iptables, tc).
 *
 * TCP. A connection that the host was an end of is left out: `--play ADDR:PORT` plays it. Its own
 * segments are sent as they were captured, because ARP requests and ICMP errors may come of them.
 * What a router passes on is handed in.
 *
 * Memory. The files are read twice, first for what the host knew. Then a window of LOOK_TIME is
 * held, and rows whose verdict is not known yet: at most HOST_ROWS.
 */
#ifndef REPLAY_HOST_H
#define REPLAY_HOST_H

#include <stdio.h>

#include "common/text.h"
#include "replay/observe.h"
#include "replay/tape.h"
#include "tapdeck/stack.h"

#define HOST_TOLERANCE (5 * TD_MS)
#define HOST_IFS       8  /* interfaces of the host */
#define HOST_WORDS     32 /* knobs, commands */

enum host_verdict {
    HOST_IN,
    HOST_MISSING,
    HOST_SAME,
    HOST_LATER,
    HOST_EARLIER,
    HOST_DIFFERS,
    HOST_EXTRA,
    HOST_UNSEEN,
    HOST_VERDICTS
};
extern const char *const host_verdict_names[HOST_VERDICTS];

struct host_row {        /* a frame with its verdict */
    uint64_t number;     /* in its file; 0: the stack sent it */
    unsigned iface;      /* of the host: 0 is the first */
    td_time at, sent_at; /* since the first packet; sent_at: if has_sent */
    bool has_sent;
    enum host_verdict verdict; /* HOST_IN: it was handed in */
    struct text what, why;     /* why: a line for each reason */
};

struct host_options {
    unsigned nifs, nfiles; /* the n-th file is of the n-th interface; one file may hold them all */
    struct {
        td_ip4 addr;
        uint8_t plen; /* 33: guess */
        bool has_mac;
        struct td_mac mac; /* which station it is, if has_mac */
        const char *name;  /* NULL: eth0, eth1 … or what the file says */
    } iface[HOST_IFS];
    const char *file[HOST_IFS];
    const char *knob[HOST_WORDS]; /* NAME=VALUE */
    const char *run[HOST_WORDS];  /* the daemon's commands */
    const char *config;           /* a file of them, or NULL */
    unsigned nknobs, nruns;
    uint32_t mtu;           /* 0: the capture's */
    enum observe_sums sums; /* of frames that are handed in */
    void (*row)(
        void *ctx,
        const struct host_row *r); /* each once, in order, when its verdict is known; may be NULL */
    void *ctx;
};

struct host_sum { /* what is said at the end */
    uint64_t count[HOST_VERDICTS];
    uint64_t packets, others; /* in the files; of them between other stations */
    uint64_t repaired, dropped, cut, clamped,
        left_out;         /* handed in with a new checksum, not at all; snapped; times; TCP */
    uint64_t resegmented; /* super-segments of TCP */
    uint64_t cut_bytes;   /* that the snap length cut off */
    uint64_t assumed;     /* frames that must have come in where nobody captured */
    struct text
        notes;        /* a line each: addresses, netmask, neighbours, routes as they were guessed */
    char broken[256]; /* "" or the sentence: a file breaks off */
    char lesson[1024]; /* the first that isn't the same, in words; "" */
};

struct host;
/* NULL: *status and a sentence. */
struct host *host_open(const struct host_options *o, int *status, char *msg, size_t msg_size);
/* On to the next captured frame of this host, and over it. False: there is none. */
bool host_step(struct host *h);
/* Runs on for a while behind the last frame, and closes all verdicts. */
void host_finish(struct host *h);
const struct host_sum *host_summary(const struct host *h);
/* The same as a tape; its `close` frees the host. */
struct tape *host_tape(struct host *h);
void host_close(struct host *h);

/* host_print.c */
void host_print_row(const struct host_row *r, const char *iface,
                    struct text *out); /* iface: NULL = there is one */
void host_print_sum(const struct host_sum *s, struct text *out);
void host_json_row(struct jsonw *w, const struct host_row *r, const char *iface);
void host_json_sum(struct jsonw *w, const struct host_sum *s);
const char *host_iface(const struct host *h, unsigned iface);

#endif
