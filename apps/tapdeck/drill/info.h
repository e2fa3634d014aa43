/* drill/info.h: TCP_INFO by the names that code blocks use. */
#ifndef DRILL_INFO_H
#define DRILL_INFO_H

#include "tapdeck/types.h"

#define INFO_BYTES 512

struct info {
    bool have;
    uint32_t len;
    int sndbuf, rcvbuf; /* SK_MEMINFO_SNDBUF, SK_MEMINFO_RCVBUF */
    uint8_t b[INFO_BYTES];
};

/* Samples a socket; false: it has no TCP_INFO. */
bool info_sample(struct info *i, struct td_stack *st, int fd);
/* "tcpi_snd_cwnd", "SK_MEMINFO_RCVBUF". False: no such field, or the stack doesn't fill it. What
 * its values are called (TCP_ESTABLISHED, TCP_CA_Loss …) is drill_symbol()'s. */
bool info_value(const struct info *i, const char *name, int64_t *v);

#endif
