/* ip/nf/restore.c: iptables-save's text into a set of tables, all or nothing.
 *
 * Every change of the rules is such a text, `iptables -A …` one of a single line: so there is one call for the door
 * to record, and one place where rules change. The text is read line by line into a copy of the tables; only when
 * the last line was right and the whole has been checked does the copy take the place of the tables.
 *
 * A line outside of "*TABLE … COMMIT" is a command of iptables with its own -t.
 */
#include "ip/nf/nf_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_ 4096

struct restore {
    struct td_stack *st;
    struct nf_ruleset *s;
    enum nf_table_id table;
    bool in_table, flush, counters;
    char *msg;
    size_t msg_size;
};

static int bad(struct restore *re, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int bad(struct restore *re, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(re->msg, re->msg_size, fmt, ap);
    va_end(ap);
    return err;
}

static int no_memory(struct restore *re)
{
    return bad(re, -ENOMEM, "there is no memory left for the rules");
}

/* ---- commands ---- */

static uint32_t chain_refs(const struct nf_table *t, const struct nf_chain *to)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->nchains; i++)
        for (uint32_t k = 0; k < t->chain[i]->nrules; k++)
            n += t->chain[i]->rule[k]->jump == to;
    return n;
}

static int rule_at(struct restore *re, const struct nf_chain *c, uint32_t number)
{
    if (number >= 1 && number <= c->nrules)
        return 0;
    return bad(re, -ENOENT, "chain %s has no rule %u: it has %u", c->name, number, c->nrules);
}

static int find_same(struct restore *re, const struct nf_chain *c, const struct nf_rule *r, uint32_t *at)
{
    for (*at = 0; *at < c->nrules; (*at)++)
        if (nf_rule_same(c->rule[*at], r))
            return 0;
    return bad(re, -ENOENT, "chain %s has no such rule: `iptables -S %s` lists them", c->name, c->name);
}

static int insert(struct restore *re, struct nf_chain *c, uint32_t at, struct nf_rule **r)
{
    if (re->s->nrules >= NF_RULES_MAX)
        return bad(re, -E2BIG, "there are %d rules already, and that is all there may be", NF_RULES_MAX);
    (*r)->credit = UINT64_MAX / 4; /* a full bucket */
    (*r)->credit_at = re->st->now;
    if (!nf_rule_insert(re->st, re->s, c, at, *r))
        return no_memory(re);
    *r = NULL;
    return 0;
}

static int do_rule(struct restore *re, const struct nf_cmd *cmd, struct nf_chain *c, struct nf_rule **r)
{
    uint32_t at;
    int err;

    switch (cmd->op) {
    case 'A':
        return insert(re, c, c->nrules, r);
    case 'I':
        at = cmd->number > 0 ? cmd->number : 1;
        if (at > c->nrules + 1)
            return bad(re, -ENOENT, "chain %s has %u rules: a new one can be number %u at most", c->name, c->nrules,
                       c->nrules + 1);
        return insert(re, c, at - 1, r);
    case 'R':
        err = rule_at(re, c, cmd->number);
        if (err != 0)
            return err;
        nf_rule_remove(re->st, re->s, c, cmd->number - 1);
        return insert(re, c, cmd->number - 1, r);
    case 'C':
        return find_same(re, c, *r, &at);
    default: /* D */
        at = cmd->number - 1;
        err = cmd->number > 0 ? rule_at(re, c, cmd->number) : find_same(re, c, *r, &at);
        if (err == 0)
            nf_rule_remove(re->st, re->s, c, at);
        return err;
    }
}

static bool is_target_name(const char *name)
{
    struct nf_rule r = {0};

    for (r.target = NF_T_ACCEPT; r.target <= NF_T_TCPMSS; r.target++)
        if (strcmp(name, nf_target_name(&r)) == 0)
            return true;
    return false;
}

static int new_chain(struct restore *re, struct nf_table *t, const char *name)
{
    if (nf_chain_find(t, name) != NULL)
        return bad(re, -EEXIST, "there is a chain %s already", name);
    if (is_target_name(name))
        return bad(re, -EINVAL, "%s is a target, and can't be the name of a chain", name);
    return nf_chain_add(re->st, t, name) != NULL ? 0 : no_memory(re);
}

static int remove_chain(struct restore *re, struct nf_table *t, struct nf_chain *c)
{
    uint32_t refs = chain_refs(t, c);

    if (c->builtin)
        return bad(re, -EINVAL, "%s is a builtin chain, and stays", c->name);
    if (refs > 0)
        return bad(re, -EINVAL, "chain %s can't go: %u rule%s jump%s to it", c->name, refs, refs == 1 ? "" : "s",
                   refs == 1 ? "s" : "");
    if (c->nrules > 0)
        return bad(re, -EINVAL, "chain %s can't go while it has rules: `iptables -F %s` empties it", c->name, c->name);
    nf_chain_remove(re->st, t, c);
    return 0;
}

static int policy(struct restore *re, struct nf_chain *c, enum nf_table_id table, const char *word)
{
    bool drop = strcmp(word, "DROP") == 0;

    if (!drop && strcmp(word, "ACCEPT") != 0)
        return bad(re, -EINVAL, "'%s' is no policy: ACCEPT or DROP", word);
    if (!c->builtin)
        return bad(re, -EINVAL, "%s is a user's chain, and has no policy", c->name);
    if (drop && table == NF_NAT)
        return bad(re, -EINVAL, "the nat table doesn't filter: its policy is ACCEPT");
    c->drop = drop;
    return 0;
}

static void zero(struct nf_chain *c, uint32_t number)
{
    if (number == 0)
        c->packets = c->bytes = 0;
    for (uint32_t i = 0; i < c->nrules; i++)
        if (number == 0 || i + 1 == number)
            c->rule[i]->packets = c->rule[i]->bytes = 0;
}

/* F, Z and X without a chain: all of them. */
static int do_all(struct restore *re, char op, struct nf_table *t)
{
    int err = 0;

    for (uint32_t i = 0; op != 'X' && i < t->nchains; i++) {
        if (op == 'F')
            nf_chain_flush(re->st, re->s, t->chain[i]);
        else
            zero(t->chain[i], 0);
    }
    for (uint32_t i = t->nchains; op == 'X' && err == 0 && i-- > 0;)
        if (!t->chain[i]->builtin)
            err = remove_chain(re, t, t->chain[i]);
    return err;
}

static int do_command(struct restore *re, const struct nf_cmd *cmd, struct nf_rule **r)
{
    struct nf_table *t = &re->s->table[cmd->table];
    struct nf_chain *c;
    int err;

    if (cmd->op == 'N')
        return new_chain(re, t, cmd->chain);
    if (cmd->chain == NULL)
        return do_all(re, cmd->op, t);
    c = nf_chain_find(t, cmd->chain);
    if (c == NULL)
        return bad(re, -ENOENT, "there is no chain %s in table %s", cmd->chain, nf_table_name(cmd->table));
    switch (cmd->op) {
    case 'X':
        return remove_chain(re, t, c);
    case 'F':
        nf_chain_flush(re->st, re->s, c);
        return 0;
    case 'Z':
        err = cmd->number > 0 ? rule_at(re, c, cmd->number) : 0;
        if (err == 0)
            zero(c, cmd->number);
        return err;
    case 'P':
        return policy(re, c, cmd->table, cmd->other);
    case 'E':
        if (c->builtin)
            return bad(re, -EINVAL, "%s is a builtin chain, and keeps its name", c->name);
        if (nf_chain_find(t, cmd->other) != NULL)
            return bad(re, -EEXIST, "there is a chain %s already", cmd->other);
        if (is_target_name(cmd->other))
            return bad(re, -EINVAL, "%s is a target, and can't be the name of a chain", cmd->other);
        nf_chain_rename(t, c, cmd->other);
        return 0;
    default:
        return do_rule(re, cmd, c, r);
    }
}

/* ---- lines ---- */

static bool counters(const char **s, uint64_t *packets, uint64_t *bytes)
{
    const char *p = *s;
    uint64_t v[2];

    if (*p++ != '[')
        return false;
    for (int i = 0; i < 2; i++) {
        if (*p < '0' || *p > '9')
            return false;
        for (v[i] = 0; *p >= '0' && *p <= '9'; p++) {
            v[i] = v[i] * 10 + (uint64_t)(*p - '0');
            if (v[i] > UINT64_MAX / 16)
                return false;
        }
        if (*p++ != (i == 0 ? ':' : ']'))
            return false;
    }
    *packets = v[0];
    *bytes = v[1];
    *s = p;
    return true;
}

static int line_table(struct restore *re, const char *name)
{
    if (re->in_table)
        return bad(re, -EINVAL, "'*%s' before the COMMIT of table %s", name, nf_table_name(re->table));
    for (unsigned t = 0; t < NF_TABLES; t++) {
        struct nf_table *tab = &re->s->table[t];

        if (strcmp(name, nf_table_name((enum nf_table_id)t)) != 0)
            continue;
        re->table = (enum nf_table_id)t;
        re->in_table = true;
        if (!re->flush)
            return 0;
        for (uint32_t i = 0; i < tab->nchains; i++)
            nf_chain_flush(re->st, re->s, tab->chain[i]);
        while (tab->nchains > 0 && !tab->chain[tab->nchains - 1]->builtin)
            nf_chain_remove(re->st, tab, tab->chain[tab->nchains - 1]);
        return 0;
    }
    return bad(re, -EINVAL, "there is no table '%s': there are filter and nat", name);
}

/* ":INPUT DROP [0:0]", ":mine - [0:0]" */
static int line_chain(struct restore *re, char *line)
{
    char *word[4];
    int n = nf_words(line, word, 4, re->msg, re->msg_size), err = 0;
    struct nf_table *t = &re->s->table[re->table];
    struct nf_chain *c;
    uint64_t packets = 0, bytes = 0;
    const char *s;

    if (n < 0)
        return -EINVAL;
    if (!re->in_table)
        return bad(re, -EINVAL, "a chain's line before any '*TABLE'");
    if (n < 2 || n > 3 || strlen(word[0]) < 2)
        return bad(re, -EINVAL, "a chain's line is ':CHAIN POLICY [PACKETS:BYTES]', with - for a user's chain");
    s = n == 3 ? word[2] : "[0:0]";
    if (!counters(&s, &packets, &bytes) || *s != '\0')
        return bad(re, -EINVAL, "'%s' are no counters: they are [PACKETS:BYTES]", word[2]);
    c = nf_chain_find(t, word[0] + 1);
    if (c == NULL) {
        struct nf_cmd cmd = {.op = '\0'};
        struct nf_rule none = {0};
        char opt[] = "-N", *argv[2] = {opt, word[0] + 1};

        if (!nf_parse(re->st, re->s, 2, argv, &cmd, &none, re->msg, re->msg_size))
            return -EINVAL;
        err = new_chain(re, t, word[0] + 1);
        c = nf_chain_find(t, word[0] + 1);
    } else if (!c->builtin) {
        nf_chain_flush(re->st, re->s, c); /* as iptables-restore: named anew, it is empty */
    }
    if (err == 0 && (strcmp(word[1], "-") != 0) != c->builtin)
        return bad(re, -EINVAL, c->builtin ? "chain %s needs a policy: ACCEPT or DROP" : "%s is no builtin chain of this table: "
                   "write - for its policy", c->name);
    if (err == 0 && c->builtin)
        err = policy(re, c, re->table, word[1]);
    if (err == 0 && re->counters && c->builtin) {
        c->packets = packets;
        c->bytes = bytes;
    }
    return err;
}

static int line_command(struct restore *re, char *line)
{
    struct nf_cmd cmd = {.table = re->in_table ? re->table : NF_FILTER, .has_table = re->in_table};
    const char *at = line;
    struct nf_rule *r;
    char **word;
    int n, err = -EINVAL;
    uint64_t packets = 0, bytes = 0;

    if (*at == '[' && !counters(&at, &packets, &bytes))
        return bad(re, -EINVAL, "'%.20s' are no counters: they are [PACKETS:BYTES]", line);
    r = mem_alloc(&re->st->mem, MEM_IP, sizeof *r);
    word = mem_alloc(&re->st->mem, MEM_IP, NF_WORDS_MAX * sizeof *word);
    if (r == NULL || word == NULL) {
        err = no_memory(re);
    } else {
        n = nf_words(line + (at - line), word, NF_WORDS_MAX, re->msg, re->msg_size);
        if (n >= 0 && nf_parse(re->st, re->s, n, word, &cmd, r, re->msg, re->msg_size)) {
            if (!cmd.has_counters && re->counters) {
                r->packets = packets;
                r->bytes = bytes;
            }
            err = do_command(re, &cmd, &r);
        }
        if (cmd.no_memory)
            err = -ENOMEM;
    }
    mem_free(&re->st->mem, MEM_IP, word, NF_WORDS_MAX * sizeof *word);
    nf_rule_free(re->st, r);
    return err;
}

static int do_line(struct restore *re, char *line)
{
    size_t n = strlen(line);

    while (n > 0 && strchr(" \t\r", line[n - 1]) != NULL)
        line[--n] = '\0';
    line += strspn(line, " \t");
    switch (*line) {
    case '\0':
    case '#':
        return 0;
    case '*':
        return line_table(re, line + 1);
    case ':':
        return line_chain(re, line);
    default:
        break;
    }
    if (strcmp(line, "COMMIT") == 0) {
        if (!re->in_table)
            return bad(re, -EINVAL, "COMMIT without a '*TABLE' before it");
        re->in_table = false;
        return 0;
    }
    return line_command(re, line);
}

/* ---- the text ---- */

static int do_text(struct restore *re, const char *text, unsigned *number)
{
    char *line = mem_alloc(&re->st->mem, MEM_IP, LINE_MAX_);
    int err = 0;

    if (line == NULL)
        return no_memory(re);
    while (*text != '\0' && err == 0) {
        size_t n = strcspn(text, "\n");

        (*number)++;
        if (n >= LINE_MAX_) {
            err = bad(re, -E2BIG, "a line has at most %d characters", LINE_MAX_ - 1);
            break;
        }
        memcpy(line, text, n);
        line[n] = '\0';
        err = do_line(re, line);
        text += n + (text[n] == '\n');
    }
    mem_free(&re->st->mem, MEM_IP, line, LINE_MAX_);
    if (err == 0 && re->in_table)
        err = bad(re, -EINVAL, "the COMMIT of table %s is missing", nf_table_name(re->table));
    return err;
}

static void take_over(struct td_stack *st, struct nf_ruleset *s)
{
    struct nf *nf = st->ip->nf;

    nf_ruleset_free(st, nf->rules);
    nf->rules = s;
    if (nf_ruleset_idle(s)) {
        nf_ruleset_free(st, s);
        nf->rules = NULL;
    } else {
        nf_ruleset_link(st, s);
    }
    JOURNAL(st, EV_NF_RULES, NULL, nf->rules != NULL ? nf->rules->nrules : 0);
}

int nf_restore(struct td_stack *st, const char *text, unsigned flags, char *msg, size_t msg_size, unsigned *line)
{
    char unread[8];
    unsigned number = 0;
    struct restore re = {.st = st,
                         .flush = (flags & NF_RESTORE_FLUSH) != 0,
                         .counters = (flags & NF_RESTORE_COUNTERS) != 0,
                         .msg = msg != NULL ? msg : unread,
                         .msg_size = msg != NULL ? msg_size : sizeof unread};
    int err;

    re.msg[0] = '\0';
    if (nf_get(st) < 0)
        return no_memory(&re);
    re.s = nf_ruleset_copy(st, st->ip->nf->rules);
    err = re.s != NULL ? do_text(&re, text, &number) : no_memory(&re);
    if (err == 0 && !nf_ruleset_check(re.s, re.msg, re.msg_size))
        err = -EINVAL;
    if (err == 0 && (flags & NF_RESTORE_TEST) == 0)
        take_over(st, re.s);
    else
        nf_ruleset_free(st, re.s);
    nf_put(st);
    if (line != NULL)
        *line = number;
    return err;
}

struct nf_rule *nf_rule_parse(struct td_stack *st, const char *table, const char *chain, const char *words, char *msg,
                              size_t msg_size)
{
    struct nf_cmd cmd = {.has_table = true};
    struct nf_rule *r = mem_alloc(&st->mem, MEM_IP, sizeof *r);
    char **word = mem_alloc(&st->mem, MEM_IP, NF_WORDS_MAX * sizeof *word);
    char *line = mem_alloc(&st->mem, MEM_IP, LINE_MAX_);
    int n = -1;

    (void)snprintf(msg, msg_size, "there is no memory left, the line is too long, or there is no table '%s'", table);
    if (nf_table_find(table, &cmd.table) && r != NULL && word != NULL && line != NULL && snprintf(line, LINE_MAX_, "-A %s %s", chain, words) < LINE_MAX_)
        n = nf_words(line, word, NF_WORDS_MAX, msg, msg_size);
    if (n < 0 || !nf_parse(st, nf_rules(st), n, word, &cmd, r, msg, msg_size) || cmd.op != 'A') {
        nf_rule_free(st, r);
        r = NULL;
    }
    mem_free(&st->mem, MEM_IP, line, LINE_MAX_);
    mem_free(&st->mem, MEM_IP, word, NF_WORDS_MAX * sizeof *word);
    return r;
}
