/* link/departures.c: frames that wait for their time (link/departures.h): a binary heap. */
#include "link/departures.h"

static bool before(const struct departure *a, const struct departure *b)
{
    return a->time != b->time ? a->time < b->time : a->seq < b->seq;
}

bool departures_reserve(struct departures *d)
{
    uint32_t cap = d->cap == 0 ? 16 : d->cap * 2;
    struct departure *h;

    if (d->count < d->cap)
        return true;
    h = mem_resize(d->mem, MEM_LINK, d->heap, d->cap * sizeof *h, cap * sizeof *h);
    if (h == NULL)
        return false;
    d->heap = h;
    d->cap = cap;
    return true;
}

void departures_push(struct departures *d, td_time time, struct pkt *p)
{
    struct departure s = {.time = time, .seq = d->seq++, .p = p};
    uint32_t i = d->count++;

    d->bytes += p->len;
    while (i > 0 && before(&s, &d->heap[(i - 1) / 2])) {
        d->heap[i] = d->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    d->heap[i] = s;
}

struct pkt *departures_pop(struct departures *d)
{
    struct departure last;
    struct pkt *p;
    uint32_t i = 0, child;

    if (d->count == 0)
        return NULL;
    p = d->heap[0].p;
    last = d->heap[--d->count];
    d->bytes -= p->len;
    while ((child = 2 * i + 1) < d->count) {
        if (child + 1 < d->count && before(&d->heap[child + 1], &d->heap[child]))
            child++;
        if (!before(&d->heap[child], &last))
            break;
        d->heap[i] = d->heap[child];
        i = child;
    }
    d->heap[i] = last;
    return p;
}

td_time departures_next(const struct departures *d)
{
    return d->count == 0 ? TD_NEVER : d->heap[0].time;
}

void departures_done(struct departures *d)
{
    struct pkt *p;

    while ((p = departures_pop(d)) != NULL)
        pkt_free(p);
    mem_free(d->mem, MEM_LINK, d->heap, d->cap * sizeof *d->heap);
    d->heap = NULL;
    d->cap = 0;
}
