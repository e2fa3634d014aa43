/* tcp/sndbuf.c: the send buffer.
 *
 * Theory of operation. What the user sends is copied once, into blocks of at most 64 KiB, and stays
 * there until it is acknowledged. Segments, first transmissions and retransmissions alike, are
 * slices of these blocks: nothing is copied on the way to the device, and a segment boundary is
 * drawn anew each time, so a retransmission may be larger or smaller than the original was.
 *
 *      base = first byte not acknowledged                              base + len
 *        ├───────────── sent ─────────────┼──────── not yet sent ─────────┤
 *        [ chunk ........ ][ chunk ............... ][ chunk ....free]
 *
 * A block is shared with the packets that carry its bytes, so bytes once written never change; new
 * ones may be appended to the free end of the last block, which no packet refers to yet.
 */
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <string.h>

#define CHUNK_MIN 2048u
#define CHUNK_MAX 65536u

void sndbuf_init(struct sndbuf *b, tcp_seq base)
{
    b->tail = b->hint = NULL;
    b->base = base;
    b->len = 0;
}

static struct snd_chunk *chunk_new(struct mem *m, uint32_t want)
{
    uint32_t size = want < CHUNK_MIN ? CHUNK_MIN : want > CHUNK_MAX ? CHUNK_MAX : want;
    struct snd_chunk *c = mem_alloc(m, MEM_TCP, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    /* The header of the block counts too: powers of two stay powers of two. */
    c->block = pkt_block_alloc(m, size - (uint32_t)sizeof(struct pkt_block));
    if (c->block == NULL) {
        mem_free(m, MEM_TCP, c, sizeof *c);
        return NULL;
    }
    return c;
}

static void chunk_free(struct mem *m, struct snd_chunk *c)
{
    pkt_block_free(c->block);
    mem_free(m, MEM_TCP, c, sizeof *c);
}

uint32_t sndbuf_write(struct mem *m, struct sndbuf *b, const void *bytes, uint32_t n)
{
    const uint8_t *src = bytes;
    uint32_t left = n;
    while (left > 0) {
        struct snd_chunk *c = b->tail;
        if (c == NULL || c->off + c->len == c->block->size) {
            c = chunk_new(m, left);
            if (c == NULL) {
                break;
            }
            c->seq = sndbuf_end(b);
            c->next = b->tail != NULL ? b->tail->next : c;
            if (b->tail != NULL) {
                b->tail->next = c;
            }
            b->tail = c;
        }
        uint32_t room = c->block->size - c->off - c->len;
        uint32_t k = left < room ? left : room;
        memcpy(c->block->bytes + c->off + c->len, src, k);
        c->len += k;
        b->len += k;
        src += k;
        left -= k;
    }
    return n - left;
}

static struct snd_chunk *first_chunk(const struct sndbuf *b)
{
    return b->tail != NULL ? b->tail->next : NULL;
}

static struct snd_chunk *chunk_behind(const struct sndbuf *b, const struct snd_chunk *c)
{
    return c != b->tail ? c->next : NULL;
}

/* The chunk that holds seq, and where in it. */
static struct snd_chunk *sndbuf_find(struct sndbuf *b, tcp_seq seq, uint32_t *at)
{
    struct snd_chunk *c = b->hint;
    if (c == NULL || seq_lt(seq, c->seq)) {
        c = first_chunk(b);
    }
    while (c != NULL && seq - c->seq >= c->len) {
        c = chunk_behind(b, c);
    }
    b->hint = c;
    *at = c != NULL ? seq - c->seq : 0;
    return c;
}

int sndbuf_slices(struct sndbuf *b, tcp_seq seq, uint32_t len, struct pkt *p)
{
    uint32_t at;
    struct snd_chunk *c = sndbuf_find(b, seq, &at);
    while (len > 0 && c != NULL) {
        uint32_t k = c->len - at;
        k = k < len ? k : len;
        int e = pkt_append_slice(p, c->block, c->off + at, k);
        if (e != 0) {
            return e;
        }
        len -= k;
        at = 0;
        c = chunk_behind(b, c);
    }
    return len == 0 ? 0 : -EINVAL;
}

static void drop_first(struct mem *m, struct sndbuf *b)
{
    struct snd_chunk *c = b->tail->next;
    b->tail->next = c->next;
    b->tail = b->tail != c ? b->tail : NULL;
    b->hint = b->hint != c ? b->hint : NULL;
    chunk_free(m, c);
}

void sndbuf_ack(struct mem *m, struct sndbuf *b, uint32_t n)
{
    b->base += n;
    b->len -= n;
    while (n > 0) {
        struct snd_chunk *c = first_chunk(b);
        if (n < c->len) {
            c->off += n;
            c->len -= n;
            c->seq += n;
            break;
        }
        n -= c->len;
        drop_first(m, b);
    }
    if (b->hint == NULL) {
        b->hint = first_chunk(b);
    }
}

void sndbuf_clear(struct mem *m, struct sndbuf *b)
{
    while (b->tail != NULL) {
        drop_first(m, b);
    }
    sndbuf_init(b, b->base);
}
