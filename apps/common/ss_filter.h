/* common/ss_filter.h: the filter language of ss(8): which sockets are meant.
 *
 *     [state NAME | exclude NAME]…  [EXPRESSION]
 *     EXPRESSION   TERM, `not` (!) before it, `and` (&, or nothing) and `or` (|) between, brackets
 *     TERM         src|dst [= !=] ADDR[/LEN][:PORT] | :PORT        the local end, the peer
 *                  sport|dport [= != < <= > >=] [:]PORT            also as words: eq ne lt le gt ge
 *                  dev [= !=] IFACE,  autobound
 *
 * PORT is a number or the name of a well-known service. `not` binds closest, `or` least.
 */
#ifndef APPS_COMMON_SS_FILTER_H
#define APPS_COMMON_SS_FILTER_H

#include "tapdeck/types.h"

enum ss_state {
    SS_ESTAB,
    SS_SYN_SENT,
    SS_SYN_RECV,
    SS_FIN_WAIT_1,
    SS_FIN_WAIT_2,
    SS_TIME_WAIT,
    SS_CLOSED,
    SS_CLOSE_WAIT,
    SS_LAST_ACK,
    SS_LISTEN,
    SS_CLOSING,
    SS_STATES
};
#define SS_BIT(state) (1U << (state))
#define SS_ALL        (SS_BIT(SS_STATES) - 1)
const char *ss_state_word(enum ss_state s); /* "fin-wait-1", as `state` takes it */
/* By the word, or as ss prints it ("ESTAB"); -1: none. */
int ss_state_find(const char *name);
/* What `state NAME` selects, a bit a state; groups too ("connected", "bucket" …). 0: no such name.
 */
unsigned ss_state_bits(const char *name);

enum ss_kind { SS_SRC, SS_DST, SS_SPORT, SS_DPORT, SS_DEV, SS_AUTOBOUND, SS_NOT, SS_AND, SS_OR };
enum ss_op { SS_EQ, SS_NE, SS_LT, SS_LE, SS_GT, SS_GE };

struct ss_term {
    uint8_t kind, op;
    bool has_port;
    uint16_t port;
    td_ip4 addr, mask; /* mask 0: any address */
    char dev[16];
};

#define SS_TERMS 128 /* terms and words between them, at most */
#define SS_DEPTH 32  /* brackets inside each other, at most */

struct ss_filter {
    unsigned states; /* 0: neither `state` nor `exclude` was said */
    unsigned n;
    struct ss_term term[SS_TERMS]; /* in postfix order; none: everything matches */
};

/* Reads words, each of which may itself be an expression ('( dport = :80 )'). False: msg is one
 * sentence. */
bool ss_filter_parse(struct ss_filter *f, int argc, char *const *argv, char *msg, size_t msg_size);

struct ss_ends { /* what an expression asks about a socket */
    td_ip4 local, peer;
    uint16_t lport, pport;
    const char *dev, *out_dev;    /* it is bound to; its route leaves by. NULL or "": none */
    uint16_t auto_low, auto_high; /* ports that are chosen for who asks for none */
};
bool ss_filter_match(const struct ss_filter *f,
                     const struct ss_ends *e); /* the expression; states are the caller's */

#endif
