/* The control socket from outside: what clients send is bounded, what they don't read is bounded,
 * who stalls is dropped, who comes when all is full gets the place of who uses it least, and a turn
 * of the loop ends in time. */
#include "check_main.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tapdeckd/loop.h"

static struct td_stack *st;
static struct deck deck;
static struct loop loop;
static struct member member;
static struct server *server;
static char dir[64], reply[1 << 20];

static void open_server(void)
{
    struct td_stack_config c = {.now = monotonic_now(), .seed = {7}};
    char msg[512];
    int status;
    strcpy(dir, "/tmp/server-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    setenv("TAPDECK_RUN", dir, 1);
    st = td_stack_new(&c);
    server = server_open("test", &status, msg, sizeof msg);
    ck_assert_msg(server != NULL, "%s", msg);
    deck_init(&deck, st, "test");
    ck_assert_int_eq(loop_init(&loop, NULL, false, 0), 0);
    loop_add(&loop, &member, &deck);
    server_start(server, &member);
}

static void close_server(void)
{
    server_close(server);
    deck_done(&deck);
    loop_done(&loop);
    td_stack_free(st);
    rmdir(dir);
}

static int connected(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", server_path(server));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void turns(unsigned n)
{
    while (n-- > 0)
        loop_turn(&loop, 0);
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What came by now, in `reply`; 0 = nothing, -1 = closed. */
static ssize_t hear(int fd)
{
    size_t n = 0;
    ssize_t k;
    while ((k = recv(fd, reply + n, sizeof reply - 1 - n, 0)) > 0)
        n += (size_t)k;
    reply[n] = '\0';
    return n > 0 ? (ssize_t)n : k == 0 ? -1 : errno == EAGAIN ? 0 : -1;
}

/* How many turns it takes depends on how much of the processor we have. */
static void answers(int fd, const char *text)
{
    size_t n = 0;
    for (int i = 0; i < 10000; i++) {
        turns(1);
        ssize_t k = recv(fd, reply + n, sizeof reply - 1 - n, 0);
        n += k > 0 ? (size_t)k : 0;
        reply[n] = '\0';
        if (strstr(reply, text) != NULL)
            return;
    }
    ck_abort_msg("'%s' is not in: %.300s", text, reply);
}

START_TEST(test_bad_requests)
{
    static const struct {
        const char *line, *answer;
    } cases[] = {
        {"\n\n\n{\"id\":1,\"cmd\":[\"version\"]}\n", "{\"id\":1,\"status\":0}"},
        {"nonsense\n", "{\"id\":-1,\"err\":"},
        {"[1,2]\n", "{\"id\":-1,\"err\":"},
        {"{\"id\":7}\n", "{\"id\":7,\"err\":"},
        {"{\"id\":-3,\"cmd\":[\"version\"]}\n", "\"err\":"},
        {"{\"id\":8,\"cmd\":[]}\n", "{\"id\":8,\"err\":"},
        {"{\"id\":8,\"cmd\":\"version\"}\n", "{\"id\":8,\"err\":"},
        {"{\"id\":8,\"cmd\":[\"fly\"]}\n", "there is no command 'fly'"},
        {"{\"id\":8,\"cmd\":[\"a\\u0000b\"]}\n", "\"err\":"},
        {"\xff\xfe\n", "{\"id\":-1,\"err\":"},
        {"{\"id\":9,\"cancel\":true}\n{\"id\":2,\"cmd\":[\"version\"]}\n",
         "{\"id\":2,\"status\":0}"},
        {"{\"id\":9,\"in\":\"text\"}\n{\"id\":9,\"eof\":true}\n{\"id\":3,\"cmd\":[\"version\"]}\n",
         "{\"id\":3,\"status\":0}"},
    };
    open_server();
    int fd = connected();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        say(fd, cases[i].line);
        answers(fd, cases[i].answer);
    }
    close(fd);
    turns(20);
    ck_assert_uint_eq(loop.stats.clients, 0);
    close_server();
}
END_TEST

START_TEST(test_long_lines)
{
    static char chunk[4096];
    open_server();
    int fd = connected();
    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(send(fd, chunk, sizeof chunk, 0), sizeof chunk);
        turns(2);
    }
    answers(fd, "a request line has at most 65536 bytes");
    say(fd, "the rest of it\n{\"id\":5,\"cmd\":[\"version\"]}\n");
    answers(fd, "{\"id\":5,\"status\":0}");
    /* Many lines at once are done bit by bit; each is answered. */
    struct text many = {0};
    const unsigned lines = getenv("VALGRIND") != NULL ? 300 : 3000;
    for (unsigned i = 0; i < lines; i++)
        text_puts(&many, "\n?\n");
    for (size_t done = 0; done < many.len;) {
        ssize_t n = send(fd, many.s + done, many.len - done, 0);
        done += n > 0 ? (size_t)n : 0;
        turns(1);
    }
    unsigned seen = 0;
    for (unsigned i = 0; i < lines && seen < lines; i++) {
        turns(1);
        hear(fd);
        for (const char *p = reply; (p = strstr(p, "\"id\":-1")) != NULL; p++)
            seen++;
    }
    ck_assert_uint_eq(seen, lines);
    text_free(&many);
    close(fd);
    close_server();
}
END_TEST

START_TEST(test_half_a_line)
{
    open_server();
    int half = connected(), other = connected();
    say(half, "{\"id\":1,\"cmd\":[\"ver");
    turns(3);
    say(other, "{\"id\":1,\"cmd\":[\"version\"]}\n");
    answers(other, "{\"id\":1,\"status\":0}");
    ck_assert_int_eq(hear(half), 0);
    say(half, "sion\"]}"); /* and its end without a newline */
    shutdown(half, SHUT_WR);
    answers(half, "{\"id\":1,\"status\":0}");
    close(half);
    close(other);
    close_server();
}
END_TEST

/* It asks, and doesn't read the answers: its commands wait, others' don't, and then it is dropped.
 */
START_TEST(test_a_client_that_stops_reading)
{
    open_server();
    int deaf = connected(), other = connected();
    char line[128];
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof line, "{\"id\":%d,\"cmd\":[\"sysctl\",\"-a\"]}\n", i);
        if (send(deaf, line, strlen(line), 0) < 0)
            break;
        turns(2);
    }
    turns(50);
    ck_assert_uint_eq(loop.stats.clients, 2);
    say(other, "{\"id\":1,\"cmd\":[\"version\"]}\n");
    answers(other, "{\"id\":1,\"status\":0}");
    unsigned waiting = 0;
    for (const struct run *r = deck.runs; r != NULL; r = r->next)
        waiting++;
    ck_assert_uint_le(waiting, 16);
    td_time slept = 0;
    for (int i = 0; i < 10000 && slept < 15 * TD_MS;
         i++) { /* what fits is sent, a share a turn; then it sleeps, it doesn't spin */
        td_time began = monotonic_now();
        loop_turn(&loop, 20 * TD_MS);
        slept = monotonic_now() - began;
    }
    ck_assert_uint_ge(slept, 15 * TD_MS);
    ck_assert_uint_eq(loop.stats.stalled, 0);
    loop.stall = TD_MS;
    usleep(2000);
    for (int i = 0; i < 10000 && loop.stats.stalled == 0; i++)
        turns(1);
    ck_assert_uint_eq(loop.stats.stalled, 1);
    ck_assert_uint_eq(loop.stats.clients, 1);
    ck_assert_ptr_null(deck.runs);
    say(other, "{\"id\":2,\"cmd\":[\"version\"]}\n");
    answers(other, "{\"id\":2,\"status\":0}");
    close(deaf);
    close(other);
    close_server();
}
END_TEST

START_TEST(test_all_places_taken)
{
    enum { PLACES = 64 };
    int fd[PLACES];
    open_server();
    int console = connected();
    say(console, "{\"id\":1,\"cmd\":[\"version\"]}\n");
    answers(console, "{\"id\":1,\"status\":0}");
    for (int i = 0; i < (getenv("VALGRIND") != NULL ? 80 : 1000);
         i++) { /* who asks for nothing makes place for the next */
        int late = connected();
        turns(1);
        if (i < PLACES)
            fd[i] = late;
        else
            close(late);
    }
    turns(100);
    ck_assert_uint_ge(loop.stats.evicted, 1);
    say(console, "{\"id\":2,\"cmd\":[\"version\"]}\n");
    answers(console, "{\"id\":2,\"status\":0}"); /* it has kept its own */
    for (int i = 0; i < PLACES; i++)
        close(fd[i]);
    for (int i = 0; i < 10000 && loop.stats.clients > 1; i++)
        turns(1);
    ck_assert_uint_eq(loop.stats.clients, 1);
    close(console);
    turns(20);

    /* All of them run something: then a newcomer is told. */
    turns(2);
    for (int i = 0; i < PLACES; i++) {
        fd[i] = connected();
        say(fd[i], "{\"id\":1,\"cmd\":[\"why\",\"-f\"]}\n");
        turns(4);
    }
    unsigned running = 0;
    for (int i = 0; i < 10000 && running < PLACES; i++) {
        turns(1);
        running = 0;
        for (const struct run *r = deck.runs; r != NULL; r = r->next)
            running++;
    }
    ck_assert_uint_eq(running, PLACES);
    int late = connected();
    answers(late, "too many clients are connected to this daemon, and all of them run something");
    ck_assert_int_eq(hear(late), -1);
    ck_assert_uint_ge(loop.stats.refused, 1);
    close(late);
    for (int i = 0; i < PLACES; i++)
        close(fd[i]);
    for (int i = 0; i < 10000 && loop.stats.clients > 0; i++)
        turns(1);
    ck_assert_uint_eq(loop.stats.clients, 0);
    ck_assert_ptr_null(deck.runs);
    close_server();
}
END_TEST

/* Twenty consoles ask at once for more than a turn has time for: each is served, and the loop gets
 * to the stack in between. */
START_TEST(test_turns_are_short)
{
    enum { CONSOLES = 20 };
    const int n = getenv("VALGRIND") != NULL ? 4 : CONSOLES;
    int fd[CONSOLES];
    size_t got[CONSOLES] = {0};
    unsigned over = 0, ends[CONSOLES] = {0};
    open_server();
    for (int i = 0; i < n; i++)
        fd[i] = connected();
    turns(4);
    for (int i = 0; i < n; i++)
        say(fd[i],
            "{\"id\":1,\"cmd\":[\"sysctl\",\"-a\"]}\n{\"id\":2,\"cmd\":[\"nstat\",\"-az\"]}\n"
            "{\"id\":3,\"cmd\":[\"table\",\"events\"]}\n");
    uint64_t before = loop.stats.turns;
    for (int t = 0; t < 20000 && over < (unsigned)n; t++) {
        turns(1);
        over = 0;
        for (int i = 0; i < n; i++) {
            ssize_t k = hear(fd[i]);
            got[i] += k > 0 ? (size_t)k : 0;
            for (const char *p = reply; k > 0 && (p = strstr(p, "\"status\"")) != NULL; p++)
                ends[i]++;
            over += ends[i] == 3;
        }
    }
    ck_assert_uint_eq(over, (unsigned)n);
    ck_assert_uint_ge(loop.stats.turns - before, 4);
    for (int i = 1; i < n; i++)
        ck_assert_uint_eq(got[i] / 1000, got[0] / 1000); /* to some digits of counters that go on */
    ck_assert_uint_gt(got[0], 20000);
    ck_assert_uint_gt(loop.stats.consoles, 0);
    for (int i = 0; i < n; i++)
        close(fd[i]);
    turns(2);
    close_server();
}
END_TEST

START_TEST(test_statistics)
{
    open_server();
    int fd = connected();
    say(fd, "{\"id\":1,\"cmd\":[\"version\",\"-s\",\"-j\"]}\n");
    answers(fd, "{\"id\":1,\"status\":0}");
    ck_assert_ptr_nonnull(strstr(reply, "\\\"longest_ns\\\":"));
    ck_assert_ptr_nonnull(strstr(reply, "\\\"clients\\\":1,"));
    say(fd, "{\"id\":2,\"cmd\":[\"version\",\"-s\",\"-r\"]}\n");
    answers(fd, "turns of the loop in");
    ck_assert_uint_lt(loop.stats.turns, 1000);
    ck_assert_uint_eq(loop.stats.accepted, 1);
    say(fd, "{\"id\":3,\"cmd\":[\"version\",\"-x\"]}\n");
    answers(fd, "doesn't belong after 'version'");
    for (unsigned i = 0; i < LOOP_BUCKETS; i++) {
        static const td_time upto[] = {10 * TD_US, 2 * TD_MS, 20 * TD_MS};
        static const unsigned bucket[] = {0, 7, 10};
        for (int k = 0; k < 3; k++) {
            ck_assert_uint_eq(loop_bucket(upto[k]), bucket[k]);
            ck_assert_uint_eq(loop_bucket(upto[k] + 1), bucket[k] + 1);
        }
    }
    close(fd);
    close_server();
}
END_TEST

START_TEST(test_news_of_a_pause)
{
    open_server();
    int a = connected(), b = connected(), plain = connected();
    say(a, "{\"id\":1,\"cmd\":[\"version\"],\"streams\":true}\n");
    say(b, "{\"id\":1,\"cmd\":[\"version\"],\"streams\":true}\n");
    say(plain, "{\"id\":1,\"cmd\":[\"version\"]}\n");
    answers(a, "{\"id\":1,\"status\":0}");
    answers(b, "{\"id\":1,\"status\":0}");
    answers(plain, "{\"id\":1,\"status\":0}");
    say(a, "{\"id\":2,\"cmd\":[\"pause\"],\"streams\":true}\n");
    answers(a, "{\"id\":2,\"paused\":true,\"status\":0}");
    answers(b, "{\"id\":-2,\"paused\":true}");
    ck_assert_int_eq(hear(plain), 0);
    say(plain, "{\"id\":2,\"cmd\":[\"resume\"]}\n");
    answers(plain, "{\"id\":2,\"status\":0}");
    answers(b, "{\"id\":-2,\"paused\":false}");
    close(a);
    close(b);
    close(plain);
    close_server();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("server");
    TCase *t = tcase_create("server");
    tcase_add_test(t, test_bad_requests);
    tcase_add_test(t, test_long_lines);
    tcase_add_test(t, test_half_a_line);
    tcase_add_test(t, test_a_client_that_stops_reading);
    tcase_add_test(t, test_all_places_taken);
    tcase_add_test(t, test_turns_are_short);
    tcase_add_test(t, test_statistics);
    tcase_add_test(t, test_news_of_a_pause);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
