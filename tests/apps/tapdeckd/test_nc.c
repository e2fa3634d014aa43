/* tests of apps/tapdeckd/cmd_nc.c: two hosts talk, in virtual time. */
#include "twin.h"

#include <jansson.h>

START_TEST(both_directions)
{
    twin_open(2);
    struct cmd *l = twin_start(1, "nc -v -l 5000"), *c = twin_start(0, "nc -v -N 10.0.0.2 5000");
    twin_type(l, "answer\n", 7, true);
    twin_type(c, "request\n", 8, true);
    twin_wait(l, 10 * TD_SEC);
    ck_assert_str_eq(twin_text(&l->out), "request\n");
    ck_assert_int_eq(l->status, EXIT_DONE);
    twin_says(&l->notes, "Listening on 0.0.0.0 5000\nConnection received on 10.0.0.1 ");
    twin_wait(c, 10 * TD_SEC);
    ck_assert_str_eq(twin_text(&c->out), "answer\n");
    ck_assert_int_eq(c->status, EXIT_DONE);
    ck_assert_str_eq(c->notes.s, "Connection to 10.0.0.2 5000 port [tcp/*] succeeded!\n");
    twin_close();
}
END_TEST

/* Two megabytes that are no text, each way at once. */
START_TEST(bulk_is_exact)
{
    const size_t size = 2000000;
    twin_open(2);
    char *up = malloc(size), *down = malloc(size);
    for (size_t i = 0; i < size; i++) {
        up[i] = (char)(i * 31 ^ i >> 9);
        down[i] = (char)(i * 17 ^ i >> 7);
    }
    struct cmd *l = twin_start(1, "nc -l -N 5000"), *c = twin_start(0, "nc -N 10.0.0.2 5000");
    twin_type(c, up, size, true);
    twin_type(l, down, size, true);
    twin_wait(l, 100 * TD_SEC);
    twin_wait(c, 100 * TD_SEC);
    ck_assert_uint_eq(l->out.len, size);
    ck_assert_uint_eq(c->out.len, size);
    ck_assert(memcmp(l->out.s, up, size) == 0);
    ck_assert(memcmp(c->out.s, down, size) == 0);
    free(up);
    free(down);
    twin_close();
}
END_TEST

/* A reader that stops: what waits is bounded on the whole way, and nothing is lost when it goes on. */
START_TEST(backpressure)
{
    const size_t size = 4000000;
    twin_open(2);
    ck_assert_int_eq(td_knob_set(twin.st[1], "net.ipv4.tcp_rmem", "4096 16384 65536"), 0);
    char *up = malloc(size);
    memset(up, 'u', size);
    struct cmd *l = twin_start(1, "nc -l 5000"), *c = twin_start(0, "nc -N 10.0.0.2 5000");
    l->stopped = true;
    twin_type(c, up, size, true);
    twin_run(100 * TD_SEC);
    ck_assert_uint_gt(c->in.len, size / 4); /* the rest is still with the one who types */
    ck_assert_uint_ge(l->r->out.len, RUN_OUT_HIGH);
    l->stopped = false;
    twin_wait(l, 100 * TD_SEC);
    ck_assert_uint_eq(l->out.len, size);
    free(up);
    twin_close();
}
END_TEST

START_TEST(keeps_listening)
{
    twin_open(2);
    struct cmd *l = twin_start(1, "nc -k -l -p 5000");
    for (int i = 0; i < 3; i++) {
        struct cmd *c = twin_start(0, "nc -q 0 10.0.0.2 5000");
        twin_type(c, "x", 1, true);
        twin_wait(c, 10 * TD_SEC);
        ck_assert_int_eq(c->status, EXIT_DONE);
        twin_run(TD_SEC);
    }
    ck_assert_str_eq(twin_text(&l->out), "xxx");
    ck_assert(!l->over);
    run_interrupt(l->r);
    twin_wait(l, TD_SEC);
    twin_forget(l);
    /* Its socket went with it. */
    struct cmd *c = twin_do(0, "nc 10.0.0.2 5000", EXIT_FAILED);
    ck_assert_str_eq(c->notes.s, "nc: connect to 10.0.0.2 port 5000 (tcp) failed: Connection refused\n");
    twin_close();
}
END_TEST

/* Without -k one connection is taken; the next is refused. */
START_TEST(listens_once)
{
    twin_open(2);
    struct cmd *l = twin_start(1, "nc -l 10.0.0.2 5000"), *c = twin_start(0, "nc 10.0.0.2 5000");
    twin_run(TD_SEC);
    twin_do(0, "nc 10.0.0.2 5000", EXIT_FAILED);
    run_interrupt(c->r);
    ck_assert_int_eq(c->r->status, EXIT_FAILED);
    twin_forget(c); /* as its client's end does */
    twin_wait(l, 10 * TD_SEC);
    ck_assert_int_eq(l->status, EXIT_DONE);
    twin_close();
}
END_TEST

/* Each host has a socket table; all of nc's are gone when nobody runs it. */
START_TEST(cleans_up)
{
    twin_open(2);
    struct cmd *l = twin_start(1, "nc -l 5000"), *u = twin_start(1, "nc -lu 5001"), *c = twin_start(0, "nc 10.0.0.2 5000");
    twin_run(TD_SEC);
    twin_forget(l);
    twin_forget(u);
    twin_forget(c);
    twin_run(200 * TD_SEC);
    for (int i = 0; i < 2; i++) {
        struct cmd *s = twin_do((unsigned)i, "ss -tuanH", EXIT_DONE);
        ck_assert_str_eq(twin_text(&s->out), "");
    }
    twin_close();
}
END_TEST

START_TEST(scans)
{
    twin_open(2);
    twin_start(1, "nc -k -l 80");
    twin_start(1, "nc -k -l 82");
    struct cmd *c = twin_do(0, "nc -zv 10.0.0.2 79-81 82", EXIT_DONE);
    ck_assert_str_eq(c->notes.s, "nc: connect to 10.0.0.2 port 79 (tcp) failed: Connection refused\n"
                                 "Connection to 10.0.0.2 80 port [tcp/*] succeeded!\n"
                                 "nc: connect to 10.0.0.2 port 81 (tcp) failed: Connection refused\n"
                                 "Connection to 10.0.0.2 82 port [tcp/*] succeeded!\n");
    twin_do(0, "nc -z 10.0.0.2 82 81", EXIT_DONE); /* one of them is enough */
    c = twin_do(0, "nc -z 10.0.0.2 81", EXIT_FAILED);
    ck_assert_str_eq(twin_text(&c->notes), "");
    c = twin_start_as(0, "nc -z 10.0.0.2 80-81", true);
    twin_wait(c, 10 * TD_SEC);
    json_t *j = json_loads(c->out.s, 0, NULL);
    ck_assert_uint_eq(json_array_size(j), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(j, 0), "state")), "open");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(j, 1), "state")), "closed");
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(j, 1), "port")), 81);
    json_decref(j);
    twin_close();
}
END_TEST

START_TEST(udp)
{
    twin_open(2);
    struct cmd *l = twin_start(1, "nc -v -lu 5001"), *c = twin_start(0, "nc -u -w 2 10.0.0.2 5001");
    twin_type(c, "ping", 4, false);
    twin_run(TD_SEC);
    ck_assert_str_eq(twin_text(&l->out), "ping");
    twin_type(l, "pong", 4, false);
    twin_wait(c, 10 * TD_SEC);
    ck_assert_str_eq(twin_text(&c->out), "pong");
    ck_assert_int_eq(c->status, EXIT_DONE);
    twin_says(&l->notes, "Bound on 0.0.0.0 5001\nConnection received on 10.0.0.1 ");
    /* Nobody there: an ICMP message says so. */
    c = twin_start(0, "nc -u 10.0.0.2 5009");
    twin_type(c, "x", 1, false);
    twin_wait(c, 10 * TD_SEC);
    ck_assert_int_eq(c->status, EXIT_FAILED);
    twin_says(&c->notes, "refused");
    twin_start(1, "nc -k -lu 5002");
    c = twin_do(0, "nc -zuv 10.0.0.2 5002", EXIT_DONE);
    ck_assert_str_eq(c->notes.s, "Connection to 10.0.0.2 5002 port [udp/*] succeeded!\n");
    c = twin_do(0, "nc -zuv 10.0.0.2 5010", EXIT_FAILED);
    twin_says(&c->notes, "(udp) failed: Connection refused");
    twin_close();
}
END_TEST

START_TEST(failures)
{
    twin_open(2);
    struct cmd *c = twin_do(0, "nc 192.0.2.1 80", EXIT_FAILED);
    ck_assert_str_eq(c->notes.s, "nc: connect to 192.0.2.1 port 80 (tcp) failed: Network is unreachable\n");
    c = twin_do(0, "nc 10.0.0.77 80", EXIT_FAILED);
    ck_assert_str_eq(c->notes.s, "nc: connect to 10.0.0.77 port 80 (tcp) failed: No route to host\n");
    /* A host that says nothing. */
    twin_do(1, "iptables -A INPUT -p tcp --dport 81 -j DROP", EXIT_DONE);
    td_time from = sim_now(twin.sim);
    c = twin_do(0, "nc -w 2 10.0.0.2 81", EXIT_FAILED);
    ck_assert_str_eq(c->notes.s, "nc: connect to 10.0.0.2 port 81 (tcp) timed out: Operation now in progress\n");
    ck_assert_uint_eq(c->over_at - from, 2 * TD_SEC);
    c = twin_do(0, "nc 10.0.0.2 81", EXIT_FAILED);
    twin_says(&c->notes, "failed: Connection timed out");
    c = twin_do(0, "nc -s 10.9.9.9 10.0.0.2 80", EXIT_FAILED);
    ck_assert_msg(strstr(c->err, "no such address") != NULL, "%s", c->err);
    twin_start(1, "nc -l 82");
    c = twin_do(1, "nc -l 82", EXIT_FAILED);
    ck_assert_str_eq(c->err, "can't listen on 0.0.0.0 port 82 (tcp): the port is in use");
    twin_close();
}
END_TEST

/* -w without traffic, -q after the input's end, a reset, -p, -C. */
START_TEST(ends)
{
    twin_open(2);
    struct cmd *l = twin_start(1, "nc -l 5000"), *c = twin_start(0, "nc -w 3 -p 1234 10.0.0.2 5000");
    td_time from = sim_now(twin.sim);
    twin_type(c, "a", 1, false);
    twin_wait(c, 10 * TD_SEC);
    ck_assert_int_eq(c->status, EXIT_DONE);
    ck_assert_uint_ge(c->over_at - from, 3 * TD_SEC);
    ck_assert_uint_lt(c->over_at - from, 4 * TD_SEC);
    twin_wait(l, 10 * TD_SEC);
    l = twin_start(1, "nc -v -l 5000");
    c = twin_start(0, "nc -C -N -p 4321 10.0.0.2 5000");
    twin_type(c, "a\nb\r\n\n", 6, true);
    twin_wait(c, 10 * TD_SEC);
    twin_wait(l, 10 * TD_SEC);
    ck_assert_str_eq(twin_text(&l->out), "a\r\nb\r\n\r\n");
    twin_says(&l->notes, "received on 10.0.0.1 4321\n");
    from = sim_now(twin.sim);
    c = twin_start(0, "nc -u -q 2 10.0.0.2 5000");
    twin_type(c, "", 0, true);
    twin_wait(c, 10 * TD_SEC);
    ck_assert_uint_eq(c->over_at - from, 2 * TD_SEC);
    l = twin_start(1, "nc -l 5000");
    c = twin_start(0, "nc 10.0.0.2 5000");
    static char much[300000];
    twin_type(c, much, sizeof much, false);
    l->stopped = true;
    twin_run(TD_SEC);
    twin_forget(l); /* with data unread */
    twin_wait(c, 10 * TD_SEC);
    ck_assert_int_eq(c->status, EXIT_FAILED);
    twin_says(&c->notes, "Connection reset by peer\n");
    twin_close();
}
END_TEST

START_TEST(refusals)
{
    twin_open(2);
    twin_refused("nc", "to whom?");
    twin_refused("nc 10.0.0.2", "the port is missing");
    twin_refused("nc -l", "the port is missing");
    twin_refused("nc localhost 80", "names are not looked up");
    twin_refused("nc 10.0.0.2 http", "'http' is not a port");
    twin_refused("nc 10.0.0.2 0", "'0' is not a port");
    twin_refused("nc 10.0.0.2 1-99999", "is not a port");
    twin_refused("nc -l 1-3", "one port at a time");
    twin_refused("nc -l -z 5", "choose one");
    twin_refused("nc -k 10.0.0.2 5", "-k goes with -l");
    twin_refused("nc -j 10.0.0.2 5", "-j goes with -z");
    twin_refused("nc -w x 10.0.0.2 5", "'x' doesn't fit -w");
    twin_refused("nc -x 10.0.0.2 5", "no option -x");
    twin_refused("nc 10.0.0.2 5 -p", "-p needs a value");
    twin_refused("nc -M 0 10.0.0.2 5", "1 to 255");
    twin_refused("nc 10.0.0.2 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", "at most 16");
    twin_close();
}
END_TEST

/* In a world of virtual time, time passes while a command waits for a time: also one that waits for a peer. */
START_TEST(waits_with_an_end)
{
    twin_open(2);
    struct cmd *l = twin_start(1, "nc -l 5000"), *c;
    twin_run(TD_SEC);
    ck_assert_uint_ne(l->r->wake, TD_NEVER);
    c = twin_start(0, "nc 10.0.0.2 5000");
    twin_run(TD_SEC);
    ck_assert_uint_ne(c->r->wake, TD_NEVER);
    ck_assert_uint_ne(l->r->wake, TD_NEVER);
    c = twin_start(0, "get 10.0.0.77");
    twin_run(TD_MS);
    ck_assert(!c->over && c->r->wake != TD_NEVER);
    twin_close();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("nc");
    TCase *t = tcase_create("nc");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, both_directions);
    tcase_add_test(t, bulk_is_exact);
    tcase_add_test(t, backpressure);
    tcase_add_test(t, keeps_listening);
    tcase_add_test(t, listens_once);
    tcase_add_test(t, cleans_up);
    tcase_add_test(t, scans);
    tcase_add_test(t, udp);
    tcase_add_test(t, failures);
    tcase_add_test(t, ends);
    tcase_add_test(t, waits_with_an_end);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
