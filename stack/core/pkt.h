/* core/pkt.h: the packet buffer.
 *
 * Theory of operation. A packet is a small descriptor, a linear head and a chain of payload
 * slices:
 *
 *     struct pkt ──► head block:  [ headroom | headers (and short payload) | tailroom ]
 *                                              ▲ data, head_len bytes
 *                └─► slices:      {block, offset, length} {block, offset, length} …
 *
 * The head is private to the descriptor: headers are pushed in front of it (pkt_push) and pulled
 * off it (pkt_pull). Slices point into reference-counted blocks that may be shared with a socket's
 * send buffer or with another packet, so a payload is never copied on its way down. A shared block
 * is immutable: whoever wants to change payload bytes calls pkt_make_linear (or pkt_writable)
 * first. `len` is head_len plus all slices; `truesize` is what the packet really costs in memory,
 * and is what queues and socket buffers charge.
 *
 * Ownership. A function that takes a `struct pkt *` consumes one reference, unless its name ends in
 * _peek or its comment says "borrowed". Packets never cross instances: a wire copies (pkt_copy).
 *
 * Offload metadata is carried from the start: csum says who vouches for or must complete the
 * transport checksum; gso_size non-zero marks a super-segment to be cut at that payload size.
 */
#ifndef CORE_PKT_H
#define CORE_PKT_H

#include "core/mem.h"
#include "tapdeck/reassembly.h"
#include "tapdeck/types.h"

/* Room for Ethernet + 802.1Q + a full IPv4 header + a full TCP header, rounded up. */
#define PKT_HEADROOM 160

struct pkt_block { /* reference-counted bytes */
    uint32_t refs;
    uint32_t size; /* capacity of bytes[] */
    struct mem *mem;
    uint8_t bytes[];
};

struct pkt_slice {
    struct pkt_block *block;
    uint32_t off, len;
};

enum pkt_csum {
    PKT_CSUM_NONE,     /* nothing known: verify on input; complete already on output */
    PKT_CSUM_VERIFIED, /* input: the device vouches for the transport checksum */
    PKT_CSUM_PARTIAL,  /* the checksum field holds the pseudo-header sum; csum_start/csum_offset say
                          where the rest is to be summed and stored (virtio-net's NEEDS_CSUM) */
};

enum pkt_flags {
    PKT_L2_BROADCAST = 1 << 0, /* arrived in a link-layer broadcast (RFC 1122 2.4) */
    PKT_L2_MULTICAST = 1 << 1,
    PKT_L2_OTHERHOST = 1 << 2, /* promiscuous: not addressed to us */
    PKT_LOOPBACK     = 1 << 3, /* never left this host */
    PKT_REASSEMBLED  = 1 << 4,
    PKT_FORWARDED    = 1 << 5, /* not originated here */
};

struct pkt {
    struct pkt *next;    /* whoever queues the packet uses this link */
    struct mem *mem;
    uint32_t refs;
    uint32_t len;        /* all bytes: head + slices */
    uint32_t head_len;   /* bytes in the linear head, from data */
    uint32_t truesize;   /* bytes of memory this packet pins */
    uint8_t *data;       /* first byte of the head */
    struct pkt_block *head;
    struct pkt_slice *slices; /* inline_slices until there are more than two */
    uint16_t nslices, slice_cap;
    struct pkt_slice inline_slices[2];

    uint64_t id;         /* the journal's name for this packet, unique in its instance; 0 = none yet */
    td_time tstamp;      /* when it arrived or was handed down */
    uint32_t ifindex;    /* interface it arrived on, or leaves by; 0 = none */
    uint16_t flags;      /* enum pkt_flags */
    uint16_t vlan_tci;   /* 802.1Q tag that was stripped; 0 = none */
    uint16_t protocol;   /* EtherType of the payload once Ethernet has been pulled */
    uint8_t csum;        /* enum pkt_csum */
    uint8_t tos;         /* what IP told the link layer (RFC 1122 2.4) */
    uint16_t csum_start, csum_offset; /* when csum == PKT_CSUM_PARTIAL: start from data (push and pull keep
                                         it so), offset from there */
    uint16_t gso_size;   /* payload bytes a segment; 0 = an ordinary packet */
    uint16_t gso_segs;
    uint16_t frag_max;   /* reassembled: octets of its largest fragment; 0 = it came whole */
    int32_t l3_off;      /* offset of the IP header from the start of the head block; -1 unknown.
                            pkt_l3() turns it into a pointer even after the header was pulled */
    union {              /* scratch of the module that holds the packet now */
        uint64_t cb[4];
        struct td_piece piece; /* tcp: text beyond a hole */
    };
};

/* A packet with `headroom` bytes in front and room for `size` linear bytes; len 0. NULL = no memory. */
struct pkt *pkt_alloc(struct mem *m, uint32_t headroom, uint32_t size);
/* The same, holding a copy of len bytes. */
struct pkt *pkt_from_bytes(struct mem *m, uint32_t headroom, const void *bytes, uint32_t len);
struct pkt *pkt_ref(struct pkt *p);
void pkt_free(struct pkt *p); /* drops one reference; NULL is allowed */

/* Another descriptor: private copy of the head, slices shared. For a second path (broadcast copy,
 * retransmission). */
struct pkt *pkt_clone(const struct pkt *p, uint32_t headroom);
/* A deep copy into another allocator: the only way across instances. */
struct pkt *pkt_copy(struct mem *m, const struct pkt *p, uint32_t headroom);

/* Prepends n bytes (contents undefined) and returns data; grows the headroom by copying the head
 * when there is too little. NULL = no memory (packet unchanged). */
uint8_t *pkt_push(struct pkt *p, uint32_t n);
/* Removes n bytes from the front, head first, then slices. False (unchanged) when len < n. */
bool pkt_pull(struct pkt *p, uint32_t n);
/* Appends n linear bytes and returns them; only while there are no slices. NULL = no memory. */
uint8_t *pkt_put(struct pkt *p, uint32_t n);
/* Cuts the packet to len bytes. */
void pkt_trim(struct pkt *p, uint32_t len);
/* Makes sure that the first n bytes are linear. False: shorter than n, or no memory. */
bool pkt_may_pull(struct pkt *p, uint32_t n);
/* All bytes linear and private. False = no memory. */
bool pkt_make_linear(struct pkt *p);
/* Appends a slice; takes a reference of block. -ENOMEM, or 0. */
int pkt_append_slice(struct pkt *p, struct pkt_block *block, uint32_t off, uint32_t len);

/* Copies [off, off+n) to dst. False when the packet is shorter. */
bool pkt_read(const struct pkt *p, uint32_t off, void *dst, uint32_t n);
/* Ones' complement sum (not inverted, 32-bit, host order words of network bytes) of [off, off+n). */
uint32_t pkt_sum(const struct pkt *p, uint32_t off, uint32_t n);

/* The IP header noted in l3_off, or NULL. */
const uint8_t *pkt_l3(const struct pkt *p);
void pkt_set_l3(struct pkt *p); /* notes that data points at the IP header now */

/* Gives back what freed packets left in the allocator's cache (mem.pkt_cache): before it ends. */
void pkt_cache_drop(struct mem *m);

struct pkt_block *pkt_block_alloc(struct mem *m, uint32_t size);
struct pkt_block *pkt_block_ref(struct pkt_block *b);
void pkt_block_free(struct pkt_block *b); /* drops one reference */

/* A FIFO of packets through their `next` links. */
struct pkt_queue {
    struct pkt *head, **tail;
    uint32_t count;  /* packets */
    uint32_t bytes;  /* their len */
};
void pkt_queue_init(struct pkt_queue *q);
void pkt_queue_push(struct pkt_queue *q, struct pkt *p);
struct pkt *pkt_queue_pop(struct pkt_queue *q); /* NULL when empty */
void pkt_queue_clear(struct pkt_queue *q);      /* frees what is in it */

#endif
