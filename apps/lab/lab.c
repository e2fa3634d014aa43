/* lab/lab.c: lab.yaml as a structure (its form: lab/lab.h).
 *
 * The file is read twice. First only its `params:`, whose values are drawn; then their values are put in place of
 * ${name} in its bytes, and the whole is read. So a parameter can stand in any key and value, and every sentence
 * names the line that the author wrote.
 */
#include "lab/lab.h"
#include "lab/check.h"

#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/nearest.h"
#include "common/parse.h"
#include "common/yaml.h"
#include "core/faults.h"
#include "wire/checksum.h"

static void *must(void *p)
{
    if (p == NULL) {
        fputs("tapdeck: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

static char *copy(const char *s)
{
    return must(strdup(s));
}

struct loading {
    struct lab *lab;
    const struct lab_who *who;
};

static struct lab *lab_of(struct yaml_reader *r)
{
    return ((struct loading *)r->user)->lab;
}

static bool name_ok(const char *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t n = strlen(s);
    return n > 0 && n <= LAB_NAME_MAX && strspn(s, letters) == n && s[0] != '-';
}

/* One line of text into *to. */
static bool line_into(struct yaml_reader *r, yaml_item *value, const char *what, char **to)
{
    const char *s = yaml_phrase(r, value, what);
    if (s == NULL)
        return false;
    free(*to);
    *to = copy(s);
    return true;
}

static bool number_into(struct yaml_reader *r, yaml_item *value, const char *what, uint32_t from, uint32_t most, uint32_t *to)
{
    const char *s = yaml_scalar(value);
    if (s != NULL && parse_u32(s, most, to) && *to >= from)
        return true;
    return yaml_fail(r, value, "%s is a number from %u to %u", what, from, most);
}

/* The sentence for a key that isn't there, with the list of those that are. */
static bool bad_key(struct yaml_reader *r, yaml_item *key, const char *of, const char *const *keys)
{
    struct text t = {0};
    struct nearest near = {.word = yaml_scalar(key)};
    const char *name = yaml_scalar(key);
    for (size_t i = 0; keys[i] != NULL; i++) {
        text_printf(&t, "%s%s", i == 0 ? "" : keys[i + 1] == NULL ? " and " : ", ", keys[i]);
        nearest_offer(&near, keys[i]);
    }
    const char *meant = near.best[0] != '\0' ? near.best : NULL;
    yaml_fail(r, key, "'%s' is no key of %s: there are %s%s%s%s", name, of, t.s, meant != NULL ? "; did you mean '" : "",
              meant != NULL ? meant : "", meant != NULL ? "'?" : "");
    text_free(&t);
    return false;
}

/* ---- parameters ---- */

struct param_ctx {
    struct lab_param *p;
    yaml_item *network;
    yaml_item *prefix;
};

static bool read_number(struct yaml_reader *r, struct lab_param *p, yaml_item *value)
{
    const struct loading *l = r->user;
    const char *a = yaml_scalar(yaml_nth(r, value, 0)), *b = yaml_scalar(yaml_nth(r, value, 1));
    uint32_t from, to;
    if (yaml_length(value) != 2 || a == NULL || b == NULL || !parse_u32(a, UINT32_MAX, &from) || !parse_u32(b, UINT32_MAX, &to) ||
        from > to)
        return yaml_fail(r, value, "number: is the least and the most it may be: [3, 7]");
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, from + lab_draw(l->who, l->lab->name, p->name, (uint64_t)to - from + 1));
    p->kind = LAB_NUMBER;
    p->value = copy(text);
    return true;
}

static bool read_pick(struct yaml_reader *r, struct lab_param *p, yaml_item *value)
{
    const struct loading *l = r->user;
    size_t n = yaml_length(value);
    if (n == 0)
        return yaml_fail(r, value, "pick: is a list to choose from: [eth0, eth1]");
    const char *s = yaml_phrase(r, yaml_nth(r, value, (size_t)lab_draw(l->who, l->lab->name, p->name, n)), "what may be picked");
    if (s == NULL)
        return false;
    p->kind = LAB_PICK;
    p->value = copy(s);
    return true;
}

static bool read_checksum(struct yaml_reader *r, struct lab_param *p, yaml_item *value)
{
    const struct loading *l = r->user;
    const char *s = yaml_phrase(r, value, "checksum:");
    struct text made = {0}, octets = {0};
    char why[256], sum[8];
    unsigned line;
    if (s == NULL)
        return false;
    bool ok = lab_expand(l->lab->params, "checksum", s, strlen(s), &made, why, sizeof(why)) && made.s != NULL &&
              lab_hex(made.s, &octets, &line) && octets.len > 0;
    if (ok) {
        snprintf(sum, sizeof(sum), "%04x", checksum(octets.s, octets.len));
        p->kind = LAB_PICK; /* a word, without parts */
        p->value = copy(sum);
    }
    text_free(&made);
    text_free(&octets);
    return ok || yaml_fail(r, value, "checksum: is octets in hex, with parameters from above: 4500 0022 ${n.hex}");
}

#define SHUFFLE_MOST 16

/* Each place in turn gets one of those that are left, by a draw of its own. */
static bool read_shuffle(struct yaml_reader *r, struct lab_param *p, yaml_item *value)
{
    const struct loading *l = r->user;
    const char *words[SHUFFLE_MOST];
    size_t n = yaml_length(value);
    struct text all = {0};
    if (n < 2 || n > SHUFFLE_MOST)
        return yaml_fail(r, value, "shuffle: is a list of 2 to %d words: [22, 80, 443]", SHUFFLE_MOST);
    for (size_t i = 0; i < n; i++) {
        words[i] = yaml_phrase(r, yaml_nth(r, value, i), "what is shuffled");
        if (words[i] == NULL)
            return false;
        if (strchr(words[i], ',') != NULL)
            return yaml_fail(r, yaml_nth(r, value, i), "what is shuffled has no ',' in it");
    }
    for (size_t i = 0; i < n; i++) {
        char draw[LAB_NAME_MAX + 8];
        snprintf(draw, sizeof(draw), "%s.%zu", p->name, i + 1);
        size_t k = i + (size_t)lab_draw(l->who, l->lab->name, draw, n - i);
        const char *word = words[k];
        words[k] = words[i];
        words[i] = word;
        text_printf(&all, "%s%s", i > 0 ? "," : "", word);
    }
    p->kind = LAB_SHUFFLE;
    p->value = all.s;
    return true;
}

static bool read_secret(struct yaml_reader *r, struct lab_param *p, yaml_item *value)
{
    const struct loading *l = r->user;
    struct text set = {0};
    char msg[256];
    uint64_t faults = 0;
    for (size_t i = 0; i < yaml_length(value); i++) {
        const char *s = yaml_phrase(r, yaml_nth(r, value, i), "a fault's name");
        if (s == NULL) {
            text_free(&set);
            return false;
        }
        text_printf(&set, "%s%s", i > 0 ? "," : "", s);
    }
    if (set.s == NULL || !mystery_set(set.s, &faults, msg, sizeof(msg))) {
        yaml_fail(r, value, "secret: is a list of faults: %s", set.s == NULL ? "[no-karn, no-delay-ack]" : msg);
        text_free(&set);
        return false;
    }
    p->kind = LAB_SECRET;
    p->value = copy(fault_info[mystery_choose(lab_salt(l->who), l->who->id, faults)].name);
    p->set = set.s;
    return true;
}

static bool param_key(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value)
{
    static const char *const keys[] = {"number", "pick", "shuffle", "checksum", "network", "prefix", "secret", "node", NULL};
    struct param_ctx *c = ctx;
    if (strcmp(name, "network") == 0 || strcmp(name, "prefix") == 0) {
        *(name[0] == 'n' ? &c->network : &c->prefix) = value;
        return true;
    }
    if (strcmp(name, "node") == 0)
        return line_into(r, value, "node", &c->p->node);
    if (c->p->value != NULL)
        return yaml_fail(r, key, "'%s': a parameter is of one kind", name);
    if (strcmp(name, "number") == 0)
        return read_number(r, c->p, value);
    if (strcmp(name, "pick") == 0)
        return read_pick(r, c->p, value);
    if (strcmp(name, "shuffle") == 0)
        return read_shuffle(r, c->p, value);
    if (strcmp(name, "checksum") == 0)
        return read_checksum(r, c->p, value);
    if (strcmp(name, "secret") == 0)
        return read_secret(r, c->p, value);
    return bad_key(r, key, "a parameter", keys);
}

static bool read_network(struct yaml_reader *r, struct param_ctx *c)
{
    const struct loading *l = r->user;
    const char *s = yaml_scalar(c->network);
    td_ip4 net;
    uint8_t len;
    uint32_t prefix;
    if (s == NULL || !parse_prefix(s, &net, &len))
        return yaml_fail(r, c->network, "network: is a prefix such as 10.0.0.0/8");
    if (c->prefix == NULL)
        return yaml_fail(r, c->network, "a network needs prefix: as well, how long it is to be");
    if (!number_into(r, c->prefix, "prefix:", len, 30, &prefix))
        return false;
    uint64_t n = lab_draw(l->who, l->lab->name, c->p->name, UINT64_C(1) << (prefix - len));
    td_ip4 a = (len == 0 ? 0 : net & UINT32_MAX << (32 - len)) | (td_ip4)(n << (32 - prefix));
    char text[32];
    snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255, prefix);
    c->p->kind = LAB_NETWORK;
    c->p->value = copy(text);
    return true;
}

static bool add_param(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value)
{
    struct lab *l = ctx;
    struct lab_param **at = &l->params;
    unsigned n = 0;
    for (; *at != NULL; at = &(*at)->next)
        n++;
    if (!name_ok(name) || strchr(name, '.') != NULL)
        return yaml_fail(r, key, "'%s' is not a name for a parameter: letters, digits, '_' and '-'", name);
    if (n == LAB_PARAMS_MAX)
        return yaml_fail(r, key, "a lab has at most %d parameters", LAB_PARAMS_MAX);
    struct lab_param *p = *at = must(calloc(1, sizeof(*p)));
    struct param_ctx c = {.p = p};
    snprintf(p->name, sizeof(p->name), "%s", name);
    p->line = yaml_line(key);
    if (!yaml_each_key(r, value, "a parameter", param_key, &c) || (c.network != NULL && p->value == NULL && !read_network(r, &c)))
        return false;
    if (p->value == NULL)
        return yaml_fail(r, key, "parameter '%s' is of no kind: write number:, pick:, shuffle:, checksum:, network: or secret:", name);
    if ((p->kind == LAB_SECRET) != (p->node != NULL))
        return yaml_fail(r, key, "node: goes with secret: and secret: with node:, where the fault is switched on");
    return true;
}

/* ---- checks ---- */

static bool add_pattern(struct yaml_reader *r, struct lab_check *c, yaml_item *value, bool lacks)
{
    const char *s = yaml_phrase(r, value, lacks ? "lacks:" : "matches:");
    regex_t re;
    if (s == NULL)
        return false;
    int err = regcomp(&re, s, REG_EXTENDED | REG_NOSUB | REG_NEWLINE);
    if (err != 0) {
        char why[128];
        regerror(err, &re, why, sizeof(why));
        return yaml_fail(r, value, "'%s' is not a regular expression: %s", s, why);
    }
    regfree(&re);
    struct lab_pattern *p = must(calloc(1, sizeof(*p))), **at = &c->patterns;
    while (*at != NULL)
        at = &(*at)->next;
    *at = p;
    p->lacks = lacks;
    p->regex = copy(s);
    return true;
}

static bool matches_entry(struct yaml_reader *r, void *ctx, yaml_item *entry)
{
    return add_pattern(r, ctx, entry, false);
}

static bool lacks_entry(struct yaml_reader *r, void *ctx, yaml_item *entry)
{
    return add_pattern(r, ctx, entry, true);
}

static bool add_where(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value)
{
    struct lab_where **at = ctx, *w;
    const char *s = yaml_scalar(value);
    (void)key;
    if (s == NULL || strlen(s) > YAML_PHRASE_MAX)
        return yaml_fail(r, value, "what '%s' is: text of one line", name);
    w = must(calloc(1, sizeof(*w)));
    w->column = copy(name);
    w->is = copy(s);
    while (*at != NULL)
        at = &(*at)->next;
    *at = w;
    return true;
}

static bool read_count(struct yaml_reader *r, yaml_item *value, char **to)
{
    const char *s = yaml_scalar(value);
    if (s == NULL || !lab_count_ok(s))
        return yaml_fail(r, value, "a count is 3, '>= 3', '<= 3', '> 3', '< 3' or 2..4");
    free(*to);
    *to = copy(s);
    return true;
}

static bool read_gives(struct yaml_reader *r, yaml_item *value, enum lab_gives *to)
{
    static const char *const words[] = {"open", "refused", "timeout", "unreachable"};
    const char *s = yaml_scalar(value);
    for (unsigned i = 0; s != NULL && i < 4; i++) {
        if (strcmp(s, words[i]) == 0) {
            *to = (enum lab_gives)i;
            return true;
        }
    }
    return yaml_fail(r, value, "gives: is open, refused, timeout or unreachable");
}

struct kind {
    const char *name;
    const char *command; /* the key whose text is the check's `command` */
    const char *keys[10];
    const char *needs;   /* besides the command */
};
static const struct kind kinds[LAB_CHECK_KINDS] = {
    [LAB_RUN] = {"run", "command", {"node", "command", "status", "matches", "lacks", "where", "count", NULL}, "node"},
    [LAB_TABLE] = {"table", "table", {"node", "table", "where", "count", NULL}, "node"},
    [LAB_EVENT] = {"event", "event", {"node", "event", "where", "count", NULL}, "node"},
    [LAB_PING] = {"ping", "to", {"from", "to", "answers", NULL}, "from"},
    [LAB_CONNECT] = {"connect", "to", {"from", "to", "gives", NULL}, "from"},
    [LAB_GET] = {"get", "url", {"from", "url", "matches", "lacks", "sha256", NULL}, "from"},
    [LAB_PACKETS] = {"packets", "filter", {"node", "dev", "filter", "during", "count", NULL}, "node"},
    [LAB_WAIT] = {"wait", NULL, {NULL}, NULL},
    [LAB_FILE] = {"file", "name", {"name", "matches", "lacks", "filter", "count", NULL}, NULL},
};

/* Keys of what a kind of check is given. */
static bool detail_key(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value)
{
    struct lab_check *c = ctx;
    const struct kind *k = &kinds[c->kind];
    bool known = false;
    for (size_t i = 0; k->keys[i] != NULL; i++)
        known = known || strcmp(k->keys[i], name) == 0;
    if (!known)
        return bad_key(r, key, k->name, k->keys);
    if (strcmp(name, k->command) == 0)
        return line_into(r, value, name, &c->command);
    if (strcmp(name, "node") == 0 || strcmp(name, "from") == 0)
        return line_into(r, value, name, &c->node);
    if (strcmp(name, "matches") == 0)
        return yaml_each_entry(r, value, "matches:", matches_entry, c);
    if (strcmp(name, "lacks") == 0)
        return yaml_each_entry(r, value, "lacks:", lacks_entry, c);
    if (strcmp(name, "where") == 0)
        return yaml_each_key(r, value, "where:", add_where, &c->where);
    if (strcmp(name, "count") == 0 || strcmp(name, "answers") == 0)
        return read_count(r, value, &c->count);
    if (strcmp(name, "gives") == 0)
        return read_gives(r, value, &c->gives);
    if (strcmp(name, "status") == 0) {
        const char *s = yaml_scalar(value);
        uint32_t n = 0;
        bool any = s != NULL && strcmp(s, "any") == 0;
        if (!any && !number_into(r, value, "status: is `any`, or", 0, 255, &n))
            return false;
        c->status = any ? -1 : (int)n;
        return true;
    }
    const struct {
        const char *name;
        char **to;
    } texts[] = {{"dev", &c->dev}, {"filter", &c->filter}, {"during", &c->during}, {"sha256", &c->sha256}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (strcmp(name, texts[i].name) == 0)
            return line_into(r, value, name, texts[i].to);
    return bad_key(r, key, k->name, k->keys);
}

static bool read_detail(struct yaml_reader *r, struct lab_check *c, yaml_item *key, yaml_item *value)
{
    const struct kind *k = &kinds[c->kind];
    if (c->kind == LAB_WAIT) {
        const char *s = yaml_scalar(value);
        if (s != NULL && parse_time(s, &c->time) && c->time <= LAB_WAIT_MAX)
            return true;
        return yaml_fail(r, value, "wait: is a time such as 5s, at most a day");
    }
    if (!yaml_each_key(r, value, k->name, detail_key, c))
        return false;
    if (c->command == NULL)
        return yaml_fail(r, key, "%s: needs %s:", k->name, k->command);
    if (k->needs != NULL && c->node == NULL)
        return yaml_fail(r, key, "%s: needs %s:, the node that does it", k->name, k->needs);
    if (c->kind == LAB_PACKETS && (c->dev == NULL || c->during == NULL))
        return yaml_fail(r, key, "packets: needs dev:, and during:, a command `NODE COMMAND` while which they are counted");
    return true;
}

static bool check_key(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value)
{
    static const char *const keys[] = {"run",  "table", "event", "ping", "connect", "get",  "packets",
                                       "wait", "file",  "else", "hint",    NULL};
    struct lab_check *c = ctx;
    if (strcmp(name, "else") == 0)
        return line_into(r, value, "else:", &c->otherwise);
    if (strcmp(name, "hint") == 0)
        return line_into(r, value, "hint:", &c->hint);
    for (unsigned i = 0; i < LAB_CHECK_KINDS; i++) {
        if (strcmp(name, kinds[i].name) != 0)
            continue;
        if (c->line != 0)
            return yaml_fail(r, key, "'%s': a check is of one kind; begin the next with `- %s:`", name, name);
        c->kind = (enum lab_check_kind)i;
        c->line = yaml_line(key);
        return read_detail(r, c, key, value);
    }
    return bad_key(r, key, "a check", keys);
}

static bool add_check(struct yaml_reader *r, void *ctx, yaml_item *entry)
{
    struct lab_task *t = ctx;
    struct lab_check *c = must(calloc(1, sizeof(*c))), **at = &t->checks;
    while (*at != NULL)
        at = &(*at)->next;
    *at = c;
    if (!yaml_each_key(r, entry, "a check", check_key, c))
        return false;
    return c->line != 0 || yaml_fail(r, entry, "this check is of no kind: begin it with run:, table:, ping: or another");
}

/* ---- answers ---- */

static bool read_within(struct yaml_reader *r, struct lab_answer *a, yaml_item *value)
{
    const char *s = yaml_scalar(value);
    char *end = NULL;
    a->within = s != NULL ? strtod(s, &end) : -1;
    a->percent = end != NULL && strcmp(end, "%") == 0;
    if (s == NULL || end == s || (*end != '\0' && !a->percent) || !(a->within >= 0 && a->within < 1e12))
        return yaml_fail(r, value, "within: is how far off an answer may be: 2, or 5%%");
    return true;
}

static bool answer_key(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value)
{
    static const char *const keys[] = {"number", "text", "regex", "address", "choice", "set", "of", "within", NULL};
    struct lab_answer *a = ctx;
    if (strcmp(name, "within") == 0)
        return read_within(r, a, value);
    if (strcmp(name, "of") == 0)
        return yaml_each_key(r, value, "of:", add_where, &a->choices);
    for (unsigned i = 0; i <= LAB_A_SET; i++) {
        if (strcmp(name, keys[i]) != 0)
            continue;
        if (a->value != NULL)
            return yaml_fail(r, key, "'%s': an answer is of one kind", name);
        a->kind = (enum lab_answer_kind)i;
        if (!line_into(r, value, name, &a->value))
            return false;
        char *end;
        td_ip4 addr;
        regex_t re;
        if (i == LAB_A_NUMBER && (strtod(a->value, &end), *end != '\0'))
            return yaml_fail(r, value, "number: '%s' is none", a->value);
        if (i == LAB_A_ADDRESS && !parse_ip4(a->value, &addr))
            return yaml_fail(r, value, "address: '%s' is none", a->value);
        if (i == LAB_A_REGEX) {
            if (regcomp(&re, a->value, REG_EXTENDED | REG_NOSUB) != 0)
                return yaml_fail(r, value, "regex: '%s' is not a regular expression", a->value);
            regfree(&re);
        }
        return true;
    }
    return bad_key(r, key, "an answer", keys);
}

/* ---- tasks ---- */

static bool task_key(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value)
{
    static const char *const keys[] = {"id", "title", "ask", "points", "checks", "answer", "feedback", "hint", NULL};
    struct lab_task *t = ctx;
    if (strcmp(name, "id") == 0) {
        const char *s = yaml_scalar(value);
        if (s == NULL || !name_ok(s))
            return yaml_fail(r, value, "a task's id has letters, digits, '_' and '-', at most %d", LAB_NAME_MAX);
        if (lab_task(lab_of(r), s) != NULL)
            return yaml_fail(r, value, "there is a task '%s' already, in line %u", s, lab_task(lab_of(r), s)->line);
        snprintf(t->id, sizeof(t->id), "%s", s);
        return true;
    }
    if (strcmp(name, "title") == 0 || strcmp(name, "ask") == 0)
        return line_into(r, value, name, &t->title);
    if (strcmp(name, "hint") == 0)
        return line_into(r, value, name, &t->hint);
    if (strcmp(name, "points") == 0)
        return number_into(r, value, "points:", 0, LAB_POINTS_MAX, &t->points);
    if (strcmp(name, "checks") == 0)
        return yaml_each_entry(r, value, "checks:", add_check, t);
    if (strcmp(name, "answer") == 0 || strcmp(name, "feedback") == 0) {
        if (t->answer == NULL)
            t->answer = must(calloc(1, sizeof(*t->answer)));
        return name[0] == 'a' ? yaml_each_key(r, value, "answer:", answer_key, t->answer)
                              : yaml_each_key(r, value, "feedback:", add_where, &t->answer->feedback);
    }
    return bad_key(r, key, "a task", keys);
}

static bool add_task(struct yaml_reader *r, void *ctx, yaml_item *entry)
{
    struct lab *l = ctx;
    struct lab_task *t = must(calloc(1, sizeof(*t))), **at = &l->tasks;
    t->points = 1;
    t->line = yaml_line(entry);
    while (*at != NULL)
        at = &(*at)->next;
    *at = t;
    if (++l->ntasks > LAB_TASKS_MAX)
        return yaml_fail(r, entry, "a lab has at most %d tasks", LAB_TASKS_MAX);
    if (!yaml_each_key(r, entry, "a task", task_key, t))
        return false;
    l->points += t->points;
    if (t->id[0] == '\0')
        return yaml_fail(r, entry, "this task has no id:");
    if (t->title == NULL)
        return yaml_fail(r, entry, "task %s has neither title: nor ask:", t->id);
    if ((t->checks == NULL) == (t->answer == NULL))
        return yaml_fail(r, entry, "task %s needs checks: or an answer:, and not both", t->id);
    if (t->answer != NULL && t->answer->value == NULL)
        return yaml_fail(r, entry, "the answer of %s is of no kind: write number:, text:, regex:, address:, choice: or set:", t->id);
    return true;
}

/* ---- the file ---- */

static bool top_key(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value)
{
    static const char *const keys[] = {"title", "about", "minutes", "topology", "params", "tasks", NULL};
    struct lab *l = ctx;
    if (strcmp(name, "title") == 0)
        return line_into(r, value, name, &l->title);
    if (strcmp(name, "about") == 0)
        return line_into(r, value, name, &l->about);
    if (strcmp(name, "minutes") == 0)
        return number_into(r, value, "minutes:", 1, 600, &l->minutes);
    if (strcmp(name, "topology") == 0) {
        if (!line_into(r, value, name, &l->topology))
            return false;
        if (strchr(l->topology, '/') != NULL)
            return yaml_fail(r, value, "the topology lies in the lab's folder: '%s' has a '/'", l->topology);
        return true;
    }
    if (strcmp(name, "params") == 0)
        return true; /* read before */
    if (strcmp(name, "tasks") == 0)
        return yaml_each_entry(r, value, "tasks:", add_task, l);
    return bad_key(r, key, "a lab", keys);
}

static bool params_only(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value)
{
    (void)key;
    return strcmp(name, "params") != 0 || yaml_each_key(r, value, "params:", add_param, ctx);
}

static bool read_with(struct loading *ld, const char *file, const struct text *bytes, bool whole, char *msg, size_t msg_size)
{
    struct yaml_reader r;
    struct lab *l = ld->lab;
    if (!yaml_reader_open(&r, file, "lab", bytes->s != NULL ? bytes->s : "", bytes->len, msg, msg_size))
        return false;
    r.user = ld;
    yaml_item *root = yaml_root(&r);
    bool ok = root != NULL || yaml_fail(&r, NULL, "the file is empty: a lab has title:, about:, minutes: and tasks:");
    ok = ok && yaml_each_key(&r, root, "a lab", whole ? top_key : params_only, l);
    if (ok && whole && (l->title == NULL || l->about == NULL || l->minutes == 0 || l->tasks == NULL))
        ok = yaml_fail(&r, root, "a lab needs %s", l->title == NULL    ? "title:"
                                                   : l->about == NULL  ? "about:, one sentence for the list"
                                                   : l->minutes == 0   ? "minutes:, how long it takes"
                                                                       : "tasks:");
    yaml_reader_close(&r);
    return ok;
}

static void lab_name(struct lab *l, const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && dir[from - 1] != '/')
        from--;
    snprintf(l->name, sizeof(l->name), "%.*s", (int)(n - from), dir + from);
}

struct lab *lab_load(const char *dir, const struct lab_who *who, char *msg, size_t msg_size)
{
    struct lab *l = must(calloc(1, sizeof(*l)));
    struct loading ld = {.lab = l, .who = who};
    struct text file = {0}, bytes = {0}, made = {0};
    l->dir = copy(dir);
    lab_name(l, dir);
    text_printf(&file, "%s/lab.yaml", dir);
    bool ok = yaml_file_read(file.s, "lab", &bytes, msg, msg_size) && read_with(&ld, file.s, &bytes, false, msg, msg_size) &&
              lab_expand(l->params, file.s, bytes.s != NULL ? bytes.s : "", bytes.len, &made, msg, msg_size) &&
              read_with(&ld, file.s, &made, true, msg, msg_size);
    text_free(&file);
    text_free(&bytes);
    text_free(&made);
    if (ok)
        return l;
    lab_free(l);
    return NULL;
}

bool lab_file(const struct lab *l, const char *path, const char *kind, bool optional, struct text *out, char *msg, size_t msg_size)
{
    struct text bytes = {0};
    bool ok = (optional && access(path, F_OK) != 0) ||
              (yaml_file_read(path, kind, &bytes, msg, msg_size) &&
               lab_expand(l->params, path, bytes.s != NULL ? bytes.s : "", bytes.len, out, msg, msg_size));
    text_free(&bytes);
    return ok;
}

const struct lab_task *lab_task(const struct lab *l, const char *id)
{
    const struct lab_task *t = l->tasks;
    while (t != NULL && strcmp(t->id, id) != 0)
        t = t->next;
    return t;
}

/* ---- the end ---- */

static void free_where(struct lab_where *w)
{
    while (w != NULL) {
        struct lab_where *next = w->next;
        free(w->column);
        free(w->is);
        free(w);
        w = next;
    }
}

static void free_check(struct lab_check *c)
{
    char *const texts[] = {c->node, c->command, c->dev, c->filter, c->during, c->sha256, c->otherwise, c->hint, c->count};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free(texts[i]);
    while (c->patterns != NULL) {
        struct lab_pattern *p = c->patterns;
        c->patterns = p->next;
        free(p->regex);
        free(p);
    }
    free_where(c->where);
    free(c);
}

static void free_task(struct lab_task *t)
{
    while (t->checks != NULL) {
        struct lab_check *c = t->checks;
        t->checks = c->next;
        free_check(c);
    }
    if (t->answer != NULL) {
        free(t->answer->value);
        free_where(t->answer->choices);
        free_where(t->answer->feedback);
        free(t->answer);
    }
    free(t->title);
    free(t->hint);
    free(t);
}

void lab_free(struct lab *l)
{
    if (l == NULL)
        return;
    while (l->tasks != NULL) {
        struct lab_task *t = l->tasks;
        l->tasks = t->next;
        free_task(t);
    }
    while (l->params != NULL) {
        struct lab_param *p = l->params;
        l->params = p->next;
        free(p->value);
        free(p->node);
        free(p->set);
        free(p);
    }
    free(l->dir);
    free(l->title);
    free(l->about);
    free(l->topology);
    free(l);
}
