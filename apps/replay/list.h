/* replay/list.h: `tapdeck replay --list`: what is in a capture. */
#ifndef REPLAY_LIST_H
#define REPLAY_LIST_H

#include <stdio.h>

#include "replay/flows.h"

struct contents { /* what a capture was found to hold */
    struct flows flows;
    uint64_t packets, unread; /* unread: of a link type that isn't known, or too short for its own */
    uint64_t arp, ipv4, ipv6, tcp, udp, icmp, fragments, other;
    uint64_t cut;             /* packets that the snap length cut */
    uint64_t backwards;       /* packets whose time is before that of the one before */
    int64_t first, last;      /* ns since 1970; of the earliest and the latest packet */
    uint16_t links[8];        /* link types, in the order they were met */
    unsigned nlinks;
    char broken[512];         /* "" or the sentence: the file breaks off */
};
/* Reads the capture to its end. 0, or an exit status and a sentence: it holds nothing that can be
 * read. A file that breaks off is read as far as it goes. `tick`, if not NULL, is called now and then
 * with the number of packets read. */
int contents_read(struct contents *c, struct capture_reader *r, const char *name,
                  void (*tick)(void *ctx, uint64_t packets), void *ctx, char *msg, size_t msg_size);
void contents_done(struct contents *c);

void contents_print(const struct contents *c, FILE *out);
void contents_json(const struct contents *c, FILE *out);

#endif
