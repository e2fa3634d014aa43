/* core/table.h: the table registry.
 *
 * A module that owns a table (interfaces, addresses, routes, neighbours, sockets, timers,
 * reassemblies, counters, knobs …) registers it once: a name, its columns, and a function that
 * fills one row from a cursor. Console text, JSON and replay print the same rows. Dumps are
 * resumable: the cursor is a number (an insertion order, an index) that stays meaningful while the
 * table changes, so a reader takes a bounded number of rows per turn of the loop.
 */
#ifndef CORE_TABLE_H
#define CORE_TABLE_H

#include "tapdeck/types.h"

enum value_type {
    VAL_NONE, /* column has no value in this row: left out of JSON, blank in text */
    VAL_U64,
    VAL_I64,
    VAL_BOOL,
    VAL_IP4,    /* u = address */
    VAL_PREFIX, /* u = address << 8 | length */
    VAL_MAC,    /* u = 48 bits, first byte highest */
    VAL_NS,     /* u = nanoseconds */
    VAL_STR,    /* s: static, or points into the row's text[] */
    VAL_HEX,
};

struct value {
    enum value_type type;
    union {
        uint64_t u;
        int64_t i;
        const char *s;
    };
};

#define TABLE_MAX_COLUMNS 128

struct row {
    struct value v[TABLE_MAX_COLUMNS];
    char text[512]; /* scratch for strings made for this row */
    size_t text_used;
};

struct column {
    const char *name; /* heading, and JSON key (iproute2's where it has one: "dst", "lladdr") */
    enum value_type type;
    const char *doc;  /* one line: meaning and unit */
};

struct table {
    const char *name; /* "neigh", "route", "tcp", "udp", "timer" … */
    const char *doc;
    const struct column *columns;
    unsigned ncolumns;
    /* Fills `row` with the first entry at or after *cursor and moves *cursor past it. False: end.
     * Start with *cursor = 0. */
    bool (*next)(struct td_stack *st, uint64_t *cursor, struct row *row);
    struct table *link; /* registry's list, registration order */
};

/* Who uses a protocol's endpoint, as its socket tells the tables. */
struct endpoint_user {
    int handle;            /* its lowest one; -1 = none */
    uint32_t owner;        /* td_socket_owner's number; 0 = nobody said */
    uint64_t rmem;         /* datagrams: memory that waits to be read, bytes */
    uint32_t rcvbuf, sndbuf; /* datagrams: the limits, bytes */
};

void table_register(struct td_stack *st, struct table *t); /* t lives as long as the instance */
struct table *table_find(struct td_stack *st, const char *name);

/* Helpers for next(): */
void row_clear(struct row *row);
void row_u64(struct row *row, unsigned col, uint64_t v);
void row_i64(struct row *row, unsigned col, int64_t v);
void row_bool(struct row *row, unsigned col, bool v);
void row_ip4(struct row *row, unsigned col, td_ip4 v);
void row_prefix(struct row *row, unsigned col, td_ip4 addr, unsigned len);
void row_mac(struct row *row, unsigned col, struct td_mac mac);
void row_ns(struct row *row, unsigned col, td_time v);
void row_str(struct row *row, unsigned col, const char *s);  /* copied into text[] */
void row_word(struct row *row, unsigned col, const char *s); /* static string, not copied */
/* A value as text: 10.0.0.1, aa:bb:…, 1.500s. Returns the length. */
size_t value_format(const struct value *v, char *dst, size_t size);

#endif
