/* core/mem.h: the instance's allocator.
 *
 * Theory of operation. Nothing in the core calls malloc() on its own: memory comes from a struct
 * mem, which belongs to one stack instance (or to one simulated wire) and counts what it hands
 * out, by purpose. So a test can ask "how many bytes does an idle connection cost?", a limit can
 * be put on the whole instance, and a test can make the n-th allocation fail. Frees are sized:
 * the caller says how much it gives back, and so no header is spent on each block.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include "tapdeck/types.h"

/* What the memory is for. mem_tag_name() gives the lower-case name. */
enum mem_tag {
    MEM_INSTANCE, /* struct td_stack and the modules' fixed state */
    MEM_PKT,      /* packets and payload blocks */
    MEM_TABLE,    /* hash tables, tries, registries */
    MEM_LINK,     /* interfaces, queue disciplines */
    MEM_ARP,
    MEM_IP,
    MEM_UDP,
    MEM_TCP,
    MEM_SOCKET,
    MEM_JOURNAL,
    MEM_TAGS
};

/* Free objects of one size, linked through their first bytes, waiting to be used again. */
struct mem_cache {
    void *first;
    uint32_t count;
};

struct mem {
    void *(*alloc)(void *ctx, size_t size); /* NULL: libc's malloc */
    void (*release)(void *ctx, void *p, size_t size);
    void *ctx;
    uint64_t limit;           /* bytes; 0 = none */
    uint64_t used;            /* bytes handed out now */
    uint64_t peak;            /* the most there ever were */
    uint64_t used_by[MEM_TAGS];
    uint64_t calls;           /* allocations asked for since the start */
    uint64_t failures;        /* of them refused (limit, fault injection, or no memory) */
    uint64_t fail_after;      /* test: when non-zero, counts down; the allocation that reaches 0 fails
                                 and every later one too until it is set to 0 again by the test */
    bool failing;             /* fail_after has struck */
    uint32_t pkt_cache;       /* freed packets kept for the next at most (core/pkt.c): 0 = none, and
                                 as mem_init leaves it; who sets it calls pkt_cache_drop at the end */
    struct mem_cache pkts, heads; /* they, counted as used */
};

void mem_init(struct mem *m, uint64_t limit);

/* `size` zeroed bytes for `tag`, or NULL (limit reached, told to fail, or out of memory).
 * mem_alloc_raw() is the same without the zeroing. */
void *mem_alloc(struct mem *m, enum mem_tag tag, size_t size);
void *mem_alloc_raw(struct mem *m, enum mem_tag tag, size_t size);

/* Gives back `size` bytes that mem_alloc(m, tag, size) returned. p may be NULL. */
void mem_free(struct mem *m, enum mem_tag tag, void *p, size_t size);

/* Grows or shrinks, keeping the contents; new bytes are zero. NULL on failure, the old block kept. */
void *mem_resize(struct mem *m, enum mem_tag tag, void *p, size_t old_size, size_t new_size);

const char *mem_tag_name(enum mem_tag tag);

#endif
