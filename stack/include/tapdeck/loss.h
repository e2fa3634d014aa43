/* tapdeck/loss.h: an organ that says which segments in flight are lost.
 *
 * Theory of operation. A sender can't see a loss. It sees acknowledgments: one field that says how far all
 * has arrived, SACK blocks that say what arrived beyond a hole (RFC 2018), and repetitions of both. From
 * that and from the time a detector guesses which segments won't arrive any more. The sender repeats
 * what was guessed; guessed too early, it repeats for nothing and slows down for nothing; too late, it
 * stands still until the retransmission timer expires.
 *
 * The host keeps a record of every segment in flight, in the order of their sequence numbers. A record
 * has a number, which stays its own; [first, end) are in flight (numbers wrap as sequence numbers do:
 * compare by td_seq_before). What is known of it are marks:
 *
 *      first                                              end
 *        ├──────┬────────┬──────┬────────┬────────┬──────┤
 *        │ LOST │ SACKED │      │ SACKED │ SACKED │      │
 *     una└──────┴────────┴──────┴────────┴────────┴──────┘nxt
 *
 *   TD_SENT_SACKED   the peer has it                       set by the host
 *   TD_SENT_LOST     believed lost: to be sent again       set by the organ, through host->lost
 *   TD_SENT_RETRANS  was sent again since it was believed lost; if it is believed lost once more the
 *                    copy is lost, too, and the host takes this mark away
 *   TD_SENT_EVER     was sent more than once at some time: an acknowledgment may be of any copy
 *   TD_SENT_GONE     empty, joined with the one before it: skip it
 *
 * The same records are in a second order, that of the time they left last (`oldest`, `newer`): only those
 * that are waited for. SACKED ones aren't in this list, nor LOST ones that weren't sent again yet.
 *
 * What the organ decides, and when it is asked:
 *
 *      for each segment that an acknowledgment delivers      delivered   (before it leaves the list)
 *      each acknowledgment that has something unusual        detect      mark what is lost
 *      then, if no recovery is under way                     begins      is it time for one?
 *      a recovery begins                                     entered
 *      a time-out: may this one still arrive?                stale
 *      cwnd has room, nothing waits to be sent again         next        what else may be sent again?
 *
 * What it does not decide is done for all organs alike: when lost segments leave (as cwnd has room, lowest
 * first), how cwnd gets down (RFC 9937; or the organ does it itself: own_cwnd), the retransmission
 * timer, tail loss probes (RFC 8985 7), and whether a loss was none (RFC 3522, 5682).
 *
 * A complete detector, by the count of SACKed segments, as RFC 6675's IsLost has it in segments (this one
 * is tests/common/loss_simple.c):
 *
 *      static td_time simple_detect(struct td_loss *l)
 *      {
 *          uint32_t above = 0;
 *          for (uint32_t n = l->end; n != l->first;) {     // from the highest down
 *              const struct td_sent *x = td_loss_at(l, --n);
 *              if ((x->marks & TD_SENT_SACKED) != 0)
 *                  above++;
 *              else if (above >= l->reordering && (x->marks & (TD_SENT_LOST | TD_SENT_GONE)) == 0)
 *                  l->host->lost(l, n, TD_LOSS_BY_SACK, 0);
 *          }
 *          return 0;                                       // no need to be asked again
 *      }
 *      const struct td_loss_ops simple = {.name = "simple", .doc = "three SACKed above it",
 *                                         .sack = true, .detect = simple_detect};
 *
 * It is right, and it is slow: it looks at all that is in flight for every acknowledgment, which a peer
 * can make many of (CVE-2019-11478). stack/tcp/rack.c, sack6675.c and newreno.c show how not to.
 */
#ifndef TAPDECK_LOSS_H
#define TAPDECK_LOSS_H

#include "tapdeck/organ.h"
#include "tapdeck/organs.h"

enum td_sent_mark {
    TD_SENT_SACKED = 0x01,
    TD_SENT_LOST = 0x02, /* never together with SACKED */
    TD_SENT_RETRANS = 0x04,
    TD_SENT_EVER = 0x08,
    TD_SENT_FIN = 0x10,
    TD_SENT_PSH = 0x20,
    TD_SENT_GONE = 0x40,
    TD_SENT_LISTED = 0x80, /* in the list by time */
};

struct td_sent {           /* a segment in flight; the organ only reads it */
    td_time sent;          /* when it left last */
    uint32_t seq;
    uint32_t delivered;    /* segments delivered (td_loss.delivered) when it left last */
    uint32_t older, newer; /* neighbours in the list by time; its own number: there is none */
    uint32_t jump;         /* the host's */
    uint16_t len;          /* of sequence space: text and FIN */
    uint8_t marks;         /* enum td_sent_mark */
    bool joined;           /* left in one burst with the one before it */
};
static inline uint32_t td_sent_end(const struct td_sent *x)
{
    return x->seq + x->len;
}

enum td_loss_why { /* for people: the journal */
    TD_LOSS_BY_TIME,   /* later ones have arrived long enough ago */
    TD_LOSS_BY_SACK,   /* enough beyond it has arrived */
    TD_LOSS_COPY,      /* it was sent again, and overtaken again */
    TD_LOSS_DUPLICATE, /* the third duplicate acknowledgment */
    TD_LOSS_PARTIAL,   /* a partial acknowledgment pointed at it */
};

enum td_loss_event {
    TD_LOSS_RECOVERED, /* what was in flight when the episode began is acknowledged */
    TD_LOSS_SPURIOUS,  /* each segment sent again was reported to have come twice (RFC 2883) */
    TD_LOSS_UNDONE,    /* it was none: what was LOST may not be any more: look at all again */
};

enum td_episode { /* how the sender sees the path */
    TD_EPISODE_OPEN,
    TD_EPISODE_DISORDER, /* something is odd; not enough to call it loss */
    TD_EPISODE_CWR,      /* cwnd is on its way down because of an ECN echo */
    TD_EPISODE_RECOVERY,
    TD_EPISODE_LOSS,     /* the retransmission timer expired */
};

struct td_loss;

struct td_loss_host { /* what an organ may ask for */
    /* Record n is lost, or its copy is. patience: how long it was waited for, at least (ns), for people.
     * False: it can't be (SACKED, GONE) or is already. What td_loss tells is true again behind it. */
    bool (*lost)(struct td_loss *l, uint32_t n, enum td_loss_why why, td_time patience);
    /* The lowest number >= n that isn't SACKED, or end. Fast: runs of SACKED ones are jumped over. n
     * lies in [first, end]. */
    uint32_t (*unsacked)(struct td_loss *l, uint32_t n);
    /* This acknowledgment echoes a timestamp from before `at`: what caused it left before. */
    bool (*echoes_older)(const struct td_loss *l, td_time at);
    /* One segment is sent again now, whatever cwnd says. */
    void (*send_now)(struct td_loss *l);
    /* The window that is waited for reordered segments has changed (for the journal). */
    void (*patience_changed)(struct td_loss *l, uint32_t factor, td_time window);
};

struct td_loss { /* what an organ sees; it sets only what is said to be its own */
    const struct td_loss_ops *ops;
    const struct td_loss_host *host;
    void *state;            /* state_size bytes: while anything is in flight, or an episode is open */
    uint8_t *keep;          /* two bytes that are the organ's for the connection's whole life; 0 at first */
    struct td_cc *cc;       /* cwnd, ssthresh, mss, srtt, min_rtt. cwnd is the organ's if own_cwnd */
    td_time now, rto;

    /* the records */
    const struct td_sent *ring; /* td_loss_at */
    uint32_t mask;
    uint32_t first, end;
    uint32_t oldest, listed;    /* the list by time: if listed > 0 */
    uint32_t highest;           /* the highest SACKED, if sacked > 0 */
    uint32_t resend;            /* no record below this one waits to be sent again */
    uint32_t segs, sacked, lost, retrans; /* how many there are, and how many of them have the mark */
    uint32_t delivered;         /* segments delivered so far */
    /* A bookmark in the list by time. If its record leaves the list, it moves to the next older one; when
     * there is none, marked becomes false. The organ's. */
    uint32_t mark;
    bool marked;

    /* the episode */
    uint8_t episode;        /* enum td_episode */
    bool reordered;         /* the path was seen to reorder */
    uint16_t dupacks;       /* duplicate acknowledgments since una moved */
    uint32_t duplicates;    /* without SACK: of them, those that stand for a segment that arrived */
    uint32_t reordering;    /* so many segments a late one may lie behind: 3, or more if that was seen */
    uint32_t una, nxt;      /* SND.UNA, SND.NXT */
    uint32_t recover;       /* the episode is over when una reaches it */
    uint32_t options;       /* the knob net.ipv4.tcp_recovery */

    /* this acknowledgment; all false when it was the reordering timer */
    bool timer;             /* the time that detect asked for has come */
    bool advanced;          /* una moved */
    bool any_sacked;        /* something was newly SACKED */
    bool duplicate;         /* a duplicate acknowledgment (RFC 5681 2) */
    bool restart_timer;     /* the retransmission timer starts over: detect may say no, not yes */
    uint32_t una_before;
};
static inline const struct td_sent *td_loss_at(const struct td_loss *l, uint32_t n)
{
    return &l->ring[n & l->mask];
}
static inline uint32_t td_loss_flight(const struct td_loss *l) /* FlightSize (RFC 5681), bytes */
{
    return l->nxt - l->una;
}

struct td_loss_ops {
    const char *name; /* as the knob tapdeck.loss_detection names it, under 16 bytes */
    const char *doc;  /* one sentence */
    uint32_t state_size;
    bool sack;     /* for connections with SACK; else for those without */
    bool timed;    /* finds a loss by time once something later arrives: tail loss probes make sense */
    bool own_cwnd; /* sets cwnd in entered, in_recovery and done; else RFC 9937 does */
    void (*init)(struct td_loss *l); /* may be NULL, as all but detect */
    /* Record n was delivered, by acknowledgment or SACK; its marks are as before. Called for each, in
     * the middle of the host's work: now, una, options, cc, keep, state and the bookmark are true; what
     * else td_loss tells may be of before. Only to remember: mark nothing here. */
    void (*delivered)(struct td_loss *l, uint32_t n);
    /* The peer reports that something came twice (RFC 2883). sent_at: td_loss.delivered when the youngest
     * segment left that was delivered with it, or since. */
    void (*came_twice)(struct td_loss *l, uint32_t sent_at);
    /* Marks what is lost now. How long until it is to be asked again (ns), if nothing comes before; 0: not. */
    td_time (*detect)(struct td_loss *l);
    bool (*begins)(const struct td_loss *l); /* NULL: when something is LOST */
    void (*entered)(struct td_loss *l);
    void (*in_recovery)(struct td_loss *l); /* own_cwnd: an acknowledgment during recovery */
    void (*done)(struct td_loss *l);        /* own_cwnd: it is over */
    /* A time-out: record n isn't the first. True: it is to be believed lost too. NULL: all are. */
    bool (*stale)(const struct td_loss *l, uint32_t n);
    /* The record to be sent again though it isn't LOST. Not one that is SACKED, RETRANS or GONE: then
     * nothing is sent. */
    bool (*next)(struct td_loss *l, uint32_t *n);
    void (*event)(struct td_loss *l, enum td_loss_event what);
};

#endif
