/* drill/eval_expr.c: the tokens and expressions of code blocks.
 *
 * Theory of operation. Recursive descent with Python's precedences, from `or` down to signs; each
 * level takes what binds tighter. Depth is counted where it can grow: at brackets and signs. What
 * Python wouldn't evaluate is parsed with `skip` raised: then names are worth 0 and nothing fails
 * but the form.
 */
#include "tapdeck/drill/eval.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- errors ---- */

bool eval_fail(struct eval *e, enum drill_verdict v, const char *fmt, ...)
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

bool eval_expected(struct eval *e, const char *what)
{
    const char *found = e->kind == L_END ? "the end of the block" : "the end of the line";
    snprintf(e->err->expected, sizeof(e->err->expected), "%s", what);
    if (e->kind == L_END || e->kind == L_NEWLINE)
        return eval_fail(e, DRILL_SYNTAX, "in the code block: found %s, expected %s", found, what);
    snprintf(e->err->found, sizeof(e->err->found), "'%.*s'", (int)(e->n < 40 ? e->n : 40), e->s);
    return eval_fail(e, DRILL_SYNTAX, "in the code block: found '%.*s', expected %s",
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
            return eval_fail(e, DRILL_UNSUPPORTED,
                             "in the code block: only integers are supported");
        if (v > ((uint64_t)INT64_MAX - d) / base)
            return eval_fail(e, DRILL_UNSUPPORTED,
                             "in the code block: a number of more than 64 bits");
        v = v * base + d;
    }
    if (e->s[i] == '.')
        return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: only integers are supported");
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
        return eval_fail(e, DRILL_SYNTAX, "in the code block: a string has no end");
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

bool eval_next(struct eval *e)
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

bool eval_op(const struct eval *e, const char *s)
{
    return is(e, L_OP, s);
}

bool eval_word(const struct eval *e, const char *s)
{
    return is(e, L_NAME, s);
}

/* ---- names ---- */

struct var *eval_find_var(struct drill_vars *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->var[i].name, name) == 0)
            return &v->var[i];
    }
    return NULL;
}

/* The name in hand, copied. */
bool eval_take_name(struct eval *e, char name[EVAL_NAME])
{
    if (e->n >= EVAL_NAME)
        return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: a name of more than %d letters",
                         EVAL_NAME - 1);
    memcpy(name, e->s, e->n);
    name[e->n] = '\0';
    return eval_next(e);
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
    if (e->nseen < EVAL_SEEN) {
        snprintf(e->seen[e->nseen].name, EVAL_NAME, "%s", name);
        e->seen[e->nseen++].value = v;
    }
}

bool eval_name_value(struct eval *e, const char *name, int64_t *v)
{
    *v = 0;
    if (e->skip > 0)
        return true;
    const struct var *var = eval_find_var(e->vars, name);
    if (var != NULL) {
        *v = var->value;
    } else if (strcmp(name, "True") == 0 || strcmp(name, "False") == 0) {
        *v = name[0] == 'T';
        return true;
    } else if (e->lookup == NULL || !e->lookup(e->ctx, name, v)) {
        return drill_symbol(name, v) ||
               eval_fail(e, DRILL_FAILED, "in the code block: the name %s has no value", name);
    }
    see(e, name, *v);
    return true;
}

/* ---- expressions ---- */

bool eval_overflow(struct eval *e, int64_t *v)
{
    *v = 0;
    if (e->skip > 0)
        return true;
    return eval_fail(e, DRILL_FAILED, "in the code block: a result needs more than 64 bits");
}

/* A bracket's inside, or a sign's operand: bounded. */
static bool deeper(struct eval *e)
{
    if (++e->depth > EVAL_DEPTH)
        return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: more than %d levels of nesting",
                         EVAL_DEPTH);
    return true;
}

static bool closing(struct eval *e)
{
    if (eval_op(e, ","))
        return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: tuples are not supported");
    if (!eval_op(e, ")"))
        return eval_expected(e, "')'");
    e->brackets--;
    e->depth--;
    return eval_next(e);
}

/* abs(x), int(x), min(x, …), max(x, …): the name has been taken, '(' is in hand. */
static bool function(struct eval *e, const char *name, int64_t *v)
{
    bool min = strcmp(name, "min") == 0, max = strcmp(name, "max") == 0;
    bool absolute = strcmp(name, "abs") == 0;
    if (!min && !max && !absolute && strcmp(name, "int") != 0)
        return eval_fail(e, DRILL_UNSUPPORTED,
                         "in the code block: the function %s() is not supported", name);
    if (!deeper(e))
        return false;
    e->brackets++;
    if (!eval_next(e) || !eval_expr(e, v))
        return false;
    while ((min || max) && eval_op(e, ",")) {
        int64_t more;
        if (!eval_next(e) || !eval_expr(e, &more))
            return false;
        if ((min && more < *v) || (max && more > *v))
            *v = more;
    }
    if (absolute && *v < 0 && __builtin_sub_overflow(0, *v, v) && !eval_overflow(e, v))
        return false;
    return closing(e);
}

static bool primary(struct eval *e, int64_t *v)
{
    char name[EVAL_NAME];
    if (e->kind == L_INT) {
        *v = e->value;
        return eval_next(e);
    }
    if (e->kind == L_NAME) {
        if (!eval_take_name(e, name))
            return false;
        if (eval_op(e, "("))
            return function(e, name, v);
        return eval_name_value(e, name, v);
    }
    if (eval_op(e, "(")) {
        e->brackets++;
        return deeper(e) && eval_next(e) && eval_expr(e, v) && closing(e);
    }
    if (e->kind == L_STRING || eval_op(e, "[") || eval_op(e, "{"))
        return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: only integers are supported");
    return eval_expected(e, "a number or a name");
}

bool eval_unary(struct eval *e, int64_t *v)
{
    if (!eval_op(e, "-") && !eval_op(e, "+") && !eval_op(e, "~"))
        return primary(e, v);
    char sign = e->s[0];
    if (!deeper(e) || !eval_next(e) || !eval_unary(e, v))
        return false;
    e->depth--;
    if (sign == '~')
        *v = ~*v;
    return sign != '-' || !__builtin_sub_overflow(0, *v, v) || eval_overflow(e, v);
}

/* Python's: towards minus infinity; the remainder has the divisor's sign. */
static bool divide(struct eval *e, bool remainder, int64_t a, int64_t b, int64_t *v)
{
    *v = 0;
    if (e->skip > 0)
        return true;
    if (b == 0)
        return eval_fail(e, DRILL_FAILED, "in the code block: a division by zero");
    if (b == -1)
        return remainder || !__builtin_sub_overflow(0, a, v) || eval_overflow(e, v);
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
    if (!eval_unary(e, v))
        return false;
    while (eval_op(e, "*") || eval_op(e, "//") || eval_op(e, "%") || eval_op(e, "/") ||
           eval_op(e, "**")) {
        bool times = eval_op(e, "*"), remainder = eval_op(e, "%");
        int64_t b;
        if (eval_op(e, "/") || eval_op(e, "**"))
            return eval_fail(e, DRILL_UNSUPPORTED,
                             "in the code block: the operator %.*s is not supported", (int)e->n,
                             e->s);
        if (!eval_next(e) || !eval_unary(e, &b))
            return false;
        if (times ? __builtin_mul_overflow(*v, b, v) && !eval_overflow(e, v)
                  : !divide(e, remainder, *v, b, v))
            return false;
    }
    return true;
}

static bool sum(struct eval *e, int64_t *v)
{
    if (!product(e, v))
        return false;
    while (eval_op(e, "+") || eval_op(e, "-")) {
        bool plus = eval_op(e, "+");
        int64_t b;
        if (!eval_next(e) || !product(e, &b))
            return false;
        if ((plus ? __builtin_add_overflow(*v, b, v) : __builtin_sub_overflow(*v, b, v)) &&
            !eval_overflow(e, v))
            return false;
    }
    return true;
}

static bool shift(struct eval *e, int64_t *v)
{
    if (!sum(e, v))
        return false;
    while (eval_op(e, "<<") || eval_op(e, ">>")) {
        bool left = eval_op(e, "<<");
        int64_t b;
        if (!eval_next(e) || !sum(e, &b))
            return false;
        if (e->skip == 0 && b < 0)
            return eval_fail(e, DRILL_FAILED, "in the code block: a shift by less than nothing");
        if (!left)
            *v = b > 62 || b < 0 ? -(*v < 0) : *v >> b;
        else if (b < 0 || b > 62 || __builtin_mul_overflow(*v, INT64_C(1) << b, v)) {
            if (*v != 0 && !eval_overflow(e, v))
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
    while (eval_op(e, "&")) {
        if (!eval_next(e) || !shift(e, &b))
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
    while (eval_op(e, "^")) {
        if (!eval_next(e) || !bit_and(e, &b))
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
    while (eval_op(e, "|")) {
        if (!eval_next(e) || !bit_xor(e, &b))
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
        if (eval_op(e, names[i]))
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

/* a in (b, c), a not in [b, c]: `in` or `not` is in hand. */
static bool membership(struct eval *e, int64_t a, int64_t *v)
{
    bool negate = eval_word(e, "not"), any = false, comma = false, found = false;
    if (negate && !eval_next(e))
        return false;
    if (!eval_word(e, "in"))
        return eval_expected(e, "'in'");
    if (!eval_next(e))
        return false;
    const char *close = eval_op(e, "(") ? ")" : eval_op(e, "[") ? "]" : eval_op(e, "{") ? "}" : "";
    if (*close == '\0')
        return eval_fail(e, DRILL_UNSUPPORTED,
                         "in the code block: `in` is supported with numbers in brackets only");
    e->brackets++;
    if (!deeper(e) || !eval_next(e))
        return false;
    while (!eval_op(e, close)) {
        int64_t b;
        if (!eval_expr(e, &b))
            return false;
        any = true;
        found = found || a == b;
        if (!eval_op(e, ","))
            break;
        comma = true;
        if (!eval_next(e))
            return false;
    }
    if (!eval_op(e, close))
        return eval_expected(e, "',' or the closing bracket");
    if (*close == ')' && any && !comma)
        return eval_fail(e, DRILL_UNSUPPORTED,
                         "in the code block: `in` needs several numbers, as in (1, 2) or (1,)");
    e->brackets--;
    e->depth--;
    *v = found != negate;
    return eval_next(e);
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
        if (!eval_next(e) || !bit_or(e, &b))
            return false;
        truth = truth && holds(r, a, b);
        a = b;
    }
    e->skip -= skipped;
    if (any)
        *v = truth;
    if (!any && (eval_word(e, "in") || eval_word(e, "not")))
        return membership(e, a, v);
    if (eval_word(e, "in") || eval_word(e, "is"))
        return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: `%.*s` is not supported",
                         (int)e->n, e->s);
    return true;
}

static bool not_expr(struct eval *e, int64_t *v)
{
    bool any = false, negate = false;
    while (eval_word(e, "not")) {
        any = true;
        negate = !negate;
        if (!eval_next(e))
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
    while (eval_word(e, "and")) {
        int64_t b;
        bool known = *v == 0;
        e->skip += known;
        if (!eval_next(e) || !not_expr(e, &b))
            return false;
        e->skip -= known;
        *v = known ? *v : b;
    }
    return true;
}

bool eval_expr(struct eval *e, int64_t *v)
{
    if (!and_expr(e, v))
        return false;
    while (eval_word(e, "or")) {
        int64_t b;
        bool known = *v != 0;
        e->skip += known;
        if (!eval_next(e) || !and_expr(e, &b))
            return false;
        e->skip -= known;
        *v = known ? *v : b;
    }
    if (eval_word(e, "if") || eval_word(e, "for"))
        return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: `%.*s` is not supported",
                         (int)e->n, e->s);
    return true;
}
