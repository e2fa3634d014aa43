/* tcp/rack.h: what RACK remembers of a flight (rack.c); for those who look at it. */
#ifndef TCP_RACK_H
#define TCP_RACK_H

#include "tapdeck/loss.h"

struct rack {        /* RFC 8985 6.1 */
    td_time xmit_ts; /* when the youngest delivered segment left; 0 = nothing delivered yet */
    td_time rtt;     /* its round trip */
    uint32_t end_seq;
    uint32_t round; /* RACK.dsack_round: segments delivered when it began */
    bool advanced;  /* news since detection last ran */
};

enum rack_keep {               /* bytes of td_loss.keep */
                 RACK_MULT,    /* RACK.reo_wnd_mult - 1 */
                 RACK_PERSIST, /* RACK.reo_wnd_persist */
};

#endif
