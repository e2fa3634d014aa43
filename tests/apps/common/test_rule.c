/* Addressed impairments as people say them: what each sentence means, and what is refused with a sentence. And
 * filter expressions: what is compiled, and that no name is looked up.
 */
#include "check_main.h"
#include "common/filter.h"
#include "common/rule.h"
#include "common/text.h"
#include "core/bpf.h"

#include <string.h>

static struct td_impair r;
static char msg[768];

static bool says(const char *text)
{
    char **argv;
    int argc = words_split(text, &argv, msg, sizeof msg);

    ck_assert_int_ge(argc, 0);
    bool good = parse_rule(argc, argv, &r, msg, sizeof msg);
    words_free(argv);
    return good;
}

static const struct td_impair *reads(const char *text)
{
    ck_assert_msg(says(text), "%s: %s", text, msg);
    ck_assert_msg(r.match_len == 0 || bpf_valid(r.code, r.match_len), "%s", text);
    ck_assert_msg(r.until_len == 0 || bpf_valid(r.code + r.match_len, r.until_len), "%s", text);
    return &r;
}

static void refuses(const char *text, const char *with)
{
    struct td_impair before = r;

    ck_assert_msg(!says(text), "%s was taken", text);
    ck_assert_msg(strstr(msg, with) != NULL, "%s: %s", text, msg);
    ck_assert_mem_eq(&before, &r, sizeof r);
}

START_TEST(sentences)
{
    reads("drop the 3rd segment with data matching 'tcp dst port 80'");
    ck_assert_int_eq(r.action, TD_IMPAIR_DROP);
    ck_assert_uint_eq(r.from, 3);
    ck_assert_uint_eq(r.to, 3);
    ck_assert_uint_eq(r.kinds, TD_KIND_TCP | TD_KIND_DATA);
    ck_assert_uint_gt(r.match_len, 3);
    ck_assert_str_eq(r.text, "drop the 3rd segment with data matching 'tcp dst port 80'");
    struct td_impair said = r;
    reads("drop nth 3 match 'tcp dst port 80' tcp with-data");
    ck_assert_uint_eq(r.kinds, said.kinds);
    ck_assert_uint_eq(r.from, said.from);
    ck_assert_mem_eq(r.code, said.code, sizeof r.code);

    reads("delay the 2nd SYN-ACK by 1 s");
    ck_assert_int_eq(r.action, TD_IMPAIR_DELAY);
    ck_assert_uint_eq(r.time, TD_SEC);
    ck_assert_uint_eq(r.kinds, TD_KIND_SYN_ACK);
    reads("delay 1500ms the second syn-ack");
    ck_assert_uint_eq(r.time, 1500 * TD_MS);
    ck_assert_uint_eq(r.from, 2);
    reads("delay all fins by 2 seconds");
    ck_assert_uint_eq(r.time, 2 * TD_SEC);
    ck_assert_uint_eq(r.to, UINT32_MAX);

    reads("duplicate the 1st ack");
    ck_assert_uint_eq(r.copies, 1);
    reads("duplicate 3 times nth 2-4 udp");
    ck_assert_uint_eq(r.copies, 3);
    ck_assert_uint_eq(r.from, 2);
    ck_assert_uint_eq(r.to, 4);
    reads("corrupt every 10th datagram bit 96 seed 4");
    ck_assert_uint_eq(r.bit, 96);
    ck_assert_uint_eq(r.step, 10);
    ck_assert_uint_eq(r.seed, 4);
    reads("mark from 5 data");
    ck_assert_uint_eq(r.from, 5);

    reads("hold the 1st data until the 3rd data match 'tcp port 80' has passed for 2s");
    ck_assert(r.until);
    ck_assert_uint_eq(r.until_count, 3);
    ck_assert_uint_eq(r.until_kinds, TD_KIND_DATA);
    ck_assert_uint_eq(r.match_len, 0);
    ck_assert_uint_gt(r.until_len, 0);
    ck_assert_uint_eq(r.time, 2 * TD_SEC);
    reads("hold first 2 fragments");
    ck_assert(!r.until);
    ck_assert_uint_eq(r.time, TD_NEVER);
}
END_TEST

START_TEST(refused)
{
    reads("drop all");
    refuses("", "''");
    refuses("loose the 3rd segment", "'loose'");
    refuses("drop the 3rd sandwich", "'sandwich'");
    refuses("drop the 0th segment", "'0th'");
    refuses("drop the 3rd first segment", "second time");
    refuses("drop nth 5-3 tcp", "'nth'");
    refuses("drop every tcp", "'every'");
    refuses("drop tcp matching", "needs a filter expression");
    refuses("drop tcp matching 'tcp dst prt 80'", "'prt'");
    refuses("drop tcp matching 'tcp port and'", "not a filter expression");
    refuses("delay the 2nd syn-ack", "by how much");
    refuses("delay the 2nd syn-ack by 1", "unit");
    refuses("delay the 2nd syn-ack by soon", "'soon'");
    refuses("delay the 2nd syn-ack by 0s", "'0s'");
    refuses("drop the 2nd syn-ack by 1s", "'by'");
    refuses("hold the 1st data until", "until which");
    refuses("hold the 1st data until first 3 ack", "about one frame");
    refuses("hold the 1st data until ack until fin", "'until'");
    refuses("corrupt the 1st data bit high", "'bit'");
    char text[400] = "drop matching '";
    for (int i = 0; i < 30; i++)
        strcat(text, "udp or   ");
    strcat(text, "tcp'");
    refuses(text, "too long");
}
END_TEST

START_TEST(filters)
{
    static const char *const good[] = {"tcp dst port http", "tcp[tcpflags] & tcp-syn != 0", "ether host 0a:00:00:00:00:01",
                                       "ip proto 89", "", "not (src net 10.0.0.0/8 or vlan)", "icmp[icmptype] == icmp-unreach",
                                       "ip6 host fe80::1", "udp portrange 1-1023 and less 100"};
    static const char *const names[] = {"host www.example.com", "src localhost", "net loopback", "example and tcp"};
    struct td_bpf_insn code[TD_IMPAIR_CODE];
    uint32_t len;

    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(filter_compile(good[i], code, TD_IMPAIR_CODE, &len, msg, sizeof msg), "%s: %s", good[i], msg);
        ck_assert(bpf_valid(code, len));
    }
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert(!filter_compile(names[i], code, TD_IMPAIR_CODE, &len, msg, sizeof msg));
        ck_assert_msg(strstr(msg, "aren't looked up") != NULL, "%s", msg);
    }
    ck_assert(!filter_compile("host 10.0.0.1", code, 3, &len, msg, sizeof msg));
    ck_assert_ptr_nonnull(strstr(msg, "too long"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rule words");
    TCase *t = tcase_create("rule words");

    tcase_add_test(t, sentences);
    tcase_add_test(t, refused);
    tcase_add_test(t, filters);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
