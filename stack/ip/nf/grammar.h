/* ip/nf/grammar.h: what the files that read iptables' words share: grammar.c (commands, and the way from left to right),
 * grammar_words.c (words, numbers, addresses), grammar_match.c (what a rule asks), grammar_target.c (what it does). */
#ifndef IP_NF_GRAMMAR_H
#define IP_NF_GRAMMAR_H

#include "ip/nf/nf_internal.h"

enum { MOD_TCP = 1, MOD_UDP = 2, MOD_ICMP = 4, MOD_MULTIPORT = 8, MOD_STATE = 16, MOD_CONNTRACK = 32, MOD_LIMIT = 64,
       MOD_TTL = 128, MOD_COMMENT = 256 };

struct parse {
    struct td_stack *st;
    const struct nf_ruleset *s;
    int argc, at; /* the word in hand */
    char **argv;
    struct nf_cmd *cmd;
    struct nf_rule *r;
    unsigned mods;
    const char *target; /* the word after -j or -g */
    bool jump_goto, not, clamp, has_target_option;
    char *msg;
    size_t msg_size;
};

/* ---- grammar_words.c ---- */

/* Says what is wrong, in one sentence; false, for a caller that returns it. */
bool nf_bad(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *nf_word(const struct parse *p); /* in hand */
/* The next word, which belongs to the one in hand; NULL: there is none (said). */
const char *nf_value(struct parse *p, const char *what);
/* Each reads at *s and moves it behind what it read; false: that isn't there, or out of range. Numbers are decimal, at
 * most max; a port range is "80", "80:90", ":90", "80:" with that separator. */
bool nf_number(const char **s, uint64_t max, uint64_t *out);
bool nf_whole_number(const char *s, uint64_t max, uint64_t *out);
bool nf_address(const char **s, td_ip4 *out);
bool nf_network(const char *s, td_ip4 *a, td_ip4 *mask); /* all of s */
bool nf_port_range(const char **s, char sep, uint16_t p[2]);
bool nf_take_not(struct parse *p, uint32_t m); /* the rule asks about m, negated if ! stood before; false: twice */
bool nf_no_not(struct parse *p);               /* false: ! stands where it means nothing */
bool nf_positive(const struct parse *p, uint8_t proto); /* the rule is for that protocol only */
bool nf_printable(const char *s);

/* ---- grammar_match.c, grammar_target.c: an option each, the word in hand ---- */

bool nf_opt_bothports(struct parse *p);
bool nf_opt_clamp(struct parse *p);
bool nf_opt_comment(struct parse *p);
bool nf_opt_ctstate(struct parse *p);
bool nf_opt_dport(struct parse *p);
bool nf_opt_dports(struct parse *p);
bool nf_opt_dst(struct parse *p);
bool nf_opt_frag(struct parse *p);
bool nf_opt_goto(struct parse *p);
bool nf_opt_icmp_type(struct parse *p);
bool nf_opt_in(struct parse *p);
bool nf_opt_jump(struct parse *p);
bool nf_opt_limit(struct parse *p);
bool nf_opt_limit_burst(struct parse *p);
bool nf_opt_log_level(struct parse *p);
bool nf_opt_log_prefix(struct parse *p);
bool nf_opt_match(struct parse *p);
bool nf_opt_out(struct parse *p);
bool nf_opt_persistent(struct parse *p);
bool nf_opt_proto(struct parse *p);
bool nf_opt_random(struct parse *p);
bool nf_opt_reject_with(struct parse *p);
bool nf_opt_set_mss(struct parse *p);
bool nf_opt_sport(struct parse *p);
bool nf_opt_sports(struct parse *p);
bool nf_opt_src(struct parse *p);
bool nf_opt_state(struct parse *p);
bool nf_opt_syn(struct parse *p);
bool nf_opt_tcp_flags(struct parse *p);
bool nf_opt_to_destination(struct parse *p);
bool nf_opt_to_ports(struct parse *p);
bool nf_opt_to_source(struct parse *p);
bool nf_opt_ttl_eq(struct parse *p);
bool nf_opt_ttl_gt(struct parse *p);
bool nf_opt_ttl_lt(struct parse *p);

/* What can only be judged when the line has been read. */
bool nf_match_complete(struct parse *p);
bool nf_target_complete(struct parse *p);
bool nf_is_nat_target(const struct nf_rule *r);

#endif
