/* Deliberate bugs: off at first, refused unless allowed, one bit each, and told in the journal. */
#include "check_main.h"
#include "core/faults.h"
#include "core/stack.h"
#include "tapdeck/stack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct td_stack *stack_make(bool allowed)
{
    struct td_stack_config c = {.now = TD_SEC, .allow_faults = allowed};
    struct td_stack *st = td_stack_new(&c);
    ck_assert_ptr_nonnull(st);
    return st;
}

START_TEST(refused_unless_allowed)
{
    struct td_stack *st = stack_make(false);
    char v[8];
    ck_assert_int_eq(td_knob_set(st, "tapdeck.fault.no-checksum", "1"), -EPERM);
    ck_assert_uint_eq(st->faults, 0);
    ck_assert_int_gt(td_knob_get(st, "tapdeck.fault.no-checksum", v, sizeof v), 0);
    ck_assert_str_eq(v, "0");
    td_stack_free(st);
}
END_TEST

START_TEST(switched_one_by_one)
{
    struct td_stack *st = stack_make(true);
    char v[8];
    ck_assert_int_eq(td_knob_set(st, "tapdeck.fault.no-such", "1"), -ENOENT);
    ck_assert_int_eq(td_knob_set(st, "tapdeck.fault.no-checksum", "2"), -EINVAL);
    ck_assert_int_eq(td_knob_set(st, "tapdeck/fault/no-checksum", "1"), 0);
    ck_assert(FAULT_ON(st, NO_CHECKSUM));
    ck_assert(!FAULT_ON(st, PREDICTABLE_ISN));
    ck_assert_int_gt(td_knob_get(st, "tapdeck.fault.no-checksum", v, sizeof v), 0);
    ck_assert_str_eq(v, "1");
    ck_assert_int_eq(td_knob_set(st, "tapdeck.fault.predictable-isn", "1"), 0);
    ck_assert_int_eq(td_knob_set(st, "tapdeck.fault.no-checksum", "0"), 0);
    ck_assert(!FAULT_ON(st, NO_CHECKSUM));
    ck_assert(FAULT_ON(st, PREDICTABLE_ISN));
    td_stack_free(st);
}
END_TEST

START_TEST(secret_is_on_and_not_shown)
{
    struct td_stack *st = stack_make(false);
    char v[8];
    ck_assert_int_eq(td_fault_secret(st, FAULT_NO_KARN), -EPERM);
    td_stack_free(st);
    st = stack_make(true);
    uint64_t written = st->journal.next_seq;
    ck_assert_int_eq(td_fault_secret(st, FAULT_COUNT), -EINVAL);
    ck_assert_int_eq(td_fault_secret(st, FAULT_NO_KARN), 0);
    ck_assert(FAULT_ON(st, NO_KARN));
    ck_assert_uint_eq(st->journal.next_seq, written);
    ck_assert_int_gt(td_knob_get(st, "tapdeck.fault.no-karn", v, sizeof v), 0);
    ck_assert_str_eq(v, "0");
    for (unsigned i = 0; i < FAULT_COUNT; i++) { /* the same for all, the hidden one among them */
        char knob[64];
        snprintf(knob, sizeof knob, "tapdeck.fault.%s", fault_info[i].name);
        ck_assert_int_eq(td_knob_set(st, knob, "0"), -EBUSY);
        ck_assert_int_eq(td_knob_set(st, knob, "1"), -EBUSY);
    }
    ck_assert_uint_eq(st->faults, UINT64_C(1) << FAULT_NO_KARN);
    ck_assert_int_eq(td_fault_secret(st, -1), 0);
    ck_assert_uint_eq(st->faults, 0);
    ck_assert_int_eq(td_knob_set(st, "tapdeck.fault.no-paws", "1"), 0);
    ck_assert_int_eq(td_fault_secret(st, FAULT_NO_KARN), -EBUSY);
    td_stack_free(st);
}
END_TEST

static void see(void *ctx, const char *name, const char *rows, const char *symptom)
{
    unsigned *n = ctx;
    ck_assert_msg(name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name),
                  "%s is no name", name);
    ck_assert_msg(rows[0] != '\0', "%s breaks no row", name);
    ck_assert_msg(symptom[strlen(symptom) - 1] == '.', "the symptom of %s is no sentence", name);
    for (unsigned i = 0; i < *n; i++)
        ck_assert_str_ne(fault_info[i].name, name);
    ++*n;
}

START_TEST(catalogue_is_in_order)
{
    unsigned n = 0;
    td_fault_each(see, &n);
    ck_assert_uint_eq(n, FAULT_COUNT);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("faults");
    tcase_add_test(t, refused_unless_allowed);
    tcase_add_test(t, switched_one_by_one);
    tcase_add_test(t, secret_is_on_and_not_shown);
    tcase_add_test(t, catalogue_is_in_order);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
