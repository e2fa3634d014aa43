/* drill/lex.c: a script's bytes as tokens.
 *
 * Theory of operation. The longest match wins, and of two equally long the one that is first in
 * enum token_kind. That is what makes `1:1001(1000)` six tokens, `1a2b` one word, and `0...0.2` an
 * integer, an ellipsis and a float. It has one trap, `.5` behind TCP flags (ACK and the ACE counter
 * 5), which looks like a float: flags are read as a run of characters by the packet parser, not as
 * tokens.
 *
 * Blanks, newlines and comments separate tokens. A word that has been defined (-D) is replaced by
 * its value's one token, once: the value isn't looked up again.
 */
#include "tapdeck/drill/lex.h"

#include <stdio.h>
#include <string.h>

void lex_init(struct lexer *l, const char *text, size_t len)
{
    *l = (struct lexer){.p = text, .end = text + len, .line_start = text, .line = 1};
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool hex_digit(char c)
{
    return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool word_char(char c)
{
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

static size_t left(const struct lexer *l)
{
    return (size_t)(l->end - l->p);
}

/* The next n bytes are s. */
static bool at(const struct lexer *l, const char *s)
{
    size_t n = strlen(s);
    return left(l) >= n && memcmp(l->p, s, n) == 0;
}

static void skip(struct lexer *l, size_t n)
{
    for (; n > 0; n--) {
        if (*l->p++ == '\n') {
            l->line++;
            l->line_start = l->p;
        }
    }
}

/* Goes behind the next s. False: it doesn't come, and nothing has moved. */
static bool skip_past(struct lexer *l, const char *s)
{
    const char *found = memmem(l->p, left(l), s, strlen(s));
    if (found == NULL)
        return false;
    skip(l, (size_t)(found - l->p) + strlen(s));
    return true;
}

static bool bad(struct token *t, const char *problem)
{
    t->kind = TOKEN_BAD;
    t->problem = problem;
    return false;
}

/* Blanks and comments. False: a comment has no end. */
static bool skip_blank(struct lexer *l, struct token *t)
{
    while (l->p < l->end) {
        if (blank(*l->p)) {
            t->newline |= *l->p == '\n';
            skip(l, 1);
        } else if (at(l, "//")) {
            while (l->p < l->end && *l->p != '\n')
                l->p++;
        } else if (at(l, "/*")) {
            t->line = l->line;
            t->col = (unsigned)(l->p - l->line_start) + 1;
            t->s = l->p;
            t->n = 2;
            l->p += 2;
            if (!skip_past(l, "*/"))
                return bad(t, "the comment that begins here has no end: expected '*/'");
        } else {
            break;
        }
    }
    return true;
}

/* Number or word: the longest. 0: neither. */
static size_t scan_number(const struct lexer *l, enum token_kind *kind)
{
    const char *p = l->p, *end = l->end;
    size_t n = 0, best = 0;
    if (*p == '-')
        n = 1;
    size_t digits = n;
    while (p + digits < end && digit(p[digits]))
        digits++;
    if (digits > n) {
        best = digits;
        *kind = TOKEN_INT;
    }
    size_t f = digits;
    if (p + f < end && p[f] == '.') {
        f++;
        size_t from = f;
        while (p + f < end && digit(p[f]))
            f++;
        if (f > from && f > best) {
            best = f;
            *kind = TOKEN_FLOAT;
        }
    }
    if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && hex_digit(p[2])) {
        size_t h = 2;
        while (p + h < end && hex_digit(p[h]))
            h++;
        if (h > best) {
            best = h;
            *kind = TOKEN_HEX;
        }
    }
    size_t w = 0;
    while (p + w < end && word_char(p[w]))
        w++;
    if (w > best) {
        best = w;
        *kind = TOKEN_WORD;
    }
    return best;
}

/* What begins at l->p with `open` and ends with `close`. */
static void scan_enclosed(struct lexer *l, struct token *t, enum token_kind kind, size_t open,
                          const char *close, const char *problem)
{
    l->p += open;
    t->body = l->p;
    t->body_line = l->line;
    struct lexer start = *l;
    if (kind == TOKEN_STRING) {
        while (l->p < l->end && *l->p != '"')
            skip(l, *l->p == '\\' && left(l) > 1 ? 2 : 1);
        if (l->p == l->end) {
            *l = start;
            bad(t, problem);
            return;
        }
        l->p++;
    } else if (!skip_past(l, close)) {
        bad(t, problem);
        return;
    }
    t->kind = kind;
    t->n = (size_t)(l->p - t->s);
    t->body_n = (size_t)(l->p - t->body) - strlen(close);
}

/* Outer blanks, so that the body begins with its first line of code. */
static void strip(struct token *t)
{
    while (t->body_n > 0 && blank(t->body[0])) {
        t->body_line += t->body[0] == '\n';
        t->body++;
        t->body_n--;
    }
    while (t->body_n > 0 && blank(t->body[t->body_n - 1]))
        t->body_n--;
}

static void scan(struct lexer *l, struct token *t)
{
    enum token_kind kind = TOKEN_BAD;
    size_t n = scan_number(l, &kind);
    t->s = l->p;
    t->n = 1;
    if (n > 0) {
        t->kind = kind;
        t->n = n;
        l->p += n;
    } else if (at(l, "...")) {
        t->kind = TOKEN_ELLIPSIS;
        t->n = 3;
        l->p += 3;
    } else if (at(l, "--") && left(l) > 2 && word_char(l->p[2])) {
        t->kind = TOKEN_OPTION;
        l->p += 2;
        t->body = l->p;
        while (l->p < l->end && word_char(*l->p))
            l->p++;
        t->body_n = (size_t)(l->p - t->body);
        t->n = t->body_n + 2;
    } else if (at(l, "%{")) {
        scan_enclosed(l, t, TOKEN_CODE, 2, "}%",
                      "the code block that begins here has no end: expected '}%'");
        if (t->kind == TOKEN_CODE)
            strip(t);
    } else if (*l->p == '`') {
        scan_enclosed(l, t, TOKEN_SHELL, 1, "`",
                      "the shell command that begins here has no end: expected '`'");
    } else if (*l->p == '"') {
        scan_enclosed(l, t, TOKEN_STRING, 1, "\"",
                      "the string that begins here has no end: expected '\"'");
    } else if (*l->p > ' ' && *l->p < 0x7f) {
        t->kind = TOKEN_PUNCT;
        t->punct = *l->p++;
    } else {
        bad(t, "a script is ASCII text: this byte has no place in it");
    }
}

static const char *defined(const struct lexer *l, const struct token *t)
{
    for (size_t d = 0; d < 2; d++) {
        for (size_t i = 0; l->defs[d] != NULL && i < l->defs[d]->n; i++) {
            if (token_is(t, l->defs[d]->list[i].name))
                return l->defs[d]->list[i].value;
        }
    }
    return NULL;
}

static bool scan_value(const char *value, struct token *t)
{
    struct lexer v;
    struct token rest = {0};
    lex_init(&v, value, strlen(value));
    lex_next(&v, t);
    lex_next(&v, &rest);
    return rest.kind == TOKEN_END &&
           (t->kind == TOKEN_INT || t->kind == TOKEN_HEX || t->kind == TOKEN_FLOAT ||
            t->kind == TOKEN_WORD || t->kind == TOKEN_STRING || t->kind == TOKEN_SHELL);
}

bool lex_define_ok(const char *value)
{
    struct token t;
    return scan_value(value, &t);
}

static void replace(struct token *t, const char *value)
{
    struct token v;
    if (!scan_value(value, &v)) {
        bad(t, "this word is defined as something that is no integer, word, string or command");
        return;
    }
    v.line = t->line;
    v.col = t->col;
    v.body_line = t->line;
    v.newline = t->newline;
    v.replaced = true;
    *t = v;
}

void lex_next(struct lexer *l, struct token *t)
{
    memset(t, 0, sizeof(*t));
    t->newline = l->p == l->line_start && l->line == 1;
    if (!skip_blank(l, t))
        return;
    t->line = l->line;
    t->col = (unsigned)(l->p - l->line_start) + 1;
    t->s = l->p;
    if (l->p == l->end) {
        t->kind = TOKEN_END;
        return;
    }
    scan(l, t);
    const char *value = t->kind == TOKEN_WORD ? defined(l, t) : NULL;
    if (value != NULL)
        replace(t, value);
}

bool token_is(const struct token *t, const char *word)
{
    return t->kind == TOKEN_WORD && t->n == strlen(word) && memcmp(t->s, word, t->n) == 0;
}

bool token_punct(const struct token *t, char c)
{
    return t->kind == TOKEN_PUNCT && t->punct == c;
}

void token_name(const struct token *t, char *dst, size_t size)
{
    switch (t->kind) {
    case TOKEN_END:
        snprintf(dst, size, "the end of the file");
        break;
    case TOKEN_SHELL:
        snprintf(dst, size, "a shell command");
        break;
    case TOKEN_CODE:
        snprintf(dst, size, "a code block");
        break;
    case TOKEN_STRING:
        snprintf(dst, size, "a string");
        break;
    case TOKEN_BAD:
        snprintf(dst, size, "byte 0x%02x", t->n > 0 ? (unsigned)(unsigned char)t->s[0] : 0);
        break;
    default:
        snprintf(dst, size, "'%.*s%s'", (int)(t->n < 40 ? t->n : 40), t->s, t->n > 40 ? "..." : "");
        break;
    }
}
