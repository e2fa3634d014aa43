/* tapdeck/tcpdump.h: the words of `tcpdump`, for it and for its test. */
#ifndef TAPDECK_TCPDUMP_H
#define TAPDECK_TCPDUMP_H

#include "common/text.h"
#include "dev/dumpfile.h"
#include "tapdeck/decode.h"

struct tcpdump_options {
    struct decode_options decode;
    bool list;                /* -D */
    bool pcap;                /* --pcap, or a file that is named *.pcap */
    bool each;                /* -U */
    bool no_in, no_out;       /* -Q */
    const char *interface;    /* -i; NULL: the usual one */
    const char *read;         /* -r */
    struct dump_config write; /* path NULL: text */
    uint64_t count;           /* -c; 0: no limit */
    uint32_t snaplen;         /* -s; 0: all */
    char *expression;         /* malloc()ed; "": every packet */
};
/* Reads argv[1…]. False: msg is a sentence; tcpdump_free is needed all the same. */
bool tcpdump_words(int argc, char **argv, struct tcpdump_options *o, char *msg, size_t msg_size);
void tcpdump_free(struct tcpdump_options *o);

/* What the daemon sends, cut into pieces for a file: its own pcapng, block by block, in any pieces.
 */
struct tcpdump_split {
    struct text in;
    struct dumpfile *file;      /* NULL: only what the daemon counted is of interest */
    struct sniffer_stats stats; /* from its statistics, which come at the end */
    FILE *on;                   /* where the bytes go on to as they came; NULL: nowhere */
    bool pcap;                  /* frames are written as pcap */
    bool begun;
    bool broken; /* it wasn't what it should be, or the file takes no more */
};
void tcpdump_split(struct tcpdump_split *s, const char *bytes, size_t n);

#endif
