/* httpd/date.h: dates in HTTP header fields (RFC 9110 5.6.7). */
#ifndef HTTPD_DATE_H
#define HTTPD_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTPD_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */

/* IMF-fixdate. when: seconds since 1970 UTC, within the years 0 to 9999; outside, 1970. */
void httpd_date_format(int64_t when, char dst[HTTPD_DATE_SIZE]);
/* Any of the three forms a recipient must accept: IMF-fixdate, RFC 850, asctime. now places the
 * two-digit years of RFC 850. false: not a date. */
bool httpd_date_parse(const char *s, size_t n, int64_t now, int64_t *when);

#endif
