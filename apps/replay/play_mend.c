/* replay/play_mend.c: checksums, super-segments and beginnings of a played flow (play_mend.h). */
#include "replay/play_mend.h"

#include <string.h>

#include "replay/track.h"
#include "wire/eth.h"

#define MSS_DEFAULT 1460 /* where no SYN says more: what fits on an Ethernet */

bool mend_sum(struct play *p, const struct view *v, struct play_frame *f)
{
    if ((v->l4_sum != SUM_BAD || track_unfinished_sum(v)) && v->ip_sum != SUM_BAD)
        return false;
    if (p->mend.sums == SUMS_DROP) {
        p->dropped++;
        return true;
    }
    f->bad = p->mend.sums == SUMS_HONOUR;
    p->repaired += !f->bad;
    p->discarded += f->bad;
    return false;
}

/* ---- super-segments ---- */

/* The most text that a segment of this sender may hold (RFC 6691: options count). */
static uint32_t most(const struct play *p, const struct play_frame *f, uint32_t ihl)
{
    uint32_t mss = p->said[!f->ours] != 0 ? p->said[!f->ours] : MSS_DEFAULT,
             options = f->text_at - ihl - TCP_HLEN;
    if (p->mend.mtu != 0 && p->mend.mtu - ihl - TCP_HLEN < mss)
        mss = p->mend.mtu - ihl - TCP_HLEN;
    return mss > options + 8 ? mss - options : 8;
}

static bool put(struct play *p, struct play_frame *f, const uint8_t *head, const uint8_t *text,
                uint32_t text_kept)
{
    f->bytes = p->bytes.size;
    f->kept = f->text_at + text_kept;
    if (!spool_add(&p->bytes, head, f->text_at) || !spool_add(&p->bytes, text, text_kept) ||
        !spool_add(&p->frames, f, sizeof(*f)))
        return false;
    p->ncap++;
    return true;
}

bool mend_put(struct play *p, struct play_frame *f, const struct view *v, uint32_t eth)
{
    const uint8_t *d = v->frame + eth;
    uint8_t head[IPV4_MAX_HLEN + TCP_MAX_HLEN];
    uint32_t there = v->frame_len - v->filled, ihl = (d[0] & 15u) * 4, piece = most(p, f, ihl);
    uint32_t kept = there <= eth ? 0 : there - eth < f->len ? there - eth : f->len;
    if (f->o.has_mss && (f->flags & TCP_SYN))
        p->said[f->ours] = f->o.mss;
    if (f->text <= piece || (f->flags & TCP_SYN) != 0 || kept < f->text_at) {
        f->bytes = p->bytes.size;
        f->kept = kept;
        p->ncap++;
        return spool_add(&p->bytes, d, kept) && spool_add(&p->frames, f, sizeof(*f));
    }
    p->resegmented++;
    kept -= f->text_at;
    for (uint32_t at = 0, n; at < f->text; at += n) {
        struct play_frame g;
        memcpy(&g, f, sizeof(g));
        n = f->text - at < piece ? f->text - at : piece;
        g.more = at + n < f->text;
        g.seq = f->seq + at;
        g.text = n;
        g.len = g.text_at + n;
        g.id = (uint16_t)(f->id + at / piece);
        g.urgent = (uint16_t)(f->urgent > at ? f->urgent - at : 0);
        g.flags =
            (uint16_t)(f->flags & ~((g.more ? TCP_PSH | TCP_FIN : 0) | (at > 0 ? TCP_CWR : 0)));
        memcpy(head, d, g.text_at);
        wire_put16(head + 2, (uint16_t)g.len);
        wire_put16(head + 4, g.id);
        wire_put32(head + ihl + 4, g.seq);
        g.flags = (uint16_t)(g.urgent > 0 ? g.flags : g.flags & ~TCP_URG);
        head[ihl + 13] = (uint8_t)g.flags;
        wire_put16(head + ihl + 18, g.urgent);
        uint32_t have = kept <= at ? 0 : kept - at < n ? kept - at : n;
        if (!put(p, &g, head, d + f->text_at + at, have))
            return false;
    }
    return true;
}

/* ---- the beginning ---- */

static bool assume(struct play *p, const struct view *v, bool forward, uint16_t flags, tcp_seq seq,
                   tcp_seq ack)
{
    uint8_t d[IPV4_HLEN + TCP_MAX_HLEN];
    struct tcp_hdr h = {.sport = forward ? v->sport : v->dport,
                        .dport = forward ? v->dport : v->sport,
                        .seq = seq,
                        .ack = ack,
                        .flags = flags,
                        .wnd = 65535};
    const struct tcp_opts *o = &v->tcp.o;
    bool syn = (flags & TCP_SYN) != 0, answer = (v->tcp.flags & TCP_SYN) != 0;
    h.o = (struct tcp_opts){.has_mss = syn,
                            .mss = ASSUMED_MSS,
                            .has_sack_perm = syn,
                            .has_wscale = syn,
                            .wscale = ASSUMED_SCALE,
                            .has_ts = o->has_ts};
    if (answer) { /* what it answers to had what it has */
        h.o.has_sack_perm = o->has_sack_perm;
        h.o.has_wscale = o->has_wscale;
    }
    if (p->mend.mtu > 40)
        h.o.mss = (uint16_t)(p->mend.mtu - 40);
    uint32_t ms = ASSUMED_BEFORE / TD_MS, mine = o->ts_val - ms, its = o->ts_ecr - ms;
    if (answer)
        its = o->ts_ecr;
    h.o.ts_val = forward ? mine : its;
    h.o.ts_ecr = flags & TCP_ACK ? (forward ? its : mine) : 0;
    (void)tcp_opts_layout(&h, syn, TCP_OPTS_LINUX);
    struct ipv4_hdr ip = {.hlen = IPV4_HLEN,
                          .total_len = (uint16_t)(IPV4_HLEN + h.hlen),
                          .ttl = 64,
                          .proto = IPPROTO_TCP_,
                          .src = forward ? v->ip.src : v->ip.dst,
                          .dst = forward ? v->ip.dst : v->ip.src};
    size_t n = ipv4_emit(&ip, d);
    n += tcp_emit(&h, d + n);
    struct play_frame f;
    memset(&f, 0, sizeof(f));
    if (!play_frame_read(&f, d, n))
        return true;
    f.ours = forward;
    f.assumed = true;
    if (syn)
        p->said[f.ours] = h.o.mss;
    return put(p, &f, d, d, 0);
}

bool mend_begin(struct play *p, const struct view *v, bool client)
{
    tcp_seq mine = v->tcp.seq, its = (v->tcp.flags & TCP_ACK) ? v->tcp.ack : 1;
    if (!p->mend.assume || (v->tcp.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN ||
        (v->tcp.flags & TCP_RST) != 0)
        return true;
    p->assumed = true;
    if (v->tcp.flags & TCP_SYN) /* it answers one */
        return assume(p, v, false, TCP_SYN, its - 1, 0);
    tcp_seq of_client = client ? mine : its, of_server = client ? its : mine;
    return assume(p, v, client, TCP_SYN, of_client - 1, 0) &&
           assume(p, v, !client, TCP_SYN | TCP_ACK, of_server - 1, of_client) &&
           assume(p, v, client, TCP_ACK, of_client, of_server);
}
