/* Packet buffers against an oracle: a plain byte array that the same operations are done to. */
#include "check_main.h"
#include "core/pkt.h"
#include "prng.h"
#include "wire/checksum.h"

#include <string.h>

static struct mem m;

static void setup(void)
{
    mem_init(&m, 0);
    m.pkt_cache = 3;
}

static void teardown(void)
{
    pkt_cache_drop(&m);
    ck_assert_uint_eq(m.used, 0); /* whatever a case did, every byte came back */
}

static void same(const struct pkt *p, const uint8_t *want, uint32_t n)
{
    static uint8_t got[1 << 17];
    ck_assert_uint_eq(p->len, n);
    ck_assert(pkt_read(p, 0, got, n));
    ck_assert(memcmp(got, want, n) == 0);
    ck_assert(!pkt_read(p, 0, got, n + 1));
}

/* A packet with a linear head and some slices of random sizes, odd ones too. */
static struct pkt *random_pkt(struct prng *r, uint8_t *bytes, uint32_t *n)
{
    uint32_t head = prng_below(r, 100);
    struct pkt *p = pkt_alloc(&m, prng_below(r, 40), head);
    prng_fill(r, bytes, head);
    if (head > 0)
        memcpy(pkt_put(p, head), bytes, head);
    *n = head;
    for (uint32_t k = prng_below(r, 12); k > 0; k--) {
        uint32_t size = 1 + prng_below(r, 300), off = prng_below(r, size), len = prng_below(r, size - off + 1);
        struct pkt_block *b = pkt_block_alloc(&m, size);
        prng_fill(r, b->bytes, size);
        ck_assert_int_eq(pkt_append_slice(p, b, off, len), 0);
        memcpy(bytes + *n, b->bytes + off, len);
        *n += len;
        pkt_block_free(b);
    }
    return p;
}

START_TEST(operations_agree_with_a_byte_array)
{
    struct prng r = {(uint64_t)_i};
    static uint8_t bytes[1 << 16], tmp[1 << 16];
    for (int round = 0; round < 50; round++) {
        uint32_t n;
        struct pkt *p = random_pkt(&r, bytes, &n);
        for (int step = 0; step < 20; step++) {
            uint32_t k = prng_below(&r, 80);
            switch (prng_below(&r, 7)) {
            case 0: { /* push */
                uint8_t *at = pkt_push(p, k);
                ck_assert_ptr_nonnull(at);
                memmove(bytes + k, bytes, n);
                prng_fill(&r, bytes, k);
                if (k > 0)
                    memcpy(at, bytes, k);
                n += k;
                break;
            }
            case 1: /* pull */
                ck_assert_int_eq(pkt_pull(p, k), k <= n);
                if (k <= n) {
                    n -= k;
                    memmove(bytes, bytes + k, n);
                }
                break;
            case 2: /* trim */
                if (n > 0)
                    k = n - prng_below(&r, n < 50 ? n : 50);
                pkt_trim(p, k);
                if (k < n)
                    n = k;
                break;
            case 3: /* linearise a part */
                ck_assert_int_eq(pkt_may_pull(p, k), k <= n);
                if (k <= n)
                    ck_assert_uint_ge(p->head_len, k);
                break;
            case 4: { /* checksum of any range */
                uint32_t off = n > 0 ? prng_below(&r, n) : 0, len = n - off > 0 ? prng_below(&r, n - off + 1) : 0;
                ck_assert_uint_eq(checksum_fold(pkt_sum(p, off, len)) % 0xffff,
                                  checksum_fold(checksum_add(0, bytes + off, len)) % 0xffff);
                break;
            }
            case 5: { /* a clone shares slices; a copy shares nothing */
                struct pkt *c = prng_below(&r, 2) ? pkt_clone(p, 10) : pkt_copy(&m, p, 10);
                same(c, bytes, n);
                pkt_free(p);
                p = c;
                break;
            }
            default:
                if (p->nslices == 0) {
                    uint8_t *at = pkt_put(p, k);
                    prng_fill(&r, tmp, k);
                    memcpy(at, tmp, k);
                    memcpy(bytes + n, tmp, k);
                    n += k;
                } else {
                    ck_assert_ptr_null(pkt_put(p, k));
                }
            }
            same(p, bytes, n);
        }
        ck_assert(pkt_make_linear(p));
        ck_assert_uint_eq(p->head_len, n);
        ck_assert(n == 0 || memcmp(p->data, bytes, n) == 0);
        pkt_free(p);
    }
}
END_TEST

START_TEST(the_ip_header_stays_reachable)
{
    uint8_t frame[64];
    for (unsigned i = 0; i < sizeof frame; i++)
        frame[i] = (uint8_t)i;
    struct pkt *p = pkt_from_bytes(&m, 0, frame, sizeof frame);
    ck_assert_ptr_null(pkt_l3(p));
    pkt_pull(p, 14);
    pkt_set_l3(p);
    pkt_pull(p, 20);
    ck_assert_uint_eq(*pkt_l3(p), 14);
    struct pkt *c = pkt_clone(p, 0), *d = pkt_copy(&m, p, 99);
    ck_assert(memcmp(pkt_l3(c), frame + 14, 50) == 0);
    ck_assert(memcmp(pkt_l3(d), frame + 14, 50) == 0);
    /* growing the head moves it and keeps the note true */
    ck_assert_ptr_nonnull(pkt_push(p, 200));
    ck_assert_uint_eq(*pkt_l3(p), 14);
    pkt_free(p);
    pkt_free(c);
    pkt_free(d);
}
END_TEST

START_TEST(shared_blocks_outlive_their_first_owner)
{
    struct pkt_block *b = pkt_block_alloc(&m, 100);
    memset(b->bytes, 0x5a, 100);
    struct pkt *p = pkt_alloc(&m, 0, 0);
    pkt_append_slice(p, b, 10, 20);
    pkt_block_free(b);
    struct pkt *q = pkt_clone(p, 0);
    pkt_free(p);
    uint8_t got[20];
    ck_assert(pkt_read(q, 0, got, 20));
    ck_assert_uint_eq(got[19], 0x5a);
    ck_assert_uint_eq(b->refs, 1);
    /* linearising takes a private copy: the block may be shared */
    pkt_ref(q);
    ck_assert(pkt_make_linear(q));
    pkt_free(q);
    pkt_free(q);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    for (uint64_t nth = 1; nth < 12; nth++) {
        struct pkt_block *b = pkt_block_alloc(&m, 64);
        pkt_cache_drop(&m);
        m.fail_after = nth;
        struct pkt *p = pkt_alloc(&m, 0, 8);
        if (p != NULL) {
            memset(pkt_put(p, 8), 1, 8);
            int err = 0;
            for (int i = 0; i < 5 && err == 0; i++)
                err = pkt_append_slice(p, b, 0, 64);
            uint32_t len = p->len;
            if (pkt_push(p, 4000) != NULL)
                len += 4000;
            ck_assert_uint_eq(p->len, len);
            (void)pkt_make_linear(p);
            ck_assert_uint_eq(p->len, len);
            struct pkt *c = pkt_clone(p, 0);
            pkt_free(c);
            pkt_free(p);
        }
        m.fail_after = 0;
        m.failing = false;
        pkt_block_free(b);
    }
}
END_TEST

START_TEST(queue_keeps_order_and_count)
{
    struct pkt_queue q;
    pkt_queue_init(&q);
    ck_assert_ptr_null(pkt_queue_pop(&q));
    struct pkt *p[5];
    for (unsigned i = 0; i < 5; i++) {
        p[i] = pkt_from_bytes(&m, 0, "abcdef", i + 1);
        pkt_queue_push(&q, p[i]);
    }
    ck_assert_uint_eq(q.count, 5);
    ck_assert_uint_eq(q.bytes, 15);
    for (unsigned i = 0; i < 3; i++) {
        struct pkt *got = pkt_queue_pop(&q);
        ck_assert_ptr_eq(got, p[i]);
        pkt_free(got);
    }
    ck_assert_uint_eq(q.bytes, 9);
    pkt_queue_clear(&q);
    ck_assert_uint_eq(q.count, 0);
    pkt_queue_push(&q, pkt_alloc(&m, 0, 0)); /* usable after it was emptied */
    ck_assert_uint_eq(q.count, 1);
    pkt_queue_clear(&q);
}
END_TEST

START_TEST(truesize_covers_what_is_pinned)
{
    struct pkt *p = pkt_alloc(&m, 100, 1000);
    ck_assert_uint_ge(p->truesize, 1100);
    pkt_free(p);
}
END_TEST

/* Freed packets are given out again, up to the number the allocator was told; the bytes stay counted
 * until the cache is dropped, and a test that wants failures finds no cache in its way. */
START_TEST(freed_packets_are_kept_for_the_next)
{
    struct pkt *p[5];
    for (int i = 0; i < 5; i++)
        p[i] = pkt_alloc(&m, PKT_HEADROOM, 1500);
    for (int i = 0; i < 5; i++) {
        memset(pkt_put(p[i], 1500), 0xee, 1500);
        p[i]->flags = 0xffff;
        pkt_free(p[i]);
    }
    if (m.pkts.count == 0)
        return; /* AddressSanitizer's build has no cache */
    ck_assert_uint_eq(m.pkts.count, 3);
    ck_assert_uint_eq(m.heads.count, 3);
    uint64_t calls = m.calls, used = m.used;
    struct pkt *again = pkt_alloc(&m, PKT_HEADROOM, 1500);
    ck_assert_uint_eq(m.calls, calls);
    ck_assert_uint_eq(m.used, used);
    ck_assert_uint_eq(again->flags, 0); /* nothing of the old one shows */
    ck_assert_uint_eq(again->len, 0);
    ck_assert_uint_eq(again->refs, 1);
    ck_assert_int_eq(again->l3_off, -1);
    pkt_free(again);
    m.fail_after = 1;
    ck_assert_ptr_null(pkt_alloc(&m, PKT_HEADROOM, 1500));
    m.fail_after = 0;
    m.failing = false;
    pkt_cache_drop(&m);
    ck_assert_uint_eq(m.used, 0);
}
END_TEST

START_TEST(linearising_moves_what_it_costs)
{
    struct pkt *p = pkt_alloc(&m, 0, 2000);
    uint32_t empty = p->truesize;
    struct pkt_block *b = pkt_block_alloc(&m, 1000);
    memset(b->bytes, 1, 1000);
    pkt_append_slice(p, b, 0, 1000);
    pkt_block_free(b);
    ck_assert_uint_eq(p->truesize, empty + 1000);
    ck_assert(pkt_make_linear(p)); /* into room that was there */
    ck_assert_uint_eq(p->truesize, empty);
    pkt_free(p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pkt");
    TCase *t = tcase_create("pkt");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, operations_agree_with_a_byte_array, 0, 40);
    tcase_add_test(t, the_ip_header_stays_reachable);
    tcase_add_test(t, shared_blocks_outlive_their_first_owner);
    tcase_add_test(t, every_allocation_may_fail);
    tcase_add_test(t, queue_keeps_order_and_count);
    tcase_add_test(t, truesize_covers_what_is_pinned);
    tcase_add_test(t, freed_packets_are_kept_for_the_next);
    tcase_add_test(t, linearising_moves_what_it_costs);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
