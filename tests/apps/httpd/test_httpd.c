/* The web server over two stacks and a wire, in virtual time: httpd/httpd.c. */
#include "check_main.h"
#include "core/pkt.h"
#include "wire/wire.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BIG 3000000U

static char dir[PATH_MAX];
static struct world *w;
static char *big;

static void put(const char *name, const void *bytes, size_t n)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/test_httpd.XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 31 + i / 251);
    put("hello", "hello, world\n", 13);
    put("big", big, BIG);
    w = world_new();
}

static void teardown(void)
{
    char command[PATH_MAX + 32];
    world_free(w);
    free(big);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static void serve(void)
{
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", dir, NULL), 0);
}

static const char *body(const struct client *c)
{
    const char *end = memmem(c->in.s, c->in.len, "\r\n\r\n", 4);
    ck_assert_ptr_nonnull(end);
    return end + 4;
}

START_TEST(test_get)
{
    serve();
    struct client *c = world_connect(w, 80);
    client_say(c, "GET /hello HTTP/1.0\r\n\r\n");
    ck_assert(world_until_eof(c, 5 * TD_SEC));
    ck_assert(client_got(c, "HTTP/1.1 200 OK\r\n"));
    ck_assert(client_got(c, "Date: Tue, 14 Nov 2023 22:13:"));
    ck_assert_str_eq(body(c), "hello, world\n");
    /* Its FIN came with its last bytes, not after a time-out. */
    ck_assert_uint_lt(c->eof_at - c->first_at, 100 * TD_MS);
}
END_TEST

START_TEST(test_keep_alive)
{
    serve();
    struct client *c = world_connect(w, 80);
    for (int i = 0; i < 5; i++) {
        text_consume(&c->in, c->in.len);
        client_say(c, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
        td_time before = sim_now(w->sim);
        world_run(w, 100 * TD_MS);
        ck_assert_str_eq(body(c), "hello, world\n");
        c->first_at = before;
    }
    ck_assert(!c->eof);
    ck_assert_str_eq(strstr(world_status(w), " 1 conn"), " 1 connections, 5 requests");
}
END_TEST

static void check_big(const struct client *c)
{
    ck_assert_uint_eq(c->in.len - (size_t)(body(c) - c->in.s), BIG);
    ck_assert_mem_eq(body(c), big, BIG);
}

START_TEST(test_big_file)
{
    serve();
    struct client *c = world_connect(w, 80);
    client_say(c, "GET /big HTTP/1.0\r\n\r\n");
    ck_assert(world_until_eof(c, 30 * TD_SEC));
    check_big(c);
}
END_TEST

START_TEST(test_big_file_slow_reader)
{
    serve();
    struct client *c = world_connect(w, 80);
    c->take = 0;
    client_say(c, "GET /big HTTP/1.0\r\n\r\n");
    for (size_t taken = 0; !c->eof && taken < 2 * BIG; taken += 50000) {
        client_take(c, taken);
        world_run(w, 100 * TD_MS);
    }
    ck_assert(c->eof);
    check_big(c);
}
END_TEST

START_TEST(test_big_file_over_a_bad_wire)
{
    const struct td_netem bad = {.delay = 5 * TD_MS,
                                 .jitter = 2 * TD_MS,
                                 .loss = td_percent(2),
                                 .duplicate = td_percent(1),
                                 .corrupt = td_percent(1),
                                 .limit = 10000,
                                 .seed = (uint64_t)_i};
    serve();
    sim_impair(w->wire, &bad, &bad);
    struct client *c = world_connect(w, 80);
    client_say(c, "GET /big HTTP/1.0\r\n\r\n");
    ck_assert(world_until_eof(c, 600 * TD_SEC));
    check_big(c);
}
END_TEST

static const char *big_digest(void)
{
    static char hex[2 * SHA256_DIGEST_SIZE + 1];
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, BIG, (const uint8_t *)big);
    sha256_digest(&sha, sizeof digest, digest);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return hex;
}

START_TEST(test_upload)
{
    char want[200];
    serve();
    struct client *c = world_connect(w, 80);
    client_say(
        c, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\nConnection: close\r\n\r\n");
    client_say_n(c, big, BIG);
    ck_assert(world_until_eof(c, 30 * TD_SEC));
    snprintf(want, sizeof want, "{\"length\":3000000,\"sha256\":\"%s\"}\n", big_digest());
    ck_assert_str_eq(body(c), want);
}
END_TEST

START_TEST(test_chunked_upload)
{
    char want[200], line[20];
    serve();
    struct client *c = world_connect(w, 80);
    client_say(c, "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    size_t at = 0, size = 1;
    while (at < BIG) {
        size_t n = size < BIG - at ? size : BIG - at;
        snprintf(line, sizeof line, "%zx\r\n", n);
        client_say(c, line);
        client_say_n(c, big + at, n);
        client_say(c, "\r\n");
        at += n;
        size = size * 3 % 100003 + 1;
    }
    client_say(c, "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    ck_assert(world_until_eof(c, 60 * TD_SEC));
    snprintf(want, sizeof want, "{\"length\":3000000,\"sha256\":\"%s\"}\nHTTP/1.1 200 OK",
             big_digest());
    ck_assert(client_got(c, want));
    ck_assert(client_got(c, "hello, world\n"));
}
END_TEST

START_TEST(test_many_at_once)
{
    enum { COUNT = 300 };
    struct client *c[COUNT];
    serve();
    for (int i = 0; i < COUNT; i++) {
        c[i] = world_connect(w, 80);
        client_say(c[i], "GET /hello HTTP/1.0\r\n\r\n");
    }
    world_run(w, 20 * TD_SEC);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(c[i]->err, 0);
        ck_assert(c[i]->eof);
        ck_assert_str_eq(body(c[i]), "hello, world\n");
    }
}
END_TEST

START_TEST(test_half_close)
{
    serve();
    struct client *c = world_connect(w, 80);
    client_say(c, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    client_fin(c);
    ck_assert(world_until_eof(c, 30 * TD_SEC));
    check_big(c);
    ck_assert_ptr_nonnull(strstr(world_status(w), " 0 connections, 1 requests"));
}
END_TEST

START_TEST(test_refusal_reaches_a_client_that_goes_on_sending)
{
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-m", "1000", dir, NULL), 0);
    struct client *c = world_connect(w, 80);
    client_say(c, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n");
    client_say_n(c, big, BIG);
    ck_assert(world_until_eof(c, 30 * TD_SEC));
    ck_assert(client_got(c, "HTTP/1.1 413 "));
    world_run(w, 2 * TD_SEC); /* and it isn't reset, though it goes on */
    ck_assert_int_eq(c->err, 0);
    ck_assert_uint_eq(c->sent, c->out.len);
}
END_TEST

/* What the server puts on the wire, by the client's port. */
static struct {
    uint16_t greedy, other;
    size_t before; /* bytes to the greedy one until the other one's first */
    bool answered;
} order;

static void see_frame(void *ctx, int side, td_time now, const struct pkt *p)
{
    uint8_t b[54];
    (void)ctx;
    (void)now;
    if (side != 0 || order.answered || p->len < sizeof b || !pkt_read(p, 0, b, sizeof b))
        return;
    uint16_t port = wire_get16(b + 36);
    size_t payload = wire_get16(b + 16) - 20U - 4U * (b[46] >> 4);
    if (port == order.greedy)
        order.before += payload;
    else if (port == order.other && payload > 0)
        order.answered = true;
}

static uint16_t port_of(const struct client *c)
{
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    ck_assert_int_eq(td_getsockname(w->client, c->s, (struct sockaddr *)&name, &len), 0);
    return ntohs(name.sin_port);
}

START_TEST(test_pipelining_does_not_starve_others)
{
    enum { COUNT = 3000 };
    serve();
    struct client *greedy = world_connect(w, 80), *other = world_connect(w, 80);
    memset(&order, 0, sizeof order);
    sim_tap(w->wire, see_frame, NULL);
    const struct td_netem together = {.delay = TD_MS, .limit = 10000, .seed = 1};
    sim_impair(w->wire, &together, &together); /* what is sent at once comes in one batch */
    world_run(w, TD_SEC);
    order.greedy = port_of(greedy);
    order.other = port_of(other);
    for (int i = 0; i < COUNT; i++)
        text_puts(&greedy->out, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    client_say(greedy, "GET /hello HTTP/1.0\r\n\r\n");
    client_say(other, "GET /hello HTTP/1.0\r\n\r\n");
    ck_assert(world_until_eof(greedy, 60 * TD_SEC));
    ck_assert(order.answered);
    ck_assert_uint_lt(order.before, 12000); /* of 3000 answers the greedy one got a few first */
    size_t answers = 0;
    for (const char *p = greedy->in.s; (p = strstr(p, "hello, world")) != NULL; p++)
        answers++;
    ck_assert_uint_eq(answers, COUNT + 1);
    ck_assert_str_eq(body(other), "hello, world\n");
}
END_TEST

START_TEST(test_pipelining_without_reading)
{
    /* The server stops taking requests when the answers aren't taken: nothing piles up in it. */
    serve();
    struct client *c = world_connect(w, 80);
    c->take = 0;
    for (int i = 0; i < 20; i++)
        client_say(c, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    world_run(w, 5 * TD_SEC);
    ck_assert_ptr_nonnull(strstr(world_status(w), " 1 connections, "));
    unsigned requests = 99;
    sscanf(strstr(w->msg, "connections, "), "connections, %u", &requests);
    ck_assert_uint_lt(requests, 10);
    client_say(c, "GET /hello HTTP/1.0\r\n\r\n");
    client_take(c, SIZE_MAX);
    ck_assert(world_until_eof(c, 120 * TD_SEC));
    ck_assert_uint_gt(c->in.len, 20 * BIG);
}
END_TEST

START_TEST(test_slow_head)
{
    serve();
    struct client *c = world_connect(w, 80);
    client_say(c, "GET /hello HTTP/1.1\r\n");
    for (int i = 0; i < 30 && !c->eof; i++) { /* a byte a second doesn't help */
        client_say(c, "X");
        world_run(w, TD_SEC);
    }
    ck_assert(c->eof);
    ck_assert(client_got(c, "HTTP/1.1 408 "));
    ck_assert_ptr_nonnull(strstr(world_status(w), "1 requests"));
    world_run(w, 10 * TD_SEC);
    ck_assert_ptr_nonnull(strstr(world_status(w), " 0 connections"));
}
END_TEST

START_TEST(test_idle)
{
    serve();
    struct client *silent = world_connect(w, 80), *kept = world_connect(w, 80);
    client_say(kept, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    world_run(w, 50 * TD_SEC);
    ck_assert(!silent->eof && !kept->eof);
    world_run(w, 20 * TD_SEC);
    ck_assert(silent->eof && kept->eof);
    ck_assert_uint_eq(silent->in.len, 0);
    ck_assert_str_eq(body(kept), "hello, world\n");
}
END_TEST

/* -k: how long an idle connection is kept, before the first request and between two. */
START_TEST(test_keep_time)
{
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-k", "8", dir, NULL), 0);
    struct client *silent = world_connect(w, 80), *kept = world_connect(w, 80);
    client_say(kept, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    world_run(w, 6 * TD_SEC);
    ck_assert(!silent->eof && !kept->eof);
    world_run(w, 6 * TD_SEC);
    ck_assert(silent->eof && kept->eof);
}
END_TEST

START_TEST(test_slow_body)
{
    serve();
    struct client *stalled = world_connect(w, 80), *drip = world_connect(w, 80);
    client_say(stalled, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc");
    client_say(drip, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 80; i++) {
        world_run(w, TD_SEC);
        if (!drip->eof)
            client_say(drip, "x");
    }
    ck_assert(stalled->eof && client_got(stalled, "HTTP/1.1 408 "));
    ck_assert(drip->eof && client_got(drip, "HTTP/1.1 408 "));
}
END_TEST

/* -t: a path that loses much may stand still for longer than a minute. */
START_TEST(test_patient_with_a_slow_body)
{
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-t", "300", dir, NULL), 0);
    struct client *stalled = world_connect(w, 80);
    client_say(stalled, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc");
    world_run(w, 290 * TD_SEC);
    ck_assert(!stalled->eof);
    world_run(w, 20 * TD_SEC);
    ck_assert(stalled->eof && client_got(stalled, "HTTP/1.1 408 "));
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-t", "0", dir, NULL), -EINVAL);
}
END_TEST

START_TEST(test_stalled_reader_is_cut)
{
    serve();
    struct client *c = world_connect(w, 80);
    c->take = 1000;
    client_say(c, "GET /big HTTP/1.0\r\n\r\n");
    world_run(w, 80 * TD_SEC);
    ck_assert_ptr_nonnull(strstr(world_status(w), " 0 connections"));
    client_take(c, SIZE_MAX);
    world_run(w, 5 * TD_SEC);
    ck_assert(!c->eof);
    ck_assert_int_eq(c->err, -ECONNRESET); /* not FIN: what was promised did not come */
}
END_TEST

START_TEST(test_connection_limit)
{
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-c3", dir, NULL), 0);
    struct client *idle = world_connect(w, 80);
    world_run(w, TD_SEC);
    struct client *busy[3];
    for (int i = 0; i < 3; i++) {
        busy[i] = world_connect(w, 80);
        client_say(busy[i],
                   "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
        world_run(w, TD_SEC);
    }
    ck_assert(idle->eof || idle->err != 0); /* it gave its place */
    struct client *waiting = world_connect(w, 80);
    client_say(waiting, "GET /hello HTTP/1.0\r\n\r\n");
    world_run(w, 2 * TD_SEC);
    ck_assert_uint_eq(waiting->in.len, 0); /* all three are at work: it waits */
    ck_assert_ptr_nonnull(strstr(world_status(w), " 3 connections"));
    client_say(busy[1], "abc");
    client_fin(busy[1]);
    ck_assert(world_until_eof(waiting, TD_SEC));
    ck_assert_str_eq(body(waiting), "hello, world\n");
    ck_assert(client_got(busy[1], "\"length\":3"));
}
END_TEST

START_TEST(test_stop)
{
    serve();
    struct client *c = world_connect(w, 80);
    client_say(c, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    world_run(w, TD_SEC);
    w->app->stop(w->instance);
    w->instance = NULL;
    ck_assert(world_until_eof(c, TD_SEC)); /* in order: FIN, no reset */
    struct client *late = world_connect(w, 80);
    world_run(w, TD_SEC);
    ck_assert_int_eq(late->err, -ECONNREFUSED);
    serve(); /* the port is free again though connections of it are in TIME_WAIT */
    struct client *again = world_connect(w, 80);
    client_say(again, "GET /hello HTTP/1.0\r\n\r\n");
    ck_assert(world_until_eof(again, TD_SEC));
}
END_TEST

START_TEST(test_client_vanishes)
{
    serve();
    for (int i = 0; i < 20; i++) {
        struct client *c = world_connect(w, 80);
        c->take = (size_t)i * 10000;
        client_say(c, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
        world_run(w, 50 * TD_MS);
        client_close(c); /* with unread data: a reset */
        world_run(w, 50 * TD_MS);
    }
    world_run(w, 5 * TD_SEC);
    ck_assert_ptr_nonnull(strstr(world_status(w), " 0 connections"));
}
END_TEST

START_TEST(test_sentences)
{
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", NULL), -EINVAL);
    ck_assert_str_eq(w->msg, "httpd: which directory shall be served?; usage: httpd [-a ADDR] "
                             "[-p PORT] [-m MAXBODY] [-c MAXCONN] [-k SECONDS] [-t SECONDS] DIR");
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "/a", "/b", NULL), -EINVAL);
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-p", "0", dir, NULL), -EINVAL);
    ck_assert_str_eq(w->msg, "httpd: \"0\" is not a port: a whole number from 1 to 65535");
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-z", dir, NULL), -EINVAL);
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-a", "10.0.0.300", dir, NULL), -EINVAL);
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-c", "none", dir, NULL), -EINVAL);
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-m", "-1", dir, NULL), -EINVAL);
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "/nowhere/at/all", NULL), -ENOENT);
    ck_assert_str_eq(w->msg, "httpd: can't serve /nowhere/at/all: No such file or directory");
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-a", "10.9.9.9", dir, NULL),
                     -EADDRNOTAVAIL);
    ck_assert_str_eq(
        w->msg, "httpd: 10.9.9.9 is not an address of this host; give it one with ip addr add");
    ck_assert_ptr_null(w->instance);
    serve();
    void *first = w->instance;
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", dir, NULL), -EADDRINUSE);
    ck_assert_str_eq(w->msg, "httpd: port 80 is in use already; choose another with -p");
    ck_assert_ptr_eq(w->instance, first);
    char want[PATH_MAX + 64];
    snprintf(want, sizeof want, "*:80 %s 0 connections, 0 requests", dir);
    ck_assert_str_eq(world_status(w), want);
}
END_TEST

START_TEST(test_options)
{
    ck_assert_int_eq(world_start(w, &app_httpd, "httpd", "-p8080", "-a", "10.0.0.2", dir, NULL), 0);
    struct client *c = world_connect(w, 8080);
    client_say(c, "GET /hello HTTP/1.0\r\n\r\n");
    ck_assert(world_until_eof(c, TD_SEC));
    ck_assert_int_eq(strncmp(world_status(w), "10.0.0.2:8080 ", 14), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("httpd");
    TCase *tc = tcase_create("httpd");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_get);
    tcase_add_test(tc, test_keep_alive);
    tcase_add_test(tc, test_big_file);
    tcase_add_test(tc, test_big_file_slow_reader);
    tcase_add_loop_test(tc, test_big_file_over_a_bad_wire, 1, 4);
    tcase_add_test(tc, test_upload);
    tcase_add_test(tc, test_chunked_upload);
    tcase_add_test(tc, test_many_at_once);
    tcase_add_test(tc, test_half_close);
    tcase_add_test(tc, test_refusal_reaches_a_client_that_goes_on_sending);
    tcase_add_test(tc, test_pipelining_does_not_starve_others);
    tcase_add_test(tc, test_pipelining_without_reading);
    tcase_add_test(tc, test_slow_head);
    tcase_add_test(tc, test_idle);
    tcase_add_test(tc, test_keep_time);
    tcase_add_test(tc, test_slow_body);
    tcase_add_test(tc, test_patient_with_a_slow_body);
    tcase_add_test(tc, test_stalled_reader_is_cut);
    tcase_add_test(tc, test_connection_limit);
    tcase_add_test(tc, test_stop);
    tcase_add_test(tc, test_client_vanishes);
    tcase_add_test(tc, test_sentences);
    tcase_add_test(tc, test_options);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
