/* replay/play_judge.c: what the stack sent beside what was captured (play.h).
 *
 * Both lists are sorted by what makes frames the same, and within that by order; walking them together pairs the
 * n-th captured frame of a kind with the n-th sent one. A second walk, by sequence numbers, looks at the text of those
 * that have no twin: a captured range that sent ones without twin cover piece by piece was split, or coalesced.
 */
#include "replay/play.h"

#include <stdlib.h>

static int compare(const struct play_frame *a, const struct play_frame *b)
{
#define BY(field)                                                                                                              \
    if (a->field != b->field)                                                                                                  \
        return a->field < b->field ? -1 : 1;
    BY(seq)
    BY(text)
    BY(flags)
    BY(ack)
    BY(kinds)
#undef BY
    return 0;
}

static int by_kind(const void *x, const void *y)
{
    const struct play_frame *a = *(struct play_frame *const *)x, *b = *(struct play_frame *const *)y;
    int c = compare(a, b);
    return c != 0 ? c : (a > b) - (a < b); /* of one array: their order */
}

static int by_seq(const void *x, const void *y)
{
    const struct play_frame *a = *(struct play_frame *const *)x, *b = *(struct play_frame *const *)y;
    if (a->seq != b->seq)
        return seq_lt(a->seq, b->seq) ? -1 : 1;
    return (a > b) - (a < b);
}

static struct play_frame **pointers(struct play_frame *at, size_t n, size_t *kept, bool untwinned_text)
{
    struct play_frame **list = calloc(n + 1, sizeof(struct play_frame *));
    *kept = 0;
    for (size_t i = 0; list != NULL && i < n; i++)
        if (at[i].ours && (!untwinned_text || (at[i].twin == SIZE_MAX && at[i].text > 0)))
            list[(*kept)++] = &at[i];
    return list;
}

static enum play_verdict timely(const struct play_frame *cap, const struct play_frame *sent)
{
    if (sent->at > cap->at + PLAY_TOLERANCE)
        return PLAY_LATER;
    return sent->at + PLAY_TOLERANCE < cap->at ? PLAY_EARLIER : PLAY_SAME;
}

static void pair(struct play *p, struct play_frame *cap, struct play_frame *sent)
{
    cap->twin = (size_t)(sent - p->sent);
    sent->twin = (size_t)(cap - p->cap);
    cap->verdict = (uint8_t)timely(cap, sent);
    sent->verdict = cap->verdict;
}

static tcp_seq end_of(const struct play_frame *f)
{
    return f->seq + f->text;
}

/* Of those without twin: does the text of one lie in several, or the other way round? */
static void judge_text(struct play *p, struct play_frame **cap, size_t ncap, struct play_frame **sent, size_t nsent)
{
    size_t j = 0;
    for (size_t i = 0; i < ncap; i++) {
        while (j < nsent && seq_le(end_of(sent[j]), cap[i]->seq))
            j++;
        for (size_t k = j; k < nsent && k < j + 64 && seq_lt(sent[k]->seq, end_of(cap[i])); k++) {
            if (seq_le(end_of(sent[k]), cap[i]->seq))
                continue;
            bool within = seq_ge(sent[k]->seq, cap[i]->seq) && seq_le(end_of(sent[k]), end_of(cap[i]));
            uint8_t v = within && sent[k]->text < cap[i]->text ? PLAY_SPLIT : PLAY_COALESCED;
            if (sent[k]->text == cap[i]->text && sent[k]->seq == cap[i]->seq)
                continue; /* the same text, with other flags or another acknowledgement: missing, and extra */
            if (cap[i]->twin == SIZE_MAX) {
                cap[i]->verdict = v;
                cap[i]->twin = (size_t)(sent[k] - p->sent);
            }
            sent[k]->verdict = v;
        }
    }
}

void play_judge(struct play *p)
{
    size_t nc, ns;
    struct play_frame **cap = pointers(p->cap, p->ncap, &nc, false), **sent = pointers(p->sent, p->nsent, &ns, false);
    if (cap != NULL && sent != NULL) {
        qsort(cap, nc, sizeof(*cap), by_kind);
        qsort(sent, ns, sizeof(*sent), by_kind);
        for (size_t i = 0, j = 0; i < nc && j < ns;) {
            int c = compare(cap[i], sent[j]);
            if (c == 0)
                pair(p, cap[i++], sent[j++]);
            else
                c < 0 ? i++ : j++;
        }
    }
    free(cap);
    free(sent);
    cap = pointers(p->cap, p->ncap, &nc, true);
    sent = pointers(p->sent, p->nsent, &ns, true);
    if (cap != NULL && sent != NULL) {
        qsort(cap, nc, sizeof(*cap), by_seq);
        qsort(sent, ns, sizeof(*sent), by_seq);
        judge_text(p, cap, nc, sent, ns);
    }
    free(cap);
    free(sent);
    /* What leaves behind the end of the capture nobody can judge. */
    td_time end = p->ncap > 0 ? p->cap[p->ncap - 1].at : 0;
    for (size_t i = 0; i < p->ncap; i++)
        if (p->cap[i].ours)
            p->count[p->cap[i].verdict]++;
    for (size_t i = 0; i < p->nsent; i++)
        if (p->sent[i].verdict == PLAY_EXTRA && p->sent[i].at <= end)
            p->count[PLAY_EXTRA]++;
}
