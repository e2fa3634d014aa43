/* tests/common/transfer.c: see transfer.h. */
#include "transfer.h"

#include "core/stack.h"
#include "link/link.h"
#include "prng.h"
#include "tapdeck/socket.h"
#include "tcp/tcp.h"
#include "tcp/tcp_internal.h"
#include "wire/arp.h"
#include "wire/eth.h"

#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IP_A       TD_IP4(10, 0, 0, 1)
#define IP_B       TD_IP4(10, 0, 0, 2)
#define PORT       5001
#define PORT_CROSS 6000
#define START      (20 * TD_SEC)
#define STALLED    (7200 * TD_SEC)
#define BUSY       2000000 /* steps without the clock moving: it never will */
#define RULES      64

struct transfer;
struct conn;

struct end { /* an application at one end of a connection */
    struct transfer *x;
    struct conn *c;
    const struct end_plan *plan;
    struct td_stack *st;
    int side, s;
    bool begun, connected, shut, eof, over, aborts;
    uint64_t sent, rcvd, want;
    uint32_t write_pauses, read_pauses;
    td_time may_read, may_write;
    int err; /* what ended it; positive errno */
};

struct conn {
    const struct conn_plan *plan;
    struct end end[2];
    uint16_t port[2];
    bool given_up;
};

struct rule { /* what the journal has told about one connection of a host */
    uint16_t lport, port;
    uint8_t state;
    bool closed;
    uint64_t tries;
    td_time fired, next;
};

struct host {
    struct transfer *x;
    struct td_stack *st;
    int side, listener;
    uint32_t ifindex;
    struct rule rule[RULES];
    unsigned rules;
    uint64_t idle[MEM_TAGS];
};

struct transfer {
    const struct transfer_plan *plan;
    struct transfer_result *result;
    struct sim *sim;
    struct sim_wire *wire;
    struct host host[2];
    struct wiretap tap;
    struct conn conn[TRANSFER_CONNS];
    struct prng draw;
    uint8_t *buf;
    td_time progress, wake, step_at;
    uint64_t steps;
    unsigned strays;
    bool loud;
    const struct transfer_poison *poison; /* NULL: nobody is poisoned */
    td_time poison_at, cut_at;
};

__attribute__((format(printf, 2, 3))) static void wrong(struct transfer *x, const char *fmt, ...)
{
    char *to = x->result->fail;
    size_t size = sizeof x->result->fail;
    va_list ap;
    int n;
    if (to[0] != '\0')
        return;
    n = snprintf(to, size, "at %.6f s: ", (double)sim_now(x->sim) / 1e9);
    va_start(ap, fmt);
    vsnprintf(to + n, size - (size_t)n, fmt, ap);
    va_end(ap);
}

static bool failed(struct transfer *x)
{
    if (x->tap.fail[0] != '\0' && x->result->fail[0] == '\0')
        snprintf(x->result->fail, sizeof x->result->fail, "on the wire: %s", x->tap.fail);
    return x->result->fail[0] != '\0';
}

/* ---- the bytes ---- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* What `side` of connection i sends at [pos, pos+n). */
static void pattern(const struct transfer *x, const struct end *e, int side, uint64_t pos,
                    uint8_t *dst, size_t n)
{
    uint64_t key = mix(x->plan->seed * 64 + (uint64_t)(e->c - x->conn) * 2 + (uint64_t)side);
    while (n > 0) {
        uint64_t word = mix(key + (pos / 8) * UINT64_C(0x9e3779b97f4a7c15));
        size_t at = pos % 8, k = 8 - at < n ? 8 - at : n;
        memcpy(dst, (uint8_t *)&word + at, k);
        dst += k;
        pos += k;
        n -= k;
    }
}

/* ---- an application ---- */

static void pump(struct end *e);

static void wake_at(struct transfer *x, td_time t)
{
    if (t < x->wake)
        x->wake = t;
}

static void end_over(struct end *e, int err)
{
    if (e->over)
        return;
    e->over = true;
    e->err = err;
    e->x->progress = sim_now(e->x->sim);
    if (e->s >= 0)
        td_close(e->st, e->s);
    e->s = -1;
}

static const char *end_name(const struct end *e)
{
    static char text[2][40];
    snprintf(text[e->side], sizeof text[0], "connection %d's %s", (int)(e->c - e->x->conn),
             e->side == 0 ? "client" : "server");
    return text[e->side];
}

static td_time rest(struct end *e, uint32_t *left)
{
    struct transfer *x = e->x;
    if (*left == 0 || prng_below(&x->draw, 4) != 0)
        return 0;
    --*left;
    td_time until = sim_now(x->sim) + 1 + prng_u64(&x->draw) % e->plan->pause;
    wake_at(x, until);
    return until;
}

static void end_read(struct end *e)
{
    struct transfer *x = e->x;
    uint8_t *got = x->buf, *want = x->buf + 65536;
    while (!e->over && !e->eof && e->may_read <= sim_now(x->sim)) {
        int64_t n = td_recv(e->st, e->s, got, e->plan->read, 0);
        if (n == -EAGAIN || (n == -ENOTCONN && !e->connected))
            return;
        if (n < 0) {
            end_over(e, (int)-n);
            return;
        }
        x->progress = sim_now(x->sim);
        if (n == 0) {
            e->eof = true;
            if (e->rcvd < e->want && !e->c->end[1 - e->side].aborts)
                wrong(x, "%s sees the end of file after %llu of %llu bytes", end_name(e),
                      (unsigned long long)e->rcvd, (unsigned long long)e->want);
            return;
        }
        pattern(x, e, 1 - e->side, e->rcvd, want, (size_t)n);
        if (e->rcvd + (uint64_t)n > e->want || memcmp(got, want, (size_t)n) != 0) {
            wrong(x, "%s reads wrong bytes in [%llu, +%lld)", end_name(e),
                  (unsigned long long)e->rcvd, (long long)n);
            return;
        }
        e->rcvd += (uint64_t)n;
        e->may_read = rest(e, &e->read_pauses);
    }
}

static void end_write(struct end *e)
{
    struct transfer *x = e->x;
    if (e->c->plan->ending == REPLY_AFTER && e->side == 1 && !e->eof)
        return;
    while (!e->over && e->sent < e->plan->bytes && e->may_write <= sim_now(x->sim)) {
        uint64_t left = e->plan->bytes - e->sent;
        uint32_t k = 1 + prng_below(&x->draw, e->plan->write);
        k = left < k ? (uint32_t)left : k;
        pattern(x, e, e->side, e->sent, x->buf, k);
        int64_t n = td_send(e->st, e->s, x->buf, k, MSG_NOSIGNAL);
        if (n == -EAGAIN)
            return;
        if (n < 0) {
            end_over(e, (int)-n);
            return;
        }
        x->progress = sim_now(x->sim);
        e->sent += (uint64_t)n;
        e->may_write = rest(e, &e->write_pauses);
    }
}

static bool all_sent(const struct end *e)
{
    return e->connected && e->sent == e->plan->bytes;
}
static bool all_done(const struct end *e)
{
    return all_sent(e) && e->rcvd == e->want;
}

static void end_shut(struct end *e)
{
    if (e->shut || e->over)
        return;
    e->shut = true;
    int err = td_shutdown(e->st, e->s, SHUT_WR);
    if (err != 0 && err != -ENOTCONN) /* it was reset meanwhile: reading will tell */
        wrong(e->x, "%s: shutdown says %d", end_name(e), err);
}

static void end_abort(struct end *e)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    e->aborts = true;
    ck_assert_int_eq(td_setsockopt(e->st, e->s, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    end_over(e, 0);
}

/* What the ending asks of this end now. */
static void end_ending(struct end *e)
{
    struct end *peer = &e->c->end[1 - e->side];
    bool first = e->side == 0; /* plays the part the ending's name gives to the client */
    switch (e->c->plan->ending) {
    case SERVER_CLOSES:
        first = !first;
        /* fall through */
    case CLIENT_CLOSES:
        if (first ? all_done(e) : e->eof && all_sent(e))
            end_over(e, 0);
        break;
    case SERVER_HALF:
        first = !first;
        /* fall through */
    case CLIENT_HALF:
    case REPLY_AFTER:
        if (first && all_sent(e))
            end_shut(e);
        if (e->eof && all_sent(e))
            end_over(e, 0);
        break;
    case BOTH_HALF:
        if (all_sent(e))
            end_shut(e);
        if (e->eof && all_sent(e))
            end_over(e, 0);
        break;
    case CLOSE_TOGETHER:
        if (all_done(e) && all_done(peer)) {
            end_over(e, 0);
            end_over(peer, 0);
        }
        break;
    case SHUT_TOGETHER:
        if (all_done(e) && all_done(peer)) {
            end_shut(e);
            end_shut(peer);
        }
        if (e->eof && all_sent(e))
            end_over(e, 0);
        break;
    case SERVER_LEAVES:
        first = !first;
        /* fall through */
    case CLIENT_LEAVES:
        if (first ? all_sent(e) : e->eof)
            end_over(e, 0);
        break;
    case SERVER_ABORTS:
        first = !first;
        /* fall through */
    case CLIENT_ABORTS:
        if (first && e->connected && e->sent + e->rcvd >= e->c->plan->abort_after)
            end_abort(e);
        else if (!first && e->eof)
            end_over(e, 0);
        break;
    default:
        break;
    }
}

static void pump(struct end *e)
{
    if (!e->begun || e->over || failed(e->x))
        return;
    if (!e->connected) {
        int mask = td_poll(e->st, e->s), err = 0;
        socklen_t len = sizeof err;
        if ((mask & (POLLOUT | POLLERR | POLLHUP)) == 0)
            return;
        ck_assert_int_eq(td_getsockopt(e->st, e->s, SOL_SOCKET, SO_ERROR, &err, &len), 0);
        if (err != 0) {
            end_over(e, err);
            return;
        }
        e->connected = true;
        e->x->progress = sim_now(e->x->sim);
    }
    end_read(e);
    if (!e->over)
        end_write(e);
    if (!e->over)
        end_ending(e);
}

static void notified(void *ctx, struct td_stack *st, int s, int mask)
{
    struct end *e = ctx;
    (void)st;
    (void)s;
    (void)mask;
    pump(e);
}

static void end_options(struct end *e)
{
    const struct end_plan *p = e->plan;
    int one = 1, idle = 60, intvl = 20, count = 9;
    int err = 0;
    if (p->nodelay)
        err |= td_setsockopt(e->st, e->s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (p->sndbuf != 0)
        err |= td_setsockopt(e->st, e->s, SOL_SOCKET, SO_SNDBUF, &p->sndbuf, sizeof p->sndbuf);
    if (p->rcvbuf != 0)
        err |= td_setsockopt(e->st, e->s, SOL_SOCKET, SO_RCVBUF, &p->rcvbuf, sizeof p->rcvbuf);
    if (p->keepalive) {
        err |= td_setsockopt(e->st, e->s, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
        err |= td_setsockopt(e->st, e->s, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
        err |= td_setsockopt(e->st, e->s, IPPROTO_TCP, TCP_KEEPINTVL, &intvl, sizeof intvl);
        err |= td_setsockopt(e->st, e->s, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    }
    if (err != 0)
        wrong(e->x, "%s: an option was refused", end_name(e));
}

static void end_begin(struct end *e, int s)
{
    e->s = s;
    e->begun = true;
    end_options(e);
    td_set_notify(e->st, s, notified, e);
}

static void conn_connect(struct transfer *x, struct conn *c, int side)
{
    struct end *e = &c->end[side];
    int number = (int)(c - x->conn), s = td_socket(e->st, AF_INET, SOCK_STREAM, 0);
    uint16_t port = c->plan->crossed ? (uint16_t)(PORT_CROSS + number) : PORT;
    struct sockaddr_in to = td_sockaddr(side == 0 ? IP_B : IP_A, port), here;
    socklen_t len = sizeof here;
    ck_assert_int_ge(s, 0);
    if (c->plan->crossed) {
        struct sockaddr_in from = td_sockaddr(side == 0 ? IP_A : IP_B, port);
        ck_assert_int_eq(td_bind(e->st, s, (struct sockaddr *)&from, sizeof from), 0);
    }
    end_begin(e, s);
    int err = td_connect(e->st, s, (struct sockaddr *)&to, sizeof to);
    if (err != -EINPROGRESS)
        wrong(x, "%s: connect says %d", end_name(e), err);
    ck_assert_int_eq(td_getsockname(e->st, s, (struct sockaddr *)&here, &len), 0);
    c->port[side] = ntohs(here.sin_port);
    c->port[1 - side] = port;
}

static void acceptable(void *ctx, struct td_stack *st, int listener, int mask)
{
    struct transfer *x = ctx;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    int s;
    (void)mask;
    while ((s = td_accept(st, listener, (struct sockaddr *)&from, &len)) >= 0) {
        struct end *e = NULL;
        for (unsigned i = 0; i < x->plan->conns; i++)
            if (x->conn[i].port[0] == ntohs(from.sin_port) && !x->conn[i].end[1].begun)
                e = &x->conn[i].end[1];
        if (e == NULL) { /* of a SYN that came twice, long after */
            x->strays++;
            td_close(st, s);
        } else {
            end_begin(e, s);
            pump(e);
        }
        len = sizeof from;
    }
}

/* ---- what the journal must and must not say ---- */

static struct rule *rule_of(struct host *h, const struct journal_record *r)
{
    for (unsigned i = 0; i < h->rules; i++)
        if (h->rule[i].lport == r->subject.lport && h->rule[i].port == r->subject.port)
            return &h->rule[i];
    if (h->rules == RULES)
        return NULL;
    h->rule[h->rules] = (struct rule){.lport = r->subject.lport, .port = r->subject.port};
    return &h->rule[h->rules++];
}

static void time_out(struct host *h, struct rule *c, const struct journal_record *r)
{
    td_time was = r->arg[0], next = r->arg[1];
    td_time least = (td_time)knob(h->st, TCP_RTO_MIN_US) * TD_US;
    td_time most = (td_time)knob(h->st, TCP_RTO_MAX_MS) * TD_MS;
    if (next != (was * 2 < most ? was * 2 : most))
        wrong(h->x, "port %u: after an RTO of %llu ns comes one of %llu (RFC 6298 5.5)", c->lport,
              (unsigned long long)was, (unsigned long long)next);
    if (was < least || was > most)
        wrong(h->x, "port %u: an RTO of %llu ns", c->lport, (unsigned long long)was);
    if (r->arg[2] > 1 && r->arg[2] == c->tries + 1 && r->time < c->fired + c->next)
        wrong(h->x, "port %u: retransmission %llu comes %llu ns after the one before, not %llu",
              c->lport, (unsigned long long)r->arg[2], (unsigned long long)(r->time - c->fired),
              (unsigned long long)c->next);
    c->tries = r->arg[2];
    c->fired = r->time;
    c->next = next;
}

static void note_given_up(struct host *h, const struct rule *c)
{
    struct transfer *x = h->x;
    x->result->give_ups++;
    for (unsigned i = 0; i < x->plan->conns; i++) {
        struct conn *o = &x->conn[i];
        if (o->port[h->side] == c->lport && o->port[1 - h->side] == c->port)
            o->given_up = true;
    }
}

static void given_up(struct host *h, struct rule *c, const struct journal_record *r)
{
    struct transfer *x = h->x;
    uint64_t limit, why = r->arg[0], tries = r->arg[1];
    td_time after = r->arg[2];
    note_given_up(h, c);
    if (c->state == TCPS_SYN_SENT)
        limit = (uint64_t)knob(h->st, TCP_SYN_RETRIES);
    else if (c->state == TCPS_SYN_RECEIVED)
        limit = (uint64_t)knob(h->st, TCP_SYNACK_RETRIES);
    else if (c->closed)
        limit = (uint64_t)knob(h->st, TCP_ORPHAN_RETRIES);
    else
        limit = (uint64_t)knob(h->st, TCP_RETRIES2);
    if (why == W_TCP_KEEPALIVE_OUT)
        limit = 9;
    if (tries != limit)
        wrong(x, "port %u: given up (%s) in %s after %llu tries, not %llu", c->lport,
              journal_words[why], tcp_state_name((enum tcp_state)c->state),
              (unsigned long long)tries, (unsigned long long)limit);
    if (why == W_TCP_TIMEOUT && !c->closed && c->state != TCPS_SYN_RECEIVED && after < 100 * TD_SEC)
        wrong(x, "port %u: given up after %llu ns: R2 is at least 100 s (RFC 9293 3.8.3)", c->lport,
              (unsigned long long)after);
    if (r->arg[3] != ETIMEDOUT && r->arg[3] != EHOSTUNREACH)
        wrong(x, "port %u: given up with errno %llu", c->lport, (unsigned long long)r->arg[3]);
}

static void journal(void *ctx, const struct journal_record *r)
{
    struct host *h = ctx;
    struct rule *c;
    if (h->x->loud) {
        char text[400];
        journal_format(h->st, r, text, sizeof text);
        printf("%.6f %c %u>%u %s\n", (double)r->time / 1e9, 'a' + h->side, r->subject.lport,
               r->subject.port, text);
    }
    if (event_info[r->event].kind == EVK_DROP)
        h->x->tap.host[h->side].drops++;
    switch (r->event) {
    case EV_ARP_DROP_QUEUE:
    case EV_ARP_DROP_UNREACHABLE:
    case EV_LINK_DROP_QDISC:
        h->x->tap.host[h->side].gaps = true;
        return;
    case EV_TCP_STATE:
    case EV_TCP_CLOSE:
    case EV_TCP_RTO:
    case EV_TCP_GIVE_UP:
    case EV_TCP_HARD_ERROR:
    case EV_TCP_WINDOW_ZERO_IN:
        break;
    default:
        return;
    }
    c = rule_of(h, r);
    if (c == NULL || r->subject.port == 0)
        return;
    if (r->event == EV_TCP_STATE) {
        if (r->arg[1] == TCPS_SYN_SENT || r->arg[0] == TCPS_CLOSED)
            *c = (struct rule){.lport = c->lport, .port = c->port};
        c->state = (uint8_t)r->arg[1];
        if (c->state == TCPS_CLOSING)
            h->x->result->simultaneous++;
    } else if (r->event == EV_TCP_CLOSE) {
        c->closed = true;
    } else if (r->event == EV_TCP_RTO) {
        time_out(h, c, r);
    } else if (r->event == EV_TCP_GIVE_UP) {
        given_up(h, c, r);
    } else if (r->event == EV_TCP_HARD_ERROR) {
        if (!h->x->plan->soft_abort)
            wrong(h->x, "port %u: the attempt ended with a soft error (MUST-56)", c->lport);
        note_given_up(h, c);
    } else {
        h->x->result->zero_windows++;
    }
}

static uint64_t written(void *ctx, const struct wire_flow *f, int side)
{
    struct transfer *x = ctx;
    for (unsigned i = 0; i < x->plan->conns; i++) {
        const struct conn *c = &x->conn[i];
        if (c->port[0] == f->port[0] && c->port[1] == f->port[1])
            return c->end[side].sent;
    }
    return UINT64_MAX;
}

/* ---- the world ---- */

/* The table of handles grows and stays: it has its size before anything is measured. */
static void warm_up(struct host *h)
{
    int s[TRANSFER_CONNS * 2 + 2];
    size_t n = sizeof s / sizeof s[0];
    for (size_t i = 0; i < n; i++)
        s[i] = td_socket(h->st, AF_INET, SOCK_STREAM, 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(td_close(h->st, s[i]), 0);
    td_stack_flush(h->st, td_stack_now(h->st));
}

static void idle_memory(struct host *h, uint64_t used[MEM_TAGS])
{
    pkt_cache_drop(&h->st->mem);
    memcpy(used, h->st->mem.used_by, sizeof h->st->mem.used_by);
}

static void host_make(struct transfer *x, int side)
{
    struct host *h = &x->host[side];
    *h = (struct host){.x = x, .side = side, .listener = -1};
    h->st = sim_host(x->sim, x->plan->profile[side]);
    ck_assert_ptr_nonnull(h->st);
    ck_assert_int_eq(td_knob_set(h->st, "tapdeck.journal.records", "64"), 0);
    ck_assert_int_eq(
        td_knob_set(h->st, "net.ipv4.tcp_syn_soft_abort", x->plan->soft_abort ? "1" : "0"), 0);
    if (x->plan->no_scaling[side])
        ck_assert_int_eq(td_knob_set(h->st, "net.ipv4.tcp_window_scaling", "0"), 0);
}

/* For whoever looks at one seed closely. */
static void world_watch(struct transfer *x)
{
    const char *pcap = getenv("TRANSFER_PCAP"), *why = getenv("TRANSFER_WHY");
    x->loud = why != NULL && why[0] != '\0';
    for (int i = 0; i < 2; i++) {
        char path[400], msg[300] = "";
        if (x->loud)
            ck_assert_int_eq(td_knob_set(x->host[i].st, "tapdeck.journal.level", why), 0);
        if (pcap == NULL)
            continue;
        snprintf(path, sizeof path, "%s.%s.pcap", pcap, i == 0 ? "sent" : "arrived");
        x->tap.capture[i] = capture_create(path, 0, msg, sizeof msg);
        ck_assert_msg(x->tap.capture[i] != NULL, "%s", msg);
    }
}

static void world_make(struct transfer *x)
{
    const struct transfer_plan *p = x->plan;
    x->sim = sim_new(p->seed, TD_SEC);
    host_make(x, 0);
    host_make(x, 1);
    x->wire = sim_join(x->sim, x->host[0].st, "eth0", &x->host[0].ifindex, x->host[1].st, "eth0",
                       &x->host[1].ifindex, p->mtu);
    ck_assert_ptr_nonnull(x->wire);
    wiretap_init(&x->tap, x->wire, p->mtu, IP_A, IP_B);
    x->tap.written = written;
    x->tap.ctx = x;
    warm_up(&x->host[0]);
    warm_up(&x->host[1]);
    world_watch(x);
    for (int i = 0; i < 2; i++) {
        struct host *h = &x->host[i];
        h->st->journal.tap = journal;
        h->st->journal.tap_ctx = h;
        ck_assert_int_eq(td_addr_add(h->st, h->ifindex, i == 0 ? IP_A : IP_B, 24), 0);
    }
    sim_run(x->sim, START, NULL, NULL); /* the addresses are probed for (RFC 5227) */
    idle_memory(&x->host[0], x->host[0].idle);
    idle_memory(&x->host[1], x->host[1].idle);
    sim_impair(x->wire, &p->way[0], &p->way[1]);

    struct host *b = &x->host[1];
    struct sockaddr_in here = td_sockaddr(IP_B, PORT);
    b->listener = td_socket(b->st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_bind(b->st, b->listener, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(td_listen(b->st, b->listener, 100), 0);
    td_set_notify(b->st, b->listener, acceptable, x);

    for (unsigned i = 0; i < p->conns; i++) {
        struct conn *c = &x->conn[i];
        *c = (struct conn){.plan = &p->conn[i]};
        for (int side = 0; side < 2; side++) {
            const struct end_plan *ep = &c->plan->end[side];
            c->end[side] = (struct end){.x = x,
                                        .c = c,
                                        .plan = ep,
                                        .st = x->host[side].st,
                                        .side = side,
                                        .s = -1,
                                        .want = c->plan->end[1 - side].bytes,
                                        .write_pauses = ep->write_pauses,
                                        .read_pauses = ep->read_pauses};
        }
    }
}

static void cut(struct transfer *x)
{
    for (int way = 0; way < 2; way++) {
        struct td_netem dead = {.loss = UINT32_MAX, .limit = 1000};
        if (x->plan->cut[way])
            sim_impair(x->wire, way == 0 ? &dead : NULL, way == 1 ? &dead : NULL);
    }
    x->cut_at = TD_NEVER;
}

static void poison(struct transfer *x)
{
    const struct transfer_poison *z = x->poison;
    struct host *h = &x->host[z->victim];
    const td_ip4 liar = z->victim == 0 ? IP_B : IP_A, me = z->victim == 0 ? IP_A : IP_B;
    const struct td_mac nobody = {{2, 0xbb, 0, 0, 0, 9}};
    const struct td_mac victim = {{2, 0, 0, (uint8_t)(z->victim + 1), 0, 1}};
    x->poison_at = TD_NEVER;
    if (!z->forged) {
        ck_assert_int_eq(td_neigh_add(h->st, h->ifindex, liar, nobody, TD_NEIGH_REACHABLE), 0);
        return;
    }
    const struct eth_hdr e = {.dst = victim, .src = nobody, .type = ETHERTYPE_ARP};
    const struct arp_pkt a = {
        .op = ARP_REPLY, .sha = nobody, .spa = liar, .tha = victim, .tpa = me};
    uint8_t f[60] = {0};
    (void)arp_emit(&a, f + eth_emit(&e, f));
    ck_assert_int_eq(td_stack_input_bytes(h->st, h->ifindex, f, sizeof f, sim_now(x->sim)), 0);
    x->tap.host[z->victim].arrived++; /* the wire didn't bring it, but it came in */
}

static bool tcp_is_idle(const struct host *h)
{
    const struct tcp *tcp = h->st->tcp;
    return tcp->ntcb == (h->listener >= 0 ? 1U : 0U) && tcp->ntime_wait == 0;
}

/* All applications are through, and nothing of TCP is left but the listener. */
static bool everything_over(const struct transfer *x)
{
    if (!tcp_is_idle(&x->host[0]) || !tcp_is_idle(&x->host[1]))
        return false;
    for (unsigned i = 0; i < x->plan->conns; i++) {
        const struct conn *c = &x->conn[i];
        if (!c->end[0].over || (!c->end[1].over && c->end[1].begun))
            return false;
    }
    return true;
}

/* Wakes who is due; notes who is next. */
static void wake_up(struct transfer *x)
{
    td_time now = sim_now(x->sim);
    x->wake = TD_NEVER;
    for (unsigned i = 0; i < x->plan->conns; i++) {
        struct conn *c = &x->conn[i];
        if (!c->end[0].begun) {
            if (START + c->plan->start > now) {
                wake_at(x, START + c->plan->start);
                continue;
            }
            conn_connect(x, c, 0);
            if (c->plan->crossed)
                conn_connect(x, c, 1);
        }
        for (int side = 0; side < 2; side++) {
            struct end *e = &c->end[side];
            if (e->begun && !e->over)
                pump(e);
            if (e->over)
                continue;
            if (e->may_read > now)
                wake_at(x, e->may_read);
            if (e->may_write > now)
                wake_at(x, e->may_write);
        }
    }
    if (x->cut_at != TD_NEVER) {
        if (START + x->cut_at <= now)
            cut(x);
        else
            wake_at(x, START + x->cut_at);
    }
    if (x->poison_at != TD_NEVER) {
        if (START + x->poison_at <= now)
            poison(x);
        else
            wake_at(x, START + x->poison_at);
    }
}

static bool stop(void *ctx)
{
    struct transfer *x = ctx;
    td_time now = sim_now(x->sim);
    x->steps = now == x->step_at ? x->steps + 1 : 0;
    x->step_at = now;
    if (x->steps > BUSY)
        wrong(x, "the clock stands still");
    return failed(x) || everything_over(x) || x->wake <= now;
}

static void say_who_hangs(struct transfer *x)
{
    for (unsigned i = 0; i < x->plan->conns; i++) {
        for (int side = 0; side < 2; side++) {
            const struct end *e = &x->conn[i].end[side];
            if (e->begun && !e->over)
                wrong(x, "%s hangs: sent %llu of %llu, received %llu of %llu, eof %d", end_name(e),
                      (unsigned long long)e->sent, (unsigned long long)e->plan->bytes,
                      (unsigned long long)e->rcvd, (unsigned long long)e->want, e->eof);
        }
    }
    for (int i = 0; i < 2; i++)
        for (const struct tcb *t = x->host[i].st->tcp->all; t != NULL; t = t->all_next)
            if (t->state != TCPS_LISTEN)
                wrong(x, "host %c still has port %u > %u in %s", 'a' + i, t->ep.a.lport,
                      t->ep.a.rport, tcp_state_name((enum tcp_state)t->state));
    wrong(x, "something of a connection is left");
}

/* Runs until all applications are through and orphans and TIME-WAITs are gone. sim_run asks `stop`
 * after each step, so that somebody who decides in a callback to rest until a time before the
 * present goal is woken in time. */
static void play(struct transfer *x)
{
    x->progress = sim_now(x->sim);
    while (!failed(x) && !everything_over(x)) {
        wake_up(x);
        td_time limit = x->progress + STALLED;
        sim_run(x->sim, x->wake < limit ? x->wake : limit, stop, x);
        if (sim_now(x->sim) >= x->progress + STALLED && !everything_over(x))
            say_who_hangs(x);
    }
    x->result->took = x->progress - START;
    if (failed(x))
        return;
    struct host *b = &x->host[1];
    td_close(b->st, b->listener);
    b->listener = -1;
    sim_run(x->sim, sim_now(x->sim) + 60 * TD_SEC, NULL, NULL);
}

static void check_idle(struct transfer *x)
{
    static const enum mem_tag tags[] = {MEM_TCP, MEM_SOCKET, MEM_PKT, MEM_INSTANCE, MEM_LINK};
    for (int i = 0; i < 2; i++) {
        struct host *h = &x->host[i];
        const struct wire_host *w = &x->tap.host[i];
        const uint64_t *count = h->st->counters.v;
        const struct netif *nif = netif_by_index(h->st, h->ifindex);
        uint64_t used[MEM_TAGS];
        idle_memory(h, used);
        for (size_t k = 0; k < sizeof tags / sizeof tags[0]; k++)
            if (used[tags[k]] != h->idle[tags[k]])
                wrong(x, "host %c holds %llu bytes for %s, %llu when idle", 'a' + i,
                      (unsigned long long)used[tags[k]], mem_tag_name(tags[k]),
                      (unsigned long long)h->idle[tags[k]]);
        if (!tcp_is_idle(h) || h->st->tcp->norphans != 0 || h->st->tcp->marked != NULL ||
            h->st->tcp->eps.count != 0 || h->st->tcp->ports.count != 0)
            wrong(x, "host %c: a table of TCP isn't empty", 'a' + i);
        if (count[CNT_TcpCurrEstab] != 0)
            wrong(x, "host %c: TcpCurrEstab is %llu", 'a' + i,
                  (unsigned long long)count[CNT_TcpCurrEstab]);
        if (nif->stats.rx_packets != w->arrived)
            wrong(x, "host %c counts %llu frames, %llu arrived", 'a' + i,
                  (unsigned long long)nif->stats.rx_packets, (unsigned long long)w->arrived);
        if (count[CNT_TcpInSegs] != w->tcp || count[CNT_TcpInCsumErrors] != w->tcp_damaged)
            wrong(x, "host %c: TCP counts %llu segments, %llu damaged; there were %llu, %llu",
                  'a' + i, (unsigned long long)count[CNT_TcpInSegs],
                  (unsigned long long)count[CNT_TcpInCsumErrors], (unsigned long long)w->tcp,
                  (unsigned long long)w->tcp_damaged);
        if (count[CNT_ArpQueueDrops] == 0 && count[CNT_EthOutDrops] == 0 &&
            count[CNT_TcpOutSegs] + count[CNT_TcpRetransSegs] != w->tcp_sent)
            wrong(x, "host %c: TCP counts %llu + %llu segments out, %llu were sent", 'a' + i,
                  (unsigned long long)count[CNT_TcpOutSegs],
                  (unsigned long long)count[CNT_TcpRetransSegs], (unsigned long long)w->tcp_sent);
    }
}

/* ---- did each connection end as it should? ---- */

/* Is this one of the errors a connection that couldn't be completed may end with here? */
static bool excused(const struct conn *c, const struct end *e)
{
    const struct end *peer = &c->end[1 - e->side];
    switch (e->err) {
    case 0:
        return true;
    case ETIMEDOUT:
    case EHOSTUNREACH: /* of the limits that were reached, the reason that was known */
        return c->given_up;
    case ECONNRESET:
    case EPIPE:
        return c->given_up || peer->aborts;
    case ECONNREFUSED: /* a reset before the handshake was over here, but not there */
        return c->given_up || (peer->aborts && c->plan->crossed);
    default:
        return false;
    }
}

static void check_conn(struct transfer *x, const struct conn *c)
{
    bool aborted = c->end[0].aborts || c->end[1].aborts;
    bool whole = true;
    for (int side = 0; side < 2; side++) {
        const struct end *e = &c->end[side];
        x->result->bytes += e->rcvd;
        whole = whole && e->begun && e->err == 0 && e->rcvd == e->want;
        if (!excused(c, e))
            wrong(x, "%s: errno %d, and nothing that explains it", end_name(e), e->err);
        if (x->plan->gentle && !aborted &&
            (!e->begun || e->err != 0 || e->rcvd != e->want || e->sent != e->plan->bytes))
            wrong(x, "%s, %s: errno %d, sent %llu of %llu, received %llu of %llu", end_name(e),
                  e->begun ? "begun" : "never begun", e->err, (unsigned long long)e->sent,
                  (unsigned long long)e->plan->bytes, (unsigned long long)e->rcvd,
                  (unsigned long long)e->want);
    }
    if (!whole && !aborted && !c->given_up)
        wrong(x, "%s: not everything arrived, and nobody gave up", end_name(&c->end[0]));
    if (whole)
        x->result->complete++;
    else
        x->result->failed++;
}

void transfer_run_poisoned(const struct transfer_plan *plan, struct transfer_result *result,
                           const struct transfer_poison *z)
{
    struct transfer *x = calloc(1, sizeof *x);
    ck_assert_ptr_nonnull(x);
    *result = (struct transfer_result){.fail = ""};
    x->plan = plan;
    x->result = result;
    x->draw.state = ~plan->seed;
    x->buf = malloc(2 * 65536);
    x->poison = z;
    x->poison_at = z == NULL ? TD_NEVER : z->when;
    x->cut_at = plan->cut_at == 0 ? TD_NEVER : plan->cut_at;
    world_make(x);
    play(x);
    wiretap_settle(&x->tap);
    for (unsigned i = 0; i < plan->conns && !failed(x); i++)
        check_conn(x, &x->conn[i]);
    if (!failed(x))
        check_idle(x);
    result->digest = x->tap.digest;
    result->frames = x->tap.frames[0] + x->tap.frames[1];
    result->damaged = x->tap.damaged;
    result->rexmitted = x->tap.rexmitted;
    sim_free(x->sim);
    capture_finish(x->tap.capture[0]);
    capture_finish(x->tap.capture[1]);
    free(x->buf);
    free(x);
}

void transfer_run(const struct transfer_plan *plan, struct transfer_result *result)
{
    transfer_run_poisoned(plan, result, NULL);
}
