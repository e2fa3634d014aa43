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

bool parse_size(const char *s, uint32_t max, uint32_t *bytes)
{
    static const struct unit units[] = {
        {"", 1},           {"b", 1},           {"k", 1024.0},     {"kb", 1024.0},
        {"m", 1048576.0},  {"mb", 1048576.0},  {"g", 1073741824.0}, {"gb", 1073741824.0},
        {"kbit", 128.0},   {"mbit", 131072.0}, {NULL, 0},
    };
    uint64_t v;
    if (!with_unit(s, units, max, &v))
        return false;
    *bytes = (uint32_t)v;
    return true;
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

void format_size(uint64_t bytes, char *dst, size_t size)
{
    if (bytes >= 1 << 20 && bytes % (1 << 20) == 0)
        snprintf(dst, size, "%lluMb", (unsigned long long)bytes >> 20);
    else if (bytes >= 1024 && bytes % 1024 == 0)
        snprintf(dst, size, "%lluKb", (unsigned long long)bytes >> 10);
    else
        snprintf(dst, size, "%llub", (unsigned long long)bytes);
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
