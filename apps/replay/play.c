/* replay/play.c: what is played is read from its capture (play.h).
 *
 * The frames of one flow are put by, both sides' in their order: what the application wrote can
 * stand in the file long behind the moment when it wrote it, and who is the client may only come
 * out at the end. They are not kept in memory but in two spools (spool.h), one of the frames'
 * numbers, one of their bytes; so a flow may be as long as the disk has room for, and the numbers
 * alone can be gone through quickly.
 */
#include "replay/play.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "replay/play_mend.h"
#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"

#define LATEST (UINT64_C(1) << 60)

const char *const play_verdict_names[PLAY_VERDICTS] = {"missing", "same",      "later", "earlier",
                                                       "split",   "coalesced", "extra"};

const struct play_frame *play_scan(struct play *p, size_t i)
{
    if (i == 0)
        spool_rewind(&p->frames);
    else if ((i & 0xfff) == 0)
        spool_forget(&p->frames, i * sizeof(*p->cap));
    return &p->cap[i];
}

void play_copy(const struct play *p, const struct play_frame *f, uint32_t from, uint32_t n,
               uint8_t *dst)
{
    uint32_t there = from >= f->kept ? 0 : f->kept - from < n ? f->kept - from : n;
    if (there > 0)
        memcpy(dst, p->bytes.map + f->bytes + from, there);
    memset(dst + there, 0, n - there);
}

bool play_frame_read(struct play_frame *f, const uint8_t *datagram, size_t n)
{
    struct ipv4_hdr ip;
    struct tcp_hdr h;
    uint8_t head[IPV4_MAX_HLEN] = {0};
    uint32_t ihl = n >= IPV4_HLEN ? (datagram[0] & 15u) * 4 : 0;
    if (ihl < IPV4_HLEN || ihl > n)
        return false;
    memcpy(head, datagram,
           ihl); /* a wrong checksum is view's to tell and mend_sum's to deal with */
    wire_put16(head + 10, 0);
    wire_put16(head + 10, checksum_finish(checksum_add(0, head, ihl)));
    if (ipv4_parse(&ip, head, n) != WIRE_OK || ip.proto != 6 ||
        tcp_parse(&h, datagram + ip.hlen, n - ip.hlen) != WIRE_OK ||
        ip.total_len < ip.hlen + h.hlen)
        return false;
    f->flags = h.flags;
    f->seq = h.seq;
    f->ack = (h.flags & TCP_ACK) ? h.ack : 0;
    f->wnd = h.wnd;
    f->id = ip.id;
    f->urgent = (h.flags & TCP_URG) ? h.urp : 0;
    f->o = h.o;
    f->len = ip.total_len;
    f->text_at = (uint32_t)ip.hlen + h.hlen;
    f->text = f->len - f->text_at;
    f->kinds =
        (uint8_t)(h.o.has_mss | h.o.has_wscale << 1 | h.o.has_sack_perm << 2 | h.o.has_ts << 3 |
                  (h.o.nsack > 0) << 4 | h.o.has_fastopen << 5 | h.o.has_uto << 6);
    return true;
}

static td_ip4 ip4_of(const uint8_t addr[16])
{
    return (td_ip4)addr[12] << 24 | (td_ip4)addr[13] << 16 | (td_ip4)addr[14] << 8 | addr[15];
}

/* The frame's datagram stands at `eth` in the view's. False: there is no room. */
static bool put_by(struct play *p, struct play_frame *f, const struct view *v, uint32_t eth)
{
    uint32_t there = v->frame_len - v->filled;
    f->bytes = p->bytes.size;
    f->kept = there <= eth ? 0 : there - eth < f->len ? there - eth : f->len;
    if (!spool_add(&p->bytes, v->frame + eth, f->kept) || !spool_add(&p->frames, f, sizeof(*f)))
        return false;
    p->ncap++;
    return true;
}

static bool keep(struct play *p, const struct view *v, td_time at, bool from_first)
{
    uint32_t eth = (uint32_t)(v->text_at - v->tcp.hlen - v->ip.hlen);
    struct play_frame f;
    memset(&f, 0, sizeof(f)); /* what lies between its fields goes into a file, too */
    f.at = at;
    f.number = v->number;
    f.ours = from_first;
    if (!play_frame_read(&f, v->frame + eth, v->frame_len - eth) || f.len > v->frame_len - eth ||
        mend_sum(p, v, &f))
        return true;
    if (p->assumed)
        middle_see(p, &f);
    return mend_put(p, &f, v, eth);
}

/* A file may say any times. */
static td_time elapsed(int64_t first, int64_t now)
{
    uint64_t ns = (uint64_t)now - (uint64_t)first;
    return ns < LATEST ? ns : LATEST;
}

struct first { /* of the flow's frames: who sent it to whom */
    td_ip4 src, dst;
    uint16_t sport, dport;
};

/* An ICMP error about the flow, for whoever sent what it quotes. */
static bool about_flow(const struct view *v, uint32_t eth, const struct first *first,
                       bool *to_first)
{
    const uint8_t *q = v->frame + eth + v->ip.hlen + 8;
    uint32_t n = eth + v->ip.hlen + 8u <= v->frame_len ? v->frame_len - (eth + v->ip.hlen + 8u) : 0;
    uint32_t qh = n > 0 ? (q[0] & 15u) * 4 : 0;
    if (n < IPV4_HLEN || qh < IPV4_HLEN || n < qh + 8 || q[0] >> 4 != 4 || q[9] != IPPROTO_TCP_ ||
        v->ip.dst != wire_get32(q + 12))
        return false;
    td_ip4 src = wire_get32(q + 12), dst = wire_get32(q + 16);
    uint16_t sport = wire_get16(q + qh), dport = wire_get16(q + qh + 2);
    *to_first =
        src == first->src && dst == first->dst && sport == first->sport && dport == first->dport;
    return *to_first || (src == first->dst && dst == first->src && sport == first->dport &&
                         dport == first->sport);
}

static bool keep_error(struct play *p, const struct view *v, const struct first *first, td_time at)
{
    uint32_t eth = v->frame_len >= ETH_HLEN ? ETH_HLEN : 0, len = v->ip.total_len;
    struct play_frame f;
    bool to_first;
    if (v->net != VIEW_IPV4 || v->fragment || v->proto != IPPROTO_ICMP_ || p->ncap == 0 ||
        len > v->frame_len - eth || len < v->ip.hlen + 8u || v->frame[eth + v->ip.hlen] == 0 ||
        v->frame[eth + v->ip.hlen] == 8 || !about_flow(v, eth, first, &to_first))
        return true;
    memset(&f, 0, sizeof(f));
    f.len = len;
    f.at = at;
    f.number = v->number;
    f.icmp = true;
    f.ours = !to_first; /* as if its addressee's peer had sent it */
    return put_by(p, &f, v, eth);
}

static int choose_side(const struct flow *f, const char *word)
{
    char end[64];
    if (strcmp(word, "client") == 0 || strcmp(word, "A") == 0)
        return 0;
    if (strcmp(word, "server") == 0 || strcmp(word, "B") == 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        view_endpoint(f->side[i].addr, f->side[i].port, end);
        if (strcmp(word, end) == 0)
            return i;
    }
    return -1;
}

/* Now it is known who is played: whose each frame is, and that errors which went to the other end
 * are none of ours. */
static bool sort_out(struct play *p, bool first_is_ours)
{
    if (!spool_map(&p->frames) || !spool_map(&p->bytes))
        return false;
    struct play_frame *all = (struct play_frame *)(void *)p->frames.map;
    bool begun[2] = {false, false};
    size_t n = 0;
    p->cap = all;
    if (!first_is_ours) {
        struct play_middle m = p->middle[0];
        p->middle[0] = p->middle[1];
        p->middle[1] = m;
    }
    for (size_t i = 0; i < p->ncap; i++) {
        bool ours = play_scan(p, i)->ours == first_is_ours, syn = (all[i].flags & TCP_SYN) != 0;
        if (all[i].icmp && ours)
            continue;
        if (n != i)
            all[n] = all[i];
        if (all[n].ours != ours)
            all[n].ours = ours;
        if (all[n].assumed)
            middle_mend(p, &all[n]);
        if (syn && !begun[ours]) {
            begun[ours] = true;
            p->base[ours] = all[n].seq;
        }
        p->end = all[n++].at;
    }
    p->ncap = n;
    spool_rewind(&p->frames);
    spool_seal(&p->frames);
    spool_seal(&p->bytes);
    return true;
}

static void no_room(const struct play *p, const char *name, int64_t flow, char *msg,
                    size_t msg_size)
{
    char why[512];
    spool_why(p->frames.error != 0 ? &p->frames : &p->bytes, why, sizeof(why));
    (void)snprintf(msg, msg_size, "%s: flow %" PRId64 " can't be kept: %s", name, flow, why);
}

/* No host's address: no interface takes it, no route leads there. */
static bool nobodys(td_ip4 a)
{
    return ip4_is_zeronet(a) || ip4_is_multicast(a) || ip4_is_class_e(a);
}

static int choose(struct play *p, const struct flow *f, const char *name, const char *word,
                  const struct first *first, char *msg, size_t msg_size)
{
    char a[64], b[64];
    view_endpoint(f->side[0].addr, f->side[0].port, a);
    view_endpoint(f->side[1].addr, f->side[1].port, b);
    p->side = choose_side(f, word);
    if (p->side < 0) {
        (void)snprintf(msg, msg_size, "--play %s: flow %u is of %s (client) and %s (server)", word,
                       f->number, a, b);
        return EXIT_USAGE;
    }
    const char *why = f->one_way && f->side[p->side].seen && !f->ipv6 ? NULL : flow_not_playable(f);
    p->midstream = why == NULL && f->begin != FLOW_SYN;
    if (p->midstream && !p->assumed)
        why = "its handshake wasn't captured (--midstream assume plays it all the same, from one "
              "that is assumed)";
    if (why == NULL && (nobodys(ip4_of(f->side[0].addr)) || nobodys(ip4_of(f->side[1].addr))))
        why = "one of its addresses can't be a host's";
    p->one_host = !p->mend.elsewhere && ((ip4_of(f->side[0].addr) >> 24) == 127 ||
                                         ip4_of(f->side[0].addr) == ip4_of(f->side[1].addr));
    if (why != NULL || p->ncap == 0) {
        (void)snprintf(msg, msg_size, "%s: flow %u can't be played: %s", name, f->number,
                       why != NULL      ? why
                       : p->dropped > 0 ? "all its packets have a wrong checksum, and are left out"
                                        : "none of its packets is whole");
        return EXIT_USAGE;
    }
    const struct flow_side *us = &f->side[p->side], *peer = &f->side[1 - p->side];
    p->us = ip4_of(us->addr);
    p->port = us->port;
    p->peer = ip4_of(peer->addr);
    p->pport = peer->port;
    if (sort_out(p, first->src == p->us && first->sport == p->port)) {
        p->us = p->one_host ? PLAY_US : p->us;
        p->peer = p->one_host ? PLAY_PEER : p->peer;
        return EXIT_DONE;
    }
    no_room(p, name, f->number, msg, msg_size);
    return EXIT_FAILED;
}

/* Does the capture say what this side's application did? */
static void find_calls(struct play *p)
{
    const struct diary_end us = {p->us, p->port}, peer = {p->peer, p->pport};
    p->diary = diary_of(&p->book, p->us);
    if (p->diary == NULL || p->diary->cut)
        return;
    p->calls = diary_connection(p->diary, us, peer, p->wall, &p->ncalls);
    for (size_t i = 0; i < p->ncalls && !p->scripted; i++)
        p->scripted = p->calls[i].s == 1;
}

int play_load(struct play *p, struct capture_reader *r, const char *name, int64_t number,
              const char *side, char *msg, size_t msg_size)
{
    const struct play_mend mend = {.sums = SUMS_REPAIR};
    return play_load_mended(p, r, name, number, side, &mend, msg, msg_size);
}

int play_load_mended(struct play *p, struct capture_reader *r, const char *name, int64_t number,
                     const char *side, const struct play_mend *mend, char *msg, size_t msg_size)
{
    struct flows flows;
    struct viewer viewer = {0};
    struct capture_frame f;
    struct view v;
    uint64_t packets = 0, unread = 0;
    uint16_t link = 0;
    int64_t began = 0, now = 0;
    struct first src = {0};
    int got, who, status = EXIT_DONE;
    memset(p, 0, sizeof(*p));
    p->mend = *mend;
    flows_init(&flows);
    capture_on_custom(r, diary_read, &p->book);
    while ((got = capture_next(r, &f, msg, msg_size)) == 1) {
        if (mend->progress != NULL && packets % PLAY_PROGRESS == PLAY_PROGRESS - 1)
            mend->progress(mend->progress_ctx, packets + 1, 0);
        if (packets == 0)
            link = f.link;
        if (view_make(&viewer, &f, ++packets, &v) != VIEW_OK) {
            unread++;
            continue;
        }
        const struct flow *flow = flows_packet(&flows, &v, &who);
        now = v.wall > now && p->ncap > 0 ? v.wall : now;
        bool kept = flow != NULL || keep_error(p, &v, &src, elapsed(began, now));
        if (kept && (flow == NULL || flow->number != number || v.net != VIEW_IPV4))
            continue;
        if (kept && p->ncap == 0) {
            p->wall = began = now = v.wall;
            src = (struct first){v.ip.src, v.ip.dst, v.sport, v.dport};
            kept = mend_begin(p, &v, who == 0);
            p->wall = began -= p->assumed ? (int64_t)ASSUMED_BEFORE : 0;
        }
        p->clamped += kept && v.wall < now;
        p->cut += kept && v.text_kept < v.text_len;
        p->cut_bytes += kept ? v.text_len - v.text_kept : 0;
        if (!kept ||
            !keep(p, &v, elapsed(began, now), v.ip.src == src.src && v.sport == src.sport)) {
            (void)snprintf(msg, msg_size, "%s: flow %" PRId64 " takes more memory than there is",
                           name, number);
            status = EXIT_FAILED;
            break;
        }
    }
    viewer_done(&viewer);
    if (got < 0)
        (void)snprintf(p->broken, sizeof(p->broken), "%s", msg);
    if (status == EXIT_DONE && got < 0 && packets == 0) {
        status = EXIT_USAGE; /* msg says what is wrong with the file */
    } else if (status == EXIT_DONE) {
        const struct flow *flow = flows_number(&flows, (uint32_t)number);
        if (flow == NULL) {
            if (unread == packets)
                view_none(name, packets, link, msg, msg_size);
            else if (flows.count == 0)
                (void)snprintf(msg, msg_size, "%s: there is no TCP connection in it", name);
            else
                (void)snprintf(msg, msg_size,
                               "%s: there is no flow %" PRId64
                               "; the last is %u: `replay --list` shows them",
                               name, number, flows.count - 1);
            status = EXIT_USAGE;
        } else {
            status = choose(p, flow, name, side, &src, msg, msg_size);
        }
    }
    capture_on_custom(r, NULL, NULL);
    if (status == EXIT_DONE)
        find_calls(p);
    flows_done(&flows);
    return status;
}

void play_done(struct play *p)
{
    free(p->calls);
    diary_book_free(&p->book);
    spool_free(&p->frames);
    spool_free(&p->bytes);
    memset(p, 0, sizeof(*p));
}
