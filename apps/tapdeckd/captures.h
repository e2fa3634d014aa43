/* tapdeckd/captures.h: a deck's captures: to files, and to commands that run. */
#ifndef TAPDECKD_CAPTURES_H
#define TAPDECKD_CAPTURES_H

#include "dev/dumpfile.h"
#include "tapdeckd/deck.h"

#define CAPTURES_MAX 16

struct capture_words { /* what a capture is asked to be */
    uint32_t ifindex;  /* 0: every interface */
    uint32_t snaplen, seconds, files;
    uint64_t size, count;
    bool no_in, no_out;
    bool verbose;      /* a stream says as a note what it listens on */
    char filter[1024]; /* "": every frame */
};

struct deck_capture {
    struct deck_capture *next;
    struct deck *deck;
    struct capture_words words;
    struct sniffer *sniffer; /* NULL: it has ended */
    /* to a file */
    char *file; /* NULL: to a run */
    bool pcap;
    struct dumpfile *dump;      /* NULL: it has been closed */
    int error;                  /* negative errno: the file is incomplete */
    struct sniffer_stats stats; /* when it has ended */
    uint64_t written;
    /* to a run */
    struct run *run;
    struct text waiting; /* what its reader hasn't taken */
    size_t taken;        /* of it: given to the run's output */
};

/* Begins one: to a file, or (file NULL) to a run. NULL: r->err is a sentence, and the status is
 * EXIT_USAGE or, where *failed is set, EXIT_FAILED. */
struct deck_capture *capture_begin(struct run *r, const struct capture_words *w, const char *file,
                                   bool *failed);
/* Ends it: nothing more is seen. A file may still be being written: capture_written says when it
 * isn't. */
void capture_end(struct deck_capture *c);
/* A file that has ended: all has been written, or can't be; dump is closed then. */
bool capture_written(struct deck_capture *c);
void capture_free(
    struct deck_capture *c); /* ends it and takes it out of the deck's list; waits for the file */
struct deck_capture *capture_find(const struct deck *d, const char *file); /* NULL: none */
/* Bytes that wait for the run, at most `most` of them, into its output. */
void capture_move(struct deck_capture *c, size_t most);
size_t capture_waiting(const struct deck_capture *c);

/* After every turn's flush: what was seen goes to its files and runs, for about a millisecond; ends
 * those that are complete or broken. True: there is more, for the next turn. */
bool captures_settle(struct deck *d);
void captures_done(struct deck *d);
td_time captures_real_now(void); /* monotonic, ns: disks know no other time */

#endif
