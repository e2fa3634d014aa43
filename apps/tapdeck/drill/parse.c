/* drill/parse.c: from tokens to a script: options, times, events.
 *
 * Theory of operation. Recursive descent with one token in hand. The language has no statement
 * separator: an event ends where the next time stamp begins, and every production below takes as
 * much as it can. The first error ends the parse, with its place, what stands there and what
 * should. What is well-formed but not supported is noted, the first of it reported, and the parse
 * goes on: such a script can still be explained, and a later syntax error is still found.
 *
 * Times that can't be meant are errors of the script, too: a first event that isn't at 0, an
 * absolute time before one that came earlier in the file or before what must have happened by then,
 * a call that ends before it begins, a range for something the script itself does.
 *
 * A script may be hostile. Its length is limited (DRILL_TEXT_MAX), nesting is (DRILL_DEPTH_MAX),
 * the tree's size is in proportion to the length, and no token is looked at more often than a fixed
 * number of times.
 */
#include "tapdeck/drill/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

static void place(struct drill_error *e, const struct token *t)
{
    e->line = t->line;
    e->col = t->col;
    if (t->line > 0)
        token_name(t, e->found, sizeof(e->found));
}

bool parse_refuse(struct parser *p, const struct token *t, const char *expect, const char *fmt, ...)
{
    va_list ap;
    p->err->verdict = DRILL_SYNTAX;
    place(p->err, t);
    snprintf(p->err->expected, sizeof(p->err->expected), "%s", expect);
    va_start(ap, fmt);
    vsnprintf(p->err->text, sizeof(p->err->text), fmt, ap);
    va_end(ap);
    return false;
}

bool parse_expected(struct parser *p, const char *what)
{
    char found[96];
    if (p->t.kind == TOKEN_BAD)
        return parse_refuse(p, &p->t, what, "%s", p->t.problem);
    token_name(&p->t, found, sizeof(found));
    return parse_refuse(p, &p->t, what, "found %s, expected %s", found, what);
}

void parse_unsupported(struct parser *p, const struct token *t, const char *fmt, ...)
{
    va_list ap;
    p->s->unsupported = true;
    if (p->unsupported.verdict == DRILL_UNSUPPORTED)
        return;
    p->unsupported.verdict = DRILL_UNSUPPORTED;
    place(&p->unsupported, t);
    va_start(ap, fmt);
    vsnprintf(p->unsupported.text, sizeof(p->unsupported.text), fmt, ap);
    va_end(ap);
}

/* ---- tokens ---- */

void parse_next(struct parser *p)
{
    lex_next(&p->lex, &p->t);
}

struct token parse_peek(const struct parser *p)
{
    struct lexer ahead = p->lex;
    struct token t;
    lex_next(&ahead, &t);
    return t;
}

bool parse_punct(struct parser *p, char c, const char *what)
{
    if (!token_punct(&p->t, c))
        return parse_expected(p, what);
    parse_next(p);
    return true;
}

bool parse_word(struct parser *p, const char *word)
{
    char what[40];
    if (!token_is(&p->t, word)) {
        snprintf(what, sizeof(what), "'%s'", word);
        return parse_expected(p, what);
    }
    parse_next(p);
    return true;
}

void *parse_take(struct parser *p, size_t n)
{
    void *m = arena_alloc(p->arena, n);
    p->no_memory |= m == NULL;
    return m;
}

char *parse_copy(struct parser *p, const char *s, size_t n)
{
    char *c = arena_copy(p->arena, s, n);
    p->no_memory |= c == NULL;
    return c;
}

bool parse_number(struct parser *p, uint64_t max, const char *what, uint64_t *v)
{
    uint64_t n = 0;
    char range[100];
    if (p->t.kind != TOKEN_INT)
        return parse_expected(p, what);
    bool ok = p->t.s[0] != '-';
    for (size_t i = 0; ok && i < p->t.n; i++) {
        uint64_t d = (uint64_t)(p->t.s[i] - '0');
        ok = n <= (max - d) / 10;
        n = ok ? n * 10 + d : n;
    }
    if (!ok) {
        snprintf(range, sizeof(range), "%s from 0 to %llu", what, (unsigned long long)max);
        return parse_expected(p, range);
    }
    *v = n;
    parse_next(p);
    return true;
}

bool parse_u16(struct parser *p, const char *what, uint16_t *v)
{
    uint64_t n;
    if (!parse_number(p, UINT16_MAX, what, &n))
        return false;
    *v = (uint16_t)n;
    return true;
}

bool parse_seq(struct parser *p, const char *what, uint32_t *v)
{
    uint64_t n;
    if (!parse_number(p, UINT32_MAX, what, &n))
        return false;
    *v = (uint32_t)n;
    return true;
}

/* ---- options ---- */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value behind `=`, which isn't made of the language's tokens (10.0.0.1/16): up to a blank, or
 * enclosed in quotes. */
static bool option_value(struct parser *p, char **value)
{
    struct lexer *l = &p->lex;
    *value = NULL;
    if (l->p == l->end || *l->p != '=')
        return true;
    const char *from = ++l->p;
    char quote = 0;
    while (l->p < l->end && *l->p != '\n' && (quote != 0 || !blank(*l->p))) {
        if (*l->p == '"' || *l->p == '`')
            quote = quote == 0 ? *l->p : quote == *l->p ? '\0' : quote;
        l->p++;
    }
    if (l->p == from || quote != 0)
        return parse_refuse(p, &p->t, "a value behind '='",
                            "the option %.*s has no value behind its '='",
                            (int)(p->t.n < 40 ? p->t.n : 40), p->t.s);
    *value = parse_copy(p, from, (size_t)(l->p - from));
    return *value != NULL;
}

static bool add_define(struct parser *p, char *value)
{
    char *eq = value != NULL ? strchr(value, '=') : NULL;
    if (eq == NULL || eq == value || !lex_define_ok(eq + 1))
        return parse_refuse(
            p, &p->t, "--define=NAME=value",
            "--define needs NAME=value, where value is one integer, word, \"string\" or "
            "`command`");
    if (p->defines.n == DEFINES_MAX)
        return parse_refuse(p, &p->t, "", "a script has at most %d definitions", DEFINES_MAX);
    *eq = '\0';
    p->define[p->defines.n++] = (struct drill_define){.name = value, .value = eq + 1};
    return true;
}

static bool parse_option(struct parser *p)
{
    struct token t = p->t;
    char name[40], *value;
    if (t.body_n >= sizeof(name))
        return parse_expected(p, "an option such as --tolerance_usecs=N");
    memcpy(name, t.body, t.body_n);
    name[t.body_n] = '\0';
    if (!option_value(p, &value))
        return false;
    if (strcmp(name, "define") == 0) {
        if (!add_define(p, value))
            return false;
    } else {
        struct drill_error e = {0};
        enum drill_verdict v = drill_option_set(&p->s->options, name, value, &e);
        if (v == DRILL_SYNTAX)
            return parse_refuse(p, &t, e.expected, "%s", e.text);
        if (v == DRILL_UNSUPPORTED)
            parse_unsupported(p, &t, "%s", e.text);
    }
    parse_next(p);
    return true;
}

/* ---- times ---- */

static bool time_number(const struct token *t)
{
    return (t->kind == TOKEN_INT || t->kind == TOKEN_FLOAT) && t->s[0] != '-';
}

bool parse_duration(struct parser *p, int64_t *us)
{
    int64_t seconds = 0, fraction = 0, unit = 1000000;
    size_t i = 0;
    if (!time_number(&p->t))
        return parse_expected(p, "a time in seconds, such as 0.25");
    for (; i < p->t.n && p->t.s[i] != '.'; i++) {
        seconds = seconds * 10 + (p->t.s[i] - '0');
        if (seconds > TIME_MAX)
            return parse_refuse(p, &p->t, "a time of at most 10000000 seconds",
                                "no time in a script is more than %d seconds", TIME_MAX);
    }
    for (i++; i < p->t.n; i++) {
        if (unit == 1) { /* the seventh digit rounds, those behind it don't count */
            fraction += p->t.s[i] >= '5';
            break;
        }
        unit /= 10;
        fraction += (p->t.s[i] - '0') * unit;
    }
    *us = seconds * 1000000 + fraction;
    parse_next(p);
    return true;
}

static bool parse_time(struct parser *p, struct drill_event *e)
{
    static const char what[] = "a time (0.25, +0.1, +.9~+1.1 or *)";
    if (token_punct(&p->t, '*')) {
        e->time = DRILL_ANY;
        parse_next(p);
        return true;
    }
    bool relative = token_punct(&p->t, '+');
    if (relative)
        parse_next(p);
    else if (!time_number(&p->t))
        return parse_expected(p, what);
    e->time = relative ? DRILL_RELATIVE : DRILL_ABSOLUTE;
    if (!parse_duration(p, &e->at))
        return false;
    e->until = e->at;
    if (!token_punct(&p->t, '~'))
        return true;
    parse_next(p);
    if (relative && !parse_punct(p, '+', "'+' and a time: both ends of a relative range have it"))
        return false;
    struct token end = p->t;
    if (!parse_duration(p, &e->until))
        return false;
    if (e->until < e->at)
        return parse_refuse(p, &end, "an end that is not before the beginning",
                            "this range of times ends before it begins");
    e->time = relative ? DRILL_RELATIVE_RANGE : DRILL_ABSOLUTE_RANGE;
    return true;
}

static bool is_outbound(const struct drill_event *e)
{
    return e->kind == DRILL_PACKET && !e->packet.inbound;
}

/* Of an event whose time stamp begins at `t`: can it be meant? */
static bool check_time(struct parser *p, const struct drill_event *e, const struct token *t)
{
    bool range = e->time == DRILL_ABSOLUTE_RANGE || e->time == DRILL_RELATIVE_RANGE;
    bool absolute = e->time == DRILL_ABSOLUTE || e->time == DRILL_ABSOLUTE_RANGE;
    if ((range || e->time == DRILL_ANY) && !is_outbound(e))
        return parse_refuse(
            p, t, "one time, such as +0.1",
            "%s is for packets the stack sends (>): what the script does itself needs one "
            "time, such as +0.1",
            range ? "a range of times" : "the time *");
    if (!p->begun && (e->at != 0 || range || e->time == DRILL_ANY))
        return parse_refuse(p, t, "0", "the first event must be at time 0");
    if (absolute) {
        int64_t least = is_outbound(e) || p->floor < p->last_absolute ? p->last_absolute : p->floor;
        if (e->at < least)
            return parse_refuse(p, t, "a time that is not earlier",
                                "time goes backwards here: by now it is at least %lld.%06lld",
                                (long long)(least / 1000000), (long long)(least % 1000000));
        p->last_absolute = e->at;
        if (!is_outbound(e))
            p->floor = e->at;
    } else if (!is_outbound(e)) {
        p->floor += e->at;
    }
    p->total += e->until;
    if (p->total > DURATION_MAX)
        return parse_refuse(p, t, "shorter times",
                            "the times of this script add up to more than 31 years");
    return true;
}

/* "...0.3" between the time stamp and the name of a call. */
static bool parse_end(struct parser *p, struct drill_event *e)
{
    if (p->t.kind != TOKEN_ELLIPSIS)
        return true;
    parse_next(p);
    struct token t = p->t;
    if (!parse_duration(p, &e->call.end))
        return false;
    e->call.blocking = true;
    if (e->call.end < e->at)
        return parse_refuse(p, &t, "an end that is not before the beginning",
                            "this call ends before it begins");
    return true;
}

/* ---- events ---- */

static struct drill_event *new_event(struct parser *p)
{
    struct drill_script *s = p->s;
    if (s->nevents == p->event_cap) {
        size_t cap = p->event_cap == 0 ? 16 : 2 * p->event_cap;
        struct drill_event *more = realloc(s->event, cap * sizeof(*more));
        if (more == NULL) {
            p->no_memory = true;
            return NULL;
        }
        s->event = more;
        p->event_cap = cap;
    }
    struct drill_event *e = &s->event[s->nevents];
    memset(e, 0, sizeof(*e));
    return e;
}

/* Code is run later, but read now: its errors are the script's. */
static bool parse_code(struct parser *p, struct drill_event *e, const struct token *t)
{
    struct drill_error err;
    struct token at = *t;
    e->code = parse_copy(p, t->body, t->body_n);
    if (e->code == NULL)
        return false;
    enum drill_verdict v = drill_eval_check(e->code, e->code_line, &err);
    if (v == DRILL_PASSED)
        return true;
    if (err.line != t->line) { /* a line of its own: its column is not known */
        at.line = err.line;
        at.col = 1;
    }
    if (v == DRILL_UNSUPPORTED) {
        parse_unsupported(p, &at, "%s", err.text);
        return true;
    }
    return parse_refuse(p, &at, err.expected, "%s", err.text);
}

static bool parse_action(struct parser *p, struct drill_event *e, bool *skipped)
{
    const struct token t = p->t;
    switch (t.kind) {
    case TOKEN_SHELL:
        e->kind = DRILL_SHELL;
        e->shell = parse_copy(p, t.body, t.body_n);
        parse_next(p);
        return e->shell != NULL;
    case TOKEN_CODE:
        e->kind = DRILL_CODE;
        e->code_line = t.body_line;
        parse_next(p);
        return parse_code(p, e, &t);
    case TOKEN_WORD:
    case TOKEN_ELLIPSIS:
        e->kind = DRILL_SYSCALL;
        return parse_end(p, e) && parse_call(p, &e->call);
    case TOKEN_PUNCT:
        if (t.punct == '<' || t.punct == '>') {
            e->kind = DRILL_PACKET;
            return parse_packet(p, &e->packet, skipped);
        }
        break;
    default:
        break;
    }
    return parse_expected(p, "'<', '>', a system call, %{ code }% or a `command`");
}

static bool parse_event(struct parser *p)
{
    struct token t = p->t;
    struct drill_event *e = new_event(p);
    bool skipped = false;
    if (e == NULL)
        return false;
    e->line = t.line;
    e->col = t.col;
    if (!parse_time(p, e) || !parse_action(p, e, &skipped) || !check_time(p, e, &t))
        return false;
    p->begun = true;
    p->s->nevents += !skipped;
    return true;
}

static bool parse_command(struct parser *p, char **command, unsigned *line)
{
    if (p->t.kind != TOKEN_SHELL)
        return true;
    *line = p->t.line;
    *command = parse_copy(p, p->t.body, p->t.body_n);
    parse_next(p);
    return *command != NULL;
}

static bool parse_script(struct parser *p)
{
    parse_next(p);
    while (p->t.kind == TOKEN_OPTION) {
        if (!parse_option(p))
            return false;
    }
    if (!parse_command(p, &p->s->init, &p->s->init_line))
        return false;
    do {
        if (!parse_event(p))
            return false;
    } while (p->t.kind != TOKEN_END && p->t.kind != TOKEN_SHELL);
    if (!parse_command(p, &p->s->cleanup, &p->s->cleanup_line))
        return false;
    if (p->t.kind != TOKEN_END)
        return parse_expected(
            p, "the end of the file: a command without a time is the last of a script");
    return true;
}

/* ---- the whole ---- */

static bool defines_ok(struct parser *p, const struct drill_defines *defs)
{
    for (size_t i = 0; defs != NULL && i < defs->n; i++) {
        if (!lex_define_ok(defs->list[i].value)) {
            struct token none = {0};
            return parse_refuse(
                p, &none, "an integer, word, \"string\" or `command`",
                "-D %s: its value must be one integer, word, \"string\" or `command`",
                defs->list[i].name);
        }
    }
    return true;
}

/* Bodies are kept as strings with a NUL at their end: there must be none within. */
static bool text_ok(struct parser *p, const char *text, size_t len)
{
    const char *nul = len > 0 ? memchr(text, '\0', len) : NULL;
    struct token at = {.kind = TOKEN_BAD, .line = 1, .s = nul, .n = 1};
    const char *line = text;
    if (nul == NULL)
        return true;
    for (const char *c = text; c < nul; c++) {
        if (*c == '\n') {
            at.line++;
            line = c + 1;
        }
    }
    at.col = (unsigned)(nul - line) + 1;
    return parse_refuse(p, &at, "ASCII text",
                        "a script is ASCII text: a zero byte has no place in it");
}

static bool parse_all(struct parser *p, const char *name, const char *text, size_t len,
                      const struct drill_defines *defs)
{
    struct token none = {0};
    p->s->name = parse_copy(p, name, strlen(name));
    if (p->s->name == NULL)
        return false;
    if (len > DRILL_TEXT_MAX)
        return parse_refuse(p, &none, "at most 1 MiB",
                            "a script has at most 1 MiB, this one has more");
    return text_ok(p, text, len) && defines_ok(p, defs) && parse_script(p);
}

enum drill_verdict drill_parse(const char *name, const char *text, size_t len,
                               const struct drill_defines *defs, struct drill_script **out,
                               struct drill_error *err)
{
    struct parser *p = calloc(1, sizeof(*p));
    struct drill_script *s = calloc(1, sizeof(*s));
    struct drill_arena *arena = arena_new();
    *out = NULL;
    memset(err, 0, sizeof(*err));
    err->verdict = DRILL_NO_MEMORY;
    snprintf(err->text, sizeof(err->text), "there is no memory for this script");
    if (p == NULL || s == NULL || arena == NULL) {
        free(p);
        free(s);
        arena_free(arena);
        return DRILL_NO_MEMORY;
    }
    s->arena = arena;
    p->arena = arena;
    p->s = s;
    p->err = err;
    drill_options_default(&s->options);
    lex_init(&p->lex, text, len);
    p->lex.defs[0] = defs;
    p->lex.defs[1] = &p->defines;
    p->defines.list = p->define;
    if (parse_all(p, name, text, len, defs)) {
        *err = p->unsupported;
        *out = s;
    } else {
        drill_free(s);
    }
    free(p);
    return err->verdict;
}

void drill_free(struct drill_script *s)
{
    if (s == NULL)
        return;
    free(s->event);
    arena_free(s->arena);
    free(s);
}
