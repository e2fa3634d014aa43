/* Instances: what a new host has, what it costs, that it ends with every byte given back. */
#include "check_main.h"
#include "core/stack.h"
#include "harness.h"

#include <errno.h>
#include <string.h>

struct heap {
    uint64_t bytes, calls, fail_at; /* fail_at: the allocation that is refused, and all behind it */
};

static void *heap_alloc(void *ctx, size_t size)
{
    struct heap *h = ctx;
    if (++h->calls >= h->fail_at && h->fail_at != 0)
        return NULL;
    h->bytes += size;
    return malloc(size);
}

static void heap_release(void *ctx, void *p, size_t size)
{
    ((struct heap *)ctx)->bytes -= size;
    free(p);
}

static struct td_stack_config config(struct heap *h)
{
    struct td_stack_config c = {.now = SEC(5), .alloc = heap_alloc, .release = heap_release, .alloc_ctx = h};
    memset(c.seed, 42, sizeof c.seed);
    return c;
}

START_TEST(a_new_host_has_a_loopback_and_nothing_else)
{
    struct heap heap = {0};
    struct td_stack_config c = config(&heap);
    struct td_stack *st = td_stack_new(&c);
    ck_assert_ptr_nonnull(st);
    ck_assert_uint_eq(td_stack_now(st), SEC(5));
    uint32_t lo = td_if_index(st, "lo");
    ck_assert_uint_ne(lo, 0);
    ck_assert_uint_eq(td_if_index(st, "eth0"), 0);
    struct td_route_answer a;
    ck_assert_int_eq(td_route_get(st, TD_IP4(127, 0, 0, 1), 0, &a), 0);
    ck_assert_uint_eq(a.src, TD_IP4(127, 0, 0, 1));
    ck_assert_int_eq(td_route_get(st, TD_IP4(10, 0, 0, 1), 0, &a), -ENETUNREACH);
    ck_assert_str_eq(event_info[journal_from(st, 0)->event].name, "stack-start");
    ck_assert_uint_eq(st->journal.cause, 0); /* the next call has a cause of its own */
    td_stack_free(st);
    ck_assert_uint_eq(heap.bytes, 0);
    td_stack_free(NULL);
}
END_TEST

START_TEST(an_idle_instance_costs_under_256_kib)
{
    struct heap heap = {0};
    struct td_stack_config c = config(&heap);
    struct td_stack *st = td_stack_new(&c);
    td_stack_tick(st, SEC(100));
    td_stack_flush(st, SEC(100));
    ck_assert_uint_lt(td_stack_mem(st)->used, 256 * 1024);
    ck_assert_uint_eq(heap.bytes, td_stack_mem(st)->used); /* nothing goes past the accounts */
    td_stack_free(st);
    ck_assert_uint_eq(heap.bytes, 0);
}
END_TEST

/* Also after it has worked: what stays behind for reuse is bounded. (With the cache of packets, which
 * only an instance on the C library's allocator has.) */
START_TEST(an_instance_that_has_worked_is_small_again)
{
    struct td_stack_config c = {.now = SEC(5)};
    struct td_stack *st = td_stack_new(&c);
    struct sockaddr_in sa = td_sockaddr(TD_IP4(127, 0, 0, 1), 9);
    int a = td_socket(st, AF_INET, SOCK_DGRAM, 0), b = td_socket(st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(td_bind(st, b, (struct sockaddr *)&sa, sizeof sa), 0);
    static char data[1400];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 90; i++)
            (void)td_sendto(st, a, data, sizeof data, 0, TD_IP4(127, 0, 0, 1), 9);
        td_stack_flush(st, SEC(5));
        while (td_recv(st, b, data, sizeof data, 0) > 0)
            ;
    }
    td_close(st, a);
    td_close(st, b);
    td_stack_flush(st, SEC(5));
    ck_assert_uint_gt(td_stack_mem(st)->peak, td_stack_mem(st)->used);
    ck_assert_uint_lt(td_stack_mem(st)->used_by[MEM_PKT], 150 * 1024);
    ck_assert_uint_lt(td_stack_mem(st)->used, 256 * 1024);
    td_stack_free(st);
}
END_TEST

START_TEST(two_hundred_side_by_side)
{
    enum { N = 200 };
    struct heap heap = {0};
    struct td_stack *st[N];
    for (int i = 0; i < N; i++) {
        struct td_stack_config c = config(&heap);
        c.seed[0] = (uint8_t)i;
        st[i] = td_stack_new(&c);
        ck_assert_ptr_nonnull(st[i]);
    }
    ck_assert_uint_lt(heap.bytes, (uint64_t)N * 256 * 1024);
    /* what happens in one is nobody else's business */
    ck_assert_int_eq(td_knob_set(st[7], "net.ipv4.ip_default_ttl", "3"), 0);
    ck_assert_int_eq(td_socket(st[8], AF_INET, SOCK_DGRAM, 0), 0);
    char text[8];
    for (int i = 0; i < N; i++) {
        td_knob_get(st[i], "net.ipv4.ip_default_ttl", text, sizeof text);
        ck_assert_str_eq(text, i == 7 ? "3" : "64");
        ck_assert_int_eq(td_poll(st[i], 0) >= 0, i == 8);
    }
    for (int i = 0; i < N; i++)
        td_stack_free(st[(i * 7) % N]);
    ck_assert_uint_eq(heap.bytes, 0);
}
END_TEST

START_TEST(every_allocation_of_its_making_may_fail)
{
    struct heap heap = {0};
    struct td_stack *st = NULL;
    for (uint64_t nth = 1; st == NULL; nth++) {
        struct td_stack_config c = config(&heap);
        heap.calls = 0;
        heap.fail_at = nth;
        st = td_stack_new(&c);
        ck_assert_uint_lt(nth, 1000);
        if (st == NULL)
            ck_assert_msg(heap.bytes == 0, "%llu bytes lost when allocation %llu failed",
                          (unsigned long long)heap.bytes, (unsigned long long)nth);
    }
    heap.fail_at = 0;
    td_stack_free(st);
    ck_assert_uint_eq(heap.bytes, 0);
}
END_TEST

START_TEST(a_limit_is_kept)
{
    struct heap heap = {0};
    struct td_stack_config c = config(&heap);
    c.memory_limit = 1000;
    ck_assert_ptr_null(td_stack_new(&c));
    ck_assert_uint_eq(heap.bytes, 0);
    c.memory_limit = 300 * 1024;
    struct td_stack *st = td_stack_new(&c);
    ck_assert_ptr_nonnull(st);
    int s, n = 0;
    while ((s = td_socket(st, AF_INET, SOCK_STREAM, 0)) >= 0)
        n++;
    ck_assert(s == -ENOMEM || s == -ENOBUFS);
    ck_assert_int_gt(n, 10);
    ck_assert_uint_le(heap.bytes, c.memory_limit);
    td_stack_free(st);
    ck_assert_uint_eq(heap.bytes, 0);
}
END_TEST

START_TEST(the_seed_decides)
{
    struct heap heap = {0};
    struct td_stack_config c = config(&heap);
    struct td_stack *a = td_stack_new(&c), *b = td_stack_new(&c);
    c.seed[31] ^= 1;
    struct td_stack *other = td_stack_new(&c);
    ck_assert_uint_eq(a->hash_key.k0, b->hash_key.k0);
    ck_assert_uint_ne(a->hash_key.k0, other->hash_key.k0);
    ck_assert_uint_eq(rng_u64(&a->rng), rng_u64(&b->rng));
    ck_assert_uint_ne(rng_u64(&a->rng), rng_u64(&other->rng));
    (void)rng_u64(&b->rng);
    td_stack_entropy(b, "x", 1); /* more of it makes another sequence */
    ck_assert_uint_ne(rng_u64(&a->rng), rng_u64(&b->rng));
    td_stack_free(a);
    td_stack_free(b);
    td_stack_free(other);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("instance");
    TCase *t = tcase_create("instance");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_new_host_has_a_loopback_and_nothing_else);
    tcase_add_test(t, an_idle_instance_costs_under_256_kib);
    tcase_add_test(t, an_instance_that_has_worked_is_small_again);
    tcase_add_test(t, two_hundred_side_by_side);
    tcase_add_test(t, every_allocation_of_its_making_may_fail);
    tcase_add_test(t, a_limit_is_kept);
    tcase_add_test(t, the_seed_decides);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
