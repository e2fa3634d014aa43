/* tests of apps/tapdeckd/server.c: input, exact output and notes of commands, by hand. A command that reads is
 * a `ping` whose step the test has replaced. */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tapdeckd/loop.h"

static struct {
    char dir[64];
    struct td_stack *st;
    struct deck deck;
    struct member member;
    struct loop loop;
    struct server *server;
    int fd; /* a client's */
    struct text in;
} t;

static void open_daemon(void)
{
    struct td_stack_config c = {.now = monotonic_now(), .seed = {7}};
    char msg[512];
    int status;

    memset(&t, 0, sizeof t);
    strcpy(t.dir, "/tmp/tapdeck-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(t.dir));
    setenv("TAPDECK_RUN", t.dir, 1);
    t.st = td_stack_new(&c);
    ck_assert_ptr_nonnull(t.st);
    deck_init(&t.deck, t.st, "x");
    ck_assert_int_eq(loop_init(&t.loop, NULL, false, 0), 0);
    loop_add(&t.loop, &t.member, &t.deck);
    t.server = server_open("x", &status, msg, sizeof msg);
    ck_assert_msg(t.server != NULL, "%s", msg);
    server_start(t.server, &t.member);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    strcpy(sa.sun_path, server_path(t.server));
    t.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(connect(t.fd, (struct sockaddr *)&sa, sizeof sa), 0);
}

static void close_daemon(void)
{
    close(t.fd);
    server_close(t.server);
    deck_done(&t.deck);
    loop_done(&t.loop);
    td_stack_free(t.st);
    text_free(&t.in);
    rmdir(t.dir);
}

static void say(const char *line)
{
    ck_assert_int_eq(send(t.fd, line, strlen(line), 0), (ssize_t)strlen(line));
}

static void turn(void)
{
    char buf[65536];
    ssize_t n;

    loop_turn(&t.loop, 0);
    while ((n = read(t.fd, buf, sizeof buf)) > 0)
        text_add(&t.in, buf, (size_t)n);
}

/* The next line from the daemon. */
static struct reply answer(void)
{
    struct text line = {0};
    struct reply r;

    for (int i = 0; i < 1000 && !take_line(&t.in, &line); i++)
        turn();
    ck_assert_msg(line.s != NULL && control_parse_reply(line.s, line.len, &r), "%s", line.s ? line.s : "no answer");
    text_free(&line);
    return r;
}

static int echo(struct run *r, td_time now)
{
    (void)now;
    size_t n = r->in.len < 20000 ? r->in.len : 20000;
    text_add(&r->out, r->in.s, n);
    if (n > 0)
        text_consume(&r->in, n);
    r->ready = r->in.len > 0;
    return r->in_eof && r->in.len == 0 ? EXIT_DONE : RUN_MORE;
}

static int idle(struct run *r, td_time now)
{
    (void)r;
    (void)now;
    return RUN_MORE;
}

/* Starts a command that reads, with the words of the request. */
static struct run *reader(const char *request, int (*step)(struct run *r, td_time now))
{
    say(request);
    for (int i = 0; i < 100 && t.deck.runs == NULL; i++)
        loop_turn(&t.loop, 0);
    struct run *r = t.deck.runs;
    ck_assert_ptr_nonnull(r);
    r->step = step;
    r->wake = TD_NEVER;
    text_consume(&r->out, r->out.len);
    for (int i = 0; i < 3; i++)
        turn();
    text_consume(&t.in, t.in.len);
    run_read(r);
    return r;
}

#define PING "{\"id\":5,\"cmd\":[\"ping\",\"127.0.0.1\"],\"streams\":true}\n"

START_TEST(bytes_go_in_and_come_out)
{
    static uint8_t sent[300000];
    struct text got = {0};
    size_t credit = 0, done = 0;
    bool over;
    struct reply r;

    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * 7 ^ i >> 8 ^ i >> 16);
    reader(PING, echo);
    do {
        while (credit > 0 && done < sizeof sent) {
            struct text line = {0};
            size_t n = credit < INPUT_MAX ? credit : INPUT_MAX;
            n = n < sizeof sent - done ? n : sizeof sent - done;
            control_write_input(&line, 5, sent + done, n, done + n == sizeof sent);
            say(line.s);
            text_free(&line);
            done += n;
            credit -= n;
        }
        r = answer();
        ck_assert_int_eq(r.id, 5);
        if (r.out != NULL)
            text_add(&got, r.out, r.out_len);
        credit += r.want;
        ck_assert_uint_le(credit, RUN_IN_HIGH);
        over = r.end;
        ck_assert_int_eq(r.status, EXIT_DONE);
        control_free_reply(&r);
    } while (!over);
    ck_assert_uint_eq(got.len, sizeof sent);
    ck_assert_mem_eq(got.s, sent, sizeof sent);
    text_free(&got);
}
END_TEST

/* Who sends without being asked is not read until the command has caught up; nothing is lost. */
START_TEST(a_flood_waits_outside)
{
    struct run *r = reader(PING, idle);
    struct text line = {0};
    size_t sent = 0, at = 0;
    char piece[INPUT_MAX];

    memset(piece, 'x', sizeof piece);
    for (int quiet = 0; quiet < 20;) {
        if (at == line.len) {
            text_consume(&line, line.len);
            control_write_input(&line, 5, piece, sizeof piece, false);
            sent += sizeof piece;
            at = 0;
        }
        ssize_t n = send(t.fd, line.s + at, line.len - at, 0);
        quiet = n > 0 ? 0 : quiet + 1;
        at += n > 0 ? (size_t)n : 0;
        turn();
        ck_assert_uint_lt(r->in.len, RUN_IN_HIGH + INPUT_MAX);
    }
    ck_assert_uint_ge(r->in.len, RUN_IN_HIGH);
    ck_assert(run_input_full(r));
    r->step = echo;
    r->ready = true;
    size_t got = 0;
    for (int i = 0; i < 2000 && got < sent; i++) {
        struct reply q;
        ssize_t n = at < line.len ? send(t.fd, line.s + at, line.len - at, 0) : 0;
        at += n > 0 ? (size_t)n : 0;
        q = answer();
        got += q.out_len;
        control_free_reply(&q);
    }
    ck_assert_uint_eq(got, sent);
    text_free(&line);
}
END_TEST

/* What was asked for waits in the daemon, so a cancel is heard although the command takes nothing. */
START_TEST(a_cancel_does_not_wait)
{
    reader(PING, idle);
    struct reply r = answer();
    ck_assert_uint_eq(r.want, RUN_IN_HIGH);
    for (size_t n = 0; n + INPUT_MAX <= r.want; n += INPUT_MAX) {
        struct text line = {0};
        char piece[INPUT_MAX] = "";
        control_write_input(&line, 5, piece, sizeof piece, false);
        say(line.s);
        text_free(&line);
    }
    control_free_reply(&r);
    say("{\"id\":5,\"cancel\":true}\n");
    do {
        control_free_reply(&r);
        r = answer();
    } while (!r.end);
    control_free_reply(&r);
    ck_assert_ptr_null(t.deck.runs);
}
END_TEST

START_TEST(a_half_close_ends_the_input)
{
    reader(PING, echo);
    say("{\"id\":5,\"in\":\"the end\"}\n");
    shutdown(t.fd, SHUT_WR);
    struct text got = {0};
    struct reply a = {0};
    while (!a.end) {
        control_free_reply(&a);
        a = answer();
        if (a.out != NULL)
            text_add(&got, a.out, a.out_len);
    }
    control_free_reply(&a);
    ck_assert_str_eq(got.s, "the end");
    text_free(&got);
}
END_TEST

/* Bytes and notes for a client that knows of them, and for one that doesn't. */
START_TEST(streams_are_asked_for)
{
    struct run *r = reader(PING, idle);
    struct reply a = answer(); /* want */
    control_free_reply(&a);
    run_note(r, "a note\n");
    text_add(&r->out, "\xff\x00\xfe", 3);
    a = answer();
    ck_assert_str_eq(a.note, "a note\n");
    ck_assert_ptr_null(a.out);
    control_free_reply(&a);
    a = answer();
    ck_assert_uint_eq(a.out_len, 3);
    ck_assert_mem_eq(a.out, "\xff\x00\xfe", 3);
    control_free_reply(&a);
    r->streams = false;
    run_note(r, "a note\n");
    text_add(&r->out, "\xff", 1);
    a = answer();
    ck_assert_str_eq(a.out, "a note\n");
    control_free_reply(&a);
    a = answer();
    ck_assert_str_eq(a.out, "\xef\xbf\xbd");
    control_free_reply(&a);
}
END_TEST

/* A client that is not ready for more says so, and is not taken for one that doesn't read. */
START_TEST(output_is_held)
{
    struct run *r = reader(PING, idle);
    struct reply a = answer(); /* want */
    control_free_reply(&a);
    say("{\"id\":5,\"hold\":true}\n");
    for (int i = 0; i < 3; i++)
        turn();
    text_puts(&r->out, "later");
    run_note(r, "later too");
    r->status = EXIT_DONE;
    for (int i = 0; i < 100; i++)
        turn();
    ck_assert_uint_eq(t.in.len, 0);
    ck_assert_ptr_eq(t.deck.runs, r);
    say("{\"id\":5,\"hold\":false}\n");
    a = answer();
    ck_assert_str_eq(a.note, "later too");
    control_free_reply(&a);
    a = answer();
    ck_assert_str_eq(a.out, "later");
    control_free_reply(&a);
    a = answer();
    ck_assert(a.end);
    control_free_reply(&a);
}
END_TEST

START_TEST(input_for_nobody)
{
    say("{\"id\":9,\"in\":\"x\",\"eof\":true}\n{\"id\":1,\"cmd\":[\"version\"]}\n{\"id\":1,\"in\":\"x\"}\n"
        "{\"id\":2,\"in64\":\"!\"}\n{\"id\":3,\"in\":7}\n");
    struct reply r = answer();
    ck_assert_int_eq(r.id, 1);
    ck_assert_ptr_nonnull(r.out);
    control_free_reply(&r);
    r = answer();
    ck_assert(r.end && r.id == 1 && r.status == EXIT_DONE);
    control_free_reply(&r);
    r = answer();
    ck_assert(r.end && r.id == 2 && r.status == EXIT_USAGE && strstr(r.err, "base64") != NULL);
    control_free_reply(&r);
    r = answer();
    ck_assert(r.end && r.id == 3 && r.status == EXIT_USAGE && strstr(r.err, "\"in\"") != NULL);
    control_free_reply(&r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("server input");
    TCase *c = tcase_create("server");
    tcase_add_checked_fixture(c, open_daemon, close_daemon);
    tcase_add_test(c, bytes_go_in_and_come_out);
    tcase_add_test(c, a_flood_waits_outside);
    tcase_add_test(c, a_cancel_does_not_wait);
    tcase_add_test(c, a_half_close_ends_the_input);
    tcase_add_test(c, streams_are_asked_for);
    tcase_add_test(c, output_is_held);
    tcase_add_test(c, input_for_nobody);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
