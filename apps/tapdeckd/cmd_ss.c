/* tapdeckd/cmd_ss.c: `ss`: sockets, in the columns and under the options of iproute2's ss.
 *
 * The rows are those of the tables udp and tcp. They are read with a cursor, a few hundred at a
 * time, and wait in a sheet until there are enough of them to know how wide the columns are
 * (ss_print.c); so a hundred thousand connections never hold the loop up, and a few are laid out as
 * ss does it. Which rows are meant, common/ss_filter.c judges. -K ends what it prints: the filter
 * says what, and without one nothing is ended.
 */
#include "tapdeckd/deck.h"

#include <stdlib.h>
#include <string.h>

#include "common/ss_filter.h"
#include "link/link.h"
#include "tapdeckd/ss_print.h"

#define ROWS_PER_STEP 128
#define ROWS_IN_FULL  64 /* with all that is known of each */
#define SHEET_ROWS    1024 /* laid out together */

/* Without -a, -l or `state`. */
#define USUAL                                                                                      \
    (SS_ALL & ~(SS_BIT(SS_LISTEN) | SS_BIT(SS_CLOSED) | SS_BIT(SS_TIME_WAIT) | SS_BIT(SS_SYN_RECV)))

struct ss {
    bool wanted[2]; /* udp, tcp */
    bool all, listening, summary, no_header, kill;
    struct ss_show show;
    struct ss_filter filter;
    unsigned states;
    uint16_t auto_low, auto_high;
    int table; /* 0 udp, 1 tcp, 2 both are read */
    struct ss_sheet sheet;
    bool printing;
    unsigned counts[2][SS_STATES], orphans;
};
static const char *const tables[] = {"udp", "tcp"};

static void ss_release(struct run *r)
{
    struct ss *s = r->state;
    sheet_free(&s->sheet);
    free(s);
}

/* ---- the summary ---- */

static void summary_json(struct run *r, const struct ss *s, const unsigned total[2])
{
    jw_open(&r->jw, NULL, '{');
    jw_u64(&r->jw, "total", total[0] + total[1]);
    jw_open(&r->jw, "tcp", '{');
    for (int k = 0; k < SS_STATES; k++)
        jw_u64(&r->jw, ss_state_word((enum ss_state)k), s->counts[1][k]);
    jw_u64(&r->jw, "orphaned", s->orphans);
    jw_close(&r->jw, '}');
    jw_u64(&r->jw, "udp", total[0]);
    jw_close(&r->jw, '}');
    run_puts(r, "\n");
}

static void summary(struct run *r, const struct ss *s)
{
    unsigned total[2] = {0}, closed = s->counts[1][SS_CLOSED] + s->counts[1][SS_TIME_WAIT];
    const struct table *frag = table_find(r->deck->st, "frag");
    unsigned frags = 0;
    uint64_t cursor = 0;
    struct row row;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < SS_STATES; k++)
            total[i] += s->counts[i][k];
    if (r->json) {
        summary_json(r, s, total);
        return;
    }
    row_clear(&row);
    while (frag != NULL && frags < ROWS_PER_STEP && frag->next(r->deck->st, &cursor, &row))
        frags++;
    run_printf(r, "Total: %u\nTCP:   %u (estab %u, closed %u, orphaned %u, timewait %u)\n\n",
               total[0] + total[1], total[1], s->counts[1][SS_ESTAB], closed, s->orphans,
               s->counts[1][SS_TIME_WAIT]);
    unsigned tcp = total[1] - s->counts[1][SS_TIME_WAIT]; /* that is no socket any more */
    const struct {
        const char *name;
        unsigned n;
    } lines[] = {
        {"RAW", 0}, {"UDP", total[0]}, {"TCP", tcp}, {"INET", total[0] + tcp}, {"FRAG", frags}};
    run_printf(r, "Transport Total     IP        IPv6\n");
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        run_printf(r, "%s\t  %-9u %-9u %-9u\n", lines[i].name, lines[i].n, lines[i].n, 0U);
    run_puts(r, "\n");
}

/* ---- reading the tables ---- */

static int finish(struct run *r, const struct ss *s)
{
    if (s->summary) {
        summary(r, s);
    } else if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static bool is_meant(const struct ss *s, const struct table *t, const struct row *row,
                     unsigned state)
{
    char dev[64], out[64];
    const struct ss_ends e = {.local = (td_ip4)row_number(t, row, "local"),
                              .peer = (td_ip4)row_number(t, row, "peer"),
                              .lport = (uint16_t)row_number(t, row, "lport"),
                              .pport = (uint16_t)row_number(t, row, "pport"),
                              .dev = row_text(t, row, "dev", dev),
                              .out_dev = row_text(t, row, "out_dev", out),
                              .auto_low = s->auto_low,
                              .auto_high = s->auto_high};
    return (s->states & SS_BIT(state)) != 0 && ss_filter_match(&s->filter, &e);
}

/* False: it is not there any more, or is only bound, which isn't ended. */
static bool kill_row(struct run *r, const struct table *t, const struct row *row)
{
    const struct td_ends e = {.protocol = strcmp(t->name, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP,
                              .laddr = (td_ip4)row_number(t, row, "local"),
                              .raddr = (td_ip4)row_number(t, row, "peer"),
                              .lport = (uint16_t)row_number(t, row, "lport"),
                              .rport = (uint16_t)row_number(t, row, "pport")};
    return td_socket_destroy(r->deck->st, &e) > 0;
}

static void take_row(struct run *r, struct ss *s, const struct table *t, const struct row *row)
{
    char text[64];
    int state = ss_state_find(row_text(t, row, "state", text));
    unsigned k = state >= 0 ? (unsigned)state : SS_CLOSED;
    if (!is_meant(s, t, row, k))
        return;
    s->counts[s->table][k]++;
    s->orphans += row_number(t, row, "orphan") != 0;
    if (s->summary || (s->kill && !kill_row(r, t, row)))
        return;
    if (r->json)
        ss_json(r, t, row);
    else
        sheet_row(&s->sheet, r, &s->show, t, row);
}

/* The next row of both tables; false: that was all. */
static bool next_row(struct run *r, struct ss *s, struct table **t, struct row *row)
{
    for (; s->table < 2; s->table++, r->cursor = 0) {
        *t = s->wanted[s->table] ? table_find(r->deck->st, tables[s->table]) : NULL;
        row_clear(row);
        if (*t != NULL && (*t)->next(r->deck->st, &r->cursor, row))
            return true;
    }
    return false;
}

static int ss_step(struct run *r, td_time now)
{
    (void)now;
    struct ss *s = r->state;
    struct table *t;
    struct row row;
    bool more = true;
    int most = r->json || s->show.info || s->show.memory ? ROWS_IN_FULL : ROWS_PER_STEP;
    for (int i = 0; !s->printing && i < most && (more = next_row(r, s, &t, &row)); i++)
        take_row(r, s, t, &row);
    if (!r->json && !s->summary && (s->printing || !more || s->sheet.rows >= SHEET_ROWS))
        s->printing = sheet_print(&s->sheet, r, ROWS_PER_STEP);
    if (!s->printing && s->table >= 2)
        return finish(r, s);
    r->ready = true;
    return RUN_MORE;
}

/* ---- words ---- */

static const char options_right[] =
    "the options are -t -u -l -a -n -p -i -m -e -o -s -K -H -O -4 -j (`help ss` says what they do)";

static int letter(struct run *r, struct ss *s, char c)
{
    switch (c) {
    case 't':
        s->wanted[1] = true;
        break;
    case 'u':
        s->wanted[0] = true;
        break;
    case 'a':
        s->all = true;
        break;
    case 'l':
        s->listening = true;
        break;
    case 'i':
        s->show.info = true;
        break;
    case 'o':
        s->show.timers = true;
        break;
    case 'e':
        s->show.extended = true;
        break;
    case 'm':
        s->show.memory = true;
        break;
    case 'p':
        s->show.users = true;
        break;
    case 'n':
        s->show.numeric = true;
        break;
    case 'O':
        s->show.one_line = true;
        break;
    case 's':
        s->summary = true;
        break;
    case 'K':
        s->kill = true;
        break;
    case 'H':
        s->no_header = true;
        break;
    case 'j':
        r->json = true;
        break;
    case '4':
        break;
    default:
        return run_fail(r, EXIT_USAGE, "ss has no option -%c here: %s", c, options_right);
    }
    return EXIT_DONE;
}

static int option(struct run *r, struct ss *s, int at)
{
    static const struct {
        const char *word;
        char letter;
    } longs[] = {{"--tcp", 't'},     {"--udp", 'u'},     {"--all", 'a'},       {"--listening", 'l'},
                 {"--info", 'i'},    {"--options", 'o'}, {"--extended", 'e'},  {"--memory", 'm'},
                 {"--summary", 's'}, {"--kill", 'K'},    {"--no-header", 'H'}, {"--oneline", 'O'},
                 {"--json", 'j'},    {"--numeric", 'n'}, {"--processes", 'p'}, {"--ipv4", '4'}};
    const char *w = r->argv[at];
    int status = EXIT_DONE;
    if (w[1] == '-') {
        for (size_t i = 0; i < sizeof(longs) / sizeof(*longs); i++)
            if (strcmp(w, longs[i].word) == 0)
                return letter(r, s, longs[i].letter);
        return run_bad_word(r, at, options_right);
    }
    while (*++w != '\0' && status == EXIT_DONE)
        status = letter(r, s, *w);
    return status;
}

/* Interfaces are known here, not to the parser. */
static bool devices_exist(struct run *r, const struct ss_filter *f)
{
    for (unsigned i = 0; i < f->n; i++)
        if (f->term[i].kind == SS_DEV && run_interface(r, f->term[i].dev) == 0)
            return false;
    return true;
}

static int read_words(struct run *r, struct ss *s)
{
    char range[64];
    int at = 1;
    for (; at < r->argc && r->argv[at][0] == '-'; at++) {
        int status = option(r, s, at);
        if (status != EXIT_DONE)
            return status;
    }
    if (!ss_filter_parse(&s->filter, r->argc - at, r->argv + at, r->err, sizeof(r->err)) ||
        !devices_exist(r, &s->filter))
        return EXIT_USAGE;
    if (s->kill && s->filter.n == 0 && s->filter.states == 0)
        return run_fail(
            r, EXIT_USAGE,
            "ss -K ends sockets: say which, `ss -K dst 10.0.0.1` or `ss -K state established`");
    if (td_knob_get(r->deck->st, "net.ipv4.ip_local_port_range", range, sizeof(range)) > 0) {
        char *end;
        s->auto_low = (uint16_t)strtoul(range, &end, 10);
        s->auto_high = (uint16_t)strtoul(end, NULL, 10);
    }
    return EXIT_DONE;
}

static int ss_main(struct run *r)
{
    struct ss *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    r->state = s;
    r->release = ss_release;
    int status = read_words(r, s);
    if (status != EXIT_DONE)
        return status;
    if (!s->wanted[0] && !s->wanted[1])
        s->wanted[0] = s->wanted[1] = true;
    s->states = s->filter.states != 0  ? s->filter.states
                : s->all || s->summary ? SS_ALL
                : s->listening         ? SS_BIT(SS_LISTEN) | SS_BIT(SS_CLOSED)
                                       : USUAL;
    sheet_init(&s->sheet, !s->no_header);
    s->sheet.hidden[SS_NETID] = !s->wanted[0] || !s->wanted[1];
    s->sheet.hidden[SS_STATE] = (s->states & (s->states - 1)) == 0;
    if (r->json && !s->summary)
        jw_open(&r->jw, NULL, '[');
    r->step = ss_step;
    return ss_step(r, 0);
}

const struct command command_ss = {
    .name = "ss",
    .usage = "ss [-tulanpimeosKHO4j] [state STATE | exclude STATE]... [FILTER]...\n"
             "FILTER := {src | dst} [= | !=] ADDR[/LEN][:PORT] | {sport | dport} [OPERATOR] :PORT\n"
             "          | dev [= | !=] IFACE | autobound | and | or | not | 'EXPR'\n"
             "OPERATOR := = | != | < | <= | > | >=",
    .doc = "sockets: TCP connections and UDP endpoints",
    .more =
        "-t TCP, -u UDP (both when neither), -a all states, -l listening only, -p the application "
        "that has it (its\n"
        "number in `app list`, and its handle), -o timers and what was negotiated, -e the id that "
        "`why conn` takes and\n"
        "which directions are open, -m memory, -i what TCP keeps for the connection, -s a summary, "
        "-H no heading, -O\n"
        "one line a socket, -n rates as plain numbers (addresses and ports always are), -K ends "
        "what the filter means\n"
        "(a connection is reset) and prints it.\n"
        "STATE: established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, closed, "
        "close-wait, last-ack,\n"
        "listening, closing; all, connected, synchronized, bucket, big.\n"
        "FILTER: src|dst [ADDR[/LEN]][:PORT], sport|dport = != < <= > >= :PORT (also eq ne lt le gt "
        "ge), dev IFACE,\n"
        "autobound; with and, or, not, ( ). PORT may be a well-known name.\n"
        "Examples:\n  ss -tan\n  ss -ti dst 10.0.0.1\n  ss -tan state time-wait '( dport = :80 )'\n"
        "  ss -tanp '( dport = :http or sport = :443 ) and not dst 10.0.0.0/8'\n  ss -K dst "
        "10.0.0.1 dport = :80",
    .fn = ss_main,
};
