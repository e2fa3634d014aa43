/* replay/annotate.h: `tapdeck replay -w OUT.pcapng`: the capture again, with what the tracker says
 * of each packet beside it.
 *
 * Theory of operation. It listens to the pass through the capture (observe.h) and writes each
 * packet as it was: its bytes, its own time, its interface and its direction, whatever the tracker
 * made of it. Behind it stand, as comments, those that it had; then one that begins with "tapdeck:"
 * and says what it shows, and one with the numbers that stand in no header. Wireshark shows them
 * and finds them (`frame.comment contains "fast retransmit"`).
 *
 * A file may have several sections, each with interfaces numbered from 0; here they all come into
 * one, and the same interface (name, link type, snap length) comes in once. Our own custom blocks
 * go along.
 */
#ifndef REPLAY_ANNOTATE_H
#define REPLAY_ANNOTATE_H

#include "dev/pcapng.h"
#include "replay/observe.h"

#define ANNOTATE_INTERFACES 64u

struct annotate {
    struct observe_listener listener; /* hand this to observe_run; first in the struct */
    struct capture_reader *reader;
    FILE *out;
    struct pcapng_buf buf;
    struct capture_if iface[ANNOTATE_INTERFACES];
    uint32_t ifaces;
    struct text custom; /* our custom blocks, one behind the other, */
    size_t *custom_end; /* and where each ends */
    size_t ncustom;
    uint64_t packets, annotated;
    /* What else is to be said of a packet, or NULL: adds to `out` behind what stands there. */
    void (*more)(void *ctx, const struct observe_packet *p, struct text *out);
    void *more_ctx;
};
void annotate_begin(struct annotate *a, struct capture_reader *r, FILE *out);
void annotate_done(struct annotate *a);

#endif
