/* tcp/tcb.h: what TCP remembers: the transmission control block and its smaller relatives.
 *
 * Theory of operation. A connection is one of three records in the table of endpoints, by its age:
 *
 *      SYN ──► struct half_open ──► struct tcb ──► struct timewait
 *              until its SYN-ACK    the whole      while old segments die
 *              is acknowledged      of it
 *
 * All three begin with a struct tcp_ep, so that a segment finds whichever is there. In the tcb is what
 * an idle connection needs. What only some need, or only at times, is behind a pointer that is NULL
 * otherwise: what is in flight (txq: xmit.h), blocks to report (sacks), a listener's queues (lsn),
 * rarer options and their state (more_state), the organ's memory (cc.state).
 *
 * The tcb is in chapters: owner and place, send and receive sequence space (RFC 9293 3.3.1), round trip
 * (6298), congestion (5681), timers, options, counts. Names are the RFC's wherever it has one: SND.UNA
 * is snd_una, SEG.LEN is seg.len. Sequence numbers are compared with core/seq.h only. What is done
 * with all this is in tcp_internal.h, file by file.
 */
#ifndef TCP_TCB_H
#define TCP_TCB_H

#include "core/seq.h"
#include "core/stack.h"
#include "ip/ip.h"
#include "tapdeck/loss.h"
#include "tapdeck/organs.h"
#include "tapdeck/reassembly.h"
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
    struct snd_chunk *next; /* of the last one: the first */
    struct pkt_block *block;
    uint32_t off, len; /* the used part of block */
    tcp_seq seq;       /* number of its first byte */
};
struct sndbuf {
    struct snd_chunk *tail; /* the last one; NULL: none */
    struct snd_chunk *hint; /* some chunk of the list: sequential reads don't start over */
    tcp_seq base;           /* sequence number of the first byte */
    uint32_t len;           /* bytes */
};

/* The receive side (rcvbuf.c): packets in order, waiting for the user, and what is beyond a hole. The
 * data of the first packet is at the first byte not yet read. */
struct rcvbuf {
    struct pkt_queue q;     /* [copied_seq, rcv_nxt) */
    struct rcv_held *held;  /* beyond rcv_nxt: the reassembly organ and its state; NULL: no hole */
    uint32_t truesize;      /* memory held by both */
};

struct tcb;
struct txq; /* what is in flight (xmit.h) */

/* How the sender sees the path (recovery.c); numbers as TCP_INFO tells them. */
enum tcp_episode {
    TCPE_OPEN, TCPE_DISORDER, TCPE_CWR, TCPE_RECOVERY, TCPE_LOSS,
};

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
    uint32_t verified;            /* search_low before a raise that isn't verified yet; 0 = none */
    uint32_t segs, lost;          /* delivered, and lost, since the raise */
    uint32_t segs_before, lost_before; /* the same before it */
    uint32_t lost_ever;           /* txq.lost_ever when they were counted last */
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
    bool rate_limited, rate_limited_now; /* by the application: the last sample, the one under way */
    tcp_seq rate_end;             /* the sample under way is over when this is acknowledged */
    td_time rate_since;           /* ... it began; 0 = none is under way */
    uint64_t rate_acked;          /* ... bytes_acked then */
    uint64_t delivery_rate;       /* the last sample, bytes a second; 0 = none yet */
    struct tcp_mtup mtup;
    uint32_t remote_uto;          /* REMOTE_UTO (RFC 5482), seconds; 0 = none was told */
    bool uto_on : 1;              /* the option is used (uto.c) */
    bool uto_due : 1;             /* the next segment that has room carries it */
    bool uto_adopted : 1;         /* user_timeout_ms follows the peer's */
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
    TRTX_NONE, TRTX_REXMT, TRTX_PROBE, TRTX_REO, TRTX_PERSIST, TRTX_OVERRIDE, TRTX_ECN,
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
    struct tcp_port *port;
    struct tcb *port_next, **port_prev;
    struct tcb *all_next, **all_prev; /* every tcb there is */
    struct tcb *mark_next;        /* waits for tcp_flush */
    union {
        struct tcp_listener *lsn; /* state LISTEN: its queues */
        struct tcb *q_next;       /* in_accept: in the parent's accept queue */
    };
    struct tcb **q_prev;
    union {
        struct tcb *parent;       /* not accepted yet: the listener; see tcp_parent */
        struct timewait *tw;      /* state TIME-WAIT: the record that answers for it; see tcp_tw */
    };
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
    uint16_t dupacks;             /* duplicate ACKs since SND.UNA moved */
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
    bool ecn_hold : 1;            /* cwnd is one segment and ECE came: the timer lets the next one go */
    uint8_t ecn_waits : 4;        /* ... so often in a row */
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
    bool rcv_nomem : 1;           /* text found no room: the next segment says that the window is closed */
    bool rcv_retracted : 1;       /* it was said, and rcv_edge lies beyond what is offered now */
    bool fin_ooo : 1;             /* a FIN waits beyond the hole, at fin_seq */
    bool ack_sched : 1;           /* something came that no ACK was sent for yet */
    bool ack_pushed : 1, ack_pushed2 : 1; /* one, two small segments among it (delack.c) */
    uint8_t dup_owed;             /* duplicate ACKs that segments out of order ask for */
    uint8_t dup_count, dup_held;  /* of those for the hole at dup_seq: sent at once, kept back */
    uint8_t pingpong;             /* answers of ours that carried an ACK: a dialogue */
    uint8_t defer_accept;         /* TCP_DEFER_ACCEPT: repetitions of the SYN-ACK; 0 = off */
    uint8_t win_ratio;            /* payload per memory of what arrives, in 256ths */
    uint16_t ato_ms;              /* the ACK time-out; 0 = no text came yet */
    uint16_t rcv_mss;             /* RMSS: the size of the peer's full segments, as far as seen */
    uint16_t last_seg_size;       /* of a smaller one: two of them in a row lower rcv_mss */
    uint16_t adv_mss;             /* the MSS our SYN told */
    uint8_t reassembly, loss_detection, rto_organ; /* organs, by number (organs.c) */
    tcp_seq dup_seq;
    uint32_t rcv_ssthresh;        /* Linux: the window is opened this far at present */
    tcp_seq rcv_edge;             /* the furthest edge ever advertised (RFC 7323 2.4) */
    uint32_t tfo_serial;          /* made by a SYN with text, not acknowledged yet: by this listener */
    tcp_seq fin_seq;
    struct rcvbuf rcv;
    struct tcp_sacks *sacks;      /* blocks to report (sack_recv.c); NULL = none */
    tcp_seq space_seq;            /* receive auto-tuning: copied_seq and time at its last turn */
    uint32_t space;               /* bytes the user took in the best round trip */
    uint32_t space_us;            /* the low bits of stack time in us, as rrtt_at_us; 0 = not begun */
    uint32_t rrtt_ecr;            /* the echo that was measured last; SYN-SENT: our first TSval */
    tcp_seq rrtt_seq;             /* receiver's round trip: when rcv_nxt passes this */
    uint32_t rrtt_at_us, rrtt8_us; /* rrtt8_us: 8 round trips; 0 = not measured */

    /* -- round trip and time-out (RFC 6298); ns -- */
    uint32_t last_advice;         /* when IP was last told that the way is good, seconds + 1 */
    struct td_rto rtt;            /* SRTT, RTTVAR, RTO, doublings */
    td_time rtt_time;             /* when the SYN left; 0 = it isn't being timed */
    uint32_t min_rtt_s;           /* when cc.min_rtt was measured, seconds */
    uint8_t rexmits;              /* of the earliest segment: R1 and R2 count these */
    uint8_t probes;               /* unanswered window or keep-alive probes */
    uint8_t persist_backoff;      /* doublings between window probes, answered or not */
    uint8_t rtx_kind;             /* enum tcp_rtx_timer */
    uint8_t ctl_kind;             /* enum tcp_ctl_timer */
    uint8_t ca_state;             /* enum tcp_episode: how the sender sees the path */
    uint8_t loss_keep[2];         /* of the loss-detection organ (RACK: rack.h) */
    uint16_t reordering;          /* so many segments a late one may lie behind */
    uint16_t reord_seen;          /* how often one did */

    /* -- congestion (RFC 5681, 6582); bytes -- */
    struct td_cc cc;              /* cwnd, ssthresh and the organ that sets them */
    tcp_seq usage_seq;            /* the window of data that cwnd_full and max_flight speak of ends here */
    uint32_t max_flight;          /* most bytes in flight in it */
    uint32_t cwnd_used, used_ms;  /* most bytes in flight since used_ms, when cwnd was last filled */
    tcp_seq first_window_end;
    tcp_seq recover;              /* an episode ends when SND.UNA reaches it */
    uint32_t delivered;           /* segments, the SYN among them */
    uint32_t dsack_dups;          /* segments that D-SACKs reported */

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
    int16_t err, soft_err;        /* pending errno values, positive */
    uint32_t ifindex;             /* the interface the route leaves by */
    uint16_t max_size_acked;      /* RFC 5927 7.2: datagram sizes that got through */
    uint16_t pmtu_pending;
    uint16_t poll_told;           /* poll bits the owner was told about */

    /* -- what ss and TCP_INFO tell -- */
    uint64_t bytes_sent, bytes_retrans, bytes_acked, bytes_received;
    uint32_t segs_out, segs_in, total_retrans, data_segs_out, data_segs_in;
    uint32_t delivered_ce;        /* segments in flight that the peer saw marked (ECE) */
};

/* A connection in TIME-WAIT was closed, so it was accepted: it is one or the other. */
static inline struct tcb *tcp_parent(const struct tcb *t)
{
    return t->state != TCPS_TIME_WAIT ? t->parent : NULL;
}
static inline struct timewait *tcp_tw(const struct tcb *t)
{
    return t->state == TCPS_TIME_WAIT ? t->tw : NULL;
}

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

/* The organs that this instance has, ours first, and which of them new connections get (organs.c). */
#define TCP_ORGANS_MAX 16u
struct tcp_organs {
    const struct td_reassembly_ops *reassembly[TCP_ORGANS_MAX];
    const struct td_loss_ops *loss[TCP_ORGANS_MAX];
    const struct td_cc_ops *cc[TCP_ORGANS_MAX];
    const struct td_rto_ops *rto[TCP_ORGANS_MAX];
    uint8_t count[TD_ORGAN_KINDS], chosen[TD_ORGAN_KINDS];
};

/* Why connections were marked, in the order of marking: so much of the journal's state as says what a
 * segment is sent because of. Apart from the connections, which have no room for what only matters until the
 * next flush. */
struct tcp_mark_why {
    uint64_t cause, origin_id;
    uint8_t origin;
};
#define TCP_MARKS 128u /* frames a turn at most from a device; what is marked beyond has no reason */
struct tcp_marks {
    uint32_t n;
    struct tcp_mark_why why[TCP_MARKS];
};

struct tcp {
    const struct tcp_upcalls *up; /* of the layer above */
    struct tcp_organs organs;
    struct hash eps;           /* struct tcp_ep by tuple */
    struct hash ports;         /* struct tcp_port by port */
    struct tcb *all;
    struct tcb *marked, **marked_tail;
    struct tcp_marks marks[2]; /* of those that wait, and of those that the flush is at */
    uint8_t marking;           /* which of the two is that of those that wait */
    uint64_t emitted;          /* the journal's name for the segment that was sent last */
    struct timer throttle;     /* some of them wait for the interface's queue to drain */
    struct siphash_key isn_key, cookie_key;
    struct tcp_pin *pins;      /* pin.c; NULL: none */
    uint32_t npins;
    struct tcp_tfo_keys tfo_keys;
    struct hash tfo_peers;     /* what is known of servers, by address */
    td_time tfo_paused_at;
    uint32_t tfo_pauses;       /* in a row */
    uint32_t serial;
    uint32_t ntcb, norphans, ntime_wait;
    struct table table, tcb_table, series_table, seglog_table;
    struct tcp_series *series; /* series.c, oldest first */
    uint64_t nseries, series_number;
    struct tcp_seglog *seglog; /* seglog.c; NULL: nothing was recorded yet */
};

#endif
