/* tapdeckd/cmd_iptables.c: `iptables`, `iptables-save`, `iptables-restore`, in iptables' words and shapes.
 *
 * What changes rules goes to the stack as text, as iptables-save would have written it: the stack reads the
 * words (stack/ip/nf/grammar.c), so that a recorded run has them, and says what is wrong with them. What is done here is
 * the printing.
 */
#include "tapdeckd/deck.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ip/nf/nf.h"

static int refused(struct run *r, const char *what, int err, const char *msg, unsigned line)
{
    int status = err == -ENOMEM ? EXIT_FAILED : EXIT_USAGE;
    if (line > 0)
        return run_fail(r, status, "%s: line %u: %s (nothing was changed)", what, line, msg);
    return run_fail(r, status, "%s: %s", what, msg);
}

/* ---- listing ---- */

struct list {
    enum nf_table_id table;
    const char *chain; /* NULL: all */
    bool verbose, numeric, exact, numbers, spec; /* -v -n -x --line-numbers -S */
    uint32_t only;                               /* the number of a rule; 0 = all */
};

/* iptables' five columns: 99999, then 100K, 100M … */
static void count_text(uint64_t n, bool exact, char dst[24])
{
    static const char unit[] = " KMGT";
    unsigned u = 0;
    while (!exact && n > 99999 && u < 4) {
        n = (n + 500) / 1000;
        u++;
    }
    snprintf(dst, 24, u > 0 ? "%llu%c" : "%llu", (unsigned long long)n, unit[u]);
}

static void net_text(const struct nf_rule *rule, uint32_t m, bool numeric, char dst[48])
{
    td_ip4 a = m == NF_M_SRC ? rule->src : rule->dst, mask = m == NF_M_SRC ? rule->smask : rule->dmask;
    char ip[16];
    if ((rule->match & m) == 0) {
        snprintf(dst, 48, "%s", numeric ? "0.0.0.0/0" : "anywhere");
        return;
    }
    unsigned len = 0;
    while (len < 32 && (mask & 1U << (31 - len)) != 0)
        len++;
    format_ip4(a, ip);
    const char *bang = (rule->not & m) != 0 ? "!" : "";
    if (mask == TD_IP4_BROADCAST)
        snprintf(dst, 48, "%s%s", bang, ip);
    else if (mask == ip4_mask(len))
        snprintf(dst, 48, "%s%s/%u", bang, ip, len);
    else {
        char m4[16];
        format_ip4(mask, m4);
        snprintf(dst, 48, "%s%s/%s", bang, ip, m4);
    }
}

static void if_text(const struct nf_rule *rule, uint32_t m, bool numeric, char dst[20])
{
    if ((rule->match & m) == 0)
        snprintf(dst, 20, "%s", numeric ? "*" : "any");
    else
        snprintf(dst, 20, "%s%s", (rule->not & m) != 0 ? "!" : "", m == NF_M_IN ? rule->in : rule->out);
}

static void list_rule(struct run *r, const struct list *l, const struct nf_rule *rule, unsigned number)
{
    char a[48], b[48], in[20], out[20], n1[24], n2[24], more[NF_SPEC_MAX], proto[12], buf[8];
    net_text(rule, NF_M_SRC, l->numeric, a);
    net_text(rule, NF_M_DST, l->numeric, b);
    if_text(rule, NF_M_IN, l->numeric, in);
    if_text(rule, NF_M_OUT, l->numeric, out);
    snprintf(proto, sizeof(proto), "%s%s", (rule->not & NF_M_PROTO) != 0 ? "!" : "",
             (rule->match & NF_M_PROTO) != 0 ? nf_proto_name(rule->proto, buf) : "all");
    nf_rule_details(rule, l->numeric, more, sizeof(more));
    if (l->numbers)
        run_printf(r, "%-4u ", number);
    if (l->verbose) {
        count_text(rule->packets, l->exact, n1);
        count_text(rule->bytes, l->exact, n2);
        run_printf(r, l->exact ? "%8s %8s " : "%5s %5s ", n1, n2);
    }
    run_printf(r, "%-9s  %-4s %s  ", nf_target_name(rule), proto,
               (rule->match & NF_M_FRAG) == 0 ? "--" : (rule->not & NF_M_FRAG) != 0 ? "!f" : "-f");
    if (l->verbose)
        run_printf(r, "%-6s %-6s  ", in, out);
    run_printf(r, "%-19s  %-19s %s%s\n", a, b, rule->target == NF_T_GOTO ? " [goto] " : "", more);
}

static void json_rule(struct run *r, const struct nf_rule *rule, unsigned number)
{
    char spec[NF_SPEC_MAX];
    nf_rule_spec(rule, spec, sizeof(spec));
    jw_open(&r->jw, NULL, '{');
    jw_u64(&r->jw, "num", number);
    jw_u64(&r->jw, "pkts", rule->packets);
    jw_u64(&r->jw, "bytes", rule->bytes);
    jw_str(&r->jw, "target", nf_target_name(rule));
    jw_str(&r->jw, "rule", spec);
    jw_close(&r->jw, '}');
}

static void list_chain(struct run *r, const struct list *l, const struct nf_chain *c, bool first)
{
    char n1[24], n2[24];
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "chain", c->name);
        if (c->builtin) {
            jw_str(&r->jw, "policy", c->drop ? "DROP" : "ACCEPT");
            jw_u64(&r->jw, "pkts", c->packets);
            jw_u64(&r->jw, "bytes", c->bytes);
        } else {
            jw_u64(&r->jw, "references", c->refs);
        }
        jw_open(&r->jw, "rules", '[');
        for (uint32_t i = 0; i < c->nrules; i++)
            if (l->only == 0 || l->only == i + 1)
                json_rule(r, c->rule[i], i + 1);
        jw_close(&r->jw, ']');
        jw_close(&r->jw, '}');
        return;
    }
    if (l->only != 0) { /* of one rule, its line alone */
        if (l->only <= c->nrules)
            list_rule(r, l, c->rule[l->only - 1], l->only);
        return;
    }
    run_printf(r, "%sChain %s ", first ? "" : "\n", c->name);
    if (!c->builtin)
        run_printf(r, "(%u references)\n", c->refs);
    else if (!l->verbose)
        run_printf(r, "(policy %s)\n", c->drop ? "DROP" : "ACCEPT");
    else {
        count_text(c->packets, l->exact, n1);
        count_text(c->bytes, l->exact, n2);
        run_printf(r, "(policy %s %s packets, %s bytes)\n", c->drop ? "DROP" : "ACCEPT", n1, n2);
    }
    if (l->numbers)
        run_puts(r, "num  ");
    if (l->verbose)
        run_puts(r, l->exact ? "    pkts      bytes " : " pkts bytes ");
    run_puts(r, "target     prot opt ");
    if (l->verbose)
        run_puts(r, "in     out     ");
    run_puts(r, "source               destination         \n");
    for (uint32_t i = 0; i < c->nrules; i++)
        list_rule(r, l, c->rule[i], i + 1);
}

static void spec_rule(struct run *r, const struct nf_chain *c, const struct nf_rule *rule, bool counters)
{
    char spec[NF_SPEC_MAX];
    nf_rule_spec(rule, spec, sizeof(spec));
    run_printf(r, "-A %s%s%s", c->name, *spec != '\0' ? " " : "", spec);
    if (counters)
        run_printf(r, " -c %llu %llu", (unsigned long long)rule->packets, (unsigned long long)rule->bytes);
    run_puts(r, "\n");
}

static void spec_chains(struct run *r, const struct list *l, const struct nf_table *t)
{
    for (uint32_t i = 0; i < t->nchains; i++) {
        const struct nf_chain *c = t->chain[i];
        if (l->only != 0 || (l->chain != NULL && strcmp(c->name, l->chain) != 0))
            continue;
        if (!c->builtin)
            run_printf(r, "-N %s\n", c->name);
        else if (!l->verbose)
            run_printf(r, "-P %s %s\n", c->name, c->drop ? "DROP" : "ACCEPT");
        else
            run_printf(r, "-P %s %s -c %llu %llu\n", c->name, c->drop ? "DROP" : "ACCEPT",
                       (unsigned long long)c->packets, (unsigned long long)c->bytes);
    }
    for (uint32_t i = 0; i < t->nchains; i++)
        for (uint32_t k = 0; k < t->chain[i]->nrules; k++)
            if ((l->chain == NULL || strcmp(t->chain[i]->name, l->chain) == 0) && (l->only == 0 || l->only == k + 1))
                spec_rule(r, t->chain[i], t->chain[i]->rule[k], l->verbose);
}

/* A table that nobody has touched. */
static void list_untouched(struct run *r, const struct list *l)
{
    bool first = true;
    const char *name;
    for (unsigned i = 0; (name = nf_builtin(l->table, i)) != NULL; i++) {
        struct nf_chain c = {.builtin = true};
        snprintf(c.name, sizeof(c.name), "%s", name);
        if (l->chain != NULL && strcmp(name, l->chain) != 0)
            continue;
        if (l->spec)
            run_printf(r, l->verbose ? "-P %s ACCEPT -c 0 0\n" : "-P %s ACCEPT\n", name);
        else
            list_chain(r, l, &c, first);
        first = false;
    }
}

static bool chain_known(const struct nf_ruleset *s, const struct list *l)
{
    if (l->chain == NULL || (s != NULL && nf_chain_find(&s->table[l->table], l->chain) != NULL))
        return true;
    const char *name;
    for (unsigned i = 0; s == NULL && (name = nf_builtin(l->table, i)) != NULL; i++)
        if (strcmp(name, l->chain) == 0)
            return true;
    return false;
}

static int list(struct run *r, const struct list *l)
{
    const struct nf_ruleset *s = nf_rules(r->deck->st);
    if (!chain_known(s, l))
        return run_fail(r, EXIT_USAGE, "iptables: there is no chain %s in table %s", l->chain, nf_table_name(l->table));
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    if (s == NULL) {
        list_untouched(r, l);
    } else if (l->spec) {
        spec_chains(r, l, &s->table[l->table]);
    } else {
        bool first = true;
        for (uint32_t i = 0; i < s->table[l->table].nchains; i++) {
            const struct nf_chain *c = s->table[l->table].chain[i];
            if (l->chain != NULL && strcmp(c->name, l->chain) != 0)
                continue;
            list_chain(r, l, c, first);
            first = false;
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

/* Is this a listing? 1: *l has it; 0: no; -1: the sentence is set. */
static int listing(struct run *r, struct list *l)
{
    bool asked = false;
    *l = (struct list){.table = NF_FILTER};
    for (int i = 1; i < r->argc; i++)
        asked = asked || strcmp(r->argv[i], "-L") == 0 || strcmp(r->argv[i], "--list") == 0 || strcmp(r->argv[i], "-S") == 0 ||
                strcmp(r->argv[i], "--list-rules") == 0 ||
                (r->argv[i][0] == '-' && r->argv[i][1] != '-' && strchr(r->argv[i], 'L') != NULL &&
                 strspn(r->argv[i] + 1, "Lnvx") == strlen(r->argv[i] + 1));
    if (!asked)
        return 0;
    for (int i = 1; i < r->argc; i++) {
        const char *word = r->argv[i];
        if (strcmp(word, "-t") == 0 || strcmp(word, "--table") == 0) {
            const char *t = run_value(r, i++, "the table");
            if (t == NULL)
                return -1;
            if (!nf_table_find(t, &l->table))
                return run_fail(r, EXIT_USAGE, "there is no table '%s': there are filter, nat and mangle", t), -1;
        } else if (strcmp(word, "--line-numbers") == 0 || strcmp(word, "--line") == 0) {
            l->numbers = true;
        } else if (strcmp(word, "-S") == 0 || strcmp(word, "--list-rules") == 0) {
            l->spec = true;
        } else if (strcmp(word, "-j") == 0) {
            r->json = true;
        } else if (strcmp(word, "--list") == 0 || strcmp(word, "--numeric") == 0) {
            l->numeric = l->numeric || word[2] == 'n';
        } else if (strcmp(word, "--verbose") == 0 || strcmp(word, "--exact") == 0) {
            l->verbose = l->verbose || word[2] == 'v';
            l->exact = l->exact || word[2] == 'e';
        } else if (word[0] == '-' && word[1] != '\0' && strspn(word + 1, "Lnvxw") == strlen(word + 1)) {
            l->numeric = l->numeric || strchr(word, 'n') != NULL;
            l->verbose = l->verbose || strchr(word, 'v') != NULL;
            l->exact = l->exact || strchr(word, 'x') != NULL;
        } else if (word[0] != '-' && l->chain == NULL) {
            l->chain = word;
        } else if (l->chain != NULL && l->only == 0 && parse_u32(word, UINT32_MAX, &l->only) && l->only != 0) {
            continue;
        } else {
            return run_bad_word(r, i, "write `iptables [-t filter|nat|mangle] -L|-S [CHAIN [N]] [-n] [-v] [-x] [--line-numbers]`"), -1;
        }
    }
    if (r->json) /* the objects hold all: policies, counters, and each rule's text */
        l->spec = false;
    return 1;
}

/* ---- changing ---- */

/* One word as nf_words reads it. */
static void add_word(struct text *t, const char *word)
{
    if (*word != '\0' && strpbrk(word, " \t\r\n\"'\\") == NULL) {
        text_puts(t, word);
        return;
    }
    text_puts(t, "\"");
    for (; *word != '\0'; word++) {
        if (*word == '"' || *word == '\\')
            text_add(t, "\\", 1);
        text_add(t, *word == '\n' ? " " : word, 1);
    }
    text_puts(t, "\"");
}

static int iptables_main(struct run *r)
{
    struct list l;
    struct text line = {0};
    char msg[512];
    bool check = false;
    if (r->argc == 1)
        return run_bad_word(r, 1, "write `iptables -L -n -v` to see the rules; `help iptables` tells the rest");
    int is = listing(r, &l);
    if (is != 0)
        return is > 0 ? list(r, &l) : EXIT_USAGE;
    for (int i = 1; i < r->argc; i++) {
        check = check || strcmp(r->argv[i], "-C") == 0 || strcmp(r->argv[i], "--check") == 0;
        if (i > 1)
            text_puts(&line, " ");
        add_word(&line, r->argv[i]);
    }
    int err = td_nf_restore(r->deck->st, line.s, check ? TD_NF_TEST : 0, msg, sizeof(msg), NULL);
    text_free(&line);
    if (err == 0)
        return EXIT_DONE;
    if (check && err == -ENOENT)
        return run_fail(r, EXIT_FAILED, "iptables: %s", msg);
    return refused(r, "iptables", err, msg, 0);
}

const struct command command_iptables = {
    .name = "iptables",
    .usage = "iptables [-t {filter | nat | mangle}] {-A | -I | -D | -R | -C} CHAIN [N] RULE\n"
             "iptables [-t {filter | nat | mangle}] {-D CHAIN N | {-L | -S} [CHAIN [N]] [-n] [-v] [-x] [--line-numbers]}\n"
             "iptables [-t {filter | nat | mangle}] {{-N | -X | -F | -Z} [CHAIN] | -E CHAIN NAME | -P CHAIN POLICY}\n"
             "RULE := [[!] {-s | -d} PREFIX] [[!] {-i | -o} IFACE] [[!] -p PROTO] [[!] --sport PORT] [[!] --dport PORT]\n"
             "        [[!] --tcp-flags FLAGS FLAGS] [[!] --syn] [[!] --icmp-type TYPE] [[!] -f] [-m MATCH] [-j TARGET] [-g CHAIN]\n"
             "        [--reject-with TYPE] [--log-prefix TEXT] [--clamp-mss-to-pmtu] [--set-mss N]\n"
             "        [--to-source ADDR] [--to-destination ADDR] [--to-ports PORT]\n"
             "MATCH := multiport {--sports | --dports | --ports} PORT | state --state CTSTATE | conntrack --ctstate CTSTATE\n"
             "         | limit --limit RATE [--limit-burst N] | ttl {--ttl-eq | --ttl-lt | --ttl-gt} N | comment --comment TEXT\n"
             "         | tcp | udp | icmp",
    .doc = "the packet filter and address translation",
    .more =
        "A rule is what it asks of a packet, and -j TARGET:\n"
        "  [!] -s|-d NETWORK   [!] -i|-o INTERFACE (eth+: all that begin so)   [!] -p tcp|udp|icmp|NUMBER\n"
        "  [!] --sport|--dport PORT[:PORT]   [!] --tcp-flags MASK SET   [!] --syn   [!] --icmp-type TYPE   [!] -f\n"
        "  -m multiport --sports|--dports|--ports LIST     -m state --state, -m conntrack --ctstate STATES\n"
        "  -m limit --limit N/UNIT [--limit-burst N]   -m ttl --ttl-eq|-lt|-gt N   -m comment --comment TEXT\n"
        "Targets: ACCEPT DROP RETURN, a chain (-j, -g), REJECT [--reject-with TYPE], LOG [--log-prefix TEXT] (into the\n"
        "journal: `why`), TCPMSS --clamp-mss-to-pmtu|--set-mss N; in table nat SNAT --to-source, DNAT --to-destination,\n"
        "MASQUERADE, REDIRECT [--to-ports].\n"
        "Examples:\n"
        "  iptables -A FORWARD -p tcp --dport 80 -j REJECT --reject-with tcp-reset\n"
        "  iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE\n"
        "  iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.5:80\n"
        "  iptables -L -n -v\n",
    .fn = iptables_main,
};

/* ---- iptables-save ---- */

static void save_table(struct run *r, enum nf_table_id id, bool counters)
{
    const struct nf_ruleset *s = nf_rules(r->deck->st);
    const char *name;
    run_printf(r, "# Generated by tapdeck " TAPDECK_VERSION "\n*%s\n", nf_table_name(id));
    for (unsigned i = 0; s == NULL && (name = nf_builtin(id, i)) != NULL; i++)
        run_printf(r, ":%s ACCEPT [0:0]\n", name);
    for (uint32_t i = 0; s != NULL && i < s->table[id].nchains; i++) {
        const struct nf_chain *c = s->table[id].chain[i];
        run_printf(r, ":%s %s [%llu:%llu]\n", c->name, !c->builtin ? "-" : c->drop ? "DROP" : "ACCEPT",
                   (unsigned long long)(counters ? c->packets : 0), (unsigned long long)(counters ? c->bytes : 0));
    }
    for (uint32_t i = 0; s != NULL && i < s->table[id].nchains; i++) {
        const struct nf_chain *c = s->table[id].chain[i];
        for (uint32_t k = 0; k < c->nrules; k++) {
            if (counters)
                run_printf(r, "[%llu:%llu] ", (unsigned long long)c->rule[k]->packets,
                           (unsigned long long)c->rule[k]->bytes);
            spec_rule(r, c, c->rule[k], false);
        }
    }
    run_puts(r, "COMMIT\n# Completed\n");
}

static int save_main(struct run *r)
{
    const struct nf_ruleset *s = nf_rules(r->deck->st);
    bool counters = false, want[NF_TABLES] = {true, true, false};
    enum nf_table_id only;

    want[NF_MANGLE] = s != NULL && !nf_table_idle(s, NF_MANGLE); /* as in Linux: once it is in use */
    for (int i = 1; i < r->argc; i++) {
        if (strcmp(r->argv[i], "-c") == 0 || strcmp(r->argv[i], "--counters") == 0) {
            counters = true;
        } else if (strcmp(r->argv[i], "-t") == 0 && i + 1 < r->argc && nf_table_find(r->argv[i + 1], &only)) {
            i++;
            for (unsigned t = 0; t < NF_TABLES; t++)
                want[t] = t == (unsigned)only;
        } else {
            return run_bad_word(r, i, "write `iptables-save [-c] [-t filter|nat|mangle]`");
        }
    }
    for (unsigned t = 0; t < NF_TABLES; t++)
        if (want[t])
            save_table(r, (enum nf_table_id)t, counters);
    return EXIT_DONE;
}

const struct command command_iptables_save = {
    .name = "iptables-save",
    .usage = "iptables-save [-c] [-t {filter | nat | mangle}]",
    .doc = "the rules as text that iptables-restore reads",
    .more = "-c: with counters.\nExample:\n  tapdeck iptables-save >rules\n",
    .fn = save_main,
};

/* ---- iptables-restore ---- */

#define RULES_FILE_MAX (16 << 20)

static bool read_file(struct run *r, const char *path, struct text *out)
{
    char buf[16384];
    size_t n;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return run_fail(r, EXIT_USAGE, "iptables-restore: %s can't be read: %s", path, strerror(errno)), false;
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0 && out->len <= RULES_FILE_MAX)
        text_add(out, buf, n);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed || out->len > RULES_FILE_MAX || (out->len > 0 && memchr(out->s, '\0', out->len) != NULL))
        return run_fail(r, EXIT_USAGE, "iptables-restore: %s is no text with rules, or is longer than 16 MiB", path), false;
    return true;
}

static int restore_main(struct run *r)
{
    static const char *const right = "write `iptables-restore [-n] [-c] [-t] [FILE]`";
    unsigned flags = TD_NF_FLUSH, line = 0;
    const char *path = NULL, *inline_text = NULL;
    struct text text = {0};
    char msg[512];
    for (int i = 1; i < r->argc; i++) {
        const char *word = r->argv[i];
        if (strcmp(word, "-n") == 0 || strcmp(word, "--noflush") == 0)
            flags &= ~(unsigned)TD_NF_FLUSH;
        else if (strcmp(word, "-c") == 0 || strcmp(word, "--counters") == 0)
            flags |= TD_NF_COUNTERS;
        else if (strcmp(word, "-t") == 0 || strcmp(word, "--test") == 0)
            flags |= TD_NF_TEST;
        else if (strcmp(word, "--text") == 0 && i + 1 < r->argc && path == NULL)
            inline_text = r->argv[++i];
        else if (*word != '-' && path == NULL && inline_text == NULL)
            path = word;
        else
            return run_bad_word(r, i, right);
    }
    if (path == NULL && inline_text == NULL)
        return run_bad_word(r, r->argc, right);
    if (path != NULL && !read_file(r, path, &text)) {
        text_free(&text);
        return EXIT_USAGE;
    }
    int err = td_nf_restore(r->deck->st, inline_text != NULL ? inline_text : text.s != NULL ? text.s : "", flags, msg,
                            sizeof(msg), &line);
    text_free(&text);
    return err == 0 ? EXIT_DONE : refused(r, "iptables-restore", err, msg, line);
}

const struct command command_iptables_restore = {
    .name = "iptables-restore",
    .usage = "iptables-restore [-n] [-c] [-t] [FILE]",
    .doc = "the rules from such a text, all of them or, if a line is wrong, none",
    .more = "-n: what there is stays. -c: with the text's counters. -t: only look whether it is right.\n"
            "Without FILE, `tapdeck iptables-restore` reads its standard input.\nExample:\n  iptables-restore -n rules\n",
    .fn = restore_main,
};
