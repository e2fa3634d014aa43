/* core/journal_text.c: journal records as text.
 *
 * Nothing is formatted when an event happens; this file does it when somebody reads. The catalogue's
 * fields string ("from:tcpstate to:tcpstate") says what each argument is, the sentence says it to a
 * person: each {name} is replaced by that field's text. A test walks the catalogue and checks that
 * every {name} exists and every type is one of those below.
 */
#include "core/journal.h"

#include "core/stack.h"
#include "core/table.h"

#include <stdio.h>
#include <string.h>

/* Numbers are Linux's (tcp/tcp.h), names RFC 9293's. */
static const char *const tcp_states[] = {
    "?",         "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
    "TIME-WAIT", "CLOSED",      "CLOSE-WAIT", "LAST-ACK",   "LISTEN",     "CLOSING",
};
/* In the order of arp/arp.h's enum neigh_state. */
static const char *const neigh_states[] = {
    "NONE",  "INCOMPLETE", "REACHABLE", "STALE", "DELAY",
    "PROBE", "FAILED",     "PERMANENT", "NOARP",
};

static const char *pick(const char *const *names, size_t n, uint64_t v)
{
    return v < n ? names[v] : "?";
}

static int format_flags(uint64_t v, char *dst, size_t size)
{
    static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"};
    size_t n = 0;
    dst[0] = '\0';
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((v >> i & 1) != 0 && n + 5 < size)
            n += (size_t)snprintf(dst + n, size - n, "%s%s", n > 0 ? "," : "", names[i]);
    return n > 0 ? (int)n : snprintf(dst, size, "none");
}

static int format_proto(uint64_t v, char *dst, size_t size)
{
    switch (v) {
    case 1:
        return snprintf(dst, size, "ICMP");
    case 6:
        return snprintf(dst, size, "TCP");
    case 17:
        return snprintf(dst, size, "UDP");
    default:
        return snprintf(dst, size, "protocol %llu", (unsigned long long)v);
    }
}

static int format_icmp(uint64_t v, char *dst, size_t size)
{
    static const char *const types[] = {
        [0] = "echo reply",        [3] = "destination unreachable", [4] = "source quench",
        [5] = "redirect",          [8] = "echo request",            [11] = "time exceeded",
        [12] = "parameter problem", [13] = "timestamp request",     [14] = "timestamp reply",
    };
    unsigned type = (unsigned)(v >> 8), code = (unsigned)(v & 255);
    const char *name = type < sizeof types / sizeof types[0] ? types[type] : NULL;
    if (name == NULL)
        return snprintf(dst, size, "ICMP type %u code %u", type, code);
    return snprintf(dst, size, "%s (code %u)", name, code);
}

/* Durations in the unit that reads best. */
static int format_ns(uint64_t v, char *dst, size_t size)
{
    unsigned long long u = v;
    if (u >= TD_SEC)
        return snprintf(dst, size, "%llu.%03llu s", u / TD_SEC, u % TD_SEC / TD_MS);
    if (u >= TD_MS)
        return snprintf(dst, size, "%llu.%03llu ms", u / TD_MS, u % TD_MS / TD_US);
    return snprintf(dst, size, "%llu us", u / TD_US);
}

/* A knob by its sysctl name; see KNOB_SUBJECT. */
static int format_knob(const struct td_stack *st, uint64_t v, char *dst, size_t size)
{
    unsigned number = (unsigned)(v & 0xffff);
    uint64_t who = v >> 16;
    if (number < KNOB_COUNT)
        return snprintf(dst, size, "%s", knob_info[number].name);
    if (number - KNOB_COUNT >= IFKNOB_COUNT)
        return snprintf(dst, size, "?");
    const char *pattern = ifknob_info[number - KNOB_COUNT].name, *hole = strstr(pattern, "%s");
    const char *name = who == KNOB_WHO_ALL       ? "all"
                       : who == KNOB_WHO_DEFAULT ? "default"
                       : st->ifname != NULL      ? st->ifname(st, (uint32_t)who)
                                                 : NULL;
    return snprintf(dst, size, "net.ipv4.%.*s%s%s", (int)(hole - pattern), pattern,
                    name != NULL ? name : "?", hole + 2);
}

static int format_typed(const struct td_stack *st, const char *type, uint64_t v, char *dst, size_t size)
{
    unsigned long long u = v;
    struct value value = {.u = v};
    if (strcmp(type, "ip") == 0)
        value.type = VAL_IP4;
    else if (strcmp(type, "mac") == 0)
        value.type = VAL_MAC;
    else if (strcmp(type, "prefix") == 0)
        value.type = VAL_PREFIX;
    else if (strcmp(type, "hex") == 0)
        value.type = VAL_HEX;
    else if (strcmp(type, "bool") == 0)
        return snprintf(dst, size, "%s", v != 0 ? "yes" : "no");
    else if (strcmp(type, "i64") == 0)
        return snprintf(dst, size, "%lld", (long long)(int64_t)v);
    else if (strcmp(type, "ns") == 0)
        return format_ns(v, dst, size);
    else if (strcmp(type, "bytes") == 0)
        return snprintf(dst, size, "%llu byte%s", u, u == 1 ? "" : "s");
    else if (strcmp(type, "pkts") == 0)
        return snprintf(dst, size, "%llu packet%s", u, u == 1 ? "" : "s");
    else if (strcmp(type, "tcpstate") == 0)
        return snprintf(dst, size, "%s", pick(tcp_states, sizeof tcp_states / sizeof tcp_states[0], v));
    else if (strcmp(type, "neighstate") == 0)
        return snprintf(dst, size, "%s",
                        pick(neigh_states, sizeof neigh_states / sizeof neigh_states[0], v));
    else if (strcmp(type, "tcpflags") == 0)
        return format_flags(v, dst, size);
    else if (strcmp(type, "proto") == 0)
        return format_proto(v, dst, size);
    else if (strcmp(type, "icmp") == 0)
        return format_icmp(v, dst, size);
    else if (strcmp(type, "errno") == 0)
        return snprintf(dst, size, "%s", strerrordesc_np((int)(v > INT32_MAX ? 0 : v)) != NULL
                                             ? strerrordesc_np((int)(v > INT32_MAX ? 0 : v))
                                             : "unknown error");
    else if (strcmp(type, "knob") == 0)
        return format_knob(st, v, dst, size);
    else if (strcmp(type, "fault") == 0)
        return snprintf(dst, size, "%s", v < FAULT_COUNT ? fault_info[v].name : "?");
    else if (strcmp(type, "ports") == 0)
        return snprintf(dst, size, "%llu to %llu", u >> 16 & 0xffff, u & 0xffff);
    else if (strcmp(type, "nftext") == 0)
        return snprintf(dst, size, "%s", st->nftext != NULL ? st->nftext(st, (uint32_t)v) : "?");
    else if (strcmp(type, "word") == 0)
        return snprintf(dst, size, "%s", pick(journal_words, W_COUNT, v));
    else if (strcmp(type, "if") == 0) {
        const char *name = st->ifname != NULL ? st->ifname(st, (uint32_t)v) : NULL;
        if (v == 0)
            return snprintf(dst, size, "none");
        return name != NULL ? snprintf(dst, size, "%s", name) : snprintf(dst, size, "if%llu", u);
    } else
        return snprintf(dst, size, "%llu", u); /* u32 u64 port seq */
    return (int)value_format(&value, dst, size);
}

/* Splits field number `index` off a fields string: "name:type". */
static bool nth_field(const char *fields, unsigned index, char *name, size_t name_size, char *type,
                      size_t type_size)
{
    const char *p = fields;
    for (;; index--) {
        while (*p == ' ')
            p++;
        if (*p == '\0')
            return false;
        size_t len = strcspn(p, " "), colon = strcspn(p, ": ");
        if (index == 0) {
            (void)snprintf(name, name_size, "%.*s", (int)colon, p);
            (void)snprintf(type, type_size, "%.*s", colon < len ? (int)(len - colon - 1) : 0,
                           p + colon + 1);
            return true;
        }
        p += len;
    }
}

bool journal_field(const struct td_stack *st, const struct journal_record *r, unsigned index,
                   char *name, size_t name_size, char *text, size_t text_size, uint64_t *raw)
{
    char type[16];
    if (index >= JOURNAL_ARGS || r->event >= EV_COUNT ||
        !nth_field(event_info[r->event].fields, index, name, name_size, type, sizeof type))
        return false;
    *raw = r->arg[index];
    (void)format_typed(st, type, r->arg[index], text, text_size);
    return true;
}

/* The text of the field called name[0..len). */
static const char *field_named(const struct td_stack *st, const struct journal_record *r,
                               const char *name, size_t len, char *text, size_t size)
{
    char found[24], type[16];
    const char *fields = event_info[r->event].fields;
    for (unsigned i = 0; i < JOURNAL_ARGS && nth_field(fields, i, found, sizeof found, type, sizeof type); i++) {
        if (strlen(found) == len && strncmp(found, name, len) == 0) {
            (void)format_typed(st, type, r->arg[i], text, size);
            return text;
        }
    }
    return "?";
}

size_t journal_format(const struct td_stack *st, const struct journal_record *r, char *dst, size_t size)
{
    size_t n = 0;
    if (size == 0)
        return 0;
    dst[0] = '\0';
    if (r->event >= EV_COUNT)
        return 0;
    for (const char *p = event_info[r->event].sentence; *p != '\0' && n + 1 < size;) {
        const char *close = *p == '{' ? strchr(p, '}') : NULL;
        if (close == NULL) {
            dst[n++] = *p++;
            dst[n] = '\0';
            continue;
        }
        char text[96];
        const char *value =
            field_named(st, r, p + 1, (size_t)(close - p - 1), text, sizeof text);
        int wrote = snprintf(dst + n, size - n, "%s", value);
        n += (size_t)wrote < size - n ? (size_t)wrote : size - n - 1;
        p = close + 1;
    }
    return n;
}
