/* common/parse.c: addresses, times, rates and percentages as people write them.
 *
 * The console, the daemon and the wire read the same words the same way, and what can't be read is
 * refused whole: no half of "10ms5" is believed. Fractions are read as floating point: this is
 * configuration, never a packet's path.
 */
#include "common/parse.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool parse_u64(const char *s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    if (*s == '\0')
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        unsigned digit = (unsigned)(*s - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    if (v > max)
        return false;
    *out = v;
    return true;
}

bool parse_u32(const char *s, uint32_t max, uint32_t *out)
{
    uint64_t v;
    if (!parse_u64(s, max, &v))
        return false;
    *out = (uint32_t)v;
    return true;
}

/* Reads an address at *s and moves *s behind it. */
static bool scan_ip4(const char **s, td_ip4 *out)
{
    td_ip4 a = 0;
    const char *p = *s;
    for (int i = 0; i < 4; i++) {
        unsigned v = 0;
        const char *start = p;
        for (; *p >= '0' && *p <= '9' && p - start < 4; p++)
            v = v * 10 + (unsigned)(*p - '0');
        if (p == start || v > 255 || (*start == '0' && p - start > 1))
            return false;
        a = a << 8 | v;
        if (i < 3 && *p++ != '.')
            return false;
    }
    *s = p;
    *out = a;
    return true;
}

bool parse_ip4(const char *s, td_ip4 *out)
{
    td_ip4 a;
    if (!scan_ip4(&s, &a) || *s != '\0')
        return false;
    *out = a;
    return true;
}

bool parse_prefix(const char *s, td_ip4 *addr, uint8_t *plen)
{
    td_ip4 a;
    uint32_t len = 32;
    if (!scan_ip4(&s, &a))
        return false;
    if (*s == '/') {
        if (!parse_u32(s + 1, 32, &len))
            return false;
    } else if (*s != '\0') {
        return false;
    }
    *addr = a;
    *plen = (uint8_t)len;
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10 : -1;
}

bool parse_mac(const char *s, struct td_mac *out)
{
    struct td_mac m;
    for (int i = 0; i < 6; i++) {
        int hi = hex(s[0]), lo = hi < 0 ? -1 : hex(s[1]);
        if (lo < 0)
            return false;
        m.b[i] = (uint8_t)(hi << 4 | lo);
        s += 2;
        if (i < 5 && *s != ':' && *s != '-')
            return false;
        if (i < 5)
            s++;
    }
    if (*s != '\0')
        return false;
    *out = m;
    return true;
}

bool parse_endpoint(const char *s, td_ip4 *addr, uint16_t *port)
{
    td_ip4 a = 0;
    uint32_t p = 0;
    if (*s == '*')
        s++;
    else if (*s != ':' && !scan_ip4(&s, &a))
        return false;
    if (*s == ':') {
        if (strcmp(s, ":*") != 0 && !parse_u32(s + 1, 65535, &p))
            return false;
    } else if (*s != '\0') {
        return false;
    }
    *addr = a;
    *port = (uint16_t)p;
    return true;
}

/* A non-negative decimal number with an optional fraction; *end is what follows. No exponents, no
 * hexadecimal, no "inf". */
static bool scan_decimal(const char *s, double *v, const char **end)
{
    const char *p = s;
    while (*p >= '0' && *p <= '9')
        p++;
    if (*p == '.') {
        p++;
        while (*p >= '0' && *p <= '9')
            p++;
    }
    if (p == s || (p == s + 1 && *s == '.') || p - s > 24)
        return false;
    char copy[32];
    memcpy(copy, s, (size_t)(p - s));
    copy[p - s] = '\0';
    *v = strtod(copy, NULL);
    *end = p;
    return true;
}

struct unit {
    const char *name;
    double factor;
};

static bool with_unit(const char *s, const struct unit *units, double max, uint64_t *out)
{
    double v;
    const char *end;
    if (!scan_decimal(s, &v, &end))
        return false;
    for (; units->name != NULL; units++) {
        if (strcasecmp(end, units->name) == 0) {
            v = v * units->factor + 0.5;
            if (v > max)
                return false;
            *out = (uint64_t)v;
            return true;
        }
    }
    return false;
}

bool parse_time(const char *s, td_time *out)
{
    static const struct unit units[] = {
        {"", 1e3},     {"us", 1e3},    {"usec", 1e3}, {"usecs", 1e3}, {"ms", 1e6},
        {"msec", 1e6}, {"msecs", 1e6}, {"s", 1e9},    {"sec", 1e9},   {"secs", 1e9},
        {"ns", 1},     {"nsec", 1},    {"nsecs", 1},  {NULL, 0},
    };
    return with_unit(s, units, 1e18, out);
}

bool parse_seconds(const char *s, td_time *out)
{
    static const struct unit units[] = {{"", 1e9}, {NULL, 0}};
    return with_unit(s, units, 1e18, out);
}

bool parse_rate(const char *s, uint64_t *bits)
{
    static const struct unit units[] = {
        {"", 1},
        {"bit", 1},
        {"kbit", 1e3},
        {"mbit", 1e6},
        {"gbit", 1e9},
        {"tbit", 1e12},
        {"kibit", 1024.0},
        {"mibit", 1048576.0},
        {"gibit", 1073741824.0},
        {"bps", 8},
        {"kbps", 8e3},
        {"mbps", 8e6},
        {"gbps", 8e9},
        {"kibps", 8192.0},
        {"mibps", 8388608.0},
        {"gibps", 8589934592.0},
        {NULL, 0},
    };
    return with_unit(s, units, 1e15, bits);
}

bool parse_percent(const char *s, double *percent)
{
    double v;
    const char *end;
    if (!scan_decimal(s, &v, &end) || (*end != '\0' && strcmp(end, "%") != 0) || v > 100)
        return false;
    *percent = v;
    return true;
}

void format_ip4(td_ip4 a, char dst[16])
{
    snprintf(dst, 16, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

void format_mac(struct td_mac m, char dst[18])
{
    snprintf(dst, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m.b[0], m.b[1], m.b[2], m.b[3], m.b[4],
             m.b[5]);
}

void format_time(td_time t, char *dst, size_t size)
{
    if (t >= TD_SEC)
        snprintf(dst, size, "%.12gs", (double)t / 1e9);
    else if (t >= TD_MS)
        snprintf(dst, size, "%.12gms", (double)t / 1e6);
    else if (t >= TD_US || t == 0)
        snprintf(dst, size, "%.12gus", (double)t / 1e3);
    else
        snprintf(dst, size, "%uns", (unsigned)t);
}

void format_rate(uint64_t bits, char *dst, size_t size)
{
    double v = (double)bits;
    if (v >= 1e9)
        snprintf(dst, size, "%.12gGbit", v / 1e9);
    else if (v >= 1e6)
        snprintf(dst, size, "%.12gMbit", v / 1e6);
    else if (v >= 1e3)
        snprintf(dst, size, "%.12gKbit", v / 1e3);
    else
        snprintf(dst, size, "%.12gbit", v);
}

/* ---- netem ---- */

struct words {
    int argc, at;
    char *const *argv;
    char *msg;
    size_t msg_size;
};

static const char *peek(const struct words *w)
{
    return w->at < w->argc ? w->argv[w->at] : NULL;
}

/* Takes a percentage for `what`. */
static bool take_percent(struct words *w, const char *what, uint32_t *out)
{
    double p;
    const char *s = peek(w);
    if (s == NULL) {
        snprintf(w->msg, w->msg_size, "'%s' needs a percentage, for example '%s 1%%'", what, what);
        return false;
    }
    if (!parse_percent(s, &p)) {
        snprintf(w->msg, w->msg_size,
                 "'%s' after '%s' is not a percentage: write 0%% to 100%%, for example 0.5%%", s,
                 what);
        return false;
    }
    w->at++;
    *out = td_percent(p);
    return true;
}

/* An optional one: taken when the next word reads as a percentage. */
static void take_more_percent(struct words *w, uint32_t *out)
{
    double p;
    if (peek(w) != NULL && parse_percent(peek(w), &p)) {
        *out = td_percent(p);
        w->at++;
    }
}

static bool take_number(struct words *w, const char *what, uint64_t max, uint64_t *out)
{
    const char *s = peek(w);
    if (s == NULL || !parse_u64(s, max, out)) {
        snprintf(w->msg, w->msg_size, "'%s' needs a whole number%s%s%s, for example '%s 1000'",
                 what, s ? " instead of '" : "", s ? s : "", s ? "'" : "", what);
        return false;
    }
    w->at++;
    return true;
}

static bool take_correlation(struct words *w, const char *what)
{
    double p;
    const char *s = peek(w);
    if (s != NULL && strchr(s, '%') != NULL && parse_percent(s, &p)) {
        snprintf(w->msg, w->msg_size,
                 "'%s' has a correlation ('%s') that is not offered here: for losses in bursts use "
                 "'loss gemodel P R'",
                 what, s);
        return false;
    }
    return true;
}

static bool netem_loss(struct words *w, struct td_netem *n)
{
    const char *s = peek(w);
    if (s != NULL && strcmp(s, "gemodel") == 0) {
        w->at++;
        if (!take_percent(w, "loss gemodel", &n->ge_p))
            return false;
        n->ge_r = UINT32_MAX - n->ge_p; /* netem's defaults: the Bernoulli model */
        n->ge_bad = UINT32_MAX;
        n->ge_good = 0;
        take_more_percent(w, &n->ge_r);
        take_more_percent(w, &n->ge_bad);
        take_more_percent(w, &n->ge_good);
        return true;
    }
    if (s != NULL && strcmp(s, "random") == 0)
        w->at++;
    return take_percent(w, "loss", &n->loss) && take_correlation(w, "loss");
}

static bool netem_delay(struct words *w, struct td_netem *n)
{
    const char *s = peek(w);
    if (s == NULL || !parse_time(s, &n->delay)) {
        snprintf(w->msg, w->msg_size,
                 "'delay' needs a time%s%s%s, for example 'delay 20ms' or 'delay 20ms 5ms'",
                 s ? " instead of '" : "", s ? s : "", s ? "'" : "");
        return false;
    }
    w->at++;
    s = peek(w);
    if (s != NULL && parse_time(s, &n->jitter))
        w->at++;
    return take_correlation(w, "delay");
}

static bool netem_rate(struct words *w, struct td_netem *n)
{
    const char *s = peek(w);
    if (s == NULL || !parse_rate(s, &n->rate) || n->rate == 0) {
        snprintf(w->msg, w->msg_size, "'rate' needs a rate%s%s%s, for example 'rate 100mbit'",
                 s ? " instead of '" : "", s ? s : "", s ? "'" : "");
        return false;
    }
    w->at++;
    return true;
}

/* One option; *known tells whether the word was netem's. */
static bool netem_word(struct words *w, struct td_netem *n, bool *known)
{
    const char *s = peek(w);
    uint64_t v = 0;
    *known = true;
    w->at++;
    if (strcmp(s, "delay") == 0 || strcmp(s, "latency") == 0)
        return netem_delay(w, n);
    if (strcmp(s, "loss") == 0 || strcmp(s, "drop") == 0)
        return netem_loss(w, n);
    if (strcmp(s, "duplicate") == 0)
        return take_percent(w, s, &n->duplicate) && take_correlation(w, s);
    if (strcmp(s, "corrupt") == 0)
        return take_percent(w, s, &n->corrupt) && take_correlation(w, s);
    if (strcmp(s, "reorder") == 0)
        return take_percent(w, s, &n->reorder) && take_correlation(w, s);
    if (strcmp(s, "rate") == 0)
        return netem_rate(w, n);
    if (strcmp(s, "gap") == 0) {
        if (!take_number(w, s, 1000000, &v))
            return false;
        n->gap = (uint32_t)v;
        return true;
    }
    if (strcmp(s, "limit") == 0) {
        if (!take_number(w, s, 10000000, &v))
            return false;
        n->limit = (uint32_t)v;
        return true;
    }
    if (strcmp(s, "seed") == 0)
        return take_number(w, s, UINT64_MAX, &n->seed);
    w->at--;
    *known = false;
    return true;
}

int parse_netem(int argc, char *const *argv, struct td_netem *out, char *msg, size_t msg_size)
{
    struct words w = {argc, 0, argv, msg, msg_size};
    memset(out, 0, sizeof(*out));
    while (w.at < argc) {
        bool known;
        if (!netem_word(&w, out, &known))
            return -1;
        if (!known)
            break;
    }
    if (out->reorder > 0 && out->delay == 0) {
        snprintf(msg, msg_size,
                 "'reorder' needs a 'delay': frames that overtake must have something to overtake");
        return -1;
    }
    return w.at;
}

static int percent_text(char *dst, size_t size, const char *what, uint32_t p)
{
    double v = (double)(uint64_t)((double)p / 4294967295.0 * 1e8 + 0.5) / 1e6;
    return snprintf(dst, size, " %s %.6g%%", what, v);
}

void format_netem(const struct td_netem *n, char *dst, size_t size)
{
    char a[32], b[32], buf[512];
    size_t at = (size_t)snprintf(buf, sizeof(buf), "limit %u", n->limit ? n->limit : 1000);
#define ADD(...)             at += (size_t)snprintf(buf + at, sizeof(buf) - at, __VA_ARGS__)
#define ADD_PERCENT(what, p) at += (size_t)percent_text(buf + at, sizeof(buf) - at, what, p)
    if (n->delay || n->jitter) {
        format_time(n->delay, a, sizeof(a));
        format_time(n->jitter, b, sizeof(b));
        ADD(" delay %s", a);
        if (n->jitter)
            ADD(" %s", b);
    }
    if (n->loss)
        ADD_PERCENT("loss", n->loss);
    if (n->ge_p) {
        ADD_PERCENT("loss gemodel p", n->ge_p);
        ADD_PERCENT("r", n->ge_r);
        ADD_PERCENT("1-h", n->ge_bad);
        ADD_PERCENT("1-k", n->ge_good);
    }
    if (n->duplicate)
        ADD_PERCENT("duplicate", n->duplicate);
    if (n->reorder)
        ADD_PERCENT("reorder", n->reorder);
    if (n->corrupt)
        ADD_PERCENT("corrupt", n->corrupt);
    if (n->rate) {
        format_rate(n->rate, a, sizeof(a));
        ADD(" rate %s", a);
    }
    if (n->gap)
        ADD(" gap %u", n->gap);
    if (n->seed)
        ADD(" seed %llu", (unsigned long long)n->seed);
#undef ADD
#undef ADD_PERCENT
    snprintf(dst, size, "%s", buf);
}
