/* dev/capture.h: capture files in, pcap files out (libpcap; nanosecond times). */
#ifndef DEV_CAPTURE_H
#define DEV_CAPTURE_H

#include <stdio.h>

#include "core/pkt.h"

struct capture_reader;
/* Opens a pcap (micro- or nanosecond, either byte order) or pcapng file; "-" is standard input.
 * NULL: msg says in one sentence what is wrong with the file. Link type Ethernet only for now. */
struct capture_reader *capture_open(const char *path, char *msg, size_t msg_size);
/* The same from an open stream, which becomes the reader's, also on failure; `name` is what
 * messages call it and is copied. */
struct capture_reader *capture_open_stream(FILE *f, const char *name, char *msg, size_t msg_size);
/* 1: a frame (bytes valid until the next call; *wall in nanoseconds since 1970; *caplen bytes of
 * the *len that there were), 0: end, -1: truncated or broken from here (msg says so, and how many
 * frames came before). After 0 or -1 every further call answers the same. */
int capture_next(struct capture_reader *r, td_time *wall, const uint8_t **frame, uint32_t *caplen,
                 uint32_t *len, char *msg, size_t msg_size);
uint64_t capture_frames(const struct capture_reader *r); /* how many capture_next gave out */
void capture_close(struct capture_reader *r);            /* NULL is allowed */

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
