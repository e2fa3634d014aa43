/* dev/diary.c: keeping a diary (theory of operation: dev/diary.h).
 *
 * The ear at the door is called inside of calls, so it only writes a line into memory. Which knobs differ from
 * their profile's is found by asking a fresh stack of the same profile.
 */
#include "dev/diary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stack.h"
#include "link/link.h"
#include "tapdeck/call.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#define KEPT_MAX (8u << 20) /* bytes of lines */

struct diary {
    struct td_stack *st;
    struct td_ear ear;
    struct link_observer eye;
    char *name, *text;
    size_t len, room;
    td_time begun; /* on the stack's clock */
    int64_t epoch; /* then, ns since 1970 */
    bool cut;
};

/* ---- lines ---- */

static void add(struct diary *d, const char *s, size_t n)
{
    if (d->cut)
        return;
    if (d->len + n > d->room) {
        size_t room = 2 * d->room + n + 1024;
        char *grown = d->len + n <= KEPT_MAX ? realloc(d->text, room) : NULL;
        d->cut = grown == NULL;
        if (d->cut) {
            while (d->len > 0 && d->text[d->len - 1] != '\n') /* whole lines only */
                d->len--;
            return;
        }
        d->text = grown;
        d->room = room;
    }
    memcpy(d->text + d->len, s, n);
    d->len += n;
}

static void say(struct diary *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct diary *d, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    add(d, line, n < 0 ? 0 : (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void begin_line(struct diary *d, td_time now, const char *what)
{
    td_time t = now - d->begun;
    say(d, "%" PRIu64 ".%09" PRIu64 " %s", t / TD_SEC, t % TD_SEC, what);
}

static void say_ip(struct diary *d, td_ip4 a)
{
    say(d, " %u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static void say_end(struct diary *d, td_ip4 a, uint16_t port)
{
    say_ip(d, a);
    say(d, ":%u", port);
}

static bool end_of(const struct sockaddr *sa, size_t len, td_ip4 *a, uint16_t *port)
{
    struct sockaddr_in in;
    if (sa == NULL || len < sizeof(in))
        return false;
    memcpy(&in, sa, sizeof(in));
    *a = ntohl(in.sin_addr.s_addr);
    *port = ntohs(in.sin_port);
    return in.sin_family == AF_INET;
}

static void say_sockaddr(struct diary *d, const struct sockaddr *sa, size_t len)
{
    td_ip4 a = 0;
    uint16_t port = 0;
    (void)end_of(sa, len, &a, &port);
    say_end(d, a, port);
}

/* A socket's own end, or the other one. */
static void say_name(struct diary *d, int s, bool peer)
{
    struct sockaddr_in in = {0};
    socklen_t len = sizeof(in);
    int err = peer ? td_getpeername(d->st, s, (struct sockaddr *)&in, &len) : td_getsockname(d->st, s, (struct sockaddr *)&in, &len);
    say_sockaddr(d, err == 0 ? (const struct sockaddr *)&in : NULL, len);
}

static void say_result(struct diary *d, int64_t result)
{
    say(d, " = %" PRId64, result);
}

/* ---- what the door tells ---- */

static const struct {
    int flag;
    const char *name;
} flag_names[] = {
    {MSG_OOB, "oob"}, {MSG_DONTROUTE, "dontroute"}, {MSG_EOR, "eor"}, {MSG_WAITALL, "waitall"}, {MSG_MORE, "more"},
    {MSG_FASTOPEN, "fastopen"},
};

static void say_flags(struct diary *d, int flags)
{
    const char *before = " flags ";
    for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
        if (flags & flag_names[i].flag) {
            say(d, "%s%s", before, flag_names[i].name);
            before = "|";
        }
    }
}

static uint64_t bytes_of(const struct msghdr *m)
{
    uint64_t n = 0;
    for (size_t i = 0; m != NULL && i < m->msg_iovlen; i++)
        n += m->msg_iov[i].iov_len;
    return n;
}

static void hear_text(struct diary *d, const struct td_call *c, int64_t result)
{
    bool out = c->kind == TD_CALL_SENDMSG;
    const struct msghdr *m = out ? c->u.msg.out : c->u.msg.in;
    if (result == -EAGAIN || (c->u.msg.flags & (MSG_PEEK | MSG_ERRQUEUE)))
        return;
    begin_line(d, c->now, out ? "write" : "read");
    say(d, " %d %" PRIu64, c->u.msg.s, bytes_of(m));
    say_flags(d, c->u.msg.flags);
    if (out && m != NULL && m->msg_name != NULL) {
        say(d, " to");
        say_sockaddr(d, m->msg_name, m->msg_namelen);
    }
    say_result(d, result);
}

static void say_level(struct diary *d, int level)
{
    static const struct {
        int level;
        const char *name;
    } names[] = {{SOL_SOCKET, "socket"}, {IPPROTO_IP, "ip"}, {IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].level == level) {
            say(d, " %s", names[i].name);
            return;
        }
    }
    say(d, " %d", level);
}

static void hear_option(struct diary *d, const struct td_call *c, int64_t result)
{
    const uint8_t *v = c->u.opt.set;
    size_t len = v != NULL ? c->u.opt.len : 0;
    int number = 0;
    begin_line(d, c->now, "setsockopt");
    say(d, " %d", c->u.opt.s);
    say_level(d, c->u.opt.level);
    say(d, " %d %zu ", c->u.opt.name, len);
    if (len == sizeof(number)) {
        memcpy(&number, v, sizeof(number));
        say(d, "%d", number);
    } else {
        say(d, "x");
        for (size_t i = 0; i < len && i < 64; i++)
            say(d, "%02x", v[i]);
    }
    say_result(d, result);
}

static void hear_socket(struct diary *d, const struct td_call *c, int64_t result)
{
    int type = c->u.socket.type & 15;
    if (result < 0)
        return;
    begin_line(d, c->now, "socket");
    say(d, " %d ", (int)result);
    if (type == SOCK_STREAM || (type == SOCK_DGRAM && c->u.socket.protocol != IPPROTO_ICMP))
        say(d, type == SOCK_STREAM ? "stream" : "dgram");
    else
        say(d, type == SOCK_DGRAM ? "ping" : "%d", type);
}

static void hear_name(struct diary *d, const struct td_call *c, int64_t result)
{
    int s = c->u.sock.s;
    switch (c->kind) {
    case TD_CALL_BIND:
        begin_line(d, c->now, "bind");
        say(d, " %d", s);
        say_sockaddr(d, c->u.sock.sa, c->u.sock.len);
        say_result(d, result);
        break;
    case TD_CALL_LISTEN:
        begin_line(d, c->now, "listen");
        say(d, " %d %d", s, c->u.sock.n);
        say_result(d, result);
        break;
    case TD_CALL_ACCEPT:
        if (result < 0)
            return;
        begin_line(d, c->now, "accept");
        say(d, " %d = %d", s, (int)result);
        say_name(d, (int)result, false);
        say_name(d, (int)result, true);
        break;
    default:
        begin_line(d, c->now, "connect");
        say(d, " %d", s);
        say_name(d, s, false);
        say_sockaddr(d, c->u.sock.sa, c->u.sock.len);
        say_result(d, result);
        break;
    }
}

/* Whether it changed anything but the time. */
static bool says_something(enum td_call_kind kind)
{
    return kind != TD_CALL_INPUT && kind != TD_CALL_CLOCK && kind != TD_CALL_TICK && kind != TD_CALL_FLUSH &&
           kind != TD_CALL_GETSOCKOPT && kind != TD_CALL_IF_READY;
}

static void say_interface(struct diary *d, uint32_t ifindex)
{
    const struct netif *nif = netif_by_index(d->st, ifindex);
    say(d, " %s", nif != NULL ? nif->name : "?");
}

static void hear_other(struct diary *d, const struct td_call *c)
{
    switch (c->kind) {
    case TD_CALL_KNOB_SET:
        begin_line(d, c->now, "knob");
        say(d, " %s=%s", c->u.knob.name, c->u.knob.value);
        break;
    case TD_CALL_IF_MTU:
        begin_line(d, c->now, "mtu");
        say_interface(d, c->u.iface.ifindex);
        say(d, " %u", c->u.iface.mtu);
        break;
    case TD_CALL_ADDR_ADD:
        begin_line(d, c->now, "address");
        say_ip(d, c->u.addr.a->addr);
        say(d, "/%u", c->u.addr.a->plen);
        say_interface(d, c->u.addr.ifindex);
        break;
    case TD_CALL_DESTROY:
        begin_line(d, c->now, "destroy");
        say_end(d, c->u.ends.laddr, c->u.ends.lport);
        say_end(d, c->u.ends.raddr, c->u.ends.rport);
        break;
    default:
        begin_line(d, c->now, "did");
        say(d, " %s", td_call_name(c->kind));
        break;
    }
}

static void hear(void *ctx, const struct td_call *c, int64_t result)
{
    struct diary *d = ctx;
    static const char *const how[] = {"rd", "wr", "rdwr"};
    size_t before = d->len;
    switch (c->kind) {
    case TD_CALL_SOCKET:
        hear_socket(d, c, result);
        break;
    case TD_CALL_BIND:
    case TD_CALL_LISTEN:
    case TD_CALL_ACCEPT:
    case TD_CALL_CONNECT:
        hear_name(d, c, result);
        break;
    case TD_CALL_SENDMSG:
    case TD_CALL_RECVMSG:
        hear_text(d, c, result);
        break;
    case TD_CALL_SHUTDOWN:
        if (result == 0 && c->u.sock.n >= 0 && c->u.sock.n < 3) {
            begin_line(d, c->now, "shutdown");
            say(d, " %d %s", c->u.sock.s, how[c->u.sock.n]);
        }
        break;
    case TD_CALL_CLOSE:
        if (result == 0) {
            begin_line(d, c->now, "close");
            say(d, " %d", c->u.sock.s);
        }
        break;
    case TD_CALL_DUP:
        if (result >= 0) {
            begin_line(d, c->now, "dup");
            say(d, " %d = %d", c->u.sock.s, (int)result);
        }
        break;
    case TD_CALL_SETSOCKOPT:
        hear_option(d, c, result);
        break;
    default:
        if (says_something(c->kind) && result >= 0)
            hear_other(d, c);
        break;
    }
    if (d->len > before)
        add(d, "\n", 1);
}

/* ---- what comes in ---- */

static bool is_ours(const struct diary *d, td_ip4 a)
{
    for (const struct netif *nif = netif_first(d->st); nif != NULL; nif = nif->next)
        for (const struct netif_addr *n = nif->addrs; n != NULL; n = n->next)
            if (n->addr == a)
                return true;
    return false;
}

static void see(void *ctx, const struct link_sight *sight)
{
    struct diary *d = ctx;
    uint8_t b[ETH_HLEN + 60 + 60];
    struct tcp_hdr h;
    uint32_t n = sight->p->len < sizeof(b) ? sight->p->len : sizeof(b), hlen;
    if (sight->out || sight->bare || n < ETH_HLEN + IPV4_HLEN || !pkt_read(sight->p, 0, b, n))
        return;
    const uint8_t *ip = b + ETH_HLEN;
    hlen = (ip[0] & 15u) * 4;
    if (wire_get16(b + 12) != ETHERTYPE_IPV4 || ip[0] >> 4 != 4 || hlen < IPV4_HLEN || n < ETH_HLEN + hlen || ip[9] != IPPROTO_TCP ||
        (wire_get16(ip + 6) & 0x3fff) != 0 || !is_ours(d, wire_get32(ip + 16)) ||
        tcp_parse(&h, ip + hlen, n - ETH_HLEN - hlen) != WIRE_OK)
        return;
    begin_line(d, td_stack_now(d->st), "in");
    say(d, " %u %" PRIu32 " %" PRIu32 " %" PRIu32 "\n", wire_get16(ip + 4), h.seq, (h.flags & TCP_ACK) ? h.ack : 0,
        h.o.has_ts ? h.o.ts_val : 0);
}

/* ---- beginning ---- */

struct knob_walk {
    struct diary *d;
    struct td_stack *fresh;
};

static void write_knob(void *ctx, const char *name, const char *doc)
{
    const struct knob_walk *w = ctx;
    char is[128], was[128];
    (void)doc;
    int n = td_knob_get(w->d->st, name, is, sizeof(is));
    /* An interface that a fresh stack hasn't got begins with what `default` had, which is written too. */
    if (n < 0 || (size_t)n >= sizeof(is) || td_knob_get(w->fresh, name, was, sizeof(was)) < 0 || strcmp(is, was) == 0)
        return;
    for (char *t = is; *t != '\0'; t++)
        *t = *t == '\t' ? ' ' : *t;
    say(w->d, "knob %s=%s\n", name, is);
}

static bool write_state(struct diary *d)
{
    struct td_stack_config fresh = {.profile = d->st->knobs.profile == PROFILE_RFC ? TD_PROFILE_RFC : TD_PROFILE_LINUX,
                                    .now = d->begun, .allow_faults = true};
    struct knob_walk w = {.d = d, .fresh = td_stack_new(&fresh)};
    if (w.fresh == NULL)
        return false;
    say(d, "profile %s\n", fresh.profile == TD_PROFILE_RFC ? "rfc" : "linux");
    for (const struct netif *nif = netif_first(d->st); nif != NULL; nif = nif->next) {
        if (nif->flags & TD_IF_LOOPBACK)
            continue;
        say(d, "interface %s mtu %u\n", nif->name, nif->mtu);
        for (const struct netif_addr *a = nif->addrs; a != NULL; a = a->next) {
            say(d, "address");
            say_ip(d, a->addr);
            say(d, "/%u %s\n", a->plen, nif->name);
        }
    }
    td_knob_each(d->st, write_knob, &w);
    td_stack_free(w.fresh);
    return true;
}

struct diary *diary_open(struct td_stack *st, const char *name, int64_t wall)
{
    struct diary *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->st = st;
    d->begun = td_stack_now(st);
    d->epoch = wall + (int64_t)d->begun;
    d->name = strdup(name);
    if (d->name == NULL || !write_state(d)) {
        free(d->name);
        free(d->text);
        free(d);
        return NULL;
    }
    d->ear = (struct td_ear){.fn = hear, .ctx = d};
    td_stack_overhear(st, &d->ear);
    d->eye = (struct link_observer){.fn = see, .ctx = d};
    link_observe(st, &d->eye);
    return d;
}

void diary_close(struct diary *d)
{
    if (d == NULL)
        return;
    td_stack_overhear_end(d->st, &d->ear);
    link_unobserve(d->st, &d->eye);
    free(d->name);
    free(d->text);
    free(d);
}

/* ---- into a file ---- */

/* `SECONDS in ID SEQ …` */
static bool tells_arrival(const char *line, const char *end)
{
    const char *blank = memchr(line, ' ', (size_t)(end - line));
    return blank != NULL && end - blank > 4 && memcmp(blank, " in ", 4) == 0;
}

void diary_write(const struct diary *d, unsigned number, bool here, struct pcapng_buf *w)
{
    char *block = malloc(PCAPNG_CUSTOM_MAX);
    if (block == NULL) {
        w->failed = true;
        return;
    }
    int64_t ns = d->epoch % (int64_t)TD_SEC;
    const char *at = d->text, *stop = d->text + d->len;
    do {
        size_t n = (size_t)snprintf(block, PCAPNG_CUSTOM_MAX, "tapdeck-diary 1\nstack %u %.40s\nepoch %" PRId64 ".%09" PRId64 "\n", number,
                                    d->name, d->epoch / (int64_t)TD_SEC, ns < 0 ? -ns : ns);
        while (at < stop) {
            const char *end = memchr(at, '\n', (size_t)(stop - at));
            size_t len = (size_t)((end != NULL ? end + 1 : stop) - at);
            if (n + len + sizeof("cut\n") > PCAPNG_CUSTOM_MAX)
                break;
            if (!here || !tells_arrival(at, at + len)) {
                memcpy(block + n, at, len);
                n += len;
            }
            at += len;
        }
        if (at == stop && d->cut) {
            memcpy(block + n, "cut\n", 4);
            n += 4;
        }
        pcapng_custom(w, block, n);
    } while (at < stop);
    free(block);
}
