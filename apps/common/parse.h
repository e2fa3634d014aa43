/* common/parse.h: addresses, times, rates and percentages as people write them.
 *
 * Each function takes the whole string or nothing: true and *out set, or false and *out unchanged.
 * Addresses and ports come out in host order.
 */
#ifndef APPS_COMMON_PARSE_H
#define APPS_COMMON_PARSE_H

#include "tapdeck/device.h"
#include "tapdeck/types.h"

/* Decimal digits only, at most max. */
bool parse_u64(const char *s, uint64_t max, uint64_t *out);
bool parse_u32(const char *s, uint32_t max, uint32_t *out);
/* Four decimal numbers 0..255 without leading zeroes: "10.0.0.1" (never octal, never 10.1). */
bool parse_ip4(const char *s, td_ip4 *out);
/* "10.0.0.1/24"; without a length 32. */
bool parse_prefix(const char *s, td_ip4 *addr, uint8_t *plen);
/* "02:00:5e:00:00:01", also with dashes. */
bool parse_mac(const char *s, struct td_mac *out);
/* "10.0.0.1:80", "10.0.0.1" (port 0), "*:80", ":80" (addr 0). */
bool parse_endpoint(const char *s, td_ip4 *addr, uint16_t *port);
/* tc's times: "20ms", "1.5s", "300us", "10ns" (also sec, secs, msec, msecs, usec, usecs, nsec); a
 * bare number is microseconds, as tc has it. */
bool parse_time(const char *s, td_time *out);
/* Seconds with an optional fraction: "0.2" (ping -i). */
bool parse_seconds(const char *s, td_time *out);
/* tc's rates, in bits a second: "100mbit", "1.5gbit", "64kbit", "9600bit", "9600"; "10mbps" is
 * bytes; with an i (kibit, mibps) powers of 1024. */
bool parse_rate(const char *s, uint64_t *bits);
/* tc's sizes, in bytes: "1600", "10kb" (10240), "2mb", "64kbit". At most max. */
bool parse_size(const char *s, uint32_t max, uint32_t *bytes);
/* "1%", "0.1%", "1" (percent too, as in tc): 0..100. */
bool parse_percent(const char *s, double *percent);

void format_ip4(td_ip4 a, char dst[16]);
void format_mac(struct td_mac m, char dst[18]);
void format_time(td_time t, char *dst, size_t size);     /* as tc prints: "20ms", "1.5s", "300us" */
void format_size(uint64_t bytes, char *dst, size_t size); /* "10Kb", "1540b", as tc prints */
void format_rate(uint64_t bits, char *dst, size_t size); /* "100Mbit" */

#endif
