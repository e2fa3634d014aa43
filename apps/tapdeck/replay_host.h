/* tapdeck/replay_host.h: the words of `tapdeck replay --play ADDR`. */
#ifndef TAPDECK_REPLAY_HOST_H
#define TAPDECK_REPLAY_HOST_H

#include "tapdeck/local.h"

/* Do the words ask for a host (an address without a port), not for an end of a connection? */
bool replay_is_host(int argc, char **argv);
int replay_host(struct session *s, int argc, char **argv);
#define REPLAY_HOST_USAGE                                                                          \
    "replay {--play ADDR[/LEN] [--on IFACE] [--mac MAC]}... [--run COMMAND]... [--config FILE]\n"  \
    "       [--knob NAME=VALUE]... [--mtu N] [--checksums {honour|repair|drop}]\n"                 \
    "       [-j | --report {text|json|html}] [-o FILE] [-w COPY] FILE..."
#define REPLAY_HOST_MORE                                                                           \
    "replay --play with an address and no port makes the stack that host: with everything but\n"   \
    "its TCP connections. What reached its MAC address is handed in; echo requests, UDP "          \
    "datagrams\n"                                                                                  \
    "and announcements that its applications sent are sent again by the stack's sockets at "       \
    "their\n"                                                                                      \
    "times; and what the stack does by itself (ARP, echo replies, ICMP errors, fragments,\n"       \
    "forwarding, translation) is compared: same, later or earlier (by more than 5 ms), differs\n"  \
    "(and in what), missing, extra, unseen (whoever captured can't have seen it). Beside each\n"   \
    "frame stands what the journal says of it. Netmask, gateway, neighbours and MTU are guessed\n" \
    "from the capture; notes at the end say how. Several --play make a router, an interface "      \
    "each:\n"                                                                                      \
    "the n-th FILE is of the n-th, or one FILE holds them all; what wasn't captured is assumed "   \
    "to\n"                                                                                         \
    "answer. --on gives the --play before it an interface's name, --mac its MAC address where "    \
    "the\n"                                                                                        \
    "capture doesn't tell or several claim it; --run and --config (a file of them) what the\n"     \
    "daemon's commands can do: routes, `iptables -t nat ...`, tc; before the first packet, or,\n"  \
    "as '+3.5 COMMAND', so many seconds after it.\n"

#endif
