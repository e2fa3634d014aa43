/* tests/common/loss_simple.c: detectors that look at everything each time. */
#include "loss_simple.h"

/* ---- the example of tapdeck/loss.h ---- */

static td_time simple_detect(struct td_loss *l)
{
    uint32_t above = 0;
    for (uint32_t n = l->end; n != l->first;) {
        const struct td_sent *x = td_loss_at(l, --n);
        if ((x->marks & TD_SENT_SACKED) != 0) {
            above++;
        } else if (above >= l->reordering && (x->marks & (TD_SENT_LOST | TD_SENT_GONE)) == 0) {
            l->host->lost(l, n, TD_LOSS_BY_SACK, 0);
        }
    }
    return 0;
}

const struct td_loss_ops loss_simple = {
    .name = "simple",
    .doc = "three SACKed above it",
    .sack = true,
    .detect = simple_detect,
};

/* ---- RFC 6675 4: IsLost ---- */

static bool is_lost(const struct td_loss *l, uint32_t n)
{
    uint64_t bytes = 0;
    uint32_t ranges = 0;
    bool before = false;
    for (uint32_t k = n + 1; k != l->end; k++) {
        const struct td_sent *x = td_loss_at(l, k);
        bool sacked = (x->marks & TD_SENT_SACKED) != 0;
        if ((x->marks & TD_SENT_GONE) == 0) {
            bytes += sacked ? x->len : 0;
            ranges += sacked && !before;
            before = sacked;
        }
    }
    return ranges >= l->reordering || bytes > (uint64_t)(l->reordering - 1) * l->cc->mss;
}

static td_time is_lost_detect(struct td_loss *l)
{
    for (uint32_t n = l->first; l->any_sacked && n != l->end; n++) {
        const unsigned known = TD_SENT_SACKED | TD_SENT_LOST | TD_SENT_GONE;
        if ((td_loss_at(l, n)->marks & known) == 0 && is_lost(l, n)) {
            l->host->lost(l, n, TD_LOSS_BY_SACK, 0);
        }
    }
    return 0;
}

const struct td_loss_ops loss_is_lost = {
    .name = "is-lost",
    .doc = "RFC 6675 4, word for word",
    .sack = true,
    .detect = is_lost_detect,
};

/* ---- RFC 8985 6.2 ---- */

struct word_for_word {
    td_time xmit_ts, rtt;
    uint32_t end_seq;
    bool any, news;
};

static bool sent_after(td_time t1, uint32_t end1, td_time t2, uint32_t end2)
{
    return t1 > t2 || (t1 == t2 && td_seq_before(end2, end1));
}

static void rack_delivered(struct td_loss *l, uint32_t n)
{
    struct word_for_word *r = l->state;
    const struct td_sent *x = td_loss_at(l, n);
    td_time rtt = l->now - x->sent;
    if ((x->marks & TD_SENT_EVER) != 0 && rtt < l->cc->min_rtt) {
        return;
    }
    r->news = true;
    r->rtt = rtt;
    if (!r->any || sent_after(x->sent, td_sent_end(x), r->xmit_ts, r->end_seq)) {
        r->any = true;
        r->xmit_ts = x->sent;
        r->end_seq = td_sent_end(x);
    }
}

static td_time rack_detect(struct td_loss *l)
{
    struct word_for_word *r = l->state;
    td_time quarter = l->cc->min_rtt / 4, most = 0;
    td_time patience = r->rtt + (quarter < l->cc->srtt ? quarter : l->cc->srtt);
    if (!r->news && !l->timer) {
        return 0;
    }
    r->news = r->news && l->timer;
    for (uint32_t n = l->first; n != l->end; n++) {
        const struct td_sent *x = td_loss_at(l, n);
        if ((x->marks & TD_SENT_LISTED) == 0 ||
            !sent_after(r->xmit_ts, r->end_seq, x->sent, td_sent_end(x))) {
            continue;
        }
        if (l->now - x->sent >= patience) {
            l->host->lost(l, n, TD_LOSS_BY_TIME, patience);
        } else if (patience - (l->now - x->sent) > most) {
            most = patience - (l->now - x->sent);
        }
    }
    return most;
}

const struct td_loss_ops loss_rack = {
    .name = "rack-words",
    .doc = "RFC 8985 6.2, word for word",
    .state_size = sizeof(struct word_for_word),
    .sack = true,
    .timed = true,
    .delivered = rack_delivered,
    .detect = rack_detect,
};
