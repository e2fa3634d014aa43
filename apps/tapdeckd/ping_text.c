/* tapdeckd/ping_text.c: what ping says, as iputils says it, and its counting. */
#include "tapdeckd/ping.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/wire.h"

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

/* -D: the wall clock, in seconds. */
static void stamp(struct run *r, const struct ping *p, td_time now)
{
    int64_t wall = deck_wall(r->deck, now);
    if (p->stamps)
        run_printf(r, "[%lld.%06lld] ", (long long)(wall / (int64_t)TD_SEC),
                   (long long)(wall % (int64_t)TD_SEC / (int64_t)TD_US));
}

void ping_begin_text(struct run *r, const struct ping *p)
{
    char from[16];
    uint32_t options = p->record ? PING_RR_LEN : 0;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "destination", p->dst_text);
        jw_u64(&r->jw, "size", p->size);
        jw_open(&r->jw, "replies", '[');
        return;
    }
    if (p->broadcast)
        run_note(r, "WARNING: pinging broadcast address\n");
    if (p->pattern_len > 0) {
        run_puts(r, "PATTERN: 0x");
        for (unsigned i = 0; i < p->pattern_len; i++)
            run_printf(r, "%02x", p->pattern[i]);
        run_puts(r, "\n");
    }
    run_printf(r, "PING %s (%s) ", p->dst_text, p->dst_text);
    if (p->ifname != NULL || p->src != 0) {
        format_ip4(p->src, from);
        run_printf(r, "from %s %s: ", from, p->ifname != NULL ? p->ifname : "");
    }
    run_printf(r, "%u(%u) bytes of data.\n", p->size, p->size + ICMP_HLEN + IPV4_HLEN + options);
}

/* ---- the end ---- */

static int verdict(const struct ping *p)
{
    return p->received == 0 || (p->deadline != 0 && p->received < p->count) ? EXIT_FAILED
                                                                            : EXIT_DONE;
}

static void summary_json(struct run *r, const struct ping *p, td_time took, double percent,
                         td_time avg, td_time mdev)
{
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
}

static void put_ms(struct run *r, const char *before, td_time t)
{
    run_printf(r, "%s%llu.%03llu", before, (unsigned long long)(t / TD_MS), us_part(t));
}

int ping_summary(struct run *r)
{
    struct ping *p = r->state;
    td_time took = p->last_event > p->started ? p->last_event - p->started : 0;
    uint64_t lost = p->sent > p->received ? p->sent - p->received : 0;
    double percent = p->sent > 0 ? (double)lost * 100.0 / (double)p->sent : 0;
    td_time avg = p->received > 0 ? p->rtt_sum / p->received : 0;
    double mean = p->received > 0 ? (double)p->rtt_sum / (double)p->received : 0;
    td_time mdev = p->received > 0 ? square_root(p->rtt_sq / (double)p->received - mean * mean) : 0;
    const char *comma = "";
    if (r->json) {
        summary_json(r, p, took, percent, avg, mdev);
        return verdict(p);
    }
    run_printf(r, "\n--- %s ping statistics ---\n%llu packets transmitted, %llu received",
               p->dst_text, (unsigned long long)p->sent, (unsigned long long)p->received);
    if (p->duplicates > 0)
        run_printf(r, ", +%llu duplicates", (unsigned long long)p->duplicates);
    if (p->errors > 0)
        run_printf(r, ", +%llu errors", (unsigned long long)p->errors);
    run_printf(r, ", %.6g%% packet loss, time %llums\n", percent,
               (unsigned long long)(took / TD_MS));
    if (p->received > 0) {
        put_ms(r, "rtt min/avg/max/mdev = ", p->rtt_min);
        put_ms(r, "/", avg);
        put_ms(r, "/", p->rtt_max);
        put_ms(r, "/", mdev);
        run_puts(r, " ms");
        comma = ", ";
    }
    if (p->pipe > 1) {
        run_printf(r, "%spipe %llu", comma, (unsigned long long)p->pipe);
        comma = ", ";
    }
    if (p->received > 0 && (p->flood || p->adaptive) && p->sent > 1) {
        run_printf(r, "%sipg/ewma", comma);
        put_ms(r, " ", (p->last_sent - p->started) / (p->sent - 1));
        put_ms(r, "/", p->rtt_ewma / 8);
        run_puts(r, " ms");
    }
    run_puts(r, "\n");
    return verdict(p);
}

/* ---- replies ---- */

/* -R: the addresses that routers have written (RFC 791 3.1), with a word when they are the last
 * reply's. */
static void show_route(struct run *r, struct ping *p, const struct ping_reply *reply)
{
    if (!p->record || reply->options_len == 0)
        return;
    const uint8_t *o = reply->options, *end = o + reply->options_len;
    char addr[16];
    while (o < end && *o == IPOPT_NOP_)
        o++;
    if (end - o < 3 || o[0] != IPOPT_RR_ || o[1] < 3 || o[1] > end - o || o[2] < 4 ||
        o[2] > o[1] + 1)
        return;
    size_t filled = (size_t)o[2] - 1;
    if (memcmp(p->route, o, filled) == 0) {
        run_puts(r, "\t(same route)");
        return;
    }
    memset(p->route, 0, sizeof(p->route));
    memcpy(p->route, o, filled);
    run_puts(r, "\nRR: ");
    for (size_t at = 3; at + 4 <= filled; at += 4) {
        format_ip4(wire_get32(o + at), addr);
        run_printf(r, "\t%s\n", addr);
    }
}

/* Sequence number seq has been heard of: how many were on their way? */
static void count_pipe(struct ping *p, uint16_t seq)
{
    uint16_t behind = (uint16_t)((uint16_t)p->sent - seq);
    if (behind < PING_HISTORY && (uint64_t)behind + 1 > p->pipe)
        p->pipe = (uint64_t)behind + 1;
}

static void count_rtt(struct ping *p, td_time rtt)
{
    p->received++;
    p->rtt_sum += rtt;
    p->rtt_sq += (double)rtt * (double)rtt;
    p->rtt_min = p->received == 1 || rtt < p->rtt_min ? rtt : p->rtt_min;
    p->rtt_max = rtt > p->rtt_max ? rtt : p->rtt_max;
    p->rtt_ewma = p->received == 1 ? rtt * 8 : p->rtt_ewma + rtt - p->rtt_ewma / 8;
}

static void reply_json(struct run *r, const struct ping_reply *reply, td_time rtt, bool duplicate)
{
    char addr[16];
    format_ip4(reply->from, addr);
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "from", addr);
    jw_u64(&r->jw, "seq", reply->seq);
    jw_u64(&r->jw, "bytes", reply->bytes);
    jw_i64(&r->jw, "ttl", reply->ttl);
    jw_ms(&r->jw, "time_ms", rtt);
    if (duplicate)
        jw_bool(&r->jw, "duplicate", true);
    jw_close(&r->jw, '}');
}

void ping_got_reply(struct run *r, const struct ping_reply *reply, td_time now)
{
    struct ping *p = r->state;
    char took[32], addr[16];
    unsigned slot = reply->seq % PING_HISTORY;
    if (p->sent_at[slot] == 0)
        return;
    td_time rtt = now > p->sent_at[slot] ? now - p->sent_at[slot] : 0;
    bool duplicate = p->answered[slot];
    if (duplicate) {
        p->duplicates++;
    } else {
        p->answered[slot] = true;
        count_rtt(p, rtt);
        count_pipe(p, reply->seq);
    }
    p->last_event = now;
    if (p->quiet)
        return;
    if (r->json) {
        reply_json(r, reply, rtt, duplicate);
        return;
    }
    if (p->flood) {
        run_puts(r, "\b \b");
        return;
    }
    format_ip4(reply->from, addr);
    took_text(rtt, took, sizeof(took));
    stamp(r, p, now);
    run_printf(r, "%u bytes from %s: icmp_seq=%u ", reply->bytes, addr, reply->seq);
    if (p->verbose)
        run_printf(r, "ident=%u ", p->ident);
    run_printf(r, "ttl=%d time=%s ms%s", reply->ttl, took, duplicate ? " (DUP!)" : "");
    show_route(r, p, reply);
    run_puts(r, "\n");
}

/* ---- errors ---- */

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

static const char *local_error_text(const struct sock_extended_err *ee, char dst[64])
{
    if (ee->ee_errno != EMSGSIZE)
        return error_text((int)ee->ee_errno);
    snprintf(dst, 64, ee->ee_info > 0 ? "message too long, mtu=%u" : "message too long",
             ee->ee_info);
    return dst;
}

void ping_got_error(struct run *r, const struct sock_extended_err *ee, td_ip4 from, bool has_seq,
                    uint16_t seq, td_time now)
{
    struct ping *p = r->state;
    char addr[16], text[64];
    bool icmp = ee->ee_origin == SO_EE_ORIGIN_ICMP;
    const char *what = icmp ? icmp_error_text(ee->ee_type, ee->ee_code, ee->ee_info, text)
                            : local_error_text(ee, text);
    p->errors++;
    p->last_event = now;
    if (has_seq && icmp)
        count_pipe(p, seq);
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
    if (p->flood) {
        run_puts(r, "\bE");
        return;
    }
    stamp(r, p, now);
    if (from != 0)
        run_printf(r, "From %s ", addr);
    else
        run_puts(r, "ping: local error: ");
    if (has_seq && from != 0)
        run_printf(r, "icmp_seq=%u ", seq);
    run_printf(r, "%s\n", what);
}

void ping_no_answer_yet(struct run *r, uint16_t seq, td_time now)
{
    const struct ping *p = r->state;
    if (p->quiet || r->json)
        return;
    stamp(r, p, now);
    run_printf(r, "no answer yet for icmp_seq=%u\n", seq);
}
