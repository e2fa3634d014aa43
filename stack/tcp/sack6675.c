/* tcp/sack6675.c: loss found by counting what is SACKed above (RFC 6675): an organ of
 * tapdeck/loss.h.
 *
 * Theory of operation. A segment is lost when the peer holds enough beyond it (IsLost, 4): three
 * separate ranges, or more than two full segments' bytes. What is lost is so by its place alone,
 * and everything below a lost segment is lost too. So there is one boundary: walk down from the
 * highest SACKed segment until enough was passed; what isn't SACKed below is lost. The walk stops
 * where the last one had come to because what is below is marked already.
 *
 * NextSeg (4): first what is lost, in order (rule 1); then new text (rule 2); then, if neither
 * exists, holes that aren't believed lost yet (rule 3); and once in a recovery the last segment of
 * all, when nothing else is left to keep the ACK clock going (rule 4, the rescue). Rules 1 and 2
 * are the host's.
 */
#include "tapdeck/loss.h"

extern const struct td_loss_ops tcp_sack6675;

struct sack6675 {
    bool rescued; /* the rescue retransmission was used in this recovery */
};

/* The highest record of which IsLost holds, or first - 1. */
static uint32_t boundary(const struct td_loss *l)
{
    uint32_t none = l->first - 1;
    if (l->sacked == 0) {
        return none;
    }
    uint64_t need = (uint64_t)(l->reordering - 1u) * l->cc->mss;
    uint64_t bytes = 0;
    uint32_t ranges = 0;
    bool above = false; /* the record above is SACKed */
    for (uint32_t n = l->highest;; n--) {
        const struct td_sent *x = td_loss_at(l, n);
        if ((x->marks & TD_SENT_SACKED) != 0) {
            bytes += x->len;
            ranges += !above;
            above = true;
        } else if ((x->marks & TD_SENT_GONE) == 0) {
            above = false;
            if (bytes > need || ranges >= l->reordering) {
                return n;
            }
            if ((x->marks & TD_SENT_LOST) != 0) { /* as are all below it */
                return n;
            }
        }
        if (n == l->first) {
            return none;
        }
    }
}

static td_time detect(struct td_loss *l)
{
    if (!l->any_sacked) {
        return 0;
    }
    for (uint32_t n = boundary(l); !td_seq_before(n, l->first); n--) {
        const struct td_sent *x = td_loss_at(l, n);
        if ((x->marks & TD_SENT_SACKED) == 0 && (x->marks & TD_SENT_LOST) != 0) {
            break;
        }
        (void)l->host->lost(l, n, TD_LOSS_BY_SACK, 0);
    }
    return 0;
}

/* 5: three duplicates, or IsLost(HighACK + 1). */
static bool begins(const struct td_loss *l)
{
    return l->lost > 0 || l->dupacks >= l->reordering;
}

static void entered(struct td_loss *l)
{
    struct sack6675 *s = l->state;
    (void)l->host->lost(l, l->host->unsacked(l, l->first), TD_LOSS_DUPLICATE,
                        0); /* HighACK + 1 (4.2) */
    s->rescued = false;
}

/* NextSeg rules 3 and 4. */
static bool next(struct td_loss *l, uint32_t *n)
{
    struct sack6675 *s = l->state;
    if (l->episode != TD_EPISODE_RECOVERY || l->sacked == 0) {
        return false;
    }
    for (uint32_t i = l->host->unsacked(l, l->resend); td_seq_before(i, l->highest);
         i = l->host->unsacked(l, i + 1)) {
        if ((td_loss_at(l, i)->marks & (TD_SENT_RETRANS | TD_SENT_GONE)) == 0) {
            *n = i;
            return true;
        }
    }
    uint32_t last = l->end - 1;
    const unsigned settled = TD_SENT_SACKED | TD_SENT_RETRANS | TD_SENT_GONE;
    if (!s->rescued && (td_loss_at(l, last)->marks & settled) == 0) {
        s->rescued = true;
        *n = last;
        return true;
    }
    return false;
}

const struct td_loss_ops tcp_sack6675 = {
    .name = "rfc6675",
    .doc = "by count: enough SACKed beyond it (RFC 6675)",
    .state_size = sizeof(struct sack6675),
    .sack = true,
    .detect = detect,
    .begins = begins,
    .entered = entered,
    .next = next,
};
