/* tapdeckd/errqueue.h: what waits in a socket's error queue (IP_RECVERR), one entry at a time. */
#ifndef TAPDECKD_ERRQUEUE_H
#define TAPDECKD_ERRQUEUE_H

#include <time.h> /* which the next one needs */

#include <linux/errqueue.h>

#include "tapdeckd/deck.h"

struct queued_error {
    struct sock_extended_err ee;
    td_ip4 from;        /* who said so; 0: found out here */
    uint16_t port;      /* the port the datagram was for */
    uint8_t quoted[64]; /* what came back of the datagram's payload */
    size_t quoted_len;
};
/* False: none waits. */
bool errqueue_read(struct td_stack *st, int s, struct queued_error *e);

#endif
