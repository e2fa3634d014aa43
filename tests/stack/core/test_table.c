/* Tables: the registry, rows, and values as text. */
#include "check_main.h"
#include "core/stack.h"

#include <string.h>

static struct td_stack *st;
static struct row row;

static void setup(void)
{
    st = calloc(1, sizeof *st);
    row_clear(&row);
}

static void teardown(void)
{
    free(st);
}

START_TEST(tables_are_found_by_name_and_listed_in_order)
{
    struct table a = {.name = "a"}, b = {.name = "b"};
    ck_assert_ptr_null(table_find(st, "a"));
    table_register(st, &a);
    table_register(st, &b);
    ck_assert_ptr_eq(table_find(st, "a"), &a);
    ck_assert_ptr_eq(table_find(st, "b"), &b);
    ck_assert_ptr_null(table_find(st, "c"));
    ck_assert_ptr_eq(st->tables, &a);
    ck_assert_ptr_eq(a.link, &b);
    ck_assert_ptr_null(b.link);
}
END_TEST

static void is(unsigned col, const char *text)
{
    char got[64];
    ck_assert_uint_eq(value_format(&row.v[col], got, sizeof got), strlen(text));
    ck_assert_str_eq(got, text);
}

START_TEST(values_as_text)
{
    row_u64(&row, 0, UINT64_MAX);
    row_i64(&row, 1, -5);
    row_bool(&row, 2, true);
    row_ip4(&row, 3, TD_IP4(10, 0, 255, 1));
    row_prefix(&row, 4, TD_IP4(192, 0, 2, 0), 24);
    row_mac(&row, 5, (struct td_mac){{2, 0, 0xab, 0, 0, 0xff}});
    row_ns(&row, 6, 1500 * TD_MS + 999);
    row_str(&row, 7, "copied");
    row_word(&row, 8, "static");
    row.v[9] = (struct value){.type = VAL_HEX, .u = 0x800};
    row_bool(&row, 10, false);
    is(0, "18446744073709551615");
    is(1, "-5");
    is(2, "true");
    is(3, "10.0.255.1");
    is(4, "192.0.2.0/24");
    is(5, "02:00:ab:00:00:ff");
    is(6, "1.500s");
    is(7, "copied");
    is(8, "static");
    is(9, "0x800");
    is(10, "false");
    is(11, ""); /* no value in this row */
}
END_TEST

START_TEST(text_never_leaves_its_buffer)
{
    row_mac(&row, 0, (struct td_mac){{1, 2, 3, 4, 5, 6}});
    for (size_t size = 1; size < 20; size++) {
        char got[24];
        memset(got, '#', sizeof got);
        size_t n = value_format(&row.v[0], got, size);
        ck_assert_uint_eq(n, strlen(got));
        ck_assert_uint_lt(n, size);
        ck_assert_int_eq(got[size], '#');
    }
    ck_assert_uint_eq(value_format(&row.v[0], NULL, 0), 0);
}
END_TEST

START_TEST(a_row_has_room_for_so_much_text)
{
    char longer[400];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    row_str(&row, 0, longer);
    row_str(&row, 1, longer); /* cut */
    row_str(&row, 2, "none left");
    ck_assert_str_eq(row.v[0].s, longer);
    ck_assert_uint_eq(strlen(row.v[1].s), sizeof row.text - sizeof longer - 1);
    ck_assert_int_eq(row.v[2].type, VAL_NONE);
    row_clear(&row);
    ck_assert_int_eq(row.v[0].type, VAL_NONE);
    row_str(&row, 2, "again");
    ck_assert_str_eq(row.v[2].s, "again");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("table");
    TCase *t = tcase_create("table");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, tables_are_found_by_name_and_listed_in_order);
    tcase_add_test(t, values_as_text);
    tcase_add_test(t, text_never_leaves_its_buffer);
    tcase_add_test(t, a_row_has_room_for_so_much_text);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
