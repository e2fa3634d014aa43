/* drill/parse_call.c: system calls and their arguments.
 *
 *     call := name '(' [expr {',' expr}] ')' '=' result [ERRNO '(' words ')'] ['(' words ')']
 *
 * Theory of operation. Arguments are parsed without knowledge of the call: lists, structs, fields,
 * strings and constants nest up to a limit. Constants get their values here; a name that is none
 * makes the script unsupported (Linux has more of them than anyone lists), and so does a call that
 * no runner has. What the arguments mean is the runner's business.
 */
#include "tapdeck/drill/parse.h"

#include "common/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Growing lists are built on the C heap and copied into the arena when they are complete. */
struct items {
    struct drill_expr **v;
    size_t n, cap;
};

static bool items_add(struct parser *p, struct items *l, struct drill_expr *e)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 8 : 2 * l->cap;
        struct drill_expr **v = realloc(l->v, cap * sizeof(struct drill_expr *));
        if (v == NULL) {
            p->no_memory = true;
            return false;
        }
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = e;
    return true;
}

/* Into the arena. Gives the list's memory back either way. */
static bool items_keep(struct parser *p, struct items *l, struct drill_expr ***v, size_t *n)
{
    bool ok = true;
    *v = NULL;
    *n = 0;
    if (l->n > 0) {
        *v = parse_take(p, l->n * sizeof(struct drill_expr *));
        ok = *v != NULL;
        if (ok) {
            memcpy(*v, l->v, l->n * sizeof(struct drill_expr *));
            *n = l->n;
        }
    }
    free(l->v);
    return ok;
}

static struct drill_expr *new_expr(struct parser *p, enum drill_expr_kind kind)
{
    struct drill_expr *e = parse_take(p, sizeof(*e));
    if (e != NULL) {
        e->kind = kind;
        e->line = p->t.line;
        e->col = p->t.col;
    }
    return e;
}

static bool set_items(struct parser *p, struct drill_expr *e, struct drill_expr *a,
                      struct drill_expr *b)
{
    e->item = parse_take(p, 2 * sizeof(struct drill_expr *));
    if (e->item == NULL)
        return false;
    e->item[0] = a;
    e->item[1] = b;
    e->nitems = b == NULL ? 1 : 2;
    return true;
}

static struct drill_expr *parse_expr(struct parser *p, unsigned depth);

/* "a, b, c)" from behind the opening bracket; the closing one is taken. */
static bool parse_list(struct parser *p, char close, unsigned depth, struct drill_expr ***v,
                       size_t *n)
{
    struct items l = {0};
    char what[30];
    snprintf(what, sizeof(what), "',' or '%c'", close);
    bool ok = true;
    while (ok && !(l.n == 0 && token_punct(&p->t, close))) {
        struct drill_expr *e = parse_expr(p, depth);
        ok = e != NULL && items_add(p, &l, e);
        if (!ok || !token_punct(&p->t, ','))
            break;
        parse_next(p);
    }
    return items_keep(p, &l, v, n) && ok && parse_punct(p, close, what);
}

/* ---- numbers and constants ---- */

static bool int_value(struct parser *p, struct drill_expr *e)
{
    char digits[32];
    char *end;
    if (p->t.n >= sizeof(digits))
        return parse_expected(p, "a number that fits 64 bits");
    memcpy(digits, p->t.s, p->t.n);
    digits[p->t.n] = '\0';
    errno = 0;
    e->is_hex = p->t.kind == TOKEN_HEX;
    e->num = e->is_hex ? (int64_t)strtoull(digits, &end, 16) : strtoll(digits, &end, 10);
    if (errno != 0)
        return parse_expected(p, "a number that fits 64 bits");
    return true;
}

static bool constant_value(struct parser *p, struct drill_expr *e)
{
    e->text = parse_copy(p, p->t.s, p->t.n);
    e->text_len = p->t.n;
    if (e->text == NULL)
        return false;
    if (!drill_symbol(e->text, &e->num))
        parse_unsupported(p, &p->t, "there is no constant '%.60s' here", e->text);
    return true;
}

static struct drill_expr *parse_constant(struct parser *p)
{
    bool word = p->t.kind == TOKEN_WORD;
    struct drill_expr *e = new_expr(p, word ? DRILL_WORD : DRILL_INT);
    if (e == NULL || !(word ? constant_value(p, e) : int_value(p, e)))
        return NULL;
    parse_next(p);
    return e;
}

static bool constant_token(const struct token *t)
{
    return t->kind == TOKEN_WORD || t->kind == TOKEN_INT || t->kind == TOKEN_HEX;
}

/* A|B|0x800 */
static struct drill_expr *parse_or(struct parser *p)
{
    struct drill_expr *all = new_expr(p, DRILL_OR);
    struct drill_expr *first = all != NULL ? parse_constant(p) : NULL;
    if (first == NULL || !token_punct(&p->t, '|'))
        return first;
    struct items l = {0};
    bool ok = items_add(p, &l, first);
    all->num = first->num;
    while (ok && token_punct(&p->t, '|')) {
        parse_next(p);
        ok = constant_token(&p->t) || parse_expected(p, "a constant or a number behind '|'");
        struct drill_expr *e = ok ? parse_constant(p) : NULL;
        ok = e != NULL && items_add(p, &l, e);
        all->num |= ok ? e->num : 0;
    }
    return items_keep(p, &l, &all->item, &all->nitems) && ok ? all : NULL;
}

/* ---- strings ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The string's bytes behind those of e; \" and \\ stand for " and \, \xHH for a byte. */
static bool add_string(struct parser *p, struct drill_expr *e)
{
    char *s = parse_take(p, e->text_len + p->t.body_n + 1);
    if (s == NULL)
        return false;
    if (e->text_len > 0)
        memcpy(s, e->text, e->text_len);
    const char *b = p->t.body;
    for (size_t i = 0; i < p->t.body_n; i++) {
        bool escape = b[i] == '\\' && i + 1 < p->t.body_n && (b[i + 1] == '"' || b[i + 1] == '\\');
        if (b[i] == '\\' && i + 3 < p->t.body_n && b[i + 1] == 'x' && hex_value(b[i + 2]) >= 0 &&
            hex_value(b[i + 3]) >= 0) {
            s[e->text_len++] = (char)(hex_value(b[i + 2]) << 4 | hex_value(b[i + 3]));
            i += 3;
            continue;
        }
        s[e->text_len++] = b[i + escape];
        i += escape;
    }
    e->text = s;
    return true;
}

#define STRINGS_MAX 64 /* adjacent: each is copied again with the next */

static struct drill_expr *parse_string(struct parser *p)
{
    struct drill_expr *e = new_expr(p, DRILL_STRING);
    unsigned n = 0;
    if (e == NULL)
        return NULL;
    while (p->t.kind == TOKEN_STRING) {
        if (++n > STRINGS_MAX) {
            parse_expected(p, "no more than 64 adjacent strings");
            return NULL;
        }
        if (!add_string(p, e))
            return NULL;
        parse_next(p);
    }
    return e;
}

/* ---- names: name(…), name = value, name(arg) = value ---- */

static struct drill_expr *parse_named(struct parser *p, unsigned depth)
{
    struct drill_expr *e = new_expr(p, DRILL_CALL);
    if (e == NULL)
        return NULL;
    e->text = parse_copy(p, p->t.s, p->t.n);
    e->text_len = p->t.n;
    if (e->text == NULL)
        return NULL;
    parse_next(p);
    struct drill_expr *arg = NULL;
    if (token_punct(&p->t, '(')) {
        parse_next(p);
        if (!parse_list(p, ')', depth + 1, &e->item, &e->nitems))
            return NULL;
        if (!token_punct(&p->t, '='))
            return e;
        if (e->nitems != 1) {
            parse_expected(p, "',' (a field has one thing in its parentheses)");
            return NULL;
        }
        arg = e->item[0];
    }
    parse_next(p); /* '=' */
    e->kind = DRILL_FIELD;
    struct drill_expr *value = parse_expr(p, depth + 1);
    return value != NULL && set_items(p, e, value, arg) ? e : NULL;
}

/* ---- expressions ---- */

static struct drill_expr *parse_bracket(struct parser *p, unsigned depth)
{
    bool list = token_punct(&p->t, '[');
    struct drill_expr *e = new_expr(p, list ? DRILL_LIST : DRILL_STRUCT);
    if (e == NULL)
        return NULL;
    parse_next(p);
    return parse_list(p, list ? ']' : '}', depth + 1, &e->item, &e->nitems) ? e : NULL;
}

/* NULL: the parse is over. */
static struct drill_expr *parse_expr(struct parser *p, unsigned depth)
{
    if (depth > DRILL_DEPTH_MAX) {
        parse_expected(p, "no more than 16 levels of brackets");
        return NULL;
    }
    if (p->t.kind == TOKEN_ELLIPSIS) {
        struct drill_expr *e = new_expr(p, DRILL_ELLIPSIS);
        parse_next(p);
        return e;
    }
    if (p->t.kind == TOKEN_STRING)
        return parse_string(p);
    if (token_punct(&p->t, '[') || token_punct(&p->t, '{'))
        return parse_bracket(p, depth);
    if (constant_token(&p->t)) {
        struct token after = parse_peek(p);
        bool named =
            p->t.kind == TOKEN_WORD && (token_punct(&after, '(') || token_punct(&after, '='));
        return named ? parse_named(p, depth) : parse_or(p);
    }
    parse_expected(p, "an argument: a number, a constant, a string, [..], {..} or ...");
    return NULL;
}

/* ---- the call ---- */

/* Those a runner may have. */
static bool known_call(const char *name)
{
    static const char *const names[] = {
        "socket",      "bind",         "listen",        "connect",   "accept",     "accept4",
        "read",        "readv",        "recv",          "recvfrom",  "recvmsg",    "write",
        "writev",      "send",         "sendto",        "sendmsg",   "close",      "shutdown",
        "fcntl",       "setsockopt",   "getsockopt",    "ioctl",     "poll",       "getpeername",
        "getsockname", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* "(words)", in which anything may stand but ')'. The parser is at the '('. */
static bool parse_note(struct parser *p, char **note)
{
    struct lexer *l = &p->lex;
    const char *from = l->p;
    while (l->p < l->end && *l->p != ')') {
        if (*l->p++ == '\n') {
            l->line++;
            l->line_start = l->p;
        }
    }
    if (l->p == l->end) {
        parse_next(p);
        return parse_expected(p, "')' at the end of the note");
    }
    *note = parse_copy(p, from, (size_t)(l->p - from));
    l->p++;
    parse_next(p);
    return *note != NULL;
}

static bool parse_error(struct parser *p, struct drill_call *c)
{
    int64_t v;
    if (c->result->kind != DRILL_INT || c->result->num != -1)
        return parse_expected(p, "the next event: only the result -1 has an errno behind it");
    c->error = parse_copy(p, p->t.s, p->t.n);
    if (c->error == NULL)
        return false;
    if (c->error[0] == 'E' && drill_symbol(c->error, &v))
        c->error_num = (int)v;
    else
        parse_unsupported(p, &p->t, "there is no error '%.60s' here", c->error);
    parse_next(p);
    if (!token_punct(&p->t, '('))
        return parse_expected(p, "'(' and a note: an errno is followed by words in parentheses");
    return parse_note(p, &c->note);
}

static bool parse_result(struct parser *p, struct drill_call *c)
{
    if (p->t.kind == TOKEN_ELLIPSIS) {
        c->result = new_expr(p, DRILL_ELLIPSIS);
        parse_next(p);
    } else if (constant_token(&p->t)) {
        c->result = parse_or(p);
    } else {
        return parse_expected(p, "the result of the call: a number, a constant or ...");
    }
    if (c->result == NULL)
        return false;
    if (p->t.kind == TOKEN_WORD)
        return parse_error(p, c);
    return token_punct(&p->t, '(') ? parse_note(p, &c->note) : true;
}

bool parse_call(struct parser *p, struct drill_call *c)
{
    if (p->t.kind != TOKEN_WORD)
        return parse_expected(p, "the name of a system call");
    struct token name = p->t;
    c->name = parse_copy(p, p->t.s, p->t.n);
    if (c->name == NULL)
        return false;
    parse_next(p);
    if (!parse_punct(p, '(', "'(' behind the name of the call"))
        return false;
    if (!known_call(c->name))
        parse_unsupported(p, &name, "the call %.60s() is not supported", c->name);
    return parse_list(p, ')', 1, &c->arg, &c->nargs) &&
           parse_punct(p, '=', "'=' and the result of the call") && parse_result(p, c);
}

/* ---- reading the tree ---- */

bool drill_expr_int(const struct drill_expr *e, int64_t *v)
{
    td_ip4 a;
    switch (e->kind) {
    case DRILL_INT:
    case DRILL_WORD:
    case DRILL_OR:
        *v = e->num;
        return true;
    case DRILL_LIST:
        return e->nitems == 1 && e->item[0]->kind != DRILL_LIST && drill_expr_int(e->item[0], v);
    case DRILL_CALL:
        if (e->nitems != 1)
            return false;
        if (strcmp(e->text, "inet_addr") == 0 && e->item[0]->kind == DRILL_STRING &&
            parse_ip4(e->item[0]->text, &a)) {
            *v = a;
            return true;
        }
        return (strcmp(e->text, "htons") == 0 || strcmp(e->text, "htonl") == 0) &&
               e->item[0]->kind != DRILL_CALL && drill_expr_int(e->item[0], v);
    default:
        return false;
    }
}

const struct drill_expr *drill_expr_field(const struct drill_expr *e, const char *name,
                                          const struct drill_expr **arg)
{
    if (arg != NULL)
        *arg = NULL;
    for (size_t i = 0; e->kind == DRILL_STRUCT && i < e->nitems; i++) {
        const struct drill_expr *f = e->item[i];
        if (f->kind != DRILL_FIELD || strcmp(f->text, name) != 0)
            continue;
        if (arg != NULL && f->nitems > 1)
            *arg = f->item[1];
        return f->item[0];
    }
    return NULL;
}
