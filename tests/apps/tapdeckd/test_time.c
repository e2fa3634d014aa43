/* A live stack's time: it stands still to the nanosecond, goes on by packets, events and timers,
 * and flows again. */
#include "console.h"

#include <errno.h>

#include "link/link.h"
#include "pair.h"
#include "tapdeckd/deck_time.h"
#include "wire/checksum.h"
#include "wire/wire.h"

#define US   TD_IP4(10, 0, 0, 2)
#define PEER TD_IP4(10, 0, 0, 1)

/* A deck with one device, whose frames the test gives and takes, and a clock that the test moves.
 */
static struct deck_time now;
static struct deck_tap tap;
static td_time real;
static unsigned sent;
static uint8_t last[128]; /* the frame that was sent last */

static td_time clock_read(void *ctx)
{
    (void)ctx;
    return real;
}

static int device_send(void *dev, const struct pkt *p)
{
    (void)dev;
    if (!deck_time_let(&tap, p))
        return -EAGAIN;
    sent++;
    pkt_read(p, 0, last, p->len < sizeof last ? p->len : sizeof last);
    return 0;
}

static void open_deck(void)
{
    static const struct td_device_ops ops = {.transmit = device_send};
    struct td_stack_config c = {.now = 100 * TD_SEC, .seed = {7}};
    struct td_if_config eth = {
        .name = "eth0", .mac = {{2, 0, 0, 0, 0, 2}}, .flags = TD_IF_UP, .ops = &ops};
    con.st = td_stack_new(&c);
    ck_assert_ptr_nonnull(con.st);
    real = 100 * TD_SEC;
    sent = 0;
    tap = (struct deck_tap){.deck = &con.deck};
    ck_assert_int_eq(td_if_add(con.st, &eth, &tap.ifindex), 0);
    deck_init(&con.deck, con.st, "test");
    con.deck.wall_offset = 1000000 * (int64_t)TD_SEC;
    deck_time_init(&now, clock_read, NULL, NULL);
    deck_time_join(&now, &con.deck);
    con.deck.taps = &tap;
    con_done("ip addr add 10.0.0.2/24 dev eth0");
    con_done("ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0");
    td_stack_flush(con.st, td_stack_now(con.st));
    sent = 0;
}

static void close_deck(void)
{
    deck_time_forget(&tap);
    con.deck.taps = NULL; /* the test's own */
    deck_done(&con.deck);
    deck_time_done(&now);
    td_stack_free(con.st);
}

/* A turn of the loop, `passed` later. */
static void turn(td_time passed)
{
    real += passed;
    td_time at = deck_time_now(&now);
    td_stack_clock(con.st, at);
    deck_time_release(&now, 128);
    if (now.mode == TIME_FLOWING) {
        deck_time_tick(&con.deck, at);
        if (now.mode == TIME_FLOWING)
            td_stack_flush(con.st, at);
    }
}

static void give(const uint8_t *frame, uint32_t n)
{
    struct pkt *p = pkt_from_bytes(td_stack_mem(con.st), 0, frame, n);
    ck_assert_ptr_nonnull(p);
    if (!deck_time_take(&tap, p))
        td_stack_input(con.st, tap.ifindex, p, deck_time_now(&now));
}

static void ping_in(uint16_t seq)
{
    uint8_t b[98] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45};
    wire_put16(b + 16, 84);
    b[22] = 64;
    b[23] = 1;
    wire_put32(b + 26, PEER);
    wire_put32(b + 30, US);
    wire_put16(b + 24, checksum(b + 14, 20));
    b[34] = 8;
    wire_put16(b + 40, seq);
    wire_put16(b + 36, checksum(b + 34, 64));
    give(b, sizeof b);
}

static unsigned replied(void)
{
    ck_assert_uint_eq(last[34], 0);
    return wire_get16(last + 40);
}

START_TEST(test_time_stands_still)
{
    open_deck();
    turn(TD_SEC);
    ck_assert_uint_eq(deck_time_now(&now), 101 * TD_SEC);
    ck_assert_uint_eq(deck_time_when(&now, 105 * TD_SEC), 105 * TD_SEC);
    con_done("pause");
    con_says("time stands still");
    turn(50 * TD_SEC);
    ck_assert_uint_eq(deck_time_now(&now), 101 * TD_SEC);
    ck_assert_uint_eq(deck_time_when(&now, 105 * TD_SEC), TD_NEVER);
    con_done("pause");
    con_says("already");
    json_t *j = con_json("version");
    ck_assert(json_is_true(json_object_get(j, "paused")));
    json_decref(j);
    con_done("resume");
    con_says("after 50s");
    ck_assert_uint_eq(deck_time_now(&now), 101 * TD_SEC);
    real += 3;
    ck_assert_uint_eq(deck_time_now(&now), 101 * TD_SEC + 3);
    ck_assert_uint_eq(deck_time_when(&now, 105 * TD_SEC), 155 * TD_SEC);
    ck_assert_int_eq(con_line("resume", false), EXIT_FAILED);
    ck_assert_str_eq(con.err, "time isn't paused");
    con_done("why -n 1");
    con_says("Time stood still for 50");
    close_deck();
}
END_TEST

START_TEST(test_nothing_is_due_while_paused)
{
    open_deck();
    /* A neighbour that doesn't answer is asked every second, three times. */
    ck_assert_int_eq(con_line("ping -c 1 10.0.0.77", false), RUN_MORE);
    turn(0);
    ck_assert_uint_eq(sent, 1);
    td_time due = td_stack_next_deadline(con.st);
    con_done("pause");
    for (int i = 0; i < 100; i++)
        turn(TD_SEC);
    ck_assert_uint_eq(sent, 1);
    con_done("resume");
    ck_assert_uint_eq(deck_time_when(&now, due), due + 100 * TD_SEC);
    turn(due - 100 * TD_SEC - TD_US);
    ck_assert_uint_eq(sent, 1); /* a microsecond early */
    turn(TD_US);
    ck_assert_uint_eq(sent, 2);
    close_deck();
}
END_TEST

/* A frame that netem delays by 50 ms leaves that much of flowing time later, to the microsecond. */
START_TEST(test_queue_disciplines_wait)
{
    open_deck();
    con_done("tc qdisc add dev eth0 root netem delay 50ms");
    ping_in(1);
    turn(0);
    turn(20 * TD_MS);
    con_done("pause");
    turn(7 * TD_SEC);
    con_done("resume");
    turn(30 * TD_MS - TD_US);
    ck_assert_uint_eq(sent, 0);
    turn(TD_US);
    ck_assert_uint_eq(sent, 1);
    /* A step by packets takes what a discipline holds, and time with it. */
    ping_in(2);
    turn(0);
    td_time at = deck_time_now(&now);
    con_done("pause");
    con_done("step");
    con_says("eth0 out, 98 bytes");
    con_says("(+50ms)");
    ck_assert_uint_eq(deck_time_now(&now), at + 50 * TD_MS);
    close_deck();
}
END_TEST

START_TEST(test_wall_clock)
{
    open_deck();
    const int64_t wall = 1000000 * (int64_t)TD_SEC;
    turn(10 * TD_SEC); /* 110 */
    con_done("pause");
    turn(5 * TD_SEC); /* real 115 */
    con_done("resume");
    turn(20 * TD_SEC); /* 130, real 135 */
    con_done("pause");
    turn(TD_SEC); /* real 136 */
    con_done("resume");
    turn(TD_SEC); /* 131, real 137 */
    ck_assert_int_eq(deck_wall(&con.deck, 105 * TD_SEC), wall + 105 * (int64_t)TD_SEC);
    ck_assert_int_eq(deck_wall(&con.deck, 120 * TD_SEC), wall + 125 * (int64_t)TD_SEC);
    ck_assert_int_eq(deck_wall(&con.deck, 131 * TD_SEC), wall + 137 * (int64_t)TD_SEC);
    ck_assert_int_eq(con.deck.host.wall(con.deck.host.ctx), 1000137);
    for (int i = 0; i < 2 * TIME_MARKS; i++) { /* more pauses than are remembered */
        con_done("pause");
        turn(TD_SEC);
        con_done("resume");
        turn(TD_SEC);
    }
    ck_assert_int_eq(deck_wall(&con.deck, deck_time_now(&now)), wall + (int64_t)real);
    ck_assert_int_eq(deck_wall(&con.deck, deck_time_now(&now) - 10 * TD_SEC - 1),
                     wall + (int64_t)real - 20 * (int64_t)TD_SEC - 1);
    close_deck();
}
END_TEST

START_TEST(test_frames_wait)
{
    open_deck();
    con_done("pause");
    for (uint16_t i = 1; i <= 3; i++)
        ping_in(i);
    turn(TD_SEC);
    ck_assert_uint_eq(sent, 0);
    con_done("pause");
    con_says("3 frames wait to come in");
    con_done("resume");
    con_says("3 frames waited");
    ping_in(4); /* not before those that came earlier */
    turn(0);
    ck_assert_uint_eq(sent, 4);
    ck_assert_uint_eq(replied(), 4);
    ck_assert_uint_eq(now.nheld, 0);
    close_deck();
}
END_TEST

START_TEST(test_frames_beyond_the_limit)
{
    open_deck();
    con_done("pause");
    for (unsigned i = 0; i < TIME_HELD_FRAMES + 10; i++)
        ping_in((uint16_t)i);
    ck_assert_uint_eq(now.nheld, TIME_HELD_FRAMES);
    uint64_t dropped = con.st->counters.v[CNT_EthInDrops];
    json_t *j = con_json("resume");
    ck_assert_int_eq(json_integer_value(json_object_get(j, "held")), TIME_HELD_FRAMES);
    ck_assert_int_eq(json_integer_value(json_object_get(j, "lost")), 10);
    json_decref(j);
    ck_assert_uint_eq(con.st->counters.v[CNT_EthInDrops], dropped + 10);
    con_done("why event time-drop-frames");
    con_says("Dropped 10 frames that came on eth0 while time stood still");
    for (int i = 0; i < 40; i++)
        turn(0);
    ck_assert_uint_eq(sent, TIME_HELD_FRAMES);
    /* By bytes: frames of 60 KB. */
    static uint8_t big[60000];
    con_done("pause");
    for (unsigned i = 0; i < 200; i++)
        give(big, sizeof big);
    ck_assert_uint_eq(now.nheld, TIME_HELD_BYTES / sizeof big);
    ck_assert_uint_eq(tap.unheld, 200 - TIME_HELD_BYTES / sizeof big);
    close_deck();
}
END_TEST

START_TEST(test_step_by_packets)
{
    open_deck();
    ck_assert_int_eq(con_line("step", false), EXIT_FAILED);
    con_says("");
    ck_assert_str_eq(con.err, "time isn't paused: `pause` first");
    con_done("pause");
    for (uint16_t i = 1; i <= 3; i++)
        ping_in(i);
    con_done("step");
    con_says("eth0 in, 98 bytes: 10.0.0.1 > 10.0.0.2 ICMP echo request, seq 1");
    con_says("1 packet; 0.000000 s; 2 wait to come in; frames wait to leave");
    ck_assert_uint_eq(sent, 0);
    con_done("step"); /* the answer goes before the next question */
    con_says("eth0 out, 98 bytes: 10.0.0.2 > 10.0.0.1 ICMP echo reply, seq 1");
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(replied(), 1);
    con_done("step 3 packets");
    con_says("seq 2");
    con_says("request, seq 3");
    con_silent("reply, seq 3");
    ck_assert_uint_eq(sent, 2);
    ck_assert_uint_eq(now.nheld, 0);
    turn(TD_SEC);
    ck_assert_uint_eq(sent, 2);
    con_done("resume");
    turn(0);
    ck_assert_uint_eq(sent, 3);
    ck_assert_uint_eq(deck_time_now(&now), 100 * TD_SEC); /* no time has passed */
    close_deck();
}
END_TEST

START_TEST(test_step_waits_for_a_frame)
{
    char *words[] = {"step"};
    open_deck();
    con_done("pause");
    struct run *r = run_start(&con.deck, 1, words, false, false);
    ck_assert_int_eq(r->status, RUN_MORE);
    ck_assert(r->ready);
    run_step(r, 0);
    ck_assert_int_eq(r->status, RUN_MORE);
    ck_assert(!r->ready);
    ck_assert_ptr_nonnull(strstr(r->notes.s, "waits for one to come"));
    ck_assert_int_eq(con_line("step", false), EXIT_FAILED); /* one at a time */
    ck_assert_str_eq(con.err, "a step is under way already");
    ck_assert_int_eq(con_line("resume", false), EXIT_FAILED);
    ck_assert_int_eq(con_line("pause", false), EXIT_FAILED);
    ping_in(1);
    ck_assert(r->ready);
    run_step(r, 0);
    ck_assert_int_eq(r->status, EXIT_DONE);
    run_free(r);

    con_done("step"); /* the answer */
    r = run_start(&con.deck, 1, words, false, false);
    run_step(r, 0);
    run_interrupt(r);
    ck_assert_int_eq(r->status, EXIT_FAILED);
    ck_assert_int_eq(now.mode, TIME_PAUSED);
    run_free(r);
    r = run_start(&con.deck, 1, words, false, false);
    run_step(r, 0);
    run_free(r); /* its client has gone */
    ck_assert_int_eq(now.mode, TIME_PAUSED);
    con_done("resume");
    close_deck();
}
END_TEST

START_TEST(test_step_by_timers)
{
    open_deck();
    con_line("ping -c 1 10.0.0.77", false);
    turn(0);
    ck_assert_uint_eq(sent, 1);
    td_time due = td_stack_next_deadline(con.st);
    con_done("pause");
    ping_in(1);
    con_done("step timer");
    con_says("arp-request");
    con_says("1 timer;");
    con_says("1 waits to come in");
    ck_assert_uint_eq(deck_time_now(&now), due);
    ck_assert_uint_eq(sent, 2); /* what a timer sends goes out */
    con_done("step 2 timers");
    ck_assert_uint_ge(deck_time_now(&now), due + TD_SEC);
    con_done("resume");
    ck_assert_uint_ge(deck_time_now(&now), due + TD_SEC); /* it was ahead, and goes on from there */
    real += TD_SEC;
    ck_assert_uint_ge(deck_time_now(&now), due + 2 * TD_SEC);
    ck_assert_int_eq(deck_wall(&con.deck, deck_time_now(&now)),
                     1000000 * (int64_t)TD_SEC + (int64_t)real);
    close_deck();
}
END_TEST

START_TEST(test_step_by_events)
{
    open_deck();
    con_done("sysctl -q -w tapdeck.journal.level=2");
    con_done("pause");
    ping_in(1);
    json_t *j = con_json("step event");
    ck_assert_int_ge(json_integer_value(json_object_get(j, "done")), 1);
    ck_assert_str_eq(json_string_value(json_object_get(j, "unit")), "event");
    const json_t *told = json_object_get(j, "told");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(told, 0), "packet")), "in");
    ck_assert_ptr_nonnull(json_object_get(json_array_get(told, 1), "event"));
    json_decref(j);
    ck_assert_uint_eq(now.nheld, 0);
    close_deck();
}
END_TEST

START_TEST(test_step_runs_dry)
{
    open_deck();
    con_done("pause");
    for (int i = 0; i < 1000 && wheel_next(&con.st->wheel) != TD_NEVER; i++)
        con_line("step timer", false);
    ck_assert_int_eq(con_line("step timer", false), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(con.err, "nothing is left"));
    ck_assert_int_eq(now.mode, TIME_PAUSED);
    ck_assert_int_eq(con_line("step 5 events", false), EXIT_FAILED);
    close_deck();
}
END_TEST

START_TEST(test_words)
{
    open_deck();
    con_refused("pause now", "no words");
    con_refused("resume -x", "no words");
    con_refused("step 0", "no step");
    con_refused("step 3 4", "packet|event|timer");
    con_refused("step timer packet", "packet|event|timer");
    con_refused("step back", "packet|event|timer");
    con_refused("step 99999999999", "packet|event|timer");
    close_deck();
    con_open(0);
    ck_assert_int_eq(con_line("pause", false), EXIT_FAILED); /* nobody's time */
    ck_assert_int_eq(con_line("step", false), EXIT_FAILED);
    ck_assert_int_eq(con_line("resume", false), EXIT_FAILED);
    con_close();
}
END_TEST

START_TEST(test_commands_that_wait_say_so)
{
    char *words[] = {"ping", "10.0.0.77"};
    open_deck();
    struct run *r = run_start(&con.deck, 2, words, false, false);
    con_done("pause");
    run_step(r, deck_time_now(&now));
    deck_time_tell(&con.deck);
    ck_assert_ptr_nonnull(strstr(r->notes.s, "time is paused"));
    size_t n = r->notes.len;
    deck_time_tell(&con.deck);
    ck_assert_uint_eq(r->notes.len, n); /* once */
    con_done("resume");
    con_done("pause");
    deck_time_tell(&con.deck);
    ck_assert_uint_eq(r->notes.len, 2 * n);
    run_free(r);
    close_deck();
}
END_TEST

/* ---- a simulation: its hosts pause together ---- */

START_TEST(test_simulated_hosts)
{
    char *words[] = {"ping", "-c", "1", "10.0.0.2"};
    sim_open();
    at(1, "pause");
    struct run *r = run_start(&decks[0], 4, words, false, false); /* its frame waits */
    td_time began = sim_now(sim);
    ck_assert_int_eq(r->status, RUN_MORE);
    run_step(r, began);
    says(0, "step", "out, 60 bytes: ARP who has 10.0.0.2");
    ck_assert_uint_eq(sim_now(sim), began);
    says(1, "step", "in, 60 bytes: ARP who has 10.0.0.2"); /* at b's console: b's packets */
    ck_assert_uint_eq(sim_now(sim), began + 10 * TD_MS);
    says(1, "step", "out, 60 bytes: ARP 10.0.0.2 is at");
    says(0, "step 2", "ICMP echo request");
    ck_assert_uint_eq(sim_now(sim), began + 20 * TD_MS);
    says(0, "step", "ICMP echo reply");
    ck_assert_uint_eq(sim_now(sim), began + 40 * TD_MS);
    at(0, "step timer");
    ck_assert_uint_gt(sim_now(sim), began + 40 * TD_MS);
    at(0, "resume");
    ck_assert(!decks[0].st->halted && !decks[1].st->halted);
    run_free(r);
    sim_close();
}
END_TEST

/* Stopped after every packet the same happens at the same times as in one run, but that a host's
 * frames of one instant may leave one by one: here each sends one at a time. */
START_TEST(test_steps_change_nothing)
{
    td_time times[2] = {0};
    uint64_t written[2] = {0};
    for (int stepped = 0; stepped < 2; stepped++) {
        char *words[] = {"ping", "-c", "1", "10.0.0.2"};
        sim_open();
        struct run *r = run_start(&decks[0], 4, words, false, false);
        run_step(r, sim_now(sim));
        if (stepped) {
            at(0, "pause");
            for (int i = 0; i < 4; i++)
                at(0, "step");
            at(0, "resume");
        }
        sim_run(sim, 30 * TD_SEC, NULL, NULL);
        times[stepped] = sim_now(sim);
        written[stepped] = decks[1].st->journal.written;
        ck_assert_uint_eq(decks[0].st->counters.v[CNT_IcmpInEchoReps], 1);
        run_free(r);
        sim_close();
    }
    ck_assert_uint_eq(times[0], times[1]);
    ck_assert_uint_eq(written[0], written[1]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("time");
    TCase *t = tcase_create("time");
    tcase_add_test(t, test_time_stands_still);
    tcase_add_test(t, test_nothing_is_due_while_paused);
    tcase_add_test(t, test_queue_disciplines_wait);
    tcase_add_test(t, test_wall_clock);
    tcase_add_test(t, test_frames_wait);
    tcase_add_test(t, test_frames_beyond_the_limit);
    tcase_add_test(t, test_step_by_packets);
    tcase_add_test(t, test_step_waits_for_a_frame);
    tcase_add_test(t, test_step_by_timers);
    tcase_add_test(t, test_step_by_events);
    tcase_add_test(t, test_step_runs_dry);
    tcase_add_test(t, test_words);
    tcase_add_test(t, test_commands_that_wait_say_so);
    tcase_add_test(t, test_simulated_hosts);
    tcase_add_test(t, test_steps_change_nothing);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
