/* tests of apps/tapdeckd/cmd_get.c: against the web server next door, and against canned answers. */
#include "twin.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/tapdeck-test-XXXXXX";

static void put(const char *name, size_t size)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < size; i++)
        fputc((int)(i * 7 ^ i >> 8) & 0xff, f);
    fclose(f);
}

static void open_site(void)
{
    char line[200];
    strcpy(dir, "/tmp/tapdeck-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    put("big", 600000);
    put("small", 10);
    snprintf(line, sizeof line, "%s/sub", dir);
    ck_assert_int_eq(mkdir(line, 0700), 0);
    twin_open(2);
    snprintf(line, sizeof line, "app start httpd -p 80 %s", dir);
    twin_do(1, line, EXIT_DONE);
}

static void close_site(void)
{
    char line[200];
    twin_close();
    snprintf(line, sizeof line, "rm -rf %s", dir);
    ck_assert_int_eq(system(line), 0);
}

/* A peer that sends these bytes to whoever connects, and closes. */
static struct cmd *canned(unsigned port, const char *answer)
{
    char line[64];
    snprintf(line, sizeof line, "nc -N -l %u", port);
    struct cmd *l = twin_start(1, line);
    twin_type(l, answer, strlen(answer), true);
    return l;
}

START_TEST(a_file)
{
    struct cmd *c = twin_do(0, "get http://10.0.0.2/big", EXIT_DONE);
    ck_assert_uint_eq(c->out.len, 600000);
    for (size_t i = 0; i < c->out.len; i++)
        if ((uint8_t)c->out.s[i] != (uint8_t)(i * 7 ^ i >> 8))
            ck_abort_msg("byte %zu differs", i);
    ck_assert_str_eq(twin_text(&c->notes), "");
    ck_assert_str_eq(c->err, "");
    c = twin_do(0, "get -r 2-4 10.0.0.2/small", EXIT_DONE);
    ck_assert_uint_eq(c->out.len, 3);
    ck_assert_mem_eq(c->out.s, "\x0e\x15\x1c", 3);
}
END_TEST

START_TEST(heads)
{
    struct cmd *c = twin_do(0, "get -I http://10.0.0.2/big", EXIT_DONE);
    ck_assert_int_eq(strncmp(c->out.s, "HTTP/1.1 200 OK\r\n", 17), 0);
    twin_says(&c->out, "Content-Length: 600000\r\n");
    ck_assert_str_eq(c->out.s + c->out.len - 4, "\r\n\r\n");
    c = twin_do(0, "get -i http://10.0.0.2/small", EXIT_DONE);
    ck_assert_int_eq(strncmp(c->out.s, "HTTP/1.1 200 OK\r\n", 17), 0);
    ck_assert_mem_eq(c->out.s + c->out.len - 10, "\0\x07\x0e\x15\x1c\x23\x2a\x31\x38\x3f", 10);
    c = twin_do(0, "get http://10.0.0.2/nothing", EXIT_DONE);
    twin_says(&c->out, "404");
    c = twin_do(0, "get -f http://10.0.0.2/nothing", EXIT_FAILED);
    ck_assert_str_eq(c->err, "the server answered 404 Not Found");
}
END_TEST

START_TEST(a_narrative)
{
    struct cmd *c = twin_do(0, "get -v -H X-Lab:7 http://10.0.0.2/small", EXIT_DONE);
    ck_assert_uint_eq(c->out.len, 10);
    twin_says(&c->notes, "* connecting to 10.0.0.2 port 80\n* connected from 10.0.0.1 port ");
    twin_says(&c->notes, "> GET /small HTTP/1.1\n> Host: 10.0.0.2\n> User-Agent: tapdeck/");
    twin_says(&c->notes, "> X-Lab:7\n> Connection: close\n>");
    twin_says(&c->notes, "< HTTP/1.1 200 OK\n");
    twin_says(&c->notes, "\n* TCP: round trip ");
    twin_says(&c->notes, "mss 1448, path MTU 1500");
    twin_says(&c->notes, ", 0 retransmitted; ");
    twin_says(&c->notes, "`why ");
    c = twin_do(0, "get -v -H host:x -H accept:y -H User-Agent:z 10.0.0.2/small", EXIT_DONE);
    twin_says(&c->notes, "HTTP/1.1\n> host:x\n> accept:y\n> User-Agent:z\n> Connection: close\n");
}
END_TEST

START_TEST(json)
{
    struct cmd *c = twin_start_as(0, "get 10.0.0.2/small", true);
    twin_wait(c, 10 * TD_SEC);
    json_t *j = json_loads(c->out.s, 0, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert_str_eq(json_string_value(json_object_get(j, "url")), "http://10.0.0.2/small");
    ck_assert_int_eq(json_integer_value(json_object_get(j, "status")), 200);
    ck_assert_int_eq(json_integer_value(json_object_get(j, "body_bytes")), 10);
    ck_assert_str_eq(json_string_value(json_object_get(j, "body_sha256")),
                     "18da5405f99aeda80989c4deefa592bf0bcb1088a546bbd6397e2d26e53e29fe");
    ck_assert_uint_gt(json_array_size(json_object_get(j, "headers")), 3);
    ck_assert(json_is_object(json_object_get(j, "tcp")) && json_is_object(json_object_get(j, "time_ms")));
    json_decref(j);
}
END_TEST

START_TEST(redirects)
{
    struct cmd *c = twin_do(0, "get -i 10.0.0.2/sub", EXIT_DONE);
    ck_assert_int_eq(strncmp(c->out.s, "HTTP/1.1 301 ", 13), 0);
    c = twin_do(0, "get -L -v 10.0.0.2/sub", EXIT_DONE);
    twin_says(&c->notes, "* redirected to http://10.0.0.2/sub/\n");
    twin_says(&c->out, "<html");
    canned(81, "HTTP/1.1 302 Found\r\nLocation: http://10.0.0.2/small\r\nContent-Length: 4\r\n\r\nbody");
    c = twin_do(0, "get -L 10.0.0.2:81", EXIT_DONE);
    ck_assert_uint_eq(c->out.len, 10);
    canned(82, "HTTP/1.1 302 Found\r\nLocation: https://10.0.0.2/\r\nContent-Length: 0\r\n\r\n");
    c = twin_do(0, "get -L 10.0.0.2:82", EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(c->err, "no TLS"));
    for (int i = 0; i <= 10; i++) {
        char answer[100], line[32];
        snprintf(answer, sizeof answer, "HTTP/1.1 302 x\r\nLocation: http://10.0.0.2:%d/\r\n\r\n", 101 + i);
        snprintf(line, sizeof line, "nc -N -l %d", 100 + i);
        struct cmd *l = twin_start(1, line);
        twin_type(l, answer, strlen(answer), true);
    }
    c = twin_do(0, "get -L 10.0.0.2:100", EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(c->err, "more than 10 redirects"));
}
END_TEST

START_TEST(canned_answers)
{
    canned(81, "HTTP/1.0 200 OK\r\n\r\nto the end");
    struct cmd *c = twin_do(0, "get -v 10.0.0.2:81", EXIT_DONE);
    ck_assert_str_eq(c->out.s, "to the end");
    twin_says(&c->notes, "* the body ends where the connection does\n");
    canned(82, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    c = twin_do(0, "get 10.0.0.2:82", EXIT_DONE);
    ck_assert_str_eq(c->out.s, "abcde");
    canned(83, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    c = twin_do(0, "get 10.0.0.2:83", EXIT_FAILED);
    ck_assert_str_eq(c->out.s, "abc");
    ck_assert_str_eq(c->err, "the connection ended after 3 of 10 bytes");
    canned(84, "220 mail.example ESMTP\r\n");
    c = twin_do(0, "get 10.0.0.2:84", EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(c->err, "status line"));
    canned(85, "");
    c = twin_do(0, "get 10.0.0.2:85", EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(c->err, "without an answer"));
    /* Nothing of what a peer sends reaches a terminal as more than text in the narrative. */
    canned(86, "HTTP/1.1 200 \xc2\x9b\xe9\r\nContent-Length: 0\r\n\r\n");
    c = twin_do(0, "get -v 10.0.0.2:86", EXIT_DONE);
    twin_says(&c->notes, "< HTTP/1.1 200 ???\n");
}
END_TEST

START_TEST(failures)
{
    struct cmd *c = twin_do(0, "get 10.0.0.2:9", EXIT_FAILED);
    ck_assert_str_eq(c->err, "no connection to 10.0.0.2 port 9: Connection refused");
    c = twin_do(0, "get 10.0.0.77", EXIT_FAILED);
    ck_assert_str_eq(c->err, "no connection to 10.0.0.77 port 80: the host is unreachable");
    c = twin_do(0, "get 192.0.2.1", EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(c->err, "no route leads there"));
    /* A server that is silent. */
    twin_start(1, "nc -l 81");
    td_time from = sim_now(twin.sim);
    c = twin_do(0, "get -m 2.5 10.0.0.2:81", EXIT_FAILED);
    ck_assert_str_eq(c->err, "the time of -m is over: the answer wasn't complete, 0 bytes of the body had come");
    ck_assert_uint_eq(c->over_at - from, 2500 * TD_MS);
    twin_do(1, "iptables -A INPUT -p tcp --dport 82 -j DROP", EXIT_DONE);
    c = twin_do(0, "get -m 1 10.0.0.2:82", EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(c->err, "there was no connection yet"));
    c = twin_do(0, "get 10.0.0.2:82", EXIT_FAILED);
    ck_assert_str_eq(c->err, "no connection to 10.0.0.2 port 82: Connection timed out");
}
END_TEST

/* Its reader stops: the window closes; then it goes on. Who goes leaves no socket. */
START_TEST(slow_and_gone)
{
    struct cmd *c = twin_start(0, "get 10.0.0.2/big");
    c->stopped = true;
    twin_run(30 * TD_SEC);
    ck_assert_uint_lt(c->r->out.len, 2 * RUN_OUT_HIGH);
    c->stopped = false;
    twin_wait(c, 100 * TD_SEC);
    ck_assert_uint_eq(c->out.len, 600000);
    c = twin_start(0, "get 10.0.0.2/big");
    c->stopped = true;
    twin_run(TD_SEC);
    twin_forget(c);
    c = twin_start(0, "get 10.0.0.2/big");
    run_interrupt(c->r);
    twin_wait(c, TD_SEC);
    ck_assert_int_eq(c->status, EXIT_FAILED);
    twin_forget(c);
    twin_run(200 * TD_SEC);
    c = twin_do(0, "ss -tanH", EXIT_DONE);
    ck_assert_str_eq(twin_text(&c->out), "");
}
END_TEST

START_TEST(refusals)
{
    twin_refused("get", "what?");
    twin_refused("get https://10.0.0.2/", "no TLS");
    twin_refused("get http://example.com/", "no name service");
    twin_refused("get 10.0.0.2 10.0.0.3", "second URL");
    twin_refused("get -x 10.0.0.2", "no option -x");
    twin_refused("get -m 0 10.0.0.2", "doesn't fit -m");
    twin_refused("get -r abc 10.0.0.2", "doesn't fit -r");
    twin_refused("get -r 5 10.0.0.2", "doesn't fit -r");
    twin_refused("get -H nonsense 10.0.0.2", "doesn't fit -H");
    twin_refused("get -o f 10.0.0.2", "tapdeck get");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("get");
    TCase *t = tcase_create("get");
    tcase_add_checked_fixture(t, open_site, close_site);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_file);
    tcase_add_test(t, heads);
    tcase_add_test(t, a_narrative);
    tcase_add_test(t, json);
    tcase_add_test(t, redirects);
    tcase_add_test(t, canned_answers);
    tcase_add_test(t, failures);
    tcase_add_test(t, slow_and_gone);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
