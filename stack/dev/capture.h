/* dev/capture.h: capture files in (pcap, pcapng), pcap files out (libpcap; nanosecond times). */
#ifndef DEV_CAPTURE_H
#define DEV_CAPTURE_H

#include <stdio.h>

#include "core/pkt.h"

/* ---- reading (capread.c) ---- */

enum capture_dir { CAPTURE_UNKNOWN, CAPTURE_IN, CAPTURE_OUT };

struct capture_frame {
    int64_t wall;         /* ns since 1970; what a file says that can't be is INT64_MIN or INT64_MAX */
    bool timed;           /* false: the file doesn't say when, `wall` is 0 */
    uint8_t dir;          /* enum capture_dir, as seen from the machine that captured */
    uint16_t link;        /* LINKTYPE_…: 1 Ethernet, 101 raw IP, 113 and 276 Linux cooked, … */
    uint32_t iface;       /* the number of its interface in the file, from 0 */
    uint32_t caplen, len; /* bytes that were kept of those there were */
    const uint8_t *bytes; /* caplen of them, valid until the next call */
    const char *comment;  /* NULL, or text (not necessarily UTF-8) until the next call; several: a line each */
    uint64_t number;      /* epb_packetid, 0 = none */
};
struct capture_if {
    uint16_t link;
    uint32_t snaplen; /* bytes, 0 = no limit */
    char name[64];    /* "" = the file doesn't say */
};

struct capture_reader;
/* Opens a pcap or pcapng file (either byte order, any unit of time, several interfaces, plain or
 * gzip); "-" is standard input. NULL: msg says in one sentence what is wrong with the file. */
struct capture_reader *capture_open(const char *path, char *msg, size_t msg_size);
/* The same from an open stream, which becomes the reader's, also on failure; `name` is what
 * messages call it and is copied. */
struct capture_reader *capture_open_stream(FILE *f, const char *name, char *msg, size_t msg_size);
/* 1: a frame; 0: the end; -1: truncated or broken from here (msg says so, and how many frames came
 * before). After 0 or -1 every further call answers the same. */
int capture_next(struct capture_reader *r, struct capture_frame *f, char *msg, size_t msg_size);
/* Custom blocks with our number (dev/pcapng.h) go to fn as they are met, within capture_next: their bytes without the
 * padding, good during the call. They stand behind a file's packets. NULL: nobody wants them. */
typedef void capture_custom(void *ctx, const char *text, size_t len);
void capture_on_custom(struct capture_reader *r, capture_custom *fn, void *ctx);
/* An interface of the section that the last frame is of; NULL: there is none. */
const struct capture_if *capture_interface(const struct capture_reader *r, uint32_t iface);
uint64_t capture_frames(const struct capture_reader *r); /* how many capture_next gave out */
void capture_close(struct capture_reader *r);            /* NULL is allowed */

/* ---- writing ---- */

struct capture_writer;
/* Makes (or empties) a pcap file with nanosecond times; "-" is standard output. snaplen: bytes kept
 * of a frame, 0 = all (262144). NULL: msg says why not. */
struct capture_writer *capture_create(const char *path, uint32_t snaplen, char *msg, size_t msg_size);
/* p borrowed. 0, or -EIO / -ENOSPC …: the file can't be written; every later call says so too. */
int capture_write(struct capture_writer *w, td_time wall, const struct pkt *p);
/* Makes what was written visible to readers of the file; errors as capture_write. */
int capture_flush(struct capture_writer *w);
void capture_finish(struct capture_writer *w); /* NULL is allowed */

#endif
