/* The allocator: what it counts, what it refuses, and that a refusal leaves everything as it was. */
#include "check_main.h"
#include "core/mem.h"

#include <string.h>

static struct mem m;

static void setup(void)
{
    mem_init(&m, 0);
}

START_TEST(counts_by_purpose)
{
    void *a = mem_alloc(&m, MEM_TCP, 100), *b = mem_alloc(&m, MEM_UDP, 50);
    ck_assert_uint_eq(m.used, 150);
    ck_assert_uint_eq(m.used_by[MEM_TCP], 100);
    ck_assert_uint_eq(m.used_by[MEM_UDP], 50);
    mem_free(&m, MEM_TCP, a, 100);
    ck_assert_uint_eq(m.used_by[MEM_TCP], 0);
    ck_assert_uint_eq(m.used, 50);
    ck_assert_uint_eq(m.peak, 150);
    mem_free(&m, MEM_UDP, b, 50);
    ck_assert_uint_eq(m.used, 0);
    ck_assert_uint_eq(m.calls, 2);
    ck_assert_uint_eq(m.failures, 0);
    mem_free(&m, MEM_UDP, NULL, 50); /* nothing to give back */
    ck_assert_uint_eq(m.used, 0);
}
END_TEST

START_TEST(new_memory_is_zero)
{
    static const uint8_t zero[4096];
    for (int i = 0; i < 20; i++) {
        uint8_t *p = mem_alloc(&m, MEM_IP, sizeof zero);
        ck_assert(memcmp(p, zero, sizeof zero) == 0);
        memset(p, 0xff, sizeof zero);
        mem_free(&m, MEM_IP, p, sizeof zero);
    }
    ck_assert_ptr_null(mem_alloc(&m, MEM_IP, 0));
}
END_TEST

START_TEST(keeps_to_its_limit)
{
    mem_init(&m, 1000);
    void *a = mem_alloc(&m, MEM_IP, 600);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(mem_alloc(&m, MEM_IP, 401));
    ck_assert_ptr_null(mem_alloc(&m, MEM_IP, SIZE_MAX)); /* no overflow in the comparison */
    ck_assert_uint_eq(m.failures, 2);
    void *b = mem_alloc(&m, MEM_IP, 400);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_null(mem_alloc(&m, MEM_IP, 1));
    ck_assert_uint_eq(m.used, 1000);
    mem_free(&m, MEM_IP, a, 600);
    mem_free(&m, MEM_IP, b, 400);
    ck_assert_uint_eq(m.used, 0);
}
END_TEST

START_TEST(the_nth_allocation_fails_and_all_behind_it)
{
    void *p[3];
    m.fail_after = 3;
    p[0] = mem_alloc(&m, MEM_IP, 1);
    p[1] = mem_alloc(&m, MEM_IP, 1);
    ck_assert_ptr_nonnull(p[0]);
    ck_assert_ptr_nonnull(p[1]);
    ck_assert_ptr_null(mem_alloc(&m, MEM_IP, 1));
    ck_assert_ptr_null(mem_alloc_raw(&m, MEM_IP, 1));
    ck_assert_uint_eq(m.failures, 2);
    m.failing = false;
    p[2] = mem_alloc(&m, MEM_IP, 1);
    ck_assert_ptr_nonnull(p[2]);
    for (int i = 0; i < 3; i++)
        mem_free(&m, MEM_IP, p[i], 1);
}
END_TEST

START_TEST(resizing_keeps_the_contents)
{
    uint8_t *p = mem_resize(&m, MEM_IP, NULL, 0, 4);
    memcpy(p, "abcd", 4);
    p = mem_resize(&m, MEM_IP, p, 4, 8);
    ck_assert(memcmp(p, "abcd\0\0\0\0", 8) == 0);
    ck_assert_uint_eq(m.used, 8);
    m.failing = true;
    ck_assert_ptr_null(mem_resize(&m, MEM_IP, p, 8, 16));
    ck_assert(memcmp(p, "abcd", 4) == 0); /* the old block is still there */
    ck_assert_uint_eq(m.used, 8);
    m.failing = false;
    p = mem_resize(&m, MEM_IP, p, 8, 2);
    ck_assert(memcmp(p, "ab", 2) == 0);
    ck_assert_uint_eq(m.used, 2);
    mem_free(&m, MEM_IP, p, 2);
    ck_assert_uint_eq(m.used, 0);
}
END_TEST

struct pool {
    uint64_t bytes;
    bool empty;
};

static void *pool_alloc(void *ctx, size_t size)
{
    struct pool *pool = ctx;
    if (pool->empty)
        return NULL;
    pool->bytes += size;
    return malloc(size);
}

static void pool_release(void *ctx, void *p, size_t size)
{
    ((struct pool *)ctx)->bytes -= size;
    free(p);
}

START_TEST(an_allocator_of_the_embedder)
{
    struct pool pool = {0};
    m.alloc = pool_alloc;
    m.release = pool_release;
    m.ctx = &pool;
    void *p = mem_alloc(&m, MEM_IP, 77);
    ck_assert_uint_eq(pool.bytes, 77);
    pool.empty = true;
    ck_assert_ptr_null(mem_alloc(&m, MEM_IP, 1));
    ck_assert_uint_eq(m.failures, 1);
    ck_assert_uint_eq(m.used, 77); /* what wasn't had isn't charged */
    mem_free(&m, MEM_IP, p, 77);
    ck_assert_uint_eq(pool.bytes, 0);
}
END_TEST

START_TEST(every_purpose_has_its_name)
{
    for (int i = 0; i < MEM_TAGS; i++) {
        ck_assert_str_ne(mem_tag_name((enum mem_tag)i), "?");
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(mem_tag_name((enum mem_tag)i), mem_tag_name((enum mem_tag)k));
    }
    ck_assert_str_eq(mem_tag_name(MEM_TAGS), "?");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("mem");
    TCase *t = tcase_create("mem");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, counts_by_purpose);
    tcase_add_test(t, new_memory_is_zero);
    tcase_add_test(t, keeps_to_its_limit);
    tcase_add_test(t, the_nth_allocation_fails_and_all_behind_it);
    tcase_add_test(t, resizing_keeps_the_contents);
    tcase_add_test(t, an_allocator_of_the_embedder);
    tcase_add_test(t, every_purpose_has_its_name);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
