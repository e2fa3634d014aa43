/* tapdeck/replay_live.h: `replay --live` and `replay --inject`: a capture and a real device. */
#ifndef TAPDECK_REPLAY_LIVE_H
#define TAPDECK_REPLAY_LIVE_H

#include "tapdeck/local.h"

/* Is one of the two among the words? Then it has words of its own, and replay_live runs it. */
bool replay_is_live(int argc, char **argv);
int replay_live(struct session *s, int argc, char **argv);

/* clang-format off */
/* Forms, paragraphs and examples, for the command's help. */
#define REPLAY_LIVE_USAGE \
    "replay --live TAP --play {client|server|ADDR:PORT} [--flow N] [--as ADDR/LEN] [--to ADDR:PORT] [--via ADDR]\n" \
    "       [--port PORT] [--speed FACTOR | --max] [--wait SECONDS] [--knob NAME=VALUE]... [-j] FILE\n" \
    "replay --inject TAP [--speed FACTOR | --pps N | --gap TIME | --max] [--loop N] [-j] FILE\n"
#define REPLAY_LIVE_MORE \
    "replay --live plays one end against a real peer, over a TAP device (made if there is none; the kernel has its other\n" \
    "side, and is the peer or the way to it). Only what the captured application did comes from the capture: each write as\n" \
    "long after the one before it, or after the peer's bytes before it, as it was, and its close. Handshake, numbers,\n" \
    "retransmissions and close are the stack's own. The peer's bytes are compared with the captured ones; one that says less is\n" \
    "waited for five seconds. At the end: what was said and when, here and in the capture, and the first difference. A capture\n" \
    "of the loopback interface, or without its handshake, will do.\n" \
    "\n" \
    "  --as       the stack's address; without it the captured one, /24. A server listens on the captured port, or --port\n" \
    "  --to       whom a client connects to; without it the captured peer. --via: the gateway to it\n" \
    "  --speed    2x: pauses half as long; --max: none\n" \
    "  --wait     seconds for a connection, 30 without it\n" \
    "Exit status 1: there was no connection, or it broke off. A peer that answers differently is no failure.\n" \
    "\n" \
    "replay --inject writes all frames of a capture to a TAP device as they are, at their captured times, or at --pps frames a\n" \
    "second, --gap apart, or as fast as the device takes them (--max); --loop: several times. Nobody answers for them.\n" \
    "What isn't Ethernet gets such a header; frames too large for the device's MTU are counted and not sent (status 1).\n" \
    "\n"
#define REPLAY_LIVE_EXAMPLES \
    "  replay --live tap0 --play client --as 10.0.0.2/24 --to 10.0.0.1:80 capture.pcapng\n" \
    "  replay --live tap0 --play server --as 10.0.0.2/24 --port 8080 capture.pcapng\n" \
    "  replay --inject tap0 --speed 10x capture.pcapng\n"
/* clang-format on */

#endif
