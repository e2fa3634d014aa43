/* ip/nf/nf_internal.h: what the files of ip/nf/ share, and the hooks that ip/ calls. */
#ifndef IP_NF_NF_INTERNAL_H
#define IP_NF_NF_INTERNAL_H

#include "ip/ip_internal.h"
#include "ip/nf/nf.h"

/* ---- flows ---- */

enum nf_dir { NF_ORIG, NF_REPLY };

enum nf_tcp_state { /* conntrack's; Linux's names */
    NF_TCP_NONE,
    NF_TCP_SYN_SENT,
    NF_TCP_SYN_RECV,
    NF_TCP_ESTABLISHED,
    NF_TCP_FIN_WAIT,
    NF_TCP_CLOSE_WAIT,
    NF_TCP_LAST_ACK,
    NF_TCP_TIME_WAIT,
    NF_TCP_CLOSE,
    NF_TCP_SYN_SENT2,
    NF_TCP_STATES
};
const char *nf_tcp_state_name(unsigned state);

enum nf_conn_flags {
    NF_C_CONFIRMED = 1 << 0, /* its first packet got through */
    NF_C_SEEN_REPLY = 1 << 1,
    NF_C_ASSURED = 1 << 2,   /* not to be pushed out when the table is full */
    NF_C_SRC_NAT = 1 << 3,
    NF_C_DST_NAT = 1 << 4,
    NF_C_SRC_DONE = 1 << 5,  /* the nat table has been asked */
    NF_C_DST_DONE = 1 << 6,
    NF_C_MASQ = 1 << 7,      /* its address is that of an interface, and goes with it */
    NF_C_FIN_ORIG = 1 << 8,  /* TCP: who has closed */
    NF_C_FIN_REPLY = 1 << 9,
    NF_C_LAST_FIN_REPLY = 1 << 10,
    NF_C_REPLY_IN = 1 << 11,  /* its reply's tuple is in the table: nobody else's is the same */
};

struct nf_end { /* a direction's place in the table */
    struct hash_node node;
    struct nf_tuple t;
    uint8_t dir;
};

struct nf_conn {
    struct nf_end end[2];
    struct timer timer;
    struct nf_conn *older, *newer; /* of those that are not assured, in order of age */
    uint64_t id;
    uint64_t packets[2], bytes[2];
    td_time began;
    uint32_t flags;
    uint32_t masq_ifindex;
    uint8_t state; /* TCP's */
};

struct nf {
    struct nf_ruleset *rules; /* NULL: empty */
    struct hash conns;        /* struct nf_end: two a flow */
    uint32_t count;
    struct nf_conn *oldest, *newest; /* not assured */
    struct nf_conn *current;  /* whose packet is under way in ip_forward */
    uint64_t next_id;
};

/* ---- a packet at a hook ---- */

/* How a packet stands to its flow: what ip/ carries from hook to hook. */
struct nf_ctx {
    struct pkt **p;
    struct ipv4_hdr *h;
    bool bare;       /* output: the IP header isn't in the packet yet */
    struct netif *in, *out;
    struct ip_flow *flow;
    const struct ip_tx *tx;      /* output */
    struct ip_route_result *r;   /* output: changed when the destination is */
    td_ip4 nexthop;              /* of the way out */
    enum nf_hook hook;
    int err;                     /* output: what the sender is told about a drop */
};

bool nf_run(struct td_stack *st, enum nf_hook hook, struct nf_ctx *c);
/* False: the packet is gone (dropped, journaled and counted, or kept for reassembly). */
static inline bool nf_hook(struct td_stack *st, enum nf_hook hook, struct nf_ctx *c)
{
    return st->ip->nf == NULL || nf_run(st, hook, c);
}

/* The transport header's offset in the packet. */
static inline uint32_t nf_l4(const struct nf_ctx *c)
{
    return c->bare ? 0 : c->h->hlen;
}
/* Octets of the transport message there are. */
static inline uint32_t nf_l4_len(const struct nf_ctx *c)
{
    return (*c->p)->len - nf_l4(c);
}
/* Makes the first n octets of the packet linear and ours alone. */
bool nf_writable(struct td_stack *st, struct nf_ctx *c, uint32_t n);

/* ---- nf.c ---- */

int nf_get(struct td_stack *st);          /* makes st->ip->nf; -ENOMEM */
void nf_put(struct td_stack *st);         /* frees it when there is nothing in it */
void nf_done(struct td_stack *st);
void nf_masq_gone(struct td_stack *st, uint32_t ifindex, td_ip4 addr); /* 0: any */
uint32_t nf_intern(struct td_stack *st, const char *text);
static inline bool nf_ruled(const struct td_stack *st)
{
    return st->ip->nf->rules != NULL;
}

/* ---- conn.c ---- */

void nf_conn_init(struct td_stack *st, struct nf *nf);
struct nf_tuple nf_inverse(const struct nf_tuple *t);
struct nf_end *nf_find(const struct td_stack *st, const struct nf_tuple *t);
static inline struct nf_conn *nf_conn_of(struct nf_end *e)
{
    return container_of(e - e->dir, struct nf_conn, end[0]);
}
/* A new flow, not confirmed, or NULL: no memory, or the table is full (journaled). */
struct nf_conn *nf_conn_new(struct td_stack *st, const struct nf_tuple *t);
void nf_conn_confirm(struct td_stack *st, struct nf_conn *ct);
void nf_conn_free(struct td_stack *st, struct nf_conn *ct, enum journal_word why);
void nf_conn_assure(struct td_stack *st, struct nf_conn *ct);
/* The reply's tuple becomes t; it is in the table if it is nobody else's (NF_C_REPLY_IN). */
void nf_conn_set_reply(struct td_stack *st, struct nf_conn *ct, const struct nf_tuple *t);
void nf_conn_changed(struct td_stack *st, const struct nf_conn *ct); /* tells the journal of its new state */
void nf_conn_flush(struct td_stack *st, enum journal_word why);

static inline bool nf_translated(const struct ip_flow *f)
{
    return f->ct != NULL && (f->ct->flags & (NF_C_SRC_NAT | NF_C_DST_NAT)) != 0;
}

/* ---- proto.c ---- */

enum nf_proto_verdict { NF_P_OK, NF_P_INVALID, NF_P_AGAIN /* a new flow with the same tuple */ };
/* Reads ports and the like. False: too short or malformed. */
bool nf_tuple_read(struct nf_tuple *t, const struct ipv4_hdr *h, const uint8_t *b, uint32_t n);
bool nf_tuple_of(const struct nf_ctx *c, struct nf_tuple *t);
bool nf_checksum_ok(const struct nf_ctx *c);
/* May this packet begin a flow? */
bool nf_proto_begins(struct td_stack *st, const struct nf_ctx *c, const struct nf_tuple *t);
/* What the packet does to its flow: state and timeout. */
enum nf_proto_verdict nf_proto_packet(struct td_stack *st, struct nf_conn *ct, enum nf_dir dir,
                                      const struct nf_ctx *c);
td_time nf_proto_timeout(const struct td_stack *st, const struct nf_conn *ct);

/* ---- related.c ---- */

/* The packet is an ICMP error: finds the flow it is about, translates it. flow->state is
 * NF_S_RELATED or NF_S_INVALID. False: no memory to change it. */
bool nf_related(struct td_stack *st, struct nf_ctx *c);

/* ---- nat.c ---- */

/* Asks the nat table about a new flow, and gives it a free tuple. False: none is free, or a rule of the nat
 * table dropped it (journaled). */
bool nf_nat_bind(struct td_stack *st, struct nf_ctx *c);
/* Rewrites the packet as its flow wants it here. False: no memory. */
bool nf_nat_apply(struct td_stack *st, struct nf_ctx *c);
/* Writes another source (or destination) into the packet, its port too if asked. False: no memory. */
bool nf_nat_write(struct td_stack *st, struct nf_ctx *c, bool src, td_ip4 addr, uint16_t port, bool set_port);
/* Target of a nat rule: sets the flow up. */
bool nf_nat_target(struct td_stack *st, struct nf_ctx *c, const struct nf_rule *r);
/* Is the flow's packet in this direction given another source (or destination)? */
bool nf_changes_dst(const struct nf_conn *ct, enum nf_dir dir);

/* ---- filter.c, target.c ---- */

enum nf_verdict { NF_ACCEPT, NF_DROPPED };
/* c->flow->ct and state are set. The drop is journaled. */
enum nf_verdict nf_filter(struct td_stack *st, enum nf_table_id table, struct nf_ctx *c);
void nf_target_reject(struct td_stack *st, struct nf_ctx *c, const struct nf_rule *r);
void nf_target_log(struct td_stack *st, const struct nf_ctx *c, const struct nf_rule *r);
bool nf_target_tcpmss(struct td_stack *st, struct nf_ctx *c, const struct nf_rule *r);

/* ---- ruleset.c ---- */

struct nf_ruleset *nf_ruleset_copy(struct td_stack *st, const struct nf_ruleset *from); /* NULL: a fresh one */
void nf_ruleset_free(struct td_stack *st, struct nf_ruleset *s);
bool nf_ruleset_idle(const struct nf_ruleset *s); /* as if nobody had touched it */
struct nf_chain *nf_chain_add(struct td_stack *st, struct nf_table *t, const char *name);
void nf_chain_remove(struct td_stack *st, struct nf_table *t, struct nf_chain *c);
void nf_chain_flush(struct td_stack *st, struct nf_ruleset *s, struct nf_chain *c);
void nf_chain_rename(struct nf_table *t, struct nf_chain *c, const char *name);
bool nf_rule_insert(struct td_stack *st, struct nf_ruleset *s, struct nf_chain *c, uint32_t at,
                    struct nf_rule *r);
void nf_rule_remove(struct td_stack *st, struct nf_ruleset *s, struct nf_chain *c, uint32_t at);
bool nf_rule_same(const struct nf_rule *a, const struct nf_rule *b);
/* Counts references, looks for loops and for targets where they may not stand. False: msg. */
bool nf_ruleset_check(struct nf_ruleset *s, char *msg, size_t msg_size);
void nf_ruleset_link(struct td_stack *st, struct nf_ruleset *s); /* names for the journal */

/* ---- grammar.c, grammar_words.c ---- */

/* Words of a line, within text that is changed. -1: msg. */
#define NF_WORDS_MAX 256
int nf_words(char *line, char **word, int max, char *msg, size_t msg_size);

struct nf_cmd {
    char op;          /* A I D R C N X E F Z P */
    enum nf_table_id table;
    bool has_table;
    const char *chain, *other; /* names; other: the new name, the policy */
    uint32_t number;  /* of a rule; 0 = none */
    bool has_counters;
    bool no_memory;   /* that is why it failed */
    uint64_t packets, bytes;
};
/* Reads words as iptables does: the command into *cmd, the rule into *r. False: msg. */
bool nf_parse(struct td_stack *st, const struct nf_ruleset *s, int argc, char **argv,
              struct nf_cmd *cmd, struct nf_rule *r, char *msg, size_t msg_size);

/* ---- nf_table.c ---- */

void nf_table_register(struct td_stack *st);
bool nf_ct_matches(const struct nf_ct_filter *f, const struct nf_conn *ct);

#endif
