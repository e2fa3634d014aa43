/* core/table.c: the registry of tables, and how a value becomes text. */
#include "core/table.h"

#include "core/stack.h"

#include <stdio.h>
#include <string.h>

void table_register(struct td_stack *st, struct table *t)
{
    struct table **end = &st->tables;
    while (*end != NULL)
        end = &(*end)->link;
    t->link = NULL;
    *end = t;
}

struct table *table_find(struct td_stack *st, const char *name)
{
    for (struct table *t = st->tables; t != NULL; t = t->link)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

void row_clear(struct row *row)
{
    for (unsigned i = 0; i < TABLE_MAX_COLUMNS; i++)
        row->v[i].type = VAL_NONE;
    row->text_used = 0;
}

static void row_set(struct row *row, unsigned col, enum value_type type, uint64_t u)
{
    row->v[col].type = type;
    row->v[col].u = u;
}

void row_u64(struct row *row, unsigned col, uint64_t v)
{
    row_set(row, col, VAL_U64, v);
}

void row_i64(struct row *row, unsigned col, int64_t v)
{
    row->v[col].type = VAL_I64;
    row->v[col].i = v;
}

void row_bool(struct row *row, unsigned col, bool v)
{
    row_set(row, col, VAL_BOOL, v);
}

void row_ip4(struct row *row, unsigned col, td_ip4 v)
{
    row_set(row, col, VAL_IP4, v);
}

void row_prefix(struct row *row, unsigned col, td_ip4 addr, unsigned len)
{
    row_set(row, col, VAL_PREFIX, (uint64_t)addr << 8 | len);
}

void row_mac(struct row *row, unsigned col, struct td_mac mac)
{
    uint64_t u = 0;
    for (int i = 0; i < 6; i++)
        u = u << 8 | mac.b[i];
    row_set(row, col, VAL_MAC, u);
}

void row_ns(struct row *row, unsigned col, td_time v)
{
    row_set(row, col, VAL_NS, v);
}

void row_str(struct row *row, unsigned col, const char *s)
{
    size_t room = sizeof row->text - row->text_used, n = strlen(s);
    if (room == 0)
        return;
    if (n >= room)
        n = room - 1;
    char *to = row->text + row->text_used;
    memcpy(to, s, n);
    to[n] = '\0';
    row->text_used += n + 1;
    row_word(row, col, to);
}

void row_word(struct row *row, unsigned col, const char *s)
{
    row->v[col].type = VAL_STR;
    row->v[col].s = s;
}

static size_t format_ip4(td_ip4 a, char *dst, size_t size)
{
    return (size_t)snprintf(dst, size, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

/* Clips snprintf's return value to what is in dst. */
static size_t clipped(size_t n, size_t size)
{
    return size == 0 ? 0 : n < size ? n : size - 1;
}

size_t value_format(const struct value *v, char *dst, size_t size)
{
    size_t n = 0;
    unsigned long long u = v->u;
    if (size > 0)
        dst[0] = '\0';
    switch (v->type) {
    case VAL_NONE:
        break;
    case VAL_U64:
        n = (size_t)snprintf(dst, size, "%llu", u);
        break;
    case VAL_I64:
        n = (size_t)snprintf(dst, size, "%lld", (long long)v->i);
        break;
    case VAL_BOOL:
        n = (size_t)snprintf(dst, size, "%s", u != 0 ? "true" : "false");
        break;
    case VAL_IP4:
        n = format_ip4((td_ip4)u, dst, size);
        break;
    case VAL_PREFIX: {
        char addr[16];
        (void)format_ip4((td_ip4)(u >> 8), addr, sizeof addr);
        n = (size_t)snprintf(dst, size, "%s/%llu", addr, u & 255);
        break;
    }
    case VAL_MAC:
        n = (size_t)snprintf(dst, size, "%02llx:%02llx:%02llx:%02llx:%02llx:%02llx", u >> 40 & 255,
                             u >> 32 & 255, u >> 24 & 255, u >> 16 & 255, u >> 8 & 255, u & 255);
        break;
    case VAL_NS:
        n = (size_t)snprintf(dst, size, "%llu.%03llus", u / TD_SEC, u % TD_SEC / TD_MS);
        break;
    case VAL_STR:
        n = (size_t)snprintf(dst, size, "%s", v->s);
        break;
    case VAL_HEX:
        n = (size_t)snprintf(dst, size, "0x%llx", u);
        break;
    }
    return clipped(n, size);
}
