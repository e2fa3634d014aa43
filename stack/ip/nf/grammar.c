/* ip/nf/grammar.c: iptables' words into rules.
 *
 * A line has been split into words (grammar_words.c). They are read from left to right, each option by the function that
 * the table at the end names for it: commands here, what a rule asks in grammar_match.c, what it does in
 * grammar_target.c.
 *
 * Whatever is wrong is said in one sentence: which word, and what would have been right.
 */
#include "ip/nf/grammar.h"

#include <string.h>

/* ---- commands ---- */

static bool chain_name_ok(struct parse *p, const char *name)
{
    if (*name == '\0' || strlen(name) >= NF_NAME_LEN || *name == '-' || *name == '!' || !nf_printable(name) ||
        name[strcspn(name, " \t\"'\\")] != '\0')
        return nf_bad(p, "'%s' is no name for a chain: up to %d characters, no blanks or quotes, not beginning with - or !", name,
                   NF_NAME_LEN - 1);
    return true;
}

static bool take_command(struct parse *p, char op)
{
    struct nf_cmd *cmd = p->cmd;
    bool optional = op == 'F' || op == 'Z' || op == 'X';

    if (cmd->op != '\0')
        return nf_bad(p, "a line has one command: '%s' is the second", nf_word(p));
    if (!nf_no_not(p))
        return false;
    cmd->op = op;
    if (optional && (p->at + 1 >= p->argc || *p->argv[p->at + 1] == '-'))
        return true;
    cmd->chain = nf_value(p, "a chain");
    if (cmd->chain == NULL || !chain_name_ok(p, cmd->chain))
        return false;
    if (op == 'E' || op == 'P') {
        cmd->other = nf_value(p, op == 'E' ? "the chain's new name" : "ACCEPT or DROP");
        return cmd->other != NULL && (op == 'P' || chain_name_ok(p, cmd->other));
    }
    if ((op == 'I' || op == 'D' || op == 'R' || op == 'Z') && p->at + 1 < p->argc && *p->argv[p->at + 1] != '-' &&
        *p->argv[p->at + 1] != '!') {
        uint64_t n;
        const char *v = p->argv[++p->at];

        if (!nf_whole_number(v, NF_RULES_MAX, &n) || n == 0)
            return nf_bad(p, "'%s' is no number of a rule: they count from 1", v);
        cmd->number = (uint32_t)n;
    }
    if (op == 'R' && cmd->number == 0)
        return nf_bad(p, "which rule is to be replaced? `iptables -L %s --line-numbers` shows their numbers", cmd->chain);
    return true;
}

static bool opt_table(struct parse *p)
{
    enum nf_table_id t;
    const char *v;

    if (!nf_no_not(p) || (v = nf_value(p, "a table")) == NULL)
        return false;
    if (!nf_table_find(v, &t))
        return nf_bad(p, "there is no table '%s': there are filter, nat and mangle", v);
    if (p->cmd->has_table && p->cmd->table != t)
        return nf_bad(p, "the table is %s here", nf_table_name(p->cmd->table));
    p->cmd->table = t;
    p->cmd->has_table = true;
    return true;
}

static bool opt_counters(struct parse *p)
{
    const char *a, *b;

    if (!nf_no_not(p) || (a = nf_value(p, "packets and bytes")) == NULL || (b = nf_value(p, "bytes")) == NULL)
        return false;
    if (!nf_whole_number(a, UINT64_MAX / 16, &p->cmd->packets) || !nf_whole_number(b, UINT64_MAX / 16, &p->cmd->bytes))
        return nf_bad(p, "'%s %s' are no counters: write -c PACKETS BYTES", a, b);
    p->cmd->has_counters = true;
    return true;
}

static bool opt_ignore(struct parse *p)
{
    return nf_no_not(p); /* -w, -n, -v: of no consequence here */
}

static const struct option {
    const char *s, *l;
    char op;
    bool (*fn)(struct parse *p);
} options[] = {
    {"-A", "--append", 'A', NULL}, {"-I", "--insert", 'I', NULL}, {"-D", "--delete", 'D', NULL},
    {"-R", "--replace", 'R', NULL}, {"-C", "--check", 'C', NULL}, {"-N", "--new-chain", 'N', NULL},
    {"-X", "--delete-chain", 'X', NULL}, {"-E", "--rename-chain", 'E', NULL}, {"-F", "--flush", 'F', NULL},
    {"-Z", "--zero", 'Z', NULL}, {"-P", "--policy", 'P', NULL},
    {"-t", "--table", 0, opt_table}, {"-c", "--set-counters", 0, opt_counters},
    {"-s", "--source", 0, nf_opt_src}, {"--src", NULL, 0, nf_opt_src}, {"-d", "--destination", 0, nf_opt_dst},
    {"--dst", NULL, 0, nf_opt_dst}, {"-i", "--in-interface", 0, nf_opt_in}, {"-o", "--out-interface", 0, nf_opt_out},
    {"-p", "--protocol", 0, nf_opt_proto}, {"--proto", NULL, 0, nf_opt_proto}, {"-f", "--fragment", 0, nf_opt_frag},
    {"-m", "--match", 0, nf_opt_match}, {"--sport", "--source-port", 0, nf_opt_sport},
    {"--dport", "--destination-port", 0, nf_opt_dport}, {"--sports", "--source-ports", 0, nf_opt_sports},
    {"--dports", "--destination-ports", 0, nf_opt_dports}, {"--ports", NULL, 0, nf_opt_bothports},
    {"--tcp-flags", NULL, 0, nf_opt_tcp_flags}, {"--syn", NULL, 0, nf_opt_syn}, {"--icmp-type", NULL, 0, nf_opt_icmp_type},
    {"--state", NULL, 0, nf_opt_state}, {"--ctstate", NULL, 0, nf_opt_ctstate}, {"--limit", NULL, 0, nf_opt_limit},
    {"--limit-burst", NULL, 0, nf_opt_limit_burst}, {"--ttl-eq", "--ttl", 0, nf_opt_ttl_eq},
    {"--ttl-lt", NULL, 0, nf_opt_ttl_lt}, {"--ttl-gt", NULL, 0, nf_opt_ttl_gt}, {"--comment", NULL, 0, nf_opt_comment},
    {"-j", "--jump", 0, nf_opt_jump}, {"-g", "--goto", 0, nf_opt_goto}, {"--reject-with", NULL, 0, nf_opt_reject_with},
    {"--log-prefix", NULL, 0, nf_opt_log_prefix}, {"--log-level", NULL, 0, nf_opt_log_level},
    {"--to-source", NULL, 0, nf_opt_to_source}, {"--to-destination", NULL, 0, nf_opt_to_destination},
    {"--to-ports", NULL, 0, nf_opt_to_ports}, {"--random", "--random-fully", 0, nf_opt_random},
    {"--persistent", NULL, 0, nf_opt_persistent}, {"--set-mss", NULL, 0, nf_opt_set_mss},
    {"--clamp-mss-to-pmtu", NULL, 0, nf_opt_clamp}, {"-w", "--wait", 0, opt_ignore}, {"-n", "--numeric", 0, opt_ignore},
    {"-v", "--verbose", 0, opt_ignore},
};

static const struct option *option_find(const char *word)
{
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(word, options[i].s) == 0 || (options[i].l != NULL && strcmp(word, options[i].l) == 0))
            return &options[i];
    return NULL;
}

static bool has_rule(const struct nf_cmd *cmd)
{
    return cmd->op == 'A' || cmd->op == 'I' || cmd->op == 'R' || cmd->op == 'C' || (cmd->op == 'D' && cmd->number == 0);
}

bool nf_parse(struct td_stack *st, const struct nf_ruleset *s, int argc, char **argv, struct nf_cmd *cmd,
              struct nf_rule *r, char *msg, size_t msg_size)
{
    struct parse p = {.st = st, .s = s, .argc = argc, .argv = argv, .cmd = cmd, .r = r, .msg = msg, .msg_size = msg_size};

    r->burst = 5;
    r->log_level = 4;
    for (p.at = 0; p.at < argc; p.at++) {
        const struct option *o = option_find(argv[p.at]);

        if (strcmp(argv[p.at], "!") == 0) {
            if (p.not)
                return nf_bad(&p, "'!' is there twice");
            p.not = true;
            continue;
        }
        if (o == NULL)
            return nf_bad(&p, "there is no option '%s' here: `help iptables` lists them", argv[p.at]);
        if (o->op != 0 ? !take_command(&p, o->op) : !o->fn(&p))
            return false;
    }
    if (p.not)
        return nf_bad(&p, "'!' stands before nothing");
    if (cmd->op == '\0')
        return nf_bad(&p, "what is to be done? -A, -I, -D, -R, -C, -N, -X, -E, -F, -Z or -P");
    if (!has_rule(cmd)) {
        if (r->match != 0 || p.target != NULL || p.mods != 0)
            return nf_bad(&p, "-%c takes no rule", cmd->op);
        return true;
    }
    if (!nf_match_complete(&p) || !nf_target_complete(&p))
        return false;
    r->packets = cmd->packets;
    r->bytes = cmd->bytes;
    return true;
}
