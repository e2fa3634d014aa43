/* ss: columns, what stands behind them, whose a socket is, and its end, over a wire in virtual
 * time. */
#include "check_main.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/control.h"
#include "tapdeckd/deck.h"
#include "world.h"

static struct world *w;
static struct deck deck;
static char out[65536], err[768];

static void setup(void)
{
    w = world_new();
    deck_init(&deck, w->server, "test");
}

static void teardown(void)
{
    deck_done(&deck);
    world_free(w);
}

static int line(const char *text, bool json)
{
    char **argv, msg[256];
    int argc = words_split(text, &argv, msg, sizeof msg), status;
    ck_assert_msg(argc > 0, "%s: %s", text, msg);
    struct run *r = run_start(&deck, argc, argv, json, false);
    words_free(argv);
    while (r->status == RUN_MORE && r->ready)
        run_step(r, td_stack_now(w->server));
    status = r->status;
    snprintf(out, sizeof out, "%s", r->out.s != NULL ? r->out.s : "");
    snprintf(err, sizeof err, "%s", r->err);
    run_free(r);
    return status;
}

static void good(const char *text)
{
    int status = line(text, false);
    ck_assert_msg(status == EXIT_DONE, "%s: %d, %s", text, status, err);
}

static void refused(const char *text, const char *why)
{
    int status = line(text, false);
    ck_assert_msg(status == EXIT_USAGE && strstr(err, why) != NULL, "%s: %d, %s", text, status,
                  err);
}

static void says(const char *text)
{
    ck_assert_msg(strstr(out, text) != NULL, "'%s' is not in:\n%s", text, out);
}

static unsigned lines(void)
{
    unsigned n = 0;
    for (const char *c = out; *c != '\0'; c++)
        n += *c == '\n';
    return n;
}

/* echo with two clients; one of them has said something. */
static struct client *talk(void)
{
    good("app start echo");
    struct client *quiet = world_connect(w, 7), *c = world_connect(w, 7);
    (void)quiet;
    client_say(c, "hello");
    world_run(w, TD_SEC);
    ck_assert_uint_eq(c->in.len, 5);
    return c;
}

START_TEST(test_columns)
{
    talk();
    good("ss -tan");
    says("State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
         "LISTEN 0      128          0.0.0.0:7         0.0.0.0:*    \n"
         "ESTAB  0      0           10.0.0.2:7        10.0.0.1:");
    good("ss -tanH");
    ck_assert_uint_eq(lines(), 3);
    good("ss -a");
    says("Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
         "udp   UNCONN 0      0            0.0.0.0:7         0.0.0.0:*    \n"
         "tcp   LISTEN");
    good("ss -t state established");
    says("Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n0      0           "
         "10.0.0.2:7");
    good("ss -tH dport gt 1024 and src 10.0.0.0/8");
    ck_assert_uint_eq(lines(), 2);
    good("ss -tH '( dport lt 1024 or sport = :http )'");
    ck_assert_uint_eq(lines(), 0);
    good("ss -H dev lo or autobound"); /* the clients' ports aren't ours */
    ck_assert_uint_eq(lines(), 0);
    refused("ss dev eth9", "there is no interface 'eth9'");
    refused("ss -tx", "ss has no option -x here");
    refused("ss --packet", "'--packet' doesn't belong after 'ss'");
    refused("ss sport", "a port is missing");
}
END_TEST

START_TEST(test_details)
{
    talk();
    good("ss -tnp state established");
    says(" users:((\"echo\",pid=1,fd=");
    good("ss -tlnp");
    says(" users:((\"echo\",pid=1,fd=0))");
    good("ss -tnmi state established");
    says("\n\t skmem:(r0,rb131072,t0,tb");
    says(") cubic wscale:");
    says(" bytes_sent:5 bytes_acked:5 bytes_received:5 segs_out:");
    says(" rtt:2.001/"); /* 1 ms each way, and the bytes of the frames */
    says("bps lastsnd:");
    says(" delivered:2 ");
    says(" minrtt:2.001 ");
    good("ss -tin");
    says(" cubic wscale:");
    says(" mss:1448 pmtu:1500 rcvmss:");
    says(" pacing_rate ");
    good("ss -tiO");
    ck_assert_uint_eq(lines(), 3);
    good("ss -te");
    says(" id:");
    says(" <->");
    good("ss -tio");
    says(" ts sack cubic");
    good("ss -uam");
    says("\n\t skmem:(r0,rb212992,t0,tb212992,f0,w0,o0,bl0,d0)");
    good("app stop 1");
    world_run(w, 2 * TD_SEC);
    good("ss -tano");
    says("FIN-WAIT-2");
    says(" timer:(timewait,");
    for (struct client *c = w->clients; c != NULL; c = c->next)
        ck_assert_int_eq(td_shutdown(w->client, c->s, SHUT_WR), 0);
    world_run(w, 3 * TD_SEC);
    good("ss -tano");
    says("TIME-WAIT");
    says(" timer:(timewait,");
    says("sec,0)");
    good("ss -tane");
    ck_assert_ptr_null(strstr(out, "<->"));
}
END_TEST

START_TEST(test_summary)
{
    talk();
    good("ss -s");
    says("Total: 4\nTCP:   3 (estab 2, closed 0, orphaned 0, timewait 0)\n\n"
         "Transport Total     IP        IPv6\nRAW\t  0         0         0        \nUDP\t  1       "
         "  1         0        \n"
         "TCP\t  3         3         0        \n");
    ck_assert_int_eq(line("ss -s", true), EXIT_DONE);
    json_t *j = json_loads(out, 0, NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(j, "tcp"), "established")),
                     2);
    ck_assert_int_eq(json_integer_value(json_object_get(j, "udp")), 1);
    json_decref(j);
}
END_TEST

START_TEST(test_json)
{
    talk();
    ck_assert_int_eq(line("ss -tn", true), EXIT_DONE);
    json_t *j = json_loads(out, 0, NULL), *row = json_array_get(j, 1);
    ck_assert_uint_eq(json_array_size(j), 2);
    ck_assert_str_eq(json_string_value(json_object_get(row, "netid")), "tcp");
    ck_assert_int_eq(json_integer_value(json_object_get(row, "bytes_sent")), 5);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "unacked")), 0);
    ck_assert(json_is_true(json_object_get(row, "sack")));
    json_t *user = json_array_get(json_object_get(row, "users"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(user, "name")), "echo");
    ck_assert_int_eq(json_integer_value(json_object_get(user, "pid")), 1);
    json_decref(j);
    ck_assert_int_eq(line("ss -tn dport 1", true), EXIT_DONE);
    ck_assert_str_eq(out, "[]\n");
}
END_TEST

START_TEST(test_kill)
{
    struct client *c = talk();
    char filter[64];
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    refused("ss -K", "say which");
    refused("ss -tK", "say which");
    ck_assert_int_eq(td_getsockname(w->client, c->s, (struct sockaddr *)&sa, &len), 0);
    snprintf(filter, sizeof filter, "ss -tK dport = :%u", ntohs(sa.sin_port));
    good(filter);
    ck_assert_uint_eq(lines(), 2); /* the heading, and what was ended */
    says("ESTAB");
    world_run(w, 2 * TD_SEC);
    ck_assert_int_eq(c->err, -ECONNRESET);
    good("ss -tH");
    ck_assert_uint_eq(lines(), 1); /* the other one goes on */
    good("ss -tK state listening src :7");
    ck_assert_uint_eq(lines(), 2);
    good("ss -tlH");
    ck_assert_uint_eq(lines(), 0);
}
END_TEST

/* More rows than are laid out together: none is lost, and a row never takes more than a step's
 * worth. */
START_TEST(test_many)
{
    struct sockaddr_in sa;
    for (unsigned i = 0; i < 3000; i++) {
        int s = td_socket(w->server, AF_INET, SOCK_DGRAM, 0);
        sa = td_sockaddr(0, (uint16_t)(1000 + i));
        ck_assert_int_eq(td_bind(w->server, s, (struct sockaddr *)&sa, sizeof sa), 0);
    }
    char **argv, msg[64];
    int argc = words_split("ss -uaH", &argv, msg, sizeof msg);
    struct run *r = run_start(&deck, argc, argv, false, false);
    unsigned n = 0;
    words_free(argv);
    for (;;) {
        unsigned now = 0;
        for (size_t i = 0; i < r->out.len; i++)
            now += r->out.s[i] == '\n';
        ck_assert_uint_le(now, 256);
        n += now;
        text_consume(&r->out, r->out.len);
        if (r->status != RUN_MORE)
            break;
        ck_assert(r->ready);
        run_step(r, td_stack_now(w->server));
    }
    ck_assert_uint_eq(n, 3000);
    run_free(r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ss");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_columns);
    tcase_add_test(tc, test_details);
    tcase_add_test(tc, test_summary);
    tcase_add_test(tc, test_json);
    tcase_add_test(tc, test_kill);
    tcase_add_test(tc, test_many);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)
