/* tapdeckd/why_words.c: the words of `why` and `events` that say which records are meant.
 *
 * Theory of operation. Conditions on what an event is (its name, its layer, its kind, a word of its
 * name) become a bit for each event of the catalogue when the words are read; the others are looked
 * at record by record. All conditions must hold. Words are tried in an order in which a student's
 * guess means what he thinks: first those with a fixed meaning, then kinds, layers and words of
 * names (`why rto`, `why checksum`), then what has the form of an address or a connection.
 */
#include "tapdeckd/why.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void why_filter_init(struct why_filter *f)
{
    *f = (struct why_filter){.until = TD_NEVER};
    for (unsigned e = 1; e < EV_COUNT; e++)
        f->event[e] = true;
}

/* ---- what an event is ---- */

/* Words that people say for a layer. */
static const struct {
    const char *word, *layer;
} synonyms[] = {{"ethernet", "eth"},    {"filter", "nf"},      {"firewall", "nf"},
                {"iptables", "nf"},     {"nat", "nf"},         {"conntrack", "nf"},
                {"neighbour", "neigh"}, {"neighbor", "neigh"}, {"fragment", "frag"},
                {"fragments", "frag"}};

/* First words of names that are layers, and mean nothing but that: `why ip` isn't about
 * arp-drop-sender-ip. */
static bool is_layer(const char *word)
{
    static const char *const layers[] = {
        "door", "link",  "impair", "eth", "bridge", "arp", "neigh", "acd",    "ip",  "frag",
        "addr", "route", "rule",   "nf",  "icmp",   "udp", "tcp",   "socket", "ping"};
    for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
        if (strcmp(word, layers[i]) == 0)
            return true;
    return false;
}

/* Is `word` one of the words that dashes divide `name` into? */
static bool name_has(const char *name, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = name; *p != '\0';) {
        size_t n = strcspn(p, "-");
        if (n == len && strncmp(p, word, len) == 0)
            return true;
        p += n + (p[n] == '-');
    }
    return false;
}

bool why_filter_named(struct why_filter *f, const char *word)
{
    bool any = false, has[EV_COUNT] = {false};
    for (size_t i = 0; i < sizeof(synonyms) / sizeof(*synonyms); i++)
        if (strcmp(word, synonyms[i].word) == 0)
            word = synonyms[i].layer;
    size_t len = strlen(word);
    bool layer = is_layer(word);
    for (unsigned e = 1; e < EV_COUNT; e++) {
        const char *name = event_info[e].name;
        has[e] = strcmp(name, word) == 0 ||
                 (layer ? strncmp(name, word, len) == 0 && name[len] == '-' : name_has(name, word));
        any = any || has[e];
    }
    for (unsigned e = 1; any && e < EV_COUNT; e++)
        f->event[e] = f->event[e] && has[e];
    return any;
}

static bool filter_pattern(struct why_filter *f, const char *pattern)
{
    bool any = false, has[EV_COUNT] = {false};
    for (unsigned e = 1; e < EV_COUNT; e++) {
        has[e] = fnmatch(pattern, event_info[e].name, 0) == 0;
        any = any || has[e];
    }
    for (unsigned e = 1; any && e < EV_COUNT; e++)
        f->event[e] = f->event[e] && has[e];
    return any;
}

static int kind_of(const char *word)
{
    if (strcmp(word, "dropped") == 0 || strcmp(word, "drops") == 0)
        return EVK_DROP;
    if (strcmp(word, "errors") == 0)
        return EVK_ERROR;
    for (int k = 0; k < 5; k++)
        if (strcmp(word, why_kinds[k]) == 0)
            return k;
    return -1;
}

static void filter_kind(struct why_filter *f, int kind)
{
    for (unsigned e = 1; e < EV_COUNT; e++)
        f->event[e] = f->event[e] && (int)event_info[e].kind == kind;
}

/* ---- times ---- */

bool why_time(const struct deck *d, const char *word, td_time *at)
{
    unsigned h, m, s;
    td_time ago, fraction = 0;
    int used = 0;
    td_time now = deck_now(d);
    if (sscanf(word, "%2u:%2u:%2u%n", &h, &m, &s, &used) == 3 && h < 24 && m < 60 && s < 61) {
        if (word[used] == '.') {
            td_time unit = TD_SEC;
            for (used++; word[used] >= '0' && word[used] <= '9' && unit > 1; used++) {
                unit /= 10;
                fraction += (td_time)(word[used] - '0') * unit;
            }
        }
        if (word[used] != '\0')
            return false;
        int64_t wall = deck_wall(d, now);
        time_t seconds = (time_t)(wall / (int64_t)TD_SEC);
        struct tm tm;
        localtime_r(&seconds, &tm);
        tm.tm_hour = (int)h;
        tm.tm_min = (int)m;
        tm.tm_sec = (int)s;
        tm.tm_isdst = -1;
        int64_t then =
            (int64_t)now + (int64_t)mktime(&tm) * (int64_t)TD_SEC + (int64_t)fraction - wall;
        *at = then > 0 ? (td_time)then : 0;
        return true;
    }
    unsigned n;
    char unit = 0;
    used = 0;
    if (sscanf(word, "%6u%c%n", &n, &unit, &used) == 2 && word[used] == '\0' && (unit == 'm' || unit == 'h')) {
        ago = (td_time)n * (unit == 'h' ? 3600 : 60) * TD_SEC;
        *at = ago < now ? now - ago : 0;
        return true;
    }
    bool bare = word[strspn(word, "0123456789.")] == '\0'; /* seconds, not tc's microseconds */
    if (!(bare ? parse_seconds(word, &ago) : parse_time(word, &ago)))
        return false;
    *at = ago < now ? now - ago : 0;
    return true;
}

static int time_word(struct run *r, int at, td_time *when)
{
    const char *word = run_value(r, at, "a time");
    if (word == NULL)
        return EXIT_USAGE;
    if (!why_time(r->deck, word, when))
        return run_fail(r, EXIT_USAGE,
                        "'%s' is not a time: write how long ago, 10s, 5m or 500ms, or when, 12:34:56",
                        word);
    return EXIT_DONE;
}

/* ---- table entries ---- */

/* A number, a chain's name, or both in any order, behind `rule`. */
static int rule_words(struct run *r, int *at, struct why_filter *f)
{
    int from = ++*at;
    for (; *at < r->argc && *at < from + 2; ++*at) {
        const char *word = r->argv[*at];
        if (f->rule == 0 && parse_u32(word, UINT32_MAX, &f->rule) && f->rule != 0)
            continue;
        if (f->chain != NULL || word[0] < 'A' || word[0] > 'Z')
            break;
        f->chain = word;
    }
    if (f->rule == 0 && f->chain == NULL)
        return run_fail(r, EXIT_USAGE,
                        "after 'rule' write its number and its chain: `why rule 3 INPUT`");
    return EXIT_DONE;
}

/* `neigh`, `route`, `nat`, `socket`: a layer's events, and those about one entry if one is named.
 */
static int entry_words(struct run *r, int *at, struct why_filter *f)
{
    const char *word = r->argv[*at], *next = *at + 1 < r->argc ? r->argv[*at + 1] : NULL;
    bool route = strcmp(word, "route") == 0 || strcmp(word, "routes") == 0;
    if (route) {
        bool has[EV_COUNT] = {false};
        struct why_filter part;
        static const char *const names[] = {"route", "gateway", "redirect", "pmtu", "rule"};
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
            why_filter_init(&part);
            why_filter_named(&part, names[i]);
            for (unsigned e = 1; e < EV_COUNT; e++)
                has[e] = has[e] || (part.event[e] && strncmp(event_info[e].name, "impair", 6) != 0);
        }
        has[EV_ADDR_ADDED] = has[EV_ADDR_REMOVED] =
            true; /* a subnet's route comes and goes with it */
        has[EV_IP_OUT_DROP_ROUTE] = has[EV_IP_FORWARD_DROP] = true;
        for (unsigned e = 1; e < EV_COUNT; e++)
            f->event[e] = f->event[e] && has[e];
    } else {
        why_filter_named(f, word);
    }
    ++*at;
    if (route && next != NULL && strcmp(next, "to") == 0 && ++*at < r->argc)
        next = r->argv[*at];
    if (next == NULL)
        return EXIT_DONE;
    if (route && strcmp(next, "default") == 0) {
        f->has_prefix = true;
        ++*at;
    } else if (strchr(next, '/') != NULL && parse_prefix(next, &f->prefix, &f->plen)) {
        f->has_prefix = true;
        ++*at;
    } else if (parse_endpoint(next, &f->addr, &f->port)) {
        f->has_addr = true;
        ++*at;
    }
    return EXIT_DONE;
}

/* ---- words ---- */

static int value_word(struct run *r, int *at, struct why_filter *f)
{
    const char *word = r->argv[*at];
    const char *value = run_value(r, *at,
                                  strcmp(word, "event") == 0  ? "the name of an event"
                                  : strcmp(word, "kind") == 0 ? "a kind"
                                  : strcmp(word, "dev") == 0  ? "an interface"
                                                              : "a number");
    if (value == NULL)
        return EXIT_USAGE;
    *at += 2;
    if (strcmp(word, "kind") == 0) {
        int kind = kind_of(value);
        if (kind < 0)
            return run_fail(
                r, EXIT_USAGE,
                "'%s' is not a kind of event: write drop, error, state, action or detail", value);
        filter_kind(f, kind);
    } else if (strcmp(word, "layer") == 0) {
        if (!why_filter_named(f, value))
            return run_fail(r, EXIT_USAGE,
                            "'%s' is not a layer: write tcp, udp, icmp, ip, arp, link or another "
                            "first word of `why catalogue`",
                            value);
    } else if (strcmp(word, "event") == 0) {
        if (!parse_u64(value, UINT64_MAX, &f->seq) && !filter_pattern(f, value))
            return run_no_event(r, value);
    } else if (strcmp(word, "dev") == 0) {
        if ((f->ifindex = run_interface(r, value)) == 0)
            return EXIT_USAGE;
    } else if (!parse_u64(value, UINT64_MAX, &f->pkt)) {
        return run_fail(r, EXIT_USAGE, "'%s' is not the number of a packet", value);
    } else {
        f->has_pkt = true;
    }
    return EXIT_DONE;
}

static int conn_words(struct run *r, int *at, struct why_filter *f)
{
    int status = conn_argument(r, *at, CONN_LISTENING | CONN_GONE | CONN_NUMBER, &f->conn);
    f->has_conn = true;
    ++*at;
    return status;
}

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

int why_filter_word(struct run *r, int *at, struct why_filter *f)
{
    static const char *const with_value[] = {"kind",   "layer", "event", "pkt",
                                             "packet", "dev",   NULL};
    static const char *const connection[] = {"conn", "connection", "socket", NULL};
    static const char *const entries[] = {"neigh",  "neighbour", "neighbor",  "arp", "route",
                                          "routes", "nat",       "conntrack", NULL};
    const char *word = r->argv[*at];
    int status;
    if (is_one_of(word, with_value))
        return value_word(r, at, f);
    if (is_one_of(word, connection) && *at + 1 < r->argc &&
        (word[0] != 's' || conn_is_word(r->argv[*at + 1]))) {
        ++*at;
        return conn_words(r, at, f);
    }
    if (word[0] == 'c' && is_one_of(word, connection))
        return run_fail(r, EXIT_USAGE, "after '%s' write a connection: `ss -e` shows their numbers",
                        word);
    if (strcmp(word, "rule") == 0)
        return rule_words(r, at, f);
    if (is_one_of(word, entries))
        return entry_words(r, at, f);
    if (strcmp(word, "since") == 0 || strcmp(word, "until") == 0) {
        status = time_word(r, *at, word[0] == 's' ? &f->since : &f->until);
        *at += 2;
        return status;
    }
    if (strcmp(word, "between") == 0) {
        if ((status = time_word(r, *at, &f->since)) != EXIT_DONE)
            return status;
        ++*at;
        bool and = *at + 1 < r->argc && strcmp(r->argv[*at + 1], "and") == 0;
        *at += and;
        status = time_word(r, *at, &f->until);
        *at += 2;
        return status;
    }
    if (kind_of(word) >= 0) {
        filter_kind(f, kind_of(word));
        ++*at;
        return EXIT_DONE;
    }
    if (word[0] == '#' && parse_u64(word + 1, UINT64_MAX, &f->seq)) {
        ++*at;
        return EXIT_DONE;
    }
    if (why_filter_named(f, word) || (strpbrk(word, "*?[") != NULL && word[1] != '\0' &&
                                      word[1] != ':' && filter_pattern(f, word))) {
        ++*at;
        return EXIT_DONE;
    }
    if (strchr(word, '/') != NULL && parse_prefix(word, &f->prefix, &f->plen)) {
        f->has_prefix = true;
        ++*at;
        return EXIT_DONE;
    }
    if (parse_endpoint(word, &f->addr, &f->port) && (f->addr != 0 || f->port != 0)) {
        f->has_addr = true;
        ++*at;
        return EXIT_DONE;
    }
    if (conn_is_word(word))
        return conn_words(r, at, f);
    return -1;
}

/* ---- records ---- */

/* Walks the fields of an event: the type of each, as the catalogue has it. */
static bool next_field(const char **p, const char **name, size_t *name_len, const char **type,
                       size_t *type_len)
{
    while (**p == ' ')
        ++*p;
    if (**p == '\0')
        return false;
    size_t len = strcspn(*p, " "), colon = strcspn(*p, ": ");
    *name = *p;
    *name_len = colon;
    *type = *p + colon + (colon < len);
    *type_len = colon < len ? len - colon - 1 : 0;
    *p += len;
    return true;
}

static bool is(const char *s, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(s, word, len) == 0;
}

/* A field with this address, or this port: the event is about it too. */
static bool fields_match(const struct why_filter *f, const struct journal_record *rec)
{
    const char *p = event_info[rec->event].fields, *name, *type;
    size_t name_len, type_len;
    bool addr = f->addr == 0, port = f->port == 0;
    for (unsigned i = 0; i < JOURNAL_ARGS && next_field(&p, &name, &name_len, &type, &type_len);
         i++) {
        uint64_t v = rec->arg[i];
        addr = addr || (is(type, type_len, "ip") && v == f->addr) ||
               (is(type, type_len, "prefix") && v == ((uint64_t)f->addr << 8 | 32));
        port = port || (is(type, type_len, "port") && v == f->port) ||
               (is(type, type_len, "ports") &&
                ((v >> 16 & 0xffff) == f->port || (v & 0xffff) == f->port));
    }
    return addr && port;
}

static bool in_prefix(const struct why_filter *f, td_ip4 a)
{
    return f->plen == 0 || ((a ^ f->prefix) >> (32 - f->plen)) == 0;
}

/* The prefix itself as a field (a route), or an address within it; 0/0 is only itself. */
static bool prefix_match(const struct why_filter *f, const struct journal_record *rec)
{
    const char *p = event_info[rec->event].fields, *name, *type;
    size_t name_len, type_len;
    bool has = false, itself = false,
         within = f->plen > 0 && rec->subject.addr != 0 && in_prefix(f, rec->subject.addr);
    for (unsigned i = 0; i < JOURNAL_ARGS && next_field(&p, &name, &name_len, &type, &type_len);
         i++) {
        if (is(type, type_len, "prefix")) { /* an address's: its subnet's */
            has = true;
            itself = itself ||
                     ((rec->arg[i] & 0xff) == f->plen && in_prefix(f, (td_ip4)(rec->arg[i] >> 8)));
        }
        within = within ||
                 (f->plen > 0 && is(type, type_len, "ip") && in_prefix(f, (td_ip4)rec->arg[i]));
    }
    return has ? itself : within;
}

static bool dev_match(const struct why_filter *f, const struct journal_record *rec)
{
    const char *p = event_info[rec->event].fields, *name, *type;
    size_t name_len, type_len;
    if (rec->subject.ifindex == f->ifindex)
        return true;
    for (unsigned i = 0; i < JOURNAL_ARGS && next_field(&p, &name, &name_len, &type, &type_len);
         i++)
        if (is(type, type_len, "if") && rec->arg[i] == f->ifindex)
            return true;
    return false;
}

static bool rule_match(const struct why_filter *f, const struct td_stack *st,
                       const struct journal_record *rec)
{
    const char *p = event_info[rec->event].fields, *name, *type;
    size_t name_len, type_len;
    bool rule = f->rule == 0, chain = f->chain == NULL;
    for (unsigned i = 0; i < JOURNAL_ARGS && next_field(&p, &name, &name_len, &type, &type_len);
         i++) {
        rule = rule || ((is(name, name_len, "rule") || is(name, name_len, "priority")) &&
                        rec->arg[i] == f->rule);
        if (!chain && is(name, name_len, "chain") && st->nftext != NULL)
            chain = strcmp(st->nftext(st, (uint32_t)rec->arg[i]), f->chain) == 0;
    }
    return rule && chain;
}

bool why_filter_match(const struct why_filter *f, const struct td_stack *st,
                      const struct journal_record *rec)
{
    const struct journal_subject *s = &rec->subject;
    if (!f->event[rec->event] || rec->time < f->since || rec->time > f->until ||
        (f->seq != 0 && rec->seq != f->seq))
        return false;
    if (f->has_conn && !conn_is_subject(&f->conn, s))
        return false;
    if (f->has_pkt && s->pkt != f->pkt &&
        !(rec->origin == ORIGIN_FRAME && rec->origin_id == f->pkt))
        return false;
    if (f->ifindex != 0 && !dev_match(f, rec))
        return false;
    if ((f->rule != 0 || f->chain != NULL) && !rule_match(f, st, rec))
        return false;
    if (f->has_prefix && !prefix_match(f, rec))
        return false;
    if (!f->has_addr)
        return true;
    bool subject = (f->addr == 0 || s->addr == f->addr) &&
                   (f->port == 0 || s->port == f->port || s->lport == f->port);
    return subject || fields_match(f, rec);
}

/* ---- questions as people say them ---- */

static bool one_of(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = list; len > 0 && (p = strstr(p, word)) != NULL; p += len)
        if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
            return true;
    return false;
}

/* Says nothing behind `before`, in a question. */
static bool empty_word(const char *before, const char *word, const char *next)
{
    if (one_of("dev event kind layer pkt packet conn connection -n since until between", before))
        return false; /* it is a value */
    if (one_of("is are was were did do does has have the this that these a an my it its in on of "
               "being ?",
               word))
        return true;
    if (one_of("socket connection", word))
        return next == NULL || !conn_is_word(next);
    if (strcmp(before, "cwnd") == 0)
        return one_of("halve halved halves shrink shrunk cut fall fell reduced smaller small",
                      word);
    if (strcmp(before, "connect") == 0)
        return one_of("fail failed refused", word);
    return strcmp(before, "nothing") == 0 && one_of("sent send sending happening", word);
}

void why_plain_words(struct run *r)
{
    for (int i = 1; i < r->argc;) {
        const char *next = i + 1 < r->argc ? r->argv[i + 1] : NULL;
        char *word = r->argv[i];
        if (i + 1 == r->argc && strlen(word) > 1 && strcspn(word, "?") == strlen(word) - 1 &&
            strchr(word, '-') == NULL)
            word[strlen(word) - 1] = '\0';
        if (!empty_word(r->argv[i - 1], word, next) ||
            (one_of("socket connection", word) && i + 1 == r->argc)) {
            i++;
            continue;
        }
        memmove(&r->argv[i], &r->argv[i + 1], (size_t)(r->argc - i - 1) * sizeof(*r->argv));
        r->argv[--r->argc] = word; /* behind the others */
    }
}
