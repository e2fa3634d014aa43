/* replay/play_run.c: the played side's stack, its application, and the other side's frames
 * (play.h).
 *
 * One pass over the captured frames in their order. Before each, the timers that are due; then a
 * frame of the other side is handed in, or what the played side's application did is done: a frame
 * of that side is the sign for it. Timers that fall on the very time of a captured frame go after
 * one that came in and before one that went out is done with.
 *
 * All the stack can reach is a device that takes frames apart and a neighbour whose address it
 * knows, so nothing but the connection is ever sent. Both ends have made-up MAC addresses: those of
 * the capture may be anything.
 */
#include "replay/player.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "core/pkt.h"
#include "replay/knob_words.h"
#include "replay/play_mend.h"
#include "tapdeck/socket.h"
#include "tapdeck/stack.h"
#include "wire/checksum.h"
#include "wire/eth.h"

#define SETTLE        (250 * TD_MS) /* run on behind the last captured frame: what is only late */
#define FIRST_CALLS   1000 /* of a diary, and frames, in which their distance is looked for */
#define FIRST_FRAMES  10000
#define LOOK          256         /* frames of the played side in which an answer is looked for */
#define LOOK_ALL      (16 * LOOK) /* frames of both: one side may be silent for long */
#define LAG_LEAST     TD_MS       /* a host answers a SYN sooner */
#define STEPS_AT_ONCE 100000      /* timers at one instant: more is a stack that goes in a circle */

static td_time when(td_time at)
{
    return PLAY_START + at;
}

/* ---- what leaves ---- */

static int transmit(void *dev, const struct pkt *p)
{
    struct player *r = dev;
    struct play_frame f = {0};
    if (p->len <= ETH_HLEN || p->len > sizeof(r->frame) || !pkt_read(p, 0, r->frame, p->len) ||
        !play_frame_read(&f, r->frame + ETH_HLEN, p->len - ETH_HLEN))
        return 0;
    if (r->apart) {
        r->apart_seq = f.seq;
        return 0;
    }
    f.at = td_stack_now(r->st) - PLAY_START;
    f.ours = true;
    r->reset = (f.flags & TCP_RST) != 0;
    if (!r->p->assumed || f.at >= ASSUMED_BEFORE)
        judge_sent(r->judge, &f);
    tcp_seq end = f.seq + f.text + ((f.flags & TCP_SYN) != 0) + ((f.flags & TCP_FIN) != 0);
    if ((f.flags & TCP_SYN) && f.o.has_wscale)
        r->p->scale[1] = f.o.wscale < 14 ? f.o.wscale : 14;
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

/* A word NAME=VALUE. 0 or -errno. */
static int set_knobs(struct player *r, char *msg, size_t msg_size)
{
    for (size_t i = 0; r->p->diary != NULL && i < r->p->diary->nknobs; i++)
        (void)knob_word(r->st, r->p->diary->knob[i]);   /* of interfaces that aren't here, too */
    knob_number(r->st, "net.ipv4.tcp_syncookies", "0"); /* a cookie holds no number that is given */
    return knob_words(r->st, r->p->knob, r->p->nknobs, msg, msg_size);
}

/* What the captured SYN says of its host. An option that a SYN-ACK lacks may have lacked in the
 * SYN. */
static void configure(struct player *r, const struct play_frame *syn,
                      const struct play_frame *theirs)
{
    bool answers = syn != NULL && (syn->flags & TCP_ACK) != 0 && theirs != NULL;
    knob_number(r->st, "net.ipv4.conf.all.arp_acd", "0");
    knob_number(r->st, "net.ipv4.conf.default.arp_acd", "0");
    for (size_t i = 0; r->p->diary != NULL && i < r->p->diary->nknobs; i++)
        (void)knob_word(r->st, r->p->diary->knob[i]);   /* of interfaces that aren't here, too */
    knob_number(r->st, "net.ipv4.tcp_syncookies", "0"); /* a cookie's number can't be given */
    if (r->p->diary == NULL)
        knob_number(r->st, "net.ipv4.tcp_wmem", "4096 4194304 67108864");
    if (syn == NULL)
        return;
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
    struct td_tcp_pin pin = {.laddr = p->us,
                             .raddr = p->peer,
                             .lport = p->port,
                             .rport = p->pport,
                             .what = TD_PIN_ISS,
                             .iss = syn->seq};
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
        pin.ts_val = syn->o.ts_val -
                     (uint32_t)((PLAY_START + syn->at) / TD_MS - td_stack_now(r->st) / TD_MS);
    }
    (void)td_tcp_pin(r->st, &pin);
}

/* How far from the played side the capture was made shows in the shortest time it took to
 * acknowledge something. */
static td_time lag_of(struct play *p)
{
    td_time least = TD_NEVER, asked = 0;
    tcp_seq end = 0;
    bool open = false, any = false;
    for (size_t i = 0; i < p->ncap; i++) {
        const struct play_frame *f = play_scan(p, i);
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
    spool_rewind(&p->frames);
    return least == TD_NEVER || least < LAG_LEAST ? 0 : least;
}

/* Of the played address's interface, as its diary has it; 0: it doesn't say. */
static uint32_t mtu_of(const struct player *r)
{
    const struct diary_stack *d = r->p->diary;
    for (unsigned i = 0; i < d->naddrs; i++)
        if (d->addr[i].addr == r->p->us)
            return d->addr[i].mtu;
    return 0;
}

/* How long what a call did took to where it was captured. */
static td_time ahead_of(const struct play *p)
{
    td_time least = TD_NEVER;
    size_t at = 0;
    for (size_t i = 0; i < p->ncalls && i < FIRST_CALLS; i++) {
        const struct diary_call *c = &p->calls[i];
        uint16_t flag = c->what == DIARY_CONNECT                              ? TCP_SYN
                        : c->what == DIARY_SHUTDOWN || c->what == DIARY_CLOSE ? TCP_FIN
                                                                              : 0;
        if (c->s != 1 || (flag == 0 && c->what != DIARY_WRITE))
            continue;
        int64_t made = c->wall - p->wall;
        for (at = 0; at < p->ncap && at < FIRST_FRAMES; at++) {
            const struct play_frame *f = &p->cap[at];
            if (!f->ours || (flag != 0 ? (f->flags & flag) == 0 : f->text == 0) ||
                (int64_t)f->at < made)
                continue;
            td_time took = (td_time)((int64_t)f->at - made);
            least = took < least ? took : least;
            break;
        }
    }
    return least == TD_NEVER ? 0 : least;
}

/* The played side's own clock is in its timestamps. Linux's counts milliseconds. */
static void find_clock(struct player *r)
{
    struct play *p = r->p;
    bool begun = false;
    td_time from = 0, last = 0;
    uint32_t ticks = 0;
    for (size_t i = 0; i < p->ncap && r->lag > 0 && !p->scripted; i++) {
        const struct play_frame *f = play_scan(p, i);
        if (!f->ours || f->icmp || !f->o.has_ts)
            continue;
        if (!begun) {
            begun = true;
            r->clock_from = f->o.ts_val;
            r->clock = (int64_t)(from = f->at);
        }
        ticks = f->o.ts_val - r->clock_from;
        last = f->at;
        int64_t least = (int64_t)f->at - (int64_t)ticks * (int64_t)TD_MS;
        r->clock = least < r->clock ? least : r->clock;
    }
    spool_rewind(&p->frames);
    uint64_t ms = (last - from) / TD_MS;
    r->clocked = begun && ms > 0 && ticks + ticks / 10 + 10 >= ms && ticks <= ms + ms / 10 + 10;
}

/* When did it leave, at the soonest and the latest? */
static void departure(const struct player *r, const struct play_frame *f, td_time *soonest,
                      td_time *latest)
{
    *soonest = *latest = f->at;
    if (!r->clocked || !f->o.has_ts)
        return;
    int64_t t = r->clock + (int64_t)(int32_t)(f->o.ts_val - r->clock_from) * (int64_t)TD_MS;
    if (t < 0 || (td_time)t > f->at)
        return;
    *soonest = (td_time)t;
    *latest = (td_time)t + TD_MS < f->at ? (td_time)t + TD_MS : f->at;
}

static bool open_host(struct player *r)
{
    struct play *p = r->p;
    const struct play_frame *syn = first_syn(p, true), *theirs = first_syn(p, false);
    struct td_stack_config sc = {.now = PLAY_START};
    struct td_if_config eth = {.name = "eth0",
                               .mac = {{2, 0, 0, 0, 0, 1}},
                               .flags = TD_IF_UP | TD_IF_BROADCAST,
                               .ops = &ops,
                               .dev = r};
    const struct td_mac peer = {{2, 0, 0, 0, 0, 2}};
    memset(sc.seed, 7, sizeof(sc.seed));
    bool cookie = syn != NULL && (syn->flags & TCP_ACK) == 0 && syn->o.has_fastopen &&
                  syn->o.fastopen_len > 0;
    if (cookie) /* it had it before */
        sc.now = PLAY_START - TD_SEC;
    if (p->diary != NULL)
        sc.profile = p->diary->profile;
    r->st = td_stack_new(&sc);
    if (r->st == NULL)
        return false;
    configure(r, syn, theirs);
    if (p->diary != NULL)
        eth.mtu = mtu_of(r);
    else if (syn != NULL && syn->o.has_mss)
        eth.mtu = syn->o.mss < 536 ? 576 : syn->o.mss > 65495 ? 65535 : syn->o.mss + 40u;
    const struct td_route to_peer = {.prefix = p->peer, .plen = 32};
    if (td_if_add(r->st, &eth, &r->eth) != 0 || td_addr_add(r->st, r->eth, p->us, 32) != 0)
        return false;
    struct td_route route = to_peer;
    route.ifindex = r->eth;
    if (td_route_add(r->st, &route, true) != 0 ||
        td_neigh_add(r->st, r->eth, p->peer, peer, TD_NEIGH_PERMANENT) != 0)
        return false;
    td_stack_flush(r->st, td_stack_now(r->st));
    if (cookie)
        player_cookie(r, syn, theirs);
    td_stack_tick(r->st, PLAY_START);
    td_stack_flush(r->st, PLAY_START);
    r->active = syn != NULL && (syn->flags & TCP_ACK) == 0;
    r->passive = syn != NULL && !r->active;
    if (syn != NULL) {
        r->written = r->due = r->put = syn->seq + 1;
        pin(r, syn);
    }
    if (syn != NULL && syn->o.has_wscale && theirs != NULL && theirs->o.has_wscale) {
        p->scale[0] = syn->o.wscale < 14 ? syn->o.wscale : 14;
        p->scale[2] = theirs->o.wscale < 14 ? theirs->o.wscale : 14;
    }
    r->mss = theirs != NULL && theirs->o.has_mss ? theirs->o.mss : 536;
    if (syn != NULL && theirs != NULL && syn->o.has_ts && theirs->o.has_ts)
        r->mss -= r->mss > 12 ? 12 : 0;
    p->mss = r->mss;
    r->lag = p->lag = lag_of(p);
    find_clock(r);
    if (p->scripted) {
        r->ahead = ahead_of(p);
        r->ahead = r->ahead < r->lag ? r->ahead : r->lag;
        (void)snprintf(r->interface, sizeof(r->interface), "%s",
                       p->diary->ninterfaces > 0 ? p->diary->interface[0].name : "");
    }
    return true;
}

/* ---- the other side ---- */

static void sign(uint8_t *d, uint32_t len, uint32_t ihl, td_ip4 src, td_ip4 dst)
{
    wire_put16(d + 10, 0);
    wire_put16(d + 10, checksum_finish(checksum_add(0, d, ihl)));
    wire_put16(d + ihl + 16, 0);
    wire_put16(d + ihl + 16, checksum_finish(checksum_add(checksum_pseudo(src, dst, 6, len - ihl),
                                                          d + ihl, len - ihl)));
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

static const struct eth_hdr to_us = {.dst = {{2, 0, 0, 0, 0, 1}},
                                     .src = {{2, 0, 0, 0, 0, 2}},
                                     .type = ETHERTYPE_IPV4,
                                     .hlen = ETH_HLEN};

static void inject(struct player *r, const struct play_frame *f, tcp_seq ack, bool only_ack)
{
    uint8_t *d = r->frame + ETH_HLEN;
    uint32_t len = only_ack ? f->text_at : f->len;
    (void)eth_emit(&to_us, r->frame);
    play_copy(r->p, f, 0, len, d);
    uint32_t ihl = (d[0] & 15u) * 4;
    wire_put16(d + 2, (uint16_t)len);
    if (only_ack) { /* behind all that the frame held */
        wire_put32(d + ihl + 4,
                   f->seq + f->text + ((f->flags & TCP_SYN) != 0) + ((f->flags & TCP_FIN) != 0));
        d[ihl + 13] = TCP_ACK;
    }
    if (f->flags & TCP_ACK) {
        wire_put32(d + ihl + 8, ack);
        if (r->begun)
            cut_sack(r, d + ihl, f->text_at - ihl);
    }
    if (r->p->one_host) {
        wire_put32(d + 12, r->p->peer);
        wire_put32(d + 16, r->p->us);
    }
    sign(d, len, ihl, r->p->peer, r->p->us);
    if (f->bad) /* as it came, whatever was changed in it */
        wire_put16(d + ihl + 16, wire_get16(d + ihl + 16) ^ 0x5555);
    (void)td_stack_input_bytes(r->st, r->eth, r->frame, ETH_HLEN + len, td_stack_now(r->st));
}

void player_flush(struct player *r)
{
    td_stack_flush(r->st, td_stack_now(r->st));
    while (r->held && seq_le(r->held_ack, r->sent_end)) {
        r->held = false;
        inject(r, &r->p->cap[r->held_frame], r->held_ack, true);
        td_stack_flush(r->st, td_stack_now(r->st));
        r->app->go(r);
        td_stack_flush(r->st, td_stack_now(r->st));
    }
}

static void hear(struct player *r, const struct play_frame *f, size_t index)
{
    tcp_seq ack = f->ack;
    if (f->icmp && r->p->one_host)
        return; /* it quotes other addresses */
    if (f->icmp) {
        (void)eth_emit(&to_us, r->frame);
        play_copy(r->p, f, 0, f->len, r->frame + ETH_HLEN);
        (void)td_stack_input_bytes(r->st, r->eth, r->frame, ETH_HLEN + f->len, td_stack_now(r->st));
        player_flush(r);
        r->app->go(r);
        player_flush(r);
        return;
    }
    if (f->bad) {
        inject(r, f, ack, false);
        player_flush(r);
        return;
    }
    r->app->coming(r, f);
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
    if (f->more && r->lag == 0)
        return; /* it heard them all at once */
    player_flush(r);
    r->app->go(r);
    player_flush(r);
}

/* ---- time ---- */

static void timers(struct player *r, td_time until, bool at)
{
    td_time last = 0, next;
    unsigned same = 0;
    while (!r->p->no_memory) {
        td_time call = r->app->next(r);
        next = td_stack_next_deadline(r->st);
        if (call < until && call < next) {
            td_stack_clock(r->st, call > td_stack_now(r->st) ? call : td_stack_now(r->st));
            r->app->due(r);
            continue;
        }
        if (next == TD_NEVER || next > until || (!at && next == until))
            return;
        same = next == last ? same + 1 : 0;
        last = next;
        if (same > STEPS_AT_ONCE)
            return;
        td_stack_tick(r->st, next);
        player_flush(r);
        r->app->go(r);
        player_flush(r);
    }
}

static void look(struct player *r, struct play_sight *s)
{
    struct tcp_info i;
    socklen_t n = sizeof(i);
    memset(&i, 0, sizeof(i));
    if (r->conn < 0 || td_getsockopt(r->st, r->conn, IPPROTO_TCP, TCP_INFO, &i, &n) != 0)
        return;
    *s = (struct play_sight){.state = i.tcpi_state,
                             .cwnd = i.tcpi_snd_cwnd,
                             .unacked = i.tcpi_unacked,
                             .ssthresh = i.tcpi_snd_ssthresh < 0x7fffffff ? i.tcpi_snd_ssthresh : 0,
                             .mss = i.tcpi_snd_mss,
                             .srtt = i.tcpi_rtt,
                             .pipe = i.tcpi_unacked + i.tcpi_retrans - i.tcpi_sacked - i.tcpi_lost};
    int unsent = 0;
    if (td_ioctl(r->st, r->conn, 0x894b /* SIOCOUTQNSD */, &unsent) == 0)
        s->unsent = (uint32_t)unsent + (uint32_t)r->app->unwritten(r);
}

/* Does this frame of the played side show that it had heard that text? */
static bool reflects(const struct play_frame *ours, const struct play_frame *f)
{
    tcp_seq end = f->seq + f->text + ((f->flags & TCP_FIN) != 0);
    if ((ours->flags & TCP_ACK) == 0)
        return false;
    for (unsigned i = 0; i < ours->o.nsack; i++)
        if (seq_le(ours->o.sack[i].left, f->seq) && seq_ge(ours->o.sack[i].right, end))
            return true;
    return seq_ge(ours->ack, end);
}

/* The first frame of the played side, not before `from`, that shows that it had heard the other
 * side's: when it left. A RST answers one segment. */
static td_time answered_at(struct player *r, const struct play_frame *f, td_time from)
{
    const struct play *p = r->p;
    bool syn = (f->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
    size_t stop = r->next[1] + LOOK_ALL < p->ncap ? r->next[1] + LOOK_ALL : p->ncap;
    for (size_t i = r->next[1], n = 0; i < stop && n < LOOK; i++) {
        const struct play_frame *ours = &p->cap[i];
        n += ours->ours;
        if (!ours->ours || ours->at < from)
            continue;
        if ((ours->flags & TCP_RST) && !syn && i >= r->next_rst) {
            r->next_rst = i + 1;
            return ours->at;
        }
        if (syn ? (ours->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) : reflects(ours, f))
            return ours->at;
    }
    return TD_NEVER;
}

/* The same text was captured again before it was answered: the first was lost between there and the
 * played side. */
static bool was_lost(const struct player *r, size_t index, td_time answer)
{
    const struct play *p = r->p;
    const struct play_frame *f = &p->cap[index];
    for (size_t i = index + 1;
         i < p->ncap && i < index + 4 * LOOK && p->cap[i].at + r->lag <= answer; i++) {
        const struct play_frame *g = &p->cap[i];
        if (!g->ours && !g->icmp && g->text > 0 && seq_le(g->seq, f->seq) &&
            seq_ge(g->seq + g->text, f->seq + f->text))
            return true;
    }
    return false;
}

/* Its diary tells when each segment came in (if it did), where the capture was made elsewhere. */
static struct diary_stack *arrivals(const struct player *r, const struct play_frame *f)
{
    struct play *p = r->p;
    if (!p->scripted || p->diary->nin == 0 || f->icmp)
        return NULL;
    return &p->book.stack[p->diary - p->book.stack];
}

static td_time arrived_at(struct player *r, const struct play_frame *f, struct diary_stack *d)
{
    const int64_t first = r->p->wall - (int64_t)r->ahead;
    const struct diary_key key = {f->seq, f->ack, f->o.has_ts ? f->o.ts_val : 0, f->id};
    int64_t wall;
    r->lost = !diary_arrival(d, &key, r->p->wall + (int64_t)f->at, &wall);
    if (r->lost)
        return r->heard_then;
    td_time t = wall > first ? (td_time)(wall - first) : 0;
    if ((f->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
        return t;
    td_time answer = answered_at(r, f, t); /* it may have waited for ARP */
    return answer != TD_NEVER && answer > t ? answer : t;
}

/* When the played side heard the other side's frame, which was captured `lag` before at most. A SYN
 * is answered at once. How long what else took on its way, in a queue, is known with a diary: by
 * then it was read, or acknowledged. */
static td_time heard_at(struct player *r, size_t index)
{
    const struct play_frame *f = &r->p->cap[index];
    td_time t = f->at + r->lag;
    if (r->lag == 0 || r->heard_of == index + 1)
        return r->lag == 0 ? t : r->heard_then;
    bool text = f->text > 0 || (f->flags & TCP_FIN);
    struct diary_stack *d = arrivals(r, f);
    r->lost = false;
    if (d != NULL) {
        t = arrived_at(r, f, d);
    } else if (!f->icmp &&
               ((f->flags & TCP_SYN) || (r->p->scripted && text && (f->flags & TCP_RST) == 0))) {
        td_time answer = answered_at(r, f, t > r->heard_then ? t : r->heard_then);
        td_time read =
            f->text > 0 ? r->app->read_at(r, f->seq + f->text - (r->p->base[0] + 1)) : TD_NEVER;
        answer = read < answer ? read : answer;
        r->lost = f->text > 0 && r->p->scripted && answer != TD_NEVER && was_lost(r, index, answer);
        t = answer != TD_NEVER && answer > t && !r->lost ? answer : t;
    }
    r->heard_of = index + 1;
    r->heard_then = t > r->heard_then ? t : r->heard_then;
    return r->heard_then;
}

/* Of a frame of the other side and one of the played side: did this one leave before that arrived?
 * What it echoes tells, if its sender takes over each timestamp it hears (RFC 7323 4.3). */
static bool leaves_first(struct player *r, size_t a, size_t b)
{
    const struct play_frame *theirs = &r->p->cap[a], *ours = &r->p->cap[b];
    td_time soonest, latest, arrives = heard_at(r, a);
    departure(r, ours, &soonest, &latest);
    if (!r->p->scripted && theirs->o.has_ts && ours->o.has_ts && (ours->flags & TCP_SYN) == 0) {
        int32_t newer = (int32_t)(theirs->o.ts_val - ours->o.ts_ecr);
        td_time slack = r->clocked ? 5 * TD_MS : 500 * TD_MS;
        if (newer < 0)
            return false;
        if (newer > 0 && soonest < arrives + slack)
            return true;
    }
    return arrives > latest;
}

/* The captured frame that is the next in the played side's time, and when that is. */
static bool next_event(struct player *r, size_t *i, td_time *t)
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
        ours = r->lag > 0 ? leaves_first(r, a, b)
                          : p->cap[a].at > p->cap[b].at || (p->cap[a].at == p->cap[b].at && b < a);
    td_time soonest, latest;
    if (ours) {
        departure(r, &p->cap[b], &soonest, &latest);
        td_time arrives = a < p->ncap ? heard_at(r, a) : TD_NEVER;
        if (latest > arrives && soonest <= arrives)
            latest = arrives;
        *t = r->now < soonest ? soonest : r->now < latest ? r->now : latest;
    } else {
        *t = heard_at(r, a);
    }
    *t = r->now > *t ? r->now : *t;
    r->now = *t;
    *i = r->next[ours]++;
    return true;
}

struct player *player_open(struct play *p, int *status, char *msg, size_t msg_size)
{
    struct player *r = calloc(1, sizeof(*r));
    *status = EXIT_FAILED;
    if (r == NULL || (r->judge = judge_new(p)) == NULL) {
        free(r);
        (void)snprintf(msg, msg_size, "out of memory");
        return NULL;
    }
    memset(p->count, 0, sizeof(p->count));
    memset(p->why, 0, sizeof(p->why));
    p->diverged = false;
    p->held = p->lost = 0;
    p->again_captured = p->again_sent = p->again_both = 0;
    p->windowed = false;
    p->beyond = p->within = 0;
    spool_rewind(&p->frames);
    spool_rewind(&p->bytes);
    diary_arrivals_again(&p->book);
    r->p = p;
    r->app = p->scripted ? &play_script : &play_guess;
    r->listener = r->conn = -1;
    if (!open_host(r))
        (void)snprintf(msg, msg_size, "out of memory");
    else
        *status = set_knobs(r, msg, msg_size);
    if (*status == EXIT_DONE)
        return r;
    player_close(r);
    return NULL;
}

bool player_step(struct player *r, const struct play_frame **frame)
{
    struct play *p = r->p;
    size_t i;
    td_time at;
    if (p->no_memory || !next_event(r, &i, &at))
        return false;
    if ((i & 0x3ff) == 0) {
        spool_forget(&p->frames, i * sizeof(*p->cap));
        spool_forget(&p->bytes, p->cap[i].bytes);
    }
    const struct play_frame *f = *frame = &p->cap[i];
    td_time t = when(at);
    timers(r, t, false);
    td_stack_clock(r->st, t);
    if (f->ours) {
        struct play_sight sight = {0};
        struct play_frame left = *f;
        left.left = at;
        if (!f->assumed)
            judge_captured(r->judge, &left);
        r->app->captured(r, f, i);
        timers(r, t, true);
        look(r, &sight);
        if (!f->assumed)
            judge_sight(r->judge, &sight);
        if (p->windowed && f->text > 0) {
            p->beyond += sight.pipe > sight.cwnd;
            p->within += sight.pipe < sight.cwnd && sight.unsent > 0;
        }
    } else if (r->lag > 0 && r->lost) {
        p->lost++;
        r->lost_frame = f->number;
    } else {
        hear(r, f, i);
    }
    judge_pass(r->judge, t - PLAY_START);
    return true;
}

void player_finish(struct player *r)
{
    if (r->p->ncap > 0)
        timers(r, when(r->p->end) + SETTLE, true);
    judge_end(r->judge);
}

struct td_stack *player_stack(struct player *r)
{
    return r->st;
}

uint32_t player_interface(const struct player *r)
{
    return r->eth;
}

struct judge *player_judge(struct player *r)
{
    return r->judge;
}

void player_close(struct player *r)
{
    if (r == NULL)
        return;
    if (r->st != NULL)
        td_stack_free(r->st);
    judge_free(r->judge);
    r->app->done(r);
    free(r);
}

int play_run(struct play *p, char *msg, size_t msg_size)
{
    int status;
    const struct play_frame *f;
    struct player *r = player_open(p, &status, msg, msg_size);
    if (r == NULL)
        return status;
    for (uint64_t steps = 1; player_step(r, &f); steps++)
        if (p->mend.progress != NULL && steps % PLAY_PROGRESS == 0)
            p->mend.progress(p->mend.progress_ctx, steps, p->ncap);
    if (!p->no_memory)
        player_finish(r);
    player_close(r);
    if (!p->no_memory)
        return EXIT_DONE;
    (void)snprintf(msg, msg_size, "out of memory");
    return EXIT_FAILED;
}
