/* common/jsonw.c: writing JSON a value at a time, commas put where they belong. */
#include "common/jsonw.h"

#include <inttypes.h>
#include <string.h>

static void name(struct jsonw *w, const char *key)
{
    if (w->comma)
        text_puts(w->t, ",");
    w->comma = true;
    if (key != NULL) {
        text_puts(w->t, "\"");
        text_json(w->t, key, strlen(key));
        text_puts(w->t, "\":");
    }
}

void jw_open(struct jsonw *w, const char *key, char bracket)
{
    name(w, key);
    text_add(w->t, &bracket, 1);
    w->comma = false;
}

void jw_close(struct jsonw *w, char bracket)
{
    text_add(w->t, &bracket, 1);
    w->comma = true;
}

void jw_str(struct jsonw *w, const char *key, const char *s)
{
    name(w, key);
    text_puts(w->t, "\"");
    text_json(w->t, s, strlen(s));
    text_puts(w->t, "\"");
}

void jw_u64(struct jsonw *w, const char *key, uint64_t v)
{
    name(w, key);
    text_printf(w->t, "%" PRIu64, v);
}

void jw_i64(struct jsonw *w, const char *key, int64_t v)
{
    name(w, key);
    text_printf(w->t, "%" PRId64, v);
}

void jw_double(struct jsonw *w, const char *key, double v)
{
    name(w, key);
    text_printf(w->t, "%.9g", v);
}

void jw_null(struct jsonw *w, const char *key)
{
    name(w, key);
    text_puts(w->t, "null");
}

void jw_bool(struct jsonw *w, const char *key, bool v)
{
    name(w, key);
    text_puts(w->t, v ? "true" : "false");
}

void jw_ms(struct jsonw *w, const char *key, uint64_t ns)
{
    name(w, key);
    text_printf(w->t, "%" PRIu64 ".%03u", ns / 1000000, (unsigned)(ns / 1000 % 1000));
}
