/* tapdeckd/route_words.h: `ip route` and `ip rule` lines as changes of the tables. */
#ifndef TAPDECKD_ROUTE_WORDS_H
#define TAPDECKD_ROUTE_WORDS_H

#include "tapdeckd/cmd_ip.h"

struct changes { /* a td_change_list that grows */
    struct td_change *change;
    size_t n, cap;
    struct td_path *path;
    size_t npaths, path_cap;
    char msg[320]; /* what is wrong */
    bool shown;    /* reading what `ip route show` prints: words that it adds are passed over */
};

/* Adds what the words after `ip route VERB` say. False: msg says what is wrong. */
bool route_words(struct td_stack *st, struct changes *to, enum td_change_kind kind, int argc,
                 char *const *argv);
/* The words after `ip rule add|del`. */
bool rule_words(struct td_stack *st, struct changes *to, enum td_change_kind kind, int argc,
                char *const *argv);
/* Why the stack refused that change, as a sentence into to->msg. */
void change_refused(struct changes *to, const struct td_change *c, int err);
void changes_free(struct changes *to);

bool parse_table(const char *s, uint32_t *id);       /* local, main, default or a number */
void table_name(uint32_t id, char dst[16]);
const char *route_type_name(uint8_t type);
const char *route_proto_name(uint8_t proto);
void prefix_text(td_ip4 prefix, uint8_t plen, char dst[24]); /* default; no /32 */
/* For `why route ADDR`: where datagrams to it go and because of which route (*net, *plen), as a sentence; and the steps of the
 * search, as `ip route get` has them (text only). */
bool route_answer(struct run *r, td_ip4 addr, char *dst, size_t size, td_ip4 *net, uint8_t *plen);
void route_reasons(struct run *r, td_ip4 addr);
/* What td_route_change() takes, one sentence on failure: 0 or an exit status. */
int changes_apply(struct run *r, struct changes *to);

#endif
