/* common/rule.h: addressed impairments as people say them.
 *
 *     ACTION [WHICH] [FRAMES] [matching EXPRESSION] [HOW]
 *
 *     ACTION     drop, delay, duplicate, corrupt, mark, hold
 *     WHICH      the 3rd, nth 3, nth 3-5, first 3, from 3, every 10, all (all is meant when nothing
 * is said) FRAMES     syn, syn-ack, ack (nothing but an acknowledgment), data, fin, rst, tcp, udp,
 * icmp, arp, ip, ipv6, fragment, ce; several: all must hold. segment is tcp, datagram is ip; frame
 * and packet are anything EXPRESSION libpcap's language, one word: 'tcp dst port 80' HOW delay: by
 * TIME; hold: until WHICH FRAMES [matching EXPRESSION], or for TIME, or neither (until `tc rule
 * release`); duplicate: N times; corrupt: bit N (from 0), or seed N
 *
 * `the`, `with`, `of`, `has`, `passed` and the plural are welcome and mean nothing.
 */
#ifndef APPS_COMMON_RULE_H
#define APPS_COMMON_RULE_H

#include <stddef.h>

#include "tapdeck/qdisc.h"

/* All of the words, or false and one sentence. */
bool parse_rule(int argc, char *const *argv, struct td_impair *out, char *msg, size_t msg_size);

#endif
