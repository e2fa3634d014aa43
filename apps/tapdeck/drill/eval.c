/* drill/eval.c: code blocks: the little of Python that scripts use.
 *
 * Theory of operation. A block is parsed and evaluated in one pass, by recursive descent with
 * Python's precedences. Values are integers of 64 bits; a result that doesn't fit is an error, not
 * a wrong number. Where Python wouldn't evaluate (the right side of `and`), the same code runs with
 * `skip` set: it still sees syntax errors, but looks nothing up.
 *
 * A false assertion is told with the values of the names in it: "assert tcpi_snd_cwnd == 11 doesn't
 * hold: tcpi_snd_cwnd is 10". Strings occur only as messages: in print() and behind an assertion's
 * comma, where '%d' % x is understood.
 */
#include "tapdeck/drill/drill.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_  64  /* bytes of a name, with its NUL */
#define VARS_MAX   256 /* variables of a script */
#define EVAL_DEPTH 40  /* of parentheses and signs */
#define SEEN_MAX   8   /* names of an assertion that are told */

struct var {
    char name[NAME_MAX_];
    int64_t value;
};
struct drill_vars {
    size_t n;
    struct var var[VARS_MAX];
};

struct drill_vars *drill_vars_new(void)
{
    return calloc(1, sizeof(struct drill_vars));
}

void drill_vars_free(struct drill_vars *v)
{
    free(v);
}

enum lexeme { L_END, L_NEWLINE, L_INT, L_NAME, L_STRING, L_OP };

struct eval {
    struct drill_vars *vars;
    const char *p; /* behind the token in hand */
    unsigned line;
    unsigned brackets; /* open: newlines don't count */
    unsigned depth, skip;
    drill_lookup *lookup;
    void *ctx;
    struct text *printed;
    struct drill_error *err;
    /* the token in hand */
    enum lexeme kind;
    const char *s;
    size_t n;
    int64_t value;
    /* the names of this statement and their values */
    struct var seen[SEEN_MAX];
    size_t nseen;
};

/* ---- errors ---- */

static bool fail(struct eval *e, enum drill_verdict v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(struct eval *e, enum drill_verdict v, const char *fmt, ...)
{
    va_list ap;
    if (e->err->verdict != DRILL_PASSED)
        return false;
    e->err->verdict = v;
    e->err->line = e->line;
    va_start(ap, fmt);
    vsnprintf(e->err->text, sizeof(e->err->text), fmt, ap);
    va_end(ap);
    return false;
}

static bool expected(struct eval *e, const char *what)
{
    const char *found = e->kind == L_END ? "the end of the block" : "the end of the line";
    snprintf(e->err->expected, sizeof(e->err->expected), "%s", what);
    if (e->kind == L_END || e->kind == L_NEWLINE)
        return fail(e, DRILL_SYNTAX, "in the code block: found %s, expected %s", found, what);
    snprintf(e->err->found, sizeof(e->err->found), "'%.*s'", (int)(e->n < 40 ? e->n : 40), e->s);
    return fail(e, DRILL_SYNTAX, "in the code block: found '%.*s', expected %s",
                (int)(e->n < 40 ? e->n : 40), e->s, what);
}

/* ---- tokens ---- */

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool scan_number(struct eval *e)
{
    bool hex = e->s[0] == '0' && (e->s[1] == 'x' || e->s[1] == 'X');
    unsigned base = hex ? 16 : 10;
    uint64_t v = 0;
    size_t i = hex ? 2 : 0;
    for (; name_char(e->s[i]); i++) {
        char c = e->s[i];
        unsigned d = digit(c)               ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                            : 99;
        if (c == '_')
            continue;
        if (d >= base)
            return fail(e, DRILL_UNSUPPORTED, "in the code block: only integers are supported");
        if (v > ((uint64_t)INT64_MAX - d) / base)
            return fail(e, DRILL_UNSUPPORTED, "in the code block: a number of more than 64 bits");
        v = v * base + d;
    }
    if (e->s[i] == '.')
        return fail(e, DRILL_UNSUPPORTED, "in the code block: only integers are supported");
    e->kind = L_INT;
    e->n = i;
    e->value = (int64_t)v;
    return true;
}

static bool scan_string(struct eval *e)
{
    char quote = e->s[0];
    size_t i = 1;
    while (e->s[i] != quote && e->s[i] != '\0' && e->s[i] != '\n')
        i += e->s[i] == '\\' && e->s[i + 1] != '\0' ? 2 : 1;
    if (e->s[i] != quote)
        return fail(e, DRILL_SYNTAX, "in the code block: a string has no end");
    e->kind = L_STRING;
    e->n = i + 1;
    return true;
}

/* Behind a backslash: is it the last of its line? (Blanks behind it are forgiven.) */
static bool continues(const char *s)
{
    return s[strspn(s, " \t\r")] == '\n' || s[strspn(s, " \t\r")] == '\0';
}

/* Blanks, comments, continued lines; within brackets newlines, too. */
static void skip_blank(struct eval *e)
{
    for (;; e->p++) {
        if (*e->p == '#') {
            while (e->p[1] != '\n' && e->p[1] != '\0')
                e->p++;
        } else if (*e->p == '\\' && continues(e->p + 1)) {
            while (*e->p != '\n' && e->p[1] != '\0')
                e->p++;
            e->line += *e->p == '\n';
        } else if (*e->p == '\n' && e->brackets > 0) {
            e->line++;
        } else if (*e->p != ' ' && *e->p != '\t' && *e->p != '\r') {
            return;
        }
    }
}

static bool next(struct eval *e)
{
    static const char *const two[] = {"==", "!=", "<=", ">=", "//", "+=", "-=", "<<", ">>", "**"};
    skip_blank(e);
    e->s = e->p;
    e->n = 1;
    char c = *e->p;
    if (c == '\0') {
        e->kind = L_END;
        e->n = 0;
    } else if (c == '\n') {
        e->kind = L_NEWLINE;
    } else if (digit(c)) {
        if (!scan_number(e))
            return false;
    } else if (name_char(c)) {
        e->kind = L_NAME;
        while (name_char(e->s[e->n]))
            e->n++;
    } else if (c == '"' || c == '\'') {
        if (!scan_string(e))
            return false;
    } else {
        e->kind = L_OP;
        for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
            if (c == two[i][0] && e->p[1] == two[i][1])
                e->n = 2;
        }
    }
    e->p = e->s + e->n;
    return true;
}

static bool is(const struct eval *e, enum lexeme kind, const char *s)
{
    return e->kind == kind && e->n == strlen(s) && memcmp(e->s, s, e->n) == 0;
}

static bool op(const struct eval *e, const char *s)
{
    return is(e, L_OP, s);
}

static bool word(const struct eval *e, const char *s)
{
    return is(e, L_NAME, s);
}

static bool ends(const struct eval *e)
{
    return e->kind == L_END || e->kind == L_NEWLINE || op(e, ";");
}

/* ---- names ---- */

static struct var *find_var(struct drill_vars *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->var[i].name, name) == 0)
            return &v->var[i];
    }
    return NULL;
}

/* The name in hand, copied. */
static bool take_name(struct eval *e, char name[NAME_MAX_])
{
    if (e->n >= NAME_MAX_)
        return fail(e, DRILL_UNSUPPORTED, "in the code block: a name of more than %d letters",
                    NAME_MAX_ - 1);
    memcpy(name, e->s, e->n);
    name[e->n] = '\0';
    return next(e);
}

static void see(struct eval *e, const char *name, int64_t v)
{
    int64_t constant;
    if (drill_symbol(name, &constant)) /* needs no telling */
        return;
    for (size_t i = 0; i < e->nseen; i++) {
        if (strcmp(e->seen[i].name, name) == 0)
            return;
    }
    if (e->nseen < SEEN_MAX) {
        snprintf(e->seen[e->nseen].name, NAME_MAX_, "%s", name);
        e->seen[e->nseen++].value = v;
    }
}

static bool name_value(struct eval *e, const char *name, int64_t *v)
{
    *v = 0;
    if (e->skip > 0)
        return true;
    const struct var *var = find_var(e->vars, name);
    if (var != NULL) {
        *v = var->value;
    } else if (strcmp(name, "True") == 0 || strcmp(name, "False") == 0) {
        *v = name[0] == 'T';
        return true;
    } else if (e->lookup == NULL || !e->lookup(e->ctx, name, v)) {
        return drill_symbol(name, v) ||
               fail(e, DRILL_FAILED, "in the code block: the name %s has no value", name);
    }
    see(e, name, *v);
    return true;
}

/* ---- expressions ---- */

static bool or_expr(struct eval *e, int64_t *v);

static bool overflow(struct eval *e, int64_t *v)
{
    *v = 0;
    if (e->skip > 0)
        return true;
    return fail(e, DRILL_FAILED, "in the code block: a result needs more than 64 bits");
}

/* A bracket's inside, or a sign's operand: bounded. */
static bool deeper(struct eval *e)
{
    if (++e->depth > EVAL_DEPTH)
        return fail(e, DRILL_UNSUPPORTED, "in the code block: more than %d levels of nesting",
                    EVAL_DEPTH);
    return true;
}

static bool closing(struct eval *e)
{
    if (op(e, ","))
        return fail(e, DRILL_UNSUPPORTED, "in the code block: tuples are not supported");
    if (!op(e, ")"))
        return expected(e, "')'");
    e->brackets--;
    e->depth--;
    return next(e);
}

/* abs(x), int(x), min(x, …), max(x, …): the name has been taken, '(' is in hand. */
static bool function(struct eval *e, const char *name, int64_t *v)
{
    bool min = strcmp(name, "min") == 0, max = strcmp(name, "max") == 0;
    bool absolute = strcmp(name, "abs") == 0;
    if (!min && !max && !absolute && strcmp(name, "int") != 0)
        return fail(e, DRILL_UNSUPPORTED, "in the code block: the function %s() is not supported",
                    name);
    if (!deeper(e))
        return false;
    e->brackets++;
    if (!next(e) || !or_expr(e, v))
        return false;
    while ((min || max) && op(e, ",")) {
        int64_t more;
        if (!next(e) || !or_expr(e, &more))
            return false;
        if ((min && more < *v) || (max && more > *v))
            *v = more;
    }
    if (absolute && *v < 0 && __builtin_sub_overflow(0, *v, v) && !overflow(e, v))
        return false;
    return closing(e);
}

static bool primary(struct eval *e, int64_t *v)
{
    char name[NAME_MAX_];
    if (e->kind == L_INT) {
        *v = e->value;
        return next(e);
    }
    if (e->kind == L_NAME) {
        if (!take_name(e, name))
            return false;
        if (op(e, "("))
            return function(e, name, v);
        return name_value(e, name, v);
    }
    if (op(e, "(")) {
        e->brackets++;
        return deeper(e) && next(e) && or_expr(e, v) && closing(e);
    }
    if (e->kind == L_STRING || op(e, "[") || op(e, "{"))
        return fail(e, DRILL_UNSUPPORTED, "in the code block: only integers are supported");
    return expected(e, "a number or a name");
}

static bool unary(struct eval *e, int64_t *v)
{
    if (!op(e, "-") && !op(e, "+") && !op(e, "~"))
        return primary(e, v);
    char sign = e->s[0];
    if (!deeper(e) || !next(e) || !unary(e, v))
        return false;
    e->depth--;
    if (sign == '~')
        *v = ~*v;
    return sign != '-' || !__builtin_sub_overflow(0, *v, v) || overflow(e, v);
}

/* Python's: towards minus infinity; the remainder has the divisor's sign. */
static bool divide(struct eval *e, bool remainder, int64_t a, int64_t b, int64_t *v)
{
    *v = 0;
    if (e->skip > 0)
        return true;
    if (b == 0)
        return fail(e, DRILL_FAILED, "in the code block: a division by zero");
    if (b == -1)
        return remainder || !__builtin_sub_overflow(0, a, v) || overflow(e, v);
    int64_t q = a / b, r = a % b;
    if (r != 0 && (r < 0) != (b < 0)) {
        q--;
        r += b;
    }
    *v = remainder ? r : q;
    return true;
}

static bool product(struct eval *e, int64_t *v)
{
    if (!unary(e, v))
        return false;
    while (op(e, "*") || op(e, "//") || op(e, "%") || op(e, "/") || op(e, "**")) {
        bool times = op(e, "*"), remainder = op(e, "%");
        int64_t b;
        if (op(e, "/") || op(e, "**"))
            return fail(e, DRILL_UNSUPPORTED,
                        "in the code block: the operator %.*s is not supported", (int)e->n, e->s);
        if (!next(e) || !unary(e, &b))
            return false;
        if (times ? __builtin_mul_overflow(*v, b, v) && !overflow(e, v)
                  : !divide(e, remainder, *v, b, v))
            return false;
    }
    return true;
}

static bool sum(struct eval *e, int64_t *v)
{
    if (!product(e, v))
        return false;
    while (op(e, "+") || op(e, "-")) {
        bool plus = op(e, "+");
        int64_t b;
        if (!next(e) || !product(e, &b))
            return false;
        if ((plus ? __builtin_add_overflow(*v, b, v) : __builtin_sub_overflow(*v, b, v)) &&
            !overflow(e, v))
            return false;
    }
    return true;
}

static bool shift(struct eval *e, int64_t *v)
{
    if (!sum(e, v))
        return false;
    while (op(e, "<<") || op(e, ">>")) {
        bool left = op(e, "<<");
        int64_t b;
        if (!next(e) || !sum(e, &b))
            return false;
        if (e->skip == 0 && b < 0)
            return fail(e, DRILL_FAILED, "in the code block: a shift by less than nothing");
        if (!left)
            *v = b > 62 || b < 0 ? -(*v < 0) : *v >> b;
        else if (b < 0 || b > 62 || __builtin_mul_overflow(*v, INT64_C(1) << b, v)) {
            if (*v != 0 && !overflow(e, v))
                return false;
        }
    }
    return true;
}

static bool bit_and(struct eval *e, int64_t *v)
{
    int64_t b;
    if (!shift(e, v))
        return false;
    while (op(e, "&")) {
        if (!next(e) || !shift(e, &b))
            return false;
        *v &= b;
    }
    return true;
}

static bool bit_xor(struct eval *e, int64_t *v)
{
    int64_t b;
    if (!bit_and(e, v))
        return false;
    while (op(e, "^")) {
        if (!next(e) || !bit_and(e, &b))
            return false;
        *v ^= b;
    }
    return true;
}

static bool bit_or(struct eval *e, int64_t *v)
{
    int64_t b;
    if (!bit_xor(e, v))
        return false;
    while (op(e, "|")) {
        if (!next(e) || !bit_xor(e, &b))
            return false;
        *v |= b;
    }
    return true;
}

enum relation { R_NONE, R_EQ, R_NE, R_LE, R_GE, R_LT, R_GT };

static enum relation relation(const struct eval *e)
{
    static const char *const names[] = {"==", "!=", "<=", ">=", "<", ">"};
    for (unsigned i = 0; i < 6; i++) {
        if (op(e, names[i]))
            return (enum relation)(i + 1);
    }
    return R_NONE;
}

static bool holds(enum relation r, int64_t a, int64_t b)
{
    switch (r) {
    case R_EQ:
        return a == b;
    case R_NE:
        return a != b;
    case R_LE:
        return a <= b;
    case R_GE:
        return a >= b;
    case R_LT:
        return a < b;
    default:
        return a > b;
    }
}

/* a < b < c is (a < b) and (b < c). */
static bool comparison(struct eval *e, int64_t *v)
{
    bool truth = true, any = false;
    unsigned skipped = 0;
    enum relation r;
    if (!bit_or(e, v))
        return false;
    int64_t a = *v, b = 0;
    while ((r = relation(e)) != R_NONE) {
        any = true;
        bool skip_this = !truth;
        e->skip += skip_this;
        skipped += skip_this;
        if (!next(e) || !bit_or(e, &b))
            return false;
        truth = truth && holds(r, a, b);
        a = b;
    }
    e->skip -= skipped;
    if (any)
        *v = truth;
    if (word(e, "in") || word(e, "is"))
        return fail(e, DRILL_UNSUPPORTED, "in the code block: `%.*s` is not supported", (int)e->n,
                    e->s);
    return true;
}

static bool not_expr(struct eval *e, int64_t *v)
{
    bool any = false, negate = false;
    while (word(e, "not")) {
        any = true;
        negate = !negate;
        if (!next(e))
            return false;
    }
    if (!comparison(e, v))
        return false;
    if (any)
        *v = (*v != 0) != negate;
    return true;
}

/* As in Python, `and` and `or` give one of their operands. */
static bool and_expr(struct eval *e, int64_t *v)
{
    if (!not_expr(e, v))
        return false;
    while (word(e, "and")) {
        int64_t b;
        bool known = *v == 0;
        e->skip += known;
        if (!next(e) || !not_expr(e, &b))
            return false;
        e->skip -= known;
        *v = known ? *v : b;
    }
    return true;
}

static bool or_expr(struct eval *e, int64_t *v)
{
    if (!and_expr(e, v))
        return false;
    while (word(e, "or")) {
        int64_t b;
        bool known = *v != 0;
        e->skip += known;
        if (!next(e) || !and_expr(e, &b))
            return false;
        e->skip -= known;
        *v = known ? *v : b;
    }
    if (word(e, "if") || word(e, "for"))
        return fail(e, DRILL_UNSUPPORTED, "in the code block: `%.*s` is not supported", (int)e->n,
                    e->s);
    return true;
}

/* ---- messages ---- */

/* The string in hand with its escapes, as a format of up to n values. */
static void format(struct text *out, const char *s, size_t n, const int64_t *v, size_t nv)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\' && i + 1 < n) {
            i++;
            text_add(out, s[i] == 'n' ? "\n" : s[i] == 't' ? "\t" : &s[i], 1);
        } else if (s[i] == '%' && i + 1 < n && nv > 0) {
            i++;
            if (s[i] == 'x' && used < nv)
                text_printf(out, "%llx", (unsigned long long)v[used++]);
            else if (strchr("dsui", s[i]) != NULL && used < nv)
                text_printf(out, "%lld", (long long)v[used++]);
            else
                text_add(out, &s[i], 1);
        } else {
            text_add(out, &s[i], 1);
        }
    }
}

#define VALUES_MAX 8

/* 'text', 'text' % x, 'text' % (x, y), or an expression. */
static bool message(struct eval *e, struct text *out)
{
    int64_t v[VALUES_MAX];
    size_t n = 0;
    if (e->kind != L_STRING) {
        if (!or_expr(e, &v[0]))
            return false;
        text_printf(out, "%lld", (long long)v[0]);
        return true;
    }
    const char *s = e->s + 1;
    size_t len = e->n - 2;
    if (!next(e))
        return false;
    if (op(e, "%")) {
        if (!next(e))
            return false;
        bool tuple = op(e, "(");
        if (tuple) {
            e->brackets++;
            if (!next(e))
                return false;
        }
        while (!(tuple && op(e, ")"))) {
            if (n == VALUES_MAX)
                return fail(e, DRILL_UNSUPPORTED,
                            "in the code block: more than %d values in a message", VALUES_MAX);
            if (!(tuple ? or_expr(e, &v[n]) : unary(e, &v[n])))
                return false;
            n++;
            if (!tuple || !op(e, ","))
                break;
            if (!next(e))
                return false;
        }
        if (tuple) {
            if (!op(e, ")"))
                return expected(e, "',' or ')'");
            e->brackets--;
            if (!next(e))
                return false;
        }
    }
    format(out, s, len, v, n);
    return true;
}

/* ---- statements ---- */

static bool assertion(struct eval *e)
{
    int64_t v;
    struct text why = {0}, said = {0};
    const char *from = e->s;
    bool ok = next(e) && or_expr(e, &v);
    const char *to = e->s;
    size_t told = e->nseen;
    if (ok && op(e, ",")) {
        /* What the message says is looked up only if it is needed. */
        e->skip += v != 0;
        ok = next(e) && message(e, &said);
        e->skip -= v != 0;
    }
    if (ok && v == 0 && e->skip == 0) {
        while (to > from && (to[-1] == ' ' || to[-1] == '\n'))
            to--;
        text_add(&why, from, (size_t)(to - from));
        text_puts(&why, " doesn't hold");
        for (size_t i = 0; i < told; i++)
            text_printf(&why, "%s%s is %lld", i == 0 ? ": " : ", ", e->seen[i].name,
                        (long long)e->seen[i].value);
        if (said.len > 0)
            text_printf(&why, " (%s)", said.s);
        ok = fail(e, DRILL_FAILED, "%s", why.s);
    }
    text_free(&why);
    text_free(&said);
    return ok;
}

static bool print(struct eval *e)
{
    struct text line = {0};
    bool ok = true;
    if (!op(e, "("))
        return fail(e, DRILL_UNSUPPORTED, "in the code block: print needs its parentheses");
    e->brackets++;
    ok = next(e);
    for (bool first = true; ok && !op(e, ")"); first = false) {
        if (!first && !op(e, ",")) {
            ok = expected(e, "',' or ')'");
            break;
        }
        if (!first)
            text_puts(&line, " ");
        ok = (first || next(e)) && message(e, &line);
    }
    if (ok) {
        e->brackets--;
        ok = next(e);
    }
    if (ok && e->printed != NULL) {
        text_puts(e->printed, line.len > 0 ? line.s : "");
        text_puts(e->printed, "\n");
    }
    text_free(&line);
    return ok;
}

static bool assign(struct eval *e, const char *name)
{
    bool plus = op(e, "+="), minus = op(e, "-=");
    int64_t v, old = 0;
    if (!plus && !minus && !op(e, "="))
        return expected(e, "assert, print(), or a variable with '=' or '+='");
    if ((plus || minus) && !name_value(e, name, &old))
        return false;
    if (!next(e) || !or_expr(e, &v))
        return false;
    bool over = plus    ? __builtin_add_overflow(old, v, &v)
                : minus ? __builtin_sub_overflow(old, v, &v)
                        : false;
    if (over && !overflow(e, &v))
        return false;
    if (e->skip > 0)
        return true;
    struct var *var = find_var(e->vars, name);
    if (var == NULL) {
        if (e->vars->n == VARS_MAX)
            return fail(e, DRILL_UNSUPPORTED, "in the code block: more than %d variables",
                        VARS_MAX);
        var = &e->vars->var[e->vars->n++];
        snprintf(var->name, sizeof(var->name), "%s", name);
    }
    var->value = v;
    return true;
}

static bool statement(struct eval *e)
{
    static const char *const beyond[] = {"import", "from",   "def",    "for",    "while", "if",
                                         "elif",   "else",   "class",  "with",   "try",   "except",
                                         "raise",  "return", "lambda", "global", "del",   "exec"};
    char name[NAME_MAX_];
    e->nseen = 0;
    if (word(e, "assert"))
        return assertion(e);
    if (word(e, "pass"))
        return next(e);
    if (e->kind != L_NAME)
        return expected(e, "assert, print() or the name of a variable");
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        if (word(e, beyond[i]))
            return fail(e, DRILL_UNSUPPORTED, "in the code block: `%s` is not supported",
                        beyond[i]);
    }
    bool prints = word(e, "print");
    if (!take_name(e, name))
        return false;
    if (prints)
        return print(e);
    if (op(e, ".") || op(e, "(") || op(e, "[") || op(e, ","))
        return fail(e, DRILL_UNSUPPORTED, "in the code block: `%.40s%.*s` is not supported", name,
                    (int)e->n, e->s);
    return assign(e, name);
}

/* All statements. */
static enum drill_verdict run(struct eval *e)
{
    memset(e->err, 0, sizeof(*e->err));
    if (!next(e))
        return e->err->verdict;
    while (e->kind != L_END) {
        if (e->kind == L_NEWLINE || op(e, ";")) {
            e->line += e->kind == L_NEWLINE;
            if (!next(e))
                break;
            continue;
        }
        if (!statement(e))
            break;
        if (!ends(e)) {
            expected(e, "the end of the line");
            break;
        }
    }
    return e->err->verdict;
}

enum drill_verdict drill_eval_block(struct drill_vars *v, const char *src, unsigned line,
                                    drill_lookup *lookup, void *ctx, struct text *printed,
                                    struct drill_error *err)
{
    struct eval e = {.vars = v, .p = src, .line = line, .lookup = lookup, .ctx = ctx};
    e.printed = printed;
    e.err = err;
    return run(&e);
}

enum drill_verdict drill_eval_check(const char *src, unsigned line, struct drill_error *err)
{
    struct eval e = {.p = src, .line = line, .skip = 1, .err = err};
    return run(&e);
}
