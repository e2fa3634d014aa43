/* tapdeckd/cmd_monitor.c: `ip monitor`: what changes in links, addresses, routes, neighbours and
 * rules, as it happens.
 *
 * It follows the journal, where each such change is an event. What the event says is printed in the
 * shape that `show` has: a link and an address as they are now, a route, a rule or a neighbour as
 * the event tells it. What is gone was written down before: the names of the interfaces that were
 * there when the monitor began, or came since. The routes that follow from an address (proto
 * kernel) are not told apart from it.
 */
#include "tapdeckd/cmd_ip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arp/arp.h"
#include "core/journal.h"
#include "ip/ip.h"
#include "link/link.h"
#include "tapdeckd/route_words.h"

#define LOOK_PER_STEP 1024 /* records */
#define ROUTE_LOOK    256  /* routes looked through for the ways of one */

enum object { LINK, ADDRESS, ROUTE, NEIGH, RULE, OBJECTS };
static const char *const words[OBJECTS] = {"link", "address", "route", "neigh", "rule"};
static const char *const labels[OBJECTS] = {"[LINK]", "[ADDR]", "[ROUTE]", "[NEIGH]", "[RULE]"};

struct known { /* an interface, as it was last seen */
    uint32_t index, mtu;
    char name[NETIF_NAME_LEN];
    struct td_mac mac;
};

struct monitor {
    bool wanted[OBJECTS], label;
    uint32_t only; /* an interface; 0 = all */
    struct ip_options o;
    struct known *known;
    size_t n;
};

static void monitor_release(struct run *r)
{
    struct monitor *m = r->state;
    free(m->known);
    free(m);
}

/* ---- interfaces that go ---- */

static struct known *known_find(const struct monitor *m, uint32_t index)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->known[i].index == index)
            return &m->known[i];
    return NULL;
}

static void known_note(struct monitor *m, const struct netif *nif)
{
    struct known *k = known_find(m, nif->index);
    if (k == NULL) {
        struct known *more = realloc(m->known, (m->n + 1) * sizeof(*more));
        if (more == NULL)
            return;
        m->known = more;
        k = &m->known[m->n++];
    }
    *k = (struct known){.index = nif->index, .mtu = nif->mtu, .mac = nif->mac};
    memcpy(k->name, nif->name, sizeof(k->name));
}

static const char *dev_name(const struct run *r, uint32_t index)
{
    const struct netif *nif = netif_by_index(r->deck->st, index);
    const struct known *k = known_find(r->state, index);
    return nif != NULL ? nif->name : k != NULL ? k->name : "?";
}

/* ---- a change ---- */

static void stamp(struct run *r, td_time at)
{
    const struct monitor *m = r->state;
    int64_t wall = deck_wall(r->deck, at);
    time_t seconds = (time_t)(wall / (int64_t)TD_SEC);
    long us = (long)(wall % (int64_t)TD_SEC / 1000);
    char text[64];
    struct tm tm;
    localtime_r(&seconds, &tm);
    strftime(text, sizeof(text),
             m->o.stamp == 1 && !r->json ? "%a %b %e %H:%M:%S %Y" : "%Y-%m-%dT%H:%M:%S", &tm);
    if (r->json) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, ".%06ld", us);
        jw_str(&r->jw, "timestamp", text);
    } else {
        run_printf(r, m->o.stamp == 1 ? "Timestamp: %s %ld usec\n" : "[%s.%06ld] ", text, us);
    }
}

/* What stands before every change; in JSON its object is open behind it. */
static void begin(struct run *r, enum object what, bool deleted, td_time at)
{
    const struct monitor *m = r->state;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "object", words[what]);
        if (m->o.stamp != 0)
            stamp(r, at);
        if (deleted)
            jw_bool(&r->jw, "deleted", true);
        return;
    }
    if (m->o.stamp != 0)
        stamp(r, at);
    run_printf(r, "%s%s", m->label ? labels[what] : "", deleted ? "Deleted " : "");
}

static void end(struct run *r)
{
    if (!r->json)
        return;
    jw_close(&r->jw, '}');
    r->jw.comma = false;
    run_puts(r, "\n");
}

static void link_gone(struct run *r, const struct journal_record *rec)
{
    struct monitor *m = r->state;
    struct known *k = known_find(m, (uint32_t)rec->arg[0]);
    char mac[18];
    if (k == NULL)
        return;
    size_t from = r->out.len;
    format_mac(k->mac, mac);
    begin(r, LINK, true, rec->time);
    from = m->o.stamp == 1 ? r->out.len
                           : from; /* -o: the time stands in a line of its own all the same */
    if (r->json) {
        jw_u64(&r->jw, "ifindex", k->index);
        jw_str(&r->jw, "ifname", k->name);
        jw_u64(&r->jw, "mtu", k->mtu);
        jw_str(&r->jw, "address", mac);
    } else {
        run_printf(r,
                   "%u: %s: <BROADCAST,MULTICAST> mtu %u qdisc noop state DOWN group default \n    "
                   "link/ether %s "
                   "brd ff:ff:ff:ff:ff:ff\n",
                   k->index, k->name, k->mtu, mac);
        ip_one_line(r, from, &m->o);
    }
    end(r);
    *k = m->known[--m->n];
}

static void link_change(struct run *r, const struct journal_record *rec)
{
    struct monitor *m = r->state;
    const struct netif *nif = netif_by_index(r->deck->st, (uint32_t)rec->arg[0]);
    if (nif == NULL)
        return; /* gone since: its end is told */
    known_note(m, nif);
    begin(r, LINK, false, rec->time);
    if (r->json)
        ip_link_fields(r, nif);
    else
        ip_link_record(r, nif, &m->o, false);
    end(r);
}

static void addr_change(struct run *r, const struct journal_record *rec)
{
    struct monitor *m = r->state;
    bool gone = rec->event == EV_ADDR_REMOVED;
    struct netif_addr was = {
        .addr = (td_ip4)(rec->arg[0] >> 8), .plen = (uint8_t)rec->arg[0], .state = ADDR_READY};
    const struct netif *nif = netif_by_index(r->deck->st, (uint32_t)rec->arg[1]);
    const struct netif_addr *a = nif != NULL && !gone ? nif->addrs : NULL;
    if (gone && nif != NULL && was.plen < 31 && (nif->flags & TD_IF_BROADCAST) != 0)
        was.broadcast = was.addr | (was.plen == 0 ? UINT32_MAX : UINT32_MAX >> was.plen);
    while (a != NULL && (a->addr != was.addr || a->plen != was.plen))
        a = a->next;
    if (nif == NULL || (a == NULL && !gone))
        return;
    begin(r, ADDRESS, gone, rec->time);
    if (r->json) {
        jw_u64(&r->jw, "index", nif->index);
        jw_str(&r->jw, "dev", nif->name);
        ip_addr_fields(r, nif, gone ? &was : a);
    } else {
        ip_addr_record(r, nif, gone ? &was : a, &m->o);
    }
    end(r);
}

/* The ways of a route that has several, which an event has no room for; at the beginning of its
 * table only. */
static bool ways_find(struct td_stack *st, struct td_route *x, struct td_path *path)
{
    uint64_t cursor = 0;
    struct td_route at;
    for (int i = 0; i < ROUTE_LOOK && td_route_next(st, x->table, &cursor, &at, path); i++)
        if (at.prefix == x->prefix && at.plen == x->plen && at.metric == x->metric &&
            at.npaths != 0) {
            *x = at;
            return true;
        }
    return false;
}

static void route_change(struct run *r, const struct journal_record *rec)
{
    struct monitor *m = r->state;
    bool gone = rec->event == EV_ROUTE_REMOVED;
    struct td_path path[TD_PATHS_MAX];
    struct td_route x = {.prefix = (td_ip4)(rec->arg[0] >> 8),
                         .plen = (uint8_t)rec->arg[0],
                         .gateway = (td_ip4)rec->arg[1],
                         .ifindex = (uint32_t)rec->arg[2],
                         .metric = (uint32_t)rec->arg[3],
                         .table = (uint32_t)rec->arg[4],
                         .type = (uint8_t)rec->arg[5],
                         .proto = (uint8_t)rec->arg[6],
                         .src = (td_ip4)rec->arg[7]};
    if (!gone && x.type == 0 && x.gateway == 0 && x.ifindex == 0)
        (void)ways_find(r->deck->st, &x, path);
    begin(r, ROUTE, gone, rec->time);
    if (r->json)
        ip_route_fields(r, &x, path);
    else
        ip_route_record(r, &x, path, true, false, &m->o);
    end(r);
}

static void rule_change(struct run *r, const struct journal_record *rec)
{
    bool gone = rec->event == EV_RULE_REMOVED;
    struct td_rule x = {.priority = (uint32_t)rec->arg[0],
                        .from = (td_ip4)(rec->arg[1] >> 8),
                        .from_len = (uint8_t)rec->arg[1],
                        .table = (uint32_t)rec->arg[2],
                        .to = (td_ip4)(rec->arg[3] >> 8),
                        .to_len = (uint8_t)rec->arg[3],
                        .type = (uint8_t)rec->arg[4]},
                   at;
    for (unsigned i = 0; !gone && td_rule_get(r->deck->st, i, &at);
         i++) /* interfaces aren't in the event */
        if (at.priority == x.priority && at.from == x.from && at.from_len == x.from_len &&
            at.table == x.table) {
            x = at;
            break;
        }
    begin(r, RULE, gone, rec->time);
    if (r->json)
        rule_fields(r, &x);
    else
        rule_text(r, &x);
    run_puts(r, r->json ? "" : "\n");
    end(r);
}

static void neigh_change(struct run *r, const struct journal_record *rec)
{
    bool gone = rec->event == EV_NEIGH_GONE;
    enum neigh_state state = (enum neigh_state)rec->arg[gone ? 2 : 3];
    uint64_t station = gone ? 0 : rec->arg[4];
    char ip[16], mac[18];
    struct td_mac m;
    if (state == NEIGH_NONE && !gone)
        return;
    for (int i = 0; i < 6; i++)
        m.b[i] = (uint8_t)(station >> (40 - 8 * i));
    format_ip4((td_ip4)rec->arg[1], ip);
    format_mac(m, mac);
    begin(r, NEIGH, gone, rec->time);
    if (r->json) {
        jw_str(&r->jw, "dst", ip);
        jw_str(&r->jw, "dev", dev_name(r, (uint32_t)rec->arg[0]));
        if (station != 0)
            jw_str(&r->jw, "lladdr", mac);
        jw_open(&r->jw, "state", '[');
        if (state != NEIGH_NONE)
            jw_str(&r->jw, NULL, neigh_state_name(state));
        jw_close(&r->jw, ']');
    } else {
        run_printf(r, "%s dev %s ", ip, dev_name(r, (uint32_t)rec->arg[0]));
        if (station != 0)
            run_printf(r, "lladdr %s ", mac);
        run_printf(r, "%s \n", state != NEIGH_NONE ? neigh_state_name(state) : "");
    }
    end(r);
}

/* ---- following ---- */

static const struct {
    uint16_t event;
    enum object object;
    int dev; /* the argument that is the interface; -1 none */
    void (*print)(struct run *r, const struct journal_record *rec);
} changes[] = {
    {EV_LINK_ADDED, LINK, 0, link_change},        {EV_LINK_STATE, LINK, 0, link_change},
    {EV_LINK_FLAGS, LINK, 0, link_change},        {EV_LINK_MTU, LINK, 0, link_change},
    {EV_LINK_MAC, LINK, 0, link_change},          {EV_LINK_MASTER, LINK, 0, link_change},
    {EV_LINK_REMOVED, LINK, 0, link_gone},        {EV_ADDR_ADDED, ADDRESS, 1, addr_change},
    {EV_ADDR_READY_NOW, ADDRESS, 1, addr_change}, {EV_ADDR_LOST, ADDRESS, 1, addr_change},
    {EV_ADDR_REMOVED, ADDRESS, 1, addr_change},   {EV_ROUTE_ADDED, ROUTE, 2, route_change},
    {EV_ROUTE_REMOVED, ROUTE, 2, route_change},   {EV_RULE_ADDED, RULE, -1, rule_change},
    {EV_RULE_REMOVED, RULE, -1, rule_change},     {EV_NEIGH_STATE, NEIGH, 0, neigh_change},
    {EV_NEIGH_GONE, NEIGH, 0, neigh_change},
};

static int monitor_step(struct run *r, td_time now)
{
    (void)now;
    struct monitor *m = r->state;
    for (int i = 0; i < LOOK_PER_STEP && r->out.len < RUN_OUT_HIGH; i++) {
        const struct journal_record *rec = journal_from(r->deck->st, r->cursor);
        if (rec == NULL)
            return RUN_MORE;
        r->cursor = rec->seq + 1;
        for (size_t k = 0; k < sizeof(changes) / sizeof(*changes); k++)
            if (changes[k].event == rec->event && m->wanted[changes[k].object] &&
                (m->only == 0 || (changes[k].dev >= 0 && rec->arg[changes[k].dev] == m->only)))
                changes[k].print(r, rec);
    }
    r->ready = true;
    return RUN_MORE;
}

static int monitor_end(struct run *r)
{
    (void)r;
    return EXIT_DONE;
}

static int monitor_words(struct run *r, int at, struct monitor *m)
{
    static const char right[] =
        "write `ip monitor [all] [link] [address] [route] [neigh] [rule] [label] [dev X]`";
    bool any = false;
    for (int i = at; i < r->argc; i++) {
        const char *w = r->argv[i];
        size_t k = 0;
        if (strcmp(w, "all") == 0 || strcmp(w, "label") == 0) {
            m->label = true;
        } else if (strcmp(w, "dev") == 0) {
            if ((w = run_value(r, i++, "the interface's name")) == NULL ||
                (m->only = run_interface(r, w)) == 0)
                return EXIT_USAGE;
        } else {
            while (k < OBJECTS && !word_abbrev(w, words[k]) &&
                   !(k == NEIGH && word_abbrev(w, "neighbour")))
                k++;
            if (k == OBJECTS)
                return run_bad_word(r, i, right);
            m->wanted[k] = any = true;
        }
    }
    for (int k = 0; !any && k < OBJECTS; k++)
        m->wanted[k] = true;
    return EXIT_DONE;
}

int ip_monitor(struct run *r, int at, const struct ip_options *o)
{
    struct td_stack *st = r->deck->st;
    struct monitor *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    m->o = *o;
    m->o.monitor = true;
    r->state = m;
    r->release = monitor_release;
    int status = monitor_words(r, at, m);
    if (status != EXIT_DONE)
        return status;
    if (st->journal.keeps < JOURNAL_NORMAL)
        return run_fail(
            r, EXIT_FAILED,
            "the journal keeps no changes to follow: `sysctl -w tapdeck.journal.level=1`");
    for (const struct netif *nif = netif_first(st); nif != NULL; nif = nif->next)
        known_note(m, nif);
    r->cursor = st->journal.next_seq;
    r->follow = true;
    r->step = monitor_step;
    r->interrupt = monitor_end;
    return RUN_MORE;
}
