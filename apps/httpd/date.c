/* httpd/date.c: dates in HTTP header fields (RFC 9110 5.6.7).
 *
 * One form is sent, three are read:
 *     Sun, 06 Nov 1994 08:49:37 GMT     IMF-fixdate
 *     Sunday, 06-Nov-94 08:49:37 GMT    RFC 850: a two-digit year more than 50 years ahead means
 * the past Sun Nov  6 08:49:37 1994          asctime Each is a pattern of fixed fields, so one
 * small matcher reads all: a letter in the pattern takes a field, anything else must stand there as
 * it is. The name of the weekday is checked for being one, not for being right: RFC 9110 gives no
 * meaning to a wrong one. Nothing here depends on the locale.
 */
#include "httpd/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

void httpd_date_format(int64_t when, char dst[HTTPD_DATE_SIZE])
{
    struct tm tm;
    time_t t = (time_t)when;
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 8099) {
        t = 0;
        gmtime_r(&t, &tm);
    }
    char text[64];
    snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
             tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
             tm.tm_sec);
    memcpy(dst, text, HTTPD_DATE_SIZE - 1);
    dst[HTTPD_DATE_SIZE - 1] = '\0';
}

struct cursor {
    const char *s;
    size_t n;
};

static bool take_digits(struct cursor *c, int count, int *out)
{
    int value = 0;
    if (c->n < (size_t)count)
        return false;
    for (int i = 0; i < count; i++) {
        if (c->s[i] < '0' || c->s[i] > '9')
            return false;
        value = value * 10 + (c->s[i] - '0');
    }
    c->s += count;
    c->n -= (size_t)count;
    *out = value;
    return true;
}

static bool take_day(struct cursor *c, bool whole)
{
    for (size_t i = 0; i < 7; i++) {
        size_t len = whole ? strlen(days[i]) : 3;
        if (c->n >= len && memcmp(c->s, days[i], len) == 0) {
            c->s += len;
            c->n -= len;
            return true;
        }
    }
    return false;
}

static bool take_month(struct cursor *c, int *out)
{
    for (int i = 0; c->n >= 3 && i < 12; i++) {
        if (memcmp(c->s, months + 3 * i, 3) == 0) {
            c->s += 3;
            c->n -= 3;
            *out = i;
            return true;
        }
    }
    return false;
}

/* a: weekday of three letters; A: whole; b: month; d: day 2 digits; e: day, space-padded; y: year
 * of 2 digits, Y: of 4; t: hh:mm:ss. */
static bool match(const char *pattern, const char *s, size_t n, struct tm *tm)
{
    struct cursor c = {s, n};
    *tm = (struct tm){0};
    for (; *pattern != '\0'; pattern++) {
        bool good;
        switch (*pattern) {
        case 'a':
            good = take_day(&c, false);
            break;
        case 'A':
            good = take_day(&c, true);
            break;
        case 'b':
            good = take_month(&c, &tm->tm_mon);
            break;
        case 'd':
            good = take_digits(&c, 2, &tm->tm_mday);
            break;
        case 'e':
            if (c.n > 0 && *c.s == ' ') {
                c.s++;
                c.n--;
                good = take_digits(&c, 1, &tm->tm_mday);
            } else {
                good = take_digits(&c, 2, &tm->tm_mday);
            }
            break;
        case 'y':
            good = take_digits(&c, 2, &tm->tm_year);
            break;
        case 'Y':
            good = take_digits(&c, 4, &tm->tm_year);
            break;
        case 't':
            good = take_digits(&c, 2, &tm->tm_hour) && c.n > 0 && *c.s == ':' &&
                   (c.s++, c.n--, take_digits(&c, 2, &tm->tm_min)) && c.n > 0 && *c.s == ':' &&
                   (c.s++, c.n--, take_digits(&c, 2, &tm->tm_sec));
            break;
        default:
            good = c.n > 0 && *c.s == *pattern;
            if (good) {
                c.s++;
                c.n--;
            }
        }
        if (!good)
            return false;
    }
    return c.n == 0;
}

bool httpd_date_parse(const char *s, size_t n, int64_t now, int64_t *when)
{
    struct tm tm;
    if (match("a, d b Y t GMT", s, n, &tm) || match("a b e t Y", s, n, &tm)) {
        tm.tm_year -= 1900;
    } else if (match("A, d-b-y t GMT", s, n, &tm)) {
        time_t t = (time_t)now;
        struct tm present;
        int year = gmtime_r(&t, &present) == NULL ? 1970 : present.tm_year + 1900;
        tm.tm_year += year / 100 * 100;
        if (tm.tm_year > year + 50)
            tm.tm_year -= 100;
        tm.tm_year -= 1900;
    } else {
        return false;
    }
    static const int length[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (tm.tm_mday < 1 || tm.tm_mday > length[tm.tm_mon] || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return false;
    *when = (int64_t)timegm(&tm);
    return true;
}
