/* tcp/eor.c: ends of records in the send queue (MSG_EOR).
 *
 * Theory of operation. TCP knows no records (RFC 9293 3.9.1.2), but who writes one with MSG_EOR
 * wants no later text in the same segment: an offset, a timestamp or a checksum that hangs on the
 * segment then belongs to the record alone. So the places where such writes end are kept, oldest
 * first, until they are acknowledged; a segment never reaches across one. What waits behind such an
 * end lets the short segment before it go in spite of Nagle, and it has PSH, as the end of a write
 * has.
 *
 * The list is made with the first MSG_EOR and goes when nothing of it is left. Without memory for
 * it the text goes as any other: the mark was a wish.
 */
#include "tcp/tcp_internal.h"

#include <string.h>

#define EOR_FIRST 16u

struct tcp_eor {
    uint32_t first, n, cap; /* at[first .. first + n) */
    tcp_seq at[];
};

static size_t size_of(uint32_t cap)
{
    return sizeof(struct tcp_eor) + cap * sizeof(tcp_seq);
}

static struct tcp_eor *list_of(const struct tcb *t)
{
    return t->more_state != NULL ? t->more_state->eor : NULL;
}

/* Room for one more at the end: what is over makes some, or a list twice as long. */
static struct tcp_eor *make_room(struct td_stack *st, struct tcp_more *m)
{
    struct tcp_eor *e = m->eor;
    if (e != NULL && e->first + e->n < e->cap) {
        return e;
    }
    if (e != NULL && e->first > e->cap / 2) {
        memmove(e->at, e->at + e->first, e->n * sizeof e->at[0]);
        e->first = 0;
        return e;
    }
    uint32_t cap = e != NULL ? 2 * e->cap : EOR_FIRST;
    struct tcp_eor *wide = mem_alloc(&st->mem, MEM_TCP, size_of(cap));
    if (wide == NULL) {
        return NULL;
    }
    wide->cap = cap;
    if (e != NULL) {
        memcpy(wide->at, e->at + e->first, e->n * sizeof e->at[0]);
        wide->n = e->n;
    }
    tcp_eor_free(st, m);
    m->eor = wide;
    return wide;
}

void tcp_eor_mark(struct td_stack *st, struct tcb *t, tcp_seq end)
{
    struct tcp_more *m = tcp_more(st, t);
    struct tcp_eor *e = m != NULL ? make_room(st, m) : NULL;
    if (e != NULL) {
        e->at[e->first + e->n++] = end;
    }
}

uint32_t tcp_eor_clip(const struct tcb *t, tcp_seq pos, uint32_t len, bool *ends)
{
    const struct tcp_eor *e = list_of(t);
    *ends = false;
    if (e == NULL) {
        return len;
    }
    uint32_t low = e->first, high = e->first + e->n; /* the first end behind pos */
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (seq_gt(e->at[mid], pos)) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    if (low == e->first + e->n || e->at[low] - pos > len) {
        return len;
    }
    *ends = true;
    return e->at[low] - pos;
}

void tcp_eor_acked(struct td_stack *st, struct tcb *t)
{
    struct tcp_eor *e = list_of(t);
    if (e == NULL) {
        return;
    }
    while (e->n > 0 && seq_le(e->at[e->first], t->snd_una)) {
        e->first++;
        e->n--;
    }
    if (e->n == 0) {
        tcp_eor_free(st, t->more_state);
    }
}

void tcp_eor_free(struct td_stack *st, struct tcp_more *m)
{
    if (m->eor != NULL) {
        mem_free(&st->mem, MEM_TCP, m->eor, size_of(m->eor->cap));
        m->eor = NULL;
    }
}
