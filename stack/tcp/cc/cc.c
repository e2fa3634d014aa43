/* tcp/cc/cc.c: which congestion controls there are. Their order is that of the words of the knob
 * net.ipv4.tcp_congestion_control. */
#include "tcp/tcp_internal.h"

#include <string.h>

static const struct tcp_cc_ops *const known[] = {&tcp_cc_reno};

const struct tcp_cc_ops *tcp_cc_find(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i]->name, name) == 0) {
            return known[i];
        }
    }
    return NULL;
}

const struct tcp_cc_ops *tcp_cc_default(const struct td_stack *st)
{
    size_t i = (size_t)knob(st, TCP_CONGESTION_CONTROL);
    return known[i < sizeof known / sizeof known[0] ? i : 0];
}
