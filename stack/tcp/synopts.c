/* tcp/synopts.c: what the options of SYN and SYN-ACK agree on, and what segments then carry.
 *
 * Theory of operation. Each side says in its SYN how large a segment it takes (MSS, RFC 9293 3.7.1)
 * and, if it knows window scaling, by how much its window fields are to be shifted (RFC 7323 2);
 * scaling is on only when both said so. SACK (RFC 2018) and timestamps (RFC 7323 3) are agreed on
 * in the same way. A SYN-ACK answers what the SYN asked and nothing else. ECN needs no option, only
 * flags: ecn.c.
 *
 * Afterwards tcp_options_fill gives every segment what was agreed on. Timestamps are on each and
 * take their place from Eff.snd.MSS for good; SACK blocks come and go.
 */
#include "tcp/tcp_internal.h"

#define MSS_DEFAULT 536 /* RFC 9293 3.7.1 (MUST-15) */
#define OPT_SPACE   (TCP_MAX_HLEN - TCP_HLEN)
#define MSS_LEAST   88 /* less would have us send mostly headers (Linux's floor) */

void tcp_syn_options_take(struct td_stack *st, struct tcb *t, const struct tcp_opts *o)
{
    t->peer_mss = FAULT_ON(st, WRONG_MSS) ? 1460 : o->has_mss && o->mss != 0 ? o->mss : MSS_DEFAULT;
    if (t->peer_mss < MSS_LEAST) {
        t->peer_mss = MSS_LEAST;
    }
    bool offered = knob(st, TCP_WINDOW_SCALING) != 0;
    if (o->has_wscale && offered) {
        t->snd_wscale = o->wscale > 14 ? 14 : o->wscale; /* RFC 7323 2.3 */
        t->rcv_wscale = tcp_window_scale(st, t);
        t->peer_wscale = true;
    } else {
        t->snd_wscale = 0;
        t->rcv_wscale = 0;
        t->peer_wscale = false;
    }
    t->sack_ok = o->has_sack_perm && knob(st, TCP_SACK) != 0;
    t->ts_ok = o->has_ts && knob(st, TCP_TIMESTAMPS) != 0;
    if (t->ts_ok) {
        tcp_ts_store(st, t, o->ts_val);
        if (t->passive) { /* else our SYN had it */
            t->ts_offset = tcp_ts_offset(st, &t->ep.a);
        }
    }
    t->last_ack_sent = t->rcv_nxt;
    tcp_mss_update(st, t);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_OPTIONS, &subject, t->mss, t->peer_mss, t->snd_wscale, t->rcv_wscale,
            t->pmtu);
    JOURNAL(st, EV_TCP_AGREED, &subject, t->ts_ok, t->sack_ok, t->ecn_ok);
}

void tcp_syn_options_offer(struct td_stack *st, struct tcb *t, struct tcp_opts *o)
{
    o->has_mss = true;
    o->mss = tcp_rcv_mss(st, t);
    tcp_uto_offer(st, t, o);
    if (t->state == TCPS_SYN_SENT) {
        o->has_wscale = knob(st, TCP_WINDOW_SCALING) != 0;
        o->wscale = tcp_window_scale(st, t);
        o->has_sack_perm = knob(st, TCP_SACK) != 0;
        o->has_ts = knob(st, TCP_TIMESTAMPS) != 0;
        if (t->snd_nxt == t->iss) {
            t->rrtt_ecr = tcp_ts_val(st, t);
        }
        o->ts_val = tcp_ts_val(st, t); /* TSecr is 0: there is no ACK (RFC 7323 3.2) */
    } else {                           /* a SYN-ACK: only when the SYN had it (RFC 7323 2.2) */
        o->has_wscale = t->peer_wscale;
        o->wscale = t->rcv_wscale;
        o->has_sack_perm = t->sack_ok;
        o->has_ts = t->ts_ok;
        o->ts_val = tcp_ts_val(st, t);
        o->ts_ecr = t->ts_recent;
    }
}

uint32_t tcp_options_sack_len(const struct tcb *t)
{
    return tcp_sack_room(t, t->ts_ok ? OPT_SPACE - TCP_TS_LEN : OPT_SPACE);
}

void tcp_options_fill(struct td_stack *st, struct tcb *t, struct tcp_emit *e)
{
    unsigned room = OPT_SPACE;
    if (t->ts_ok) {
        e->o.has_ts = true;
        e->o.ts_val = tcp_ts_val(st, t);
        e->o.ts_ecr = t->ts_recent;
        room -= TCP_TS_LEN;
    }
    room -= tcp_uto_fill(st, t, e, room);
    if (t->sacks != NULL) { /* full text has no room for blocks: the datagram would be too large */
        uint32_t used = IPV4_HLEN + TCP_HLEN + e->len + OPT_SPACE - room;
        uint32_t left = t->pmtu > used ? t->pmtu - used : 0;
        tcp_sack_fill(st, t, &e->o, e->len > 0 && left < room ? left & ~3u : room);
    }
    tcp_ecn_fill(st, t, e);
    if ((e->flags & TCP_ACK) != 0) {
        t->last_ack_sent = e->ack;
    }
}
