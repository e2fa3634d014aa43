/* dev/diary.c, dev/diary_read.c: what two stacks were told is written, stands in a capture, and is read again. */
#include "common/check_main.h"
#include "dev/capture.h"
#include "dev/diary.h"
#include "tapdeck/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LO   TD_IP4(127, 0, 0, 1)
#define WALL INT64_C(1767225600)

static struct diary_book book;
static char msg[300];

static void teardown(void)
{
    diary_book_free(&book);
}

static struct td_stack *a_stack(enum td_profile profile)
{
    const struct td_stack_config c = {.now = 5 * TD_SEC, .profile = profile};
    struct td_stack *st = td_stack_new(&c);
    ck_assert_ptr_nonnull(st);
    return st;
}

/* A capture that holds nothing but what w has. */
static void read_back(struct pcapng_buf *w)
{
    struct capture_frame f;
    ck_assert(!w->failed);
    FILE *stream = fmemopen(w->b, w->len, "rb");
    struct capture_reader *r = capture_open_stream(stream, "file", msg, sizeof msg);
    ck_assert_msg(r != NULL, "%s", msg);
    capture_on_custom(r, diary_read, &book);
    ck_assert_msg(capture_next(r, &f, msg, sizeof msg) == 0, "%s", msg);
    capture_close(r);
    pcapng_buf_free(w);
}

static void tell(const char *text)
{
    diary_read(&book, text, strlen(text));
}

static int transmit(void *dev, const struct pkt *p)
{
    (void)dev;
    (void)p;
    return 0;
}

START_TEST(two_stacks_in_a_file)
{
    struct td_stack *a = a_stack(TD_PROFILE_LINUX), *b = a_stack(TD_PROFILE_RFC);
    struct pcapng_buf w = {0};
    ck_assert_int_eq(td_knob_set(a, "net.ipv4.tcp_sack", "0"), 0);
    ck_assert_int_eq(td_knob_set(a, "net.ipv4.tcp_rmem", "4096 10000 20000"), 0);
    static const struct td_device_ops ops = {.transmit = transmit};
    const struct td_if_config eth0 = {.name = "eth0", .ops = &ops, .mac = {{2, 0, 0, 0, 0, 1}}, .mtu = 1400, .flags = TD_IF_UP};
    uint32_t ifindex;
    ck_assert_int_eq(td_if_add(a, &eth0, &ifindex), 0);
    ck_assert_int_eq(td_addr_add(a, ifindex, TD_IP4(10, 0, 0, 1), 24), 0);
    struct diary *da = diary_open(a, "ann", WALL * (int64_t)TD_SEC - 5 * (int64_t)TD_SEC);
    struct diary *db = diary_open(b, "bob", 0);
    ck_assert(da != NULL && db != NULL);
    td_stack_clock(a, 5 * TD_SEC + 250 * TD_MS);
    ck_assert_int_eq(td_knob_set(a, "net.ipv4.tcp_sack", "1"), 0);
    ck_assert_int_eq(td_if_set_mtu(a, ifindex, 1300), 0);
    ck_assert_int_eq(td_addr_add(a, ifindex, TD_IP4(10, 0, 0, 2), 32), 0);
    pcapng_section(&w, NULL, NULL, "x");
    diary_write(da, 1, true, &w);
    diary_write(db, 2, false, &w);
    diary_close(da);
    diary_close(db);
    ck_assert_int_eq(td_knob_set(a, "net.ipv4.tcp_sack", "0"), 0); /* nobody listens any more */
    td_stack_free(a);
    td_stack_free(b);
    read_back(&w);
    ck_assert_uint_eq(book.nstacks, 2);
    const struct diary_stack *s = &book.stack[0];
    ck_assert_str_eq(s->name, "ann");
    ck_assert_int_eq(s->profile, TD_PROFILE_LINUX);
    ck_assert_int_eq(s->epoch, WALL * (int64_t)TD_SEC);
    ck_assert_uint_eq(s->naddrs, 2);
    ck_assert_uint_eq(s->addr[0].addr, TD_IP4(10, 0, 0, 1));
    ck_assert_uint_eq(s->addr[0].plen, 24);
    ck_assert_uint_eq(s->addr[0].mtu, 1400);
    ck_assert_uint_eq(s->addr[1].addr, TD_IP4(10, 0, 0, 2));
    bool sack = false, rmem = false;
    for (size_t i = 0; i < s->nknobs; i++) {
        sack |= strcmp(s->knob[i], "net.ipv4.tcp_sack=0") == 0;
        rmem |= strcmp(s->knob[i], "net.ipv4.tcp_rmem=4096 10000 20000") == 0;
    }
    ck_assert(sack && rmem && s->nknobs <= 4);
    ck_assert_uint_eq(s->ncalls, 2);
    ck_assert_int_eq(s->call[0].what, DIARY_KNOB);
    ck_assert_str_eq(s->call[0].text, "net.ipv4.tcp_sack=1");
    ck_assert_int_eq(s->call[0].wall, WALL * (int64_t)TD_SEC + 250 * (int64_t)TD_MS);
    ck_assert_int_eq(s->call[1].what, DIARY_MTU);
    ck_assert_str_eq(s->call[1].text, "eth0");
    ck_assert_int_eq(s->call[1].n, 1300);
    ck_assert_int_eq(book.stack[1].profile, TD_PROFILE_RFC);
    ck_assert_uint_eq(book.stack[1].ncalls, 0);
    ck_assert_ptr_eq(diary_of(&book, TD_IP4(10, 0, 0, 2)), s);
    ck_assert_ptr_null(diary_of(&book, TD_IP4(10, 0, 0, 3)));
}
END_TEST

START_TEST(the_calls_of_an_application)
{
    struct td_stack *st = a_stack(TD_PROFILE_LINUX);
    struct diary *d = diary_open(st, "host", 0);
    struct pcapng_buf w = {0};
    struct sockaddr_in at = td_sockaddr(LO, 80), from = td_sockaddr(LO, 4000);
    struct linger now = {.l_onoff = 1};
    char b[100] = "x";
    int one = 1;
    int l = td_socket(st, AF_INET, SOCK_STREAM, 0), c = td_socket(st, AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(td_bind(st, l, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(td_listen(st, l, 7), 0);
    ck_assert_int_eq(td_accept(st, l, NULL, NULL), -EAGAIN); /* says nothing */
    ck_assert_int_eq(td_setsockopt(st, c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    ck_assert_int_eq(td_bind(st, c, (struct sockaddr *)&from, sizeof from), 0);
    ck_assert_int_eq(td_connect(st, c, (struct sockaddr *)&at, sizeof at), -EINPROGRESS);
    td_stack_flush(st, 6 * TD_SEC);
    int a = td_accept(st, l, NULL, NULL);
    ck_assert_int_ge(a, 0);
    ck_assert_int_eq(td_send(st, c, b, 100, MSG_MORE | MSG_NOSIGNAL), 100);
    ck_assert_int_eq(td_send(st, c, b, 1, MSG_OOB), 1);
    td_stack_flush(st, 7 * TD_SEC);
    ck_assert_int_eq(td_recv(st, a, b, 10, MSG_PEEK), 10); /* only looks */
    ck_assert_int_eq(td_recv(st, a, b, 90, 0), 90);
    ck_assert_int_eq(td_shutdown(st, a, SHUT_WR), 0);
    ck_assert_int_eq(td_setsockopt(st, c, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    ck_assert_int_eq(td_close(st, c), 0);
    td_stack_flush(st, 8 * TD_SEC);
    pcapng_section(&w, NULL, NULL, "x");
    diary_write(d, 9, true, &w);
    diary_close(d);
    td_stack_free(st);
    read_back(&w);
    ck_assert_uint_eq(book.nstacks, 1);
    ck_assert_uint_eq(book.stack[0].number, 9);
    const struct {
        enum diary_what what;
        int s;
        int64_t n, result;
    } want[] = {
        {DIARY_SOCKET, l, SOCK_STREAM, 0}, {DIARY_SOCKET, c, SOCK_STREAM, 0}, {DIARY_BIND, l, 0, 0}, {DIARY_LISTEN, l, 7, 0},
        {DIARY_SETOPT, c, 0, 0},           {DIARY_BIND, c, 0, 0},             {DIARY_CONNECT, c, 0, -EINPROGRESS},
        {DIARY_ACCEPT, l, 0, 0},           {DIARY_WRITE, c, 100, 100},        {DIARY_WRITE, c, 1, 1},
        {DIARY_READ, a, 90, 90},           {DIARY_SHUTDOWN, a, SHUT_WR, 0},   {DIARY_SETOPT, c, 0, 0}, {DIARY_CLOSE, c, 0, 0},
    };
    const struct diary_call *k = book.stack[0].call;
    ck_assert_uint_eq(book.stack[0].ncalls, sizeof want / sizeof want[0]);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        ck_assert_int_eq(k[i].what, want[i].what);
        ck_assert_int_eq(k[i].s, want[i].s);
        ck_assert_int_eq(k[i].n, want[i].n);
        ck_assert_int_eq(k[i].result, want[i].result);
    }
    ck_assert(k[4].level == IPPROTO_TCP && k[4].option == TCP_NODELAY && k[4].len == 4 && k[4].value[0] == 1);
    ck_assert(k[6].us.addr == LO && k[6].us.port == 4000 && k[6].peer.port == 80);
    ck_assert(k[7].made == a && k[7].us.port == 80 && k[7].peer.port == 4000);
    ck_assert_int_eq(k[8].flags, MSG_MORE);
    ck_assert_int_eq(k[9].flags, MSG_OOB);
    ck_assert_int_eq(k[10].wall, 7 * (int64_t)TD_SEC);
    ck_assert(k[12].level == SOL_SOCKET && k[12].option == SO_LINGER && k[12].len == sizeof now &&
              memcmp(k[12].value, &now, sizeof now) == 0);
    size_t n;
    const struct diary_end us = {LO, 80}, peer = {LO, 4000};
    struct diary_call *own = diary_connection(&book.stack[0], us, peer, 6 * (int64_t)TD_SEC, &n);
    ck_assert_uint_eq(n, 6); /* socket, bind, listen, accept; read, shutdown */
    ck_assert(own[3].what == DIARY_ACCEPT && own[3].s == 0 && own[4].what == DIARY_READ && own[4].s == 1);
    free(own);
    own = diary_connection(&book.stack[0], peer, us, 6 * (int64_t)TD_SEC, &n);
    ck_assert_uint_eq(n, 8);
    ck_assert(own[0].what == DIARY_SOCKET && own[7].what == DIARY_CLOSE && own[7].s == 1);
    free(own);
}
END_TEST

/* More than goes into one block: nothing is lost, nor cut in the middle of a line. */
START_TEST(a_long_diary)
{
    enum { CALLS = 3000 };
    struct td_stack *st = a_stack(TD_PROFILE_LINUX);
    struct diary *d = diary_open(st, "host", 0);
    struct pcapng_buf w = {0};
    int s = td_socket(st, AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < CALLS; i++)
        ck_assert_int_eq(td_sendto(st, s, "12345", (size_t)(i % 5), 0, LO, 9), i % 5);
    pcapng_section(&w, NULL, NULL, "x");
    diary_write(d, 1, true, &w);
    diary_close(d);
    td_stack_free(st);
    ck_assert_uint_gt(w.len, PCAPNG_CUSTOM_MAX);
    read_back(&w);
    ck_assert_uint_eq(book.stack[0].ncalls, CALLS + 1);
    for (size_t i = 1; i <= CALLS; i++) {
        ck_assert_int_eq(book.stack[0].call[i].n, (int64_t)(i - 1) % 5);
        ck_assert_uint_eq(book.stack[0].call[i].peer.port, 9);
    }
    ck_assert(!book.stack[0].cut);
}
END_TEST

#define HEAD "tapdeck-diary 1\nstack 1 x\n"

/* Two connections of the same ends, one after the other; a listener that was asked to take neither. */
START_TEST(ends_that_are_used_again)
{
    size_t n;
    const struct diary_end us = {TD_IP4(10, 0, 0, 1), 80}, peer = {TD_IP4(10, 0, 0, 2), 9};
    tell(HEAD "epoch 0.000000000\n"
              "0.000000000 socket 0 stream\n0.000000000 bind 0 0.0.0.0:80 = 0\n0.000000000 listen 0 1 = 0\n"
              "1.000000000 accept 0 = 1 10.0.0.1:80 10.0.0.2:9\n1.500000000 read 1 5 = 5\n1.600000000 close 1\n"
              "9.000000000 accept 0 = 1 10.0.0.1:80 10.0.0.2:9\n9.500000000 read 1 6 = 6\n9.600000000 close 1\n");
    struct diary_call *c = diary_connection(&book.stack[0], us, peer, INT64_C(900000000), &n);
    ck_assert_uint_eq(n, 6);
    ck_assert_int_eq(c[4].n, 5);
    free(c);
    c = diary_connection(&book.stack[0], us, peer, INT64_C(8900000000), &n);
    ck_assert_uint_eq(n, 6);
    ck_assert_int_eq(c[4].n, 6);
    free(c);
    const struct diary_end translated = {TD_IP4(192, 168, 0, 2), 9}; /* seen in front of a router that translates */
    c = diary_connection(&book.stack[0], us, translated, INT64_C(8900000000), &n);
    ck_assert_uint_eq(n, 6);
    ck_assert_int_eq(c[4].n, 6);
    free(c);
    const struct diary_end other = {TD_IP4(10, 0, 0, 2), 10}, none = {TD_IP4(10, 0, 0, 1), 81};
    c = diary_connection(&book.stack[0], us, other, INT64_C(8900000000), &n);
    ck_assert_uint_eq(n, 3); /* it listened, and that is all */
    free(c);
    ck_assert_ptr_null(diary_connection(&book.stack[0], none, other, 0, &n));
    ck_assert_uint_eq(n, 0);
}
END_TEST

/* Each arrival is one segment's: of two with the same numbers, the first that came behind the capture. */
START_TEST(arrivals)
{
    const struct diary_key seven = {100, 9, 5, 7}, eight = {100, 9, 5, 8}, again = {100, 9, 6, 7}, acks = {100, 10, 5, 7}, nine = {100, 9, 5, 9};
    int64_t wall = 0;
    tell(HEAD "epoch 0.000000000\n1.000000000 in 7 100 9 5\n2.000000000 in 7 100 9 5\n1.500000000 in 8 100 9 5\n1.500000000 in 7 100 9 6\n"
              "1.000000000 in x 100 9 5\n1.000000000 in 65536 1 9 5\n1.000000000 in 1 4294967296 9 5\n1.000000000 in 1 1 1\n");
    struct diary_stack *st = &book.stack[0];
    ck_assert_uint_eq(st->nin, 4);
    ck_assert_uint_eq(st->ncalls, 0);
    ck_assert(diary_arrival(st, &seven, INT64_C(900000000), &wall) && wall == (int64_t)TD_SEC);
    ck_assert(diary_arrival(st, &seven, INT64_C(900000000), &wall) && wall == 2 * (int64_t)TD_SEC);
    ck_assert(!diary_arrival(st, &seven, INT64_C(900000000), &wall));
    ck_assert(!diary_arrival(st, &eight, INT64_C(1600000000), &wall)); /* it came before it was captured: another's */
    ck_assert(diary_arrival(st, &eight, INT64_C(1400000000), &wall));
    ck_assert(!diary_arrival(st, &acks, 0, &wall));
    ck_assert(!diary_arrival(st, &nine, 0, &wall));
    ck_assert(diary_arrival(st, &again, 0, &wall) && wall == INT64_C(1500000000));
    diary_arrivals_again(&book);
    ck_assert(diary_arrival(st, &seven, 0, &wall) && wall == (int64_t)TD_SEC);
    tell(HEAD "3.000000000 in 9 100 9 5\n"); /* and more came */
    ck_assert(diary_arrival(st, &nine, 0, &wall) && wall == 3 * (int64_t)TD_SEC);
}
END_TEST

START_TEST(what_makes_no_sense_is_passed_over)
{
    static const char *const lines[] = {
        "", "x", "0 socket 3 stream", "0.5 socket 3 stream", "0.00000000x socket 3 stream", "-1.000000000 socket 3 stream",
        "99999999999999999999.000000000 socket 3 stream", "0.000000000 socket", "0.000000000 socket x stream",
        "0.000000000 socket 99999999999 stream", "0.000000000 bind 3 10.0.0.1 = 0", "0.000000000 bind 3 10.0.0.256:1 = 0",
        "0.000000000 bind 3 10.0.0.1:65536 = 0", "0.000000000 bind 3 10.0.0:1 = 0", "0.000000000 bind 3 10.0.0.1:1",
        "0.000000000 accept 3 4 1.2.3.4:5 6.7.8.9:1", "0.000000000 write 3 5", "0.000000000 write 3 5 to nowhere = 5",
        "0.000000000 write 3 5 wrong words and no end", "0.000000000 setsockopt 3 tcp 1 4 one = 0",
        "0.000000000 setsockopt 3 tcp 1 -4 1 = 0", "0.000000000 knob nothing", "0.000000000 mtu eth0", "0.000000000 did",
        "0.000000000 teleport 3", "address 10.0.0.1 eth0", "address 10.0.0.1/33 eth0", "address", "interface eth0 mtu",
        "interface abcdefghijklmnopqrstuvwxyz mtu 5", "knob nothing", "epoch -1.000000000", "epoch 1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[300];
        snprintf(text, sizeof text, HEAD "%s\n", lines[i]);
        tell(text);
        ck_assert_msg(book.nstacks == 1 && book.stack[0].ncalls == 0 && book.stack[0].nknobs == 0 && book.stack[0].naddrs == 0 &&
                          book.stack[0].epoch == 0, "'%s' was taken", lines[i]);
    }
    tell(HEAD "0.000000000 setsockopt 3 tcp 1 99 x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021 = 0\n");
    ck_assert_uint_eq(book.stack[0].call[0].len, 32); /* cut */
    char zero[] = HEAD "0.000000000 close 3\n?.000000000 close 4\n0.000000000 close 5";
    zero[sizeof HEAD - 1 + 20] = '\0';
    diary_read(&book, zero, sizeof zero - 1);
    ck_assert_uint_eq(book.stack[0].ncalls, 3); /* a line with a zero in it is none; one without an end is one */
    char longer[1500];
    memset(longer, '1', sizeof longer);
    memcpy(longer, HEAD, sizeof HEAD - 1);
    diary_read(&book, longer, sizeof longer);
    ck_assert_uint_eq(book.stack[0].ncalls, 3);
}
END_TEST

START_TEST(others_blocks_and_other_versions)
{
    tell("");
    tell("tapdeck-diary 2\nstack 1 x\n");
    tell("tapdeck-diary 1\n");
    tell("tapdeck-diary 1\nstack 0 x\n");
    tell("tapdeck-diary 1\nstack x\n");
    tell("somebody else's block\nstack 1 x\n");
    ck_assert_uint_eq(book.nstacks, 0);
    for (unsigned i = 1; i <= DIARY_STACKS_MAX + 5; i++) {
        char text[64];
        snprintf(text, sizeof text, "tapdeck-diary 1\nstack %u\naddress 10.0.0.%u/8 e\n", i, i % 256);
        tell(text);
    }
    ck_assert_uint_eq(book.nstacks, DIARY_STACKS_MAX);
    for (unsigned i = 0; i < DIARY_KNOBS_MAX + 5; i++)
        tell("tapdeck-diary 1\nstack 1\nknob a=b\naddress 10.0.0.1/8 e\ninterface i mtu 4\n");
    ck_assert_uint_eq(book.stack[0].nknobs, DIARY_KNOBS_MAX);
    ck_assert_uint_eq(book.stack[0].naddrs, DIARY_ADDRS_MAX);
    ck_assert(!book.no_memory);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("diary");
    TCase *c = tcase_create("diary");
    tcase_add_checked_fixture(c, NULL, teardown);
    tcase_add_test(c, two_stacks_in_a_file);
    tcase_add_test(c, the_calls_of_an_application);
    tcase_add_test(c, a_long_diary);
    tcase_add_test(c, ends_that_are_used_again);
    tcase_add_test(c, arrivals);
    tcase_add_test(c, what_makes_no_sense_is_passed_over);
    tcase_add_test(c, others_blocks_and_other_versions);
    suite_add_tcase(s, c);
    return s;
}
CHECK_MAIN(suite)
