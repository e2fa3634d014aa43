/* tests of apps/tapdeckd/conn.c and stack/tcp/lookup.c: the words for a connection. */
#include "check_main.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "harness.h"
#include "tapdeckd/conn.h"

static struct hx *h;
static struct deck deck;
static struct run run;
static int listener, first, second;

/* Two accepted connections to port 80, from ports 40000 and 40001; a listener. */
static void setup(void)
{
    h = hx_new();
    deck_init(&deck, h->st, "test");
    run = (struct run){.deck = &deck};
    listener = hx_tcp_listen(h, 80);
    first = hx_tcp_accept(h, listener, 0, 1000);
    tcp_in(h, NOW, .sport = 40001, .flags = SYN, .wnd = 1000);
    tcp_out(h, NOW, .dport = 40001, .flags = SYN | ACK, .ack = 1);
    tcp_in(h, NOW, .sport = 40001, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000);
    second = td_accept(h->st, listener, NULL, NULL);
    ck_assert_int_ge(second, 0);
}

static void teardown(void)
{
    deck_done(&deck);
    hx_free(h);
}

static struct conn means(const char *word, unsigned allow)
{
    struct conn c;
    ck_assert(conn_is_word(word));
    ck_assert_msg(conn_word(&run, word, allow, &c) == EXIT_DONE, "%s: %s", word, run.err);
    return c;
}

static void refused(const char *word, unsigned allow, int status, const char *why)
{
    struct conn c;
    ck_assert_int_eq(conn_word(&run, word, allow, &c), status);
    ck_assert_msg(strstr(run.err, why) != NULL, "%s: %s", word, run.err);
    ck_assert_ptr_null(strchr(run.err, '\n'));
}

START_TEST(every_form)
{
    struct conn c = means("10.0.0.2:40000", 0);
    char text[CONN_TEXT], number[16];
    ck_assert(c.present && c.state == TCPS_ESTABLISHED && c.id != 0);
    conn_text(&c, text);
    ck_assert_str_eq(text, "10.0.0.1:80-10.0.0.2:40000");
    uint32_t id = c.id;
    snprintf(number, sizeof number, "%u", id);
    ck_assert_uint_eq(means(number, 0).a.rport, 40000);
    ck_assert_uint_eq(means(text, 0).id, id);
    ck_assert_uint_eq(means("10.0.0.1:80-10.0.0.2:40001", 0).a.rport, 40001);
    ck_assert_uint_eq(means(":80-10.0.0.2:40000", 0).id, id);
    ck_assert_uint_eq(means("10.0.0.1-10.0.0.2:40000", 0).id, id);
    /* the newest */
    ck_assert_uint_eq(means(":80", 0).a.rport, 40001);
    ck_assert_uint_eq(means("*:80", 0).a.rport, 40001);
    ck_assert_uint_eq(means("10.0.0.2", 0).a.rport, 40001);
    /* connections before listeners, and listeners only where asked for */
    ck_assert_uint_eq(means(":80", CONN_LISTENING).a.rport, 40001);
    (void)hx_tcp_listen(h, 81);
    refused(":81", 0, EXIT_FAILED, "there is no connection ':81'");
    c = means(":81", CONN_LISTENING);
    ck_assert_int_eq(c.state, TCPS_LISTEN);
    conn_text(&c, text);
    ck_assert_str_eq(text, "0.0.0.0:81");
}
END_TEST

START_TEST(of_any_age)
{
    tcp_in(h, NOW, .sport = 40002, .flags = SYN, .wnd = 1000);
    tcp_out(h, NOW, .dport = 40002, .flags = SYN | ACK, .ack = 1);
    struct conn c = means("10.0.0.2:40002", 0);
    ck_assert(c.state == TCPS_SYN_RECEIVED && c.id == 0);
    tcp_in(h, NOW, .sport = 40002, .flags = RST, .seq = 1);

    uint32_t id = means("10.0.0.2:40000", 0).id;
    char number[16];
    snprintf(number, sizeof number, "%u", id);
    ck_assert_int_eq(means(number, 0).state, TCPS_ESTABLISHED); /* from now on its ends are known */
    ck_assert_uint_eq(deck.memo[id % DECK_MEMOS].rport, 40000);
    ck_assert_int_eq(means(number, 0).state, TCPS_ESTABLISHED);
    ck_assert_int_eq(td_close(h->st, first), 0);
    tcp_out(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 1);
    tcp_in(h, NOW, .flags = FIN | ACK, .seq = 1, .ack = 2, .wnd = 1000);
    tcp_out(h, NOW, .flags = ACK, .seq = 2, .ack = 2);
    c = means("10.0.0.2:40000", 0);
    ck_assert(c.state == TCPS_TIME_WAIT && c.id == id);
    ck_assert_int_eq(means(number, 0).state, TCPS_TIME_WAIT);
    hx_until(h, SEC(61));
    refused(number, 0, EXIT_FAILED, "there is no connection");
    refused("10.0.0.2:40000", 0, EXIT_FAILED, "there is no connection");
}
END_TEST

START_TEST(several)
{
    refused(":80", CONN_ONLY, EXIT_USAGE, "10.0.0.1:80-10.0.0.2:40001 (");
    refused(":80", CONN_ONLY, EXIT_USAGE, ", 10.0.0.1:80-10.0.0.2:40000 (");
    refused("10.0.0.2", CONN_ONLY, EXIT_USAGE, "name one by its number");
    ck_assert_uint_eq(means("10.0.0.2:40001", CONN_ONLY).a.rport, 40001);
    for (unsigned i = 2; i < 7; i++) {
        tcp_in(h, NOW, .sport = (uint16_t)(40000 + i), .flags = SYN, .wnd = 1000);
    }
    refused(":80", CONN_ONLY, EXIT_USAGE, " and others: name one");
    hx_flush(h);
    hx_drain(h);
}
END_TEST

START_TEST(wrong_words)
{
    static const char *const bad[] = {
        "",
        "0",
        "-1",
        "4294967296",
        "7x",
        ":",
        "*",
        ":0",
        "10.0.0",
        "10.0.0.2:",
        "10.0.0.2:x",
        "10.0.0.2:65536",
        "-10.0.0.2",
        ":80-",
        ":80-:",
        "0.0.0.0:0-10.0.0.2",
        "a-b",
        "established",
        "::1",
        ":80-:1-2",
        "0.0.0.0:5",
        "10.0.0.2-10.0.0.1-10.0.0.3",
        "10.0.0.1:80aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-10.0.0.2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!conn_is_word(bad[i]), "'%s' is taken", bad[i]);
        refused(bad[i], 0, EXIT_USAGE, "is not a connection: a connection is its number");
    }
    refused("99", 0, EXIT_FAILED, "there is no connection '99'");
    struct conn c = means("99", CONN_NUMBER);
    ck_assert(c.id == 99 && !c.present);
    char *argv[] = {(char[]){"pcb"}};
    run.argc = 1;
    run.argv = argv;
    ck_assert_int_eq(conn_argument(&run, 1, 0, &c), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(run.err, "after 'pcb' write a connection"));
}
END_TEST

START_TEST(subjects)
{
    struct conn c = means("10.0.0.2:40000", 0);
    struct journal_subject s = {.addr = HX_PEER, .port = 40000, .lport = 80};
    ck_assert(conn_is_subject(&c, &s)); /* its handshake, told under the listener's number */
    s.conn = 77;
    ck_assert(conn_is_subject(&c, &s));
    s.port = 40001;
    s.conn = 0;
    ck_assert(!conn_is_subject(&c, &s));
    s = (struct journal_subject){.conn = c.id};
    ck_assert(conn_is_subject(&c, &s));
    s.conn++;
    ck_assert(!conn_is_subject(&c, &s));
    c = means("99", CONN_NUMBER); /* a UDP socket's: whoever it talked to */
    s = (struct journal_subject){.conn = 99, .addr = HX_PEER, .port = 53, .lport = 5353};
    ck_assert(conn_is_subject(&c, &s));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("conn");
    TCase *tc = tcase_create("conn");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_form);
    tcase_add_test(tc, of_any_age);
    tcase_add_test(tc, several);
    tcase_add_test(tc, wrong_words);
    tcase_add_test(tc, subjects);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)
