/* tapdeckd/cmd_ss.c: `ss`: sockets, in the columns and under the options of iproute2's ss.
 *
 * The rows are those of the tables tcp and udp. What ss prints in fixed columns has fixed names
 * there (state, recv-q, send-q, local, lport, peer, pport); whatever other columns a table has are
 * -i's (and all of them are in the JSON, whose schema is ours: ss has none). The tables are read
 * with a cursor, so a hundred thousand connections come a few hundred at a time; column widths are
 * therefore fixed.
 */
#include "tapdeckd/deck.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROWS_PER_STEP 256

/* ss's states; the names as it prints them, and as `state` takes them. */
static const struct {
    const char *shown, *word;
} states[] = {
    {"ESTAB", "established"},     {"SYN-SENT", "syn-sent"},     {"SYN-RECV", "syn-recv"},
    {"FIN-WAIT-1", "fin-wait-1"}, {"FIN-WAIT-2", "fin-wait-2"}, {"TIME-WAIT", "time-wait"},
    {"UNCONN", "closed"},         {"CLOSE-WAIT", "close-wait"}, {"LAST-ACK", "last-ack"},
    {"LISTEN", "listening"},      {"CLOSING", "closing"},
};
enum {
    S_ESTAB,
    S_SYN_SENT,
    S_SYN_RECV,
    S_FIN1,
    S_FIN2,
    S_TIME_WAIT,
    S_CLOSED,
    S_CLOSE_WAIT,
    S_LAST_ACK,
    S_LISTEN,
    S_CLOSING,
    S_COUNT
};
#define BIT(s)       (1U << (s))
#define ALL_STATES   (BIT(S_COUNT) - 1)
#define CONNECTED    (ALL_STATES & ~(BIT(S_LISTEN) | BIT(S_CLOSED)))
#define SYNCHRONIZED (CONNECTED & ~BIT(S_SYN_SENT))
#define BUCKET       (BIT(S_SYN_RECV) | BIT(S_TIME_WAIT))
/* Without -a, -l or `state`. */
#define USUAL (ALL_STATES & ~(BIT(S_LISTEN) | BIT(S_CLOSED) | BIT(S_TIME_WAIT) | BIT(S_SYN_RECV)))

struct end_filter {
    bool set;
    td_ip4 addr, mask;
    uint16_t port;
};

struct ss {
    bool tcp, udp, info, timers, extended, memory, no_header, summary;
    unsigned states;
    struct end_filter src, dst;
    int table; /* 0 tcp, 1 udp, 2 done */
    unsigned counts[2][S_COUNT], orphans;
};

static int state_index(const char *shown)
{
    for (int i = 0; i < S_COUNT; i++)
        if (strcmp(shown, states[i].shown) == 0)
            return i;
    return -1;
}

static bool end_matches(const struct end_filter *f, uint64_t addr, uint64_t port)
{
    return !f->set || (((addr ^ f->addr) & f->mask) == 0 && (f->port == 0 || f->port == port));
}

/* ---- a row ---- */

static bool fixed_column(const char *name)
{
    static const char *const fixed[] = {"id",   "state", "recv-q", "send-q",  "local",   "lport",
                                        "peer", "pport", "timer",  "expires", "retries", "dev"};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
        if (strcmp(name, fixed[i]) == 0)
            return true;
    return false;
}

static void print_end(struct run *r, const struct table *t, const struct row *row, const char *addr,
                      const char *port)
{
    char text[64], dev[64];
    uint64_t a = row_number(t, row, addr), p = row_number(t, row, port);
    const char *shown = a == 0 ? (strcmp(addr, "local") == 0 ? "0.0.0.0"
                                  : p == 0                   ? "0.0.0.0"
                                                             : "*")
                               : row_text(t, row, addr, text);
    const char *bound = strcmp(addr, "local") == 0 ? row_text(t, row, "dev", dev) : "";
    char whole[96];
    snprintf(whole, sizeof(whole), "%s%s%s", shown, *bound ? "%" : "", bound);
    if (p == 0)
        run_printf(r, " %20s:%-5s", whole, "*");
    else
        run_printf(r, " %20s:%-5llu", whole, (unsigned long long)p);
}

/* timer:(name,when,retries), the time as ss writes it: 1min59sec, 3.2sec, 200ms. */
static void print_timer(struct run *r, const struct table *t, const struct row *row)
{
    char text[64];
    const char *name = row_text(t, row, "timer", text);
    unsigned long long ms = row_number(t, row, "expires") / TD_MS;
    if (*name == '\0')
        return;
    run_printf(r, " timer:(%s,", name);
    if (ms >= 60000)
        run_printf(r, "%llumin", ms / 60000);
    if (ms >= 9000)
        run_printf(r, "%llusec", ms % 60000 / 1000);
    else if (ms >= 1000)
        run_printf(r, "%llu.%llusec", ms / 1000, ms % 1000 / 100);
    else
        run_printf(r, "%llums", ms);
    run_printf(r, ",%llu)", (unsigned long long)row_number(t, row, "retries"));
}

/* As ss -i does: times in milliseconds, to the microsecond where that matters; rtt:MEAN/VARIATION.
 */
static void print_info(struct run *r, const struct table *t, const struct row *row)
{
    const char *before = "\n\t ";
    char text[64];
    for (unsigned i = 0; i < t->ncolumns; i++) {
        const char *name = t->columns[i].name;
        if (fixed_column(name) || row->v[i].type == VAL_NONE)
            continue;
        if (row->v[i].type == VAL_NS) {
            unsigned long long us = row->v[i].u / TD_US;
            bool variation = strcmp(name, "rttvar") == 0;
            run_printf(r, "%s%s%s%llu", variation ? "/" : before, variation ? "" : name,
                       variation ? "" : ":", us / 1000);
            if (us % 1000 != 0)
                run_printf(r, ".%03llu", us % 1000);
        } else {
            run_printf(r, "%s%s:%s", before, name, row_text(t, row, name, text));
        }
        before = " ";
    }
}

static void print_row(struct run *r, const struct ss *s, const struct table *t,
                      const struct row *row)
{
    char text[64];
    bool both = s->tcp && s->udp;
    if (both)
        run_printf(r, "%-5s ", t->name);
    run_printf(r, "%-10s %-6llu %-6llu", row_text(t, row, "state", text),
               (unsigned long long)row_number(t, row, "recv-q"),
               (unsigned long long)row_number(t, row, "send-q"));
    print_end(r, t, row, "local", "lport");
    print_end(r, t, row, "peer", "pport");
    if (s->timers)
        print_timer(r, t, row);
    if (s->extended)
        run_printf(r, " id:%llu", (unsigned long long)row_number(t, row, "id"));
    if (s->info)
        print_info(r, t, row);
    run_puts(r, "\n");
}

static void json_row(struct run *r, const struct table *t, const struct row *row)
{
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "netid", t->name);
    for (unsigned i = 0; i < t->ncolumns; i++) {
        char key[64];
        size_t n = 0;
        for (const char *c = t->columns[i].name; *c && n + 1 < sizeof(key); c++)
            key[n++] = *c == '-' ? '_' : *c;
        key[n] = '\0';
        row_json(&r->jw, t, row, t->columns[i].name, key);
    }
    jw_close(&r->jw, '}');
}

static void header(struct run *r, const struct ss *s)
{
    if (s->no_header || r->json)
        return;
    if (s->tcp && s->udp)
        run_printf(r, "%-5s ", "Netid");
    run_printf(r, "%-10s %-6s %-6s %20s:%-5s %20s:%-5s\n", "State", "Recv-Q", "Send-Q",
               "Local Address", "Port", "Peer Address", "Port");
}

static int finish(struct run *r, const struct ss *s)
{
    if (!s->summary) {
        if (r->json) {
            jw_close(&r->jw, ']');
            run_puts(r, "\n");
        }
        return EXIT_DONE;
    }
    unsigned total[2] = {0};
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < S_COUNT; k++)
            total[i] += s->counts[i][k];
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "total", total[0] + total[1]);
        jw_open(&r->jw, "tcp", '{');
        for (int k = 0; k < S_COUNT; k++)
            jw_u64(&r->jw, states[k].word, s->counts[0][k]);
        jw_close(&r->jw, '}');
        jw_u64(&r->jw, "udp", total[1]);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return EXIT_DONE;
    }
    run_printf(r, "Total: %u\nTCP:   %u (estab %u, closed %u, timewait %u, listen %u)\nUDP:   %u\n",
               total[0] + total[1], total[0], s->counts[0][S_ESTAB], s->counts[0][S_CLOSED],
               s->counts[0][S_TIME_WAIT], s->counts[0][S_LISTEN], total[1]);
    return EXIT_DONE;
}

static int ss_step(struct run *r, td_time now)
{
    (void)now;
    struct ss *s = r->state;
    static const char *const names[] = {"tcp", "udp"};
    char text[64];
    struct row row;
    for (int i = 0; i < ROWS_PER_STEP;) {
        if ((s->table == 0 && !s->tcp) || (s->table == 1 && !s->udp)) {
            s->table++;
            continue;
        }
        if (s->table > 1)
            return finish(r, s);
        struct table *t = table_find(r->deck->st, names[s->table]);
        row_clear(&row);
        if (t == NULL || !t->next(r->deck->st, &r->cursor, &row)) {
            s->table++;
            r->cursor = 0;
            continue;
        }
        i++;
        int state = state_index(row_text(t, &row, "state", text));
        if (state < 0)
            state = S_CLOSED;
        if ((s->states & BIT(state)) == 0 ||
            !end_matches(&s->src, row_number(t, &row, "local"), row_number(t, &row, "lport")) ||
            !end_matches(&s->dst, row_number(t, &row, "peer"), row_number(t, &row, "pport")))
            continue;
        s->counts[s->table][state]++;
        if (s->summary)
            continue;
        if (r->json)
            json_row(r, t, &row);
        else
            print_row(r, s, t, &row);
    }
    r->ready = true;
    return RUN_MORE;
}

/* ---- words ---- */

static unsigned states_of(const char *word)
{
    static const struct {
        const char *word;
        unsigned bits;
    } groups[] = {{"all", ALL_STATES},
                  {"connected", CONNECTED},
                  {"synchronized", SYNCHRONIZED},
                  {"bucket", BUCKET},
                  {"big", ALL_STATES & ~BUCKET},
                  {"listen", BIT(S_LISTEN)},
                  {"unconnected", BIT(S_CLOSED)},
                  {"close", BIT(S_CLOSED)},
                  {"estab", BIT(S_ESTAB)}};
    for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
        if (strcasecmp(word, groups[i].word) == 0)
            return groups[i].bits;
    for (int i = 0; i < S_COUNT; i++)
        if (strcasecmp(word, states[i].word) == 0 || strcasecmp(word, states[i].shown) == 0)
            return BIT(i);
    return 0;
}

static int letters(struct run *r, struct ss *s, int at, bool *all, bool *listening)
{
    for (const char *c = r->argv[at] + 1; *c; c++) {
        switch (*c) {
        case 't':
            s->tcp = true;
            break;
        case 'u':
            s->udp = true;
            break;
        case 'a':
            *all = true;
            break;
        case 'l':
            *listening = true;
            break;
        case 'i':
            s->info = true;
            break;
        case 'o':
            s->timers = true;
            break;
        case 'e':
            s->extended = true;
            break;
        case 'm':
            s->info = true;
            break;
        case 's':
            s->summary = true;
            break;
        case 'H':
            s->no_header = true;
            break;
        case 'j':
            r->json = true;
            break;
        case 'n': /* always: no names are looked up */
        case 'p': /* all sockets are this process's */
        case '4':
        case 'O':
            break;
        default:
            return run_fail(
                r, EXIT_USAGE,
                "ss has no option -%c here: there are -t -u -a -l -n -o -e -i -m -p -s -H -j", *c);
        }
    }
    return EXIT_DONE;
}

static int long_option(struct run *r, struct ss *s, int at, bool *all, bool *listening)
{
    static const struct {
        const char *word;
        char letter;
    } longs[] = {{"--tcp", 't'},       {"--udp", 'u'},    {"--all", 'a'},
                 {"--listening", 'l'}, {"--info", 'i'},   {"--options", 'o'},
                 {"--extended", 'e'},  {"--memory", 'm'}, {"--summary", 's'},
                 {"--no-header", 'H'}, {"--json", 'j'},   {"--numeric", 'n'},
                 {"--processes", 'p'}};
    for (size_t i = 0; i < sizeof(longs) / sizeof(*longs); i++) {
        if (strcmp(r->argv[at], longs[i].word) != 0)
            continue;
        char two[3] = {'-', longs[i].letter, '\0'}, *kept = r->argv[at];
        r->argv[at] = two;
        int status = letters(r, s, at, all, listening);
        r->argv[at] = kept;
        return status;
    }
    return run_bad_word(r, at, "the options are -t -u -a -l -n -o -e -i -m -p -s -H -j");
}

/* "src 10.0.0.0/8", "dst 10.0.0.1:80", "sport = :80", "dport 80". Moves *at behind it. */
static int end_words(struct run *r, struct ss *s, int *at)
{
    const char *word = r->argv[*at];
    struct end_filter *f = word[0] == 's' ? &s->src : &s->dst;
    bool port_only = strcmp(word + 1, "port") == 0;
    int i = *at + 1;
    if (i < r->argc && (strcmp(r->argv[i], "=") == 0 || strcmp(r->argv[i], "==") == 0 ||
                        strcmp(r->argv[i], "eq") == 0))
        i++;
    if (i >= r->argc)
        return run_bad_word(
            r, i, port_only ? "write a port, `sport = :80`" : "write an address, `dst 10.0.0.1`");
    const char *value = r->argv[i];
    uint8_t plen = 32;
    uint32_t port = 0;
    td_ip4 addr = 0;
    bool ok;
    if (port_only) {
        ok = parse_u32(*value == ':' ? value + 1 : value, 65535, &port);
    } else if (strchr(value, '/') != NULL) {
        ok = parse_prefix(value, &addr, &plen);
    } else {
        uint16_t p = 0;
        ok = parse_endpoint(value, &addr, &p);
        port = p;
        if (addr == 0)
            plen = 0;
    }
    if (!ok)
        return run_fail(r, EXIT_USAGE, "'%s' after '%s' is not %s", value, word,
                        port_only ? "a port: write :80"
                                  : "an address: write 10.0.0.1, 10.0.0.0/8 or 10.0.0.1:80");
    if (!f->set)
        *f = (struct end_filter){.set = true};
    if (!port_only) {
        f->addr = addr;
        f->mask = plen == 0 ? 0 : UINT32_MAX << (32 - plen);
    }
    if (port != 0)
        f->port = (uint16_t)port;
    *at = i;
    return EXIT_DONE;
}

static int ss_main(struct run *r)
{
    bool all = false, listening = false;
    unsigned chosen = 0;
    struct ss *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    r->state = s;
    for (int i = 1; i < r->argc; i++) {
        const char *w = r->argv[i];
        int status = EXIT_DONE;
        if (w[0] == '-' && w[1] != '-' && w[1] != '\0') {
            status = letters(r, s, i, &all, &listening);
        } else if (w[0] == '-') {
            status = long_option(r, s, i, &all, &listening);
        } else if (strcmp(w, "state") == 0 || strcmp(w, "exclude") == 0) {
            const char *value = run_value(r, i++, "the name of a state");
            unsigned bits = value != NULL ? states_of(value) : 0;
            if (value == NULL)
                return EXIT_USAGE;
            if (bits == 0)
                return run_fail(r, EXIT_USAGE,
                                "'%s' is not a state: write established, syn-sent, syn-recv, "
                                "fin-wait-1, fin-wait-2, time-wait, closed, close-wait, last-ack, "
                                "listening, closing, or all",
                                value);
            if (w[0] == 's')
                chosen |= bits;
            else
                chosen = (chosen ? chosen : ALL_STATES) & ~bits;
        } else if (strcmp(w, "src") == 0 || strcmp(w, "dst") == 0 || strcmp(w, "sport") == 0 ||
                   strcmp(w, "dport") == 0) {
            status = end_words(r, s, &i);
        } else if (strcmp(w, "and") != 0) {
            status = run_bad_word(
                r, i,
                "a filter is `state NAME`, `src|dst ADDR[/LEN][:PORT]`, `sport|dport = :PORT`");
        }
        if (status != EXIT_DONE)
            return status;
    }
    if (!s->tcp && !s->udp)
        s->tcp = s->udp = true;
    s->states = chosen              ? chosen
                : all || s->summary ? ALL_STATES
                : listening         ? BIT(S_LISTEN) | BIT(S_CLOSED)
                                    : USUAL;
    if (r->json && !s->summary)
        jw_open(&r->jw, NULL, '[');
    if (!s->summary)
        header(r, s);
    r->step = ss_step;
    return ss_step(r, 0);
}

const struct command command_ss = {
    .name = "ss",
    .usage = "ss [-tualnoeimpsHj] [state STATE | exclude STATE]... [FILTER]...\n"
             "FILTER := {src | dst} ADDR[/LEN][:PORT] | {sport | dport} [=] :PORT",
    .doc = "sockets: TCP connections and UDP endpoints",
    .more = "-t TCP, -u UDP (both when neither), -a all states, -l listening only, -o timers, -e "
            "the id that `why conn` takes,\n"
            "-i what TCP keeps for the connection, -s a summary, -H no heading. Addresses are "
            "always numbers.\n"
            "Examples:\n  ss -tan\n  ss -ti dst 10.0.0.1\n  ss -t state time-wait sport = :80",
    .fn = ss_main,
};
