/* replay/record_ahead.h: the next piece of a file that grows, got ready by a thread. */
#ifndef REPLAY_RECORD_AHEAD_H
#define REPLAY_RECORD_AHEAD_H

#include <stddef.h>
#include <stdint.h>

struct record_window { /* a piece of a file, allocated on the disk and mapped */
    uint8_t *map;
    size_t len;
    uint64_t from; /* in the file; a multiple of a page */
};

/* Allocates and maps it here and now. 0 or -errno. */
int record_window_open(struct record_window *w, int fd, uint64_t from, size_t len);
void record_window_close(struct record_window *w);

struct record_ahead;
struct record_ahead *
record_ahead_new(void); /* NULL: there is no thread to be had, and all goes on without */
/* Begins to get this one ready; one at a time. NULL is allowed, here and below. */
void record_ahead_want(struct record_ahead *a, int fd, uint64_t from, size_t len);
/* Waits for it. 0: it is *w, and the caller's; else there is none, or it couldn't be had. */
int record_ahead_take(struct record_ahead *a, struct record_window *w);
void record_ahead_drop(struct record_ahead *a); /* waits for it, and gives it back */
void record_ahead_free(struct record_ahead *a);

#endif
