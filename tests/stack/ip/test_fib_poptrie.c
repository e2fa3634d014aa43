/* The poptrie against the trie it is compiled from: the same routes, the same answers, through
 * changes, in both shapes, and when memory ends. */
#include "check_main.h"
#include "ip/fib_rib.h"
#include "prng.h"
#include "wire/ipv4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct mem m;
static struct fib *fast, *slow;

static void setup(void)
{
    mem_init(&m, 0);
    fast = fib_poptrie.create(&m);
    slow = fib_trie.create(&m);
    ck_assert_ptr_nonnull(fast);
    ck_assert_ptr_nonnull(slow);
}
static void teardown(void)
{
    fib_poptrie.destroy(fast);
    fib_trie.destroy(slow);
    ck_assert_uint_eq(m.used, 0);
}

static void agree(td_ip4 dst, uint32_t ifindex)
{
    const struct fib_hop *a = fib_poptrie.find(fast, dst, ifindex);
    const struct fib_route *b = fib_trie.lookup(slow, dst, ifindex);
    ck_assert_msg((a == NULL) == (b == NULL), "%08x: found %d, expected %d", dst, a != NULL,
                  b != NULL);
    if (a != NULL)
        ck_assert_msg(a->gateway == b->gateway && a->ifindex == b->ifindex && a->type == b->type,
                      "%08x: %08x dev %u, expected %08x/%u: %08x dev %u", dst, a->gateway,
                      a->ifindex, b->prefix, b->plen, b->gateway, b->ifindex);
}

static int both_add(const struct fib_route *r)
{
    int e = fib_trie.insert(slow, r);
    ck_assert_int_eq(fib_poptrie.insert(fast, r), e);
    return e;
}

static int both_del(const struct fib_route *r)
{
    int e = fib_trie.remove(slow, r);
    ck_assert_int_eq(fib_poptrie.remove(fast, r), e);
    return e;
}

/* An address near a prefix: in it, at its ends, or just outside. */
static td_ip4 near(struct prng *rng, const struct fib_route *r)
{
    td_ip4 host = ~ip4_mask(r->plen);
    switch (prng_below(rng, 5)) {
    case 0:
        return r->prefix;
    case 1:
        return r->prefix | host;
    case 2:
        return r->prefix - 1;
    case 3:
        return (r->prefix | host) + 1;
    default:
        return r->prefix | (prng_u32(rng) & host);
    }
}

/* Lengths as in an Internet table: most are /24, few are short, some are longer than the slots'
 * children. */
static struct fib_route internet_route(struct prng *rng)
{
    static const uint8_t lengths[] = {24, 24, 24, 24, 24, 24, 24, 24, 22, 22, 23,
                                      23, 21, 20, 19, 18, 17, 16, 16, 15, 14, 12,
                                      10, 8,  32, 30, 28, 26, 25, 29, 31, 27};
    uint8_t plen = lengths[prng_below(rng, sizeof lengths)];
    td_ip4 prefix = (1 + prng_below(rng, 223)) << 24 | (prng_u32(rng) & 0x0fffff);
    /* Every fourth says which it is, so that any mistake shows; the others share their hops. */
    return (struct fib_route){.prefix = prefix & ip4_mask(plen),
                              .plen = plen,
                              .metric = prng_below(rng, 3),
                              .gateway = prng_below(rng, 4) == 0 ? prefix ^ plen : plen,
                              .ifindex = 1 + prng_below(rng, 4)};
}

/* shows: 4632-01 4632-02 4632-04 1812-FW16 */
START_TEST(test_every_length_and_its_edges)
{
    for (unsigned plen = 0; plen <= 32; plen++) {
        const struct fib_route r = {.prefix = TD_IP4(10, 17, 34, 171) & ip4_mask((uint8_t)plen),
                                    .plen = (uint8_t)plen,
                                    .ifindex = plen + 1};
        ck_assert_int_eq(both_add(&r), 0);
        for (unsigned bit = 0; bit < 32; bit++)
            agree(TD_IP4(10, 17, 34, 171) ^ 1u << bit, 0);
        agree(TD_IP4(10, 17, 34, 171), 0);
    }
    ck_assert_uint_eq(fib_poptrie.find(fast, TD_IP4(10, 17, 34, 171), 0)->ifindex, 33);
    ck_assert_uint_eq(fib_poptrie.find(fast, TD_IP4(10, 17, 34, 170), 0)->ifindex, 32);
    for (unsigned plen = 33; plen-- > 0;) {
        const struct fib_route r = {.prefix = TD_IP4(10, 17, 34, 171) & ip4_mask((uint8_t)plen),
                                    .plen = (uint8_t)plen};
        ck_assert_int_eq(both_del(&r), 0);
        for (unsigned bit = 0; bit < 32; bit++)
            agree(TD_IP4(10, 17, 34, 171) ^ 1u << bit, 0);
    }
}
END_TEST

static void churn(uint64_t seed, unsigned most, unsigned steps,
                  struct fib_route (*make)(struct prng *))
{
    struct prng rng = {.state = seed};
    struct fib_route *r = calloc(most, sizeof *r);
    unsigned n = 0;
    ck_assert_ptr_nonnull(r);
    for (unsigned step = 0; step < prng_rounds(steps); step++) {
        if (n < most && prng_below(&rng, 3) != 0) {
            r[n] = make(&rng);
            n += both_add(&r[n]) == 0;
        } else if (n > 0) {
            unsigned i = prng_below(&rng, n);
            struct fib_route gone = r[i];
            ck_assert_int_eq(both_del(&gone), 0);
            r[i] = r[--n];
            agree(near(&rng, &gone), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
            agree(prng_u32(&rng), 0);
            if (n > 0) {
                const struct fib_route *some = &r[prng_below(&rng, n)];
                agree(near(&rng, some), prng_below(&rng, 4) == 0 ? some->ifindex : 0);
            }
        }
    }
    ck_assert_uint_eq(fib_poptrie.count(fast), n);
    uint64_t a = 0, b = 0;
    for (unsigned i = 0; i <= n; i++) { /* the dumps agree too */
        const struct fib_route *x = fib_poptrie.next(fast, &a), *y = fib_trie.next(slow, &b);
        ck_assert((x == NULL) == (y == NULL));
        if (x != NULL)
            ck_assert(x->prefix == y->prefix && x->plen == y->plen && x->metric == y->metric);
    }
    free(r);
}

static struct fib_route
nested_route(struct prng *rng) /* few distinct bits: prefixes nest and part often */
{
    uint8_t plen = (uint8_t)prng_below(rng, 33);
    td_ip4 prefix = prng_u32(rng) & 0xc0300c03 & ip4_mask(plen);
    return (struct fib_route){.prefix = prefix,
                              .plen = plen,
                              .gateway = prefix ^ plen ^ 0x5a000000,
                              .metric = prng_below(rng, 3),
                              .ifindex = 1 + prng_below(rng, 4)};
}

START_TEST(test_small_tables_under_change)
{
    churn((uint64_t)_i + 1, 60, 3000, nested_route);
}
END_TEST
START_TEST(test_tables_that_grow_and_shrink_between_shapes)
{
    churn((uint64_t)_i + 100, 400, 6000, nested_route);
}
END_TEST
START_TEST(test_internet_like_tables_under_change)
{
    churn((uint64_t)_i + 200, 20000, 40000, internet_route);
}
END_TEST

START_TEST(test_unusable_routes_give_way_to_shorter_prefixes)
{
    const struct fib_route wide = {.prefix = 0, .plen = 0, .ifindex = 1};
    const struct fib_route narrow = {.prefix = TD_IP4(10, 0, 0, 0), .plen = 8, .ifindex = 2};
    ck_assert_int_eq(both_add(&wide), 0);
    ck_assert_int_eq(both_add(&narrow), 0);
    fib_poptrie.lookup(fast, TD_IP4(10, 1, 1, 1), 0)->dead = true;
    fib_poptrie.changed(fast, TD_IP4(10, 0, 0, 0), 8);
    fib_trie.lookup(slow, TD_IP4(10, 1, 1, 1), 0)->dead = true;
    agree(TD_IP4(10, 1, 1, 1), 0);
    ck_assert_uint_eq(fib_poptrie.find(fast, TD_IP4(10, 1, 1, 1), 0)->ifindex, 1);
}
END_TEST

START_TEST(test_a_million_lookups_in_a_full_table)
{
    struct prng rng = {.state = 7};
    for (unsigned i = 0; i < prng_rounds(100000); i++) {
        const struct fib_route r = internet_route(&rng);
        (void)both_add(&r);
    }
    for (unsigned i = 0; i < prng_rounds(1000000); i++)
        agree(prng_u32(&rng) & 0xdfffffff, 0);
}
END_TEST

START_TEST(test_ten_routes_are_small)
{
    size_t before = m.used;
    for (unsigned i = 0; i < 10; i++) {
        const struct fib_route r = {
            .prefix = TD_IP4(10, (uint8_t)i, 0, 0), .plen = 16, .ifindex = 1};
        ck_assert_int_eq(fib_poptrie.insert(fast, &r), 0);
    }
    ck_assert_ptr_nonnull(fib_poptrie.find(fast, TD_IP4(10, 3, 0, 1), 0));
    ck_assert_uint_lt(m.used - before, 4096);
}
END_TEST

/* More kinds of hops than two bytes can number: the rest is asked of the book, and numbers that get
 * free are given out again. */
START_TEST(test_more_hops_than_numbers)
{
    for (unsigned i = 0; i < 70000; i++) {
        const struct fib_route r = {
            .prefix = TD_IP4(20, 0, 0, 0) + (i << 4), .plen = 28, .gateway = i + 1, .ifindex = 1};
        ck_assert_int_eq(fib_poptrie.insert(fast, &r), 0);
    }
    for (unsigned i = 0; i < 70000; i += 7) {
        const struct fib_hop *h = fib_poptrie.find(fast, TD_IP4(20, 0, 0, 3) + (i << 4), 0);
        ck_assert_uint_eq(h->gateway, i + 1);
        ck_assert_int_eq(h->id == FIB_HOP_BOOK, i >= 65534);
    }
    for (unsigned i = 0; i < 70000; i++) {
        const struct fib_route r = {.prefix = TD_IP4(20, 0, 0, 0) + (i << 4), .plen = 28};
        ck_assert_int_eq(fib_poptrie.remove(fast, &r), 0);
        const struct fib_route again = {
            .prefix = r.prefix, .plen = 28, .gateway = i + 2, .ifindex = 1};
        ck_assert_int_eq(fib_poptrie.insert(fast, &again), 0);
        ck_assert_uint_eq(fib_poptrie.find(fast, r.prefix, 0)->gateway, i + 2);
    }
}
END_TEST

/* At every allocation in turn there is no memory: the answers stay right. */
START_TEST(test_without_memory_the_book_answers)
{
    for (uint64_t limit = 0; limit < 400000; limit += getenv("VALGRIND") != NULL ? 39971 : 997) {
        struct mem poor;
        mem_init(&poor, limit);
        struct fib *f = fib_poptrie.create(&poor);
        if (f == NULL)
            continue;
        struct prng rng = {.state = limit + 1};
        struct fib_route kept[300];
        unsigned n = 0;
        for (unsigned i = 0; i < 300; i++) {
            const struct fib_route r = internet_route(&rng);
            if (fib_poptrie.insert(f, &r) == 0)
                kept[n++] = r;
        }
        for (unsigned i = 0; i < n; i++) {
            const struct fib_hop *found = fib_poptrie.find(f, kept[i].prefix, 0);
            const struct fib_route *right = fib_poptrie.lookup(f, kept[i].prefix, 0);
            ck_assert_ptr_nonnull(found);
            ck_assert_uint_ge(right->plen, kept[i].plen);
            ck_assert_ptr_eq(found, right->hop);
        }
        fib_poptrie.destroy(f);
        ck_assert_uint_eq(poor.used, 0);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fib_poptrie");
    TCase *t = tcase_create("fib_poptrie");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_every_length_and_its_edges);
    tcase_add_loop_test(t, test_small_tables_under_change, 0, 10);
    tcase_add_loop_test(t, test_tables_that_grow_and_shrink_between_shapes, 0, 5);
    tcase_add_loop_test(t, test_internet_like_tables_under_change, 0, 2);
    tcase_add_test(t, test_unusable_routes_give_way_to_shorter_prefixes);
    tcase_add_test(t, test_a_million_lookups_in_a_full_table);
    tcase_add_test(t, test_ten_routes_are_small);
    tcase_add_test(t, test_more_hops_than_numbers);
    tcase_add_test(t, test_without_memory_the_book_answers);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
