/* tapdeckd/cmd_table.c: `table`: any table of the registry as it stands.
 *
 * The commands with a tool's grammar (ip, ss, nstat) print chosen columns in that tool's shape. This
 * one prints whatever the modules registered, all columns: `memory`, `frag`, `pmtu`, `qdisc` and the
 * like, which no tool of Linux has a word for. Text and JSON come from the same rows.
 */
#include "deck.h"

#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"

#define ROWS_PER_STEP 32

struct table_dump {
    const struct table *table;
};

static void list_tables(struct run *r)
{
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (const struct table *t = r->deck->st->tables; t != NULL; t = t->link) {
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            jw_str(&r->jw, "name", t->name);
            jw_str(&r->jw, "doc", t->doc);
            jw_close(&r->jw, '}');
        } else {
            run_printf(r, "%-12s %s\n", t->name, t->doc);
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
}

static void print_row(struct run *r, const struct table *t, const struct row *row)
{
    char text[64];
    bool first = true;
    if (r->json)
        jw_open(&r->jw, NULL, '{');
    for (unsigned i = 0; i < t->ncolumns; i++) {
        const char *name = t->columns[i].name;
        if (row->v[i].type == VAL_NONE)
            continue;
        if (r->json) {
            value_json(&r->jw, &row->v[i], name);
            continue;
        }
        /* Sentences of a catalogue are longer than a cell. */
        const char *value = row->v[i].type == VAL_STR ? row->v[i].s : row_text(t, row, name, text);
        run_printf(r, "%s%s %s", first ? "" : "  ", name, value);
        first = false;
    }
    if (r->json)
        jw_close(&r->jw, '}');
    else
        run_puts(r, "\n");
}

static int table_step(struct run *r, td_time now)
{
    (void)now;
    struct table_dump *d = r->state;
    struct row row;
    for (int i = 0; i < ROWS_PER_STEP; i++) {
        row_clear(&row);
        if (!d->table->next(r->deck->st, &r->cursor, &row)) {
            if (r->json) {
                jw_close(&r->jw, ']');
                run_puts(r, "\n");
            }
            return EXIT_DONE;
        }
        print_row(r, d->table, &row);
    }
    r->ready = true;
    return RUN_MORE;
}

static int table_main(struct run *r)
{
    const char *name = NULL;
    for (int i = 1; i < r->argc; i++) {
        if (strcmp(r->argv[i], "-j") == 0)
            r->json = true;
        else if (name == NULL)
            name = r->argv[i];
        else
            return run_bad_word(r, i, "write `table [NAME] [-j]`");
    }
    if (name == NULL) {
        list_tables(r);
        return EXIT_DONE;
    }
    const struct table *t = table_find(r->deck->st, name);
    if (t == NULL) {
        struct nearest n = {.word = name};
        for (t = r->deck->st->tables; t != NULL; t = t->link)
            nearest_offer(&n, t->name);
        return run_mean(
            r, run_fail(r, EXIT_USAGE, "there is no table called '%s': `table` lists them", name), &n);
    }
    struct table_dump *d = malloc(sizeof(*d));
    if (d == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    d->table = t;
    r->state = d;
    r->step = table_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    return table_step(r, 0);
}

const struct command command_table = {
    .name = "table",
    .usage = "table [TABLE] [-j]",
    .doc = "any table of the stack, all its columns; without a name, the list of tables",
    .more = "Examples:\n  table memory     bytes handed out, by purpose\n  table frag       reassemblies "
            "under way\n",
    .fn = table_main,
};
