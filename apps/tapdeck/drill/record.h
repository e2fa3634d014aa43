/* drill/record.h: what passes the interface of a script's world, into a capture file. */
#ifndef DRILL_RECORD_H
#define DRILL_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "tapdeck/drill/world.h"

struct record;
/* Begins; pcapng if the name ends so, else pcap. The world must outlive it. NULL: msg is a
 * sentence. */
struct record *record_open(const struct drill_world *w, const char *path, char *msg,
                           size_t msg_size);
/* Outside of the stack: writes what has been seen, with the journal's reasons. */
void record_settle(struct record *r);
/* 0, or the negative errno that ended the writing. NULL is allowed. */
int record_close(struct record *r);

#endif
