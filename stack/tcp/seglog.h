/* tcp/seglog.h: the record of segments: what passed lately, kept so that a connection can be looked
 * at afterwards (`ladder`, `states`, `graph`). Read it here or as the table `segments`.
 */
#ifndef TCP_SEGLOG_H
#define TCP_SEGLOG_H

#include "tcp/tcb.h"

enum tcp_seglog_what {
    TSL_IN,     /* a segment arrived */
    TSL_OUT,    /* one was sent */
    TSL_STATE,  /* the connection went from `state` to `to`, because of `why` */
    TSL_ACCEPT, /* the user has it from now on, under the number `id` */
};

enum tcp_seglog_opts { /* options a segment carried */
                       TSO_MSS = 1,
                       TSO_WSCALE = 2,
                       TSO_SACK_PERM = 4,
                       TSO_TS = 8,
                       TSO_SACK = 16,
                       TSO_FASTOPEN = 32,
                       TSO_UTO = 64,
                       TSO_OTHER = 128,
};

struct tcp_seglog_rec {
    uint64_t n; /* its number: 1, 2, 3 … over the instance's life */
    td_time at;
    uint64_t event; /* STATE: the journal's number of it; else the number of the next event then:
                       what the segment led to has this or a larger one */
    uint64_t pkt;   /* packet id */
    struct tcp_tuple a;
    uint32_t id; /* of the socket; 0: not accepted yet, or no connection's */
    tcp_seq seq, ack;
    uint32_t wnd;                    /* bytes, scaled */
    uint32_t len;                    /* bytes of text */
    uint32_t cwnd, ssthresh, flight; /* bytes, as it came or went; cwnd 0: no connection yet */
    uint32_t srtt_us, rto_us;        /* 0: none */
    tcp_seq sack_left, sack_right;   /* the first SACK block; of a SYN: MSS, and scale + 1 */
    uint16_t flags;                  /* enum tcp_flags */
    uint16_t verdict;                /* enum event_id: the drop it ended in; 0: none */
    uint16_t why;                    /* enum journal_word; OUT: why again, or what it probes */
    uint8_t what, opts, state, to;   /* enum tcp_seglog_what, _opts; enum tcp_state */
    bool again;                      /* OUT: it had been sent before */
    uint8_t nsack;
};

/* The oldest record with this number or a larger one; NULL: none. Valid until the next door call.
 */
const struct tcp_seglog_rec *tcp_seglog_from(const struct td_stack *st, uint64_t n);
/* The newest record about such a connection; if there is none, of segments that found no
 * connection. NULL: none among those that are held of beginnings, ends and other rare things. */
const struct tcp_seglog_rec *tcp_seglog_find(const struct td_stack *st, const struct tcp_wanted *w);
struct tcp_seglog_held {
    uint64_t next; /* number of the next record */
    uint64_t rare_from,
        usual_from; /* from these numbers on each ring has all of its kind; 0: holds none */
};
struct tcp_seglog_held tcp_seglog_held(const struct td_stack *st);

/* ---- for TCP's files ---- */

static inline bool tcp_seglog_on(const struct td_stack *st)
{
    return knob(st, SEGMENTS) != 0 && knob(st, JOURNAL_LEVEL) != JOURNAL_COUNTERS;
}
struct tcp_emit;
/* What a segment did is known when it has been processed; until then this stands for it. */
struct tcp_seglog_mark {
    uint64_t n, drops; /* n 0: it isn't recorded */
};
/* A segment arrived for this endpoint (NULL: none), or for the listener t. */
struct tcp_seglog_mark tcp_seglog_in(struct td_stack *st, const struct tcp_ep *ep,
                                     const struct tcb *t, const struct tcp_seg *s);
/* One is about to leave; p gets its id. */
struct tcp_seglog_mark tcp_seglog_out(struct td_stack *st, const struct tcp_emit *e,
                                      const struct tcp_hdr *h, struct pkt *p);
void tcp_seglog_done(struct td_stack *st, struct tcp_seglog_mark m);
/* EV_TCP_STATE into the journal, and here. */
void tcp_seglog_state(struct td_stack *st, const struct tcp_tuple *a, uint32_t id,
                      const struct journal_subject *subject, enum tcp_state from, enum tcp_state to,
                      enum journal_word why);
void tcp_seglog_accept(struct td_stack *st, const struct tcb *t);
void tcp_seglog_free(struct td_stack *st);

extern const struct column tcp_seglog_columns[];
extern const unsigned tcp_seglog_ncolumns;
bool tcp_seglog_next(struct td_stack *st, uint64_t *cursor, struct row *row);

#endif
