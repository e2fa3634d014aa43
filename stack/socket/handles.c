/* socket/handles.c: the table of handles.
 *
 * Theory of operation. POSIX wants the lowest free number. A bitmap has a bit for each handle, and
 * a second one a bit for each word of the first that is full, so the lowest free handle of
 * a million is found in at most a few hundred steps, and usually one. The table doubles when it is
 * full and never shrinks: numbers are stable. It starts empty, so an instance without sockets pays
 * nothing.
 */
#include "socket/socket_internal.h"

#include <errno.h>

#define HANDLES_START 64U /* one word of the bitmap */
#define HANDLES_MAX   (1U << 24)

static size_t full_words(uint32_t cap)
{
    return (cap / 64 + 63) / 64;
}

static int handles_grow(struct td_stack *st, struct handles *h)
{
    uint32_t cap = h->cap == 0 ? HANDLES_START : h->cap * 2;
    if (cap > HANDLES_MAX) {
        return -EMFILE;
    }
    /* Each array is kept whether or not the next one can be had: a bigger one does no harm. */
    struct handle *tab = mem_alloc(&st->mem, MEM_SOCKET, cap * sizeof *tab);
    uint64_t *used = mem_alloc(&st->mem, MEM_SOCKET, cap / 64 * sizeof *used);
    uint64_t *full = mem_alloc(&st->mem, MEM_SOCKET, full_words(cap) * sizeof *full);
    if (tab == NULL || used == NULL || full == NULL) {
        mem_free(&st->mem, MEM_SOCKET, tab, cap * sizeof *tab);
        mem_free(&st->mem, MEM_SOCKET, used, cap / 64 * sizeof *used);
        mem_free(&st->mem, MEM_SOCKET, full, full_words(cap) * sizeof *full);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < h->cap; i++) {
        tab[i] = h->tab[i];
    }
    for (uint32_t i = 0; i < h->cap / 64; i++) {
        used[i] = h->used[i];
    }
    for (size_t i = 0; i < full_words(h->cap); i++) {
        full[i] = h->full[i];
    }
    uint32_t count = h->count;
    handles_done(st);
    *h = (struct handles){.tab = tab, .used = used, .full = full, .cap = cap, .count = count};
    return 0;
}

void handles_done(struct td_stack *st)
{
    struct handles *h = &st->sockets->handles;
    mem_free(&st->mem, MEM_SOCKET, h->tab, h->cap * sizeof *h->tab);
    mem_free(&st->mem, MEM_SOCKET, h->used, h->cap / 64 * sizeof *h->used);
    mem_free(&st->mem, MEM_SOCKET, h->full, full_words(h->cap) * sizeof *h->full);
    *h = (struct handles){0};
}

static uint32_t lowest_free(const struct handles *h)
{
    for (size_t f = 0; f < full_words(h->cap); f++) {
        if (~h->full[f] != 0) {
            size_t word = f * 64 + (size_t)__builtin_ctzll(~h->full[f]);
            if (word < h->cap / 64) {
                return (uint32_t)(word * 64 + (size_t)__builtin_ctzll(~h->used[word]));
            }
        }
    }
    return h->cap;
}

int handle_reserve(struct td_stack *st)
{
    struct handles *h = &st->sockets->handles;
    if (h->count >= (uint32_t)knob(st, MAX_SOCKETS)) {
        JOURNAL(st, EV_SOCKET_LIMIT, NULL, h->count);
        return -EMFILE;
    }
    return h->count == h->cap ? handles_grow(st, h) : 0;
}

int handle_open(struct td_stack *st, struct sock *so)
{
    struct handles *h = &st->sockets->handles;
    int err = handle_reserve(st);
    if (err != 0) {
        return err;
    }
    uint32_t s = lowest_free(h);
    h->used[s / 64] |= UINT64_C(1) << s % 64;
    if (~h->used[s / 64] == 0) {
        h->full[s / 4096] |= UINT64_C(1) << s / 64 % 64;
    }
    h->count++;
    h->tab[s] = (struct handle){.so = so, .next = so->first_handle};
    so->first_handle = (int)s;
    sock_ref(so);
    return (int)s;
}

struct handle *handle_get(struct td_stack *st, int s)
{
    struct handles *h = &st->sockets->handles;
    if (s < 0 || (uint32_t)s >= h->cap || h->tab[s].so == NULL) {
        return NULL;
    }
    return &h->tab[s];
}

void handle_close(struct td_stack *st, int s)
{
    struct handles *h = &st->sockets->handles;
    struct handle *e = &h->tab[s];
    struct sock *so = e->so;
    int *link = &so->first_handle;
    while (*link != s) {
        link = &h->tab[*link].next;
    }
    *link = e->next;
    if (e->fn != NULL) {
        so->notifiers--;
    }
    *e = (struct handle){0};
    h->used[s / 64] &= ~(UINT64_C(1) << s % 64);
    h->full[s / 4096] &= ~(UINT64_C(1) << s / 64 % 64);
    h->count--;
    sock_unref(st, so);
}
