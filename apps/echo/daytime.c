/* echo/daytime.c: the daytime service, RFC 867: the date and the time as one line, in UTC.
 *
 * The RFC leaves the syntax open and suggests "Weekday, Month Day, Year Time-Zone"; this is it:
 * "Tuesday, February 22, 1982 17:37:43-UTC". Over TCP the line is sent on connection and the
 * connection closed; over UDP it answers any datagram.
 */
#include "echo/service.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static size_t daytime_line(const struct service *v, uint8_t *dst, size_t size)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    char line[96];
    struct tm tm = {0};
    time_t now = (time_t)v->host.wall(v->host.ctx);
    if (gmtime_r(&now, &tm) == NULL)
        tm = (struct tm){.tm_year = 70, .tm_mday = 1, .tm_wday = 4};
    int n = snprintf(line, sizeof line, "%s, %s %d, %d %02d:%02d:%02d-UTC\r\n", days[tm.tm_wday],
                     months[tm.tm_mon], tm.tm_mday, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                     tm.tm_sec);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    len = len < size ? len : size;
    memcpy(dst, line, len);
    return len;
}

static enum service_step daytime_step(struct service_conn *c)
{
    enum service_step held = service_send_held(c);
    if (held != SERVICE_AGAIN)
        return held;
    if (c->count > 0)
        return SERVICE_FIN;
    uint8_t line[96];
    return service_send(c, line, daytime_line(c->v, line, sizeof line));
}

static int64_t daytime_answer(struct service *v, uint8_t *buf, size_t len)
{
    (void)len;
    return (int64_t)daytime_line(v, buf, SERVICE_BUFFER);
}

static const struct service_class daytime_class = {
    .app = &app_daytime, .port = 13, .step = daytime_step, .answer = daytime_answer};

static int daytime_start(const struct app_host *host, int argc, char **argv, void **instance,
                         char *msg, size_t msg_size)
{
    return service_start(&daytime_class, host, argc, argv, instance, msg, msg_size);
}

const struct app_class app_daytime = {
    .name = "daytime",
    .usage = "daytime [-a ADDR] [-p PORT] [-t] [-u]",
    .doc = "Tells the date and the time in UTC, over TCP and UDP (RFC 867).",
    .start = daytime_start,
    .stop = service_stop,
    .tick = service_tick,
    .status = service_status,
};
