/* tcp/table.c: what `ss -tani` prints: a row for each connection, listener and TIME-WAIT. */
#include "tcp/tcp_internal.h"

enum {
    COL_ID,
    COL_STATE,
    COL_RECVQ,
    COL_SENDQ,
    COL_LADDR,
    COL_LPORT,
    COL_RADDR,
    COL_RPORT,
    COL_TIMER,
    COL_EXPIRES,
    COL_RETRIES,
    COL_CC,
    COL_SND_WSCALE,
    COL_RCV_WSCALE,
    COL_RTO,
    COL_RTT,
    COL_RTTVAR,
    COL_MSS,
    COL_PMTU,
    COL_RCVMSS,
    COL_CWND,
    COL_CWND_BYTES,
    COL_SSTHRESH,
    COL_UNACKED,
    COL_BYTES_SENT,
    COL_BYTES_RETRANS,
    COL_BYTES_ACKED,
    COL_BYTES_RECEIVED,
    COL_SEGS_OUT,
    COL_SEGS_IN,
    COL_DATA_SEGS_OUT,
    COL_DATA_SEGS_IN,
    COL_RETRANS,
    COL_LOST,
    COL_SND_WND,
    COL_RCV_WND,
    COL_RCV_SPACE,
    COL_RCVBUF,
    COL_SNDBUF,
    COL_NOTSENT,
    COL_LASTSND,
    COL_LASTRCV,
    COL_ORPHAN,
    NCOLS
};
const struct column tcp_columns[] = {
    [COL_ID] = {"id", VAL_U64, "number of the socket, as the journal and why use it; 0: none yet"},
    [COL_STATE] = {"state", VAL_STR, "state as ss names it"},
    [COL_RECVQ] = {"recv-q", VAL_U64,
                   "bytes waiting to be read; LISTEN: connections to be accepted"},
    [COL_SENDQ] = {"send-q", VAL_U64, "bytes not acknowledged; LISTEN: the backlog"},
    [COL_LADDR] = {"local", VAL_IP4, "local address, 0.0.0.0 = any"},
    [COL_LPORT] = {"lport", VAL_U64, "local port"},
    [COL_RADDR] = {"peer", VAL_IP4, "peer's address"},
    [COL_RPORT] = {"pport", VAL_U64, "peer's port"},
    [COL_TIMER] = {"timer", VAL_STR,
                   "on (retransmission), persist, keepalive, timewait, delack, override, linger"},
    [COL_EXPIRES] = {"expires", VAL_NS, "until that timer fires"},
    [COL_RETRIES] = {"retries", VAL_U64,
                     "retransmissions of the earliest segment, or unanswered probes"},
    [COL_CC] = {"cc", VAL_STR, "congestion control"},
    [COL_SND_WSCALE] = {"snd-wscale", VAL_U64, "shift of the peer's window field"},
    [COL_RCV_WSCALE] = {"rcv-wscale", VAL_U64, "shift of ours"},
    [COL_RTO] = {"rto", VAL_NS, "retransmission time-out (RFC 6298)"},
    [COL_RTT] = {"rtt", VAL_NS, "smoothed round trip"},
    [COL_RTTVAR] = {"rttvar", VAL_NS, "its mean variation"},
    [COL_MSS] = {"mss", VAL_U64, "text bytes of a full segment sent"},
    [COL_PMTU] = {"pmtu", VAL_U64, "path MTU, bytes of datagram"},
    [COL_RCVMSS] = {"rcvmss", VAL_U64, "largest segment received"},
    [COL_CWND] = {"cwnd", VAL_U64, "congestion window, segments"},
    [COL_CWND_BYTES] = {"cwnd-bytes", VAL_U64, "congestion window, bytes"},
    [COL_SSTHRESH] = {"ssthresh", VAL_U64,
                      "slow-start threshold, segments; absent: never lost anything"},
    [COL_UNACKED] = {"unacked", VAL_U64, "bytes in flight"},
    [COL_BYTES_SENT] = {"bytes_sent", VAL_U64, "bytes of text sent, repeated ones included"},
    [COL_BYTES_RETRANS] = {"bytes_retrans", VAL_U64, "bytes of text sent again"},
    [COL_BYTES_ACKED] = {"bytes_acked", VAL_U64, "bytes of text acknowledged"},
    [COL_BYTES_RECEIVED] = {"bytes_received", VAL_U64, "bytes of text received in order"},
    [COL_SEGS_OUT] = {"segs_out", VAL_U64, "segments sent"},
    [COL_SEGS_IN] = {"segs_in", VAL_U64, "segments received"},
    [COL_DATA_SEGS_OUT] = {"data_segs_out", VAL_U64, "segments with text sent"},
    [COL_DATA_SEGS_IN] = {"data_segs_in", VAL_U64, "segments with text received"},
    [COL_RETRANS] = {"retrans", VAL_U64, "segments sent again, in all"},
    [COL_LOST] = {"lost", VAL_U64, "bytes taken for lost and not sent again yet"},
    [COL_SND_WND] = {"snd_wnd", VAL_U64, "the peer's window"},
    [COL_RCV_WND] = {"rcv_wnd", VAL_U64, "our window as advertised"},
    [COL_RCV_SPACE] = {"rcv_space", VAL_U64, "bytes the user took in the best round trip"},
    [COL_RCVBUF] = {"rcvbuf", VAL_U64, "receive buffer limit, bytes of memory"},
    [COL_SNDBUF] = {"sndbuf", VAL_U64, "send buffer limit, bytes"},
    [COL_NOTSENT] = {"notsent", VAL_U64, "bytes queued and not sent yet"},
    [COL_LASTSND] = {"lastsnd", VAL_NS, "since text was last sent"},
    [COL_LASTRCV] = {"lastrcv", VAL_NS, "since a segment was last received"},
    [COL_ORPHAN] = {"orphan", VAL_BOOL, "closed by its owner"},
};
const unsigned tcp_ncolumns = NCOLS;
_Static_assert(NCOLS <= TABLE_MAX_COLUMNS, "too many columns");

static td_time until(const struct td_stack *st, const struct timer *tm)
{
    return tm->deadline > st->now ? tm->deadline - st->now : 0;
}

static void row_timer(const struct td_stack *st, struct row *row, const struct tcb *t)
{
    const struct timer *tm = NULL;
    if (timer_armed(&t->t_rtx)) {
        static const char *const names[] = {[TRTX_NONE] = "",
                                            [TRTX_REXMT] = "on",
                                            [TRTX_PROBE] = "on",
                                            [TRTX_REO] = "on",
                                            [TRTX_PERSIST] = "persist",
                                            [TRTX_OVERRIDE] = "override",
                                            [TRTX_ECN] = "on"};
        tm = &t->t_rtx;
        row_word(row, COL_TIMER, names[t->rtx_kind]);
        row_u64(row, COL_RETRIES, t->rtx_kind == TRTX_PERSIST ? t->probes : t->rexmits);
    } else if (timer_armed(&t->t_ctl)) {
        static const char *const names[] = {[TCTL_NONE] = "",
                                            [TCTL_KEEPALIVE] = "keepalive",
                                            [TCTL_FIN_WAIT_2] = "timewait",
                                            [TCTL_LINGER] = "linger"};
        tm = &t->t_ctl;
        row_word(row, COL_TIMER, names[t->ctl_kind]);
        row_u64(row, COL_RETRIES, t->ctl_kind == TCTL_KEEPALIVE ? t->probes : 0);
    } else if (timer_armed(&t->t_delack)) {
        tm = &t->t_delack;
        row_word(row, COL_TIMER, "delack");
        row_u64(row, COL_RETRIES, 0);
    }
    if (tm != NULL) {
        row_ns(row, COL_EXPIRES, until(st, tm));
    }
}

static void row_ep(struct row *row, const struct tcp_ep *ep)
{
    row_ip4(row, COL_LADDR, ep->a.laddr);
    row_u64(row, COL_LPORT, ep->a.lport);
    row_ip4(row, COL_RADDR, ep->a.raddr);
    row_u64(row, COL_RPORT, ep->a.rport);
}

static void row_connection(const struct td_stack *st, struct row *row, const struct tcb *t)
{
    row_timer(st, row, t);
    row_word(row, COL_CC, t->cc.ops->name);
    row_u64(row, COL_SND_WSCALE, t->snd_wscale);
    row_u64(row, COL_RCV_WSCALE, t->rcv_wscale);
    row_ns(row, COL_RTO, t->rtt.rto);
    if (t->rtt.srtt8 != 0) {
        row_ns(row, COL_RTT, t->rtt.srtt8 / 8);
        row_ns(row, COL_RTTVAR, t->rtt.rttvar4 / 4);
    }
    row_u64(row, COL_MSS, t->mss);
    row_u64(row, COL_PMTU, t->pmtu);
    row_u64(row, COL_RCVMSS, t->rcv_mss);
    if (t->mss != 0) {
        row_u64(row, COL_CWND, t->cc.cwnd / t->mss);
        if (t->cc.ssthresh != 0 && t->cc.ssthresh < INT32_MAX) {
            row_u64(row, COL_SSTHRESH, t->cc.ssthresh / t->mss);
        }
    }
    row_u64(row, COL_CWND_BYTES, t->cc.cwnd);
    row_u64(row, COL_UNACKED, tcp_flight(t));
    row_u64(row, COL_BYTES_SENT, t->bytes_sent);
    row_u64(row, COL_BYTES_RETRANS, t->bytes_retrans);
    row_u64(row, COL_BYTES_ACKED, t->bytes_acked);
    row_u64(row, COL_BYTES_RECEIVED, t->bytes_received);
    row_u64(row, COL_SEGS_OUT, t->segs_out);
    row_u64(row, COL_SEGS_IN, t->segs_in);
    row_u64(row, COL_DATA_SEGS_OUT, t->data_segs_out);
    row_u64(row, COL_DATA_SEGS_IN, t->data_segs_in);
    row_u64(row, COL_RETRANS, t->total_retrans);
    row_u64(row, COL_LOST, (uint64_t)tcp_inflight(t).lost * t->mss);
    row_u64(row, COL_SND_WND, t->snd_wnd);
    row_u64(row, COL_RCV_WND, t->rcv_wnd);
    row_u64(row, COL_RCV_SPACE, t->space);
    row_u64(row, COL_RCVBUF, t->rcvbuf_limit);
    row_u64(row, COL_SNDBUF, t->sndbuf_limit);
    tcp_seq end = sndbuf_end(&t->snd);
    row_u64(row, COL_NOTSENT, seq_gt(end, t->snd_nxt) ? end - t->snd_nxt : 0);
    if (t->last_sent != 0) {
        row_ns(row, COL_LASTSND, st->now - t->last_sent);
    }
    row_ns(row, COL_LASTRCV, st->now - t->last_rcvd);
    row_bool(row, COL_ORPHAN, t->orphan);
}

bool tcp_table_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    struct hash_node *n = hash_from(&st->tcp->eps, *cursor);
    if (n == NULL) {
        return false;
    }
    *cursor = n->order + 1;
    const struct tcp_ep *ep = container_of(n, const struct tcp_ep, node);
    row_clear(row);
    row_ep(row, ep);
    if (ep->kind == TCP_EP_TIME_WAIT) {
        const struct timewait *w = container_of(ep, const struct timewait, ep);
        row_u64(row, COL_ID, w->id);
        row_word(row, COL_STATE, tcp_state_ss(TCPS_TIME_WAIT));
        row_u64(row, COL_RECVQ, w->tcb != NULL ? tcp_readable(w->tcb) : 0);
        row_u64(row, COL_SENDQ, 0);
        row_word(row, COL_TIMER, "timewait");
        row_ns(row, COL_EXPIRES, until(st, &w->timer));
        row_u64(row, COL_RETRIES, 0);
        return true;
    }
    if (ep->kind == TCP_EP_HALF_OPEN) {
        const struct half_open *r = container_of(ep, const struct half_open, ep);
        row_u64(row, COL_ID, 0);
        row_word(row, COL_STATE, tcp_state_ss(TCPS_SYN_RECEIVED));
        row_u64(row, COL_RECVQ, 0);
        row_u64(row, COL_SENDQ, 0);
        row_word(row, COL_TIMER, "on");
        row_ns(row, COL_EXPIRES, until(st, &r->timer));
        row_u64(row, COL_RETRIES, r->timeouts);
        return true;
    }
    const struct tcb *t = container_of(ep, const struct tcb, ep);
    row_u64(row, COL_ID, t->id);
    row_word(row, COL_STATE, tcp_state_ss((enum tcp_state)t->state));
    if (t->state == TCPS_LISTEN) {
        row_u64(row, COL_RECVQ, t->lsn->naccept);
        row_u64(row, COL_SENDQ, t->lsn->backlog);
        return true;
    }
    row_u64(row, COL_RECVQ, tcp_readable(t));
    row_u64(row, COL_SENDQ, tcp_unsent(t));
    if (t->state != TCPS_CLOSED) {
        row_connection(st, row, t);
    }
    return true;
}
