/* common/frame.h: a frame in one line, for people. */
#ifndef APPS_COMMON_FRAME_H
#define APPS_COMMON_FRAME_H

#include <stddef.h>

struct pkt;

/* "10.0.0.1:40000 > 10.0.0.2:80 TCP S, 0 bytes", "ARP who has 10.0.0.2, tell 10.0.0.1" … p: an
 * Ethernet frame, borrowed. Always NUL-terminated. */
#define FRAME_TEXT 128
void frame_text(const struct pkt *p, char dst[FRAME_TEXT]);

#endif
