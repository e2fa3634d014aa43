/* replay/play_again.c: see play_again.h. */
#include "replay/play_again.h"

#define OVERTAKEN_MOST (3 * TD_MS)

static tcp_seq end_of(const struct play_frame *f)
{
    return f->seq + f->text + ((f->flags & TCP_SYN) != 0) + ((f->flags & TCP_FIN) != 0);
}

/* It lies below what was seen before: was it sent before that, and overtaken? */
static bool overtaken(const struct again_side *s, const struct play_frame *f)
{
    if (f->o.has_ts && f->o.ts_val != s->tsval)
        return (int32_t)(f->o.ts_val - s->tsval) < 0;
    if (f->id != 0 && s->id != 0)
        return (int16_t)(f->id - s->id) < 0;
    return f->at - s->at < OVERTAKEN_MOST;
}

/* A probe asks with a byte that was acknowledged long ago, or that the window doesn't take. */
static bool is_probe(const struct again_side *s, const struct play_frame *f)
{
    return f->text <= 1 && (f->flags & (TCP_SYN | TCP_FIN)) == 0 && f->seq + 1 == s->high;
}

static bool is_again(const struct again_side *s, const struct play_frame *f, bool sent)
{
    if (!s->begun || !seq_lt(f->seq, s->high) || is_probe(s, f))
        return false;
    return sent || !overtaken(s, f);
}

static bool takes(struct again_side *s, tcp_seq left, tcp_seq right)
{
    for (unsigned i = 0; i < s->n; i++) {
        unsigned at = (s->oldest + i) % AGAIN_MANY;
        if (!seq_lt(s->wait[at].left, right) || !seq_lt(left, s->wait[at].right))
            continue;
        for (; i + 1 < s->n; i++)
            s->wait[(s->oldest + i) % AGAIN_MANY] = s->wait[(s->oldest + i + 1) % AGAIN_MANY];
        s->n--;
        return true;
    }
    return false;
}

static void waits(struct again_side *s, tcp_seq left, tcp_seq right)
{
    if (s->n == AGAIN_MANY) {
        s->oldest = (s->oldest + 1) % AGAIN_MANY;
        s->n--;
    }
    unsigned at = (s->oldest + s->n++) % AGAIN_MANY;
    s->wait[at].left = left;
    s->wait[at].right = right;
}

bool again_frame(struct again *a, struct play *p, const struct play_frame *f, bool sent)
{
    struct again_side *s = &a->side[sent];
    tcp_seq end = end_of(f);
    if (end == f->seq || (f->flags & TCP_RST) != 0)
        return false;
    bool again = is_again(s, f, sent);
    if (again) {
        tcp_seq right = seq_min(end, s->high);
        (sent ? &p->again_sent : &p->again_captured)[0]++;
        if (takes(&a->side[!sent], f->seq, right))
            p->again_both++;
        else
            waits(s, f->seq, right);
    }
    if (!s->begun || seq_gt(end, s->high)) {
        s->begun = true;
        s->high = end;
        s->tsval = f->o.ts_val;
        s->id = f->id;
        s->at = f->at;
    }
    return again;
}
