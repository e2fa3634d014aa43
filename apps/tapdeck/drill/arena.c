/* drill/arena.c: memory that is given back all at once.
 *
 * Theory of operation. Blocks of a fixed size are cut from the front; what is larger than a quarter
 * of one gets a block of its own, behind the one in use. Nothing is freed but everything, so the
 * parser needs no clean-up on any of its errors.
 */
#include "tapdeck/drill/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 16384

struct block {
    struct block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

struct drill_arena {
    struct block *first;
};

struct drill_arena *arena_new(void)
{
    return calloc(1, sizeof(struct drill_arena));
}

void arena_free(struct drill_arena *a)
{
    if (a == NULL)
        return;
    while (a->first != NULL) {
        struct block *next = a->first->next;
        free(a->first);
        a->first = next;
    }
    free(a);
}

static struct block *block_new(size_t size)
{
    struct block *b = calloc(1, sizeof(*b) + size);
    if (b != NULL)
        b->size = size;
    return b;
}

void *arena_alloc(struct drill_arena *a, size_t n)
{
    const size_t unit = alignof(max_align_t);
    if (n > SIZE_MAX / 2)
        return NULL;
    n = (n + unit - 1) / unit * unit;
    struct block *b = a->first;
    if (n > BLOCK / 4) {
        struct block *own = block_new(n);
        if (own == NULL)
            return NULL;
        own->used = n;
        if (b == NULL) {
            a->first = own;
        } else {
            own->next = b->next;
            b->next = own;
        }
        return own->bytes;
    }
    if (b == NULL || b->size - b->used < n) {
        b = block_new(BLOCK);
        if (b == NULL)
            return NULL;
        b->next = a->first;
        a->first = b;
    }
    void *p = b->bytes + b->used;
    b->used += n;
    return p;
}

char *arena_copy(struct drill_arena *a, const char *s, size_t n)
{
    char *c = arena_alloc(a, n + 1);
    if (c != NULL && n > 0)
        memcpy(c, s, n);
    return c;
}
