/* drill/eval.c: code blocks: the little of Python that scripts use.
 *
 * Theory of operation. A block is parsed and evaluated in one pass, by recursive descent with
 * Python's precedences. Values are integers of 64 bits; a result that doesn't fit is an error, not
 * a wrong number. Where Python wouldn't evaluate (the right side of `and`), the same code runs with
 * `skip` set: it still sees syntax errors, but looks nothing up.
 *
 * A false assertion is told with the values of the names in it: "assert tcpi_snd_cwnd == 11 doesn't
 * hold: tcpi_snd_cwnd is 10". Strings occur only as messages: in print() and behind an assertion's
 * comma, where '%d' % x is understood; a message of another form is shown as it is written.
 */
#include "tapdeck/drill/eval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drill_vars *drill_vars_new(void)
{
    return calloc(1, sizeof(struct drill_vars));
}

void drill_vars_free(struct drill_vars *v)
{
    free(v);
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

/* What stands behind a string: nothing, % x or % (x, y). */
static bool values_of(struct eval *e, int64_t v[VALUES_MAX], size_t *n)
{
    if (eval_op(e, ".") || eval_word(e, "if"))
        return eval_fail(e, DRILL_UNSUPPORTED,
                         "in the code block: `%.*s` behind a string is not supported", (int)e->n,
                         e->s);
    if (!eval_op(e, "%"))
        return true;
    if (!eval_next(e))
        return false;
    bool tuple = eval_op(e, "(");
    if (tuple) {
        e->brackets++;
        if (!eval_next(e))
            return false;
    }
    while (!(tuple && eval_op(e, ")"))) {
        if (*n == VALUES_MAX)
            return eval_fail(e, DRILL_UNSUPPORTED,
                             "in the code block: more than %d values in a message", VALUES_MAX);
        if (!(tuple ? eval_expr(e, &v[*n]) : eval_unary(e, &v[*n])))
            return false;
        (*n)++;
        if (!tuple || !eval_op(e, ","))
            break;
        if (!eval_next(e))
            return false;
    }
    if (!tuple)
        return true;
    if (!eval_op(e, ")"))
        return eval_expected(e, "',' or ')'");
    e->brackets--;
    return eval_next(e);
}

/* 'text', 'text' % x, 'text' % (x, y), or an expression. */
static bool message(struct eval *e, struct text *out)
{
    int64_t v[VALUES_MAX];
    size_t n = 0;
    if (e->kind == L_NAME && e->n == 1 && (e->s[1] == '"' || e->s[1] == '\''))
        return eval_fail(e, DRILL_UNSUPPORTED,
                         "in the code block: strings with a prefix are not supported");
    if (e->kind != L_STRING) {
        if (!eval_expr(e, &v[0]))
            return false;
        text_printf(out, "%lld", (long long)v[0]);
        return true;
    }
    /* Adjacent strings are one. */
    struct text whole = {0};
    bool more = true;
    while (more && e->kind == L_STRING) {
        text_add(&whole, e->s + 1, e->n - 2);
        more = eval_next(e);
    }
    bool ok = more && values_of(e, v, &n);
    if (ok)
        format(out, whole.s != NULL ? whole.s : "", whole.len, v, n);
    text_free(&whole);
    return ok;
}

static bool ends(const struct eval *e)
{
    return e->kind == L_END || e->kind == L_NEWLINE || eval_op(e, ";");
}

/* A message is only shown: one that can't be evaluated here is shown as it is written. */
static bool message_or_source(struct eval *e, struct text *out)
{
    const struct eval begin = *e;
    struct text said = {0};
    bool ok = message(e, &said);
    if (ok && said.len > 0)
        text_add(out, said.s, said.len);
    text_free(&said);
    if (ok)
        return true;
    if (e->err->verdict != DRILL_UNSUPPORTED)
        return false;
    memset(e->err, 0, sizeof(*e->err));
    *e = begin;
    const char *to = e->p;
    while (!(e->brackets == begin.brackets && (ends(e) || eval_op(e, ",") || eval_op(e, ")")))) {
        bool open = eval_op(e, "(") || eval_op(e, "[") || eval_op(e, "{");
        bool close = eval_op(e, ")") || eval_op(e, "]") || eval_op(e, "}");
        if (e->kind == L_END || (close && e->brackets == begin.brackets))
            return eval_expected(e, "the end of the message");
        e->brackets += open;
        e->brackets -= close;
        to = e->p;
        while (!eval_next(e)) {
            if (e->err->verdict != DRILL_UNSUPPORTED)
                return false;
            memset(e->err, 0, sizeof(*e->err)); /* a number that is no integer */
            while (*e->s != '\0' && strchr(".0123456789abcdefghijklmnopqrstuvwxyz_", *e->s) != NULL)
                e->s++;
            to = e->p = e->s;
        }
    }
    text_add(out, begin.s, (size_t)(to - begin.s));
    return true;
}

/* ---- statements ---- */

static bool assertion(struct eval *e)
{
    int64_t v;
    struct text why = {0}, said = {0};
    const char *from = e->s;
    bool ok = eval_next(e) && eval_expr(e, &v);
    const char *to = e->s;
    size_t told = e->nseen;
    if (ok && eval_op(e, ",")) {
        /* What the message says is looked up only if it is needed. */
        e->skip += v != 0;
        ok = eval_next(e) && message_or_source(e, &said);
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
        ok = eval_fail(e, DRILL_FAILED, "%s", why.s);
    }
    text_free(&why);
    text_free(&said);
    return ok;
}

static bool print(struct eval *e)
{
    struct text line = {0};
    bool ok = true;
    if (!eval_op(e, "("))
        return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: print needs its parentheses");
    e->brackets++;
    ok = eval_next(e);
    for (bool first = true; ok && !eval_op(e, ")"); first = false) {
        if (!first && !eval_op(e, ",")) {
            ok = eval_expected(e, "',' or ')'");
            break;
        }
        if (!first)
            text_puts(&line, " ");
        ok = (first || eval_next(e)) && message_or_source(e, &line);
    }
    if (ok) {
        e->brackets--;
        ok = eval_next(e);
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
    bool plus = eval_op(e, "+="), minus = eval_op(e, "-=");
    int64_t v, old = 0;
    if (!plus && !minus && !eval_op(e, "="))
        return eval_expected(e, "assert, print(), or a variable with '=' or '+='");
    if ((plus || minus) && !eval_name_value(e, name, &old))
        return false;
    if (!eval_next(e) || !eval_expr(e, &v))
        return false;
    bool over = plus    ? __builtin_add_overflow(old, v, &v)
                : minus ? __builtin_sub_overflow(old, v, &v)
                        : false;
    if (over && !eval_overflow(e, &v))
        return false;
    if (e->skip > 0)
        return true;
    struct var *var = eval_find_var(e->vars, name);
    if (var == NULL) {
        if (e->vars->n == EVAL_VARS)
            return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: more than %d variables",
                             EVAL_VARS);
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
    char name[EVAL_NAME];
    e->nseen = 0;
    if (eval_word(e, "assert"))
        return assertion(e);
    if (eval_word(e, "pass"))
        return eval_next(e);
    if (e->kind != L_NAME)
        return eval_expected(e, "assert, print() or the name of a variable");
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        if (eval_word(e, beyond[i]))
            return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: `%s` is not supported",
                             beyond[i]);
    }
    bool prints = eval_word(e, "print");
    if (!eval_take_name(e, name))
        return false;
    if (prints)
        return print(e);
    if (eval_op(e, ".") || eval_op(e, "(") || eval_op(e, "[") || eval_op(e, ","))
        return eval_fail(e, DRILL_UNSUPPORTED, "in the code block: `%.40s%.*s` is not supported",
                         name, (int)e->n, e->s);
    return assign(e, name);
}

/* All statements. */
static enum drill_verdict run(struct eval *e)
{
    memset(e->err, 0, sizeof(*e->err));
    if (!eval_next(e))
        return e->err->verdict;
    while (e->kind != L_END) {
        if (e->kind == L_NEWLINE || eval_op(e, ";")) {
            e->line += e->kind == L_NEWLINE;
            if (!eval_next(e))
                break;
            continue;
        }
        if (!statement(e))
            break;
        if (!ends(e)) {
            eval_expected(e, "the end of the line");
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
