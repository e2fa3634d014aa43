/* replay/recall.h: what a packet that is no TCP segment has to do with earlier ones.
 *
 * Theory of operation. One packet says what it is (describe.h); what it means follows often from one before it: an echo
 * reply answers a request, an ICMP error is about a datagram that passed, an ARP reply tells another
 * card than the one before, a fragment overlaps one that was there. So the last questions, cards, datagrams and
 * fragments are kept, each kind in a table of a fixed size, a place for each hash: what is newer takes the place. A
 * capture of any length takes the same memory, and each packet the same time; in a large capture a relation may be missed,
 * none is invented, for the whole key is compared.
 */
#ifndef REPLAY_RECALL_H
#define REPLAY_RECALL_H

#include "common/text.h"
#include "replay/view.h"

struct recall;
struct recall *recall_new(void); /* NULL: no memory */
void recall_free(struct recall *r); /* NULL is allowed */
/* Takes a packet in; t: ns, never before the one before. out: what it has to do with others is added, each after "; ";
 * NULL for a TCP segment, of which ICMP may speak later. */
void recall_packet(struct recall *r, const struct view *v, int64_t t, struct text *out);
/* Questions that nothing answered: how many of them are still known, and the numbers of the first ones. */
unsigned recall_unanswered(const struct recall *r, uint64_t *first, unsigned most);

#endif
