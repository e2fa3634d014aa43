/* The hash table: found what was put in, order of insertion, growth, removal in the middle of it. */
#include "check_main.h"
#include "core/hash.h"
#include "prng.h"

#include <errno.h>

struct item {
    struct hash_node n;
    uint32_t key;
    bool in;
};

static struct mem m;
static struct siphash_key key = {1, 2};
static struct hash h;

static bool eq(const struct hash_node *n, const void *k)
{
    const struct item *i = container_of(n, const struct item, n);
    return i->key == *(const uint32_t *)k;
}

static void setup(void)
{
    mem_init(&m, 0);
    hash_init(&h, &m, &key);
}

static void teardown(void)
{
    hash_done(&h);
    ck_assert_uint_eq(m.used, 0);
}

START_TEST(an_empty_table_costs_nothing)
{
    uint32_t k = 1;
    ck_assert_uint_eq(m.used, 0);
    ck_assert_ptr_null(hash_find(&h, &k, sizeof k, eq));
    ck_assert_ptr_null(hash_first(&h));
    ck_assert_ptr_null(hash_from(&h, 0));
}
END_TEST

START_TEST(agrees_with_a_set)
{
    enum { N = 3000 };
    static struct item item[N];
    struct prng r = {(uint64_t)_i};
    uint32_t members = 0;
    for (uint32_t i = 0; i < N; i++)
        item[i] = (struct item){.key = i * 2654435761u};
    for (int step = 0; step < 20000; step++) {
        struct item *it = &item[prng_below(&r, N)];
        if (it->in) {
            hash_remove(&h, &it->n);
            members--;
        } else {
            ck_assert_int_eq(hash_insert(&h, &it->n, &it->key, sizeof it->key), 0);
            members++;
        }
        it->in = !it->in;
        ck_assert_uint_eq(h.count, members);
        struct item *look = &item[prng_below(&r, N)];
        struct hash_node *n = hash_find(&h, &look->key, sizeof look->key, eq);
        ck_assert_ptr_eq(n, look->in ? &look->n : NULL);
    }
    /* iteration: in order of insertion, each once; hash_from finds any place in it */
    uint64_t last = 0;
    uint32_t seen = 0;
    for (struct hash_node *n = hash_first(&h); n != NULL; n = hash_next(n)) {
        ck_assert_uint_gt(n->order, last);
        ck_assert_ptr_eq(hash_from(&h, last + 1), n);
        ck_assert_ptr_eq(hash_from(&h, n->order), n);
        last = n->order;
        seen++;
    }
    ck_assert_uint_eq(seen, members);
    ck_assert_ptr_null(hash_from(&h, last + 1));
}
END_TEST

/* A dump that goes on while the table changes: each member that was there all the time is met once. */
START_TEST(a_reader_survives_changes)
{
    enum { N = 500 };
    static struct item item[N];
    struct prng r = {(uint64_t)_i};
    for (uint32_t i = 0; i < N; i++) {
        item[i] = (struct item){.key = i, .in = true};
        ck_assert_int_eq(hash_insert(&h, &item[i].n, &item[i].key, sizeof i), 0);
    }
    bool met[N] = {false}, gone[N] = {false};
    uint64_t cursor = 0;
    struct hash_node *n;
    while ((n = hash_from(&h, cursor)) != NULL) {
        struct item *it = container_of(n, struct item, n);
        ck_assert(!met[it->key] && !gone[it->key]);
        met[it->key] = true;
        cursor = n->order + 1;
        for (int k = 0; k < 2; k++) { /* often the very one, or its neighbour */
            uint32_t victim = prng_below(&r, 3) == 0 ? it->key : (it->key + prng_below(&r, 3)) % N;
            if (!gone[victim] && prng_below(&r, 4) == 0) {
                hash_remove(&h, &item[victim].n);
                gone[victim] = true;
            }
        }
        if (prng_below(&r, 10) == 0) /* another reader elsewhere */
            (void)hash_from(&h, prng_below(&r, N));
    }
    for (uint32_t i = 0; i < N; i++)
        ck_assert(met[i] || gone[i]);
}
END_TEST

START_TEST(chains_stay_short_while_it_grows)
{
    enum { N = 100000 };
    struct item *item = calloc(N, sizeof *item);
    for (uint32_t i = 0; i < N; i++) {
        item[i].key = i;
        ck_assert_int_eq(hash_insert(&h, &item[i].n, &item[i].key, sizeof i), 0);
    }
    ck_assert_uint_ge(h.nbuckets, N / 2);
    unsigned longest = 0;
    for (uint32_t b = 0; b < h.nbuckets; b++) {
        unsigned len = 0;
        for (struct hash_node *n = h.bucket[b]; n != NULL; n = n->chain)
            len++;
        longest = len > longest ? len : longest;
    }
    ck_assert_uint_le(longest, 16);
    for (uint32_t i = 0; i < N; i++)
        ck_assert_ptr_nonnull(hash_find(&h, &item[i].key, sizeof i, eq));
    free(item);
}
END_TEST

START_TEST(no_memory_for_growth_is_survived)
{
    enum { N = 200 };
    static struct item item[N];
    m.fail_after = 1;
    ck_assert_int_eq(hash_insert(&h, &item[0].n, &item[0].key, sizeof item[0].key), -ENOMEM);
    m.fail_after = 0;
    m.failing = false;
    for (uint32_t i = 0; i < N; i++) {
        item[i].key = i;
        m.failing = i > 0;
        ck_assert_int_eq(hash_insert(&h, &item[i].n, &item[i].key, sizeof i), 0);
    }
    m.failing = false;
    for (uint32_t i = 0; i < N; i++)
        ck_assert_ptr_eq(hash_find(&h, &i, sizeof i, eq), &item[i].n);
}
END_TEST

/* After four billion insertions those that are there are numbered anew, in the same order. */
START_TEST(numbers_run_out)
{
    enum { N = 40 };
    static struct item item[N];
    for (uint32_t i = 0; i < N; i++) {
        item[i] = (struct item){.key = i, .in = true};
        if (i == 20)
            h.next_order = UINT32_MAX - 5;
        ck_assert_int_eq(hash_insert(&h, &item[i].n, &item[i].key, sizeof i), 0);
    }
    uint64_t cursor = 0;
    for (uint32_t i = 0; i < N; i++) {
        struct hash_node *n = hash_from(&h, cursor);
        ck_assert_ptr_eq(n, &item[i].n);
        ck_assert_uint_ge(n->order, cursor);
        cursor = (uint64_t)n->order + 1;
    }
    ck_assert_ptr_null(hash_from(&h, cursor));
    ck_assert_uint_eq(item[N - 1].n.order, N);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hash");
    TCase *t = tcase_create("hash");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_empty_table_costs_nothing);
    tcase_add_loop_test(t, agrees_with_a_set, 1, 11);
    tcase_add_loop_test(t, a_reader_survives_changes, 1, 21);
    tcase_add_test(t, numbers_run_out);
    tcase_add_test(t, chains_stay_short_while_it_grows);
    tcase_add_test(t, no_memory_for_growth_is_survived);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
