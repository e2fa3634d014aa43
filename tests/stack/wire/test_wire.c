/* wire/wire.c and the readers and writers of wire.h. */
#include "common/check_main.h"
#include "common/prng.h"
#include "wire/wire.h"

START_TEST(every_status_has_a_name_of_its_own)
{
    for (int s = WIRE_OK; s <= WIRE_BAD_TYPE; s++) {
        ck_assert_str_ne(wire_status_name((enum wire_status)s), "unknown");
        for (int other = WIRE_OK; other < s; other++) {
            ck_assert_str_ne(wire_status_name((enum wire_status)s),
                             wire_status_name((enum wire_status)other));
        }
    }
    ck_assert_str_eq(wire_status_name((enum wire_status)(WIRE_BAD_TYPE + 1)), "unknown");
}
END_TEST

START_TEST(network_order)
{
    uint8_t b[4];
    wire_put32(b, 0x01020304);
    ck_assert_mem_eq(b, ((const uint8_t[]){1, 2, 3, 4}), 4);
    ck_assert_uint_eq(wire_get32(b), 0x01020304);
    ck_assert_uint_eq(wire_get16(b + 1), 0x0203);
    wire_put16(b, 0xfffe);
    ck_assert_mem_eq(b, ((const uint8_t[]){0xff, 0xfe, 3, 4}), 4);
    wire_put32(b, 0xfffefdfc);
    ck_assert_uint_eq(wire_get32(b), 0xfffefdfc); /* no sign creeps in */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wire");
    TCase *c = tcase_create("wire");
    tcase_add_test(c, every_status_has_a_name_of_its_own);
    tcase_add_test(c, network_order);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
