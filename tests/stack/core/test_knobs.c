/* The knob catalogue is well formed, and an instance starts with its profile's values. */
#include "check_main.h"
#include "core/stack.h"

#include <string.h>

static unsigned words_in(const char *words)
{
    unsigned n = *words != '\0';
    for (; *words != '\0'; words++)
        n += *words == ' ';
    return n;
}

START_TEST(the_catalogue_is_well_formed)
{
    for (unsigned i = 0; i < KNOB_COUNT; i++) {
        const struct knob_info *k = &knob_info[i];
        ck_assert_msg(strncmp(k->name, "net.", 4) == 0 || strncmp(k->name, "tapdeck.", 8) == 0, "%s", k->name);
        ck_assert_msg(strpbrk(k->name, " /%") == NULL, "%s", k->name);
        ck_assert_msg(strlen(k->doc) > 5, "%s says nothing", k->name);
        for (unsigned other = 0; other < i; other++)
            ck_assert_msg(strcmp(k->name, knob_info[other].name) != 0, "two knobs are called %s", k->name);
        for (int profile = 0; profile < 2; profile++) {
            for (unsigned n = 0; n < k->nvalues; n++) {
                int64_t v = k->def[profile][n];
                ck_assert_msg(v >= k->min && v <= k->max, "%s: %lld is out of its range", k->name, (long long)v);
                if (k->words != NULL)
                    ck_assert_msg(v < (k->set ? INT64_C(1) << words_in(k->words) : (int64_t)words_in(k->words)),
                                  "%s: no such word", k->name);
            }
        }
    }
}
END_TEST

START_TEST(the_interfaces_catalogue_is_well_formed)
{
    for (unsigned i = 0; i < IFKNOB_COUNT; i++) {
        const struct knob_info *k = &ifknob_info[i];
        const char *hole = strstr(k->name, ".%s.");
        ck_assert_msg(hole != NULL && strchr(k->name, '%') == hole + 1 && strchr(hole + 2, '%') == NULL,
                      "%s: one hole for the interface", k->name);
        ck_assert_msg(strlen(k->doc) > 5, "%s says nothing", k->name);
        ck_assert_uint_eq(k->nvalues, 1);
        for (unsigned other = 0; other < i; other++)
            ck_assert_msg(strcmp(k->name, ifknob_info[other].name) != 0, "two knobs are called %s", k->name);
        for (int profile = 0; profile < 2; profile++)
            ck_assert_msg(k->def[profile][0] >= k->min && k->def[profile][0] <= k->max, "%s", k->name);
    }
}
END_TEST

START_TEST(profiles)
{
    struct knobs *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    memset(a, 0x55, sizeof *a);
    knobs_init(a, PROFILE_LINUX);
    knobs_init(b, PROFILE_RFC);
    ck_assert_int_eq(a->v[KNOB_TCP_RTO_MIN_US][0], 200000);  /* Linux */
    ck_assert_int_eq(b->v[KNOB_TCP_RTO_MIN_US][0], 1000000); /* RFC 6298 2.4 */
    ck_assert_int_eq(a->v[KNOB_TCP_RMEM][1], 131072);
    ck_assert_int_eq(a->dflt[IFKNOB_ARP_ACD], 0);
    ck_assert_int_eq(b->dflt[IFKNOB_ARP_ACD], 1); /* RFC 5227 */
    for (unsigned i = 0; i < IFKNOB_COUNT; i++)
        ck_assert_int_eq(b->all[i], 0);
    ck_assert_int_eq(knob_info[KNOB_IP_LOCAL_PORT_RANGE].nvalues, 2);
    ck_assert_int_eq(knob_info[KNOB_TCP_RMEM].nvalues, 3);
    free(a);
    free(b);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("knobs");
    TCase *t = tcase_create("knobs");
    tcase_add_test(t, the_catalogue_is_well_formed);
    tcase_add_test(t, the_interfaces_catalogue_is_well_formed);
    tcase_add_test(t, profiles);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
