/* dev/reasons.h: what the journal said about a packet, for whoever writes the packet down. */
#ifndef DEV_REASONS_H
#define DEV_REASONS_H

#include "core/stack.h"

struct reasons;
/* Remembers from now on the last events of the stack, whatever its journal's level. NULL: no
 * memory. */
struct reasons *reasons_open(struct td_stack *st);
void reasons_close(struct reasons *rs); /* NULL is allowed; the stack must still be there */

/* A sentence a call, for the packet with this id, in the order in which they happened; for one that
 * was sent
 * (`out`) then what it was sent because of. The strings are valid during the call. At most `most`
 * calls. To be called outside of the door: while a packet is being handled its reasons are still
 * coming. */
void reasons_tell(const struct reasons *rs, uint64_t pkt, bool out, unsigned most,
                  void (*fn)(void *ctx, const char *sentence), void *ctx);

#endif
