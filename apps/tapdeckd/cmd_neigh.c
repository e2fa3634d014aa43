/* tapdeckd/cmd_neigh.c: `ip neigh`, in iproute2's words and shapes.
 *
 * The table is read through the registry with a cursor, a bounded number of rows at a time.
 */
#include "tapdeckd/cmd_ip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arp/arp.h"
#include "link/link.h"

#define ROWS_PER_STEP 256

/* A dump under way: which table, which rows, how a row is printed. */
struct dump {
    struct table *table;
    void (*print)(struct run *r, const struct dump *d, const struct row *row);
    bool (*want)(const struct dump *d, const struct table *t, const struct row *row);
    char dev[NETIF_NAME_LEN]; /* "" = any */
    td_ip4 addr;              /* only this one; 0 = any */
    const char *nud;          /* only those in this state; NULL = any */
    bool stats;               /* -s */
};

static int dump_step(struct run *r, td_time now)
{
    (void)now;
    struct dump *d = r->state;
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
        if (d->want(d, d->table, &row))
            d->print(r, d, &row);
    }
    r->ready = true;
    return RUN_MORE;
}

static int dump_start(struct run *r, const char *table, const struct dump *like)
{
    struct table *t = table_find(r->deck->st, table);
    if (t == NULL)
        return run_fail(r, EXIT_FAILED, "the stack has no table '%s'", table);
    struct dump *d = malloc(sizeof(*d));
    if (d == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *d = *like;
    d->table = t;
    r->state = d;
    r->step = dump_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    return dump_step(r, 0);
}

static bool dev_matches(const struct dump *d, const struct table *t, const struct row *row)
{
    char text[64];
    return d->dev[0] == '\0' || strcmp(row_text(t, row, "dev", text), d->dev) == 0;
}

static bool neigh_wanted(const struct dump *d, const struct table *t, const struct row *row)
{
    char text[64];
    const char *state = row_text(t, row, "state", text);
    if (d->nud != NULL)
        return dev_matches(d, t, row) && strcasecmp(d->nud, state) == 0;
    return dev_matches(d, t, row) && (d->addr == 0 || row_number(t, row, "dst") == d->addr) &&
           strcmp(state, "NONE") != 0 && strcmp(state, "NOARP") != 0;
}

static unsigned long long seconds(const struct table *t, const struct row *row, const char *column)
{
    return row_number(t, row, column) / TD_SEC;
}

/* Nothing was sent to it yet: since it is there. */
static unsigned long long since_used(const struct table *t, const struct row *row)
{
    return seconds(t, row, row_has(t, row, "used") ? "used" : "updated");
}

static void neigh_stats_json(struct run *r, const struct table *t, const struct row *row)
{
    jw_u64(&r->jw, "used", since_used(t, row));
    jw_u64(&r->jw, "confirmed", seconds(t, row, "confirmed"));
    jw_u64(&r->jw, "updated", seconds(t, row, "updated"));
    jw_u64(&r->jw, "probes", row_number(t, row, "probes"));
}

static void neigh_print(struct run *r, const struct dump *d, const struct row *row)
{
    const struct table *t = d->table;
    bool named = d->dev[0] == '\0'; /* which interface goes without saying after `dev X` */
    char text[64];
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        row_json(&r->jw, t, row, "dst", "dst");
        if (named)
            row_json(&r->jw, t, row, "dev", "dev");
        row_json(&r->jw, t, row, "lladdr", "lladdr");
        if (d->stats)
            neigh_stats_json(r, t, row);
        jw_open(&r->jw, "state", '[');
        jw_str(&r->jw, NULL, row_text(t, row, "state", text));
        jw_close(&r->jw, ']');
        jw_close(&r->jw, '}');
        return;
    }
    run_printf(r, "%s ", row_text(t, row, "dst", text));
    if (named)
        run_printf(r, "dev %s ", row_text(t, row, "dev", text));
    if (row_has(t, row, "lladdr"))
        run_printf(r, "lladdr %s ", row_text(t, row, "lladdr", text));
    if (d->stats)
        run_printf(r, " used %llu/%llu/%lluprobes %llu ", since_used(t, row), seconds(t, row, "confirmed"),
                   seconds(t, row, "updated"), (unsigned long long)row_number(t, row, "probes"));
    run_printf(r, "%s \n", row_text(t, row, "state", text));
}

struct neigh_words {
    td_ip4 addr;
    struct td_mac mac;
    bool has_addr, has_mac;
    uint32_t ifindex;
    enum td_neigh_state state;
    const char *nud; /* to be shown: the state's name */
};

/* A state by its name; NULL: none is called so. */
static const char *state_find(const char *word)
{
    for (int s = 0; s <= NEIGH_NOARP; s++)
        if (strcasecmp(word, neigh_state_name((enum neigh_state)s)) == 0)
            return neigh_state_name((enum neigh_state)s);
    return NULL;
}

static int neigh_words(struct run *r, int at, bool show, struct neigh_words *w)
{
    memset(w, 0, sizeof(*w));
    w->state = TD_NEIGH_PERMANENT;
    for (int i = at; i < r->argc; i++) {
        const char *word = r->argv[i], *value;
        if (strcmp(word, "dev") == 0) {
            if ((value = run_value(r, i++, "the interface's name")) == NULL ||
                (w->ifindex = run_interface(r, value)) == 0)
                return -1;
        } else if (strcmp(word, "lladdr") == 0) {
            if ((value = run_value(r, i++, "the MAC address")) == NULL)
                return -1;
            if (!parse_mac(value, &w->mac))
                return run_fail(r, EXIT_USAGE,
                                "'%s' is not a MAC address: write it as 02:00:00:00:00:01", value),
                       -1;
            w->has_mac = true;
        } else if (strcmp(word, "nud") == 0) {
            if ((value = run_value(r, i++, "the state")) == NULL)
                return -1;
            if (show && strcmp(value, "all") == 0)
                continue;
            if (show && (w->nud = state_find(value)) == NULL)
                return run_bad_word(r, i, "the states are reachable, stale, delay, probe, failed, incomplete, permanent, noarp and all"),
                       -1;
            if (show)
                continue;
            if (strcasecmp(value, "permanent") == 0)
                w->state = TD_NEIGH_PERMANENT;
            else if (strcasecmp(value, "reachable") == 0)
                w->state = TD_NEIGH_REACHABLE;
            else if (strcasecmp(value, "stale") == 0)
                w->state = TD_NEIGH_STALE;
            else
                return run_bad_word(r, i,
                                    "the states one can set are permanent, reachable and stale"),
                       -1;
        } else if ((i == at || strcmp(word, "to") == 0) && !w->has_addr) {
            value = strcmp(word, "to") == 0 ? run_value(r, i++, "the address") : word;
            if (value == NULL)
                return -1;
            if (!parse_ip4(value, &w->addr))
                return run_fail(r, EXIT_USAGE, "'%s' is not an address: write it as 10.0.0.1",
                                value),
                       -1;
            w->has_addr = true;
        } else {
            return run_bad_word(r, i,
                                "write `ip neigh show|add|replace|del|flush [ADDR] [lladdr MAC] "
                                "[dev X] [nud STATE]`"),
                   -1;
        }
    }
    return 0;
}

int ip_neigh(struct run *r, int at, const struct ip_options *o)
{
    struct td_stack *st = r->deck->st;
    enum ip_verb verb = at < r->argc ? ip_verb(r->argv[at]) : VERB_SHOW;
    struct neigh_words w;
    if (verb == VERB_UNKNOWN || verb == VERB_SET || verb == VERB_GET)
        return run_bad_word(r, at, "write `ip neigh show|add|replace|del|flush`");
    if (neigh_words(r, at + 1, verb == VERB_SHOW, &w) < 0)
        return EXIT_USAGE;
    if (verb == VERB_SHOW) {
        struct dump d = {.print = neigh_print, .want = neigh_wanted, .addr = w.addr, .nud = w.nud, .stats = o->stats > 0};
        if (w.ifindex != 0)
            memcpy(d.dev, netif_by_index(st, w.ifindex)->name, sizeof(d.dev));
        return dump_start(r, "neigh", &d);
    }
    if (verb == VERB_FLUSH) {
        if (w.has_addr)
            return run_fail(r, EXIT_USAGE,
                            "`ip neigh flush` takes an interface or nothing: one entry goes with "
                            "`ip neigh del ADDR dev X`");
        td_neigh_flush(st, w.ifindex);
        return EXIT_DONE;
    }
    if (!w.has_addr || w.ifindex == 0 || (verb != VERB_DEL && !w.has_mac))
        return run_fail(r, EXIT_USAGE,
                        verb == VERB_DEL ? "write `ip neigh del ADDR dev X`"
                                         : "write `ip neigh %s ADDR lladdr MAC dev X`",
                        verb == VERB_ADD ? "add" : "replace");
    int err;
    if (verb == VERB_DEL) {
        err = td_neigh_del(st, w.ifindex, w.addr);
        if (err == -ENOENT)
            return run_fail(r, EXIT_USAGE, "there is no such entry: `ip neigh` lists them");
    } else {
        /* iproute2's `add` refuses what is there; the stack's call replaces. */
        struct netif *nif = netif_by_index(st, w.ifindex);
        enum neigh_state there = neigh_lookup(st, nif, w.addr, NULL);
        if (verb == VERB_ADD && there != NEIGH_NONE && there != NEIGH_FAILED)
            return run_fail(r, EXIT_USAGE,
                            "there is such an entry already: `ip neigh replace` changes it");
        err = td_neigh_add(st, w.ifindex, w.addr, w.mac, w.state);
    }
    return err == 0 ? EXIT_DONE : run_fail(r, EXIT_USAGE, "the neighbour: %s", error_text(err));
}
