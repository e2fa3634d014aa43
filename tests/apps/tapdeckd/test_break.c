/* Breakpoints: a frame, an event, a state, a variable stops the time of a live stack, and of all
 * that share it. */
#include "pair.h"

#include <arpa/inet.h>
#include <errno.h>

#include "tapdeck/socket.h"

static int client, server, listener;

static struct sockaddr_in end(uint32_t host, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(TD_IP4(10, 0, 0, host))};
}

/* Runs until time is paused, or for so long; is it paused? */
static bool run_for(td_time duration)
{
    sim_run(sim, sim_now(sim) + duration, NULL, NULL);
    return world.mode == TIME_PAUSED;
}

static void go(void)
{
    at(0, "resume");
}

/* b listens on port 80, a connects from port 5000: nothing has been sent yet. */
static void call(void)
{
    struct sockaddr_in here = end(1, 5000), there = end(2, 80);
    listener = td_socket(decks[1].st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_bind(decks[1].st, listener, (struct sockaddr *)&there, sizeof there), 0);
    ck_assert_int_eq(td_listen(decks[1].st, listener, 5), 0);
    client = td_socket(decks[0].st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_bind(decks[0].st, client, (struct sockaddr *)&here, sizeof here), 0);
    ck_assert_int_eq(td_connect(decks[0].st, client, (struct sockaddr *)&there, sizeof there),
                     -EINPROGRESS);
}

static void answer(void)
{
    server = td_accept(decks[1].st, listener, NULL, NULL);
    ck_assert_int_ge(server, 0);
}

static int fails(int i, const char *line, const char *why)
{
    char **argv, msg[256];
    int argc = words_split(line, &argv, msg, sizeof msg);
    struct run *r = run_start(&decks[i], argc, argv, false, false);
    words_free(argv);
    int status = r->status;
    ck_assert_msg(strstr(r->err, why) != NULL, "%s: '%s'", line, r->err);
    run_free(r);
    return status;
}

START_TEST(test_filter)
{
    sim_open();
    says(1, "break when 'tcp[tcpflags] & tcp-syn != 0'", "breakpoint 1");
    call();
    uint64_t frames =
        decks[1].st->counters.v[CNT_EthOutFrames] + 1; /* and the answer to ARP's question */
    ck_assert(run_for(TD_SEC));
    ck_assert_ptr_nonnull(
        strstr(world.hit, "breakpoint 1 (tcp[tcpflags] & tcp-syn != 0): eth0 in, "));
    ck_assert_ptr_nonnull(strstr(world.hit, "10.0.0.1:5000 > 10.0.0.2:80 TCP S, 0 bytes"));
    /* At the end of the call in which the SYN came: nothing has been answered. */
    ck_assert_uint_eq(decks[1].st->counters.v[CNT_TcpInSegs], 1);
    ck_assert_uint_eq(decks[1].st->counters.v[CNT_EthOutFrames], frames); /* none has left */
    says(1, "ss -tan", "SYN-RECV");
    ck_assert(decks[0].st->halted && decks[1].st->halted);
    td_time stopped = sim_now(sim);
    run_for(TD_SEC);
    ck_assert_uint_eq(sim_now(sim), stopped);
    go();
    ck_assert(run_for(TD_SEC)); /* the SYN-ACK goes out */
    ck_assert_ptr_nonnull(strstr(world.hit, "eth0 out, "));
    ck_assert_uint_eq(sim_now(sim), stopped);
    ck_assert_uint_eq(decks[1].st->counters.v[CNT_EthOutFrames], frames + 1);
    go();
    ck_assert(!run_for(TD_SEC));
    answer();
    says(1, "break list", "1    2        tcp[tcpflags] & tcp-syn != 0");
    at(1, "break del 1");
    ck_assert_ptr_null(world.breaks);
    sim_close();
}
END_TEST

START_TEST(test_loopback_frames)
{
    sim_open();
    at(0, "break when 'udp port 7'");
    int s = td_socket(decks[0].st, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(td_sendto(decks[0].st, s, "x", 1, 0, TD_IP4(127, 0, 0, 1), 7), 1);
    ck_assert(run_for(TD_MS));
    ck_assert_ptr_nonnull(strstr(world.hit, "lo in, 29 bytes: "));
    sim_close();
}
END_TEST

START_TEST(test_state)
{
    sim_open();
    call();
    ck_assert(!run_for(TD_SEC));
    answer();
    at(0, "break when state=closing");
    at(0, "break when state=FIN-WAIT-1 4711"); /* another connection's */
    /* Both close at once: each is in CLOSING before the other's ACK comes. */
    td_shutdown(decks[0].st, client, SHUT_WR);
    td_shutdown(decks[1].st, server, SHUT_WR);
    ck_assert(run_for(TD_SEC));
    ck_assert_str_eq(world.hit, "breakpoint 1 (state=closing): The connection went from FIN-WAIT-1 "
                                "to CLOSING (the peer's FIN).");
    says(0, "ss -tan", "CLOSING");
    go();
    ck_assert(!run_for(TD_SEC));
    says(0, "break list -j", "{\"id\":1,\"when\":\"state=closing\",\"hits\":1}");
    sim_close();
}
END_TEST

START_TEST(test_event)
{
    sim_open();
    at(1, "sysctl -q -w tapdeck.journal.level=0"); /* counters only: events are seen all the same */
    uint64_t written = decks[1].st->journal.written;
    at(1, "break when event=tcp-accept*");
    call();
    ck_assert(run_for(TD_SEC));
    ck_assert_ptr_nonnull(strstr(world.hit, "(event=tcp-accept*): The handshake is complete"));
    go();
    ck_assert(!run_for(TD_SEC));
    answer(); /* a call, which is over: time stops behind it */
    ck_assert_int_eq(world.mode, TIME_PAUSED);
    ck_assert_uint_eq(decks[1].st->journal.written, written);
    ck_assert_uint_eq(world.hits, 2);
    sim_close();
}
END_TEST

START_TEST(test_variable)
{
    static uint8_t data[60000];
    sim_open();
    call();
    ck_assert(!run_for(TD_SEC));
    answer();
    says(1, "break when cwnd>5", "breakpoint 1"); /* it is 10 already: no news */
    says(1, "break when cwnd > 12 10.0.0.1:5000", "breakpoint 2");
    at(1, "break when SRTT>1s");
    ck_assert_int_gt(td_send(decks[1].st, server, data, sizeof data, 0), 0);
    ck_assert(run_for(TD_SEC));
    ck_assert_ptr_nonnull(
        strstr(world.hit,
               "breakpoint 2 (cwnd > 12 10.0.0.1:5000): cwnd of 10.0.0.2:80-10.0.0.1:5000 is "));
    go();
    ck_assert(!run_for(10 * TD_MS)); /* it stays so: once */
    at(1, "break del all");
    ck_assert_ptr_null(world.breaks);
    at(1, "break when cwnd<3");
    sim_run(sim, sim_now(sim) + TD_SEC, NULL, NULL);
    /* The peer goes: nothing is acknowledged, and the time-out makes the window one segment. */
    at(0, "ip link set eth0 down");
    ck_assert_int_gt(td_send(decks[1].st, server, data, 20000, 0), 0);
    ck_assert(run_for(10 * TD_SEC));
    ck_assert_ptr_nonnull(
        strstr(world.hit, "(cwnd<3): cwnd of 10.0.0.2:80-10.0.0.1:5000 is 1 segments"));
    ck_assert_uint_gt(decks[1].st->journal.events[EV_TCP_RTO], 0);
    says(1, "why event tcp-rto -n 1", "tcp-rto");
    sim_close();
}
END_TEST

START_TEST(test_who_is_told)
{
    char *wait[] = {"break", "wait"}, *follow[] = {"break", "wait", "-f", "-j"},
         *ping[] = {"ping", "10.0.0.2"};
    sim_open();
    struct run *w = run_start(&decks[0], 2, wait, false, false),
               *f = run_start(&decks[1], 4, follow, false, false);
    struct run *p = run_start(&decks[0], 2, ping, false, false);
    ck_assert_int_eq(w->status, RUN_MORE);
    at(0, "break when icmp");
    run_step(p, sim_now(sim));
    ck_assert(!w->ready);
    ck_assert(run_for(TD_SEC));
    ck_assert(w->ready && f->ready);
    run_step(w, 0);
    run_step(f, 0);
    ck_assert_int_eq(w->status, EXIT_DONE);
    ck_assert_ptr_nonnull(
        strstr(w->out.s,
               "breakpoint 1 (icmp): eth0 out, 98 bytes: 10.0.0.1 > 10.0.0.2 ICMP echo request"));
    ck_assert_int_eq(f->status, RUN_MORE);
    ck_assert_ptr_nonnull(strstr(f->out.s, "{\"id\":1,\"text\":\"breakpoint 1"));
    ck_assert_ptr_nonnull(strstr(f->out.s, "\"name\":\"a\""));
    ck_assert_ptr_nonnull(strstr(p->notes.s, "breakpoint 1 (icmp)")); /* it runs */
    says(1, "break wait", "a: breakpoint 1 (icmp)"); /* too late to wait: it was hit */
    go();
    run_interrupt(f);
    ck_assert_int_eq(f->status, EXIT_DONE);
    run_free(w);
    run_free(f);
    run_free(p);
    sim_close();
}
END_TEST

START_TEST(test_hit_in_a_step)
{
    sim_open();
    at(1, "break when state=ESTAB");
    call();
    at(1, "pause");
    says(1, "step 100 packets", "packets;");
    ck_assert_ptr_nonnull(strstr(world.hit, "SYN-RECEIVED to ESTABLISHED"));
    ck_assert_uint_eq(decks[1].st->counters.v[CNT_TcpInSegs], 2);
    ck_assert_uint_gt(world.step.left, 50);
    /* What somebody's command does while time stands still hits nothing. */
    at(1, "break when event=knob-set");
    at(1, "sysctl -q -w net.ipv4.ip_default_ttl=9");
    go();
    ck_assert(!run_for(TD_MS));
    ck_assert_uint_eq(world.hits, 1);
    sim_close();
}
END_TEST

START_TEST(test_words)
{
    sim_open();
    ck_assert_int_eq(fails(0, "break when", "when?"), EXIT_USAGE);
    ck_assert_int_eq(fails(0, "break when tcp port", "not a filter expression"), EXIT_USAGE);
    ck_assert_int_eq(fails(0, "break when state=OPEN", "'OPEN' is not a state"), EXIT_USAGE);
    ck_assert_int_eq(fails(0, "break when event=nothing-such", "no event is called"), EXIT_USAGE);
    ck_assert_int_eq(fails(0, "break when cwnd<many", "compares nothing"), EXIT_USAGE);
    ck_assert_int_eq(fails(0, "break when srtt<5", "compares nothing"), EXIT_USAGE); /* of what? */
    ck_assert_int_eq(fails(0, "break when state=CLOSING 10.0.0.9:1", "no connection '10.0.0.9:1'"),
                     EXIT_FAILED);
    ck_assert_int_eq(fails(0, "break when state=CLOSING now", "doesn't belong"), EXIT_USAGE);
    ck_assert_int_eq(fails(0, "break del", "is missing"), EXIT_USAGE);
    ck_assert_int_eq(fails(0, "break del 7", "no breakpoint '7'"), EXIT_USAGE);
    ck_assert_int_eq(fails(0, "break dance", "break when"), EXIT_USAGE);
    ck_assert_int_eq(fails(0, "break wait long", "break wait"), EXIT_USAGE);
    ck_assert_ptr_null(world.breaks);
    for (int i = 0; i < 32; i++)
        at(0, "break when arp");
    ck_assert_int_eq(fails(0, "break when arp", "32 breakpoints"), EXIT_FAILED);
    ck_assert_int_eq(fails(1, "break del 3", "no breakpoint '3'"), EXIT_USAGE); /* another host's */
    sim_close();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("break");
    TCase *t = tcase_create("break");
    tcase_add_test(t, test_filter);
    tcase_add_test(t, test_loopback_frames);
    tcase_add_test(t, test_state);
    tcase_add_test(t, test_event);
    tcase_add_test(t, test_variable);
    tcase_add_test(t, test_who_is_told);
    tcase_add_test(t, test_hit_in_a_step);
    tcase_add_test(t, test_words);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
