/* httpd/field.c: field lines and their values. */
#include "httpd/field.h"

#include <string.h>
#include <strings.h>

bool token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9112 5: field-name ":" OWS field-value OWS. */
bool field_line_ok(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && token_char(p[i]))
        i++;
    if (i == 0 || i == n || p[i] != ':')
        return false;
    for (i++; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool slice_is(struct slice s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

struct slice slice_trim(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool slice_number(struct slice s, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t value = (uint64_t)(s.p[i] - '0');
        if (!digit(s.p[i]) || *out > (UINT64_MAX - value) / 10)
            return false;
        *out = *out * 10 + value;
    }
    return s.n > 0;
}

bool list_next(struct slice *list, struct slice *element)
{
    while (list->n > 0) {
        const char *comma = memchr(list->p, ',', list->n);
        size_t n = comma != NULL ? (size_t)(comma - list->p) : list->n;
        size_t used = comma != NULL ? n + 1 : n;
        *element = slice_trim((struct slice){list->p, n});
        list->p += used;
        list->n -= used;
        if (element->n > 0)
            return true;
    }
    return false;
}

bool list_has(struct slice list, const char *element)
{
    struct slice e;
    while (list_next(&list, &e)) {
        if (slice_is(e, element))
            return true;
    }
    return false;
}

