/* tapdeck/decode.h: packets as text, by the real tcpdump, with the journal's reasons under each. */
#ifndef TAPDECK_DECODE_H
#define TAPDECK_DECODE_H

#include <stdio.h>

#include "dev/capture.h"

enum decode_time {                     /* tcpdump's -t, so often */
                   DECODE_CLOCK,       /* 12:34:56.123456 */
                   DECODE_NO_TIME,     /* -t */
                   DECODE_EPOCH,       /* -tt */
                   DECODE_DELTA,       /* -ttt: since the packet before */
                   DECODE_DATE,        /* -tttt */
                   DECODE_SINCE_FIRST, /* -ttttt */
};

struct decode_options {
    char *flags[24]; /* for tcpdump: "-n", "-vv" …; NULL ends them */
    enum decode_time time;
    bool nano;       /* nanoseconds instead of microseconds */
    bool number;     /* -#: packets are numbered */
    bool why;        /* reasons are lines under the packet */
    bool interfaces; /* each packet says its interface and direction */
    bool lines;      /* -l: each packet is written at once */
    FILE *out;
};

struct decoder;
/* Starts tcpdump for packets of this link type (LINKTYPE_…). NULL: msg is a sentence. SIGPIPE must
 * be ignored. */
struct decoder *decode_open(const struct decode_options *o, uint16_t link, char *msg,
                            size_t msg_size);
/* Gives it a packet; interface: its name, or NULL. False: tcpdump has ended, or nobody reads what
 * it writes. */
bool decode_packet(struct decoder *d, const struct capture_frame *f, const char *interface);
/* Waits for what is still to be written. 0, or what became of it: msg is a sentence then. NULL is
 * allowed. */
int decode_close(struct decoder *d, char *msg, size_t msg_size);

/* One packet as a JSON object and a newline, its reasons with it, without tcpdump (apps/README.md). */
void decode_json(const struct capture_frame *f, const char *interface, FILE *out);

/* A time of the day as an option wants it, with a blank behind it; wall in ns since 1970. */
void decode_time_text(enum decode_time how, bool nano, int64_t wall, int64_t before, int64_t first,
                      char *dst, size_t size);

#endif
