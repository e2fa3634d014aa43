/* replay/play_run.c: the played side's stack, its application, and the other side's frames (play.h).
 *
 * One pass over the captured frames in their order. Before each, the timers that are due; then a frame of the other
 * side is handed in, or what the played side's application did is done: a frame of that side is the sign for it. Timers
 * that fall on the very time of a captured frame go after one that came in and before one that went out is done with.
 *
 * All the stack can reach is a device that takes frames apart and a neighbour whose address it knows, so nothing but the
 * connection is ever sent. Both ends have made-up MAC addresses: those of the capture may be anything.
 */
#include "replay/play.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "core/pkt.h"
#include "tapdeck/socket.h"
#include "tapdeck/stack.h"
#include "wire/checksum.h"
#include "wire/eth.h"

#define START      (10000 * TD_SEC) /* a host that has been up for a while */
#define SETTLE     (250 * TD_MS)    /* run on behind the last captured frame: what is only late */
#define BURST      (50 * TD_US)     /* what leaves within it left at once */
#define LAG_LEAST  TD_MS            /* a host answers a SYN sooner */
#define GAP_MOST   (64u << 20)      /* bytes of text that a capture may miss */
#define STEPS_AT_ONCE 100000        /* timers at one instant: more is a stack that goes in a circle */

struct player {
    struct play *p;
    struct td_stack *st;
    uint32_t eth;
    int listener, conn;        /* handles, -1 = none */
    bool passive;              /* it answered a SYN */
    bool active, closing, shut, aborted;
    size_t next[2];            /* captured frames: the other side's, the played one's that come next */
    size_t next_ack;           /* of the latter, the first that shows a window */
    td_time lag;               /* from where the capture was made to the played side and back, ns */
    tcp_seq heard;             /* the other side's highest acknowledgement so far, */
    tcp_seq small_end;         /* and the end of the last short segment of the played side */
    bool small, no_delay;
    uint32_t mss;              /* text of a full segment */
    /* the application's text */
    tcp_seq written;           /* the sequence number behind what it has decided to write */
    uint8_t *out;
    size_t out_n, out_at, out_room;
    uint64_t window_max;       /* the largest captured so far, bytes */
    /* what the other side may acknowledge */
    bool begun;                /* the stack has sent something */
    tcp_seq sent_end;
    bool held;
    tcp_seq held_ack;
    size_t held_frame;
    uint8_t frame[ETH_HLEN + 65535 + 1];
};

static td_time when(td_time at)
{
    return START + at;
}

/* ---- what leaves ---- */

static int transmit(void *dev, const struct pkt *p)
{
    struct player *r = dev;
    struct play_frame f = {.twin = SIZE_MAX};
    if (p->len <= ETH_HLEN || p->len > sizeof(r->frame) || !pkt_read(p, 0, r->frame, p->len) ||
        !play_frame_read(&f, r->frame + ETH_HLEN, p->len - ETH_HLEN))
        return 0;
    struct play_frame *kept = play_add(&r->p->sent, &r->p->nsent, &r->p->sent_room);
    if (kept == NULL) {
        r->p->no_memory = true;
        return 0;
    }
    f.at = td_stack_now(r->st) - START;
    f.ours = true;
    f.verdict = PLAY_EXTRA;
    *kept = f;
    tcp_seq end = f.seq + f.text + ((f.flags & TCP_SYN) != 0) + ((f.flags & TCP_FIN) != 0);
    if ((f.flags & TCP_SYN) && f.o.has_wscale)
        r->p->scale[1] = f.o.wscale;
    if ((f.flags & TCP_RST) == 0 && (!r->begun || seq_gt(end, r->sent_end))) {
        r->begun = true;
        r->sent_end = end;
    }
    return 0;
}

static const struct td_device_ops ops = {.transmit = transmit};

/* ---- the host ---- */

static const struct play_frame *first_syn(const struct play *p, bool ours)
{
    for (size_t i = 0; i < p->ncap; i++)
        if (p->cap[i].ours == ours && (p->cap[i].flags & TCP_SYN))
            return &p->cap[i];
    return NULL;
}

static void knob_number(struct td_stack *st, const char *name, const char *value)
{
    (void)td_knob_set(st, name, value);
}

static int set_knobs(struct player *r, char *msg, size_t msg_size)
{
    for (size_t i = 0; i < r->p->nknobs; i++) {
        const char *word = r->p->knob[i], *equals = strchr(word, '=');
        char name[128];
        int err = -ENOENT;
        if (equals != NULL && (size_t)(equals - word) < sizeof(name)) {
            memcpy(name, word, (size_t)(equals - word));
            name[equals - word] = '\0';
            err = td_knob_set(r->st, name, equals + 1);
        }
        if (err != 0) {
            (void)snprintf(msg, msg_size, "--knob %s: %s", word,
                           equals == NULL      ? "write NAME=VALUE, for example net.ipv4.tcp_congestion_control=reno"
                           : err == -ENOENT    ? "there is no such knob: `sysctl -a` lists them"
                                               : "it can't have this value");
            return EXIT_USAGE;
        }
    }
    return EXIT_DONE;
}

/* What the captured SYN says of its host. An option that a SYN-ACK lacks may have lacked in the SYN. */
static void configure(struct player *r, const struct play_frame *syn, const struct play_frame *theirs)
{
    bool answers = (syn->flags & TCP_ACK) != 0 && theirs != NULL;
    knob_number(r->st, "net.ipv4.conf.all.arp_acd", "0");
    knob_number(r->st, "net.ipv4.conf.default.arp_acd", "0");
    knob_number(r->st, "net.ipv4.tcp_syncookies", "0");
    knob_number(r->st, "net.ipv4.tcp_wmem", "4096 4194304 67108864");
    if (!syn->o.has_ts && (!answers || theirs->o.has_ts))
        knob_number(r->st, "net.ipv4.tcp_timestamps", "0");
    if (!syn->o.has_sack_perm && (!answers || theirs->o.has_sack_perm))
        knob_number(r->st, "net.ipv4.tcp_sack", "0");
    if (!syn->o.has_wscale && (!answers || theirs->o.has_wscale))
        knob_number(r->st, "net.ipv4.tcp_window_scaling", "0");
}

static void pin(struct player *r, const struct play_frame *syn)
{
    const struct play *p = r->p;
    struct td_tcp_pin pin = {
        .laddr = p->us, .raddr = p->peer, .lport = p->port, .rport = p->pport, .what = TD_PIN_ISS, .iss = syn->seq};
    const struct play_frame *id[3] = {NULL};
    unsigned n = 0;
    for (size_t i = 0; i < p->ncap && n < 3; i++)
        if (p->cap[i].ours)
            id[n++] = &p->cap[i];
    if (n == 3 && (id[0]->id | id[1]->id | id[2]->id) != 0) {
        pin.what |= TD_PIN_ID;
        pin.id_first = id[0]->id;
        pin.id_next = id[1]->id;
        pin.id_step = (uint16_t)(id[2]->id - id[1]->id);
    }
    if (syn->o.has_ts) { /* its clock, as it must be now to show the captured value then */
        pin.what |= TD_PIN_TS;
        pin.ts_val = syn->o.ts_val - (uint32_t)((START + syn->at) / TD_MS - td_stack_now(r->st) / TD_MS);
    }
    (void)td_tcp_pin(r->st, &pin);
}

/* How far from the played side the capture was made shows in the shortest time it took to acknowledge something. */
static td_time lag_of(const struct play *p)
{
    td_time least = TD_NEVER, asked = 0;
    tcp_seq end = 0;
    bool open = false, any = false;
    for (size_t i = 0; i < p->ncap; i++) {
        const struct play_frame *f = &p->cap[i];
        tcp_seq e = f->seq + f->text + ((f->flags & TCP_SYN) != 0) + ((f->flags & TCP_FIN) != 0);
        if (!f->ours && e != f->seq && (!any || seq_gt(e, end))) {
            open = any = true;
            end = e;
            asked = f->at;
        } else if (f->ours && open && (f->flags & TCP_ACK) && seq_ge(f->ack, end)) {
            open = false;
            least = f->at - asked < least ? f->at - asked : least;
        }
    }
    return least == TD_NEVER || least < LAG_LEAST ? 0 : least;
}

static bool open_host(struct player *r)
{
    struct play *p = r->p;
    const struct play_frame *syn = first_syn(p, true), *theirs = first_syn(p, false);
    struct td_stack_config sc = {.now = START};
    struct td_if_config eth = {
        .name = "eth0", .mac = {{2, 0, 0, 0, 0, 1}}, .flags = TD_IF_UP | TD_IF_BROADCAST, .ops = &ops, .dev = r};
    const struct td_mac peer = {{2, 0, 0, 0, 0, 2}};
    memset(sc.seed, 7, sizeof(sc.seed));
    r->listener = r->conn = -1;
    r->st = td_stack_new(&sc);
    if (r->st == NULL)
        return false;
    if (syn != NULL)
        configure(r, syn, theirs);
    if (syn != NULL && syn->o.has_mss)
        eth.mtu = syn->o.mss < 536 ? 576 : syn->o.mss > 65495 ? 65535 : syn->o.mss + 40u;
    const struct td_route to_peer = {.prefix = p->peer, .plen = 32};
    if (td_if_add(r->st, &eth, &r->eth) != 0 || td_addr_add(r->st, r->eth, p->us, 32) != 0)
        return false;
    struct td_route route = to_peer;
    route.ifindex = r->eth;
    if (td_route_add(r->st, &route, true) != 0 || td_neigh_add(r->st, r->eth, p->peer, peer, TD_NEIGH_PERMANENT) != 0)
        return false;
    td_stack_flush(r->st, START);
    p->nsent = 0;
    r->active = syn != NULL && (syn->flags & TCP_ACK) == 0;
    r->passive = syn != NULL && !r->active;
    if (syn != NULL) {
        r->written = syn->seq + 1;
        p->scale[0] = syn->o.has_wscale ? syn->o.wscale : 0;
        pin(r, syn);
    }
    if (theirs == NULL || !theirs->o.has_wscale)
        p->scale[0] = 0;
    r->mss = theirs != NULL && theirs->o.has_mss ? theirs->o.mss : 536;
    if (syn != NULL && theirs != NULL && syn->o.has_ts && theirs->o.has_ts)
        r->mss -= r->mss > 12 ? 12 : 0;
    r->lag = p->lag = lag_of(p);
    return true;
}

/* ---- the application ---- */

static bool say(struct player *r, const uint8_t *bytes, size_t n)
{
    if (r->out_n + n > r->out_room) {
        size_t room = 2 * (r->out_n + n) + 4096;
        uint8_t *grown = realloc(r->out, room);
        if (grown == NULL)
            return false;
        r->out = grown;
        r->out_room = room;
    }
    if (bytes != NULL)
        memcpy(r->out + r->out_n, bytes, n);
    else
        memset(r->out + r->out_n, 0, n); /* it wasn't captured */
    r->out_n += n;
    return true;
}

/* Segments are pushed in twos and more by senders that hand several to their card at once. So behind a full segment the
 * write goes on where more follows at the same time, or as soon as an acknowledgement makes room for it. */
static bool write_ends(const struct player *r, size_t at)
{
    const struct play_frame *f = &r->p->cap[at];
    td_time heard = 0;
    if ((f->flags & (TCP_PSH | TCP_FIN)) != TCP_PSH)
        return (f->flags & TCP_FIN) != 0;
    for (size_t i = at + 1; f->text >= r->mss && i < r->p->ncap; i++) {
        const struct play_frame *g = &r->p->cap[i];
        if (g->icmp)
            continue;
        if (!g->ours)
            heard = g->text == 0 ? g->at + r->lag : 0;
        else if (g->text > 0 && seq_gt(g->seq + g->text, r->written))
            return g->at > f->at + BURST && (heard == 0 || g->at < heard || g->at > heard + BURST);
    }
    return true;
}

/* The write that began with frame `from`: its text and all that follows up to its end. */
static void take_write(struct player *r, size_t from)
{
    bool full = false;
    for (size_t i = from; i < r->p->ncap; i++) {
        const struct play_frame *f = &r->p->cap[i];
        tcp_seq begin = f->seq + ((f->flags & TCP_SYN) != 0), end = begin + f->text;
        if (!f->ours || (f->flags & TCP_RST) || f->text == 0 || !seq_gt(end, r->written))
            continue;
        uint32_t skip = seq_gt(begin, r->written) ? 0 : r->written - begin;
        if (seq_gt(begin, r->written) && r->out_n + (begin - r->written) > GAP_MOST)
            continue; /* no capture misses so much */
        if (seq_gt(begin, r->written) && !say(r, NULL, begin - r->written))
            r->p->no_memory = true;
        if (!say(r, f->datagram + f->text_at + skip, f->text - skip))
            r->p->no_memory = true;
        r->written = end;
        full = f->text >= r->mss;
        if (write_ends(r, i))
            return;
    }
    if (full && !say(r, NULL, r->mss)) /* not pushed: there was more, of which the capture has nothing */
        r->p->no_memory = true;
}

static void write_on(struct player *r)
{
    while (r->conn >= 0 && r->out_at < r->out_n) {
        int64_t n = td_send(r->st, r->conn, r->out + r->out_at, r->out_n - r->out_at, 0);
        if (n <= 0)
            break;
        r->out_at += (size_t)n;
    }
    if (r->out_at == r->out_n)
        r->out_at = r->out_n = 0;
    if (r->closing && !r->shut && r->out_n == 0 && r->conn >= 0 && td_shutdown(r->st, r->conn, SHUT_WR) == 0)
        r->shut = true;
}

/* Bytes that the captured application had not read when its next frame left. */
static uint64_t unread_then(struct player *r)
{
    const struct play *p = r->p;
    size_t i = r->next_ack > r->next[1] ? r->next_ack : r->next[1];
    while (i < p->ncap && (!p->cap[i].ours || (p->cap[i].flags & (TCP_ACK | TCP_RST | TCP_SYN)) != TCP_ACK))
        i++;
    r->next_ack = i;
    uint64_t w = i < p->ncap ? (uint64_t)p->cap[i].wnd << p->scale[0] : r->window_max;
    return r->window_max > w ? r->window_max - w : 0;
}

static void read_on(struct player *r)
{
    uint8_t text[16384];
    int unread = 0;
    if (r->conn < 0 || td_ioctl(r->st, r->conn, 0x541b /* SIOCINQ */, &unread) != 0)
        return;
    uint64_t leave = unread_then(r);
    while (unread > 0 && (uint64_t)unread > leave) {
        uint64_t want = (uint64_t)unread - leave;
        int64_t n = td_recv(r->st, r->conn, text, want < sizeof(text) ? (size_t)want : sizeof(text), 0);
        if (n <= 0)
            return;
        unread -= (int)n;
    }
}

/* Nagle's algorithm (RFC 1122 4.2.3.4) sends one short segment at a time: a host that sent two had it off. */
static void see_nagle(struct player *r, const struct play_frame *f)
{
    int on = 1;
    if (f->text == 0 || f->text >= r->mss || (f->flags & (TCP_SYN | TCP_FIN | TCP_RST)) || seq_lt(f->seq, r->written))
        return;
    if (r->small && !r->no_delay && r->conn >= 0 && seq_gt(r->small_end, r->heard))
        r->no_delay = td_setsockopt(r->st, r->conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
    r->small = true;
    r->small_end = f->seq + f->text;
}

static bool is_probe(const struct play_frame *f, tcp_seq end)
{
    return f->ours && (f->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK && f->text <= 1 && f->seq == end - 1;
}

/* Keep-alive probes (RFC 9293 3.8.4) ask about the byte before what is next. From the first come how long the host waited in
 * silence, from those behind it the time between two, and how many it sent before it gave up. */
static void see_keep_alive(struct player *r)
{
    const struct play *p = r->p;
    td_time quiet = 0, probed = 0;
    tcp_seq end = 0, acked = 0;
    uint16_t window = 0;
    int idle = 0, interval = 0, unanswered = 0, on = 1;
    bool begun = false;
    for (size_t i = 0; i < p->ncap; i++) {
        const struct play_frame *f = &p->cap[i];
        if (f->icmp)
            continue;
        bool probe = begun && is_probe(f, end) && acked == end && window > 0; /* else it asks about something else */
        if (probe && idle == 0)
            idle = (int)((f->at - quiet + TD_SEC / 2) / TD_SEC);
        if (probe && unanswered > 0)
            interval = (int)((f->at - probed + TD_SEC / 2) / TD_SEC);
        if (f->ours && (f->flags & TCP_RST))
            break;
        unanswered = probe ? unanswered + 1 : 0;
        probed = f->at;
        quiet = f->at + (f->ours ? 0 : r->lag);
        if (!f->ours) {
            acked = f->ack;
            window = f->wnd;
        } else if (!probe) {
            tcp_seq e = f->seq + f->text + ((f->flags & TCP_SYN) != 0) + ((f->flags & TCP_FIN) != 0);
            end = !begun || seq_gt(e, end) ? e : end;
            begun = true;
        }
    }
    if (idle < 1 || idle > 32767 || interval > 32767)
        return;
    (void)td_setsockopt(r->st, r->conn, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)td_setsockopt(r->st, r->conn, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    if (interval > 0)
        (void)td_setsockopt(r->st, r->conn, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    if (unanswered > 0 && unanswered < 127)
        (void)td_setsockopt(r->st, r->conn, IPPROTO_TCP, TCP_KEEPCNT, &unanswered, sizeof(unanswered));
}

static void flush(struct player *r);

static void application(struct player *r)
{
    if (r->conn < 0 && r->listener >= 0 && (r->conn = td_accept(r->st, r->listener, NULL, NULL)) >= 0)
        see_keep_alive(r);
    write_on(r);
    read_on(r);
}

/* A frame of the played side was captured: what must its application have done? */
static void act(struct player *r, const struct play_frame *f, size_t index)
{
    struct sockaddr_in us = td_sockaddr(r->p->us, r->p->port), peer = td_sockaddr(r->p->peer, r->p->pport);
    tcp_seq end = f->seq + ((f->flags & TCP_SYN) != 0) + f->text;
    if ((f->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && r->active && r->conn < 0) {
        r->conn = td_socket(r->st, AF_INET, SOCK_STREAM, 0);
        see_keep_alive(r);
        (void)td_bind(r->st, r->conn, (struct sockaddr *)&us, sizeof(us));
        (void)td_connect(r->st, r->conn, (struct sockaddr *)&peer, sizeof(peer));
    }
    see_nagle(r, f);
    if ((f->flags & TCP_RST) == 0 && f->text > 0 && seq_gt(end, r->written))
        take_write(r, index);
    if (f->flags & TCP_FIN)
        r->closing = true;
    if ((f->flags & (TCP_ACK | TCP_RST | TCP_SYN)) == TCP_ACK) {
        uint64_t w = (uint64_t)f->wnd << r->p->scale[0];
        r->window_max = w > r->window_max ? w : r->window_max;
    }
    application(r);
    flush(r);
    bool reset = r->p->nsent > 0 && (r->p->sent[r->p->nsent - 1].flags & TCP_RST) != 0;
    if ((f->flags & TCP_RST) && !reset && r->conn >= 0 && !r->aborted) {
        const struct linger now = {.l_onoff = 1};
        (void)td_setsockopt(r->st, r->conn, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        (void)td_close(r->st, r->conn);
        r->conn = -1;
        r->aborted = true;
        flush(r);
    }
}

/* ---- the other side ---- */

static void sign(uint8_t *d, uint32_t len, uint32_t ihl, td_ip4 src, td_ip4 dst)
{
    wire_put16(d + 10, 0);
    wire_put16(d + 10, checksum_finish(checksum_add(0, d, ihl)));
    wire_put16(d + ihl + 16, 0);
    wire_put16(d + ihl + 16, checksum_finish(checksum_add(checksum_pseudo(src, dst, 6, len - ihl), d + ihl, len - ihl)));
}

/* The option's blocks end where the stack's text does. */
static void cut_sack(const struct player *r, uint8_t *tcp, uint32_t hlen)
{
    for (uint32_t at = TCP_HLEN; at + 1 < hlen && tcp[at] != TCPOPT_EOL_;) {
        uint32_t n = tcp[at] == TCPOPT_NOP_ ? 1 : tcp[at + 1];
        if (n == 0 || at + n > hlen || (n < 2 && tcp[at] != TCPOPT_NOP_))
            return;
        for (uint32_t b = at + 2; tcp[at] == TCPOPT_SACK_ && b + 8 <= at + n; b += 8)
            for (uint32_t edge = b; edge <= b + 4; edge += 4)
                if (seq_gt(wire_get32(tcp + edge), r->sent_end))
                    wire_put32(tcp + edge, r->sent_end);
        at += n;
    }
}

static const struct eth_hdr to_us = {
    .dst = {{2, 0, 0, 0, 0, 1}}, .src = {{2, 0, 0, 0, 0, 2}}, .type = ETHERTYPE_IPV4, .hlen = ETH_HLEN};

static void inject(struct player *r, const struct play_frame *f, tcp_seq ack, bool only_ack)
{
    uint8_t *d = r->frame + ETH_HLEN;
    uint32_t ihl = (f->datagram[0] & 15u) * 4, len = only_ack ? f->text_at : f->len;
    (void)eth_emit(&to_us, r->frame);
    memcpy(d, f->datagram, len);
    wire_put16(d + 2, (uint16_t)len);
    if (only_ack) { /* behind all that the frame held */
        wire_put32(d + ihl + 4, f->seq + f->text + ((f->flags & TCP_SYN) != 0) + ((f->flags & TCP_FIN) != 0));
        d[ihl + 13] = TCP_ACK;
    }
    if (f->flags & TCP_ACK) {
        wire_put32(d + ihl + 8, ack);
        if (r->begun)
            cut_sack(r, d + ihl, f->text_at - ihl);
    }
    sign(d, len, ihl, r->p->peer, r->p->us);
    (void)td_stack_input_bytes(r->st, r->eth, r->frame, ETH_HLEN + len, td_stack_now(r->st));
}

/* Sends, and lets the other side say what it held back until it had been sent. */
static void flush(struct player *r)
{
    td_stack_flush(r->st, td_stack_now(r->st));
    while (r->held && seq_le(r->held_ack, r->sent_end)) {
        r->held = false;
        inject(r, &r->p->cap[r->held_frame], r->held_ack, true);
        td_stack_flush(r->st, td_stack_now(r->st));
        application(r);
        td_stack_flush(r->st, td_stack_now(r->st));
    }
}

static void hear(struct player *r, const struct play_frame *f, size_t index)
{
    tcp_seq ack = f->ack;
    if (f->icmp) {
        (void)eth_emit(&to_us, r->frame);
        memcpy(r->frame + ETH_HLEN, f->datagram, f->len);
        (void)td_stack_input_bytes(r->st, r->eth, r->frame, ETH_HLEN + f->len, td_stack_now(r->st));
        flush(r);
        application(r);
        flush(r);
        return;
    }
    if ((f->flags & TCP_SYN) && r->listener < 0 && r->passive) {
        struct sockaddr_in us = td_sockaddr(r->p->us, r->p->port);
        r->listener = td_socket(r->st, AF_INET, SOCK_STREAM, 0);
        (void)td_bind(r->st, r->listener, (struct sockaddr *)&us, sizeof(us));
        (void)td_listen(r->st, r->listener, 16);
    }
    if ((f->flags & TCP_ACK) && (f->flags & TCP_RST) == 0 && r->begun && seq_gt(ack, r->sent_end)) {
        r->held = true;
        r->held_ack = ack;
        r->held_frame = index;
        r->p->held++;
        ack = r->sent_end;
    }
    if ((f->flags & TCP_ACK) && (!r->small || seq_gt(f->ack, r->heard)))
        r->heard = f->ack;
    inject(r, f, ack, false);
    flush(r);
    application(r);
    flush(r);
}

/* ---- time ---- */

static void timers(struct player *r, td_time until, bool at)
{
    td_time last = 0, next;
    unsigned same = 0;
    while ((next = td_stack_next_deadline(r->st)) != TD_NEVER && (next < until || (at && next == until))) {
        same = next == last ? same + 1 : 0;
        last = next;
        if (same > STEPS_AT_ONCE || r->p->no_memory)
            return;
        td_stack_tick(r->st, next);
        flush(r);
        application(r);
        flush(r);
    }
}

static void look(struct player *r, struct play_sight *s)
{
    struct tcp_info i;
    socklen_t n = sizeof(i);
    memset(&i, 0, sizeof(i));
    if (r->conn < 0 || td_getsockopt(r->st, r->conn, IPPROTO_TCP, TCP_INFO, &i, &n) != 0)
        return;
    *s = (struct play_sight){.state = i.tcpi_state, .cwnd = i.tcpi_snd_cwnd, .unacked = i.tcpi_unacked};
    int unsent = 0;
    if (td_ioctl(r->st, r->conn, 0x894b /* SIOCOUTQNSD */, &unsent) == 0)
        s->unsent = (uint32_t)unsent + (uint32_t)(r->out_n - r->out_at);
}

/* The captured frame that is the next in the played side's time. */
static bool next_event(struct player *r, size_t *i)
{
    const struct play *p = r->p;
    for (int ours = 0; ours < 2; ours++)
        while (r->next[ours] < p->ncap && p->cap[r->next[ours]].ours != (ours != 0))
            r->next[ours]++;
    size_t a = r->next[0], b = r->next[1];
    if (a == p->ncap && b == p->ncap)
        return false;
    bool ours = a == p->ncap;
    if (a < p->ncap && b < p->ncap)
        ours = p->cap[a].at + r->lag > p->cap[b].at || (p->cap[a].at + r->lag == p->cap[b].at && r->lag == 0 && b < a);
    *i = r->next[ours]++;
    return true;
}

int play_run(struct play *p, char *msg, size_t msg_size)
{
    struct player *r = calloc(1, sizeof(*r));
    bool ok = r != NULL;
    size_t i;
    int status = EXIT_DONE;
    if (ok) {
        r->p = p;
        ok = open_host(r);
        status = ok ? set_knobs(r, msg, msg_size) : EXIT_DONE;
    }
    while (ok && status == EXIT_DONE && !p->no_memory && next_event(r, &i)) {
        struct play_frame *f = &p->cap[i];
        td_time t = when(f->at) + (f->ours ? 0 : r->lag);
        timers(r, t, false);
        td_stack_clock(r->st, t);
        if (f->ours) {
            act(r, f, i);
            timers(r, t, true);
            look(r, &f->sight);
        } else {
            hear(r, f, i);
        }
        if (p->watch != NULL)
            p->watch(p->watch_ctx, r->st, f);
    }
    if (ok && status == EXIT_DONE && p->ncap > 0)
        timers(r, when(p->cap[p->ncap - 1].at) + SETTLE, true);
    if (r != NULL) {
        if (r->st != NULL)
            td_stack_free(r->st);
        free(r->out);
        free(r);
    }
    if (!ok || p->no_memory) {
        (void)snprintf(msg, msg_size, "out of memory");
        return EXIT_FAILED;
    }
    return status;
}
