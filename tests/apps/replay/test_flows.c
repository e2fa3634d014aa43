/* replay/flows.c and list.c: connections are numbered, their sides told apart, their ends known. */
#include "check_main.h"
#include "packets.h"
#include "replay/list.h"

#include <jansson.h>
#include <stdlib.h>

#define C 0x0a000001u
#define S 0x0a000002u

static struct flows flows;
static struct viewer viewer;
static uint64_t number;

static void setup(void)
{
    flows_init(&flows);
    viewer = (struct viewer){0};
    number = 0;
}
static void teardown(void)
{
    flows_done(&flows);
    viewer_done(&viewer);
}

/* One of a segment between C and S on these ports: `up` from C. */
static struct flow *seen(bool up, uint16_t port, uint16_t flags, tcp_seq seq, tcp_seq ack, const char *text)
{
    struct built p = {.n = 0};
    struct view v;
    int side;
    if (up)
        put_tcp(&p, C, port, S, 80, flags, seq, ack, text);
    else
        put_tcp(&p, S, 80, C, port, flags, seq, ack, text);
    struct capture_frame f = as_frame(&p, 101);
    f.wall = (int64_t)++number * 1000;
    ck_assert_int_eq(view_make(&viewer, &f, number, &v), VIEW_OK);
    struct flow *flow = flows_packet(&flows, &v, &side);
    ck_assert_ptr_nonnull(flow);
    ck_assert_uint_eq(flow->side[side].port, up ? port : 80);
    return flow;
}

/* Which connection an ICMP error is about, by what it quotes. */
START_TEST(what_an_error_quotes)
{
    struct flow *f = seen(true, 1000, TCP_SYN, 1, 0, "");
    static const struct {
        uint8_t type;
        uint16_t sport, dport;
        uint32_t n; /* bytes quoted behind the IP header */
        int side;   /* -1: none */
        td_ip4 src, dst;
    } cases[] = {
        {3, 1000, 80, 8, 0, C, S},  {3, 80, 1000, 8, 1, S, C},  {11, 1000, 80, 8, 0, C, S}, {5, 1000, 80, 4, 0, C, S},
        {3, 1000, 80, 3, -1, C, S}, {3, 1001, 80, 8, -1, C, S}, {8, 1000, 80, 8, -1, C, S}, {0, 1000, 80, 8, -1, C, S},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct built inner = {.n = 0}, p = {.n = 0};
        uint8_t ports[8] = {0}, icmp[64] = {cases[i].type, cases[i].type == 3 ? 4 : 0};
        struct view v;
        int side = -1;
        wire_put16(ports, cases[i].sport);
        wire_put16(ports + 2, cases[i].dport);
        put_ipv4(&inner, cases[i].src, cases[i].dst, 6, ports, 8);
        memcpy(icmp + 8, inner.b, 20 + cases[i].n);
        put_ipv4(&p, 0x0a000009, C, 1, icmp, 28 + cases[i].n);
        struct capture_frame frame = as_frame(&p, 101);
        ck_assert_int_eq(view_make(&viewer, &frame, ++number, &v), VIEW_OK);
        ck_assert_ptr_eq(flows_quoted(&flows, &v, &side), cases[i].side >= 0 ? f : NULL);
        if (cases[i].side >= 0)
            ck_assert_int_eq(side, cases[i].side);
    }
}
END_TEST

START_TEST(a_whole_connection)
{
    const tcp_seq iss = 0xfffffffe, irs = 5000; /* over the wrap */
    seen(true, 1000, TCP_SYN, iss, 0, "");
    seen(false, 1000, TCP_SYN | TCP_ACK, irs, iss + 1, "");
    seen(true, 1000, TCP_ACK, iss + 1, irs + 1, "");
    seen(true, 1000, TCP_ACK, iss + 1, irs + 1, "request");
    seen(true, 1000, TCP_ACK, iss + 1, irs + 1, "request"); /* again */
    seen(false, 1000, TCP_ACK | TCP_FIN, irs + 1, iss + 8, "answer");
    const struct flow *f = seen(true, 1000, TCP_ACK, iss + 8, irs + 8, "");
    ck_assert_int_eq(flow_end(f), FLOW_HALF_CLOSED);
    ck_assert(f->side[1].fin_acked);
    seen(true, 1000, TCP_ACK | TCP_FIN, iss + 8, irs + 8, "");
    f = seen(false, 1000, TCP_ACK, irs + 8, iss + 9, "");
    ck_assert_int_eq(flow_end(f), FLOW_CLOSED);
    ck_assert(f->side[0].fin_acked);
    ck_assert_int_eq(f->begin, FLOW_SYN);
    ck_assert_uint_eq(f->number, 0);
    ck_assert_uint_eq(f->side[0].bytes, 14);
    ck_assert_uint_eq(f->side[0].unique, 7);
    ck_assert_uint_eq(f->side[1].unique, 6);
    ck_assert_uint_eq(f->side[0].packets + f->side[1].packets, 9);
    ck_assert_uint_eq(f->first_packet, 1);
    ck_assert_uint_eq(f->last_packet, 9);
    ck_assert_ptr_null(flow_not_playable(f));
    ck_assert_uint_eq(flows.count, 1);
}
END_TEST

START_TEST(who_is_the_client)
{
    const struct flow *f = seen(false, 1000, TCP_ACK, 1, 1, "x"); /* in the middle: who was first */
    ck_assert_uint_eq(f->side[0].port, 80);
    ck_assert_int_eq(f->begin, FLOW_MIDSTREAM);
    ck_assert_str_eq(flow_not_playable(f), "only one side was captured");
    f = seen(false, 1001, TCP_SYN | TCP_ACK, 1, 1, ""); /* who answers is the server */
    ck_assert_uint_eq(f->side[0].port, 1001);
    ck_assert_uint_eq(f->side[1].port, 80);
    ck_assert_int_eq(f->begin, FLOW_SYN_ACK);
    f = seen(true, 1001, TCP_SYN, 0, 0, ""); /* the SYN came late into the capture */
    ck_assert_int_eq(f->begin, FLOW_SYN);
    ck_assert_uint_eq(f->side[0].port, 1001);
    ck_assert_uint_eq(flows.count, 2);
    f = seen(true, 1001, TCP_RST, 1, 0, "");
    ck_assert_int_eq(flow_end(f), FLOW_RESET);
    ck_assert_str_eq(flow_end_text(f), "RST");
}
END_TEST

START_TEST(incarnations)
{
    seen(true, 1000, TCP_SYN, 100, 0, "");
    seen(false, 1000, TCP_SYN | TCP_ACK, 7, 101, "");
    seen(true, 1000, TCP_SYN, 100, 0, ""); /* sent again */
    ck_assert_uint_eq(flows.count, 1);
    const struct flow *f = seen(true, 1000, TCP_SYN, 5555, 0, "");
    ck_assert_uint_eq(f->number, 1);
    f = seen(true, 1000, TCP_ACK, 5556, 1, "abc"); /* is the newest one's */
    ck_assert_uint_eq(f->number, 1);
    ck_assert_uint_eq(flows_number(&flows, 0)->side[0].packets, 2);
    ck_assert_ptr_null(flows_number(&flows, 2));
}
END_TEST

START_TEST(thousands)
{
    for (uint32_t i = 0; i < 20000; i++)
        (void)seen(i % 2 == 0, (uint16_t)(1 + i), TCP_ACK, i, 1, "x");
    ck_assert_uint_eq(flows.count, 20000);
    for (uint32_t i = 0; i < 20000; i++)
        ck_assert_uint_eq(seen(i % 2 != 0, (uint16_t)(1 + i), TCP_ACK, 1, i, "")->number, i);
    ck_assert_uint_eq(flows.count, 20000);
}
END_TEST

/* ---- the list ---- */

static void words32(FILE *f, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t w[4] = {a, b, c, d};
    fwrite(w, 4, 4, f);
}

/* A pcap file of this link type with two packets, the second cut off and earlier than the first. */
static struct capture_reader *file_of_two(uint32_t link, uint8_t *room, size_t size, size_t keep)
{
    char msg[256];
    struct built p = {.n = 0};
    put_tcp(&p, C, 1000, S, 80, TCP_SYN, 1, 0, "");
    FILE *f = fmemopen(room, size, "wb");
    words32(f, 0xa1b2c3d4, 4u << 16 | 2, 0, 0);
    fwrite((const uint32_t[2]){65535, link}, 4, 2, f);
    words32(f, 10, 500000, p.n, p.n);
    fwrite(p.b, 1, p.n, f);
    words32(f, 10, 0, 40, 1000);
    fwrite(p.b, 1, 40, f);
    long n = ftell(f);
    fclose(f);
    return capture_open_stream(fmemopen(room, keep < (size_t)n ? keep : (size_t)n, "rb"), "two", msg, sizeof(msg));
}

static json_t *listed(const struct contents *c)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    contents_json(c, f);
    fclose(f);
    json_t *j = json_loads(text, 0, NULL);
    ck_assert_msg(j != NULL, "%s", text);
    free(text);
    return j;
}

static long long number_of(const json_t *j, const char *key)
{
    return (long long)json_integer_value(json_object_get(j, key));
}

START_TEST(what_the_list_says)
{
    uint8_t room[1024];
    char msg[512];
    struct contents c;
    struct capture_reader *r = file_of_two(101, room, sizeof(room), SIZE_MAX);
    ck_assert_int_eq(contents_read(&c, r, "two", NULL, NULL, msg, sizeof(msg)), 0);
    json_t *j = listed(&c), *streams = json_object_get(j, "streams");
    ck_assert_int_eq(number_of(j, "packets"), 2);
    ck_assert_int_eq(number_of(j, "tcp"), 2);
    ck_assert_int_eq(number_of(j, "cut"), 1);
    ck_assert_int_eq(number_of(j, "backwards"), 1);
    ck_assert_int_eq(number_of(j, "first_ns"), 10000000000);
    ck_assert_int_eq(number_of(j, "last_ns"), 10500000000);
    ck_assert_uint_eq(json_array_size(streams), 1);
    const json_t *s = json_array_get(streams, 0);
    ck_assert_str_eq(json_string_value(json_object_get(s, "begins")), "SYN");
    ck_assert_str_eq(json_string_value(json_object_get(s, "not_playable")), "only one side was captured");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(s, "client"), "endpoint")), "10.0.0.1:1000");
    json_decref(j);
    contents_done(&c);
    capture_close(r);
    /* It breaks off: what there is is listed, and the break is said. */
    r = file_of_two(101, room, sizeof(room), 24 + 16 + 40 + 20);
    ck_assert_int_eq(contents_read(&c, r, "two", NULL, NULL, msg, sizeof(msg)), 0);
    ck_assert_uint_eq(c.packets, 1);
    ck_assert_msg(strstr(c.broken, "breaks off after 1 frame") != NULL, "%s", c.broken);
    contents_done(&c);
    capture_close(r);
}
END_TEST

START_TEST(what_cannot_be_listed)
{
    uint8_t room[1024];
    char msg[512];
    struct contents c;
    struct capture_reader *r = file_of_two(105, room, sizeof(room), SIZE_MAX);
    ck_assert_int_eq(contents_read(&c, r, "two", NULL, NULL, msg, sizeof(msg)), 2);
    ck_assert_msg(strncmp(msg, "two: link type 105 can't be read: ", 34) == 0, "%s", msg);
    contents_done(&c);
    capture_close(r);
    r = file_of_two(101, room, sizeof(room), 24);
    ck_assert_int_eq(contents_read(&c, r, "two", NULL, NULL, msg, sizeof(msg)), 2);
    ck_assert_str_eq(msg, "two: there is no packet in it");
    contents_done(&c);
    capture_close(r);
    r = file_of_two(101, room, sizeof(room), 30);
    ck_assert_int_eq(contents_read(&c, r, "two", NULL, NULL, msg, sizeof(msg)), 2);
    ck_assert_msg(strncmp(msg, "two: breaks off after 0 frames", 30) == 0, "%s", msg);
    contents_done(&c);
    capture_close(r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay flows");
    TCase *t = tcase_create("flows");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_whole_connection);
    tcase_add_test(t, what_an_error_quotes);
    tcase_add_test(t, who_is_the_client);
    tcase_add_test(t, incarnations);
    tcase_add_test(t, thousands);
    suite_add_tcase(s, t);
    t = tcase_create("list");
    tcase_add_test(t, what_the_list_says);
    tcase_add_test(t, what_cannot_be_listed);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
