/* tapdeckd/cmd_metrics.c: `metrics`: all that is counted, in the text format that Prometheus reads.
 *
 * Theory of operation. A family of metrics is a HELP line, a TYPE line and a line a sample, and
 * must stand together; so each section below writes one family after the other, reading its table
 * once for each. Names begin with tapdeck_; counters end in _total, and units are base units
 * (bytes, seconds), as Prometheus' conventions have it. Sections are steps of a run, so that a long
 * one (sockets are counted row by row) doesn't hold the loop up.
 *
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
 */
#include "tapdeckd/why.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arp/arp.h"
#include "tcp/tcp.h"

#define ROWS_PER_STEP 256
#define STATES        16
#define NAME_MAX_LEN  96

struct metrics {
    size_t section;
    uint64_t cursor;
    uint64_t sockets[2][STATES]; /* tcp, udp; by the number of the state's name */
    char states[STATES][16];
    unsigned nstates;
    uint64_t neighbours[8];    /* as neigh_states[] */
    char family[NAME_MAX_LEN]; /* of the samples that follow */
    const char *type;
};

/* ---- one family ---- */

static void family(struct run *r, const char *name, const char *type, const char *help)
{
    struct metrics *m = r->state;
    snprintf(m->family, sizeof(m->family), "tapdeck_%s", name);
    m->type = type;
    if (r->json)
        return;
    run_printf(r, "# HELP %s ", m->family);
    for (const char *p = help; *p != '\0'; p++)
        run_printf(r, *p == '\\' ? "\\\\" : *p == '\n' ? "\\n" : "%c", *p);
    run_printf(r, "\n# TYPE %s %s\n", m->family, type);
}

/* A label's value, escaped. */
static void label(struct run *r, bool first, const char *name, const char *value)
{
    if (r->json) {
        jw_str(&r->jw, name, value);
        return;
    }
    run_printf(r, "%c%s=\"", first ? '{' : ',', name);
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '\\' || *p == '"')
            run_printf(r, "\\%c", *p);
        else if (*p == '\n')
            run_puts(r, "\\n");
        else
            run_printf(r, "%c", *p);
    }
    run_puts(r, "\"");
}

/* labels: names and values in turn, n of them together. ns: value is nanoseconds, told as seconds.
 */
static void sample(struct run *r, uint64_t value, bool ns, const char *const *labels, unsigned n)
{
    const struct metrics *m = r->state;
    char text[40];
    if (ns)
        snprintf(text, sizeof(text), "%llu.%09llu", (unsigned long long)(value / TD_SEC),
                 (unsigned long long)(value % TD_SEC));
    else
        snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "name", m->family);
        jw_str(&r->jw, "type", m->type);
        jw_open(&r->jw, "labels", '{');
        for (unsigned i = 0; i + 1 < n; i += 2)
            label(r, i == 0, labels[i], labels[i + 1]);
        jw_close(&r->jw, '}');
        if (ns)
            jw_double(&r->jw, "value", (double)value / 1e9);
        else
            jw_u64(&r->jw, "value", value);
        jw_close(&r->jw, '}');
        return;
    }
    run_puts(r, m->family);
    for (unsigned i = 0; i + 1 < n; i += 2)
        label(r, i == 0, labels[i], labels[i + 1]);
    run_printf(r, "%s %s\n", n > 0 ? "}" : "", text);
}

static void plain(struct run *r, const char *name, const char *type, const char *help,
                  uint64_t value)
{
    family(r, name, type, help);
    sample(r, value, false, NULL, 0);
}

/* ---- sections: each true while it has more to say ---- */

static bool about_it(struct run *r)
{
    const struct deck *d = r->deck;
    const char *const labels[] = {"name", d->name, "profile",
                                  d->st->knobs.profile == PROFILE_RFC ? "rfc" : "linux"};
    family(r, "info", "gauge", "Which stack this is; the value is always 1.");
    sample(r, 1, false, labels, 4);
    family(r, "uptime_seconds", "gauge", "Stack time since the daemon started.");
    sample(r, deck_now(d) > d->started ? deck_now(d) - d->started : 0, true, NULL, 0);
    return false;
}

/* "TcpExtTCPLossProbes" as tcp_ext_tcp_loss_probes. A word begins with a capital behind a small
 * letter, and with the last of several capitals when a small letter follows; TCP and IPv6 are words
 * wherever they stand. */
static void snake(const char *name, char *dst, size_t size)
{
    size_t n = 0;
    for (const char *p = name; *p != '\0' && n + 6 < size; p++) {
        if (strncmp(p, "TCP", 3) == 0 || strncmp(p, "IPv6", 4) == 0) {
            size_t word = *p == 'T' ? 3 : 4;
            n += (size_t)snprintf(dst + n, size - n, "_%s", *p == 'T' ? "tcp" : "ipv6");
            p += word - 1;
            if (p[1] != '\0')
                dst[n++] = '_';
            continue;
        }
        bool upper = isupper((unsigned char)*p) != 0,
             before = p > name && !isupper((unsigned char)p[-1]);
        bool after = p > name && isupper((unsigned char)p[-1]) && islower((unsigned char)p[1]) &&
                     !(p[1] == 's' && !islower((unsigned char)p[2])); /* ACKs, OKs, RTOs */
        if (upper && (before || after) && dst[n - 1] != '_')
            dst[n++] = '_';
        dst[n++] = (char)tolower((unsigned char)*p);
    }
    dst[n] = '\0';
}

static bool counters(struct run *r)
{
    struct metrics *m = r->state;
    const struct td_stack *st = r->deck->st;
    for (int i = 0; i < 64 && m->cursor < CNT_COUNT; i++, m->cursor++) {
        const struct counter_info *c = &counter_info[m->cursor];
        bool gauge = m->cursor == CNT_TcpCurrEstab || m->cursor == CNT_IpForwarding;
        char name[64], help[200];
        snake(c->name, name, sizeof(name) - 8);
        if (!gauge)
            strcat(name, "_total");
        snprintf(help, sizeof(help), "%s: %s.", c->name, c->doc);
        plain(r, name, gauge ? "gauge" : "counter", help, st->counters.v[m->cursor]);
    }
    return m->cursor < CNT_COUNT;
}

/* A column of every row of a table, with some of its columns as labels; many: the number of the row
 * with the same labels so far in a row distinguishes them. */
struct column_metric {
    const char *column, *name, *type, *help;
};

static void from_table(struct run *r, const char *table, const struct column_metric *c,
                       const char *const *labels, const char *const *columns, unsigned n,
                       bool places)
{
    const struct table *t = table_find(r->deck->st, table);
    struct row row;
    uint64_t cursor = 0;
    char texts[4][64], last[64] = "", place[16];
    unsigned at = 0;
    if (t == NULL)
        return;
    family(r, c->name, c->type, c->help);
    while (t->next(r->deck->st, &cursor, &row)) {
        const char *pair[12];
        unsigned k = 0;
        char key[64];
        for (unsigned i = 0; i < n; i++) {
            pair[k++] = labels[i];
            pair[k++] = row_text(t, &row, columns[i], texts[i]);
        }
        if (places) { /* the place in its chain: disciplines stand in each other */
            snprintf(key, sizeof(key), "%.30s %.30s", pair[1], pair[3]);
            at = strcmp(key, last) == 0 ? at + 1 : 0;
            snprintf(last, sizeof(last), "%s", key);
            snprintf(place, sizeof(place), "%u", at);
            pair[k++] = "place";
            pair[k++] = place;
        }
        if (row_has(t, &row, c->column))
            sample(r, row_number(t, &row, c->column), false, pair, k);
    }
}

static bool interfaces(struct run *r)
{
    static const struct column_metric list[] = {
        {"rx_bytes", "interface_receive_bytes_total", "counter", "Bytes received."},
        {"rx_packets", "interface_receive_packets_total", "counter", "Frames received."},
        {"rx_errors", "interface_receive_errors_total", "counter", "Frames received broken."},
        {"rx_dropped", "interface_receive_drop_total", "counter", "Frames received and dropped."},
        {"rx_multicast", "interface_receive_multicast_total", "counter",
         "Multicast frames received."},
        {"tx_bytes", "interface_transmit_bytes_total", "counter", "Bytes sent."},
        {"tx_packets", "interface_transmit_packets_total", "counter", "Frames sent."},
        {"tx_errors", "interface_transmit_errors_total", "counter",
         "Frames that the device refused."},
        {"tx_dropped", "interface_transmit_drop_total", "counter",
         "Frames dropped on the way out."},
        {"mtu", "interface_mtu_bytes", "gauge", "Largest IP datagram."},
    };
    static const char *const labels[] = {"device"}, *const columns[] = {"ifname"};
    struct metrics *m = r->state;
    from_table(r, "link", &list[m->cursor], labels, columns, 1, false);
    return ++m->cursor < sizeof(list) / sizeof(*list);
}

static bool qdiscs(struct run *r)
{
    static const struct column_metric list[] = {
        {"bytes", "qdisc_bytes_total", "counter", "Bytes that left a queue discipline."},
        {"packets", "qdisc_packets_total", "counter", "Packets that left it."},
        {"drops", "qdisc_drops_total", "counter", "Packets that it dropped."},
        {"overlimits", "qdisc_overlimits_total", "counter",
         "Packets that had to wait for its rate."},
        {"marks", "qdisc_ecn_marks_total", "counter",
         "Packets that it marked: congestion experienced."},
        {"backlog", "qdisc_backlog_bytes", "gauge", "Bytes that wait in it."},
        {"qlen", "qdisc_queue_packets", "gauge", "Packets that wait in it."},
    };
    static const char *const labels[] = {"device", "direction", "kind"}, *const columns[] = {
                                                                             "dev", "direction",
                                                                             "kind"};
    struct metrics *m = r->state;
    from_table(r, "qdisc", &list[m->cursor], labels, columns, 3, true);
    return ++m->cursor < sizeof(list) / sizeof(*list);
}

/* Sockets are counted first, a bounded number of rows a step, and told at the end. */
static bool count_sockets(struct run *r, unsigned proto)
{
    struct metrics *m = r->state;
    const struct table *t = table_find(r->deck->st, proto == 0 ? "tcp" : "udp");
    struct row row;
    char text[64];
    for (int i = 0; i < ROWS_PER_STEP; i++) {
        if (t == NULL || !t->next(r->deck->st, &m->cursor, &row))
            return false;
        const char *state = row_text(t, &row, "state", text);
        unsigned s = 0;
        while (s < m->nstates && strcmp(m->states[s], state) != 0)
            s++;
        if (s == STATES)
            continue;
        if (s == m->nstates)
            snprintf(m->states[m->nstates++], sizeof(m->states[0]), "%s", state);
        m->sockets[proto][s]++;
    }
    return true;
}

static bool tcp_sockets(struct run *r)
{
    return count_sockets(r, 0);
}

static bool udp_sockets(struct run *r)
{
    struct metrics *m = r->state;
    if (count_sockets(r, 1))
        return true;
    family(r, "sockets", "gauge", "Sockets by protocol and state, as ss names it.");
    for (unsigned proto = 0; proto < 2; proto++)
        for (unsigned s = 0; s < m->nstates; s++)
            if (m->sockets[proto][s] > 0) {
                const char *const labels[] = {"protocol", proto == 0 ? "tcp" : "udp", "state",
                                              m->states[s]};
                sample(r, m->sockets[proto][s], false, labels, 4);
            }
    return false;
}

static const char *const neigh_states[] = {"INCOMPLETE", "REACHABLE", "STALE",     "DELAY",
                                           "PROBE",      "FAILED",    "PERMANENT", "NOARP"};

static bool neighbours(struct run *r)
{
    enum { N = sizeof(neigh_states) / sizeof(*neigh_states) };
    struct metrics *m = r->state;
    const struct table *t = table_find(r->deck->st, "neigh");
    struct row row;
    char text[64];
    for (int i = 0; i < ROWS_PER_STEP && t != NULL; i++) {
        if (!t->next(r->deck->st, &m->cursor, &row)) {
            t = NULL;
            continue;
        }
        const char *state = row_text(t, &row, "state", text);
        for (unsigned s = 0; s < N; s++)
            m->neighbours[s] += strcmp(neigh_states[s], state) == 0;
    }
    if (t != NULL)
        return true;
    family(r, "neighbours", "gauge", "Entries of the neighbour table by state.");
    for (unsigned s = 0; s < N; s++) {
        const char *const labels[] = {"state", neigh_states[s]};
        sample(r, m->neighbours[s], false, labels, 2);
    }
    return false;
}

static bool journal(struct run *r)
{
    struct metrics *m = r->state;
    const struct journal *j = &r->deck->st->journal;
    if (m->cursor == 0) {
        plain(r, "journal_records", "gauge", "Records that the journal holds.", j->count);
        plain(r, "journal_records_limit", "gauge",
              "Records that it may hold (tapdeck.journal.records).", j->size);
        plain(r, "journal_written_total", "counter", "Records written since the start.",
              j->written);
        plain(r, "journal_lost_total", "counter", "Records that fell out, or had no memory.",
              j->lost);
        plain(r, "journal_level", "gauge", "0 counters only, 1 all but details, 2 everything.",
              j->level);
        family(r, "journal_events_total", "counter",
               "How often each event of the journal's catalogue happened.");
        m->cursor = 1;
    }
    for (int i = 0; i < 128 && m->cursor < EV_COUNT; i++, m->cursor++) {
        const struct event_info *e = &event_info[m->cursor];
        const char *const labels[] = {"event", e->name, "kind", why_kinds[e->kind]};
        sample(r, j->events[m->cursor], false, labels, 4);
    }
    return m->cursor < EV_COUNT;
}

static bool memory(struct run *r)
{
    const struct mem *mem = &r->deck->st->mem;
    family(r, "memory_bytes", "gauge", "Bytes that the stack holds, by purpose.");
    for (int tag = 0; tag < MEM_TAGS; tag++) {
        const char *const labels[] = {"purpose", mem_tag_name((enum mem_tag)tag)};
        sample(r, mem->used_by[tag], false, labels, 2);
    }
    plain(r, "memory_peak_bytes", "gauge", "Most bytes that it ever held.", mem->peak);
    plain(r, "memory_limit_bytes", "gauge", "Bytes that it may hold; 0: no limit.", mem->limit);
    plain(r, "memory_failures_total", "counter", "Allocations that were refused.", mem->failures);
    plain(r, "timers_armed", "gauge", "Timers that are armed.", r->deck->st->wheel.armed);
    plain(r, "timers_fired_total", "counter", "Timers that have fired.", r->deck->st->wheel.fired);
    return false;
}

static bool (*const sections[])(struct run *r) = {
    about_it, counters, interfaces, qdiscs, tcp_sockets, udp_sockets, neighbours, journal, memory};

/* ---- the command ---- */

static int metrics_step(struct run *r, td_time now)
{
    (void)now;
    struct metrics *m = r->state;
    if (m->section == sizeof(sections) / sizeof(*sections)) {
        if (r->json) {
            jw_close(&r->jw, ']');
            run_puts(r, "\n");
        }
        return EXIT_DONE;
    }
    if (r->out.len < RUN_OUT_HIGH && !sections[m->section](r)) {
        m->section++;
        m->cursor = 0;
    }
    r->ready = true;
    return RUN_MORE;
}

static int metrics_main(struct run *r)
{
    for (int i = 1; i < r->argc; i++) {
        if (strcmp(r->argv[i], "-j") != 0)
            return run_bad_word(r, i, "write `metrics [-j]`");
        r->json = true;
    }
    struct metrics *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    r->state = m;
    r->step = metrics_step;
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    return metrics_step(r, 0);
}

const struct command command_metrics = {
    .name = "metrics",
    .usage = "metrics [-j]",
    .doc = "everything that is counted, in Prometheus' text format",
    .more = "nstat's counters, interfaces, queue disciplines, sockets and neighbours by state, the "
            "journal's events by name,\n"
            "memory and timers. Names begin with tapdeck_; an interface is the label `device`.\n"
            "Examples:\n"
            "  metrics\n"
            "  metrics -j",
    .fn = metrics_main,
};
