/* tcp/tcp_internal.h: the inside of TCP: what each file does for the others. What it is done to, the
 * transmission control block, is in tcb.h. README.md in this folder tells in which order to read.
 */
#ifndef TCP_INTERNAL_H
#define TCP_INTERNAL_H

#include "tcp/tcb.h"

/* ---- journal subjects: here, so that one which isn't wanted is not made ---- */
static inline uint32_t tcp_subject_id(const struct tcb *t)
{
    return t->id == 0 && tcp_parent(t) != NULL ? tcp_parent(t)->id : t->id;
}

static inline struct journal_subject tcp_subject(const struct tcb *t)
{
    return (struct journal_subject){.conn = tcp_subject_id(t),
                                    .addr = t->ep.a.raddr,
                                    .port = t->ep.a.rport,
                                    .lport = t->ep.a.lport};
}

static inline struct journal_subject tcp_seg_subject(const struct tcp_seg *s, const struct tcb *t)
{
    return (struct journal_subject){.pkt = s->pkt_id,
                                    .conn = t != NULL ? tcp_subject_id(t) : 0,
                                    .ifindex = s->ifindex,
                                    .addr = s->a.raddr,
                                    .port = s->a.rport,
                                    .lport = s->a.lport};
}

/* ---- tcp.c: tables ---- */
struct tcb *tcp_alloc(struct td_stack *st);
void tcp_tcb_init(struct td_stack *st, struct tcb *t); /* all but its place in the tables */
void tcp_mark(struct td_stack *st, struct tcb *t);
void tcp_mark_throttled(struct td_stack *st, struct tcb *t);
void tcp_set_state(struct td_stack *st, struct tcb *t, enum tcp_state to, enum journal_word why);
/* The connection is over: out of the tables, timers off, queues freed, state CLOSED. err: what the
 * owner is told (positive errno, 0 nothing). An orphan is freed by the next flush. */
void tcp_finish(struct td_stack *st, struct tcb *t, int err, enum journal_word why);
void tcp_notify(struct td_stack *st, struct tcb *t, uint32_t bits);
struct tcp_ep *tcp_ep_find(const struct td_stack *st, const struct tcp_tuple *a);
int tcp_ep_insert(struct td_stack *st, struct tcp_ep *ep);
void tcp_ep_remove(struct td_stack *st, struct tcp_ep *ep);
struct tcb *tcp_listener_find(const struct td_stack *st, const struct tcp_tuple *a);
struct tcp_port *tcp_port_get(struct td_stack *st, uint16_t port, bool create);
int tcp_port_join(struct td_stack *st, struct tcb *t, uint16_t port);
void tcp_port_leave(struct td_stack *st, struct tcb *t);
void tcp_port_drop_if_empty(struct td_stack *st, struct tcp_port *port);
static inline bool tcp_is_orphan(const struct tcb *t) /* its owner has closed it */
{
    return t->orphan;
}
static inline bool tcp_as_linux(const struct td_stack *st) /* on the wire, in what nobody switches */
{
    return st->knobs.profile == PROFILE_LINUX;
}
static inline bool tcp_synchronized(const struct tcb *t) /* RFC 9293 3.5.2 group 3 */
{
    return t->state != TCPS_CLOSED && t->state != TCPS_LISTEN && t->state != TCPS_SYN_SENT &&
           t->state != TCPS_SYN_RECEIVED;
}
bool tcp_table_next(struct td_stack *st, uint64_t *cursor, struct row *row); /* table.c */
extern const struct column tcp_columns[];
extern const unsigned tcp_ncolumns;
bool tcp_tcb_next(struct td_stack *st, uint64_t *cursor, struct row *row); /* tcb_table.c */
extern const struct column tcp_tcb_columns[];
extern const unsigned tcp_tcb_ncolumns;

/* ---- series.c: samples of a connection's variables, as the knob tcp_series asks for ---- */
void tcp_series_take(struct td_stack *st, struct tcb *t);
void tcp_series_ended(struct tcb *t);
void tcp_series_clear(struct td_stack *st);
static inline void tcp_series(struct td_stack *st, struct tcb *t)
{
    if (knob(st, TCP_SERIES) != 0) {
        tcp_series_take(st, t);
    } else if (st->tcp->series != NULL) {
        tcp_series_clear(st);
    }
}
bool tcp_series_next(struct td_stack *st, uint64_t *cursor, struct row *row);
extern const struct column tcp_series_columns[];
extern const unsigned tcp_series_ncolumns;

/* How scarce memory is (tcp_mem): all connections together bound what one may hold. */
enum tcp_memory { TCP_MEMORY_FINE, TCP_MEMORY_FULL, TCP_MEMORY_PRESSURE, TCP_MEMORY_SHORT };
static inline enum tcp_memory tcp_memory(const struct td_stack *st)
{
    uint64_t pages = st->mem.used_by[MEM_PKT] / 4096;
    return pages <= (uint64_t)knob_n(st, TCP_MEM, 0)   ? TCP_MEMORY_FINE
           : pages <= (uint64_t)knob_n(st, TCP_MEM, 1) ? TCP_MEMORY_FULL
           : pages <= (uint64_t)knob_n(st, TCP_MEM, 2) ? TCP_MEMORY_PRESSURE
                                                       : TCP_MEMORY_SHORT;
}

#define TCP_RCVBUF_SHARE 65536u
/* What a connection may hold of received text: its limit, when memory is scarce a share. */
static inline uint32_t tcp_rcvbuf_share(const struct td_stack *st, const struct tcb *t)
{
    return t->rcvbuf_limit <= TCP_RCVBUF_SHARE || tcp_memory(st) < TCP_MEMORY_PRESSURE
               ? t->rcvbuf_limit
               : TCP_RCVBUF_SHARE;
}

/* ---- more.c ---- */
/* Made if it isn't there yet. NULL: no memory. */
struct tcp_more *tcp_more(struct td_stack *st, struct tcb *t);
void tcp_more_free(struct td_stack *st, struct tcb *t);
/* What the user has set on one holds for the other: a listener's child, a socket made new. */
void tcp_options_inherit(struct tcb *t, const struct tcb *from);
/* The same for the block of its own; only for a tcb that tcp_alloc made. */
void tcp_more_inherit(struct td_stack *st, struct tcb *t, const struct tcb *from);
uint64_t tcp_max_pacing_rate(const struct tcb *t); /* bytes a second; UINT64_MAX = no limit */
/* ---- giveup.c (RFC 9293 3.8.3) ---- */
/* The time from first transmission to the expiry after `times` repetitions, with doublings from base. */
td_time tcp_backoff_time(const struct td_stack *st, unsigned times, td_time base);
td_time tcp_patience_ends(const struct tcb *t); /* the user's time-out; TD_NEVER = none is running */
void tcp_patience_anew(const struct td_stack *st, struct tcb *t); /* there was progress */
bool tcp_r1_passed(const struct td_stack *st, const struct tcb *t);
/* Called when the timer fires: W_TCP_TIMEOUT, text; W_TCP_PERSIST_OUT, a probe is due, interval after
 * the last. True: that was the end. */
bool tcp_give_up(struct td_stack *st, struct tcb *t, enum journal_word why, td_time interval);
int tcp_give_up_error(const struct td_stack *st, const struct tcb *t); /* positive errno */
/* ---- pmtu.c (RFC 1191, 5927 7) ---- */
#define IPV4_MTU_LEAST 68 /* RFC 791 */
uint32_t tcp_mtu_to_mss(const struct td_stack *st, const struct tcb *t, uint32_t mtu);
uint32_t tcp_mss_to_mtu(const struct tcb *t, uint32_t mss);
/* Before new text is sent: IP may think differently of the path by now. True: it did. */
bool tcp_pmtu_changed(struct td_stack *st, struct tcb *t);
enum tcp_pmtu_verdict { TCP_PMTU_TAKEN, TCP_PMTU_NONSENSE, TCP_PMTU_WAITS, TCP_PMTU_UNWANTED };
/* "Fragmentation needed" about a datagram of quoted_len bytes that is in flight. mtu 0: not said. */
enum tcp_pmtu_verdict tcp_pmtu_too_big(struct td_stack *st, struct tcb *t, uint32_t mtu,
                                       uint32_t quoted_len);
void tcp_pmtu_timed_out(struct td_stack *st, struct tcb *t); /* what waited is believed now */

/* ---- mtuprobe.c (RFC 4821) ---- */
void tcp_mtup_init(struct td_stack *st, struct tcb *t); /* the connection is up */
uint32_t tcp_mtup_limit(const struct td_stack *st, struct tcb *t, uint32_t pmtu);
enum tcp_mtup_advice { TCP_MTUP_NO, TCP_MTUP_WAIT, TCP_MTUP_PROBE };
/* Before new text is sent: PROBE, a segment of *len bytes first; WAIT, nothing now. */
enum tcp_mtup_advice tcp_mtup_advise(struct td_stack *st, struct tcb *t, uint32_t *len);
void tcp_mtup_sent(struct td_stack *st, struct tcb *t, tcp_seq seq, uint32_t len);
void tcp_mtup_acked(struct td_stack *st, struct tcb *t); /* SND.UNA moved */
/* The first segment in flight is found lost, by fast retransmit. True: it was the probe: cwnd isn't to
 * be cut, the text is to be sent again. */
bool tcp_mtup_lost(struct td_stack *st, struct tcb *t);
void tcp_mtup_inconclusive(struct td_stack *st, struct tcb *t); /* something is sent again */
/* After an acknowledgment: so many segments were delivered by it; txq.lost_ever now. */
void tcp_mtup_verify(struct td_stack *st, struct tcb *t, uint32_t delivered, uint32_t lost_ever);
void tcp_mtup_black_hole(struct td_stack *st, struct tcb *t);   /* R1 is passed */

/* ---- info.c ---- */
/* TCP_INFO: at most len bytes of Linux's struct tcp_info; how many. */
uint32_t tcp_info_fill(struct td_stack *st, struct tcb *t, void *out, uint32_t len);
/* Looks what holds the connection back now; to be called when that may have changed. */
void tcp_chrono_update(struct td_stack *st, struct tcb *t);

/* ---- user.c ---- */
void tcp_abort_with(struct td_stack *st, struct tcb *t, int err, enum journal_word why);
uint32_t tcp_snd_space(const struct tcb *t);
bool tcp_writable(const struct tcb *t); /* POLLOUT, as far as room goes */
static inline uint32_t tcp_notsent(const struct tcb *t) /* bytes queued, the FIN too, never sent */
{
    tcp_seq end = t->snd.base + t->snd.len + t->fin_queued;
    return seq_gt(end, t->snd_nxt) ? end - t->snd_nxt : 0;
}
void tcp_queue_fin(struct td_stack *st, struct tcb *t);
void tcp_init_limits(struct td_stack *st, struct tcb *t);
void tcp_start_cwnd(struct td_stack *st, struct tcb *t);
uint32_t tcp_initial_window(const struct td_stack *st, const struct tcb *t);

/* ---- input.c ---- */
void tcp_input(struct td_stack *st, struct pkt *p, const struct ip_rx *rx);
void tcp_segment_arrives(struct td_stack *st, struct tcb *t, struct tcp_seg *s);
void tcp_enter_established(struct td_stack *st, struct tcb *t, enum journal_word why);
/* The first round trip, from the segment that acknowledges our SYN. */
void tcp_handshake_sample(struct td_stack *st, struct tcb *t, const struct tcp_seg *s);
/* ---- input_sync.c ---- */
void tcp_segment_synchronized(struct td_stack *st, struct tcb *t, struct tcp_seg *s);
/* Steps 6 to 8 for a SYN-ACK that brings text, URG or FIN. */
void tcp_segment_rest(struct td_stack *st, struct tcb *t, struct tcp_seg *s);
bool tcp_challenge_allowed(struct td_stack *st, struct tcb *t);
/* Header prediction; true = handled. */
bool tcp_fast_path(struct td_stack *st, struct tcb *t, struct tcp_seg *s);
/* ---- error.c ---- */
void tcp_icmp_error(struct td_stack *st, const struct ip_error *e);
void tcp_addr_lost(struct td_stack *st, td_ip4 addr); /* RFC 5227 2.4 */

/* ---- ack.c ---- */
void tcp_ack_received(struct td_stack *st, struct tcb *t, const struct tcp_seg *s);
void tcp_update_window(struct td_stack *st, struct tcb *t, const struct tcp_seg *s);
static inline uint32_t tcp_flight(const struct tcb *t) /* FlightSize of RFC 5681, bytes */
{
    return t->snd_nxt - t->snd_una;
}

/* ---- recovery.c, txq.c ---- */
void tcp_recovery_init(struct td_stack *st, struct tcb *t); /* a connection begins */
/* What is in flight has to be sent again, without a cut of cwnd: the path's MTU is smaller. */
void tcp_resend_all(struct td_stack *st, struct tcb *t);
void tcp_resend_large(struct td_stack *st, struct tcb *t);
void txq_free(struct td_stack *st, struct tcb *t); /* the connection is over */
/* Counts of segments for TCP_INFO and ss: tcpi_unacked, _sacked, _lost, _retrans. */
struct tcp_inflight {
    uint32_t unacked, sacked, lost, retrans;
};
struct tcp_inflight tcp_inflight(const struct tcb *t);
/* In the measure of cwnd (knob tcp_cwnd_segments: every segment counts as a full one), bytes: what
 * was sent and isn't acknowledged, and of that what is believed to be on its way still. */
uint32_t tcp_out_bytes(const struct tcb *t);
uint32_t tcp_pipe_bytes(const struct tcb *t);
static inline bool tcp_in_reduction(const struct tcb *t) /* cwnd is on its way to ssthresh */
{
    return t->ca_state == TCPE_CWR || t->ca_state == TCPE_RECOVERY;
}

/* ---- cc/cc.c ---- */
/* Congestion control (cc/): struct td_cc_ops in tapdeck/organs.h. cc.c finds them by name, gives a
 * connection its state when it first sends text, and keeps the shared fields of struct td_cc true. */
extern const struct td_cc_ops tcp_cc_reno, tcp_cc_cubic, tcp_cc_vegas;
/* The knob tcp_allowed_congestion_control has it. */
bool tcp_cc_allowed(const struct td_stack *st, const struct td_cc_ops *ops);
#define TCP_CC_OURS 3u
uint8_t tcp_cc_ours(const struct td_cc_ops **list); /* puts ours into a list, in the order of the knob's words; how many */
const struct td_cc_ops *tcp_cc_find(const struct td_stack *st, const char *name); /* NULL = no such */
const struct td_cc_ops *tcp_cc_default(const struct td_stack *st);
void tcp_cc_set(struct td_stack *st, struct tcb *t, const struct td_cc_ops *ops); /* and init */
void tcp_cc_release(struct td_stack *st, struct tcb *t);
void tcp_cc_acked(struct td_stack *st, struct tcb *t, const struct td_cc_ack *ack);
/* Sets cc.ssthresh, and cc.prior_cwnd and cc.prior_ssthresh to what was. */
void tcp_cc_reduce(struct td_stack *st, struct tcb *t, enum td_cc_cause why, uint32_t flight);
void tcp_cc_event(struct td_stack *st, struct tcb *t, enum td_cc_event what);
/* The loss was none: cwnd and ssthresh as they were. */
void tcp_cc_undo(struct td_stack *st, struct tcb *t);

/* ---- cwnd.c: is cwnd used? ---- */
/* Before new text is sent: restart after idle (RFC 5681 4.1), TD_CC_TX_START. */
void tcp_cwnd_before_text(struct td_stack *st, struct tcb *t);
/* After output. held: something that waits was held back by cwnd. */
void tcp_cwnd_validate(struct td_stack *st, struct tcb *t, bool held);
bool tcp_cwnd_is_limited(const struct tcb *t); /* it may grow: td_cc_ack.cwnd_limited */
/* Whatever an organ made of cwnd: a segment at least, else nothing leaves before a time-out; and no
 * more than any window is. */
void tcp_cwnd_in_bounds(struct tcb *t);
void tcp_cwnd_started(struct td_stack *st, struct tcb *t);
void tcp_cwnd_lost(struct tcb *t, uint32_t flight);

/* ---- pacing.c ---- */
/* True: no text may leave now; output is called when it may. */
bool tcp_pacing_wait(struct td_stack *st, struct tcb *t);
void tcp_pacing_sent(struct td_stack *st, struct tcb *t, uint32_t len);
/* Sets cc.pacing_rate from cwnd and SRTT; after each acknowledgment and change of cwnd. */
void tcp_pacing_rate(struct tcb *t, const struct td_stack *st);
void tcp_pacing_stop(struct td_stack *st, struct tcb *t);
void tcp_pacing_release(struct td_stack *st, struct tcb *t);
const struct timer *tcp_pacing_timer(const struct tcb *t); /* NULL: not paced yet */
const struct tcb *tcp_pacing_owner(const struct timer *tm);

/* ---- rto.c ---- */
/* Retransmission time-out (rto.c): struct td_rto_ops in tapdeck/organs.h. */
extern const struct td_rto_ops tcp_rto_6298;
void tcp_rto_init(struct td_stack *st, struct tcb *t);
void tcp_rto_sample(struct td_stack *st, struct tcb *t, td_time rtt); /* and cc.srtt */
void tcp_rto_min_rtt(struct td_stack *st, struct tcb *t, td_time rtt); /* cc.min_rtt */
void tcp_rto_backoff(struct td_stack *st, struct tcb *t);

/* ---- output.c ---- */
void tcp_output(struct td_stack *st, struct tcb *t);
void tcp_send_syn(struct td_stack *st, struct tcb *t); /* SYN, or SYN-ACK in SYN-RECEIVED */
void tcp_send_ack(struct td_stack *st, struct tcb *t);
tcp_seq tcp_ack_seq(const struct tcb *t); /* the number a segment without text carries */
void tcp_window_probe(struct td_stack *st, struct tcb *t);
void tcp_keepalive_probe(struct td_stack *st, struct tcb *t);
void tcp_output_forced(struct td_stack *st, struct tcb *t); /* the override timer expired */
void tcp_send_rst(struct td_stack *st, struct tcb *t, enum journal_word why);
/* ---- emit.c ---- */
struct tcp_emit { /* one segment to be built */
    struct tcp_tuple a;
    tcp_seq seq, ack;
    uint16_t flags, wnd, urp;
    struct tcp_opts o;
    uint8_t tos, ttl;
    bool no_df;
    struct sndbuf *snd; /* text from here: [seq, seq+len) */
    uint32_t len;
    uint32_t conn;      /* journal subject */
    /* for the record of segments */
    const struct tcb *t; /* NULL: none, and state tells what there is instead */
    uint8_t state;       /* enum tcp_state */
    uint8_t wscale;      /* of wnd */
    bool again;          /* it was sent before */
    uint16_t why;        /* enum journal_word: sent again, or as a probe, because */
};
int tcp_emit_segment(struct td_stack *st, const struct tcp_emit *e);
/* The reset of 3.10.7.1 that answers a segment no connection wants. */
void tcp_reset_reply(struct td_stack *st, const struct tcp_seg *s, enum journal_word why);
/* ---- window.c ---- */
/* Moves rcv_wnd; returns what may be advertised. */
uint32_t tcp_window_offer(struct td_stack *st, struct tcb *t);
/* The field of a segment that tells *wnd as it is, rounded so that the edge doesn't move left. */
uint16_t tcp_window_told(uint32_t *wnd, uint8_t shift);
uint16_t tcp_window_field(struct td_stack *st, struct tcb *t, bool syn);
/* The window that could be offered now, without regard to what was. */
uint32_t tcp_window_select(struct td_stack *st, struct tcb *t);
void tcp_window_start(struct td_stack *st, struct tcb *t); /* on becoming ESTABLISHED */
void tcp_window_grow(struct td_stack *st, struct tcb *t, uint32_t text, uint32_t truesize);
bool tcp_window_update_due(struct td_stack *st, struct tcb *t); /* after RECEIVE */
void tcp_window_tune(struct td_stack *st, struct tcb *t);       /* after RECEIVE */
void tcp_rcv_rtt(struct td_stack *st, struct tcb *t);
void tcp_rcv_rtt_ts(struct td_stack *st, struct tcb *t, const struct tcp_seg *s);
uint8_t tcp_window_scale(const struct td_stack *st, const struct tcb *t);
uint16_t tcp_rcv_mss(struct td_stack *st, const struct tcb *t); /* what we offer in a SYN */
void tcp_mss_update(struct td_stack *st, struct tcb *t);              /* Eff.snd.MSS anew */

/* ---- sndbuf.c ---- */
void sndbuf_init(struct sndbuf *b, tcp_seq base);
/* Copies up to n bytes in; returns how many (fewer: no memory). */
uint32_t sndbuf_write(struct mem *m, struct sndbuf *b, const void *bytes, uint32_t n);
/* Appends [seq, seq+len) to p as slices. -ENOMEM. */
int sndbuf_slices(struct sndbuf *b, tcp_seq seq, uint32_t len, struct pkt *p);
/* The first n bytes were acknowledged. */
void sndbuf_ack(struct mem *m, struct sndbuf *b, uint32_t n);
void sndbuf_clear(struct mem *m, struct sndbuf *b);
static inline tcp_seq sndbuf_end(const struct sndbuf *b)
{
    return b->base + b->len;
}

/* ---- organs.c ---- */
extern const struct td_reassembly_ops tcp_reassembly_runs; /* reasm.c */
extern const struct td_loss_ops tcp_rack, tcp_sack6675, tcp_newreno, tcp_newreno_prr;
#define TCP_LOSS_AUTO 0 /* number of the loss-detection organ that stands for "by what was negotiated" */
void tcp_organs_init(struct td_stack *st);
static inline const struct td_reassembly_ops *tcp_reassembly(const struct td_stack *st,
                                                             const struct tcb *t)
{
    return st->tcp->organs.reassembly[t->reassembly];
}

/* ---- rcvbuf.c ---- */
void rcvbuf_init(struct rcvbuf *b);
void rcvbuf_clear(struct rcvbuf *b);
/* In-order text (p->data at RCV.NXT). Consumes p. */
void rcvbuf_append(struct rcvbuf *b, struct pkt *p);
/* Text beyond a hole goes to the organ: to ops, if none holds anything yet. Consumes p. How many bytes are
 * new; TD_REASSEMBLY_REFUSED: too many holes, or no memory. */
int64_t rcvbuf_insert(struct rcvbuf *b, const struct td_reassembly_ops *ops, struct pkt *p,
                      tcp_seq seq);
/* Moves what is in order now to the queue and returns how many bytes rcv_nxt advances. */
uint32_t rcvbuf_advance(struct rcvbuf *b, tcp_seq rcv_nxt);
/* The run of text beyond the hole that seq is in, or at whose end it is. False: there is none. */
bool rcvbuf_run(const struct rcvbuf *b, tcp_seq seq, struct tcp_sack_block *run);
/* The first part of [seq, seq+len) that is held beyond the hole already. False: nothing of it. */
bool rcvbuf_held(const struct rcvbuf *b, tcp_seq seq, uint32_t len, struct tcp_sack_block *part);
uint32_t rcvbuf_pieces(const struct rcvbuf *b); /* how many packets that is */
void rcvbuf_drop_held(struct rcvbuf *b);
uint32_t rcvbuf_drop_queue(struct rcvbuf *b); /* what is in order, unread; how many bytes */

/* ---- rto.c, timers.c ---- */
void tcp_timers_init(struct tcb *t);
void tcp_timers_stop(struct td_stack *st, struct tcb *t);
void tcp_rtx_arm(struct td_stack *st, struct tcb *t, enum tcp_rtx_timer kind);
void tcp_rtx_stop(struct td_stack *st, struct tcb *t);
/* Arms, leaves or stops t_rtx as what is outstanding asks (RFC 6298 5.1-5.3). restart: there was
 * progress. */
void tcp_rtx_update(struct td_stack *st, struct tcb *t, bool restart);
/* ---- delack.c ---- */
void tcp_delack_arm(struct td_stack *st, struct tcb *t); /* acknowledges when the ATO is over */
void tcp_delack_fired(struct td_stack *st, struct timer *tm);
/* Text arrived in order: the ACK time-out learns from it. tcp_ack_check follows. */
void tcp_ack_text_in(struct td_stack *st, struct tcb *t);
/* After a segment: acknowledge now, later or not at all. */
void tcp_ack_check(struct td_stack *st, struct tcb *t, bool out_of_order);
/* The SYN-ACK is to be acknowledged. */
void tcp_ack_handshake(struct td_stack *st, struct tcb *t);
/* After RECEIVE: is an acknowledgment due by it? */
bool tcp_ack_after_read(struct td_stack *st, struct tcb *t);
/* An ACK field is on the way: what was owed is paid. For every segment that was sent. */
void tcp_ack_sent(struct td_stack *st, struct tcb *t);
/* Text of ours is on the way; perhaps as an answer. Call before tcp_ack_sent. */
void tcp_ack_text_out(const struct td_stack *st, struct tcb *t, bool again);
void tcp_ack_begin(struct tcb *t); /* as before the first text */
/* How large the peer's segments are, and whether small ones ask for an ACK. The size of this one. */
uint32_t tcp_measure_rcv_mss(struct tcb *t, const struct tcp_seg *s, const struct pkt *p);
void tcp_rcv_mss_init(struct tcb *t);
/* The next ACKs go out at once: as many as fill half the window, `most` at most. */
#define TCP_QUICK_MOST 16u
void tcp_quickack_enter(const struct td_stack *st, struct tcb *t, uint32_t most);
void tcp_dialogue(const struct td_stack *st, struct tcb *t, bool on);
void tcp_quickack_set(struct td_stack *st, struct tcb *t, int v); /* TCP_QUICKACK */
bool tcp_quickack_get(const struct td_stack *st, const struct tcb *t);

/* ---- sack_recv.c (RFC 2018, 2883) ---- */
/* The run of text beyond the hole that the segment just received belongs to. */
void tcp_sack_held(struct td_stack *st, struct tcb *t, struct tcp_sack_block run);
void tcp_sack_advance(struct td_stack *st, struct tcb *t); /* RCV.NXT moved */
void tcp_sack_clear(struct td_stack *st, struct tcb *t);
/* [left, right) came twice: the next ACK tells. */
void tcp_sack_dup(struct td_stack *st, struct tcb *t, tcp_seq left, tcp_seq right);
/* Octets that the SACK option takes if `room` are left; 0 = none. */
unsigned tcp_sack_room(const struct tcb *t, unsigned room);
void tcp_sack_fill(struct td_stack *st, struct tcb *t, struct tcp_opts *o, unsigned room);

/* ---- timers.c ---- */
void tcp_keepalive_update(struct td_stack *st, struct tcb *t);
void tcp_fin_wait_2_arm(struct td_stack *st, struct tcb *t);
void tcp_linger_arm(struct td_stack *st, struct tcb *t);

/* ---- listen.c ---- */
void tcp_listen_syn(struct td_stack *st, struct tcb *l, struct tcp_seg *s);
/* A child in its first state: what the user set on l, and what the SYN says. t is a fresh tcb, which
 * may lie on the stack: nothing points to it yet. */
void tcp_child_init(struct td_stack *st, struct tcb *t, struct tcb *l, const struct tcp_seg *s);
/* Behind it, unless the SYN-ACK is a cookie: its numbers may be given (pin.c). */
void tcp_child_pin(struct td_stack *st, struct tcb *t);
/* What the user set on the listener holds for its connections. */
void tcp_child_inherit(struct tcb *t, const struct tcb *l);
/* The SYN-ACK of a child that is no endpoint of its own yet. Sets its RCV.WND. */
void tcp_child_syn_ack(struct td_stack *st, struct tcb *t, bool again,
                       const struct tcp_tfo_cookie *cookie); /* NULL: none */
/* The handshake of a child is complete. */
void tcp_listen_complete(struct td_stack *st, struct tcb *t);
/* False: the accept queue is full; journaled, and counted. */
bool tcp_listen_room(struct td_stack *st, const struct tcb *l, const struct journal_subject *who);
void tcp_syn_drop(struct td_stack *st, struct tcb *l, const struct tcp_seg *s,
                  enum journal_word why, uint32_t waiting);
void tcp_listen_forget(struct td_stack *st, struct tcb *t); /* out of its parent's queue */
void tcp_listen_close(struct td_stack *st, struct tcb *l);
/* TCP_DEFER_ACCEPT: seconds to repetitions of the SYN-ACK and back, as Linux counts. */
uint8_t tcp_defer_retries(const struct td_stack *st, int seconds);
int tcp_defer_seconds(const struct td_stack *st, uint8_t retries);

/* ---- syncache.c ---- */
/* t: the child (tcp_child_init) that is kept as a record. -ENOMEM. Sends the SYN-ACK. */
int tcp_half_open_new(struct td_stack *st, struct tcb *l, struct tcb *t, const struct tcp_seg *s,
                      const struct tcp_tfo_cookie *cookie);
void tcp_half_open_segment(struct td_stack *st, struct half_open *r, struct tcp_seg *s);
void tcp_half_open_icmp(struct td_stack *st, struct half_open *r, const struct ip_error *e,
                        tcp_seq quoted);
/* The record goes; why is journaled. */
void tcp_half_open_end(struct td_stack *st, struct half_open *r, enum journal_word why);
void tcp_half_open_reset(struct td_stack *st, struct half_open *r, enum journal_word why);
struct journal_subject tcp_half_open_subject(const struct half_open *r, const struct tcp_seg *s);

/* ---- cookies.c ---- */
bool tcp_cookie_wanted(const struct td_stack *st, const struct tcb *l);
void tcp_cookie_syn(struct td_stack *st, struct tcb *l, const struct tcp_seg *s);
/* An ACK that no connection wants. False: it is no cookie of ours, and was left alone. */
bool tcp_cookie_ack(struct td_stack *st, struct tcb *l, struct tcp_seg *s);

/* ---- eor.c: MSG_EOR ---- */
void tcp_eor_mark(struct td_stack *st, struct tcb *t, tcp_seq end);
/* How much of [pos, pos+len) may stand in one segment; *ends: it ends a record. */
uint32_t tcp_eor_clip(const struct tcb *t, tcp_seq pos, uint32_t len, bool *ends);
void tcp_eor_acked(struct td_stack *st, struct tcb *t); /* SND.UNA has moved */
void tcp_eor_free(struct td_stack *st, struct tcp_more *m);
/* ---- fastopen.c ---- */
/* True: the SYN made a connection, which is in the accept queue. False: an ordinary handshake, whose
 * SYN-ACK is to carry *answer. */
bool tcp_fastopen_syn(struct td_stack *st, struct tcb *l, struct tcp_seg *s,
                      struct tcp_tfo_cookie *answer);
bool tcp_fastopen_syn_again(struct td_stack *st, struct tcb *t, const struct tcp_seg *s);
/* The handshake of such a connection is over, one way or the other. */
void tcp_fastopen_child_done(struct td_stack *st, struct tcb *t, bool reset);
void tcp_fastopen_listen(struct td_stack *st, struct tcb *l);
void tcp_fastopen_free(struct td_stack *st, struct tcp_more *m);
void tcp_fastopen_offer(struct tcp_opts *o, const struct tcp_tfo_cookie *c);
bool tcp_fastopen_is_option(int name);
int tcp_fastopen_setopt(struct td_stack *st, struct tcb *t, int name, const void *val, uint32_t len);
int tcp_fastopen_getopt(const struct td_stack *st, const struct tcb *t, int name, void *val,
                        uint32_t *len);
/* ---- fastopen_client.c ---- */
enum tcp_tfo_mode tcp_fastopen_mode(struct td_stack *st, struct tcb *t);
/* As much of the text as the SYN may carry goes into the send buffer; how much. */
uint32_t tcp_fastopen_take(struct td_stack *st, struct tcb *t, const struct iovec *iov, size_t niov);
void tcp_fastopen_syn_out(struct td_stack *st, struct tcb *t, struct tcp_emit *e);
void tcp_fastopen_syn_ack_in(struct td_stack *st, struct tcb *t, const struct tcp_seg *s);
void tcp_fastopen_timeout(struct td_stack *st, const struct tcb *t, bool over);
void tcp_fastopen_pause(struct td_stack *st, const struct tcb *t);
void tcp_fastopen_ends(struct td_stack *st, const struct tcb *t);
void tcp_fastopen_done(struct td_stack *st);
/* SYN-SENT, or SYN-RECEIVED without Fast Open: neither SEND nor RECEIVE can do anything yet. */
static inline bool tcp_opening(const struct tcb *t)
{
    return t->state == TCPS_SYN_SENT || (t->state == TCPS_SYN_RECEIVED && t->tfo_serial == 0);
}

/* ---- timewait.c ---- */
void tcp_time_wait(struct td_stack *st, struct tcb *t, enum journal_word why);
void tcp_time_wait_segment(struct td_stack *st, struct timewait *w, struct tcp_seg *s);
/* May an active OPEN take this tuple over (tcp_tw_reuse)? named: the user chose the port. */
bool tcp_time_wait_reusable(const struct td_stack *st, const struct timewait *w, bool named);
/* The record goes; why is journaled. */
void tcp_time_wait_end(struct td_stack *st, struct timewait *w, enum journal_word why);
/* ---- isn.c ---- */
tcp_seq tcp_isn(struct td_stack *st, const struct tcp_tuple *a);
/* ---- pin.c ---- */
#define TCP_PINS_MAX 16u
/* Gives t's iss and ts_offset the pinned values of its tuple. False: nothing is pinned. To be called
 * once in a connection's life, when it has both and nothing was derived from them. */
bool tcp_pin_apply(struct td_stack *st, struct tcb *t);
static inline bool tcp_pin_take(struct td_stack *st, struct tcb *t)
{
    return st->tcp->pins != NULL && tcp_pin_apply(st, t);
}
/* The identification of the tuple's next datagram. False: it isn't pinned. */
bool tcp_pin_next_id(struct td_stack *st, const struct tcp_tuple *a, uint16_t *id);
/* How far its new text may go, and how many bytes that are believed lost may go again, whatever cwnd says. False: neither
 * is pinned. */
bool tcp_pin_window(const struct td_stack *st, const struct tcp_tuple *a, tcp_seq *edge, int32_t *credit);
bool tcp_pin_burst(const struct td_stack *st, const struct tcp_tuple *a);
void tcp_pin_spent(struct td_stack *st, const struct tcp_tuple *a, uint32_t bytes);
void tcp_pins_free(struct td_stack *st);
/* ---- synopts.c ---- */
void tcp_syn_options_take(struct td_stack *st, struct tcb *t, const struct tcp_opts *o);
void tcp_syn_options_offer(struct td_stack *st, struct tcb *t, struct tcp_opts *o);
/* What every segment of a synchronized connection carries by what was agreed on: options, and the
 * marks of ECN in flags and TOS. e: addresses, seq, ack, flags and len are set. Notes that this ACK
 * field was sent. To be called once for each segment, just before it is emitted. */
void tcp_options_fill(struct td_stack *st, struct tcb *t, struct tcp_emit *e);
/* Octets of options that a segment with text carries now: Eff.snd.MSS is for no options but the
 * timestamp, SACK blocks take their place from the text. */
uint32_t tcp_options_sack_len(const struct tcb *t);

/* ---- uto.c (RFC 5482) ---- */
/* Seconds, and the option's field. Longer ones are rounded up to minutes, and end at 32767 of them. */
uint16_t tcp_uto_encode(uint32_t seconds);
uint32_t tcp_uto_decode(uint16_t field);
static inline bool tcp_uto_adopted(const struct tcb *t) /* the user time-out follows the peer's */
{
    return t->more_state != NULL && t->more_state->uto_adopted;
}
void tcp_uto_offer(const struct td_stack *st, const struct tcb *t, struct tcp_opts *o); /* on a SYN */
void tcp_uto_begin(struct td_stack *st, struct tcb *t); /* the connection is up */
/* On a segment without SYN, if it is due and room octets of options suffice. What it takes of them. */
unsigned tcp_uto_fill(const struct td_stack *st, const struct tcb *t, struct tcp_emit *e,
                      unsigned room);
void tcp_uto_received(struct td_stack *st, struct tcb *t, const struct tcp_seg *s);
void tcp_uto_user_set(struct td_stack *st, struct tcb *t); /* TCP_USER_TIMEOUT was set */

/* ---- timestamps.c (RFC 7323 3 to 5) ---- */
#define TCP_TS_LEN 12 /* octets of a segment that the option takes, aligned */
/* 0, or a number of the connection's own that its clock is shifted by (7.1). */
uint32_t tcp_ts_offset(const struct td_stack *st, const struct tcp_tuple *a);
static inline uint32_t tcp_ts_ms(const struct td_stack *st) /* one tick: 1 ms of stack time */
{
    return (uint32_t)(st->now / TD_MS);
}
static inline uint32_t tcp_ts_val(const struct td_stack *st, const struct tcb *t) /* TSval now */
{
    return tcp_ts_ms(st) + t->ts_offset;
}
/* Milliseconds since the segment whose TSval `ecr` echoes was sent. */
static inline uint32_t tcp_ts_age(const struct td_stack *st, const struct tcb *t, uint32_t ecr)
{
    return tcp_ts_val(st, t) - ecr;
}
void tcp_ts_store(const struct td_stack *st, struct tcb *t, uint32_t val);
/* TS.Recent is taken from this segment if 4.3 says so. */
void tcp_ts_update(const struct td_stack *st, struct tcb *t, const struct tcp_seg *s);
/* May a clock have come from TS.Recent to this TSval since? */
bool tcp_ts_plausible(const struct td_stack *st, const struct tcb *t, const struct tcp_seg *s);
enum tcp_paws {
    TCP_PAWS_OK,
    TCP_PAWS_OLD_ACK, /* a pure ACK overtaken by others: dropped without an answer */
    TCP_PAWS_REJECT,
};
enum tcp_paws tcp_paws(const struct td_stack *st, const struct tcb *t, const struct tcp_seg *s);

/* ---- ecn.c (RFC 3168) ---- */
#define ECN_MASK 3
enum tcp_ecn_codepoint { ECN_NOT_ECT, ECN_ECT_1, ECN_ECT_0, ECN_CE };
/* ECE and CWR of a SYN or SYN-ACK that we send. */
uint16_t tcp_ecn_syn_flags(struct td_stack *st, struct tcb *t);
/* A listener's child: the SYN that it was born of. */
void tcp_ecn_syn_in(struct td_stack *st, struct tcb *t, uint16_t flags, uint8_t tos);
/* The marks of a segment that is sent: ECT, ECE, CWR. */
void tcp_ecn_fill(const struct td_stack *st, struct tcb *t, struct tcp_emit *e);
/* The marks of text that arrived inside the window. */
void tcp_ecn_text_in(struct td_stack *st, struct tcb *t, const struct tcp_seg *s);
/* ECE with cwnd at one segment: the next text waits for the timer (6.1.2). */
void tcp_ecn_wait(struct td_stack *st, struct tcb *t);
/* The SYN-ACK, or in a simultaneous open the SYN, that answers ours. */
void tcp_ecn_syn_ack_in(struct td_stack *st, struct tcb *t, uint16_t flags);

#endif
