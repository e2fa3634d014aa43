/* tapdeckd/cmd_values.c: `values`: the values of a class that the daemon knows now, for completion.
 *
 * The usage of a command says where a value of a class stands (common/usage.h); this says which
 * there are: interfaces, addresses, connections, knobs. Most are columns of tables, read as `table`
 * reads them, a bounded number of rows at a time and at most VALUES_MAX of them: nobody chooses
 * among more. A class that isn't known has no values, which is no mistake: `N` hasn't any.
 */
#include "tapdeckd/deck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ip/nf/nf.h"
#include "link/link.h"
#include "tcp/pcb.h"

#define ROWS_PER_STEP 128
#define VALUES_MAX    2000

/* Columns of the registry's tables. A second column is a port. */
static const struct source {
    const char *class, *table, *column, *port;
} sources[] = {
    {"IFACE", "link", "ifname", NULL},     {"ADDR", "addr", "local", NULL},       {"ADDR", "neigh", "dst", NULL},
    {"ADDR", "route", "gateway", NULL},    {"ADDR", "tcp", "peer", NULL},
    {"ADDR", "tcp", "local", NULL},        {"GATEWAY", "neigh", "dst", NULL},
    {"GATEWAY", "route", "gateway", NULL}, {"PREFIX", "route", "dst", NULL},
    {"MAC", "link", "address", NULL},      {"MAC", "neigh", "lladdr", NULL},
    {"MAC", "fdb", "mac", NULL},           {"CONN", "tcp", "id", NULL},
    {"CONN", "tcp", "peer", "pport"},      {"ENDPOINT", "tcp", "peer", "pport"},
    {"ENDPOINT", "tcp", "local", "lport"}, {"PORT", "tcp", "lport", NULL},
    {"PORT", "tcp", "pport", NULL},        {"PORT", "udp", "lport", NULL},
    {"COUNTER", "counters", "name", NULL}, {"FLOW", "conntrack", "id", NULL},
};
#define NSOURCES (sizeof(sources) / sizeof(sources[0]))

/* Words that don't change. */
static const struct {
    const char *class, *words;
} lists[] = {
    {"PREFIX", "default"},
    {"RTABLE", "main local default"},
    {"PROTO", "tcp udp icmp"},
    {"KIND", "drop error state action detail"},
    {"STATE", "all bucket big connected synchronized established syn-sent syn-recv fin-wait-1 "
              "fin-wait-2 time-wait closed close-wait last-ack listening closing"},
    {"NUD", "permanent noarp reachable stale delay probe incomplete failed none"},
    {"POLICY", "ACCEPT DROP"},
    {"TARGET", "ACCEPT DROP RETURN REJECT LOG SNAT DNAT MASQUERADE REDIRECT TCPMSS"},
    {"TCPSTATE", "CLOSED LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT "
                 "CLOSING LAST-ACK TIME-WAIT"},
    {"FLOWSTATE", "NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2"},
    {"PROTOCOL", "kernel boot static redirect"},
    {"CTSTATE", "NEW ESTABLISHED RELATED INVALID"},
};

struct values {
    const char *class, *prefix;
    size_t source; /* the next of sources[] */
    unsigned told;
};

static void tell(struct run *r, const char *value)
{
    struct values *v = r->state;
    if (*value == '\0' || strncmp(value, v->prefix, strlen(v->prefix)) != 0 ||
        v->told >= VALUES_MAX)
        return;
    v->told++;
    if (r->json)
        jw_str(&r->jw, NULL, value);
    else
        run_printf(r, "%s\n", value);
}

static void tell_knob(void *ctx, const char *name, const char *doc)
{
    (void)doc;
    tell(ctx, name);
}

static void tell_fault(void *ctx, const char *name, const char *rows, const char *symptom)
{
    (void)rows;
    (void)symptom;
    tell(ctx, name);
}

static void tell_layers(struct run *r)
{
    const char *last = "";
    char layer[32];
    for (int e = 1; e < EV_COUNT; e++) {
        const char *name = event_info[e].name;
        size_t n = strcspn(name, "-");
        if (strncmp(name, last, n) == 0 && strcspn(last, "-") == n)
            continue;
        last = name;
        snprintf(layer, sizeof(layer), "%.*s", (int)n, name);
        tell(r, layer);
    }
}

static void tell_chains(struct run *r)
{
    const struct nf_ruleset *s = nf_rules(r->deck->st);
    for (int t = 0; t < NF_TABLES; t++) {
        for (unsigned i = 0; nf_builtin((enum nf_table_id)t, i) != NULL; i++)
            tell(r, nf_builtin((enum nf_table_id)t, i));
        for (uint32_t i = 0; s != NULL && i < s->table[t].nchains; i++)
            if (!s->table[t].chain[i]->builtin)
                tell(r, s->table[t].chain[i]->name);
    }
}

/* What isn't a table's column. */
static void tell_others(struct run *r, const char *class)
{
    char number[16];
    if (strcmp(class, "KNOB") == 0)
        td_knob_each(r->deck->st, tell_knob, r);
    else if (strcmp(class, "FAULT") == 0)
        td_fault_each(tell_fault, r);
    else if (strcmp(class, "EVENT") == 0)
        for (int e = 1; e < EV_COUNT; e++)
            tell(r, event_info[e].name);
    else if (strcmp(class, "LAYER") == 0)
        tell_layers(r);
    else if (strcmp(class, "CHAIN") == 0 || strcmp(class, "TARGET") == 0)
        tell_chains(r);
    else if (strcmp(class, "TABLE") == 0)
        for (const struct table *t = r->deck->st->tables; t != NULL; t = t->link)
            tell(r, t->name);
    else if (strcmp(class, "VARIABLE") == 0)
        for (unsigned i = 0; i < tcp_npcb; i++)
            tell(r, tcp_pcb[i].name);
    else if (strcmp(class, "BRIDGE") == 0)
        for (const struct netif *nif = netif_first(r->deck->st); nif != NULL; nif = nif->next)
            tell(r, nif->kind == TD_LINK_BRIDGE ? nif->name : "");
    else if (strcmp(class, "COMMAND") == 0)
        for (size_t i = 0; commands[i] != NULL; i++)
            tell(r, commands[i]->name);
    else if (strcmp(class, "APP") == 0)
        for (size_t i = 0; app_classes[i] != NULL; i++)
            tell(r, app_classes[i]->name);
    else if (strcmp(class, "RUNNING") == 0)
        for (const struct deck_app *a = r->deck->apps; a != NULL; a = a->next) {
            snprintf(number, sizeof(number), "%u", a->id);
            tell(r, number);
        }
    else if (strcmp(class, "TAP") == 0)
        for (const struct deck_tap *t = r->deck->taps; t != NULL; t = t->next)
            tell(r, tap_name(t->tap));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcmp(lists[i].class, class) != 0)
            continue;
        char word[32];
        for (const char *p = lists[i].words; *p != '\0'; p += strspn(p, " ")) {
            size_t n = strcspn(p, " ");
            snprintf(word, sizeof(word), "%.*s", (int)n, p);
            tell(r, word);
            p += n;
        }
    }
}

static void tell_cell(struct run *r, const struct source *s, const struct table *t,
                      const struct row *row)
{
    char text[64], with_port[96];
    const char *value = row_text(t, row, s->column, text);
    if (s->port == NULL) {
        if (strcmp(value, "0.0.0.0") != 0 && strcmp(value, "0") != 0)
            tell(r, value);
    } else if (row_number(t, row, s->port) != 0 && *value != '\0' &&
               strcmp(value, "0.0.0.0") != 0) {
        snprintf(with_port, sizeof(with_port), "%s:%u", value,
                 (unsigned)row_number(t, row, s->port));
        tell(r, with_port);
    }
}

static int values_step(struct run *r, td_time now)
{
    (void)now;
    struct values *v = r->state;
    for (int rows = 0; v->source < NSOURCES && v->told < VALUES_MAX;) {
        const struct source *s = &sources[v->source];
        const struct table *t =
            strcmp(s->class, v->class) == 0 ? table_find(r->deck->st, s->table) : NULL;
        struct row row;
        row_clear(&row);
        if (t == NULL || !t->next(r->deck->st, &r->cursor, &row)) {
            v->source++;
            r->cursor = 0;
            continue;
        }
        tell_cell(r, s, t, &row);
        if (++rows == ROWS_PER_STEP) {
            r->ready = true;
            return RUN_MORE;
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static int values_main(struct run *r)
{
    const char *word[2] = {NULL, ""};
    int n = 0;
    for (int i = 1; i < r->argc; i++) {
        if (strcmp(r->argv[i], "-j") == 0 && n == 0)
            r->json = true;
        else if (n < 2)
            word[n++] = r->argv[i];
        else
            return run_bad_word(r, i, "write `values CLASS [PREFIX]`");
    }
    if (n == 0)
        return run_bad_word(r, r->argc,
                            "write `values CLASS [PREFIX]`, for example `values IFACE`");
    struct values *v = calloc(1, sizeof(*v));
    if (v == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    v->class = word[0];
    v->prefix = word[1];
    r->state = v;
    r->step = values_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    tell_others(r, v->class);
    return values_step(r, 0);
}

const struct command command_values = {
    .name = "values",
    .usage = "values [-j] CLASS [PREFIX]",
    .doc = "the values of a class of words that there are now: what completion offers",
    .more = "CLASS is a word in capitals of the commands' usage: IFACE, ADDR, PREFIX, GATEWAY, "
            "MAC, PORT, CONN,\n"
            "KNOB, EVENT, LAYER, FAULT, TABLE, CHAIN, TARGET, COUNTER, APP and others. A value may "
            "come twice.\n"
            "Examples:\n  values IFACE\n  values KNOB net.ipv4.tcp_",
    .fn = values_main,
};
