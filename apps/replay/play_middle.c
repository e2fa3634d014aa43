/* replay/play_middle.c: what a flow that was caught in the middle shows of the handshake that isn't
 * there (play_mend.h).
 *
 * A window's scale: what one side had under way, the other must have offered: the least shift by
 * which its windows were wide enough. SACK: blocks were seen, or duplicate acknowledgements without
 * any. Timestamps stand in the first segment. What nothing was seen of stays as it was assumed.
 */
#include "replay/play_mend.h"

#define DUPLICATES 3 /* acknowledgements without a block that show that there are none */

void middle_see(struct play *p, const struct play_frame *f)
{
    struct play_middle *a = &p->middle[f->ours], *b = &p->middle[!f->ours];
    tcp_seq end = f->seq + f->text;
    p->syn_seen |= (f->flags & TCP_SYN) != 0;
    if (f->icmp || (f->flags & (TCP_SYN | TCP_RST)) != 0)
        return;
    if (f->flags & TCP_ACK) {
        bool again = a->acked && f->ack == a->ack && f->wnd == a->wnd && f->text == 0 &&
                     (f->flags & TCP_FIN) == 0;
        a->blocks |= f->o.nsack > 0;
        a->duplicates +=
            again && f->o.nsack == 0 && b->sent && seq_gt(b->end, f->ack) && f->wnd > 0;
        a->acked = true;
        a->ack = f->ack;
        a->wnd = f->wnd;
    }
    if (f->text == 0)
        return;
    a->end = !a->sent || seq_gt(end, a->end) ? end : a->end;
    a->sent = true;
    if (!b->acked || b->wnd == 0 || !seq_gt(end, b->ack))
        return;
    while (b->scale < 14 && ((uint64_t)b->wnd << b->scale) < end - b->ack)
        b->scale++;
}

bool middle_sack(const struct play *p)
{
    const struct play_middle *m = p->middle;
    return p->syn_seen || m[0].blocks || m[1].blocks ||
           m[0].duplicates + m[1].duplicates < DUPLICATES;
}

static uint8_t scale_of(const struct play_middle *m)
{
    return m->scale > ASSUMED_SCALE ? m->scale : ASSUMED_SCALE;
}

void middle_mend(struct play *p, struct play_frame *f)
{
    uint8_t *d = p->bytes.map + f->bytes;
    bool sack = middle_sack(p);
    if ((f->flags & TCP_SYN) == 0 || !f->assumed)
        return;
    for (uint32_t at = IPV4_HLEN + TCP_HLEN; at + 1 < f->kept && d[at] != TCPOPT_EOL_;) {
        uint32_t n = d[at] == TCPOPT_NOP_ ? 1 : d[at + 1];
        if (n == 0 || at + n > f->kept)
            return;
        if (d[at] == TCPOPT_WSCALE_ && n == 3)
            d[at + 2] = scale_of(&p->middle[f->ours]);
        if (d[at] == TCPOPT_SACK_PERM_ && n == 2 && !sack)
            d[at] = d[at + 1] = TCPOPT_NOP_;
        at += n;
    }
    struct play_frame mended = *f;
    if (play_frame_read(&mended, d, f->len))
        *f = mended;
    p->assumed_scale[f->ours] = f->o.has_wscale ? f->o.wscale : 0;
}
