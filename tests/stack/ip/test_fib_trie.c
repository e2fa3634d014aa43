/* Longest-prefix match: the trie against a list that is searched from end to end. */
#include "check_main.h"
#include "ip/fib.h"
#include "prng.h"
#include "wire/ipv4.h"

#include <errno.h>

static struct mem m;
static struct fib *f;

static void setup(void)
{
    mem_init(&m, 0);
    f = fib_trie.create(&m);
    ck_assert_ptr_nonnull(f);
}
static void teardown(void)
{
    fib_trie.destroy(f);
    ck_assert_uint_eq(m.used, 0);
}

static int add(td_ip4 prefix, uint8_t plen, uint32_t metric, uint32_t ifindex)
{
    struct fib_route r = {.prefix = prefix, .plen = plen, .metric = metric, .ifindex = ifindex};

    return fib_trie.insert(f, &r);
}
static int del(td_ip4 prefix, uint8_t plen, uint32_t metric)
{
    struct fib_route r = {.prefix = prefix, .plen = plen, .metric = metric};

    return fib_trie.remove(f, &r);
}
/* The interface of the route for dst, 0 = none. */
static uint32_t get(td_ip4 dst)
{
    const struct fib_route *r = fib_trie.lookup(f, dst, 0);

    return r != NULL ? r->ifindex : 0;
}

/* shows: 4632-01 4632-02 4632-04 */
START_TEST(test_longest_match)
{
    ck_assert_uint_eq(get(TD_IP4(10, 1, 2, 3)), 0);
    ck_assert_int_eq(add(0, 0, 0, 1), 0);
    ck_assert_int_eq(add(TD_IP4(192, 0, 0, 0), 4, 0, 2), 0); /* wider than any class */
    ck_assert_int_eq(add(TD_IP4(10, 0, 0, 0), 8, 0, 3), 0);
    ck_assert_int_eq(add(TD_IP4(10, 1, 0, 0), 16, 0, 4), 0);
    ck_assert_int_eq(add(TD_IP4(10, 1, 2, 3), 32, 0, 5), 0);
    ck_assert_uint_eq(get(TD_IP4(10, 1, 2, 3)), 5);
    ck_assert_uint_eq(get(TD_IP4(10, 1, 2, 2)), 4);
    ck_assert_uint_eq(get(TD_IP4(10, 2, 2, 3)), 3);
    ck_assert_uint_eq(get(TD_IP4(200, 0, 0, 1)), 2);
    ck_assert_uint_eq(get(TD_IP4(11, 0, 0, 1)), 1);
    ck_assert_uint_eq(get(0xffffffff), 1);
    ck_assert_int_eq(del(TD_IP4(10, 1, 0, 0), 16, 0), 0);
    ck_assert_uint_eq(get(TD_IP4(10, 1, 2, 2)), 3);
    ck_assert_uint_eq(get(TD_IP4(10, 1, 2, 3)), 5);
    ck_assert_int_eq(del(TD_IP4(10, 1, 0, 0), 16, 0), -ESRCH);
    ck_assert_uint_eq(fib_trie.count(f), 4);
}
END_TEST

START_TEST(test_metric_order_and_duplicates)
{
    ck_assert_int_eq(add(0, 0, 200, 2), 0);
    ck_assert_int_eq(add(0, 0, 100, 1), 0);
    ck_assert_int_eq(add(0, 0, 100, 1), -EEXIST);
    ck_assert_int_eq(add(0, 0, 300, 3), 0);
    ck_assert_uint_eq(get(1), 1);
    ck_assert_uint_eq(fib_trie.lookup(f, 1, 3)->metric, 300);
    fib_trie.lookup(f, 1, 0)->dead = true;
    ck_assert_uint_eq(get(1), 2);
    fib_trie.lookup(f, 1, 0)->linkdown = true;
    ck_assert_uint_eq(get(1), 3);
    ck_assert_int_eq(del(0, 0, UINT32_MAX), 0); /* the first */
    ck_assert_int_eq(del(0, 0, 300), 0);
    ck_assert_uint_eq(fib_trie.count(f), 1);
}
END_TEST

START_TEST(test_dead_route_does_not_hide_a_shorter_one)
{
    add(0, 0, 0, 1);
    add(TD_IP4(10, 0, 0, 0), 8, 0, 2);
    fib_trie.lookup(f, TD_IP4(10, 0, 0, 1), 0)->dead = true;
    ck_assert_uint_eq(get(TD_IP4(10, 0, 0, 1)), 1);
}
END_TEST

START_TEST(test_local_before_unicast)
{
    struct fib_route r = {.prefix = 5, .plen = 32, .type = FIB_UNICAST, .ifindex = 1};

    ck_assert_int_eq(fib_trie.insert(f, &r), 0);
    r.type = FIB_LOCAL;
    r.ifindex = 2;
    ck_assert_int_eq(fib_trie.insert(f, &r), 0);
    ck_assert_uint_eq(get(5), 2);
    r.type = FIB_UNICAST;
    r.ifindex = 0;
    ck_assert_int_eq(fib_trie.remove(f, &r), 0); /* by type: not the local one */
    ck_assert_uint_eq(get(5), 2);
    ck_assert_int_eq(fib_trie.remove(f, &r), -ESRCH);
}
END_TEST

/* ---- against a list ---- */

#define ROUTES 400
struct oracle {
    struct fib_route r[ROUTES];
    unsigned n;
};

static uint32_t oracle_get(const struct oracle *o, td_ip4 dst)
{
    const struct fib_route *best = NULL;

    for (unsigned i = 0; i < o->n; i++)
        if (((dst ^ o->r[i].prefix) & ip4_mask(o->r[i].plen)) == 0 &&
            (best == NULL || o->r[i].plen > best->plen ||
             (o->r[i].plen == best->plen && o->r[i].metric < best->metric)))
            best = &o->r[i];
    return best != NULL ? best->ifindex : 0;
}

static struct fib_route random_route(struct prng *rng)
{
    uint8_t plen = (uint8_t)prng_below(rng, 33);
    /* few distinct bits, so that prefixes nest and part often */
    td_ip4 prefix = prng_u32(rng) & 0xc0300c03 & ip4_mask(plen);

    return (struct fib_route){.prefix = prefix,
                              .plen = plen,
                              .metric = prng_below(rng, 3),
                              .ifindex = 1 + prng_below(rng, 1000000)};
}

static bool oracle_has(const struct oracle *o, const struct fib_route *r, unsigned *at)
{
    for (*at = 0; *at < o->n; (*at)++)
        if (o->r[*at].prefix == r->prefix && o->r[*at].plen == r->plen &&
            o->r[*at].metric == r->metric)
            return true;
    return false;
}

static void check_dump(const struct oracle *o)
{
    const struct fib_route *r, *last = NULL;
    uint64_t cursor = 0;
    unsigned n = 0;

    while ((r = fib_trie.next(f, &cursor)) != NULL) {
        ck_assert(last == NULL || last->prefix < r->prefix ||
                  (last->prefix == r->prefix &&
                   (last->plen < r->plen || (last->plen == r->plen && last->metric <= r->metric))));
        last = r;
        n++;
    }
    ck_assert_uint_eq(n, o->n);
}

/* shows: 4632-01 */
START_TEST(test_against_a_list)
{
    static struct oracle o;
    struct prng rng = {.state = (uint64_t)_i + 1};
    unsigned at;

    o.n = 0;
    for (unsigned step = 0; step < prng_rounds(3000); step++) {
        struct fib_route r = random_route(&rng);

        if (prng_below(&rng, 100) < 55 && o.n < ROUTES) {
            if (!oracle_has(&o, &r, &at)) {
                ck_assert_int_eq(fib_trie.insert(f, &r), 0);
                o.r[o.n++] = r;
            }
        } else if (o.n > 0) {
            at = prng_below(&rng, o.n);
            r = o.r[at];
            ck_assert_int_eq(fib_trie.remove(f, &r), 0);
            o.r[at] = o.r[--o.n];
        }
        for (unsigned probe = 0; probe < 4; probe++) {
            td_ip4 dst = prng_u32(&rng) & 0xc0300c03;

            ck_assert_uint_eq(get(dst), oracle_get(&o, dst));
        }
        if (step % 100 == 0)
            check_dump(&o);
    }
    check_dump(&o);
}
END_TEST

START_TEST(test_dump_resumes_while_routes_change)
{
    uint64_t cursor = 0;

    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(add(TD_IP4(10, i, 0, 0), 16, 0, i + 1), 0);
    for (unsigned i = 0; i < 50; i++)
        ck_assert_uint_eq(fib_trie.next(f, &cursor)->ifindex, i + 1);
    for (unsigned i = 40; i < 60; i++)
        ck_assert_int_eq(del(TD_IP4(10, i, 0, 0), 16, 0), 0);
    ck_assert_int_eq(add(TD_IP4(10, 0, 0, 0), 8, 0, 1000), 0); /* behind us by now */
    for (unsigned i = 60; i < 100; i++)
        ck_assert_uint_eq(fib_trie.next(f, &cursor)->ifindex, i + 1);
    ck_assert_ptr_null(fib_trie.next(f, &cursor));
}
END_TEST

START_TEST(test_without_memory)
{
    struct prng rng = {.state = 99};

    for (unsigned i = 0; i < 200; i++) {
        struct fib_route r = random_route(&rng);
        uint32_t before = fib_trie.count(f);

        m.fail_after = 1 + prng_below(&rng, 3);
        int rc = fib_trie.insert(f, &r);

        m.fail_after = 0;
        m.failing = false;
        ck_assert(rc == 0 || rc == -ENOMEM || rc == -EEXIST);
        ck_assert_uint_eq(fib_trie.count(f), before + (rc == 0));
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/fib_trie");
    TCase *tc = tcase_create("fib");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_longest_match);
    tcase_add_test(tc, test_metric_order_and_duplicates);
    tcase_add_test(tc, test_dead_route_does_not_hide_a_shorter_one);
    tcase_add_test(tc, test_local_before_unicast);
    tcase_add_loop_test(tc, test_against_a_list, 0, 8);
    tcase_add_test(tc, test_dump_resumes_while_routes_change);
    tcase_add_test(tc, test_without_memory);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
