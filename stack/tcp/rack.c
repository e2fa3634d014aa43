/* tcp/rack.c: loss found by time (RACK, RFC 8985): an organ of tapdeck/loss.h.
 *
 * Theory of operation. If a segment has arrived that left later than another one, the other one
 * should have arrived too. It may only be late: so much later as packets get reordered on this path
 * (the reordering window). After that it is lost. This needs no counting of duplicates, so it finds
 * losses at the end of a flight and lost retransmissions as well.
 *
 *      sent:      A  B  C  D        D is SACKed, RTT of D = R
 *      lost:      those of A, B, C for which  now - sent >= R + reo_wnd
 *      otherwise: look again when the youngest of them will have waited so long (timer)
 *
 * The list by time holds just the segments that are waited for, oldest first: the lost ones are its
 * beginning, the walk ends at the first that isn't. The bookmark is the youngest in the list that
 * left before the youngest delivered one; it is what the timer waits for. So an acknowledgment
 * costs no more than what it changes.
 *
 * The window (6.2 step 4): none as long as no reordering was seen and the case is clear (three
 * SACKed, or already in recovery); else a quarter of the least round trip, times a factor that a
 * D-SACK raises, because it says that a segment was sent again for nothing; never more than SRTT.
 */
#include "tcp/rack.h"

#define PERSIST  16  /* recoveries that a raised factor lasts for (6.2 step 4) */
#define MULT_MAX 254 /* less one, as it is kept */

enum { STATIC_WINDOW = 2, NO_DUPTHRESH = 4 }; /* of the knob tcp_recovery */

extern const struct td_loss_ops tcp_rack;

/* RACK_sent_after of 6.2 step 2: by time, then by place. */
static bool sent_after(td_time t1, uint32_t end1, td_time t2, uint32_t end2)
{
    return t1 > t2 || (t1 == t2 && td_seq_before(end2, end1));
}

static void rack_init(struct td_loss *l)
{
    struct rack *r = l->state;
    r->rtt = l->cc->srtt;
}

static void rack_delivered(struct td_loss *l, uint32_t n)
{
    struct rack *r = l->state;
    const struct td_sent *x = td_loss_at(l, n);
    td_time rtt = l->now - x->sent;
    if (l->keep[RACK_PERSIST] == 0 && (l->options & STATIC_WINDOW) == 0) {
        l->keep[RACK_MULT] = 0;
    }
    if ((x->marks & TD_SENT_EVER) != 0) {
        /* The acknowledgment may be the original's: too early for the copy. */
        bool cumulative =
            !td_seq_before(l->una, td_sent_end(x)); /* else TSecr is of something older */
        if (rtt < l->cc->min_rtt || (cumulative && l->host->echoes_older(l, x->sent))) {
            return;
        }
    }
    r->advanced = true;
    r->rtt = rtt;
    if (r->xmit_ts == 0 || sent_after(x->sent, td_sent_end(x), r->xmit_ts, r->end_seq)) {
        r->xmit_ts = x->sent;
        r->end_seq = td_sent_end(x);
        if ((x->marks & TD_SENT_LISTED) != 0) {
            l->marked = x->older != n;
            l->mark = x->older;
        } else { /* it was believed lost: all that left before it is settled too */
            l->marked = false;
        }
    }
}

/* 6.2 step 4 */
static td_time window(const struct td_loss *l, unsigned mult)
{
    return l->cc->min_rtt / 4 * (mult + 1);
}

static td_time reo_wnd(const struct td_loss *l)
{
    if (!l->reordered) {
        if (l->episode >= TD_EPISODE_RECOVERY) {
            return 0;
        }
        if (l->sacked >= l->reordering && (l->options & NO_DUPTHRESH) == 0) {
            return 0;
        }
    }
    td_time w = window(l, l->keep[RACK_MULT]);
    return w < l->cc->srtt ? w : l->cc->srtt;
}

static void rack_came_twice(struct td_loss *l, uint32_t sent_at)
{
    struct rack *r = l->state;
    if ((l->options & STATIC_WINDOW) != 0 || td_seq_before(sent_at, r->round)) {
        return; /* of a round that was counted already */
    }
    l->keep[RACK_MULT] =
        (uint8_t)(l->keep[RACK_MULT] < MULT_MAX ? l->keep[RACK_MULT] + 1 : MULT_MAX);
    l->keep[RACK_PERSIST] = PERSIST;
    r->round = l->delivered;
    l->host->patience_changed(l, l->keep[RACK_MULT] + 1u, window(l, l->keep[RACK_MULT]));
}

/* 6.2 step 5 */
static td_time rack_detect(struct td_loss *l)
{
    struct rack *r = l->state;
    td_time patience = r->rtt + reo_wnd(l);
    if (!r->advanced && !l->timer) {
        return 0;
    }
    r->advanced = r->advanced && l->timer;
    while (l->marked) { /* then the list isn't empty, and its oldest left no later than that */
        const struct td_sent *x = td_loss_at(l, l->oldest);
        if (l->now - x->sent < patience) {
            td_time last = l->now - td_loss_at(l, l->mark)->sent;
            return last < patience ? patience - last : 1;
        }
        bool again = (x->marks & TD_SENT_RETRANS) != 0;
        if (!l->host->lost(l, l->oldest, again ? TD_LOSS_COPY : TD_LOSS_BY_TIME, patience)) {
            return 0;
        }
    }
    return 0;
}

/* 6.3: after a time-out the first segment is lost, the others only if they have waited for a round
 * trip. */
static bool rack_stale(const struct td_loss *l, uint32_t n)
{
    const struct rack *r = l->state;
    return l->now - td_loss_at(l, n)->sent >= r->rtt;
}

static void rack_event(struct td_loss *l, enum td_loss_event what)
{
    struct rack *r = l->state;
    switch (what) {
    case TD_LOSS_RECOVERED:
        l->keep[RACK_PERSIST] = (uint8_t)(l->keep[RACK_PERSIST] - (l->keep[RACK_PERSIST] > 0));
        break;
    case TD_LOSS_SPURIOUS: /* 6.2 step 4: it ends no recovery */
        l->keep[RACK_PERSIST] =
            (uint8_t)(l->keep[RACK_PERSIST] + (l->keep[RACK_PERSIST] < PERSIST));
        break;
    case TD_LOSS_UNDONE:
        r->advanced = r->xmit_ts != 0;
        break;
    }
}

const struct td_loss_ops tcp_rack = {
    .name = "rack",
    .doc = "by time: what left before something that has arrived (RFC 8985)",
    .state_size = sizeof(struct rack),
    .sack = true,
    .timed = true,
    .init = rack_init,
    .delivered = rack_delivered,
    .came_twice = rack_came_twice,
    .detect = rack_detect,
    .stale = rack_stale,
    .event = rack_event,
};
