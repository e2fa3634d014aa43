/* common/jsonw.h: writing JSON a value at a time, commas put where they belong.
 *
 * No tree is built: a table of a million rows costs the row that is being written.
 *     jw_open(&w, "[");  jw_open(&w, "{");  jw_str(&w, "dst", "10.0.0.0/24");  jw_close(&w, "}"); …
 * key is NULL inside an array.
 */
#ifndef APPS_COMMON_JSONW_H
#define APPS_COMMON_JSONW_H

#include <stdint.h>

#include "common/text.h"

struct jsonw {
    struct text *t;
    bool comma; /* a value has been written at this level */
};
void jw_open(struct jsonw *w, const char *key, char bracket);
void jw_close(struct jsonw *w, char bracket);
void jw_str(struct jsonw *w, const char *key, const char *s);
void jw_u64(struct jsonw *w, const char *key, uint64_t v);
void jw_i64(struct jsonw *w, const char *key, int64_t v);
void jw_double(struct jsonw *w, const char *key, double v); /* finite; nine digits */
void jw_null(struct jsonw *w, const char *key);
void jw_bool(struct jsonw *w, const char *key, bool v);
/* A number of milliseconds with three decimals, from nanoseconds. */
void jw_ms(struct jsonw *w, const char *key, uint64_t ns);

#endif
