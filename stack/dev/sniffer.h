/* dev/sniffer.h: frames of a stack's interfaces as a stream of pcapng blocks (or pcap records). */
#ifndef DEV_SNIFFER_H
#define DEV_SNIFFER_H

#include "core/stack.h"
#include "tapdeck/qdisc.h"

enum sniff_piece {
    SNIFF_HEADER, /* must stand at the beginning of every file: sections, interfaces, names; pcap's
                     header */
    SNIFF_PACKET, /* one packet */
    SNIFF_END,    /* statistics, when the capture ends */
};

struct sniffer_config {
    struct td_stack *st;
    uint32_t ifindex; /* 0 = every interface, those that come later too */
    uint32_t snaplen; /* bytes kept of a frame; 0 = PCAPNG_SNAPLEN */
    bool no_in, no_out;
    bool pcap;                      /* instead of pcapng: no interfaces, no reasons */
    const struct td_bpf_insn *code; /* a valid program, copied; NULL: every frame */
    uint32_t ncode;
    const char *filter; /* its text, for the file; NULL: none */
    const char *host;   /* the daemon's name: our addresses' in the file */
    const char *application;
    uint64_t count; /* ends after so many frames; 0 = doesn't */
    size_t hold;    /* bytes of frames that wait for sniffer_settle at most; 0 = 4 MiB */
    td_time (*wall)(void *ctx); /* now, ns since 1970 */
    /* Takes a piece. False: no room; the packet is counted as lost. Headers and ends are always to
     * be taken. */
    bool (*sink)(void *ctx, enum sniff_piece piece, const void *bytes, size_t len, td_time wall);
    void *ctx;
};

struct sniffer_stats {
    uint64_t seen;     /* frames that passed the interfaces, in the directions asked for */
    uint64_t accepted; /* of them, by the filter */
    uint64_t written;  /* given to the sink, and taken */
    uint64_t lost;     /* for want of room */
};

struct sniffer;
/* Begins. The sink gets the header at once. NULL: no memory. */
struct sniffer *sniffer_open(const struct sniffer_config *c);
/* Gives what has been seen since the last time to the sink, with its reasons, at most `most`
 * frames; true: there are more. Outside of the stack: when no call, tick or flush is under way,
 * best after each turn's flush. */
bool sniffer_settle(struct sniffer *s, unsigned most);
bool sniffer_waiting(const struct sniffer *s); /* there is something to settle */
bool sniffer_full(const struct sniffer *s);    /* `count` frames have been given to the sink */
struct sniffer_stats sniffer_stats(const struct sniffer *s);
/* Settles, gives the sink the end, stops looking. NULL is allowed. The stack must still be there.
 */
void sniffer_close(struct sniffer *s);

#endif
