/* dev/dumpfile.h: pieces of a capture into files, one after the other, without waiting for the
 * disk. */
#ifndef DEV_DUMPFILE_H
#define DEV_DUMPFILE_H

#include "dev/sniffer.h"

struct dump_config {
    const char *path; /* "-" is standard output; with seconds > 0 strftime's %-letters in it are the
                         file's time */
    uint64_t size;    /* begins another file before the packet that finds this one larger (tcpdump's
                         -C, in    bytes); 0 = one file */
    uint32_t seconds; /* and every so many seconds (-G); 0 = never */
    uint32_t files;   /* with size: a ring of so many, then the first is written over; with seconds
                         alone: the   capture ends after so many (-W); 0 = as many as there will be */
    td_time now;      /* for the first file's name, ns since 1970; 0 = the system's clock */
    size_t queue;     /* bytes that wait for the disk at most; 0 = 8 MiB */
    bool background;  /* a thread writes, and dump_put never waits; else dump_put writes itself */
    bool each; /* every packet is written at once (-U); else when there is nothing more to write */
};

struct dumpfile;
/* Opens the first file, so that what is wrong with it is known now. NULL: msg is a sentence. */
struct dumpfile *dump_open(const struct dump_config *c, char *msg, size_t msg_size);
/* A piece as the sniffer gives it; wall: the packet's time. False: there was no room for a packet,
 * or an error stands (dump_error). */
bool dump_put(struct dumpfile *d, enum sniff_piece piece, const void *bytes, size_t len,
              td_time wall);
int dump_error(struct dumpfile *d); /* 0, or the negative errno that ended the writing */
bool dump_over(
    struct dumpfile *d); /* `files` files of `seconds` have been written: it wants no more */
uint64_t dump_packets(struct dumpfile *d); /* written so far */
/* What the n-th file is called (tcpdump's names); false: too long. wall: when it begins. */
bool dump_name(const struct dump_config *c, uint32_t n, td_time wall, char *dst, size_t size);
/* No more pieces come. dump_finished: the background has written all that it could, and dump_close
 * won't wait. */
void dump_finish(struct dumpfile *d);
bool dump_finished(struct dumpfile *d);
/* Waits until all is written (of a pipe that nobody reads, not longer than a second) and closes. 0,
 * or the negative errno. NULL is allowed. */
int dump_close(struct dumpfile *d);

#endif
