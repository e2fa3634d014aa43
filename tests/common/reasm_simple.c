/* tests/common/reasm_simple.c: the simplest reassembler "by bytes" of tapdeck/reassembly.h.
 *
 * A sorted array of blocks, none touching another. A new piece and all blocks that it touches
 * become one new block, into which the bytes are copied, those of the old blocks last. */
#include "reasm_simple.h"

#include <string.h>

#define BLOCKS 512

struct block {
    uint32_t left, len;
    uint8_t *bytes;
};
struct simple {
    uint32_t n;
    struct block b[BLOCKS];
};

static uint32_t right(const struct block *b)
{
    return b->left + b->len;
}

static int64_t simple_insert(struct td_reassembly *r, struct td_piece *p)
{
    struct simple *s = r->state;
    uint32_t first = 0, end;
    while (first < s->n && td_seq_before(right(&s->b[first]), p->seq)) {
        first++;
    }
    for (end = first; end < s->n && !td_seq_before(td_piece_end(p), s->b[end].left);) {
        end++; /* blocks [first, end) touch p */
    }
    struct block whole = {.left = p->seq, .len = p->len};
    uint32_t fresh = p->len;
    if (end > first) {
        whole.left = td_seq_min(p->seq, s->b[first].left);
        whole.len = td_seq_max(td_piece_end(p), right(&s->b[end - 1])) - whole.left;
        fresh = whole.len;
        for (uint32_t i = first; i < end; i++) {
            fresh -= s->b[i].len;
        }
    }
    bool full = end == first && s->n == BLOCKS;
    whole.bytes = full ? NULL : r->host->alloc(r, whole.len);
    if (whole.bytes == NULL) {
        r->host->free(r, p);
        return TD_REASSEMBLY_REFUSED;
    }
    r->host->copy(r, p, 0, whole.bytes + (p->seq - whole.left), p->len);
    r->host->free(r, p);
    for (uint32_t i = first; i < end; i++) {
        memcpy(whole.bytes + (s->b[i].left - whole.left), s->b[i].bytes, s->b[i].len);
        r->host->release(r, s->b[i].bytes, s->b[i].len);
    }
    memmove(&s->b[first + 1], &s->b[end], (s->n - end) * sizeof s->b[0]);
    s->b[first] = whole;
    s->n = s->n + 1 - (end - first);
    return fresh;
}

static struct td_piece *simple_take(struct td_reassembly *r, uint32_t rcv_nxt)
{
    struct simple *s = r->state;
    struct block *b = &s->b[0];
    if (s->n == 0 || td_seq_before(rcv_nxt, b->left)) {
        return NULL;
    }
    struct td_piece *p = r->host->make(r, b->left, b->bytes, b->len);
    if (p != NULL) {
        r->host->release(r, b->bytes, b->len);
        memmove(&s->b[0], &s->b[1], --s->n * sizeof s->b[0]);
    }
    return p;
}

static bool simple_range(const struct td_reassembly *r, uint32_t seq, struct td_range *out)
{
    const struct simple *s = r->state;
    for (uint32_t i = 0; i < s->n; i++) {
        if (!td_seq_before(right(&s->b[i]), seq)) {
            *out = (struct td_range){s->b[i].left, right(&s->b[i])};
            return true;
        }
    }
    return false;
}

static void simple_clear(struct td_reassembly *r)
{
    struct simple *s = r->state;
    while (s->n > 0) {
        s->n--;
        r->host->release(r, s->b[s->n].bytes, s->b[s->n].len);
    }
}

const struct td_reassembly_ops reasm_simple = {
    .name = "simple",
    .doc = "a sorted array of copies",
    .state_size = sizeof(struct simple),
    .insert = simple_insert,
    .take = simple_take,
    .range = simple_range,
    .clear = simple_clear,
};
