/* core/pkt.c: packet buffers; core/pkt.h has the theory of operation. */
#include "core/pkt.h"

#include "wire/checksum.h"

#include <errno.h>
#include <string.h>

#define PKT_INLINE 2

/* ---- the cache ----
 *
 * Nearly every packet is a descriptor and a head that holds one Ethernet frame. An allocator that is
 * told to (mem.pkt_cache) keeps some freed ones on two short lists and gives them out again: a frame's
 * way through the stack costs no trip to the C library. What lies there still counts as used;
 * pkt_cache_drop gives it back. A test that makes allocations fail (mem.fail_after) finds the cache out
 * of the way, and AddressSanitizer, which must see every use of a freed packet, finds none at all. */
#define PKT_HEAD_BYTES 2048 /* capacity of a cached head */

#if defined __SANITIZE_ADDRESS__
#define CACHE_ON 0
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define CACHE_ON 0
#endif
#endif
#ifndef CACHE_ON
#define CACHE_ON 1
#endif

static void *cache_take(struct mem *m, struct mem_cache *c)
{
    void *p = c->first;
    if (p == NULL || m->fail_after != 0 || m->failing)
        return NULL;
    memcpy(&c->first, p, sizeof c->first); /* a free object's first bytes are the link */
    c->count--;
    return p;
}

static bool cache_give(struct mem *m, struct mem_cache *c, void *p)
{
    if (!CACHE_ON || c->count >= m->pkt_cache)
        return false;
    memcpy(p, &c->first, sizeof c->first);
    c->first = p;
    c->count++;
    return true;
}

static void cache_drop(struct mem *m, struct mem_cache *c, size_t size)
{
    while (c->first != NULL) {
        void *p = c->first;
        memcpy(&c->first, p, sizeof c->first);
        mem_free(m, MEM_PKT, p, size);
    }
    c->count = 0;
}

void pkt_cache_drop(struct mem *m)
{
    cache_drop(m, &m->pkts, sizeof(struct pkt));
    cache_drop(m, &m->heads, sizeof(struct pkt_block) + PKT_HEAD_BYTES);
}

/* ---- blocks ---- */

struct pkt_block *pkt_block_alloc(struct mem *m, uint32_t size)
{
    struct pkt_block *b = size == PKT_HEAD_BYTES ? cache_take(m, &m->heads) : NULL;
    if (b == NULL)
        b = mem_alloc_raw(m, MEM_PKT, sizeof *b + size);
    if (b == NULL)
        return NULL;
    b->refs = 1;
    b->size = size;
    b->mem = m;
    return b;
}

struct pkt_block *pkt_block_ref(struct pkt_block *b)
{
    b->refs++;
    return b;
}

void pkt_block_free(struct pkt_block *b)
{
    if (b == NULL || --b->refs > 0)
        return;
    if (b->size == PKT_HEAD_BYTES && cache_give(b->mem, &b->mem->heads, b))
        return;
    mem_free(b->mem, MEM_PKT, b, sizeof *b + b->size);
}

/* ---- packets ---- */

struct pkt *pkt_alloc(struct mem *m, uint32_t headroom, uint32_t size)
{
    struct pkt *p = cache_take(m, &m->pkts);
    if (p == NULL)
        p = mem_alloc_raw(m, MEM_PKT, sizeof *p);
    if (p == NULL)
        return NULL;
    memset(p, 0, sizeof *p);
    /* A head that is about a frame's size is made exactly that, so that it can be used again. */
    uint32_t want = headroom + size;
    if (want <= PKT_HEAD_BYTES && want > PKT_HEAD_BYTES / 2)
        want = PKT_HEAD_BYTES;
    p->head = pkt_block_alloc(m, want);
    if (p->head == NULL) {
        mem_free(m, MEM_PKT, p, sizeof *p);
        return NULL;
    }
    p->mem = m;
    p->refs = 1;
    p->data = p->head->bytes + headroom;
    p->slices = p->inline_slices;
    p->slice_cap = PKT_INLINE;
    p->truesize = (uint32_t)(sizeof *p + sizeof *p->head) + want;
    p->l3_off = -1;
    return p;
}

struct pkt *pkt_from_bytes(struct mem *m, uint32_t headroom, const void *bytes, uint32_t len)
{
    struct pkt *p = pkt_alloc(m, headroom, len);
    if (p != NULL && len > 0)
        memcpy(pkt_put(p, len), bytes, len);
    return p;
}

struct pkt *pkt_ref(struct pkt *p)
{
    p->refs++;
    return p;
}

static void slices_drop(struct pkt *p, uint16_t from)
{
    for (uint16_t i = from; i < p->nslices; i++)
        pkt_block_free(p->slices[i].block);
    p->nslices = from;
}

void pkt_free(struct pkt *p)
{
    if (p == NULL || --p->refs > 0)
        return;
    slices_drop(p, 0);
    if (p->slices != p->inline_slices)
        mem_free(p->mem, MEM_PKT, p->slices, p->slice_cap * sizeof *p->slices);
    pkt_block_free(p->head);
    struct mem *m = p->mem;
    if (!cache_give(m, &m->pkts, p))
        mem_free(m, MEM_PKT, p, sizeof *p);
}

/* What describes the packet, as opposed to where its bytes are. */
static void metadata_copy(struct pkt *to, const struct pkt *from)
{
    to->id = from->id;
    to->tstamp = from->tstamp;
    to->ifindex = from->ifindex;
    to->flags = from->flags;
    to->vlan_tci = from->vlan_tci;
    to->protocol = from->protocol;
    to->csum = from->csum;
    to->tos = from->tos;
    to->csum_start = from->csum_start;
    to->csum_offset = from->csum_offset;
    to->gso_size = from->gso_size;
    to->gso_segs = from->gso_segs;
    to->frag_max = from->frag_max;
}

/* A packet with a copy of from's linear head. The bytes in front of data back to the IP header come
 * along when l3_off names them, so that pkt_l3 works on the copy. */
static struct pkt *head_copy(struct mem *m, const struct pkt *from, uint32_t headroom, uint32_t room)
{
    uint32_t back = 0;
    if (from->l3_off >= 0 && from->head->bytes + from->l3_off < from->data)
        back = (uint32_t)(from->data - (from->head->bytes + from->l3_off));
    if (headroom < back)
        headroom = back;
    struct pkt *p = pkt_alloc(m, headroom, from->head_len + room);
    if (p == NULL)
        return NULL;
    memcpy(p->data - back, from->data - back, back + from->head_len);
    p->head_len = p->len = from->head_len;
    metadata_copy(p, from);
    if (from->l3_off >= 0)
        p->l3_off = from->l3_off + (int32_t)((p->data - p->head->bytes) - (from->data - from->head->bytes));
    return p;
}

struct pkt *pkt_clone(const struct pkt *from, uint32_t headroom)
{
    struct pkt *p = head_copy(from->mem, from, headroom, 0);
    for (uint16_t i = 0; p != NULL && i < from->nslices; i++) {
        if (pkt_append_slice(p, from->slices[i].block, from->slices[i].off, from->slices[i].len) != 0) {
            pkt_free(p);
            return NULL;
        }
    }
    return p;
}

struct pkt *pkt_copy(struct mem *m, const struct pkt *from, uint32_t headroom)
{
    struct pkt *p = head_copy(m, from, headroom, from->len - from->head_len);
    if (p == NULL)
        return NULL;
    for (uint16_t i = 0; i < from->nslices; i++) {
        const struct pkt_slice *s = &from->slices[i];
        memcpy(pkt_put(p, s->len), s->block->bytes + s->off, s->len);
    }
    return p;
}

static uint32_t pkt_headroom(const struct pkt *p)
{
    return (uint32_t)(p->data - p->head->bytes);
}

static uint32_t pkt_tailroom(const struct pkt *p)
{
    return p->head->size - pkt_headroom(p) - p->head_len;
}

/* A new head block with at least this room before and behind the present bytes. */
static bool head_grow(struct pkt *p, uint32_t headroom, uint32_t tailroom)
{
    uint32_t before = pkt_headroom(p);
    if (headroom < before)
        headroom = before;
    struct pkt_block *b = pkt_block_alloc(p->mem, headroom + p->head_len + tailroom);
    if (b == NULL)
        return false;
    /* What lies in front of data may hold headers that were pulled (pkt_l3): it comes along. */
    memcpy(b->bytes + headroom - before, p->head->bytes, before + p->head_len);
    if (p->l3_off >= 0)
        p->l3_off += (int32_t)(headroom - before);
    p->truesize = p->truesize - p->head->size + b->size;
    pkt_block_free(p->head);
    p->head = b;
    p->data = b->bytes + headroom;
    return true;
}

uint8_t *pkt_push(struct pkt *p, uint32_t n)
{
    if (pkt_headroom(p) < n && !head_grow(p, n + PKT_HEADROOM, pkt_tailroom(p)))
        return NULL;
    p->data -= n;
    p->head_len += n;
    p->len += n;
    if (p->csum == PKT_CSUM_PARTIAL)
        p->csum_start = (uint16_t)(p->csum_start + n);
    return p->data;
}

bool pkt_pull(struct pkt *p, uint32_t n)
{
    if (n > p->len)
        return false;
    uint32_t linear = n < p->head_len ? n : p->head_len;
    if (p->csum == PKT_CSUM_PARTIAL)
        p->csum_start = (uint16_t)(n < p->csum_start ? p->csum_start - n : 0);
    p->data += linear;
    p->head_len -= linear;
    p->len -= n;
    n -= linear;
    uint16_t gone = 0;
    while (n > 0) {
        struct pkt_slice *s = &p->slices[gone];
        if (n < s->len) {
            s->off += n;
            s->len -= n;
            break;
        }
        n -= s->len;
        pkt_block_free(s->block);
        gone++;
    }
    if (gone > 0) {
        p->nslices = (uint16_t)(p->nslices - gone);
        memmove(p->slices, p->slices + gone, p->nslices * sizeof *p->slices);
    }
    return true;
}

uint8_t *pkt_put(struct pkt *p, uint32_t n)
{
    if (p->nslices > 0)
        return NULL;
    if (pkt_tailroom(p) < n && !head_grow(p, 0, n))
        return NULL;
    uint8_t *at = p->data + p->head_len;
    p->head_len += n;
    p->len += n;
    return at;
}

void pkt_trim(struct pkt *p, uint32_t len)
{
    if (len >= p->len)
        return;
    p->len = len;
    if (len <= p->head_len) {
        p->head_len = len;
        slices_drop(p, 0);
        return;
    }
    uint32_t left = len - p->head_len;
    for (uint16_t i = 0; i < p->nslices; i++) {
        if (left <= p->slices[i].len) {
            p->slices[i].len = left;
            slices_drop(p, (uint16_t)(i + 1));
            return;
        }
        left -= p->slices[i].len;
    }
}

bool pkt_may_pull(struct pkt *p, uint32_t n)
{
    if (n <= p->head_len)
        return true;
    if (n > p->len)
        return false;
    uint32_t need = n - p->head_len;
    if (pkt_tailroom(p) < need && !head_grow(p, 0, need))
        return false;
    uint8_t *to = p->data + p->head_len;
    (void)pkt_read(p, p->head_len, to, need);
    p->truesize -= need; /* the slices' share of them; the head's came with its room */
    /* Take the same bytes off the slices: hide the head while pulling. */
    uint8_t *data = p->data;
    uint32_t head_len = p->head_len;
    p->head_len = 0;
    p->len -= head_len;
    (void)pkt_pull(p, need);
    p->data = data;
    p->head_len = head_len + need;
    p->len += head_len + need;
    return true;
}

bool pkt_make_linear(struct pkt *p)
{
    return pkt_may_pull(p, p->len);
}

int pkt_append_slice(struct pkt *p, struct pkt_block *block, uint32_t off, uint32_t len)
{
    if (p->nslices == p->slice_cap) {
        uint16_t cap = (uint16_t)(p->slice_cap * 4);
        struct pkt_slice *more = mem_alloc(p->mem, MEM_PKT, cap * sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        memcpy(more, p->slices, p->nslices * sizeof *more);
        if (p->slices != p->inline_slices)
            mem_free(p->mem, MEM_PKT, p->slices, p->slice_cap * sizeof *p->slices);
        p->slices = more;
        p->slice_cap = cap;
    }
    p->slices[p->nslices++] = (struct pkt_slice){pkt_block_ref(block), off, len};
    p->len += len;
    p->truesize += len;
    return 0;
}

bool pkt_read(const struct pkt *p, uint32_t off, void *dst, uint32_t n)
{
    uint8_t *d = dst;
    if (off > p->len || n > p->len - off)
        return false;
    if (off < p->head_len) {
        uint32_t take = p->head_len - off < n ? p->head_len - off : n;
        memcpy(d, p->data + off, take);
        d += take;
        n -= take;
        off = 0;
    } else {
        off -= p->head_len;
    }
    for (uint16_t i = 0; n > 0; i++) {
        const struct pkt_slice *s = &p->slices[i];
        if (off >= s->len) {
            off -= s->len;
            continue;
        }
        uint32_t take = s->len - off < n ? s->len - off : n;
        memcpy(d, s->block->bytes + s->off + off, take);
        d += take;
        n -= take;
        off = 0;
    }
    return true;
}

/* Adds a piece that begins at byte `at` of the summed range: behind an odd number of bytes its
 * words are shifted by one byte, which in ones' complement is a swap of the sum (RFC 1071 2 (B)). */
static uint32_t sum_piece(uint32_t sum, uint32_t at, const uint8_t *bytes, uint32_t n)
{
    if (at % 2 == 0)
        return checksum_add(sum, bytes, n);
    uint16_t piece = checksum_fold(checksum_add(0, bytes, n));
    piece = (uint16_t)(piece << 8 | piece >> 8);
    uint8_t word[2] = {(uint8_t)(piece >> 8), (uint8_t)piece};
    return checksum_add(sum, word, 2);
}

uint32_t pkt_sum(const struct pkt *p, uint32_t off, uint32_t n)
{
    uint32_t sum = 0, at = 0;
    if (off > p->len || n > p->len - off)
        return 0;
    if (off < p->head_len) {
        uint32_t take = p->head_len - off < n ? p->head_len - off : n;
        sum = sum_piece(sum, at, p->data + off, take);
        at += take;
        off = 0;
    } else {
        off -= p->head_len;
    }
    for (uint16_t i = 0; at < n; i++) {
        const struct pkt_slice *s = &p->slices[i];
        if (off >= s->len) {
            off -= s->len;
            continue;
        }
        uint32_t take = s->len - off < n - at ? s->len - off : n - at;
        sum = sum_piece(sum, at, s->block->bytes + s->off + off, take);
        at += take;
        off = 0;
    }
    return sum;
}

const uint8_t *pkt_l3(const struct pkt *p)
{
    return p->l3_off < 0 ? NULL : p->head->bytes + p->l3_off;
}

void pkt_set_l3(struct pkt *p)
{
    p->l3_off = (int32_t)(p->data - p->head->bytes);
}

/* ---- queues ---- */

void pkt_queue_init(struct pkt_queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
    q->count = 0;
    q->bytes = 0;
}

void pkt_queue_push(struct pkt_queue *q, struct pkt *p)
{
    p->next = NULL;
    *q->tail = p;
    q->tail = &p->next;
    q->count++;
    q->bytes += p->len;
}

struct pkt *pkt_queue_pop(struct pkt_queue *q)
{
    struct pkt *p = q->head;
    if (p == NULL)
        return NULL;
    q->head = p->next;
    if (q->head == NULL)
        q->tail = &q->head;
    p->next = NULL;
    q->count--;
    q->bytes -= p->len;
    return p;
}

void pkt_queue_clear(struct pkt_queue *q)
{
    struct pkt *p;
    while ((p = pkt_queue_pop(q)) != NULL)
        pkt_free(p);
}
