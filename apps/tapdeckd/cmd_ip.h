/* tapdeckd/cmd_ip.h: the objects of `ip`, one function each. `at` is the first word after the
 * object. */
#ifndef TAPDECKD_CMD_IP_H
#define TAPDECKD_CMD_IP_H

#include "tapdeckd/deck.h"

struct ip_options {
    bool stats; /* -s */
    bool brief; /* -br */
    bool details; /* -d */
};
int ip_address(struct run *r, int at, const struct ip_options *o);
int ip_link(struct run *r, int at, const struct ip_options *o);
int ip_link_show(struct run *r, int at, const struct ip_options *o);
int ip_route_cmd(struct run *r, int at);
int ip_rule(struct run *r, int at);
int ip_neigh(struct run *r, int at);
int ip_batch(struct run *r, const char *file); /* lines of route and rule: all or none */
int route_load(struct run *r, int at);
struct td_rule;
void rule_text(struct run *r, const struct td_rule *x);
void rule_fields(struct run *r, const struct td_rule *x);

/* What a word asks for, abbreviated as iproute2 allows. */
enum ip_verb {
    VERB_SHOW,
    VERB_ADD,
    VERB_DEL,
    VERB_REPLACE,
    VERB_CHANGE,
    VERB_SET,
    VERB_GET,
    VERB_FLUSH,
    VERB_UNKNOWN
};
enum ip_verb ip_verb(const char *word);

#endif
