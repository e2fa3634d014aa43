/* tapdeck/reassembly.h: an organ that keeps what a receiver got beyond a hole.
 *
 * Theory of operation. TCP delivers a stream in order, IP delivers its segments in any order, more than
 * once, or not at all. What comes in order goes straight to the user's queue, and no reassembler is
 * asked. Text beyond a hole (RFC 9293 3.10.7.4, SHLD-31) is handed to this organ, which keeps it until
 * the hole before it is filled:
 *
 *            rcv_nxt
 *      ───────┤   hole   ├── held ──┤  hole  ├─ held ─┤
 *                        └ a range ─┘        └ range ─┘
 *
 * It answers three questions. What of this piece is new? (insert) What lies in order now? (take) What is
 * there from here on? (range: for SACK blocks, RFC 2018, and for reporting text that came twice, RFC
 * 2883.) Everything else is its host's business: windows and memory limits, acknowledgments, which of the
 * ranges are told, URG and FIN.
 *
 * Text comes as pieces. A piece is what one segment brought: sequence numbers [seq, seq + len), and bytes
 * that only the host can reach. Who holds a piece owns it: the organ from the moment insert is called,
 * until it gives it to `host->free` or returns it from take. While it owns it, `next` and `mine` are
 * its own to use: pieces can be linked into lists without any memory. So there are two ways to write a
 * reassembler:
 *
 *   by pieces   keep them, cut overlaps off (trim_front, trim_back), give them back by take. No byte is
 *               copied: stack/tcp/reasm.c
 *   by bytes    copy the bytes into memory of your own (copy, alloc), free the piece; take makes a new
 *               one (make) of what is in order: tests/common/reasm_simple.c
 *
 * Rules, and what a host may check:
 *   - Of two bytes with the same sequence number either may win: an honest sender sends the same one
 *     twice (RFC 9293 3.10.7.4), another has no right to its favourite.
 *   - Ranges don't touch: two that do are one.
 *   - insert is only called with text beyond RCV.NXT, len > 0, and never with more than 2^31 between any
 *     two bytes held. It may begin or end anywhere in, before or behind what is held.
 *   - Memory runs out. `alloc` and `make` return NULL then: insert refuses, take returns NULL, and what was
 *     held before is held still.
 *   - A sender can make holes on purpose, one byte each (CVE-2018-5390): have a limit on ranges, or a
 *     search that doesn't mind, and refuse what is beyond it.
 *
 * The smallest organ that is right for segments that are lost but never reordered holds one range only,
 * and refuses what doesn't lengthen it:
 *
 *      struct one { struct td_piece *first, *last; };      // .state_size = sizeof(struct one)
 *
 *      static int64_t one_insert(struct td_reassembly *r, struct td_piece *p)
 *      {
 *          struct one *o = r->state;
 *          uint32_t fresh = p->len;
 *          if (o->first != NULL && p->seq != td_piece_end(o->last)) {
 *              r->host->free(r, p);
 *              return TD_REASSEMBLY_REFUSED;
 *          }
 *          p->next = NULL;
 *          *(o->first == NULL ? &o->first : &o->last->next) = p;
 *          o->last = p;
 *          return fresh;
 *      }
 *      static struct td_piece *one_take(struct td_reassembly *r, uint32_t rcv_nxt)
 *      {
 *          struct one *o = r->state;
 *          struct td_piece *p = o->first;
 *          if (p == NULL || td_seq_before(rcv_nxt, p->seq))
 *              return NULL;                                // the hole isn't filled
 *          o->first = p->next;
 *          return p;
 *      }
 *      static bool one_range(const struct td_reassembly *r, uint32_t seq, struct td_range *out)
 *      {
 *          const struct one *o = r->state;
 *          if (o->first == NULL || td_seq_before(td_piece_end(o->last), seq))
 *              return false;
 *          *out = (struct td_range){o->first->seq, td_piece_end(o->last)};
 *          return true;
 *      }
 *      static void one_clear(struct td_reassembly *r)
 *      {
 *          struct td_piece *p;
 *          while ((p = ((struct one *)r->state)->first) != NULL) {
 *              ((struct one *)r->state)->first = p->next;
 *              r->host->free(r, p);
 *          }
 *      }
 *      const struct td_reassembly_ops one = {"one", "one range, in order", sizeof(struct one), NULL,
 *                                            one_insert, one_take, one_range, one_clear};
 */
#ifndef TAPDECK_REASSEMBLY_H
#define TAPDECK_REASSEMBLY_H

#include "tapdeck/organ.h"

struct td_piece {
    struct td_piece *next; /* the owner's */
    void *mine[2];         /* the owner's */
    uint32_t seq, len;     /* changed by trim_front and trim_back only */
};
static inline uint32_t td_piece_end(const struct td_piece *p)
{
    return p->seq + p->len;
}

struct td_reassembly;

struct td_reassembly_host { /* what an organ may ask for */
    /* The first n bytes, or the last n, are cut off; n < len, else nothing is. */
    void (*trim_front)(struct td_reassembly *r, struct td_piece *p, uint32_t n);
    void (*trim_back)(struct td_reassembly *r, struct td_piece *p, uint32_t n);
    /* Bytes [off, off + n) of p to dst. */
    void (*copy)(const struct td_reassembly *r, const struct td_piece *p, uint32_t off, void *dst,
                 uint32_t n);
    void (*free)(struct td_reassembly *r, struct td_piece *p);
    /* A piece of these bytes, owned by the organ. NULL = no memory. */
    struct td_piece *(*make)(struct td_reassembly *r, uint32_t seq, const void *bytes, uint32_t len);
    /* Zeroed memory, charged to the connection. NULL = there is none. */
    void *(*alloc)(struct td_reassembly *r, uint32_t size);
    void (*release)(struct td_reassembly *r, void *p, uint32_t size); /* the size it was allocated with */
};

struct td_reassembly { /* what an organ is handed: exists while something is held */
    const struct td_reassembly_ops *ops;
    const struct td_reassembly_host *host;
    void *state; /* state_size bytes, zero at first */
};

#define TD_REASSEMBLY_REFUSED (-1)

struct td_reassembly_ops {
    const char *name; /* as the knob tapdeck.reassembly names it, under 16 bytes */
    const char *doc;  /* one sentence */
    uint32_t state_size;
    void (*init)(struct td_reassembly *r); /* may be NULL */
    /* Text beyond a hole; p is the organ's now. How many of its bytes weren't held before; or
     * TD_REASSEMBLY_REFUSED: none of it is kept, p was freed, what was held is as before. */
    int64_t (*insert)(struct td_reassembly *r, struct td_piece *p);
    /* RCV.NXT is here now. The next piece in order: the lowest held, if it begins at or below rcv_nxt
     * (what of it lies below the host cuts off), now the host's; else NULL. The host asks again with
     * the rcv_nxt that follows from it, until it gets NULL, or 1024 more old pieces in a row than were held.
     * A piece that begins behind rcv_nxt is thrown away, and so is text behind all that was inserted. */
    struct td_piece *(*take)(struct td_reassembly *r, uint32_t rcv_nxt);
    /* The lowest range held that ends at seq or behind it. False: there is none. One that is empty, or
     * ends behind all that was inserted, counts as none. */
    bool (*range)(const struct td_reassembly *r, uint32_t seq, struct td_range *out);
    /* Frees all pieces and all memory that was allocated. */
    void (*clear)(struct td_reassembly *r);
};

#endif
