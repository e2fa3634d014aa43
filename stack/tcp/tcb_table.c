/* tcp/tcb_table.c: the transmission control block itself, a column for each variable, by the name
 * the RFCs give it (RFC 9293 3.3.1, 6298 2, 5681 2). `table tcb` prints it; for what ss prints of
 * it see table.c. Sequence numbers are as on the wire. */
#include "tcp/tcp_internal.h"

enum {
    COL_ID,
    COL_STATE,
    COL_LADDR,
    COL_LPORT,
    COL_RADDR,
    COL_RPORT,
    COL_SND_UNA,
    COL_SND_NXT,
    COL_SND_WND,
    COL_SND_UP,
    COL_SND_WL1,
    COL_SND_WL2,
    COL_ISS,
    COL_RCV_NXT,
    COL_RCV_WND,
    COL_RCV_UP,
    COL_IRS,
    COL_MAX_SND_WND,
    COL_SENDMSS,
    COL_SMSS,
    COL_RMSS,
    COL_SND_SHIFT,
    COL_RCV_SHIFT,
    COL_SRTT,
    COL_RTTVAR,
    COL_RTO,
    COL_BACKOFF,
    COL_CC,
    COL_CA_STATE,
    COL_CWND,
    COL_SSTHRESH,
    COL_FLIGHT,
    COL_RECOVER,
    COL_DUPACKS,
    COL_MIN_RTT,
    COL_PACING,
    COL_LIMITED,
    COL_QUEUED,
    COL_OOO,
    NCOLS
};
const struct column tcp_tcb_columns[] = {
    [COL_ID] = {"id", VAL_U64, "number of the socket; 0: none yet"},
    [COL_STATE] = {"state", VAL_STR, "state, as RFC 9293 3.3.2 writes it"},
    [COL_LADDR] = {"local", VAL_IP4, "local address"},
    [COL_LPORT] = {"lport", VAL_U64, "local port"},
    [COL_RADDR] = {"peer", VAL_IP4, "peer's address"},
    [COL_RPORT] = {"pport", VAL_U64, "peer's port"},
    [COL_SND_UNA] = {"SND.UNA", VAL_U64, "oldest number not acknowledged"},
    [COL_SND_NXT] = {"SND.NXT", VAL_U64, "next number to be sent"},
    [COL_SND_WND] = {"SND.WND", VAL_U64, "the peer's window, bytes"},
    [COL_SND_UP] = {"SND.UP", VAL_U64, "behind the urgent data sent; absent: none"},
    [COL_SND_WL1] = {"SND.WL1", VAL_U64, "SEG.SEQ of the last window update"},
    [COL_SND_WL2] = {"SND.WL2", VAL_U64, "SEG.ACK of the last window update"},
    [COL_ISS] = {"ISS", VAL_U64, "our initial number"},
    [COL_RCV_NXT] = {"RCV.NXT", VAL_U64, "next number expected"},
    [COL_RCV_WND] = {"RCV.WND", VAL_U64, "our window, bytes"},
    [COL_RCV_UP] = {"RCV.UP", VAL_U64, "behind the urgent data announced; absent: none"},
    [COL_IRS] = {"IRS", VAL_U64, "the peer's initial number"},
    [COL_MAX_SND_WND] = {"Max(SND.WND)", VAL_U64, "largest window the peer ever had, bytes"},
    [COL_SENDMSS] = {"SendMSS", VAL_U64, "largest text the peer takes, bytes"},
    [COL_SMSS] = {"SMSS", VAL_U64, "text of a full segment: Eff.snd.MSS, bytes"},
    [COL_RMSS] = {"RMSS", VAL_U64, "largest segment received, bytes of text"},
    [COL_SND_SHIFT] = {"Snd.Wind.Shift", VAL_U64, "shift of the peer's window field"},
    [COL_RCV_SHIFT] = {"Rcv.Wind.Shift", VAL_U64, "shift of ours"},
    [COL_SRTT] = {"SRTT", VAL_NS, "smoothed round trip; absent: none yet"},
    [COL_RTTVAR] = {"RTTVAR", VAL_NS, "its variation"},
    [COL_RTO] = {"RTO", VAL_NS, "retransmission time-out"},
    [COL_BACKOFF] = {"backoff", VAL_U64, "doublings of the RTO since the last good sample"},
    [COL_CC] = {"cc", VAL_STR, "congestion control"},
    [COL_CA_STATE] = {"ca-state", VAL_STR, "open, disorder, recovery or loss"},
    [COL_CWND] = {"cwnd", VAL_U64, "congestion window, bytes"},
    [COL_SSTHRESH] = {"ssthresh", VAL_U64, "slow-start threshold, bytes; absent: none yet"},
    [COL_FLIGHT] = {"FlightSize", VAL_U64, "sent and not acknowledged, bytes"},
    [COL_RECOVER] = {"recover", VAL_U64, "recovery ends, or may begin anew, beyond this number"},
    [COL_DUPACKS] = {"dupacks", VAL_U64, "duplicate ACKs in a row"},
    [COL_MIN_RTT] = {"min-rtt", VAL_NS, "least round trip of late; absent: none yet"},
    [COL_PACING] = {"pacing-rate", VAL_U64, "bytes a second"},
    [COL_LIMITED] = {"cwnd-limited", VAL_BOOL, "cwnd is what holds the sender back"},
    [COL_QUEUED] = {"queued", VAL_U64, "bytes from SND.NXT on that wait to be sent"},
    [COL_OOO] = {"beyond-hole", VAL_U64, "segments held beyond RCV.NXT"},
};
const unsigned tcp_tcb_ncolumns = NCOLS;
_Static_assert(NCOLS <= TABLE_MAX_COLUMNS, "too many columns");

static const char *ca_state(const struct tcb *t)
{
    static const char *const names[] = {"open", "disorder", "cwr", "recovery", "loss"};
    return names[t->ca_state];
}

static void row_send(struct row *row, const struct tcb *t)
{
    row_u64(row, COL_SND_UNA, t->snd_una);
    row_u64(row, COL_SND_NXT, t->snd_nxt);
    row_u64(row, COL_SND_WND, t->snd_wnd);
    if (t->snd_urg) {
        row_u64(row, COL_SND_UP, t->snd_up);
    }
    row_u64(row, COL_SND_WL1, t->snd_wl1);
    row_u64(row, COL_SND_WL2, t->snd_wl2);
    row_u64(row, COL_ISS, t->iss);
    row_u64(row, COL_MAX_SND_WND, t->max_snd_wnd);
    row_u64(row, COL_SENDMSS, t->peer_mss);
    row_u64(row, COL_SMSS, t->mss);
    row_u64(row, COL_SND_SHIFT, t->snd_wscale);
    tcp_seq end = sndbuf_end(&t->snd);
    row_u64(row, COL_QUEUED, seq_gt(end, t->snd_nxt) ? end - t->snd_nxt : 0);
}

static void row_receive(struct row *row, const struct tcb *t)
{
    row_u64(row, COL_RCV_NXT, t->rcv_nxt);
    row_u64(row, COL_RCV_WND, t->rcv_wnd);
    if (t->urg_state != TURG_NONE) {
        row_u64(row, COL_RCV_UP, t->rcv_up);
    }
    row_u64(row, COL_IRS, t->irs);
    row_u64(row, COL_RMSS, t->rcv_mss);
    row_u64(row, COL_RCV_SHIFT, t->rcv_wscale);
    row_u64(row, COL_OOO, rcvbuf_pieces(&t->rcv));
}

static void row_congestion(struct row *row, const struct tcb *t)
{
    if (t->rtt.srtt8 != 0) {
        row_ns(row, COL_SRTT, t->rtt.srtt8 / 8);
        row_ns(row, COL_RTTVAR, t->rtt.rttvar4 / 4);
    }
    row_ns(row, COL_RTO, t->rtt.rto);
    row_u64(row, COL_BACKOFF, t->rtt.backoff);
    row_word(row, COL_CC, t->cc.ops->name);
    row_word(row, COL_CA_STATE, ca_state(t));
    row_u64(row, COL_CWND, t->cc.cwnd);
    if (t->cc.ssthresh != 0 && t->cc.ssthresh < TD_CC_NO_SSTHRESH) {
        row_u64(row, COL_SSTHRESH, t->cc.ssthresh);
    }
    row_u64(row, COL_FLIGHT, tcp_flight(t));
    row_u64(row, COL_RECOVER, t->recover);
    row_u64(row, COL_DUPACKS, t->dupacks);
    if (t->cc.min_rtt != 0) {
        row_ns(row, COL_MIN_RTT, t->cc.min_rtt);
    }
    row_u64(row, COL_PACING, t->cc.pacing_rate);
    row_bool(row, COL_LIMITED, tcp_cwnd_is_limited(t));
}

bool tcp_tcb_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    for (;;) {
        struct hash_node *n = hash_from(&st->tcp->eps, *cursor);
        if (n == NULL) {
            return false;
        }
        *cursor = n->order + 1;
        const struct tcp_ep *ep = container_of(n, const struct tcp_ep, node);
        if (ep->kind != TCP_EP_TCB) {
            continue;
        }
        const struct tcb *t = container_of(ep, const struct tcb, ep);
        if (t->state == TCPS_LISTEN || t->state == TCPS_CLOSED) {
            continue; /* no variables yet */
        }
        row_clear(row);
        row_u64(row, COL_ID, t->id);
        row_word(row, COL_STATE, tcp_state_name((enum tcp_state)t->state));
        row_ip4(row, COL_LADDR, ep->a.laddr);
        row_u64(row, COL_LPORT, ep->a.lport);
        row_ip4(row, COL_RADDR, ep->a.raddr);
        row_u64(row, COL_RPORT, ep->a.rport);
        row_send(row, t);
        row_receive(row, t);
        row_congestion(row, t);
        return true;
    }
}
