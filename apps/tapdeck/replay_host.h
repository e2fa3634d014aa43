/* tapdeck/replay_host.h: the words of `tapdeck replay --play ADDR`. */
#ifndef TAPDECK_REPLAY_HOST_H
#define TAPDECK_REPLAY_HOST_H

#include "tapdeck/local.h"

/* Do the words ask for a host (an address without a port), not for an end of a connection? */
bool replay_is_host(int argc, char **argv);
int replay_host(struct session *s, int argc, char **argv);
#define REPLAY_HOST_USAGE                                                                          \
    "replay {--play ADDR[/LEN] [--on IFACE] [--mac MAC]}... [--run COMMAND]... [--config FILE] "   \
    "[--knob NAME=VALUE]...\n"                                                                     \
    "       [--mtu N] [--checksums {honour|repair|drop}] [-j] FILE..."
#define REPLAY_HOST_MORE                                                                           \
    "replay --play with an address and no port makes the stack that host: with everything but "    \
    "its TCP connections. What\n"                                                                  \
    "reached its MAC address is handed in; echo requests, UDP datagrams and announcements that "   \
    "its applications sent are sent\n"                                                             \
    "again by the stack's sockets at their times; and what the stack does by itself (ARP, echo "   \
    "replies, ICMP errors,\n"                                                                      \
    "fragments, forwarding, translation) is compared: same, later or earlier (by more than 5 "     \
    "ms), differs (and in what),\n"                                                                \
    "missing, extra, unseen (whoever captured can't have seen it). Beside each frame stands what " \
    "the journal says of it.\n"                                                                    \
    "Netmask, gateway, neighbours and MTU are guessed from the capture; notes at the end say "     \
    "how. Several --play make a\n"                                                                 \
    "router, an interface each: the n-th FILE is of the n-th, or one FILE holds them all; what "   \
    "wasn't captured is assumed\n"                                                                 \
    "to answer. --on gives the --play before it an interface's name, --mac its MAC\n"              \
    "address where the capture doesn't tell or several claim it; --run and --config (a file of "   \
    "them) what the\n"                                                                             \
    "daemon's commands can do before the first packet: routes, `iptables -t nat ...`, tc.\n"

#endif
