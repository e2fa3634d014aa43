/* tests of dev/wire.c: two socket pairs stand for the TAP devices; the time is the test's. */
#include "check_main.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dev/wire.h"

static int far_end[2]; /* what the hosts at the wire's ends hold */
static struct wire *wire;

static void make(const struct td_netem *ab, const struct td_netem *ba)
{
    int near[2];
    for (int i = 0; i < 2; i++) {
        int pair[2];
        ck_assert_int_eq(
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
        near[i] = pair[0];
        far_end[i] = pair[1];
    }
    struct td_qdisc_chain way[2] = {{.depth = 1, .q[0].kind = TD_QDISC_NETEM}, {.depth = 1, .q[0].kind = TD_QDISC_NETEM}};
    if (ab != NULL)
        way[0].q[0].u.netem = *ab;
    if (ba != NULL)
        way[1].q[0].u.netem = *ba;
    wire = wire_new(near[0], near[1], 1522, ab != NULL ? &way[0] : NULL, ba != NULL ? &way[1] : NULL);
    ck_assert_ptr_nonnull(wire);
}

static void teardown(void)
{
    wire_free(wire);
    close(far_end[0]);
    close(far_end[1]);
    wire = NULL;
}

static void put(int end, unsigned char what)
{
    unsigned char frame[60];
    memset(frame, what, sizeof(frame));
    ck_assert_int_eq(write(far_end[end], frame, sizeof(frame)), sizeof(frame));
}

/* The first byte of the next frame at this end, -1 = none. */
static int got(int end)
{
    unsigned char frame[2000];
    ssize_t n = read(far_end[end], frame, sizeof(frame));
    if (n < 0)
        return -1;
    ck_assert_int_eq(n, 60);
    ck_assert_int_eq(frame[59], frame[0]);
    return frame[0];
}

START_TEST(both_ways)
{
    make(NULL, NULL);
    put(0, 'a');
    put(0, 'b');
    put(1, 'c');
    ck_assert_int_eq(wire_read(wire, 0, 1000, 64), 2);
    ck_assert_int_eq(wire_read(wire, 1, 1000, 64), 1);
    wire_send(wire, 1000);
    ck_assert_int_eq(got(1), 'a');
    ck_assert_int_eq(got(1), 'b');
    ck_assert_int_eq(got(1), -1);
    ck_assert_int_eq(got(0), 'c');
    ck_assert_uint_eq(wire_next(wire), TD_NEVER);
    struct wire_stats s = wire_stats(wire, 0);
    ck_assert_uint_eq(s.frames, 2);
    ck_assert_uint_eq(s.bytes, 120);
    ck_assert_uint_eq(s.delivered, 2);
    ck_assert_uint_eq(s.dropped + s.lost, 0);
}
END_TEST

START_TEST(budget)
{
    make(NULL, NULL);
    for (int i = 0; i < 5; i++)
        put(0, 'x');
    ck_assert_int_eq(wire_read(wire, 0, 0, 3), 3);
    ck_assert_int_eq(wire_read(wire, 0, 0, 3), 2);
    ck_assert_int_eq(wire_read(wire, 0, 0, 3), 0);
}
END_TEST

/* Each direction has its own impairment, and a frame leaves when it is due, not before. */
START_TEST(delay)
{
    struct td_netem slow = {.delay = 20 * TD_MS}, slower = {.delay = 50 * TD_MS};
    make(&slow, &slower);
    put(0, 'a');
    put(1, 'b');
    wire_read(wire, 0, TD_SEC, 64);
    wire_read(wire, 1, TD_SEC, 64);
    ck_assert_uint_eq(wire_next(wire), TD_SEC + 20 * TD_MS);
    wire_send(wire, TD_SEC + 20 * TD_MS - 1);
    ck_assert_int_eq(got(1), -1);
    wire_send(wire, TD_SEC + 20 * TD_MS);
    ck_assert_int_eq(got(1), 'a');
    ck_assert_int_eq(got(0), -1);
    ck_assert_uint_eq(wire_next(wire), TD_SEC + 50 * TD_MS);
    wire_send(wire, TD_SEC + 50 * TD_MS);
    ck_assert_int_eq(got(0), 'b');
}
END_TEST

static unsigned lost_of_1000(uint64_t seed, char map[1000])
{
    struct td_netem lossy = {.loss = td_percent(10), .seed = seed, .limit = 2000};
    unsigned lost = 0;
    make(&lossy, NULL);
    for (int i = 0; i < 1000; i++) {
        put(0, (unsigned char)('A' + i % 26));
        wire_read(wire, 0, (td_time)i, 64);
        wire_send(wire, (td_time)i);
        map[i] = got(1) < 0;
        lost += map[i] != 0;
    }
    ck_assert_uint_eq(wire_stats(wire, 0).dropped, lost);
    teardown();
    return lost;
}

START_TEST(loss_by_seed)
{
    char a[1000], b[1000], c[1000];
    unsigned lost = lost_of_1000(7, a);
    ck_assert_uint_ge(lost, 60);
    ck_assert_uint_le(lost, 140);
    lost_of_1000(7, b);
    lost_of_1000(8, c);
    ck_assert_mem_eq(a, b, sizeof(a));
    ck_assert_mem_ne(a, c, sizeof(a));
    make(NULL, NULL); /* for teardown */
}
END_TEST

/* A full end holds the frame back; nothing is lost and nothing overtakes. */
START_TEST(full_end)
{
    make(NULL, NULL);
    unsigned sent = 0, received = 0;
    while (!wire_blocked(wire, 1) && sent < 10000) {
        put(0, (unsigned char)(sent++ % 251));
        wire_read(wire, 0, sent, 64);
        wire_send(wire, sent);
    }
    ck_assert(wire_blocked(wire, 1));
    ck_assert(!wire_blocked(wire, 0));
    ck_assert_uint_eq(wire_next(wire), TD_NEVER); /* it waits for the end, not for the clock */
    for (int byte; received < sent; wire_send(wire, sent))
        while ((byte = got(1)) >= 0)
            ck_assert_int_eq(byte, (int)(received++ % 251));
    ck_assert(!wire_blocked(wire, 1));
    ck_assert_uint_eq(wire_stats(wire, 0).delivered, sent);
}
END_TEST

/* wire_run ends when it is told to, and when an end breaks. */
START_TEST(run_and_stop)
{
    int stop[2];
    make(NULL, NULL);
    ck_assert_int_eq(pipe(stop), 0);
    put(0, 'a');
    ck_assert_int_eq(write(stop[1], "x", 1), 1);
    ck_assert_int_eq(wire_run(wire, stop[0]), 0);
    close(stop[0]);
    close(stop[1]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wire");
    TCase *t = tcase_create("wire");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, both_ways);
    tcase_add_test(t, budget);
    tcase_add_test(t, delay);
    tcase_add_test(t, loss_by_seed);
    tcase_add_test(t, full_end);
    tcase_add_test(t, run_and_stop);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
