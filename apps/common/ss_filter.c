/* common/ss_filter.c: the filter language of ss(8).
 *
 * The words are joined by blanks and cut again into tokens, since a shell may have been told to
 * keep several together. `state` and `exclude` are taken out on the way. A parser by precedence (or
 * < and < not < brackets), whose depth is bounded, writes the terms in postfix order; so a socket
 * is judged in one pass with a small stack of truths.
 */
#include "common/ss_filter.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/parse.h"
#include "common/services.h"

/* ---- states ---- */

static const struct {
    const char *word, *shown;
} states[SS_STATES] = {
    [SS_ESTAB] = {"established", "ESTAB"},
    [SS_SYN_SENT] = {"syn-sent", "SYN-SENT"},
    [SS_SYN_RECV] = {"syn-recv", "SYN-RECV"},
    [SS_FIN_WAIT_1] = {"fin-wait-1", "FIN-WAIT-1"},
    [SS_FIN_WAIT_2] = {"fin-wait-2", "FIN-WAIT-2"},
    [SS_TIME_WAIT] = {"time-wait", "TIME-WAIT"},
    [SS_CLOSED] = {"closed", "UNCONN"},
    [SS_CLOSE_WAIT] = {"close-wait", "CLOSE-WAIT"},
    [SS_LAST_ACK] = {"last-ack", "LAST-ACK"},
    [SS_LISTEN] = {"listening", "LISTEN"},
    [SS_CLOSING] = {"closing", "CLOSING"},
};

const char *ss_state_word(enum ss_state s)
{
    return states[s].word;
}

int ss_state_find(const char *name)
{
    for (int i = 0; i < SS_STATES; i++)
        if (strcasecmp(name, states[i].word) == 0 || strcasecmp(name, states[i].shown) == 0)
            return i;
    return -1;
}

unsigned ss_state_bits(const char *name)
{
    static const unsigned connected = SS_ALL & ~(SS_BIT(SS_LISTEN) | SS_BIT(SS_CLOSED));
    static const unsigned bucket = SS_BIT(SS_SYN_RECV) | SS_BIT(SS_TIME_WAIT);
    const struct {
        const char *word;
        unsigned bits;
    } groups[] = {{"all", SS_ALL},
                  {"connected", connected},
                  {"synchronized", connected & ~SS_BIT(SS_SYN_SENT)},
                  {"bucket", bucket},
                  {"big", SS_ALL & ~bucket},
                  {"unconnected", SS_BIT(SS_CLOSED)},
                  {"close", SS_BIT(SS_CLOSED)},
                  {"syn-rcv", SS_BIT(SS_SYN_RECV)},
                  {"syn-received", SS_BIT(SS_SYN_RECV)}};
    int s = ss_state_find(name);
    for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
        if (strcasecmp(name, groups[i].word) == 0)
            return groups[i].bits;
    return s >= 0 ? SS_BIT(s) : 0;
}

/* ---- tokens ---- */

#define TOKEN_LEN 64

struct parser {
    struct ss_filter *f;
    int argc;
    char *const *argv;
    int word;       /* where the next token is looked for */
    const char *at; /* within it; NULL: at its beginning */
    char token[TOKEN_LEN];
    bool end; /* there is no token any more */
    bool failed;
    int depth;
    char *msg;
    size_t msg_size;
};

static bool fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct parser *p, const char *fmt, ...)
{
    va_list ap;
    if (!p->failed) {
        va_start(ap, fmt);
        vsnprintf(p->msg, p->msg_size, fmt, ap);
        va_end(ap);
    }
    p->failed = true;
    return false;
}

static bool is_mark(char c)
{
    return c != '\0' && strchr("()!&|=<>", c) != NULL;
}

/* The next token of the words as they are, into p->token. */
static bool scan(struct parser *p)
{
    size_t n = 0;
    for (;; p->at = NULL) {
        while (p->at == NULL && p->word < p->argc)
            p->at = p->argv[p->word++];
        if (p->at == NULL)
            return false;
        while (isspace((unsigned char)*p->at))
            p->at++;
        if (*p->at != '\0')
            break;
    }
    if (is_mark(*p->at)) {
        char c = *p->at++;
        p->token[n++] = c;
        if ((c != '(' && c != ')') && (*p->at == '=' || ((c == '&' || c == '|') && *p->at == c)))
            p->token[n++] = *p->at++;
    } else {
        while (*p->at != '\0' && !isspace((unsigned char)*p->at) && !is_mark(*p->at)) {
            if (n + 1 == TOKEN_LEN)
                return fail(p, "a word of the filter is too long: '%.20s...'", p->token);
            p->token[n++] = *p->at++;
            p->token[n] = '\0';
        }
    }
    p->token[n] = '\0';
    return true;
}

/* The next token of the expression: `state NAME` and `exclude NAME` are done on the way. */
static void advance(struct parser *p)
{
    for (;;) {
        if (p->failed || !scan(p)) {
            p->end = true;
            return;
        }
        bool state = strcmp(p->token, "state") == 0;
        if (!state && strcmp(p->token, "exclude") != 0 && strcmp(p->token, "excl") != 0)
            return;
        if (p->depth > 0) {
            (void)fail(p, "'%s' stands outside of brackets: `state established ( dport = :80 )`",
                       p->token);
        } else if (!scan(p)) {
            (void)fail(p, "the name of a state is missing after '%s'", state ? "state" : "exclude");
        } else {
            unsigned bits = ss_state_bits(p->token), *all = &p->f->states;
            if (bits == 0)
                (void)fail(p,
                           "'%s' is not a state: write established, syn-sent, syn-recv, "
                           "fin-wait-1, fin-wait-2, "
                           "time-wait, closed, close-wait, last-ack, listening, closing, or all, "
                           "connected, "
                           "synchronized, bucket, big",
                           p->token);
            *all = state ? *all | bits : (*all != 0 ? *all : SS_ALL) & ~bits;
            if (*all == 0 && !p->failed)
                (void)fail(p, "no state is left after 'exclude %s'", p->token);
        }
    }
}

static bool is(const struct parser *p, const char *a, const char *b, const char *c)
{
    return !p->end && (strcmp(p->token, a) == 0 || strcmp(p->token, b) == 0 ||
                       (c != NULL && strcmp(p->token, c) == 0));
}

/* ---- terms ---- */

static bool put(struct parser *p, const struct ss_term *t)
{
    if (p->f->n == SS_TERMS)
        return fail(p, "the filter is too long: %d terms and words between them at most", SS_TERMS);
    p->f->term[p->f->n++] = *t;
    return true;
}

static bool put_word(struct parser *p, enum ss_kind kind)
{
    const struct ss_term t = {.kind = (uint8_t)kind};
    return put(p, &t);
}

/* An operator, if one stands here; equality else. */
static enum ss_op read_op(struct parser *p, bool *said)
{
    static const struct {
        const char *word[4];
        enum ss_op op;
    } ops[] = {{{"=", "==", "eq", "eq"}, SS_EQ}, {{"!=", "ne", "neq", "<>"}, SS_NE},
               {{"<", "lt", "lt", "lt"}, SS_LT}, {{"<=", "le", "leq", "le"}, SS_LE},
               {{">", "gt", "gt", "gt"}, SS_GT}, {{">=", "ge", "geq", "ge"}, SS_GE}};
    *said = false;
    for (size_t i = 0; !p->end && i < sizeof(ops) / sizeof(*ops); i++)
        for (int k = 0; k < 4; k++)
            if (strcmp(p->token, ops[i].word[k]) == 0) {
                *said = true;
                advance(p);
                return ops[i].op;
            }
    return SS_EQ;
}

static bool read_port(const char *text, uint16_t *port)
{
    uint32_t n;
    if (parse_u32(text, 65535, &n)) {
        *port = (uint16_t)n;
        return true;
    }
    *port = service_port(text);
    return *port != 0;
}

static bool port_term(struct parser *p, struct ss_term *t, const char *field)
{
    const char *text = p->token[0] == ':'                ? p->token + 1
                       : strncmp(p->token, "*:", 2) == 0 ? p->token + 2
                                                         : p->token;
    t->has_port = true;
    if (!read_port(text, &t->port))
        return fail(
            p,
            "'%s' after '%s' is not a port: write :80 or the name of a well-known service, :http",
            p->token, field);
    return true;
}

/* ADDR, ADDR/LEN, ADDR:PORT, ADDR/LEN:PORT, :PORT, *:PORT, * */
static bool host_term(struct parser *p, struct ss_term *t, const char *field)
{
    char host[TOKEN_LEN], *colon;
    uint8_t plen = 0;
    if (t->op != SS_EQ && t->op != SS_NE)
        return fail(p,
                    "'%s' can only be = or !=: addresses have no order; ports have (sport, dport)",
                    field);
    snprintf(host, sizeof(host), "%s", p->token);
    if ((colon = strchr(host, ':')) != NULL) {
        *colon = '\0';
        t->has_port = strcmp(colon + 1, "*") != 0;
        if (t->has_port && !read_port(colon + 1, &t->port))
            return fail(p,
                        "'%s' in '%s' is not a port: write :80 or the name of a well-known service",
                        colon + 1, p->token);
    }
    if (host[0] != '\0' && strcmp(host, "*") != 0 && strcmp(host, "0/0") != 0 &&
        !parse_prefix(host, &t->addr, &plen))
        return fail(p,
                    "'%s' after '%s' is not an address: write 10.0.0.1, 10.0.0.0/8, 10.0.0.1:80 or "
                    ":80 (names of hosts "
                    "aren't looked up)",
                    p->token, field);
    t->mask = plen == 0 ? 0 : UINT32_MAX << (32 - plen);
    return true;
}

static bool read_term(struct parser *p)
{
    static const struct {
        const char *word;
        enum ss_kind kind;
    } fields[] = {{"src", SS_SRC},     {"dst", SS_DST}, {"sport", SS_SPORT},
                  {"dport", SS_DPORT}, {"dev", SS_DEV}, {"autobound", SS_AUTOBOUND}};
    struct ss_term t = {0};
    size_t k = 0;
    bool said, ok;
    if (p->end)
        return fail(
            p, "a filter is missing after '%s': write src, dst, sport, dport or dev, `dport = :80`",
            p->token);
    while (k < sizeof(fields) / sizeof(*fields) && strcmp(p->token, fields[k].word) != 0)
        k++;
    if (k == sizeof(fields) / sizeof(*fields))
        return fail(p,
                    "'%s' can't begin a filter: write src, dst (ADDR[/LEN][:PORT]), sport, dport "
                    "(= :PORT), dev, "
                    "autobound, or `state NAME`",
                    p->token);
    t.kind = (uint8_t)fields[k].kind;
    advance(p);
    if (t.kind == SS_AUTOBOUND)
        return put(p, &t);
    t.op = (uint8_t)read_op(p, &said);
    if (p->end)
        return fail(p, "%s is missing after '%s'",
                    t.kind == SS_DEV                       ? "the interface's name"
                    : t.kind == SS_SRC || t.kind == SS_DST ? "an address or :PORT"
                                                           : "a port",
                    p->token);
    if (t.kind == SS_DEV) {
        ok = t.op == SS_EQ || t.op == SS_NE || fail(p, "'dev' can only be = or !=");
        if (strlen(p->token) >= sizeof(t.dev))
            ok = fail(p, "'%s' is too long for the name of an interface", p->token);
        else
            snprintf(t.dev, sizeof(t.dev), "%.15s", p->token);
    } else {
        ok = t.kind == SS_SPORT || t.kind == SS_DPORT ? port_term(p, &t, fields[k].word)
                                                      : host_term(p, &t, fields[k].word);
    }
    advance(p);
    return ok && put(p, &t);
}

/* ---- expressions ---- */

static bool read_or(struct parser *p);

static bool read_not(struct parser *p)
{
    bool negate = false;
    while (is(p, "!", "not", NULL)) {
        negate = !negate;
        advance(p);
    }
    if (is(p, "(", "(", NULL)) {
        if (++p->depth > SS_DEPTH)
            return fail(p, "the filter has more than %d brackets inside each other", SS_DEPTH);
        advance(p);
        if (!read_or(p))
            return false;
        if (!is(p, ")", ")", NULL))
            return fail(p,
                        p->end ? "a ) is missing at the end of the filter (after '%s')"
                               : "'%s' stands where a ) is missing",
                        p->token);
        p->depth--; /* before what follows is read: `state` may */
        advance(p);
    } else if (!read_term(p)) {
        return false;
    }
    return !negate || put_word(p, SS_NOT);
}

static bool read_and(struct parser *p)
{
    if (!read_not(p))
        return false;
    while (!p->end && !is(p, "|", "or", "||") && !is(p, ")", ")", NULL)) {
        if (is(p, "&", "and", "&&"))
            advance(p);
        if (!read_not(p) || !put_word(p, SS_AND))
            return false;
    }
    return true;
}

static bool read_or(struct parser *p)
{
    if (!read_and(p))
        return false;
    while (is(p, "|", "or", "||")) {
        advance(p);
        if (!read_and(p) || !put_word(p, SS_OR))
            return false;
    }
    return true;
}

bool ss_filter_parse(struct ss_filter *f, int argc, char *const *argv, char *msg, size_t msg_size)
{
    struct parser p = {.f = f, .argc = argc, .argv = argv, .msg = msg, .msg_size = msg_size};
    f->states = f->n = 0;
    advance(&p);
    if (!p.end && read_or(&p) && !p.end)
        (void)fail(&p, "'%s' closes no bracket", p.token);
    return !p.failed;
}

/* ---- judging ---- */

static bool compare(const struct ss_term *t, uint16_t port)
{
    switch ((enum ss_op)t->op) {
    case SS_NE:
        return port != t->port;
    case SS_LT:
        return port < t->port;
    case SS_LE:
        return port <= t->port;
    case SS_GT:
        return port > t->port;
    case SS_GE:
        return port >= t->port;
    default:
        return port == t->port;
    }
}

static bool same_dev(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

static bool holds(const struct ss_term *t, const struct ss_ends *e)
{
    bool local = t->kind == SS_SRC, same;
    switch ((enum ss_kind)t->kind) {
    case SS_SRC:
    case SS_DST:
        same = (((local ? e->local : e->peer) ^ t->addr) & t->mask) == 0 &&
               (!t->has_port || (local ? e->lport : e->pport) == t->port);
        return same == (t->op == SS_EQ);
    case SS_SPORT:
        return compare(t, e->lport);
    case SS_DPORT:
        return compare(t, e->pport);
    case SS_DEV:
        return (same_dev(e->dev, t->dev) || same_dev(e->out_dev, t->dev)) == (t->op == SS_EQ);
    case SS_AUTOBOUND:
        return e->lport >= e->auto_low && e->lport <= e->auto_high;
    default:
        return false;
    }
}

bool ss_filter_match(const struct ss_filter *f, const struct ss_ends *e)
{
    bool stack[SS_TERMS];
    unsigned n = 0;
    for (unsigned i = 0; i < f->n; i++) {
        const struct ss_term *t = &f->term[i];
        if (t->kind == SS_NOT) {
            stack[n - 1] = !stack[n - 1];
        } else if (t->kind == SS_AND || t->kind == SS_OR) {
            n--;
            stack[n - 1] = t->kind == SS_AND ? stack[n - 1] && stack[n] : stack[n - 1] || stack[n];
        } else {
            stack[n++] = holds(t, e);
        }
    }
    return n == 0 || stack[0];
}
