/* tcp/tcp_internal.h: the inside of TCP. README.md in this folder tells in which order to read.
 *
 * Names are RFC 9293's wherever it has one: SND.UNA is snd_una, SEG.LEN is seg.len. Sequence
 * numbers are compared with core/seq.h only.
 */
#ifndef TCP_INTERNAL_H
#define TCP_INTERNAL_H

#include "core/seq.h"
#include "core/stack.h"
#include "ip/ip.h"
#include "tapdeck/organs.h"
#include "tcp/tcp.h"
#include "wire/tcp.h"

/* ---- endpoints: what the connection table holds ---- */

struct tcp_tuple { /* a hash key: no padding */
    td_ip4 laddr, raddr;
    uint16_t lport, rport;
};

enum tcp_ep_kind { TCP_EP_TCB, TCP_EP_TIME_WAIT, TCP_EP_HALF_OPEN };

struct tcp_ep {            /* the beginning of a tcb, a TIME-WAIT and a half-open record */
    struct hash_node node; /* in tcp->eps, key = the tuple (remote part 0: bound or listening) */
    struct tcp_tuple a;
    uint8_t kind;          /* enum tcp_ep_kind */
    bool hashed;
    uint8_t tos, ttl;      /* of what is sent; ttl 0 = the default */
};

/* All users of one local port. Exists while it has one. */
struct tcp_port {
    struct hash_node node;
    uint16_t port;
    uint32_t nbound;       /* members that chose the port themselves: ephemeral choice avoids it */
    uint32_t ntime_wait;   /* TIME-WAIT records */
    struct tcb *members, **tail;
    struct tcb *listeners; /* through lsn->next, oldest first */
};

/* ---- a segment on its way in (RFC 9293 3.3.1's SEG variables) ---- */

struct tcp_seg {
    struct pkt *p;         /* data = the text; NULL once somebody took it */
    struct tcp_tuple a;    /* local and remote as seen from here */
    tcp_seq seq, ack;
    uint32_t len;          /* SEG.LEN: text, SYN and FIN */
    uint32_t text;         /* bytes of text */
    uint32_t wnd;          /* SEG.WND, scaled by the connection's shift (unscaled on a SYN) */
    uint16_t flags;        /* enum tcp_flags */
    uint16_t urp;
    const struct tcp_hdr *h;
    uint8_t tos;
    uint64_t pkt_id;
    uint32_t ifindex;
    bool reopens;          /* a SYN that ends a TIME-WAIT: our ISS must lie beyond */
    tcp_seq beyond;        /* this */
};

/* ---- buffers ---- */

/* The send buffer (sndbuf.c): bytes [base, base+len) in a list of blocks; the retransmission queue
 * of RFC 9293 3.10 and the queued SENDs are the two parts of it before and behind SND.NXT. */
struct snd_chunk {
    struct snd_chunk *next;
    struct pkt_block *block;
    uint32_t off, len; /* the used part of block */
};
struct sndbuf {
    struct snd_chunk *head, *tail;
    struct snd_chunk *hint; /* some chunk of the list, and the number of its first byte: */
    tcp_seq hint_seq;       /* sequential reads don't start over */
    tcp_seq base;           /* sequence number of the first byte */
    uint32_t len;           /* bytes */
};

/* The receive side (reasm.c): packets in order, waiting for the user, and packets beyond a hole. A
 * packet's cb[0] holds its sequence number, its p->data is at the first byte not yet read. */
struct rcvbuf {
    struct pkt_queue q;     /* [copied_seq, rcv_nxt) */
    struct pkt *ooo;        /* beyond rcv_nxt: sorted, no overlaps, linked by next */
    struct pkt *ooo_hint;   /* the run inserted into last: the next segment usually follows it */
    uint32_t ooo_count, ooo_runs;
    uint32_t refused;       /* segments that would have made too many holes */
    uint32_t truesize;      /* memory held by both */
};

/* ---- organs ---- */

struct tcb;

/* Congestion control (cc/): struct td_cc_ops in tapdeck/organs.h. cc.c finds them by name, gives a
 * connection its state when it first sends text, and keeps the shared fields of struct td_cc true. */
extern const struct td_cc_ops tcp_cc_reno, tcp_cc_cubic, tcp_cc_vegas;
/* The knob tcp_allowed_congestion_control has it. */
bool tcp_cc_allowed(const struct td_stack *st, const struct td_cc_ops *ops);
const struct td_cc_ops *tcp_cc_find(const char *name); /* NULL = no such */
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

/* How the sender sees the path (recovery.c); numbers as TCP_INFO tells them. */
enum tcp_episode {
    TCPE_OPEN, TCPE_DISORDER, TCPE_CWR, TCPE_RECOVERY, TCPE_LOSS,
};
struct txq; /* what is in flight (xmit.h) */

/* Retransmission time-out (rto.c): struct td_rto_ops in tapdeck/organs.h. */
extern const struct td_rto_ops tcp_rto_6298;
void tcp_rto_init(struct td_stack *st, struct tcb *t);
void tcp_rto_sample(struct td_stack *st, struct tcb *t, td_time rtt); /* and cc.srtt */
void tcp_rto_min_rtt(struct td_stack *st, struct tcb *t, td_time rtt); /* cc.min_rtt */
void tcp_rto_backoff(struct td_stack *st, struct tcb *t);

/* ---- the transmission control block ---- */

/* Fast Open (RFC 7413): fastopen.c, fastopen_client.c */
enum tcp_tfo_bits { /* of the knob tcp_fastopen, as in Linux */
    TFO_CLIENT = 1, TFO_SERVER = 2, TFO_CLIENT_NO_COOKIE = 4, TFO_SERVER_NO_COOKIE = 0x200,
    TFO_SERVER_ALL = 0x400,
};
enum tcp_tfo_mode { /* what an active open's SYN is to carry */
    TFO_MODE_OFF, TFO_MODE_ASK, TFO_MODE_COOKIE, TFO_MODE_PLAIN /* text without a cookie */
};
enum tcp_tfo_fail { /* tcpi_fastopen_client_fail */
    TFO_STATUS_UNSPEC_, TFO_COOKIE_UNAVAILABLE_, TFO_DATA_NOT_ACKED_, TFO_SYN_RETRANSMITTED_
};
struct tcp_tfo_cookie {
    int8_t len; /* -1: none; 0: a request */
    bool exp;   /* in the experimental option */
    uint8_t val[16];
};
struct tcp_tfo_keys {
    struct siphash_key key[2];
    uint8_t n; /* 0: not set */
};
struct tcp_tfo_penalty { /* a reset connection that still counts as pending */
    struct tcp_tfo_penalty *next;
    td_time until;
};
struct tcp_tfo { /* a listener's */
    uint32_t limit;   /* TCP_FASTOPEN; 0 = off */
    uint32_t pending; /* connections whose handshake isn't over, and penalties */
    struct tcp_tfo_penalty *penalties; /* oldest first */
    struct tcp_tfo_keys keys;          /* TCP_FASTOPEN_KEY */
};

struct tcp_mtup {                 /* the search for the path's MTU (mtuprobe.c); bytes of datagram */
    uint32_t search_low, search_high;
    uint32_t probe_size;          /* of the probe in flight; 0 = none */
    tcp_seq from, to;             /* its text */
    td_time since;                /* the search began */
    bool on;
};

/* What few connections need, allocated when the first of it is asked for (more.c). */
struct tcp_more {
    /* options */
    uint64_t max_pacing_rate;     /* SO_MAX_PACING_RATE, bytes a second; UINT64_MAX = no limit */
    uint32_t notsent_lowat;       /* queued and not sent, from here on a SEND finds it full; bytes */
    uint32_t notsent_option;      /* TCP_NOTSENT_LOWAT as it was set; 0 = the knob's */
    uint32_t rcvlowat;            /* SO_RCVLOWAT; 0 = 1 */
    uint32_t mark;                /* SO_MARK */
    uint16_t port_low, port_high; /* IP_LOCAL_PORT_RANGE; 0 = the knob's */
    struct tcp_tfo *tfo;          /* NULL: not asked for */
    struct tcp_eor *eor;          /* ends of records (eor.c); NULL: none in the queue */
    /* where the time of sending went (info.c) */
    td_time chrono_since;
    td_time chrono_sum[3];        /* busy with nothing in the way, by enum tcp_chrono - 1 */
    uint8_t chrono;               /* enum tcp_chrono: since chrono_since */
    struct tcp_mtup mtup;
    struct tcp_pacer *pacer;      /* pacing.c; NULL: not paced yet */
    struct tcp_series *series;    /* series.c; NULL: no samples */
};
enum tcp_chrono { TCP_CHRONO_NONE, TCP_CHRONO_BUSY, TCP_CHRONO_RWND, TCP_CHRONO_SNDBUF };

struct tcp_listener { /* what only a listener needs (listen.c) */
    struct tcb *self;
    struct tcb *next;                   /* listeners of the same port */
    struct half_open *syn_queue, **syn_tail; /* SYN-RECEIVED, oldest first */
    struct tcb *accept_queue, **accept_tail;
    uint32_t nsyn, naccept;
    uint32_t nyoung;                    /* of nsyn: their SYN-ACK was sent once only */
    uint32_t backlog;
    bool cookies_sent;
    td_time cookie_time;                /* the last SYN cookie was sent */
};

enum tcp_ctl_timer { /* what t_ctl waits for, by state */
    TCTL_NONE, TCTL_KEEPALIVE, TCTL_FIN_WAIT_2, TCTL_LINGER,
};
enum tcp_rtx_timer { /* what t_rtx waits for */
    TRTX_NONE, TRTX_REXMT, TRTX_PROBE, TRTX_REO, TRTX_PERSIST, TRTX_OVERRIDE,
};
enum tcp_pmtu_mode { /* IP_MTU_DISCOVER, with Linux's numbers */
    TCP_PMTU_DONT, TCP_PMTU_WANT, TCP_PMTU_DO, TCP_PMTU_PROBE, TCP_PMTU_INTERFACE, TCP_PMTU_OMIT,
};
enum tcp_urg_state { /* the urgent octet as recv(MSG_OOB) sees it */
    TURG_NONE, TURG_PENDING, /* announced, at urg_seq; in the queue or still to come */
    TURG_TAKEN,              /* taken out of the stream, kept in urg_byte */
    TURG_READ,               /* recv(MSG_OOB) had it; the mark still stands */
};

struct tcb {
    struct tcp_ep ep;

    /* -- owner and place -- */
    void *owner;                  /* socket/'s; NULL = orphan, or not accepted yet */
    const struct tcp_upcalls *up;
    struct tcp_port *port;
    struct tcb *port_next, **port_prev;
    struct tcb *all_next, **all_prev; /* every tcb there is */
    struct tcb *mark_next;        /* waits for tcp_flush */
    struct tcp_listener *lsn;     /* state LISTEN: its queues */
    struct tcb *parent;           /* not accepted yet: the listener */
    struct tcb *q_next, **q_prev; /* in the parent's accept queue */
    struct timewait *tw;          /* state TIME-WAIT: the record that answers for it */
    uint32_t id;                  /* of the socket; 0 = not accepted yet */
    uint32_t serial;              /* birth number */
    struct tcp_more *more_state;  /* NULL: as nobody asked for anything */

    uint8_t state;                /* enum tcp_state */
    bool passive;                 /* came from a passive OPEN (MUST-11) */
    bool marked : 1;
    bool in_accept : 1;           /* in the accept queue */
    bool dead : 1;                /* tcp_flush frees it */
    bool was_connected : 1;       /* it is, or was, more than a fresh or listening socket */
    bool orphan : 1;              /* was closed by its owner */
    bool attempt_failed : 1;      /* an active OPEN ended before it was answered: may be tried again */
    bool reuse_addr : 1, reuse_port : 1;
    bool bound : 1;               /* the port was chosen by the user */
    bool addr_bound : 1;          /* so was the address */
    bool rd_shut : 1, wr_shut : 1;/* shutdown() was called: no more RECEIVE, SEND */
    bool fin_rcvd : 1;            /* the peer's FIN is behind RCV.NXT */
    bool fin_queued : 1;          /* a FIN follows the last byte of the send buffer */
    bool fin_sent : 1;
    /* Fast Open */
    bool tfo_connect : 1;         /* TCP_FASTOPEN_CONNECT */
    bool tfo_no_cookie : 1;       /* TCP_FASTOPEN_NO_COOKIE */
    bool bind_no_port : 1;        /* IP_BIND_ADDRESS_NO_PORT */
    bool tfo_opened : 1;          /* by a SEND; the next such SEND finds it done (Linux) */
    bool tfo_deferred : 1;        /* SYN-SENT by connect, and the first SEND will send the SYN */
    bool tfo_after_pause : 1;
    bool syn_fastopen : 1, syn_fastopen_exp : 1; /* the SYN carried the option */
    bool syn_data : 1;            /* our SYN carried text */
    bool syn_data_acked : 1;      /* ... and it was acknowledged; or the peer's did */
    uint8_t tfo_mode : 2;         /* enum tcp_tfo_mode */
    uint8_t tfo_fail : 2;         /* enum tcp_tfo_fail */

    /* -- send sequence space (RFC 9293 3.3.1) -- */
    tcp_seq iss, snd_una, snd_nxt; /* snd_nxt: beyond everything ever sent */
    tcp_seq rtx_nxt;              /* new text goes on here; behind snd_nxt after a window probe */
    struct txq *txq;              /* the segments in flight; NULL: none, and no episode is open */
    tcp_seq snd_wl1, snd_wl2;
    uint32_t snd_wnd, max_snd_wnd;
    tcp_seq snd_up;               /* behind the last urgent octet; meaningful while snd_urg */
    tcp_seq snd_sml;              /* end of the last small segment sent (Minshall's rule) */
    bool snd_urg : 1;
    bool more : 1;                /* MSG_MORE: the last SEND announced another */
    bool more_over : 1;           /* ... and a segment has come since: it holds nothing any more */
    bool push_now : 1;            /* cork and Nagle hold nothing in the next output */
    bool no_space : 1;            /* a SEND found the buffer full: tell when there is room */
    bool out_limited : 1;         /* held back by the interface's queue */
    bool cwnd_limited : 1;        /* held back by cwnd when it last sent */
    bool cwnd_full : 1;           /* ... or it was filled, in this window of data (cwnd.c) */
    bool first_window : 1;        /* the initial or restart window isn't acknowledged yet */
    bool first_window_lost : 1;   /* something of one was lost (RFC 6928 2) */
    bool ever_rexmt_syn : 1;      /* the SYN or SYN-ACK had to be repeated */
    bool no_df : 1;               /* the path's MTU is below what TCP goes down to: fragments */
    bool peer_wscale : 1;         /* scaling was offered and is on */
    /* What both SYNs agreed on (synopts.c, ecn.c). */
    bool sack_ok : 1;             /* SACK-permitted in both (RFC 2018) */
    bool ts_ok : 1;               /* timestamps in both (RFC 7323 3): then on every segment */
    bool ecn_ok : 1;              /* ECN set up (RFC 3168 6.1.1) */
    bool ecn_syn : 1;             /* SYN-RECEIVED: the SYN asked for ECN and gets it */
    bool ecn_refused : 1;         /* a SYN was repeated without ECN: never again */
    bool ecn_echo : 1;            /* CE arrived: ECE on every ACK until CWR comes (6.1.3) */
    bool ecn_cwr : 1;             /* cwnd was cut: CWR on the next new text (6.1.2) */
    bool ecn_seen : 1;            /* some segment came with ECT or CE: TCP_INFO */
    uint8_t snd_wscale, rcv_wscale;
    uint16_t peer_mss;            /* SendMSS of RFC 9293 3.7.1 */
    uint16_t mss;                 /* Eff.snd.MSS: text bytes of a full segment */
    uint16_t quickacks;           /* acknowledgments that go out at once */
    uint32_t pmtu;                /* of the path, bytes of datagram */
    struct sndbuf snd;

    /* -- receive sequence space -- */
    tcp_seq irs, rcv_nxt, copied_seq;
    tcp_seq last_ack_sent;        /* Last.ACK.sent (RFC 7323 4.3) */
    uint32_t ts_recent;           /* TS.Recent (RFC 7323), the peer's ticks */
    uint32_t ts_recent_s;         /* when it was taken, seconds of stack time + 1; 0 = invalid */
    uint32_t ts_offset;           /* ours: TSval = stack time in ms + this */
    uint32_t rcv_wnd;             /* rcv_nxt + rcv_wnd is the edge that was advertised */
    tcp_seq rcv_up, urg_seq;      /* RCV.UP; the urgent octet itself: rcv_up - 1 */
    uint8_t urg_state;            /* enum tcp_urg_state */
    uint8_t urg_byte;
    bool urg_mode : 1;            /* rcv_up is ahead of what was delivered */
    bool ack_now : 1, ack_delayed : 1;
    bool wnd_closed : 1;          /* zero was advertised */
    bool fin_ooo : 1;             /* a FIN waits beyond the hole, at fin_seq */
    bool ack_sched : 1;           /* something came that no ACK was sent for yet */
    bool ack_pushed : 1, ack_pushed2 : 1; /* one, two small segments among it (delack.c) */
    uint8_t dup_owed;             /* duplicate ACKs that segments out of order ask for */
    uint8_t dup_count, dup_held;  /* of those for the hole at dup_seq: sent at once, kept back */
    uint8_t pingpong;             /* answers of ours that carried an ACK: a dialogue */
    uint8_t defer_accept;         /* TCP_DEFER_ACCEPT: repetitions of the SYN-ACK; 0 = off */
    uint16_t ato_ms;              /* the ACK time-out; 0 = no text came yet */
    uint16_t rcv_mss;             /* RMSS: the size of the peer's full segments, as far as seen */
    uint16_t last_seg_size;       /* of a smaller one: two of them in a row lower rcv_mss */
    uint16_t adv_mss;             /* the MSS our SYN told */
    tcp_seq dup_seq;
    struct tcp_sacks *sacks;      /* blocks to report (sack_recv.c); NULL = none */
    uint32_t rcv_ssthresh;        /* Linux: the window is opened this far at present */
    tcp_seq rcv_edge;             /* the furthest edge ever advertised (RFC 7323 2.4) */
    uint32_t tfo_serial;          /* made by a SYN with text, not acknowledged yet: by this listener */
    tcp_seq fin_seq;
    struct rcvbuf rcv;
    uint8_t win_ratio;            /* payload per memory of what arrives, in 256ths */
    tcp_seq space_seq;            /* receive auto-tuning: copied_seq and time at its last turn */
    uint32_t space;               /* bytes the user took in the best round trip */
    uint32_t space_us;            /* the low bits of stack time in us, as rrtt_at_us; 0 = not begun */
    uint32_t rrtt_ecr;            /* the echo that was measured last; SYN-SENT: our first TSval */
    tcp_seq rrtt_seq;             /* receiver's round trip: when rcv_nxt passes this */
    uint32_t rrtt_at_us, rrtt8_us; /* rrtt8_us: 8 round trips; 0 = not measured */

    /* -- round trip and time-out (RFC 6298); ns -- */
    struct td_rto rtt;            /* SRTT, RTTVAR, RTO, doublings */
    td_time rtt_time;             /* when the SYN left; 0 = it isn't being timed */
    uint32_t min_rtt_s;           /* when cc.min_rtt was measured, seconds */
    uint8_t rexmits;              /* of the earliest segment: R1 and R2 count these */
    uint8_t probes;               /* unanswered window or keep-alive probes */
    uint8_t persist_backoff;      /* doublings between window probes, answered or not */
    uint8_t rtx_kind;             /* enum tcp_rtx_timer */
    uint8_t ctl_kind;             /* enum tcp_ctl_timer */
    uint8_t ca_state;             /* enum tcp_episode: how the sender sees the path */
    uint8_t rack_steps;           /* RACK.reo_wnd_mult (RFC 8985 6.1) */
    uint8_t rack_persist;         /* RACK.reo_wnd_persist */
    uint16_t reordering;          /* so many segments a late one may lie behind */
    uint16_t reord_seen;          /* how often one did */

    /* -- congestion (RFC 5681, 6582); bytes -- */
    struct td_cc cc;              /* cwnd, ssthresh and the organ that sets them */
    tcp_seq usage_seq;            /* the window of data that cwnd_full and max_flight speak of ends here */
    uint32_t max_flight;          /* most bytes in flight in it */
    uint32_t cwnd_used, used_ms;  /* most bytes in flight since used_ms, when cwnd was last filled */
    tcp_seq first_window_end;
    tcp_seq recover;              /* an episode ends when SND.UNA reaches it */
    uint16_t dupacks;
    uint32_t delivered;           /* segments, the SYN among them */
    uint32_t dsack_dups;          /* segments that D-SACKs reported */
    uint32_t last_advice;         /* when IP was last told that the way is good, seconds + 1 */

    /* -- timers -- */
    struct timer t_rtx, t_delack, t_ctl;
    td_time last_rcvd, last_sent; /* any segment in; text out */
    td_time stalled_since;        /* no progress since: user timeout; 0 = none */
    uint32_t oow_last_ms;         /* answers to unacceptable segments are limited by these two: */
    uint32_t challenge_s;         /* stack time, + 1; 0 = never */
    uint16_t challenges;

    /* -- options -- */
    bool nodelay : 1, cork : 1, keepalive : 1, linger : 1, oob_inline : 1, quickack_off : 1,
        rcvbuf_locked : 1, sndbuf_locked : 1, recv_err : 1, inq : 1;
    uint8_t pmtudisc : 3;         /* enum tcp_pmtu_mode */
    bool cc_chosen : 1;           /* TCP_CONGESTION was set: children inherit it */
    bool soft_local : 1;          /* soft_err is ours: the neighbour can't be found, say */
    bool r1_told : 1;             /* R1 was journaled for this segment */
    uint8_t keepcnt, syncnt;      /* 0 = the knob */
    uint16_t user_mss;            /* TCP_MAXSEG; 0 = none */
    uint16_t keepidle, keepintvl; /* seconds; 0 = the knob */
    uint16_t linger_s;
    int16_t linger2;              /* seconds in FIN-WAIT-2 as an orphan; 0 = the knob, < 0 = none */
    uint32_t user_timeout_ms;     /* 0 = R2 by counting */
    uint32_t sndbuf_limit, rcvbuf_limit, window_clamp;
    uint32_t up_ms, last_data_ms; /* stack time when it came up, when text came in order last */
    int32_t err, soft_err;        /* pending errno values, positive */
    uint32_t ifindex;             /* the interface the route leaves by */
    uint32_t poll_told;           /* poll bits the owner was told about */

    /* -- what ss and TCP_INFO tell -- */
    uint64_t bytes_sent, bytes_retrans, bytes_acked, bytes_received;
    uint32_t segs_out, segs_in, total_retrans, data_segs_out, data_segs_in;
    uint32_t delivered_ce;        /* segments in flight that the peer saw marked (ECE) */
    uint32_t max_size_acked;      /* RFC 5927 7.2: datagram sizes that got through */
    uint32_t pmtu_pending;
};

/* TIME-WAIT (timewait.c): what is left of a connection while old segments die. */
struct timewait {
    struct tcp_ep ep;
    struct timer timer;        /* 2MSL */
    struct tcp_port *port;
    struct tcb *tcb;           /* the owner that hasn't closed yet, or NULL */
    tcp_seq snd_nxt, rcv_nxt;
    uint32_t rcv_wnd;
    uint32_t id;
    uint32_t answered_ms;      /* stack time of the last limited answer, ms + 1; 0 = none */
    uint32_t ts_recent, ts_recent_s, ts_offset; /* as in the tcb; ts_recent_s 0: no timestamps */
    uint8_t rcv_wscale;
};

/* A handshake under way (syncache.c): what is kept of a SYN until its SYN-ACK is acknowledged. */
struct half_open {
    struct tcp_ep ep;
    struct timer timer;          /* the SYN-ACK comes again */
    struct tcb *listener;
    struct half_open *next, **prev; /* in its SYN queue */
    td_time born;                /* the SYN arrived */
    tcp_seq irs, iss;
    uint32_t snd_wnd;            /* of the SYN, unscaled */
    uint32_t rcv_wnd;            /* of the SYN-ACK */
    uint32_t answered_ms;        /* stack time of the last limited answer, ms + 1; 0 = none */
    uint32_t challenge_s;        /* second in which challenge ACKs were counted last, + 1 */
    uint32_t ts_recent, ts_recent_s, ts_offset;
    uint16_t challenges;
    uint16_t peer_mss;
    uint8_t snd_wscale, rcv_wscale;
    uint8_t timeouts, rexmits;   /* the timer fired; a SYN-ACK was sent again, for whatever reason */
    bool peer_wscale : 1, sack_ok : 1, ts_ok : 1, ecn_ok : 1, ecn_syn : 1;
    bool acked : 1;              /* the peer did acknowledge, but there was no room or no text */
};

struct tcp {
    struct hash eps;           /* struct tcp_ep by tuple */
    struct hash ports;         /* struct tcp_port by port */
    struct tcb *all;
    struct tcb *marked, **marked_tail;
    struct timer throttle;     /* some of them wait for the interface's queue to drain */
    struct siphash_key isn_key, cookie_key;
    struct tcp_tfo_keys tfo_keys;
    struct hash tfo_peers;     /* what is known of servers, by address */
    td_time tfo_paused_at;
    uint32_t tfo_pauses;       /* in a row */
    uint32_t serial;
    uint32_t ntcb, norphans, ntime_wait;
    struct table table, tcb_table, series_table;
    struct tcp_series *series; /* series.c, oldest first */
    uint64_t nseries, series_number;
};

/* ---- tcp.c: tables ---- */
struct journal_subject tcp_subject(const struct tcb *t);
struct journal_subject tcp_seg_subject(const struct tcp_seg *s, const struct tcb *t);
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
/* ---- input_sync.c ---- */
void tcp_segment_synchronized(struct td_stack *st, struct tcb *t, struct tcp_seg *s);
/* Steps 6 to 8 for a SYN-ACK that brings text, URG or FIN. */
void tcp_segment_rest(struct td_stack *st, struct tcb *t, struct tcp_seg *s);
bool tcp_challenge_allowed(struct td_stack *st, struct tcb *t);
/* Header prediction; true = handled. */
bool tcp_fast_path(struct td_stack *st, struct tcb *t, struct tcp_seg *s);
/* ---- error.c ---- */
void tcp_icmp_error(struct td_stack *st, const struct ip_error *e);

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

/* ---- reasm.c ---- */
void rcvbuf_init(struct rcvbuf *b);
void rcvbuf_clear(struct rcvbuf *b);
/* In-order text (p->data at RCV.NXT). Consumes p. */
void rcvbuf_append(struct rcvbuf *b, struct pkt *p, tcp_seq seq);
/* Text beyond a hole; what is there already is trimmed off. Consumes p. How many bytes are new. */
uint32_t rcvbuf_insert(struct rcvbuf *b, struct pkt *p, tcp_seq seq);
/* Moves what is in order now to the queue and returns how many bytes rcv_nxt advances. */
uint32_t rcvbuf_advance(struct rcvbuf *b, tcp_seq rcv_nxt);
/* The run of text beyond the hole that seq is in, or at whose end it is. False: there is none. */
bool rcvbuf_run(const struct rcvbuf *b, tcp_seq seq, struct tcp_sack_block *run);
/* The first part of [seq, seq+len) that is held beyond the hole already. False: nothing of it. */
bool rcvbuf_held(const struct rcvbuf *b, tcp_seq seq, uint32_t len, struct tcp_sack_block *part);
void rcvbuf_drop_ooo(struct rcvbuf *b);
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
void tcp_measure_rcv_mss(struct tcb *t, const struct tcp_seg *s, const struct pkt *p);
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
/* The SYN-ACK, or in a simultaneous open the SYN, that answers ours. */
void tcp_ecn_syn_ack_in(struct td_stack *st, struct tcb *t, uint16_t flags);

#endif
