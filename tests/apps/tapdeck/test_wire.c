/* tests of apps/tapdeck/wire.c: the words of `tapdeck wire`. */
#include "check_main.h"

#include <string.h>

#include "tapdeck/wire.h"

static struct wire_options o;
static char msg[512];

static bool words(const char *const *w)
{
    int argc = 0;
    while (w[argc] != NULL)
        argc++;
    return wire_words(argc, (char *const *)(uintptr_t)w, 1000, &o, msg, sizeof(msg));
}
#define WORDS(...) words((const char *const[]){__VA_ARGS__, NULL})

START_TEST(plain)
{
    ck_assert(WORDS("tap0", "tap1"));
    ck_assert_str_eq(o.tap[0], "tap0");
    ck_assert_str_eq(o.tap[1], "tap1");
    ck_assert_uint_eq(o.way[0].q[0].u.netem.delay, 0);
    ck_assert_uint_eq(o.way[0].q[0].u.netem.seed, 1000);
    ck_assert_uint_ne(o.way[1].q[0].u.netem.seed, o.way[0].q[0].u.netem.seed);
    ck_assert(!o.persist);
}
END_TEST

/* The same both ways, but not the same frames lost. */
START_TEST(both_ways)
{
    ck_assert(WORDS("a:tap0", "b:tap0", "delay", "20ms", "loss", "1%", "rate", "100mbit", "seed",
                    "7", "mtu", "9000", "persist"));
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(o.way[i].q[0].u.netem.delay, 20 * TD_MS);
        ck_assert_uint_eq(o.way[i].q[0].u.netem.loss, td_percent(1));
        ck_assert_uint_eq(o.way[i].q[0].u.netem.rate, 100000000);
    }
    ck_assert_uint_eq(o.way[0].q[0].u.netem.seed, 7);
    ck_assert_uint_eq(o.way[1].q[0].u.netem.seed, 8);
    ck_assert_uint_eq(o.mtu, 9000);
    ck_assert(o.persist);
}
END_TEST

START_TEST(back)
{
    ck_assert(WORDS("tap0", "tap1", "delay", "20ms", "back", "rate", "1mbit", "seed", "99"));
    ck_assert_uint_eq(o.way[0].q[0].u.netem.delay, 20 * TD_MS);
    ck_assert_uint_eq(o.way[0].q[0].u.netem.rate, 0);
    ck_assert_uint_eq(o.way[1].q[0].u.netem.delay, 0);
    ck_assert_uint_eq(o.way[1].q[0].u.netem.rate, 1000000);
    ck_assert_uint_eq(o.way[1].q[0].u.netem.seed, 99);
    ck_assert(WORDS("tap0", "tap1", "back", "loss", "5%"));
    ck_assert_uint_eq(o.way[0].q[0].u.netem.loss, 0);
    ck_assert_uint_eq(o.way[1].q[0].u.netem.loss, td_percent(5));
}
END_TEST

START_TEST(refusals)
{
    ck_assert(!WORDS("tap0"));
    ck_assert_ptr_nonnull(strstr(msg, "two devices"));
    ck_assert(!WORDS("tap0", "tap1", "delay", "soon"));
    ck_assert_ptr_nonnull(strstr(msg, "'soon'"));
    ck_assert(!WORDS("tap0", "tap1", "tap2"));
    ck_assert_ptr_nonnull(strstr(msg, "'tap2'"));
    ck_assert(!WORDS("tap0", "tap1", "mtu", "20"));
    ck_assert_ptr_nonnull(strstr(msg, "'mtu'"));
    ck_assert(!WORDS("tap0", "tap1", "mtu"));
    ck_assert(!WORDS("tap0", "tap1", "back", "back"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wire words");
    TCase *t = tcase_create("words");
    tcase_add_test(t, plain);
    tcase_add_test(t, both_ways);
    tcase_add_test(t, back);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
