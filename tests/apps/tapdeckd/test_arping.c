/* tests of apps/tapdeckd/cmd_arping.c: two hosts on a link. */
#include "twin.h"

#include <jansson.h>

#include "core/pkt.h"

static char mac_of_2[18]; /* as arping writes it */

static void open_link(void)
{
    twin_open(2);
    struct cmd *c = twin_start_as(1, "ip link show dev eth0", true);
    twin_wait(c, TD_SEC);
    json_t *j = json_loads(c->out.s, 0, NULL);
    const char *mac = json_string_value(json_object_get(json_array_get(j, 0), "address"));
    ck_assert_ptr_nonnull(mac);
    for (size_t i = 0; i < 18; i++)
        mac_of_2[i] = (char)(mac[i] >= 'a' ? mac[i] - 32 : mac[i]);
    json_decref(j);
}

static void close_link(void)
{
    twin_close();
}

START_TEST(an_answer)
{
    char want[200];
    struct cmd *c = twin_do(0, "arping -c 2 -I eth0 10.0.0.2", EXIT_DONE);
    snprintf(want, sizeof want, "ARPING 10.0.0.2 from 10.0.0.1 eth0\nUnicast reply from 10.0.0.2 [%s]  2.00", mac_of_2);
    ck_assert_msg(strncmp(c->out.s, want, strlen(want)) == 0, "%s", c->out.s);
    twin_says(&c->out, "ms\nSent 2 probes (1 broadcast(s))\nReceived 2 response(s)\n");
    td_time from = sim_now(twin.sim);
    c = twin_do(0, "arping -b -c 3 -i 0.2 10.0.0.2", EXIT_DONE);
    twin_says(&c->out, "Sent 3 probes (3 broadcast(s))\nReceived 3 response(s)\n");
    ck_assert_uint_lt(c->over_at - from, TD_SEC / 2);
    c = twin_do(0, "arping -f 10.0.0.2", EXIT_DONE);
    twin_says(&c->out, "Sent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n");
    c = twin_do(0, "arping -q -c 1 10.0.0.2", EXIT_DONE);
    ck_assert_str_eq(twin_text(&c->out), "");
}
END_TEST

START_TEST(no_answer)
{
    td_time from = sim_now(twin.sim);
    struct cmd *c = twin_do(0, "arping -c 2 10.0.0.77", EXIT_FAILED);
    ck_assert_str_eq(c->out.s, "ARPING 10.0.0.77 from 10.0.0.1 eth0\nSent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n");
    ck_assert_uint_eq(c->over_at - from, 2 * TD_SEC);
    from = sim_now(twin.sim);
    c = twin_do(0, "arping -w 2.5 10.0.0.77", EXIT_FAILED);
    twin_says(&c->out, "Sent 3 probes (3 broadcast(s))\n");
    ck_assert_uint_eq(c->over_at - from, 5 * TD_SEC / 2);
    c = twin_start(0, "arping 10.0.0.77");
    twin_run(10 * TD_SEC);
    run_interrupt(c->r);
    twin_wait(c, TD_SEC);
    ck_assert_int_eq(c->status, EXIT_FAILED);
    twin_says(&c->out, "Received 0 response(s)\n");
}
END_TEST

/* RFC 5227 2.1.1: the sender of a probe is 0.0.0.0, and who has the address answers. */
START_TEST(is_it_free)
{
    struct cmd *c = twin_do(0, "arping -D -c 2 10.0.0.2", EXIT_FAILED);
    twin_says(&c->out, "ARPING 10.0.0.2 from 0.0.0.0 eth0\nUnicast reply from 10.0.0.2 [");
    twin_says(&c->out, "Sent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n");
    c = twin_do(0, "arping -D -c 2 -w 3 10.0.0.77", EXIT_DONE);
    twin_says(&c->out, "Sent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n");
}
END_TEST

static struct {
    unsigned n;
    uint8_t b[60];
} left;

static void see(void *ctx, int dir, td_time now, const struct pkt *p)
{
    (void)ctx;
    (void)now;
    if (dir != 0)
        return;
    left.n++;
    ck_assert(pkt_read(p, 0, left.b, 60));
}

/* RFC 5227 3: sender and target are the address; a request or a reply, to everybody. */
START_TEST(announcements)
{
    sim_tap(twin.wire[0], see, NULL);
    struct cmd *c = twin_do(0, "arping -U -c 1 10.0.0.1", EXIT_DONE);
    ck_assert_str_eq(c->out.s, "ARPING 10.0.0.1 from 10.0.0.1 eth0\nSent 1 probes (1 broadcast(s))\nReceived 0 response(s)\n");
    twin_run(TD_SEC);
    ck_assert_uint_eq(left.n, 1);
    ck_assert_mem_eq(left.b, "\xff\xff\xff\xff\xff\xff", 6);
    ck_assert_mem_eq(left.b + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
    ck_assert_mem_eq(left.b + 22, left.b + 6, 6);
    ck_assert_mem_eq(left.b + 28, "\x0a\0\0\1\0\0\0\0\0\0\x0a\0\0\1", 14);
    twin_do(0, "arping -A -c 1 10.0.0.1", EXIT_DONE);
    twin_run(TD_SEC);
    ck_assert_uint_eq(left.n, 2);
    ck_assert_uint_eq(left.b[21], 2);
    ck_assert_mem_eq(left.b + 32, left.b + 6, 6); /* a reply has a target: ourselves */
}
END_TEST

START_TEST(json)
{
    struct cmd *c = twin_start_as(0, "arping -c 2 10.0.0.2", true);
    twin_wait(c, 10 * TD_SEC);
    json_t *j = json_loads(c->out.s, 0, NULL), *replies = json_object_get(j, "replies");
    ck_assert_msg(j != NULL, "%s", c->out.s);
    ck_assert_uint_eq(json_array_size(replies), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(replies, 0), "mac")), mac_of_2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(replies, 0), "op")), "reply");
    ck_assert_int_eq(json_integer_value(json_object_get(j, "broadcasts")), 1);
    ck_assert_str_eq(json_string_value(json_object_get(j, "ifname")), "eth0");
    json_decref(j);
}
END_TEST

START_TEST(an_interface_goes)
{
    twin_do(0, "ip link add d0 type dummy", EXIT_DONE);
    twin_do(0, "ip addr add 10.5.0.1/24 dev d0", EXIT_DONE);
    twin_do(0, "ip link set d0 up", EXIT_DONE);
    twin_run(10 * TD_SEC);
    struct cmd *c = twin_start(0, "arping 10.5.0.2");
    twin_says(&c->out, "from 10.5.0.1 d0\n");
    twin_run(2 * TD_SEC);
    twin_do(0, "ip link set d0 down", EXIT_DONE);
    twin_wait(c, 2 * TD_SEC);
    ck_assert_str_eq(c->err, "no question can be sent on d0: the interface is down");
    twin_do(0, "ip link set d0 up", EXIT_DONE);
    c = twin_start(0, "arping -I d0 10.5.0.2");
    twin_do(0, "ip link del d0", EXIT_DONE);
    twin_wait(c, 2 * TD_SEC);
    ck_assert_str_eq(c->err, "the interface d0 is gone");
}
END_TEST

START_TEST(refusals)
{
    twin_refused("arping", "whom?");
    twin_refused("arping host", "names are not looked up");
    twin_refused("arping 10.0.0.2 10.0.0.3", "a second address");
    twin_refused("arping -I eth9 10.0.0.2", "there is no interface 'eth9'");
    twin_refused("arping -I lo 127.0.0.1", "not ARPable");
    twin_refused("arping -s 10.9.9.9 10.0.0.2", "not one of this host's");
    twin_refused("arping -U 10.0.0.9", "not an address of this host");
    twin_refused("arping -D -A 10.0.0.1", "choose one");
    twin_refused("arping -c 0 10.0.0.2", "a number from 1");
    twin_refused("arping -i 0 10.0.0.2", "at least 0.01");
    twin_refused("arping -x 10.0.0.2", "no option -x");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("arping");
    TCase *t = tcase_create("arping");
    tcase_add_checked_fixture(t, open_link, close_link);
    tcase_add_test(t, an_answer);
    tcase_add_test(t, no_answer);
    tcase_add_test(t, is_it_free);
    tcase_add_test(t, announcements);
    tcase_add_test(t, json);
    tcase_add_test(t, an_interface_goes);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
