/* A long stream between two stacks: the sequence numbers come round, with timestamps and without. Every octet is
 * compared. 20 MB; WRAP_BYTES=10000000000 for the 10 GB that are meant (tests/README.md). */
#include "check_main.h"
#include "transfer.h"

#include <stdlib.h>

START_TEST(every_octet_arrives)
{
    const char *bytes = getenv("WRAP_BYTES");
    struct transfer_plan t = {.seed = 5, .mtu = 9000, .conns = 1, .no_timestamps = _i == 1};
    for (int way = 0; way < 2; way++) {
        t.way[way] = (struct td_netem){
            .rate = UINT64_C(10000000000), .delay = TD_MS, .limit = 10000, .seed = 10 + (uint64_t)way};
        t.conn[0].end[way] = (struct end_plan){.write = 65535, .read = 65535};
    }
    t.conn[0].ending = BOTH_HALF;
    t.conn[0].end[0].bytes = bytes != NULL ? strtoull(bytes, NULL, 10) : 20000000;
    struct transfer_result r;
    transfer_run(&t, &r);
    ck_assert_msg(r.fail[0] == '\0', "%s", r.fail);
    ck_assert_uint_eq(r.complete, 1);
    ck_assert_uint_eq(r.bytes, t.conn[0].end[0].bytes);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp wrap");
    TCase *tc = tcase_create("wrap");
    tcase_set_timeout(tc, 3600);
    tcase_add_loop_test(tc, every_octet_arrives, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
