/* tapdeckd/cmd_rule.c: `ip rule`, and files of routes and rules.
 *
 * A file is read whole, every line is made into a change, and only then the stack is asked to make
 * them, all or none: an error in line 40 changes nothing, and is told with its line.
 */
#include "tapdeckd/route_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void rule_prefix(td_ip4 a, uint8_t len, char dst[24])
{
    if (len == 0)
        snprintf(dst, 24, "all");
    else
        prefix_text(a, len, dst);
}

void rule_text(struct run *r, const struct td_rule *x)
{
    char text[24];
    rule_prefix(x->from, x->from_len, text);
    run_printf(r, "%u:\t%sfrom %s ", x->priority, x->not ? "not " : "", text);
    if (x->to_len != 0) {
        rule_prefix(x->to, x->to_len, text);
        run_printf(r, "to %s ", text);
    }
    if (x->iif[0] != '\0')
        run_printf(r, "iif %s ", x->iif);
    if (x->oif[0] != '\0')
        run_printf(r, "oif %s ", x->oif);
    table_name(x->table, text);
    run_printf(r, "%s%s", x->type == 0 ? "lookup " : "", x->type == 0 ? text : route_type_name(x->type));
}

void rule_fields(struct run *r, const struct td_rule *x)
{
    char ip[16], text[24];
    jw_u64(&r->jw, "priority", x->priority);
    if (x->not)
        jw_null(&r->jw, "not");
    format_ip4(x->from, ip);
    jw_str(&r->jw, "src", x->from_len == 0 ? "all" : ip);
    if (x->from_len != 0 && x->from_len != 32)
        jw_u64(&r->jw, "srclen", x->from_len);
    if (x->to_len != 0) {
        format_ip4(x->to, ip);
        jw_str(&r->jw, "dst", ip);
        if (x->to_len != 32)
            jw_u64(&r->jw, "dstlen", x->to_len);
    }
    if (x->iif[0] != '\0')
        jw_str(&r->jw, "iif", x->iif);
    if (x->oif[0] != '\0')
        jw_str(&r->jw, "oif", x->oif);
    table_name(x->table, text);
    if (x->type == 0)
        jw_str(&r->jw, "table", text);
    else
        jw_str(&r->jw, "action", route_type_name(x->type));
}

static int rule_show(struct run *r, int at)
{
    struct td_rule x;
    if (at < r->argc)
        return run_bad_word(r, at, "`ip rule show` takes no more words");
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (unsigned i = 0; td_rule_get(r->deck->st, i, &x); i++) {
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            rule_fields(r, &x);
            jw_close(&r->jw, '}');
        } else {
            rule_text(r, &x);
            run_puts(r, "\n");
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

/* All but the local table's, as iproute2 has it: also those of main and default. */
static int rule_flush(struct run *r, int at)
{
    struct changes c = {0};
    unsigned n = 0;
    struct td_rule x;
    if (at < r->argc)
        return run_bad_word(r, at, "`ip rule flush` takes no more words: one rule goes with `ip rule del`");
    while (td_rule_get(r->deck->st, n, &x))
        n++;
    c.change = calloc(n, sizeof(*c.change));
    if (c.change == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    for (unsigned i = 0; i < n && td_rule_get(r->deck->st, i, &x); i++)
        if (x.priority != 0)
            c.change[c.n++] = (struct td_change){.kind = TD_CHANGE_RULE_DEL, .rule = x};
    int status = c.n != 0 ? changes_apply(r, &c) : EXIT_DONE;
    changes_free(&c);
    return status;
}

int ip_rule(struct run *r, int at)
{
    enum ip_verb verb = at < r->argc ? ip_verb(r->argv[at]) : VERB_SHOW;
    struct changes c = {0};
    if (verb == VERB_SHOW)
        return rule_show(r, at + 1);
    if (verb == VERB_FLUSH)
        return rule_flush(r, at + 1);
    if (verb != VERB_ADD && verb != VERB_DEL)
        return run_bad_word(r, at, "write `ip rule show|add|del|flush`");
    int status = rule_words(r->deck->st, &c, verb == VERB_ADD ? TD_CHANGE_RULE_ADD : TD_CHANGE_RULE_DEL,
                            r->argc - at - 1, r->argv + at + 1)
                     ? changes_apply(r, &c)
                     : run_fail(r, EXIT_USAGE, "%s", c.msg);
    changes_free(&c);
    return status;
}

/* ---- files ---- */

#define LINE_WORDS 512

/* The words of a line, in place; a # begins a comment. -1: too many. */
static int words_of(char *line, char **argv)
{
    int n = 0;
    line[strcspn(line, "#\r\n")] = '\0';
    for (char *w = strtok(line, " \t"); w != NULL; w = strtok(NULL, " \t")) {
        if (n == LINE_WORDS)
            return -1;
        argv[n++] = w;
    }
    return n;
}

static bool verb_of(const char *word, enum td_change_kind *kind)
{
    static const struct {
        const char *word;
        enum td_change_kind kind;
    } verbs[] = {{"add", TD_CHANGE_ADD},    {"append", TD_CHANGE_APPEND}, {"del", TD_CHANGE_DEL},
                 {"delete", TD_CHANGE_DEL}, {"change", TD_CHANGE_CHANGE}, {"replace", TD_CHANGE_REPLACE}};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strcmp(word, verbs[i].word) == 0)
            return *kind = verbs[i].kind, true;
    return false;
}

/* A line of a batch: `route …` or `rule …`; of `ip route load` also a route as it is shown. */
static bool line_words(struct run *r, struct changes *c, int argc, char **argv, bool batch)
{
    struct td_stack *st = r->deck->st;
    enum td_change_kind kind = TD_CHANGE_ADD;
    if (argc > 0 && strcmp(argv[0], "ip") == 0)
        argc--, argv++;
    bool rule = argc > 0 && strcmp(argv[0], "rule") == 0, route = argc > 0 && (strcmp(argv[0], "route") == 0 || strcmp(argv[0], "ro") == 0 || strcmp(argv[0], "r") == 0);
    if (rule || route)
        argc--, argv++;
    else if (batch) {
        snprintf(c->msg, sizeof(c->msg), "'%s': a batch has lines of `route …` and `rule …`", argc > 0 ? argv[0] : "");
        return false;
    }
    bool verb = argc > 0 && verb_of(argv[0], &kind);
    if ((rule || route) && (!verb || (rule && kind != TD_CHANGE_ADD && kind != TD_CHANGE_DEL))) {
        snprintf(c->msg, sizeof(c->msg), "after `%s` comes %s", rule ? "rule" : "route",
                 rule ? "add or del" : "add, append, replace, change or del");
        return false;
    }
    if (verb)
        argc--, argv++;
    if (rule)
        return rule_words(st, c, kind == TD_CHANGE_ADD ? TD_CHANGE_RULE_ADD : TD_CHANGE_RULE_DEL, argc, argv);
    c->shown = !verb;
    size_t ways = c->npaths;
    if (!route_words(st, c, kind, argc, argv))
        return false;
    if (!verb && c->change[c->n - 1].route.proto == TD_PROTO_KERNEL) {
        c->n--; /* it follows from an address */
        c->npaths = ways;
    }
    return true;
}

/* `ip route show` puts the ways of a route into lines of their own. */
static bool line_goes_on(const char *line)
{
    const char *word = line + strspn(line, " \t");
    return word > line && strncmp(word, "nexthop", 7) == 0 && strchr(" \t", word[7]) != NULL;
}

/* Every line is read; `line` of each change is kept for the sentence. */
static int read_changes(struct run *r, FILE *f, const char *name, bool batch, struct changes *c, unsigned **at)
{
    char *argv[LINE_WORDS], *line = NULL, *whole = NULL;
    size_t size = 0, whole_size = 0, cap = 0, len = 0;
    unsigned number = 0, first = 0;
    int status = EXIT_DONE;
    for (bool more = true; more && status == EXIT_DONE;) {
        more = getline(&line, &size, f) >= 0;
        number += more;
        bool goes_on = more && len > 0 && line_goes_on(line);
        if (!goes_on && len > 0) {
            size_t before = c->n;
            int n = words_of(whole, argv);
            bool good = n == 0 || (n > 0 && line_words(r, c, n, argv, batch));
            if (n < 0)
                snprintf(c->msg, sizeof(c->msg), "more than %d words", LINE_WORDS);
            if (!good)
                status = run_fail(r, EXIT_USAGE, "%s: line %u: %s (nothing was changed)", name, first, c->msg);
            if (c->n > cap) {
                cap = c->cap;
                unsigned *lines = realloc(*at, cap * sizeof(*lines));
                if (lines == NULL)
                    return free(line), free(whole), run_fail(r, EXIT_FAILED, "out of memory");
                *at = lines;
            }
            if (c->n > before)
                (*at)[before] = first;
            len = 0;
        }
        if (!more || status != EXIT_DONE)
            break;
        size_t n = strcspn(line, "\n");
        if (len == 0)
            first = number;
        if (len + n + 2 > whole_size) {
            whole_size = (len + n + 2) * 2;
            char *w = realloc(whole, whole_size);
            if (w == NULL)
                return free(line), free(whole), run_fail(r, EXIT_FAILED, "out of memory");
            whole = w;
        }
        memcpy(whole + len, line, n);
        whole[len + n] = ' ';
        whole[len + n + 1] = '\0';
        len += n + 1;
    }
    if (status == EXIT_DONE && ferror(f) != 0)
        status = run_fail(r, EXIT_USAGE, "%s can't be read: %s", name, strerror(errno));
    free(line);
    free(whole);
    return status;
}

static int load(struct run *r, const char *name, bool batch)
{
    struct changes c = {0};
    unsigned *at = NULL;
    size_t bad = 0;
    FILE *f = run_open(r, name);
    if (f == NULL)
        return EXIT_USAGE;
    int status = read_changes(r, f, name, batch, &c, &at);
    fclose(f);
    if (status == EXIT_DONE && c.n > 0) {
        const struct td_change_list l = {.change = c.change, .n = c.n, .path = c.path, .npaths = c.npaths};
        int err = td_route_change(r->deck->st, &l, &bad);
        if (err != 0) {
            change_refused(&c, &c.change[bad], err);
            status = run_fail(r, err == -ENOMEM ? EXIT_FAILED : EXIT_USAGE, "%s: line %u: %s (nothing was changed)",
                              name, at[bad], c.msg);
        }
    }
    free(at);
    changes_free(&c);
    return status;
}

int route_load(struct run *r, int at)
{
    if (at + 1 != r->argc)
        return run_bad_word(r, at, "write `ip route load FILE`: a route a line, as `ip route save` prints them");
    return load(r, r->argv[at], false);
}

int ip_batch(struct run *r, const char *file)
{
    return load(r, file, true);
}
