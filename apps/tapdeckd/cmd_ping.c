/* tapdeckd/cmd_ping.c: `ping` from the stack: echo requests through a ping socket (RFC 792,
 * 1122 3.2.2.6).
 *
 * The socket's payload is the ICMP message; its identifier is the socket's port, so replies to
 * other pings don't come here. Errors about our requests (host unreachable, time exceeded) wait in
 * the socket's error queue with the quoted request, from which the sequence number is read. When a
 * request was sent is remembered here by sequence number, not in the payload: then duplicates and
 * replies that come after their time-out are told apart too.
 *
 * Output and exit status are those of iputils: 0 when at least one reply came, 1 when none did.
 */
#include "tapdeckd/deck.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/icmp.h"

#define PING_HISTORY 1024 /* sequence numbers whose sending time is remembered */
#define PING_MAX     65507
#define INTERVAL_MIN (2 * TD_MS)

struct ping {
    int socket;
    td_ip4 dst;
    char dst_text[16];
    uint64_t count;            /* 0 = until interrupted */
    td_time interval, timeout; /* timeout 0: twice the longest round trip, at least a second */
    uint32_t size;
    int ttl, tos;
    bool quiet;
    td_time sent_at[PING_HISTORY];
    bool answered[PING_HISTORY];
    uint64_t sent, received, duplicates, errors;
    td_time started, next, last_event;
    td_time rtt_min, rtt_max, rtt_sum;
    double rtt_sq;
    uint8_t *packet;
    struct run *run;
};

static void ping_release(struct run *r)
{
    struct ping *p = r->state;
    if (p == NULL)
        return;
    if (p->socket >= 0)
        td_close(r->deck->st, p->socket);
    free(p->packet);
    free(p);
}

/* ---- what is printed ---- */

static unsigned long long us_part(td_time t)
{
    return (unsigned long long)(t / TD_US % 1000);
}

static td_time square_root(double v)
{
    double x = v > 1 ? v : 1;
    for (int i = 0; i < 100; i++)
        x = (x + v / x) / 2;
    return v <= 0 ? 0 : (td_time)x;
}

static int summary(struct run *r)
{
    struct ping *p = r->state;
    td_time took = p->last_event > p->started ? p->last_event - p->started : 0;
    uint64_t lost = p->sent > p->received ? p->sent - p->received : 0;
    double percent = p->sent > 0 ? (double)lost * 100.0 / (double)p->sent : 0;
    td_time avg = p->received > 0 ? p->rtt_sum / p->received : 0;
    double mean = p->received > 0 ? (double)p->rtt_sum / (double)p->received : 0;
    td_time mdev = p->received > 0 ? square_root(p->rtt_sq / (double)p->received - mean * mean) : 0;
    if (r->json) {
        jw_close(&r->jw, ']');
        jw_u64(&r->jw, "transmitted", p->sent);
        jw_u64(&r->jw, "received", p->received);
        jw_u64(&r->jw, "duplicates", p->duplicates);
        jw_u64(&r->jw, "errors", p->errors);
        jw_ms(&r->jw, "loss_percent", (uint64_t)(percent * 1e6 + 0.5));
        jw_ms(&r->jw, "time_ms", took);
        if (p->received > 0) {
            jw_open(&r->jw, "rtt_ms", '{');
            jw_ms(&r->jw, "min", p->rtt_min);
            jw_ms(&r->jw, "avg", avg);
            jw_ms(&r->jw, "max", p->rtt_max);
            jw_ms(&r->jw, "mdev", mdev);
            jw_close(&r->jw, '}');
        }
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return p->received > 0 ? EXIT_DONE : EXIT_FAILED;
    }
    run_printf(r, "\n--- %s ping statistics ---\n%llu packets transmitted, %llu received",
               p->dst_text, (unsigned long long)p->sent, (unsigned long long)p->received);
    if (p->duplicates > 0)
        run_printf(r, ", +%llu duplicates", (unsigned long long)p->duplicates);
    if (p->errors > 0)
        run_printf(r, ", +%llu errors", (unsigned long long)p->errors);
    run_printf(r, ", %.6g%% packet loss, time %llums\n", percent,
               (unsigned long long)(took / TD_MS));
    if (p->received > 0)
        run_printf(r, "rtt min/avg/max/mdev = %llu.%03llu/%llu.%03llu/%llu.%03llu/%llu.%03llu ms\n",
                   (unsigned long long)(p->rtt_min / TD_MS), us_part(p->rtt_min),
                   (unsigned long long)(avg / TD_MS), us_part(avg),
                   (unsigned long long)(p->rtt_max / TD_MS), us_part(p->rtt_max),
                   (unsigned long long)(mdev / TD_MS), us_part(mdev));
    else
        run_puts(r, "\n");
    return p->received > 0 ? EXIT_DONE : EXIT_FAILED;
}

static void took_text(td_time rtt, char *dst, size_t size)
{
    /* iputils: three significant places below 10 ms, fewer above. */
    if (rtt >= 100 * TD_MS)
        snprintf(dst, size, "%llu", (unsigned long long)((rtt + TD_MS / 2) / TD_MS));
    else if (rtt >= 10 * TD_MS)
        snprintf(dst, size, "%.1f", (double)rtt / 1e6);
    else if (rtt >= TD_MS)
        snprintf(dst, size, "%.2f", (double)rtt / 1e6);
    else
        snprintf(dst, size, "%.3f", (double)rtt / 1e6);
}

/* ---- replies and errors ---- */

static void got_reply(struct run *r, uint16_t seq, td_ip4 from, uint32_t bytes, int ttl,
                      td_time now)
{
    struct ping *p = r->state;
    char took[32], addr[16];
    unsigned slot = seq % PING_HISTORY;
    if (p->sent_at[slot] == 0)
        return;
    td_time rtt = now > p->sent_at[slot] ? now - p->sent_at[slot] : 0;
    bool duplicate = p->answered[slot];
    if (duplicate) {
        p->duplicates++;
    } else {
        p->answered[slot] = true;
        p->received++;
        p->rtt_sum += rtt;
        p->rtt_sq += (double)rtt * (double)rtt;
        p->rtt_min = p->received == 1 || rtt < p->rtt_min ? rtt : p->rtt_min;
        p->rtt_max = rtt > p->rtt_max ? rtt : p->rtt_max;
    }
    p->last_event = now;
    if (p->quiet)
        return;
    format_ip4(from, addr);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "from", addr);
        jw_u64(&r->jw, "seq", seq);
        jw_u64(&r->jw, "bytes", bytes);
        jw_i64(&r->jw, "ttl", ttl);
        jw_ms(&r->jw, "time_ms", rtt);
        if (duplicate)
            jw_bool(&r->jw, "duplicate", true);
        jw_close(&r->jw, '}');
        return;
    }
    took_text(rtt, took, sizeof(took));
    run_printf(r, "%u bytes from %s: icmp_seq=%u ttl=%d time=%s ms%s\n", bytes, addr, seq, ttl,
               took, duplicate ? " (DUP!)" : "");
}

static const char *icmp_error_text(unsigned type, unsigned code, uint32_t info, char dst[64])
{
    static const char *const unreachable[] = {
        "Destination Net Unreachable",
        "Destination Host Unreachable",
        "Destination Protocol Unreachable",
        "Destination Port Unreachable",
        NULL,
        "Source Route Failed",
        "Destination Net Unknown",
        "Destination Host Unknown",
        "Source Host Isolated",
        "Destination Net Prohibited",
        "Destination Host Prohibited",
        "Destination Net Unreachable for Type of Service",
        "Destination Host Unreachable for Type of Service",
        "Packet filtered",
        "Precedence Violation",
        "Precedence Cutoff",
    };
    if (type == ICMP_UNREACHABLE && code == ICMP_FRAG_NEEDED)
        snprintf(dst, 64, "Frag needed and DF set (mtu = %u)", info);
    else if (type == ICMP_UNREACHABLE && code < sizeof(unreachable) / sizeof(*unreachable))
        return unreachable[code];
    else if (type == ICMP_TIME_EXCEEDED)
        return code == 0 ? "Time to live exceeded" : "Frag reassembly time exceeded";
    else if (type == ICMP_PARAM_PROBLEM)
        snprintf(dst, 64, "Parameter problem: pointer = %u", info >> 24);
    else
        snprintf(dst, 64, "ICMP type %u code %u", type, code);
    return dst;
}

static void got_error(struct run *r, const struct sock_extended_err *ee, td_ip4 from, bool has_seq,
                      uint16_t seq, td_time now)
{
    struct ping *p = r->state;
    char addr[16], text[64];
    const char *what = ee->ee_origin == SO_EE_ORIGIN_ICMP
                           ? icmp_error_text(ee->ee_type, ee->ee_code, ee->ee_info, text)
                           : error_text((int)ee->ee_errno);
    p->errors++;
    p->last_event = now;
    if (p->quiet)
        return;
    format_ip4(from, addr);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        if (from != 0)
            jw_str(&r->jw, "from", addr);
        if (has_seq)
            jw_u64(&r->jw, "seq", seq);
        jw_str(&r->jw, "error", what);
        jw_close(&r->jw, '}');
        return;
    }
    if (from != 0)
        run_printf(r, "From %s ", addr);
    else
        run_puts(r, "ping: local error: ");
    if (has_seq)
        run_printf(r, "icmp_seq=%u ", seq);
    run_printf(r, "%s\n", what);
}

union control {
    char bytes[512];
    struct cmsghdr align;
};

static bool read_error(struct run *r, td_time now)
{
    struct ping *p = r->state;
    uint8_t quoted[64];
    union control control;
    struct iovec iov = {quoted, sizeof(quoted)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    int64_t n = td_recvmsg(r->deck->st, p->socket, &m, MSG_ERRQUEUE);
    if (n < 0)
        return false;
    bool has_seq = n >= ICMP_HLEN;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        struct {
            struct sock_extended_err ee;
            struct sockaddr_in from;
        } e;
        if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR ||
            c->cmsg_len < CMSG_LEN(sizeof(e)))
            continue;
        memcpy(&e, CMSG_DATA(c), sizeof(e));
        got_error(r, &e.ee, ntohl(e.from.sin_addr.s_addr), has_seq,
                  has_seq ? wire_get16(quoted + 6) : 0, now);
    }
    return true;
}

static bool read_reply(struct run *r, td_time now)
{
    struct ping *p = r->state;
    uint8_t head[ICMP_HLEN];
    union control control;
    struct sockaddr_in from = {0};
    struct iovec iov = {head, sizeof(head)};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof(from),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    int64_t n = td_recvmsg(r->deck->st, p->socket, &m, MSG_TRUNC);
    if (n == -EAGAIN || n == -EBADF)
        return false;
    int ttl = 0;
    for (struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL; c != NULL; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL &&
            c->cmsg_len >= CMSG_LEN(sizeof(ttl)))
            memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
    /* n < 0: the errno of something the error queue tells in full. */
    if (n >= ICMP_HLEN && head[0] == ICMP_ECHO_REPLY)
        got_reply(r, wire_get16(head + 6), ntohl(from.sin_addr.s_addr), (uint32_t)n, ttl, now);
    return true;
}

/* ---- sending ---- */

static void send_one(struct run *r, td_time now)
{
    struct ping *p = r->state;
    uint16_t seq = (uint16_t)(p->sent + 1);
    unsigned slot = seq % PING_HISTORY;
    struct icmp_hdr h = {.type = ICMP_ECHO};
    h.echo.seq = seq; /* the socket puts identifier and checksum in */
    icmp_emit(&h, p->packet);
    p->sent++;
    p->sent_at[slot] = now;
    p->answered[slot] = false;
    p->last_event = now;
    int64_t n = td_sendto(r->deck->st, p->socket, p->packet, ICMP_HLEN + p->size, 0, p->dst, 0);
    if (n >= 0 || n == -EAGAIN)
        return;
    /* What the error queue will tell isn't told twice. */
    if (td_poll(r->deck->st, p->socket) & POLLERR)
        return;
    struct sock_extended_err ee = {.ee_origin = SO_EE_ORIGIN_LOCAL, .ee_errno = (uint32_t)-n};
    got_error(r, &ee, 0, true, seq, now);
}

static bool all_answered(const struct ping *p)
{
    return p->count != 0 && p->sent >= p->count && p->received + p->errors >= p->sent;
}

/* How long to wait for the last replies. */
static td_time patience(const struct ping *p)
{
    if (p->timeout != 0)
        return p->timeout;
    if (p->received == 0)
        return 10 * TD_SEC;
    return 2 * p->rtt_max > TD_SEC ? 2 * p->rtt_max : TD_SEC;
}

static int ping_step(struct run *r, td_time now)
{
    struct ping *p = r->state;
    for (int i = 0; i < 64 && (read_error(r, now) || read_reply(r, now)); i++)
        ;
    if (all_answered(p))
        return summary(r);
    bool more = p->count == 0 || p->sent < p->count;
    if (more && now >= p->next) {
        send_one(r, now);
        /* A step that comes late doesn't make the next ones come sooner, except by a fraction. */
        p->next = now - p->next < p->interval ? p->next + p->interval : now + p->interval;
        more = p->count == 0 || p->sent < p->count;
        if (!more)
            p->next = now + patience(p);
    } else if (!more && now >= p->next) {
        return summary(r);
    }
    r->wake = p->next;
    return RUN_MORE;
}

static void ping_notify(void *ctx, struct td_stack *st, int s, int mask)
{
    (void)st;
    (void)s;
    (void)mask;
    struct run *r = ctx;
    r->ready = true;
}

static int ping_interrupt(struct run *r)
{
    return summary(r);
}

/* ---- the command ---- */

static int ping_options(struct run *r, struct ping *p)
{
    const char *target = NULL;
    uint32_t n;
    for (int i = 1; i < r->argc; i++) {
        const char *w = r->argv[i], *value;
        if (w[0] != '-') {
            if (target != NULL)
                return run_bad_word(r, i, "one address is pinged at a time");
            target = w;
            continue;
        }
        if (strcmp(w, "-q") == 0) {
            p->quiet = true;
            continue;
        }
        if (strcmp(w, "-n") == 0)
            continue; /* always: the stack asks no name server */
        if (strcmp(w, "-j") == 0) {
            r->json = true;
            continue;
        }
        if (w[1] == '\0' || strchr("cisWtQ", w[1]) == NULL)
            return run_bad_word(r, i,
                                "the options are -c COUNT, -i SECONDS, -s BYTES, -W SECONDS, -t "
                                "TTL, -Q TOS, -q, -n");
        value = w[2] != '\0' ? w + 2 : run_value(r, i++, "a value");
        if (value == NULL)
            return EXIT_USAGE;
        bool ok = true;
        switch (w[1]) {
        case 'c':
            ok = parse_u64(value, UINT64_MAX, &p->count) && p->count > 0;
            break;
        case 'i':
            ok = parse_seconds(value, &p->interval) && p->interval >= INTERVAL_MIN;
            break;
        case 'W':
            ok = parse_seconds(value, &p->timeout) && p->timeout > 0;
            break;
        case 's':
            ok = parse_u32(value, PING_MAX, &p->size);
            break;
        case 't':
            ok = parse_u32(value, 255, &n) && n > 0;
            p->ttl = ok ? (int)n : 0;
            break;
        case 'Q':
            ok = parse_u32(value, 255, &n);
            p->tos = ok ? (int)n : 0;
            break;
        }
        if (!ok)
            return run_fail(r, EXIT_USAGE, "'%s' doesn't fit -%c: %s", value, w[1],
                            w[1] == 'c'   ? "write a number from 1"
                            : w[1] == 'i' ? "write seconds, at least 0.002"
                            : w[1] == 'W' ? "write seconds, such as 0.5"
                            : w[1] == 's' ? "write 0 to 65507 (bytes)"
                            : w[1] == 't' ? "write 1 to 255"
                                          : "write 0 to 255");
    }
    if (target == NULL)
        return run_fail(r, EXIT_USAGE,
                        "whom? write `ping [-c COUNT] ADDR`, for example `ping -c 3 10.0.0.1`");
    if (!parse_ip4(target, &p->dst))
        return run_fail(r, EXIT_USAGE,
                        "'%s' is not an address: write it as 10.0.0.1 (names are not looked up)",
                        target);
    format_ip4(p->dst, p->dst_text);
    return EXIT_DONE;
}

static int ping_main(struct run *r)
{
    struct td_stack *st = r->deck->st;
    struct ping *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *p = (struct ping){.socket = -1, .interval = TD_SEC, .size = 56, .run = r};
    r->state = p;
    r->release = ping_release;
    int status = ping_options(r, p);
    if (status != EXIT_DONE)
        return status;
    p->packet = malloc(ICMP_HLEN + p->size);
    p->socket = td_socket(st, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    if (p->packet == NULL || p->socket < 0)
        return run_fail(r, EXIT_FAILED, "no socket for the ping: %s", error_text(p->socket));
    for (uint32_t i = 0; i < p->size; i++)
        p->packet[ICMP_HLEN + i] = (uint8_t)i;
    int on = 1;
    td_setsockopt(st, p->socket, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
    td_setsockopt(st, p->socket, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
    td_setsockopt(st, p->socket, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    if (p->ttl > 0)
        td_setsockopt(st, p->socket, IPPROTO_IP, IP_TTL, &p->ttl, sizeof(p->ttl));
    if (p->tos > 0)
        td_setsockopt(st, p->socket, IPPROTO_IP, IP_TOS, &p->tos, sizeof(p->tos));
    td_set_notify(st, p->socket, ping_notify, r);
    r->step = ping_step;
    r->interrupt = ping_interrupt;
    p->started = p->next = p->last_event = deck_now(r->deck);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "destination", p->dst_text);
        jw_u64(&r->jw, "size", p->size);
        jw_open(&r->jw, "replies", '[');
    } else {
        run_printf(r, "PING %s (%s) %u(%u) bytes of data.\n", p->dst_text, p->dst_text, p->size,
                   p->size + 28);
    }
    return ping_step(r, p->started);
}

const struct command command_ping = {
    .name = "ping",
    .usage =
        "ping [-c COUNT] [-i SECONDS] [-s BYTES] [-W SECONDS] [-t TTL] [-Q TOS] [-q] [-j] ADDR",
    .doc = "echo requests from the stack, as iputils sends and shows them",
    .more = "Goes on until COUNT replies or errors have come, or Ctrl-C. Exit status 0: a reply "
            "came, 1: none did.\n"
            "Examples:\n  ping -c 3 10.0.0.1\n  ping -c 1 -t 1 192.0.2.1",
    .fn = ping_main,
};
