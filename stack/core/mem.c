/* core/mem.c: the accounting allocator; see core/mem.h for why it exists. */
#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

void mem_init(struct mem *m, uint64_t limit)
{
    memset(m, 0, sizeof *m);
    m->limit = limit;
}

/* Limits and fault injection, before the world is asked. */
static bool mem_may(struct mem *m, size_t size)
{
    m->calls++;
    if (m->fail_after > 0 && --m->fail_after == 0)
        m->failing = true;
    if (m->failing || (m->limit != 0 && (m->used >= m->limit || size > m->limit - m->used))) {
        m->failures++;
        return false;
    }
    return true;
}

static void mem_charge(struct mem *m, enum mem_tag tag, size_t size)
{
    m->used += size;
    m->used_by[tag] += size;
    if (m->used > m->peak)
        m->peak = m->used;
}

void *mem_alloc_raw(struct mem *m, enum mem_tag tag, size_t size)
{
    if (size == 0 || !mem_may(m, size))
        return NULL;
    void *p = m->alloc != NULL ? m->alloc(m->ctx, size) : malloc(size);
    if (p == NULL) {
        m->failures++;
        return NULL;
    }
    mem_charge(m, tag, size);
    return p;
}

void *mem_alloc(struct mem *m, enum mem_tag tag, size_t size)
{
    void *p = mem_alloc_raw(m, tag, size);
    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void mem_free(struct mem *m, enum mem_tag tag, void *p, size_t size)
{
    if (p == NULL)
        return;
    m->used -= size;
    m->used_by[tag] -= size;
    if (m->release != NULL)
        m->release(m->ctx, p, size);
    else
        free(p);
}

void *mem_resize(struct mem *m, enum mem_tag tag, void *p, size_t old_size, size_t new_size)
{
    void *q = mem_alloc_raw(m, tag, new_size);
    if (q == NULL)
        return NULL;
    size_t keep = old_size < new_size ? old_size : new_size;
    if (p != NULL && keep > 0)
        memcpy(q, p, keep);
    if (new_size > keep)
        memset((uint8_t *)q + keep, 0, new_size - keep);
    mem_free(m, tag, p, old_size);
    return q;
}

const char *mem_tag_name(enum mem_tag tag)
{
    static const char *const name[MEM_TAGS] = {
        "instance", "pkt", "table", "link", "arp", "ip", "udp", "tcp", "socket", "journal",
    };
    return (unsigned)tag < MEM_TAGS ? name[tag] : "?";
}
