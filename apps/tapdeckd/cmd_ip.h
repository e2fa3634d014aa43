/* tapdeckd/cmd_ip.h: the objects of `ip`, one function each. `at` is the first word after the
 * object. */
#ifndef TAPDECKD_CMD_IP_H
#define TAPDECKD_CMD_IP_H

#include "tapdeckd/deck.h"

struct ip_options {
    unsigned stats;    /* so many -s */
    bool brief;        /* -br */
    bool details;      /* -d */
    bool one_line;     /* -o */
    bool inet;         /* -4: what isn't IPv4's is left out */
    unsigned stamp;    /* monitor: 1 -t, 2 -ts */
    bool monitor;      /* a link as `ip monitor` shows it: without mode and queue */
};
/* With -o, the lines printed since r->out had `from` bytes become one. */
void ip_one_line(struct run *r, size_t from, const struct ip_options *o);

struct td_route;
struct td_path;
struct netif;
struct netif_addr;
void ip_flags_json(struct run *r, const struct netif *nif); /* "flags": [...] */
void ip_flags_text(struct run *r, const struct netif *nif); /* <UP,...> */
/* ip_show.c. Whole records, as `show` prints them. */
void ip_link_record(struct run *r, const struct netif *nif, const struct ip_options *o, bool addresses);
void ip_addr_record(struct run *r, const struct netif *nif, const struct netif_addr *a, const struct ip_options *o);
void ip_addr_fields(struct run *r, const struct netif *nif, const struct netif_addr *a); /* of an object */
void ip_link_fields(struct run *r, const struct netif *nif);
void ip_route_fields(struct run *r, const struct td_route *x, const struct td_path *path);
int ip_addr_show(struct run *r, int at, const struct ip_options *o);

int ip_address(struct run *r, int at, const struct ip_options *o);
int ip_link(struct run *r, int at, const struct ip_options *o);
int ip_link_show(struct run *r, int at, const struct ip_options *o);
int ip_route_cmd(struct run *r, int at, const struct ip_options *o);
int ip_rule(struct run *r, int at);
int ip_neigh(struct run *r, int at, const struct ip_options *o);
int ip_monitor(struct run *r, int at, const struct ip_options *o);
int ip_batch(struct run *r, const char *file); /* lines of route and rule: all or none */
int route_load(struct run *r, int at);
/* `table`: says which. save: a line, as `ip route save` writes it. */
void ip_route_record(struct run *r, const struct td_route *x, const struct td_path *path, bool table, bool save,
                     const struct ip_options *o);
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
