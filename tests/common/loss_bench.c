/* tests/common/loss_bench.c: see loss_bench.h. */
#include "loss_bench.h"

#include <stdarg.h>
#include <stdio.h>

static struct loss_bench *bench_of(const struct td_loss *l)
{
    return (struct loss_bench *)(uintptr_t)((const char *)l - offsetof(struct loss_bench, l));
}

static struct td_sent *at(struct loss_bench *b, uint32_t n)
{
    return &b->ring[n & (BENCH_RECORDS - 1)];
}

static void wrong(struct loss_bench *b, const char *fmt, ...)
{
    va_list ap;
    if (b->wrong[0] == '\0') {
        va_start(ap, fmt);
        vsnprintf(b->wrong, sizeof b->wrong, fmt, ap);
        va_end(ap);
    }
}

/* ---- the list by time ---- */

static void list_last(struct loss_bench *b, uint32_t n)
{
    struct td_sent *x = at(b, n);
    x->older = b->l.listed > 0 ? b->newest : n;
    x->newer = n;
    if (b->l.listed > 0) {
        at(b, b->newest)->newer = n;
    } else {
        b->l.oldest = n;
    }
    b->newest = n;
    b->l.listed++;
    x->marks |= TD_SENT_LISTED;
}

static void unlist(struct loss_bench *b, uint32_t n)
{
    struct td_sent *x = at(b, n);
    bool first = x->older == n, last = x->newer == n;
    if ((x->marks & TD_SENT_LISTED) == 0) {
        return;
    }
    if (b->l.marked && b->l.mark == n) {
        b->l.marked = !first;
        b->l.mark = x->older;
    }
    if (!first) {
        at(b, x->older)->newer = last ? x->older : x->newer;
    }
    if (!last) {
        at(b, x->newer)->older = first ? x->newer : x->older;
    }
    b->l.oldest = first && !last ? x->newer : b->l.oldest;
    b->newest = last && !first ? x->older : b->newest;
    b->l.listed--;
    x->marks &= (uint8_t)~TD_SENT_LISTED;
}

/* ---- the host ---- */

static void recount(struct loss_bench *b)
{
    struct td_loss *l = &b->l;
    l->segs = l->sacked = l->lost = l->retrans = 0;
    l->resend = l->end;
    for (uint32_t n = l->first; n != l->end; n++) {
        const struct td_sent *x = at(b, n);
        l->segs++;
        l->sacked += (x->marks & TD_SENT_SACKED) != 0;
        l->lost += (x->marks & TD_SENT_LOST) != 0;
        l->retrans += (x->marks & TD_SENT_RETRANS) != 0;
        if ((x->marks & TD_SENT_SACKED) != 0) {
            l->highest = n;
        }
        if ((x->marks & (TD_SENT_LOST | TD_SENT_RETRANS)) == TD_SENT_LOST && l->resend == l->end) {
            l->resend = n;
        }
    }
}

static bool host_lost(struct td_loss *l, uint32_t n, enum td_loss_why why, td_time patience)
{
    struct loss_bench *b = bench_of(l);
    struct td_sent *x = at(b, n);
    (void)patience;
    if (n - l->first >= l->end - l->first) {
        wrong(b, "record %u isn't in flight", n);
        return false;
    }
    if ((unsigned)why > TD_LOSS_PARTIAL) {
        wrong(b, "%u is no reason", why);
    }
    if ((x->marks & TD_SENT_SACKED) != 0 ||
        (x->marks & (TD_SENT_LOST | TD_SENT_RETRANS)) == TD_SENT_LOST) {
        return false;
    }
    x->marks = (uint8_t)((x->marks | TD_SENT_LOST) & ~TD_SENT_RETRANS);
    unlist(b, n);
    b->marked_lost++;
    recount(b);
    return true;
}

static uint32_t host_unsacked(struct td_loss *l, uint32_t n)
{
    while (n != l->end && (td_loss_at(l, n)->marks & TD_SENT_SACKED) != 0) {
        n++;
    }
    return n;
}

static bool host_echoes_older(const struct td_loss *l, td_time when)
{
    (void)l;
    (void)when;
    return false; /* no timestamps */
}

static void host_send_now(struct td_loss *l)
{
    (void)l;
}

static void host_patience_changed(struct td_loss *l, uint32_t factor, td_time window)
{
    (void)l;
    (void)factor;
    (void)window;
}

static const struct td_loss_host bench_host = {host_lost, host_unsacked, host_echoes_older,
                                               host_send_now, host_patience_changed};

/* ---- steps ---- */

void loss_open(struct loss_bench *b, const struct td_loss_ops *ops, uint32_t isn)
{
    memset(b, 0, sizeof *b);
    b->cc = (struct td_cc){.mss = BENCH_MSS,
                           .cwnd = 100 * BENCH_MSS,
                           .ssthresh = TD_CC_NO_SSTHRESH,
                           .srtt = 100 * TD_MS,
                           .min_rtt = 80 * TD_MS};
    b->l = (struct td_loss){.ops = ops,
                            .host = &bench_host,
                            .state = calloc(1, ops->state_size + 1),
                            .keep = b->keep,
                            .cc = &b->cc,
                            .now = TD_SEC,
                            .rto = 300 * TD_MS,
                            .ring = b->ring,
                            .mask = BENCH_RECORDS - 1,
                            .first = isn / 7,
                            .end = isn / 7,
                            .reordering = 3,
                            .reordered = true,
                            .una = isn,
                            .nxt = isn,
                            .recover = isn - 1};
    if (ops->init != NULL) {
        ops->init(&b->l);
    }
}

void loss_close(struct loss_bench *b)
{
    free(b->l.state);
    b->l.state = NULL;
}

void loss_send(struct loss_bench *b, uint32_t len)
{
    uint32_t n = b->l.end++;
    *at(b, n) = (struct td_sent){
        .sent = b->l.now, .seq = b->l.nxt, .len = (uint16_t)len, .delivered = b->l.delivered};
    b->l.nxt += len;
    list_last(b, n);
    recount(b);
}

static void ask(struct loss_bench *b)
{
    td_time wait = b->l.ops->detect(&b->l);
    b->timer = wait > 0 ? b->l.now + wait : 0;
    bool begins = b->l.ops->begins != NULL ? b->l.ops->begins(&b->l) : b->l.lost > 0;
    if (b->l.episode < TD_EPISODE_RECOVERY && begins) {
        b->l.episode = TD_EPISODE_RECOVERY;
        b->l.recover = b->l.nxt;
        if (b->l.ops->entered != NULL) {
            b->l.ops->entered(&b->l);
        }
    }
}

void loss_ack(struct loss_bench *b, const bool *got)
{
    struct td_loss *l = &b->l;
    uint32_t una = l->first;
    bool held[BENCH_RECORDS];
    l->una_before = l->una;
    for (uint32_t n = l->first; n != l->end; n++) {
        held[n - l->first] = got[n - l->first] || (at(b, n)->marks & TD_SENT_SACKED) != 0;
    }
    while (una != l->end && held[una - l->first]) {
        una++;
    }
    l->una = una == l->end ? l->nxt : at(b, una)->seq;
    l->any_sacked = false;
    for (uint32_t n = una; n != l->end; n++) { /* SACK blocks first, as they are taken */
        struct td_sent *x = at(b, n);
        if (got[n - l->first] && (x->marks & TD_SENT_SACKED) == 0) {
            if (l->ops->delivered != NULL) {
                l->ops->delivered(l, n);
            }
            unlist(b, n);
            x->marks = (uint8_t)((x->marks | TD_SENT_SACKED) & ~(TD_SENT_LOST | TD_SENT_RETRANS));
            l->any_sacked = true;
            l->delivered++;
        }
    }
    for (; l->first != una; l->first++) {
        if ((at(b, l->first)->marks & TD_SENT_SACKED) == 0) {
            if (l->ops->delivered != NULL) {
                l->ops->delivered(l, l->first);
            }
            l->delivered++;
        }
        unlist(b, l->first);
    }
    l->advanced = l->una != l->una_before;
    l->dupacks = l->advanced ? 0 : (uint16_t)(l->dupacks + l->any_sacked);
    recount(b);
    if (l->episode == TD_EPISODE_RECOVERY && !td_seq_before(l->una, l->recover)) {
        l->episode = TD_EPISODE_OPEN;
        if (l->ops->event != NULL) {
            l->ops->event(l, TD_LOSS_RECOVERED);
        }
    }
    ask(b);
    l->advanced = l->any_sacked = false;
}

void loss_timer(struct loss_bench *b)
{
    if (b->timer != 0 && b->timer <= b->l.now) {
        b->timer = 0;
        b->l.timer = true;
        ask(b);
        b->l.timer = false;
    }
}

void loss_resend(struct loss_bench *b)
{
    for (uint32_t n = b->l.first; n != b->l.end; n++) {
        struct td_sent *x = at(b, n);
        if ((x->marks & (TD_SENT_LOST | TD_SENT_RETRANS)) == TD_SENT_LOST) {
            x->sent = b->l.now;
            x->delivered = b->l.delivered;
            x->marks |= TD_SENT_RETRANS | TD_SENT_EVER;
            list_last(b, n);
        }
    }
    recount(b);
}

/* ---- two of them ---- */

static bool same(struct loss_bench b[2], unsigned step, char *why, size_t size)
{
    for (int i = 0; i < 2; i++) {
        if (b[i].wrong[0] != '\0') {
            snprintf(why, size, "step %u: %s: %s", step, b[i].l.ops->name, b[i].wrong);
            return false;
        }
    }
    for (uint32_t n = b[0].l.first; n != b[0].l.end; n++) {
        bool lost[2];
        for (int i = 0; i < 2; i++) {
            lost[i] = (at(&b[i], n)->marks & TD_SENT_LOST) != 0;
        }
        if (lost[0] != lost[1]) {
            snprintf(why, size, "step %u: segment %u of %u is%s lost for %s, is%s for %s", step,
                     n - b[0].l.first, b[0].l.segs, lost[0] ? "" : " not", b[0].l.ops->name,
                     lost[1] ? "" : " not", b[1].l.ops->name);
            return false;
        }
    }
    if (b[0].timer != b[1].timer) {
        snprintf(why, size, "step %u: to be asked again at %llu and %llu", step,
                 (unsigned long long)b[0].timer, (unsigned long long)b[1].timer);
        return false;
    }
    return true;
}

static void step(struct loss_bench b[2], struct prng *r)
{
    bool got[BENCH_RECORDS] = {false};
    uint32_t flight = b[0].l.end - b[0].l.first;
    uint32_t what = prng_below(r, 8), k = 1 + prng_below(r, 12), len = 1 + prng_below(r, BENCH_MSS);
    td_time dt = prng_below(r, 40) * TD_MS;
    len = prng_below(r, 3) == 0 ? len : BENCH_MSS;
    for (uint32_t i = 0; i < flight; i++) { /* a run here, single ones there, some never */
        got[i] = prng_below(r, 100) < (i < flight / 2 ? 30u : 8u);
    }
    for (int i = 0; i < 2; i++) {
        b[i].l.now += TD_US; /* no two steps at the same time: which of them left later? */
        if (what < 3 && flight + k < 200) {
            for (uint32_t n = 0; n < k; n++) {
                loss_send(&b[i], len);
            }
        } else if (what < 5) {
            b[i].l.now += dt;
            loss_timer(&b[i]);
        } else if (what < 7) {
            loss_ack(&b[i], got);
        } else {
            loss_resend(&b[i]);
        }
    }
}

bool loss_differ(const struct td_loss_ops *reference, const struct td_loss_ops *other,
                 uint64_t seed, uint32_t isn, char *why, size_t size)
{
    struct prng r = {seed};
    struct loss_bench *b = calloc(2, sizeof *b);
    bool good = true;
    loss_open(&b[0], reference, isn);
    loss_open(&b[1], other, isn);
    for (unsigned i = 0; i < 400 && good; i++) {
        step(b, &r);
        good = same(b, i, why, size);
    }
    if (good && b[0].marked_lost == 0) {
        snprintf(why, size, "nothing was ever lost");
        good = false;
    }
    loss_close(&b[0]);
    loss_close(&b[1]);
    free(b);
    return good;
}
