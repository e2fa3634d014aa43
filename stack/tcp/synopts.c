/* tcp/synopts.c: what the options of SYN and SYN-ACK agree on.
 *
 * Theory of operation. Each side says in its SYN how large a segment it takes (MSS, RFC 9293 3.7.1)
 * and, if it knows window scaling, by how much its window fields are to be shifted (RFC 7323 2);
 * scaling is on only when both said so. A SYN-ACK answers what the SYN asked and nothing else.
 * Other extensions take their place here.
 */
#include "tcp/tcp_internal.h"

#define MSS_DEFAULT 536 /* RFC 9293 3.7.1 (MUST-15) */
#define MSS_LEAST   88  /* less would have us send mostly headers (Linux's floor) */

void tcp_syn_options_take(struct td_stack *st, struct tcb *t, const struct tcp_opts *o)
{
    t->peer_mss = o->has_mss && o->mss != 0 ? o->mss : MSS_DEFAULT;
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
    tcp_mss_update(st, t);
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_OPTIONS, &subject, t->mss, t->peer_mss, t->snd_wscale, t->rcv_wscale,
            t->pmtu);
}

void tcp_syn_options_offer(struct td_stack *st, struct tcb *t, struct tcp_opts *o)
{
    o->has_mss = true;
    o->mss = tcp_rcv_mss(st, t);
    if (t->state == TCPS_SYN_SENT) {
        o->has_wscale = knob(st, TCP_WINDOW_SCALING) != 0;
        o->wscale = tcp_window_scale(st, t);
    } else { /* a SYN-ACK: only when the SYN had it (RFC 7323 2.2) */
        o->has_wscale = t->peer_wscale;
        o->wscale = t->rcv_wscale;
    }
}
