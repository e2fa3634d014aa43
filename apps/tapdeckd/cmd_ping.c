/* tapdeckd/cmd_ping.c: `ping` from the stack: echo requests through a ping socket (RFC 792,
 * 1122 3.2.2.6).
 *
 * The socket's payload is the ICMP message; its identifier is the socket's port, so replies to
 * other pings don't come here. Errors about our requests (host unreachable, time exceeded) wait in
 * the socket's error queue with the quoted request, from which the sequence number is read. When a
 * request was sent is remembered here by sequence number, not in the payload: then duplicates and
 * replies that come after their time-out are told apart too.
 *
 * Output and exit status are those of iputils: 0 when at least one reply came (with -w and -c: all
 * of them), 1 when none did. With -w it goes on until so many replies have come, the first error or
 * the deadline; without it, until so many requests have been answered in one way or the other.
 *
 * -f sends a request for each reply, and at least a hundred a second; -A one for each reply, -l so
 * many at first. However fast, a step sends at most BURST.
 */
#include "tapdeckd/ping.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tapdeckd/errqueue.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

#define BURST 64

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

/* ---- replies and errors ---- */

union control {
    char bytes[512];
    struct cmsghdr align;
};

static bool read_error(struct run *r, td_time now)
{
    const struct ping *p = r->state;
    struct queued_error e;
    if (!errqueue_read(r->deck->st, p->socket, &e))
        return false;
    bool has_seq = e.quoted_len >= ICMP_HLEN;
    ping_got_error(r, &e.ee, e.from, has_seq, has_seq ? wire_get16(e.quoted + 6) : 0, now);
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
    struct ping_reply reply = {0};
    for (struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL; c != NULL; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL &&
            c->cmsg_len >= CMSG_LEN(sizeof(reply.ttl)))
            memcpy(&reply.ttl, CMSG_DATA(c), sizeof(reply.ttl));
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVOPTS) {
            reply.options = CMSG_DATA(c);
            reply.options_len = c->cmsg_len - CMSG_LEN(0);
        }
    }
    /* n < 0: the errno of something the error queue tells in full. */
    if (n < ICMP_HLEN || head[0] != ICMP_ECHO_REPLY)
        return true;
    reply.seq = wire_get16(head + 6);
    reply.from = ntohl(from.sin_addr.s_addr);
    reply.bytes = (uint32_t)n;
    ping_got_reply(r, &reply, now);
    return true;
}

/* ---- sending ---- */

static void send_one(struct run *r, td_time now)
{
    struct ping *p = r->state;
    uint16_t seq = (uint16_t)(p->sent + 1);
    unsigned slot = seq % PING_HISTORY, before = (uint16_t)(seq - 1) % PING_HISTORY;
    struct icmp_hdr h = {.type = ICMP_ECHO};
    if (p->outstanding && p->sent > 0 && !p->answered[before])
        ping_no_answer_yet(r, (uint16_t)(seq - 1), now);
    h.echo.seq = seq; /* the socket puts identifier and checksum in */
    icmp_emit(&h, p->packet);
    p->sent++;
    p->sent_at[slot] = now;
    p->answered[slot] = false;
    p->last_event = p->last_sent = now;
    if (p->flood && !p->quiet && !r->json)
        run_puts(r, ".");
    int64_t n = td_sendto(r->deck->st, p->socket, p->packet, ICMP_HLEN + p->size, 0, p->dst, 0);
    if (n >= 0 || n == -EAGAIN)
        return;
    /* What the error queue will tell isn't told twice. */
    if (td_poll(r->deck->st, p->socket) & POLLERR)
        return;
    struct sock_extended_err ee = {.ee_origin = SO_EE_ORIGIN_LOCAL, .ee_errno = (uint32_t)-n};
    ping_got_error(r, &ee, 0, true, seq, now);
}

static bool more_to_send(const struct ping *p)
{
    return p->count == 0 || p->sent < p->count || p->deadline != 0;
}

static bool all_answered(const struct ping *p)
{
    if (p->deadline != 0 && p->errors > 0)
        return true;
    if (p->deadline != 0)
        return p->count != 0 && p->received >= p->count;
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

/* A reply has come: those who send for each reply needn't wait any longer. */
static void hurry(struct ping *p, td_time now)
{
    td_time at = p->last_sent + PING_INTERVAL_MIN;
    if (p->flood && !p->interval_set)
        p->next = now;
    else if (p->adaptive)
        p->next = at > now ? at : now;
}

static void send_due(struct run *r, td_time now)
{
    struct ping *p = r->state;
    for (int n = 0; n < BURST && more_to_send(p) && (now >= p->next || p->sent < p->preload); n++) {
        bool first = p->sent < p->preload;
        send_one(r, now);
        /* A step that comes late doesn't make the next ones come sooner, except by a fraction. */
        p->next = !first && now - p->next < p->interval ? p->next + p->interval : now + p->interval;
        if (!first)
            break;
    }
    r->ready = p->sent < p->preload && more_to_send(p);
    if (!more_to_send(p))
        p->next = now + patience(p);
}

static int ping_step(struct run *r, td_time now)
{
    struct ping *p = r->state;
    uint64_t heard = p->received + p->errors;
    for (int i = 0; i < BURST && (read_error(r, now) || read_reply(r, now)); i++)
        r->ready = i == BURST - 1;
    if (all_answered(p) || (p->deadline != 0 && now >= p->started + p->deadline))
        return ping_summary(r);
    bool more = more_to_send(p);
    if (more && p->received + p->errors > heard)
        hurry(p, now);
    if (more && (now >= p->next || p->sent < p->preload))
        send_due(r, now);
    else if (!more && now >= p->next)
        return ping_summary(r);
    r->wake =
        p->deadline != 0 && p->started + p->deadline < p->next ? p->started + p->deadline : p->next;
    return RUN_MORE;
}

/* ---- the command ---- */

/* The address that requests are sent from, for the first line; and whether the destination is a
 * broadcast. 0, or -errno: then the requests will say. */
static int look_ahead(struct run *r, struct ping *p)
{
    struct td_stack *st = r->deck->st;
    struct sockaddr_in to = td_sockaddr(p->dst, 9), own = {0};
    socklen_t len = sizeof(own);
    int s = td_socket(st, AF_INET, SOCK_DGRAM, 0), err;
    if (s < 0)
        return s;
    if (p->ifname != NULL)
        td_setsockopt(st, s, SOL_SOCKET, SO_BINDTODEVICE, p->ifname,
                      (socklen_t)strlen(p->ifname) + 1);
    err = td_connect(st, s, (struct sockaddr *)&to, sizeof(to));
    if (err == 0 && p->ifname != NULL &&
        td_getsockname(st, s, (struct sockaddr *)&own, &len) == 0 && p->src == 0)
        p->src = ntohl(own.sin_addr.s_addr);
    td_close(st, s);
    return err;
}

static int set_up(struct run *r, struct ping *p)
{
    struct td_stack *st = r->deck->st;
    uint8_t route[PING_RR_LEN] = {IPOPT_NOP_, IPOPT_RR_, PING_RR_LEN - 1, 4};
    int on = 1, err = 0;
    td_setsockopt(st, p->socket, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
    td_setsockopt(st, p->socket, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
    if (p->broadcast)
        td_setsockopt(st, p->socket, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    if (p->ttl > 0)
        td_setsockopt(st, p->socket, IPPROTO_IP, IP_TTL, &p->ttl, sizeof(p->ttl));
    if (p->ttl > 0)
        td_setsockopt(st, p->socket, IPPROTO_IP, IP_MULTICAST_TTL, &p->ttl, sizeof(p->ttl));
    if (p->tos > 0)
        td_setsockopt(st, p->socket, IPPROTO_IP, IP_TOS, &p->tos, sizeof(p->tos));
    if (p->pmtu >= 0)
        td_setsockopt(st, p->socket, IPPROTO_IP, IP_MTU_DISCOVER, &p->pmtu, sizeof(p->pmtu));
    if (p->record) {
        td_setsockopt(st, p->socket, IPPROTO_IP, IP_RECVOPTS, &on, sizeof(on));
        err = td_setsockopt(st, p->socket, IPPROTO_IP, IP_OPTIONS, route, sizeof(route));
    }
    if (err == 0 && p->ifname != NULL)
        err = td_setsockopt(st, p->socket, SOL_SOCKET, SO_BINDTODEVICE, p->ifname,
                            (socklen_t)strlen(p->ifname) + 1);
    struct sockaddr_in own = td_sockaddr(p->src, p->ident);
    socklen_t len = sizeof(own);
    if (err == 0)
        err = td_bind(st, p->socket, (struct sockaddr *)&own, sizeof(own));
    if (err == 0 && td_getsockname(st, p->socket, (struct sockaddr *)&own, &len) == 0)
        p->ident = ntohs(own.sin_port);
    return err == 0 ? td_set_notify(st, p->socket, run_notify, r) : err;
}

static int ping_main(struct run *r)
{
    struct ping *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    *p = (struct ping){
        .socket = -1, .interval = TD_SEC, .size = 56, .preload = 1, .pmtu = -1, .run = r};
    r->state = p;
    r->release = ping_release;
    int status = ping_words(r, p);
    if (status != EXIT_DONE)
        return status;
    if (look_ahead(r, p) == -EACCES && !p->broadcast)
        return run_fail(r, EXIT_USAGE, "%s is a broadcast address: if everybody is meant, write -b",
                        p->dst_text);
    p->packet = malloc(ICMP_HLEN + p->size);
    p->socket = td_socket(r->deck->st, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    int err = p->packet == NULL ? -ENOMEM : p->socket < 0 ? p->socket : set_up(r, p);
    if (err != 0)
        return run_fail(r, EXIT_FAILED, "no socket for the ping: %s", error_text(err));
    for (uint32_t i = 0; i < p->size; i++)
        p->packet[ICMP_HLEN + i] = p->pattern_len > 0 ? p->pattern[i % p->pattern_len] : (uint8_t)i;
    r->step = ping_step;
    r->interrupt = ping_summary;
    p->started = p->next = p->last_event = deck_now(r->deck);
    ping_begin_text(r, p);
    return ping_step(r, p->started);
}

const struct command command_ping = {
    .name = "ping",
    .usage = "ping [-AbDfnOqRvj] [-c COUNT] [-e ID] [-i SECONDS] [-I {IFACE | ADDR}] [-l COUNT] "
             "[-M {do | want | dont | probe}] "
             "[-p HEX] [-Q TOS] [-s BYTES] [-t TTL] [-w SECONDS] [-W SECONDS] ADDR",
    .doc = "echo requests from the stack, as iputils sends and shows them",
    .more = "Goes on until COUNT replies or errors have come, or Ctrl-C. -i seconds apart, -s "
            "bytes of data, -t hops to live,\n"
            "-Q TOS, -p what fills the data, -M whether datagrams may be cut, -I where from, -e "
            "the identifier; -w ends after\n"
            "so many seconds, -W waits so long for the last reply; -A and -f send for each reply "
            "(-f a dot for each that is\n"
            "missing), -l so many at first; -R asks routers to write themselves down, -D shows the "
            "time of day, -O what has not\n"
            "been answered; -q the end only; -b pings a broadcast address.\n"
            "Exit status 0: a reply came (with -w and -c: all did); 1: none did.\n"
            "Examples:\n  ping -c 3 10.0.0.1\n  ping -c 1 -t 1 192.0.2.1\n  ping -M do -s 1472 -c "
            "1 10.0.0.1",
    .fn = ping_main,
};
