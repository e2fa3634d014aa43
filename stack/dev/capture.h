/* dev/capture.h: capture files in, pcap files out (libpcap; nanosecond times). */
#ifndef DEV_CAPTURE_H
#define DEV_CAPTURE_H

#include "core/pkt.h"

struct capture_reader;
/* NULL: msg says what is wrong with the file. Link type Ethernet only for now. */
struct capture_reader *capture_open(const char *path, char *msg, size_t msg_size);
/* 1: a frame (bytes valid until the next call), 0: end, -1: truncated or broken from here (msg). */
int capture_next(struct capture_reader *r, td_time *wall, const uint8_t **frame, uint32_t *caplen,
                 uint32_t *len, char *msg, size_t msg_size);
void capture_close(struct capture_reader *r);

struct capture_writer;
struct capture_writer *capture_create(const char *path, uint32_t snaplen, char *msg, size_t msg_size);
int capture_write(struct capture_writer *w, td_time wall, const struct pkt *p); /* p borrowed */
void capture_finish(struct capture_writer *w);

#endif
