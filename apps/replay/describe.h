/* replay/describe.h: a captured packet that is no TCP segment, as one line that says what it means. */
#ifndef REPLAY_DESCRIBE_H
#define REPLAY_DESCRIBE_H

#include "common/text.h"
#include "replay/view.h"

/* Adds the line, without its end. Returns the word for its kind: "arp", "icmp", "udp", "fragment",
 * "tcp" (one whose header can't be read), "ipv4", "ipv6", "other". */
const char *describe_packet(const struct view *v, struct text *out);
/* Who sent it, and to whom: addresses without ports (of ARP those it speaks of); "" = not known. */
void describe_ends(const struct view *v, char from[64], char to[64]);

/* A duration (ns) in the unit that suits it: "12 us", "3.5 ms", "1.20 s". */
void describe_time(struct text *out, int64_t ns);

#endif
