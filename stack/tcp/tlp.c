/* tcp/tlp.c: tail loss probes (RFC 8985 7).
 *
 * Theory of operation. When the last segments of a flight are lost, nothing comes back that could
 * tell, and the time-out is long. So two round trips after the last progress one segment is sent:
 * new text if there is some, else the last segment again. Its acknowledgment either covers all, or
 * its SACK shows RACK what is missing.
 *
 *   PTO = 2 SRTT, and when only one segment is in flight as long as a peer may delay its ACK (the
 *   least RTO under `linux`); one second without SRTT; never later than the RTO (7.2)
 *
 * A probe that was a retransmission may have filled the only hole, and hidden a loss. If the ACK
 * goes beyond the probe without a sign that both copies arrived, there was a loss: cwnd is reduced
 * (7.4.2). The sign is a D-SACK of the probe, or a duplicate ACK without SACK that it caused.
 */
#include "tcp/xmit.h"

#define PTO_ADD (2 * TD_MS) /* Linux's least time-out, granularity for more than one segment */

bool tcp_tlp_schedule(struct td_stack *st, struct tcb *t, bool progress)
{
    struct txq *q = t->txq;
    if (knob(st, TCP_EARLY_RETRANS) < 3 || t->tfo_serial != 0 || txq_empty(q) || !q->loss.ops->timed || t->snd_wnd == 0 ||
        (t->ca_state != TCPE_OPEN && t->ca_state != TCPE_CWR) || q->sacked.segs > 0) {
        return false;
    }
    td_time pto = TD_SEC;
    if (t->cc.srtt != 0) {
        td_time delack = (td_time)knob(st, TCP_TLP_DELACK_US) * TD_US;
        pto = 2 * t->cc.srtt + (q->out.segs == 1 ? delack : PTO_ADD);
    }
    td_time at = st->now + pto;
    td_time rto = progress ? st->now + t->rtt.rto : tcp_rto_deadline(st, t);
    tcp_rtx_arm_at(st, t, TRTX_PROBE, at < rto ? at : rto);
    return true;
}

void tcp_tlp_fired(struct td_stack *st, struct tcb *t)
{
    struct txq *q = t->txq;
    t->rtx_kind = TRTX_NONE;
    if (txq_empty(q)) {
        tcp_rtx_update(st, t, false);
        return;
    }
    if (!q->tlp_out && q->tlp_sampled) { /* 7.3: one at a time, and a sample since the last */
        const struct journal_subject subject = tcp_subject(t);
        int sent = tcp_send_probe(st, t);
        q = t->txq;
        if (sent != 0) {
            q->tlp_out = true;
            q->tlp_retrans = sent == 2;
            q->tlp_sampled = false;
            q->tlp_end = t->snd_nxt;
            count(st, TcpExtTCPLossProbes);
            JOURNAL_CAUSE(st, EV_TCP_PROBE_TAIL, &subject, q->tlp_retrans, t->snd_una,
                          tcp_flight(t));
            tcp_rtx_arm(st, t, TRTX_REXMT); /* from now (7.3) */
            return;
        }
    }
    tcp_rtx_rearm(st, t);
}

void tcp_tlp_ack(struct td_stack *st, struct tcb *t, const struct tcp_news *n)
{
    struct txq *q = t->txq;
    tcp_seq ack = n->s->ack;
    if (!q->tlp_out || seq_lt(ack, q->tlp_end)) {
        return;
    }
    const struct journal_subject subject = tcp_subject(t);
    if (!q->tlp_retrans || n->dsack_tlp) {
        q->tlp_out = false;
        JOURNAL(st, EV_TCP_PROBE_END, &subject, W_TCP_NO_LOSS);
    } else if (seq_gt(ack, q->tlp_end)) { /* 7.4.2: the probe repaired a loss */
        tcp_prr_start(st, t, TD_CC_LOSS, 0);
        q->restore = false;
        tcp_ca_set(st, t, TCPE_CWR);
        tcp_prr_end(st, t);
        tcp_open_or_disorder(st, t);
        count(st, TcpExtTCPLossProbeRecovery);
        JOURNAL(st, EV_TCP_PROBE_END, &subject, W_TCP_LOSS);
    } else if (!n->advanced && !n->window && !n->has_text && !n->sacked) { /* both copies came */
        q->tlp_out = false;
        JOURNAL(st, EV_TCP_PROBE_END, &subject, W_TCP_NO_LOSS);
    }
}
