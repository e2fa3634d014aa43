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
    b->head = b->tail = b->hint = NULL;
    b->base = b->hint_seq = base;
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
            if (b->tail == NULL) {
                b->head = c;
            } else {
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

/* The chunk that holds seq, and where in it. */
static struct snd_chunk *sndbuf_find(struct sndbuf *b, tcp_seq seq, uint32_t *at)
{
    struct snd_chunk *c = b->hint;
    tcp_seq start = b->hint_seq;
    if (c == NULL || seq_lt(seq, start)) {
        c = b->head;
        start = b->base;
    }
    while (c != NULL && seq - start >= c->len) {
        start += c->len;
        c = c->next;
    }
    b->hint = c;
    b->hint_seq = start;
    *at = seq - start;
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
        c = c->next;
    }
    return len == 0 ? 0 : -EINVAL;
}

void sndbuf_ack(struct mem *m, struct sndbuf *b, uint32_t n)
{
    b->base += n;
    b->len -= n;
    while (n > 0) {
        struct snd_chunk *c = b->head;
        if (n < c->len) {
            c->off += n;
            c->len -= n;
            break;
        }
        n -= c->len;
        b->head = c->next;
        if (b->head == NULL) {
            b->tail = NULL;
        }
        if (b->hint == c) {
            b->hint = NULL;
        }
        chunk_free(m, c);
    }
    if (b->hint == NULL || seq_lt(b->hint_seq, b->base)) {
        b->hint = b->head;
        b->hint_seq = b->base;
    }
}

void sndbuf_clear(struct mem *m, struct sndbuf *b)
{
    while (b->head != NULL) {
        struct snd_chunk *c = b->head;
        b->head = c->next;
        chunk_free(m, c);
    }
    sndbuf_init(b, b->base);
}
