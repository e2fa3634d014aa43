/* tcp/newreno.c: what is lost, without SACK (RFC 5681 3.2, 6582 NewReno): two organs of
 * tapdeck/loss.h.
 *
 * Theory of operation. An acknowledgment that repeats SND.UNA says that something arrived, but not
 * what is expected next. One or two may be reordering: each lets one new segment go (limited
 * transmit, RFC 3042), so that the third may come at all. The third means loss: the segment at
 * SND.UNA is sent again, ssthresh is reduced, and the connection is in recovery until everything
 * that was in flight then (recover) is acknowledged. A partial acknowledgment, which moves SND.UNA
 * but not so far, points at the next hole.
 *
 * cwnd meanwhile can be driven in two ways (knob tcp_newreno_prr):
 *
 *   newreno       as RFC 6582 has it. Entering: ssthresh + 3 segments. Each further duplicate is a
 *                 segment that left the network: one more. Partial: less by what was acknowledged,
 *                 plus one. Full: min(ssthresh, max(FlightSize, SMSS) + SMSS).
 *   newreno-prr   as Linux does: a duplicate counts as a SACKed segment, of which only the place
 *                 isn't known, and proportional rate reduction (RFC 9937) does the rest.
 *
 * `recover` also keeps duplicates caused by our own retransmissions from starting it all over
 * (6582 3.2 step 2). Forged duplicates can't blow cwnd up: of what was in flight when SND.UNA last
 * moved each segment can cause one, and no more than that are counted (5681 3.2 step 4).
 */
#include "tapdeck/loss.h"

extern const struct td_loss_ops tcp_newreno, tcp_newreno_prr;

struct newreno {
    uint32_t dup_flight; /* FlightSize when SND.UNA last moved, bytes */
    bool partial_seen;   /* a partial ACK came in this recovery */
};

/* ---- with proportional rate reduction ---- */

static td_time prr_detect(struct td_loss *l)
{
    bool recovery = l->episode == TD_EPISODE_RECOVERY;
    if (l->episode < TD_EPISODE_RECOVERY ? l->duplicates >= l->reordering
                                         : recovery && l->advanced) {
        if (l->segs > 0 && (td_loss_at(l, l->first)->marks & TD_SENT_LOST) == 0) {
            (void)l->host->lost(l, l->first, recovery ? TD_LOSS_PARTIAL : TD_LOSS_DUPLICATE, 0);
        }
    }
    return 0;
}

const struct td_loss_ops tcp_newreno_prr = {
    .name = "newreno-prr",
    .doc = "by duplicate acknowledgments (RFC 6582), cwnd by RFC 9937",
    .detect = prr_detect,
};

/* ---- by the letter of RFC 6582 ---- */

static bool begins(const struct td_loss *l)
{
    return l->episode <= TD_EPISODE_CWR && l->dupacks == l->reordering &&
           td_seq_before(l->recover, l->una);
}

static void entered(struct td_loss *l)
{
    struct newreno *r = l->state;
    (void)l->host->lost(l, l->first, TD_LOSS_DUPLICATE, 0);
    l->host->send_now(l);
    r->partial_seen = false;
    r->dup_flight = td_loss_flight(l);
    l->cc->cwnd = l->cc->ssthresh + 3 * l->cc->mss; /* 3.2 step 3 */
}

static void in_recovery(struct td_loss *l)
{
    struct newreno *r = l->state;
    struct td_cc *cc = l->cc;
    if (l->duplicate && (uint64_t)l->dupacks * cc->mss <= r->dup_flight) {
        cc->cwnd += cc->mss;
    }
    if (!l->advanced) {
        return;
    }
    uint32_t acked = l->una - l->una_before; /* partial */
    cc->cwnd = cc->cwnd > acked ? cc->cwnd - acked : 0;
    if (acked >= cc->mss || cc->cwnd < cc->mss) {
        cc->cwnd += cc->mss;
    }
    r->dup_flight = td_loss_flight(l);
    (void)l->host->lost(l, l->first, TD_LOSS_PARTIAL, 0);
    l->host->send_now(l);
}

static void done(struct td_loss *l)
{
    struct td_cc *cc = l->cc;
    uint32_t flight = td_loss_flight(l);
    uint32_t w = (flight > cc->mss ? flight : cc->mss) + cc->mss;
    cc->cwnd = w < cc->ssthresh ? w : cc->ssthresh;
}

static td_time detect(struct td_loss *l)
{
    struct newreno *r = l->state;
    if (l->episode == TD_EPISODE_RECOVERY && l->advanced) {
        l->restart_timer = !r->partial_seen; /* the impatient variant: only the first restarts it */
        r->partial_seen = true;
    }
    return 0;
}

const struct td_loss_ops tcp_newreno = {
    .name = "newreno",
    .doc = "by duplicate acknowledgments (RFC 6582, to the letter)",
    .state_size = sizeof(struct newreno),
    .own_cwnd = true,
    .detect = detect,
    .begins = begins,
    .entered = entered,
    .in_recovery = in_recovery,
    .done = done,
};
