/* common/text.c: growing strings, and splitting a command line into words.
 *
 * Programs under apps/ may run out of memory in no interesting way: they say so and end. (The
 * stack, which has a limit of its own and tests that make allocations fail, never allocates through
 * here.)
 */
#include "common/text.h"

#include <nettle/base64.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
    if (p == NULL) {
        fputs("tapdeck: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

static void grow(struct text *t, size_t n)
{
    if (t->len + n + 1 <= t->cap)
        return;
    size_t cap = t->cap ? t->cap : 256;
    while (cap < t->len + n + 1)
        cap *= 2;
    t->s = must(realloc(t->s, cap));
    t->cap = cap;
}

void text_add(struct text *t, const char *bytes, size_t n)
{
    grow(t, n);
    if (n > 0)
        memcpy(t->s + t->len, bytes, n);
    t->len += n;
    t->s[t->len] = '\0';
}

void text_puts(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_vprintf(struct text *t, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    grow(t, 64);
    int n = vsnprintf(t->s + t->len, t->cap - t->len, fmt, again);
    va_end(again);
    if (n > 0 && (size_t)n >= t->cap - t->len) {
        grow(t, (size_t)n);
        vsnprintf(t->s + t->len, (size_t)n + 1, fmt, ap);
    }
    t->len += n > 0 ? (size_t)n : 0;
}

void text_printf(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(t, fmt, ap);
    va_end(ap);
}

void text_consume(struct text *t, size_t n)
{
    if (n >= t->len) {
        t->len = 0;
        if (t->s != NULL)
            t->s[0] = '\0';
        return;
    }
    memmove(t->s, t->s + n, t->len - n + 1);
    t->len -= n;
}

void text_free(struct text *t)
{
    free(t->s);
    memset(t, 0, sizeof(*t));
}

/* Length of the well-formed UTF-8 sequence at s (RFC 3629), 0 when there is none. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return 1;
    size_t need = s[0] >= 0xf0 && s[0] <= 0xf4  ? 4
                  : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                  : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                                                : 0;
    if (need == 0 || n < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, beyond U+10FFFF. */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return need;
}

bool text_is_utf8(const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    for (size_t i = 0; i < n;) {
        size_t k = utf8_length(u + i, n - i);
        if (k == 0)
            return false;
        i += k;
    }
    return true;
}

void text_base64(struct text *t, const void *bytes, size_t n)
{
    size_t room = BASE64_ENCODE_RAW_LENGTH(n);
    grow(t, room);
    base64_encode_raw(t->s + t->len, n, bytes);
    t->len += room;
    t->s[t->len] = '\0';
}

bool text_from_base64(struct text *t, const char *s, size_t n)
{
    struct base64_decode_ctx ctx;
    size_t got = BASE64_DECODE_LENGTH(n);
    grow(t, got);
    base64_decode_init(&ctx);
    bool ok = base64_decode_update(&ctx, &got, (uint8_t *)t->s + t->len, n, s) && base64_decode_final(&ctx);
    t->len += ok ? got : 0;
    t->s[t->len] = '\0';
    return ok;
}

void text_json(struct text *t, const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    for (size_t i = 0; i < n;) {
        size_t plain = i; /* most of it needs nothing done */
        while (plain < n && u[plain] >= 0x20 && u[plain] < 0x7f && u[plain] != '"' && u[plain] != '\\')
            plain++;
        if (plain > i)
            text_add(t, s + i, plain - i);
        if ((i = plain) == n)
            break;
        size_t k = utf8_length(u + i, n - i);
        if (k == 0) {
            text_puts(t, "\xef\xbf\xbd");
            i++;
        } else if (k > 1) {
            text_add(t, s + i, k);
            i += k;
        } else {
            switch (u[i]) {
            case '"':
                text_puts(t, "\\\"");
                break;
            case '\\':
                text_puts(t, "\\\\");
                break;
            case '\n':
                text_puts(t, "\\n");
                break;
            case '\t':
                text_puts(t, "\\t");
                break;
            default:
                text_printf(t, "\\u%04x", u[i]);
            }
            i++;
        }
    }
}

/* ---- words ---- */

static char **words_new(size_t slots, size_t bytes)
{
    return must(calloc(1, (slots + 1) * sizeof(char *) + bytes));
}

int words_split(const char *line, char ***argv, char *msg, size_t msg_size)
{
    size_t n = strlen(line);
    char **v = words_new(WORDS_MAX, n + 1);
    char *dst = (char *)(v + WORDS_MAX + 1);
    int argc = 0;
    *argv = NULL;
    const char *s = line;
    for (;;) {
        while (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')
            s++;
        if (*s == '\0' || *s == '#')
            break;
        if (argc == WORDS_MAX) {
            snprintf(msg, msg_size, "the line has more than %d words", WORDS_MAX);
            free(v);
            return -1;
        }
        v[argc++] = dst;
        char quote = '\0';
        for (; *s != '\0' && (quote || !strchr(" \t\r\n", *s)); s++) {
            if (quote ? *s == quote : *s == '"' || *s == '\'')
                quote = quote ? '\0' : *s;
            else if (*s == '\\' && quote != '\'' && s[1] != '\0')
                *dst++ = *++s;
            else
                *dst++ = *s;
        }
        if (quote) {
            snprintf(msg, msg_size, "the quote %c is not closed", quote);
            free(v);
            return -1;
        }
        /* The word's end is at or before the blank that ended it, so the terminator never
         * overwrites what is still to be read: the words live in a buffer of their own. */
        *dst++ = '\0';
    }
    *argv = v;
    return argc;
}

char **words_copy(int argc, char *const *argv)
{
    size_t bytes = 0;
    for (int i = 0; i < argc; i++)
        bytes += strlen(argv[i]) + 1;
    char **v = words_new((size_t)argc, bytes);
    char *dst = (char *)(v + argc + 1);
    for (int i = 0; i < argc; i++) {
        v[i] = dst;
        dst = stpcpy(dst, argv[i]) + 1;
    }
    return v;
}

void words_free(char **argv)
{
    free(argv);
}

bool word_abbrev(const char *s, const char *word)
{
    return *s != '\0' && strncmp(s, word, strlen(s)) == 0;
}
