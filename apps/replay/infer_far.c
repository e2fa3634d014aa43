/* replay/infer_far.c: the window of a sender that is far away and sends no timestamps (infer_far.h). */
#include "replay/infer_far.h"

#define MS          INT64_C(1000000)
#define NEVER_LOST  (UINT32_MAX / 2)
#define GROWN_MOST  (UINT32_MAX / 8)

static uint64_t cube_root(uint64_t n)
{
    uint64_t lo = 0, hi = UINT64_C(1) << 21;
    while (lo < hi) {
        uint64_t mid = (lo + hi + 1) / 2;
        if (mid * mid * mid <= n)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

static uint32_t at_least(uint32_t window, uint32_t mss)
{
    return window > mss ? window : mss;
}

void far_begin(struct infer *f)
{
    for (unsigned i = 0; i < 2; i++)
        f->sim[i] = (struct infer_sim){.cwnd = f->cwnd > 0 ? f->cwnd : 10 * f->mss, .ssthresh = NEVER_LOST};
}

/* RFC 9438 4.2, in segments/1000 and ms: W(t) = 0.4 (t - K)^3 + top, from where it was when `since`. */
static uint32_t cubic_at(const struct infer *f, const struct infer_sim *s, int64_t t)
{
    uint64_t below = s->top > s->ssthresh ? (s->top - s->ssthresh) / f->mss : 0;
    int64_t k = (int64_t)cube_root(below * UINT64_C(2500000000)), d = (t - s->since) / MS - k;
    if (d > 100000)
        d = 100000;
    int64_t w = (int64_t)s->top + d * d * d / 1000 * 4 / 10000 * f->mss / 1000;
    return w < 0 ? 0 : w > GROWN_MOST ? GROWN_MOST : (uint32_t)w;
}

static void avoid(struct infer *f, struct infer_sim *s, bool cubic, int64_t t, uint32_t bytes)
{
    s->count += cubic ? bytes * 8 / 15 : bytes; /* RFC 9438 4.3: what Reno would have with this reduction */
    if (s->friendly < s->ssthresh)
        s->friendly = s->ssthresh;
    while (s->count >= s->friendly) {
        s->count -= s->friendly;
        s->friendly += f->mss;
    }
    uint32_t w = cubic ? cubic_at(f, s, t) : 0;
    w = w > s->friendly ? w : s->friendly;
    if (w > s->cwnd)
        s->cwnd = w > s->cwnd + bytes ? s->cwnd + bytes : w;
}

void far_acked(struct infer *f, int64_t t, uint32_t bytes, uint64_t most)
{
    for (unsigned i = 0; i < 2; i++) {
        struct infer_sim *s = &f->sim[i];
        if (s->cwnd < s->ssthresh) {
            if (s->cwnd + bytes <= most || s->ssthresh < NEVER_LOST)
                s->cwnd += bytes;
            if (s->cwnd >= s->ssthresh) {
                s->cwnd = s->ssthresh;
                s->since = t;
            }
        } else {
            avoid(f, s, i == 0, t, bytes);
        }
        if (s->cwnd > GROWN_MOST)
            s->cwnd = GROWN_MOST;
    }
}

static uint32_t off_by(uint32_t guess, uint32_t is)
{
    uint64_t d = guess > is ? guess - is : is - guess;
    d = d * 1000 / is;
    return d > 4000 ? 4000 : (uint32_t)d;
}

enum far_verdict far_lost(struct infer *f, uint32_t flight)
{
    /* What the first three duplicates let it send is not part of the window (RFC 3042). */
    uint32_t is = at_least(flight > 4 * f->mss ? flight - 3 * f->mss : flight / 2, f->mss), best = 0;
    bool known = f->sim[0].ssthresh < NEVER_LOST;
    for (unsigned i = 0; i < 2; i++) {
        struct infer_sim *s = &f->sim[i];
        best = s->cwnd > best ? s->cwnd : best;
        if (known)
            s->off = (3 * s->off + off_by(s->cwnd, is)) / 4;
        s->top = is < s->top ? is / 20 * 17 : is; /* RFC 9438 4.7 */
        s->ssthresh = at_least(i == 0 ? is / 10 * 7 : is / 2, 2 * f->mss);
        s->cwnd = s->friendly = s->ssthresh;
        s->count = 0;
    }
    f->cwnd = is;
    if (!known || is < 10 * f->mss)
        return FAR_EITHER;
    return is / 12 * 10 > best ? FAR_RATE : is / 11 * 10 < best ? FAR_WINDOW : FAR_EITHER;
}

void far_timeout(struct infer *f)
{
    for (unsigned i = 0; i < 2; i++)
        f->sim[i].cwnd = f->mss;
}

void far_recovered(struct infer *f, int64_t t)
{
    for (unsigned i = 0; i < 2; i++)
        f->sim[i].since = t;
}

const struct infer_sim *far_sim(const struct infer *f)
{
    return &f->sim[f->sim[1].off < f->sim[0].off];
}
