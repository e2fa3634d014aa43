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
    COL_TS,
    COL_SACK,
    COL_ECN,
    COL_ECNSEEN,
    COL_FASTOPEN,
    COL_BACKOFF,
    COL_ATO,
    COL_ADVMSS,
    COL_LASTACK,
    COL_PACING_RATE,
    COL_DELIVERY_RATE,
    COL_APP_LIMITED,
    COL_DELIVERED,
    COL_DELIVERED_CE,
    COL_BUSY,
    COL_RWND_LIMITED,
    COL_SNDBUF_LIMITED,
    COL_FLIGHT,
    COL_RETRANS_NOW,
    COL_SACKED,
    COL_DSACK_DUPS,
    COL_REORDERING,
    COL_REORD_SEEN,
    COL_RCV_RTT,
    COL_RCV_SSTHRESH,
    COL_MINRTT,
    COL_OOO,
    COL_RMEM,
    COL_WMEM,
    COL_OPT_MEM,
    COL_RD_SHUT,
    COL_WR_SHUT,
    COL_OUT_DEV,
    COL_HANDLE,
    COL_OWNER,
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
    [COL_UNACKED] = {"unacked", VAL_U64, "segments in flight"},
    [COL_BYTES_SENT] = {"bytes_sent", VAL_U64, "bytes of text sent, repeated ones included"},
    [COL_BYTES_RETRANS] = {"bytes_retrans", VAL_U64, "bytes of text sent again"},
    [COL_BYTES_ACKED] = {"bytes_acked", VAL_U64, "bytes of text acknowledged"},
    [COL_BYTES_RECEIVED] = {"bytes_received", VAL_U64, "bytes of text received in order"},
    [COL_SEGS_OUT] = {"segs_out", VAL_U64, "segments sent"},
    [COL_SEGS_IN] = {"segs_in", VAL_U64, "segments received"},
    [COL_DATA_SEGS_OUT] = {"data_segs_out", VAL_U64, "segments with text sent"},
    [COL_DATA_SEGS_IN] = {"data_segs_in", VAL_U64, "segments with text received"},
    [COL_RETRANS] = {"retrans", VAL_U64, "segments sent again, in all"},
    [COL_LOST] = {"lost", VAL_U64, "segments taken for lost and not acknowledged yet"},
    [COL_SND_WND] = {"snd_wnd", VAL_U64, "the peer's window"},
    [COL_RCV_WND] = {"rcv_wnd", VAL_U64, "our window as advertised"},
    [COL_RCV_SPACE] = {"rcv_space", VAL_U64, "bytes the user took in the best round trip"},
    [COL_RCVBUF] = {"rcvbuf", VAL_U64, "receive buffer limit, bytes of memory"},
    [COL_SNDBUF] = {"sndbuf", VAL_U64, "send buffer limit, bytes"},
    [COL_NOTSENT] = {"notsent", VAL_U64, "bytes queued and not sent yet"},
    [COL_LASTSND] = {"lastsnd", VAL_NS, "since text was last sent"},
    [COL_LASTRCV] = {"lastrcv", VAL_NS, "since text was last received"},
    [COL_ORPHAN] = {"orphan", VAL_BOOL, "closed by its owner"},
    [COL_TS] = {"ts", VAL_BOOL, "timestamps are in use (RFC 7323)"},
    [COL_SACK] = {"sack", VAL_BOOL, "SACK is in use (RFC 2018)"},
    [COL_ECN] = {"ecn", VAL_BOOL, "ECN is in use (RFC 3168)"},
    [COL_ECNSEEN] = {"ecnseen", VAL_BOOL, "something came with an ECN codepoint"},
    [COL_FASTOPEN] = {"fastopen", VAL_BOOL, "the SYN's text was acknowledged (RFC 7413)"},
    [COL_BACKOFF] = {"backoff", VAL_U64, "doublings of the RTO"},
    [COL_ATO] = {"ato", VAL_NS, "how long an acknowledgment may be delayed"},
    [COL_ADVMSS] = {"advmss", VAL_U64, "text bytes of a segment that the peer may send"},
    [COL_LASTACK] = {"lastack", VAL_NS, "since a segment that acknowledges was last received"},
    [COL_PACING_RATE] = {"pacing_rate", VAL_U64, "bytes a second"},
    [COL_DELIVERY_RATE] = {"delivery_rate", VAL_U64, "acknowledged in the last window of data, bytes a second"},
    [COL_APP_LIMITED] = {"app_limited", VAL_BOOL, "... because the application had no more to send"},
    [COL_DELIVERED] = {"delivered", VAL_U64, "segments that arrived, the SYN among them"},
    [COL_DELIVERED_CE] = {"delivered_ce", VAL_U64, "of them those that were marked on their way"},
    [COL_BUSY] = {"busy", VAL_NS, "time with something to send or to be acknowledged"},
    [COL_RWND_LIMITED] = {"rwnd_limited", VAL_NS, "of that, held back by the peer's window"},
    [COL_SNDBUF_LIMITED] = {"sndbuf_limited", VAL_NS, "of that, held back by our send buffer"},
    [COL_FLIGHT] = {"flight", VAL_U64, "bytes in flight"},
    [COL_RETRANS_NOW] = {"retrans_out", VAL_U64, "segments in flight that were sent again"},
    [COL_SACKED] = {"sacked", VAL_U64, "segments in flight that the peer holds"},
    [COL_DSACK_DUPS] = {"dsack_dups", VAL_U64, "segments that came twice, as the peer says"},
    [COL_REORDERING] = {"reordering", VAL_U64, "segments that a late one may lie behind"},
    [COL_REORD_SEEN] = {"reord_seen", VAL_U64, "how often one was late"},
    [COL_RCV_RTT] = {"rcv_rtt", VAL_NS, "round trip as the receiver measures it"},
    [COL_RCV_SSTHRESH] = {"rcv_ssthresh", VAL_U64, "the window is opened this far at present"},
    [COL_MINRTT] = {"minrtt", VAL_NS, "least round trip of late"},
    [COL_OOO] = {"rcv_ooopack", VAL_U64, "segments held beyond a hole"},
    [COL_RMEM] = {"rmem", VAL_U64, "memory that holds what was received, bytes"},
    [COL_WMEM] = {"wmem", VAL_U64, "bytes in the send buffer, acknowledged ones not"},
    [COL_OPT_MEM] = {"opt_mem", VAL_U64, "memory for options and state that few connections need"},
    [COL_RD_SHUT] = {"rd_shut", VAL_BOOL, "nothing more will be read: the FIN came, or shutdown"},
    [COL_WR_SHUT] = {"wr_shut", VAL_BOOL, "nothing more will be written"},
    [COL_OUT_DEV] = {"out_dev", VAL_STR, "interface that the route leaves by"},
    [COL_HANDLE] = {"handle", VAL_U64, "the application's number for the socket"},
    [COL_OWNER] = {"owner", VAL_U64, "number of the application that opened it; 0: not said"},
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

static void row_user(const struct td_stack *st, struct row *row, const struct tcb *t)
{
    if (t->owner == NULL || st->tcp->up == NULL || st->tcp->up->user == NULL) {
        return;
    }
    const struct endpoint_user u = st->tcp->up->user(t->owner);
    row_u64(row, COL_OWNER, u.owner);
    if (u.handle >= 0) {
        row_u64(row, COL_HANDLE, (uint64_t)u.handle);
    }
}

/* As info.c counts; reading must not change anything, so what runs at present is added here. */
static void row_chrono(const struct td_stack *st, struct row *row, const struct tcp_more *m)
{
    td_time sum[3], busy = 0;
    for (unsigned i = 0; i < 3; i++) {
        sum[i] = m->chrono_sum[i];
        if (m->chrono == i + 1) {
            sum[i] += st->now - m->chrono_since;
        }
        busy += sum[i];
    }
    if (m->delivery_rate != 0) {
        row_u64(row, COL_DELIVERY_RATE, m->delivery_rate);
        row_bool(row, COL_APP_LIMITED, m->rate_limited);
    }
    if (busy != 0) {
        row_ns(row, COL_BUSY, busy);
    }
    if (sum[TCP_CHRONO_RWND - 1] != 0) {
        row_ns(row, COL_RWND_LIMITED, sum[TCP_CHRONO_RWND - 1]);
    }
    if (sum[TCP_CHRONO_SNDBUF - 1] != 0) {
        row_ns(row, COL_SNDBUF_LIMITED, sum[TCP_CHRONO_SNDBUF - 1]);
    }
}

static void row_sender(const struct td_stack *st, struct row *row, const struct tcb *t)
{
    const struct tcp_inflight in = tcp_inflight(t);
    row_u64(row, COL_BACKOFF, t->rtt.backoff != 0 ? t->rtt.backoff : t->persist_backoff);
    row_u64(row, COL_UNACKED, in.unacked);
    row_u64(row, COL_RETRANS_NOW, in.retrans);
    row_u64(row, COL_LOST, in.lost);
    row_u64(row, COL_SACKED, in.sacked);
    row_u64(row, COL_FLIGHT, tcp_flight(t));
    if (t->cc.pacing_rate != 0) {
        row_u64(row, COL_PACING_RATE, t->cc.pacing_rate);
    }
    if (t->cc.min_rtt != 0) {
        row_ns(row, COL_MINRTT, t->cc.min_rtt);
    }
    row_u64(row, COL_DELIVERED, t->delivered);
    row_u64(row, COL_DELIVERED_CE, t->delivered_ce);
    row_u64(row, COL_DSACK_DUPS, t->dsack_dups);
    row_u64(row, COL_REORDERING, t->reordering);
    row_u64(row, COL_REORD_SEEN, t->reord_seen);
    row_u64(row, COL_WMEM, t->snd.len);
    if (t->more_state != NULL) {
        row_chrono(st, row, t->more_state);
    }
}

static void row_receiver(struct td_stack *st, struct row *row, const struct tcb *t)
{
    if (t->ato_ms != 0) {
        row_ns(row, COL_ATO, t->ato_ms * TD_MS);
    }
    if (t->was_connected) {
        row_u64(row, COL_ADVMSS, tcp_rcv_mss(st, t) - (t->ts_ok ? TCP_TS_LEN : 0U));
    }
    if (t->rrtt8_us != 0) {
        row_ns(row, COL_RCV_RTT, t->rrtt8_us / 8 * TD_US);
    }
    row_u64(row, COL_RCV_SSTHRESH, t->rcv_ssthresh);
    row_u64(row, COL_OOO, rcvbuf_pieces(&t->rcv));
    row_u64(row, COL_RMEM, t->rcv.truesize);
    if (t->was_connected) {
        row_ns(row, COL_LASTACK, st->now - t->last_rcvd);
    }
}

static void row_connection(struct td_stack *st, struct row *row, const struct tcb *t)
{
    const struct netif *nif = t->ifindex != 0 ? netif_by_index(st, t->ifindex) : NULL;
    row_timer(st, row, t);
    row_sender(st, row, t);
    row_receiver(st, row, t);
    row_bool(row, COL_TS, t->ts_ok);
    row_bool(row, COL_SACK, t->sack_ok);
    row_bool(row, COL_ECN, t->ecn_ok);
    row_bool(row, COL_ECNSEEN, t->ecn_seen);
    row_bool(row, COL_FASTOPEN, t->syn_data_acked);
    row_u64(row, COL_OPT_MEM, t->more_state != NULL ? sizeof *t->more_state : 0);
    row_bool(row, COL_RD_SHUT, t->rd_shut || t->fin_rcvd);
    row_bool(row, COL_WR_SHUT, t->wr_shut || t->fin_queued);
    if (nif != NULL) {
        row_word(row, COL_OUT_DEV, nif->name);
    }
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
    row_u64(row, COL_BYTES_SENT, t->bytes_sent);
    row_u64(row, COL_BYTES_RETRANS, t->bytes_retrans);
    row_u64(row, COL_BYTES_ACKED, t->bytes_acked);
    row_u64(row, COL_BYTES_RECEIVED, t->bytes_received);
    row_u64(row, COL_SEGS_OUT, t->segs_out);
    row_u64(row, COL_SEGS_IN, t->segs_in);
    row_u64(row, COL_DATA_SEGS_OUT, t->data_segs_out);
    row_u64(row, COL_DATA_SEGS_IN, t->data_segs_in);
    row_u64(row, COL_RETRANS, t->total_retrans);
    row_u64(row, COL_SND_WND, t->snd_wnd);
    row_u64(row, COL_RCV_WND, t->rcv_wnd);
    row_u64(row, COL_RCV_SPACE, t->space);
    tcp_seq end = sndbuf_end(&t->snd);
    row_u64(row, COL_NOTSENT, seq_gt(end, t->snd_nxt) ? end - t->snd_nxt : 0);
    if (t->was_connected) { /* as TCP_INFO counts: from the beginning, if there was none */
        uint32_t now_ms = (uint32_t)(st->now / TD_MS);
        row_ns(row, COL_LASTSND,
               t->last_sent != 0 ? st->now - t->last_sent : (now_ms - t->up_ms) * TD_MS);
        row_ns(row, COL_LASTRCV, (now_ms - t->last_data_ms) * TD_MS);
    }
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
        if (w->tcb != NULL) {
            row_user(st, row, w->tcb);
        }
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
    row_user(st, row, t);
    row_u64(row, COL_RCVBUF, t->rcvbuf_limit);
    row_u64(row, COL_SNDBUF, t->sndbuf_limit);
    if (t->state == TCPS_LISTEN) {
        row_word(row, COL_CC, t->cc.ops->name);
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
