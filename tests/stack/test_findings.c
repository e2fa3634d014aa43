/* What the fuzzers found: each finding as the shortest conversation that shows it. The layer's own
 * tests say what is right; these say what once was wrong. */
#include "common/check_main.h"
#include "common/harness.h"

#include "core/stack.h"
#include "wire/checksum.h"

/* shows: 792-07 */
START_TEST(echo_reply_of_zeros)
{
    /* Identifier 0, sequence 0, no data: the reply is zero but for its checksum, which must then be
     * ffff. An incremental update (RFC 1624) alone arrives at the other zero. */
    struct hx *h = hx_new();
    icmp_in(h, 0, .type = ICMP_ECHO);
    icmp_out(h, 0, .type = ICMP_ECHO_REPLY);
    ck_assert_uint_eq(h->got.icmp.csum, 0xffff);
    hx_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("findings");
    TCase *c = tcase_create("findings");
    tcase_add_test(c, echo_reply_of_zeros);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
