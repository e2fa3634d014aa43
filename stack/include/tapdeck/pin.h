/* tapdeck/pin.h: the numbers of one connection, given from outside. Part of tapdeck/stack.h, which includes it. */
#ifndef TAPDECK_PIN_H
#define TAPDECK_PIN_H

#include "tapdeck/types.h"

struct td_stack;

/* For a replay of captured traffic: the numbers of the next connection of one four-tuple, which are otherwise drawn so
 * that nobody can guess them. Its handshake, either way, takes them, once; identifications go on while it lives. what 0
 * takes a pin back (-ENOENT), a second one replaces the first. A SYN cookie takes none.
 * -EINVAL (an address or port is missing), -ENOSPC (16 of them wait), -ENOMEM. */
/*
 * TD_PIN_WINDOW, without those: what the captured host's congestion window let it do, for the connection there is. Its new text goes
 * as far as snd_edge, whatever its own cwnd says, and no further, as if cwnd held it; with TD_PIN_BURST too, in one burst, which is pushed at its end; what it believes lost may go again whatever cwnd
 * says, as far as `credit` goes: each such pin adds to it, all text that is sent takes from it (also below 0; with nothing in flight it is 0
 * again). What is lost, and when its timers
 * expire, stays the stack's own judgement. -ENOENT: there is no such connection. */
enum td_tcp_pin_what { TD_PIN_ISS = 1, TD_PIN_TS = 2, TD_PIN_ID = 4, TD_PIN_WINDOW = 8, TD_PIN_BURST = 16 };
#define TD_PIN_CREDIT_MAX (1u << 20)
struct td_tcp_pin {
    td_ip4 laddr, raddr;
    uint16_t lport, rport;
    uint8_t what;                        /* enum td_tcp_pin_what, or'ed */
    uint32_t iss;
    uint32_t ts_val;                     /* TSval of a segment that would be sent now; it counts milliseconds */
    uint16_t id_first, id_next, id_step; /* of the IP header: the first datagram's, the second's, and so on by id_step */
    uint32_t snd_edge, credit;           /* a sequence number; bytes, TD_PIN_CREDIT_MAX are kept at most */
};
int td_tcp_pin(struct td_stack *st, const struct td_tcp_pin *pin);

#endif
