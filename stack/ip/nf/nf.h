/* ip/nf/nf.h: packet filter, network address translation and connection tracking.
 *
 * Why it is a folder of ip/ and not a layer of its own: its hooks are places on IP's path, and what it
 * decides needs IP's own means (a reject is an ICMP error or a datagram, a new destination is a new
 * route). As a layer below it could not send, as one above it could not be called from ip_input.
 *
 * A map of the folder:
 *     nf.c        the five places, and what happens at each
 *     conn.c      the table of flows: found, made, timed out, pushed out
 *     proto.c     what a packet does to its flow: TCP's states, the timeouts
 *     related.c   ICMP errors belong to the flow that they are about, and are translated with it
 *     nat.c       which address and port a flow gets; rewriting headers
 *     filter.c    a packet goes through the rules of a chain
 *     target.c    REJECT, LOG, TCPMSS
 *     ruleset.c   tables, chains and rules as they are changed
 *     grammar.c   iptables' words into rules: commands; grammar_words.c, grammar_match.c (what a rule asks) and
 *                 grammar_target.c (what it does)
 *     restore.c   iptables-save's text into a set of tables, all or nothing
 *     format.c    rules into iptables' words
 *     nf_table.c  the table `conntrack`
 *
 * Nothing of this exists until there is a rule, a user's chain or a policy other than ACCEPT: then
 * st->ip->nf is NULL, and a hook is one comparison. It goes again with the last rule and the last flow.
 */
#ifndef IP_NF_NF_H
#define IP_NF_NF_H

#include "core/stack.h"
#include "wire/ipv4.h"

#define NF_NAME_LEN     29  /* of a chain, with its NUL, as iptables has it */
#define NF_PREFIX_LEN   30  /* of LOG's prefix */
#define NF_COMMENT_MAX  256
#define NF_PORTS_MAX    15  /* of a multiport match; a range counts as two */
#define NF_DEPTH_MAX    32  /* chains called one from the other */
#define NF_RULES_MAX    100000
#define NF_IFNAME_LEN   16

enum nf_hook { NF_PREROUTING, NF_INPUT, NF_FORWARD, NF_OUTPUT, NF_POSTROUTING, NF_HOOKS };
enum nf_table_id { NF_FILTER, NF_NAT, NF_MANGLE, NF_TABLES };

/* ---- rules ---- */

enum nf_target {
    NF_T_NONE, /* counts only */
    NF_T_ACCEPT,
    NF_T_DROP,
    NF_T_RETURN,
    NF_T_JUMP,
    NF_T_GOTO,
    NF_T_REJECT,
    NF_T_LOG,
    NF_T_SNAT,
    NF_T_DNAT,
    NF_T_MASQUERADE,
    NF_T_REDIRECT,
    NF_T_TCPMSS,
};

enum nf_reject {
    NF_REJECT_PORT, /* icmp-port-unreachable: what iptables does when not told */
    NF_REJECT_NET,
    NF_REJECT_HOST,
    NF_REJECT_PROTO,
    NF_REJECT_NET_PROHIB,
    NF_REJECT_HOST_PROHIB,
    NF_REJECT_ADMIN_PROHIB,
    NF_REJECT_TCP_RESET,
    NF_REJECTS
};

/* What a rule asks of a packet, beyond addresses, interfaces and protocol: bits of `match`; the same
 * bits in `not` where the match was negated. */
enum nf_match {
    NF_M_SRC = 1 << 0,
    NF_M_DST = 1 << 1,
    NF_M_IN = 1 << 2,
    NF_M_OUT = 1 << 3,
    NF_M_PROTO = 1 << 4,
    NF_M_FRAG = 1 << 5,
    NF_M_SPORT = 1 << 6,
    NF_M_DPORT = 1 << 7,
    NF_M_TCPFLAGS = 1 << 8,
    NF_M_ICMP = 1 << 9,
    NF_M_MULTIPORT = 1 << 10,
    NF_M_STATE = 1 << 11,
    NF_M_LIMIT = 1 << 12,
    NF_M_TTL = 1 << 13,
    NF_M_COMMENT = 1 << 14,
    NF_M_MOD = 1 << 15, /* -m tcp, udp, icmp was written, or follows from an option */
};

enum nf_state_bits { /* of --ctstate */
    NF_S_NEW = 1 << 0,
    NF_S_ESTABLISHED = 1 << 1,
    NF_S_RELATED = 1 << 2,
    NF_S_INVALID = 1 << 3,
    NF_S_SNAT = 1 << 4, /* the flow's source, destination is translated */
    NF_S_DNAT = 1 << 5,
    NF_S_UNTRACKED = 1 << 6, /* nothing is, here */
};

enum nf_multiport { NF_MP_SOURCE, NF_MP_DEST, NF_MP_BOTH };

struct nf_chain;

struct nf_rule {
    uint32_t match, not; /* enum nf_match */
    td_ip4 src, smask, dst, dmask;
    char in[NF_IFNAME_LEN], out[NF_IFNAME_LEN]; /* "eth+": whatever begins so */
    uint8_t proto;
    uint8_t tcp_mask, tcp_cmp;
    uint8_t icmp_type, icmp_code_lo, icmp_code_hi; /* type 255: any */
    uint8_t multiport;                             /* enum nf_multiport */
    uint8_t nports;
    uint8_t states; /* enum nf_state_bits */
    bool ctstate;   /* written as -m conntrack --ctstate, else -m state --state */
    uint8_t ttl_op, ttl; /* '=', '<', '>' */
    uint16_t sport[2], dport[2];
    uint16_t port[NF_PORTS_MAX][2];
    uint32_t limit, burst; /* `limit` tokens a unit of time */
    uint8_t limit_unit;    /* 0 second, 1 minute, 2 hour, 3 day */
    td_time credit, credit_at;

    uint8_t target; /* enum nf_target */
    uint8_t reject; /* enum nf_reject */
    uint8_t log_level;
    bool nat_random, nat_has_ports, nat_has_addr, nat_persistent;
    uint16_t mss; /* TCPMSS --set-mss; 0: clamp to the path's MTU */
    uint16_t nat_port[2];
    td_ip4 nat_addr[2];
    struct nf_chain *jump; /* NF_T_JUMP, NF_T_GOTO */
    char prefix[NF_PREFIX_LEN];
    uint32_t prefix_id;    /* nf_text */
    char *comment;         /* NULL = none */

    uint64_t packets, bytes;
};

struct nf_chain {
    char name[NF_NAME_LEN];
    bool builtin;
    enum nf_hook hook;  /* of a builtin one */
    bool drop;          /* its policy */
    uint8_t hooks;      /* bits: the builtin chains from which it can be reached */
    uint8_t mark;       /* of the check for loops */
    uint8_t depth;      /* chains below it */
    uint32_t name_id;   /* nf_text */
    uint32_t refs;      /* rules that jump here */
    uint64_t packets, bytes; /* that the policy decided */
    struct nf_rule **rule;
    uint32_t nrules, cap;
    struct nf_chain *copy; /* while a ruleset is copied */
};

struct nf_table {
    struct nf_chain **chain; /* builtin ones first, then the user's by name */
    uint32_t nchains, cap;
};

struct nf_ruleset {
    struct nf_table table[NF_TABLES];
    uint32_t nrules;
};

/* The tables as they are; NULL: none was ever touched (all empty, all policies ACCEPT). */
const struct nf_ruleset *nf_rules(const struct td_stack *st);
const char *nf_table_name(enum nf_table_id t);
bool nf_table_find(const char *name, enum nf_table_id *t); /* false: there is no such table */
bool nf_table_idle(const struct nf_ruleset *s, enum nf_table_id t); /* as if nobody had touched it */
/* A table as it is when nobody has touched it: its builtin chains, in iptables' order; NULL past the last. */
const char *nf_builtin(enum nf_table_id t, unsigned n);
struct nf_chain *nf_chain_find(const struct nf_table *t, const char *name);
/* The rule as iptables-save writes it, without "-A CHAIN". Returns the length. */
size_t nf_rule_spec(const struct nf_rule *r, char *dst, size_t size);
/* What stands behind the addresses in `iptables -L`: "tcp dpt:80 …". */
size_t nf_rule_details(const struct nf_rule *r, bool numeric, char *dst, size_t size);
const char *nf_target_name(const struct nf_rule *r);
const char *nf_reject_name(enum nf_reject r);
const char *nf_proto_name(uint8_t proto, char buf[8]);
#define NF_SPEC_MAX 1600

/* Changes the tables by iptables-save's text: "*TABLE", ":CHAIN POLICY [p:b]", "[p:b] -A …" and
 * every other command of iptables but -L and -S, "COMMIT", comments. flush: a table that is named
 * loses what it had first (iptables-restore without -n). counters: those in the text are taken over.
 * All or nothing. 0; -EINVAL, -ENOENT (a rule or chain that isn't there), -EEXIST, -ENOMEM, -E2BIG
 * with one sentence in msg (which may be NULL), *line the line that it is about (from 1; may be NULL). */
enum { NF_RESTORE_FLUSH = 1, NF_RESTORE_COUNTERS = 2, NF_RESTORE_TEST = 4 };
int nf_restore(struct td_stack *st, const char *text, unsigned flags, char *msg, size_t msg_size,
               unsigned *line);
/* One rule in words ("-p tcp --dport 80 -j DROP") for that chain of that table: for the fuzzer and the
 * tests. NULL: msg says why. Freed by nf_rule_free. */
struct nf_rule *nf_rule_parse(struct td_stack *st, const char *table, const char *chain,
                              const char *words, char *msg, size_t msg_size);
void nf_rule_free(struct td_stack *st, struct nf_rule *r);

/* ---- flows ---- */

struct nf_tuple {
    td_ip4 src, dst;
    uint16_t sport, dport; /* an ICMP query's identifier is the port of who asks */
    uint8_t proto;
    uint8_t kind;          /* the type of an ICMP query, else 0 */
    uint16_t zero;
};

struct nf_ct_filter { /* of conntrack -L and -D; zero: any */
    bool has_proto, has_src, has_dst, has_rsrc, has_rdst, has_sport, has_dport, has_state, has_id;
    uint8_t proto, state;
    bool src_nat, dst_nat;
    td_ip4 src, dst, rsrc, rdst;
    uint16_t sport, dport;
    uint64_t id;
};
/* "-p tcp -s 10.0.0.1 …": conntrack's words. False: msg says why. */
bool nf_ct_filter_parse(const char *words, struct nf_ct_filter *f, char *msg, size_t msg_size);
/* Forgets the flows that match; "" all. The number of them, or -EINVAL with a sentence. */
int64_t nf_ct_delete(struct td_stack *st, const char *words, char *msg, size_t msg_size);
uint32_t nf_ct_count(const struct td_stack *st);

/* The journal's names of chains and prefixes: they outlive their rules. "?" = none such. */
const char *nf_text(const struct td_stack *st, uint32_t id);

#endif
