/* replay/ranges.c: a small set of ranges of sequence numbers (ranges.h). */
#include "replay/ranges.h"

#include <stdlib.h>
#include <string.h>

/* The first range that ends behind `seq`. */
static unsigned behind(const struct ranges *s, tcp_seq seq)
{
    unsigned lo = 0, hi = s->n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (seq_gt(s->at[mid].right, seq))
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static bool insert(struct ranges *s, unsigned i, tcp_seq left, tcp_seq right)
{
    if (s->n == s->room) {
        unsigned room = s->room == 0 ? 4 : 2u * s->room;
        struct range *at = room <= RANGES_MAX ? realloc(s->at, room * sizeof(*at)) : NULL;
        if (at == NULL)
            return false;
        s->at = at;
        s->room = (uint16_t)room;
    }
    memmove(s->at + i + 1, s->at + i, (s->n - i) * sizeof(*s->at));
    s->at[i] = (struct range){left, right};
    s->n++;
    return true;
}

static void erase(struct ranges *s, unsigned i, unsigned count)
{
    memmove(s->at + i, s->at + i + count, (s->n - i - count) * sizeof(*s->at));
    s->n = (uint16_t)(s->n - count);
}

void ranges_add(struct ranges *s, tcp_seq left, tcp_seq right)
{
    if (!seq_lt(left, right))
        return;
    unsigned i = behind(s, left - 1), j = i; /* a range that ends at `left` is joined */
    while (j < s->n && seq_le(s->at[j].left, right))
        j++;
    if (i == j) {
        (void)insert(s, i, left, right);
        return;
    }
    s->at[i].left = seq_min(s->at[i].left, left);
    s->at[i].right = seq_max(s->at[j - 1].right, right);
    erase(s, i + 1, j - i - 1);
}

void ranges_remove(struct ranges *s, tcp_seq left, tcp_seq right)
{
    for (unsigned i = behind(s, left); i < s->n && seq_lt(s->at[i].left, right);) {
        struct range r = s->at[i];
        bool head = seq_lt(r.left, left), tail = seq_gt(r.right, right);
        if (!head && !tail) {
            erase(s, i, 1);
            continue;
        }
        if (head)
            s->at[i].right = left;
        else
            s->at[i].left = right;
        if (head && tail)
            (void)insert(s, i + 1, right, r.right);
        i++;
    }
}

void ranges_below(struct ranges *s, tcp_seq seq)
{
    unsigned i = behind(s, seq);
    if (i > 0)
        erase(s, 0, i);
    if (s->n > 0 && seq_lt(s->at[0].left, seq))
        s->at[0].left = seq;
}

uint32_t ranges_overlap(const struct ranges *s, tcp_seq left, tcp_seq right)
{
    uint32_t bytes = 0;
    if (!seq_lt(left, right))
        return 0;
    for (unsigned i = behind(s, left); i < s->n && seq_lt(s->at[i].left, right); i++)
        bytes += (uint32_t)seq_diff(seq_min(s->at[i].right, right), seq_max(s->at[i].left, left));
    return bytes;
}

const struct range *ranges_holding(const struct ranges *s, tcp_seq seq)
{
    unsigned i = behind(s, seq);
    return i < s->n && seq_le(s->at[i].left, seq) ? &s->at[i] : NULL;
}

uint32_t ranges_bytes(const struct ranges *s)
{
    uint32_t bytes = 0;
    for (unsigned i = 0; i < s->n; i++)
        bytes += s->at[i].right - s->at[i].left;
    return bytes;
}

void ranges_free(struct ranges *s)
{
    free(s->at);
    *s = (struct ranges){0};
}
