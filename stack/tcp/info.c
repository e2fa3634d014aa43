/* tcp/info.c: TCP_INFO, and the account of where the time of sending went.
 *
 * Theory of operation. getsockopt(TCP_INFO) copies the state of a connection into Linux's struct
 * tcp_info, field by field with Linux's meanings and units: counts are segments where Linux counts
 * packets (cwnd, unacked, lost), times are microseconds, but the tcpi_last_ ones, which are
 * milliseconds. The struct grew over the years: a caller gets as many bytes as it has room for, and
 * fields newer than the system's header follow behind it, where newer kernels have them. A listener
 * tells its queues: tcpi_unacked is how many wait to be accepted, tcpi_sacked how many may.
 *
 * Time is charged to what held the sender back, as long as it has anything to send or to be
 * acknowledged: the peer's window, our own send buffer (all is sent and the user wants to write
 * more than there is room for), or neither. tcp_chrono_update looks again whenever that may have
 * changed, and charges what has passed to what it was until then. Nothing is kept for a connection
 * that has never sent text.
 *
 * The delivery rate is taken once a round trip: what was acknowledged between two moments that are
 * one window of data apart, by the time between them. Where nothing was left to send when such a
 * window began, the application set the rate, not the path.
 */
#include "tcp/tcp_internal.h"

#include <string.h>

/* Linux's struct tcp_info, as of 6.18 up to the counts of time-outs. */
struct info {
    uint8_t tcpi_state, tcpi_ca_state, tcpi_retransmits, tcpi_probes, tcpi_backoff, tcpi_options;
    uint8_t tcpi_wscales; /* the peer's shift in the low four bits, ours in the high */
    uint8_t tcpi_flags;   /* bit 0: the delivery rate is the application's; 1-2: Fast Open */
    uint32_t tcpi_rto, tcpi_ato, tcpi_snd_mss, tcpi_rcv_mss;
    uint32_t tcpi_unacked, tcpi_sacked, tcpi_lost, tcpi_retrans, tcpi_fackets;
    uint32_t tcpi_last_data_sent, tcpi_last_ack_sent, tcpi_last_data_recv, tcpi_last_ack_recv;
    uint32_t tcpi_pmtu, tcpi_rcv_ssthresh, tcpi_rtt, tcpi_rttvar, tcpi_snd_ssthresh, tcpi_snd_cwnd;
    uint32_t tcpi_advmss, tcpi_reordering, tcpi_rcv_rtt, tcpi_rcv_space, tcpi_total_retrans;
    uint64_t tcpi_pacing_rate, tcpi_max_pacing_rate, tcpi_bytes_acked, tcpi_bytes_received;
    uint32_t tcpi_segs_out, tcpi_segs_in, tcpi_notsent_bytes, tcpi_min_rtt, tcpi_data_segs_in,
        tcpi_data_segs_out;
    uint64_t tcpi_delivery_rate, tcpi_busy_time, tcpi_rwnd_limited, tcpi_sndbuf_limited;
    uint32_t tcpi_delivered, tcpi_delivered_ce;
    uint64_t tcpi_bytes_sent, tcpi_bytes_retrans;
    uint32_t tcpi_dsack_dups, tcpi_reord_seen, tcpi_rcv_ooopack, tcpi_snd_wnd;
    uint32_t tcpi_rcv_wnd, tcpi_rehash;
    uint16_t tcpi_total_rto, tcpi_total_rto_recoveries;
    uint32_t tcpi_total_rto_time;
};
_Static_assert(offsetof(struct info, tcpi_pacing_rate) == 104, "as Linux");
_Static_assert(offsetof(struct info, tcpi_delivery_rate) == 160, "as Linux");
_Static_assert(offsetof(struct info, tcpi_snd_wnd) == 228, "as Linux");

enum { /* tcpi_options */
       OPT_TIMESTAMPS = 1,
       OPT_SACK = 2,
       OPT_WSCALE = 4,
       OPT_ECN = 8,
       OPT_ECN_SEEN = 16,
       OPT_SYN_DATA = 32,
};

/* ---- where the time went ---- */

static enum tcp_chrono chrono_now(const struct tcb *t)
{
    if (!tcp_synchronized(t) || t->state == TCPS_TIME_WAIT || t->snd.len == 0) {
        return TCP_CHRONO_NONE;
    }
    uint32_t unsent = sndbuf_end(&t->snd) - t->snd_nxt;
    uint32_t next = unsent < t->mss ? unsent : t->mss;
    bool by_cwnd = tcp_pipe_bytes(t) + next > t->cc.cwnd;
    if (unsent > 0 && !by_cwnd && seq_lt(t->snd_una + t->snd_wnd, t->snd_nxt + next)) {
        return TCP_CHRONO_RWND; /* the window doesn't take the next segment */
    }
    return unsent == 0 && t->no_space ? TCP_CHRONO_SNDBUF : TCP_CHRONO_BUSY;
}

static void rate_update(const struct td_stack *st, const struct tcb *t, struct tcp_more *m)
{
    if (m->rate_since != 0 && seq_ge(t->snd_una, m->rate_end)) {
        td_time took = st->now - m->rate_since;
        uint64_t acked = t->bytes_acked - m->rate_acked;
        if (took > 0 && acked > 0) {
            m->delivery_rate = acked < UINT64_MAX / TD_SEC ? acked * TD_SEC / took : UINT64_MAX;
            m->rate_limited = m->rate_limited_now;
        }
        m->rate_since = 0;
    }
    if (m->rate_since == 0 && t->snd.len > 0 && t->snd_nxt != t->snd_una) {
        m->rate_since = st->now;
        m->rate_end = t->snd_nxt;
        m->rate_acked = t->bytes_acked;
        m->rate_limited_now = tcp_notsent(t) == 0;
    }
}

void tcp_chrono_update(struct td_stack *st, struct tcb *t)
{
    enum tcp_chrono now = chrono_now(t);
    struct tcp_more *m = t->more_state;
    if (m == NULL) {
        m = now == TCP_CHRONO_NONE ? NULL : tcp_more(st, t);
        if (m == NULL) {
            return;
        }
    }
    if (m->chrono != TCP_CHRONO_NONE) {
        m->chrono_sum[m->chrono - 1] += st->now - m->chrono_since;
    }
    m->chrono = (uint8_t)now;
    m->chrono_since = st->now;
    rate_update(st, t, m);
}

static void fill_chrono(struct td_stack *st, struct tcb *t, struct info *i)
{
    struct tcp_more *m = t->more_state;
    if (m == NULL) {
        return;
    }
    tcp_chrono_update(st, t);
    const td_time *sum = m->chrono_sum;
    i->tcpi_delivery_rate = m->delivery_rate;
    i->tcpi_flags |= m->delivery_rate != 0 && m->rate_limited;
    i->tcpi_rwnd_limited = sum[TCP_CHRONO_RWND - 1] / TD_US;
    i->tcpi_sndbuf_limited = sum[TCP_CHRONO_SNDBUF - 1] / TD_US;
    i->tcpi_busy_time = (sum[0] + sum[1] + sum[2]) / TD_US;
}

/* ---- the fields ---- */

static uint32_t us(td_time t)
{
    uint64_t n = t / TD_US;
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static uint32_t ms_since(const struct td_stack *st, td_time then)
{
    return (uint32_t)((st->now - then) / TD_MS);
}

static uint8_t options(const struct tcb *t)
{
    return (uint8_t)((t->ts_ok ? OPT_TIMESTAMPS : 0) | (t->sack_ok ? OPT_SACK : 0) |
                     (t->peer_wscale ? OPT_WSCALE : 0) | (t->ecn_ok ? OPT_ECN : 0) |
                     (t->ecn_seen ? OPT_ECN_SEEN : 0) | (t->syn_data_acked ? OPT_SYN_DATA : 0));
}

static void fill_sender(const struct tcb *t, struct info *i)
{
    bool fin_acked = t->fin_sent && t->snd.len == 0 && t->snd_una == t->snd_nxt;
    bool syn_acked = !t->passive && t->snd_una != t->iss;
    const struct tcp_inflight in = tcp_inflight(t);
    i->tcpi_ca_state = t->ca_state;
    i->tcpi_retransmits = t->rexmits;
    i->tcpi_probes = t->probes;
    i->tcpi_backoff = t->rtt.backoff != 0 ? t->rtt.backoff : t->persist_backoff;
    i->tcpi_rto = us(t->rtt.rto);
    i->tcpi_snd_mss = t->mss;
    i->tcpi_unacked = in.unacked;
    i->tcpi_sacked = in.sacked;
    i->tcpi_lost = in.lost;
    i->tcpi_retrans = in.retrans;
    i->tcpi_pmtu = t->pmtu;
    i->tcpi_rtt = us(t->rtt.srtt8 / 8);
    i->tcpi_rttvar = us(t->rtt.rttvar4 / 4);
    i->tcpi_min_rtt = t->cc.min_rtt != 0 ? us(t->cc.min_rtt) : UINT32_MAX;
    i->tcpi_total_retrans = t->total_retrans;
    i->tcpi_segs_out = t->segs_out;
    i->tcpi_data_segs_out = t->data_segs_out;
    i->tcpi_bytes_sent = t->bytes_sent;
    i->tcpi_bytes_retrans = t->bytes_retrans;
    /* Linux counts sequence numbers: also the SYN of an active open, and the FIN. */
    i->tcpi_bytes_acked = t->bytes_acked + syn_acked + fin_acked;
    i->tcpi_notsent_bytes = tcp_notsent(t);
    i->tcpi_snd_wnd = t->snd_wnd;
    i->tcpi_delivered = t->delivered;
    i->tcpi_delivered_ce = t->delivered_ce;
    i->tcpi_dsack_dups = t->dsack_dups;
    i->tcpi_reord_seen = t->reord_seen;
}

static void fill_receiver(struct td_stack *st, const struct tcb *t, struct info *i)
{
    i->tcpi_ato = 1000u * t->ato_ms;
    i->tcpi_rcv_mss = t->rcv_mss;
    i->tcpi_advmss = t->was_connected ? tcp_rcv_mss(st, t) - (t->ts_ok ? TCP_TS_LEN : 0u) : 0;
    i->tcpi_rcv_ssthresh = t->rcv_ssthresh;
    i->tcpi_rcv_rtt = t->rrtt8_us / 8;
    i->tcpi_rcv_space = t->space;
    i->tcpi_segs_in = t->segs_in;
    i->tcpi_data_segs_in = t->data_segs_in;
    i->tcpi_bytes_received = t->bytes_received + t->fin_rcvd;
    i->tcpi_rcv_wnd = t->rcv_wnd + (t->rcv_nxt - t->last_ack_sent); /* as it was told */
}

static void fill_ages(const struct td_stack *st, const struct tcb *t, struct info *i)
{
    if (!t->was_connected) {
        return;
    }
    uint32_t now_ms = (uint32_t)(st->now / TD_MS);
    i->tcpi_last_data_sent = t->last_sent != 0 ? ms_since(st, t->last_sent) : now_ms - t->up_ms;
    i->tcpi_last_data_recv = now_ms - t->last_data_ms;
    i->tcpi_last_ack_recv = ms_since(st, t->last_rcvd);
}

static void fill(struct td_stack *st, struct tcb *t, struct info *i)
{
    uint32_t mss = t->mss != 0 ? t->mss : 1;
    memset(i, 0, sizeof *i);
    i->tcpi_state = t->state;
    i->tcpi_pacing_rate = t->cc.pacing_rate != 0 ? t->cc.pacing_rate : UINT64_MAX;
    i->tcpi_max_pacing_rate = tcp_max_pacing_rate(t);
    i->tcpi_reordering = t->state == TCPS_CLOSED || t->state == TCPS_LISTEN
                             ? (uint32_t)knob(st, TCP_REORDERING)
                             : t->reordering;
    i->tcpi_snd_cwnd = t->cc.cwnd / mss;
    i->tcpi_snd_ssthresh = t->cc.ssthresh >= INT32_MAX ? INT32_MAX : t->cc.ssthresh / mss;
    if (t->state == TCPS_LISTEN) {
        i->tcpi_unacked = t->lsn->naccept;
        i->tcpi_sacked = t->lsn->backlog;
        return;
    }
    i->tcpi_options = options(t);
    i->tcpi_flags = (uint8_t)((t->tfo_fail & 3) << 1);
    i->tcpi_wscales = (uint8_t)((t->snd_wscale & 0xf) | t->rcv_wscale << 4);
    fill_sender(t, i);
    fill_receiver(st, t, i);
    fill_ages(st, t, i);
    fill_chrono(st, t, i);
}

uint32_t tcp_info_fill(struct td_stack *st, struct tcb *t, void *out, uint32_t len)
{
    struct info f;
    uint32_t n = len < sizeof f ? len : sizeof f;
    fill(st, t, &f);
    memcpy(out, &f, n);
    return n;
}
